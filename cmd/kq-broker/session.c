#include "kq-broker/session.h"

#include "sys/fs.h"
#include "text/say.h"

#include <stdio.h>
#include <unistd.h>

enum {
	REQUESTS_MAX = 128,   /* of one session, not answered yet */
	OUT_SIZE_MAX = 8 << 20,
	READS_MAX = 32,       /* before other sessions have their turn */
	SMALL = 64 * 1024,    /* smaller frames share one read */
	IOV_MAX_ = 32,
	SENDFILE_MAX = 1 << 20, /* bytes at a time, before others have their turn */
	INPUT_SIZE_MIN = 64 * 1024,
	INPUT_FREE_SIZE = 128 * 1024, /* a smaller buffer may exceed the budget */
	INPUT_KEPT_SIZE_MAX = 4 << 20,
};

/* ---- receive buffers ---- */

static void
count_input(struct session *session, size_t before)
{
	atomic_fetch_add_explicit(&session->sessions->limits->budget.used,
		(int64_t)session->in.cap - (int64_t)before, memory_order_relaxed);
}

static struct buf
take_input_buf(struct sessions *sessions)
{
	if (sessions->ninput)
		return sessions->input[--sessions->ninput];
	struct buf b = BUF_INIT;
	buf_reserve(&b, INPUT_SIZE_MIN);
	return b;
}

/* Give the session's receive buffer back. */
static void
put_input(struct session *session)
{
	struct sessions *sessions = session->sessions;
	struct buf *b = &session->in;
	size_t before = b->cap;
	if (!b->p)
		return;
	b->n = 0;
	if (sessions->ninput < INPUT_POOL_MAX && b->cap <= INPUT_KEPT_SIZE_MAX)
		sessions->input[sessions->ninput++] = *b;
	else
		buf_release(b);
	*b = (struct buf)BUF_INIT;
	session->in_at = 0;
	count_input(session, before);
}

/* ---- opening and closing ---- */

static void on_event(struct loop_io *io, uint32_t events);
static void close_session(struct session *session);

static void
on_idle(struct loop_timer *timer)
{
	struct session *session = CONTAINER_OF(timer, struct session, idle_timer);
	struct loop *loop = session->sessions->loop;
	int64_t end_ms = session->active_ms + session->sessions->limits->idle_max_ms;
	if (end_ms > loop->now_ms || session->nrequest) {
		loop_timer_set(loop, timer, MAX(end_ms, loop->now_ms + 1000));
		return;
	}
	log_line(LOG_DEBUG, "%s: closed after connections.max.idle.ms", session->peer);
	close_session(session);
}

void
sessions_init(struct sessions *sessions, size_t arena_size_max)
{
	list_init(&sessions->list);
	list_init(&sessions->to_flush);
	request_pool_init(&sessions->requests, arena_size_max, &sessions->limits->budget);
}

void
sessions_release(struct sessions *sessions)
{
	assert(list_is_empty(&sessions->list));
	request_pool_release(&sessions->requests);
	for (int i = 0; i < sessions->ninput; i++)
		buf_release(&sessions->input[i]);
}

void
session_open(struct sessions *sessions, int fd, const struct net_addr *advertised)
{
	struct session_limits *limits = sessions->limits;
	struct loop *loop = sessions->loop;
	char z[NET_TEXT_SIZE];
	if (atomic_fetch_add(&limits->nsession, 1) >= atomic_load(&limits->nsession_max)) {
		atomic_fetch_sub(&limits->nsession, 1);
		log_bounded(LOG_WARN, "%s: refused, max.connections (%lld) is reached",
			net_peer_name(fd, z), (long long)atomic_load(&limits->nsession_max));
		close(fd);
		return;
	}
	struct session *session = NEW(struct session);
	list_init(&session->link);
	list_init(&session->flush_link);
	list_append(&sessions->list, &session->link);
	list_init(&session->requests);
	session->io = (struct loop_io){ .fd = fd, .fn = on_event };
	session->stream.fd = fd;
	session->sessions = sessions;
	session->advertised = advertised;
	session->active_ms = loop->now_ms;
	session->idle_timer.fn = on_idle;
	snprintf(session->peer, sizeof session->peer, "%s", net_peer_name(fd, z));
	loop_timer_set(loop, &session->idle_timer, session->active_ms + limits->idle_max_ms);
	loop_watch(loop, &session->io, EPOLLIN);
	log_line(LOG_DEBUG, "%s: connected", session->peer);
}

