/*
 * DeleteRecords: raise the log start offset; -1 means to the high watermark.
 *
 * By version: the same in all.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

static int16_t
trim(struct request *rq, struct str topic, int32_t index, int64_t offset, int64_t *low)
{
	if (topic_is_internal(topic)) /* it stores groups or transactions */
		return KERR_INVALID_TOPIC_EXCEPTION;
	struct partition *part = topics_partition(&rq->broker->topics, topic, NULL, index, NULL);
	if (!part)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	int16_t error = partition_trim(part, offset, low);
	partition_put(part);
	return error;
}

void
api_delete_records(struct request *rq)
{
	struct delete_records_request *q = rq->body;
	struct delete_records_response r;
	struct err e;
	wire_defaults(&delete_records_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = REQUEST_ARRAY(rq, struct delete_records_response_topic,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		int32_t n = q->topics.v[i].partitions.n;
		r.topics.v[i].name = q->topics.v[i].name;
		r.topics.v[i].partitions.n = n;
		r.topics.v[i].partitions.v = REQUEST_ARRAY(rq,
			struct delete_records_response_partition, n);
		for (int32_t k = 0; k < n; k++) {
			struct delete_records_response_partition *answer =
				&r.topics.v[i].partitions.v[k];
			answer->partition_index = q->topics.v[i].partitions.v[k].partition_index;
			answer->low_watermark = -1;
			answer->error_code = trim(rq, q->topics.v[i].name, answer->partition_index,
				q->topics.v[i].partitions.v[k].offset, &answer->low_watermark);
		}
	}
	/* So that deleted records stay deleted after a crash. */
	if (checkpoints_write(&rq->broker->checkpoints, &e) < 0)
		log_bounded(LOG_ERROR, "cannot write the checkpoints: %s", e.msg);
	request_respond(rq, &r);
}
