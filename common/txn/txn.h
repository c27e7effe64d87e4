/*
 * Inside the transaction coordinator: what its files share.  Nobody else
 * includes this.
 *
 *   txns.c       the table of ids, dispatch, tickets, timers
 *   txn_init.c   InitProducerId: a producer takes an id over
 *   txn_add.c    partitions become part of a transaction, or are they?
 *   txn_end.c    Prepare, markers, Complete; time-outs; fencing
 *   txn_admin.c  describe, list
 *   txn_log.c    records out of state, state out of records; sets of partitions
 *
 * Law: state changes only behind a successful append, and all of it at once:
 * a handler builds the txn_meta that is to be (and the txn_parts), and
 * txn_write either makes them true or changes nothing.
 *
 * Uses: coord.  One thread.
 */
#ifndef KQ_TXN_TXN_H
#define KQ_TXN_TXN_H

#include "base/list.h"
#include "base/map.h"
#include "txn/txns.h"
#include "proto.h"
#include "wire/kerr.h"

enum {
	TXN_PARTITION_MAX = 10000, /* in one transaction; each addition writes all */
	TXN_IDS_SIZE_MAX = 64 << 20, /* bytes of all ids; one may have 32 KiB */
	TXN_PARTS_SIZE_MAX = 64 << 20, /* bytes of all transactions' partitions */
	TXN_TOLD_MAX = 1000000,    /* partitions told of in one answer */
	TXN_EXPIRE_MAX = 1000,     /* ids removed in one tick */
	TXN_EXPIRE_AGAIN_MS = 10,  /* till the tick that removes the next ones */
	TXN_EPOCH_LAST = INT16_MAX - 1, /* a producer's last; the one behind it is
	                                   kept for fencing it */
	TXN_V2 = 2,                /* a txn_meta.version */
};

/* As stored in records: Kafka's numbers. */
enum txn_status {
	TXN_EMPTY, TXN_ONGOING, TXN_PREPARE_COMMIT, TXN_PREPARE_ABORT,
	TXN_COMPLETE_COMMIT, TXN_COMPLETE_ABORT,
	TXN_STATUSES,
};

/* The partitions of a transaction: topics by name, indexes by value. */
struct txn_topic {
	struct str name; /* owned */
	int32_t *v;
	int32_t n, cap;
};
struct txn_parts {
	struct txn_topic *v;
	int32_t n, cap;
	int32_t total; /* partitions */
	int64_t size;  /* bytes, about */
};
#define TXN_PARTS_INIT { NULL, 0, 0, 0, 0 }

bool txn_parts_has(const struct txn_parts *p, const struct coord_partition *x);
void txn_parts_add(struct txn_parts *parts, const struct coord_partition *part); /* had: fine */
void txn_parts_copy(struct txn_parts *to, const struct txn_parts *from);
void txn_parts_release(struct txn_parts *parts); /* to empty */

/* What a record says of an id, but for its partitions. */
struct txn_meta {
	int64_t producer_id;
	int64_t previous_producer_id; /* before the last transition */
	int64_t next_producer_id;     /* takes over when the end is complete; -1: none */
	int64_t start_ms, update_ms;  /* wall */
	int32_t timeout_ms;
	int16_t epoch;
	int16_t last_epoch;           /* which may still ask for epoch (KIP-360); -1:
	                                 none.  Not in records, as in Kafka */
	int16_t version;              /* transaction.version of who brought it here */
	uint8_t status;               /* enum txn_status */
};

struct txn {
	struct str id;
	struct txn_meta meta;
	struct txn_parts parts;
	struct list link;      /* in txns.ongoing, .stuck or (replaying) .unfinished */
	int64_t start_mono_ms; /* while ongoing */
	uint64_t add_ticket;   /* 0: all additions are on disk */
	int32_t partition;     /* of __transaction_state */
	int32_t nwait;         /* tickets that name it */
	bool is_doomed;        /* not to be committed: what its producer believes
	                          that it wrote may be lost */
	uint8_t id_bytes[];
};

