/*
 * For tests of windowed aggregations: a text that says what was added, and a count of a
 * fixed size.
 */
#ifndef KQ_T_WIN_HELP_H
#define KQ_T_WIN_HELP_H

#include "join_help.h"

/* ---- a text: "+a+b"; null when a value "0" comes ---- */

static int
text_init(struct flow_agg *agg, const struct flow_args *args, struct str *state, struct buf *out,
	struct err *e)
{
	(void)agg;
	(void)args;
	(void)out;
	(void)e;
	*state = STR("");
	return 0;
}

/* A value "!" fails. */
static int
text_add(struct flow_agg *agg, const struct flow_args *args, struct str *state, struct buf *out,
	struct err *e)
{
	(void)agg;
	if (str_eq(args->value, STR("!")))
		return err_set(e, ERR_CORRUPT, "no");
	if (str_eq(args->value, STR("0"))) {
		*state = STR_NULL;
		return 0;
	}
	buf_put_str(out, args->acc);
	buf_putc(out, '+');
	buf_put_str(out, args->value);
	*state = buf_str(out);
	return 0;
}

static int
text_merge(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg;
	(void)e;
	buf_printf(out, "(%.*s|%.*s)", STR_ARG(args->left), STR_ARG(args->right));
	*state = buf_str(out);
	return 0;
}

HELPS struct flow_agg text_agg = { .init = text_init, .add = text_add, .merge = text_merge };

/* ---- a count ---- */

static int
count_init(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg;
	(void)args;
	(void)out;
	(void)e;
	memset((void *)(uintptr_t)state->p, 0, 8);
	return 0;
}

static int
count_add(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	(void)agg;
	(void)out;
	if (str_eq(args->value, STR("!")))
		return err_set(e, ERR_CORRUPT, "no");
	assert((uintptr_t)state->p % 8 == 0);
	++*(int64_t *)(uintptr_t)state->p;
	return 0;
}

static int
count_result(struct flow_agg *agg, struct str state, struct str *value, struct buf *out,
	struct err *e)
{
	(void)agg;
	(void)e;
	int64_t n;
	memcpy(&n, state.p, sizeof n);
	buf_printf(out, "%lld", (long long)n);
	*value = buf_str(out);
	return 0;
}

HELPS struct flow_agg count_agg = { .state_size = 8, .init = count_init, .add = count_add,
	.result = count_result };

/* ---- the task ---- */

#define STORE "KSTREAM-AGGREGATE-STATE-STORE-0000000001"

HELPS void
win_start(struct flow_agg *agg, const struct flow_window *window, bool emits_on_close)
{
	const struct flow_spec specs[] = {
		{ .id = "s", .op = FLOW_STREAM, .topic = "in" },
		{ .id = "g", .op = FLOW_GROUP_BY_KEY, .from = { "s" } },
		{ .id = "w", .op = FLOW_AGGREGATE, .from = { "g" }, .agg = agg, .window = *window,
			.emits_on_close = emits_on_close, .late_id = "late" },
		{ .id = "x", .op = FLOW_TO_STREAM, .from = { "w" } },
		{ .id = "o", .op = FLOW_TO, .from = { "x" }, .topic = "out" },
		{ .id = "p", .op = FLOW_TO, .from = { "late" }, .topic = "late" },
	};
	play_start(specs, ARRAY_LEN(specs), -1);
}

#endif
