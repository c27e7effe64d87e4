/* InitProducerId: a producer takes a transactional id over.  Whoever had it
 * before is shut out by a new epoch, and its transaction aborted. */
#include "txn/txn.h"

/* What the producer says it was (KIP-360); id -1: it did not say. */
struct claim {
	int64_t id;
	int16_t epoch;
};

static bool
is_exhausted(int16_t epoch)
{
	return epoch >= TXN_EPOCH_LAST;
}

/* Was the claimed producer id ever x's, as far as we can tell? */
static bool
is_known(const struct txn *x, const struct claim *c)
{
	return c->id < 0 || x->m.epoch < 0 || c->id == x->m.producer_id
		|| (c->id == x->m.previous_producer_id && is_exhausted(c->epoch));
}

/* The producer gets a new id, as its epochs are used up. */
static int16_t
rotate(struct txns *t, const struct claim *c, struct txn_meta *m)
{
	int64_t id = t->env->producer_id(t->env);
	if (id < 0)
		return KERR_COORDINATOR_LOAD_IN_PROGRESS;
	m->last_epoch = c->id < 0 ? -1 : m->epoch;
	m->producer_id = id;
	m->epoch = 0;
	return KERR_NONE;
}

/* The next epoch; or the one we have, for a producer that asks again. */
static int16_t
bump(struct txns *t, const struct claim *c, struct txn_meta *m)
{
	if (is_exhausted(m->epoch) && (c->id < 0 || c->epoch == m->epoch))
		return rotate(t, c, m);
	if (c->id < 0) {
		m->epoch++;
		m->last_epoch = -1;
		return KERR_NONE;
	}
	if (m->epoch < 0 || c->epoch == m->epoch) {
		m->last_epoch = m->epoch;
		m->epoch++;
		return KERR_NONE;
	}
	/* A newer producer would have set last_epoch to -1. */
	return c->epoch == m->last_epoch ? KERR_NONE : KERR_PRODUCER_FENCED;
}

static int16_t
take_over(struct txns *t, struct txn *x, int32_t timeout_ms, const struct claim *c,
	struct coord_now now)
{
	if (!is_known(x, c))
		return KERR_PRODUCER_FENCED;
	if (txn_is_preparing(x))
		return KERR_CONCURRENT_TRANSACTIONS;
	if (x->m.status == TXN_ONGOING) {
		/* Kafka aborts even for a producer that was shut out long ago, and
		 * refuses it when it comes again; it is refused at once here, so that
		 * it can't disturb its successor. */
		if (c->id >= 0 && (c->id != x->m.producer_id || c->epoch != x->m.epoch))
			return KERR_PRODUCER_FENCED;
		int16_t error = txn_fence(t, x, now);
		return error ? error : KERR_CONCURRENT_TRANSACTIONS;
	}
	struct txn_meta m = x->m;
	m.previous_producer_id = m.producer_id;
	int16_t error = bump(t, c, &m);
	if (error)
		return error;
	m.status = TXN_EMPTY;
	m.timeout_ms = timeout_ms;
	m.start_ms = -1;
	m.update_ms = now.wall_ms;
	return txn_write(t, x, &m, NULL, now);
}

static int16_t
take_new(struct txns *t, struct str id, int32_t timeout_ms, const struct claim *c,
	struct coord_now now)
{
	if (txns_count(t) >= t->config.ntxn_max || t->ids_size >= TXN_IDS_SIZE_MAX)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	int64_t producer_id = t->env->producer_id(t->env);
	if (producer_id < 0)
		return KERR_COORDINATOR_LOAD_IN_PROGRESS;
	struct txn *x = txn_new(t, id);
	x->m.producer_id = producer_id;
	int16_t error = take_over(t, x, timeout_ms, c, now);
	if (error)
		txn_free(x);
	else
		txn_put(t, x);
	return error;
}

static int16_t
check_request(const struct txns *t, const struct init_producer_id_request *q)
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
	if (q->transaction_timeout_ms <= 0 || q->transaction_timeout_ms > t->config.timeout_max_ms)
		return KERR_INVALID_TRANSACTION_TIMEOUT;
	return KERR_NONE;
}

void
txn_handle_init(struct txns *t, struct coord_call *call, struct coord_now now)
{
	const struct init_producer_id_request *q = call->body;
	struct claim claim = { q->producer_id, q->producer_epoch };
	struct init_producer_id_response r;
	wire_defaults(&init_producer_id_response_desc, &r);
	r.producer_epoch = -1;
	int16_t error = check_request(t, q);
	if (!error && q->transactional_id.n < 0) {
		/* Idempotence alone: nothing to remember. */
		r.producer_id = t->env->producer_id(t->env);
		r.producer_epoch = r.producer_id < 0 ? -1 : 0;
		r.error_code = r.producer_id < 0 ? KERR_COORDINATOR_LOAD_IN_PROGRESS : KERR_NONE;
		txn_respond(t, call, STR_NULL, &r);
		return;
	}
	struct txn *x = NULL;
	if (!error) {
		x = txn_find(t, q->transactional_id);
		error = x ? take_over(t, x, q->transaction_timeout_ms, &claim, now)
			: take_new(t, q->transactional_id, q->transaction_timeout_ms, &claim, now);
	}
	if (!error) {
		x = txn_find(t, q->transactional_id);
		r.producer_id = x->m.producer_id;
		r.producer_epoch = x->m.epoch;
	}
	r.error_code = txn_error_for(error, call->api_version, 4);
	txn_respond(t, call, q->transactional_id, &r);
}
