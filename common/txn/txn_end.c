/* How a transaction ends: Prepare is written (from then on the end is
 * certain), then the markers, then Complete.
 *
 *   who ends it                   epoch after     producer id after
 *   EndTxn 0-4                    the same        the same
 *   EndTxn 5, time-out, fencing   one more        the same; or a new one and
 *                                                 epoch 0 when they are used up
 *
 * With a new epoch the markers carry it, so that whatever the old one still
 * sends finds itself shut out in each partition. */
#include "txn/txn.h"

/* Write Prepare; is_v2: with a new epoch. */
static int16_t
prepare(struct txns *t, struct txn *x, bool is_commit, bool is_v2, struct coord_now now)
{
	struct txn_meta m = x->m;
	if (is_commit && x->is_doomed)
		return KERR_COORDINATOR_NOT_AVAILABLE; /* until the abort is written */
	m.previous_producer_id = m.producer_id;
	m.version = is_v2 ? TXN_V2 : 0;
	if (is_v2) {
		if (m.epoch >= TXN_EPOCH_LAST) {
			m.next_producer_id = t->env->producer_id(t->env);
			if (m.next_producer_id < 0)
				return KERR_COORDINATOR_LOAD_IN_PROGRESS;
		}
		m.last_epoch = m.epoch;
		if (m.epoch < INT16_MAX)
			m.epoch++;
	}
	if (m.status != TXN_ONGOING)
		m.start_ms = now.wall_ms; /* an abort of nothing */
	m.status = is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
	m.update_ms = now.wall_ms;
	int16_t error = txn_write(t, x, &m, &x->parts, now);
	if (error)
		return error;
	x->is_doomed = false;
	txn_link(t, x, NULL);
	t->env->when_committed(t->env, x->partition, txn_ticket(t, TXN_WAIT_PREPARED, x, NULL));
	return KERR_NONE;
}

int16_t
txn_fence(struct txns *t, struct txn *x, struct coord_now now)
{
	assert(x->m.status == TXN_ONGOING);
	return prepare(t, x, false, true, now);
}

bool
txns_abort_ongoing(struct txns *t, struct coord_now now)
{
	bool are_all = true;
	LIST_EACH(l, &t->ongoing) {
		struct txn *x = CONTAINER_OF(l, struct txn, link);
		if (txn_fence(t, x, now) != KERR_NONE) {
			x->start_mono_ms = INT64_MIN / 2; /* the next scan's business */
			x->is_doomed = true;
			are_all = false;
		}
		arena_reset(&t->scratch);
	}
	txn_see_time(t, now);
	return are_all;
}

int
txns_touched(const struct txns *t, struct str transactional_id,
	const struct coord_producer *producer, struct arena *a, struct coord_partition **v)
{
	const struct txn *x = transactional_id.n > 0 ? txn_find(t, transactional_id) : NULL;
	int n = 0;
	if (!x || x->m.status != TXN_ONGOING || x->m.producer_id != producer->id
		|| x->m.epoch != producer->epoch)
		return 0;
	*v = arena_alloc(a, (size_t)x->parts.total * sizeof **v + 1);
	for (int32_t i = 0; i < x->parts.n; i++) {
		struct str name = arena_str(a, x->parts.v[i].name);
		for (int32_t k = 0; k < x->parts.v[i].n; k++)
			(*v)[n++] = (struct coord_partition){ name, x->parts.v[i].v[k] };
	}
	return n;
}

void
txn_send_markers(struct txns *t, struct txn *x, struct coord_now now)
{
	assert(txn_is_preparing(x));
	if (x->parts.total == 0) {
		txn_complete(t, x, now);
		return;
	}
	struct coord_partition *v = arena_alloc(&t->scratch, (size_t)x->parts.total * sizeof *v);
	int n = 0;
	for (int32_t i = 0; i < x->parts.n; i++)
		for (int32_t k = 0; k < x->parts.v[i].n; k++)
			v[n++] = (struct coord_partition){ x->parts.v[i].name, x->parts.v[i].v[k] };
	struct coord_producer producer = { x->m.producer_id, x->m.epoch };
	uint64_t ticket = txn_ticket(t, TXN_WAIT_MARKERS, x, NULL);
	t->env->write_markers(t->env, ticket, &producer, t->config.coordinator_epoch,
		x->m.status == TXN_PREPARE_COMMIT, v, n);
}

/* x as it is once its end is complete. */
static struct txn_meta
completed(const struct txn *x)
{
	struct txn_meta m = x->m;
	m.previous_producer_id = m.producer_id;
	if (m.version >= TXN_V2 && m.next_producer_id >= 0) {
		m.producer_id = m.next_producer_id;
		m.epoch = 0;
	}
	m.next_producer_id = -1;
	m.status = m.status == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
	return m;
}

