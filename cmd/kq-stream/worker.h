/*
 * A thread of a running application: a member of its group, the tasks that the group
 * assigns to it, and a producer for what they send.
 *
 * With PLAN_EXACTLY_ONCE the records that tasks send, those of their changelogs and the
 * offsets of their inputs are one transaction, every commit_ms; only a member of the
 * group's current generation can commit (KIP-447).  When a commit is refused, all tasks
 * go back to what is committed: their stores are restored.  With PLAN_AT_LEAST_ONCE the
 * offsets are committed after the records were acknowledged.
 *
 * The assignment.  A task needs the same partition number of all its topics.  That holds
 * for the assignor "range", which both protocols have, as long as the topics of each
 * sub-topology have equal partition counts: all members subscribe to the same topics, and
 * range cuts each of them in the same way.  With unequal counts (a merge) the members use
 * the classic protocol and the assignor "numbers" (client/assign.h), which treats all
 * topics as if they had the highest count.
 *
 * Uses: restore, task_run; client.  One thread; worker_stop and worker_ask.h any thread.
 */
#ifndef KQ_STREAM_CMD_WORKER_H
#define KQ_STREAM_CMD_WORKER_H

#include "client/group_reader.h"
#include "client/txn_sink.h"
#include "kq-stream/restore.h"
#include "kq-stream/task_run.h"
#include "tool/output.h"

#include <pthread.h>

struct worker_ask;
struct worker_order;

struct worker_target {
	int topic;                   /* number of txn_sink_topic; -1: not looked up yet */
	const struct plan_sink *sink; /* NULL: an internal topic */
};

/* A changelog with a retention: what is known of it (worker_keep.c). */
struct worker_keep {
	char *topic;
	int64_t keep_ms;             /* retention.ms, unless data is old */
	enum {
		WORKER_KEEP_UNKNOWN, WORKER_KEEPS_SOME, WORKER_KEEPS_ALL, WORKER_KEEP_FAILED
	} state;
	bool is_behind, is_close;    /* our tasks' stream times: some is far behind; all are close */
	bool has_failed;             /* reported */
};

struct worker {
	struct running *app;
	int number;                  /* of the thread, from 1 */
	struct program *program;
	int wake_fd;                 /* becomes readable by worker_stop */

	/* questions of another thread (worker_ask.h) */
	int ask_fd;                  /* becomes readable by one */
	struct worker_ask *_Atomic ask;
	pthread_mutex_t ask_lock;
	pthread_cond_t ask_done;
	bool is_over;                /* nothing is answered any more; under the lock */

	/* input */
	struct cluster cluster;
	struct fetcher fetcher;
	struct group_reader reader;
	struct group_reader_opts reader_opts;
	struct restorer restorer;
	bool is_beating;             /* a heartbeat is being sent while the thread waits */
	int64_t beat_at_ms;          /* next look whether one is due then */
	struct task_run **task;
	int ntask;
	struct worker_order *order;  /* of each sub-topology (worker_order.c) */

	/* output */
	struct txn_sink sink;
	struct txn_sink_opts sink_opts;
	char *txn_id, *client_id, *instance;
	struct worker_target *target; /* of each node of the topology */
	int dead_letters;            /* topic of the sink; -1: not looked up yet */
	bool is_begun;               /* a transaction has begun */
	struct output print;         /* lines for stdout */
	struct producer_group group; /* of the commit on its way; the member id is member_id */
	char *member_id;
	struct flow_number *noted;   /* scratch of a commit */
	struct producer_offset *offset;
	int noffset;
	bool must_look;              /* at the metadata: a topic may be gone */
	int32_t npart_checked;       /* partitions of all topics at the last look at them */
	int64_t commit_at_ms, idle_commit_at_ms;
	int64_t refused_since_ms;    /* commits have been refused since; 0: were not */
	int64_t others_since_ms;     /* --until-end: idle without some of the tasks since; 0: not so */
	struct worker_keep *keep;
	int nkeep;
	int64_t keep_at_ms;          /* next look at the retention of changelogs */
	int64_t purge_at_ms;         /* next look at what can be deleted from internal topics */
	bool has_purge_failed;       /* reported */
	int64_t standby_at_ms;       /* next look at who has which tasks */
	int32_t standby_generation;  /* of the last look */
	int noted_part;              /* scratch of take_notes (worker_standby.c) */
	bool has_no_copy;            /* reported */
	int nlevel_ended;            /* --until-end: of lower levels than this the tasks have ended */
	bool is_open;
};

