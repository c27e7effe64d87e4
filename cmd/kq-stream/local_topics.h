/*
 * Results of stdin's records that go to topics: each is stored once, in order, as
 * kq-produce stores lines.  stdin has no offsets to commit, so there are no transactions:
 * a run that fails has stored the results of a part of its input.
 *
 * Uses: program, client/txn_sink.
 */
#ifndef KQ_STREAM_CMD_LOCAL_TOPICS_H
#define KQ_STREAM_CMD_LOCAL_TOPICS_H

#include "client/txn_sink.h"
#include "kq-stream/program.h"

struct local_topics {
	struct program *program;
	struct txn_sink_opts opts;
	struct txn_sink sink;
	int *topic;   /* number of the sink's topic, by number of the plan's sink; -1: none yet */
	bool is_open;
};

/* Connect, and look up the topics of the plan's sinks.  The caller keeps *cluster.  Returns
 * 0, or -1. */
int local_topics_open(struct local_topics *topics, struct program *program,
	const struct cluster_opts *cluster, struct err *e);
void local_topics_close(struct local_topics *topics); /* not open: no effect */

/* Put a result.  Returns 0; or -1: *is_bad tells whether the record is at fault. */
int local_topics_put(struct local_topics *topics, const struct plan_sink *sink,
	const struct flow_rec *rec, bool *is_bad, struct err *e);

/* Wait until all results are stored.  Returns 0, or -1. */
int local_topics_flush(struct local_topics *topics, struct err *e);

#endif
