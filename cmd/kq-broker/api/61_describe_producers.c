/* DescribeProducers: who has written to partitions (KIP-664). */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "log/prodstate.h"
#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <stdlib.h>

static void
add(void *ctx, const struct prodstate_producer *p)
{
	struct describe_producers_response_partition *a = ctx;
	struct describe_producers_response_producer *to =
		&a->active_producers.v[a->active_producers.n++];
	*to = (struct describe_producers_response_producer){
		.producer_id = p->id,
		.producer_epoch = p->epoch,
		.last_sequence = p->nbatch ? p->batch[p->nbatch - 1].last_sequence : -1,
		.last_timestamp = p->timestamp,
		.coordinator_epoch = p->coordinator_epoch,
		.current_txn_start_offset = p->txn_first_offset,
	};
}

static int
by_id(const void *a, const void *b)
{
	const struct describe_producers_response_producer *x = a, *y = b;
	return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

/* Producers in one answer: partitions may be named any number of times. */
enum { TOLD_MAX = 1000000 };

/* Under the partition's lock. */
static int16_t
answer(struct request *rq, struct partition *p, int64_t *told,
	struct describe_producers_response_partition *a)
{
	struct err e;
	if (p->is_deleted)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	struct prodstate *s = p->log.is_failed && !p->log.is_recovered ? NULL
		: partlog_producers(&p->log, &e);
	if (!s)
		return KERR_KAFKA_STORAGE_ERROR;
	prodstate_expire(s, rq->loop->wall_ms, p->config->producer_expiration_ms);
	if ((*told += prodstate_count(s)) > TOLD_MAX)
		return KERR_INVALID_REQUEST;
	a->active_producers.v = REQUEST_ARRAY(rq, struct describe_producers_response_producer,
		prodstate_count(s));
	prodstate_each(s, add, a);
	if (a->active_producers.n)
		qsort(a->active_producers.v, (size_t)a->active_producers.n,
			sizeof *a->active_producers.v, by_id);
	return KERR_NONE;
}

static void
describe(struct request *rq, struct str topic, int32_t index, int64_t *told,
	struct describe_producers_response_partition *a)
{
	wire_defaults(&describe_producers_response_partition_desc, a);
	a->partition_index = index;
	a->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	bool is_topic;
	struct partition *p = topics_partition(&rq->broker->topics, topic, NULL, index, &is_topic);
	if (p) {
		pthread_mutex_lock(&p->lock);
		a->error_code = answer(rq, p, told, a);
		pthread_mutex_unlock(&p->lock);
		partition_put(p);
	}
	if (!is_topic)
		a->error_message = STR("there is no such topic");
}

void
api_describe_producers(struct request *rq)
{
	struct describe_producers_request *q = rq->body;
	struct describe_producers_response a;
	int64_t told = 0;
	wire_defaults(&describe_producers_response_desc, &a);
	a.topics.n = q->topics.n;
	a.topics.v = REQUEST_ARRAY(rq, struct describe_producers_response_topic, a.topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct describe_producers_request_topic *t = &q->topics.v[i];
		struct describe_producers_response_topic *ta = &a.topics.v[i];
		ta->name = t->name;
		ta->partitions.n = t->partition_indexes.n;
		ta->partitions.v = REQUEST_ARRAY(rq,
			struct describe_producers_response_partition, ta->partitions.n);
		for (int32_t k = 0; k < ta->partitions.n; k++)
			describe(rq, t->name, t->partition_indexes.v[k], &told, &ta->partitions.v[k]);
	}
	request_respond(rq, &a);
}
