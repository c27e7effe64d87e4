/*
 * Looking into the tables of a task, between two records: what a query shows.
 *
 * The stores that can be looked into are those with the rows of a table: of sources,
 * aggregations, and joins that keep rows.  A row is what the table has now: its value is the
 * one that was, or will be, sent.
 *
 * Uses: task, keys.
 */
#ifndef KQ_STREAM_LOOK_H
#define KQ_STREAM_LOOK_H

#include "stream/task.h"

/* What is looked for. */
struct flow_look {
	struct str from, to;      /* bytes of keys, both included; null: no bound */
	int64_t start_ms, end_ms; /* of windows, those that have a time from start to before end;
	                           * INT64_MIN and INT64_MAX: all */
};
#define FLOW_LOOK_ALL { STR_NULL, STR_NULL, INT64_MIN, INT64_MAX }

/* The node whose rows the store has; NULL: it cannot be looked into.  store is an index of
 * flow_task_stores. */
const struct topology_node *flow_look_node(const struct flow_task *task, int store);

/* A row; what it points to is valid during the call.  Returns 0; 1: no further ones. */
typedef int flow_look_fn(void *arg, const struct flow_key *key, struct str value, int64_t ts_ms);

/*
 * Call fn for each row that is looked for, in the order of the store: by key and window or,
 * of tumbling, hopping and unlimited windows, by window and key.  At most nmax entries of the
 * store are looked at.  *cursor is empty at first.  Returns whether there may be more: the
 * next call, with what is in *cursor now, continues there.
 */
bool flow_look(struct flow_task *task, int store, const struct flow_look *look,
	struct buf *cursor, int nmax, flow_look_fn *fn, void *arg);

#endif
