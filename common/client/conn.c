#include "client/conn.h"

#include "sys/clock.h"

#include <poll.h>
#include <stdio.h>

enum {
	READ_MIN = 64 << 10,    /* smallest buffer offered to a read, bytes */
	WRITE_IOV_MAX = 64,
	READS_PER_WORK = 16,    /* limit, so that other connections are served */
};

void
call_init(struct call *call)
{
	*call = (struct call){ .api = NULL };
	list_init(&call->link);
}

void
call_release(struct call *call)
{
	assert(list_is_empty(&call->link));
	buf_release(&call->buf);
}

void
conn_abort(struct conn *c, const struct err *why)
{
	if (c->is_broken)
		return;
	c->is_broken = true;
	c->err = *why;
}

static void
queue(struct conn *c, struct call *call, int timeout_ms, call_done_fn *done)
{
	assert(list_is_empty(&call->link));
	call->is_sent = false;
	call->correlation_id = c->correlation_id;
	c->correlation_id = (c->correlation_id + 1) & 0x7fffffff;
	call->deadline_ms = clock_mono_ms() + timeout_ms;
	call->late_ms = 0;
	call->is_parked = false;
	call->done = done;
	list_append(&c->out, &call->link);
	c->nwaiting++;
}

void
conn_send(struct conn *c, struct call *call, const struct wire_api *api,
	int version, const void *msg, int timeout_ms, call_done_fn *done)
{
	struct request_header header = { api->key, (int16_t)version,
		c->correlation_id, str_of(c->client_id) };
	buf_reset(&call->buf);
	size_t at = frame_begin_request(&call->buf, api, &header);
	wire_encode(api->request, (int16_t)version,
		wire_api_is_flexible(api, (int16_t)version), msg, &call->buf);
	frame_end(&call->buf, at, 0);
	call->one = (struct iovec){ call->buf.p, call->buf.n };
	conn_send_iov(c, call, api, version, &call->one, 1, timeout_ms, done);
}

void
conn_send_iov(struct conn *c, struct call *call, const struct wire_api *api,
	int version, struct iovec *iov, int niov, int timeout_ms,
	call_done_fn *done)
{
	call->api = api;
	call->version = (int16_t)version;
	call->iov = iov;
	call->niov = niov;
	call->expects_reply = true;
	queue(c, call, timeout_ms, done);
}

/* Remove n written bytes from the calls, in order. */
static void
advance(struct conn *c, size_t n)
{
	while (n > 0) {
		assert(!list_is_empty(&c->out));
		struct call *call = CONTAINER_OF(c->out.next, struct call, link);
		call->is_sent = true;
		while (call->niov > 0 && n >= call->iov->iov_len) {
			n -= call->iov->iov_len;
			call->iov++;
			call->niov--;
		}
		if (call->niov > 0) {
			call->iov->iov_base = (char *)call->iov->iov_base + n;
			call->iov->iov_len -= n;
			return;
		}
		list_unlink(&call->link);
		if (!call->expects_reply)
			c->nwaiting--;
		list_append(call->expects_reply ? &c->waiting : &c->finished, &call->link);
	}
}

void
conn_flush(struct conn *c)
{
	while (!c->is_broken && !list_is_empty(&c->out)) {
		struct iovec iov[WRITE_IOV_MAX];
		int n = 0;
		size_t size = 0;
		LIST_EACH(it, &c->out) {
			struct call *call = CONTAINER_OF(it, struct call, link);
			for (int i = 0; i < call->niov && n < WRITE_IOV_MAX; i++) {
				iov[n++] = call->iov[i];
				size += call->iov[i].iov_len;
			}
		}
		struct err e;
		ssize_t sent = stream_sendv(&c->stream, iov, n, false, &e);
		if (sent == STREAM_BLOCKED)
			return;
		if (sent < 0) {
			err_wrap(&e, "%s", c->name);
			conn_abort(c, &e);
			return;
		}
		advance(c, (size_t)sent);
		if ((size_t)sent < size)
			return; /* the socket is full */
	}
}

