/*
 * AlterConfigs and IncrementalAlterConfigs: settings of topics, brokers and
 * groups, all at once or one by one (KIP-339).
 *
 * By version: no difference but the encoding.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/describe.h"

#include "base/map.h"
#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

enum config_operation { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

/* What is to be changed: a resource, and what is set for it now. */
struct target {
	int8_t type;
	struct str name;
	enum config_scope scope;
	const struct config_set *now; /* NULL: nothing */
	bool is_twice; /* named twice in the request */
};

static int
find_broker(struct broker *b, struct target *t, struct catalog_error *e)
{
	t->scope = CONFIG_SCOPE_BROKER;
	t->now = t->name.n ? b->dynamic.own : b->dynamic.shared;
	if (t->name.n && !dynamic_is_this_broker(&b->dynamic, t->name))
		return catalog_fail(e, KERR_INVALID_REQUEST, "there is no broker of that id");
	return 0;
}

static int
find_topic(struct broker *b, struct target *t, struct catalog_error *e)
{
	const char *fault = topic_name_fault(t->name);
	if (fault)
		return catalog_fail(e, KERR_INVALID_TOPIC_EXCEPTION, "%s", fault);
	struct topic *topic = topics_find(&b->topics, t->name);
	if (!topic)
		return catalog_fail(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
	t->scope = CONFIG_SCOPE_TOPIC;
	t->now = topic->overrides;
	return 0;
}

static int
find_group(struct broker *b, struct target *t, struct catalog_error *e)
{
	if (!t->name.n)
		return catalog_fail(e, KERR_INVALID_REQUEST,
			"settings for all groups are those of the broker, group.*");
	t->scope = CONFIG_SCOPE_GROUP;
	t->now = dynamic_group(&b->dynamic, t->name);
	return 0;
}

static int
find(struct broker *b, struct target *t, struct catalog_error *e)
{
	if (t->is_twice)
		return catalog_fail(e, KERR_INVALID_REQUEST, "the resource is named twice");
	switch (t->type) {
	case RESOURCE_TOPIC: return find_topic(b, t, e);
	case RESOURCE_BROKER: return find_broker(b, t, e);
	case RESOURCE_GROUP: return find_group(b, t, e);
	case RESOURCE_BROKER_LOGGER:
		return catalog_fail(e, KERR_INVALID_REQUEST,
			"levels of loggers are changed one by one (IncrementalAlterConfigs)");
	case RESOURCE_CLIENT_METRICS:
		return catalog_fail(e, KERR_INVALID_REQUEST,
			"this broker collects no metrics of its clients");
	default: return catalog_fail(e, KERR_INVALID_REQUEST, "there is no such type of resource");
	}
}

/* The resource is to have these settings. */
static int
store(struct broker *b, const struct target *t, const struct config_set *set, bool validate_only,
	struct catalog_error *e)
{
	switch (t->scope) {
	case CONFIG_SCOPE_TOPIC: return catalog_configure(&b->catalog, t->name, set, validate_only, e);
	case CONFIG_SCOPE_GROUP: return dynamic_configure_group(&b->dynamic, t->name, set, validate_only, e);
	case CONFIG_SCOPE_BROKER: break;
	}
	return dynamic_configure_broker(&b->dynamic, t->name.n == 0, set, validate_only, e);
}

/* One setting of a resource; value null: unset. */
static int
put(const struct target *t, struct config_set *set, struct str name, struct str value,
	struct catalog_error *e)
{
	const struct config_key *k = config_find(t->scope, name);
	if (k && value.n >= 0 && t->scope == CONFIG_SCOPE_BROKER && !config_is_live(k))
		return catalog_fail(e, KERR_INVALID_REQUEST,
			"%s cannot be changed while the broker runs: set it in kq.yaml or with -o",
			config_name(k, t->scope));
	return catalog_put_config(set, t->scope, name, value, e);
}

/* ---- all at once ---- */

static int
alter(struct request *rq, const struct alter_configs_request_resource *q,
	bool is_twice, struct catalog_error *e)
{
	const struct alter_configs_request *all = rq->body;
	struct target t = { q->resource_type, q->resource_name, .is_twice = is_twice };
	if (find(rq->broker, &t, e) < 0)
		return -1;
	struct config_set *set = config_set_copy(NULL);
	int r = 0;
	for (int32_t i = 0; r == 0 && i < q->configs.n; i++)
		r = q->configs.v[i].value.n < 0
			? catalog_fail(e, KERR_INVALID_REQUEST, "a value is missing")
			: put(&t, set, q->configs.v[i].name, q->configs.v[i].value, e);
	if (r == 0)
		r = store(rq->broker, &t, set, all->validate_only, e);
	config_set_free(set);
	return r;
}

/* Was the resource in the request before?  It is now. */
static bool
note_resource(struct request *rq, struct map *seen, int8_t type, struct str name)
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
	struct alter_configs_response a;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&alter_configs_response_desc, &a);
	a.responses.n = q->resources.n;
	a.responses.v = REQUEST_ARRAY(rq, struct alter_configs_response_resource,
		q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error e = { 0 };
		bool is_twice = note_resource(rq, &seen, q->resources.v[i].resource_type,
			q->resources.v[i].resource_name);
		int r = alter(rq, &q->resources.v[i], is_twice, &e);
		a.responses.v[i].error_code = e.code;
		a.responses.v[i].error_message = r < 0 ? arena_str(&rq->arena, str_of(e.message)) : STR_NULL;
		a.responses.v[i].resource_type = q->resources.v[i].resource_type;
		a.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	map_release(&seen);
	request_respond(rq, &a);
}

