/*
 * InitProducerId: a new id with epoch 0 for an idempotent producer; with a
 * transactional id it is the transaction coordinator's.
 *
 * By version: 3 a producer resumes with its id and epoch.  4 PRODUCER_FENCED.
 * 5 TRANSACTION_ABORTABLE.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

static void
answer(struct request *rq, int16_t error, int64_t id)
{
	struct init_producer_id_response r;
	wire_defaults(&init_producer_id_response_desc, &r);
	r.error_code = error;
	r.producer_id = id;
	r.producer_epoch = error ? -1 : 0;
	request_respond(rq, &r);
}

/* On the control thread: reserve more ids if few are left.  False: that failed,
 * and was answered. */
static bool
refill(struct request *rq)
{
	struct err e;
	if (producer_ids_refill(&rq->broker->producer_ids, &e) == 0)
		return true;
	log_bounded(LOG_ERROR, "cannot allocate producer IDs: %s", e.msg);
	answer(rq, KERR_COORDINATOR_NOT_AVAILABLE, -1);
	return false;
}

static void
refill_and_answer(struct request *rq)
{
	if (!refill(rq))
		return;
	int64_t id = producer_ids_take(&rq->broker->producer_ids);
	answer(rq, id < 0 ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_NONE, id);
}

/* The coordinator needs ids and its topic; it reports itself if it has none. */
static void
refill_and_coordinate(struct request *rq)
{
	if (!refill(rq))
		return;
	coordinator_make_topic(rq->broker->coordinator, COORD_TXNS);
	lane_continue(rq, LANE_TXNS, lane_coordinate);
}

void
api_init_producer_id(struct request *rq)
{
	const struct init_producer_id_request *q = rq->body;
	if (q->transactional_id.n >= 0) {
		lane_continue(rq, LANE_CONTROL, refill_and_coordinate);
		return;
	}
	int64_t id = producer_ids_take(&rq->broker->producer_ids);
	if (id < 0)
		lane_continue(rq, LANE_CONTROL, refill_and_answer);
	else
		answer(rq, KERR_NONE, id);
}
