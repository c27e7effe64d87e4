/*
 * DescribeConfigs: the values in force, and the source of each.
 *
 * By version: 3 type and documentation of a setting.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/config_resource.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

/* Bytes.  A resource of a few bytes in the request takes some kilobytes in the
 * response; resources beyond the limit are refused. */
enum { ANSWER_SIZE_MAX = 128 << 20 };

typedef struct describe_configs_response_resource config_answer;
typedef struct describe_configs_response_config value_answer;
typedef struct describe_configs_response_synonym synonym_answer;
typedef struct describe_configs_request_resource wanted_resource;

static bool
is_wanted(const wanted_resource *wanted, const char *name)
{
	if (wanted->configuration_keys.n < 0)
		return true;
	for (int32_t i = 0; i < wanted->configuration_keys.n; i++)
		if (str_eq(wanted->configuration_keys.v[i], str_of(name)))
			return true;
	return false;
}

/* Kafka's ConfigType numbers. */
static int8_t
type_number(enum config_type type)
{
	static const int8_t number[] = {
		[CONFIG_TYPE_BOOL] = 1, [CONFIG_TYPE_STRING] = 2, [CONFIG_TYPE_INT] = 3,
		[CONFIG_TYPE_LONG] = 5, [CONFIG_TYPE_DOUBLE] = 6, [CONFIG_TYPE_LIST] = 7,
		[CONFIG_TYPE_ENUM] = 2, [CONFIG_TYPE_ANYCASE] = 2, [CONFIG_TYPE_REPLICAS] = 7 };
	return number[type];
}

/* The settings of the resource itself: a topic, a group, or all brokers. */
struct own {
	enum config_scope scope;
	const struct config_set *set; /* NULL: none */
	enum config_source source;
	bool is_all; /* all brokers: no defaults apply */
};

static void
add_synonym(struct request *rq, value_answer *answer, const char *name, const char *value,
	enum config_source source)
{
	answer->synonyms.v[answer->synonyms.n++] = (synonym_answer){ str_of(name),
		arena_str(&rq->arena, str_of(value)), (int8_t)source };
}

/* In order of precedence: the resource's own value, the broker's, the default. */
static void
fill_synonyms(struct request *rq, enum config_id id, const struct own *own, value_answer *answer)
{
	const struct config_key *key = &config_table[id];
	const struct dynamic *dynamic = &rq->broker->dynamic;
	const struct config_set *at_start = rq->broker->settings->values;
	const char *broker_name = key->synonym ? key->synonym : key->name;
	answer->synonyms.v = REQUEST_ARRAY(rq, synonym_answer, 5);
	if (own->set && own->set->value[id])
		add_synonym(rq, answer, config_name(key, own->scope), own->set->value[id], own->source);
	if (own->is_all)
		return;
	if (dynamic->own->value[id])
		add_synonym(rq, answer, broker_name, dynamic->own->value[id], SOURCE_DYNAMIC_BROKER);
	if (dynamic->shared->value[id])
		add_synonym(rq, answer, broker_name, dynamic->shared->value[id],
			SOURCE_DYNAMIC_ALL_BROKERS);
	if (at_start->value[id])
		add_synonym(rq, answer, broker_name, at_start->value[id], SOURCE_STATIC_BROKER);
	add_synonym(rq, answer, broker_name, key->def, SOURCE_DEFAULT);
}

/* With a last sentence that kq's tools look for: see CONFIG_WITHOUT_EFFECT. */
static struct str
document(struct request *rq, const struct config_key *key)
{
	return key->effect == CONFIG_EFFECT_NO
		? str_of(arena_printf(&rq->arena, "%s%s", key->text, CONFIG_WITHOUT_EFFECT))
		: str_of(key->text);
}

static void
fill_one(struct request *rq, enum config_id id, const struct own *own, value_answer *answer)
{
	const struct describe_configs_request *all = rq->body;
	const struct config_key *key = &config_table[id];
	const struct config_set *from;
	bool is_own = own->set && own->set->value[id];
	wire_defaults(&describe_configs_response_config_desc, answer);
	answer->name = str_of(config_name(key, own->scope));
	answer->config_source = (int8_t)dynamic_source(&rq->broker->dynamic, id, &from);
	if (is_own)
		answer->config_source = (int8_t)own->source;
	const char *value = config_value(is_own ? own->set : NULL, from, id);
	bool is_null = !*value && !*key->def && type_number(key->type) != 7;
	answer->value = is_null ? STR_NULL : arena_str(&rq->arena, str_of(value));
	answer->read_only = own->scope == CONFIG_SCOPE_BROKER && !config_is_live(key);
	answer->config_type = type_number(key->type);
	if (all->include_synonyms)
		fill_synonyms(rq, id, own, answer);
	answer->documentation = all->include_documentation ? document(rq, key) : STR_NULL;
}

/* Does the resource have the setting, and was it requested? */
static bool
is_shown(const wanted_resource *wanted, enum config_id id, const struct own *own)
{
	const struct config_key *key = &config_table[id];
	const char *name = config_name(key, own->scope);
	bool is_own = own->set && own->set->value[id];
	return name && is_wanted(wanted, name)
		&& (is_own || (!own->is_all && !config_is_hidden(key)));
}

