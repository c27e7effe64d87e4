/* Partitions become part of a transaction, told by the client
 * (AddPartitionsToTxn, AddOffsetsToTxn) or found by the broker when records
 * arrive (txns_check_write). */
#include "txn/txn.h"

#include "coord/internal.h"

typedef struct add_partitions_to_txn_request_topic request_topic;
typedef struct add_partitions_to_txn_request_transaction request_txn;
typedef struct add_partitions_to_txn_response_topic topic_result;
typedef struct add_partitions_to_txn_response_partition index_result;
typedef struct add_partitions_to_txn_response_transaction txn_result;

/* Somebody's transaction, and partitions for it. */
struct asked {
	struct str id;
	struct coord_producer producer;
	const struct coord_partition *v;
	int n;
};

/* The transaction is this producer's, and not ending. */
static int16_t
check_producer(const struct txn *txn, const struct coord_producer *producer)
{
	if (txn && producer->epoch == 0 && txn_is_next(txn, producer->id))
		return KERR_CONCURRENT_TRANSACTIONS;
	if (!txn || txn->meta.producer_id != producer->id)
		return KERR_INVALID_PRODUCER_ID_MAPPING;
	if (txn->meta.epoch != producer->epoch)
		return KERR_PRODUCER_FENCED;
	return txn_is_preparing(txn) ? KERR_CONCURRENT_TRANSACTIONS : KERR_NONE;
}

/* Write x with these partitions too; the first begins a transaction. */
static int16_t
write_added(struct txns *txns, struct txn *txn, struct txn_parts *parts, int16_t version,
	struct coord_now now)
{
	bool begins = txn->meta.status != TXN_ONGOING;
	struct txn_meta meta = txn->meta;
	meta.previous_producer_id = meta.producer_id;
	meta.version = version;
	meta.status = TXN_ONGOING;
	meta.update_ms = now.wall_ms;
	if (begins)
		meta.start_ms = now.wall_ms;
	int16_t error = txn_write(txns, txn, &meta, parts, now);
	if (error)
		return error;
	if (begins) {
		txn->start_mono_ms = now.mono_ms;
		txn_link(txns, txn, &txns->ongoing);
	}
	txn->add_ticket = txn_ticket(txns, TXN_WAIT_ADDED, txn, NULL);
	txns->env->when_committed(txns->env, txn->partition, txn->add_ticket);
	return KERR_NONE;
}

static int16_t
add(struct txns *txns, const struct asked *a, int16_t version, struct coord_now now)
{
	if (a->id.n <= 0)
		return KERR_INVALID_REQUEST;
	struct txn *txn = txn_find(txns, a->id);
	int16_t error = check_producer(txn, &a->producer);
	if (error)
		return error;
	int nnew = 0;
	for (int i = 0; i < a->n; i++)
		nnew += !txn_parts_has(&txn->parts, &a->v[i]);
	if (nnew == 0)
		return KERR_NONE;
	if (nnew > TXN_PARTITION_MAX - txn->parts.total)
		return KERR_TRANSACTION_ABORTABLE;
	struct txn_parts parts;
	txn_parts_copy(&parts, &txn->parts);
	for (int i = 0; i < a->n; i++)
		txn_parts_add(&parts, &a->v[i]);
	error = txns->parts_size - txn->parts.size + parts.size > TXN_PARTS_SIZE_MAX
		? KERR_COORDINATOR_NOT_AVAILABLE : write_added(txns, txn, &parts, version, now);
	txn_parts_release(&parts);
	return error;
}

int16_t
txns_check_write(struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, const struct coord_partition *v, int n,
	bool may_add, struct coord_now now, int32_t *partition, bool *must_wait)
{
	struct asked a = { transactional_id, *producer, v, n };
	*must_wait = false;
	*partition = -1;
	if (transactional_id.n <= 0)
		return KERR_INVALID_REQUEST;
	struct txn *txn = txn_find(txns, transactional_id);
	int16_t error = may_add ? add(txns, &a, TXN_V2, now) : check_producer(txn, producer);
	for (int i = 0; !may_add && !error && i < n; i++)
		if (!txn_parts_has(&txn->parts, &v[i]))
			error = KERR_TRANSACTION_ABORTABLE;
	if (!error) {
		*partition = txn->partition;
		*must_wait = txn->add_ticket != 0;
	}
	arena_reset(&txns->scratch);
	txn_see_time(txns, now);
	/* Producers expect this one of a write. */
	return error == KERR_PRODUCER_FENCED ? KERR_INVALID_PRODUCER_EPOCH : error;
}

