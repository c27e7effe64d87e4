#include "kq-broker/lane.h"

#include "kq-broker/broker.h"
#include "kq-broker/coordinator.h"
#include "kq-broker/session.h"

#include "text/say.h"

#include <stdio.h>

static void
run(struct request *rq)
{
	if (!rq->body) {
		arena_reset(&rq->arena);
		bool is_good = request_decode_header(rq) && request_decode_body(rq);
		assert(is_good); /* the session's thread has decoded it once */
	}
	rq->step(rq);
}

static void
run_on_control(struct loop_task *task)
{
	run(CONTAINER_OF(task, struct request, task));
}

static void
run_in_coordinator(struct coordinator *coord, struct request *rq)
{
	if (coordinator_is_ready(coord))
		run(rq);
	else
		request_close(rq);
}

static void
on_coordinator(struct loop_task *task)
{
	struct request *rq = CONTAINER_OF(task, struct request, task);
	struct coordinator *coord = rq->broker->coordinator;
	coordinator_unpost(coord);
	run_in_coordinator(coord, rq);
}

static void
set_client_host(struct request *rq)
{
	const char *peer = rq->session->peer, *colon = strrchr(peer, ':');
	int n = colon ? (int)(colon - peer) : (int)strlen(peer);
	snprintf(rq->client_host, sizeof rq->client_host, "/%.*s", n, peer);
}

/* False: the budget is exhausted; the request was closed. */
static bool
leave(struct request *rq)
{
	if (rq->is_away)
		return true;
	size_t n = request_leave(rq);
	if (n) {
		log_bounded(LOG_WARN, "%s: closed: queued.max.request.bytes is exhausted by "
			"waiting requests (%lld bytes)", rq->session->peer, (long long)n);
		request_close(rq);
		return false;
	}
	set_client_host(rq);
	return true;
}

void
lane_continue(struct request *rq, enum lane lane, request_fn *step)
{
	assert(lane != LANE_REACTOR);
	if (!leave(rq))
		return;
	rq->step = step;
	if (lane == LANE_CONTROL) {
		rq->task.fn = run_on_control;
		loop_post(&rq->broker->control, &rq->task);
	} else {
		rq->task.fn = on_coordinator;
		coordinator_post(rq->broker->coordinator, &rq->task);
	}
}

void
lane_continue_quickly(struct request *rq, request_fn *step)
{
	struct coordinator *coord = rq->broker->coordinator;
	assert(!rq->is_away);
	if (!leave(rq))
		return;
	rq->step = step;
	rq->task.fn = on_coordinator;
	if (coordinator_enter(coord)) {
		run_in_coordinator(coord, rq);
		coordinator_leave(coord);
	} else {
		coordinator_post(coord, &rq->task);
	}
}

void
lane_coordinate(struct request *rq)
{
	coordinator_handle(rq->broker->coordinator, rq);
}