void
txn_complete(struct txns *t, struct txn *x, struct coord_now now)
{
	assert(txn_is_preparing(x));
	struct txn_meta m = completed(x);
	m.update_ms = now.wall_ms;
	if (txn_write(t, x, &m, NULL, now) == KERR_NONE)
		txn_link(t, x, NULL);
	else if (list_is_empty(&x->link))
		txn_link(t, x, &t->stuck);
}

/* ---- EndTxn ---- */

/* EndTxn 0-4: the epoch stays, so what a producer asks twice looks like what
 * it asks next. */
static int16_t
end_v1(struct txns *t, struct txn *x, const struct end_txn_request *q, struct coord_now now)
{
	if (x->m.producer_id != q->producer_id)
		return KERR_INVALID_PRODUCER_ID_MAPPING;
	if (x->m.epoch != q->producer_epoch)
		return KERR_PRODUCER_FENCED;
	if (txn_is_preparing(x))
		return KERR_CONCURRENT_TRANSACTIONS;
	switch (x->m.status) {
	case TXN_ONGOING:
		return prepare(t, x, q->committed, false, now);
	case TXN_COMPLETE_COMMIT:
		return q->committed ? KERR_NONE : KERR_INVALID_TXN_STATE;
	case TXN_COMPLETE_ABORT:
		return q->committed ? KERR_INVALID_TXN_STATE : KERR_NONE;
	default:
		return KERR_INVALID_TXN_STATE;
	}
}

/* What to say to an EndTxn 5 that comes again: its epoch is the one before. */
static int16_t
end_again(const struct txn *x, bool is_commit)
{
	return (x->m.status == TXN_COMPLETE_COMMIT) == is_commit ? KERR_NONE : KERR_INVALID_TXN_STATE;
}

/* EndTxn 5: by the epoch we see which transaction is meant. */
static int16_t
end_v2(struct txns *t, struct txn *x, const struct end_txn_request *q, struct coord_now now)
{
	/* The producer has its new epoch since Prepare, and may end its next
	 * transaction, one without a record, before this end is complete. */
	if (txn_is_next(x, q->producer_id)
		|| (txn_is_preparing(x) && x->m.producer_id == q->producer_id))
		return KERR_CONCURRENT_TRANSACTIONS;
	/* An end that another version wrote kept its epoch: the one before
	 * belongs to a producer that was shut out.  (Kafka does not look.) */
	bool has_ended = x->m.status >= TXN_COMPLETE_COMMIT && x->m.version >= TXN_V2;
	/* Again, after a new producer id came with the end. */
	bool is_overflow = has_ended && x->m.epoch == 0
		&& x->m.previous_producer_id == q->producer_id && q->producer_epoch == TXN_EPOCH_LAST;
	if (is_overflow && x->m.producer_id != q->producer_id)
		return end_again(x, q->committed);
	if (x->m.producer_id != q->producer_id)
		return KERR_INVALID_PRODUCER_ID_MAPPING;
	if (has_ended && x->m.epoch == q->producer_epoch + 1)
		return end_again(x, q->committed);
	if (x->m.epoch != q->producer_epoch)
		return KERR_PRODUCER_FENCED;
	if (x->m.status == TXN_ONGOING)
		return prepare(t, x, q->committed, true, now);
	/* Nothing was written; a producer that does not know may still abort. */
	return q->committed ? KERR_INVALID_TXN_STATE : prepare(t, x, false, true, now);
}

void
txn_handle_end(struct txns *t, struct coord_call *call, struct coord_now now)
{
	const struct end_txn_request *q = call->body;
	struct end_txn_response r;
	wire_defaults(&end_txn_response_desc, &r);
	struct txn *x = NULL;
	int16_t error = KERR_INVALID_REQUEST;
	if (q->transactional_id.n > 0) {
		x = txn_find(t, q->transactional_id);
		error = !x ? KERR_INVALID_PRODUCER_ID_MAPPING
			: call->api_version >= 5 ? end_v2(t, x, q, now) : end_v1(t, x, q, now);
	}
	if (!error && x) {
		/* The producer goes on with what it will be. */
		struct txn_meta m = txn_is_preparing(x) ? completed(x) : x->m;
		r.producer_id = m.producer_id;
		r.producer_epoch = m.epoch;
	}
	r.error_code = txn_error_for(error, call->api_version, 2);
	txn_respond(t, call, q->transactional_id, &r);
}
