/*
 * Makes files durable without blocking a loop: any number of fdatasyncs side
 * by side, through io_uring when the kernel has it, else by a few threads.
 * Each loop has a syncer of its own; results arrive on the loop's thread.
 *
 * Uses: base, loop.  The loop's thread only.
 */
#ifndef KQ_SYS_SYNCER_H
#define KQ_SYS_SYNCER_H

#include "sys/loop.h"

enum { SYNC_JOB_FILES_MAX = 6 };

/* One job: its files are synced side by side; done is called once, when all
 * are through.  The job is the caller's and must live until then. */
struct sync_job;
typedef void sync_done_fn(struct sync_job *job);
struct sync_job {
	int fd[SYNC_JOB_FILES_MAX];
	int nfd;
	int result; /* 0, or the errno of the first failure */
	sync_done_fn *done;
	/* The syncer's own: */
	struct syncer *syncer;
	int left;
	struct list link;
	struct loop_task task;
};

struct syncer;

/* use_uring false takes threads in any case. */
struct syncer *syncer_new(struct loop *loop, bool use_uring);
void syncer_free(struct syncer *syncer); /* no job may be under way */

void syncer_submit(struct syncer *syncer, struct sync_job *job);

/*
 * Jobs that wait must not hold descriptors: before it opens its files, a job
 * reserves SYNC_JOB_FILES_MAX of those that the syncer may hold, and gives back
 * what it does not use, or uses no more.  One that finds them taken waits; its
 * turn comes on the loop's thread.
 */
struct sync_turn;
typedef void sync_turn_fn(struct sync_turn *turn);
struct sync_turn {
	sync_turn_fn *fn;
	struct list link;
};

/* True: they are reserved; false: they will be when fn is called. */
bool syncer_reserve(struct syncer *s, struct sync_turn *turn);
void syncer_give_back(struct syncer *syncer, int nfile);

/* There were no descriptors to open files with: give the turn back, and come
 * first when it is tried again a little later. */
void syncer_postpone(struct syncer *syncer, struct sync_turn *turn);

/* How many files may be reserved; at least SYNC_JOB_FILES_MAX. */
void syncer_limit(struct syncer *syncer, int nfile_max);

/* After the loop's end: wait for the jobs under way, and those that their done
 * begins, as the loop would. */
void syncer_drain(struct syncer *syncer);

/* "io_uring" or "threads": which way it goes. */
const char *syncer_name(const struct syncer *syncer);

#endif
