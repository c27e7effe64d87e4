/*
 * Sends records: chooses partitions, fills one batch per partition in place, keeps
 * several requests under way, and retries.
 *
 * Records are numbered from 1 in the order of producer_put.  A batch is acknowledged
 * as a whole or not at all, so at any time
 *
 *	nacked                   records are acknowledged, and
 *	producer_next_unacked    is the first that is not.
 *
 * With linger_ms -1 a batch that is not full is sent at once if no request is under
 * way to its broker and the owner has no more records (producer_expect_more); else it
 * waits for at most PRODUCER_LINGER_MS.
 *
 * Order: the batches of a partition are sent in the order in which they were filled.
 * After a retriable failure the partition waits until all its batches under way have
 * come back, and sends them again in order.  An idempotent producer (producer_start)
 * numbers its records per partition, so the broker recognizes a batch that it already
 * has, and refuses one that is out of order.  Without idempotence, a batch whose
 * response was lost with its connection is sent again and may be stored twice, and a
 * batch that was refused while the next one was accepted is stored after it.
 *
 * New partitions are used as soon as the metadata lists them.  A topic that was
 * deleted and created again is written to like a new one; if it has records in the
 * open transaction, the transaction fails.
 *
 * A failure that a retry cannot cure, or that has lasted for delivery_timeout_ms, is
 * final for the whole producer: see is_failed.
 *
 * With a transactional id, records are put in transactions:
 *
 *	producer_begin_txn(&producer, &e);
 *	... producer_put, producer_send_offsets ...
 *	if (failed || producer_commit(&producer, &is_unknown, &e) < 0)
 *		producer_abort(&producer, &e);
 *
 * Uses: cluster, record.  One thread.
 */
#ifndef KQ_CLIENT_PRODUCER_H
#define KQ_CLIENT_PRODUCER_H

#include "client/cluster.h"
#include "record/builder.h"

enum producer_idempotence {
	PRODUCER_PLAIN,
	PRODUCER_IF_POSSIBLE, /* with acks -1 and a broker that supports it */
	PRODUCER_IDEMPOTENT,  /* producer_start fails if it is not possible */
};

enum { PRODUCER_LINGER_MS = 5 };

struct producer_opts {
	int acks;                /* 0, 1 or -1 (all) */
	int linger_ms;           /* how long a batch waits to be filled; -1: see above */
	int delivery_timeout_ms; /* how long a failing batch is retried */
	int request_timeout_ms;
	int retry_backoff_ms;
	int in_flight;           /* limit of requests under way per connection */
	size_t batch_bytes;      /* limit of a batch before compression */
	size_t request_bytes;    /* limit of a request of several batches */
	size_t memory_bytes;     /* approximate limit of records not acknowledged */
	enum codec codec;
	enum producer_idempotence idempotence;
	bool never_creates;      /* do not create topics that do not exist */
	const char *txn_id;      /* NULL: no transactions */
	int txn_timeout_ms;      /* the broker aborts a transaction open for longer */
};

/* Fill with the defaults. */
void producer_opts_init(struct producer_opts *o);

struct producer_batch {
	struct list link;        /* in its partition's queue */
	struct list age;         /* in producer.open while it is filled */
	struct producer_part *part;
	struct builder builder;
	struct buf packed;
	struct str bytes;        /* the finished batch */
	int64_t first, last;     /* numbers of its first and last record; records between
	                          * them may be in other batches */
	int32_t refused;         /* index of the first record that the broker named as the
	                          * reason of a refusal; -1: none */
	int64_t born_ms;         /* when it was opened */
	int32_t sequence;        /* of its first record */
	bool is_sent;
};

