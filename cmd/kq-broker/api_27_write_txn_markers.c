/*
 * WriteTxnMarkers: the end of transactions, as somebody else says: an
 * administrator who gives up a hanging one (KIP-664).
 */
#include "api.h"

#include "broker.h"
#include "markers.h"

#include "proto.h"
#include "wire/kerr.h"

struct markers_state {
	struct request *rq;
	struct write_txn_markers_response response;
	int nleft;
};

struct one_marker {
	struct markers_state *state;
	struct write_txn_markers_response_writable_txn_marker_result *answer;
};

static void
end_one(struct markers_state *s)
{
	if (--s->nleft == 0)
		request_respond(s->rq, &s->response);
}

static void
on_written(struct marker_job *job)
{
	struct one_marker *m = job->ctx;
	int k = 0;
	for (int32_t i = 0; i < m->answer->topics.n; i++)
		for (int32_t j = 0; j < m->answer->topics.v[i].partitions.n; j++)
			m->answer->topics.v[i].partitions.v[j].error_code = job->part[k++].error;
	end_one(m->state);
}

static void
begin_one(struct markers_state *s, const struct write_txn_markers_request_writable_txn_marker *q,
	struct write_txn_markers_response_writable_txn_marker_result *a)
{
	struct request *rq = s->rq;
	int32_t n = 0;
	a->producer_id = q->producer_id;
	a->topics.n = q->topics.n;
	a->topics.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_writable_txn_marker_topic_result, a->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partition_indexes.n;
	struct coord_partition *v = REQUEST_ARRAY(rq, struct coord_partition, n);
	n = 0;
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct write_txn_markers_response_writable_txn_marker_topic_result *t = &a->topics.v[i];
		t->name = q->topics.v[i].name;
		t->partitions.n = q->topics.v[i].partition_indexes.n;
		t->partitions.v = REQUEST_ARRAY(rq,
			struct write_txn_markers_response_writable_txn_marker_partition_result,
			t->partitions.n);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			t->partitions.v[k].partition_index = q->topics.v[i].partition_indexes.v[k];
			v[n++] = (struct coord_partition){ t->name, q->topics.v[i].partition_indexes.v[k] };
		}
	}
	struct one_marker *m = REQUEST_ARRAY(rq, struct one_marker, 1);
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	*m = (struct one_marker){ s, a };
	s->nleft++;
	markers_write(&rq->broker->coordinator, &producer, q->coordinator_epoch,
		q->transaction_result, false, v, n, on_written)->ctx = m;
}

void
api_write_txn_markers(struct request *rq)
{
	if (rq->place != ON_COORDINATOR) {
		request_to(rq, ON_COORDINATOR);
		return;
	}
	struct write_txn_markers_request *q = rq->body;
	struct markers_state *s = REQUEST_ARRAY(rq, struct markers_state, 1);
	s->rq = rq;
	s->nleft = 1;
	wire_defaults(&write_txn_markers_response_desc, &s->response);
	s->response.markers.n = q->markers.n;
	s->response.markers.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_writable_txn_marker_result, q->markers.n);
	for (int32_t i = 0; i < q->markers.n; i++)
		begin_one(s, &q->markers.v[i], &s->response.markers.v[i]);
	end_one(s);
}
