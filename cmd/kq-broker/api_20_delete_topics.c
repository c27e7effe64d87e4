/* DeleteTopics: by name, or by id from version 6 on. */
#include "api.h"

#include "broker.h"
#include "catalog.h"

#include "proto.h"
#include "wire/kerr.h"

static void
delete_one(struct request *rq, struct str name, const struct uuid *id,
	struct delete_topics_response_deletable_topic_result *a)
{
	struct catalog_error e = { 0 };
	wire_defaults(&delete_topics_response_deletable_topic_result_desc, a);
	struct topic *t = name.n >= 0 ? topics_find(&rq->broker->topics, name)
		: topics_find_id(&rq->broker->topics, id);
	a->name = name;
	a->topic_id = *id;
	if (!t) {
		a->error_code = name.n >= 0 ? KERR_UNKNOWN_TOPIC_OR_PARTITION : KERR_UNKNOWN_TOPIC_ID;
		return;
	}
	a->name = arena_str(&rq->arena, str_of(t->name));
	a->topic_id = t->id;
	if (topic_is_internal(a->name)) {
		a->error_code = KERR_INVALID_REQUEST;
		a->error_message = STR("the broker's own topics can't be deleted");
		return;
	}
	if (catalog_delete(rq->broker, a->name, &e) < 0) {
		a->error_code = e.code;
		a->error_message = arena_str(&rq->arena, str_of(e.message));
	}
}

void
api_delete_topics(struct request *rq)
{
	static const struct uuid none;
	struct delete_topics_request *q = rq->body;
	struct delete_topics_response a;
	bool by_state = rq->header.api_version >= 6;
	wire_defaults(&delete_topics_response_desc, &a);
	a.responses.n = by_state ? q->topics.n : q->topic_names.n;
	a.responses.v = REQUEST_ARRAY(rq, struct delete_topics_response_deletable_topic_result,
		a.responses.n);
	for (int32_t i = 0; i < a.responses.n; i++) {
		if (by_state)
			delete_one(rq, q->topics.v[i].name, &q->topics.v[i].topic_id, &a.responses.v[i]);
		else
			delete_one(rq, q->topic_names.v[i], &none, &a.responses.v[i]);
	}
	request_respond(rq, &a);
}
