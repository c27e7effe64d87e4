/* Transactions: finding the coordinator, adding partitions, committing, aborting. */
#include "client/producer_int.h"

#include "sys/clock.h"

#include "proto.h"

enum {
	KEY_TYPE_TRANSACTION = 1,
	ARENA_MAX = 16 << 20,
};

bool
producer_is_timed_out(const struct producer *producer)
{
	return producer->is_fenced && producer->is_in_txn
		&& clock_mono_ms() - producer->txn_since_ms >= producer->opts.txn_timeout_ms;
}

int
producer_txn_err(struct producer *producer, int16_t code, struct err *e)
{
	switch (code) {
	case KERR_PRODUCER_FENCED:
	case KERR_INVALID_PRODUCER_EPOCH:
		producer->is_fenced = true;
		if (producer_is_timed_out(producer))
			err_set(e, ERR_PEER, "the transaction was open for longer than its timeout "
				"of %d ms, and the broker has aborted it", producer->opts.txn_timeout_ms);
		else
			err_set(e, ERR_PEER, "another producer with the transactional ID '%s' "
				"has taken over", producer->opts.txn_id);
		break;
	case KERR_INVALID_PRODUCER_ID_MAPPING:
		producer->is_fenced = true;
		err_set(e, ERR_PEER, "the broker no longer knows the transactional ID '%s'",
			producer->opts.txn_id);
		break;
	case KERR_INVALID_TRANSACTION_TIMEOUT:
		err_set(e, ERR_PEER, "the transaction timeout of %d ms is longer than the broker "
			"allows (transaction.max.timeout.ms)", producer->opts.txn_timeout_ms);
		break;
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		producer->coordinator = -1;
		/* fall through */
	default:
		cluster_peer_err(e, code, STR_NULL);
	}
	e->kafka = code;
	return -1;
}

int
producer_find_coordinator(struct producer *producer, int8_t type, const char *name,
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
	int rc = cluster_call(producer->cluster, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &r, &a, e);
	int16_t code = rc < 0 ? 0 : r.error_code;
	struct str msg = rc < 0 ? STR_NULL : r.error_message;
	*node = rc < 0 ? -1 : r.node_id;
	if (rc >= 4 && r.coordinators.n != 1) {
		rc = err_set(e, ERR_CORRUPT, "the broker names %d coordinators", r.coordinators.n);
	} else if (rc >= 4) {
		code = r.coordinators.v[0].error_code;
		*node = r.coordinators.v[0].node_id;
		msg = r.coordinators.v[0].error_message;
	}
	if (rc >= 0 && code)
		rc = cluster_peer_err(e, code, msg);
	arena_release(&a);
	if (rc >= 0 && !cluster_node(producer->cluster, *node))
		rc = cluster_refresh(producer->cluster, e);
	if (rc < 0)
		*node = -1;
	return rc < 0 ? -1 : 0;
}

int
producer_call_coordinator(struct producer *producer, int16_t key, int upto,
	const void *request, void *response, struct arena *a, struct err *e)
{
	if (producer->coordinator < 0 && producer_find_coordinator(producer, KEY_TYPE_TRANSACTION,
		producer->opts.txn_id, &producer->coordinator, e) < 0)
		return -1;
	int rc = cluster_call_upto(producer->cluster, producer->coordinator, key, upto,
		producer->opts.request_timeout_ms, request, response, a, e);
	if (rc < 0 && e->class == ERR_RETRY)
		producer->coordinator = -1; /* it may have moved */
	return rc;
}

/* Does the coordinator support transaction.version 2 (KIP-890)? */
static void
read_txn_level(struct producer *producer)
{
	struct err ignored;
	struct conn *c = producer->coordinator < 0 ? NULL
		: cluster_conn(producer->cluster, producer->coordinator, &ignored);
	if (c)
		producer->is_txn_v2 = c->txn_level >= 2
			&& conn_version(c, wire_api_find(API_END_TXN), INT16_MAX, &ignored) > END_TXN_UPTO_V1;
}

int
producer_init_txns(struct producer *producer, struct err *e)
{
	struct producer_retry retry;
	producer_retry_begin(producer, &retry);
	for (;;) {
		int rc = 0;
		if (producer->coordinator < 0)
			rc = producer_find_coordinator(producer, KEY_TYPE_TRANSACTION, producer->opts.txn_id,
				&producer->coordinator, e);
		if (rc == 0)
			rc = producer_ask_id(producer, producer->coordinator, &producer->id,
				&producer->epoch, e);
		if (rc == 0)
			break;
		if (e->kafka)
			producer_txn_err(producer, e->kafka, e);
		else if (e->class == ERR_RETRY)
			producer->coordinator = -1;
		if (!producer_retry_wait(producer, &retry, e))
			return err_wrap(e, "transactional ID '%s'", producer->opts.txn_id);
	}
	producer->is_idempotent = true;
	producer_reset_parts(producer);
	read_txn_level(producer);
	return 0;
}

int
producer_begin_txn(struct producer *producer, struct err *e)
{
	assert(producer->opts.txn_id && producer->is_idempotent && !producer->is_in_txn);
	if (producer->is_failed) {
		*e = producer->err;
		return -1;
	}
	read_txn_level(producer);
	producer->is_in_txn = true;
	producer->is_txn_known = producer->is_group_in_txn = false;
	producer->txn_since_ms = clock_mono_ms();
	producer->txn_nput = producer->nput;
	return 0;
}

