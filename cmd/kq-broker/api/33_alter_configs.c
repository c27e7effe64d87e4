/*
 * AlterConfigs and IncrementalAlterConfigs: settings of topics, brokers and
 * groups, all at once or one by one (KIP-339).
 *
 * By version: no difference but the encoding.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/config_resource.h"

#include "base/map.h"
#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

enum config_operation { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

/* The resource to change. */
struct target {
	int8_t type;
	struct str name;
	bool is_twice; /* named twice in the request */
	enum config_scope scope;
	const struct config_set *now; /* its settings before; NULL: none */
};

static int
find_broker(struct broker *broker, struct target *target, struct catalog_error *error)
{
	target->scope = CONFIG_SCOPE_BROKER;
	target->now = target->name.n ? broker->dynamic.own : broker->dynamic.shared;
	if (target->name.n && !dynamic_is_this_broker(&broker->dynamic, target->name))
		return catalog_fail(error, KERR_INVALID_REQUEST, "there is no broker of that id");
	return 0;
}

static int
find_topic(struct broker *broker, struct target *target, struct catalog_error *error)
{
	const char *fault = topic_name_fault(target->name);
	if (fault)
		return catalog_fail(error, KERR_INVALID_TOPIC_EXCEPTION, "%s", fault);
	struct topic *topic = topics_find(&broker->topics, target->name);
	if (!topic)
		return catalog_fail(error, KERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
	target->scope = CONFIG_SCOPE_TOPIC;
	target->now = topic->overrides;
	return 0;
}

static int
find_group(struct broker *broker, struct target *target, struct catalog_error *error)
{
	if (!target->name.n)
		return catalog_fail(error, KERR_INVALID_REQUEST,
			"settings for all groups are those of the broker, group.*");
	target->scope = CONFIG_SCOPE_GROUP;
	target->now = dynamic_group(&broker->dynamic, target->name);
	return 0;
}

static int
find(struct broker *broker, struct target *target, struct catalog_error *error)
{
	if (target->is_twice)
		return catalog_fail(error, KERR_INVALID_REQUEST, "the resource is named twice");
	switch (target->type) {
	case RESOURCE_TOPIC: return find_topic(broker, target, error);
	case RESOURCE_BROKER: return find_broker(broker, target, error);
	case RESOURCE_GROUP: return find_group(broker, target, error);
	case RESOURCE_BROKER_LOGGER:
		return catalog_fail(error, KERR_INVALID_REQUEST,
			"levels of loggers are changed one by one (IncrementalAlterConfigs)");
	case RESOURCE_CLIENT_METRICS:
		return catalog_fail(error, KERR_INVALID_REQUEST,
			"this broker collects no metrics of its clients");
	default: return catalog_fail(error, KERR_INVALID_REQUEST, "there is no such type of resource");
	}
}

/* Replace the resource's settings. */
static int
store(struct broker *broker, const struct target *target, const struct config_set *set,
	bool validate_only, struct catalog_error *error)
{
	switch (target->scope) {
	case CONFIG_SCOPE_TOPIC:
		return catalog_configure(&broker->catalog, target->name, set, validate_only, error);
	case CONFIG_SCOPE_GROUP:
		return dynamic_configure_group(&broker->dynamic, target->name, set, validate_only,
			error);
	case CONFIG_SCOPE_BROKER: break;
	}
	bool is_shared = target->name.n == 0;
	return dynamic_configure_broker(&broker->dynamic, is_shared, set, validate_only, error);
}

/* Put one setting into the set; a null value removes it. */
static int
put(const struct target *target, struct config_set *set, struct str name, struct str value,
	struct catalog_error *error)
{
	const struct config_key *key = config_find(target->scope, name);
	if (key && value.n >= 0 && target->scope == CONFIG_SCOPE_BROKER && !config_is_live(key))
		return catalog_fail(error, KERR_INVALID_REQUEST,
			"%s cannot be changed while the broker runs: set it in kq.yaml or with -o",
			config_name(key, target->scope));
	return catalog_put_config(set, target->scope, name, value, error);
}

/* ---- all at once ---- */

static int
alter(struct request *rq, const struct alter_configs_request_resource *resource,
	bool is_twice, struct catalog_error *error)
{
	const struct alter_configs_request *all = rq->body;
	struct target target = { resource->resource_type, resource->resource_name, is_twice };
	if (find(rq->broker, &target, error) < 0)
		return -1;
	struct config_set *set = config_set_copy(NULL);
	int rc = 0;
	for (int32_t i = 0; rc == 0 && i < resource->configs.n; i++)
		rc = resource->configs.v[i].value.n < 0
			? catalog_fail(error, KERR_INVALID_REQUEST, "a value is missing")
			: put(&target, set, resource->configs.v[i].name, resource->configs.v[i].value, error);
	if (rc == 0)
		rc = store(rq->broker, &target, set, all->validate_only, error);
	config_set_free(set);
	return rc;
}

/* Add the resource to the set of those seen.  Was it in it already? */
static bool
add_seen(struct request *rq, struct map *seen, int8_t type, struct str name)
{
	struct str key = { arena_alloc(&rq->arena, (size_t)name.n + 1), name.n + 1 };
	uint8_t *p = (uint8_t *)(uintptr_t)key.p;
	p[0] = (uint8_t)type;
	if (name.n)
		memcpy(p + 1, name.p, (size_t)name.n);
	bool was_there = map_get(seen, key) != NULL;
	map_put(seen, key, rq);
	return was_there;
}

void
api_alter_configs(struct request *rq)
{
	struct alter_configs_request *q = rq->body;
	struct alter_configs_response r;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&alter_configs_response_desc, &r);
	r.responses.n = q->resources.n;
	r.responses.v = REQUEST_ARRAY(rq, struct alter_configs_response_resource,
		q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error error = { 0 };
		bool is_twice = add_seen(rq, &seen, q->resources.v[i].resource_type,
			q->resources.v[i].resource_name);
		int rc = alter(rq, &q->resources.v[i], is_twice, &error);
		r.responses.v[i].error_code = error.code;
		r.responses.v[i].error_message = rc < 0
			? arena_str(&rq->arena, str_of(error.message)) : STR_NULL;
		r.responses.v[i].resource_type = q->resources.v[i].resource_type;
		r.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	map_release(&seen);
	request_respond(rq, &r);
}

/* ---- one by one ---- */

typedef struct incremental_alter_configs_request_config config_change;
typedef struct incremental_alter_configs_request_resource resource_changes;

static bool
list_has(struct str list, struct str word)
{
	struct str member;
	while (list.n && config_next_member(&list, &member))
		if (str_eq(member, word))
			return true;
	return false;
}

static void
put_member(struct buf *out, struct str member)
{
	if (out->n)
		buf_putc(out, ',');
	buf_put_str(out, member);
}

/* Write the list with the words of value added, or removed. */
static void
edit_list(struct str list, struct str value, bool add, struct buf *out)
{
	struct str rest = list, member;
	while (rest.n && config_next_member(&rest, &member))
		if (add || !list_has(value, member))
			put_member(out, member);
	while (add && config_next_member(&value, &member))
		if (!list_has(list, member))
			put_member(out, member);
}

static int
change_list(struct request *rq, const struct target *target, struct config_set *set,
	const config_change *change, const struct config_key *key, struct catalog_error *error)
{
	if (key->type != CONFIG_TYPE_LIST && key->type != CONFIG_TYPE_REPLICAS)
		return catalog_fail(error, KERR_INVALID_CONFIG, "%s is not a list",
			config_name(key, target->scope));
	const char *now = config_value(set, rq->broker->dynamic.values, config_id_of(key));
	struct buf list = BUF_INIT;
	edit_list(str_of(now), change->value, change->config_operation == OP_APPEND, &list);
	int rc = put(target, set, change->name, list.n ? buf_str(&list) : STR(""), error);
	buf_release(&list);
	return rc;
}

static int
apply(struct request *rq, const struct target *target, struct config_set *set,
	const config_change *change, struct catalog_error *error)
{
	const struct config_key *key = config_find(target->scope, change->name);
	int8_t operation = change->config_operation;
	if (operation < OP_SET || operation > OP_SUBTRACT)
		return catalog_fail(error, KERR_INVALID_REQUEST, "unknown operation %d", operation);
	if (operation == OP_DELETE)
		return put(target, set, change->name, STR_NULL, error);
	if (change->value.n < 0)
		return catalog_fail(error, KERR_INVALID_REQUEST, "a value is missing");
	if (operation == OP_SET || !key)
		return put(target, set, change->name, change->value, error);
	return change_list(rq, target, set, change, key, error);
}

/* Set the level of the one logger. */
static int
change_level(struct broker *broker, const resource_changes *resource, bool validate_only,
	struct catalog_error *error)
{
	enum log_level level = LOG_INFO;
	if (!dynamic_is_this_broker(&broker->dynamic, resource->resource_name))
		return catalog_fail(error, KERR_INVALID_REQUEST, "there is no broker of that id");
	for (int32_t i = 0; i < resource->configs.n; i++) {
		const config_change *change = &resource->configs.v[i];
		if (!str_eq(change->name, STR("root")))
			return catalog_fail(error, KERR_INVALID_CONFIG, "the only logger is root");
		if (change->config_operation != OP_SET)
			return catalog_fail(error, KERR_INVALID_REQUEST, "the level of root can only be set");
		if (!dynamic_parse_level(change->value, &level))
			return catalog_fail(error, KERR_INVALID_CONFIG,
				"the levels are ERROR, WARN, INFO and DEBUG");
	}
	if (resource->configs.n && !validate_only)
		log_set_level(level);
	return 0;
}

static int
check_names(const struct broker *broker, const resource_changes *resource,
	struct catalog_error *error)
{
	struct map seen = { .seed = broker->topics.by_name.seed };
	bool is_twice = false;
	for (int32_t i = 0; i < resource->configs.n; i++) {
		is_twice |= map_get(&seen, resource->configs.v[i].name) != NULL;
		map_put(&seen, resource->configs.v[i].name, (void *)(uintptr_t)resource);
	}
	map_release(&seen);
	return is_twice ? catalog_fail(error, KERR_INVALID_REQUEST, "a setting is named twice") : 0;
}

static int
alter_each(struct request *rq, const resource_changes *resource, bool is_twice,
	struct catalog_error *error)
{
	const struct incremental_alter_configs_request *all = rq->body;
	struct target target = { resource->resource_type, resource->resource_name, is_twice };
	if (check_names(rq->broker, resource, error) < 0)
		return -1;
	if (target.type == RESOURCE_BROKER_LOGGER && !is_twice)
		return change_level(rq->broker, resource, all->validate_only, error);
	if (find(rq->broker, &target, error) < 0)
		return -1;
	struct config_set *set = config_set_copy(target.now);
	int rc = 0;
	for (int32_t i = 0; rc == 0 && i < resource->configs.n; i++)
		rc = apply(rq, &target, set, &resource->configs.v[i], error);
	if (rc == 0)
		rc = store(rq->broker, &target, set, all->validate_only, error);
	config_set_free(set);
	return rc;
}

void
api_incremental_alter_configs(struct request *rq)
{
	struct incremental_alter_configs_request *q = rq->body;
	struct incremental_alter_configs_response r;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&incremental_alter_configs_response_desc, &r);
	r.responses.n = q->resources.n;
	r.responses.v = REQUEST_ARRAY(rq,
		struct incremental_alter_configs_response_resource, q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error error = { 0 };
		bool is_twice = add_seen(rq, &seen, q->resources.v[i].resource_type,
			q->resources.v[i].resource_name);
		int rc = alter_each(rq, &q->resources.v[i], is_twice, &error);
		r.responses.v[i].error_code = error.code;
		r.responses.v[i].error_message = rc < 0
			? arena_str(&rq->arena, str_of(error.message)) : STR_NULL;
		r.responses.v[i].resource_type = q->resources.v[i].resource_type;
		r.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	map_release(&seen);
	request_respond(rq, &r);
}
