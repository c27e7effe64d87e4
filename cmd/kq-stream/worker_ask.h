/*
 * What a thread of a running application answers when another one asks.
 *
 * Uses: worker.
 */
#ifndef KQ_STREAM_CMD_WORKER_ASK_H
#define KQ_STREAM_CMD_WORKER_ASK_H

#include "kq-stream/worker.h"

/* A question.  fn runs in the asked thread, between two batches. */
struct worker_ask {
	void (*fn)(struct worker *worker, struct worker_ask *ask);
	const void *arg;
	struct buf out;
	bool is_answered;
	bool is_found;        /* for fn: it was for this thread */
	char error[300];      /* for fn: a sentence; "": none */
};

/* Post the question; then wait for the answer until deadline_ms (monotonic), or a little
 * longer if the thread has begun to answer.  Returns whether it has.  One thread asks, one
 * question of a worker at a time. */
void worker_post(struct worker *worker, struct worker_ask *ask);
bool worker_await(struct worker *worker, struct worker_ask *ask, int64_t deadline_ms);

/* ---- questions ---- */

/* Append its tasks as JSON objects, each followed by a comma. */
void worker_tell_tasks(struct worker *worker, struct worker_ask *ask);

/* Append the stores of its tasks that can be shown, likewise: a store once for each task. */
void worker_tell_stores(struct worker *worker, struct worker_ask *ask);

/* Rows of a store of a task. */
struct worker_query {
	const char *store, *task;
	const char *key, *from, *to;  /* as the user wrote them; NULL: none */
	int64_t start_ms, end_ms;     /* windows with a time from start to before end */
	bool is_json;
	int64_t limit;
	struct str cursor;            /* null: from the first */
};

/* Append the rows, and the object behind them.  arg is a worker_query.  is_found is false if
 * the thread does not have the task. */
void worker_tell_rows(struct worker *worker, struct worker_ask *ask);

#endif
