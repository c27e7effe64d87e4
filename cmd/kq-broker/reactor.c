#include "kq-broker/reactor.h"

#include "kq-broker/broker.h"
#include "kq-broker/session.h"
#include "kq-broker/descriptors.h"

#include "sys/fs.h"
#include "text/say.h"

#include <errno.h>
#include <unistd.h>

enum {
	FREE_REQUESTS_MAX = 64,
	KEEP_SIZE_MAX = 256 * 1024, /* of a pooled request's buffers */
	INPUT_SIZE_MIN = 64 * 1024,
	INPUT_KEEP_MAX = 4 << 20,
	ACCEPT_AGAIN_MS = 100,
	STOP_GRACE_MS = 1000, /* for what is under way when we are stopped */
};

/* Answers of one round go out together: the acknowledgements of a sync, say. */
static void
flush_sessions(struct loop *l)
{
	struct reactor *r = CONTAINER_OF(l, struct reactor, loop);
	while (!list_is_empty(&r->to_flush)) {
		struct session *session = CONTAINER_OF(r->to_flush.next, struct session, flush_link);
		list_unlink(&session->flush_link);
		session_flush(session);
	}
}

int
reactor_init(struct reactor *r, struct broker *b, int index, struct err *e)
{
	*r = (struct reactor){ .broker = b, .index = index };
	list_init(&r->sessions);
	list_init(&r->free_requests);
	list_init(&r->to_flush);
	list_init(&r->turns);
	if (loop_init(&r->loop, e) < 0)
		return -1;
	r->loop.before_wait = flush_sessions;
	r->syncer = syncer_new(&r->loop, b->use_uring);
	syncer_limit(r->syncer, (int)b->descriptors.sync_max);
	return 0;
}

/* --- accepting --- */

static void
watch_listeners(struct reactor *r, bool on)
{
	for (int i = 0; i < r->nlistener; i++)
		loop_watch(&r->loop, &r->listener[i].io,
			on ? EPOLLIN | EPOLLEXCLUSIVE : 0);
}

static void
accept_again(struct loop_timer *t)
{
	struct reactor *r = CONTAINER_OF(t, struct reactor, accept_again);
	if (!r->is_stopping)
		watch_listeners(r, true);
}

/* Connections wait in the listener's backlog until there are descriptors again. */
static void
stop_accepting(struct reactor *r)
{
	log_bounded(LOG_WARN, "%lld connections use all descriptors available to connections; "
		"new ones wait: " RAISE_FILE_LIMIT, (long long)atomic_load(&r->broker->nconn));
	watch_listeners(r, false);
	loop_timer_set(&r->loop, &r->accept_again, r->loop.now_ms + ACCEPT_AGAIN_MS);
}

static void
on_accept(struct loop_io *io, uint32_t events)
{
	(void)events;
	struct listener *l = CONTAINER_OF(io, struct listener, io);
	struct reactor *r = l->reactor;
	struct broker *b = r->broker;
	for (int i = 0; i < 64; i++) {
		bool has_room = atomic_load(&b->nconn) < b->descriptors.conn_max;
		int fd = has_room ? net_accept(io->fd, l->addr.kind == NET_UNIX) : -2;
		if (fd == -2)
			stop_accepting(r);
		if (fd < 0)
			return;
		session_open(r, fd, l);
	}
}

void
reactor_listen(struct reactor *r, int fd, const struct net_addr *addr)
{
	assert(r->nlistener < LISTENERS_MAX);
	struct listener *l = &r->listener[r->nlistener++];
	*l = (struct listener){ .io = { .fd = fd, .fn = on_accept }, .addr = *addr,
		.reactor = r };
}

/* --- running and stopping --- */

static void *
run(void *arg)
{
	struct reactor *r = arg;
	r->accept_again.fn = accept_again;
	watch_listeners(r, true);
	loop_run(&r->loop);
	return NULL;
}

int
reactor_start(struct reactor *r, struct err *e)
{
	errno = pthread_create(&r->thread, NULL, run, r);
	return errno ? err_sys(e, "cannot start a thread") : 0;
}

void
reactor_conn_gone(struct reactor *r)
{
	if (r->is_stopping && list_is_empty(&r->sessions))
		loop_stop(&r->loop);
}

