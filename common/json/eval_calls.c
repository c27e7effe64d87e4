/* The functions, as builtin.c and builtin.jq of jq 1.6 have them. */
#include "json/eval.h"
#include "json/number.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* ---- any value ---- */

/* The value's text as a string. */
static struct val
text_of(struct eval *eval, struct val v)
{
	buf_reset(&eval->scratch);
	val_put(&eval->pool, v, &eval->scratch);
	uint8_t *p = val_alloc(&eval->pool, eval->scratch.n);
	if (!p)
		return val_of_string(STR(""));
	memcpy(p, eval->scratch.p, eval->scratch.n);
	return val_of_string((struct str){ p, (int32_t)eval->scratch.n });
}

struct val
eval_tostring(struct eval *eval, struct val v)
{
	return v.kind == VAL_STRING ? v : text_of(eval, v);
}

/* Other texts than JSON's numbers (white space around, nan, 007) are for libjq. */
static int
tonumber(struct eval *eval, struct val v, struct val *out)
{
	struct number number;
	if (v.kind == VAL_NUMBER)
		return eval_give(out, v);
	if (v.kind != VAL_STRING)
		return -1;
	struct str s = val_string(&eval->pool, v);
	if (number_scan(s.p, s.p + s.n, &number) != s.p + s.n)
		return eval_ask(eval);
	return eval_give(out, val_of_number(number_value(&number, s)));
}

static int
length(struct eval *eval, struct val v, struct val *out)
{
	int64_t n = 0;
	switch ((enum val_kind)v.kind) {
	case VAL_NULL: break;
	case VAL_NUMBER: return eval_give(out, val_of_number(fabs(val_number(v))));
	case VAL_STRING: {
		struct str s = val_string(&eval->pool, v);
		for (int32_t i = 0; i < s.n; i++)
			n += (s.p[i] & 0xc0) != 0x80;
		break;
	}
	case VAL_ARRAY: case VAL_OBJECT: n = val_length(&eval->pool, v); break;
	default: return -1;
	}
	return eval_give_made(eval, out, val_of_number((double)n));
}

static int
type(struct val v, struct val *out)
{
	static const char *const names[] = { "null", "boolean", "boolean", "number", "string",
		"array", "object" };
	return eval_give(out, val_of_string(str_of(names[v.kind])));
}

/* By enum tree_call: the kinds of values that the function lets through. */
static const uint8_t call_kinds[] = {
	[CALL_NULLS] = 1 << VAL_NULL,
	[CALL_BOOLEANS] = 1 << VAL_FALSE | 1 << VAL_TRUE,
	[CALL_NUMBERS] = 1 << VAL_NUMBER,
	[CALL_STRINGS] = 1 << VAL_STRING,
	[CALL_ARRAYS] = 1 << VAL_ARRAY,
	[CALL_OBJECTS] = 1 << VAL_OBJECT,
	[CALL_SCALARS] = (1 << VAL_ARRAY) - 1,
	[CALL_ITERABLES] = 1 << VAL_ARRAY | 1 << VAL_OBJECT,
	[CALL_VALUES] = 0x7f & ~(1 << VAL_NULL),
};

/* ---- strings ---- */

static int
change_case(struct eval *eval, struct val v, char first, struct val *out)
{
	if (v.kind != VAL_STRING)
		return -1;
	struct str s = val_string(&eval->pool, v);
	uint8_t *p = val_alloc(&eval->pool, (size_t)s.n + 1);
	if (!p)
		return -1;
	for (int32_t i = 0; i < s.n; i++)
		p[i] = (uint8_t)(s.p[i] - first) < 26 ? s.p[i] ^ 0x20 : s.p[i];
	return eval_give(out, val_of_string((struct str){ p, s.n }));
}

static bool
has_suffix(struct str s, struct str suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, (size_t)suffix.n) == 0;
}

