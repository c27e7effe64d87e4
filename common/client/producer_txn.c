/* Transactions: the coordinator, the partitions and offsets of each, their end. */
#include "client/producer_int.h"

#include "sys/clock.h"

#include "proto.h"

enum {
	KEY_TYPE_TRANSACTION = 1,
	ARENA_MAX = 16 << 20,
};

bool
producer_is_timed_out(const struct producer *p)
{
	return p->is_fenced && p->is_in_txn
		&& clock_mono_ms() - p->txn_since_ms >= p->opts.txn_timeout_ms;
}

int
producer_txn_err(struct producer *p, int16_t code, struct err *e)
{
	switch (code) {
	case KERR_PRODUCER_FENCED:
	case KERR_INVALID_PRODUCER_EPOCH:
		p->is_fenced = true;
		if (producer_is_timed_out(p))
			err_set(e, ERR_PEER, "the transaction was open for longer than its timeout "
				"of %d ms, and the broker has aborted it", p->opts.txn_timeout_ms);
		else
			err_set(e, ERR_PEER, "another producer with the transactional ID '%s' "
				"has taken over", p->opts.txn_id);
		break;
	case KERR_INVALID_PRODUCER_ID_MAPPING:
		p->is_fenced = true;
		err_set(e, ERR_PEER, "the broker no longer knows the transactional ID '%s'",
			p->opts.txn_id);
		break;
	case KERR_INVALID_TRANSACTION_TIMEOUT:
		err_set(e, ERR_PEER, "the transaction timeout of %d ms is longer than the broker "
			"allows (transaction.max.timeout.ms)", p->opts.txn_timeout_ms);
		break;
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		p->coordinator = -1;
		/* fall through */
	default:
		cluster_peer_err(e, code, STR_NULL);
	}
	e->kafka = code;
	return -1;
}

int
producer_find_coordinator(struct producer *p, int8_t type, const char *name,
	int32_t *node, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	struct str key = str_of(name);
	wire_defaults(wire_api_find(API_FIND_COORDINATOR)->request, &q);
	q.key = key;
	q.key_type = type;
	q.coordinator_keys.v = &key;
	q.coordinator_keys.n = 1;
	int got = cluster_call(p->cluster, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &r, &a, e);
	int16_t code = got < 0 ? 0 : r.error_code;
	struct str msg = got < 0 ? STR_NULL : r.error_message;
	*node = got < 0 ? -1 : r.node_id;
	if (got >= 4 && r.coordinators.n != 1) {
		got = err_set(e, ERR_CORRUPT, "the broker names %d coordinators", r.coordinators.n);
	} else if (got >= 4) {
		code = r.coordinators.v[0].error_code;
		*node = r.coordinators.v[0].node_id;
		msg = r.coordinators.v[0].error_message;
	}
	if (got >= 0 && code)
		got = cluster_peer_err(e, code, msg);
	arena_release(&a);
	if (got >= 0 && !cluster_node(p->cluster, *node))
		got = cluster_refresh(p->cluster, e);
	if (got < 0)
		*node = -1;
	return got < 0 ? -1 : 0;
}

int
producer_call_coordinator(struct producer *p, int16_t key, int upto,
	const void *q, void *r, struct arena *a, struct err *e)
{
	if (p->coordinator < 0 && producer_find_coordinator(p, KEY_TYPE_TRANSACTION,
		p->opts.txn_id, &p->coordinator, e) < 0)
		return -1;
	int got = cluster_call_upto(p->cluster, p->coordinator, key, upto,
		p->opts.request_timeout_ms, q, r, a, e);
	if (got < 0 && e->class == ERR_RETRY)
		p->coordinator = -1; /* it may have moved */
	return got;
}

/* Does the coordinator speak transaction.version 2? */
static void
look_at_level(struct producer *p)
{
	struct err ignored;
	struct conn *c = p->coordinator < 0 ? NULL
		: cluster_conn(p->cluster, p->coordinator, &ignored);
	if (c)
		p->is_txn_v2 = c->txn_level >= 2
			&& conn_version(c, wire_api_find(API_END_TXN), INT16_MAX, &ignored) > END_TXN_UPTO_V1;
}

