/*
 * Verification of transactional writes (KIP-890): the first batch of a
 * transaction in a partition is appended once the transaction coordinator has
 * agreed.
 *
 * Where the coordinator cannot decide at once the batch is parked: copied, and
 * queued behind the session's other parked requests.  While a session has one,
 * all that it sends next for a transaction is parked behind it, so that its
 * batches stay in order: only the first request of such a queue asks.
 *
 * Threads: the session's.
 */
#ifndef KQ_BROKER_VERIFY_H
#define KQ_BROKER_VERIFY_H

#include "base/list.h"
#include "kq-broker/coordinator.h"
#include "kq-broker/partition.h"
#include "kq-broker/request.h"

/* A batch of the request for one partition. */
struct verify_batch {
	/* The caller's: */
	struct partition *partition; /* a reference, until the batch is decided */
	struct ack_wait *ack; /* for acks=all, or NULL */
	/* verify.c's, while it is parked: */
	struct list link;     /* in batches */
	uint8_t *bytes;       /* a copy */
	int64_t ticket;       /* to append it with; 0: none yet */
};

/* The transactional batches of one produce request; in its arena. */
struct verify {
	struct request *rq;
	/* A parked batch was appended or refused.  result->must_wait: its ack was
	 * queued. */
	void (*decided)(struct verify_batch *batch, const struct append_result *result);
	/* No batch is parked any more; not called when none ever was. */
	void (*finished)(struct verify *verify);
	/* verify.c's: */
	struct list batches;  /* those parked */
	int nbatch;           /* that were ever parked */
	struct verify *next;  /* behind this one in the session's queue */
	struct txn_check check;
	struct coord_partition *asked; /* check's: as many as nbatch */
	int ncheck;
};

/* transactional_id is borrowed until verify_start. */
void verify_init(struct verify *verify, struct request *rq, struct str transactional_id);

/* Append the batch in the session's receive buffer, or park it: false.  True:
 * *result says what became of it.  is_alone: it is the request's only batch. */
bool verify_append(struct verify *verify, struct verify_batch *batch, struct str bytes,
	bool is_alone, struct append_result *result);

/* Begin to decide the parked batches, if there are any; once, after the
 * request's last verify_append. */
void verify_start(struct verify *verify);

#endif
