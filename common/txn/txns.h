/*
 * The transaction coordinator: which producer may write with a transactional id,
 * which partitions its transaction has touched, and how it ends.
 *
 *   Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ...
 *                    -> PrepareAbort  -> CompleteAbort
 *
 * All lasting state is in the records of __transaction_state, in Kafka's format
 * (share/proto/log-transaction.kqp).  Once a transaction's Prepare record is on
 * disk, the transaction ends that way, whatever crashes.
 *
 * Sources: Kafka's TransactionCoordinator, TransactionMetadata,
 * TransactionStateManager; KIP-98, KIP-360 (bumping after an error), KIP-447,
 * KIP-664 (listing), KIP-890 (verification; a new epoch at each end).
 *
 * Uses: base, wire, coord.  One thread.
 */
#ifndef KQ_TXN_TXNS_H
#define KQ_TXN_TXNS_H

#include "coord/coord.h"

struct txns_config {
	int32_t npartition;            /* of __transaction_state */
	int32_t ntxn_max;              /* max.transactional.ids */
	int32_t timeout_max_ms;        /* transaction.max.timeout.ms */
	int64_t id_expiration_ms;      /* transactional.id.expiration.ms */
	int64_t abort_interval_ms;     /* between checks for timed-out transactions */
	int64_t expiry_interval_ms;    /* between checks for expired ids */
	int32_t coordinator_epoch;     /* for markers: higher than that of any older
	                                  coordinator that might still write some */
};

struct txns;

/* The config is copied, env borrowed. */
struct txns *txns_new(const struct txns_config *config, struct coord_env *env);
void txns_free(struct txns *txns); /* parked calls get no response */

/* Loading, before anything else: every record of a partition in order, then
 * txns_loaded.  Records that cannot be decoded are skipped.  Transactions in a
 * Prepare state continue to end after txns_loaded. */
void txns_replay(struct txns *txns, int32_t partition, const struct coord_record *rec);
void txns_loaded(struct txns *txns, int32_t partition, struct coord_now now);

/* Whether this coordinator handles the API: InitProducerId, AddPartitionsToTxn,
 * AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions. */
bool txns_handles(int16_t api_key);

/* Handles a request; the response comes through env.respond, now or later. */
void txns_handle(struct txns *txns, struct coord_call *call, struct coord_now now);

/* Whether this producer may write to these partitions as part of its transaction.
 * With may_add (transaction.version 2: Produce from 12, TxnOffsetCommit from 5)
 * they are added to it, and the first ones begin a transaction.  All or none.
 *
 * *must_wait: something was added, now or by an earlier call, that is not on disk
 * yet.  Wait until everything appended to *partition is on disk, then call this
 * again, as the transaction may have ended in between.
 *
 * Returns 0 or the error for the writing client:
 *   INVALID_REQUEST             no transactional id
 *   INVALID_PRODUCER_ID_MAPPING the id is unknown, or another producer's
 *   INVALID_PRODUCER_EPOCH      the producer was fenced
 *   CONCURRENT_TRANSACTIONS     the last transaction is still ending; this passes
 *                               soon, so try a few times before answering
 *   TRANSACTION_ABORTABLE       a partition is not in the transaction, or there
 *                               are too many; before Produce 11, clients know it
 *                               as INVALID_TXN_STATE
 *   COORDINATOR_NOT_AVAILABLE, UNKNOWN_SERVER_ERROR  the append was refused */
int16_t txns_check_write(struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, const struct coord_partition *v, int n, bool may_add,
	struct coord_now now, int32_t *partition, bool *must_wait);

/* The partitions that the producer's transaction wrote to, from the arena; 0 if it
 * has none.  They must be on disk before the transaction may be committed: the
 * driver waits for them before it passes an EndTxn on. */
int txns_touched(const struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, struct arena *a, struct coord_partition **v);

/* After a crash of the machine, acknowledged writes may be lost: aborts every open
 * transaction and fences its producer.  To be called after txns_loaded of all
 * partitions.  False: some aborts could not be written; those transactions cannot
 * commit and are aborted later, and if the broker stops before that, the next start
 * must call this again. */
bool txns_abort_ongoing(struct txns *txns, struct coord_now now);

/* The driver's reports for env.when_committed and env.write_markers.  An unknown
 * ticket is ignored. */
void txns_committed(struct txns *txns, uint64_t ticket, struct coord_now now);
void txns_markers_written(struct txns *txns, uint64_t ticket, struct coord_now now);

/* When txns_tick has work next, in mono_ms; INT64_MAX: never. */
int64_t txns_next_tick(const struct txns *txns);
void txns_tick(struct txns *txns, struct coord_now now);

/* The broker stops: answers all parked calls with NOT_COORDINATOR. */
void txns_stop(struct txns *txns);

/* The number of transactional ids. */
int32_t txns_count(const struct txns *txns);

#endif
