#include "client/txn_sink.h"

#include "sys/sig.h"

enum { HURRY_MS = 5000 };

static int
open_producer(struct txn_sink *sink, struct err *e)
{
	if (cluster_open(&sink->cluster, &sink->o->cluster, e) < 0)
		return -1;
	cluster_set_wake_fd(&sink->cluster, sink->o->wake_fd);
	producer_init(&sink->producer, &sink->cluster, &sink->o->producer);
	sink->is_open = true;
	if (producer_start(&sink->producer, e) < 0)
		return -1;
	for (int i = 0; i < sink->ntopic; i++)
		if (!(sink->topic[i].topic = producer_topic(&sink->producer, sink->topic[i].name, e)))
			return -1;
	return 0;
}

static void
close_producer(struct txn_sink *sink)
{
	if (!sink->is_open)
		return;
	cluster_close(&sink->cluster);
	producer_release(&sink->producer);
	sink->is_open = false;
}

int
txn_sink_open(struct txn_sink *sink, const struct txn_sink_opts *o, struct err *e)
{
	*sink = (struct txn_sink){ .o = o };
	if (open_producer(sink, e) == 0)
		return 0;
	txn_sink_close(sink);
	return -1;
}

void
txn_sink_close(struct txn_sink *sink)
{
	close_producer(sink);
	for (int i = 0; i < sink->ntopic; i++)
		mem_free(sink->topic[i].name);
	mem_free(sink->topic);
	sink->topic = NULL;
	sink->ntopic = 0;
}

void
txn_sink_hurry(struct txn_sink *sink)
{
	sig_drain(sink->o->wake_fd);
	producer_hurry(&sink->producer, HURRY_MS);
}

/* Did a signal interrupt the call?  If so, it is repeated, with a short timeout. */
static bool
is_interrupted(struct txn_sink *sink)
{
	if (!cluster_take_woken(&sink->cluster))
		return false;
	txn_sink_hurry(sink);
	return true;
}

int
txn_sink_topic(struct txn_sink *sink, const char *name, struct err *e)
{
	for (int i = 0; i < sink->ntopic; i++)
		if (strcmp(sink->topic[i].name, name) == 0)
			return i;
	struct producer_topic *topic;
	do
		topic = producer_topic(&sink->producer, name, e);
	while (!topic && is_interrupted(sink));
	if (!topic)
		return -1;
	sink->topic = mem_realloc(sink->topic, (size_t)(sink->ntopic + 1) * sizeof *sink->topic);
	sink->topic[sink->ntopic] = (struct txn_sink_topic){ mem_strdup(name), topic };
	return sink->ntopic++;
}

int
txn_sink_begin(struct txn_sink *sink, struct err *e)
{
	sink->is_unknown = false;
	if (!sink->o->producer.txn_id)
		return TXN_SINK_DONE;
	return producer_begin_txn(&sink->producer, e);
}

int
txn_sink_put(struct txn_sink *sink, int topic, int32_t partition, int64_t timestamp_ms,
	struct str key, struct str value, struct str headers, int32_t nheader, struct err *e)
{
	int rc;
	assert(topic >= 0 && topic < sink->ntopic);
	do
		rc = producer_put(sink->topic[topic].topic, partition, timestamp_ms, key, value, headers,
			nheader, e);
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
	case KERR_FENCED_INSTANCE_ID: /* the member's next heartbeat tells it */
	case KERR_REBALANCE_IN_PROGRESS:
	case KERR_UNKNOWN_TOPIC_ID: /* a topic was deleted, and may have been recreated */
		return true;
	}
	return false;
}

int
txn_sink_flush(struct txn_sink *sink, struct err *e)
{
	int rc;
	do
		rc = producer_flush(&sink->producer, e);
	while (rc < 0 && is_interrupted(sink));
	return rc;
}

int
txn_sink_offsets(struct txn_sink *sink, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e)
{
	int rc;
	if (txn_sink_flush(sink, e) < 0)
		return TXN_SINK_FAILED;
	do
		rc = producer_send_offsets(&sink->producer, group, v, n, e);
	while (rc < 0 && is_interrupted(sink));
	return rc == 0 ? TXN_SINK_DONE : is_of_group(e->kafka) ? TXN_SINK_FENCED : TXN_SINK_FAILED;
}

int
txn_sink_commit(struct txn_sink *sink, struct err *e)
{
	int rc;
	do
		rc = producer_commit(&sink->producer, &sink->is_unknown, e);
	while (rc < 0 && is_interrupted(sink));
	return rc;
}

int
txn_sink_reopen(struct txn_sink *sink, struct err *e)
{
	close_producer(sink);
	sink->is_unknown = false;
	return open_producer(sink, e);
}

/* Does the broker not expect a sequence number?  It may know only the last of several batches
 * that it stored before it was started again.  Nothing of the transaction is visible, so that
 * it can be done again. */
static bool
is_out_of_sequence(const struct producer *producer)
{
	return producer->is_failed && (producer->err.kafka == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER
		|| producer->err.kafka == KERR_UNKNOWN_PRODUCER_ID);
}

int
txn_sink_abort(struct txn_sink *sink, int rc, struct err *e)
{
	struct producer *producer = &sink->producer;
	struct err why;
	int aborted;
	/* Was the transaction open for too long, or did another process take over? */
	bool is_old = producer_is_timed_out(producer);
	bool is_void = is_out_of_sequence(producer);
	if (sink->is_unknown) {
		err_wrap(e, "it is not known whether the last batch is committed; "
			"the next start will find out");
		e->class = ERR_RETRY;
		return TXN_SINK_FAILED;
	}
	do
		aborted = producer_abort(producer, &why);
	while (aborted < 0 && is_interrupted(sink));
	if (aborted == 0 && is_void)
		return TXN_SINK_FENCED;
	if (aborted == 0 || (producer->is_fenced && !is_old))
		return rc;
	if (rc == TXN_SINK_FAILED && !is_old && !is_void)
		return rc; /* report the first failure; the broker aborts after the timeout */
	if (txn_sink_reopen(sink, &why) == 0)
		return TXN_SINK_FENCED;
	*e = why;
	return TXN_SINK_FAILED;
}
