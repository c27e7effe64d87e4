/*
 * Sends records: chooses partitions, fills one batch a partition in place,
 * keeps several requests under way, in order, and repeats what can be
 * repeated.
 *
 * Records are numbered from 1 as they are put.  A batch is acknowledged as a
 * whole or not at all, so at any time
 *
 *	nacked                   records are acknowledged, and
 *	producer_next_unacked    is the first that is not.
 *
 * With a linger_ms of -1 an unfilled batch is sent at once while no request is
 * under way to its broker and the owner has no more records at hand (has_more);
 * else it waits for at most PRODUCER_LINGER_MS.
 *
 * Order: within a partition batches go out in the order they were filled.
 * After a failure that can be repeated the partition waits until all its
 * batches under way are back, and sends them again in order.  An idempotent
 * producer (see producer_start) numbers its records within each partition, by
 * which the broker knows a batch it has already, and takes none before its
 * turn; that costs nothing to be measured.  Without it, a batch whose answer was lost with its connection is
 * sent again and may then be there twice, and a batch that was refused while
 * the next one was accepted comes after it.
 *
 * Partitions that are added are used as soon as the metadata shows them.  A topic
 * that was deleted and created again is written to like a new one; within a
 * transaction that has records in it, that is a failure.
 *
 * A failure that cannot be repeated, or has been for delivery_timeout_ms,
 * is final for the whole producer: see is_failed.
 *
 * With a transactional id, records are put within transactions:
 *
 *	producer_begin_txn(&p, &e);
 *	... producer_put, producer_send_offsets ...
 *	if (failed || producer_commit(&p, &e) < 0)
 *		producer_abort(&p, &e);
 *
 * Uses: cluster, record.  One thread.
 */
#ifndef KQ_CLIENT_PRODUCER_H
#define KQ_CLIENT_PRODUCER_H

#include "client/cluster.h"
#include "record/builder.h"

enum producer_idempotence {
	PRODUCER_PLAIN,
	PRODUCER_IF_POSSIBLE, /* with acks -1 and a broker that knows how */
	PRODUCER_IDEMPOTENT,  /* else producer_start fails */
};

enum { PRODUCER_LINGER_MS = 5 };

struct producer_opts {
	int acks;                /* 0, 1 or -1 (all) */
	int linger_ms;           /* how long an unfilled batch waits; -1: see below */
	int delivery_timeout_ms; /* how long failures are met with repeats */
	int request_timeout_ms;
	int retry_backoff_ms;
	int in_flight;           /* requests under way on a connection */
	size_t batch_bytes;      /* of a batch before compression */
	size_t request_bytes;    /* of several batches packed in one request */
	size_t memory_bytes;     /* of records put and not acknowledged, about */
	enum codec codec;
	enum producer_idempotence idempotence;
	bool never_creates;      /* topics that do not exist */
	const char *txn_id;      /* NULL: no transactions */
	int txn_timeout_ms;      /* the broker aborts what is open for longer */
};

/* Fill with the defaults. */
void producer_opts_init(struct producer_opts *o);

struct producer_batch {
	struct list link;        /* in its partition's queue; or the spare ones */
	struct list age;         /* in producer.open while it is filled */
	struct producer_part *part;
	struct builder builder;
	struct buf packed;
	struct str bytes;        /* finished */
	int64_t first, last;     /* numbers of its first and last record, between
	                            which there may be others' */
	int32_t refused;         /* index of the first record that the broker refused
	                            by name; -1: none */
	int64_t born_ms;
	int32_t sequence;        /* of its first record */
	bool is_sent;
};

struct producer_part {
	struct list ready;       /* in producer.ready: something is to be sent */
	struct producer_topic *topic;
	int32_t index;
	struct producer_batch *open;
	struct list queue;       /* finished, not acknowledged; sent ones first */
	int nqueue, nsent;
	bool is_draining;        /* after a failure: wait until nsent is 0 */
	int64_t retry_at_ms;
	int64_t failing_since_ms; /* 0: all is well */
	struct err first, last;  /* failures since then */
	int64_t id;              /* of the producer, here; -1: none */
	int16_t epoch;
	int32_t sequence;        /* the next one, 0 after INT32_MAX */
	bool needs_id;           /* the broker has forgotten the producer */
	bool is_in_txn;          /* it is part of the transaction, for certain */
};

struct producer_topic {
	struct producer *producer;
	struct cluster_topic *meta;
	struct producer_part **part;
	int32_t npart;           /* what part has; a new topic may have less: */
	int32_t nlive;           /* partitions to choose from */
	int generation;          /* of the topic */
	bool is_gone;            /* which was reported */
	bool is_created;         /* by producer_topic */
	int32_t sticky;          /* where records without a key go now */
	size_t batch_bytes;      /* the least of the option and the topic's limit */
	size_t message_max;      /* the topic's max.message.bytes; 0: unknown */
};

