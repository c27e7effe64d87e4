/*
 * A task: the operators of a topology (or of one sub-topology) at work on one partition
 * number of its topics.  No I/O, no clock, no thread: records go in, records come out by
 * a callback, and all that a record causes is done before flow_task_take returns.
 *
 * A node sends each record to its users in the order in which they were declared, going
 * all the way down before the next user.
 *
 * A task with is_local runs the whole topology: records to a repartition topic come in
 * again, in order, once the record that caused them is otherwise done.  Otherwise it runs
 * sub-topology `part`, and such records go out by emit.
 *
 * Uses: topology, store.  One thread at a time.
 */
#ifndef KQ_STREAM_TASK_H
#define KQ_STREAM_TASK_H

#include "stream/store.h"
#include "stream/topology.h"

struct flow_task;

/* A record that leaves: to a topic of FLOW_TO, or to an internal topic. */
struct flow_out {
	const char *topic;
	int node;             /* number of the sink's node: flow_node_tag */
	bool is_internal;
	const struct flow_rec *rec; /* of an internal topic: key and value as they are written */
	int32_t partition;    /* -1: by the key's bytes without its window */
};

/* Why a node leaves a record out. */
enum flow_drop {
	FLOW_DROP_NULL,   /* a null key, or value, where one is needed */
	FLOW_DROP_LATE,   /* it came too late */
	FLOW_DROP_PARTLY, /* it came too late for some of its windows; others took it */
};

struct flow_env {
	/* A record goes out.  Returns 0, or -1: the task fails. */
	int (*emit)(struct flow_env *env, const struct flow_out *out, struct err *e);
	/* A record is not processed further at a node, because a function failed with *why.
	 * Returns 0: the rest of its way is skipped; -1: the task fails, by *why. */
	int (*failed)(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why);
	/* A record is left out at a node. */
	void (*dropped)(struct flow_env *env, int node, const struct flow_rec *rec,
		enum flow_drop why);
	/* A new input record begins: results of functions may be freed (expr_set_next). */
	void (*next)(struct flow_env *env);
	int64_t now_ms;       /* wall clock, for operators by wall time; set by the owner */
	int32_t partition;    /* of the task's topics: answers of foreign-key joins come to it */
};

/* The task's stores are opened in set; with globals, a plain set, those of global tables are
 * opened there, since they have no changelog.  It owns neither env nor the sets nor topo. */
struct flow_task *flow_task_new(struct topology *topo, int part, bool is_local,
	struct flow_env *env, struct store_set *set, struct store_set *globals, struct err *e);
void flow_task_free(struct flow_task *task);

/* A record of a source topic or, if the task is not local, of an internal one; rec->old is
 * not looked at.  Returns 0, or -1: the task failed. */
int flow_task_take(struct flow_task *task, const char *topic, const struct flow_rec *rec,
	struct err *e);

/* The same by the number of the source: faster. */
int flow_task_source(const struct flow_task *task, const char *topic); /* -1: none */
int flow_task_take_at(struct flow_task *task, int source, const struct flow_rec *rec,
	struct err *e);

/* The wall clock has moved (env->now_ms), or time at which this is next wanted. */
int flow_task_tick(struct flow_task *task, struct err *e);
int64_t flow_task_tick_at(const struct flow_task *task); /* wall ms; INT64_MAX: never */

/* The input has ended for good: what is still open comes out: final windows, suppressed
 * rows, unmatched join records, in the order in which time would have let them out. */
int flow_task_end(struct flow_task *task, struct err *e);

/* ---- changelogs ---- */

/* A store of the task, and its changelog topic. */
struct flow_store {
	const char *name;       /* as Kafka Streams names it; the topic is APP-name-changelog */
	int64_t retention_ms;   /* of windows and joins; 0: none */
	int64_t history_ms;     /* of versioned tables; 0: none */
	bool is_compacted;      /* false: the changelog of a join's window store */
	bool is_logged;         /* false: an index, rebuilt from another one */
	struct store *store;
};
int flow_task_stores(const struct flow_task *task, const struct flow_store **v);

/* Let the stores have all records that were taken, before they are looked at: some
 * operators put records there a little later. */
void flow_task_settle(struct flow_task *task);

/* A record of a changelog. */
struct flow_change {
	struct str key, value, headers;
	int32_t nheader;
	int64_t ts_ms;
};

/* Write all that changed since the last call, by fn; a key that changed several times is
 * written once, as it is now.  The stores are then clean. */
typedef int flow_change_fn(void *arg, const struct flow_store *store,
	const struct flow_change *change, struct err *e);
int flow_task_log(struct flow_task *task, flow_change_fn *fn, void *arg, struct err *e);

/* A record of the changelog of the store, in order.  -1 (ERR_CORRUPT): it is none. */
int flow_task_restore(struct flow_task *task, const struct flow_store *store,
	const struct flow_change *change, struct err *e);

/*
 * Numbers that a restart must know beside the stores: stream times of operators, counters.
 * The owner keeps them with the committed offsets.  Names have letters, digits, '.', '_'
 * and '-'.
 */
struct flow_number {
	const char *name;
	int64_t value;
};
int flow_task_numbers(struct flow_task *task, const struct flow_number **v);
void flow_task_set_number(struct flow_task *task, struct str name, int64_t value);

#endif
