/*
 * What the files of program share.
 *
 * Uses: program.
 */
#ifndef KQ_STREAM_CMD_PROGRAM_INT_H
#define KQ_STREAM_CMD_PROGRAM_INT_H

#include "json/value.h"
#include "kq-stream/program.h"
#include "stream/fn_expr.h"

struct program_int {
	const struct plan *plan;
	struct program *program;
	struct program_fault *fault;
	struct flow_fns *fns;
	struct expr **time;      /* of the plan's sources; NULL: none */
	struct flow_spec *spec;  /* of the plan's nodes, with functions */
	bool is_taken;           /* program_take has begun the record */
	bool is_peeked;          /* program_peek has: of this value, with this result */
	struct str peeked_raw;
	struct flow_rec peeked;
	struct val_pool pool;    /* names of members, while a result is printed */
	struct buf value, key, out_key, out_value, part;
	struct arena arena;      /* functions, for the program's life */
};

/* The format of keys as the functions know it. */
static inline enum flow_key_format
program_key_format(enum plan_format format)
{
	assert(format != PLAN_CSV);
	return format == PLAN_JSON ? FLOW_KEY_JSON : format == PLAN_TEXT ? FLOW_KEY_TEXT
		: FLOW_KEY_BYTES;
}

/* Add "where: " before the message, and fill the fault, if the expression is wrong.
 * Returns -1. */
int program_blame(struct program_int *in, const struct plan_expr *expr, struct err *e);

struct expr *program_add_expr(struct program_int *in, const struct plan_expr *expr, struct err *e);

/* Make the functions of a node.  0 or -1. */
int program_add_functions(struct program_int *in, const struct plan_node *node,
	struct flow_spec *spec, struct err *e);
int program_add_aggregate(struct program_int *in, const struct plan_node *node,
	struct flow_spec *spec, struct err *e);

#endif