/* ---- AddPartitionsToTxn ---- */

/* What is wrong with the partition itself.  A client has no business in
 * internal topics; what it writes there, it writes by way of coordinators. */
static int16_t
partition_error(struct txns *txns, struct str topic, int32_t index, bool is_client)
{
	struct coord_topic found;
	if (is_client && topic_is_internal(topic))
		return KERR_TOPIC_AUTHORIZATION_FAILED;
	if (!txns->env->topic(txns->env, topic, NULL, &found, NULL) || index < 0
		|| index >= found.npartition)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return KERR_NONE;
}

/* An answer for each partition asked for.  Their names are copied, as it may
 * wait. */
static topic_result *
make_results(struct arena *a, const request_topic *q, int32_t n)
{
	topic_result *r = arena_alloc(a, (size_t)MAX(n, 0) * sizeof *r);
	for (int32_t i = 0; i < n; i++) {
		int32_t m = MAX(q[i].partitions.n, 0);
		r[i].name = arena_str(a, q[i].name);
		r[i].results_by_partition.v = arena_alloc(a, (size_t)m * sizeof(index_result));
		r[i].results_by_partition.n = m;
		for (int32_t k = 0; k < m; k++)
			r[i].results_by_partition.v[k].partition_index = q[i].partitions.v[k];
	}
	return r;
}

/* Give error to all that have none of their own. */
static void
set_errors(topic_result *r, int32_t n, int16_t error)
{
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < r[i].results_by_partition.n; k++)
			if (r[i].results_by_partition.v[k].partition_error_code == KERR_NONE)
				r[i].results_by_partition.v[k].partition_error_code = error;
}

/* Check each partition; true when all are good.  *a gets them. */
static bool
check_partitions(struct txns *txns, topic_result *r, int32_t n, bool is_client, struct asked *a)
{
	bool good = true;
	int total = 0;
	for (int32_t i = 0; i < n; i++)
		total += r[i].results_by_partition.n;
	struct coord_partition *v = arena_alloc(&txns->scratch, (size_t)total * sizeof *v);
	a->v = v;
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < r[i].results_by_partition.n; k++) {
			index_result *x = &r[i].results_by_partition.v[k];
			x->partition_error_code = partition_error(txns, r[i].name, x->partition_index,
				is_client);
			good = good && x->partition_error_code == KERR_NONE;
			v[a->n++] = (struct coord_partition){ r[i].name, x->partition_index };
		}
	return good;
}

/* Are they part of the transaction? */
static void
verify(struct txns *txns, const struct asked *a, topic_result *r, int32_t n)
{
	if (a->id.n <= 0) {
		set_errors(r, n, KERR_INVALID_REQUEST);
		return;
	}
	const struct txn *txn = txn_find(txns, a->id);
	int16_t error = check_producer(txn, &a->producer);
	if (error) {
		set_errors(r, n, error);
		return;
	}
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < r[i].results_by_partition.n; k++) {
			index_result *p = &r[i].results_by_partition.v[k];
			struct coord_partition part = { r[i].name, p->partition_index };
			if (!txn_parts_has(&txn->parts, &part))
				p->partition_error_code = KERR_TRANSACTION_ABORTABLE;
		}
}

/* One transaction of a request. */
static topic_result *
add_one(struct txns *txns, const request_txn *q, const struct coord_call *call,
	struct coord_now now)
{
	int16_t version = call->api_version;
	struct asked a = { q->transactional_id, { q->producer_id, q->producer_epoch }, NULL, 0 };
	int32_t n = q->topics.n;
	topic_result *r = make_results(call->arena, q->topics.v, n);
	if (!check_partitions(txns, r, n, version < 4, &a)) {
		set_errors(r, n, KERR_OPERATION_NOT_ATTEMPTED);
	} else if (q->verify_only) {
		verify(txns, &a, r, n);
	} else {
		int16_t error = add(txns, &a, version < 4 ? 0 : TXN_V2, now);
		if (error == KERR_TRANSACTION_ABORTABLE && version < 5)
			error = KERR_INVALID_TXN_STATE;
		set_errors(r, n, txn_error_for(error, version, 2));
	}
	return r;
}

