/* Internals of producer.h, shared by producer*.c. */
#ifndef KQ_CLIENT_PRODUCER_INT_H
#define KQ_CLIENT_PRODUCER_INT_H

#include "client/producer.h"

enum {
	/* The number of batches per producer and partition that a broker remembers. */
	PRODUCER_WINDOW = 5,

	/* The last versions in which the client, not the broker, adds partitions
	 * and groups to a transaction. */
	PRODUCE_UPTO_V1 = 11,
	END_TXN_UPTO_V1 = 4,
	TXN_OFFSET_COMMIT_UPTO_V1 = 4,
	TXN_OFFSET_COMMIT_BY_NAME = 5, /* later ones name topics by id */
	ADD_PARTITIONS_UPTO = 3,       /* later ones are for brokers only */
};

/* Send all batches that may be sent now.  Returns when the next retry is due;
 * INT64_MAX: none. */
int64_t producer_send(struct producer *producer, int64_t now_ms);

/* A batch was acknowledged; or it failed with *why: ERR_RETRY if it may be sent
 * again. */
void producer_acked(struct producer_batch *batch);
void producer_refused(struct producer_batch *batch, const struct err *why);

/* Apply changes of the topics' metadata (producer_topic.c). */
void producer_update_topics(struct producer *producer);

/* Put the partition in producer.ready, or remove it, after a change of its queue. */
void producer_mark_ready(struct producer_part *part);

/* Fail for good.  number is that of the record that caused it; 0: none. */
void producer_fail(struct producer *producer, int64_t number, const struct err *why);

/* Drop all batches; none may be under way. */
void producer_drop_all(struct producer *producer);

/* Free the requests kept for reuse. */
void producer_free_requests(struct producer *producer);

/* A blocking operation that is retried, with pauses that double. */
struct producer_retry {
	int64_t until_ms;
	int pause_ms;
};

/* Begin: time is up after delivery_timeout_ms. */
void producer_retry_begin(const struct producer *producer, struct producer_retry *retry);

/* Pause after the failure *e and return true; or return false if it is final, time is
 * up or the cluster was woken, with the reason in *e. */
bool producer_retry_wait(struct producer *producer, struct producer_retry *retry, struct err *e);

/* ---- ids and sequence numbers (producer_id.c) ---- */

/* Interpret the broker's error code for a batch: adjusts *why, which
 * cluster_peer_err has set.  Returns false if the batch is in fact stored. */
bool producer_classify(struct producer_batch *batch, int16_t code, struct err *why);

/* Assign the next sequence numbers to a batch that is being finished. */
struct builder_producer producer_number_batch(struct producer_part *part,
	struct producer_batch *batch);

/* Restart the sequence numbers of all partitions, with the producer's id and epoch. */
void producer_reset_parts(struct producer *producer);

/* Get a new id for a partition that needs one and has no batch under way. */
void producer_renew_ids(struct producer *producer, int64_t now_ms);

/* Send one InitProducerId, without retries. */
int producer_ask_id(struct producer *producer, int32_t node, int64_t *id, int16_t *epoch,
	struct err *e);

/* ---- transactions (producer_txn.c) ---- */

/* Get the id of a transactional producer; after an abort, a new epoch. */
int producer_init_txns(struct producer *producer, struct err *e);

/* Add the partitions that are about to get their first batch to the transaction.
 * Waits for the coordinator.  On failure the producer has failed. */
void producer_add_parts(struct producer *producer);

/* Find the coordinator of a transactional id (type 1) or a group (type 0). */
int producer_find_coordinator(struct producer *producer, int8_t type, const char *name,
	int32_t *node, struct err *e);

/* One call to the transaction coordinator, after finding it; without retries.
 * Returns the version used, or -1. */
int producer_call_coordinator(struct producer *producer, int16_t key, int upto,
	const void *request, void *response, struct arena *a, struct err *e);

/* Turn the coordinator's error code into *e.  Returns -1. */
int producer_txn_err(struct producer *producer, int16_t code, struct err *e);

#endif
