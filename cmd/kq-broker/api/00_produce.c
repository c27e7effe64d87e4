/*
 * Produce: append record batches.  With acks=all the answer waits until all
 * of the request's records are committed; but a transaction's wait for its end
 * (coordinator.h).
 *
 * The first batch of a transaction in a partition is appended once the
 * transaction coordinator has agreed (KIP-890).  Where that can't be told at
 * once the batch is put by.  While a connection waits for
 * that, what it sends next for a transaction is put by behind it, so that its
 * batches stay in order: only the first one of such a queue asks.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/session.h"
#include "kq-broker/coordinator.h"
#include "kq-broker/intake.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

enum {
	CHECKS_MAX = 3,      /* of one request */
	FAULTS_MAX = 10000,  /* single records that a request's answer speaks of */
	TOPIC_ID_VERSION = 13, /* from which topics go by their ids */
	TXN_V2_VERSION = 12, /* from which a write adds its partition (transaction.version 2) */
};

/* One partition's records, as long as something is awaited for them. */
struct produce_part {
	struct ack_wait ack; /* its partition is a reference of ours */
	struct request *rq;
	struct produce_response_partition *answer;
	bool is_queued;      /* the ack is */
	bool is_put_by;      /* until the coordinator has agreed */
	uint8_t *batch;      /* then: a copy, */
	int64_t guard;       /* and what to append it with */
};

struct produce_state {
	struct produce_response response;
	struct produce_part *part;
	int npart, nleft;    /* in part; not over yet */
	struct loop_timer timer;
	struct request *rq;
	int16_t acks;
	bool is_alone;       /* the request's only partition */
	int32_t nfault;      /* records whose refusal the answer has spoken of */
	int64_t plain_size;  /* what its compressed batches have opened to */
	struct txn_check check;
	struct coord_partition *checked;
	int ncheck;
	struct produce_state *next; /* of its connection's queue, behind this */
};

/* With acks=0 nobody hears of an error: closing the connection tells. */
static void
end_unacknowledged(struct request *rq, const struct produce_response *a)
{
	for (int32_t i = 0; i < a->responses.n; i++)
		for (int32_t k = 0; k < a->responses.v[i].partition_responses.n; k++)
			if (a->responses.v[i].partition_responses.v[k].error_code) {
				log_bounded(LOG_WARN, "closing a connection: a produce with acks=0 failed: %s",
					kerr_info(a->responses.v[i].partition_responses.v[k].error_code)->name);
				request_close(rq);
				return;
			}
	request_drop(rq);
}

static void
finish(struct produce_state *s)
{
	struct request *rq = s->rq;
	loop_timer_clear(rq->loop, &s->timer);
	for (int i = 0; i < s->npart; i++)
		partition_put(s->part[i].ack.partition);
	if (s->acks == 0)
		end_unacknowledged(rq, &s->response);
	else
		request_respond(rq, &s->response);
}

static void
set_error(struct produce_response_partition *a, int16_t error)
{
	a->error_code = error;
	if (error) {
		a->base_offset = -1;
		a->log_append_time_ms = -1;
		a->log_start_offset = -1;
	}
}

/* Errors that come with the offset at which the log starts, as Kafka has it. */
static bool
has_log_start(int16_t error)
{
	switch (error) {
	case KERR_CORRUPT_MESSAGE:
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
	case KERR_KAFKA_STORAGE_ERROR:
		return false;
	default:
		return true;
	}
}

static void
set_result(struct produce_response_partition *a, struct partition *p,
	const struct append_result *result)
{
	set_error(a, result->error);
	if (result->error) {
		a->error_message = str_of(result->message);
		if (has_log_start(result->error))
			a->log_start_offset = partition_log_start(p);
	} else {
		a->base_offset = result->base_offset;
		a->log_append_time_ms = result->log_append_ms;
		a->log_start_offset = result->log_start_offset;
	}
}

/* On our reactor: one partition's records are committed, or failed. */
static void
on_ack(struct loop_task *t)
{
	struct produce_part *w = CONTAINER_OF(t, struct produce_part, ack.task);
	struct produce_state *s = w->rq->state;
	w->is_queued = false;
	set_error(w->answer, w->ack.error);
	if (--s->nleft == 0)
		finish(s);
}

static void
on_timeout(struct loop_timer *t)
{
	struct produce_state *s = CONTAINER_OF(t, struct produce_state, timer);
	for (int i = 0; i < s->npart; i++) {
		struct produce_part *w = &s->part[i];
		/* One that is not queued any more is on its way to on_ack. */
		if (!w->is_queued || !partition_cancel_ack(&w->ack))
			continue;
		w->is_queued = false;
		set_error(w->answer, KERR_REQUEST_TIMED_OUT);
		s->nleft--;
	}
	if (s->nleft == 0)
		finish(s);
}

