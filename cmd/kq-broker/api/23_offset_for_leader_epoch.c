/*
 * OffsetForLeaderEpoch: the end offset of a leader epoch (KIP-101, KIP-320).
 *
 * By version: 3 replica_id: not used.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "proto.h"
#include "wire/kerr.h"

/* Under the lock. */
static int16_t
find_end(struct partition *part, const struct offset_for_leader_epoch_request_partition *asked,
	struct offset_for_leader_epoch_response_partition *answer)
{
	int16_t error = partition_check_leader(part, asked->current_leader_epoch);
	if (error)
		return error;
	partlog_epoch_end(&part->log, asked->leader_epoch, &answer->leader_epoch,
		&answer->end_offset);
	if (asked->leader_epoch == part->leader_epoch && answer->end_offset < 0) {
		/* Nothing was appended in it yet: it ends where it will begin. */
		answer->leader_epoch = asked->leader_epoch;
		answer->end_offset = part->log.next_offset;
	}
	return KERR_NONE;
}

static int16_t
answer_one(struct request *rq, struct str topic,
	const struct offset_for_leader_epoch_request_partition *asked,
	struct offset_for_leader_epoch_response_partition *answer)
{
	struct partition *part = topics_partition(&rq->broker->topics, topic, NULL,
		asked->partition, NULL);
	if (!part)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	pthread_mutex_lock(&part->lock);
	int16_t error = find_end(part, asked, answer);
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
			struct offset_for_leader_epoch_response_partition *answer =
				&r.topics.v[i].partitions.v[k];
			wire_defaults(&offset_for_leader_epoch_response_partition_desc, answer);
			answer->partition = t->partitions.v[k].partition;
			answer->error_code = answer_one(rq, t->topic, &t->partitions.v[k], answer);
		}
	}
	request_respond(rq, &r);
}
