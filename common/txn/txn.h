/*
 * Inside the transaction coordinator: what its files share.  Only they include
 * this.
 *
 *   txns.c       the table of transactional ids, dispatch by API, tickets, timers
 *   txn_init.c   InitProducerId: a producer takes an id over
 *   txn_add.c    AddPartitionsToTxn, AddOffsetsToTxn, txns_check_write
 *   txn_end.c    EndTxn; Prepare, markers, Complete; timeouts and fencing
 *   txn_admin.c  DescribeTransactions, ListTransactions
 *   txn_log.c    sets of partitions; records: encoded, appended, replayed
 *
 * The rule: state changes only after a successful append, and all of it at once:
 * a handler builds the new txn_meta (and the new txn_parts), and txn_write either
 * writes both and makes them the transaction's, or changes nothing.
 *
 * A ticket stands for something that the driver will report: a partition is on
 * disk, or markers are written.  struct txn_wait says what to do then.
 *
 * Uses: base, wire, coord.  One thread.
 */
#ifndef KQ_TXN_TXN_H
#define KQ_TXN_TXN_H

#include "base/list.h"
#include "base/map.h"
#include "txn/txns.h"
#include "proto.h"
#include "wire/kerr.h"

enum {
	TXN_PARTITION_MAX = 10000,     /* partitions in a transaction; each addition writes all */
	TXN_IDS_SIZE_MAX = 64 << 20,   /* bytes of all ids; one has at most 32 KiB */
	TXN_PARTS_SIZE_MAX = 64 << 20, /* bytes of all transactions' partitions */
	TXN_LISTED_MAX = 1000000,      /* partitions in one response */
	TXN_EXPIRE_MAX = 1000,         /* ids removed in one tick */
	TXN_EXPIRE_AGAIN_MS = 10,      /* until the tick that removes the next ids */
	TXN_EPOCH_LAST = INT16_MAX - 1, /* the last epoch of a producer; the next one
	                                   is reserved for fencing it */
	TXN_V2 = 2,                    /* txn_meta.version of KIP-890 */
};

/* Kafka's numbers, as in records. */
enum txn_status {
	TXN_EMPTY, TXN_ONGOING, TXN_PREPARE_COMMIT, TXN_PREPARE_ABORT,
	TXN_COMPLETE_COMMIT, TXN_COMPLETE_ABORT,
	TXN_STATUSES,
};

/* The partitions of a transaction: topics ascending by name, indexes ascending. */
struct txn_topic {
	struct str name; /* owned */
	int32_t *v;
	int32_t n, cap;
};
struct txn_parts {
	struct txn_topic *v;
	int32_t n, cap;
	int32_t total; /* partitions */
	int64_t size;  /* bytes, roughly */
};
#define TXN_PARTS_INIT { NULL, 0, 0, 0, 0 }

bool txn_parts_has(const struct txn_parts *parts, const struct coord_partition *part);
/* Adds the partition, or nothing if it is in the set. */
void txn_parts_add(struct txn_parts *parts, const struct coord_partition *part);
void txn_parts_copy(struct txn_parts *to, const struct txn_parts *from);
void txn_parts_release(struct txn_parts *parts); /* to empty */

/* The fields of an id's record, without the partitions. */
struct txn_meta {
	int64_t producer_id;
	int64_t previous_producer_id; /* before the last transition */
	int64_t next_producer_id;     /* the id after the end is complete; -1: the same */
	int64_t start_ms, update_ms;  /* wall */
	int32_t timeout_ms;
	int16_t epoch;
	int16_t last_epoch;           /* the epoch before, with which InitProducerId may
	                                 be repeated (KIP-360); -1: none.  Not in
	                                 records, as in Kafka */
	int16_t version;              /* transaction.version of the last transition */
	uint8_t status;               /* enum txn_status */
};

struct txn {
	struct str id;
	struct txn_meta meta;
	struct txn_parts parts;
	struct list link;      /* in txns.ongoing, .stuck or (replaying) .unfinished */
	int64_t start_mono_ms; /* of the ongoing transaction */
	uint64_t add_ticket;   /* 0: all additions are on disk */
	int32_t partition;     /* of __transaction_state */
	int32_t nwait;         /* tickets for it */
	bool is_doomed;        /* must not commit: acknowledged writes may have been
	                          lost in a crash */
	uint8_t id_bytes[];
};

/* What a ticket waits for, and for which transaction or batch. */
enum txn_wait_kind { TXN_WAIT_ADDED, TXN_WAIT_PREPARED, TXN_WAIT_MARKERS, TXN_WAIT_BATCH };
struct txn_wait {
	uint64_t ticket;
	enum txn_wait_kind kind;
	struct txn *txn;
	struct txn_batch *batch;
};

