/*
 * What a partition remembers of those who write to it (KIP-98, KIP-890): the
 * last batches of each producer id, so that a batch sent again is not stored
 * again and none is left out; its epoch, so that a successor shuts it out;
 * and the transactions that are open.
 *
 * prodstate_check judges a batch that is to be appended; prodstate_append and
 * prodstate_end take note of what has been appended, and judge nothing: a log
 * that is read again goes through these two alone and ends with the same
 * state (but for the batches that a snapshot does not hold: it has each
 * producer's last one only, as Kafka's).
 *
 * No more than PRODSTATE_PRODUCERS_MAX ids are kept; the one that has been idle
 * longest goes.  A producer whose id is not known may begin at any sequence
 * number, so the worst that forgetting does is not to know a duplicate.
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
	PRODSTATE_BATCHES = 5,           /* more may not be in flight */
};

struct prodstate_batch {
	int32_t last_sequence; /* -1: a coordinator's, they have none */
	int32_t offset_delta;  /* from the first to the last offset */
	int64_t last_offset;
	int64_t timestamp;     /* the batch's largest */
};

struct prodstate_producer {
	struct list link;
	int64_t id;
	int64_t touched_ms;       /* when it last appended; 0: before the log
	                             was opened */
	int64_t timestamp;        /* of the last batch or marker */
	int64_t txn_first_offset; /* of the open transaction; -1: none */
	int64_t guard;            /* of the verification under way; 0: none */
	int32_t guard_sequence;   /* the lowest one seen since it began... */
	int16_t guard_epoch;      /* ...in this epoch */
	int16_t epoch;            /* -1: nothing was appended yet */
	int32_t coordinator_epoch; /* of the last marker; -1 */
	int nbatch;
	struct prodstate_batch batch[PRODSTATE_BATCHES]; /* by age */
};

/* A transaction that was ended. */
struct prodstate_txn {
	int64_t producer_id;
	int64_t first_offset, last_offset; /* the marker's */
	int64_t stable_offset; /* where readers of committed records may go on
	                          to, once it is replicated */
};

struct prodstate {
	struct map by_id;
	int nknown;            /* of those, the ones that have appended */
	struct list idle;      /* no open transaction; by touched_ms */
	struct list open;      /* by the first offset of the transaction */
	struct prodstate_producer *last; /* found last; or NULL */
	struct prodstate_txn *decided; /* ended, marker not replicated yet */
	int ndecided, decided_cap;
	int64_t last_guard;
};

/* The seed is for the table of ids, which strangers choose. */
void prodstate_init(struct prodstate *producers, uint32_t seed);
void prodstate_release(struct prodstate *producers);
void prodstate_clear(struct prodstate *producers); /* forget all producers */

enum prodstate_verdict {
	PRODSTATE_GOOD,
	PRODSTATE_DUPLICATE,    /* it is there already: see *seen */
	PRODSTATE_VERIFY,       /* ask the coordinator first: see *guard */
	PRODSTATE_OLD_EPOCH,
	PRODSTATE_OUT_OF_ORDER,
	PRODSTATE_NO_TXN,       /* not (or not only) in a transaction, or in one
	                           that ended */
	PRODSTATE_OLD_COORDINATOR,
	PRODSTATE_FULL,         /* all that are kept have open transactions */
};

/* May the batch, which has a producer id, be appended?  *guard is 0 or what
 * PRODSTATE_VERIFY gave before.  A coordinator's batches have no sequence
 * numbers, and it knows its transactions. */
enum prodstate_verdict prodstate_check(struct prodstate *producers, const struct batch *batch,
	bool is_coordinator, int64_t now_ms, int64_t *guard,
	struct prodstate_batch *seen);

/* May a marker of these epochs? */
enum prodstate_verdict prodstate_check_marker(struct prodstate *producers, int64_t id,
	int16_t epoch, int32_t coordinator_epoch);

/* The batch, whose offsets are set, was appended; no marker. */
void prodstate_append(struct prodstate *producers, const struct batch *batch, int64_t now_ms);

/* A marker was appended.  True: it ended a transaction, and *txn tells which;
 * that counts as undecided until prodstate_replicated passes the marker. */
bool prodstate_end(struct prodstate *s, const struct batch *b, int32_t coordinator_epoch,
	int64_t now_ms, struct prodstate_txn *txn);

/* All below the offset is replicated. */
void prodstate_replicated(struct prodstate *producers, int64_t high_watermark);

/* The first offset of a transaction that is open or not replicated to its end;
 * INT64_MAX: there is none. */
int64_t prodstate_unstable(const struct prodstate *producers);

/* Forget producers that have been idle for that long. */
void prodstate_expire(struct prodstate *producers, int64_t now_ms, int64_t idle_ms);

struct prodstate_producer *prodstate_find(struct prodstate *producers, int64_t id); /* or NULL */
int prodstate_count(const struct prodstate *producers); /* that have appended */

/* Call fn for each that has appended, in no order. */
typedef void prodstate_fn(void *ctx, const struct prodstate_producer *producer);
void prodstate_each(const struct prodstate *producers, prodstate_fn *fn, void *ctx);

/* The file OFFSET.snapshot, as Kafka writes it, all big endian:
 *
 *   version i16 = 1, CRC-32C u32 of what follows, number of producers i32,
 *   (id i64, epoch i16, last sequence i32, last offset i64, offset delta i32,
 *    timestamp i64, coordinator epoch i32, first offset of txn i64)...
 *
 * An upgrade has to raise the version: Kafka's tools read these files. */
void prodstate_encode(const struct prodstate *producers, struct buf *b);

/* Into an empty state.  -1, ERR_CORRUPT: not a snapshot, or of more than what
 * lies below end_offset; the state is empty then. */
int prodstate_decode(struct prodstate *producers, struct str bytes, int64_t end_offset,
	struct err *e);

#endif