/* --- asking the coordinator --- */

static void
put_by(struct produce_part *w, struct str batch, int64_t guard)
{
	w->is_put_by = true;
	w->guard = guard;
	w->batch = arena_alloc(&w->rq->arena, (size_t)batch.n);
	memcpy(w->batch, batch.p, (size_t)batch.n);
}

static struct coord_producer
producer_of(const struct produce_part *w)
{
	struct batch b;
	batch_parse(&b, w->batch);
	return (struct coord_producer){ b.producer_id, b.producer_epoch };
}

/* What the coordinator said, as the version of the request knows it. */
static int16_t
check_error(const struct request *rq, int16_t error)
{
	switch (error) {
	case KERR_TRANSACTION_ABORTABLE:
		return rq->header.api_version < 11 ? KERR_INVALID_TXN_STATE : error;
	case KERR_CONCURRENT_TRANSACTIONS:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		return KERR_NOT_ENOUGH_REPLICAS; /* which clients try again after */
	case KERR_PRODUCER_FENCED:
		return KERR_INVALID_PRODUCER_EPOCH;
	default:
		return error;
	}
}

/* The batch is the only one of its request, and still where it was received:
 * append it if the coordinator agrees at once.  Else its guard is left to ask with. */
static void
append_if_agreed(struct produce_state *s, struct produce_part *w, struct append_from *from,
	uint8_t *batch, struct append_result *result)
{
	struct request *rq = s->rq;
	struct batch b;
	struct coord_partition at = { str_of(w->ack.partition->topic), w->ack.partition->index };
	struct txn_check *k = &s->check;
	batch_parse(&b, batch);
	k->transactional_id = ((struct produce_request *)rq->body)->transactional_id;
	k->producer = (struct coord_producer){ b.producer_id, b.producer_epoch };
	k->v = &at;
	k->n = 1;
	k->may_add = rq->header.api_version >= TXN_V2_VERSION;
	if (!coordinator_check_now(rq->broker->coordinator, k))
		return;
	from->guard = result->guard;
	result->guard = 0;
	if (k->error) {
		result->error = check_error(rq, k->error);
		return;
	}
	partition_append(w->ack.partition, from, batch, s->acks == -1 ? &w->ack : NULL, result);
	if (result->error != KERR_INVALID_TXN_STATE || !k->may_add)
		return;
	/* The last transaction's end came in between: see append_put_by. */
	from->guard = 0;
	partition_append(w->ack.partition, from, batch, s->acks == -1 ? &w->ack : NULL, result);
}

static void on_checked(struct loop_task *t);

/* Ask for all that is put by; it is one producer's. */
static void
ask(struct produce_state *s)
{
	struct request *rq = s->rq;
	struct txn_check *k = &s->check;
	k->n = 0;
	k->v = s->checked;
	for (int i = 0; i < s->npart; i++) {
		struct produce_part *w = &s->part[i];
		if (!w->is_put_by)
			continue;
		if (k->n == 0)
			k->producer = producer_of(w);
		s->checked[k->n++] = (struct coord_partition){ str_of(w->ack.partition->topic),
			w->ack.partition->index };
	}
	k->may_add = rq->header.api_version >= TXN_V2_VERSION;
	k->loop = rq->loop;
	k->done.fn = on_checked;
	s->ncheck++;
	coordinator_check(rq->broker->coordinator, k);
}

static void
append_put_by(struct produce_state *s, struct produce_part *w)
{
	struct reactor *r = s->rq->reactor;
	struct coord_producer producer = producer_of(w);
	struct append_from from = { r->syncer, r->loop.wall_ms, false, w->guard };
	struct append_result result = { .error = check_error(s->rq,
		s->rq->broker->is_over ? KERR_COORDINATOR_NOT_AVAILABLE : s->check.error) };
	w->is_put_by = false;
	if (!result.error && s->ncheck > 0 && (producer.id != s->check.producer.id
		|| producer.epoch != s->check.producer.epoch))
		result.error = KERR_INVALID_PRODUCER_ID_MAPPING;
	if (!result.error)
		partition_append(w->ack.partition, &from, w->batch,
			s->acks == -1 ? &w->ack : NULL, &result);
	/* The last transaction's end may have come in between, which takes the
	 * guard away; with an epoch for each transaction the coordinator knows
	 * which one this is of, so ask once more. */
	if (result.error == KERR_INVALID_TXN_STATE && !s->check.error && s->check.may_add
		&& w->guard && s->ncheck < CHECKS_MAX) {
		from.guard = 0;
		partition_append(w->ack.partition, &from, w->batch,
			s->acks == -1 ? &w->ack : NULL, &result);
	}
	if (result.guard && s->ncheck < CHECKS_MAX) {
		w->is_put_by = true;
		w->guard = result.guard;
		return;
	}
	if (result.guard)
		result.error = KERR_INVALID_TXN_STATE;
	set_result(w->answer, w->ack.partition, &result);
	w->is_queued = result.must_wait;
	s->nleft -= !result.must_wait;
}

