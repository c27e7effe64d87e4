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
 * Order: within a partition batches go out in the order they were filled.
 * After a failure that can be repeated the partition waits until all its
 * batches under way are back, and sends them again in order.  There are no
 * sequence numbers yet: a batch whose answer was lost with its connection is
 * sent again and may then be there twice, and a batch that was refused while
 * the next one was accepted comes after it.
 *
 * A failure that cannot be repeated, or has been for delivery_timeout_ms,
 * is final for the whole producer: see is_failed.
 *
 * Uses: cluster, record.  One thread.
 */
#ifndef KQ_CLIENT_PRODUCER_H
#define KQ_CLIENT_PRODUCER_H

#include "client/cluster.h"
#include "record/builder.h"

struct producer_opts {
	int acks;                /* 0, 1 or -1 (all) */
	int linger_ms;           /* how long an unfilled batch may wait */
	int delivery_timeout_ms; /* how long failures are met with repeats */
	int request_timeout_ms;
	int retry_backoff_ms;
	int in_flight;           /* requests under way on a connection */
	size_t batch_bytes;      /* of a batch before compression */
	size_t request_bytes;    /* of several batches packed in one request */
	size_t memory_bytes;     /* of records put and not acknowledged, about */
	enum codec codec;
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
	int64_t first;           /* number of its first record */
	int64_t born_ms;
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
};

struct producer_topic {
	struct producer *producer;
	struct cluster_topic *meta;
	struct producer_part *part;
	int32_t npart;
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
	size_t used;             /* bytes of finished batches */
	size_t open_used;        /* bytes of the others, about */
	int64_t nput, nacked;    /* records */
	int64_t acked_bytes;     /* of batches as sent */
	bool needs_refresh;      /* of metadata */
	int64_t refresh_at_ms;
	bool is_failed;          /* for good, by err, which names the record */
	struct err err;
	int64_t failed_number;   /* the first record of the refused batch; 0 */
	struct err last;         /* the last failure that was repeated */
};

void producer_init(struct producer *p, struct cluster *cl,
	const struct producer_opts *o);
void producer_release(struct producer *p); /* unsent records are dropped */

/* Prepare a topic, made by the broker if it may.  NULL on failure. */
struct producer_topic *producer_topic(struct producer *p, const char *name,
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

/* Send what is due, then wait as cluster_wait does, at most until something
 * else is due. */
short producer_wait(struct producer *p, int fd, short events, int timeout_ms);

/* Finish every open batch and wait until all is acknowledged.  Returns 0; -1
 * when the producer failed (after what was under way has come back), or,
 * with ERR_RETRY, cluster.wake_fd was signalled. */
int producer_flush(struct producer *p, struct err *e);

/* The number of the first record not acknowledged (nput + 1: none). */
int64_t producer_next_unacked(const struct producer *p);

#endif
