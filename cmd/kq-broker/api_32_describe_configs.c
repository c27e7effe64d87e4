/* DescribeConfigs: the values that hold, and where each comes from. */
#include "api.h"

#include "broker.h"
#include "describe.h"

#include "proto.h"
#include "wire/kerr.h"

#include <stdio.h>

enum { RESOURCES_MAX = 10000 }; /* each makes an answer many times its size */

typedef struct describe_configs_response_describe_configs_result config_answer;
typedef struct describe_configs_response_describe_configs_resource_result value_answer;
typedef struct describe_configs_response_describe_configs_synonym synonym_answer;
typedef struct describe_configs_request_describe_configs_resource resource;

static bool
is_wanted(const resource *q, const char *name)
{
	if (q->configuration_keys.n < 0)
		return true;
	for (int32_t i = 0; i < q->configuration_keys.n; i++)
		if (str_eq(q->configuration_keys.v[i], str_of(name)))
			return true;
	return false;
}

/* Kafka's ConfigType numbers. */
static int8_t
type_number(enum config_type t)
{
	static const int8_t number[] = {
		[CONFIG_TYPE_BOOL] = 1, [CONFIG_TYPE_STRING] = 2, [CONFIG_TYPE_INT] = 3,
		[CONFIG_TYPE_LONG] = 5, [CONFIG_TYPE_DOUBLE] = 6, [CONFIG_TYPE_LIST] = 7,
		[CONFIG_TYPE_ENUM] = 2 };
	return number[t];
}

/* From the nearest to the farthest: the topic's, the broker's, the default. */
static void
fill_synonyms(struct request *rq, enum config_id id, const struct config_set *topic,
	const struct config_set *broker, value_answer *a)
{
	const struct config_key *k = &config_table[id];
	struct str broker_name = str_of(k->synonym ? k->synonym : k->name);
	a->synonyms.v = REQUEST_ARRAY(rq, synonym_answer, 3);
	if (topic && topic->value[id])
		a->synonyms.v[a->synonyms.n++] = (synonym_answer){ str_of(k->name),
			arena_str(&rq->arena, str_of(topic->value[id])), SOURCE_TOPIC };
	if (broker->value[id])
		a->synonyms.v[a->synonyms.n++] = (synonym_answer){ broker_name,
			str_of(broker->value[id]), SOURCE_STATIC_BROKER };
	a->synonyms.v[a->synonyms.n++] = (synonym_answer){ broker_name, str_of(k->def),
		SOURCE_DEFAULT };
}

/* The settings that a scope knows; topic is NULL for the broker's. */
static void
fill(struct request *rq, const resource *q, enum config_scope scope,
	const struct config_set *topic, config_answer *a)
{
	const struct describe_configs_request *all = rq->body;
	const struct config_set *broker = rq->broker->settings->values;
	a->configs.v = REQUEST_ARRAY(rq, value_answer, CONFIG_N);
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		const char *name = k->scope == scope ? k->name
			: scope == CONFIG_SCOPE_BROKER ? k->synonym : NULL;
		if (!name || !is_wanted(q, name))
			continue;
		value_answer *v = &a->configs.v[a->configs.n++];
		wire_defaults(&describe_configs_response_describe_configs_resource_result_desc, v);
		v->name = str_of(name);
		v->value = arena_str(&rq->arena, str_of(config_value(topic, broker, (enum config_id)i)));
		v->read_only = scope == CONFIG_SCOPE_BROKER;
		v->config_source = (int8_t)describe_source(topic, broker, (enum config_id)i);
		v->config_type = type_number(k->type);
		if (all->include_synonyms)
			fill_synonyms(rq, (enum config_id)i, topic, broker, v);
		v->documentation = all->include_documentation ? str_of(k->text) : STR_NULL;
	}
}

static int16_t
answer(struct request *rq, const resource *q, config_answer *a)
{
	struct broker *b = rq->broker;
	if (q->resource_type == RESOURCE_TOPIC) {
		topics_read_begin(&b->topics);
		struct topic *t = topics_find(&b->topics, q->resource_name);
		if (t)
			fill(rq, q, CONFIG_SCOPE_TOPIC, t->overrides, a);
		topics_read_end(&b->topics);
		a->error_message = t ? STR_NULL : STR("there is no such topic");
		return t ? KERR_NONE : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	if (q->resource_type != RESOURCE_BROKER) {
		a->error_message = STR("only topics and brokers have settings here");
		return KERR_INVALID_REQUEST;
	}
	/* "" is the default of all brokers, which has nothing set. */
	char id[16];
	snprintf(id, sizeof id, "%d", b->node_id);
	if (q->resource_name.n && !str_eq(q->resource_name, str_of(id))) {
		a->error_message = STR("there is no such broker");
		return KERR_INVALID_REQUEST;
	}
	if (q->resource_name.n)
		fill(rq, q, CONFIG_SCOPE_BROKER, NULL, a);
	return KERR_NONE;
}

void
api_describe_configs(struct request *rq)
{
	struct describe_configs_request *q = rq->body;
	struct describe_configs_response a;
	wire_defaults(&describe_configs_response_desc, &a);
	a.results.n = q->resources.n;
	a.results.v = REQUEST_ARRAY(rq, config_answer, q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		config_answer *r = &a.results.v[i];
		wire_defaults(&describe_configs_response_describe_configs_result_desc, r);
		r->error_message = STR_NULL;
		r->resource_type = q->resources.v[i].resource_type;
		r->resource_name = q->resources.v[i].resource_name;
		if (i < RESOURCES_MAX) {
			r->error_code = answer(rq, &q->resources.v[i], r);
		} else {
			r->error_code = KERR_INVALID_REQUEST;
			r->error_message = STR("too many resources in one request");
		}
	}
	request_respond(rq, &a);
}
