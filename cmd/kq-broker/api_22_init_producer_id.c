/* InitProducerId: a fresh id and epoch 0 for an idempotent producer. */
#include "api.h"

#include "broker.h"
#include "catalog.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

void
api_init_producer_id(struct request *rq)
{
	struct init_producer_id_request *q = rq->body;
	struct init_producer_id_response a;
	struct err e;
	wire_defaults(&init_producer_id_response_desc, &a);
	a.producer_epoch = -1;
	if (q->transactional_id.n >= 0) {
		/* Fatal to the client, as it should be: there are no transactions. */
		a.error_code = q->transactional_id.n ? KERR_UNSUPPORTED_VERSION : KERR_INVALID_REQUEST;
		request_respond(rq, &a);
		return;
	}
	int64_t id = catalog_producer_id(rq->broker, &e);
	if (id < 0) {
		log_line(LOG_ERROR, "no producer ids: %s", e.msg);
		a.error_code = KERR_COORDINATOR_NOT_AVAILABLE;
	} else {
		a.producer_id = id;
		a.producer_epoch = 0;
	}
	request_respond(rq, &a);
}