struct producer {
	struct cluster *cluster;
	struct producer_opts opts;
	struct producer_topic **topic;
	int ntopic;
	struct list open;        /* batches being filled, the oldest first */
	struct list ready;       /* partitions */
	struct producer_batch *spare[64];
	int nspare;
	struct producer_request *idle; /* requests for the next time */
	int nrequest;            /* under way */
	bool has_more;           /* see producer_expect_more */
	int64_t nchange;         /* of what there is to send, or may be sent */
	size_t used;             /* bytes of finished batches */
	size_t open_used;        /* bytes of the others, about */
	int64_t nput, nacked;    /* records */
	struct cluster_outage refusal;
	bool needs_refresh;      /* of metadata */
	int64_t refresh_at_ms;
	bool is_failed;          /* for good, by err, which names the record */
	struct err err;
	int64_t failed_number;   /* the refused record, or the first of its batch; 0 */
	bool is_idempotent;      /* id and epoch are good */
	int64_t id;
	int16_t epoch;
	int32_t coordinator;     /* of the transactions: node id; -1: to be found */
	bool is_txn_v2;          /* the broker adds partitions, and raises the epoch */
	bool is_in_txn;
	bool is_txn_known;       /* something may have reached the coordinator */
	bool is_group_in_txn;
	bool is_fenced;          /* no transaction can be ended any more */
	int64_t txn_since_ms;
	int64_t txn_nput;        /* nput when it began */
	int64_t ncommitted;      /* records of transactions committed */
};

void producer_init(struct producer *producer, struct cluster *cl,
	const struct producer_opts *o);
void producer_release(struct producer *producer); /* unsent records are dropped */

/* Get a producer id, if the options want one.  Before the first record.  With
 * a transactional id, ends whatever another producer with it, which is shut out
 * from then on, has left open.  Waits and repeats, up to delivery_timeout_ms. */
int producer_start(struct producer *producer, struct err *e);

/* Prepare a topic; one that does not exist is created by the broker, if both it and
 * the options let it, and that is said (cluster_opts.say).  NULL on failure. */
struct producer_topic *producer_topic(struct producer *producer, const char *name,
	struct err *e);

/* Put one record.  partition -1: by the key's hash, or, when the key is null,
 * the sticky one, which changes with every batch.  Copies the bytes.  Waits,
 * serving connections, while too much is under way.
 * Returns 0, or -1 and the record is not taken: ERR_LIMIT it is too large,
 * ERR_USAGE there is no such partition, ERR_RETRY cluster.wake_fd was
 * signalled, else the producer has failed. */
int producer_put(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str key, struct str value,
	struct str headers, int32_t nheader, struct err *e);

/* Put as many whole lines (builder_append_lines) as fit in the batch that is
 * being filled, at most nmax: the quick way for records without keys and
 * headers.  Returns how many, with *used the bytes they took; 0 when none
 * fits: producer_put takes the next one then. */
int32_t producer_put_lines(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str lines, uint8_t delimiter, int32_t nmax,
	size_t *used);

/* Does the owner put more records at once?  While it does, an open batch is not
 * sent early (linger_ms -1). */
static inline void
producer_expect_more(struct producer *producer, bool has_more)
{
	producer->has_more = has_more;
}

/* Give up sooner: from now on failures are retried for at most timeout_ms. */
void producer_hurry(struct producer *producer, int timeout_ms);

/* Send what is due, then wait as cluster_wait does, at most until something
 * else is due. */
short producer_wait(struct producer *producer, int fd, short events, int timeout_ms);

/* Finish every open batch and wait until all is acknowledged.  Returns 0; -1
 * when the producer failed (after what was under way has come back), or,
 * with ERR_RETRY, cluster.wake_fd was signalled. */
int producer_flush(struct producer *producer, struct err *e);

/* The number of the first record not acknowledged (nput + 1: none). */
int64_t producer_next_unacked(const struct producer *producer);

/* Was the open transaction aborted by the broker, after txn_timeout_ms? */
bool producer_is_timed_out(const struct producer *producer);

/* Records put in the open transaction. */
static inline int64_t
producer_txn_records(const struct producer *producer)
{
	return producer->nput - producer->txn_nput;
}

/* Begin a transaction: nothing is sent by this.  Not within another. */
int producer_begin_txn(struct producer *producer, struct err *e);

/* Flush, and commit all that was put since the beginning, and the offsets.
 * After a failure nothing is committed, unless *is_unknown (set here, and
 * false at first), where the answer was lost: call it again, if you can, or
 * abort, which fails when it is committed.  A transaction of nothing costs nothing. */
int producer_commit(struct producer *producer, bool *is_unknown, struct err *e);

/* Drop what was not sent and abort the transaction.  Allowed without one.
 * Afterwards the producer can begin another, also if it had failed.  On
 * failure the broker will abort it in its time, unless another producer has
 * taken over; this one is done for. */
int producer_abort(struct producer *producer, struct err *e);

/* What a consumer of a group stands for: itself, or (generation -1, member
 * "") nobody. */
struct producer_group {
	const char *group;
	const char *member;
	const char *instance; /* or NULL */
	int32_t generation;   /* or member epoch */
};

struct producer_offset {
	const char *topic;
	int32_t partition;
	int64_t offset;       /* the next one to be read */
	int32_t leader_epoch; /* of the one before; -1 */
	struct uuid topic_id; /* zero: not known */
};

/* Store a group's offsets with the transaction: they count when it is
 * committed.  Those of one topic stand together.  Waits for the answer.  After a
 * failure, abort: ERR_PEER with what is of the group (err.kafka is
 * ILLEGAL_GENERATION, ...) may be cured by joining anew. */
int producer_send_offsets(struct producer *producer, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e);

#endif
