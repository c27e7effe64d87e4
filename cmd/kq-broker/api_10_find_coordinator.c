/* FindCoordinator: there is none yet, for groups or transactions; clients
 * are told so and ask again later. */
#include "api.h"

#include "proto.h"
#include "wire/kerr.h"

static const char why[] = "this broker has no group or transaction coordinator";

void
api_find_coordinator(struct request *rq)
{
	struct find_coordinator_request *q = rq->body;
	struct find_coordinator_response a;
	wire_defaults(&find_coordinator_response_desc, &a);
	a.error_code = KERR_COORDINATOR_NOT_AVAILABLE;
	a.error_message = str_of(why);
	a.node_id = -1;
	a.port = -1;
	a.host = STR("");
	if (rq->header.api_version >= 4) {
		a.coordinators.n = q->coordinator_keys.n;
		a.coordinators.v = REQUEST_ARRAY(rq, struct find_coordinator_response_coordinator,
			q->coordinator_keys.n);
		for (int32_t i = 0; i < a.coordinators.n; i++)
			a.coordinators.v[i] = (struct find_coordinator_response_coordinator){
				.key = q->coordinator_keys.v[i], .node_id = -1, .host = STR(""),
				.port = -1, .error_code = KERR_COORDINATOR_NOT_AVAILABLE,
				.error_message = str_of(why) };
	}
	request_respond(rq, &a);
}
