/* Operators and indexes, as jq 1.6 has them. */
#include "json/eval.h"

#include <limits.h>
#include <math.h>

/* ---- + ---- */

static int
concat(struct eval *eval, struct val x, struct val y, struct val *out)
{
	struct str a = val_string(&eval->pool, x), b = val_string(&eval->pool, y);
	if (a.n > INT32_MAX / 2 || b.n > INT32_MAX / 2)
		return eval_ask(eval);
	uint8_t *p = val_alloc(&eval->pool, (size_t)a.n + (size_t)b.n + 1);
	if (!p)
		return -1;
	memcpy(p, a.p, (size_t)a.n);
	memcpy(p + a.n, b.p, (size_t)b.n);
	return eval_give(out, val_of_string((struct str){ p, a.n + b.n }));
}

static int
append(struct eval *eval, struct val x, struct val y, struct val *out)
{
	x = val_made(&eval->pool, x);
	y = val_made(&eval->pool, y);
	struct val *items = val_alloc(&eval->pool, ((size_t)x.n + (size_t)y.n) * sizeof *items);
	if (!items)
		return -1;
	if (x.n > 0)
		memcpy(items, x.item, (size_t)x.n * sizeof *items);
	if (y.n > 0)
		memcpy(items + x.n, y.item, (size_t)y.n * sizeof *items);
	return eval_give(out, (struct val){ .kind = VAL_ARRAY, .n = x.n + y.n, .item = items });
}

static bool
is_key(struct eval *eval, const struct val_member *member, struct str key)
{
	return str_eq(val_string(&eval->pool, member->key), key);
}

/* The members of x with those of y set; is_deep: objects in both are merged likewise. */
static int
merge(struct eval *eval, struct val x, struct val y, bool is_deep, struct val *out)
{
	x = val_made(&eval->pool, x);
	y = val_made(&eval->pool, y);
	struct val_member *v = val_alloc(&eval->pool, ((size_t)x.n + (size_t)y.n) * sizeof *v);
	int32_t n = x.n;
	if (!v || !val_visit(&eval->pool))
		return -1;
	if (n > 0)
		memcpy(v, x.member, (size_t)n * sizeof *v);
	for (int32_t i = 0; i < y.n; i++) {
		struct str key = val_string(&eval->pool, y.member[i].key);
		int32_t at = 0;
		while (at < x.n && !is_key(eval, &v[at], key))
			at++;
		if (at == x.n) {
			v[n++] = y.member[i];
		} else if (!is_deep || v[at].value.kind != VAL_OBJECT
			|| y.member[i].value.kind != VAL_OBJECT) {
			v[at].value = y.member[i].value;
		} else if (merge(eval, v[at].value, y.member[i].value, true, &v[at].value) < 0) {
			return -1;
		}
	}
	return eval_give(out, (struct val){ .kind = VAL_OBJECT, .n = n, .member = v });
}

static int
plus(struct eval *eval, struct val x, struct val y, struct val *out)
{
	if (x.kind == VAL_NULL)
		return eval_give(out, y);
	if (y.kind == VAL_NULL)
		return eval_give(out, x);
	if (x.kind != y.kind)
		return -1;
	switch (x.kind) {
	case VAL_NUMBER: return eval_give(out, val_of_number(val_number(x) + val_number(y)));
	case VAL_STRING: return concat(eval, x, y, out);
	case VAL_ARRAY: return append(eval, x, y, out);
	case VAL_OBJECT: return merge(eval, x, y, false, out);
	default: return -1;
	}
}

/* ---- the other operators ---- */

/* The items of x that are not in y. */
static int
without(struct eval *eval, struct val x, struct val y, struct val *out)
{
	struct val_list list = { 0 };
	x = val_made(&eval->pool, x);
	y = val_made(&eval->pool, y);
	for (int32_t i = 0; i < x.n; i++) {
		int32_t j = 0;
		while (j < y.n && !val_is_equal(&eval->pool, x.item[i], y.item[j]))
			j++;
		if (j == y.n && !val_list_add(&eval->pool, &list, x.item[i]))
			return -1;
	}
	return eval_give_list(eval, out, &list);
}

static int
minus(struct eval *eval, struct val x, struct val y, struct val *out)
{
	if (x.kind == VAL_NUMBER && y.kind == VAL_NUMBER)
		return eval_give(out, val_of_number(val_number(x) - val_number(y)));
	return x.kind == VAL_ARRAY && y.kind == VAL_ARRAY ? without(eval, x, y, out) : -1;
}

static int
times(struct eval *eval, struct val x, struct val y, struct val *out)
{
	if (x.kind == VAL_NUMBER && y.kind == VAL_NUMBER)
		return eval_give(out, val_of_number(val_number(x) * val_number(y)));
	if (x.kind == VAL_OBJECT && y.kind == VAL_OBJECT)
		return merge(eval, x, y, true, out);
	return eval_ask(eval); /* a string times a number: what jq does depends on its patches */
}

static int
divide(struct eval *eval, struct val x, struct val y, struct val *out)
{
	if (x.kind == VAL_STRING && y.kind == VAL_STRING)
		return eval_call(eval, CALL_SPLIT, x, y, out);
	if (x.kind != VAL_NUMBER || y.kind != VAL_NUMBER || val_number(y) == 0)
		return -1;
	return eval_give(out, val_of_number(val_number(x) / val_number(y)));
}