/* startswith, endswith */
static int
has_end(struct eval *eval, enum tree_call call, struct val v, struct val arg, struct val *out)
{
	if (v.kind != VAL_STRING || arg.kind != VAL_STRING)
		return -1;
	struct str s = val_string(&eval->pool, v), part = val_string(&eval->pool, arg);
	return eval_give(out, val_of_bool(call == CALL_STARTSWITH ? str_has_prefix(s, part)
		: has_suffix(s, part)));
}

/* ltrimstr, rtrimstr: no error for other types */
static int
trim(struct eval *eval, enum tree_call call, struct val v, struct val arg, struct val *out)
{
	if (v.kind != VAL_STRING || arg.kind != VAL_STRING)
		return eval_give(out, v);
	struct str s = val_string(&eval->pool, v), part = val_string(&eval->pool, arg);
	if (call == CALL_LTRIMSTR && str_has_prefix(s, part))
		s.p += part.n;
	else if (call == CALL_LTRIMSTR || !has_suffix(s, part))
		return eval_give(out, v);
	s.n -= part.n;
	return eval_give(out, val_of_string(s));
}

static int
split(struct eval *eval, struct val v, struct val arg, struct val *out)
{
	struct val_list list = { 0 };
	if (v.kind != VAL_STRING || arg.kind != VAL_STRING)
		return -1;
	struct str s = val_string(&eval->pool, v), by = val_string(&eval->pool, arg);
	const uint8_t *p = s.p, *end = p + s.n;
	while (p < end) {
		const uint8_t *to;
		if (by.n == 0) { /* into characters */
			for (to = p + 1; to < end && (*to & 0xc0) == 0x80; to++)
				continue;
		} else {
			to = memmem(p, (size_t)(end - p), by.p, (size_t)by.n);
			to = to ? to : end;
		}
		if (!val_list_add(&eval->pool, &list,
			val_of_string((struct str){ p, (int32_t)(to - p) })))
			return -1;
		p = to + by.n;
		if (p == end && by.n > 0 && !val_list_add(&eval->pool, &list, val_of_string(STR(""))))
			return -1;
	}
	return eval_give_list(eval, out, &list);
}

static int
join(struct eval *eval, struct val v, struct val arg, struct val *out)
{
	struct val_list list = { 0 };
	struct val sum = val_of_string(STR(""));
	if (eval_each(eval, v, &list) < 0)
		return -1;
	for (int i = 0; i < list.n; i++) {
		struct val item = list.v[i];
		if (i > 0 && eval_operator(eval, TREE_ADD, sum, arg, &sum) < 0)
			return -1;
		if (item.kind == VAL_NULL)
			item = val_of_string(STR(""));
		else if (item.kind < VAL_STRING)
			item = text_of(eval, item);
		if (eval_operator(eval, TREE_ADD, sum, item, &sum) < 0)
			return -1;
	}
	return eval_give(out, sum);
}

/* ---- containment ---- */

static bool contains(struct eval *eval, struct val x, struct val y);

static bool
string_contains(struct eval *eval, struct val x, struct val y)
{
	struct str a = val_string(&eval->pool, x), b = val_string(&eval->pool, y);
	/* libjq's strings end at a NUL here. */
	if (memchr(a.p, 0, (size_t)a.n) || memchr(b.p, 0, (size_t)b.n)) {
		eval_ask(eval);
		return false;
	}
	return memmem(a.p, (size_t)a.n, b.p, (size_t)b.n) != NULL;
}

static bool
array_contains(struct eval *eval, struct val x, struct val y)
{
	x = val_made(&eval->pool, x);
	y = val_made(&eval->pool, y);
	for (int32_t i = 0; i < y.n; i++) {
		int32_t j = 0;
		while (j < x.n && !contains(eval, x.item[j], y.item[i]))
			j++;
		if (j == x.n)
			return false;
	}
	return true;
}

static bool
object_contains(struct eval *eval, struct val x, struct val y)
{
	y = val_made(&eval->pool, y);
	for (int32_t i = 0; i < y.n; i++) {
		bool found;
		struct val v = val_member(&eval->pool, x, val_string(&eval->pool, y.member[i].key), &found);
		if (!found || !contains(eval, v, y.member[i].value))
			return false;
	}
	return true;
}

