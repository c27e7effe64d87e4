/* InitProducerId: a fresh id and epoch 0 for an idempotent producer; with a
 * transactional id it is the transaction coordinator's. */
#include "kq-broker/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

static void
answer(struct request *rq, int16_t error, int64_t id)
{
	struct init_producer_id_response a;
	wire_defaults(&init_producer_id_response_desc, &a);
	a.error_code = error;
	a.producer_id = id;
	a.producer_epoch = error ? -1 : 0;
	request_respond(rq, &a);
}

void
api_init_producer_id(struct request *rq)
{
	struct init_producer_id_request *q = rq->body;
	struct err e;
	/* With no id left more are fetched first: on the control thread. */
	if (rq->place == ON_CONTROL && producer_ids_refill(&rq->broker->producer_ids, &e) < 0) {
		log_bounded(LOG_ERROR, "cannot allocate producer IDs: %s", e.msg);
		answer(rq, KERR_COORDINATOR_NOT_AVAILABLE, -1);
		return;
	}
	if (q->transactional_id.n >= 0) {
		if (rq->place == ON_REACTOR)
			request_to(rq, ON_CONTROL);
		else
			coordinator_take(rq, COORD_TXNS);
		return;
	}
	int64_t id = producer_ids_take(&rq->broker->producer_ids);
	if (id < 0 && rq->place == ON_REACTOR)
		request_to(rq, ON_CONTROL);
	else
		answer(rq, id < 0 ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_NONE, id);
}
