/* DescribeCluster: who is in it (KIP-700). */
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
	struct broker *b = rq->broker;
	struct describe_cluster_response a;
	wire_defaults(&describe_cluster_response_desc, &a);
	if (rq->header.api_version >= 1 && q->endpoint_type != ENDPOINT_BROKERS) {
		a.error_code = q->endpoint_type == ENDPOINT_CONTROLLERS
			? KERR_MISMATCHED_ENDPOINT_TYPE : KERR_UNSUPPORTED_ENDPOINT_TYPE;
		a.error_message = STR("only brokers have endpoints here");
		request_respond(rq, &a);
		return;
	}
	a.cluster_id = str_of(b->cluster_id);
	a.controller_id = b->node_id;
	a.brokers.n = 1;
	a.brokers.v = REQUEST_ARRAY(rq, struct describe_cluster_response_broker, 1);
	wire_defaults(&describe_cluster_response_broker_desc, a.brokers.v);
	a.brokers.v[0].broker_id = b->node_id;
	a.brokers.v[0].host = str_of(rq->advertised->host);
	a.brokers.v[0].port = rq->advertised->port;
	if (q->include_cluster_authorized_operations)
		a.cluster_authorized_operations = ACL_CLUSTER_OPERATIONS;
	request_respond(rq, &a);
}
