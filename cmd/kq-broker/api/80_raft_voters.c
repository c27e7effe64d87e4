/*
 * AddRaftVoter, RemoveRaftVoter: the metadata has one voter, this broker.
 *
 * By version: 1 (add) ack_when_committed, which makes no difference.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

static int16_t
refuse(const struct request *rq, struct str cluster_id, struct str *message)
{
	if (cluster_id.n >= 0 && !str_eq(cluster_id, str_of(rq->broker->cluster.id))) {
		*message = STR("this is another cluster");
		return KERR_INCONSISTENT_CLUSTER_ID;
	}
	*message = STR("the metadata of kq-broker has one voter, which is fixed");
	return KERR_UNSUPPORTED_VERSION;
}

void
api_add_raft_voter(struct request *rq)
{
	const struct add_raft_voter_request *q = rq->body;
	struct add_raft_voter_response r;
	wire_defaults(&add_raft_voter_response_desc, &r);
	r.error_code = refuse(rq, q->cluster_id, &r.error_message);
	request_respond(rq, &r);
}

void
api_remove_raft_voter(struct request *rq)
{
	const struct remove_raft_voter_request *q = rq->body;
	struct remove_raft_voter_response r;
	wire_defaults(&remove_raft_voter_response_desc, &r);
	r.error_code = refuse(rq, q->cluster_id, &r.error_message);
	request_respond(rq, &r);
}
