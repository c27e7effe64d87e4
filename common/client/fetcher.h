/*
 * Reads partitions in parallel, with one Fetch under way per leader.
 *
 * The next Fetch is sent as soon as the batch headers of the last response give the
 * next offsets, before anyone reads the records.
 *
 *	while ((events = fetcher_wait(&f, -1, 0, -1)), !f.is_failed)
 *		while ((chunk = fetcher_take(&f))) {
 *			... read chunk with fetch_iter ...
 *			fetcher_give_back(&f, chunk);
 *		}
 *
 * Memory: responses of up to about twice fetch_bytes are held; above fetch_bytes
 * nothing more is requested until chunks are given back.  An owner that needs records of
 * one partition before it can go on with another sets is_held instead.
 *
 * Moved leaders and lost connections are retried.  If a partition has had no success
 * for retry_timeout_ms, or fails in a way that a retry cannot cure, the fetcher has
 * failed for good: see is_failed.
 *
 * Uses: cluster, record.  One thread.
 */
#ifndef KQ_CLIENT_FETCHER_H
#define KQ_CLIENT_FETCHER_H

#include "client/cluster.h"
#include "record/batch.h"

struct fetcher_opts {
	int max_wait_ms;         /* how long a broker may wait for min_bytes */
	int idle_wait_ms;        /* the same while nothing comes: each answer without records
	                          * doubles the wait up to this; 0: max_wait_ms.  Such a Fetch is
	                          * given up for a call over the same connection (call.is_parked),
	                          * and for a partition that it has not */
	int min_bytes;
	int request_timeout_ms;
	int retry_timeout_ms, retry_backoff_ms;
	size_t fetch_bytes;      /* approximate size of a response */
	size_t held_max;         /* bytes of responses above which nothing is requested; 0:
	                          * fetch_bytes.  With held partitions: SIZE_MAX */
	size_t partition_bytes;  /* approximate share of one partition in it */
	size_t batch_max;        /* limit of a decompressed batch, bytes */
	bool checks_crc;
	bool is_committed;       /* only committed records (read_committed) */
};

/* Fill with the defaults. */
void fetcher_opts_init(struct fetcher_opts *o);

/* Owners read topic, index, offset, deliver, end, high, stop, epoch and is_done, and set owner
 * and is_held. */
struct fetcher_part {
	struct list link;        /* in fetcher.part; recently read ones are last */
	struct cluster_topic *topic;
	int32_t index;
	int generation;          /* of the topic when reading began: see fetched.is_new_topic */
	int64_t offset;          /* next offset to fetch */
	int64_t deliver;         /* next offset to hand out; at most offset */
	int64_t end;             /* what the last response told: records before it can be read
	                          * (with is_committed: the last stable offset); -1: unknown */
	int64_t high;            /* the high watermark in it: what open transactions wrote is
	                          * before it, too; -1: unknown */
	int64_t stop;            /* where reading ends, exclusive; INT64_MAX: never */
	int32_t epoch;           /* leader epoch of the record before deliver; -1: unknown */
	bool is_held;            /* request nothing more: the owner has enough */
	void *owner;
	bool is_removed;         /* by fetcher_remove, while a request still refers to it */
	bool is_asked;           /* in a request under way */
	bool is_parked;          /* that request waits for longer than max_wait_ms */
	bool has_twin;           /* the partition may be there twice: see fetcher_add */
	bool is_paused;          /* out of range, or the topic is new: until fetcher_seek */
	bool is_done;            /* offset has reached stop */
	size_t bytes_max;        /* partition_max_bytes of the next request */
	int64_t retry_at_ms;
	int64_t failing_since_ms; /* 0: it does not fail */
};

/* An aborted transaction: records of its producer from first_offset to the
 * producer's next abort marker are skipped. */
struct fetch_aborted {
	int64_t producer_id, first_offset;
	bool is_open;            /* fetch_iter is between the two */
};

/* A result for one partition: complete batches, or that its offset is out of range,
 * or that its topic was deleted and created again.  In the last two cases the
 * partition is paused.  Owners read part, is_out_of_range and is_new_topic. */
