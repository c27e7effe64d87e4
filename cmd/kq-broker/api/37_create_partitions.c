/*
 * CreatePartitions: a topic's number of partitions only grows.
 *
 * By version: 3 THROTTLING_QUOTA_EXCEEDED, not used.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/names.h"

#include "proto.h"
#include "wire/kerr.h"

static int
grow(struct request *rq, const struct create_partitions_request_topic *wanted,
	bool is_twice, struct catalog_error *error)
{
	const struct create_partitions_request *q = rq->body;
	const struct topic *t = topics_find(&rq->broker->topics, wanted->name);
	if (is_twice)
		return catalog_fail(error, KERR_INVALID_REQUEST, "the topic is named twice");
	if (t && wanted->count > t->npartition && wanted->assignments.n >= 0
		&& wanted->assignments.n != wanted->count - t->npartition)
		return catalog_fail(error, KERR_INVALID_REPLICA_ASSIGNMENT,
			"each new partition needs an assignment, or none");
	for (int32_t i = 0; i < wanted->assignments.n; i++)
		if (wanted->assignments.v[i].broker_ids.n != 1
			|| wanted->assignments.v[i].broker_ids.v[0] != rq->broker->node_id)
			return catalog_fail(error, KERR_INVALID_REPLICA_ASSIGNMENT,
				"each new partition must have this broker as its replica");
	if (topic_is_internal(wanted->name))
		return catalog_fail(error, KERR_INVALID_TOPIC_EXCEPTION,
			"the partitions of the broker's own topics can't be changed");
	return catalog_grow(&rq->broker->catalog, wanted->name, wanted->count, q->validate_only, error);
}

void
api_create_partitions(struct request *rq)
{
	struct create_partitions_request *q = rq->body;
	struct create_partitions_response r;
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	wire_defaults(&create_partitions_response_desc, &r);
	r.results.n = q->topics.n;
	r.results.v = REQUEST_ARRAY(rq, struct create_partitions_response_topic,
		q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++)
		names_add(&names, q->topics.v[i].name);
	for (int32_t i = 0; i < q->topics.n; i++) {
		struct catalog_error error = { 0 };
		r.results.v[i].name = q->topics.v[i].name;
		r.results.v[i].error_message = STR_NULL;
		bool is_twice = names_are_twice(&names, q->topics.v[i].name);
		if (grow(rq, &q->topics.v[i], is_twice, &error) < 0) {
			r.results.v[i].error_code = error.code;
			r.results.v[i].error_message = arena_str(&rq->arena, str_of(error.message));
		}
	}
	names_release(&names);
	request_respond(rq, &r);
}
