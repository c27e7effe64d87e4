/*
 * The transaction coordinator: who may write under a transactional id, which
 * partitions its transaction has touched, and how it ends.
 *
 *   Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ...
 *                    -> PrepareAbort  -> CompleteAbort
 *
 * All state that matters is in the records of __transaction_state, in Kafka's
 * format (share/proto/log-transaction.kqp).  A transaction whose Prepare record
 * is on disk will end that way, whatever crashes.
 *
 * Sources: Kafka's TransactionCoordinator, TransactionMetadata,
 * TransactionStateManager; KIP-98, KIP-360 (bumping after an error), KIP-447,
 * KIP-664 (listing), KIP-890 (verification; a new epoch at each end).
 *
 * Uses: coord.  One thread.
 */
#ifndef KQ_TXN_TXNS_H
#define KQ_TXN_TXNS_H

#include "coord/coord.h"

struct txns_config {
	int32_t npartition;            /* of __transaction_state */
	int32_t ntxn_max;              /* max.transactional.ids */
	int32_t timeout_max_ms;        /* transaction.max.timeout.ms */
	int64_t id_expiration_ms;      /* transactional.id.expiration.ms */
	int64_t abort_interval_ms;     /* how often time-outs are looked at */
	int64_t expiry_interval_ms;
	int32_t coordinator_epoch;     /* one more after each start that might have
	                                  been overtaken; goes into markers */
};

struct txns;

/* The config is copied, env borrowed. */
struct txns *txns_new(const struct txns_config *config, struct coord_env *env);
void txns_free(struct txns *txns); /* calls that wait are not responded to */

/* Loading, as groups_replay.  What was left in a Prepare state goes on ending
 * after txns_loaded. */
void txns_replay(struct txns *txns, int32_t partition, const struct coord_record *rec);
void txns_loaded(struct txns *txns, int32_t partition, struct coord_now now);

/* InitProducerId (with a transactional id), AddPartitionsToTxn, AddOffsetsToTxn,
 * EndTxn, DescribeTransactions, ListTransactions. */
bool txns_handles(int16_t api_key);
void txns_handle(struct txns *txns, struct coord_call *call, struct coord_now now);

/* May this producer write to these partitions as part of its transaction?
 * With may_add (transaction.version 2: Produce from 12, TxnOffsetCommit from 5)
 * they become part of it, and a transaction begins with the first.  Returns a
 * Kafka error code; all or none.
 *
 * *must_wait: something was added, now or by a call just before, that is not
 * on disk yet.  The write may go on only once what was appended to *partition
 * is; and then this is asked again, as the transaction may have ended
 * meanwhile.
 *
 * Errors are those that writers expect: INVALID_PRODUCER_EPOCH for an old
 * epoch; TRANSACTION_ABORTABLE for a partition that is not in the transaction,
 * which clients older than Produce 11 know as INVALID_TXN_STATE; and
 * CONCURRENT_TRANSACTIONS while the last transaction is still ending: it passes
 * soon, so try again a few times before telling the client. */
int16_t txns_check_write(struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, const struct coord_partition *v, int n,
	bool may_add, struct coord_now now, int32_t *partition, bool *must_wait);

/* What has to be on disk before the producer's transaction may be committed:
 * the partitions that it wrote to, from the arena; none when it has no
 * transaction.  The driver waits for them before it hands in an EndTxn. */
int txns_touched(const struct txns *txns, struct str transactional_id,
	const struct coord_producer *producer, struct arena *a, struct coord_partition **v);

/* The machine went down, and with it maybe writes that were acknowledged but
 * not on disk yet: abort every transaction that is open, and shut its producer
 * out.  Behind txns_loaded of all.  False: that could not be written for some,
 * which can't be committed, and are aborted later; the next start has to be told
 * the same, should it come before. */
bool txns_abort_ongoing(struct txns *t, struct coord_now now);

/* What the driver was asked to tell. */
void txns_committed(struct txns *txns, uint64_t ticket, struct coord_now now);
void txns_markers_written(struct txns *txns, uint64_t ticket, struct coord_now now);

/* As groups_next_tick, groups_tick. */
int64_t txns_next_tick(const struct txns *txns);
void txns_tick(struct txns *txns, struct coord_now now);

/* The broker stops: all calls that wait are responded to. */
void txns_stop(struct txns *txns);

int32_t txns_count(const struct txns *txns);

#endif
