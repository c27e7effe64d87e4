/*
 * DescribeConfigs: the values in force, and the source of each.
 *
 * By version: 3 type and documentation of a setting.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/describe.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

/* A resource of a few bytes makes an answer of some kilobytes: what does not fit into
 * this any more is refused. */
enum { ANSWER_SIZE_MAX = 128 << 20 };

typedef struct describe_configs_response_resource config_answer;
typedef struct describe_configs_response_config value_answer;
typedef struct describe_configs_response_synonym synonym_answer;
typedef struct describe_configs_request_resource resource;

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
		[CONFIG_TYPE_ENUM] = 2, [CONFIG_TYPE_ANYCASE] = 2, [CONFIG_TYPE_REPLICAS] = 7 };
	return number[t];
}

/* What a resource has of its own: a topic, a group, or all brokers. */
struct own {
	enum config_scope scope;
	const struct config_set *set; /* NULL: nothing */
	int8_t source;
	bool is_all; /* there is nothing beneath it */
};

static void
add_synonym(struct request *rq, value_answer *a, const char *name, const char *value, int source)
{
	a->synonyms.v[a->synonyms.n++] = (synonym_answer){ str_of(name),
		arena_str(&rq->arena, str_of(value)), (int8_t)source };
}

/* From the nearest to the farthest: the resource's own, the broker's, the
 * default. */
static void
fill_synonyms(struct request *rq, enum config_id id, const struct own *own, value_answer *a)
{
	const struct config_key *k = &config_table[id];
	const struct dynamic *d = &rq->broker->dynamic;
	const struct config_set *at_start = rq->broker->settings->values;
	const char *broker_name = k->synonym ? k->synonym : k->name;
	a->synonyms.v = REQUEST_ARRAY(rq, synonym_answer, 5);
	if (own->set && own->set->value[id])
		add_synonym(rq, a, config_name(k, own->scope), own->set->value[id], own->source);
	if (own->is_all)
		return;
	if (d->own->value[id])
		add_synonym(rq, a, broker_name, d->own->value[id], SOURCE_DYNAMIC_BROKER);
	if (d->shared->value[id])
		add_synonym(rq, a, broker_name, d->shared->value[id], SOURCE_DYNAMIC_ALL_BROKERS);
	if (at_start->value[id])
		add_synonym(rq, a, broker_name, at_start->value[id], SOURCE_STATIC_BROKER);
	add_synonym(rq, a, broker_name, k->def, SOURCE_DEFAULT);
}

/* A sentence of its own for kq's tools: see CONFIG_WITHOUT_EFFECT. */
static struct str
document(struct request *rq, const struct config_key *k)
{
	return k->effect == CONFIG_EFFECT_NO
		? str_of(arena_printf(&rq->arena, "%s%s", k->text, CONFIG_WITHOUT_EFFECT)) : str_of(k->text);
}

static void
fill_one(struct request *rq, enum config_id id, const struct own *own, value_answer *v)
{
	const struct describe_configs_request *all = rq->body;
	const struct config_key *k = &config_table[id];
	const struct config_set *from;
	bool is_own = own->set && own->set->value[id];
	wire_defaults(&describe_configs_response_config_desc, v);
	v->name = str_of(config_name(k, own->scope));
	v->config_source = (int8_t)dynamic_source(&rq->broker->dynamic, id, &from);
	if (is_own)
		v->config_source = own->source;
	const char *value = config_value(is_own ? own->set : NULL, from, id);
	bool is_null = !*value && !*k->def && type_number(k->type) != 7;
	v->value = is_null ? STR_NULL : arena_str(&rq->arena, str_of(value));
	v->read_only = own->scope == CONFIG_SCOPE_BROKER && !config_is_live(k);
	v->config_type = type_number(k->type);
	if (all->include_synonyms)
		fill_synonyms(rq, id, own, v);
	v->documentation = all->include_documentation ? document(rq, k) : STR_NULL;
}

/* Is the setting one that the resource has, and one that was asked for? */
static bool
is_shown(const resource *q, enum config_id id, const struct own *own)
{
	const struct config_key *k = &config_table[id];
	const char *name = config_name(k, own->scope);
	bool is_own = own->set && own->set->value[id];
	return name && is_wanted(q, name) && (is_own || (!own->is_all && !config_is_hidden(k)));
}

