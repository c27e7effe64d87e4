/*
 * ListConfigResources (KIP-1142): the names of all that has settings.
 *
 * By version: 0 only client metrics.  1 types of resources.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/config_resource.h"

#include "proto.h"
#include "wire/kerr.h"

#include <stdio.h>

typedef struct list_config_resources_response_resource resource;

enum { ALL_TYPES = RESOURCE_TOPIC | RESOURCE_BROKER | RESOURCE_BROKER_LOGGER
	| RESOURCE_CLIENT_METRICS | RESOURCE_GROUP };

static void
add(struct request *rq, struct list_config_resources_response *r, struct str name, int8_t type)
{
	resource *answer = &r->config_resources.v[r->config_resources.n++];
	answer->resource_name = arena_str(&rq->arena, name);
	answer->resource_type = type;
}

/* The types asked for, as bits; 0: one of them is unknown. */
static int
types_of(const struct request *rq)
{
	const struct list_config_resources_request *q = rq->body;
	int types = 0;
	if (rq->header.api_version == 0)
		return RESOURCE_CLIENT_METRICS;
	for (int32_t i = 0; i < q->resource_types.n; i++) {
		int type = q->resource_types.v[i];
		if (type <= 0 || (type & ALL_TYPES) != type || (type & (type - 1)))
			return 0;
		types |= type;
	}
	return types ? types : ALL_TYPES;
}

/* In Kafka's order.  No client metrics are collected. */
static void
fill(struct request *rq, int types, struct list_config_resources_response *r)
{
	struct broker *broker = rq->broker;
	char id[16];
	snprintf(id, sizeof id, "%d", broker->node_id);
	dynamic_read_begin(&broker->dynamic);
	topics_read_begin(&broker->topics);
	r->config_resources.v = REQUEST_ARRAY(rq, resource,
		2 + broker->topics.by_name.n + broker->dynamic.groups.n);
	if (types & RESOURCE_GROUP)
		MAP_EACH(it, &broker->dynamic.groups)
			add(rq, r, it->key, RESOURCE_GROUP);
	if (types & RESOURCE_BROKER_LOGGER)
		add(rq, r, str_of(id), RESOURCE_BROKER_LOGGER);
	if (types & RESOURCE_BROKER)
		add(rq, r, str_of(id), RESOURCE_BROKER);
	if (types & RESOURCE_TOPIC)
		MAP_EACH(it, &broker->topics.by_name)
			add(rq, r, it->key, RESOURCE_TOPIC);
	topics_read_end(&broker->topics);
	dynamic_read_end(&broker->dynamic);
}

void
api_list_config_resources(struct request *rq)
{
	struct list_config_resources_response r;
	int types = types_of(rq);
	wire_defaults(&list_config_resources_response_desc, &r);
	if (types)
		fill(rq, types, &r);
	else
		r.error_code = KERR_UNSUPPORTED_VERSION; /* as in Kafka */
	request_respond(rq, &r);
}
