#include "kq-broker/request.h"

#include "kq-broker/api.h"
#include "kq-broker/broker.h"
#include "kq-broker/session.h"
#include "kq-broker/reactor.h"

#include "text/say.h"

#include <stdio.h>

enum {
	LARGE = 4096, /* what is smaller is not worth the counting */
	ANSWER_SIZE_MAX = 100 << 20, /* without records: more than clients take */
};

/* Count n bytes that the request keeps.  False: there are too many already. */
static bool
account(struct request *rq, size_t n)
{
	struct broker *b = rq->broker;
	if (atomic_fetch_add_explicit(&b->input_size, (int64_t)n, memory_order_relaxed)
		+ (int64_t)n <= b->input_size_max) {
		rq->counted += n;
		return true;
	}
	atomic_fetch_sub_explicit(&b->input_size, (int64_t)n, memory_order_relaxed);
	return false;
}

/* An answer may lie here for as long as its reader likes. */
static void
account_answer(struct request *rq)
{
	if (!rq->slice)
		arena_reset(&rq->arena);
	if (rq->out.n <= LARGE || account(rq, rq->out.n))
		return;
	log_bounded(LOG_WARN, "%s: closed: queued.max.request.bytes is exhausted by responses "
		"that the client does not read (%lld bytes)", rq->session->peer, (long long)rq->out.n);
	buf_release(&rq->out);
	rq->must_close = true;
}

/* On the reactor: the answer is ready. */
static void
finish(struct request *rq)
{
	assert(!rq->is_done);
	rq->is_done = true;
	rq->cancel = NULL;
	struct session *session = rq->session;
	if (!session) {
		reactor_request_free(rq->reactor, rq);
		return;
	}
	account_answer(rq);
	session->out_size += rq->out.n;
	if (!session->is_handling)
		session_flush_soon(session);
}

static void
finish_task(struct loop_task *t)
{
	finish(CONTAINER_OF(t, struct request, task));
}

void
request_send(struct request *rq)
{
	if (rq->place != ON_REACTOR) {
		rq->task.fn = finish_task;
		loop_post(&rq->reactor->loop, &rq->task);
	} else {
		finish(rq);
	}
}

static void
refuse_answer(struct request *rq, struct partlog_slice *slice, int32_t nslice)
{
	log_bounded(LOG_WARN, "closing a connection: the response to its %s would exceed %d bytes",
		rq->api->wire->name, ANSWER_SIZE_MAX);
	buf_release(&rq->out);
	rq->gaps.n = 0;
	for (int32_t i = 0; i < nslice; i++)
		partlog_slice_put(&slice[i]);
	rq->must_close = true;
}

static void
encode(struct request *rq, const void *response, struct partlog_slice *slice, int32_t nslice)
{
	const struct wire_api *w = rq->api->wire;
	int16_t version = rq->header.api_version;
	size_t extra = 0;
	size_t at = frame_begin_response(&rq->out, w, version, rq->header.correlation_id);
	if (!wire_encode_gaps(w->response, version, wire_api_is_flexible(w, version), response,
		ANSWER_SIZE_MAX, &rq->out, &rq->gaps)) {
		refuse_answer(rq, slice, nslice);
		return;
	}
	assert((int32_t)rq->gaps.n == nslice);
	for (int32_t i = 0; i < nslice; i++)
		extra += (size_t)slice[i].size;
	frame_end(&rq->out, at, extra);
	rq->slice = slice;
}

void
request_encode(struct request *rq, const void *response)
{
	encode(rq, response, NULL, 0);
}

void
request_respond_slices(struct request *rq, const void *response,
	struct partlog_slice *slice, int32_t nslice)
{
	encode(rq, response, slice, nslice);
	request_send(rq);
}

void
request_respond(struct request *rq, const void *response)
{
	request_respond_slices(rq, response, NULL, 0);
}

void
request_drop(struct request *rq)
{
	rq->is_silent = true;
	request_send(rq);
}

void
request_close(struct request *rq)
{
	rq->must_close = true;
	request_send(rq);
}

static void
run_elsewhere(struct request *rq)
{
	const struct wire_api *w = rq->api->wire;
	int16_t version = rq->header.api_version;
	arena_reset(&rq->arena);
	int64_t n = request_header_decode(&rq->header, rq->frame.p, rq->frame.n);
	assert(n > 0); /* it was read once already */
	rq->body = arena_alloc(&rq->arena, w->request->size);
	n = wire_decode(w->request, version, wire_api_is_flexible(w, version),
		rq->frame.p + n, rq->frame.n - (size_t)n, &rq->arena, rq->body);
	assert(n >= 0);
	rq->api->handle(rq);
}

static void
on_elsewhere(struct loop_task *t)
{
	struct request *rq = CONTAINER_OF(t, struct request, task);
	if (rq->place == ON_COORDINATOR)
		coordinator_unpost(rq->broker->coordinator);
	run_elsewhere(rq);
}

/* As Kafka shows clients: "/127.0.0.1". */
static void
set_client_host(struct request *rq)
{
	const char *peer = rq->session->peer, *colon = strrchr(peer, ':');
	int n = colon ? (int)(colon - peer) : (int)strlen(peer);
	snprintf(rq->client_host, sizeof rq->client_host, "/%.*s", n, peer);
}

void
request_to(struct request *rq, enum request_place place)
{
	assert(place != ON_REACTOR && place != rq->place);
	bool is_quick = rq->place == ON_REACTOR && place == ON_COORDINATOR
		&& (rq->api->flags & API_QUICK);
	if (rq->place == ON_REACTOR) {
		/* It may wait there for long, and for longer than its connection. */
		size_t n = (size_t)rq->raw.n + rq->arena.used;
		if (n > LARGE && !account(rq, n)) {
			log_bounded(LOG_WARN, "%s: closed: queued.max.request.bytes is exhausted by "
				"waiting requests (%lld bytes)", rq->session->peer, (long long)n);
			request_close(rq);
			return;
		}
		buf_reset(&rq->frame);
		buf_put_str(&rq->frame, rq->raw);
		rq->raw = STR_NULL;
		set_client_host(rq);
	}
	rq->place = place;
	rq->task.fn = on_elsewhere;
	struct coordinator *c = rq->broker->coordinator;
	if (place == ON_CONTROL) {
		loop_post(&rq->broker->control, &rq->task);
	} else if (is_quick && coordinator_enter(c)) {
		run_elsewhere(rq);
		coordinator_leave(c);
	} else {
		coordinator_post(c, &rq->task);
	}
}
