/*
 * Exactly-once output: records for any topics, and a group's offsets, in transactions.
 * A sink has its own connections, so that no request waits behind a Fetch.
 *
 *	rc = txn_sink_begin(&sink, &e);
 *	while (rc == TXN_SINK_DONE && ...)
 *		rc = txn_sink_put(&sink, topic, -1, timestamp_ms, key, value, STR_NULL, 0, &e);
 *	if (rc == TXN_SINK_DONE)
 *		rc = txn_sink_offsets(&sink, &group, v, n, &e);
 *	if (rc == TXN_SINK_DONE)
 *		rc = txn_sink_commit(&sink, &e);
 *	if (rc != TXN_SINK_DONE)
 *		rc = txn_sink_abort(&sink, rc, &e);
 *
 * The right to commit offsets depends on the generation of the group (KIP-447), not on the
 * transactional ID: a member that was removed cannot commit, whatever its ID.
 *
 * A signal (wake_fd) interrupts a wait for a broker only once: the call then goes on, with
 * a short timeout, so that a transaction that is nearly done is committed.
 *
 * Uses: producer.  One thread.
 */
#ifndef KQ_CLIENT_TXN_SINK_H
#define KQ_CLIENT_TXN_SINK_H

#include "client/producer.h"

struct txn_sink_opts {
	struct cluster_opts cluster;
	struct producer_opts producer; /* with txn_id, txn_timeout_ms and, as the longest outage of
	                                * a broker, delivery_timeout_ms */
	int wake_fd;
};

enum txn_sink_result {
	TXN_SINK_DONE = 0,
	TXN_SINK_FAILED = -1, /* for the reason in e */
	TXN_SINK_FENCED = -2, /* our generation may not commit these offsets, or the broker
	                       * aborted the transaction: none of it is visible */
};

struct txn_sink_topic {
	char *name;
	struct producer_topic *topic; /* of the producer at hand */
};

/* Owners read cluster, producer and topic. */
struct txn_sink {
	const struct txn_sink_opts *o;
	struct cluster cluster;
	struct producer producer;
	struct txn_sink_topic *topic;
	int ntopic;
	bool is_unknown;            /* it is unknown whether a failed commit took effect */
	bool is_open;
};

/* Without producer.txn_id there are no transactions: txn_sink_begin does nothing, records are
 * stored as they are put, and txn_sink_flush is the commit; offsets are committed by the
 * member. */

/* Connect, and end the transaction that an earlier process with our ID left open.  The
 * caller keeps *o.  Returns 0, or -1. */
int txn_sink_open(struct txn_sink *sink, const struct txn_sink_opts *o, struct err *e);
void txn_sink_close(struct txn_sink *sink);

/* The number of a topic, which is created if producer_topic may; the same for the same
 * name.  Numbers count from 0.  Returns -1 on failure. */
int txn_sink_topic(struct txn_sink *sink, const char *name, struct err *e);

int txn_sink_begin(struct txn_sink *sink, struct err *e);

/* Put a record, as producer_put does; topic is a number of txn_sink_topic. */
int txn_sink_put(struct txn_sink *sink, int topic, int32_t partition, int64_t timestamp_ms,
	struct str key, struct str value, struct str headers, int32_t nheader, struct err *e);

/* Wait until all records are stored.  Returns 0, or -1. */
int txn_sink_flush(struct txn_sink *sink, struct err *e);

/* Flush the records, and add the offsets, those of one topic adjacent. */
int txn_sink_offsets(struct txn_sink *sink, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e);

int txn_sink_commit(struct txn_sink *sink, struct err *e);

/* Abort the transaction, after a call failed with rc and *e, or for the caller's own
 * reason (rc is TXN_SINK_FAILED or TXN_SINK_FENCED).  The sink can then be used again.
 * Returns rc; TXN_SINK_FENCED also if a failed one was open for too long or out of sequence,
 * and can be done again; or TXN_SINK_FAILED if the sink cannot be used again. */
int txn_sink_abort(struct txn_sink *sink, int rc, struct err *e);

/* Connect again after any failure, and end the transaction: it is then either committed or
 * aborted; which, the group's committed offsets tell (is_unknown).  Returns 0, or -1. */
int txn_sink_reopen(struct txn_sink *sink, struct err *e);

/* Limit the wait for brokers that do not answer; to be called after a signal, which is
 * taken from wake_fd. */
void txn_sink_hurry(struct txn_sink *sink);

#endif
