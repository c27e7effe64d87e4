/*
 * DescribeProducers (KIP-664): the producers that have written to partitions.
 * There is one version.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/partition.h"

#include "log/prodstate.h"
#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <stdlib.h>

static void
add(void *ctx, const struct prodstate_producer *producer)
{
	struct describe_producers_response_partition *answer = ctx;
	struct describe_producers_response_producer *to =
		&answer->active_producers.v[answer->active_producers.n++];
	*to = (struct describe_producers_response_producer){
		.producer_id = producer->id,
		.producer_epoch = producer->epoch,
		.last_sequence = producer->nbatch == 0 ? -1
			: producer->batch[producer->nbatch - 1].last_sequence,
		.last_timestamp = producer->timestamp,
		.coordinator_epoch = producer->coordinator_epoch,
		.current_txn_start_offset = producer->txn_first_offset,
	};
}

static int
by_id(const void *a, const void *b)
{
	const struct describe_producers_response_producer *x = a;
	const struct describe_producers_response_producer *y = b;
	return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

/* Producers in one answer: partitions may be named any number of times. */
enum { LISTED_MAX = 1000000 };

/* Under the partition's lock. */
static int16_t
list(struct request *rq, struct partition *part, int64_t *nlisted,
	struct describe_producers_response_partition *answer)
{
	struct err e;
	int16_t error = partition_check_readable(part, -1);
	if (error)
		return error;
	struct prodstate *producers = partlog_producers(&part->log, &e);
	if (!producers)
		return KERR_KAFKA_STORAGE_ERROR;
	prodstate_expire(producers, rq->loop->wall_ms, part->config->producer_expiration_ms);
	if ((*nlisted += prodstate_count(producers)) > LISTED_MAX)
		return KERR_INVALID_REQUEST;
	answer->active_producers.v = REQUEST_ARRAY(rq, struct describe_producers_response_producer,
		prodstate_count(producers));
	prodstate_each(producers, add, answer);
	if (answer->active_producers.n)
		qsort(answer->active_producers.v, (size_t)answer->active_producers.n,
			sizeof *answer->active_producers.v, by_id);
	return KERR_NONE;
}

static void
describe(struct request *rq, struct str topic, int32_t index, int64_t *nlisted,
	struct describe_producers_response_partition *answer)
{
	wire_defaults(&describe_producers_response_partition_desc, answer);
	answer->partition_index = index;
	answer->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	bool is_topic;
	struct partition *part = topics_partition(&rq->broker->topics, topic, NULL, index, &is_topic);
	if (part) {
		pthread_mutex_lock(&part->lock);
		answer->error_code = list(rq, part, nlisted, answer);
		pthread_mutex_unlock(&part->lock);
		partition_put(part);
	}
	if (!is_topic)
		answer->error_message = STR("there is no such topic");
}

void
api_describe_producers(struct request *rq)
{
	struct describe_producers_request *q = rq->body;
	struct describe_producers_response r;
	int64_t nlisted = 0;
	wire_defaults(&describe_producers_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = REQUEST_ARRAY(rq, struct describe_producers_response_topic, r.topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct describe_producers_request_topic *t = &q->topics.v[i];
		struct describe_producers_response_topic *answer = &r.topics.v[i];
		answer->name = t->name;
		answer->partitions.n = t->partition_indexes.n;
		answer->partitions.v = REQUEST_ARRAY(rq,
			struct describe_producers_response_partition, answer->partitions.n);
		for (int32_t k = 0; k < answer->partitions.n; k++)
			describe(rq, t->name, t->partition_indexes.v[k], &nlisted, &answer->partitions.v[k]);
	}
	request_respond(rq, &r);
}
