/*
 * An operator at work in a task: for the files of operators only.
 *
 * To add an operator: a file op_NAME.c with a const struct flow_node_ops flow_NAME_ops,
 * declared in ops.h and put into the table of ops.c beside the flow_op (and, of windowed
 * aggregations, the type of window) that it runs.  Its state is a struct whose first member
 * is the struct flow_node; it is allocated zeroed, and its stores are opened in open.  What
 * it needs of its declaration is in node->spec (functions, window, suppress) and node->plan
 * (names of stores, kind and window of the keys, whether anybody wants old values).  An
 * operator of a program (FLOW_CUSTOM) is the same, given as spec->custom.
 *
 * Rules for operators:
 * - What comes in as a stream may be a table's update: an operator on streams does not look
 *   at rec->old, and need not clear it when it passes a record on.
 * - The slices of a record that is sent must stay valid during the send: a value in a store
 *   is copied first if a user may change that store, or the node goes on with it later.
 * - What a function sees, or a user may show to one, must not change until the next input
 *   record, since a text at one address is parsed once: bytes in a store that may be
 *   overwritten, or in a buffer of the node, are copied to flow_node_arena first.
 * - Call functions before changing a store: a function that fails leaves no half-done step.
 * - A table sends true old values: old is what was sent last for this key, null if nothing
 *   was since the last deletion; a deletion is sent only for a row that was sent.
 * - A number that a restart must know (stream time, a counter) is a flow_node_number, not
 *   a field.
 *
 * A foreign-key join is three nodes with one spec:
 *	FLOW_FK_LEFT        from: left table.  Writes the registration topic (plan->topic).
 *	FLOW_FK_RIGHT       port 0: the registration topic, port 1: right table, which it also
 *	                    looks up as from[1].  Writes the response topic (plan->topic).
 *	FLOW_FK_OUT         port 0: the response topic; from[1] is the left table, which it only
 *	                    looks up.  It has the spec's id and users.
 *
 * Uses: task.
 */
#ifndef KQ_STREAM_NODE_H
#define KQ_STREAM_NODE_H

#include "stream/task.h"

struct flow_node;

/* What end may return besides 0 and -1. */
enum { FLOW_END_MORE = 1 };

/* What log may return besides 0 and -1. */
enum flow_log {
	FLOW_LOG_NOTHING = 1, /* the change is not to be written */
	FLOW_LOG_MORE,        /* *out is to be written, and log is to be called again */
};

/* What the keys of a node's first store are, if its entries are the rows of a table. */
enum flow_rows {
	FLOW_NO_ROWS,
	FLOW_ROWS_KEY,     /* flow_row */
	FLOW_ROWS_VERSION, /* keys_put | time: of each row several, one of which is the newest */
	FLOW_ROWS_FIXED,   /* start | bytes */
	FLOW_ROWS_SLIDING, /* keys_put_bytes | start */
	FLOW_ROWS_SESSION, /* keys_put_bytes | end | start */
};

struct flow_node_ops {
	const char *name;
	enum flow_rows rows;      /* for queries (look.h); get is set, too */
	size_t size;              /* of the embedding struct, whose first member is the node */
	/* Open the stores, compute what does not change.  NULL: nothing to do. */
	int (*open)(struct flow_node *node, struct err *e);
	void (*close)(struct flow_node *node);
	/* A record from the node's input number `port`, 0 being the first of `from`. */
	int (*take)(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e);
	/* Let the stores have all that was taken: they are to be looked at.  NULL: they have. */
	void (*settle)(struct flow_node *node);
	/* Wall time has reached *node->tick_at_ms. */
	int (*tick)(struct flow_node *node, struct err *e);
	/* The stream time of a windowed aggregation above has moved (flow_node_time). */
	int (*time)(struct flow_node *node, int64_t stream_ms, struct err *e);
	/* The input has ended.  Nodes are asked from the sources down.  FLOW_END_MORE: there is
	 * more to send; memory is freed, and the node is asked again. */
	int (*end)(struct flow_node *node, struct err *e);
	/* A table: the row of the key now.  True, and its value, which stays until the next input
	 * record, and its time; false: none. */
	bool (*get)(struct flow_node *node, const struct flow_key *key, struct str *value,
		int64_t *ts_ms);
	/* A versioned table: the row as of a time.  NULL: the table keeps no history. */
	bool (*get_at)(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms,
		struct str *value, int64_t *ts_ms);
	/* An entry of the node's store number `store` as a record of its changelog, and back.
	 * log returns 0, or one of flow_log. */
	int (*log)(struct flow_node *node, int store, const struct store_entry *entry,
		struct flow_change *out, struct err *e);
	int (*restore)(struct flow_node *node, int store, const struct flow_change *change,
		struct err *e);
};