/* The first one of a queue: append what is put by, or ask (again).  True: its
 * queue goes on without it. */
static bool
append_or_ask(struct produce_state *s)
{
	bool again = false;
	for (int i = 0; i < s->npart; i++)
		if (s->part[i].is_put_by) {
			append_put_by(s, &s->part[i]);
			again |= s->part[i].is_put_by;
		}
	if (again)
		ask(s);
	return !again;
}

static void
on_checked(struct loop_task *t)
{
	struct produce_state *s = CONTAINER_OF(t, struct produce_state, check.done);
	while (s && append_or_ask(s)) {
		struct produce_state *next = s->next;
		struct session *session = s->rq->session;
		if (session && session->last_parked == s)
			session->last_parked = NULL;
		if (s->nleft == 0)
			finish(s);
		s = next;
	}
}

static void
queue_put_by(struct produce_state *s)
{
	struct session *session = s->rq->session;
	struct produce_state *last = session->last_parked;
	session->last_parked = s;
	if (last)
		last->next = s;
	else
		ask(s);
}

/* --- the request --- */

static bool
is_transactional(struct str records)
{
	return records.n >= BATCH_HEADER_SIZE
		&& (load_be16(records.p + 21) & BATCH_TRANSACTIONAL);
}

/* Find the partition, by the topic's name or, from version 13 on, its id.  NULL: *error
 * says why it is not to be written to. */
static struct partition *
find(struct request *rq, const struct produce_request_topic *t, int32_t index,
	int16_t *error)
{
	const struct produce_request *q = rq->body;
	bool by_id = rq->header.api_version >= TOPIC_ID_VERSION, is_topic;
	*error = q->acks < -1 || q->acks > 1 ? KERR_INVALID_REQUIRED_ACKS : KERR_NONE;
	if (*error)
		return NULL;
	struct partition *p = topics_partition(&rq->broker->topics, by_id ? STR_NULL : t->name,
		&t->topic_id, index, &is_topic);
	if (topic_is_internal(p ? str_of(p->topic) : t->name))
		*error = KERR_INVALID_TOPIC_EXCEPTION;
	else if (!p)
		*error = by_id && !is_topic ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (*error && p) {
		partition_put(p);
		p = NULL;
	}
	return p;
}

/* Check a client's records.  False: they are refused, and the answer says why. */
static bool
take_in(struct produce_state *s, struct partition *p, struct str records,
	struct produce_response_partition *answer)
{
	struct request *rq = s->rq;
	struct topic_config *config = partition_config(p);
	struct intake k = { .config = config, .now_ms = rq->loop->wall_ms,
		.arena = &rq->arena, .nfault_max = MAX(FAULTS_MAX - s->nfault, 1),
		.plain_size = s->plain_size };
	/* The bytes are ours to change: they lie in the receive buffer. */
	bool is_good = intake_check(&k, (uint8_t *)(uintptr_t)records.p, records.n);
	topic_config_put(config);
	s->plain_size = k.plain_size;
	if (is_good)
		return true;
	struct append_result result = { .error = k.error, .message = k.message };
	set_result(answer, p, &result);
	s->nfault += k.nfault;
	answer->record_errors.n = k.nfault;
	answer->record_errors.v = REQUEST_ARRAY(rq,
		struct produce_response_record_error, k.nfault);
	for (int32_t i = 0; i < k.nfault; i++) {
		answer->record_errors.v[i].batch_index = k.fault[i].index;
		answer->record_errors.v[i].batch_index_error_message = k.fault[i].message;
	}
	return false;
}

static struct produce_part *
new_part(struct produce_state *s, struct partition *p,
	struct produce_response_partition *answer)
{
	if (!s->part)
		return NULL;
	struct produce_part *w = &s->part[s->npart];
	*w = (struct produce_part){ .rq = s->rq, .answer = answer };
	w->ack.partition = p;
	w->ack.loop = s->rq->loop;
	w->ack.task.fn = on_ack;
	return w;
}