/* An AddPartitionsToTxn of several ids, whose response waits for several
 * partitions of __transaction_state. */
struct txn_batch {
	struct list link; /* in txns.batches */
	struct coord_call *call;
	struct add_partitions_to_txn_response response;
	int nwait;
};

struct txns {
	struct txns_config config;
	struct coord_env *env;
	struct map by_id;       /* struct txn */
	int64_t ids_size;       /* bytes of all ids */
	int64_t parts_size;     /* bytes of all partitions, roughly */
	struct map waits;       /* struct txn_wait, by ticket */
	uint64_t last_ticket;
	struct list ongoing;    /* transactions that may time out */
	struct list stuck;      /* markers are written, but Complete was refused */
	struct list unfinished; /* while loading: Ongoing or Prepare */
	struct list batches;
	int64_t next_scan_ms, next_expiry_ms; /* mono; INT64_MAX: not set */
	struct arena scratch;   /* of the running handler */
	struct buf key, value;  /* of the record being written */
};

/* ---- txns.c ---- */

struct txn *txn_find(const struct txns *txns, struct str id); /* or NULL */
struct txn *txn_new(struct txns *txns, struct str id);        /* not in the table */
void txn_put(struct txns *txns, struct txn *txn);             /* adds it to the table */
void txn_drop(struct txns *txns, struct txn *txn);            /* removes and frees it */
void txn_free(struct txn *txn);

/* Moves the transaction to a list, or out of its list (NULL). */
void txn_link(struct txns *txns, struct txn *txn, struct list *to);

/* A new ticket, for a transaction or a batch. */
uint64_t txn_ticket(struct txns *txns, enum txn_wait_kind kind, struct txn *txn,
	struct txn_batch *batch);

/* Starts the timers that the state needs; called at the end of each entry point. */
void txn_arm_timers(struct txns *txns, struct coord_now now);

/* Responds; the response waits for everything appended so far to the id's partition
 * (id null: for nothing). */
void txn_respond(struct txns *txns, struct coord_call *call, struct str id, const void *response);

/* Clients before version fenced_from know another error for PRODUCER_FENCED. */
static inline int16_t
txn_error_for(int16_t error, int16_t version, int16_t fenced_from)
{
	return error == KERR_PRODUCER_FENCED && version < fenced_from
		? KERR_INVALID_PRODUCER_EPOCH : error;
}

static inline bool
txn_is_preparing(const struct txn *txn)
{
	return txn->meta.status == TXN_PREPARE_COMMIT || txn->meta.status == TXN_PREPARE_ABORT;
}

/* Whether this is the producer id that the producer will use next: it was given out
 * with the end that is not complete yet. */
static inline bool
txn_is_next(const struct txn *txn, int64_t producer_id)
{
	return txn_is_preparing(txn) && producer_id >= 0 && txn->meta.next_producer_id == producer_id;
}

/* Neither in a transaction nor ending one. */
static inline bool
txn_is_idle(const struct txn *txn)
{
	return txn->meta.status != TXN_ONGOING && !txn_is_preparing(txn);
}

/* ---- txn_log.c ---- */

/* Appends a record with meta and parts, and makes them the transaction's.  parts is
 * &txn->parts (no change), NULL (none), or a set that is taken over on success.
 * 0, COORDINATOR_NOT_AVAILABLE or UNKNOWN_SERVER_ERROR (too large); on failure
 * nothing changed. */
int16_t txn_write(struct txns *txns, struct txn *txn, const struct txn_meta *meta,
	struct txn_parts *parts, struct coord_now now);
/* Appends the tombstone of an idle id; returns env.append's error. */
int16_t txn_write_tombstone(struct txns *txns, const struct txn *txn, struct coord_now now);

/* ---- the APIs ---- */

void txn_handle_init(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_add_partitions(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_add_offsets(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_end(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_describe(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_list(struct txns *txns, struct coord_call *call, struct coord_now now);

/* Answers a batch and frees it. */
void txn_batch_respond(struct txns *txns, struct txn_batch *batch);

/* ---- txn_end.c ---- */

/* Begins the abort of an ongoing transaction, with a new epoch, which fences its
 * producer.  0, txn_write's errors, or COORDINATOR_LOAD_IN_PROGRESS if no producer
 * id is available. */
int16_t txn_fence(struct txns *txns, struct txn *txn, struct coord_now now);

/* The next step of an end: the Prepare record is on disk; all markers are. */
void txn_send_markers(struct txns *txns, struct txn *txn, struct coord_now now);
void txn_complete(struct txns *txns, struct txn *txn, struct coord_now now);

#endif