short
conn_events(const struct conn *c)
{
	return (short)(POLLIN | (list_is_empty(&c->out) ? 0 : POLLOUT));
}

int64_t
conn_deadline(const struct conn *c)
{
	if (c->is_broken || !list_is_empty(&c->finished))
		return 0;
	int64_t first = INT64_MAX;
	const struct list *lists[] = { &c->out, &c->waiting };
	for (int i = 0; i < 2; i++)
		LIST_EACH(it, lists[i]) {
			struct call *call = CONTAINER_OF(it, struct call, link);
			first = MIN(first, call->deadline_ms);
		}
	return first;
}

bool
conn_is_parked(const struct conn *c)
{
	const struct list *lists[] = { &c->out, &c->waiting };
	for (int i = 0; i < 2; i++)
		LIST_EACH(it, lists[i])
			if (CONTAINER_OF(it, struct call, link)->is_parked)
				return true;
	return false;
}

void
conn_late(const struct conn *c, int64_t *late_ms, int64_t *deadline_ms)
{
	LIST_EACH(it, &c->waiting) {
		const struct call *call = CONTAINER_OF(it, struct call, link);
		if (!call->late_ms || call->late_ms >= *late_ms)
			continue;
		*late_ms = call->late_ms;
		*deadline_ms = call->deadline_ms;
	}
}

static void
fail_calls(struct conn *c, struct list *from, const struct err *why)
{
	while (!list_is_empty(from)) {
		struct call *call = CONTAINER_OF(from->next, struct call, link);
		list_unlink(&call->link);
		call->done(call, &(struct reply){ c, NULL, 0, why });
	}
}

static void
call_finished(struct conn *c)
{
	static const struct err none;
	while (!list_is_empty(&c->finished)) {
		struct call *call = CONTAINER_OF(c->finished.next, struct call, link);
		list_unlink(&call->link);
		call->done(call, &(struct reply){ c, NULL, 0, &none });
	}
}

static int
corrupt(struct conn *c, const char *what)
{
	struct err e;
	err_set(&e, ERR_CORRUPT, "%s: %s", c->name, what);
	conn_abort(c, &e);
	return -1;
}

/* Handle a complete frame: n bytes at p, after its length. */
static int
take_frame(struct conn *c, const uint8_t *p, size_t n)
{
	if (list_is_empty(&c->waiting))
		return corrupt(c, "an answer without a request");
	struct call *call = CONTAINER_OF(c->waiting.next, struct call, link);
	int32_t id;
	int64_t head = response_header_decode(call->api, call->version, p, n, &id);
	if (id != call->correlation_id)
		return corrupt(c, "an answer to another request");
	if (head < 0)
		return corrupt(c, "a broken response header");
	list_unlink(&call->link);
	c->nwaiting--;
	static const struct err none;
	call->done(call, &(struct reply){ c, p + 4 + head, n - 4 - (size_t)head, &none });
	return 0;
}

/* Handle the complete frames in the input.  Returns the number of bytes missing from
 * an incomplete frame (0: there is none), or -1. */
static int64_t
take_frames(struct conn *c)
{
	int64_t want = 0;
	while (!c->is_broken && c->in.n - c->in_at >= 4) {
		uint32_t n = load_be32(c->in.p + c->in_at);
		if (n < 4 || n > c->reply_max)
			return corrupt(c, n < 4 ? "an answer that is too short"
				: "an answer longer than is allowed");
		size_t have = c->in.n - c->in_at - 4;
		if (have < n) {
			want = n - (int64_t)have;
			break;
		}
		const uint8_t *p = c->in.p + c->in_at + 4;
		c->in_at += 4 + n;
		c->is_in_kept = false;
		if (take_frame(c, p, n) < 0)
			return -1;
		if (c->is_in_kept) {
			c->in.n = c->in_at = 0;
			want = 0;
		}
	}
	if (c->in_at > 0) { /* little remains: see read_input */
		memmove(c->in.p, c->in.p + c->in_at, c->in.n - c->in_at);
		c->in.n -= c->in_at;
		c->in_at = 0;
	}
	return c->is_broken ? -1 : want;
}

