#include "kq-broker/verify.h"

#include "kq-broker/broker.h"
#include "kq-broker/reactor.h"
#include "kq-broker/session.h"

#include "record/batch.h"
#include "wire/kerr.h"

enum {
	CHECKS_MAX = 3,         /* of one request */
	ABORTABLE_VERSION = 11, /* of Produce; knows TRANSACTION_ABORTABLE */
	TXN_V2_VERSION = 12,    /* of Produce; a write adds its partition (transaction.version 2) */
};

void
verify_init(struct verify *verify, struct request *rq, struct str transactional_id)
{
	verify->rq = rq;
	list_init(&verify->batches);
	verify->check.transactional_id = transactional_id;
	verify->check.may_add = rq->header.api_version >= TXN_V2_VERSION;
}

static struct coord_producer
producer_of(const uint8_t *bytes)
{
	struct batch batch;
	batch_parse(&batch, bytes);
	return (struct coord_producer){ batch.producer_id, batch.producer_epoch };
}

/* The coordinator's error in terms of the request's version. */
static int16_t
answer_error(const struct request *rq, int16_t error)
{
	switch (error) {
	case KERR_TRANSACTION_ABORTABLE:
		return rq->header.api_version < ABORTABLE_VERSION ? KERR_INVALID_TXN_STATE : error;
	case KERR_CONCURRENT_TRANSACTIONS:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		return KERR_NOT_ENOUGH_REPLICAS; /* clients retry after it */
	case KERR_PRODUCER_FENCED:
		return KERR_INVALID_PRODUCER_EPOCH;
	default:
		return error;
	}
}

/* Append with a ticket, if there is one.  A ticket is void if the producer's last
 * transaction has ended since it was given.  If the producer has a new epoch for
 * each transaction the coordinator can still tell the two apart: then append
 * without, which gives another ticket. */
static void
append(struct verify *verify, struct verify_batch *batch, uint8_t *bytes, int64_t ticket,
	struct append_result *result)
{
	struct request *rq = verify->rq;
	struct append_from from = { .syncer = rq->reactor->syncer, .wall_ms = rq->loop->wall_ms,
		.ticket = ticket };
	partition_append(batch->partition, &from, bytes, batch->ack, result);
	if (result->error != KERR_INVALID_TXN_STATE || !ticket || !verify->check.may_add
		|| verify->ncheck >= CHECKS_MAX)
		return;
	from.ticket = 0;
	partition_append(batch->partition, &from, bytes, batch->ack, result);
}

/* The batch is where it was received: append it if the coordinator agrees at
 * once.  Otherwise result->ticket stays set. */
static void
append_if_agreed(struct verify *verify, struct verify_batch *batch, uint8_t *bytes,
	struct append_result *result)
{
	struct txn_check *check = &verify->check;
	struct coord_partition at = { str_of(batch->partition->topic), batch->partition->index };
	int64_t ticket = result->ticket;
	check->producer = producer_of(bytes);
	check->v = &at;
	check->n = 1;
	if (!coordinator_check_now(verify->rq->broker->coordinator, check))
		return;
	result->ticket = 0;
	if (check->error)
		result->error = answer_error(verify->rq, check->error);
	else
		append(verify, batch, bytes, ticket, result);
}

static void
park(struct verify *verify, struct verify_batch *batch, struct str bytes, int64_t ticket)
{
	batch->ticket = ticket;
	batch->bytes = arena_alloc(&verify->rq->arena, (size_t)bytes.n);
	memcpy(batch->bytes, bytes.p, (size_t)bytes.n);
	list_init(&batch->link);
	list_append(&verify->batches, &batch->link);
	verify->nbatch++;
}

bool
verify_append(struct verify *verify, struct verify_batch *batch, struct str bytes,
	bool is_alone, struct append_result *result)
{
	/* They lie in the receive buffer: they may be changed. */
	uint8_t *p = (uint8_t *)(uintptr_t)bytes.p;
	*result = (struct append_result){ .ticket = 0 };
	if (verify->rq->session->last_verify) {
		park(verify, batch, bytes, 0);
		return false;
	}
	append(verify, batch, p, 0, result);
	if (result->ticket && is_alone)
		append_if_agreed(verify, batch, p, result);
	if (result->ticket)
		park(verify, batch, bytes, result->ticket);
	return !result->ticket;
}

/* ---- the queue ---- */

static void on_checked(struct loop_task *task);

/* Ask for all that is parked; it is one producer's. */
static void
ask(struct verify *verify)
{
	struct request *rq = verify->rq;
	struct txn_check *check = &verify->check;
	check->n = 0;
	check->v = verify->asked;
	LIST_EACH(it, &verify->batches) {
		struct verify_batch *batch = CONTAINER_OF(it, struct verify_batch, link);
		if (check->n == 0)
			check->producer = producer_of(batch->bytes);
		verify->asked[check->n++] = (struct coord_partition){
			str_of(batch->partition->topic), batch->partition->index };
	}
	check->loop = rq->loop;
	check->done.fn = on_checked;
	verify->ncheck++;
	coordinator_check(rq->broker->coordinator, check);
}

/* Append a parked batch, unless it was refused.  False: it stays parked. */
static bool
decide(struct verify *verify, struct verify_batch *batch)
{
	struct request *rq = verify->rq;
	const struct txn_check *check = &verify->check;
	struct coord_producer producer = producer_of(batch->bytes);
	struct append_result result = { .error = answer_error(rq,
		rq->broker->is_over ? KERR_COORDINATOR_NOT_AVAILABLE : check->error) };
	if (!result.error && verify->ncheck > 0 && (producer.id != check->producer.id
		|| producer.epoch != check->producer.epoch))
		result.error = KERR_INVALID_PRODUCER_ID_MAPPING;
	if (!result.error)
		append(verify, batch, batch->bytes, batch->ticket, &result);
	if (result.ticket && verify->ncheck < CHECKS_MAX) {
		batch->ticket = result.ticket;
		return false;
	}
	if (result.ticket)
		result.error = KERR_INVALID_TXN_STATE;
	list_unlink(&batch->link);
	verify->decided(batch, &result);
	return true;
}

/* The first one of a queue: append what is parked, or ask (again).  True: its
 * queue goes on without it. */
static bool
decide_or_ask(struct verify *verify)
{
	bool is_over = true;
	LIST_EACH(it, &verify->batches)
		is_over &= decide(verify, CONTAINER_OF(it, struct verify_batch, link));
	if (!is_over)
		ask(verify);
	return is_over;
}

static void
on_checked(struct loop_task *task)
{
	struct verify *verify = CONTAINER_OF(task, struct verify, check.done);
	while (verify && decide_or_ask(verify)) {
		struct verify *next = verify->next;
		struct session *session = verify->rq->session;
		if (session && session->last_verify == verify)
			session->last_verify = NULL;
		verify->finished(verify);
		verify = next;
	}
}

void
verify_start(struct verify *verify)
{
	struct session *session = verify->rq->session;
	struct verify *last = session->last_verify;
	if (!verify->nbatch)
		return;
	verify->check.transactional_id = arena_str(&verify->rq->arena,
		verify->check.transactional_id);
	verify->asked = REQUEST_ARRAY(verify->rq, struct coord_partition, verify->nbatch);
	session->last_verify = verify;
	if (last)
		last->next = verify;
	else
		ask(verify);
}
