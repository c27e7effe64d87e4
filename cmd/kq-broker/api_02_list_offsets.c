/* ListOffsets: offsets by timestamp, and the special ones. */
#include "api.h"

#include "broker.h"
#include "partition.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

enum {
	TIME_LATEST = -1,
	TIME_EARLIEST = -2,
	TIME_MAX = -3,            /* KIP-734 */
	TIME_EARLIEST_LOCAL = -4, /* KIP-405 */
	TIME_LATEST_TIERED = -5,  /* KIP-1005 */
	TIME_PENDING_UPLOAD = -6, /* KIP-1023: the first that is still to be tiered */
};

static int16_t
answer_time(struct partition *p, int64_t timestamp, int64_t limit,
	struct list_offsets_response_list_offsets_partition_response *a)
{
	struct err e;
	int32_t epoch = -1;
	int r = timestamp == TIME_MAX
		? partlog_find_max_time(&p->log, &a->offset, &a->timestamp, &epoch, &e)
		: partlog_find_time(&p->log, timestamp, limit, &a->offset,
			&a->timestamp, &epoch, &e);
	if (r < 0) {
		log_bounded(LOG_ERROR, "looking up a time in %s-%d failed: %s", p->topic, p->index, e.msg);
		return KERR_KAFKA_STORAGE_ERROR;
	}
	if (r > 0 && a->offset >= limit)
		r = 0;
	if (r == 0)
		a->offset = a->timestamp = -1;
	a->leader_epoch = r ? epoch : -1;
	return KERR_NONE;
}

/* Under the partition's lock. */
static int16_t
answer(struct partition *p, const struct list_offsets_request_list_offsets_partition *q,
	bool is_committed, int16_t version,
	struct list_offsets_response_list_offsets_partition_response *a)
{
	int32_t epoch = p->broker->leader_epoch;
	int64_t limit = p->high_watermark;
	if (p->is_deleted)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (q->current_leader_epoch >= 0 && q->current_leader_epoch != epoch)
		return q->current_leader_epoch < epoch ? KERR_FENCED_LEADER_EPOCH
			: KERR_UNKNOWN_LEADER_EPOCH;
	if (p->log.is_failed && !p->log.is_recovered)
		return KERR_KAFKA_STORAGE_ERROR;
	if (is_committed && (limit = partition_read_limit(p, true)) < 0)
		return KERR_KAFKA_STORAGE_ERROR;
	switch (q->timestamp) {
	case TIME_LATEST:
		a->offset = limit;
		a->leader_epoch = epoch;
		return KERR_NONE;
	case TIME_EARLIEST:
	case TIME_EARLIEST_LOCAL:
		if (q->timestamp == TIME_EARLIEST_LOCAL && version < 8)
			return KERR_UNSUPPORTED_VERSION;
		a->offset = p->log.log_start_offset;
		a->leader_epoch = partlog_epoch_at(&p->log, a->offset);
		if (a->leader_epoch < 0) /* nothing was ever written: what will be has this one */
			a->leader_epoch = epoch;
		return KERR_NONE;
	case TIME_LATEST_TIERED: /* nothing is tiered */
		return version < 9 ? KERR_UNSUPPORTED_VERSION : KERR_NONE;
	case TIME_PENDING_UPLOAD: /* and nothing will be */
		return version < 11 ? KERR_UNSUPPORTED_VERSION : KERR_NONE;
	case TIME_MAX:
		if (version < 7)
			return KERR_UNSUPPORTED_VERSION;
		break;
	default:
		if (q->timestamp < 0)
			return KERR_UNSUPPORTED_VERSION;
	}
	return answer_time(p, q->timestamp, limit, a);
}

void
api_list_offsets(struct request *rq)
{
	struct list_offsets_request *q = rq->body;
	struct list_offsets_response a;
	wire_defaults(&list_offsets_response_desc, &a);
	a.topics.n = q->topics.n;
	a.topics.v = REQUEST_ARRAY(rq, struct list_offsets_response_list_offsets_topic_response,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct list_offsets_request_list_offsets_topic *t = &q->topics.v[i];
		int32_t n = t->partitions.n;
		a.topics.v[i].name = t->name;
		a.topics.v[i].partitions.n = n;
		a.topics.v[i].partitions.v = REQUEST_ARRAY(rq,
			struct list_offsets_response_list_offsets_partition_response, n);
		for (int32_t k = 0; k < n; k++) {
			struct list_offsets_response_list_offsets_partition_response *pa =
				&a.topics.v[i].partitions.v[k];
			wire_defaults(&list_offsets_response_list_offsets_partition_response_desc, pa);
			pa->partition_index = t->partitions.v[k].partition_index;
			struct partition *p = topics_partition(&rq->broker->topics, t->name, NULL,
				pa->partition_index, NULL);
			pa->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
			if (!p)
				continue;
			pthread_mutex_lock(&p->lock);
			pa->error_code = answer(p, &t->partitions.v[k], q->isolation_level == 1,
				rq->header.api_version, pa);
			pthread_mutex_unlock(&p->lock);
			partition_put(p);
		}
	}
	request_respond(rq, &a);
}
