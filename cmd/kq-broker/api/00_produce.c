/*
 * Produce: append record batches.  With acks=all the answer waits until all of
 * the request's records are committed; but a transaction's wait for its end
 * (coordinator.h).  The first batch of a transaction in a partition is verified
 * (verify.h).
 *
 * By version: 4 may answer KAFKA_STORAGE_ERROR.  5 log_start_offset.  7 zstd.
 * 8 record_errors, error_message.  10 current_leader, node_endpoints: not set.
 * 11 TRANSACTION_ABORTABLE.  12 a write adds its partition to the transaction.
 * 13 topics by id, UNKNOWN_TOPIC_ID.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/intake.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"
#include "kq-broker/verify.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

enum {
	FAULTS_MAX = 10000,  /* refused records that one answer lists */
	TOPIC_ID_VERSION = 13,
};

/* One partition's records, while the answer waits for something about them. */
struct produce_part {
	struct produce_state *state;
	struct produce_response_partition *answer;
	struct ack_wait ack; /* holds a reference to its partition */
	bool is_queued;      /* the ack is */
	struct verify_batch verify; /* of a transaction */
};

struct produce_state {
	struct request *rq;
	struct produce_response response;
	struct produce_part *part; /* NULL: the answer waits for nothing */
	int npart;
	int nleft;           /* parts that the answer still waits for */
	struct loop_timer timer;
	int16_t acks;
	bool is_alone;       /* there is one partition */
	bool has_txn;        /* a transactional id */
	int32_t nfault;      /* refused records listed so far */
	int64_t plain_size;  /* bytes of its compressed batches, decompressed */
	struct verify verify; /* with a transactional id */
};

/* With acks=0 there is no answer: an error closes the connection. */
static void
end_unacknowledged(struct request *rq, const struct produce_response *r)
{
	for (int32_t i = 0; i < r->responses.n; i++)
		for (int32_t k = 0; k < r->responses.v[i].partition_responses.n; k++)
			if (r->responses.v[i].partition_responses.v[k].error_code) {
				log_bounded(LOG_WARN, "closing a connection: a produce with acks=0 failed: %s",
					kerr_info(r->responses.v[i].partition_responses.v[k].error_code)->name);
				request_close(rq);
				return;
			}
	request_drop(rq);
}

static void
finish(struct produce_state *state)
{
	struct request *rq = state->rq;
	loop_timer_clear(rq->loop, &state->timer);
	for (int i = 0; i < state->npart; i++)
		partition_put(state->part[i].ack.partition);
	if (state->acks == 0)
		end_unacknowledged(rq, &state->response);
	else
		request_respond(rq, &state->response);
}

static void
set_error(struct produce_response_partition *answer, int16_t error)
{
	answer->error_code = error;
	if (error) {
		answer->base_offset = -1;
		answer->log_append_time_ms = -1;
		answer->log_start_offset = -1;
	}
}

/* Does an answer with the error have the log's start offset, as in Kafka? */
static bool
has_log_start(int16_t error)
{
	switch (error) {
	case KERR_CORRUPT_MESSAGE:
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
	case KERR_KAFKA_STORAGE_ERROR:
		return false;
	default:
		return true;
	}
}

static void
set_result(struct produce_response_partition *answer, struct partition *partition,
	const struct append_result *result)
{
	set_error(answer, result->error);
	if (result->error) {
		answer->error_message = str_of(result->message);
		if (has_log_start(result->error))
			answer->log_start_offset = partition_log_start(partition);
	} else {
		answer->base_offset = result->base_offset;
		answer->log_append_time_ms = result->log_append_ms;
		answer->log_start_offset = result->log_start_offset;
	}
}

/* One partition's records are committed, or failed. */
static void
on_ack(struct loop_task *task)
{
	struct produce_part *part = CONTAINER_OF(task, struct produce_part, ack.task);
	struct produce_state *state = part->state;
	part->is_queued = false;
	set_error(part->answer, part->ack.error);
	if (--state->nleft == 0)
		finish(state);
}

