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
loop_update_time(struct loop *l)
{
	l->now_ms = clock_mono_ms();
	l->wall_ms = clock_ms();
}

int
loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop){ .epoll_fd = -1, .event_fd = -1 };
	list_init(&l->posted);
	list_init(&l->local);
	pthread_mutex_init(&l->lock, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->event_fd < 0) {
		err_sys(e, "cannot create an event loop");
		loop_release(l);
		return -1;
	}
	l->wake = (struct loop_io){ .fd = l->event_fd, .fn = on_wake };
	loop_watch(l, &l->wake, EPOLLIN);
	loop_update_time(l);
	return 0;
}

void
loop_release(struct loop *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->event_fd >= 0)
		close(l->event_fd);
	l->epoll_fd = l->event_fd = -1;
	heap_release(&l->timers);
	pthread_mutex_destroy(&l->lock);
}

void
loop_watch(struct loop *l, struct loop_io *io, uint32_t events)
{
	if (io->events == events)
		return;
	if (!events) {
		loop_unwatch(l, io);
		return;
	}
	struct epoll_event ev = { .events = events, .data.ptr = io };
	int op = io->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(l->epoll_fd, op, io->fd, &ev) < 0)
		abort();
	io->events = events;
}

void
loop_unwatch(struct loop *l, struct loop_io *io)
{
	if (io->events)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->events = 0;
	for (int i = l->at_ready; i < l->nready; i++)
		if (l->ready[i].data.ptr == io)
			l->ready[i].data.ptr = NULL;
}

static void
wake(struct loop *l)
{
	uint64_t one = 1;
	while (write(l->event_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ms)
{
	heap_remove(&l->timers, &t->node);
	heap_put(&l->timers, &t->node, at_ms);
	if (l->guard && l != current && at_ms < l->until_ms) {
		l->until_ms = at_ms;
		wake(l);
	}
}

void
loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	heap_remove(&l->timers, &t->node);
}

void
loop_post(struct loop *l, struct loop_task *t)
{
	if (l == current) {
		list_init(&t->link);
		list_append(&l->local, &t->link);
		return;
	}
	pthread_mutex_lock(&l->lock);
	list_init(&t->link);
	list_append(&l->posted, &t->link);
	/* Under the lock: whoever runs the task may release the loop next. */
	if (!l->is_woken)
		wake(l);
	l->is_woken = true;
	pthread_mutex_unlock(&l->lock);
}

void
loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->is_stopped = true;
	wake(l); /* under the lock, as in loop_post */
	pthread_mutex_unlock(&l->lock);
}

/* Run what is posted, but not what that posts: it waits for the next round,
 * so that descriptors are not starved.  False: stopped. */
static bool
run_tasks(struct loop *l)
{
	struct list now;
	list_init(&now);
	list_splice(&now, &l->local);
	pthread_mutex_lock(&l->lock);
	list_splice(&now, &l->posted);
	l->is_woken = false;
	bool is_stopped = l->is_stopped;
	pthread_mutex_unlock(&l->lock);
	while (!list_is_empty(&now)) {
		struct loop_task *t = CONTAINER_OF(now.next, struct loop_task, link);
		list_unlink(&t->link);
		t->fn(t);
	}
	return !is_stopped;
}

/* At most as many as there are now: one that is set again for a time that has
 * come waits for the next round, like a task. */
static void
run_timers(struct loop *l)
{
	size_t left = l->timers.n;
	struct heap_node *top;
	while (left-- > 0 && (top = heap_top(&l->timers)) && top->key <= l->now_ms) {
		struct loop_timer *t = CONTAINER_OF(top, struct loop_timer, node);
		heap_remove(&l->timers, top);
		t->fn(t);
	}
}

/* How long the wait may be: -1 is for ever. */
static int
wait_ms(struct loop *l)
{
	if (!list_is_empty(&l->local))
		return 0;
	struct heap_node *top = heap_top(&l->timers);
	if (!top)
		return -1;
	int64_t left = top->key - clock_mono_ms();
	return left < 0 ? 0 : (int)MIN(left, 3600 * 1000);
}

static void
settle(struct loop *l)
{
	if (l->settle)
		l->settle(l);
}

/* Fetch events into ready; the guard is free meanwhile. */
static void
wait_for_events(struct loop *l)
{
	int ms = wait_ms(l);
	if (l->guard) {
		l->until_ms = ms < 0 ? INT64_MAX : clock_mono_ms() + ms;
		pthread_mutex_unlock(l->guard);
	}
	int n = epoll_wait(l->epoll_fd, l->ready, ARRAY_LEN(l->ready), ms);
	if (l->guard)
		pthread_mutex_lock(l->guard);
	l->nready = n > 0 ? n : 0;
	loop_update_time(l);
}

void
loop_run(struct loop *l)
{
	current = l;
	if (l->guard)
		pthread_mutex_lock(l->guard);
	while (run_tasks(l)) {
		settle(l);
		wait_for_events(l);
		for (l->at_ready = 0; l->at_ready < l->nready;) {
			struct epoll_event *ev = &l->ready[l->at_ready++];
			struct loop_io *io = ev->data.ptr;
			if (io)
				io->fn(io, ev->events);
		}
		l->nready = l->at_ready = 0;
		run_timers(l);
	}
	settle(l);
	if (l->guard)
		pthread_mutex_unlock(l->guard);
}

void
loop_drain(struct loop *l)
{
	struct loop *before = current;
	current = l;
	bool any;
	do {
		run_tasks(l);
		settle(l);
		pthread_mutex_lock(&l->lock);
		any = !list_is_empty(&l->posted) || !list_is_empty(&l->local);
		pthread_mutex_unlock(&l->lock);
	} while (any);
	current = before;
}
