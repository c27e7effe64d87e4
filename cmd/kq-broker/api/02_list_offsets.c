/* ListOffsets: offsets by timestamp, and the special ones. */
#include "kq-broker/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/names.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"

#include "proto.h"
#include "sys/clock.h"
#include "text/say.h"
#include "wire/kerr.h"

enum {
	TURN_MS = 20, /* looking up, before others have their turn */
};

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

/* --- the request --- */

/* A look-up by time reads a batch, and may unpack it: a request for many takes
 * turns with the others, of which the reactor lets one go on a round. */
struct lookups {
	struct list link; /* in the reactor's turns, between two of them */
	struct list_offsets_response response;
	struct request *rq;
	int32_t topic, partition; /* the next one */
	bool is_cancelled;
};

/* A partition's name for names.h: the first place of its topic in the request,
 * and its index. */
struct place {
	int32_t topic, partition;
};

static struct str
place_str(const struct place *p)
{
	return (struct str){ (const uint8_t *)p, sizeof *p };
}

/* Refuse the partitions that are named twice, as Kafka does. */
static void
refuse_twice(struct request *rq, struct list_offsets_response *a)
{
	struct list_offsets_request *q = rq->body;
	struct map topics = { .seed = rq->broker->topics.by_name.seed };
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	struct place **places = REQUEST_ARRAY(rq, struct place *, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct list_offsets_request_list_offsets_topic *t = &q->topics.v[i], *first;
		if (!(first = map_get(&topics, t->name)))
			map_put(&topics, t->name, first = t);
		places[i] = REQUEST_ARRAY(rq, struct place, t->partitions.n);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			places[i][k] = (struct place){ (int32_t)(first - q->topics.v),
				t->partitions.v[k].partition_index };
			names_add(&names, place_str(&places[i][k]));
		}
	}
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			if (names_are_twice(&names, place_str(&places[i][k])))
				a->topics.v[i].partitions.v[k].error_code = KERR_INVALID_REQUEST;
	names_release(&names);
	map_release(&topics);
}

static void
answer_one(struct request *rq, struct str topic,
	const struct list_offsets_request_list_offsets_partition *q,
	struct list_offsets_response_list_offsets_partition_response *a)
{
	bool is_committed = ((struct list_offsets_request *)rq->body)->isolation_level == 1;
	if (a->error_code)
		return;
	struct partition *p = topics_partition(&rq->broker->topics, topic, NULL,
		q->partition_index, NULL);
	a->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	a->error_code = answer(p, q, is_committed, rq->header.api_version, a);
	pthread_mutex_unlock(&p->lock);
	partition_put(p);
}

/* Answer some more.  True: that was the last one. */
static bool
answer_some(struct lookups *s)
{
	struct list_offsets_request *q = s->rq->body;
	int64_t end_ms = clock_mono_ms() + TURN_MS;
	for (; s->topic < q->topics.n; s->topic++, s->partition = 0) {
		struct list_offsets_request_list_offsets_topic *t = &q->topics.v[s->topic];
		for (; s->partition < t->partitions.n; s->partition++) {
			if (clock_mono_ms() >= end_ms)
				return false;
			answer_one(s->rq, t->name, &t->partitions.v[s->partition],
				&s->response.topics.v[s->topic].partitions.v[s->partition]);
		}
	}
	return true;
}

static void on_turn(struct loop_task *t);

static void
post_turn(struct reactor *r)
{
	if (list_is_empty(&r->turns) || r->is_turn_posted)
		return;
	r->is_turn_posted = true;
	r->turn_task.fn = on_turn;
	loop_post(&r->loop, &r->turn_task);
}

static void
take_turn(struct reactor *r, struct lookups *s)
{
	if (s->is_cancelled)
		request_drop(s->rq);
	else if (answer_some(s))
		request_respond(s->rq, &s->response);
	else
		list_append(&r->turns, &s->link);
}

static void
on_turn(struct loop_task *t)
{
	struct reactor *r = CONTAINER_OF(t, struct reactor, turn_task);
	struct lookups *s = CONTAINER_OF(r->turns.next, struct lookups, link);
	r->is_turn_posted = false;
	list_unlink(&s->link);
	take_turn(r, s);
	post_turn(r);
}

static void
cancel(struct request *rq)
{
	((struct lookups *)rq->state)->is_cancelled = true;
}

static struct list_offsets_response_list_offsets_topic_response
blank_topic(struct request *rq, const struct list_offsets_request_list_offsets_topic *t)
{
	struct list_offsets_response_list_offsets_topic_response a = { .name = t->name };
	a.partitions.n = t->partitions.n;
	a.partitions.v = REQUEST_ARRAY(rq,
		struct list_offsets_response_list_offsets_partition_response, a.partitions.n);
	for (int32_t k = 0; k < a.partitions.n; k++) {
		wire_defaults(&list_offsets_response_list_offsets_partition_response_desc,
			&a.partitions.v[k]);
		a.partitions.v[k].partition_index = t->partitions.v[k].partition_index;
	}
	return a;
}

void
api_list_offsets(struct request *rq)
{
	struct list_offsets_request *q = rq->body;
	struct lookups *s = REQUEST_ARRAY(rq, struct lookups, 1);
	struct reactor *r = rq->reactor;
	struct list_offsets_response *a = &s->response;
	rq->state = s;
	rq->cancel = cancel;
	list_init(&s->link);
	s->rq = rq;
	wire_defaults(&list_offsets_response_desc, a);
	a->topics.n = q->topics.n;
	a->topics.v = REQUEST_ARRAY(rq, struct list_offsets_response_list_offsets_topic_response,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		q->topics.v[i].name = arena_str(&rq->arena, q->topics.v[i].name); /* the input goes */
		a->topics.v[i] = blank_topic(rq, &q->topics.v[i]);
	}
	refuse_twice(rq, a);
	if (list_is_empty(&r->turns))
		take_turn(r, s);
	else
		list_append(&r->turns, &s->link);
	post_turn(r);
}
