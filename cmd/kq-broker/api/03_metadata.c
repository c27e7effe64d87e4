/* Metadata: brokers, topics and their partitions; creates topics on first
 * use when client and configuration both allow it. */
#include "kq-broker/api/api.h"

#include "acl_gen.h"
#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/topics.h"

#include "proto.h"
#include "wire/kerr.h"

static void
fill_partitions(struct request *rq, const struct topic *t,
	struct metadata_response_topic *a)
{
	struct broker *b = rq->broker;
	a->partitions.n = t->npartition;
	a->partitions.v = REQUEST_ARRAY(rq, struct metadata_response_partition,
		t->npartition);
	for (int32_t i = 0; i < t->npartition; i++) {
		struct metadata_response_partition *p = &a->partitions.v[i];
		wire_defaults(&metadata_response_partition_desc, p);
		p->partition_index = i;
		p->leader_id = b->node_id;
		p->leader_epoch = t->partition[i]->leader_epoch;
		/* One replica, in sync: this broker. */
		p->replica_nodes.v = p->isr_nodes.v = &b->node_id;
		p->replica_nodes.n = p->isr_nodes.n = REPLICAS;
	}
}

static void
fill_topic(struct request *rq, const struct topic *t,
	struct metadata_response_topic *a)
{
	const struct metadata_request *q = rq->body;
	struct str name = str_of(t->name);
	wire_defaults(&metadata_response_topic_desc, a);
	a->name = arena_str(&rq->arena, name); /* the lock is let go before encoding */
	a->topic_id = t->id;
	a->is_internal = topic_is_internal(name);
	if (q->include_topic_authorized_operations)
		a->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	fill_partitions(rq, t, a);
}

static void
fill_missing(struct request *rq, const struct metadata_request_topic *q,
	int16_t error, struct metadata_response_topic *a)
{
	const struct metadata_request *all = rq->body;
	wire_defaults(&metadata_response_topic_desc, a);
	a->error_code = error;
	a->topic_id = q->topic_id;
	a->name = q->name;
	if (q->name.n >= 0 && all->include_topic_authorized_operations)
		a->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	if (a->name.n < 0 && rq->header.api_version < 12)
		a->name = STR("");
}

static void
fill_all(struct request *rq, struct metadata_response *a)
{
	struct topics *topics = &rq->broker->topics;
	int n;
	struct topic **v = topics_sorted(topics, &rq->arena, &n);
	a->topics.n = n;
	a->topics.v = REQUEST_ARRAY(rq, struct metadata_response_topic, n);
	for (int i = 0; i < n; i++)
		fill_topic(rq, v[i], &a->topics.v[i]);
}

/* The answers for the topics named, each once however often it is named.
 * *nmissing counts those by name that could be created. */
static void
fill_named(struct request *rq, struct metadata_response *a, int *nmissing)
{
	struct metadata_request *q = rq->body;
	struct topics *topics = &rq->broker->topics;
	struct map seen = { .seed = topics->by_name.seed };
	a->topics.v = REQUEST_ARRAY(rq, struct metadata_response_topic,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct metadata_request_topic *t = &q->topics.v[i];
		bool by_id = t->name.n < 0;
		struct str key = by_id ? (struct str){ t->topic_id.bytes, 16 } : t->name;
		if (map_get(&seen, key))
			continue;
		map_put(&seen, key, t);
		struct topic *topic = by_id ? topics_find_id(topics, &t->topic_id)
			: topics_find(topics, t->name);
		struct metadata_response_topic *ta = &a->topics.v[a->topics.n++];
		if (topic) {
			fill_topic(rq, topic, ta);
			continue;
		}
		int16_t error = by_id ? KERR_UNKNOWN_TOPIC_ID
			: topic_name_fault(t->name) ? KERR_INVALID_TOPIC_EXCEPTION
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
		*nmissing += error == KERR_UNKNOWN_TOPIC_OR_PARTITION;
		fill_missing(rq, t, error, ta);
	}
	map_release(&seen);
}

/* On the control thread: make what is missing. */
static void
create_missing(struct request *rq)
{
	struct metadata_request *q = rq->body;
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct str name = q->topics.v[i].name;
		struct catalog_error ignored; /* the answer tells: unknown topic */
		if (name.n >= 0 && !topic_name_fault(name) && !topic_is_internal(name))
			catalog_create(rq->broker, name, -1, NULL, false, &ignored);
	}
}

static void
fill_broker(struct request *rq, struct metadata_response *a)
{
	struct broker *b = rq->broker;
	struct metadata_request *q = rq->body;
	a->brokers.n = 1;
	a->brokers.v = REQUEST_ARRAY(rq, struct metadata_response_broker, 1);
	wire_defaults(&metadata_response_broker_desc, a->brokers.v);
	a->brokers.v[0].node_id = b->node_id;
	a->brokers.v[0].host = str_of(rq->advertised->host);
	a->brokers.v[0].port = rq->advertised->port;
	a->cluster_id = str_of(b->cluster_id);
	a->controller_id = b->node_id;
	if (q->include_cluster_authorized_operations)
		a->cluster_authorized_operations = ACL_CLUSTER_OPERATIONS;
}

/* Returns how many of the topics named are missing and could be created. */
static int
fill(struct request *rq, struct metadata_response *a)
{
	struct metadata_request *q = rq->body;
	int nmissing = 0;
	wire_defaults(&metadata_response_desc, a);
	fill_broker(rq, a);
	topics_read_begin(&rq->broker->topics);
	/* Version 0 has no null: none named means all. */
	if (q->topics.n < 0 || (rq->header.api_version == 0 && q->topics.n == 0))
		fill_all(rq, a);
	else
		fill_named(rq, a, &nmissing);
	topics_read_end(&rq->broker->topics);
	return nmissing;
}

/* On the control thread. */
static void
create_and_respond(struct request *rq)
{
	struct metadata_response a;
	create_missing(rq);
	fill(rq, &a);
	request_respond(rq, &a);
}

void
api_metadata(struct request *rq)
{
	struct metadata_request *q = rq->body;
	struct metadata_response a;
	bool may_create = rq->broker->auto_create
		&& (rq->header.api_version < 4 || q->allow_auto_topic_creation);
	if (fill(rq, &a) > 0 && may_create)
		lane_continue(rq, LANE_CONTROL, create_and_respond);
	else
		request_respond(rq, &a);
}
