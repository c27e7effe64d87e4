/* Nodes of several results, in the order in which jq's backtracking finds them. */
#include "json/eval.h"

/* An error behind n results: they count before it does. */
struct results {
	struct val_list list;
	int rc;
};

static struct results
results_of(struct eval *eval, const struct tree_node *tree, struct val dot)
{
	struct results results = { .rc = 0 };
	results.rc = eval_all(eval, tree, dot, &results.list);
	return results;
}

static int
add(struct eval *eval, struct val v, struct val_list *out)
{
	return val_list_add(&eval->pool, out, v) ? 0 : -1;
}

/* What a node of one result gave. */
static int
add_rc(struct eval *eval, int rc, struct val v, struct val_list *out)
{
	return rc <= 0 ? rc : add(eval, v, out);
}

/* ---- a result for each argument ---- */

/* One argument: f(v) for each v. */
static int
each_of(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results v = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < v.list.n; i++) {
		struct val result = val_of_kind(VAL_NULL);
		int rc = 0;
		if (tree->op == TREE_EACH)
			rc = eval_optional(eval, tree, eval_each(eval, v.list.v[i], out));
		else if (tree->op == TREE_NEGATE)
			rc = add_rc(eval, eval_negate(v.list.v[i], &result), result, out);
		else if (tree->op == TREE_CALL)
			rc = add_rc(eval, eval_call(eval, (enum tree_call)tree->call, dot, v.list.v[i],
				&result), result, out);
		else
			rc = add_rc(eval, eval_optional(eval, tree, eval_index(eval, v.list.v[i], tree->value,
				&result)), result, out);
		if (rc < 0)
			return rc;
	}
	return v.rc;
}

/* Two arguments: the second one changes slower. */
static int
each_of_two(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results right = results_of(eval, tree->arg[1], dot), left = { .rc = 0 };
	if (right.list.n > 0)
		left = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < right.list.n; i++) {
		for (int j = 0; j < left.list.n; j++) {
			struct val v;
			int rc = tree->op == TREE_INDEX
				? eval_optional(eval, tree, eval_index(eval, left.list.v[j], right.list.v[i], &v))
				: eval_operator(eval, (enum tree_op)tree->op, left.list.v[j], right.list.v[i],
					&v);
			if (add_rc(eval, rc, v, out) < 0)
				return -1;
		}
		if (left.rc < 0)
			return left.rc;
	}
	return right.rc;
}

static int
slices(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	if (tree->arg[1]->is_many || tree->arg[2]->is_many)
		return eval_ask(eval);
	struct val from, to, v;
	int rc = eval_one(eval, tree->arg[1], dot, &from);
	if (rc > 0)
		rc = eval_one(eval, tree->arg[2], dot, &to);
	if (rc <= 0)
		return rc;
	struct results of = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < of.list.n; i++) {
		rc = eval_optional(eval, tree, eval_slice(eval, of.list.v[i], from, to, &v));
		if (add_rc(eval, rc, v, out) < 0)
			return -1;
	}
	return of.rc;
}

/* range(x; y); range(y), from 0. */
static int
range(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results from = { .rc = 0 };
	const struct tree_node *to_tree = tree->arg[tree->call == CALL_RANGE ? 0 : 1];
	if (tree->call == CALL_RANGE)
		add(eval, val_of_number(0), &from.list);
	else
		from = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < from.list.n; i++) {
		struct results to = results_of(eval, to_tree, dot);
		for (int j = 0; j < to.list.n; j++) {
			if (from.list.v[i].kind != VAL_NUMBER || to.list.v[j].kind != VAL_NUMBER)
				return -1;
			double end = val_number(to.list.v[j]), at = val_number(from.list.v[i]);
			if (at != at || end != end || at + 1 == at)
				return eval_ask(eval);
			for (; at < end; at++)
				if (add(eval, val_of_number(at), out) < 0)
					return -1;
		}
		if (to.rc < 0)
			return to.rc;
	}
	return from.rc;
}

/* ---- a result or more for each one of the first argument ---- */

/* if, and, or, select: what follows depends on each result. */
static int
branch(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results first = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < first.list.n; i++) {
		bool is_true = val_is_true(first.list.v[i]);
		int rc = 0;
		if (tree->op == TREE_CALL) {
			rc = is_true ? add(eval, dot, out) : 0;
		} else if (tree->op == TREE_IF) {
			rc = eval_all(eval, tree->arg[is_true ? 1 : 2], dot, out);
		} else if (is_true != (tree->op == TREE_AND)) {
			rc = add(eval, val_of_bool(is_true), out);
		} else {
			int begin = out->n;
			rc = eval_all(eval, tree->arg[1], dot, out);
			for (int j = begin; j < out->n; j++)
				out->v[j] = val_of_bool(val_is_true(out->v[j]));
		}
		if (rc < 0)
			return rc;
	}
	return first.rc;
}

