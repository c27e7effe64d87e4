/*
 * What the files of resolve share.
 *
 * Uses: resolve.
 */
#ifndef KQ_STREAM_CMD_RESOLVE_INT_H
#define KQ_STREAM_CMD_RESOLVE_INT_H

#include "kq-stream/resolve.h"

/* Where a chain has got to. */
struct resolve_end {
	int node;             /* the last one; -1: the chain has not begun */
	const char *id;       /* whose records continue: a node's, or a branch's */
	enum plan_kind kind;
	enum plan_format key_format;
	bool is_windowed, is_session, is_keyless;
};

/* A stream of the file that has a name. */
struct resolve_name {
	const char *name, *where;
	struct resolve_end end;
	bool is_used;         /* something continues it, or it ends in a topic */
};

struct resolve {
	const struct steps *steps;
	struct plan *plan;
	struct resolve_name *name;
	int nname, cap_name;
	/* Of the chain at hand: */
	struct resolve_end at;
	const struct step *last;       /* the step before */
	const struct step *window;     /* waits for its aggregation */
	bool is_done;                  /* it ended in a topic or a branch */
	int nnode_cap, nsource_cap, nsink_cap;
};

/* A new node below *from (NULL: none), which becomes its input number 0, with the formats of
 * its input.  The pointer is valid for the plan's life. */
struct plan_node *resolve_add(struct resolve *rs, const struct step *step, enum flow_op op,
	const struct resolve_end *from);

/* Add a further input. */
int resolve_add_from(struct plan_node *node, const struct resolve_end *from,
	const struct step *step, struct err *e);

/* The end that a node is. */
struct resolve_end resolve_end_of(const struct plan_node *node);

struct plan_expr resolve_expr(const struct step *step, const char *text);

/* The stream of this name; NULL: there is none. */
struct resolve_name *resolve_find(struct resolve *rs, const char *name);
int resolve_add_name(struct resolve *rs, const char *name, const char *where,
	const struct resolve_end *end, struct err *e);

/* A value in ms, or of a choice; the default if the argument is absent. */
int64_t resolve_ms(const struct step *step, const char *arg, int64_t absent);
int64_t resolve_count(const struct step *step, const char *arg, int64_t absent);
int resolve_choice(const struct step *step, const char *arg, int absent);

/* A source node: op is FLOW_STREAM, FLOW_TABLE or FLOW_GLOBAL_TABLE. */
struct plan_node *resolve_add_source(struct resolve *rs, const struct step *step,
	enum flow_op op, const char *topic, struct err *e);

/* The stream `from` with keys of this format: itself, or a node that makes them. */
struct resolve_end resolve_recode(struct resolve *rs, const struct step *step,
	const struct resolve_end *from, enum plan_format key_format);

/* Where the chain is must be one of these kinds: bits 1 << PLAN_STREAM ... */
int resolve_need(const struct resolve *rs, const struct step *step, int kinds, struct err *e);

/* Lines of stdin that got no key have nothing to be grouped by. */
int resolve_need_key(const struct resolve_end *end, const struct step *step, struct err *e);

/* The steps with more to them.  0 or -1. */
int resolve_aggregate(struct resolve *rs, const struct step *step, struct err *e);
int resolve_cogroup(struct resolve *rs, const struct step *step, struct err *e);
int resolve_emit(struct resolve *rs, const struct step *step, struct err *e);
int resolve_late(struct resolve *rs, const struct step *step, struct err *e);
int resolve_join(struct resolve *rs, const struct step *step, struct err *e);
int resolve_to(struct resolve *rs, const struct step *step, const char *topic,
	const struct resolve_end *from, struct err *e);

#endif