struct fetched {
	struct list link;
	struct fetcher_part *part;
	struct fetcher_reply *reply;
	struct str batches;
	bool is_out_of_range;
	bool is_new_topic;
	struct fetch_aborted *aborted; /* sorted by first_offset */
	int32_t naborted;
};

/* Owners read cluster, opts, part, npart, is_failed and err. */
struct fetcher {
	struct cluster *cluster;
	struct fetcher_opts opts;
	struct list part;
	int npart, ndone;
	struct list ready;       /* fetched, in order of arrival */
	struct fetcher_reply *idle_reply;
	struct fetcher_request *idle;
	int nrequest;            /* requests under way */
	int wait_ms;             /* max_wait_ms of the next request */
	size_t held;             /* bytes of responses not given back */
	struct cluster_outage refusal;
	bool needs_refresh;      /* of metadata */
	int64_t refresh_at_ms;
	int64_t fresh_until_ms;  /* when cluster_keep_fresh is due */
	bool is_failed;          /* for good, by err */
	struct err err;
};

void fetcher_init(struct fetcher *f, struct cluster *cl,
	const struct fetcher_opts *o);

/* After cluster_close, or with no request under way. */
void fetcher_release(struct fetcher *f);

/* Read a partition from offset to stop, exclusive.  It is owned by the fetcher.  One that is
 * added several times is read as often, in turns, since Kafka's broker answers a partition
 * once in a request. */
struct fetcher_part *fetcher_add(struct fetcher *f, struct cluster_topic *t,
	int32_t index, int64_t offset, int64_t stop);

/* Continue a paused partition at another offset, in the topic's current
 * generation. */
void fetcher_seek(struct fetcher *f, struct fetcher_part *part, int64_t offset);

/* Read the partition again from offset: results not taken are dropped.  part is
 * freed, so no taken chunk may refer to it; its replacement is returned. */
struct fetcher_part *fetcher_rewind(struct fetcher *f, struct fetcher_part *part,
	int64_t offset);

/* Stop reading the partition: results not taken are dropped.  part is freed, so no
 * taken chunk may refer to it. */
void fetcher_remove(struct fetcher *f, struct fetcher_part *part);

/* Send the requests that are due and wait as cluster_wait does; do not wait if a
 * chunk is ready, the fetcher has failed or is done. */
short fetcher_wait(struct fetcher *f, int fd, short events, int timeout_ms);

/* The same with any number of descriptors, as cluster_wait_fds. */
int fetcher_wait_fds(struct fetcher *f, struct pollfd *fds, int nfd, int timeout_ms);

/* Can fetcher_take return something? */
static inline bool
fetcher_has_ready(const struct fetcher *f)
{
	return !list_is_empty(&f->ready);
}

/* Have all partitions (at least one) reached their stop, and all chunks been taken? */
bool fetcher_is_done(const struct fetcher *f);

/* The next result, or NULL.  Give each back. */
struct fetched *fetcher_take(struct fetcher *f);
void fetcher_give_back(struct fetcher *f, struct fetched *chunk);

/* Iterates over the records of a chunk and advances the partition's deliver.  Checks
 * CRCs; skips control batches, records outside deliver..stop and, with is_committed,
 * records of aborted transactions. */
struct fetch_iter {
	const struct fetcher *f;
	struct fetched *chunk;
	const uint8_t *p, *end;  /* batches not read yet */
	bool is_open;            /* records iterates over a batch */
	int32_t nbegun;          /* number of chunk->aborted whose first_offset was passed */
	struct record_iter records;
};
#define FETCH_ITER_INIT { .records = RECORD_ITER_INIT }

/* Begin, or begin again, with a chunk. */
void fetch_iter_begin(struct fetch_iter *it, const struct fetcher *f,
	struct fetched *chunk);

/* Returns 1: *rec is the next record, whose bytes are valid until the next call;
 * 0: no more; -1: ERR_CORRUPT, or ERR_LIMIT (a batch above batch_max). */
int fetch_iter_next(struct fetch_iter *it, struct record *rec, struct err *e);

/* The batch of the last record. */
static inline const struct batch *
fetch_iter_batch(const struct fetch_iter *it)
{
	return &it->records.batch;
}

void fetch_iter_release(struct fetch_iter *it);

#endif
