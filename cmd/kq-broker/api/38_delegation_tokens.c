/*
 * CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken,
 * DescribeDelegationToken: a token stands for an authenticated user, and there
 * is no authentication.
 *
 * By version: 3 (create, describe) the owner and the requester of a token.
 */
#include "kq-broker/api/api.h"

#include "proto.h"
#include "wire/kerr.h"

#define PRINCIPAL_TYPE STR("User")
#define PRINCIPAL_NAME STR("ANONYMOUS")

void
api_create_delegation_token(struct request *rq)
{
	const struct create_delegation_token_request *q = rq->body;
	struct create_delegation_token_response r;
	wire_defaults(&create_delegation_token_response_desc, &r);
	bool has_owner = rq->header.api_version >= 3 && q->owner_principal_name.n > 0
		&& q->owner_principal_type.n > 0;
	r.error_code = KERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
	r.principal_type = has_owner ? q->owner_principal_type : PRINCIPAL_TYPE;
	r.principal_name = has_owner ? q->owner_principal_name : PRINCIPAL_NAME;
	r.token_requester_principal_type = PRINCIPAL_TYPE;
	r.token_requester_principal_name = PRINCIPAL_NAME;
	r.issue_timestamp_ms = r.expiry_timestamp_ms = r.max_timestamp_ms = -1;
	request_respond(rq, &r);
}

void
api_renew_delegation_token(struct request *rq)
{
	struct renew_delegation_token_response r;
	wire_defaults(&renew_delegation_token_response_desc, &r);
	r.error_code = KERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
	r.expiry_timestamp_ms = -1;
	request_respond(rq, &r);
}

void
api_expire_delegation_token(struct request *rq)
{
	struct expire_delegation_token_response r;
	wire_defaults(&expire_delegation_token_response_desc, &r);
	r.error_code = KERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
	r.expiry_timestamp_ms = -1;
	request_respond(rq, &r);
}

void
api_describe_delegation_token(struct request *rq)
{
	struct describe_delegation_token_response r;
	wire_defaults(&describe_delegation_token_response_desc, &r);
	r.error_code = KERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
	request_respond(rq, &r);
}
