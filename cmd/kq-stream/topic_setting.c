#include "kq-stream/topic_setting.h"

#include "proto.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	RESOURCE_TOPIC = 2,
	OP_SET = 0,
	TIMEOUT_MS = 5000, /* processing waits */
};

int
topic_setting_get(struct cluster *cl, const char *topic, const char *name, struct buf *value,
	struct err *e)
{
	struct arena a = ARENA_INIT;
	struct describe_configs_request q;
	struct describe_configs_response r;
	struct describe_configs_request_resource resource = { .resource_type = RESOURCE_TOPIC,
		.resource_name = str_of(topic) };
	struct str key = str_of(name);
	wire_defaults(&describe_configs_request_desc, &q);
	q.resources.v = &resource;
	q.resources.n = 1;
	resource.configuration_keys.v = &key;
	resource.configuration_keys.n = 1;
	int rc = cluster_call_upto(cl, CLUSTER_ANY, API_DESCRIBE_CONFIGS, INT16_MAX,
		TIMEOUT_MS, &q, &r, &a, e);
	if (rc >= 0 && (r.results.n != 1 || r.results.v->error_code))
		rc = cluster_peer_err(e, r.results.n == 1 ? r.results.v->error_code
			: KERR_UNKNOWN_SERVER_ERROR, r.results.n == 1 ? r.results.v->error_message : STR_NULL);
	for (int32_t i = 0; rc >= 0 && i < r.results.v->configs.n; i++)
		if (str_eq(r.results.v->configs.v[i].name, key))
			buf_put(value, r.results.v->configs.v[i].value.p,
				(size_t)MAX(r.results.v->configs.v[i].value.n, 0));
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

int64_t
topic_setting_number(struct cluster *cl, const char *topic, const char *name, int64_t otherwise)
{
	struct buf text = BUF_INIT;
	struct err ignored;
	int64_t n = otherwise;
	if (topic_setting_get(cl, topic, name, &text, &ignored) == 0 && text.n > 0) {
		buf_putc(&text, 0);
		n = strtoll((const char *)text.p, NULL, 10);
	}
	buf_release(&text);
	return n;
}

int
topic_setting_set(struct cluster *cl, const char *topic, const char *name, int64_t value,
	struct err *e)
{
	struct arena a = ARENA_INIT;
	char text[24];
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_response r;
	struct incremental_alter_configs_request_config config = { .name = str_of(name),
		.config_operation = OP_SET };
	struct incremental_alter_configs_request_resource resource = { .resource_type = RESOURCE_TOPIC,
		.resource_name = str_of(topic), .configs = { &config, 1 } };
	snprintf(text, sizeof text, "%lld", (long long)value);
	config.value = str_of(text);
	wire_defaults(&incremental_alter_configs_request_desc, &q);
	q.resources.v = &resource;
	q.resources.n = 1;
	int rc = cluster_call_upto(cl, CLUSTER_ANY, API_INCREMENTAL_ALTER_CONFIGS,
		INT16_MAX, TIMEOUT_MS, &q, &r, &a, e);
	if (rc >= 0 && (r.responses.n != 1 || r.responses.v->error_code))
		rc = cluster_peer_err(e, r.responses.n == 1 ? r.responses.v->error_code
			: KERR_UNKNOWN_SERVER_ERROR,
			r.responses.n == 1 ? r.responses.v->error_message : STR_NULL);
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}
