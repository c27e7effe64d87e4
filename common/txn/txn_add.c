/* Partitions become part of a transaction: the client names them
 * (AddPartitionsToTxn, AddOffsetsToTxn), or the broker finds them when records
 * arrive (txns_check_write). */
#include "txn/txn.h"

#include "coord/internal.h"

/* A producer's transaction, and partitions of it. */
struct addition {
	struct str id;
	struct coord_producer producer;
	const struct coord_partition *v;
	int n;
};

/* Whether the transaction is this producer's, and not ending. */
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

/* Writes the transaction with these partitions; the first ones begin it. */
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
add(struct txns *txns, const struct addition *addition, int16_t version, struct coord_now now)
{
	if (addition->id.n <= 0)
		return KERR_INVALID_REQUEST;
	struct txn *txn = txn_find(txns, addition->id);
	int16_t error = check_producer(txn, &addition->producer);
	if (error)
		return error;
	int nnew = 0;
	for (int i = 0; i < addition->n; i++)
		nnew += !txn_parts_has(&txn->parts, &addition->v[i]);
	if (nnew == 0)
		return KERR_NONE;
	if (nnew > TXN_PARTITION_MAX - txn->parts.total)
		return KERR_TRANSACTION_ABORTABLE;
	struct txn_parts parts;
	txn_parts_copy(&parts, &txn->parts);
	for (int i = 0; i < addition->n; i++)
		txn_parts_add(&parts, &addition->v[i]);
	error = txns->parts_size - txn->parts.size + parts.size > TXN_PARTS_SIZE_MAX
		? KERR_COORDINATOR_NOT_AVAILABLE : write_added(txns, txn, &parts, version, now);
	txn_parts_release(&parts);
	return error;
}

int16_t
txns_check_write(struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, const struct coord_partition *v, int n, bool may_add,
	struct coord_now now, int32_t *partition, bool *must_wait)
{
	struct addition addition = { transactional_id, *producer, v, n };
	*must_wait = false;
	*partition = -1;
	if (transactional_id.n <= 0)
		return KERR_INVALID_REQUEST;
	struct txn *txn = txn_find(txns, transactional_id);
	int16_t error = may_add ? add(txns, &addition, TXN_V2, now) : check_producer(txn, producer);
	for (int i = 0; !may_add && !error && i < n; i++)
		if (!txn_parts_has(&txn->parts, &v[i]))
			error = KERR_TRANSACTION_ABORTABLE;
	if (!error) {
		*partition = txn->partition;
		*must_wait = txn->add_ticket != 0;
	}
	arena_reset(&txns->scratch);
	txn_arm_timers(txns, now);
	/* Producers expect this error from a write. */
	return error == KERR_PRODUCER_FENCED ? KERR_INVALID_PRODUCER_EPOCH : error;
}

/* ---- AddPartitionsToTxn ---- */

/* Whether the partition exists and may be added.  Clients do not write to internal
 * topics; coordinators do it for them. */
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

/* Results for the partitions of a request.  Names are copied, as the response may
 * be sent later. */
static struct add_partitions_to_txn_response_topic *
make_results(struct arena *a, const struct add_partitions_to_txn_request_topic *q, int32_t n)
{
	struct add_partitions_to_txn_response_topic *out
		= arena_alloc(a, (size_t)MAX(n, 0) * sizeof *out);
	for (int32_t i = 0; i < n; i++) {
		int32_t nindex = MAX(q[i].partitions.n, 0);
		out[i].name = arena_str(a, q[i].name);
		out[i].results_by_partition.v = arena_alloc(a, (size_t)nindex
			* sizeof *out[i].results_by_partition.v);
		out[i].results_by_partition.n = nindex;
		for (int32_t k = 0; k < nindex; k++)
			out[i].results_by_partition.v[k].partition_index = q[i].partitions.v[k];
	}
	return out;
}

/* Sets the error of all partitions that have none. */
static void
set_errors(struct add_partitions_to_txn_response_topic *out, int32_t n, int16_t error)
{
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < out[i].results_by_partition.n; k++)
			if (out[i].results_by_partition.v[k].partition_error_code == KERR_NONE)
				out[i].results_by_partition.v[k].partition_error_code = error;
}