struct flow_user {
	int (*take)(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e);
	struct flow_node *node;
	int port;
};

struct flow_node {
	const struct flow_node_ops *ops;
	const struct flow_spec *spec;
	const struct topology_node *plan;
	struct flow_task *task;
	int index;                /* in the topology */
	struct flow_user *user;   /* in the order of their declaration */
	int nuser;
	struct flow_user *late;   /* users of spec->late_id */
	int nlate;
	struct flow_node *from[FLOW_FROM_MAX]; /* the nodes that send, or are looked into */
	int nfrom;
	struct flow_node **watch; /* of a windowed aggregation: who wants to know its stream time */
	int nwatch;
	const int64_t *stream_ms; /* ... and that: set in open, moved before updates are sent */
	struct flow_node **above; /* of a suppress until windows close: the aggregations above */
	int nabove;
	int64_t tick_at_ms;       /* wall clock; INT64_MAX: never */
};

/* Send the record to all users, in order. */
static inline int
flow_node_send(struct flow_node *node, const struct flow_rec *rec, struct err *e)
{
	for (const struct flow_user *it = node->user, *end = it + node->nuser; it != end; it++)
		if (it->take(it->node, it->port, rec, e))
			return -1;
	return 0;
}

/* Send a deletion of a row that was not there, as of its time: only to users that have rows of
 * their own, by the order of arrival. */
int flow_node_send_blank(struct flow_node *node, const struct flow_rec *rec, struct err *e);

/* A windowed aggregation's stream time has moved, and the updates of the record that moved
 * it are sent: tell those that watch it. */
int flow_node_time(struct flow_node *node, int64_t stream_ms, struct err *e);

/* A function failed with *e: what the owner decides.  0: leave the record out; -1. */
int flow_node_failed(struct flow_node *node, const struct flow_rec *rec, struct err *e);

/* Count a dropped record; a late one also goes to the stream of spec->late_id. */
int flow_node_drop(struct flow_node *node, const struct flow_rec *rec, bool is_late,
	struct err *e);

/* Count a record that came too late for some windows, while others take it. */
void flow_node_drop_partly(struct flow_node *node, const struct flow_rec *rec);

/* Open a store of the node; returns the `store` of log and restore: 0 for the node's first
 * one, and so on; -1: failed.  about has all but name and store. */
int flow_node_store(struct flow_node *node, const char *name, enum store_order order,
	const struct flow_store *about, struct store **store, struct err *e);

/* The key of a table's row in a store: plain bytes as they are, windowed ones by keys_put
 * in row, whose content is replaced. */
struct str flow_row(struct buf *row, const struct flow_key *key);

/* Such a key of the node's table as its changelog has it, and back; valid until the next
 * flow_node_scratch. */
int flow_row_key_log(struct flow_node *node, struct str row, struct str *out, struct err *e);
int flow_row_key_restore(struct flow_node *node, struct str key, struct str *row, struct err *e);

/* log and restore of a node's store that has rows by flow_row. */
int flow_row_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e);
int flow_row_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e);

/* log of a store whose entries are the records of its changelog. */
int flow_entry_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e);

/* A number of the node that a restart knows again: INT64_MIN at the first start.  Valid as
 * long as the task. */
int64_t *flow_node_number(struct flow_node *node, const char *name);

/* What the task runs in: the clock, the partition. */
const struct flow_env *flow_node_env(const struct flow_node *node);

/* How often the task has written its changes to the changelogs; UINT64_MAX: there are none. */
uint64_t flow_node_logs(const struct flow_node *node);

/* Memory until the next input record. */
struct arena *flow_node_arena(struct flow_node *node);

/* An empty buffer, whose content is valid until the next call of this for the task. */
struct buf *flow_node_scratch(struct flow_node *node);

/* To the topic of plan->topic. */
int flow_node_emit(struct flow_node *node, const struct flow_rec *rec, struct err *e);

/* To an internal topic, or, in a local task, to its reader once the record is done. */
int flow_node_emit_internal(struct flow_node *node, const char *topic, const struct flow_rec *rec,
	int32_t partition, struct err *e);

#endif