/* Connect, and prepare to join the group.  The caller keeps app.  Returns 0, or -1; close
 * it in either case. */
int worker_open(struct worker *worker, struct running *app, int number, struct err *e);

/* Join, process, commit, leave.  Ends when app->is_stopping is set, or at the end of the
 * input with --until-end.  Returns 0, or -1. */
int worker_run(struct worker *worker, struct err *e);
void worker_close(struct worker *worker);

/* Wake the thread, after app->is_stopping was set. */
void worker_stop(struct worker *worker);

/* ---- parts, for worker*.c ---- */

/* Answer the question that was asked, if any; and at the end, give it back (worker_ask.c). */
void worker_answer(struct worker *worker);
void worker_answer_no_more(struct worker *worker);

/* Fill the callbacks of a task (worker_emit.c). */
void worker_set_env(struct worker *worker, struct task_run *task);

/* Write what was printed to stdout.  Returns 0; or -1, with print.is_closed if its reader
 * has closed it: the application is then to end, which is no failure. */
int worker_flush_print(struct worker *worker, struct err *e);

/* Take at most nmax records of the sub-topology's tasks, in order of time across them
 * (worker_order.c).  Returns their number, or -1. */
int worker_take_in_order(struct worker *worker, int part, int nmax, struct err *e);
void worker_order_init(struct worker *worker);
void worker_order_release(struct worker *worker);
int64_t worker_order_until(const struct worker *worker); /* as task_run.until_ms, for all */

/* Are the topics still those that there were at the start, as far as it matters
 * (worker_sources.c)?  Returns 0, or -1. */
int worker_check_sources(struct worker *worker, struct err *e);

/* Commit what tasks did since the last commit, if they did anything (worker_commit.c).
 * Returns 0; or -1.  If the commit is refused, the tasks go back. */
int worker_commit(struct worker *worker, struct err *e);

/* Keep changelogs of old data from being deleted, and set their retention back once data
 * is current (worker_keep.c): before a commit, now and then without one, and before the
 * end (is_last).  A failure is reported, once. */
void worker_keep(struct worker *worker, bool is_last);

/* Delete what was taken from internal topics, now and then and before the end (is_last):
 * worker_purge.c.  A failure is reported, once. */
void worker_purge(struct worker *worker, bool is_last);

/* With --standby: see which copies of other processes' tasks this thread is to keep, and
 * begin or end some (worker_standby.c).  Returns 0, or -1. */
int worker_standby(struct worker *worker, struct err *e);

/* The number of tasks that are not copies. */
int worker_ntask(const struct worker *worker);

/* Tell the group's committed offsets of a source, and what goes with them; -1: none
 * (worker_committed.c).  Returns 0, or -1 (ERR_RETRY: they are not known now), before any was
 * told. */
typedef void worker_committed_fn(void *arg, int32_t partition, int64_t offset, struct str note);
int worker_committed(struct worker *worker, const struct layout_source *source,
	worker_committed_fn *fn, void *arg, struct err *e);

/* With --until-end: let the tasks of all threads know which sub-topologies this thread works
 * for, so that they wait for what these will write (running_is_fed). */
void worker_tell_busy(struct worker *worker);

/* With --until-end, to be called when there is nothing to do: let the tasks end whose input
 * has ended (worker_end.c).  Returns 1: all have, and this thread may end; 0; or -1. */
int worker_end(struct worker *worker, struct err *e);

/* Abort the transaction: all tasks go back to what is committed, and are to be restored.
 * Returns 0, or -1. */
int worker_discard(struct worker *worker, struct err *e);

/* Processing failed with *e.  Returns 0 if that was for a transaction that the broker aborted,
 * or lost a part of: the tasks go back to the last commit; else -1. */
int worker_recover(struct worker *worker, struct err *e);

#endif