int
producer_init_txns(struct producer *p, struct err *e)
{
	struct producer_retry retry;
	producer_retry_begin(p, &retry);
	for (;;) {
		int got = 0;
		if (p->coordinator < 0)
			got = producer_find_coordinator(p, KEY_TYPE_TRANSACTION, p->opts.txn_id,
				&p->coordinator, e);
		if (got == 0)
			got = producer_ask_id(p, p->coordinator, &p->id, &p->epoch, e);
		if (got == 0)
			break;
		if (e->kafka)
			producer_txn_err(p, e->kafka, e);
		else if (e->class == ERR_RETRY)
			p->coordinator = -1;
		if (!producer_retry_wait(p, &retry, e))
			return err_wrap(e, "transactional ID '%s'", p->opts.txn_id);
	}
	p->is_idempotent = true;
	producer_reset_parts(p);
	look_at_level(p);
	return 0;
}

int
producer_begin_txn(struct producer *p, struct err *e)
{
	assert(p->opts.txn_id && p->is_idempotent && !p->is_in_txn);
	if (p->is_failed) {
		*e = p->err;
		return -1;
	}
	look_at_level(p);
	p->is_in_txn = true;
	p->is_txn_known = p->is_group_in_txn = false;
	p->txn_since_ms = clock_mono_ms();
	p->txn_nput = p->nput;
	return 0;
}

/* The partitions about to get a first batch, of one request. */
static int
list_new_parts(struct producer *p, struct add_partitions_to_txn_request *q,
	struct producer_part ***parts, struct arena *a)
{
	int n = 0, total = 0;
	for (int i = 0; i < p->ntopic; i++)
		total += p->topic[i]->npart;
	*parts = arena_alloc(a, (size_t)total * sizeof(void *));
	q->v3_and_below_topics.v = arena_alloc(a, (size_t)p->ntopic * sizeof *q->v3_and_below_topics.v);
	for (int i = 0; i < p->ntopic; i++) {
		struct producer_topic *t = p->topic[i];
		int32_t *v = arena_alloc(a, (size_t)t->npart * sizeof *v), nv = 0;
		for (int32_t k = 0; k < t->npart; k++)
			if (!t->part[k]->is_in_txn && t->part[k]->nqueue > 0) {
				v[nv++] = k;
				(*parts)[n++] = t->part[k];
			}
		if (nv == 0)
			continue;
		struct add_partitions_to_txn_request_topic *to
			= &q->v3_and_below_topics.v[q->v3_and_below_topics.n++];
		to->name = str_of(t->meta->name);
		to->partitions.v = v;
		to->partitions.n = nv;
	}
	return n;
}

/* The error of the first partition refused; those not attempted come second. */
static int16_t
code_of(const struct add_partitions_to_txn_response *r)
{
	int16_t code = 0;
	for (int32_t i = 0; i < r->results_by_topic_v3_and_below.n; i++) {
		const struct add_partitions_to_txn_response_topic *t
			= &r->results_by_topic_v3_and_below.v[i];
		for (int32_t k = 0; k < t->results_by_partition.n; k++) {
			int16_t one = t->results_by_partition.v[k].partition_error_code;
			if (one && (!code || code == KERR_OPERATION_NOT_ATTEMPTED))
				code = one;
		}
	}
	return code;
}

static bool
has_new_parts(const struct producer *p)
{
	LIST_EACH(l, &p->ready)
		if (!CONTAINER_OF(l, struct producer_part, ready)->is_in_txn)
			return true;
	return false;
}

