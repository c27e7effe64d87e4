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
#include "kq-broker/config_resource.h"
#include "kq-broker/names.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct create_topics_request_topic wanted_topic;
typedef struct create_topics_response_topic result_topic;

/* The number of partitions, given as such or by assignments.  0: *error is filled. */
static int32_t
count_partitions(const wanted_topic *wanted, int32_t node_id, struct catalog_error *error)
{
	if (!wanted->assignments.n)
		return wanted->num_partitions;
	if (wanted->num_partitions != -1 || wanted->replication_factor != -1)
		return catalog_fail(error, KERR_INVALID_REQUEST,
			"give assignments or numbers, not both"), 0;
	for (int32_t i = 0; i < wanted->assignments.n; i++) {
		bool is_mine = wanted->assignments.v[i].broker_ids.n == 1
			&& wanted->assignments.v[i].broker_ids.v[0] == node_id;
		bool is_there = false;
		for (int32_t k = 0; k < wanted->assignments.n; k++)
			is_there |= wanted->assignments.v[k].partition_index == i;
		if (!is_mine || !is_there)
			return catalog_fail(error, KERR_INVALID_REPLICA_ASSIGNMENT,
				"partitions must be numbered from 0, each with this broker as its replica"), 0;
	}
	return wanted->assignments.n;
}

static int
create(struct request *rq, const wanted_topic *wanted, bool is_twice, struct config_set *set,
	struct catalog_error *error)
{
	const struct create_topics_request *q = rq->body;
	if (is_twice)
		return catalog_fail(error, KERR_INVALID_REQUEST, "the topic is named twice");
	if (topic_is_internal(wanted->name))
		return catalog_fail(error, KERR_INVALID_TOPIC_EXCEPTION, "the name is reserved");
	if (topics_find(&rq->broker->topics, wanted->name))
		return catalog_fail(error, KERR_TOPIC_ALREADY_EXISTS, "the topic '%.*s' already exists",
			STR_ARG(wanted->name));
	int32_t n = count_partitions(wanted, rq->broker->node_id, error);
	if (n == 0 && wanted->assignments.n)
		return -1;
	if (!wanted->assignments.n && wanted->replication_factor != -1
		&& wanted->replication_factor != REPLICAS)
		return catalog_fail(error, KERR_INVALID_REPLICATION_FACTOR,
			"replication factor %d: there is one broker", wanted->replication_factor);
	for (int32_t i = 0; i < wanted->configs.n; i++)
		if (wanted->configs.v[i].value.n < 0)
			return catalog_fail(error, KERR_INVALID_CONFIG, "%.*s has no value",
				STR_ARG(wanted->configs.v[i].name));
	for (int32_t i = 0; i < wanted->configs.n; i++)
		if (catalog_put_config(set, CONFIG_SCOPE_TOPIC, wanted->configs.v[i].name,
			wanted->configs.v[i].value, error) < 0)
			return -1;
	return catalog_create(&rq->broker->catalog, wanted->name, n, set, q->validate_only, error);
}

/* From version 5 on: the topic as it is now, or (validate_only) would be. */
static void
fill(struct request *rq, const wanted_topic *wanted, const struct config_set *set,
	result_topic *answer)
{
	struct topic *t = topics_find(&rq->broker->topics, wanted->name);
	answer->num_partitions = t ? t->npartition : wanted->num_partitions;
	if (answer->num_partitions == -1)
		answer->num_partitions = (int32_t)config_int(NULL, rq->broker->settings->values,
			CONFIG_NUM_PARTITIONS);
	answer->replication_factor = REPLICAS;
	if (t)
		answer->topic_id = t->id;
	answer->configs.n = 0;
	answer->configs.v = REQUEST_ARRAY(rq, struct create_topics_response_config, CONFIG_N);
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *key = &config_table[i];
		if (key->scope != CONFIG_SCOPE_TOPIC || (config_is_hidden(key) && !set->value[i]))
			continue;
		struct create_topics_response_config *config = &answer->configs.v[answer->configs.n++];
		const struct config_set *from;
		int8_t source = (int8_t)dynamic_source(&rq->broker->dynamic, (enum config_id)i, &from);
		config->name = str_of(key->name);
		config->value = arena_str(&rq->arena, str_of(config_value(set, from, (enum config_id)i)));
		config->config_source = set->value[i] ? SOURCE_TOPIC : source;
	}
}

void
api_create_topics(struct request *rq)
{
	struct create_topics_request *q = rq->body;
	struct create_topics_response r;
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	wire_defaults(&create_topics_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = REQUEST_ARRAY(rq, result_topic, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++)
		names_add(&names, q->topics.v[i].name);
	for (int32_t i = 0; i < q->topics.n; i++) {
		wanted_topic *wanted = &q->topics.v[i];
		struct catalog_error error = { 0 };
		struct config_set *set = config_set_copy(NULL);
		wire_defaults(&create_topics_response_topic_desc, &r.topics.v[i]);
		r.topics.v[i].name = wanted->name;
		r.topics.v[i].error_message = STR_NULL;
		if (create(rq, wanted, names_are_twice(&names, wanted->name), set, &error) < 0) {
			r.topics.v[i].error_code = error.code;
			r.topics.v[i].error_message = arena_str(&rq->arena, str_of(error.message));
		} else if (rq->header.api_version >= 5) {
			fill(rq, wanted, set, &r.topics.v[i]);
		}
		config_set_free(set);
	}
	names_release(&names);
	request_respond(rq, &r);
}
