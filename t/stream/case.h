/*
 * A case of t/stream/FORMAT: its topology as flow_specs, and a run of it in a local task.
 *
 * Uses: jansson, common/stream.
 */
#ifndef KQ_T_STREAM_CASE_H
#define KQ_T_STREAM_CASE_H

#include "base/map.h"
#include "stream/agg.h"
#include "stream/task.h"

#include <jansson.h>

/* ---- translate.c ---- */

/* The functions of all cases: one set of expressions, each compiled once. */
struct case_fns {
	struct flow_fns *set;
	struct flow_agg *count;
	struct map fn; /* functions and aggregates, by their texts */
	struct arena arena;
};

/* Add the case's nodes to the topology; their memory is the arena's.  -1: it makes no
 * sense (the start's error), or (ERR_CORRUPT) the case is not understood. */
int case_translate(struct case_fns *fns, const json_t *nodes, struct topology *topo,
	struct arena *arena, struct err *e);

/* ---- play.c ---- */

struct case_out {
	const char *topic;
	struct str key, value; /* JSON texts */
	int64_t ts_ms;
	int by;
};

struct case_result {
	struct case_out *out;
	int nout;
	bool has_error;
	int error_at;          /* input record; -1: start */
	struct err why;
	bool is_unknown;       /* the case was not understood */
};

struct case_opts {
	bool restarts;         /* leave and restore the tasks at random points */
	bool checkpoints;      /* ... some from a checkpoint and the rest of the changelogs */
	bool is_split;         /* a task for each sub-topology, internal topics between them */
	uint64_t seed;
};

/* Run a case; the result's memory is the arena's. */
void case_play(struct case_fns *fns, const json_t *kase, const struct case_opts *o,
	struct arena *arena, struct case_result *result);

#endif