static void
on_timeout(struct loop_timer *timer)
{
	struct produce_state *state = CONTAINER_OF(timer, struct produce_state, timer);
	for (int i = 0; i < state->npart; i++) {
		struct produce_part *part = &state->part[i];
		/* An ack that is no longer queued has been posted: on_ack follows. */
		if (!part->is_queued || !partition_cancel_ack(&part->ack))
			continue;
		part->is_queued = false;
		set_error(part->answer, KERR_REQUEST_TIMED_OUT);
		state->nleft--;
	}
	if (state->nleft == 0)
		finish(state);
}

/* ---- parked batches ---- */

static void
on_decided(struct verify_batch *batch, const struct append_result *result)
{
	struct produce_part *part = CONTAINER_OF(batch, struct produce_part, verify);
	set_result(part->answer, batch->partition, result);
	part->is_queued = result->must_wait;
	part->state->nleft -= !result->must_wait;
}

static void
on_all_decided(struct verify *verify)
{
	struct produce_state *state = CONTAINER_OF(verify, struct produce_state, verify);
	if (state->nleft == 0)
		finish(state);
}

/* ---- the request ---- */

static bool
is_transactional(struct str records)
{
	return records.n >= BATCH_HEADER_SIZE
		&& (batch_attributes(records.p) & BATCH_TRANSACTIONAL);
}

/* NULL: *error says why it may not be written to. */
static struct partition *
find(struct request *rq, const struct produce_request_topic *t, int32_t index,
	int16_t *error)
{
	const struct produce_request *q = rq->body;
	bool by_id = rq->header.api_version >= TOPIC_ID_VERSION, is_topic;
	*error = q->acks < -1 || q->acks > 1 ? KERR_INVALID_REQUIRED_ACKS : KERR_NONE;
	if (*error)
		return NULL;
	struct partition *partition = topics_partition(&rq->broker->topics, by_id ? STR_NULL : t->name,
		&t->topic_id, index, &is_topic);
	if (topic_is_internal(partition ? str_of(partition->topic) : t->name))
		*error = KERR_INVALID_TOPIC_EXCEPTION;
	else if (!partition)
		*error = by_id && !is_topic ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (*error && partition) {
		partition_put(partition);
		partition = NULL;
	}
	return partition;
}

/* Check a client's records.  False: they are refused, and the answer says why. */
static bool
take_in(struct produce_state *state, struct partition *partition, struct str records,
	struct produce_response_partition *answer)
{
	struct request *rq = state->rq;
	struct topic_config *config = partition_config(partition);
	struct intake intake = { .config = config, .now_ms = rq->loop->wall_ms,
		.arena = &rq->arena, .nfault_max = MAX(FAULTS_MAX - state->nfault, 1),
		.plain_size = state->plain_size };
	/* The bytes lie in the receive buffer: they may be changed. */
	bool is_good = intake_check(&intake, (uint8_t *)(uintptr_t)records.p, records.n);
	topic_config_put(config);
	state->plain_size = intake.plain_size;
	if (is_good)
		return true;
	struct append_result result = { .error = intake.error, .message = intake.message };
	set_result(answer, partition, &result);
	state->nfault += intake.nfault;
	answer->record_errors.n = intake.nfault;
	answer->record_errors.v = REQUEST_ARRAY(rq,
		struct produce_response_record_error, intake.nfault);
	for (int32_t i = 0; i < intake.nfault; i++) {
		answer->record_errors.v[i].batch_index = intake.fault[i].index;
		answer->record_errors.v[i].batch_index_error_message = intake.fault[i].message;
	}
	return false;
}

static struct produce_part *
new_part(struct produce_state *state, struct partition *partition,
	struct produce_response_partition *answer)
{
	if (!state->part)
		return NULL;
	struct produce_part *part = &state->part[state->npart];
	*part = (struct produce_part){ .state = state, .answer = answer };
	part->ack.partition = partition;
	part->ack.loop = state->rq->loop;
	part->ack.task.fn = on_ack;
	part->verify.partition = partition;
	part->verify.ack = state->acks == -1 ? &part->ack : NULL;
	return part;
}

/* Append one partition's records, which were checked, and fill in its answer.
 * True: the answer waits, and the part keeps the partition. */
