#include "json/eval.h"

enum { LIST_CAP = 8 };

bool
val_list_add(struct val_pool *pool, struct val_list *list, struct val v)
{
	if (list->n == list->cap) {
		int cap = list->cap ? list->cap * 2 : LIST_CAP;
		struct val *items = val_alloc(pool, (size_t)cap * sizeof *items);
		if (!items)
			return false;
		if (list->n > 0)
			memcpy(items, list->v, (size_t)list->n * sizeof *items);
		list->v = items;
		list->cap = cap;
	}
	list->v[list->n++] = v;
	return true;
}

int
eval_caught(struct eval *eval, const struct tree_node *tree)
{
	if (eval->pool.is_full || tree->arg[0]->has_try)
		return eval_ask(eval);
	return 0;
}

/* ---- nodes of one result ---- */

/* The member of what is an object, or null. */
static int
member(struct eval *eval, const struct tree_node *tree, struct val of, struct val *out)
{
	if (of.kind == VAL_OBJECT)
		*out = val_member(&eval->pool, of, (struct str){ tree->value.p, tree->value.n }, NULL);
	else if (of.kind == VAL_NULL)
		*out = of;
	else
		return eval_optional(eval, tree, -1);
	return 1;
}

static int
slot(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	const struct tree_node *of = tree->arg[0];
	struct val parent = dot;
	if (of->op == TREE_SLOT) {
		int rc = slot(eval, of, dot, &parent);
		if (rc <= 0)
			return rc;
	}
	if (parent.kind != VAL_OBJECT && parent.kind != VAL_NULL)
		return eval_optional(eval, tree, -1);
	*out = eval->doc->slot[tree->index];
	return 1;
}

/* Evaluate the arguments in jq's order, the second before the first. */
static int
two(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *x, struct val *y)
{
	int rc = eval_one(eval, tree->arg[1], dot, y);
	return rc <= 0 ? rc : eval_one(eval, tree->arg[0], dot, x);
}

static int
truth(struct eval *eval, const struct tree_node *tree, struct val dot)
{
	struct val v;
	int rc = eval_one(eval, tree, dot, &v);
	return rc <= 0 ? rc : val_is_true(v) ? 2 : 1;
}

/* x and y: when x is not what decides, y decides. */
static int
logic(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	int rc = truth(eval, tree->arg[0], dot);
	if (rc > 0 && (rc == 2) == (tree->op == TREE_AND))
		rc = truth(eval, tree->arg[1], dot);
	*out = val_of_bool(rc == 2);
	return rc > 0 ? 1 : rc;
}

/* x // y */
static int
alternative(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	int rc = eval_one(eval, tree->arg[0], dot, out);
	if (rc < 0 || (rc > 0 && val_is_true(*out)))
		return rc;
	return eval_one(eval, tree->arg[1], dot, out);
}

static int
reduce(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val_list list = { 0 };
	int rc = eval_one(eval, tree->arg[1], dot, out);
	if (rc <= 0)
		return rc;
	if (eval_all(eval, tree->arg[0], dot, &list) < 0)
		return -1;
	for (int i = 0; i < list.n; i++) {
		eval->local[tree->index] = list.v[i];
		rc = eval_one(eval, tree->arg[2], *out, out);
		if (rc < 0)
			return rc;
		if (rc == 0)
			*out = val_of_kind(VAL_NULL);
	}
	return 1;
}

/* A member more, or another value of one. */
static bool
set_member(struct val_pool *pool, struct val_member *v, int32_t *n, struct val key,
	struct val value)
{
	struct str s = val_string(pool, key);
	int32_t i = 0;
	while (i < *n && !str_eq(val_string(pool, v[i].key), s))
		i++;
	v[i] = (struct val_member){ i < *n ? v[i].key : key, value };
	*n += i == *n;
	return !pool->is_full;
}