/* ---- one by one ---- */

typedef struct incremental_alter_configs_request_config change;
typedef struct incremental_alter_configs_request_resource changes;

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

/* The list with the words of value added, or taken out. */
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
change_list(struct request *rq, const struct target *t, struct config_set *set, const change *q,
	const struct config_key *k, struct catalog_error *e)
{
	if (k->type != CONFIG_TYPE_LIST && k->type != CONFIG_TYPE_REPLICAS)
		return catalog_fail(e, KERR_INVALID_CONFIG, "%s is not a list", config_name(k, t->scope));
	const char *now = config_value(set, rq->broker->dynamic.values, config_id_of(k));
	struct buf list = BUF_INIT;
	edit_list(str_of(now), q->value, q->config_operation == OP_APPEND, &list);
	int r = put(t, set, q->name, list.n ? buf_str(&list) : STR(""), e);
	buf_release(&list);
	return r;
}

static int
apply(struct request *rq, const struct target *t, struct config_set *set, const change *q,
	struct catalog_error *e)
{
	const struct config_key *k = config_find(t->scope, q->name);
	if (q->config_operation < OP_SET || q->config_operation > OP_SUBTRACT)
		return catalog_fail(e, KERR_INVALID_REQUEST, "unknown operation %d", q->config_operation);
	if (q->config_operation == OP_DELETE)
		return put(t, set, q->name, STR_NULL, e);
	if (q->value.n < 0)
		return catalog_fail(e, KERR_INVALID_REQUEST, "a value is missing");
	if (q->config_operation == OP_SET || !k)
		return put(t, set, q->name, q->value, e);
	return change_list(rq, t, set, q, k, e);
}

/* The level of the one logger. */
static int
change_level(struct broker *b, const changes *q, bool validate_only, struct catalog_error *e)
{
	enum log_level level = LOG_INFO;
	if (!dynamic_is_this_broker(&b->dynamic, q->resource_name))
		return catalog_fail(e, KERR_INVALID_REQUEST, "there is no broker of that id");
	for (int32_t i = 0; i < q->configs.n; i++) {
		const change *c = &q->configs.v[i];
		if (!str_eq(c->name, STR("root")))
			return catalog_fail(e, KERR_INVALID_CONFIG, "the only logger is root");
		if (c->config_operation != OP_SET)
			return catalog_fail(e, KERR_INVALID_REQUEST, "the level of root can only be set");
		if (!dynamic_parse_level(c->value, &level))
			return catalog_fail(e, KERR_INVALID_CONFIG,
				"the levels are ERROR, WARN, INFO and DEBUG");
	}
	if (q->configs.n && !validate_only)
		log_set_level(level);
	return 0;
}

static int
check_names(const struct broker *b, const changes *q, struct catalog_error *e)
{
	struct map seen = { .seed = b->topics.by_name.seed };
	bool is_twice = false;
	for (int32_t i = 0; i < q->configs.n; i++) {
		is_twice |= map_get(&seen, q->configs.v[i].name) != NULL;
		map_put(&seen, q->configs.v[i].name, (void *)(uintptr_t)q);
	}
	map_release(&seen);
	return is_twice ? catalog_fail(e, KERR_INVALID_REQUEST, "a setting is named twice") : 0;
}

static int
alter_each(struct request *rq, const changes *q, bool is_twice, struct catalog_error *e)
{
	const struct incremental_alter_configs_request *all = rq->body;
	struct target t = { q->resource_type, q->resource_name, .is_twice = is_twice };
	if (check_names(rq->broker, q, e) < 0)
		return -1;
	if (t.type == RESOURCE_BROKER_LOGGER && !is_twice)
		return change_level(rq->broker, q, all->validate_only, e);
	if (find(rq->broker, &t, e) < 0)
		return -1;
	struct config_set *set = config_set_copy(t.now);
	int r = 0;
	for (int32_t i = 0; r == 0 && i < q->configs.n; i++)
		r = apply(rq, &t, set, &q->configs.v[i], e);
	if (r == 0)
		r = store(rq->broker, &t, set, all->validate_only, e);
	config_set_free(set);
	return r;
}

void
api_incremental_alter_configs(struct request *rq)
{
	struct incremental_alter_configs_request *q = rq->body;
	struct incremental_alter_configs_response a;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&incremental_alter_configs_response_desc, &a);
	a.responses.n = q->resources.n;
	a.responses.v = REQUEST_ARRAY(rq,
		struct incremental_alter_configs_response_resource, q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error e = { 0 };
		bool is_twice = note_resource(rq, &seen, q->resources.v[i].resource_type,
			q->resources.v[i].resource_name);
		int r = alter_each(rq, &q->resources.v[i], is_twice, &e);
		a.responses.v[i].error_code = e.code;
		a.responses.v[i].error_message = r < 0 ? arena_str(&rq->arena, str_of(e.message)) : STR_NULL;
		a.responses.v[i].resource_type = q->resources.v[i].resource_type;
		a.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	map_release(&seen);
	request_respond(rq, &a);
}
