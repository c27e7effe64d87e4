#include "kq-broker/coordinator_int.h"

#include "proto.h"
#include "wire/kerr.h"

/* ---- responses ---- */

/* Send the response, unless a partition must be waited for. */
static void
send_or_hold(struct coordinator *coord, struct coord_request *req)
{
	assert(req->last < coord->topic[req->kind].npartition);
	while (req->next <= req->last) {
		req->ack.partition = coord->topic[req->kind].partition[req->next++];
		if (!req->ack.partition)
			continue; /* nothing was ever appended */
		if (partition_wait_committed(req->ack.partition, coord->syncer, &req->ack)) {
			list_append(&coord->held, &req->link);
			return;
		}
		if (req->ack.error) {
			request_close(req->rq); /* no response: the outcome is unknown */
			return;
		}
	}
	request_send(req->rq);
}

static void
on_held(struct loop_task *task)
{
	struct coord_request *req = CONTAINER_OF(task, struct coord_request, ack.task);
	list_unlink(&req->link);
	if (req->ack.error)
		request_close(req->rq);
	else
		send_or_hold(req->coordinator, req);
}

void
coordinator_respond(struct coordinator *coord, enum coordinator_kind kind,
	struct coord_call *call, const void *response)
{
	struct coord_request *req = CONTAINER_OF(call, struct coord_request, call);
	request_encode(req->rq, response);
	req->kind = kind;
	req->next = call->partition == COORD_ALL_PARTITIONS ? 0 : call->partition;
	req->last = call->partition == COORD_ALL_PARTITIONS ? coord->topic[kind].npartition - 1
		: call->partition;
	req->ack.loop = &coord->loop;
	req->ack.task.fn = on_held;
	if (call->partition == -1) /* nothing was appended */
		request_send(req->rq);
	else
		send_or_hold(coord, req);
}

/* ---- requests ---- */

/* Pass the request to its state machine, which responds now or later. */
static void
hand_in(struct coordinator *coord, struct coord_request *req)
{
	int16_t key = req->call.api_key;
	if (groups_handles(key))
		groups_handle(coord->groups, &req->call, coordinator_now(coord));
	else
		txns_handle(coord->txns, &req->call, coordinator_now(coord));
	coordinator_end_call(coord);
}

/* ---- EndTxn ---- */

/* An EndTxn that waits until what its transaction wrote is on disk. */
struct end_wait {
	struct list link;
	struct coord_request *request;
	int npart, nleft;
	bool has_failed;
	struct end_part {
		struct ack_wait ack; /* holds a reference to its partition */
		struct end_wait *wait;
	} *part;
};

static void
on_written(struct loop_task *task)
{
	struct end_part *part = CONTAINER_OF(task, struct end_part, ack.task);
	struct end_wait *wait = part->wait;
	struct coord_request *req = wait->request;
	/* Another error means that the topic was deleted: nothing to wait for. */
	wait->has_failed |= part->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(part->ack.partition);
	part->ack.partition = NULL;
	if (--wait->nleft > 0)
		return;
	list_unlink(&wait->link);
	if (wait->has_failed)
		request_close(req->rq);
	else
		hand_in(req->coordinator, req);
}

static void
wait_for_part(struct coordinator *coord, struct end_wait *wait, struct end_part *part,
	const struct coord_partition *at)
{
	part->ack = (struct ack_wait){ .loop = &coord->loop, .task.fn = on_written };
	part->ack.partition = topics_partition(coord->deps.topics, at->topic, NULL, at->index,
		NULL);
	part->wait = wait;
	if (!part->ack.partition)
		return;
	if (partition_wait_committed(part->ack.partition, coord->syncer, &part->ack)) {
		wait->nleft++;
		return;
	}
	wait->has_failed |= part->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(part->ack.partition);
	part->ack.partition = NULL;
}

/* Before a commit, everything written in the transaction must be on disk.  False:
 * the request waits, or was closed. */
static bool
check_written(struct coordinator *coord, struct coord_request *req)
{
	const struct end_txn_request *q = req->call.body;
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct coord_partition *v;
	int n = !q->committed ? 0
		: txns_touched(coord->txns, q->transactional_id, &producer, req->call.arena, &v);
	if (n == 0)
		return true;
	struct end_wait *wait = REQUEST_ARRAY(req->rq, struct end_wait, 1);
	wait->part = REQUEST_ARRAY(req->rq, struct end_part, n);
	wait->npart = n;
	wait->request = req;
	list_init(&wait->link);
	for (int i = 0; i < n; i++)
		wait_for_part(coord, wait, &wait->part[i], &v[i]);
	if (wait->nleft > 0)
		list_append(&coord->ends, &wait->link);
	else if (wait->has_failed)
		request_close(req->rq);
	return wait->nleft == 0 && !wait->has_failed;
}

/* ---- TxnOffsetCommit ---- */

static void handle(struct coordinator *coord, struct coord_request *req);

/* A missing topic is reported before an error of the transaction.  0: the topic
 * exists, with *npartition partitions. */
