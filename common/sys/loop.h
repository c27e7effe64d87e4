/*
 * An event loop over epoll: descriptors, timers, and tasks from other
 * threads.  It makes no system call but the wait while nothing happens, and
 * wakes for nothing but an event, a due timer or a posted task.
 *
 * Uses: base.  Everything here belongs to the loop's own thread, except
 * loop_post and loop_stop, which any thread may call; and, with a guard, to
 * whoever holds it.
 */
#ifndef KQ_SYS_LOOP_H
#define KQ_SYS_LOOP_H

#include "base/base.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

#include <pthread.h>
#include <sys/epoll.h>

/* Embedded in whoever waits for a descriptor.  Level-triggered. */
struct loop_io;
typedef void loop_io_fn(struct loop_io *io, uint32_t events);
struct loop_io {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, ...; 0: not added */
	loop_io_fn *fn;
};

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *t);
struct loop_timer {
	struct heap_node node;
	loop_timer_fn *fn;
};

/* Something to run on the loop's thread.  Owned by the poster until it runs;
 * fn may post it again or free what it is part of. */
struct loop_task;
typedef void loop_task_fn(struct loop_task *t);
struct loop_task {
	struct list link;
	loop_task_fn *fn;
};

struct loop {
	int epoll_fd, event_fd;
	struct heap timers; /* by ms of the monotonic clock */
	int64_t now_ms;     /* monotonic, taken after each wait */
	int64_t wall_ms;    /* of records, taken after each wait */
	pthread_mutex_t lock;
	struct list posted;       /* by other threads; under the lock */
	bool is_woken, is_stopped; /* under the lock */
	struct list local;        /* by this thread */
	struct loop_io wake;
	struct epoll_event ready[64];
	int nready, at_ready; /* being handled */
	/* Set before loop_run, or NULL: */
	void (*settle)(struct loop *l); /* called before each wait, and at the end */
	pthread_mutex_t *guard; /* held but while waiting: whoever holds it may do
	                           what the loop's thread may, and set timers */
	int64_t until_ms;       /* with a guard: when the wait will end by itself */
};

int loop_init(struct loop *l, struct err *e);
void loop_release(struct loop *l);

/* Watch io->fd for the events, or change which; 0 events stop it.  A failure
 * to watch (no memory in the kernel) aborts. */
void loop_watch(struct loop *l, struct loop_io *io, uint32_t events);

/* Stop watching; its fn is not called any more, not even for events already
 * fetched.  The descriptor stays open. */
void loop_unwatch(struct loop *l, struct loop_io *io);

/* Call t->fn once at the time (monotonic ms); sets again when it was set.
 * A time that has come already: in the next round, at the latest. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ms);
void loop_timer_clear(struct loop *l, struct loop_timer *t); /* unset: fine */

/* Run the task soon on the loop's thread.  Any thread. */
void loop_post(struct loop *l, struct loop_task *t);

/* Run until loop_stop.  The calling thread becomes the loop's. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread */

/* After loop_run, by whoever ends it: run what was posted since, and what that
 * posts, so that nothing posted is lost. */
void loop_drain(struct loop *l);

/* Take the times again: after something that took long. */
void loop_update_time(struct loop *l);

#endif
