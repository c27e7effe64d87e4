#include "kq-broker/reactor.h"

#include "kq-broker/broker.h"
#include "kq-broker/descriptors.h"

#include "sys/fs.h"
#include "text/say.h"

#include <errno.h>
#include <unistd.h>

enum {
	ACCEPT_AGAIN_MS = 100,
	STOP_GRACE_MS = 1000, /* for what is under way when we are stopped */
};

static void
flush_sessions(struct loop *loop)
{
	sessions_flush(&CONTAINER_OF(loop, struct reactor, loop)->sessions);
}

static void
end_if_idle(struct reactor *reactor)
{
	if (reactor->is_stopping && list_is_empty(&reactor->sessions.list))
		loop_stop(&reactor->loop);
}

static void
on_emptied(struct sessions *sessions)
{
	end_if_idle(CONTAINER_OF(sessions, struct reactor, sessions));
}

int
reactor_init(struct reactor *reactor, struct broker *broker, int index,
	reactor_handle_fn *handle, struct err *e)
{
	*reactor = (struct reactor){ .broker = broker, .index = index };
	reactor->sessions = (struct sessions){ .loop = &reactor->loop, .reactor = reactor,
		.broker = broker, .limits = &broker->sessions, .handle = handle,
		.emptied = on_emptied };
	sessions_init(&reactor->sessions, (size_t)broker->arena_size_max);
	list_init(&reactor->turns);
	if (loop_init(&reactor->loop, e) < 0)
		return -1;
	reactor->loop.before_wait = flush_sessions;
	reactor->syncer = syncer_new(&reactor->loop, broker->use_uring);
	syncer_limit(reactor->syncer, (int)broker->descriptors.sync_max);
	return 0;
}

/* ---- accepting ---- */

static void
watch_listeners(struct reactor *reactor, bool on)
{
	for (int i = 0; i < reactor->nlistener; i++)
		loop_watch(&reactor->loop, &reactor->listener[i].io,
			on ? EPOLLIN | EPOLLEXCLUSIVE : 0);
}

static void
accept_again(struct loop_timer *timer)
{
	struct reactor *reactor = CONTAINER_OF(timer, struct reactor, accept_again);
	if (!reactor->is_stopping)
		watch_listeners(reactor, true);
}

/* Connections wait in the listener's backlog until there are descriptors again. */
static void
stop_accepting(struct reactor *reactor)
{
	log_bounded(LOG_WARN, "%lld connections use all descriptors available to connections; "
		"new ones wait: " RAISE_FILE_LIMIT, 
		(long long)atomic_load(&reactor->broker->sessions.nsession));
	watch_listeners(reactor, false);
	loop_timer_set(&reactor->loop, &reactor->accept_again,
		reactor->loop.now_ms + ACCEPT_AGAIN_MS);
}

static void
on_accept(struct loop_io *io, uint32_t events)
{
	(void)events;
	struct listener *listener = CONTAINER_OF(io, struct listener, io);
	struct reactor *reactor = listener->reactor;
	struct broker *broker = reactor->broker;
	for (int i = 0; i < 64; i++) {
		bool has_room = atomic_load(&broker->sessions.nsession) < broker->descriptors.conn_max;
		int fd = has_room ? net_accept(io->fd, listener->addr.kind == NET_UNIX) : -2;
		if (fd == -2)
			stop_accepting(reactor);
		if (fd < 0)
			return;
		session_open(&reactor->sessions, fd,
			advertised_for(&broker->advertised, &listener->addr, fd));
	}
}

void
reactor_listen(struct reactor *reactor, int fd, const struct net_addr *addr)
{
	assert(reactor->nlistener < LISTENERS_MAX);
	struct listener *listener = &reactor->listener[reactor->nlistener++];
	*listener = (struct listener){ .io = { .fd = fd, .fn = on_accept }, .addr = *addr,
		.reactor = reactor };
}

/* ---- running and stopping ---- */

static void *
run(void *arg)
{
	struct reactor *reactor = arg;
	reactor->accept_again.fn = accept_again;
	watch_listeners(reactor, true);
	loop_run(&reactor->loop);
	return NULL;
}

int
reactor_start(struct reactor *reactor, struct err *e)
{
	errno = pthread_create(&reactor->thread, NULL, run, reactor);
	return errno ? err_sys(e, "cannot start a thread") : 0;
}

static void
stop_now(struct loop_timer *timer)
{
	struct reactor *reactor = CONTAINER_OF(timer, struct reactor, stop_timer);
	sessions_close(&reactor->sessions);
	loop_stop(&reactor->loop);
}

static void
stop_task(struct loop_task *task)
{
	struct reactor *reactor = CONTAINER_OF(task, struct reactor, stop_task);
	reactor->is_stopping = true;
	watch_listeners(reactor, false);
	reactor->stop_timer.fn = stop_now;
	loop_timer_set(&reactor->loop, &reactor->stop_timer, reactor->loop.now_ms + STOP_GRACE_MS);
	sessions_drain(&reactor->sessions);
	end_if_idle(reactor);
}

void
reactor_stop(struct reactor *reactor)
{
	reactor->stop_task.fn = stop_task;
	loop_post(&reactor->loop, &reactor->stop_task);
}

void
reactor_join(struct reactor *reactor)
{
	if (reactor->thread)
		pthread_join(reactor->thread, NULL);
	reactor->thread = 0;
	if (reactor->syncer)
		syncer_drain(reactor->syncer);
}

void
reactor_release(struct reactor *reactor)
{
	loop_drain(&reactor->loop); /* requests that came back too late */
	sessions_release(&reactor->sessions);
	for (int i = 0; i < reactor->nlistener; i++)
		fs_close(reactor->listener[i].io.fd);
	syncer_free(reactor->syncer);
	loop_release(&reactor->loop);
}
