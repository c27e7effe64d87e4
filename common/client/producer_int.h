/* What the files of the producer share among themselves. */
#ifndef KQ_CLIENT_PRODUCER_INT_H
#define KQ_CLIENT_PRODUCER_INT_H

#include "client/producer.h"

enum {
	/* The broker remembers so many batches of a producer in a partition. */
	PRODUCER_WINDOW = 5,
	/* The last versions in which the client, not the broker, adds partitions
	 * and groups to a transaction. */
	PRODUCE_UPTO_V1 = 11,
	END_TXN_UPTO_V1 = 4,
	TXN_OFFSET_COMMIT_UPTO_V1 = 4,
	TXN_OFFSET_COMMIT_BY_NAME = 5, /* later ones name topics by id */
	ADD_PARTITIONS_UPTO = 3,
};

/* Send whatever may be sent now.  Returns when the first of what rests may be sent;
 * the others wait for answers. */
int64_t producer_send(struct producer *producer, int64_t now_ms);

/* A batch came back acknowledged; or refused with *why, where err_class
 * ERR_RETRY means that it may be sent again. */
void producer_acked(struct producer_batch *batch);
void producer_refused(struct producer_batch *batch, const struct err *why);

/* Take up what the metadata shows of the topics (producer_topic.c). */
void producer_update_topics(struct producer *producer);

/* Something of the partition has changed: put it in the list of the ready ones,
 * or take it out. */
void producer_mark_ready(struct producer_part *part);

/* Fail for good; number 0: no record's fault. */
void producer_fail(struct producer *producer, int64_t number, const struct err *why);

/* Drop every batch; none is under way. */
void producer_drop_all(struct producer *producer);

/* Free the requests kept for reuse. */
void producer_free_requests(struct producer *producer);

/* For what is repeated while its caller waits: pauses, each twice as long as
 * the one before. */
struct producer_retry {
	int64_t until_ms;
	int pause_ms;
};
void producer_retry_begin(const struct producer *producer, struct producer_retry *retry);

/* After the failure *e: pause, or, when it is final or time is up, say so in *e
 * and return false. */
bool producer_retry_wait(struct producer *producer, struct producer_retry *retry, struct err *e);

/*
 * Ids and sequence numbers (producer_id.c).
 */

/* The broker's error for a batch: what it means here.  *why is what
 * cluster_peer_err made of it.  Returns false when it is no failure. */
bool producer_classify(struct producer_batch *batch, int16_t code, struct err *why);

/* Numbers for a batch that is being finished. */
struct builder_producer producer_number_batch(struct producer_part *part,
	struct producer_batch *batch);

/* All partitions begin anew with the producer's id and epoch. */
void producer_reset_parts(struct producer *producer);

/* New ids for partitions that need them, if they may have them now. */
void producer_renew_ids(struct producer *producer, int64_t now_ms);

/* One InitProducerId, without repeats. */
int producer_ask_id(struct producer *producer, int32_t node, int64_t *id, int16_t *epoch,
	struct err *e);

/*
 * Transactions (producer_txn.c).
 */

/* Get the id of a transactional producer; again, to leave an aborted
 * transaction behind. */
int producer_init_txns(struct producer *producer, struct err *e);

/* Tell the coordinator of the partitions that are about to get their first
 * batch.  Waits.  On failure the producer has failed. */
void producer_add_parts(struct producer *producer);

/* Ask who coordinates a transactional id (type 1) or a group (0). */
int producer_find_coordinator(struct producer *producer, int8_t type, const char *name,
	int32_t *node, struct err *e);

/* One call to the transactions' coordinator, which is found first, without
 * repeats. */
int producer_call_coordinator(struct producer *producer, int16_t key, int upto,
	const void *q, void *r, struct arena *a, struct err *e);

/* Put words to the coordinator's error. */
int producer_txn_err(struct producer *producer, int16_t code, struct err *e);

#endif
