/*
 * WriteTxnMarkers: ends transactions in partitions, for an administrator who
 * gives up a hanging one (KIP-664).
 *
 * By version: 2 transaction_version, which is not used.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/markers.h"

#include "proto.h"
#include "wire/kerr.h"

/* Partitions of one request: each costs far more memory and time of the
 * coordinator thread than its four bytes in the request. */
enum { PARTITIONS_MAX = 10000 };

struct markers_state {
	struct request *rq;
	struct write_txn_markers_response response;
	int nleft;            /* markers that are not written yet */
	int npart;            /* partitions in all markers */
};

struct one_marker {
	struct markers_state *state;
	struct write_txn_markers_response_marker *answer;
};

static void
end_one(struct markers_state *state)
{
	if (--state->nleft == 0)
		request_respond(state->rq, &state->response);
}

static void
on_written(struct marker_job *job)
{
	struct one_marker *marker = job->ctx;
	int k = 0;
	for (int32_t i = 0; i < marker->answer->topics.n; i++)
		for (int32_t j = 0; j < marker->answer->topics.v[i].partitions.n; j++)
			marker->answer->topics.v[i].partitions.v[j].error_code = job->part[k++].error;
	end_one(marker->state);
}

/* Markers with a newer epoch than our coordinator's would fence it. */
static bool
is_allowed(const struct markers_state *state, const struct write_txn_markers_request_marker *asked)
{
	for (int32_t i = 0; i < asked->topics.n; i++)
		if (asked->topics.v[i].name.n > TOPIC_NAME_MAX)
			return false;
	return asked->producer_id >= 0 && asked->producer_epoch >= 0
		&& asked->coordinator_epoch <= coordinator_epoch(state->rq->broker->coordinator)
		&& state->npart <= PARTITIONS_MAX;
}

static void
begin_one(struct markers_state *state, const struct write_txn_markers_request_marker *asked,
	struct write_txn_markers_response_marker *answer)
{
	struct request *rq = state->rq;
	int32_t n = 0;
	answer->producer_id = asked->producer_id;
	answer->topics.n = asked->topics.n;
	answer->topics.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_topic, answer->topics.n);
	for (int32_t i = 0; i < asked->topics.n; i++)
		n += asked->topics.v[i].partition_indexes.n;
	state->npart += n;
	bool is_good = is_allowed(state, asked);
	struct coord_partition *v = REQUEST_ARRAY(rq, struct coord_partition, is_good ? n : 0);
	n = 0;
	for (int32_t i = 0; i < asked->topics.n; i++) {
		struct write_txn_markers_response_topic *t = &answer->topics.v[i];
		t->name = asked->topics.v[i].name;
		t->partitions.n = asked->topics.v[i].partition_indexes.n;
		t->partitions.v = REQUEST_ARRAY(rq, struct write_txn_markers_response_partition,
			t->partitions.n);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			t->partitions.v[k].partition_index = asked->topics.v[i].partition_indexes.v[k];
			t->partitions.v[k].error_code = KERR_INVALID_REQUEST;
			if (is_good)
				v[n++] = (struct coord_partition){ t->name,
					t->partitions.v[k].partition_index };
		}
	}
	if (!is_good)
		return;
	struct one_marker *marker = REQUEST_ARRAY(rq, struct one_marker, 1);
	struct coord_producer producer = { asked->producer_id, asked->producer_epoch };
	*marker = (struct one_marker){ state, answer };
	state->nleft++;
	markers_write(coordinator_markers(rq->broker->coordinator), &producer, asked->coordinator_epoch,
		asked->transaction_result, false, v, n, on_written)->ctx = marker;
}

void
api_write_txn_markers(struct request *rq)
{
	struct write_txn_markers_request *q = rq->body;
	struct markers_state *state = REQUEST_ARRAY(rq, struct markers_state, 1);
	state->rq = rq;
	state->nleft = 1;
	wire_defaults(&write_txn_markers_response_desc, &state->response);
	state->response.markers.n = q->markers.n;
	state->response.markers.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_marker, q->markers.n);
	for (int32_t i = 0; i < q->markers.n; i++)
		begin_one(state, &q->markers.v[i], &state->response.markers.v[i]);
	end_one(state);
}