static void
close_session(struct session *session)
{
	struct sessions *sessions = session->sessions;
	if (session->is_handling) {
		session->is_closing = true;
		return;
	}
	loop_unwatch(sessions->loop, &session->io);
	loop_timer_clear(sessions->loop, &session->idle_timer);
	stream_close(&session->stream);
	put_input(session);
	LIST_EACH(it, &session->requests) {
		struct request *rq = CONTAINER_OF(it, struct request, link);
		list_unlink(&rq->link);
		rq->session = NULL;
		if (rq->is_done)
			request_free(rq);
		else if (rq->cancel)
			rq->cancel(rq);
	}
	list_unlink(&session->link);
	list_unlink(&session->flush_link);
	atomic_fetch_sub(&sessions->limits->nsession, 1);
	log_line(LOG_DEBUG, "%s: disconnected", session->peer);
	mem_free(session);
	if (list_is_empty(&sessions->list))
		sessions->emptied(sessions);
}

void
sessions_close(struct sessions *sessions)
{
	LIST_EACH(it, &sessions->list)
		close_session(CONTAINER_OF(it, struct session, link));
}

/* ---- output ---- */

/* A place in a request's answer. */
struct cursor {
	size_t out;
	int32_t slice;
	int64_t byte;
};

struct piece {
	const uint8_t *p;     /* NULL: in a file */
	int64_t size;         /* bytes; 0: the answer ends here */
	int64_t position;     /* in the file */
	int fd;
};

static struct piece
next_piece(const struct request *rq, struct cursor *at)
{
	if (rq->is_silent)
		return (struct piece){ 0 };
	int32_t ngap = (int32_t)rq->gaps.n;
	while (at->slice < ngap && at->out == rq->gaps.v[at->slice].at) {
		const struct partlog_slice *slice = &rq->slice[at->slice];
		if (at->byte < slice->size)
			return (struct piece){ NULL, slice->size - at->byte,
				slice->position + at->byte, partlog_slice_fd(slice) };
		at->slice++;
		at->byte = 0;
	}
	size_t end = at->slice < ngap ? rq->gaps.v[at->slice].at : rq->out.n;
	return (struct piece){ .p = rq->out.p + at->out, .size = (int64_t)(end - at->out) };
}

static void
advance(struct cursor *at, const struct piece *piece, int64_t n)
{
	if (piece->p)
		at->out += (size_t)n;
	else
		at->byte += n;
}

struct outgoing {
	struct iovec iov[IOV_MAX_];
	int niov;
	size_t size;       /* bytes in iov */
	bool is_full;
	struct piece file; /* sent after them; size 0: nothing */
};

static void
gather_request(struct outgoing *out, const struct request *rq)
{
	struct cursor at = { rq->out_sent, rq->at_slice, rq->slice_sent };
	while (out->niov < IOV_MAX_) {
		struct piece piece = next_piece(rq, &at);
		if (!piece.size)
			return;
		if (!piece.p) {
			out->file = piece;
			break;
		}
		out->iov[out->niov++] = (struct iovec){ (void *)piece.p, (size_t)piece.size };
		out->size += (size_t)piece.size;
		advance(&at, &piece, piece.size);
	}
	out->is_full = true;
}

static void
pop_request(struct session *session, struct request *rq)
{
	list_unlink(&rq->link);
	session->nrequest--;
	session->out_size -= rq->out.n;
	request_free(rq);
}

/* Note that n bytes were sent; free the requests whose answer is sent. */
static void
note_sent(struct session *session, int64_t n)
{
	while (!list_is_empty(&session->requests)) {
		struct request *rq = CONTAINER_OF(session->requests.next, struct request, link);
		if (!rq->is_done || rq->must_close)
			return;
		struct cursor at = { rq->out_sent, rq->at_slice, rq->slice_sent };
		struct piece piece = next_piece(rq, &at);
		while (piece.size && n) {
			int64_t k = MIN(n, piece.size);
			advance(&at, &piece, k);
			n -= k;
			while (rq->at_slice < at.slice)
				partlog_slice_put(&rq->slice[rq->at_slice++]);
			piece = next_piece(rq, &at);
		}
		while (rq->at_slice < at.slice)
			partlog_slice_put(&rq->slice[rq->at_slice++]);
		rq->out_sent = at.out;
		rq->slice_sent = at.byte;
		if (piece.size)
			return;
		pop_request(session, rq);
	}
}

static void
gather(struct session *session, struct outgoing *out)
{
	LIST_EACH(it, &session->requests) {
		struct request *rq = CONTAINER_OF(it, struct request, link);
		if (!rq->is_done || rq->must_close || out->is_full)
			return;
		gather_request(out, rq);
	}
}

/* Send the bytes in memory, then some of the file by sendfile, which was a
 * third faster than pread and sendmsg (make bench BENCH=fetch measures both).
 * Returns as stream_sendv does. */
