/*
 * WriteTxnMarkers: the end of transactions, as somebody else says: an
 * administrator who gives up a hanging one (KIP-664).
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/markers.h"

#include "proto.h"
#include "wire/kerr.h"

/* Of one request.  Each part takes memory, and a turn of the coordinator
 * thread, of more than the four bytes that ask for it. */
enum { PARTS_MAX = 10000 };

struct markers_state {
	struct request *rq;
	struct write_txn_markers_response response;
	int nleft;
	int npart;
};

struct one_marker {
	struct markers_state *state;
	struct write_txn_markers_response_marker *answer;
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

/* A marker by a coordinator that is newer than ours would lock ours out. */
static bool
is_sound(const struct markers_state *s, const struct write_txn_markers_request_marker *q)
{
	for (int32_t i = 0; i < q->topics.n; i++)
		if (q->topics.v[i].name.n > TOPIC_NAME_MAX)
			return false;
	return q->producer_id >= 0 && q->producer_epoch >= 0
		&& q->coordinator_epoch <= coordinator_epoch(s->rq->broker->coordinator)
		&& s->npart <= PARTS_MAX;
}

static void
begin_one(struct markers_state *s, const struct write_txn_markers_request_marker *q,
	struct write_txn_markers_response_marker *a)
{
	struct request *rq = s->rq;
	int32_t n = 0;
	a->producer_id = q->producer_id;
	a->topics.n = q->topics.n;
	a->topics.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_topic, a->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partition_indexes.n;
	s->npart += n;
	bool is_good = is_sound(s, q);
	struct coord_partition *v = REQUEST_ARRAY(rq, struct coord_partition, is_good ? n : 0);
	n = 0;
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct write_txn_markers_response_topic *t = &a->topics.v[i];
		t->name = q->topics.v[i].name;
		t->partitions.n = q->topics.v[i].partition_indexes.n;
		t->partitions.v = REQUEST_ARRAY(rq,
			struct write_txn_markers_response_partition,
			t->partitions.n);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			t->partitions.v[k].partition_index = q->topics.v[i].partition_indexes.v[k];
			t->partitions.v[k].error_code = KERR_INVALID_REQUEST;
			if (is_good)
				v[n++] = (struct coord_partition){ t->name, q->topics.v[i].partition_indexes.v[k] };
		}
	}
	if (!is_good)
		return;
	struct one_marker *m = REQUEST_ARRAY(rq, struct one_marker, 1);
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	*m = (struct one_marker){ s, a };
	s->nleft++;
	markers_write(coordinator_markers(rq->broker->coordinator), &producer, q->coordinator_epoch,
		q->transaction_result, false, v, n, on_written)->ctx = m;
}

void
api_write_txn_markers(struct request *rq)
{
	struct write_txn_markers_request *q = rq->body;
	struct markers_state *s = REQUEST_ARRAY(rq, struct markers_state, 1);
	s->rq = rq;
	s->nleft = 1;
	wire_defaults(&write_txn_markers_response_desc, &s->response);
	s->response.markers.n = q->markers.n;
	s->response.markers.v = REQUEST_ARRAY(rq,
		struct write_txn_markers_response_marker, q->markers.n);
	for (int32_t i = 0; i < q->markers.n; i++)
		begin_one(s, &q->markers.v[i], &s->response.markers.v[i]);
	end_one(s);
}
