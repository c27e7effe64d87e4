/* Producer ids, sequence numbers, and the errors about them. */
#include "client/producer_int.h"

#include "sys/clock.h"

#include "proto.h"

enum { PAUSE_FIRST_MS = 2 };

void
producer_retry_begin(const struct producer *producer, struct producer_retry *retry)
{
	retry->until_ms = clock_mono_ms() + producer->opts.delivery_timeout_ms;
	retry->pause_ms = PAUSE_FIRST_MS;
}

bool
producer_retry_wait(struct producer *producer, struct producer_retry *retry, struct err *e)
{
	if (e->class != ERR_RETRY)
		return false;
	if (!producer->cluster->is_woken && clock_mono_ms() < retry->until_ms) {
		cluster_pause(producer->cluster, retry->pause_ms);
		retry->pause_ms = MIN(2 * retry->pause_ms,
			MAX(producer->opts.retry_backoff_ms, PAUSE_FIRST_MS));
	}
	if (producer->cluster->is_woken) {
		err_set(e, ERR_RETRY, "interrupted");
		return false;
	}
	if (clock_mono_ms() < retry->until_ms)
		return true;
	err_wrap(e, "not done within %d ms", producer->opts.delivery_timeout_ms);
	return false;
}

int
producer_ask_id(struct producer *producer, int32_t node, int64_t *id, int16_t *epoch,
	struct err *e)
{
	struct arena a = { .size_max = 1 << 20 };
	struct init_producer_id_request q;
	struct init_producer_id_response r;
	wire_defaults(wire_api_find(API_INIT_PRODUCER_ID)->request, &q);
	q.transactional_id = producer->opts.txn_id ? str_of(producer->opts.txn_id) : STR_NULL;
	q.transaction_timeout_ms = producer->opts.txn_id ? producer->opts.txn_timeout_ms : INT32_MAX;
	if (producer->opts.txn_id) { /* the broker refuses us if another has taken over (KIP-360) */
		q.producer_id = *id;
		q.producer_epoch = *epoch;
	} else {
		q.producer_epoch = -1;
	}
	int rc = cluster_call(producer->cluster, node, API_INIT_PRODUCER_ID, &q, &r, &a, e);
	if (rc >= 0 && r.error_code)
		rc = cluster_peer_err(e, r.error_code, STR_NULL);
	if (rc >= 0 && (r.producer_id < 0 || r.producer_epoch < 0))
		rc = err_set(e, ERR_CORRUPT, "the broker sent the producer ID %lld, epoch %d",
			(long long)r.producer_id, r.producer_epoch);
	if (rc >= 0) {
		*id = r.producer_id;
		*epoch = r.producer_epoch;
	}
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

void
producer_reset_parts(struct producer *producer)
{
	for (int i = 0; i < producer->ntopic; i++)
		for (int32_t k = 0; k < producer->topic[i]->npart; k++) {
			struct producer_part *part = producer->topic[i]->part[k];
			part->id = producer->id;
			part->epoch = producer->epoch;
			part->sequence = 0;
			part->needs_id = false;
		}
}

int
producer_start(struct producer *producer, struct err *e)
{
	enum producer_idempotence want = producer->opts.idempotence;
	assert(!producer->is_idempotent && producer->nput == 0);
	if (producer->opts.txn_id)
		want = PRODUCER_IDEMPOTENT;
	if (want == PRODUCER_IDEMPOTENT && producer->opts.acks != -1)
		return err_set(e, ERR_USAGE, "idempotence needs acks=all");
	if (want == PRODUCER_PLAIN || producer->opts.acks != -1)
		return 0;
	if (producer->opts.txn_id)
		return producer_init_txns(producer, e);
	struct producer_retry retry;
	producer_retry_begin(producer, &retry);
	while (producer_ask_id(producer, CLUSTER_ANY, &producer->id, &producer->epoch, e) < 0) {
		if (e->kafka == KERR_UNSUPPORTED_VERSION && want == PRODUCER_IF_POSSIBLE)
			return 0; /* an old broker */
		if (!producer_retry_wait(producer, &retry, e))
			return err_wrap(e, "cannot get a producer ID");
	}
	producer->is_idempotent = true;
	producer_reset_parts(producer);
	return 0;
}

static int32_t
sequence_after(int32_t sequence, int32_t n)
{
	return (int32_t)(((uint32_t)sequence + (uint32_t)n) & INT32_MAX);
}

struct builder_producer
producer_number_batch(struct producer_part *part, struct producer_batch *batch)
{
	const struct producer *producer = part->topic->producer;
	if (!producer->is_idempotent)
		return BUILDER_NO_PRODUCER;
	batch->sequence = part->sequence;
	part->sequence = sequence_after(part->sequence, batch->builder.count);
	return (struct builder_producer){ .id = part->id, .epoch = part->epoch,
		.base_sequence = batch->sequence, .is_transactional = producer->opts.txn_id != NULL };
}

/* Get a new id for one partition, with no batch under way, and renumber its queue.  The
 * other partitions keep their ids, by which the broker recognizes their batches. */
static void
renew_part(struct producer_part *part)
{
	struct producer *producer = part->topic->producer;
	struct err e;
	if (producer_ask_id(producer, CLUSTER_ANY, &part->id, &part->epoch, &e) < 0) {
		part->retry_at_ms = clock_mono_ms() + MAX(producer->opts.retry_backoff_ms, 1);
		part->last = e;
		if (e.class != ERR_RETRY)
			producer_fail(producer, 0, &e);
		return;
	}
	part->needs_id = false;
	part->sequence = 0;
	LIST_EACH(it, &part->queue) {
		struct producer_batch *batch = CONTAINER_OF(it, struct producer_batch, link);
		producer_number_batch(part, batch);
		batch_set_producer((uint8_t *)(uintptr_t)batch->bytes.p, part->id, part->epoch,
			batch->sequence);
	}
}

void
producer_renew_ids(struct producer *producer, int64_t now_ms)
{
	LIST_EACH(it, &producer->ready) {
		struct producer_part *part = CONTAINER_OF(it, struct producer_part, ready);
		if (!part->needs_id || part->nsent > 0 || part->retry_at_ms > now_ms)
			continue;
		renew_part(part);
		producer->nchange++;
		return; /* the list may have changed: the next partition follows in the next step */
	}
}

bool
producer_classify(struct producer_batch *batch, int16_t code, struct err *why)
{
	struct producer_part *part = batch->part;
	struct producer *producer = part->topic->producer;
	bool is_first = part->queue.next == &batch->link;
	switch (code) {
	case KERR_DUPLICATE_SEQUENCE_NUMBER:
		return !producer->is_idempotent;
	case KERR_UNKNOWN_TOPIC_ID: /* created again with the same name */
		why->class = ERR_RETRY;
		break;
	case KERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
		if (!is_first) /* an earlier batch failed and is sent again first */
			why->class = ERR_RETRY;
		else
			err_set(why, ERR_PEER, "the broker has lost records that it had acknowledged: "
				"it does not expect sequence number %d", batch->sequence);
		break;
	case KERR_UNKNOWN_PRODUCER_ID:
		/* The broker's state of the producer was deleted together with its records, by
		 * retention.  In a transaction that must not happen. */
		if (producer->opts.txn_id)
			break;
		why->class = ERR_RETRY;
		part->needs_id = part->needs_id || is_first;
		break;
	case KERR_INVALID_PRODUCER_EPOCH:
	case KERR_PRODUCER_FENCED:
		if (producer->opts.txn_id)
			producer_txn_err(producer, code, why);
		break;
	}
	why->kafka = code;
	return true;
}