struct producer_part {
	struct list ready;       /* in producer.ready: a batch may be sent */
	struct producer_topic *topic;
	int32_t index;
	struct producer_batch *open; /* being filled; or NULL */
	struct list queue;       /* batches finished, not acknowledged; sent ones first */
	int nqueue, nsent;
	bool is_draining;        /* after a failure: send nothing until nsent is 0 */
	int64_t retry_at_ms;
	int64_t failing_since_ms; /* 0: no failure */
	struct err first, last;  /* first and last failure since then */
	int64_t id;              /* producer id for this partition; -1: none */
	int16_t epoch;
	int32_t sequence;        /* next sequence number; 0 follows INT32_MAX */
	bool needs_id;           /* the broker has forgotten the producer id */
	bool is_in_txn;          /* known to be part of the transaction */
	int64_t end_offset;      /* behind the last record acknowledged; -1: unknown */
};

/* Owners read producer, meta, message_max, nlive, and the parts' end_offset. */
struct producer_topic {
	struct producer *producer;
	struct cluster_topic *meta;
	struct producer_part **part;
	int32_t npart;           /* size of part */
	int32_t nlive;           /* partitions to choose from; a topic that was created again
	                          * may have fewer than npart */
	int generation;          /* of meta, as last seen */
	bool is_gone;            /* it was deleted, which was reported */
	int32_t sticky;          /* partition of records without a key, for now */
	size_t batch_bytes;      /* lower of the option and message_max */
	size_t message_max;      /* the topic's max.message.bytes; 0: unknown */
	int64_t ahead_max_ms;    /* its message.timestamp.after.max.ms; INT64_MAX: none, unknown */
	int64_t ahead_ms;        /* the latest timestamp known to be within that */
};

/* Owners read cluster, opts, nput, nacked, ncommitted, is_failed, err, is_in_txn,
 * txn_since_ms and is_fenced. */
struct producer {
	struct cluster *cluster;
	struct producer_opts opts;
	struct producer_topic **topic;
	int ntopic;

	/* batches and requests */
	struct list open;        /* batches being filled, oldest first */
	struct list ready;       /* partitions that have a batch to send */
	struct producer_batch *spare[64];
	int nspare;
	struct producer_request *idle; /* requests kept for reuse */
	int nrequest;            /* requests under way */
	bool has_more;           /* see producer_expect_more */
	int64_t nchange;         /* counts changes of what may be sent */
	size_t used;             /* bytes of finished batches */
	size_t open_used;        /* approximate bytes of open batches */
	int64_t nput, nacked;    /* numbers of records put and acknowledged */

	/* failures */
	struct cluster_outage refusal;
	bool needs_refresh;      /* of metadata */
	int64_t refresh_at_ms;
	bool is_failed;          /* for good, by err, which names the record */
	struct err err;
	int64_t failed_number;   /* of the refused record, or the first of its batch; 0: none */

	/* idempotence */
	bool is_idempotent;      /* id and epoch are valid */
	int64_t id;
	int16_t epoch;

	/* transactions */
	int32_t coordinator;     /* node id; -1: unknown */
	char *group;             /* the last one of producer_send_offsets; or NULL */
	int32_t group_coordinator; /* node id; -1: unknown */
	bool is_txn_v2;          /* the broker adds partitions and raises the epoch (KIP-890) */
	bool is_in_txn;
	bool is_txn_known;       /* the coordinator may have heard of the transaction */
	bool is_group_in_txn;
	bool is_fenced;          /* another producer has the transactional id, or the broker
	                          * aborted the transaction: it cannot be ended by us */
	int64_t txn_since_ms;
	int64_t txn_nput;        /* nput when it began */
	int64_t ncommitted;      /* number of records in committed transactions */
};

void producer_init(struct producer *producer, struct cluster *cl,
	const struct producer_opts *o);

/* After cluster_close, or with no request under way.  Unsent records are dropped. */
void producer_release(struct producer *producer);

/* Get a producer id if the options ask for one.  Call it before the first record.
 * With a transactional id, this fences off an earlier producer with the same id and
 * aborts the transaction that it left open.  Waits and retries, up to
 * delivery_timeout_ms. */
int producer_start(struct producer *producer, struct err *e);

/* Prepare a topic.  If it does not exist, the broker creates it, unless the options
 * or the broker forbid that; the creation is reported (cluster_opts.say).  Returns
 * NULL on failure.  Owned by the producer; the same for the same name. */
struct producer_topic *producer_topic(struct producer *producer, const char *name,
	struct err *e);

