/*
 * An operator at work in a task: for the files of operators only.
 *
 * Each kind of operator is a file with a const struct flow_node_ops, listed in ops.c.  Its
 * state is the embedding struct; its stores are opened in open.
 *
 * Rules for operators:
 * - Call functions before changing a store: a function that fails leaves no half-done step.
 * - A table sends true old values: old is what was sent last for this key, null if nothing
 *   was since the last deletion; a deletion is sent only for a row that was sent.
 * - A number that a restart must know (stream time, a counter) is a flow_node_number, not
 *   a field.
 *
 * A foreign-key join is three nodes with one spec (topology_finish makes them):
 *	join_fk_send        from: left table.  Writes the registration topic.
 *	join_fk_subscribe   port 0: the registration topic, port 1: right table, which it also
 *	                    looks up as from[1].  Writes the response topic.
 *	join_fk_result      port 0: the response topic; from[1] is the left table, which it only
 *	                    looks up.  It has the spec's id and users.
 *
 * Uses: task.
 */
#ifndef KQ_STREAM_NODE_H
#define KQ_STREAM_NODE_H

#include "stream/task.h"

struct flow_node;

struct flow_node_ops {
	const char *name;
	size_t size;              /* of the embedding struct, whose first member is the node */
	/* Open the stores, compute what does not change.  NULL: nothing to do. */
	int (*open)(struct flow_node *node, struct err *e);
	void (*close)(struct flow_node *node);
	/* A record from the node's input number `port`, 0 being the first of `from`. */
	int (*take)(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e);
	/* Wall time has reached *node->tick_at_ms. */
	int (*tick)(struct flow_node *node, struct err *e);
	/* The input has ended.  Nodes are asked from the sources down. */
	int (*end)(struct flow_node *node, struct err *e);
	/* A table: the row of the key now.  True, and its value and time; false: none. */
	bool (*get)(struct flow_node *node, const struct flow_key *key, struct str *value,
		int64_t *ts_ms);
	/* A versioned table: the row as of a time.  NULL: the table keeps no history. */
	bool (*get_at)(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms,
		struct str *value, int64_t *ts_ms);
	/* An entry of the node's store number `store` as a record of its changelog, and back.
	 * log returns 1 when the change is not to be written. */
	int (*log)(struct flow_node *node, int store, const struct store_entry *entry,
		struct flow_change *out, struct err *e);
	int (*restore)(struct flow_node *node, int store, const struct flow_change *change,
		struct err *e);
};

struct flow_user {
	struct flow_node *node;
	int port;
};

struct flow_node {
	const struct flow_node_ops *ops;
	const struct flow_spec *spec;
	struct flow_task *task;
	int index;                /* in the topology */
	struct flow_user *user;   /* in the order of their declaration */
	int nuser;
	struct flow_node *from[FLOW_FROM_MAX];
	int nfrom;
	int64_t tick_at_ms;       /* wall clock; INT64_MAX: never */
};

/* Send the record to all users, in order. */
int flow_node_send(struct flow_node *node, const struct flow_rec *rec, struct err *e);

/* A function failed with *e: what the owner decides.  0: leave the record out; -1. */
int flow_node_failed(struct flow_node *node, const struct flow_rec *rec, struct err *e);

/* Count a dropped record; a late one also goes to the stream of spec->late_id. */
int flow_node_drop(struct flow_node *node, const struct flow_rec *rec, bool is_late,
	struct err *e);

/* Open a store of the node; the result's index is the `store` of log and restore. */
int flow_node_store(struct flow_node *node, const char *name, enum store_order order,
	const struct flow_store *about, struct store **store, struct err *e);

/* A number of the node that a restart knows again: INT64_MIN at the first start.  Valid as
 * long as the task. */
int64_t *flow_node_number(struct flow_node *node, const char *name);

/* Memory until the next input record. */
struct arena *flow_node_arena(struct flow_node *node);

/* To an internal topic, or, in a local task, to its reader once the record is done. */
int flow_node_emit_internal(struct flow_node *node, const char *topic, const struct flow_rec *rec,
	int32_t partition, struct err *e);

#endif
