/*
 * A task from inside: for task*.c and node.c only.
 *
 * Uses: node.
 */
#ifndef KQ_STREAM_TASK_INT_H
#define KQ_STREAM_TASK_INT_H

#include "stream/node.h"

/* A record on its way through an internal topic of a local task; in the task's arena. */
struct task_queued {
	struct task_queued *next;
	struct flow_rec rec;
};

struct task_source {
	const char *topic;
	struct flow_node *node;
	int same;      /* the next source of this topic; -1: none */
	/* Records of an internal topic of a local task. */
	struct task_queued *head, **tail;
};

struct task_number {
	char *name;
	int64_t value;
};

struct task_store {
	struct flow_node *node;
	int store; /* number among the node's */
};

struct flow_task {
	struct topology *topo;
	int part;
	bool is_local;
	struct flow_env *env;
	struct store_set *set, *globals; /* may be one */
	struct flow_node **node;   /* by index in the topology; NULL: not in this task */
	int nnode;
	struct task_source *source;
	int nsource;
	/* A heap of the sources with records, by the time of their first one.  Equal times
	 * are in the order of Java's PriorityQueue, by which Kafka Streams chooses. */
	struct task_source **ready;
	int nready, ready_max;
	struct flow_store *store;
	struct task_store *store_of;
	int nstore;
	struct task_number **number;
	struct flow_number *number_out;
	int nnumber;
	uint64_t nlog;             /* calls of flow_task_log */
	struct str input;          /* the value of the record that was taken last */
	struct arena arena;
	struct buf scratch;
};

void task_ready_put(struct flow_task *task, struct task_source *source);
struct task_source *task_ready_take(struct flow_task *task); /* there is one */

#endif