static void
respond_single(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct add_partitions_to_txn_request *q = call->body;
	request_txn one = { 0 };
	one.transactional_id = q->v3_and_below_transactional_id;
	one.producer_id = q->v3_and_below_producer_id;
	one.producer_epoch = q->v3_and_below_producer_epoch;
	one.topics.v = q->v3_and_below_topics.v;
	one.topics.n = q->v3_and_below_topics.n;
	struct add_partitions_to_txn_response r;
	wire_defaults(&add_partitions_to_txn_response_desc, &r);
	r.results_by_topic_v3_and_below.v = add_one(txns, &one, call, now);
	r.results_by_topic_v3_and_below.n = MAX(one.topics.n, 0);
	txn_respond(txns, call, one.transactional_id, &r);
}

void
txn_batch_respond(struct txns *txns, struct txn_batch *batch)
{
	list_unlink(&batch->link);
	txns->env->respond(txns->env, batch->call, &batch->response);
	mem_free(batch);
}

/* Several partitions of our topic have to be on disk first. */
static void
wait_for_all(struct txns *txns, struct coord_call *call,
	const struct add_partitions_to_txn_response *r, const bool *is_touched)
{
	struct txn_batch *batch = NEW(struct txn_batch);
	batch->call = call;
	batch->response = *r;
	list_init(&batch->link);
	list_append(&txns->batches, &batch->link);
	for (int32_t p = 0; p < txns->config.npartition; p++)
		if (is_touched[p])
			txns->env->when_committed(txns->env, p, txn_ticket(txns, TXN_WAIT_BATCH, NULL, batch));
}

void
txn_handle_add_partitions(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct add_partitions_to_txn_request *q = call->body;
	if (call->api_version < 4) {
		respond_single(txns, call, now);
		return;
	}
	struct add_partitions_to_txn_response r;
	wire_defaults(&add_partitions_to_txn_response_desc, &r);
	int32_t n = MAX(q->transactions.n, 0), ntouched = 0;
	bool *is_touched = arena_alloc(&txns->scratch,
		(size_t)txns->config.npartition * sizeof *is_touched);
	r.results_by_transaction.v = arena_alloc(call->arena, (size_t)n * sizeof(txn_result));
	r.results_by_transaction.n = n;
	struct str id = STR_NULL;
	for (int32_t i = 0; i < n; i++) {
		const request_txn *one = &q->transactions.v[i];
		txn_result *x = &r.results_by_transaction.v[i];
		id = one->transactional_id;
		x->transactional_id = arena_str(call->arena, id);
		x->topic_results.v = add_one(txns, one, call, now);
		x->topic_results.n = MAX(one->topics.n, 0);
		int32_t p = coord_partition_of(id, txns->config.npartition);
		ntouched += !is_touched[p];
		is_touched[p] = true;
	}
	if (ntouched > 1)
		wait_for_all(txns, call, &r, is_touched);
	else
		txn_respond(txns, call, id, &r);
}

/* ---- AddOffsetsToTxn ---- */

void
txn_handle_add_offsets(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct add_offsets_to_txn_request *q = call->body;
	struct add_offsets_to_txn_response r;
	wire_defaults(&add_offsets_to_txn_response_desc, &r);
	struct coord_topic offsets;
	struct str name = STR(INTERNAL_OFFSETS);
	int16_t error = KERR_COORDINATOR_NOT_AVAILABLE;
	if (txns->env->topic(txns->env, name, NULL, &offsets, NULL) && offsets.npartition > 0) {
		struct coord_partition part = { name, coord_partition_of(q->group_id, offsets.npartition) };
		struct asked a = { q->transactional_id, { q->producer_id, q->producer_epoch }, &part, 1 };
		error = add(txns, &a, 0, now);
	}
	if (error == KERR_TRANSACTION_ABORTABLE && call->api_version < 4)
		error = KERR_INVALID_TXN_STATE;
	r.error_code = txn_error_for(error, call->api_version, 2);
	txn_respond(txns, call, q->transactional_id, &r);
}
