/* Aggregates: columns, reduce, aggregate, cogroup and top. */
#include "kq-stream/program_int.h"
#include "stream/agg.h"

#include <stdio.h>

static struct str
text_of(const struct plan_expr *expr)
{
	return str_of(expr->text);
}

static struct agg_place
place_of(const struct program_int *in, const struct plan_node *node)
{
	const char *from = node->spec.from[0];
	enum plan_kind kind = PLAN_GROUPED;
	for (int i = 0; i < in->plan->nnode; i++)
		if (strcmp(in->plan->node[i]->spec.id, from) == 0)
			kind = in->plan->node[i]->kind;
	return (struct agg_place){
		.in_key = program_key_format(node->in_key_format),
		.is_table = kind == PLAN_GROUPED_TABLE,
		.is_session = node->spec.window.type == FLOW_SESSION,
	};
}

/* ---- columns ---- */

/* The message begins with the column's name: the fault is in its spec. */
static int
blame_column(struct program_int *in, const struct plan_node *node, struct err *e)
{
	for (int i = 0; i < node->ncolumn; i++) {
		const struct plan_column *column = &node->column[i];
		size_t n = strlen(column->name);
		if (strncmp(e->msg, column->name, n) != 0 || strncmp(e->msg + n, ": ", 2) != 0)
			continue;
		int at = 0;
		if (in->fault && sscanf(e->msg + n + 2, "column %d: ", &at) == 1)
			*in->fault = (struct program_fault){ column->spec, 1, at };
	}
	return err_wrap(e, "%s", node->where);
}

static int
add_columns(struct program_int *in, const struct plan_node *node, struct flow_spec *spec,
	struct err *e)
{
	struct agg_place place = place_of(in, node);
	struct agg_column *columns = arena_alloc(&in->arena, (size_t)node->ncolumn * sizeof *columns);
	for (int i = 0; i < node->ncolumn; i++)
		columns[i] = (struct agg_column){ str_of(node->column[i].name),
			text_of(&node->column[i].spec) };
	spec->agg = agg_of_columns(in->fns, columns, node->ncolumn, &place, e);
	return spec->agg ? 0 : blame_column(in, node, e);
}

/* ---- expressions ---- */

/* Do the expressions compile, each by itself?  So that the fault is known. */
static int
check_exprs(struct program_int *in, const struct plan_expr *const *exprs, int n, struct err *e)
{
	struct expr_set *set = expr_set_new(NULL);
	int rc = 0;
	for (int i = 0; i < n && rc == 0; i++)
		if (exprs[i]->text && !expr_add(set, text_of(exprs[i]), e))
			rc = program_blame(in, exprs[i], e);
	expr_set_free(set);
	return rc;
}

static struct flow_agg *
make_agg(struct program_int *in, const struct plan_node *node, const struct agg_exprs *exprs,
	struct err *e)
{
	struct agg_place place = place_of(in, node);
	struct flow_agg *agg = agg_of_exprs(in->fns, exprs, &place, e);
	if (!agg)
		err_wrap(e, "%s", node->where);
	return agg;
}

static int
add_exprs(struct program_int *in, const struct plan_node *node, struct flow_spec *spec,
	struct err *e)
{
	const struct plan_expr *const all[] = { &node->init, &node->fn, &node->sub, &node->merge };
	struct agg_exprs exprs = {
		.is_reduce = node->use == PLAN_REDUCE,
		.init = text_of(&node->init),
		.add = text_of(&node->fn),
		.sub = text_of(&node->sub),
		.merge = text_of(&node->merge),
	};
	if (check_exprs(in, all, ARRAY_LEN(all), e) < 0)
		return -1;
	spec->agg = make_agg(in, node, &exprs, e);
	return spec->agg ? 0 : -1;
}

static int
add_cogroup(struct program_int *in, const struct plan_node *node, struct flow_spec *spec,
	struct err *e)
{
	const struct plan_expr *const own[] = { &node->init, &node->merge };
	struct agg_exprs whole = { false, text_of(&node->init), STR_NULL, STR_NULL,
		text_of(&node->merge) };
	struct flow_case *cases = arena_alloc(&in->arena, (size_t)spec->ncase * sizeof *cases);
	if (check_exprs(in, own, ARRAY_LEN(own), e) < 0)
		return -1;
	spec->agg = make_agg(in, node, &whole, e);
	if (!spec->agg)
		return -1;
	for (int i = 0; i < spec->ncase; i++) {
		const struct plan_expr *fn = &node->case_fn[i];
		struct agg_exprs exprs = whole;
		exprs.add = text_of(fn);
		if (check_exprs(in, &fn, 1, e) < 0)
			return -1;
		cases[i] = node->spec.cases[i];
		cases[i].agg = make_agg(in, node, &exprs, e);
		if (!cases[i].agg)
			return -1;
	}
	spec->cases = cases;
	return 0;
}

/* ---- top ---- */

/* An array of the highest values: sort_by keeps the order of equal ones. */
static int
add_top(struct program_int *in, const struct plan_node *node, struct flow_spec *spec,
	struct err *e)
{
	const struct plan_expr *own = &node->fn;
	if (check_exprs(in, &own, 1, e) < 0)
		return -1;
	const char *keep = arena_printf(&in->arena, "try (sort_by(-(%s)) | .[:%lld]) catch "
		"error(if type == \"string\" then sub(\" cannot be negated$\"; "
		"\" is no number to order by\") else . end)", own->text, (long long)node->count);
	struct agg_exprs exprs = {
		.add = str_of(arena_printf(&in->arena, "($acc // []) + [.] | %s", keep)),
		.merge = str_of(arena_printf(&in->arena, "$left + $right | %s", keep)),
		.init = STR_NULL,
		.sub = STR_NULL,
	};
	spec->agg = make_agg(in, node, &exprs, e);
	return spec->agg ? 0 : -1;
}

int
program_add_aggregate(struct program_int *in, const struct plan_node *node,
	struct flow_spec *spec, struct err *e)
{
	switch (node->use) {
	case PLAN_AGGREGATORS: return add_columns(in, node, spec, e);
	case PLAN_COGROUP: return add_cogroup(in, node, spec, e);
	case PLAN_TOP: return add_top(in, node, spec, e);
	default: return add_exprs(in, node, spec, e);
	}
}