/* Does the topic take the timestamp, or is it too far ahead of the clock?  (producer_put leaves
 * that to the broker, whose refusal fails the producer.)  Returns 0, or -1 (ERR_LIMIT). */
int producer_check_time(struct producer_topic *t, int64_t timestamp_ms, struct err *e);

/* Put one record.  partition -1: chosen by the key's hash; without a key, the topic's
 * sticky partition, which changes with every batch.  Copies the bytes.  Waits, serving
 * the connections, while memory_bytes are in use.
 * Returns 0, or -1 if the record was not taken: ERR_LIMIT: it is too large;
 * ERR_USAGE: the topic has no such partition; ERR_RETRY: interrupted by
 * cluster.wake_fd; otherwise the producer has failed. */
int producer_put(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str key, struct str value,
	struct str headers, int32_t nheader, struct err *e);

/* Put as many complete lines (builder_append_lines) as fit in the open batch, at most
 * nmax: the fast path for records without keys and headers.  Returns the number of
 * lines, and in *used their bytes.  Returns 0 if none fits: use producer_put then. */
int32_t producer_put_lines(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str lines, uint8_t delimiter, int32_t nmax,
	size_t *used);

/* Say whether the owner has more records to put at once.  If so, open batches are not
 * sent early (linger_ms -1). */
static inline void
producer_expect_more(struct producer *producer, bool has_more)
{
	producer->has_more = has_more;
}

/* Lower delivery_timeout_ms, to end soon. */
void producer_hurry(struct producer *producer, int timeout_ms);

/* Send what is due, then wait as cluster_wait does, at most until more is due. */
short producer_wait(struct producer *producer, int fd, short events, int timeout_ms);

/* Finish all open batches and wait until everything is acknowledged.  Returns 0, or
 * -1: ERR_RETRY: interrupted by cluster.wake_fd; otherwise the producer has failed,
 * and no request is under way any more. */
int producer_flush(struct producer *producer, struct err *e);

/* The number of the first record that is not acknowledged; nput + 1: all are. */
int64_t producer_next_unacked(const struct producer *producer);

/* Did the broker abort the open transaction after txn_timeout_ms? */
bool producer_is_timed_out(const struct producer *producer);

/* The number of records put in the open transaction. */
static inline int64_t
producer_txn_records(const struct producer *producer)
{
	return producer->nput - producer->txn_nput;
}

/* Begin a transaction; none may be open.  Sends nothing.  Returns -1 if the producer
 * has failed. */
int producer_begin_txn(struct producer *producer, struct err *e);

/* Flush, and commit the records and offsets of the transaction.  After a failure
 * nothing is committed, unless *is_unknown (false before the first call) was set: the
 * response was lost.  Then call it again, if possible, or abort, which fails if the
 * transaction was committed.  An empty transaction sends nothing. */
int producer_commit(struct producer *producer, bool *is_unknown, struct err *e);

/* Drop the unsent records and abort the transaction, if one is open.  Then the
 * producer can begin another one, even if it had failed.  On failure the producer
 * cannot be used any more; the broker aborts the transaction after its timeout. */
int producer_abort(struct producer *producer, struct err *e);

/* The group member whose offsets are stored; generation -1 and member "": no member
 * is checked. */
struct producer_group {
	const char *group;
	const char *member;
	const char *instance; /* or NULL */
	int32_t generation;   /* or member epoch */
};

struct producer_offset {
	const char *topic;
	int32_t partition;
	int64_t offset;       /* of the next record to be read */
	int32_t leader_epoch; /* of the record before offset; -1: unknown */
	struct uuid topic_id; /* zero: unknown */
	struct str metadata;  /* text stored with the offset; null: none */
};

/* Add a group's offsets to the transaction: they are stored when it is committed.
 * Offsets of one topic must be adjacent.  Waits for the response.  After a failure,
 * abort; if err.kafka is an error of the group (ILLEGAL_GENERATION, ...), joining
 * again may cure it. */
int producer_send_offsets(struct producer *producer, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e);

#endif
