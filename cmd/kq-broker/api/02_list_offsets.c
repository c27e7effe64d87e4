/*
 * ListOffsets: the offset of a timestamp, of the log's start or of its end.
 *
 * By version: 2 isolation_level.  4 leader epochs.  7 to 11: see TIME_MAX and the
 * others.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/names.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"

#include "proto.h"
#include "sys/clock.h"
#include "text/say.h"
#include "wire/kerr.h"

enum {
	TURN_MS = 20, /* of look-ups, before other requests have their turn */
};

/* Special timestamps. */
enum {
	TIME_LATEST = -1,
	TIME_EARLIEST = -2,
	TIME_MAX = -3,            /* KIP-734, version 7 */
	TIME_EARLIEST_LOCAL = -4, /* KIP-405, version 8 */
	TIME_LATEST_TIERED = -5,  /* KIP-1005, version 9 */
	TIME_PENDING_UPLOAD = -6, /* KIP-1023, version 11: the first one not tiered yet */
};

static int16_t
find_time(struct partition *part, int64_t timestamp, int64_t limit,
	struct list_offsets_response_partition *answer)
{
	struct err e;
	int32_t epoch = -1;
	int rc = timestamp == TIME_MAX
		? partlog_find_max_time(&part->log, &answer->offset, &answer->timestamp, &epoch, &e)
		: partlog_find_time(&part->log, timestamp, limit, &answer->offset, &answer->timestamp,
			&epoch, &e);
	if (rc < 0) {
		log_bounded(LOG_ERROR, "looking up a time in %s-%d failed: %s", part->topic, part->index,
			e.msg);
		return KERR_KAFKA_STORAGE_ERROR;
	}
	if (rc > 0 && answer->offset >= limit)
		rc = 0;
	if (rc == 0)
		answer->offset = answer->timestamp = -1;
	answer->leader_epoch = rc ? epoch : -1;
	return KERR_NONE;
}

/* Under the partition's lock. */
static int16_t
find_offset(struct partition *part, const struct list_offsets_request_partition *asked,
	bool is_committed, int16_t version, struct list_offsets_response_partition *answer)
{
	int64_t limit = part->high_watermark;
	int16_t error = partition_check_readable(part, asked->current_leader_epoch);
	if (error)
		return error;
	if (is_committed && (limit = partition_stable_offset(part)) < 0)
		return KERR_KAFKA_STORAGE_ERROR;
	switch (asked->timestamp) {
	case TIME_LATEST:
		answer->offset = limit;
		answer->leader_epoch = part->leader_epoch;
		return KERR_NONE;
	case TIME_EARLIEST:
	case TIME_EARLIEST_LOCAL:
		if (asked->timestamp == TIME_EARLIEST_LOCAL && version < 8)
			return KERR_UNSUPPORTED_VERSION;
		answer->offset = part->log.log_start_offset;
		answer->leader_epoch = partlog_epoch_at(&part->log, answer->offset);
		if (answer->leader_epoch < 0) /* nothing was appended yet: the first batch will have it */
			answer->leader_epoch = part->leader_epoch;
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
		if (asked->timestamp < 0)
			return KERR_UNSUPPORTED_VERSION;
	}
	return find_time(part, asked->timestamp, limit, answer);
}

/* ---- the request ---- */

/* A look-up by time reads a batch and may decompress it.  Requests for many take
 * turns: the reactor continues one of them in each round of its loop. */
struct lookups {
	struct list link; /* in the reactor's turns, while another request has its turn */
	struct list_offsets_response response;
	struct request *rq;
	int32_t topic, partition; /* indexes of the next look-up in the request */
	bool is_cancelled;
};

/* The key of a partition for names.h: the index in the request of its topic's
 * first entry, and its own index. */
struct partition_key {
	int32_t topic, partition;
};

static struct str
key_str(const struct partition_key *key)
{
	return (struct str){ (const uint8_t *)key, sizeof *key };
}

/* Refuse partitions that are named more than once, as Kafka does. */
static void
refuse_twice(struct request *rq, struct list_offsets_response *r)
{
	struct list_offsets_request *q = rq->body;
	struct map topics = { .seed = rq->broker->topics.by_name.seed };
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	struct partition_key **keys = REQUEST_ARRAY(rq, struct partition_key *, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct list_offsets_request_topic *t = &q->topics.v[i], *first;
		if (!(first = map_get(&topics, t->name)))
			map_put(&topics, t->name, first = t);
		keys[i] = REQUEST_ARRAY(rq, struct partition_key, t->partitions.n);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			keys[i][k] = (struct partition_key){ (int32_t)(first - q->topics.v),
				t->partitions.v[k].partition_index };
			names_add(&names, key_str(&keys[i][k]));
		}
	}
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			if (names_are_twice(&names, key_str(&keys[i][k])))
				r->topics.v[i].partitions.v[k].error_code = KERR_INVALID_REQUEST;
	names_release(&names);
	map_release(&topics);
}

