/* ElectLeaders: every partition's only replica leads it (KIP-460). */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

enum { ELECTION_UNCLEAN = 1 }; /* the highest of the types */

typedef struct elect_leaders_response_topic topic_result;
typedef struct elect_leaders_response_partition partition_result;

static void
fill_partition(const struct topic *t, bool is_type, int32_t index, partition_result *a)
{
	a->partition_id = index;
	if (!is_type) {
		a->error_code = KERR_INVALID_REQUEST;
		a->error_message = STR("there is no such type of election");
	} else if (!t || index < 0 || index >= t->npartition) {
		a->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		a->error_message = t ? STR("the topic has no such partition")
			: STR("there is no such topic");
	} else {
		a->error_code = KERR_ELECTION_NOT_NEEDED;
		a->error_message = STR("the preferred replica leads already");
	}
}

/* With no topics named, those that need an election: none. */
static void
fill(struct request *rq, bool is_type, struct elect_leaders_response *a)
{
	const struct elect_leaders_request *q = rq->body;
	a->replica_election_results.n = MAX(q->topic_partitions.n, 0);
	a->replica_election_results.v = REQUEST_ARRAY(rq, topic_result, a->replica_election_results.n);
	topics_read_begin(&rq->broker->topics);
	for (int32_t i = 0; i < a->replica_election_results.n; i++) {
		const struct elect_leaders_request_topic *qt = &q->topic_partitions.v[i];
		topic_result *at = &a->replica_election_results.v[i];
		const struct topic *t = topics_find(&rq->broker->topics, qt->topic);
		at->topic = qt->topic;
		at->partition_result.n = qt->partitions.n;
		at->partition_result.v = REQUEST_ARRAY(rq, partition_result, qt->partitions.n);
		for (int32_t k = 0; k < qt->partitions.n; k++)
			fill_partition(t, is_type, qt->partitions.v[k], &at->partition_result.v[k]);
	}
	topics_read_end(&rq->broker->topics);
}

void
api_elect_leaders(struct request *rq)
{
	const struct elect_leaders_request *q = rq->body;
	struct elect_leaders_response a;
	bool is_type = rq->header.api_version < 1
		|| (q->election_type >= 0 && q->election_type <= ELECTION_UNCLEAN);
	wire_defaults(&elect_leaders_response_desc, &a);
	a.error_code = is_type ? KERR_NONE : KERR_INVALID_REQUEST;
	fill(rq, is_type, &a);
	request_respond(rq, &a);
}