static int64_t
send_gathered(struct session *session, struct outgoing *out)
{
	struct err e;
	int64_t sent = 0;
	if (out->size) {
		sent = stream_sendv(&session->stream, out->iov, out->niov, out->file.size > 0, &e);
		if (sent != (int64_t)out->size || !out->file.size)
			return sent;
	}
	int64_t n = stream_send_file(&session->stream, out->file.fd, out->file.position,
		(size_t)MIN(out->file.size, SENDFILE_MAX), &e);
	if (n == 0) {
		log_bounded(LOG_ERROR, "a log segment is shorter than it should be");
		n = STREAM_FAILED;
	}
	return n < 0 ? sent ? sent : n : sent + n;
}

static bool
is_open_for_input(const struct session *session)
{
	return !session->is_draining && session->nrequest < REQUESTS_MAX
		&& session->out_size < OUT_SIZE_MAX;
}

static void
watch(struct session *session, bool is_blocked)
{
	loop_watch(session->sessions->loop, &session->io,
		(is_open_for_input(session) ? EPOLLIN : EPOLLRDHUP) | (is_blocked ? EPOLLOUT : 0));
}

/* Send the answers that are done, in order.  -1: the session has to be closed;
 * 1: the peer takes no more now. */
static int
send_done(struct session *session)
{
	for (;;) {
		note_sent(session, 0); /* frees those without bytes to send */
		if (!list_is_empty(&session->requests)) {
			struct request *rq = CONTAINER_OF(session->requests.next, struct request, link);
			if (rq->is_done && rq->must_close)
				return -1;
		}
		struct outgoing out = { .niov = 0 };
		gather(session, &out);
		if (!out.size && !out.file.size)
			return 0;
		int64_t n = send_gathered(session, &out);
		if (n < 0)
			return n == STREAM_BLOCKED ? 1 : -1;
		note_sent(session, n);
	}
}

static void take_input(struct session *session);

/* False: the session was closed and freed. */
static bool
flush(struct session *session)
{
	int rc = send_done(session);
	if (rc < 0 || (session->is_draining && list_is_empty(&session->requests))) {
		close_session(session);
		return false;
	}
	watch(session, rc > 0);
	return true;
}

/* Is there a whole frame in the buffer that was not handled yet? */
static bool
has_frame(const struct session *session)
{
	size_t have = session->in.n - session->in_at;
	return have >= 4 && is_open_for_input(session)
		&& have - 4 >= load_be32(session->in.p + session->in_at);
}

static void
flush_and_go_on(struct session *session)
{
	if (flush(session) && has_frame(session))
		take_input(session);
}

void
sessions_flush(struct sessions *sessions)
{
	while (!list_is_empty(&sessions->to_flush)) {
		struct session *session = CONTAINER_OF(sessions->to_flush.next, struct session,
			flush_link);
		list_unlink(&session->flush_link);
		flush_and_go_on(session);
	}
}

static void
drain(struct session *session)
{
	session->is_draining = true;
	/* A fetch that waits for records would keep the session open. */
	session->is_handling = true;
	LIST_EACH(it, &session->requests) {
		struct request *rq = CONTAINER_OF(it, struct request, link);
		if (!rq->is_done && rq->cancel)
			rq->cancel(rq);
	}
	session->is_handling = false;
	flush_and_go_on(session);
}

void
sessions_drain(struct sessions *sessions)
{
	LIST_EACH(it, &sessions->list)
		drain(CONTAINER_OF(it, struct session, link));
}

/* Count an answer, which stays here until the client reads it. */
static void
count_answer(struct request *rq)
{
	if (request_count(rq, rq->out.n))
		return;
	log_bounded(LOG_WARN, "%s: closed: queued.max.request.bytes is exhausted by responses "
		"that the client does not read (%lld bytes)", rq->session->peer, (long long)rq->out.n);
	buf_release(&rq->out);
	rq->must_close = true;
}

/* The request is done: its answer goes out at the end of the loop's round. */
static void
on_request_end(struct request *rq)
{
	struct session *session = rq->session;
	if (!session) {
		request_free(rq);
		return;
	}
	count_answer(rq);
	session->out_size += rq->out.n;
	if (!session->is_handling && list_is_empty(&session->flush_link))
		list_append(&session->sessions->to_flush, &session->flush_link);
}

/* ---- input ---- */

static void
refuse(struct session *session, const struct err *e)
{
	log_bounded(LOG_WARN, "%s: closed: %s", session->peer, e->msg);
	session->is_closing = true;
}