/* Of integers: what is behind the point does not count. */
static int
modulo(struct eval *eval, struct val x, struct val y, struct val *out)
{
	if (x.kind != VAL_NUMBER || y.kind != VAL_NUMBER)
		return -1;
	double left = val_number(x), right = val_number(y);
	if (!(fabs(left) < 0x1p63) || !(fabs(right) < 0x1p63))
		return eval_ask(eval);
	if ((int64_t)right == 0)
		return -1;
	return eval_give(out, val_of_number((double)((int64_t)left % (int64_t)right)));
}

static int
compare(struct eval *eval, enum tree_op op, struct val x, struct val y, struct val *out)
{
	int rc = val_cmp(&eval->pool, x, y);
	bool is_true = op == TREE_LT ? rc < 0 : op == TREE_LE ? rc <= 0 : op == TREE_GT ? rc > 0
		: rc >= 0;
	return eval_give_made(eval, out, val_of_bool(is_true));
}

int
eval_operator(struct eval *eval, enum tree_op op, struct val x, struct val y, struct val *out)
{
	switch (op) {
	case TREE_ADD: return plus(eval, x, y, out);
	case TREE_SUB: return minus(eval, x, y, out);
	case TREE_MUL: return times(eval, x, y, out);
	case TREE_DIV: return divide(eval, x, y, out);
	case TREE_MOD: return modulo(eval, x, y, out);
	case TREE_EQ: return eval_give_made(eval, out, val_of_bool(val_is_equal(&eval->pool, x, y)));
	case TREE_NE: return eval_give_made(eval, out, val_of_bool(!val_is_equal(&eval->pool, x, y)));
	default: return compare(eval, op, x, y, out);
	}
}

int
eval_negate(struct val v, struct val *out)
{
	return v.kind == VAL_NUMBER ? eval_give(out, val_of_number(-val_number(v))) : -1;
}

/* ---- indexes ---- */

int
eval_index(struct eval *eval, struct val v, struct val key, struct val *out)
{
	if (v.kind == VAL_OBJECT && key.kind == VAL_STRING)
		return eval_give_made(eval, out,
			val_member(&eval->pool, v, val_string(&eval->pool, key), NULL));
	if (v.kind == VAL_ARRAY && key.kind == VAL_NUMBER) {
		double at = val_number(key);
		if (!(at >= INT_MIN && at <= INT_MAX) || at != (double)(int)at)
			return eval_give(out, val_of_kind(VAL_NULL));
		return eval_give(out, val_item(v, (int64_t)at));
	}
	if (v.kind == VAL_NULL && (key.kind == VAL_STRING || key.kind == VAL_NUMBER))
		return eval_give(out, v);
	/* Objects are slices, and arrays are searched for. */
	return key.kind >= VAL_ARRAY ? eval_ask(eval) : -1;
}

/* Past n characters. */
static int32_t
skip_characters(struct str s, int32_t at, int64_t n)
{
	while (n-- > 0 && at < s.n)
		for (at++; at < s.n && (s.p[at] & 0xc0) == 0x80; at++)
			continue;
	return at;
}

static struct val
part_of(struct eval *eval, struct val v, int32_t from, int32_t to)
{
	if (v.kind == VAL_ARRAY) {
		v = val_made(&eval->pool, v);
		return (struct val){ .kind = VAL_ARRAY, .n = to - from,
			.item = v.item ? v.item + from : NULL };
	}
	struct str s = val_string(&eval->pool, v);
	int32_t begin = skip_characters(s, 0, from), end = skip_characters(s, begin, to - from);
	return val_of_string((struct str){ s.p + begin, end - begin });
}

int
eval_slice(struct eval *eval, struct val v, struct val from, struct val to, struct val *out)
{
	if (v.kind == VAL_NULL)
		return eval_give(out, v);
	if ((v.kind != VAL_ARRAY && v.kind != VAL_STRING)
		|| (from.kind != VAL_NULL && from.kind != VAL_NUMBER)
		|| (to.kind != VAL_NULL && to.kind != VAL_NUMBER))
		return -1;
	struct val length;
	if (eval_call(eval, CALL_LENGTH, v, v, &length) < 0)
		return -1;
	double n = val_number(length), first = from.kind == VAL_NULL ? 0 : val_number(from);
	double last = to.kind == VAL_NULL ? n : val_number(to);
	if (isnan(first) || isnan(last))
		return eval_ask(eval);
	first += first < 0 ? n : 0;
	last += last < 0 ? n : 0;
	first = first < 0 ? 0 : first > n ? n : floor(first);
	last = last > n ? n : ceil(last);
	last = last < first ? first : last;
	return eval_give_made(eval, out, part_of(eval, v, (int32_t)first, (int32_t)last));
}

int
eval_each(struct eval *eval, struct val v, struct val_list *out)
{
	if (v.kind != VAL_ARRAY && v.kind != VAL_OBJECT)
		return -1;
	v = val_made(&eval->pool, v);
	for (int32_t i = 0; i < v.n; i++)
		if (!val_list_add(&eval->pool, out,
			v.kind == VAL_ARRAY ? v.item[i] : v.member[i].value))
			return -1;
	return eval->pool.is_full ? -1 : 0;
}
