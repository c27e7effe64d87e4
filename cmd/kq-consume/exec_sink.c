#include "kq-consume/exec_sink.h"

#include "sys/clock.h"
#include "sys/sig.h"

enum { HURRY_MS = 5000 };

static int
open_producer(struct exec_sink *sink, struct err *e)
{
	struct producer_opts o;
	producer_opts_init(&o);
	o.txn_id = sink->o->txn_id;
	o.txn_timeout_ms = sink->o->txn_timeout_ms;
	o.delivery_timeout_ms = sink->o->retry_timeout_ms;
	if (cluster_open(&sink->cluster, &sink->o->cluster, e) < 0)
		return -1;
	cluster_set_wake_fd(&sink->cluster, sink->o->wake_fd);
	producer_init(&sink->producer, &sink->cluster, &o);
	sink->is_open = true;
	if (producer_start(&sink->producer, e) < 0)
		return -1;
	sink->topic = producer_topic(&sink->producer, sink->o->topic, e);
	return sink->topic ? 0 : -1;
}

int
exec_sink_open(struct exec_sink *sink, const struct exec_sink_opts *o, struct err *e)
{
	*sink = (struct exec_sink){ .o = o };
	if (open_producer(sink, e) == 0)
		return 0;
	exec_sink_close(sink);
	return -1;
}

void
exec_sink_close(struct exec_sink *sink)
{
	if (!sink->is_open)
		return;
	cluster_close(&sink->cluster);
	producer_release(&sink->producer);
	sink->is_open = false;
}

void
exec_sink_hurry(struct exec_sink *sink)
{
	sig_drain(sink->o->wake_fd);
	producer_hurry(&sink->producer, HURRY_MS);
}

/* Did a signal interrupt the call?  If so, it is repeated, with a short timeout. */
static bool
is_interrupted(struct exec_sink *sink)
{
	if (!cluster_take_woken(&sink->cluster))
		return false;
	exec_sink_hurry(sink);
	return true;
}

int
exec_sink_begin(struct exec_sink *sink, struct err *e)
{
	sink->now_ms = clock_ms();
	sink->is_unknown = false;
	return producer_begin_txn(&sink->producer, e);
}

int
exec_sink_put(struct exec_sink *sink, struct str key, struct str value, struct err *e)
{
	int rc;
	do
		rc = producer_put(sink->topic, -1, sink->now_ms, key, value, STR_NULL, 0, e);
	while (rc < 0 && is_interrupted(sink));
	return rc;
}

/* Does the error mean that our membership in the group has changed? */
static bool
is_of_group(int16_t code)
{
	switch (code) {
	case KERR_ILLEGAL_GENERATION:
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_FENCED_MEMBER_EPOCH:
	case KERR_STALE_MEMBER_EPOCH:
	case KERR_REBALANCE_IN_PROGRESS:
	case KERR_UNKNOWN_TOPIC_ID: /* a topic was deleted, and may have been recreated */
		return true;
	}
	return false;
}

int
exec_sink_offsets(struct exec_sink *sink, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e)
{
	struct producer *producer = &sink->producer;
	int rc;
	do
		rc = producer_flush(producer, e);
	while (rc < 0 && is_interrupted(sink));
	if (rc < 0)
		return EXEC_SINK_FAILED;
	do
		rc = producer_send_offsets(producer, group, v, n, e);
	while (rc < 0 && is_interrupted(sink));
	return rc == 0 ? EXEC_SINK_DONE : is_of_group(e->kafka) ? EXEC_SINK_FENCED : EXEC_SINK_FAILED;
}

int
exec_sink_commit(struct exec_sink *sink, struct err *e)
{
	int rc;
	do
		rc = producer_commit(&sink->producer, &sink->is_unknown, e);
	while (rc < 0 && is_interrupted(sink));
	return rc;
}

int
exec_sink_abort(struct exec_sink *sink, int rc, struct err *e)
{
	struct producer *producer = &sink->producer;
	struct err why;
	int aborted;
	/* Was the transaction open for too long, or did another process take over? */
	bool is_old = producer_is_timed_out(producer);
	if (sink->is_unknown) {
		err_wrap(e, "it is not known whether the last batch is committed; "
			"the next start will find out");
		e->class = ERR_RETRY;
		return EXEC_SINK_FAILED;
	}
	do
		aborted = producer_abort(producer, &why);
	while (aborted < 0 && is_interrupted(sink));
	if (aborted == 0 || (producer->is_fenced && !is_old))
		return rc;
	if (rc == EXEC_SINK_FAILED && !is_old)
		return rc; /* report the first failure; the broker aborts after the timeout */
	exec_sink_close(sink);
	if (open_producer(sink, &why) == 0)
		return EXEC_SINK_FENCED;
	*e = why;
	return EXEC_SINK_FAILED;
}