static void
fill(struct request *rq, const wanted_resource *wanted, const struct own *own,
	config_answer *answer)
{
	int n = 0;
	for (int i = 0; i < CONFIG_N; i++)
		n += is_shown(wanted, (enum config_id)i, own);
	answer->configs.v = REQUEST_ARRAY(rq, value_answer, n);
	for (int i = 0; i < CONFIG_N; i++)
		if (is_shown(wanted, (enum config_id)i, own))
			fill_one(rq, (enum config_id)i, own, &answer->configs.v[answer->configs.n++]);
}

static int16_t
refuse(config_answer *answer, const char *why)
{
	answer->error_message = str_of(why);
	return KERR_INVALID_REQUEST;
}

static int16_t
describe_topic(struct request *rq, const wanted_resource *wanted, config_answer *answer)
{
	struct topics *topics = &rq->broker->topics;
	const char *fault = topic_name_fault(wanted->resource_name);
	if (fault) {
		answer->error_message = str_of(fault);
		return KERR_INVALID_TOPIC_EXCEPTION;
	}
	topics_read_begin(topics);
	struct topic *t = topics_find(topics, wanted->resource_name);
	if (t) {
		struct own own = { .scope = CONFIG_SCOPE_TOPIC, .set = t->overrides,
			.source = SOURCE_TOPIC };
		fill(rq, wanted, &own, answer);
	}
	topics_read_end(topics);
	return t ? KERR_NONE : KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* An empty name means all brokers. */
static int16_t
describe_broker(struct request *rq, const wanted_resource *wanted, config_answer *answer)
{
	struct own own = { .scope = CONFIG_SCOPE_BROKER, .source = SOURCE_DYNAMIC_ALL_BROKERS };
	if (!wanted->resource_name.n) {
		own.set = rq->broker->dynamic.shared;
		own.is_all = true;
	} else if (!dynamic_is_this_broker(&rq->broker->dynamic, wanted->resource_name)) {
		return refuse(answer, "there is no broker of that id");
	}
	fill(rq, wanted, &own, answer);
	return KERR_NONE;
}

static int16_t
describe_group(struct request *rq, const wanted_resource *wanted, config_answer *answer)
{
	if (!wanted->resource_name.n)
		return refuse(answer, "the group's name is empty");
	struct own own = { .scope = CONFIG_SCOPE_GROUP, .source = SOURCE_GROUP,
		.set = dynamic_group(&rq->broker->dynamic, wanted->resource_name) };
	fill(rq, wanted, &own, answer);
	return KERR_NONE;
}

/* There is one logger, Kafka's root, whose level can be changed. */
static int16_t
describe_logger(struct request *rq, const wanted_resource *wanted, config_answer *answer)
{
	if (!dynamic_is_this_broker(&rq->broker->dynamic, wanted->resource_name))
		return refuse(answer, "there is no broker of that id");
	if (!is_wanted(wanted, "root"))
		return KERR_NONE;
	answer->configs.v = REQUEST_ARRAY(rq, value_answer, 1);
	answer->configs.n = 1;
	value_answer *level = &answer->configs.v[0];
	wire_defaults(&describe_configs_response_config_desc, level);
	level->name = STR("root");
	level->value = str_of(dynamic_level_name());
	level->config_source = SOURCE_LOGGER;
	return KERR_NONE;
}

static int16_t
describe(struct request *rq, const wanted_resource *wanted, config_answer *answer)
{
	switch (wanted->resource_type) {
	case RESOURCE_TOPIC: return describe_topic(rq, wanted, answer);
	case RESOURCE_BROKER: return describe_broker(rq, wanted, answer);
	case RESOURCE_GROUP: return describe_group(rq, wanted, answer);
	case RESOURCE_BROKER_LOGGER: return describe_logger(rq, wanted, answer);
	case RESOURCE_CLIENT_METRICS: /* none are collected, so there is nothing to set */
		return wanted->resource_name.n ? KERR_NONE
			: refuse(answer, "the name of the client metrics subscription is empty");
	default: return refuse(answer, "there is no such type of resource");
	}
}

void
api_describe_configs(struct request *rq)
{
	struct describe_configs_request *q = rq->body;
	struct describe_configs_response r;
	wire_defaults(&describe_configs_response_desc, &r);
	r.results.n = q->resources.n;
	r.results.v = REQUEST_ARRAY(rq, config_answer, q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		config_answer *answer = &r.results.v[i];
		wire_defaults(&describe_configs_response_resource_desc, answer);
		answer->error_message = STR(""); /* as Kafka has it */
		answer->resource_type = q->resources.v[i].resource_type;
		answer->resource_name = q->resources.v[i].resource_name;
		if (rq->arena.used < ANSWER_SIZE_MAX) {
			dynamic_read_begin(&rq->broker->dynamic);
			answer->error_code = describe(rq, &q->resources.v[i], answer);
			dynamic_read_end(&rq->broker->dynamic);
		} else {
			answer->error_code = KERR_INVALID_REQUEST;
			answer->error_message = STR("too many resources for one answer: "
				"ask for the rest in another request");
		}
	}
	request_respond(rq, &r);
}
