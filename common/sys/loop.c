#include "sys/loop.h"

#include "sys/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The loop that this thread runs. */
static _Thread_local struct loop *current;

static void
on_wake(struct loop_io *io, uint32_t events)
{
	(void)events;
	uint64_t n;
	while (read(io->fd, &n, sizeof n) < 0 && errno == EINTR)
		;
}

void
loop_update_time(struct loop *loop)
{
	loop->now_ms = clock_mono_ms();
	loop->wall_ms = clock_ms();
}

int
loop_init(struct loop *loop, struct err *e)
{
	*loop = (struct loop){ .epoll_fd = -1, .event_fd = -1 };
	list_init(&loop->posted);
	list_init(&loop->local);
	pthread_mutex_init(&loop->post_lock, NULL);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->event_fd < 0) {
		err_sys(e, "cannot create an event loop");
		loop_release(loop);
		return -1;
	}
	loop->wake = (struct loop_io){ .fd = loop->event_fd, .fn = on_wake };
	loop_watch(loop, &loop->wake, EPOLLIN);
	loop_update_time(loop);
	return 0;
}

void
loop_release(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->event_fd >= 0)
		close(loop->event_fd);
	loop->epoll_fd = loop->event_fd = -1;
	heap_release(&loop->timers);
	pthread_mutex_destroy(&loop->post_lock);
}

void
loop_watch(struct loop *loop, struct loop_io *io, uint32_t events)
{
	if (io->events == events)
		return;
	if (!events) {
		loop_unwatch(loop, io);
		return;
	}
	struct epoll_event ev = { .events = events, .data.ptr = io };
	int op = io->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(loop->epoll_fd, op, io->fd, &ev) < 0)
		abort();
	io->events = events;
}

void
loop_unwatch(struct loop *loop, struct loop_io *io)
{
	if (io->events)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->events = 0;
	for (int i = loop->at_ready; i < loop->nready; i++)
		if (loop->ready[i].data.ptr == io)
			loop->ready[i].data.ptr = NULL;
}

static void
wake(struct loop *loop)
{
	uint64_t one = 1;
	while (write(loop->event_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	heap_remove(&loop->timers, &timer->node);
	heap_put(&loop->timers, &timer->node, at_ms);
	if (loop->lock && loop != current && at_ms < loop->until_ms) {
		loop->until_ms = at_ms;
		wake(loop);
	}
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	heap_remove(&loop->timers, &timer->node);
}

void
loop_post(struct loop *loop, struct loop_task *task)
{
	if (loop == current) {
		list_init(&task->link);
		list_append(&loop->local, &task->link);
		return;
	}
	pthread_mutex_lock(&loop->post_lock);
	list_init(&task->link);
	list_append(&loop->posted, &task->link);
	/* Under the lock: the task may release the loop as soon as it runs. */
	if (!loop->is_woken)
		wake(loop);
	loop->is_woken = true;
	pthread_mutex_unlock(&loop->post_lock);
}

void
loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->post_lock);
	loop->is_stopped = true;
	wake(loop); /* under the lock, as in loop_post */
	pthread_mutex_unlock(&loop->post_lock);
}

/* Run the posted tasks.  Those that they post wait for the next round, so that
 * descriptors are not starved.  False: stopped. */
static bool
run_tasks(struct loop *loop)
{
	struct list now;
	list_init(&now);
	list_splice(&now, &loop->local);
	pthread_mutex_lock(&loop->post_lock);
	list_splice(&now, &loop->posted);
	loop->is_woken = false;
	bool is_stopped = loop->is_stopped;
	pthread_mutex_unlock(&loop->post_lock);
	while (!list_is_empty(&now)) {
		struct loop_task *task = CONTAINER_OF(now.next, struct loop_task, link);
		list_unlink(&task->link);
		task->fn(task);
	}
	return !is_stopped;
}

/* Run the due timers, at most as many as are set now: one that sets itself
 * again for a time that has passed waits for the next round, like a task. */
static void
run_timers(struct loop *loop)
{
	size_t left = loop->timers.n;
	struct heap_node *top;
	while (left-- > 0 && (top = heap_top(&loop->timers)) && top->key <= loop->now_ms) {
		struct loop_timer *timer = CONTAINER_OF(top, struct loop_timer, node);
		heap_remove(&loop->timers, top);
		timer->fn(timer);
	}
}

/* How long the wait may be, in ms; -1: without end. */
static int
wait_ms(struct loop *loop)
{
	if (!list_is_empty(&loop->local))
		return 0;
	struct heap_node *top = heap_top(&loop->timers);
	if (!top)
		return -1;
	int64_t left = top->key - clock_mono_ms();
	return left < 0 ? 0 : (int)MIN(left, 3600 * 1000);
}

static void
before_wait(struct loop *loop)
{
	if (loop->before_wait)
		loop->before_wait(loop);
}

/* Fetch events into ready; the lock is free during the wait. */
static void
wait_for_events(struct loop *loop)
{
	int ms = wait_ms(loop);
	if (loop->lock) {
		loop->until_ms = ms < 0 ? INT64_MAX : clock_mono_ms() + ms;
		pthread_mutex_unlock(loop->lock);
	}
	int n = epoll_wait(loop->epoll_fd, loop->ready, ARRAY_LEN(loop->ready), ms);
	if (loop->lock)
		pthread_mutex_lock(loop->lock);
	loop->nready = n > 0 ? n : 0;
	loop_update_time(loop);
}

void
loop_run(struct loop *loop)
{
	current = loop;
	if (loop->lock)
		pthread_mutex_lock(loop->lock);
	while (run_tasks(loop)) {
		before_wait(loop);
		wait_for_events(loop);
		for (loop->at_ready = 0; loop->at_ready < loop->nready;) {
			struct epoll_event *ev = &loop->ready[loop->at_ready++];
			struct loop_io *io = ev->data.ptr;
			if (io)
				io->fn(io, ev->events);
		}
		loop->nready = loop->at_ready = 0;
		run_timers(loop);
	}
	before_wait(loop);
	if (loop->lock)
		pthread_mutex_unlock(loop->lock);
}

void
loop_drain(struct loop *loop)
{
	struct loop *before = current;
	current = loop;
	bool any;
	do {
		run_tasks(loop);
		before_wait(loop);
		pthread_mutex_lock(&loop->post_lock);
		any = !list_is_empty(&loop->posted) || !list_is_empty(&loop->local);
		pthread_mutex_unlock(&loop->post_lock);
	} while (any);
	current = before;
}
