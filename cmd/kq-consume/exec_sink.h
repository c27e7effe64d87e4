/*
 * The destination of a co-process's answers: a topic, written in transactions together
 * with the offsets of the input.  It has its own connections, so that no request waits
 * behind a Fetch.
 *
 *	rc = exec_sink_begin(&sink, &e);
 *	while (rc == EXEC_SINK_DONE && ...)
 *		rc = exec_sink_put(&sink, key, value, &e);
 *	if (rc == EXEC_SINK_DONE)
 *		rc = exec_sink_offsets(&sink, &group, v, n, &e);
 *	if (rc == EXEC_SINK_DONE)
 *		rc = exec_sink_commit(&sink, &e);
 *	if (rc != EXEC_SINK_DONE)
 *		rc = exec_sink_abort(&sink, rc, &e);
 *
 * Uses: client/producer.
 */
#ifndef KQ_CONSUME_EXEC_SINK_H
#define KQ_CONSUME_EXEC_SINK_H

#include "client/producer.h"

struct exec_sink_opts {
	struct cluster_opts cluster;
	const char *topic;
	const char *txn_id;
	int txn_timeout_ms;
	int retry_timeout_ms;       /* longest outage of a broker */
	int wake_fd;
};

enum exec_sink_result {
	EXEC_SINK_DONE = 0,
	EXEC_SINK_FAILED = -1, /* for the reason in e */
	EXEC_SINK_FENCED = -2, /* our generation may not commit these offsets, or the broker
	                        * aborted the transaction: none of it is visible */
};

struct exec_sink {
	const struct exec_sink_opts *o;
	struct cluster cluster;
	struct producer producer;
	struct producer_topic *topic;
	int64_t now_ms;             /* wall clock at the begin of the transaction */
	bool is_unknown;            /* it is unknown whether a failed commit took effect */
	bool is_open;
};

/* Connect, and end the transaction that an earlier process with our ID left open.
 * Returns 0, or -1. */
int exec_sink_open(struct exec_sink *sink, const struct exec_sink_opts *o, struct err *e);
void exec_sink_close(struct exec_sink *sink);

int exec_sink_begin(struct exec_sink *sink, struct err *e);
int exec_sink_put(struct exec_sink *sink, struct str key, struct str value, struct err *e);

/* Flush the records, and add the offsets. */
int exec_sink_offsets(struct exec_sink *sink, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e);

int exec_sink_commit(struct exec_sink *sink, struct err *e);

/* Abort the transaction, after a call failed with rc and *e, or for the caller's own
 * reason (rc is EXEC_SINK_FAILED or EXEC_SINK_FENCED).  The sink can then be used again.
 * Returns rc; or EXEC_SINK_FAILED if it cannot be used again. */
int exec_sink_abort(struct exec_sink *sink, int rc, struct err *e);

/* Limit the wait for brokers that do not answer; to be called after a signal. */
void exec_sink_hurry(struct exec_sink *sink);

#endif