void
producer_add_parts(struct producer *p)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct add_partitions_to_txn_request q;
	struct add_partitions_to_txn_response r;
	struct producer_part **parts;
	struct producer_retry retry;
	struct err e;
	if (!has_new_parts(p))
		return;
	wire_defaults(wire_api_find(API_ADD_PARTITIONS_TO_TXN)->request, &q);
	q.v3_and_below_transactional_id = str_of(p->opts.txn_id);
	q.v3_and_below_producer_id = p->id;
	q.v3_and_below_producer_epoch = p->epoch;
	int n = list_new_parts(p, &q, &parts, &a);
	producer_retry_begin(p, &retry);
	p->is_txn_known = p->is_txn_known || n > 0;
	while (n > 0) {
		int16_t code = 0;
		int got = producer_call_coordinator(p, API_ADD_PARTITIONS_TO_TXN,
			ADD_PARTITIONS_UPTO, &q, &r, &a, &e);
		if (got >= 0 && (code = code_of(&r)))
			got = producer_txn_err(p, code, &e);
		if (got >= 0)
			break;
		if (!producer_retry_wait(p, &retry, &e)) {
			producer_fail(p, 0, &e);
			n = 0;
		}
	}
	for (int i = 0; i < n; i++)
		parts[i]->is_in_txn = true;
	arena_release(&a);
}

/* May a request to the coordinator leave us at all? */
static bool
is_reachable(struct producer *p)
{
	struct err ignored;
	return p->coordinator >= 0 && cluster_conn(p->cluster, p->coordinator, &ignored);
}

/* Until the coordinator has decided.  *is_unknown: it may have, unheard. */
static int
end_txn(struct producer *p, bool is_commit, bool *is_unknown, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct end_txn_request q;
	struct end_txn_response r;
	struct producer_retry retry;
	int got, upto = p->is_txn_v2 ? INT16_MAX : END_TXN_UPTO_V1;
	wire_defaults(wire_api_find(API_END_TXN)->request, &q);
	q.transactional_id = str_of(p->opts.txn_id);
	q.producer_id = p->id;
	q.producer_epoch = p->epoch;
	q.committed = is_commit;
	producer_retry_begin(p, &retry);
	do {
		bool may_arrive = is_reachable(p);
		got = producer_call_coordinator(p, API_END_TXN, upto, &q, &r, &a, e);
		if (got < 0)
			*is_unknown = *is_unknown || may_arrive;
		else if (r.error_code)
			got = producer_txn_err(p, r.error_code, e);
		if (got < 0 && e->kafka == KERR_CONCURRENT_TRANSACTIONS)
			*is_unknown = true; /* it may be this one that is being ended */
	} while (got < 0 && producer_retry_wait(p, &retry, e));
	if (got >= 0)
		*is_unknown = false;
	if (got > END_TXN_UPTO_V1 && r.producer_id >= 0) {
		p->id = r.producer_id;
		p->epoch = r.producer_epoch;
		producer_reset_parts(p);
	}
	arena_release(&a);
	return got < 0 ? -1 : 0;
}

static void
leave_txn(struct producer *p)
{
	p->is_in_txn = p->is_txn_known = p->is_group_in_txn = false;
	for (int i = 0; i < p->ntopic; i++)
		for (int32_t k = 0; k < p->topic[i]->npart; k++)
			p->topic[i]->part[k]->is_in_txn = false;
}

int
producer_commit(struct producer *p, bool *is_unknown, struct err *e)
{
	assert(p->is_in_txn);
	if (producer_flush(p, e) < 0)
		return -1;
	if (p->is_txn_known && end_txn(p, true, is_unknown, e) < 0)
		return -1;
	p->ncommitted += producer_txn_records(p);
	leave_txn(p);
	return 0;
}

int
producer_abort(struct producer *p, struct err *e)
{
	bool ignored = false;
	if (!p->is_in_txn)
		return 0;
	cluster_wait(p->cluster, -1, 0, 0); /* what woke us before may be read by now */
	while (p->nrequest > 0 && !p->cluster->is_woken)
		cluster_wait(p->cluster, -1, 0, -1);
	if (p->nrequest > 0)
		return err_set(e, ERR_RETRY, "interrupted");
	producer_drop_all(p);
	if (p->is_fenced)
		return err_set(e, ERR_PEER, "the transaction belongs to another producer by now");
	if (p->is_txn_known) {
		if (end_txn(p, false, &ignored, e) < 0)
			return -1;
		/* The sequences have a gap now: on with a new epoch. */
		if (!p->is_txn_v2 && producer_init_txns(p, e) < 0)
			return -1;
	}
	leave_txn(p);
	p->is_failed = false;
	p->failed_number = 0;
	return 0;
}