static void
fill(struct request *rq, const resource *q, const struct own *own, config_answer *a)
{
	int n = 0;
	for (int i = 0; i < CONFIG_N; i++)
		n += is_shown(q, (enum config_id)i, own);
	a->configs.v = REQUEST_ARRAY(rq, value_answer, n);
	for (int i = 0; i < CONFIG_N; i++)
		if (is_shown(q, (enum config_id)i, own))
			fill_one(rq, (enum config_id)i, own, &a->configs.v[a->configs.n++]);
}

static int16_t
refuse(config_answer *a, const char *why)
{
	a->error_message = str_of(why);
	return KERR_INVALID_REQUEST;
}

static int16_t
describe_topic(struct request *rq, const resource *q, config_answer *a)
{
	struct topics *topics = &rq->broker->topics;
	const char *fault = topic_name_fault(q->resource_name);
	if (fault) {
		a->error_message = str_of(fault);
		return KERR_INVALID_TOPIC_EXCEPTION;
	}
	topics_read_begin(topics);
	struct topic *t = topics_find(topics, q->resource_name);
	if (t)
		fill(rq, q, &(struct own){ CONFIG_SCOPE_TOPIC, t->overrides, SOURCE_TOPIC, false }, a);
	topics_read_end(topics);
	return t ? KERR_NONE : KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* "" stands for all brokers. */
static int16_t
describe_broker(struct request *rq, const resource *q, config_answer *a)
{
	struct own own = { CONFIG_SCOPE_BROKER, NULL, SOURCE_DYNAMIC_ALL_BROKERS, false };
	if (!q->resource_name.n) {
		own.set = rq->broker->dynamic.shared;
		own.is_all = true;
	} else if (!dynamic_is_this_broker(&rq->broker->dynamic, q->resource_name)) {
		return refuse(a, "there is no broker of that id");
	}
	fill(rq, q, &own, a);
	return KERR_NONE;
}

static int16_t
describe_group(struct request *rq, const resource *q, config_answer *a)
{
	if (!q->resource_name.n)
		return refuse(a, "the group's name is empty");
	fill(rq, q, &(struct own){ CONFIG_SCOPE_GROUP,
		dynamic_group(&rq->broker->dynamic, q->resource_name), SOURCE_GROUP, false }, a);
	return KERR_NONE;
}

/* There is one logger, Kafka's root, whose level can be changed. */
static int16_t
describe_logger(struct request *rq, const resource *q, config_answer *a)
{
	if (!dynamic_is_this_broker(&rq->broker->dynamic, q->resource_name))
		return refuse(a, "there is no broker of that id");
	if (!is_wanted(q, "root"))
		return KERR_NONE;
	a->configs.v = REQUEST_ARRAY(rq, value_answer, 1);
	value_answer *v = &a->configs.v[a->configs.n++];
	wire_defaults(&describe_configs_response_config_desc, v);
	v->name = STR("root");
	v->value = str_of(dynamic_level_name());
	v->config_source = SOURCE_LOGGER;
	return KERR_NONE;
}

static int16_t
answer(struct request *rq, const resource *q, config_answer *a)
{
	switch (q->resource_type) {
	case RESOURCE_TOPIC: return describe_topic(rq, q, a);
	case RESOURCE_BROKER: return describe_broker(rq, q, a);
	case RESOURCE_GROUP: return describe_group(rq, q, a);
	case RESOURCE_BROKER_LOGGER: return describe_logger(rq, q, a);
	case RESOURCE_CLIENT_METRICS: /* none are collected, so there is nothing to set */
		return q->resource_name.n ? KERR_NONE
			: refuse(a, "the name of the client metrics subscription is empty");
	default: return refuse(a, "there is no such type of resource");
	}
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
		wire_defaults(&describe_configs_response_resource_desc, r);
		r->error_message = STR(""); /* as Kafka has it */
		r->resource_type = q->resources.v[i].resource_type;
		r->resource_name = q->resources.v[i].resource_name;
		if (rq->arena.used < ANSWER_SIZE_MAX) {
			dynamic_read_begin(&rq->broker->dynamic);
			r->error_code = answer(rq, &q->resources.v[i], r);
			dynamic_read_end(&rq->broker->dynamic);
		} else {
			r->error_code = KERR_INVALID_REQUEST;
			r->error_message = STR("too many resources for one answer: ask for the rest in another request");
		}
	}
	request_respond(rq, &a);
}
