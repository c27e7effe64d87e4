/*
 * ElectLeaders: each partition's only replica is its leader (KIP-460).
 *
 * By version: 1 type of election, top-level error.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

enum { ELECTION_UNCLEAN = 1 }; /* the highest of the types */

typedef struct elect_leaders_response_topic topic_result;
typedef struct elect_leaders_response_partition partition_result;

static void
fill_partition(const struct topic *t, bool is_type, int32_t index, partition_result *answer)
{
	answer->partition_id = index;
	if (!is_type) {
		answer->error_code = KERR_INVALID_REQUEST;
		answer->error_message = STR("there is no such type of election");
	} else if (!t || index < 0 || index >= t->npartition) {
		answer->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		answer->error_message = t ? STR("the topic has no such partition")
			: STR("there is no such topic");
	} else {
		answer->error_code = KERR_ELECTION_NOT_NEEDED;
		answer->error_message = STR("the preferred replica leads already");
	}
}

/* Null topics: all partitions that need an election, which is none. */
static void
fill(struct request *rq, bool is_type, struct elect_leaders_response *r)
{
	const struct elect_leaders_request *q = rq->body;
	r->replica_election_results.n = MAX(q->topic_partitions.n, 0);
	r->replica_election_results.v = REQUEST_ARRAY(rq, topic_result, r->replica_election_results.n);
	topics_read_begin(&rq->broker->topics);
	for (int32_t i = 0; i < r->replica_election_results.n; i++) {
		const struct elect_leaders_request_topic *asked = &q->topic_partitions.v[i];
		topic_result *answer = &r->replica_election_results.v[i];
		const struct topic *t = topics_find(&rq->broker->topics, asked->topic);
		answer->topic = asked->topic;
		answer->partition_result.n = asked->partitions.n;
		answer->partition_result.v = REQUEST_ARRAY(rq, partition_result, asked->partitions.n);
		for (int32_t k = 0; k < asked->partitions.n; k++)
			fill_partition(t, is_type, asked->partitions.v[k], &answer->partition_result.v[k]);
	}
	topics_read_end(&rq->broker->topics);
}

void
api_elect_leaders(struct request *rq)
{
	const struct elect_leaders_request *q = rq->body;
	struct elect_leaders_response r;
	bool is_type = rq->header.api_version < 1
		|| (q->election_type >= 0 && q->election_type <= ELECTION_UNCLEAN);
	wire_defaults(&elect_leaders_response_desc, &r);
	r.error_code = is_type ? KERR_NONE : KERR_INVALID_REQUEST;
	fill(rq, is_type, &r);
	request_respond(rq, &r);
}
