#include "kq-consume/exec_sink.h"

#include "sys/clock.h"
#include "sys/sig.h"

enum { HURRY_MS = 5000 };

static int
open_producer(struct exec_sink *s, struct err *e)
{
	struct producer_opts o;
	producer_opts_init(&o);
	o.txn_id = s->o->txn_id;
	o.txn_timeout_ms = s->o->txn_timeout_ms;
	o.delivery_timeout_ms = s->o->retry_timeout_ms;
	if (cluster_open(&s->cluster, &s->o->cluster, e) < 0)
		return -1;
	cluster_set_wake_fd(&s->cluster, s->o->wake_fd);
	producer_init(&s->producer, &s->cluster, &o);
	s->is_open = true;
	if (producer_start(&s->producer, e) < 0)
		return -1;
	s->topic = producer_topic(&s->producer, s->o->topic, e);
	return s->topic ? 0 : -1;
}

int
exec_sink_open(struct exec_sink *s, const struct exec_sink_opts *o, struct err *e)
{
	*s = (struct exec_sink){ .o = o };
	if (open_producer(s, e) == 0)
		return 0;
	exec_sink_close(s);
	return -1;
}

void
exec_sink_close(struct exec_sink *s)
{
	if (!s->is_open)
		return;
	cluster_close(&s->cluster);
	producer_release(&s->producer);
	s->is_open = false;
}

void
exec_sink_hurry(struct exec_sink *s)
{
	sig_drain(s->o->wake_fd);
	producer_hurry(&s->producer, HURRY_MS);
}

/* Was it the signal that ended the waiting?  Then once more, in a hurry. */
static bool
is_interrupted(struct exec_sink *s)
{
	if (!cluster_take_woken(&s->cluster))
		return false;
	exec_sink_hurry(s);
	return true;
}

int
exec_sink_begin(struct exec_sink *s, struct err *e)
{
	s->now_ms = clock_ms();
	s->is_unknown = false;
	return producer_begin_txn(&s->producer, e);
}

int
exec_sink_put(struct exec_sink *s, struct str key, struct str value, struct err *e)
{
	int got;
	do
		got = producer_put(s->topic, -1, s->now_ms, key, value, STR_NULL, 0, e);
	while (got < 0 && is_interrupted(s));
	return got;
}

/* Do these say that our place in the group is not what it was? */
static bool
is_of_group(int16_t code)
{
	switch (code) {
	case KERR_ILLEGAL_GENERATION:
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_FENCED_MEMBER_EPOCH:
	case KERR_STALE_MEMBER_EPOCH:
	case KERR_REBALANCE_IN_PROGRESS:
	case KERR_UNKNOWN_TOPIC_ID: /* a topic was deleted, and may have been created again */
		return true;
	}
	return false;
}

int
exec_sink_offsets(struct exec_sink *s, const struct producer_group *g,
	const struct producer_offset *v, int n, struct err *e)
{
	struct producer *p = &s->producer;
	int got;
	do
		got = producer_flush(p, e);
	while (got < 0 && is_interrupted(s));
	if (got < 0)
		return EXEC_SINK_FAILED;
	do
		got = producer_send_offsets(p, g, v, n, e);
	while (got < 0 && is_interrupted(s));
	return got == 0 ? EXEC_SINK_DONE : is_of_group(e->kafka) ? EXEC_SINK_FENCED : EXEC_SINK_FAILED;
}

int
exec_sink_commit(struct exec_sink *s, struct err *e)
{
	int got;
	do
		got = producer_commit(&s->producer, &s->is_unknown, e);
	while (got < 0 && is_interrupted(s));
	return got;
}

int
exec_sink_abort(struct exec_sink *s, int got, struct err *e)
{
	struct producer *p = &s->producer;
	struct err why;
	int aborted;
	/* Did the broker give up what was open for too long, or another take over? */
	bool is_old = producer_is_timed_out(p);
	if (s->is_unknown) {
		err_wrap(e, "it is not known whether the last batch is committed; "
			"the next start will find out");
		e->class = ERR_RETRY;
		return EXEC_SINK_FAILED;
	}
	do
		aborted = producer_abort(p, &why);
	while (aborted < 0 && is_interrupted(s));
	if (aborted == 0 || (p->is_fenced && !is_old))
		return got;
	if (got == EXEC_SINK_FAILED && !is_old)
		return got; /* one failure is enough; the broker will abort it in its time */
	exec_sink_close(s);
	if (open_producer(s, &why) == 0)
		return EXEC_SINK_FENCED;
	*e = why;
	return EXEC_SINK_FAILED;
}