static int16_t
topic_fault(const struct coord_request *req,
	const struct txn_offset_commit_request_topic *t,
	int32_t *npartition)
{
	bool by_id = req->call.api_version >= 6;
	struct topics *topics = req->coordinator->deps.topics;
	topics_read_begin(topics);
	const struct topic *topic = by_id ? topics_find_id(topics, &t->topic_id)
		: topics_find(topics, t->name);
	*npartition = topic ? topic->npartition : 0;
	topics_read_end(topics);
	return topic ? KERR_NONE : by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void
refuse_offsets(struct coordinator *coord, struct coord_request *req, int16_t error)
{
	const struct txn_offset_commit_request *q = req->call.body;
	struct txn_offset_commit_response r;
	wire_defaults(&txn_offset_commit_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = arena_alloc(req->call.arena, (size_t)q->topics.n * sizeof *r.topics.v);
	for (int32_t i = 0; i < r.topics.n; i++) {
		struct txn_offset_commit_response_topic *t = &r.topics.v[i];
		t->name = q->topics.v[i].name;
		t->topic_id = q->topics.v[i].topic_id;
		int32_t npartition;
		int16_t topic_error = topic_fault(req, &q->topics.v[i], &npartition);
		t->partitions.n = q->topics.v[i].partitions.n;
		t->partitions.v = arena_alloc(req->call.arena,
			(size_t)t->partitions.n * sizeof *t->partitions.v);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			int32_t index = q->topics.v[i].partitions.v[k].partition_index;
			t->partitions.v[k].partition_index = index;
			t->partitions.v[k].error_code = topic_error ? topic_error
				: index < 0 || index >= npartition ? KERR_UNKNOWN_TOPIC_OR_PARTITION
				: error;
		}
	}
	coordinator_respond(coord, COORD_GROUPS, &req->call, &r);
}

static void
on_offsets_added(struct loop_task *task)
{
	struct coord_request *req = CONTAINER_OF(task, struct coord_request, ack.task);
	struct coordinator *coord = req->coordinator;
	list_unlink(&req->link);
	if (req->ack.error)
		request_close(req->rq);
	else
		handle(coord, req); /* checks again: the transaction may have ended */
}

/* Offsets of a transaction are written as one of its partitions: check that, as
 * for any write.  False: the request was answered, or waits. */
static bool
check_offsets(struct coordinator *coord, struct coord_request *req)
{
	const struct txn_offset_commit_request *q = req->call.body;
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct coord_partition part = { str_of(coord->topic[COORD_GROUPS].name),
		coord_partition_of(q->group_id, coord->topic[COORD_GROUPS].npartition) };
	int32_t partition = -1;
	bool must_wait = false;
	int16_t error = txns_check_write(coord->txns, q->transactional_id, &producer, &part, 1,
		req->call.api_version >= 5, coordinator_now(coord), &partition, &must_wait);
	coordinator_end_call(coord);
	if (error == KERR_TRANSACTION_ABORTABLE && req->call.api_version < 4)
		error = KERR_INVALID_TXN_STATE;
	if (error) {
		refuse_offsets(coord, req, error);
		return false;
	}
	if (!must_wait)
		return true;
	req->ack.partition = coordinator_partition(coord, COORD_TXNS, partition);
	req->ack.loop = &coord->loop;
	req->ack.task.fn = on_offsets_added;
	if (!req->ack.partition)
		return true;
	if (partition_wait_committed(req->ack.partition, coord->syncer, &req->ack))
		list_append(&coord->held, &req->link);
	else if (req->ack.error) /* no response: the outcome is unknown */
		request_close(req->rq);
	else
		return true;
	return false;
}

/* ---- all requests ---- */

static void
handle(struct coordinator *coord, struct coord_request *req)
{
	if (req->call.api_key == API_TXN_OFFSET_COMMIT && !check_offsets(coord, req))
		return;
	if (req->call.api_key == API_END_TXN && !check_written(coord, req))
		return;
	hand_in(coord, req);
}

void
coordinator_handle(struct coordinator *coord, struct request *rq)
{
	assert(coordinator_is_ready(coord));
	struct coord_request *req = REQUEST_ARRAY(rq, struct coord_request, 1);
	list_init(&req->link);
	req->coordinator = coord;
	req->rq = rq;
	req->call = (struct coord_call){ .api_key = rq->header.api_key,
		.api_version = rq->header.api_version, .body = rq->body,
		.client_id = rq->header.client_id.n < 0 ? STR("") : rq->header.client_id,
		.client_host = str_of(rq->client_host), .partition = -1, .arena = &rq->arena };
	handle(coord, req);
}

/* ---- the end ---- */

static void
drop_end(struct end_wait *wait)
{
	list_unlink(&wait->link);
	for (int i = 0; i < wait->npart; i++)
		if (wait->part[i].ack.partition) {
			partition_cancel_ack(&wait->part[i].ack);
			partition_put(wait->part[i].ack.partition);
		}
	request_close(wait->request->rq);
}

void
coordinator_drop_requests(struct coordinator *coord)
{
	LIST_EACH(it, &coord->ends)
		drop_end(CONTAINER_OF(it, struct end_wait, link));
	LIST_EACH(it, &coord->held) {
		struct coord_request *req = CONTAINER_OF(it, struct coord_request, link);
		list_unlink(&req->link);
		partition_cancel_ack(&req->ack);
		request_close(req->rq);
	}
}