static void
handle_frame(struct session *session, const uint8_t *p, size_t n)
{
	struct sessions *sessions = session->sessions;
	struct request *rq = request_new(&sessions->requests);
	struct err e;
	rq->session = session;
	rq->loop = sessions->loop;
	rq->reactor = sessions->reactor;
	rq->broker = sessions->broker;
	rq->advertised = session->advertised;
	rq->end = on_request_end;
	rq->raw = (struct str){ p, (int32_t)n };
	list_append(&session->requests, &rq->link);
	session->nrequest++;
	if (sessions->handle(rq, &e) == 0)
		return;
	list_unlink(&rq->link);
	session->nrequest--;
	request_free(rq);
	refuse(session, &e);
}

/* Handle the complete frames in the buffer; the rest moves to its front.
 * Returns the bytes missing of an incomplete frame, or 0 if that is unknown. */
static size_t
handle_frames(struct session *session)
{
	size_t missing = 0;
	while (session->in.n - session->in_at >= 4 && is_open_for_input(session)
		&& !session->is_closing) {
		const uint8_t *p = session->in.p + session->in_at;
		int32_t size = (int32_t)load_be32(p);
		if (size <= 0 || size > session->sessions->limits->frame_size_max) {
			struct err e;
			err_set(&e, ERR_LIMIT, "a frame's size is beyond socket.request.max.bytes (%d)", size);
			refuse(session, &e);
			break;
		}
		size_t have = session->in.n - session->in_at - 4;
		if (have < (size_t)size) {
			missing = (size_t)size - have;
			break;
		}
		session->in_at += 4 + (size_t)size;
		handle_frame(session, p + 4, (size_t)size);
	}
	if (session->in_at == session->in.n)
		session->in_at = session->in.n = 0;
	else if (session->in_at && is_open_for_input(session)) {
		memmove(session->in.p, session->in.p + session->in_at, session->in.n - session->in_at);
		session->in.n -= session->in_at;
		session->in_at = 0;
	}
	return missing;
}

/* Make room in the buffer; returns how much to read now: no more than the rest
 * of a large frame, so that nothing large has to be moved, otherwise what fits.
 * The buffer grows with the bytes received, not with the length announced. */
static size_t
make_room(struct session *session, size_t missing)
{
	size_t before = session->in.cap;
	if (!session->in.p)
		session->in = take_input_buf(session->sessions);
	if (missing > session->in.cap - session->in.n)
		buf_reserve(&session->in, MIN(missing, MAX(session->in.n, SMALL)));
	else if (session->in.cap - session->in.n < 4096)
		buf_reserve(&session->in, SMALL);
	if (session->in.cap != before)
		count_input(session, before);
	size_t room = session->in.cap - session->in.n;
	return missing > SMALL ? MIN(missing, room) : room;
}

static bool
is_over_budget(struct session *session)
{
	struct request_budget *budget = &session->sessions->limits->budget;
	if (atomic_load_explicit(&budget->used, memory_order_relaxed) <= budget->used_max
		|| session->in.cap < INPUT_FREE_SIZE)
		return false;
	struct err e;
	err_set(&e, ERR_LIMIT, "queued.max.request.bytes is exhausted by requests in progress (%lld)",
		(long long)session->in.cap);
	refuse(session, &e);
	return true;
}

static void
read_input(struct session *session)
{
	size_t missing = handle_frames(session);
	for (int i = 0; i < READS_MAX && is_open_for_input(session) && !session->is_closing; i++) {
		size_t room = make_room(session, missing);
		if (is_over_budget(session))
			return;
		struct err e;
		ssize_t n = stream_recv(&session->stream, session->in.p + session->in.n, room, &e);
		if (n == STREAM_BLOCKED)
			return;
		if (n < 0) {
			session->is_closing = true;
			return;
		}
		session->in.n += (size_t)n;
		session->active_ms = session->sessions->loop->now_ms;
		missing = handle_frames(session);
		if ((size_t)n < room)
			return;
	}
}

static void
take_input(struct session *session)
{
	do {
		session->is_handling = true;
		read_input(session);
		session->is_handling = false;
		if (session->is_closing) {
			send_done(session); /* earlier requests are answered */
			close_session(session);
			return;
		}
		if (!session->in.n)
			put_input(session);
	} while (flush(session) && has_frame(session));
}

static void
on_event(struct loop_io *io, uint32_t events)
{
	struct session *session = CONTAINER_OF(io, struct session, io);
	if (events & EPOLLIN) {
		if (is_open_for_input(session)) {
			take_input(session);
			return;
		}
	}
	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		close_session(session);
		return;
	}
	flush_and_go_on(session);
}
