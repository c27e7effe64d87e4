/*
 * What a partition knows of its producers (KIP-98, KIP-890): the last batches of
 * each producer id, so that a batch sent twice is stored once and a gap is
 * noticed; its epoch, so that a newer instance fences an older one; and the
 * open transactions.
 *
 * prodstate_check decides whether a batch may be appended; prodstate_append and
 * prodstate_end record what was appended and check nothing.  A log that is read
 * again goes through these two alone and ends with the same state, except that
 * a snapshot, like Kafka's, holds only the last batch of each producer.
 *
 * At most PRODSTATE_PRODUCERS_MAX ids are kept; the one that has been idle
 * longest is removed.  A producer with an unknown id may begin at any sequence
 * number, so the worst effect of a removal is a duplicate that is not noticed.
 *
 * Sources: Kafka's ProducerStateManager, ProducerAppendInfo, ProducerStateEntry,
 * VerificationStateEntry.
 *
 * Uses: base, record.  No I/O, no clock.  One thread at a time.
 */
#ifndef KQ_LOG_PRODSTATE_H
#define KQ_LOG_PRODSTATE_H

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "record/batch.h"

enum {
	PRODSTATE_PRODUCERS_MAX = 16384, /* in one partition */
	PRODSTATE_BATCHES = 5,           /* kept for each producer, which may have
	                                    as many in flight */
};

struct prodstate_batch {
	int32_t last_sequence; /* -1: none, written by a coordinator */
	int32_t offset_delta;  /* from the first to the last offset */
	int64_t last_offset;
	int64_t timestamp;     /* the largest of the batch, ms */
};

struct prodstate_producer {
	struct list link;         /* in idle or open */
	int64_t id;
	int64_t touched_ms;       /* time of its last append; 0: before the log
	                             was opened */
	int64_t timestamp;        /* of the last batch or marker, ms */
	int64_t txn_first_offset; /* of the open transaction; -1: none */
	int64_t ticket;           /* of the verification in progress; 0: none */
	int32_t ticket_sequence;  /* the lowest sequence seen since it began, */
	int16_t ticket_epoch;     /* in this epoch */
	int16_t epoch;            /* -1: nothing was appended yet */
	int32_t coordinator_epoch; /* of the last marker; -1: none */
	int nbatch;
	struct prodstate_batch batch[PRODSTATE_BATCHES]; /* oldest first */
};

/* A transaction that was committed or aborted. */
struct prodstate_txn {
	int64_t producer_id;
	int64_t first_offset, last_offset; /* the last one is the marker's */
	int64_t stable_offset; /* the last stable offset once the marker is
	                          replicated */
};

struct prodstate {
	struct map by_id;
	int nknown;            /* producers in by_id that have appended */
	struct list idle;      /* without a transaction; by touched_ms */
	struct list open;      /* in a transaction; by its first offset */
	struct prodstate_producer *last; /* found last, or NULL */
	struct prodstate_txn *decided; /* marker not replicated yet */
	int ndecided, decided_cap;
	int64_t last_ticket;
};

/* seed: a random one, for the hash table of ids, which clients choose. */
void prodstate_init(struct prodstate *producers, uint32_t seed);
void prodstate_release(struct prodstate *producers);
void prodstate_clear(struct prodstate *producers); /* forget all producers */

enum prodstate_verdict {
	PRODSTATE_GOOD,
	PRODSTATE_DUPLICATE,    /* it is in the log already, as *seen */
	PRODSTATE_VERIFY,       /* ask the coordinator first, with *ticket */
	PRODSTATE_OLD_EPOCH,
	PRODSTATE_OUT_OF_ORDER,
	PRODSTATE_NO_TXN,       /* outside of the open transaction, or in one that
	                           has ended */
	PRODSTATE_OLD_COORDINATOR,
	PRODSTATE_FULL,         /* no producer can be removed: all are in
	                           transactions */
};

/* May the batch, which has a producer id, be appended?  *ticket: 0, or what
 * PRODSTATE_VERIFY set before.  is_coordinator: the batch has no sequence
 * numbers and needs no verification. */
enum prodstate_verdict prodstate_check(struct prodstate *producers, const struct batch *batch,
	bool is_coordinator, int64_t now_ms, int64_t *ticket,
	struct prodstate_batch *seen);

/* May a marker of these epochs be appended? */
enum prodstate_verdict prodstate_check_marker(struct prodstate *producers, int64_t id,
	int16_t epoch, int32_t coordinator_epoch);

/* A batch that is no marker was appended; its offsets are set. */
void prodstate_append(struct prodstate *producers, const struct batch *batch, int64_t now_ms);

/* A marker was appended.  True: it ended the transaction *txn, which counts as
 * undecided until prodstate_replicated passes the marker. */
bool prodstate_end(struct prodstate *producers, const struct batch *batch,
	int32_t coordinator_epoch, int64_t now_ms, struct prodstate_txn *txn);

/* All before the high watermark is replicated. */
void prodstate_replicated(struct prodstate *producers, int64_t high_watermark);

/* The lowest first offset of the transactions that are open or whose marker is
 * not replicated; INT64_MAX: there are none. */
int64_t prodstate_unstable(const struct prodstate *producers);

/* Remove producers that have been idle for idle_ms. */
void prodstate_expire(struct prodstate *producers, int64_t now_ms, int64_t idle_ms);

struct prodstate_producer *prodstate_find(struct prodstate *producers, int64_t id); /* or NULL */
int prodstate_count(const struct prodstate *producers); /* that have appended */

/* Call fn for each producer that has appended, in no order. */
typedef void prodstate_fn(void *ctx, const struct prodstate_producer *producer);
void prodstate_each(const struct prodstate *producers, prodstate_fn *fn, void *ctx);

/* The file OFFSET.snapshot, as Kafka writes it, all big endian:
 *
 *   version i16 = 1, CRC-32C u32 of what follows, number of producers i32,
 *   (id i64, epoch i16, last sequence i32, last offset i64, offset delta i32,
 *    timestamp i64, coordinator epoch i32, first offset of txn i64)...
 *
 * Kafka's tools read these files: another layout needs another version.  The
 * bytes are appended to b. */
void prodstate_encode(const struct prodstate *producers, struct buf *b);

/* Read a snapshot into an empty state.  -1, ERR_CORRUPT: it is none, or has
 * offsets that are not below end_offset; the state stays empty. */
int prodstate_decode(struct prodstate *producers, struct str bytes, int64_t end_offset,
	struct err *e);

#endif