static bool
contains(struct eval *eval, struct val x, struct val y)
{
	if (x.kind != y.kind || !val_visit(&eval->pool))
		return false;
	switch (x.kind) {
	case VAL_STRING: return string_contains(eval, x, y);
	case VAL_ARRAY: return array_contains(eval, x, y);
	case VAL_OBJECT: return object_contains(eval, x, y);
	default: return val_is_equal(&eval->pool, x, y);
	}
}

/* ---- arrays and objects ---- */

static int
has(struct eval *eval, struct val v, struct val key, struct val *out)
{
	bool found = false;
	if (v.kind == VAL_OBJECT && key.kind == VAL_STRING) {
		val_member(&eval->pool, v, val_string(&eval->pool, key), &found);
	} else if (v.kind == VAL_ARRAY && key.kind == VAL_NUMBER) {
		double at = val_number(key);
		if (!(at > INT_MIN && at < INT_MAX))
			return eval_ask(eval);
		found = (int)at >= 0 && (int)at < val_length(&eval->pool, v);
	} else if (v.kind != VAL_NULL) {
		return -1;
	}
	return eval_give_made(eval, out, val_of_bool(found));
}

static int
string_cmp(const void *x, const void *y)
{
	const struct val *a = x, *b = y;
	return str_cmp((struct str){ a->p, a->n }, (struct str){ b->p, b->n });
}

static int
keys(struct eval *eval, struct val v, bool is_sorted, struct val *out)
{
	struct val_list list = { 0 };
	if (v.kind != VAL_ARRAY && v.kind != VAL_OBJECT)
		return -1;
	v = val_made(&eval->pool, v);
	for (int32_t i = 0; i < v.n; i++) {
		struct val key = v.kind == VAL_ARRAY ? val_of_number(i)
			: val_of_string(val_string(&eval->pool, v.member[i].key));
		if (!val_list_add(&eval->pool, &list, key))
			return -1;
	}
	if (v.kind == VAL_OBJECT && is_sorted && list.n > 1)
		qsort(list.v, (size_t)list.n, sizeof *list.v, string_cmp);
	return eval_give_list(eval, out, &list);
}

static int
to_entries(struct eval *eval, struct val v, struct val *out)
{
	struct val_list list = { 0 };
	if (v.kind != VAL_OBJECT)
		return v.kind == VAL_ARRAY ? eval_ask(eval) : -1;
	v = val_made(&eval->pool, v);
	for (int32_t i = 0; i < v.n; i++) {
		struct val_member *member = val_alloc(&eval->pool, 2 * sizeof *member);
		if (!member)
			return -1;
		member[0] = (struct val_member){ val_of_string(STR("key")), v.member[i].key };
		member[1] = (struct val_member){ val_of_string(STR("value")), v.member[i].value };
		if (!val_list_add(&eval->pool, &list,
			(struct val){ .kind = VAL_OBJECT, .n = 2, .member = member }))
			return -1;
	}
	return eval_give_list(eval, out, &list);
}

static int
add(struct eval *eval, struct val v, struct val *out)
{
	struct val_list list = { 0 };
	struct val sum = val_of_kind(VAL_NULL);
	if (eval_each(eval, v, &list) < 0)
		return -1;
	for (int i = 0; i < list.n; i++)
		if (eval_operator(eval, TREE_ADD, sum, list.v[i], &sum) < 0)
			return -1;
	return eval_give(out, sum);
}

static int
extreme(struct eval *eval, struct val v, bool is_min, struct val *out)
{
	if (v.kind != VAL_ARRAY)
		return -1;
	v = val_made(&eval->pool, v);
	*out = v.n > 0 ? v.item[0] : val_of_kind(VAL_NULL);
	for (int32_t i = 1; i < v.n; i++)
		if ((val_cmp(&eval->pool, v.item[i], *out) < 0) == is_min)
			*out = v.item[i];
	return eval->pool.is_full ? -1 : 1;
}

