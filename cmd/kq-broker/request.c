#include "kq-broker/request.h"

#include "text/say.h"

enum {
	FREE_MAX = 64,
	KEPT_SIZE_MAX = 256 * 1024, /* of a pooled request's buffers */
	UNCOUNTED_SIZE_MAX = 4096,  /* not worth an atomic operation */
	ANSWER_SIZE_MAX = 100 << 20, /* without records: more than clients accept */
};

/* ---- the pool ---- */

void
request_pool_init(struct request_pool *pool, size_t arena_size_max,
	struct request_budget *budget)
{
	*pool = (struct request_pool){ .arena_size_max = arena_size_max, .budget = budget };
	list_init(&pool->free);
}

static void
release(struct request *rq)
{
	arena_release(&rq->arena);
	buf_release(&rq->out);
	buf_release(&rq->frame);
	wire_gaps_release(&rq->gaps);
	mem_free(rq);
}

void
request_pool_release(struct request_pool *pool)
{
	LIST_EACH(it, &pool->free)
		release(CONTAINER_OF(it, struct request, link));
}

struct request *
request_new(struct request_pool *pool)
{
	struct request *rq;
	if (list_is_empty(&pool->free)) {
		rq = NEW(struct request);
		list_init(&rq->link);
	} else {
		rq = CONTAINER_OF(pool->free.next, struct request, link);
		list_unlink(&rq->link);
		pool->nfree--;
	}
	rq->pool = pool;
	rq->arena.size_max = pool->arena_size_max;
	return rq;
}

static void
forget_large(struct buf *b)
{
	if (b->cap > KEPT_SIZE_MAX)
		buf_release(b);
	b->n = 0;
}

void
request_free(struct request *rq)
{
	struct request_pool *pool = rq->pool;
	assert(list_is_empty(&rq->link));
	for (int32_t i = rq->at_slice; rq->slice && i < (int32_t)rq->gaps.n; i++)
		partlog_slice_put(&rq->slice[i]);
	if (rq->counted)
		atomic_fetch_sub_explicit(&pool->budget->used, (int64_t)rq->counted,
			memory_order_relaxed);
	arena_reset(&rq->arena);
	forget_large(&rq->out);
	forget_large(&rq->frame);
	rq->gaps.n = 0;
	struct arena arena = rq->arena;
	struct buf out = rq->out, frame = rq->frame;
	struct wire_gaps gaps = rq->gaps;
	memset(rq, 0, sizeof *rq);
	rq->arena = arena;
	rq->out = out;
	rq->frame = frame;
	rq->gaps = gaps;
	list_init(&rq->link);
	if (pool->nfree == FREE_MAX) {
		release(rq);
		return;
	}
	/* The last one used is the warmest in the cache: take it first. */
	list_append(pool->free.next, &rq->link);
	pool->nfree++;
}

bool
request_count(struct request *rq, size_t n)
{
	struct request_budget *budget = rq->pool->budget;
	if (n <= UNCOUNTED_SIZE_MAX)
		return true;
	if (atomic_fetch_add_explicit(&budget->used, (int64_t)n, memory_order_relaxed)
		+ (int64_t)n <= budget->used_max) {
		rq->counted += n;
		return true;
	}
	atomic_fetch_sub_explicit(&budget->used, (int64_t)n, memory_order_relaxed);
	return false;
}

/* ---- the frame ---- */

bool
request_decode_header(struct request *rq)
{
	int64_t n = request_header_decode(&rq->header, rq->raw.p, (size_t)rq->raw.n);
	if (n < 0)
		return false;
	rq->header_size = (size_t)n;
	return true;
}

bool
request_decode_body(struct request *rq)
{
	const struct wire_api *api = rq->wire;
	int16_t version = rq->header.api_version;
	rq->body = arena_alloc(&rq->arena, api->request->size);
	return wire_decode(api->request, version, wire_api_is_flexible(api, version),
		rq->raw.p + rq->header_size, (size_t)rq->raw.n - rq->header_size, &rq->arena,
		rq->body) >= 0;
}

size_t
request_leave(struct request *rq)
{
	/* It may wait there for long, and for longer than its session. */
	size_t n = (size_t)rq->raw.n + rq->arena.used;
	assert(!rq->is_away);
	if (!request_count(rq, n))
		return n;
	buf_reset(&rq->frame);
	buf_put_str(&rq->frame, rq->raw);
	rq->raw = buf_str(&rq->frame);
	rq->body = NULL;
	rq->is_away = true;
	return 0;
}

/* ---- the answer ---- */

/* On the session's thread. */
static void
end(struct request *rq)
{
	assert(!rq->is_done);
	rq->is_done = true;
	rq->cancel = NULL;
	if (!rq->slice)
		arena_reset(&rq->arena);
	rq->end(rq);
}

static void
on_return(struct loop_task *task)
{
	end(CONTAINER_OF(task, struct request, task));
}

void
request_send(struct request *rq)
{
	if (rq->is_away) {
		rq->task.fn = on_return;
		loop_post(rq->loop, &rq->task);
	} else {
		end(rq);
	}
}

static void
refuse_answer(struct request *rq, struct partlog_slice *slice, int32_t nslice)
{
	log_bounded(LOG_WARN, "closing a connection: the response to its %s would exceed %d bytes",
		rq->wire->name, ANSWER_SIZE_MAX);
	buf_release(&rq->out);
	rq->gaps.n = 0;
	for (int32_t i = 0; i < nslice; i++)
		partlog_slice_put(&slice[i]);
	rq->must_close = true;
}

static void
encode(struct request *rq, const void *response, struct partlog_slice *slice, int32_t nslice)
{
	const struct wire_api *api = rq->wire;
	int16_t version = rq->header.api_version;
	size_t extra = 0;
	size_t at = frame_begin_response(&rq->out, api, version, rq->header.correlation_id);
	if (!wire_encode_gaps(api->response, version, wire_api_is_flexible(api, version), response,
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
