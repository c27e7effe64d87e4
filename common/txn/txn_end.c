/* How a transaction ends: the Prepare record is written (from then on the end is
 * certain), then the markers, then the Complete record.
 *
 *   ended by                      epoch after     producer id after
 *   EndTxn 0-4                    the same        the same
 *   EndTxn 5, timeout, fencing    one more        the same; after the last epoch,
 *                                                 a new id with epoch 0
 *
 * The markers carry the new epoch, so that each partition fences what is still
 * sent with the old one. */
#include "txn/txn.h"

/* Writes the Prepare record; is_v2: with a new epoch. */
static int16_t
prepare(struct txns *txns, struct txn *txn, bool is_commit, bool is_v2, struct coord_now now)
{
	struct txn_meta meta = txn->meta;
	if (is_commit && txn->is_doomed)
		return KERR_COORDINATOR_NOT_AVAILABLE; /* until the abort is written */
	meta.previous_producer_id = meta.producer_id;
	meta.version = is_v2 ? TXN_V2 : 0;
	if (is_v2) {
		if (meta.epoch >= TXN_EPOCH_LAST) {
			meta.next_producer_id = txns->env->producer_id(txns->env);
			if (meta.next_producer_id < 0)
				return KERR_COORDINATOR_LOAD_IN_PROGRESS;
		}
		meta.last_epoch = meta.epoch;
		if (meta.epoch < INT16_MAX)
			meta.epoch++;
	}
	if (meta.status != TXN_ONGOING)
		meta.start_ms = now.wall_ms; /* an abort without a transaction */
	meta.status = is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
	meta.update_ms = now.wall_ms;
	int16_t error = txn_write(txns, txn, &meta, &txn->parts, now);
	if (error)
		return error;
	txn->is_doomed = false;
	txn_link(txns, txn, NULL);
	txns->env->when_committed(txns->env, txn->partition,
		txn_ticket(txns, TXN_WAIT_PREPARED, txn, NULL));
	return KERR_NONE;
}

int16_t
txn_fence(struct txns *txns, struct txn *txn, struct coord_now now)
{
	assert(txn->meta.status == TXN_ONGOING);
	return prepare(txns, txn, false, true, now);
}

bool
txns_abort_ongoing(struct txns *txns, struct coord_now now)
{
	bool are_all = true;
	LIST_EACH(l, &txns->ongoing) {
		struct txn *txn = CONTAINER_OF(l, struct txn, link);
		if (txn_fence(txns, txn, now) != KERR_NONE) {
			txn->start_mono_ms = INT64_MIN / 2; /* the next scan tries again */
			txn->is_doomed = true;
			are_all = false;
		}
		arena_reset(&txns->scratch);
	}
	txn_arm_timers(txns, now);
	return are_all;
}

int
txns_touched(const struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, struct arena *a, struct coord_partition **v)
{
	const struct txn *txn = transactional_id.n > 0 ? txn_find(txns, transactional_id) : NULL;
	int n = 0;
	if (!txn || txn->meta.status != TXN_ONGOING || txn->meta.producer_id != producer->id
		|| txn->meta.epoch != producer->epoch)
		return 0;
	*v = arena_alloc(a, (size_t)txn->parts.total * sizeof **v + 1);
	for (int32_t i = 0; i < txn->parts.n; i++) {
		struct str name = arena_str(a, txn->parts.v[i].name);
		for (int32_t k = 0; k < txn->parts.v[i].n; k++)
			(*v)[n++] = (struct coord_partition){ name, txn->parts.v[i].v[k] };
	}
	return n;
}

void
txn_send_markers(struct txns *txns, struct txn *txn, struct coord_now now)
{
	assert(txn_is_preparing(txn));
	if (txn->parts.total == 0) {
		txn_complete(txns, txn, now);
		return;
	}
	struct coord_partition *v = arena_alloc(&txns->scratch, (size_t)txn->parts.total * sizeof *v);
	int n = 0;
	for (int32_t i = 0; i < txn->parts.n; i++)
		for (int32_t k = 0; k < txn->parts.v[i].n; k++)
			v[n++] = (struct coord_partition){ txn->parts.v[i].name, txn->parts.v[i].v[k] };
	struct coord_producer producer = { txn->meta.producer_id, txn->meta.epoch };
	uint64_t ticket = txn_ticket(txns, TXN_WAIT_MARKERS, txn, NULL);
	txns->env->write_markers(txns->env, ticket, &producer, txns->config.coordinator_epoch,
		txn->meta.status == TXN_PREPARE_COMMIT, v, n);
}