/* any, all */
static int
any(struct eval *eval, struct val v, bool is_any, struct val *out)
{
	struct val_list list = { 0 };
	int i = 0;
	if (eval_each(eval, v, &list) < 0)
		return -1;
	while (i < list.n && val_is_true(list.v[i]) != is_any)
		i++;
	return eval_give(out, val_of_bool((i < list.n) == is_any));
}

static int
reverse(struct eval *eval, struct val v, struct val *out)
{
	struct val_list list = { 0 };
	if (v.kind != VAL_ARRAY)
		return eval_ask(eval);
	v = val_made(&eval->pool, v);
	for (int32_t i = v.n; i-- > 0;)
		if (!val_list_add(&eval->pool, &list, v.item[i]))
			return -1;
	return eval_give_list(eval, out, &list);
}

/* ---- all ---- */

static int
real(struct val v, double (*of)(double), struct val *out)
{
	return v.kind == VAL_NUMBER ? eval_give(out, val_of_number(of(val_number(v)))) : -1;
}

static int
call_with(struct eval *eval, enum tree_call call, struct val dot, struct val arg,
	struct val *out)
{
	switch (call) {
	case CALL_STARTSWITH: case CALL_ENDSWITH: return has_end(eval, call, dot, arg, out);
	case CALL_LTRIMSTR: case CALL_RTRIMSTR: return trim(eval, call, dot, arg, out);
	case CALL_CONTAINS:
		if (dot.kind != arg.kind)
			return -1;
		return eval_give_made(eval, out, val_of_bool(contains(eval, dot, arg)));
	case CALL_SPLIT: return split(eval, dot, arg, out);
	case CALL_JOIN: return join(eval, dot, arg, out);
	case CALL_HAS: return has(eval, dot, arg, out);
	default: assert(!"a function of a value"); return -1;
	}
}

int
eval_call(struct eval *eval, enum tree_call call, struct val dot, struct val arg,
	struct val *out)
{
	switch (call) {
	case CALL_EMPTY: return 0;
	case CALL_NOT: return eval_give(out, val_of_bool(!val_is_true(dot)));
	case CALL_LENGTH: return length(eval, dot, out);
	case CALL_TYPE: return type(dot, out);
	case CALL_TOSTRING: return eval_give_made(eval, out, eval_tostring(eval, dot));
	case CALL_TONUMBER: return tonumber(eval, dot, out);
	case CALL_TOJSON: return eval_give_made(eval, out, text_of(eval, dot));
	case CALL_DOWNCASE: return change_case(eval, dot, 'A', out);
	case CALL_UPCASE: return change_case(eval, dot, 'a', out);
	case CALL_KEYS: return keys(eval, dot, true, out);
	case CALL_KEYS_UNSORTED: return keys(eval, dot, false, out);
	case CALL_ADD: return add(eval, dot, out);
	case CALL_MIN: return extreme(eval, dot, true, out);
	case CALL_MAX: return extreme(eval, dot, false, out);
	case CALL_FLOOR: return real(dot, floor, out);
	case CALL_SQRT: return real(dot, sqrt, out);
	case CALL_ANY: return any(eval, dot, true, out);
	case CALL_ALL: return any(eval, dot, false, out);
	case CALL_FIRST: return eval_index(eval, dot, val_of_number(0), out);
	case CALL_LAST: return eval_index(eval, dot, val_of_number(-1), out);
	case CALL_TO_ENTRIES: return to_entries(eval, dot, out);
	case CALL_REVERSE: return reverse(eval, dot, out);
	case CALL_FROMDATE: return eval_fromdate(eval, dot, out);
	case CALL_TODATE: return eval_todate(eval, dot, out);
	default: break;
	}
	if (call <= CALL_VALUES)
		return (call_kinds[call] >> dot.kind & 1) != 0 ? eval_give(out, dot) : 0;
	return call_with(eval, call, dot, arg, out);
}
