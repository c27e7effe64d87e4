/* OffsetForLeaderEpoch: where an epoch ended (KIP-101, KIP-320). */
#include "kq-broker/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "proto.h"
#include "wire/kerr.h"

static int16_t
answer(struct request *rq, struct str topic,
	const struct offset_for_leader_epoch_request_offset_for_leader_partition *q,
	struct offset_for_leader_epoch_response_epoch_end_offset *a)
{
	int32_t epoch = rq->broker->leader_epoch;
	struct partition *p = topics_partition(&rq->broker->topics, topic, NULL, q->partition, NULL);
	if (!p)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	int16_t error = KERR_NONE;
	pthread_mutex_lock(&p->lock);
	if (p->is_deleted)
		error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	else if (q->current_leader_epoch >= 0 && q->current_leader_epoch != epoch)
		error = q->current_leader_epoch < epoch ? KERR_FENCED_LEADER_EPOCH
			: KERR_UNKNOWN_LEADER_EPOCH;
	else
		partlog_epoch_end(&p->log, q->leader_epoch, &a->leader_epoch, &a->end_offset);
	if (!error && q->leader_epoch == epoch && a->end_offset < 0) {
		/* Nothing was written in it yet: it ends where it will begin. */
		a->leader_epoch = epoch;
		a->end_offset = p->log.next_offset;
	}
	pthread_mutex_unlock(&p->lock);
	partition_put(p);
	return error;
}

void
api_offset_for_leader_epoch(struct request *rq)
{
	struct offset_for_leader_epoch_request *q = rq->body;
	struct offset_for_leader_epoch_response a;
	wire_defaults(&offset_for_leader_epoch_response_desc, &a);
	a.topics.n = q->topics.n;
	a.topics.v = REQUEST_ARRAY(rq,
		struct offset_for_leader_epoch_response_offset_for_leader_topic_result, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct offset_for_leader_epoch_request_offset_for_leader_topic *t = &q->topics.v[i];
		int32_t n = t->partitions.n;
		a.topics.v[i].topic = t->topic;
		a.topics.v[i].partitions.n = n;
		a.topics.v[i].partitions.v = REQUEST_ARRAY(rq,
			struct offset_for_leader_epoch_response_epoch_end_offset, n);
		for (int32_t k = 0; k < n; k++) {
			struct offset_for_leader_epoch_response_epoch_end_offset *pa =
				&a.topics.v[i].partitions.v[k];
			wire_defaults(&offset_for_leader_epoch_response_epoch_end_offset_desc, pa);
			pa->partition = t->partitions.v[k].partition;
			pa->error_code = answer(rq, t->topic, &t->partitions.v[k], pa);
		}
	}
	request_respond(rq, &a);
}
