/*
 * Lanes: the threads on which requests are handled.
 *
 *   LANE_REACTOR  the session's reactor; must not block
 *   LANE_CONTROL  the control thread: the metadata store; may block
 *   LANE_GROUPS   the group coordinator,
 *   LANE_TXNS     the transaction coordinator: today both are one thread
 *
 * The dispatcher starts each request on the lane that its API names.  A
 * handler that finds out only then that it needs another lane (a topic has to
 * be created first, say) continues there with another function.
 */
#ifndef KQ_BROKER_LANE_H
#define KQ_BROKER_LANE_H

#include "kq-broker/request.h"

enum lane { LANE_REACTOR, LANE_CONTROL, LANE_GROUPS, LANE_TXNS };

/* Continue a request with step on another lane's thread; the caller must not
 * touch it afterwards.  rq->body is decoded again from a copy of the frame,
 * unless it was already; rq->state is lost then.  Requests of one session
 * arrive in order.  When the budget for waiting requests is exhausted the
 * request is closed instead. */
void lane_continue(struct request *rq, enum lane lane, request_fn *step);

/* The same, for a step of a coordinator that is quick: runs it at once on the
 * calling reactor's thread if the coordinator's lock is free. */
void lane_continue_quickly(struct request *rq, request_fn *step);

/* The step of all requests that the coordinator handles. */
void lane_coordinate(struct request *rq);

#endif