/* List the partitions that are about to get their first batch, in the request and in *parts. */
static int
list_new_parts(struct producer *producer, struct add_partitions_to_txn_request *q,
	struct producer_part ***parts, struct arena *a)
{
	int n = 0, total = 0;
	for (int i = 0; i < producer->ntopic; i++)
		total += producer->topic[i]->npart;
	*parts = arena_alloc(a, (size_t)total * sizeof(void *));
	q->v3_and_below_topics.v = arena_alloc(a,
		(size_t)producer->ntopic * sizeof *q->v3_and_below_topics.v);
	for (int i = 0; i < producer->ntopic; i++) {
		struct producer_topic *t = producer->topic[i];
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

/* The error of a refused partition, preferably not OPERATION_NOT_ATTEMPTED. */
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
has_new_parts(const struct producer *producer)
{
	LIST_EACH(it, &producer->ready)
		if (!CONTAINER_OF(it, struct producer_part, ready)->is_in_txn)
			return true;
	return false;
}

void
producer_add_parts(struct producer *producer)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct add_partitions_to_txn_request q;
	struct add_partitions_to_txn_response r;
	struct producer_part **parts;
	struct producer_retry retry;
	struct err e;
	if (!has_new_parts(producer))
		return;
	wire_defaults(wire_api_find(API_ADD_PARTITIONS_TO_TXN)->request, &q);
	q.v3_and_below_transactional_id = str_of(producer->opts.txn_id);
	q.v3_and_below_producer_id = producer->id;
	q.v3_and_below_producer_epoch = producer->epoch;
	int n = list_new_parts(producer, &q, &parts, &a);
	producer_retry_begin(producer, &retry);
	producer->is_txn_known = producer->is_txn_known || n > 0;
	while (n > 0) {
		int16_t code = 0;
		int rc = producer_call_coordinator(producer, API_ADD_PARTITIONS_TO_TXN,
			ADD_PARTITIONS_UPTO, &q, &r, &a, &e);
		if (rc >= 0 && (code = code_of(&r)))
			rc = producer_txn_err(producer, code, &e);
		if (rc >= 0)
			break;
		if (!producer_retry_wait(producer, &retry, &e)) {
			producer_fail(producer, 0, &e);
			n = 0;
		}
	}
	for (int i = 0; i < n; i++)
		parts[i]->is_in_txn = true;
	arena_release(&a);
}

/* Is there a connection over which a request may reach the coordinator? */
static bool
is_reachable(struct producer *producer)
{
	struct err ignored;
	return producer->coordinator >= 0
		&& cluster_conn(producer->cluster, producer->coordinator, &ignored);
}

/* Retry EndTxn until the coordinator has decided.  *is_unknown is set if it may have
 * decided and the response was lost. */
static int
end_txn(struct producer *producer, bool is_commit, bool *is_unknown, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct end_txn_request q;
	struct end_txn_response r;
	struct producer_retry retry;
	int rc, upto = producer->is_txn_v2 ? INT16_MAX : END_TXN_UPTO_V1;
	wire_defaults(wire_api_find(API_END_TXN)->request, &q);
	q.transactional_id = str_of(producer->opts.txn_id);
	q.producer_id = producer->id;
	q.producer_epoch = producer->epoch;
	q.committed = is_commit;
	producer_retry_begin(producer, &retry);
	do {
		bool may_arrive = is_reachable(producer);
		rc = producer_call_coordinator(producer, API_END_TXN, upto, &q, &r, &a, e);
		if (rc < 0)
			*is_unknown = *is_unknown || may_arrive;
		else if (r.error_code)
			rc = producer_txn_err(producer, r.error_code, e);
		if (rc < 0 && e->kafka == KERR_CONCURRENT_TRANSACTIONS)
			*is_unknown = true; /* perhaps this transaction is being ended */
	} while (rc < 0 && producer_retry_wait(producer, &retry, e));
	if (rc >= 0)
		*is_unknown = false;
	if (rc > END_TXN_UPTO_V1 && r.producer_id >= 0) {
		producer->id = r.producer_id;
		producer->epoch = r.producer_epoch;
		producer_reset_parts(producer);
	}
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

static void
leave_txn(struct producer *producer)
{
	producer->is_in_txn = producer->is_txn_known = producer->is_group_in_txn = false;
	for (int i = 0; i < producer->ntopic; i++)
		for (int32_t k = 0; k < producer->topic[i]->npart; k++)
			producer->topic[i]->part[k]->is_in_txn = false;
}

int
producer_commit(struct producer *producer, bool *is_unknown, struct err *e)
{
	assert(producer->is_in_txn);
	if (producer_flush(producer, e) < 0)
		return -1;
	if (producer->is_txn_known && end_txn(producer, true, is_unknown, e) < 0)
		return -1;
	producer->ncommitted += producer_txn_records(producer);
	leave_txn(producer);
	return 0;
}

int
producer_abort(struct producer *producer, struct err *e)
{
	bool ignored = false;
	if (!producer->is_in_txn)
		return 0;
	cluster_wait(producer->cluster, -1, 0, 0); /* refreshes is_woken */
	while (producer->nrequest > 0 && !producer->cluster->is_woken)
		cluster_await(producer->cluster, -1, 0, -1);
	if (producer->nrequest > 0)
		return err_set(e, ERR_RETRY, "interrupted");
	producer_drop_all(producer);
	if (producer->is_fenced)
		return err_set(e, ERR_PEER, "the transaction belongs to another producer by now");
	if (producer->is_txn_known) {
		if (end_txn(producer, false, &ignored, e) < 0)
			return -1;
		/* Dropped batches left a gap in the sequence numbers: get a new epoch. */
		if (!producer->is_txn_v2 && producer_init_txns(producer, e) < 0)
			return -1;
	}
	leave_txn(producer);
	producer->is_failed = false;
	producer->failed_number = 0;
	return 0;
}
