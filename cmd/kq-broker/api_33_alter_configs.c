/* AlterConfigs and IncrementalAlterConfigs: a topic's settings, all at once
 * or one by one (KIP-339). */
#include "api.h"

#include "broker.h"
#include "catalog.h"
#include "describe.h"

#include "proto.h"
#include "wire/kerr.h"

enum config_operation { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

/* The topic's settings as they are, to be changed; NULL: *e is filled. */
static struct config_set *
begin(struct request *rq, int8_t type, struct str name, bool from_empty, struct catalog_error *e)
{
	if (type == RESOURCE_BROKER) {
		catalog_fail(e, KERR_INVALID_REQUEST,
			"a broker's settings are changed in its configuration file");
		return NULL;
	}
	if (type != RESOURCE_TOPIC) {
		catalog_fail(e, KERR_INVALID_REQUEST, "only topics have settings that can be changed");
		return NULL;
	}
	struct topic *t = topics_find(&rq->broker->topics, name);
	if (!t) {
		catalog_fail(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
		return NULL;
	}
	return config_set_copy(from_empty ? NULL : t->overrides);
}

static int
alter(struct request *rq, const struct alter_configs_request_alter_configs_resource *q,
	struct catalog_error *e)
{
	const struct alter_configs_request *all = rq->body;
	struct config_set *set = begin(rq, q->resource_type, q->resource_name, true, e);
	int r = set ? 0 : -1;
	for (int32_t i = 0; r == 0 && i < q->configs.n; i++)
		r = catalog_put_config(set, CONFIG_SCOPE_TOPIC, q->configs.v[i].name, q->configs.v[i].value, e);
	if (r == 0)
		r = catalog_configure(rq->broker, q->resource_name, set, all->validate_only, e);
	config_set_free(set);
	return r;
}

void
api_alter_configs(struct request *rq)
{
	struct alter_configs_request *q = rq->body;
	struct alter_configs_response a;
	wire_defaults(&alter_configs_response_desc, &a);
	a.responses.n = q->resources.n;
	a.responses.v = REQUEST_ARRAY(rq, struct alter_configs_response_alter_configs_resource_response,
		q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error e = { 0 };
		int r = alter(rq, &q->resources.v[i], &e);
		a.responses.v[i].error_code = e.code;
		a.responses.v[i].error_message = r < 0 ? arena_str(&rq->arena, str_of(e.message)) : STR_NULL;
		a.responses.v[i].resource_type = q->resources.v[i].resource_type;
		a.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	request_respond(rq, &a);
}

/* --- one by one --- */

/* Is the word one of the list "a,b"?  Then *at is where. */
static bool
list_has(const char *list, struct str word, const char **at)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");
		*at = p;
		if ((int32_t)n == word.n && memcmp(p, word.p, n) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

/* The list with the words of value added, or taken out. */
static void
edit_list(const char *list, struct str value, bool add, struct buf *out)
{
	char *words = mem_strndup(value);
	const char *at;
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");
		struct str word = { (const uint8_t *)p, (int32_t)n };
		if (add || !list_has(words, word, &at)) {
			if (out->n)
				buf_putc(out, ',');
			buf_put_str(out, word);
		}
		p += n + (p[n] == ',');
	}
	for (const char *p = words; add && *p;) {
		size_t n = strcspn(p, ",");
		struct str word = { (const uint8_t *)p, (int32_t)n };
		if (!list_has(list, word, &at)) {
			if (out->n)
				buf_putc(out, ',');
			buf_put_str(out, word);
		}
		p += n + (p[n] == ',');
	}
	mem_free(words);
}

static int
apply(struct request *rq, struct config_set *set,
	const struct incremental_alter_configs_request_alterable_config *q, struct catalog_error *e)
{
	const struct config_key *k = config_find(CONFIG_SCOPE_TOPIC, q->name);
	if (q->config_operation == OP_DELETE)
		return catalog_put_config(set, CONFIG_SCOPE_TOPIC, q->name, STR_NULL, e);
	if (q->value.n < 0)
		return catalog_fail(e, KERR_INVALID_REQUEST, "a value is missing");
	if (q->config_operation == OP_SET || !k)
		return catalog_put_config(set, CONFIG_SCOPE_TOPIC, q->name, q->value, e);
	if (q->config_operation != OP_APPEND && q->config_operation != OP_SUBTRACT)
		return catalog_fail(e, KERR_INVALID_REQUEST, "unknown operation %d", q->config_operation);
	if (k->type != CONFIG_TYPE_LIST)
		return catalog_fail(e, KERR_INVALID_CONFIG, "%s is not a list", k->name);
	struct buf list = BUF_INIT;
	edit_list(config_value(set, rq->broker->settings->values, config_id_of(k)), q->value,
		q->config_operation == OP_APPEND, &list);
	int r = catalog_put_config(set, CONFIG_SCOPE_TOPIC, q->name, list.n ? buf_str(&list) : STR(""), e);
	buf_release(&list);
	return r;
}

static int
alter_each(struct request *rq,
	const struct incremental_alter_configs_request_alter_configs_resource *q,
	struct catalog_error *e)
{
	const struct incremental_alter_configs_request *all = rq->body;
	struct config_set *set = begin(rq, q->resource_type, q->resource_name, false, e);
	int r = set ? 0 : -1;
	for (int32_t i = 0; r == 0 && i < q->configs.n; i++)
		r = apply(rq, set, &q->configs.v[i], e);
	if (r == 0)
		r = catalog_configure(rq->broker, q->resource_name, set, all->validate_only, e);
	config_set_free(set);
	return r;
}

void
api_incremental_alter_configs(struct request *rq)
{
	struct incremental_alter_configs_request *q = rq->body;
	struct incremental_alter_configs_response a;
	wire_defaults(&incremental_alter_configs_response_desc, &a);
	a.responses.n = q->resources.n;
	a.responses.v = REQUEST_ARRAY(rq,
		struct incremental_alter_configs_response_alter_configs_resource_response, q->resources.n);
	for (int32_t i = 0; i < q->resources.n; i++) {
		struct catalog_error e = { 0 };
		int r = alter_each(rq, &q->resources.v[i], &e);
		a.responses.v[i].error_code = e.code;
		a.responses.v[i].error_message = r < 0 ? arena_str(&rq->arena, str_of(e.message)) : STR_NULL;
		a.responses.v[i].resource_type = q->resources.v[i].resource_type;
		a.responses.v[i].resource_name = q->resources.v[i].resource_name;
	}
	request_respond(rq, &a);
}