static void
answer_one(struct request *rq, struct str topic,
	const struct list_offsets_request_partition *asked,
	struct list_offsets_response_partition *answer)
{
	bool is_committed = ((struct list_offsets_request *)rq->body)->isolation_level == 1;
	if (answer->error_code)
		return;
	struct partition *part = topics_partition(&rq->broker->topics, topic, NULL,
		asked->partition_index, NULL);
	answer->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (!part)
		return;
	pthread_mutex_lock(&part->lock);
	answer->error_code = find_offset(part, asked, is_committed, rq->header.api_version, answer);
	pthread_mutex_unlock(&part->lock);
	partition_put(part);
}

/* Continue for one turn.  True: all is answered. */
static bool
answer_some(struct lookups *lookups)
{
	struct list_offsets_request *q = lookups->rq->body;
	int64_t end_ms = clock_mono_ms() + TURN_MS;
	for (; lookups->topic < q->topics.n; lookups->topic++, lookups->partition = 0) {
		struct list_offsets_request_topic *t = &q->topics.v[lookups->topic];
		for (; lookups->partition < t->partitions.n; lookups->partition++) {
			if (clock_mono_ms() >= end_ms)
				return false;
			answer_one(lookups->rq, t->name, &t->partitions.v[lookups->partition],
				&lookups->response.topics.v[lookups->topic].partitions.v[lookups->partition]);
		}
	}
	return true;
}

static void on_turn(struct loop_task *task);

static void
post_turn(struct reactor *reactor)
{
	if (list_is_empty(&reactor->turns) || reactor->is_turn_posted)
		return;
	reactor->is_turn_posted = true;
	reactor->turn_task.fn = on_turn;
	loop_post(&reactor->loop, &reactor->turn_task);
}

static void
take_turn(struct reactor *reactor, struct lookups *lookups)
{
	if (lookups->is_cancelled)
		request_drop(lookups->rq);
	else if (answer_some(lookups))
		request_respond(lookups->rq, &lookups->response);
	else
		list_append(&reactor->turns, &lookups->link);
}

static void
on_turn(struct loop_task *task)
{
	struct reactor *reactor = CONTAINER_OF(task, struct reactor, turn_task);
	struct lookups *lookups = CONTAINER_OF(reactor->turns.next, struct lookups, link);
	reactor->is_turn_posted = false;
	list_unlink(&lookups->link);
	take_turn(reactor, lookups);
	post_turn(reactor);
}

static void
cancel(struct request *rq)
{
	((struct lookups *)rq->state)->is_cancelled = true;
}

static struct list_offsets_response_topic
blank_topic(struct request *rq, const struct list_offsets_request_topic *t)
{
	struct list_offsets_response_topic answer = { .name = t->name };
	answer.partitions.n = t->partitions.n;
	answer.partitions.v = REQUEST_ARRAY(rq,
		struct list_offsets_response_partition, answer.partitions.n);
	for (int32_t k = 0; k < answer.partitions.n; k++) {
		wire_defaults(&list_offsets_response_partition_desc,
			&answer.partitions.v[k]);
		answer.partitions.v[k].partition_index = t->partitions.v[k].partition_index;
	}
	return answer;
}

void
api_list_offsets(struct request *rq)
{
	struct list_offsets_request *q = rq->body;
	struct lookups *lookups = REQUEST_ARRAY(rq, struct lookups, 1);
	struct reactor *reactor = rq->reactor;
	struct list_offsets_response *r = &lookups->response;
	rq->state = lookups;
	rq->cancel = cancel;
	list_init(&lookups->link);
	lookups->rq = rq;
	wire_defaults(&list_offsets_response_desc, r);
	r->topics.n = q->topics.n;
	r->topics.v = REQUEST_ARRAY(rq, struct list_offsets_response_topic,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		q->topics.v[i].name = arena_str(&rq->arena, q->topics.v[i].name); /* outlives the input */
		r->topics.v[i] = blank_topic(rq, &q->topics.v[i]);
	}
	refuse_twice(rq, r);
	if (list_is_empty(&reactor->turns))
		take_turn(reactor, lookups);
	else
		list_append(&reactor->turns, &lookups->link);
	post_turn(reactor);
}
