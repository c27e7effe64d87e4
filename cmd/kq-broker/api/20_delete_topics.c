/*
 * DeleteTopics.
 *
 * By version: 3 TOPIC_DELETION_DISABLED.  5 error message.  6 by id, too.
 */
#include "kq-broker/api/api.h"

#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/names.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct delete_topics_response_topic topic_answer;

static const struct uuid no_id;

/* The topic named, if it may be deleted; otherwise NULL, and *error is filled. */
static struct topic *
find(struct request *rq, const struct names *names, struct str name, const struct uuid *id,
	struct catalog_error *error)
{
	bool by_name = name.n >= 0;
	struct topic *t = by_name ? topics_find(&rq->broker->topics, name)
		: topics_find_id(&rq->broker->topics, id);
	if (by_name != uuid_is_zero(id))
		catalog_fail(error, KERR_INVALID_REQUEST, "give a topic's name or its id");
	else if (names_are_twice(names, by_name ? name : (struct str){ id->bytes, sizeof id->bytes }))
		catalog_fail(error, KERR_INVALID_REQUEST, "the topic is named twice");
	else if (!t)
		catalog_fail(error, by_name ? KERR_UNKNOWN_TOPIC_OR_PARTITION : KERR_UNKNOWN_TOPIC_ID,
			by_name ? "there is no such topic" : "there is no topic with this id");
	else if (topic_is_internal(str_of(t->name)))
		catalog_fail(error, KERR_INVALID_REQUEST, "the broker's own topics can't be deleted");
	return error->code ? NULL : t;
}

static void
delete_one(struct request *rq, const struct names *names, struct str name,
	const struct uuid *id, topic_answer *answer)
{
	struct catalog_error error = { 0 };
	struct topic *t = find(rq, names, name, id, &error);
	wire_defaults(&delete_topics_response_topic_desc, answer);
	answer->name = name;
	answer->topic_id = *id;
	if (t) {
		answer->name = arena_str(&rq->arena, str_of(t->name));
		answer->topic_id = t->id;
	}
	if (!t || catalog_delete(&rq->broker->catalog, answer->name, &error) < 0) {
		answer->error_code = error.code;
		answer->error_message = arena_str(&rq->arena, str_of(error.message));
	}
}

/* The i-th topic of the request: its name, or a null one and its id. */
static struct str
name_at(const struct request *rq, int32_t i, const struct uuid **id)
{
	const struct delete_topics_request *q = rq->body;
	if (rq->header.api_version < 6) {
		*id = &no_id;
		return q->topic_names.v[i];
	}
	*id = &q->topics.v[i].topic_id;
	return q->topics.v[i].name;
}

void
api_delete_topics(struct request *rq)
{
	const struct delete_topics_request *q = rq->body;
	struct delete_topics_response r;
	struct names names = NAMES_INIT(rq->broker->topics.by_name.seed);
	const struct uuid *id;
	wire_defaults(&delete_topics_response_desc, &r);
	r.responses.n = rq->header.api_version < 6 ? q->topic_names.n : q->topics.n;
	r.responses.v = REQUEST_ARRAY(rq, topic_answer, r.responses.n);
	for (int32_t i = 0; i < r.responses.n; i++) {
		struct str name = name_at(rq, i, &id);
		names_add(&names, name.n >= 0 ? name : (struct str){ id->bytes, sizeof id->bytes });
	}
	for (int32_t i = 0; i < r.responses.n; i++) {
		struct str name = name_at(rq, i, &id);
		delete_one(rq, &names, name, id, &r.responses.v[i]);
	}
	names_release(&names);
	request_respond(rq, &r);
}