const uint8_t *
conn_keep_reply(const struct reply *reply, struct buf *into)
{
	struct conn *c = reply->conn;
	if (c->in_at < c->in.n) { /* another frame follows: copy */
		buf_reset(into);
		buf_put(into, reply->body, reply->n);
		return into->p;
	}
	struct buf b = *into;
	*into = c->in;
	c->in = b;
	c->in.n = c->in_at = 0;
	c->is_in_kept = true;
	return reply->body;
}

static void
lost(struct conn *c, const char *how)
{
	struct err e;
	err_set(&e, ERR_RETRY, "%s: %s", c->name, how);
	conn_abort(c, &e);
}

/* Read what has arrived, in frames.  A long frame is read exactly to its end, so that
 * nothing has to be moved and its buffer can be given away. */
static void
read_input(struct conn *c)
{
	int64_t want = take_frames(c);
	for (int i = 0; i < READS_PER_WORK && want >= 0; i++) {
		size_t room = want > READ_MIN ? (size_t)want : READ_MIN;
		buf_reserve(&c->in, room);
		struct err e;
		ssize_t got = stream_recv(&c->stream, c->in.p + c->in.n, room, &e);
		if (got == STREAM_BLOCKED)
			return;
		if (got == STREAM_CLOSED) {
			lost(c, "connection closed by the broker");
			return;
		}
		if (got < 0) {
			err_wrap(&e, "%s", c->name);
			conn_abort(c, &e);
			return;
		}
		c->in.n += (size_t)got;
		if (got >= want)
			want = take_frames(c);
		else
			want -= got;
		if ((size_t)got < room)
			return;
	}
}

bool
conn_work(struct conn *c, int64_t now_ms)
{
	conn_flush(c);
	if (!c->is_broken)
		read_input(c);
	conn_flush(c);
	call_finished(c);
	int64_t deadline = c->is_broken ? 0 : conn_deadline(c);
	if (!c->is_broken && deadline > 0 && deadline <= now_ms)
		lost(c, "no answer in time");
	if (!c->is_broken)
		return true;
	fail_calls(c, &c->waiting, &c->err);
	fail_calls(c, &c->out, &c->err);
	c->nwaiting = 0;
	return false;
}

int
conn_version(const struct conn *c, const struct wire_api *api, int upto,
	struct err *e)
{
	int min = -1, max = -1;
	if (api->key >= 0 && api->key < CONN_KEYS) {
		min = c->range[api->key].min;
		max = c->range[api->key].max;
	}
	if (max < 0) {
		err_set(e, ERR_PEER, "%s does not support the request %s", c->name, api->name);
		e->kafka = KERR_UNSUPPORTED_VERSION;
		return -1;
	}
	int v = MIN(MIN(api->max, max), upto);
	if (v >= min && v >= api->min)
		return v;
	err_set(e, ERR_PEER, "%s speaks versions %d to %d of %s, not %d to %d",
		c->name, min, max, api->name, api->min, MIN(api->max, upto));
	e->kafka = KERR_UNSUPPORTED_VERSION;
	return -1;
}

int
call_decode(const struct call *call, const uint8_t *body, size_t n,
	struct arena *a, void *msg, struct err *e)
{
	if (wire_decode(call->api->response, call->version,
		wire_api_is_flexible(call->api, call->version), body, n, a, msg) >= 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "an answer to %s that cannot be read", call->api->name);
}

void
conn_free(struct conn *c, const struct err *why)
{
	if (!c)
		return;
	conn_abort(c, why);
	call_finished(c);
	fail_calls(c, &c->waiting, why);
	fail_calls(c, &c->out, why);
	stream_close(&c->stream);
	buf_release(&c->in);
	mem_free(c);
}