static bool
append_one(struct produce_state *state, struct partition *partition, struct str records,
	struct produce_part *part, struct produce_response_partition *answer)
{
	struct request *rq = state->rq;
	struct append_result result = { .ticket = 0 };
	if (is_transactional(records)) {
		if (!verify_append(&state->verify, &part->verify, records, state->is_alone, &result))
			return true;
	} else {
		struct append_from from = { .syncer = rq->reactor->syncer,
			.wall_ms = rq->loop->wall_ms };
		partition_append(partition, &from, (uint8_t *)(uintptr_t)records.p,
			state->acks == -1 ? &part->ack : NULL, &result);
	}
	set_result(answer, partition, &result);
	if (part)
		part->is_queued = result.must_wait;
	return result.must_wait;
}

static void
produce_one(struct request *rq, const struct produce_request_topic *t,
	struct produce_request_partition *data,
	struct produce_response_partition *answer)
{
	struct produce_state *state = rq->state;
	const struct produce_request *q = rq->body;
	int16_t error;
	struct partition *partition = find(rq, t, data->index, &error);
	answer->index = data->index;
	if (partition && is_transactional(data->records) && q->transactional_id.n < 0)
		error = KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	set_error(answer, error);
	if (error || !take_in(state, partition, data->records, answer)
		|| !append_one(state, partition, data->records, new_part(state, partition, answer),
			answer)) {
		partition_put(partition);
		return;
	}
	state->npart++;
	state->nleft++;
}

static int
count_partitions(const struct produce_request *q)
{
	int n = 0;
	for (int32_t i = 0; i < q->topic_data.n; i++)
		n += q->topic_data.v[i].partition_data.n;
	return n;
}

static void
produce_all(struct request *rq)
{
	struct produce_request *q = rq->body;
	struct produce_state *state = rq->state;
	struct produce_response *r = &state->response;
	r->responses.n = q->topic_data.n;
	r->responses.v = REQUEST_ARRAY(rq, struct produce_response_topic,
		r->responses.n);
	for (int32_t i = 0; i < q->topic_data.n; i++) {
		struct produce_request_topic *t = &q->topic_data.v[i];
		struct produce_response_topic *answer = &r->responses.v[i];
		wire_defaults(&produce_response_topic_desc, answer);
		answer->name = t->name;
		answer->topic_id = t->topic_id;
		answer->partition_responses.n = t->partition_data.n;
		answer->partition_responses.v = REQUEST_ARRAY(rq,
			struct produce_response_partition, t->partition_data.n);
		for (int32_t k = 0; k < t->partition_data.n; k++) {
			wire_defaults(&produce_response_partition_desc,
				&answer->partition_responses.v[k]);
			produce_one(rq, t, &t->partition_data.v[k], &answer->partition_responses.v[k]);
		}
	}
}

/* The answer waits: for acks, or for parked batches. */
static void
begin_waiting(struct produce_state *state, int32_t timeout_ms)
{
	struct request *rq = state->rq;
	struct produce_response *r = &state->response;
	for (int32_t i = 0; i < r->responses.n; i++) /* the receive buffer will be reused */
		r->responses.v[i].name = arena_str(&rq->arena, r->responses.v[i].name);
	loop_timer_set(rq->loop, &state->timer, rq->loop->now_ms + MAX(timeout_ms, 0));
	if (state->has_txn)
		verify_start(&state->verify);
}

void
api_produce(struct request *rq)
{
	struct produce_request *q = rq->body;
	struct produce_state *state = REQUEST_ARRAY(rq, struct produce_state, 1);
	rq->state = state;
	state->rq = rq;
	state->acks = q->acks;
	state->timer.fn = on_timeout;
	int n = count_partitions(q);
	state->is_alone = n == 1;
	state->has_txn = q->transactional_id.n >= 0;
	if (q->acks == -1 || state->has_txn)
		state->part = REQUEST_ARRAY(rq, struct produce_part, n);
	if (state->has_txn) {
		verify_init(&state->verify, rq, q->transactional_id);
		state->verify.decided = on_decided;
		state->verify.finished = on_all_decided;
	}
	/* One more, so that an early ack does not finish the request. */
	state->nleft = 1;
	produce_all(rq);
	state->nleft--;
	if (state->nleft == 0)
		finish(state);
	else
		begin_waiting(state, q->timeout_ms);
}