static void
stop_now(struct loop_timer *t)
{
	struct reactor *r = CONTAINER_OF(t, struct reactor, stop_timer);
	LIST_EACH(it, &r->sessions)
		session_close(CONTAINER_OF(it, struct session, link));
	loop_stop(&r->loop);
}

static void
stop_task(struct loop_task *t)
{
	struct reactor *r = CONTAINER_OF(t, struct reactor, stop_task);
	r->is_stopping = true;
	watch_listeners(r, false);
	r->stop_timer.fn = stop_now;
	loop_timer_set(&r->loop, &r->stop_timer, r->loop.now_ms + STOP_GRACE_MS);
	LIST_EACH(it, &r->sessions)
		session_drain(CONTAINER_OF(it, struct session, link));
	reactor_conn_gone(r);
}

void
reactor_stop(struct reactor *r)
{
	r->stop_task.fn = stop_task;
	loop_post(&r->loop, &r->stop_task);
}

void
reactor_join(struct reactor *r)
{
	if (r->thread)
		pthread_join(r->thread, NULL);
	r->thread = 0;
	if (r->syncer)
		syncer_drain(r->syncer);
}

void
reactor_release(struct reactor *r)
{
	loop_drain(&r->loop); /* requests that came back too late */
	LIST_EACH(it, &r->free_requests) {
		struct request *rq = CONTAINER_OF(it, struct request, link);
		arena_release(&rq->arena);
		buf_release(&rq->out);
		buf_release(&rq->frame);
		wire_gaps_release(&rq->gaps);
		mem_free(rq);
	}
	for (int i = 0; i < r->ninput; i++)
		buf_release(&r->input[i]);
	for (int i = 0; i < r->nlistener; i++)
		fs_close(r->listener[i].io.fd);
	syncer_free(r->syncer);
	loop_release(&r->loop);
}

/* --- pools --- */

struct request *
reactor_request_new(struct reactor *r)
{
	struct request *rq;
	if (list_is_empty(&r->free_requests)) {
		rq = NEW(struct request);
		list_init(&rq->link);
	} else {
		rq = CONTAINER_OF(r->free_requests.next, struct request, link);
		list_unlink(&rq->link);
		r->nfree_request--;
	}
	rq->reactor = r;
	rq->broker = r->broker;
	rq->arena.size_max = (size_t)r->broker->arena_size_max;
	return rq;
}

static void
forget_large(struct buf *b)
{
	if (b->cap > KEEP_SIZE_MAX)
		buf_release(b);
	b->n = 0;
}

void
reactor_request_free(struct reactor *r, struct request *rq)
{
	assert(list_is_empty(&rq->link));
	for (int32_t i = rq->at_slice; rq->slice && i < (int32_t)rq->gaps.n; i++)
		partlog_slice_put(&rq->slice[i]);
	if (rq->counted)
		atomic_fetch_sub_explicit(&r->broker->input_size, (int64_t)rq->counted,
			memory_order_relaxed);
	arena_reset(&rq->arena);
	forget_large(&rq->out);
	forget_large(&rq->frame);
	rq->gaps.n = 0;
	struct request clean = { .arena = rq->arena, .out = rq->out, .frame = rq->frame,
		.gaps = rq->gaps };
	*rq = clean;
	list_init(&rq->link);
	if (r->nfree_request == FREE_REQUESTS_MAX) {
		arena_release(&rq->arena);
		buf_release(&rq->out);
		buf_release(&rq->frame);
		wire_gaps_release(&rq->gaps);
		mem_free(rq);
		return;
	}
	/* The last one used is the warmest in the cache: take it first. */
	list_append(r->free_requests.next, &rq->link);
	r->nfree_request++;
}

struct buf
reactor_input_get(struct reactor *r)
{
	if (r->ninput)
		return r->input[--r->ninput];
	struct buf b = BUF_INIT;
	buf_reserve(&b, INPUT_SIZE_MIN);
	return b;
}

void
reactor_input_put(struct reactor *r, struct buf *b)
{
	b->n = 0;
	if (r->ninput < INPUT_POOL_MAX && b->cap && b->cap <= INPUT_KEEP_MAX)
		r->input[r->ninput++] = *b;
	else
		buf_release(b);
	*b = (struct buf)BUF_INIT;
}