static int
object(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	int32_t n = 0;
	for (const struct tree_node *pair = tree->arg[0]; pair; pair = pair->next)
		n++;
	struct val_member *v = val_alloc(&eval->pool, (size_t)n * sizeof *v);
	if (!v)
		return -1;
	n = 0;
	for (const struct tree_node *pair = tree->arg[0]; pair; pair = pair->next) {
		struct val key, value;
		int rc = eval_one(eval, pair->arg[0], dot, &key);
		if (rc > 0)
			rc = eval_one(eval, pair->arg[1], dot, &value);
		if (rc <= 0)
			return rc;
		if (key.kind != VAL_STRING || !set_member(&eval->pool, v, &n, key, value))
			return -1;
	}
	*out = (struct val){ .kind = VAL_OBJECT, .n = n, .member = v };
	return 1;
}

static int
array(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val_list list = { 0 };
	if (tree->arg[0] && eval_all(eval, tree->arg[0], dot, &list) < 0)
		return -1;
	*out = (struct val){ .kind = VAL_ARRAY, .n = list.n, .item = list.v };
	return 1;
}

/* The strings of the parts, joined. */
static int
string(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	*out = val_of_string(STR(""));
	for (const struct tree_node *part = tree->arg[0]; part; part = part->next) {
		struct val v;
		int rc = eval_one(eval, part, dot, &v);
		if (rc <= 0)
			return rc;
		rc = eval_operator(eval, TREE_ADD, *out, eval_tostring(eval, v), out);
		if (rc < 0)
			return rc;
	}
	return 1;
}

/* any(f), all(f) */
static int
any_of(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val_list list = { 0 };
	bool is_any = tree->call == CALL_ANY_OF;
	if (eval_each(eval, dot, &list) < 0)
		return -1;
	*out = val_of_bool(!is_any);
	for (int i = 0; i < list.n; i++) {
		int rc = truth(eval, tree->arg[0], list.v[i]);
		/* jq 1.6 stops behind an item for which f is empty. */
		if (rc <= 0)
			return rc < 0 ? rc : eval_ask(eval);
		if ((rc == 2) == is_any) {
			*out = val_of_bool(is_any);
			break;
		}
	}
	return 1;
}

/* [.[] | f] */
static int
map(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val_list list = { 0 }, results = { 0 };
	if (eval_each(eval, dot, &list) < 0)
		return -1;
	for (int i = 0; i < list.n; i++)
		if (eval_all(eval, tree->arg[0], list.v[i], &results) < 0)
			return -1;
	*out = (struct val){ .kind = VAL_ARRAY, .n = results.n, .item = results.v };
	return 1;
}

static int
test(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	if (dot.kind != VAL_STRING)
		return -1;
	int rc = regex_test(tree->regex, val_string(&eval->pool, dot));
	*out = val_of_bool(rc > 0);
	return rc < 0 ? eval_ask(eval) : 1;
}

static int
call(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val arg = val_of_kind(VAL_NULL);
	int rc;
	switch (tree->call) {
	case CALL_MAP: return map(eval, tree, dot, out);
	case CALL_ANY_OF: case CALL_ALL_OF: return any_of(eval, tree, dot, out);
	case CALL_SELECT:
		*out = dot;
		rc = truth(eval, tree->arg[0], dot);
		return rc <= 0 ? rc : rc - 1;
	case CALL_TEST: return test(eval, tree, dot, out);
	default: break;
	}
	rc = tree->arg[0] ? eval_one(eval, tree->arg[0], dot, &arg) : 1;
	return rc <= 0 ? rc : eval_call(eval, (enum tree_call)tree->call, dot, arg, out);
}

