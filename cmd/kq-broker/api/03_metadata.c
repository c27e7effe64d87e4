/*
 * Metadata: brokers, topics and their partitions.  Creates topics on first use
 * if the client and the configuration both allow it.
 *
 * By version: 0 an empty list of topics means all, later null does.  1 rack,
 * controller, is_internal.  2 cluster id.  4 the client may forbid creation.
 * 5 offline replicas.  7 leader epoch.  8 authorized operations (from 11 on not
 * the cluster's).  10 topic ids in the answer.  12 topics asked for by id.
 * 13 top-level error.
 */
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
	struct metadata_response_topic *answer)
{
	struct broker *broker = rq->broker;
	answer->partitions.n = t->npartition;
	answer->partitions.v = REQUEST_ARRAY(rq, struct metadata_response_partition,
		t->npartition);
	for (int32_t i = 0; i < t->npartition; i++) {
		struct metadata_response_partition *part = &answer->partitions.v[i];
		wire_defaults(&metadata_response_partition_desc, part);
		part->partition_index = i;
		part->leader_id = broker->node_id;
		part->leader_epoch = t->partition[i]->leader_epoch;
		/* One replica, in sync: this broker. */
		part->replica_nodes.v = part->isr_nodes.v = &broker->node_id;
		part->replica_nodes.n = part->isr_nodes.n = REPLICAS;
	}
}

static void
fill_topic(struct request *rq, const struct topic *t,
	struct metadata_response_topic *answer)
{
	const struct metadata_request *q = rq->body;
	struct str name = str_of(t->name);
	wire_defaults(&metadata_response_topic_desc, answer);
	answer->name = arena_str(&rq->arena, name); /* encoded without the lock */
	answer->topic_id = t->id;
	answer->is_internal = topic_is_internal(name);
	if (q->include_topic_authorized_operations)
		answer->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	fill_partitions(rq, t, answer);
}

static void
fill_missing(struct request *rq, const struct metadata_request_topic *asked,
	int16_t error, struct metadata_response_topic *answer)
{
	const struct metadata_request *all = rq->body;
	wire_defaults(&metadata_response_topic_desc, answer);
	answer->error_code = error;
	answer->topic_id = asked->topic_id;
	answer->name = asked->name;
	if (asked->name.n >= 0 && all->include_topic_authorized_operations)
		answer->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	if (answer->name.n < 0 && rq->header.api_version < 12)
		answer->name = STR("");
}

static void
fill_all(struct request *rq, struct metadata_response *r)
{
	struct topics *topics = &rq->broker->topics;
	int n;
	struct topic **v = topics_sorted(topics, &rq->arena, &n);
	r->topics.n = n;
	r->topics.v = REQUEST_ARRAY(rq, struct metadata_response_topic, n);
	for (int i = 0; i < n; i++)
		fill_topic(rq, v[i], &r->topics.v[i]);
}

/* One answer for each topic named, even if it is named twice.  *nmissing counts
 * topics that do not exist and could be created. */
static void
fill_named(struct request *rq, struct metadata_response *r, int *nmissing)
{
	struct metadata_request *q = rq->body;
	struct topics *topics = &rq->broker->topics;
	struct map seen = { .seed = topics->by_name.seed };
	r->topics.v = REQUEST_ARRAY(rq, struct metadata_response_topic,
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
		struct metadata_response_topic *answer = &r->topics.v[r->topics.n++];
		if (topic) {
			fill_topic(rq, topic, answer);
			continue;
		}
		int16_t error = by_id ? KERR_UNKNOWN_TOPIC_ID
			: topic_name_fault(t->name) ? KERR_INVALID_TOPIC_EXCEPTION
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
		*nmissing += error == KERR_UNKNOWN_TOPIC_OR_PARTITION;
		fill_missing(rq, t, error, answer);
	}
	map_release(&seen);
}

/* On the control thread. */
static void
create_missing(struct request *rq)
{
	struct metadata_request *q = rq->body;
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct str name = q->topics.v[i].name;
		struct catalog_error ignored; /* the answer says: unknown topic */
		if (name.n >= 0 && !topic_name_fault(name) && !topic_is_internal(name))
			catalog_create(&rq->broker->catalog, name, -1, NULL, false, &ignored);
	}
}

static void
fill_broker(struct request *rq, struct metadata_response *r)
{
	struct broker *broker = rq->broker;
	struct metadata_request *q = rq->body;
	r->brokers.n = 1;
	r->brokers.v = REQUEST_ARRAY(rq, struct metadata_response_broker, 1);
	wire_defaults(&metadata_response_broker_desc, r->brokers.v);
	r->brokers.v[0].node_id = broker->node_id;
	r->brokers.v[0].host = str_of(rq->advertised->host);
	r->brokers.v[0].port = rq->advertised->port;
	r->cluster_id = str_of(broker->cluster.id);
	r->controller_id = broker->node_id;
	if (q->include_cluster_authorized_operations)
		r->cluster_authorized_operations = ACL_CLUSTER_OPERATIONS;
}

/* Returns how many of the topics named are missing and could be created. */
static int
fill(struct request *rq, struct metadata_response *r)
{
	struct metadata_request *q = rq->body;
	int nmissing = 0;
	wire_defaults(&metadata_response_desc, r);
	fill_broker(rq, r);
	topics_read_begin(&rq->broker->topics);
	if (q->topics.n < 0 || (rq->header.api_version == 0 && q->topics.n == 0))
		fill_all(rq, r);
	else
		fill_named(rq, r, &nmissing);
	topics_read_end(&rq->broker->topics);
	return nmissing;
}

/* On the control thread. */
static void
create_and_respond(struct request *rq)
{
	struct metadata_response r;
	create_missing(rq);
	fill(rq, &r);
	request_respond(rq, &r);
}

void
api_metadata(struct request *rq)
{
	struct metadata_request *q = rq->body;
	struct metadata_response r;
	bool may_create = rq->broker->auto_create
		&& (rq->header.api_version < 4 || q->allow_auto_topic_creation);
	if (fill(rq, &r) > 0 && may_create)
		lane_continue(rq, LANE_CONTROL, create_and_respond);
	else
		request_respond(rq, &r);
}