static int
pipe_or_as(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results first = results_of(eval, tree->arg[0], dot);
	for (int i = 0; i < first.list.n; i++) {
		struct val v = first.list.v[i];
		if (tree->op == TREE_AS)
			eval->local[tree->index] = v;
		if (eval_all(eval, tree->arg[1], tree->op == TREE_AS ? dot : v, out) < 0)
			return -1;
	}
	return first.rc;
}

static int
alternatives(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct results first = results_of(eval, tree->arg[0], dot);
	int n = out->n;
	for (int i = 0; i < first.list.n; i++)
		if (val_is_true(first.list.v[i]) && add(eval, first.list.v[i], out) < 0)
			return -1;
	return first.rc < 0 || out->n > n ? first.rc : eval_all(eval, tree->arg[1], dot, out);
}

/* ---- constructions ---- */

/* The pair and those behind it, in an object that has the pairs before it. */
static int
pairs(struct eval *eval, const struct tree_node *pair, struct val dot, struct val object,
	struct val_list *out)
{
	if (!pair)
		return add(eval, object, out);
	struct results key = results_of(eval, pair->arg[0], dot);
	for (int i = 0; i < key.list.n; i++) {
		struct results value = results_of(eval, pair->arg[1], dot);
		for (int j = 0; j < value.list.n; j++) {
			if (key.list.v[i].kind != VAL_STRING)
				return -1;
			struct val_member one = { key.list.v[i], value.list.v[j] };
			struct val more = { .kind = VAL_OBJECT, .n = 1, .member = &one }, sum;
			if (eval_operator(eval, TREE_ADD, object, more, &sum) < 0
				|| pairs(eval, pair->next, dot, sum, out) < 0)
				return -1;
		}
		if (value.rc < 0)
			return value.rc;
	}
	return key.rc;
}

/* The part and those before it: the first one changes fastest. */
static int
strings(struct eval *eval, const struct tree_node *const *part, int npart, struct val dot,
	struct val tail, struct val_list *out)
{
	if (npart == 0)
		return add(eval, tail, out);
	struct results v = results_of(eval, part[npart - 1], dot);
	for (int i = 0; i < v.list.n; i++) {
		struct val sum;
		if (eval_operator(eval, TREE_ADD, eval_tostring(eval, v.list.v[i]), tail, &sum) < 0
			|| strings(eval, part, npart - 1, dot, sum, out) < 0)
			return -1;
	}
	return v.rc;
}

static int
string(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	enum { PART_MAX = 16 };
	const struct tree_node *part[PART_MAX];
	int n = 0;
	for (const struct tree_node *at = tree->arg[0]; at; at = at->next) {
		if (n == PART_MAX)
			return eval_ask(eval);
		part[n++] = at;
	}
	return strings(eval, part, n, dot, val_of_string(STR("")), out);
}

/* ---- all ---- */

static int
eval_many(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	int rc;
	switch ((enum tree_op)tree->op) {
	case TREE_COMMA:
		rc = eval_all(eval, tree->arg[0], dot, out);
		return rc < 0 ? rc : eval_all(eval, tree->arg[1], dot, out);
	case TREE_TRY:
		rc = eval_all(eval, tree->arg[0], dot, out);
		return rc < 0 ? eval_caught(eval, tree) : rc;
	case TREE_EACH: case TREE_NEGATE: case TREE_MEMBER: return each_of(eval, tree, dot, out);
	case TREE_ADD: case TREE_SUB: case TREE_MUL: case TREE_DIV: case TREE_MOD: case TREE_INDEX:
	case TREE_EQ: case TREE_NE: case TREE_LT: case TREE_LE: case TREE_GT: case TREE_GE:
		return each_of_two(eval, tree, dot, out);
	case TREE_SLICE: return slices(eval, tree, dot, out);
	case TREE_IF: case TREE_AND: case TREE_OR: return branch(eval, tree, dot, out);
	case TREE_PIPE: case TREE_AS: return pipe_or_as(eval, tree, dot, out);
	case TREE_ALT: return alternatives(eval, tree, dot, out);
	case TREE_OBJECT: return pairs(eval, tree->arg[0], dot, val_of_kind(VAL_OBJECT), out);
	case TREE_STRING: return string(eval, tree, dot, out);
	case TREE_CALL:
		if (tree->call == CALL_RANGE || tree->call == CALL_RANGE_TO)
			return range(eval, tree, dot, out);
		return tree->call == CALL_SELECT ? branch(eval, tree, dot, out)
			: each_of(eval, tree, dot, out);
	default: assert(!"a node of several results"); return -1;
	}
}

int
eval_all(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out)
{
	struct val v;
	if (!tree->is_many) {
		int rc = eval_one(eval, tree, dot, &v);
		return add_rc(eval, rc, v, out);
	}
	int rc = eval_many(eval, tree, dot, out);
	return eval->pool.is_full ? -1 : rc;
}
