/*
 * CreateTopics.
 *
 * By version: 4 partitions and replicas by default (-1).  5 the answer has the
 * topic's settings.  6 THROTTLING_QUOTA_EXCEEDED, not used.  7 topic id.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/describe.h"
#include "kq-broker/names.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct create_topics_request_topic wanted_topic;
typedef struct create_topics_response_topic result_topic;

/* How many partitions, told by number or by assignments.  0: *e is filled. */
static int32_t
count_partitions(const wanted_topic *q, int32_t node_id, struct catalog_error *e)
{
	if (!q->assignments.n)
		return q->num_partitions;
	if (q->num_partitions != -1 || q->replication_factor != -1)
		return catalog_fail(e, KERR_INVALID_REQUEST,
			"give assignments or numbers, not both"), 0;
	for (int32_t i = 0; i < q->assignments.n; i++) {
		bool is_mine = q->assignments.v[i].broker_ids.n == 1
			&& q->assignments.v[i].broker_ids.v[0] == node_id;
		bool is_there = false;
		for (int32_t k = 0; k < q->assignments.n; k++)
			is_there |= q->assignments.v[k].partition_index == i;
		if (!is_mine || !is_there)
			return catalog_fail(e, KERR_INVALID_REPLICA_ASSIGNMENT,
				"partitions must be numbered from 0, each with this broker as its replica"), 0;
	}
	return q->assignments.n;
}

static int
create(struct request *rq, const wanted_topic *q, bool is_twice, struct config_set *set,
	struct catalog_error *e)
{
	const struct create_topics_request *all = rq->body;
	if (is_twice)
		return catalog_fail(e, KERR_INVALID_REQUEST, "the topic is named twice");
	if (topic_is_internal(q->name))
		return catalog_fail(e, KERR_INVALID_TOPIC_EXCEPTION, "the name is reserved");
	if (topics_find(&rq->broker->topics, q->name))
		return catalog_fail(e, KERR_TOPIC_ALREADY_EXISTS, "the topic '%.*s' already exists",
			STR_ARG(q->name));
	int32_t n = count_partitions(q, rq->broker->node_id, e);
	if (n == 0 && q->assignments.n)
		return -1;
	if (!q->assignments.n && q->replication_factor != -1 && q->replication_factor != REPLICAS)
		return catalog_fail(e, KERR_INVALID_REPLICATION_FACTOR,
			"replication factor %d: there is one broker", q->replication_factor);
	for (int32_t i = 0; i < q->configs.n; i++)
		if (q->configs.v[i].value.n < 0)
			return catalog_fail(e, KERR_INVALID_CONFIG, "%.*s has no value",
				STR_ARG(q->configs.v[i].name));
	for (int32_t i = 0; i < q->configs.n; i++)
		if (catalog_put_config(set, CONFIG_SCOPE_TOPIC, q->configs.v[i].name,
			q->configs.v[i].value, e) < 0)
			return -1;
	return catalog_create(&rq->broker->catalog, q->name, n, set, all->validate_only, e);
}

/* What v5 and later are told: the topic as it now is, or would be. */
static void
fill(struct request *rq, const wanted_topic *q, const struct config_set *set, result_topic *a)
{
	struct topic *t = topics_find(&rq->broker->topics, q->name);
	a->num_partitions = t ? t->npartition : q->num_partitions;
	if (a->num_partitions == -1)
		a->num_partitions = (int32_t)config_int(NULL, rq->broker->settings->values,
			CONFIG_NUM_PARTITIONS);
	a->replication_factor = REPLICAS;
	if (t)
		a->topic_id = t->id;
	a->configs.n = 0;
	a->configs.v = REQUEST_ARRAY(rq, struct create_topics_response_config,
		CONFIG_N);
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		if (k->scope != CONFIG_SCOPE_TOPIC || (config_is_hidden(k) && !set->value[i]))
			continue;
		struct create_topics_response_config *c = &a->configs.v[a->configs.n++];
		const struct config_set *from;
		int8_t source = (int8_t)dynamic_source(&rq->broker->dynamic, (enum config_id)i, &from);
		c->name = str_of(k->name);
		c->value = arena_str(&rq->arena, str_of(config_value(set, from, (enum config_id)i)));
		c->config_source = set->value[i] ? SOURCE_TOPIC : source;
	}
}

void
api_create_topics(struct request *rq)
{
	struct create_topics_request *q = rq->body;
	struct create_topics_response a;
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	wire_defaults(&create_topics_response_desc, &a);
	a.topics.n = q->topics.n;
	a.topics.v = REQUEST_ARRAY(rq, result_topic, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++)
		names_add(&names, q->topics.v[i].name);
	for (int32_t i = 0; i < q->topics.n; i++) {
		wanted_topic *t = &q->topics.v[i];
		struct catalog_error e = { 0 };
		struct config_set *set = config_set_copy(NULL);
		wire_defaults(&create_topics_response_topic_desc, &a.topics.v[i]);
		a.topics.v[i].name = t->name;
		a.topics.v[i].error_message = STR_NULL;
		if (create(rq, t, names_are_twice(&names, t->name), set, &e) < 0) {
			a.topics.v[i].error_code = e.code;
			a.topics.v[i].error_message = arena_str(&rq->arena, str_of(e.message));
		} else if (rq->header.api_version >= 5) {
			fill(rq, t, set, &a.topics.v[i]);
		}
		config_set_free(set);
	}
	names_release(&names);
	request_respond(rq, &a);
}
