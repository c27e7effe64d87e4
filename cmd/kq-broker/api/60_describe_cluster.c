/*
 * DescribeCluster (KIP-700): the brokers of the cluster.
 *
 * By version: 1 brokers or controllers.  2 fenced brokers: there are none.
 */
#include "kq-broker/api/api.h"

#include "acl_gen.h"
#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

void
api_describe_cluster(struct request *rq)
{
	struct describe_cluster_request *q = rq->body;
	struct broker *broker = rq->broker;
	struct describe_cluster_response r;
	wire_defaults(&describe_cluster_response_desc, &r);
	if (rq->header.api_version >= 1 && q->endpoint_type != ENDPOINT_BROKERS) {
		r.error_code = q->endpoint_type == ENDPOINT_CONTROLLERS
			? KERR_MISMATCHED_ENDPOINT_TYPE : KERR_UNSUPPORTED_ENDPOINT_TYPE;
		r.error_message = STR("only brokers have endpoints here");
		request_respond(rq, &r);
		return;
	}
	r.cluster_id = str_of(broker->cluster.id);
	r.controller_id = broker->node_id;
	r.brokers.n = 1;
	r.brokers.v = REQUEST_ARRAY(rq, struct describe_cluster_response_broker, 1);
	wire_defaults(&describe_cluster_response_broker_desc, r.brokers.v);
	r.brokers.v[0].broker_id = broker->node_id;
	r.brokers.v[0].host = str_of(rq->advertised->host);
	r.brokers.v[0].port = rq->advertised->port;
	if (q->include_cluster_authorized_operations)
		r.cluster_authorized_operations = ACL_CLUSTER_OPERATIONS;
	request_respond(rq, &r);
}
