/* DescribeAcls, CreateAcls, DeleteAcls: there is no authorizer that would keep
 * access lists.  Everybody may do everything. */
#include "kq-broker/api/api.h"

#include "proto.h"
#include "wire/kerr.h"

#define NO_AUTHORIZER STR("kq-broker has no access lists")

void
api_describe_acls(struct request *rq)
{
	struct describe_acls_response a;
	wire_defaults(&describe_acls_response_desc, &a);
	a.error_code = KERR_SECURITY_DISABLED;
	a.error_message = NO_AUTHORIZER;
	request_respond(rq, &a);
}

void
api_create_acls(struct request *rq)
{
	const struct create_acls_request *q = rq->body;
	struct create_acls_response a;
	wire_defaults(&create_acls_response_desc, &a);
	a.results.n = q->creations.n;
	a.results.v = REQUEST_ARRAY(rq, struct create_acls_response_acl, a.results.n);
	for (int32_t i = 0; i < a.results.n; i++) {
		a.results.v[i].error_code = KERR_SECURITY_DISABLED;
		a.results.v[i].error_message = NO_AUTHORIZER;
	}
	request_respond(rq, &a);
}

void
api_delete_acls(struct request *rq)
{
	const struct delete_acls_request *q = rq->body;
	struct delete_acls_response a;
	wire_defaults(&delete_acls_response_desc, &a);
	a.filter_results.n = q->filters.n;
	a.filter_results.v = REQUEST_ARRAY(rq, struct delete_acls_response_filter,
		a.filter_results.n);
	for (int32_t i = 0; i < a.filter_results.n; i++) {
		a.filter_results.v[i].error_code = KERR_SECURITY_DISABLED;
		a.filter_results.v[i].error_message = NO_AUTHORIZER;
	}
	request_respond(rq, &a);
}