/* What a ticket stands for. */
enum txn_wait_kind { TXN_WAIT_ADDED, TXN_WAIT_PREPARED, TXN_WAIT_MARKERS, TXN_WAIT_BATCH };
struct txn_wait {
	uint64_t ticket;
	enum txn_wait_kind kind;
	struct txn *txn;
	struct txn_batch *batch;
};

/* An AddPartitionsToTxn of several ids, whose answer has to wait for several
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
	int64_t ids_size;       /* bytes of their ids */
	int64_t parts_size;     /* of their partitions */
	struct map waits;       /* struct txn_wait, by ticket */
	uint64_t last_ticket;
	struct list ongoing;    /* may time out */
	struct list stuck;      /* markers written, but Complete was refused */
	struct list unfinished; /* while loading: Ongoing or Prepare */
	struct list batches;
	int64_t next_scan_ms, next_expiry_ms; /* mono; INT64_MAX: no need */
	struct arena scratch;   /* of the running handler */
	struct buf key, value;  /* of the record being written */
};

/* ---- txns.c ---- */

struct txn *txn_find(const struct txns *txns, struct str id); /* NULL: unknown */
struct txn *txn_new(struct txns *txns, struct str id);        /* not in the table */
void txn_put(struct txns *txns, struct txn *txn);               /* into the table */
void txn_drop(struct txns *txns, struct txn *txn);              /* out of it, and freed */
void txn_free(struct txn *txn);

/* Move to a list, or to none (NULL). */
void txn_link(struct txns *txns, struct txn *txn, struct list *to);

/* A ticket for one of them. */
uint64_t txn_ticket(struct txns *txns, enum txn_wait_kind kind, struct txn *txn,
	struct txn_batch *batch);

/* At the end of whatever may have made something wait: timers are set. */
void txn_see_time(struct txns *txns, struct coord_now now);

/* Answer, and let the answer wait for what x's partition was given so far. */
void txn_respond(struct txns *txns, struct coord_call *call, struct str id, const void *response);

/* What clients older than the version know instead of PRODUCER_FENCED. */
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

/* Is this the producer id that its producer was told to use next, before the
 * end that brings it is complete? */
static inline bool
txn_is_next(const struct txn *txn, int64_t producer_id)
{
	return txn_is_preparing(txn) && producer_id >= 0 && txn->meta.next_producer_id == producer_id;
}

/* Is the id neither in a transaction nor ending one? */
static inline bool
txn_is_idle(const struct txn *txn)
{
	return txn->meta.status != TXN_ONGOING && !txn_is_preparing(txn);
}

/* ---- txn_log.c ---- */

/* Append the record that says m and parts of x; then they are x's.  parts may
 * be &x->parts (they stay), NULL (none any more), or a set that x takes over
 * on success.  Returns a Kafka error code; when it is not 0, nothing changed. */
int16_t txn_write(struct txns *txns, struct txn *txn, const struct txn_meta *meta,
	struct txn_parts *parts, struct coord_now now);
int16_t txn_write_tombstone(struct txns *txns, const struct txn *txn, struct coord_now now);

/* ---- the APIs ---- */

void txn_handle_init(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_add_partitions(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_add_offsets(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_end(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_describe(struct txns *txns, struct coord_call *call, struct coord_now now);
void txn_handle_list(struct txns *txns, struct coord_call *call, struct coord_now now);

/* A batch that still waits is answered. */
void txn_batch_respond(struct txns *txns, struct txn_batch *batch);

/* ---- txn_end.c ---- */

/* Abort the transaction of x, which is ongoing, and shut its producer out by
 * a new epoch.  Returns a Kafka error code. */
int16_t txn_fence(struct txns *txns, struct txn *txn, struct coord_now now);

/* The next step of an end: the Prepare record is on disk; all markers are. */
void txn_send_markers(struct txns *txns, struct txn *txn, struct coord_now now);
void txn_complete(struct txns *txns, struct txn *txn, struct coord_now now);

#endif