/* Nodes with their own rules for arguments. */
static int
eval_special(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val v;
	int rc;
	switch (tree->op) {
	case TREE_AND: case TREE_OR: return logic(eval, tree, dot, out);
	case TREE_ALT: return alternative(eval, tree, dot, out);
	case TREE_IF:
		rc = truth(eval, tree->arg[0], dot);
		return rc <= 0 ? rc : eval_one(eval, tree->arg[rc == 2 ? 1 : 2], dot, out);
	case TREE_TRY:
		rc = eval_one(eval, tree->arg[0], dot, out);
		return rc < 0 ? eval_caught(eval, tree) : rc;
	case TREE_AS:
		rc = eval_one(eval, tree->arg[0], dot, &v);
		if (rc <= 0)
			return rc;
		eval->local[tree->index] = v;
		return eval_one(eval, tree->arg[1], dot, out);
	case TREE_REDUCE: return reduce(eval, tree, dot, out);
	case TREE_OBJECT: return object(eval, tree, dot, out);
	case TREE_ARRAY: return array(eval, tree, dot, out);
	case TREE_STRING: return string(eval, tree, dot, out);
	case TREE_CALL: return call(eval, tree, dot, out);
	default: assert(!"a node of one result"); return -1;
	}
}

int
eval_one(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out)
{
	struct val x, y, v;
	int rc;
	switch ((enum tree_op)tree->op) {
	case TREE_DOT: *out = dot; return 1;
	case TREE_CONST: *out = tree->value; return 1;
	case TREE_SLOT: return slot(eval, tree, dot, out);
	case TREE_VAR: *out = eval->var[tree->index]; return 1;
	case TREE_LOCAL: *out = eval->local[tree->index]; return 1;
	case TREE_MEMBER:
		rc = eval_one(eval, tree->arg[0], dot, &x);
		return rc <= 0 ? rc : member(eval, tree, x, out);
	case TREE_INDEX:
		rc = two(eval, tree, dot, &x, &y);
		return rc <= 0 ? rc : eval_optional(eval, tree, eval_index(eval, x, y, out));
	case TREE_SLICE:
		rc = eval_one(eval, tree->arg[1], dot, &x);
		if (rc > 0)
			rc = eval_one(eval, tree->arg[2], dot, &y);
		if (rc > 0)
			rc = eval_one(eval, tree->arg[0], dot, &v);
		return rc <= 0 ? rc : eval_optional(eval, tree, eval_slice(eval, v, x, y, out));
	case TREE_PIPE:
		rc = eval_one(eval, tree->arg[0], dot, &x);
		return rc <= 0 ? rc : eval_one(eval, tree->arg[1], x, out);
	case TREE_NEGATE:
		rc = eval_one(eval, tree->arg[0], dot, &x);
		return rc <= 0 ? rc : eval_negate(x, out);
	case TREE_ADD: case TREE_SUB: case TREE_MUL: case TREE_DIV: case TREE_MOD:
	case TREE_EQ: case TREE_NE: case TREE_LT: case TREE_LE: case TREE_GT: case TREE_GE:
		rc = two(eval, tree, dot, &x, &y);
		return rc <= 0 ? rc : eval_operator(eval, (enum tree_op)tree->op, x, y, out);
	default:
		return eval_special(eval, tree, dot, out);
	}
}

/* The members are printed as they are computed. */
static int
put_fixed(struct eval *eval, const struct tree_node *tree, struct val dot, struct buf *out)
{
	size_t n = out->n;
	for (const struct tree_node *pair = tree->arg[0]; pair; pair = pair->next) {
		buf_put(out, pair->value.p, (size_t)pair->value.n);
		int rc = eval_put(eval, pair->arg[1], dot, out);
		if (rc <= 0) {
			out->n = n;
			return rc;
		}
	}
	buf_putc(out, '}');
	return 1;
}

int
eval_put(struct eval *eval, const struct tree_node *tree, struct val dot, struct buf *out)
{
	struct val v;
	if (tree->op == TREE_OBJECT && tree->is_fixed)
		return put_fixed(eval, tree, dot, out);
	int rc = eval_one(eval, tree, dot, &v);
	if (rc > 0)
		val_put(&eval->pool, v, out);
	return eval->pool.is_full ? -1 : rc;
}
