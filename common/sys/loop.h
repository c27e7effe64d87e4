/*
 * An event loop over epoll: descriptors, timers, and tasks from other
 * threads.  While nothing happens it makes no system call but the wait, and
 * only an event, a due timer or a posted task ends the wait.
 *
 * Uses: base.  The thread in loop_run owns the loop.  Any thread may call
 * loop_post and loop_stop.  If the loop has a lock, a thread that holds it may
 * also call the other functions.
 */
#ifndef KQ_SYS_LOOP_H
#define KQ_SYS_LOOP_H

#include "base/base.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

#include <pthread.h>
#include <sys/epoll.h>

/* A watched descriptor, level-triggered; embedded in the struct that waits. */
struct loop_io;
typedef void loop_io_fn(struct loop_io *io, uint32_t events);
struct loop_io {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, ...; 0: not watched */
	loop_io_fn *fn;
};

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer);
struct loop_timer {
	struct heap_node node;
	loop_timer_fn *fn;
};

/* A call to make on the loop's thread.  It must stay valid until fn runs; fn
 * may post it again, or free the struct that contains it. */
struct loop_task;
typedef void loop_task_fn(struct loop_task *task);
struct loop_task {
	struct list link;
	loop_task_fn *fn;
};

struct loop {
	int epoll_fd, event_fd;
	struct heap timers; /* by monotonic ms */
	int64_t now_ms;     /* monotonic, taken after each wait */
	int64_t wall_ms;    /* wall clock, taken after each wait */
	pthread_mutex_t post_lock;
	struct list posted;        /* by other threads; under post_lock */
	bool is_woken, is_stopped; /* under post_lock */
	struct list local;         /* posted by this thread */
	struct loop_io wake;
	struct epoll_event ready[64];
	int nready, at_ready;      /* events in ready, and the next one to handle */
	/* Set before loop_run, or NULL: */
	void (*before_wait)(struct loop *loop); /* runs before each wait, and at the end */
	pthread_mutex_t *lock; /* held by loop_run, except during the wait */
	int64_t until_ms;      /* with a lock: monotonic time at which the wait ends */
};

int loop_init(struct loop *loop, struct err *e);
void loop_release(struct loop *loop);

/* Watch io->fd for the events, or change the events; 0 stops it.  Aborts when
 * the kernel has no memory for it. */
void loop_watch(struct loop *loop, struct loop_io *io, uint32_t events);

/* Stop watching.  io->fn is not called again, not even for events that were
 * already fetched.  The descriptor stays open. */
void loop_unwatch(struct loop *loop, struct loop_io *io);

/* Call timer->fn once at at_ms (monotonic); replaces the time set before.  A
 * time that has passed fires in the next round at the latest. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer); /* unset: no effect */

/* Run the task on the loop's thread, in its next round.  Any thread. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Run until loop_stop.  The calling thread becomes the loop's. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread */

/* After loop_run: run the tasks posted since, and those that they post, so
 * that no posted task is lost. */
void loop_drain(struct loop *loop);

/* Take now_ms and wall_ms again, after work that took long. */
void loop_update_time(struct loop *loop);

#endif
