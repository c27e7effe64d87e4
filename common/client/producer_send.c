/* Produce requests: packing, sending, handling the response. */
#include "client/producer_int.h"

#include "sys/clock.h"

#include "proto.h"

#include <stdlib.h>

enum {
	PARTS_MAX = 1000,    /* partitions in one request */
	TOPIC_ID_VERSION = 13, /* first version that names topics by id */
	LATE_MS = 5000,      /* until a response counts as late; a disk may be slow */
	REPLY_SLACK_MS = 5000, /* lets the broker's own timeout come first */
};

/*
 * One Produce request.  The batches are not copied into its frame: the encoder
 * leaves a gap for each, and iov is "message, batch, message, ..., message".
 */
struct producer_request {
	struct call call;              /* call.buf: the frame without the batches */
	struct producer *producer;
	struct producer_request *next; /* idle */
	struct producer_batch *batch[PARTS_MAX];
	int nbatch;
	struct wire_gaps gaps;         /* one for each batch */
	struct iovec *iov;
	int iov_cap;
};

static struct producer_request *
request_new(struct producer *producer)
{
	struct producer_request *req = producer->idle;
	if (req) {
		producer->idle = req->next;
	} else {
		req = NEW(struct producer_request);
		call_init(&req->call);
		req->producer = producer;
	}
	req->nbatch = 0;
	producer->nrequest++;
	return req;
}

static void
request_recycle(struct producer_request *req)
{
	struct producer *producer = req->producer;
	req->next = producer->idle;
	producer->idle = req;
	producer->nrequest--;
}

void
producer_free_requests(struct producer *producer)
{
	while (producer->idle) {
		struct producer_request *req = producer->idle;
		producer->idle = req->next;
		call_release(&req->call);
		wire_gaps_release(&req->gaps);
		mem_free(req->iov);
		mem_free(req);
	}
}

/* Fill the message.  The batches are sorted by topic. */
static void
fill(struct producer_request *req, struct produce_request *q, struct arena *a)
{
	const struct producer *producer = req->producer;
	wire_defaults(wire_api_find(API_PRODUCE)->request, q);
	q->transactional_id = producer->opts.txn_id ? str_of(producer->opts.txn_id) : STR_NULL;
	q->acks = (int16_t)producer->opts.acks;
	q->timeout_ms = producer->opts.request_timeout_ms;
	q->topic_data.v = arena_alloc(a, (size_t)req->nbatch * sizeof *q->topic_data.v);
	q->topic_data.n = 0;
	const struct producer_topic *t = NULL;
	for (int i = 0; i < req->nbatch; i++) {
		const struct producer_part *part = req->batch[i]->part;
		if (part->topic != t) {
			t = part->topic;
			int32_t k = q->topic_data.n++;
			q->topic_data.v[k].name = str_of(t->meta->name);
			q->topic_data.v[k].topic_id = t->meta->id;
			q->topic_data.v[k].partition_data.v = arena_alloc(a, (size_t)(req->nbatch - i)
				* sizeof *q->topic_data.v[k].partition_data.v);
		}
		int32_t k = q->topic_data.n - 1, n = q->topic_data.v[k].partition_data.n++;
		q->topic_data.v[k].partition_data.v[n].index = part->index;
		q->topic_data.v[k].partition_data.v[n].records
			= (struct str){ NULL, req->batch[i]->bytes.n }; /* a gap */
	}
}

/* Encode the frame, with a gap for each batch, and list its pieces in req->iov. */
static void
encode(struct producer_request *req, const struct wire_api *api,
	const struct request_header *header, const struct produce_request *q)
{
	int16_t version = header->api_version;
	struct buf *b = &req->call.buf;
	size_t extra = 0;
	int n = 2 * req->nbatch + 1;
	buf_reset(b);
	req->gaps.n = 0;
	size_t at = frame_begin_request(b, api, header);
	wire_encode_gaps(api->request, version, wire_api_is_flexible(api, version), q, SIZE_MAX, b,
		&req->gaps);
	assert(req->gaps.n == req->nbatch);
	if (n > req->iov_cap) {
		req->iov = mem_realloc(req->iov, (size_t)n * sizeof *req->iov);
		req->iov_cap = n;
	}
	size_t from = at;
	for (int i = 0; i < req->nbatch; i++) {
		struct str bytes = req->batch[i]->bytes;
		assert(req->gaps.v[i].n == bytes.n);
		req->iov[2 * i] = (struct iovec){ b->p + from, req->gaps.v[i].at - from };
		req->iov[2 * i + 1] = (struct iovec){ (void *)(uintptr_t)bytes.p, (size_t)bytes.n };
		from = req->gaps.v[i].at;
		extra += (size_t)bytes.n;
	}
	req->iov[n - 1] = (struct iovec){ b->p + from, b->n - from };
	frame_end(b, at, extra);
}

