/*
 * What the threads of a running application share: facts that do not change, and counters.
 *
 * Uses: layout, state_dir, plan; client.  Any thread.
 */
#ifndef KQ_STREAM_CMD_RUNNING_H
#define KQ_STREAM_CMD_RUNNING_H

#include "client/cluster.h"
#include "kq-stream/layout.h"
#include "kq-stream/plan.h"
#include "kq-stream/state_dir.h"

#include <stdatomic.h>

/* Numbers of records, since the start. */
struct running_counts {
	_Atomic int64_t in, out, late, dropped, failed;
};

/* --until-end: a thread that found all its input taken. */
struct running_thread {
	_Atomic int64_t idle_at;     /* running.nchange + 1 then; 0: it is not idle */
	_Atomic int ntask;
};

struct running {
	const struct plan *plan;
	const char *id;              /* of the application */
	struct cluster_opts cluster;
	struct layout layout;
	struct state_dir state;      /* path NULL: nothing is kept */
	char *cluster_id;
	int nthread;
	struct running_counts counts;
	atomic_bool is_stopping;

	/* --until-end (worker_end.c) */
	_Atomic int64_t nchange;     /* commits of all threads */
	struct running_thread *thread; /* nthread */
	_Atomic int nended;          /* levels that have ended, of all threads together */
	atomic_bool has_reported;    /* the first failed record was reported */
};

static inline void
running_count(_Atomic int64_t *count, int64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

#endif
