/* InitProducerId: a producer takes a transactional id over.  A new epoch fences the
 * producer that had it before, and its transaction is aborted. */
#include "txn/txn.h"

/* The producer's previous id and epoch, from the request (KIP-360); id -1: not
 * given. */
struct claim {
	int64_t id;
	int16_t epoch;
};

static bool
is_exhausted(int16_t epoch)
{
	return epoch >= TXN_EPOCH_LAST;
}

/* Whether the transactional id ever had the claimed producer id, as far as its
 * record says. */
static bool
is_known(const struct txn *txn, const struct claim *claim)
{
	return claim->id < 0 || txn->meta.epoch < 0 || claim->id == txn->meta.producer_id
		|| (claim->id == txn->meta.previous_producer_id && is_exhausted(claim->epoch));
}

/* Gives the producer a new id, as its epochs are used up. */
static int16_t
rotate(struct txns *txns, const struct claim *claim, struct txn_meta *meta)
{
	int64_t id = txns->env->producer_id(txns->env);
	if (id < 0)
		return KERR_COORDINATOR_LOAD_IN_PROGRESS;
	meta->last_epoch = claim->id < 0 ? -1 : meta->epoch;
	meta->producer_id = id;
	meta->epoch = 0;
	return KERR_NONE;
}

/* Gives the producer the next epoch, or the present one if it repeats a request. */
static int16_t
bump(struct txns *txns, const struct claim *claim, struct txn_meta *meta)
{
	if (is_exhausted(meta->epoch) && (claim->id < 0 || claim->epoch == meta->epoch))
		return rotate(txns, claim, meta);
	if (claim->id < 0) {
		meta->epoch++;
		meta->last_epoch = -1;
		return KERR_NONE;
	}
	if (meta->epoch < 0 || claim->epoch == meta->epoch) {
		meta->last_epoch = meta->epoch;
		meta->epoch++;
		return KERR_NONE;
	}
	/* A newer producer would have set last_epoch to -1. */
	return claim->epoch == meta->last_epoch ? KERR_NONE : KERR_PRODUCER_FENCED;
}

static int16_t
take_over(struct txns *txns, struct txn *txn, int32_t timeout_ms, const struct claim *claim,
	struct coord_now now)
{
	if (!is_known(txn, claim))
		return KERR_PRODUCER_FENCED;
	if (txn_is_preparing(txn))
		return KERR_CONCURRENT_TRANSACTIONS;
	if (txn->meta.status == TXN_ONGOING) {
		/* Kafka aborts even for a producer that was fenced long ago, and refuses
		 * its next request.  Here it is refused at once, so that it can't
		 * disturb its successor. */
		if (claim->id >= 0
			&& (claim->id != txn->meta.producer_id || claim->epoch != txn->meta.epoch))
			return KERR_PRODUCER_FENCED;
		int16_t error = txn_fence(txns, txn, now);
		return error ? error : KERR_CONCURRENT_TRANSACTIONS;
	}
	struct txn_meta meta = txn->meta;
	meta.previous_producer_id = meta.producer_id;
	int16_t error = bump(txns, claim, &meta);
	if (error)
		return error;
	meta.status = TXN_EMPTY;
	meta.timeout_ms = timeout_ms;
	meta.start_ms = -1;
	meta.update_ms = now.wall_ms;
	return txn_write(txns, txn, &meta, NULL, now);
}

static int16_t
take_new(struct txns *txns, struct str id, int32_t timeout_ms, const struct claim *claim,
	struct coord_now now)
{
	if (txns_count(txns) >= txns->config.ntxn_max || txns->ids_size >= TXN_IDS_SIZE_MAX)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	int64_t producer_id = txns->env->producer_id(txns->env);
	if (producer_id < 0)
		return KERR_COORDINATOR_LOAD_IN_PROGRESS;
	struct txn *txn = txn_new(txns, id);
	txn->meta.producer_id = producer_id;
	int16_t error = take_over(txns, txn, timeout_ms, claim, now);
	if (error)
		txn_free(txn);
	else
		txn_put(txns, txn);
	return error;
}

static int16_t
check_request(const struct txns *txns, const struct init_producer_id_request *q)
{
	if ((q->producer_id == -1) != (q->producer_epoch == -1))
		return KERR_INVALID_REQUEST;
	if (q->transactional_id.n < 0)
		return KERR_NONE;
	if (q->transactional_id.n == 0)
		return KERR_INVALID_REQUEST;
	if (q->enable2_pc) /* as with transaction.two.phase.commit.enable=false */
		return KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (q->keep_prepared_txn)
		return KERR_UNSUPPORTED_VERSION;
	if (q->transaction_timeout_ms <= 0 || q->transaction_timeout_ms > txns->config.timeout_max_ms)
		return KERR_INVALID_TRANSACTION_TIMEOUT;
	return KERR_NONE;
}

void
txn_handle_init(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct init_producer_id_request *q = call->body;
	struct claim claim = { q->producer_id, q->producer_epoch };
	struct init_producer_id_response r;
	wire_defaults(&init_producer_id_response_desc, &r);
	r.producer_epoch = -1;
	int16_t error = check_request(txns, q);
	if (!error && q->transactional_id.n < 0) {
		/* An idempotent producer without transactions: nothing is stored. */
		r.producer_id = txns->env->producer_id(txns->env);
		r.producer_epoch = r.producer_id < 0 ? -1 : 0;
		r.error_code = r.producer_id < 0 ? KERR_COORDINATOR_LOAD_IN_PROGRESS : KERR_NONE;
		txn_respond(txns, call, STR_NULL, &r);
		return;
	}
	struct txn *txn = NULL;
	if (!error) {
		txn = txn_find(txns, q->transactional_id);
		error = txn ? take_over(txns, txn, q->transaction_timeout_ms, &claim, now)
			: take_new(txns, q->transactional_id, q->transaction_timeout_ms, &claim, now);
	}
	if (!error) {
		txn = txn_find(txns, q->transactional_id);
		r.producer_id = txn->meta.producer_id;
		r.producer_epoch = txn->meta.epoch;
	}
	r.error_code = txn_error_for(error, call->api_version, 4);
	txn_respond(txns, call, q->transactional_id, &r);
}
