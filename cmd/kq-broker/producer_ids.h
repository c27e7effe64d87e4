/*
 * Producer IDs, unique in the cluster.  They are reserved in the metastore a
 * block at a time; a block is durable before its first ID is handed out.
 *
 *   /producer-ids   {"next":1000}   first ID of the next block
 *
 * Threads: any thread may take an ID.  Blocks are reserved on the control
 * thread, which alone uses the metastore.
 */
#ifndef KQ_BROKER_PRODUCER_IDS_H
#define KQ_BROKER_PRODUCER_IDS_H

#include "base/err.h"
#include "meta/metastore.h"
#include "sys/loop.h"

#include <pthread.h>

struct producer_ids {
	struct metastore *meta;
	struct loop *control;
	pthread_mutex_t lock;
	int64_t next, end;     /* IDs left: [next, end); under the lock */
	bool is_refilling;     /* the task is on its way; under the lock */
	struct loop_task task;
};

/* The store and the loop are borrowed; control is the control thread's loop. */
void producer_ids_init(struct producer_ids *ids, struct metastore *meta, struct loop *control);
void producer_ids_release(struct producer_ids *ids); /* all zero: fine */

/* A fresh ID; -1: none is left.  When few are left it also asks the control
 * thread to reserve more.  Any thread. */
int64_t producer_ids_take(struct producer_ids *ids);

/* Reserve a block if less than half a block is left.  0, or -1: the metastore
 * failed, or its entry is not understood.  Control thread. */
int producer_ids_refill(struct producer_ids *ids, struct err *e);

#endif
