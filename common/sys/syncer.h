/*
 * Makes files durable without blocking a loop: any number of fdatasyncs in
 * parallel, through io_uring if the kernel has it, else in a few threads.  Each
 * loop has a syncer of its own; results arrive on the loop's thread.
 *
 * Uses: base, loop.  The loop's thread only.
 */
#ifndef KQ_SYS_SYNCER_H
#define KQ_SYS_SYNCER_H

#include "sys/loop.h"

enum { SYNC_JOB_FILES_MAX = 6 };

/* One job: its files are synced in parallel, and done is called once, after the
 * last of them.  The caller owns the job, which must stay valid until then. */
struct sync_job;
typedef void sync_done_fn(struct sync_job *job);
struct sync_job {
	int fd[SYNC_JOB_FILES_MAX];
	int nfd;
	int result; /* 0, or the errno of the first failure */
	sync_done_fn *done;
	/* Private: */
	struct syncer *syncer;
	int left;
	struct list link;
	struct loop_task task;
};

struct syncer;

/* Without use_uring it uses threads in any case. */
struct syncer *syncer_new(struct loop *loop, bool use_uring);
void syncer_free(struct syncer *syncer); /* no job may be running */

void syncer_submit(struct syncer *syncer, struct sync_job *job);

/*
 * Jobs that wait must not hold descriptors.  So before a job's files are opened,
 * the caller reserves SYNC_JOB_FILES_MAX of the descriptors that the syncer may
 * hold; it gives back those it does not use at once, and the others after use.
 * If too few are free it waits in line, and its turn comes on the loop's thread.
 */
struct sync_turn;
typedef void sync_turn_fn(struct sync_turn *turn);
struct sync_turn {
	sync_turn_fn *fn;
	struct list link;
};

/* True: the descriptors are reserved.  False: they will be when fn is called. */
bool syncer_reserve(struct syncer *syncer, struct sync_turn *turn);
void syncer_give_back(struct syncer *syncer, int nfile);

/* In its turn, the caller could not open files because the process has no free
 * descriptor: give the reservation back, and try again after a short time, before
 * all others. */
void syncer_postpone(struct syncer *syncer, struct sync_turn *turn);

/* Set how many descriptors may be reserved; at least SYNC_JOB_FILES_MAX. */
void syncer_limit(struct syncer *syncer, int nfile_max);

/* After the loop has ended: wait for the running jobs, and for those that their
 * done submits. */
void syncer_drain(struct syncer *syncer);

/* What it uses: "io_uring" or "threads". */
const char *syncer_name(const struct syncer *syncer);

#endif
