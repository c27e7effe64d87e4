/*
 * Filling the stores of tasks from their changelogs, beside the work of other tasks; and
 * reading global tables, from their beginning and then on.
 *
 * A store is complete when it has all that was in the changelog when the group told the
 * committed offsets: then all transactions of the task's earlier owners have ended, but
 * their markers may not have reached the changelog yet.  So the end is the high watermark,
 * and records are read committed up to it, which waits for the markers.
 *
 * Uses: task_run, client/fetcher.  One thread.
 */
#ifndef KQ_STREAM_CMD_RESTORE_H
#define KQ_STREAM_CMD_RESTORE_H

#include "kq-stream/task_run.h"

struct restorer {
	struct cluster_opts opts;    /* set by the owner */
	struct cluster cluster;      /* its own: no request waits behind a long Fetch */
	bool is_open;
	struct fetcher fetcher;
	struct fetch_iter iter;
};

/* Begin with a task in TASK_RESTORING.  If it has nothing to be restored, it begins at
 * once.  Asks the brokers, and waits.  Returns 0, or -1. */
int restore_begin(struct restorer *restorer, struct task_run *task, struct err *e);

/* Let the stores of a task that was opened follow its changelogs, from now on in
 * TASK_STANDBY.  Returns 0, or -1. */
int restore_follow(struct restorer *restorer, struct task_run *task, struct err *e);

/* A copy becomes the task itself, in TASK_RESTORING: what its stores do not have yet is
 * restored.  Returns 0, or -1. */
int restore_take_over(struct restorer *restorer, struct task_run *task, struct err *e);

/* Do what can be done without waiting.  Tasks that are complete begin; when nothing is read
 * any more, the connections are closed until there is.  Returns 0, or -1. */
int restore_work(struct restorer *restorer, struct err *e);

/* Read nothing for the task any more, and note how far its stores are; before it is closed. */
void restore_cancel(struct restorer *restorer, struct task_run *task);

void restore_close(struct restorer *restorer);

#endif