/* Checks each partition and puts it into *addition; true if all are good. */
static bool
check_partitions(struct txns *txns, struct add_partitions_to_txn_response_topic *out, int32_t n,
	bool is_client, struct addition *addition)
{
	bool are_good = true;
	int total = 0;
	for (int32_t i = 0; i < n; i++)
		total += out[i].results_by_partition.n;
	struct coord_partition *v = arena_alloc(&txns->scratch, (size_t)total * sizeof *v);
	addition->v = v;
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < out[i].results_by_partition.n; k++) {
			struct add_partitions_to_txn_response_partition *to = &out[i].results_by_partition.v[k];
			to->partition_error_code = partition_error(txns, out[i].name, to->partition_index,
				is_client);
			are_good = are_good && to->partition_error_code == KERR_NONE;
			v[addition->n++] = (struct coord_partition){ out[i].name, to->partition_index };
		}
	return are_good;
}

/* Sets the error of partitions that are not in the transaction. */
static void
verify(struct txns *txns, const struct addition *addition,
	struct add_partitions_to_txn_response_topic *out, int32_t n)
{
	if (addition->id.n <= 0) {
		set_errors(out, n, KERR_INVALID_REQUEST);
		return;
	}
	const struct txn *txn = txn_find(txns, addition->id);
	int16_t error = check_producer(txn, &addition->producer);
	if (error) {
		set_errors(out, n, error);
		return;
	}
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < out[i].results_by_partition.n; k++) {
			struct add_partitions_to_txn_response_partition *to = &out[i].results_by_partition.v[k];
			struct coord_partition part = { out[i].name, to->partition_index };
			if (!txn_parts_has(&txn->parts, &part))
				to->partition_error_code = KERR_TRANSACTION_ABORTABLE;
		}
}

/* One transaction of a request. */
static struct add_partitions_to_txn_response_topic *
add_one(struct txns *txns, const struct add_partitions_to_txn_request_transaction *q,
	const struct coord_call *call, struct coord_now now)
{
	int16_t version = call->api_version;
	struct addition addition = { q->transactional_id, { q->producer_id, q->producer_epoch }, NULL,
		0 };
	int32_t n = q->topics.n;
	struct add_partitions_to_txn_response_topic *out
		= make_results(call->arena, q->topics.v, n);
	if (!check_partitions(txns, out, n, version < 4, &addition)) {
		set_errors(out, n, KERR_OPERATION_NOT_ATTEMPTED);
	} else if (q->verify_only) {
		verify(txns, &addition, out, n);
	} else {
		int16_t error = add(txns, &addition, version < 4 ? 0 : TXN_V2, now);
		if (error == KERR_TRANSACTION_ABORTABLE && version < 5)
			error = KERR_INVALID_TXN_STATE;
		set_errors(out, n, txn_error_for(error, version, 2));
	}
	return out;
}

static void
respond_single(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct add_partitions_to_txn_request *q = call->body;
	struct add_partitions_to_txn_request_transaction one = { 0 };
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

/* The response waits until several partitions of __transaction_state are on disk. */
static void
wait_for_all(struct txns *txns, struct coord_call *call,
	const struct add_partitions_to_txn_response *r, const bool *is_touched)
{
	struct txn_batch *batch = NEW(struct txn_batch);
	batch->call = call;
	batch->response = *r;
	list_init(&batch->link);
	list_append(&txns->batches, &batch->link);
	for (int32_t i = 0; i < txns->config.npartition; i++)
		if (is_touched[i])
			txns->env->when_committed(txns->env, i, txn_ticket(txns, TXN_WAIT_BATCH, NULL, batch));
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
	r.results_by_transaction.v = arena_alloc(call->arena, (size_t)n
		* sizeof *r.results_by_transaction.v);
	r.results_by_transaction.n = n;
	struct str id = STR_NULL;
	for (int32_t i = 0; i < n; i++) {
		const struct add_partitions_to_txn_request_transaction *one = &q->transactions.v[i];
		struct add_partitions_to_txn_response_transaction *to
			= &r.results_by_transaction.v[i];
		id = one->transactional_id;
		to->transactional_id = arena_str(call->arena, id);
		to->topic_results.v = add_one(txns, one, call, now);
		to->topic_results.n = MAX(one->topics.n, 0);
		int32_t partition = coord_partition_of(id, txns->config.npartition);
		ntouched += !is_touched[partition];
		is_touched[partition] = true;
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
		struct addition addition = { q->transactional_id, { q->producer_id, q->producer_epoch },
			&part, 1 };
		error = add(txns, &addition, 0, now);
	}
	if (error == KERR_TRANSACTION_ABORTABLE && call->api_version < 4)
		error = KERR_INVALID_TXN_STATE;
	r.error_code = txn_error_for(error, call->api_version, 2);
	txn_respond(txns, call, q->transactional_id, &r);
}
