/*
 * DescribeAcls, CreateAcls, DeleteAcls: there is no authorizer that stores
 * access lists.  Everybody may do everything.
 *
 * By version: 3 user resources.
 */
#include "kq-broker/api/api.h"

#include "proto.h"
#include "wire/kerr.h"

#define NO_AUTHORIZER STR("kq-broker has no access lists")

void
api_describe_acls(struct request *rq)
{
	struct describe_acls_response r;
	wire_defaults(&describe_acls_response_desc, &r);
	r.error_code = KERR_SECURITY_DISABLED;
	r.error_message = NO_AUTHORIZER;
	request_respond(rq, &r);
}

void
api_create_acls(struct request *rq)
{
	const struct create_acls_request *q = rq->body;
	struct create_acls_response r;
	wire_defaults(&create_acls_response_desc, &r);
	r.results.n = q->creations.n;
	r.results.v = REQUEST_ARRAY(rq, struct create_acls_response_acl, r.results.n);
	for (int32_t i = 0; i < r.results.n; i++) {
		r.results.v[i].error_code = KERR_SECURITY_DISABLED;
		r.results.v[i].error_message = NO_AUTHORIZER;
	}
	request_respond(rq, &r);
}

void
api_delete_acls(struct request *rq)
{
	const struct delete_acls_request *q = rq->body;
	struct delete_acls_response r;
	wire_defaults(&delete_acls_response_desc, &r);
	r.filter_results.n = q->filters.n;
	r.filter_results.v = REQUEST_ARRAY(rq, struct delete_acls_response_filter,
		r.filter_results.n);
	for (int32_t i = 0; i < r.filter_results.n; i++) {
		r.filter_results.v[i].error_code = KERR_SECURITY_DISABLED;
		r.filter_results.v[i].error_message = NO_AUTHORIZER;
	}
	request_respond(rq, &r);
}