static struct producer_batch *
find_batch(struct producer_request *req, struct str name, const struct uuid *id,
	int32_t index, int16_t version)
{
	for (int i = 0; i < req->nbatch; i++) {
		struct producer_batch *batch = req->batch[i];
		if (!batch || batch->part->index != index)
			continue;
		const struct cluster_topic *t = batch->part->topic->meta;
		if (version >= TOPIC_ID_VERSION ? uuid_eq(&t->id, id) : str_eq(str_of(t->name), name)) {
			req->batch[i] = NULL;
			return batch;
		}
	}
	return NULL;
}

/* The broker's error for a batch that it refused; of the record that caused it, if the
 * response names one. */
static void
take_refusal(struct producer_batch *batch,
	const struct produce_response_partition *one, struct err *why)
{
	struct str message = one->error_message;
	batch->refused = -1;
	if (one->record_errors.n > 0) {
		const struct produce_response_record_error *first = one->record_errors.v;
		if (first->batch_index >= 0 && first->batch_index < batch->builder.count)
			batch->refused = first->batch_index;
		if (first->batch_index_error_message.n > 0)
			message = first->batch_index_error_message;
	}
	cluster_peer_err(why, one->error_code, message);
}

static void
take_answer(struct producer_request *req, const struct produce_response *in)
{
	for (int32_t i = 0; i < in->responses.n; i++)
		for (int32_t k = 0; k < in->responses.v[i].partition_responses.n; k++) {
			const struct produce_response_partition *one
				= &in->responses.v[i].partition_responses.v[k];
			struct producer_batch *batch = find_batch(req, in->responses.v[i].name,
				&in->responses.v[i].topic_id, one->index, req->call.version);
			if (!batch)
				continue; /* not in the request */
			if (!one->error_code) {
				batch->part->end_offset = one->base_offset < 0 ? -1
					: one->base_offset + batch->builder.count;
				producer_acked(batch);
				continue;
			}
			struct err why;
			take_refusal(batch, one, &why);
			if (producer_classify(batch, one->error_code, &why)) {
				producer_refused(batch, &why);
				continue;
			}
			batch->part->end_offset = -1; /* a duplicate's is not told */
			producer_acked(batch);
		}
}

static void
done(struct call *call, const struct reply *reply)
{
	struct producer_request *req = CONTAINER_OF(call, struct producer_request, call);
	struct err why = *reply->err;
	if (!call->expects_reply && why.class == ERR_NONE) {
		for (int i = 0; i < req->nbatch; i++)
			producer_acked(req->batch[i]);
		request_recycle(req);
		return;
	}
	if (reply->body) {
		struct arena a = { .size_max = 1 << 20 };
		struct produce_response in;
		wire_defaults(call->api->response, &in);
		if (call_decode(call, reply->body, reply->n, &a, &in, &why) == 0) {
			take_answer(req, &in);
			err_set(&why, ERR_CORRUPT, "the broker's answer leaves a partition out");
		}
		arena_release(&a);
	} else if (why.class == ERR_CORRUPT) {
		why.class = ERR_RETRY; /* another connection may work */
	}
	for (int i = 0; i < req->nbatch; i++)
		if (req->batch[i])
			producer_refused(req->batch[i], &why);
	request_recycle(req);
}

static struct producer_batch *
first_unsent(struct producer_part *part)
{
	LIST_EACH(it, &part->queue) {
		struct producer_batch *batch = CONTAINER_OF(it, struct producer_batch, link);
		if (!batch->is_sent)
			return batch;
	}
	assert(!"a ready partition has something to send");
	return NULL;
}

static int32_t
leader_of(const struct producer_part *part)
{
	return part->topic->meta->part[part->index].leader;
}

static bool
is_held(const struct producer_part *part, int64_t now_ms)
{
	return part->retry_at_ms > now_ms || part->needs_id;
}

