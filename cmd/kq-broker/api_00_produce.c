/*
 * Produce: append record batches.  With acks=all the answer waits until all
 * of the request's records are committed.
 */
#include "api.h"

#include "broker.h"
#include "partition.h"
#include "reactor.h"

#include "proto.h"
#include "text/say.h"
#include "wire/kerr.h"

struct produce_wait {
	struct ack_wait ack;
	struct request *rq;
	struct produce_response_partition_produce_response *answer;
};

struct produce_state {
	struct produce_response response;
	struct produce_wait *wait;
	int nwait, nleft; /* in all; not over yet */
	struct loop_timer timer;
	struct request *rq;
};

static void
finish(struct produce_state *s)
{
	struct request *rq = s->rq;
	loop_timer_clear(&rq->reactor->loop, &s->timer);
	for (int i = 0; i < s->nwait; i++)
		partition_put(s->wait[i].ack.partition);
	request_respond(rq, &s->response);
}

static void
set_error(struct produce_response_partition_produce_response *a, int16_t error)
{
	a->error_code = error;
	if (error) {
		a->base_offset = -1;
		a->log_append_time_ms = -1;
		a->log_start_offset = -1;
	}
}

/* On our reactor: one partition's records are committed, or failed. */
static void
on_ack(struct loop_task *t)
{
	struct produce_wait *w = CONTAINER_OF(t, struct produce_wait, ack.task);
	struct produce_state *s = w->rq->state;
	set_error(w->answer, w->ack.error);
	if (--s->nleft == 0)
		finish(s);
}

static void
on_timeout(struct loop_timer *t)
{
	struct produce_state *s = CONTAINER_OF(t, struct produce_state, timer);
	for (int i = 0; i < s->nwait; i++) {
		/* One that is not queued any more is on its way to on_ack. */
		if (!partition_cancel_ack(&s->wait[i].ack))
			continue;
		set_error(s->wait[i].answer, KERR_REQUEST_TIMED_OUT);
		s->nleft--;
	}
	if (s->nleft == 0)
		finish(s);
}

/* Append one partition's records and fill its answer. */
static void
produce_one(struct request *rq, struct str topic,
	struct produce_request_partition_produce_data *data,
	struct produce_response_partition_produce_response *answer)
{
	struct produce_request *q = rq->body;
	struct produce_state *s = rq->state;
	answer->index = data->index;
	set_error(answer, KERR_INVALID_REQUIRED_ACKS);
	if (q->acks < -1 || q->acks > 1)
		return;
	set_error(answer, KERR_INVALID_TOPIC_EXCEPTION);
	if (topic_is_internal(topic))
		return;
	struct partition *p = topics_partition(&rq->broker->topics, topic, NULL,
		data->index, NULL);
	set_error(answer, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	if (!p)
		return;
	struct produce_wait *w = NULL;
	if (q->acks == -1) {
		w = &s->wait[s->nwait];
		w->rq = rq;
		w->answer = answer;
		w->ack.partition = p;
		w->ack.loop = &rq->reactor->loop;
		w->ack.task.fn = on_ack;
	}
	struct append_result result;
	/* The bytes are ours to change: they lie in the receive buffer. */
	struct append_from from = { rq->reactor->syncer, rq->reactor->loop.wall_ms, false, 0 };
	partition_append(p, &from, (uint8_t *)(uintptr_t)data->records.p,
		data->records.n, w ? &w->ack : NULL, &result);
	set_error(answer, result.error);
	if (result.error) {
		answer->error_message = str_of(result.message);
	} else {
		answer->base_offset = result.base_offset;
		answer->log_append_time_ms = result.log_append_ms;
		answer->log_start_offset = result.log_start_offset;
	}
	if (result.must_wait) {
		s->nwait++;
		s->nleft++;
	} else {
		partition_put(p);
	}
}

static int
count_partitions(const struct produce_request *q)
{
	int n = 0;
	for (int32_t i = 0; i < q->topic_data.n; i++)
		n += q->topic_data.v[i].partition_data.n;
	return n;
}

/* With acks=0 nobody hears of an error: closing the connection tells. */
static void
end_unacknowledged(struct request *rq, const struct produce_response *a)
{
	for (int32_t i = 0; i < a->responses.n; i++)
		for (int32_t k = 0; k < a->responses.v[i].partition_responses.n; k++)
			if (a->responses.v[i].partition_responses.v[k].error_code) {
				log_line(LOG_WARN, "closing a connection: a produce with acks=0 failed: %s",
					kerr_info(a->responses.v[i].partition_responses.v[k].error_code)->name);
				request_close(rq);
				return;
			}
	request_drop(rq);
}

void
api_produce(struct request *rq)
{
	struct produce_request *q = rq->body;
	struct produce_state *s = REQUEST_ARRAY(rq, struct produce_state, 1);
	struct produce_response *a = &s->response;
	rq->state = s;
	s->rq = rq;
	s->timer.fn = on_timeout;
	if (q->acks == -1)
		s->wait = REQUEST_ARRAY(rq, struct produce_wait, count_partitions(q));
	/* One more than there are keeps an early ack from ending it all. */
	s->nleft = 1;
	a->responses.n = q->topic_data.n;
	a->responses.v = REQUEST_ARRAY(rq, struct produce_response_topic_produce_response,
		a->responses.n);
	for (int32_t i = 0; i < q->topic_data.n; i++) {
		struct produce_request_topic_produce_data *t = &q->topic_data.v[i];
		struct produce_response_topic_produce_response *ta = &a->responses.v[i];
		wire_defaults(&produce_response_topic_produce_response_desc, ta);
		ta->name = t->name;
		ta->partition_responses.n = t->partition_data.n;
		ta->partition_responses.v = REQUEST_ARRAY(rq,
			struct produce_response_partition_produce_response, t->partition_data.n);
		for (int32_t k = 0; k < t->partition_data.n; k++) {
			struct produce_response_partition_produce_response *pa =
				&ta->partition_responses.v[k];
			wire_defaults(&produce_response_partition_produce_response_desc, pa);
			produce_one(rq, t->name, &t->partition_data.v[k], pa);
		}
	}
	s->nleft--;
	if (q->acks == 0) {
		end_unacknowledged(rq, a);
	} else if (s->nleft == 0) {
		finish(s);
	} else {
		for (int32_t i = 0; i < a->responses.n; i++) /* the input goes */
			a->responses.v[i].name = arena_str(&rq->arena, a->responses.v[i].name);
		loop_timer_set(&rq->reactor->loop, &s->timer,
			rq->reactor->loop.now_ms + MAX(q->timeout_ms, 0));
	}
}
