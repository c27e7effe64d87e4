/* OffsetForLeaderEpoch: where an epoch ended (KIP-101, KIP-320). */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "proto.h"
#include "wire/kerr.h"

static int16_t
answer(struct request *rq, struct str topic,
	const struct offset_for_leader_epoch_request_partition *asked,
	struct offset_for_leader_epoch_response_partition *result)
{
	int32_t epoch = rq->broker->leader_epoch;
	struct partition *part = topics_partition(&rq->broker->topics, topic, NULL, asked->partition, NULL);
	if (!part)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	int16_t error = KERR_NONE;
	pthread_mutex_lock(&part->lock);
	if (part->is_deleted)
		error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	else if (asked->current_leader_epoch >= 0 && asked->current_leader_epoch != epoch)
		error = asked->current_leader_epoch < epoch ? KERR_FENCED_LEADER_EPOCH
			: KERR_UNKNOWN_LEADER_EPOCH;
	else
		partlog_epoch_end(&part->log, asked->leader_epoch, &result->leader_epoch, &result->end_offset);
	if (!error && asked->leader_epoch == epoch && result->end_offset < 0) {
		/* Nothing was written in it yet: it ends where it will begin. */
		result->leader_epoch = epoch;
		result->end_offset = part->log.next_offset;
	}
	pthread_mutex_unlock(&part->lock);
	partition_put(part);
	return error;
}

void
api_offset_for_leader_epoch(struct request *rq)
{
	struct offset_for_leader_epoch_request *q = rq->body;
	struct offset_for_leader_epoch_response r;
	wire_defaults(&offset_for_leader_epoch_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = REQUEST_ARRAY(rq,
		struct offset_for_leader_epoch_response_topic, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct offset_for_leader_epoch_request_topic *t = &q->topics.v[i];
		int32_t n = t->partitions.n;
		r.topics.v[i].topic = t->topic;
		r.topics.v[i].partitions.n = n;
		r.topics.v[i].partitions.v = REQUEST_ARRAY(rq,
			struct offset_for_leader_epoch_response_partition, n);
		for (int32_t k = 0; k < n; k++) {
			struct offset_for_leader_epoch_response_partition *pa =
				&r.topics.v[i].partitions.v[k];
			wire_defaults(&offset_for_leader_epoch_response_partition_desc, pa);
			pa->partition = t->partitions.v[k].partition;
			pa->error_code = answer(rq, t->topic, &t->partitions.v[k], pa);
		}
	}
	request_respond(rq, &r);
}