/* The transaction's state once its end is complete. */
static struct txn_meta
completed(const struct txn *txn)
{
	struct txn_meta meta = txn->meta;
	meta.previous_producer_id = meta.producer_id;
	if (meta.version >= TXN_V2 && meta.next_producer_id >= 0) {
		meta.producer_id = meta.next_producer_id;
		meta.epoch = 0;
	}
	meta.next_producer_id = -1;
	meta.status = meta.status == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
	return meta;
}

void
txn_complete(struct txns *txns, struct txn *txn, struct coord_now now)
{
	assert(txn_is_preparing(txn));
	struct txn_meta meta = completed(txn);
	meta.update_ms = now.wall_ms;
	if (txn_write(txns, txn, &meta, NULL, now) == KERR_NONE)
		txn_link(txns, txn, NULL);
	else if (list_is_empty(&txn->link))
		txn_link(txns, txn, &txns->stuck);
}

/* ---- EndTxn ---- */

/* EndTxn 0-4: the epoch stays, so a repeated request cannot be told from the end of
 * the next transaction. */
static int16_t
end_v1(struct txns *txns, struct txn *txn, const struct end_txn_request *q, struct coord_now now)
{
	if (txn->meta.producer_id != q->producer_id)
		return KERR_INVALID_PRODUCER_ID_MAPPING;
	if (txn->meta.epoch != q->producer_epoch)
		return KERR_PRODUCER_FENCED;
	if (txn_is_preparing(txn))
		return KERR_CONCURRENT_TRANSACTIONS;
	switch (txn->meta.status) {
	case TXN_ONGOING:
		return prepare(txns, txn, q->committed, false, now);
	case TXN_COMPLETE_COMMIT:
		return q->committed ? KERR_NONE : KERR_INVALID_TXN_STATE;
	case TXN_COMPLETE_ABORT:
		return q->committed ? KERR_INVALID_TXN_STATE : KERR_NONE;
	default:
		return KERR_INVALID_TXN_STATE;
	}
}

/* The answer to a repeated EndTxn 5, which has the epoch before. */
static int16_t
end_again(const struct txn *txn, bool is_commit)
{
	return (txn->meta.status == TXN_COMPLETE_COMMIT) == is_commit ? KERR_NONE
		: KERR_INVALID_TXN_STATE;
}

/* EndTxn 5: the epoch says which transaction is meant. */
static int16_t
end_v2(struct txns *txns, struct txn *txn, const struct end_txn_request *q, struct coord_now now)
{
	/* The producer has its new epoch since the Prepare record, and may end its
	 * next transaction, one without records, before this end is complete. */
	if (txn_is_next(txn, q->producer_id)
		|| (txn_is_preparing(txn) && txn->meta.producer_id == q->producer_id))
		return KERR_CONCURRENT_TRANSACTIONS;
	/* An end that an older version wrote kept the epoch, so the epoch before
	 * belongs to a fenced producer.  (Kafka does not check this.) */
	bool has_ended = txn->meta.status >= TXN_COMPLETE_COMMIT && txn->meta.version >= TXN_V2;
	/* A repeated request after an end that brought a new producer id. */
	bool is_overflow = has_ended && txn->meta.epoch == 0
		&& txn->meta.previous_producer_id == q->producer_id && q->producer_epoch == TXN_EPOCH_LAST;
	if (is_overflow && txn->meta.producer_id != q->producer_id)
		return end_again(txn, q->committed);
	if (txn->meta.producer_id != q->producer_id)
		return KERR_INVALID_PRODUCER_ID_MAPPING;
	if (has_ended && txn->meta.epoch == q->producer_epoch + 1)
		return end_again(txn, q->committed);
	if (txn->meta.epoch != q->producer_epoch)
		return KERR_PRODUCER_FENCED;
	if (txn->meta.status == TXN_ONGOING)
		return prepare(txns, txn, q->committed, true, now);
	/* Nothing was written; the producer may not know, and may abort. */
	return q->committed ? KERR_INVALID_TXN_STATE : prepare(txns, txn, false, true, now);
}

void
txn_handle_end(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct end_txn_request *q = call->body;
	struct end_txn_response r;
	wire_defaults(&end_txn_response_desc, &r);
	struct txn *txn = NULL;
	int16_t error = KERR_INVALID_REQUEST;
	if (q->transactional_id.n > 0) {
		txn = txn_find(txns, q->transactional_id);
		error = !txn ? KERR_INVALID_PRODUCER_ID_MAPPING
			: call->api_version >= 5 ? end_v2(txns, txn, q, now) : end_v1(txns, txn, q, now);
	}
	if (!error && txn) {
		/* The producer's next transaction uses the id and epoch after the end. */
		struct txn_meta meta = txn_is_preparing(txn) ? completed(txn) : txn->meta;
		r.producer_id = meta.producer_id;
		r.producer_epoch = meta.epoch;
	}
	r.error_code = txn_error_for(error, call->api_version, 2);
	txn_respond(txns, call, q->transactional_id, &r);
}
