/* Produce requests: packing, sending, what comes back. */
#include "client/producer_int.h"

#include "sys/clock.h"

#include "proto.h"

#include <stdlib.h>

enum {
	PARTS_MAX = 1000,    /* in one request */
	TOPIC_ID_VERSION = 13, /* from here topics go by id */
	LATE_MS = 5000,      /* a disk may be slow */
	ANSWER_SLACK_MS = 5000, /* the broker's own time-out comes first */
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
request_new(struct producer *p)
{
	struct producer_request *r = p->idle;
	if (r) {
		p->idle = r->next;
	} else {
		r = NEW(struct producer_request);
		call_init(&r->call);
		r->producer = p;
	}
	r->nbatch = 0;
	p->nrequest++;
	return r;
}

static void
request_recycle(struct producer_request *r)
{
	struct producer *p = r->producer;
	r->next = p->idle;
	p->idle = r;
	p->nrequest--;
}

void
producer_free_requests(struct producer *p)
{
	while (p->idle) {
		struct producer_request *r = p->idle;
		p->idle = r->next;
		call_release(&r->call);
		wire_gaps_release(&r->gaps);
		mem_free(r->iov);
		mem_free(r);
	}
}

/* Fill the message: batches are grouped by topic already. */
static void
fill(struct producer_request *r, struct produce_request *q, struct arena *a)
{
	const struct producer *p = r->producer;
	wire_defaults(wire_api_find(API_PRODUCE)->request, q);
	q->transactional_id = p->opts.txn_id ? str_of(p->opts.txn_id) : STR_NULL;
	q->acks = (int16_t)p->opts.acks;
	q->timeout_ms = p->opts.request_timeout_ms;
	q->topic_data.v = arena_alloc(a, (size_t)r->nbatch * sizeof *q->topic_data.v);
	q->topic_data.n = 0;
	const struct producer_topic *t = NULL;
	for (int i = 0; i < r->nbatch; i++) {
		const struct producer_part *part = r->batch[i]->part;
		if (part->topic != t) {
			t = part->topic;
			int32_t k = q->topic_data.n++;
			q->topic_data.v[k].name = str_of(t->meta->name);
			q->topic_data.v[k].topic_id = t->meta->id;
			q->topic_data.v[k].partition_data.v = arena_alloc(a, (size_t)(r->nbatch - i)
				* sizeof *q->topic_data.v[k].partition_data.v);
		}
		int32_t k = q->topic_data.n - 1, n = q->topic_data.v[k].partition_data.n++;
		q->topic_data.v[k].partition_data.v[n].index = part->index;
		q->topic_data.v[k].partition_data.v[n].records = (struct str){ NULL, r->batch[i]->bytes.n };
	}
}

/* Encode the frame, with a gap for each batch, and list its pieces in r->iov. */
static void
encode(struct producer_request *r, const struct wire_api *api, const struct request_header *h,
	const struct produce_request *q)
{
	struct buf *b = &r->call.buf;
	size_t extra = 0;
	int n = 2 * r->nbatch + 1;
	buf_reset(b);
	r->gaps.n = 0;
	size_t at = frame_begin_request(b, api, h);
	wire_encode_gaps(api->request, h->api_version, wire_api_is_flexible(api, h->api_version), q,
		SIZE_MAX, b, &r->gaps);
	assert(r->gaps.n == r->nbatch);
	if (n > r->iov_cap) {
		r->iov = mem_realloc(r->iov, (size_t)n * sizeof *r->iov);
		r->iov_cap = n;
	}
	size_t from = at;
	for (int i = 0; i < r->nbatch; i++) {
		struct str bytes = r->batch[i]->bytes;
		assert(r->gaps.v[i].n == bytes.n);
		r->iov[2 * i] = (struct iovec){ b->p + from, r->gaps.v[i].at - from };
		r->iov[2 * i + 1] = (struct iovec){ (void *)(uintptr_t)bytes.p, (size_t)bytes.n };
		from = r->gaps.v[i].at;
		extra += (size_t)bytes.n;
	}
	r->iov[n - 1] = (struct iovec){ b->p + from, b->n - from };
	frame_end(b, at, extra);
}

static struct producer_batch *
find_batch(struct producer_request *r, struct str name, const struct uuid *id,
	int32_t index, int16_t version)
{
	for (int i = 0; i < r->nbatch; i++) {
		struct producer_batch *b = r->batch[i];
		if (!b || b->part->index != index)
			continue;
		const struct cluster_topic *t = b->part->topic->meta;
		if (version >= TOPIC_ID_VERSION ? uuid_eq(&t->id, id) : str_eq(str_of(t->name), name)) {
			r->batch[i] = NULL;
			return b;
		}
	}
	return NULL;
}

/* What the broker says of a batch that it refused, best of the one record that
 * is at fault. */
static void
take_refusal(struct producer_batch *b,
	const struct produce_response_partition *one, struct err *why)
{
	struct str message = one->error_message;
	b->refused = -1;
	if (one->record_errors.n > 0) {
		const struct produce_response_record_error *first = one->record_errors.v;
		if (first->batch_index >= 0 && first->batch_index < b->builder.count)
			b->refused = first->batch_index;
		if (first->batch_index_error_message.n > 0)
			message = first->batch_index_error_message;
	}
	cluster_peer_err(why, one->error_code, message);
}

static void
take_answer(struct producer_request *r, const struct produce_response *in)
{
	for (int32_t i = 0; i < in->responses.n; i++)
		for (int32_t k = 0; k < in->responses.v[i].partition_responses.n; k++) {
			const struct produce_response_partition *one
				= &in->responses.v[i].partition_responses.v[k];
			struct producer_batch *b = find_batch(r, in->responses.v[i].name,
				&in->responses.v[i].topic_id, one->index, r->call.version);
			if (!b)
				continue; /* not asked for */
			if (!one->error_code) {
				producer_acked(b);
				continue;
			}
			struct err why;
			take_refusal(b, one, &why);
			if (producer_classify(b, one->error_code, &why))
				producer_refused(b, &why);
			else
				producer_acked(b);
		}
}

static void
done(struct call *call, const struct reply *reply)
{
	struct producer_request *r = CONTAINER_OF(call, struct producer_request, call);
	struct err why = *reply->err;
	if (!call->expects_reply && why.class == ERR_NONE) {
		for (int i = 0; i < r->nbatch; i++)
			producer_acked(r->batch[i]);
		request_recycle(r);
		return;
	}
	if (reply->body) {
		struct arena a = { .size_max = 1 << 20 };
		struct produce_response in;
		wire_defaults(call->api->response, &in);
		if (call_decode(call, reply->body, reply->n, &a, &in, &why) == 0) {
			take_answer(r, &in);
			err_set(&why, ERR_CORRUPT, "the broker's answer leaves a partition out");
		}
		arena_release(&a);
	} else if (why.class == ERR_CORRUPT) {
		why.class = ERR_RETRY; /* another connection may do better */
	}
	for (int i = 0; i < r->nbatch; i++)
		if (r->batch[i])
			producer_refused(r->batch[i], &why);
	request_recycle(r);
}

static struct producer_batch *
first_unsent(struct producer_part *part)
{
	LIST_EACH(l, &part->queue) {
		struct producer_batch *b = CONTAINER_OF(l, struct producer_batch, link);
		if (!b->is_sent)
			return b;
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
	const struct producer_batch *const *x = a, *const *y = b;
	const struct producer_part *p = (*x)->part, *q = (*y)->part;
	if (p->topic != q->topic)
		return p->topic < q->topic ? -1 : 1;
	return (p->index > q->index) - (p->index < q->index);
}

/* Take one batch of each ready partition that this node leads, the given one
 * first, as many as go in one request. */
static void
collect(struct producer_request *r, struct producer_part *first, int64_t now_ms)
{
	struct producer *p = r->producer;
	size_t size = 0;
	int32_t node = leader_of(first);
	struct list again; /* those with more to send: behind the others */
	list_init(&again);
	for (struct list *l = &first->ready, *next; l != &p->ready; l = next) {
		struct producer_part *part = CONTAINER_OF(l, struct producer_part, ready);
		next = l->next;
		if (leader_of(part) != node || is_held(part, now_ms))
			continue;
		struct producer_batch *b = first_unsent(part);
		if (r->nbatch > 0 && size + (size_t)b->bytes.n > p->opts.request_bytes)
			continue;
		size += (size_t)b->bytes.n;
		r->batch[r->nbatch++] = b;
		b->is_sent = true;
		part->nsent++;
		list_unlink(&part->ready);
		producer_mark_ready(part);
		if (!list_is_empty(&part->ready)) {
			list_unlink(&part->ready);
			list_append(&again, &part->ready);
		}
		if (r->nbatch == PARTS_MAX)
			break;
	}
	list_splice(&p->ready, &again);
	if (r->nbatch > 1)
		qsort(r->batch, (size_t)r->nbatch, sizeof(void *), by_topic);
}

static void
send_request(struct producer *p, struct conn *c, struct producer_part *first,
	int version, int64_t now_ms)
{
	const struct wire_api *api = wire_api_find(API_PRODUCE);
	struct producer_request *r = request_new(p);
	struct arena a = ARENA_INIT;
	struct produce_request q;
	struct request_header h = { API_PRODUCE, (int16_t)version, conn_next_id(c),
		str_of(c->client_id) };
	collect(r, first, now_ms);
	fill(r, &q, &a);
	encode(r, api, &h, &q);
	p->is_txn_known = p->is_in_txn;
	conn_send_iov(c, &r->call, api, version, r->iov, 2 * r->nbatch + 1,
		p->opts.request_timeout_ms + ANSWER_SLACK_MS, done);
	r->call.expects_reply = p->opts.acks != 0;
	r->call.late_ms = now_ms + LATE_MS;
	conn_flush(c);
	arena_release(&a);
}

/* Try the partition.  True when a request went out. */
static bool
send_part(struct producer *p, struct producer_part *part, int64_t now_ms)
{
	struct err e;
	int32_t leader = leader_of(part);
	if (leader < 0) {
		err_set(&e, ERR_RETRY, "no leader");
		e.kafka = KERR_LEADER_NOT_AVAILABLE;
		producer_refused(first_unsent(part), &e);
		return false;
	}
	struct conn *c = cluster_conn(p->cluster, leader, &e);
	if (!c) {
		producer_refused(first_unsent(part), &e);
		return false;
	}
	if (c->nwaiting >= p->opts.in_flight)
		return false;
	int upto = uuid_is_zero(&part->topic->meta->id) ? TOPIC_ID_VERSION - 1 : INT16_MAX;
	if (p->opts.txn_id && !p->is_txn_v2)
		upto = PRODUCE_UPTO_V1;
	int version = conn_version(c, wire_api_find(API_PRODUCE), upto, &e);
	if (version < 0) {
		producer_refused(first_unsent(part), &e);
		return false;
	}
	send_request(p, c, part, version, now_ms);
	return true;
}

int64_t
producer_send(struct producer *p, int64_t now_ms)
{
	int64_t at = INT64_MAX;
	producer_update_topics(p);
	if (p->is_in_txn && !p->is_txn_v2)
		producer_add_parts(p);
	for (bool is_sent = true; is_sent && !p->is_failed;) {
		is_sent = false;
		at = INT64_MAX;
		LIST_EACH(l, &p->ready) {
			struct producer_part *part = CONTAINER_OF(l, struct producer_part, ready);
			if (part->retry_at_ms > now_ms)
				at = MIN(at, part->retry_at_ms);
			if (is_held(part, now_ms))
				continue;
			is_sent = send_part(p, part, now_ms);
			if (is_sent)
				break; /* the list has changed */
		}
	}
	return at;
}
