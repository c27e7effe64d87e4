/*
 * Where the answers of a co-process go: a topic, in transactions, together with
 * the offsets of what was read.  It has connections of its own, so that nothing waits
 * behind a Fetch.
 *
 *	got = exec_sink_begin(&s, &e);
 *	while (got == EXEC_SINK_DONE && ...)
 *		got = exec_sink_put(&s, key, value, &e);
 *	if (got == EXEC_SINK_DONE)
 *		got = exec_sink_offsets(&s, &group, v, n, &e);
 *	if (got == EXEC_SINK_DONE)
 *		got = exec_sink_commit(&s, &e);
 *	if (got != EXEC_SINK_DONE)
 *		got = exec_sink_abort(&s, got, &e);
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
	int retry_timeout_ms;       /* how long a broker may be away */
	int wake_fd;
};

enum exec_sink_result {
	EXEC_SINK_DONE = 0,
	EXEC_SINK_FAILED = -1, /* by e */
	EXEC_SINK_FENCED = -2, /* by e: we are not the ones to store these offsets; or the broker
	                   * gave the transaction up.  Nothing of it counts. */
};

struct exec_sink {
	const struct exec_sink_opts *o;
	struct cluster cluster;
	struct producer producer;
	struct producer_topic *topic;
	int64_t now_ms;             /* of the wall, when the transaction began */
	bool is_unknown;            /* whether a commit that failed was taken */
	bool is_open;
};

/* Connect, and end what another with our id has left open.  0, or -1. */
int exec_sink_open(struct exec_sink *sink, const struct exec_sink_opts *o, struct err *e);
void exec_sink_close(struct exec_sink *sink);

int exec_sink_begin(struct exec_sink *sink, struct err *e);
int exec_sink_put(struct exec_sink *sink, struct str key, struct str value, struct err *e);

/* All that was put is with the brokers after this, and the offsets. */
int exec_sink_offsets(struct exec_sink *sink, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e);

int exec_sink_commit(struct exec_sink *sink, struct err *e);

/* Void the transaction, after one of them failed with got and *e, or for a reason of
 * the caller's (EXEC_SINK_FAILED or EXEC_SINK_FENCED).  The sink is good again after this.
 * Returns got; or EXEC_SINK_FAILED when it cannot be made good. */
int exec_sink_abort(struct exec_sink *sink, int rc, struct err *e);

/* We were told to stop: a broker that does not answer is not waited for long. */
void exec_sink_hurry(struct exec_sink *sink);

#endif
