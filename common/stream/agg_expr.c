/* count alone, and reduce and aggregate by expressions. */
#include "stream/agg_part.h"

/* ---- count ---- */

static int
count_change(struct str *state, int64_t by)
{
	int64_t n;
	memcpy(&n, state->p, sizeof n);
	n += by;
	memcpy((uint8_t *)state->p, &n, sizeof n);
	return 0;
}

static int
count_init(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg, (void)args, (void)out, (void)e;
	memset((uint8_t *)state->p, 0, sizeof(int64_t));
	return 0;
}

static int
count_add(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg, (void)args, (void)out, (void)e;
	return count_change(state, 1);
}

static int
count_sub(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg, (void)args, (void)out, (void)e;
	return count_change(state, -1);
}

static int
count_merge(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	int64_t left, right;
	size_t from = out->n;
	(void)agg, (void)e;
	memcpy(&left, args->left.p, sizeof left);
	memcpy(&right, args->right.p, sizeof right);
	left += right;
	buf_put(out, &left, sizeof left);
	*state = (struct str){ out->p + from, sizeof left };
	return 0;
}

static int
count_pack(struct flow_agg *agg, struct str state, struct buf *out, struct err *e)
{
	int64_t n;
	(void)agg, (void)e;
	memcpy(&n, state.p, sizeof n);
	buf_put_int(out, n);
	return 0;
}

static int
count_result(struct flow_agg *agg, struct str state, struct str *value, struct buf *out,
	struct err *e)
{
	size_t from = out->n;
	count_pack(agg, state, out, e);
	*value = (struct str){ out->p + from, (int32_t)(out->n - from) };
	return 0;
}

static int
count_unpack(struct flow_agg *agg, struct str packed, struct buf *out, struct err *e)
{
	struct agg_reader from = { packed.p, packed.p + MAX(packed.n, 0), packed.n <= 0 };
	int64_t n = agg_read_int(&from);
	(void)agg;
	if (from.is_bad || from.p != from.end)
		return err_set(e, ERR_CORRUPT, "the changelog entry is no count: %.*s",
			MIN(MAX(packed.n, 0), 100), packed.n > 0 ? (const char *)packed.p : "");
	buf_put(out, &n, sizeof n);
	return 0;
}

struct flow_agg *
agg_of_count(struct flow_fns *fns)
{
	struct flow_agg *agg = arena_alloc(flow_fns_memory(fns), sizeof *agg);
	*agg = (struct flow_agg){
		.state_size = sizeof(int64_t), .init = count_init, .add = count_add, .sub = count_sub,
		.merge = count_merge, .result = count_result, .pack = count_pack, .unpack = count_unpack,
	};
	return agg;
}

/* ---- reduce and aggregate ---- */

struct agg_expr {
	struct flow_agg agg;
	struct flow_fns *fns;
	enum flow_key_format in_key;
	struct str init;
	struct expr *add, *sub, *merge;
};

/* A new state, appended to out. */
static void
put_state(struct str text, struct str *state, struct buf *out)
{
	size_t from = out->n;
	*state = STR_NULL;
	if (text.n < 0)
		return;
	buf_put_str(out, text);
	*state = (struct str){ out->p + from, text.n };
}

static int
run(struct agg_expr *agg, struct expr *expr, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct expr_in in;
	struct str text;
	flow_fns_input(agg->fns, expr, agg->in_key, args, &in);
	if (flow_fns_value(agg->fns, expr, &in, &text, e) < 0)
		return -1;
	put_state(text, state, out);
	return 0;
}

static int
expr_init(struct flow_agg *flow, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_expr *agg = CONTAINER_OF(flow, struct agg_expr, agg);
	(void)args, (void)e;
	put_state(agg->init, state, out);
	return 0;
}

static int
expr_take(struct flow_agg *flow, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_expr *agg = CONTAINER_OF(flow, struct agg_expr, agg);
	return run(agg, agg->add, args, state, out, e);
}

static int
expr_sub(struct flow_agg *flow, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_expr *agg = CONTAINER_OF(flow, struct agg_expr, agg);
	return run(agg, agg->sub, args, state, out, e);
}

static int
expr_merge(struct flow_agg *flow, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_expr *agg = CONTAINER_OF(flow, struct agg_expr, agg);
	return run(agg, agg->merge, args, state, out, e);
}

/* Of a reduce without a merge of its own: the right state is a value for the left one. */
static int
reduce_merge(struct flow_agg *flow, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_expr *agg = CONTAINER_OF(flow, struct agg_expr, agg);
	struct flow_args both = *args;
	if (args->left.n < 0 || args->right.n < 0) {
		put_state(args->left.n < 0 ? args->right : args->left, state, out);
		return 0;
	}
	both.acc = args->left;
	both.value = args->right;
	return run(agg, agg->add, &both, state, out, e);
}

/* The initial state is computed once. */
static int
find_init(struct agg_expr *agg, struct str text, struct err *e)
{
	struct expr_in in = { { STR_NULL } };
	struct str value;
	agg->init = STR_NULL;
	if (text.n < 0)
		return 0;
	struct expr *expr = expr_add(flow_fns_set(agg->fns), text, e);
	if (!expr)
		return err_wrap(e, "init");
	for (int i = 1; i < EXPR_NVAR; i++)
		if (expr_uses(expr, (enum expr_var)i))
			return err_set(e, ERR_USAGE, "init: it is the same for all keys, and sees no variable");
	if (expr_value(expr, &in, &value, e) < 0)
		return err_wrap(e, "init");
	agg->init = arena_str(flow_fns_memory(agg->fns), value);
	return 0;
}

static int
add_expr(struct agg_expr *agg, struct str text, const char *what, struct expr **out,
	struct err *e)
{
	*out = NULL;
	if (text.n < 0)
		return 0;
	*out = expr_add(flow_fns_set(agg->fns), text, e);
	return *out ? 0 : what ? err_wrap(e, "%s", what) : -1;
}

struct flow_agg *
agg_of_exprs(struct flow_fns *fns, const struct agg_exprs *exprs, const struct agg_place *place,
	struct err *e)
{
	struct agg_expr *agg = arena_alloc(flow_fns_memory(fns), sizeof *agg);
	agg->fns = fns;
	agg->in_key = place->in_key;
	if (find_init(agg, exprs->init, e) < 0 || add_expr(agg, exprs->add, NULL, &agg->add, e) < 0
		|| add_expr(agg, exprs->sub, "sub", &agg->sub, e) < 0
		|| add_expr(agg, exprs->merge, "merge", &agg->merge, e) < 0)
		return NULL;
	if (place->is_table && !agg->sub) {
		err_set(e, ERR_USAGE, "rows of the table change and go: an expression 'sub' that takes "
			"them out of $acc is missing");
		return NULL;
	}
	assert(agg->add || !exprs->is_reduce);
	if (place->is_session && !agg->merge && !exprs->is_reduce) {
		err_set(e, ERR_USAGE, "sessions grow together: an expression 'merge' that makes one "
			"aggregate of $left and $right is missing");
		return NULL;
	}
	agg->agg = (struct flow_agg){
		.is_reduce = exprs->is_reduce, .init = expr_init, .add = agg->add ? expr_take : NULL,
		.sub = agg->sub ? expr_sub : NULL,
		.merge = agg->merge ? expr_merge : exprs->is_reduce ? reduce_merge : NULL,
	};
	return &agg->agg;
}
