/*
 * What the threads of a running application share: facts that do not change, and counters.
 *
 * Uses: layout, state_dir, offset_note, plan; client; common/stream.  Any thread.
 */
#ifndef KQ_STREAM_CMD_RUNNING_H
#define KQ_STREAM_CMD_RUNNING_H

#include "client/cluster.h"
#include "kq-stream/layout.h"
#include "kq-stream/plan.h"
#include "kq-stream/state_dir.h"
#include "stream/task.h"
#include "tool/progress.h"

#include <pthread.h>
#include <stdatomic.h>

/* Numbers of records, since the start; in and out: of topics that are not internal. */
struct running_counts {
	_Atomic int64_t in, out, late, late_partly, late_kept, dropped, failed, restored;
};

/* For the current rate: records taken by the times of the last two notes. */
struct running_rate {
	pthread_mutex_t lock;
	int64_t at_ms[2], n[2];      /* monotonic; the newer one is first */
};

/* A number that is noted with committed offsets beside those of the task: its state fits no
 * other one.  They are the fingerprint of the topology (fingerprint.h), and the ids of the
 * topics that are read: one that was created again has other records. */
struct running_fact {
	struct flow_number number;
	const char *topic;           /* NULL: the fingerprint; 0: nothing has state */
	char name[24];
};

struct running_thread {
	/* --until-end: a thread that found all its input taken */
	_Atomic int64_t idle_at;     /* running.nchange + 1 then; 0: it is not idle */
	_Atomic int ntask;
	atomic_bool *is_busy;        /* of each sub-topology: the thread has records of it to take
	                              * or to commit */
	/* for the line of progress, if running.shows_progress */
	_Atomic int64_t stream_ms;   /* highest time of a record; INT64_MIN: none */
	_Atomic int64_t lag;         /* records that the brokers have beyond; -1: not known */
};

struct running {
	const struct plan *plan;
	const char *id;              /* of the application */
	struct cluster_opts cluster;
	struct layout layout;
	struct state_dir state;      /* path NULL: nothing is kept */
	char *cluster_id;
	struct running_fact *fact;   /* the first one is the fingerprint */
	int nfact;
	int nthread;
	int64_t start_ms;            /* wall clock */
	bool shows_progress;
	struct running_counts counts;
	struct running_rate rate;
	struct worker **worker;      /* nthread; for those who ask them */
	atomic_bool is_stopping;

	/* --until-end (worker_end.c) */
	_Atomic int64_t nchange;     /* commits of all threads */
	struct running_thread *thread; /* nthread */
	_Atomic int nended;          /* levels that have ended, of all threads together */
	atomic_bool has_reported;    /* the first failed record was reported */
};

/* Begin counting, now. */
void running_begin(struct running *app);

/* List the facts, of the layout's topics; running_end frees them.  fingerprint 0: no state. */
void running_set_facts(struct running *app, int64_t fingerprint);
void running_end(struct running *app);

/* Read the time of a note, as offset_note_read does.  Returns 0; or -1: ERR_CORRUPT: it is
 * none; ERR_USAGE: it has other facts, so that what is noted is the state of another topology,
 * or of a topic that is no more. */
int running_read_note(const struct running *app, struct str note, int64_t *time_ms,
	struct err *e);

/* The same for a topic that the application does not read: only the state of another topology
 * is refused (ERR_USAGE).  Without state, now or then, nothing is taken for something else. */
int running_check_unread(const struct running *app, struct str note, struct err *e);

/* --until-end: has a thread work of the sub-topology that writes this internal topic, or of those
 * that it reads from?  False for the topics of a circle. */
bool running_is_fed(const struct running *app, const struct layout_source *source);

/* Print the line of progress, if it is due. */
void running_show(struct running *app, struct progress *progress);

/* To be called at each commit: note how many records were taken, once a second. */
void running_note_rate(struct running *app, int64_t now_ms);

/* Records taken a second: now, or until work stopped. */
double running_get_rate(struct running *app, int64_t now_ms);

static inline void
running_count(_Atomic int64_t *count, int64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

#endif