static int
by_topic(const void *a, const void *b)
{
	const struct producer_part *x = (*(struct producer_batch *const *)a)->part;
	const struct producer_part *y = (*(struct producer_batch *const *)b)->part;
	if (x->topic != y->topic)
		return x->topic < y->topic ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Take one batch of each ready partition with the leader of the first one, as many as
 * fit in one request. */
static void
collect(struct producer_request *req, struct producer_part *first, int64_t now_ms)
{
	struct producer *producer = req->producer;
	size_t size = 0;
	int32_t node = leader_of(first);
	struct list again; /* partitions with more to send: moved to the end */
	list_init(&again);
	for (struct list *it = &first->ready, *next; it != &producer->ready; it = next) {
		struct producer_part *part = CONTAINER_OF(it, struct producer_part, ready);
		next = it->next;
		if (leader_of(part) != node || is_held(part, now_ms))
			continue;
		struct producer_batch *batch = first_unsent(part);
		if (req->nbatch > 0 && size + (size_t)batch->bytes.n > producer->opts.request_bytes)
			continue;
		size += (size_t)batch->bytes.n;
		req->batch[req->nbatch++] = batch;
		batch->is_sent = true;
		part->nsent++;
		list_unlink(&part->ready);
		producer_mark_ready(part);
		if (!list_is_empty(&part->ready)) {
			list_unlink(&part->ready);
			list_append(&again, &part->ready);
		}
		if (req->nbatch == PARTS_MAX)
			break;
	}
	list_splice(&producer->ready, &again);
	if (req->nbatch > 1)
		qsort(req->batch, (size_t)req->nbatch, sizeof(void *), by_topic);
}

static void
send_request(struct producer *producer, struct conn *c, struct producer_part *first,
	int version, int64_t now_ms)
{
	const struct wire_api *api = wire_api_find(API_PRODUCE);
	struct producer_request *req = request_new(producer);
	struct arena a = ARENA_INIT;
	struct produce_request q;
	struct request_header header = { API_PRODUCE, (int16_t)version, conn_next_id(c),
		str_of(c->client_id) };
	collect(req, first, now_ms);
	fill(req, &q, &a);
	encode(req, api, &header, &q);
	producer->is_txn_known = producer->is_in_txn;
	conn_send_iov(c, &req->call, api, version, req->iov, 2 * req->nbatch + 1,
		producer->opts.request_timeout_ms + REPLY_SLACK_MS, done);
	req->call.expects_reply = producer->opts.acks != 0;
	req->call.late_ms = now_ms + LATE_MS;
	conn_flush(c);
	arena_release(&a);
}

/* Send a request that begins with this partition, if possible. */
static bool
send_part(struct producer *producer, struct producer_part *part, int64_t now_ms)
{
	struct err e;
	int32_t leader = leader_of(part);
	if (leader < 0) {
		err_set(&e, ERR_RETRY, "no leader");
		e.kafka = KERR_LEADER_NOT_AVAILABLE;
		producer_refused(first_unsent(part), &e);
		return false;
	}
	struct conn *c = cluster_conn(producer->cluster, leader, &e);
	if (!c) {
		producer_refused(first_unsent(part), &e);
		return false;
	}
	if (c->nwaiting >= producer->opts.in_flight)
		return false;
	int upto = uuid_is_zero(&part->topic->meta->id) ? TOPIC_ID_VERSION - 1 : INT16_MAX;
	if (producer->opts.txn_id && !producer->is_txn_v2)
		upto = PRODUCE_UPTO_V1;
	int version = conn_version(c, wire_api_find(API_PRODUCE), upto, &e);
	if (version < 0) {
		producer_refused(first_unsent(part), &e);
		return false;
	}
	send_request(producer, c, part, version, now_ms);
	return true;
}

int64_t
producer_send(struct producer *producer, int64_t now_ms)
{
	int64_t at = INT64_MAX;
	producer_update_topics(producer);
	if (producer->is_in_txn && !producer->is_txn_v2)
		producer_add_parts(producer);
	for (bool is_sent = true; is_sent && !producer->is_failed;) {
		is_sent = false;
		at = INT64_MAX;
		LIST_EACH(it, &producer->ready) {
			struct producer_part *part = CONTAINER_OF(it, struct producer_part, ready);
			if (part->retry_at_ms > now_ms)
				at = MIN(at, part->retry_at_ms);
			if (is_held(part, now_ms))
				continue;
			is_sent = send_part(producer, part, now_ms);
			if (is_sent)
				break; /* the list has changed */
		}
	}
	return at;
}