/* Append one partition's records, which are good ones, and fill its answer.
 * False: that is all; else the part w keeps the partition. */
static bool
append_one(struct produce_state *s, struct partition *p, struct str records,
	struct produce_part *w, struct produce_response_partition *answer)
{
	struct request *rq = s->rq;
	uint8_t *batch = (uint8_t *)(uintptr_t)records.p;
	struct append_result result = { .guard = 0 };
	struct append_from from = { rq->reactor->syncer, rq->loop->wall_ms, false, 0 };
	bool must_follow = is_transactional(records) && rq->session->last_parked;
	if (!must_follow) {
		partition_append(p, &from, batch, s->acks == -1 ? &w->ack : NULL, &result);
		if (result.guard && s->is_alone)
			append_if_agreed(s, w, &from, batch, &result);
		set_result(answer, p, &result);
	}
	if (must_follow || result.guard)
		put_by(w, records, result.guard);
	if (w)
		w->is_queued = result.must_wait;
	return result.must_wait || (w && w->is_put_by);
}

static void
produce_one(struct request *rq, const struct produce_request_topic *t,
	struct produce_request_partition *data,
	struct produce_response_partition *answer)
{
	struct produce_state *s = rq->state;
	const struct produce_request *q = rq->body;
	int16_t error;
	struct partition *p = find(rq, t, data->index, &error);
	answer->index = data->index;
	if (p && is_transactional(data->records) && q->transactional_id.n < 0)
		error = KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	set_error(answer, error);
	if (error || !take_in(s, p, data->records, answer)
		|| !append_one(s, p, data->records, new_part(s, p, answer), answer)) {
		partition_put(p);
		return;
	}
	s->npart++;
	s->nleft++;
}

static int
count_partitions(const struct produce_request *q)
{
	int n = 0;
	for (int32_t i = 0; i < q->topic_data.n; i++)
		n += q->topic_data.v[i].partition_data.n;
	return n;
}

static void
produce_all(struct request *rq)
{
	struct produce_request *q = rq->body;
	struct produce_state *s = rq->state;
	struct produce_response *a = &s->response;
	a->responses.n = q->topic_data.n;
	a->responses.v = REQUEST_ARRAY(rq, struct produce_response_topic,
		a->responses.n);
	for (int32_t i = 0; i < q->topic_data.n; i++) {
		struct produce_request_topic *t = &q->topic_data.v[i];
		struct produce_response_topic *ta = &a->responses.v[i];
		wire_defaults(&produce_response_topic_desc, ta);
		ta->name = t->name;
		ta->topic_id = t->topic_id;
		ta->partition_responses.n = t->partition_data.n;
		ta->partition_responses.v = REQUEST_ARRAY(rq,
			struct produce_response_partition, t->partition_data.n);
		for (int32_t k = 0; k < t->partition_data.n; k++) {
			struct produce_response_partition *pa =
				&ta->partition_responses.v[k];
			wire_defaults(&produce_response_partition_desc, pa);
			produce_one(rq, t, &t->partition_data.v[k], pa);
		}
	}
}

static bool
is_any_put_by(const struct produce_state *s)
{
	for (int i = 0; i < s->npart; i++)
		if (s->part[i].is_put_by)
			return true;
	return false;
}

void
api_produce(struct request *rq)
{
	struct produce_request *q = rq->body;
	struct produce_state *s = REQUEST_ARRAY(rq, struct produce_state, 1);
	struct produce_response *a = &s->response;
	bool is_in_txn = q->transactional_id.n >= 0;
	rq->state = s;
	s->rq = rq;
	s->acks = q->acks;
	s->timer.fn = on_timeout;
	int n = count_partitions(q);
	s->is_alone = n == 1;
	if (q->acks == -1 || is_in_txn)
		s->part = REQUEST_ARRAY(rq, struct produce_part, n);
	/* One more than there are keeps an early ack from ending it all. */
	s->nleft = 1;
	produce_all(rq);
	s->nleft--;
	if (s->nleft == 0) {
		finish(s);
		return;
	}
	for (int32_t i = 0; i < a->responses.n; i++) /* the input goes */
		a->responses.v[i].name = arena_str(&rq->arena, a->responses.v[i].name);
	loop_timer_set(rq->loop, &s->timer,
		rq->loop->now_ms + MAX(q->timeout_ms, 0));
	if (is_any_put_by(s)) {
		s->check.transactional_id = arena_str(&rq->arena, q->transactional_id);
		s->checked = REQUEST_ARRAY(rq, struct coord_partition, s->npart);
		queue_put_by(s);
	}
}
