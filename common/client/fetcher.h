/*
 * Reads partitions side by side: one Fetch under way at each leader, and the
 * next one leaves as soon as the batch headers of the last answer have told
 * where to go on, before anybody looks at the records.
 *
 *	while ((events = fetcher_wait(&f, -1, 0, -1)), !f.is_failed)
 *		while ((ch = fetcher_take(&f))) {
 *			... walk ch with fetch_iter ...
 *			fetcher_give_back(&f, ch);
 *		}
 *
 * Memory: about twice fetch_bytes is held in answers that nobody has taken;
 * then nothing is asked for until some are given back.
 *
 * Leaders that move and connections that break are followed, for
 * retry_timeout_ms without any success; then the fetcher has failed.
 *
 * Uses: cluster, record.  One thread.
 */
#ifndef KQ_CLIENT_FETCHER_H
#define KQ_CLIENT_FETCHER_H

#include "client/cluster.h"
#include "record/batch.h"

struct fetcher_opts {
	int max_wait_ms;         /* how long a broker may wait for min_bytes */
	int min_bytes;
	int request_timeout_ms;
	int retry_timeout_ms, retry_backoff_ms;
	size_t fetch_bytes;      /* of one answer, about */
	size_t partition_bytes;  /* of one partition in it, about */
	size_t batch_max;        /* a batch may open to this size */
	bool checks_crc;
	bool is_committed;       /* only what is committed (read_committed) */
};

void fetcher_opts_init(struct fetcher_opts *o);

struct fetcher_part {
	struct list link;        /* in fetcher.part; those just read go last */
	struct cluster_topic *topic;
	int32_t index;
	int generation;          /* of the topic: see fetched.is_new_topic */
	int64_t offset;          /* the next to ask for */
	int64_t deliver;         /* the next to hand out; at most offset */
	int64_t stop;            /* the first not wanted; INT64_MAX: none */
	int64_t high_watermark, log_start; /* as last heard; -1 */
	int32_t epoch;           /* leader epoch of what deliver is behind; -1 */
	bool is_removed;         /* by fetcher_remove, but still asked for */
	bool is_asked;           /* in a request under way */
	bool is_paused;          /* out of range, or of a new topic: see fetcher_seek */
	bool is_done;            /* offset has reached stop */
	size_t bytes_max;
	int64_t retry_at_ms;
	int64_t failing_since_ms; /* 0: all is well */
};

/* A transaction that was given up: what its producer wrote from first_offset up
 * to its next abort marker is not to be seen. */
struct fetch_aborted {
	int64_t producer_id, first_offset;
	bool is_open;            /* fetch_iter is between the two */
};

/* What came for one partition: whole batches; or that its offset is out of range,
 * or that the topic was deleted and created again (its fetching is then paused). */
struct fetched {
	struct list link;
	struct fetcher_part *part;
	struct fetcher_reply *reply;
	struct str batches;
	bool is_out_of_range;
	bool is_new_topic;
	struct fetch_aborted *aborted; /* by first_offset */
	int32_t naborted;
};

struct fetcher {
	struct cluster *cluster;
	struct fetcher_opts opts;
	struct list part;
	int npart, ndone;
	struct list ready;       /* fetched, in order of arrival */
	struct fetcher_reply *idle_reply;
	struct fetcher_request *idle;
	int nrequest;            /* under way */
	size_t held;             /* bytes of answers not given back */
	struct cluster_outage refusal;
	bool needs_refresh;
	int64_t refresh_at_ms;
	int64_t fresh_until_ms;  /* metadata */
	bool is_failed;          /* for good, by err */
	struct err err;
};

void fetcher_init(struct fetcher *f, struct cluster *cl,
	const struct fetcher_opts *o);

/* After cluster_close, or with nothing under way. */
void fetcher_release(struct fetcher *f);

/* Read a partition from offset up to, not including, stop. */
struct fetcher_part *fetcher_add(struct fetcher *f, struct cluster_topic *t,
	int32_t index, int64_t offset, int64_t stop);

/* Go on at another offset, in the topic as it is now. */
void fetcher_seek(struct fetcher *f, struct fetcher_part *part, int64_t offset);

/* Read the partition again from offset: what was fetched and not taken is dropped.
 * part, which nothing taken may refer to any more, is replaced by the one returned. */
struct fetcher_part *fetcher_rewind(struct fetcher *f, struct fetcher_part *part,
	int64_t offset);

/* Stop reading it: what came of it and was not taken is dropped, and part, which
 * nothing taken may refer to any more, is freed. */
void fetcher_remove(struct fetcher *f, struct fetcher_part *part);

/* Ask what may be asked, and wait as cluster_wait does, unless something is
 * ready to be taken. */
short fetcher_wait(struct fetcher *f, int fd, short events, int timeout_ms);

/* Can fetcher_take return something? */
static inline bool
fetcher_has_ready(const struct fetcher *f)
{
	return !list_is_empty(&f->ready);
}

/* All partitions (there is one) reached their stop and all that came was taken. */
bool fetcher_is_done(const struct fetcher *f);

struct fetched *fetcher_take(struct fetcher *f); /* or NULL */
void fetcher_give_back(struct fetcher *f, struct fetched *chunk);

/* Walks the records of what was fetched: checks CRCs, skips control batches,
 * records before deliver or from stop on and, with is_committed, those of
 * transactions that were given up; moves deliver. */
struct fetch_iter {
	const struct fetcher *f;
	struct fetched *ch;
	const uint8_t *p, *end;
	bool is_open;
	int32_t nbegun;          /* of ch->aborted: those behind us, or open */
	struct record_iter records;
};
#define FETCH_ITER_INIT { NULL, NULL, NULL, NULL, false, 0, RECORD_ITER_INIT }

void fetch_iter_begin(struct fetch_iter *it, const struct fetcher *f,
	struct fetched *chunk);

/* 1: *r is the next; 0: no more; -1: bad bytes. */
int fetch_iter_next(struct fetch_iter *it, struct record *rec, struct err *e);

/* Of the batch the last record was in. */
static inline const struct batch *
fetch_iter_batch(const struct fetch_iter *it)
{
	return &it->records.batch;
}

void fetch_iter_release(struct fetch_iter *it);

#endif
