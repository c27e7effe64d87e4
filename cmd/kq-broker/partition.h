/*
 * A partition as the broker sees it: a log, a high watermark, and those who
 * wait for either to move on.
 *
 * The high watermark is what readers may see.  It is the least log end of
 * the in-sync replicas; this broker being the only one, appends move it, but
 * nothing else assumes that it is the log end.  A produce with acks=all waits
 * until its records are committed: below the high watermark and, with
 * durability "disk", on disk.  (Committed transactions are another matter: the
 * last stable offset is where the first one begins that is not over.)
 *
 * Threads: any reactor, and the control thread.  The lock is held for the
 * append and for bookkeeping, never for a sync.
 */
#ifndef KQ_BROKER_PARTITION_H
#define KQ_BROKER_PARTITION_H

#include "base/list.h"
#include "log/partlog.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#include <pthread.h>
#include <stdatomic.h>

struct reactor;
struct broker;
struct syncer;

enum { REPLICAS = 1 }; /* this broker's alone, until there is a cluster */

/* The topic's configuration, as the data path wants it.  Never changed: an
 * alteration makes a new one. */
struct topic_config {
	atomic_int refs;
	int64_t message_size_max; /* bytes of a batch */
	int64_t timestamp_before_max_ms, timestamp_after_max_ms;
	int32_t record_size_max;  /* bytes of a record in a compressed batch, opened */
	int64_t producer_expiration_ms;
	bool is_log_append_time;
	bool is_compacted;
	bool verifies_compressed; /* the records of compressed batches are looked at */
	bool is_durable; /* acks=all waits for the disk */
	struct partlog_config log;
};

void topic_config_put(struct topic_config *config);

struct partition {
	atomic_int refs;
	int32_t index;
	struct broker *broker;
	char *topic; /* its name; a copy */
	struct uuid topic_id;
	pthread_mutex_t lock;
	/* Under the lock: */
	struct topic_config *config;
	struct partlog log;
	int64_t high_watermark;
	int64_t stable_offset; /* the last one told to the fetchers */
	int64_t unsynced_size; /* appended since a sync was last begun */
	bool is_deleted;
	bool is_syncing;
	struct list acks;     /* struct ack_wait, by rising offset */
	struct list fetchers; /* struct fetch_wait... */
	struct list stable_fetchers; /* ...for the last stable offset */
};

struct partition *partition_new(struct broker *broker, const char *topic,
	const struct uuid *id, int32_t index, struct topic_config *config,
	const struct partlog_state *state, int64_t high_watermark);
struct partition *partition_get(struct partition *part); /* one more reference */
void partition_put(struct partition *part);              /* NULL: fine */

/* Waits for records to be committed; embedded in a produce request.  Posted
 * to the loop with error set when it is over. */
struct ack_wait {
	struct list link;
	struct partition *partition; /* a reference of the waiter's */
	int64_t end_offset;          /* the first one behind the records */
	struct loop *loop;
	struct loop_task task;
	int16_t error;
};

/* Waits for the high watermark (or the last stable offset) to move; embedded in a fetch request, one for
 * each partition.  The request is posted once, whichever moves first. */
struct fetch_wait {
	struct list link;
	struct partition *partition; /* a reference of the waiter's */
	struct fetch_waker *waker;
	bool is_stable; /* it is the last stable offset that is waited for */
};
struct fetch_waker {
	struct loop *loop;
	struct loop_task task;
	atomic_bool is_posted; /* the task is on its way and will run */
};

struct append_result {
	int16_t error;
	const char *message; /* or NULL; static */
	int64_t base_offset, log_start_offset;
	int64_t log_append_ms; /* -1: CreateTime */
	bool must_wait;        /* the ack was queued */
	int64_t guard;         /* not 0: nothing was appended; see below */
};

/* Who appends, and on which thread. */
struct append_from {
	struct syncer *syncer;  /* of this thread; drives the sync */
	int64_t wall_ms;
	bool is_coordinator;    /* its own topic's records */
	int64_t guard;          /* 0: not verified */
};

/* Append the batch at b, which is a good one (a client's: see intake.h), and wake the
 * fetchers.  With ack given and the records not yet committed, queues it and says
 * so; but not for a transaction's, whose end is what waits for the disk.
 *
 * A sequence number that was seen before (KIP-98) is answered as the first
 * time, and waits as that does.  The first batch of a transaction in this
 * partition is not appended: result->guard is set (with no error), the caller
 * asks the transaction coordinator (KIP-890) and appends once more with that
 * guard.  It is refused with INVALID_TXN_STATE when the transaction ended
 * meanwhile. */
void partition_append(struct partition *part, const struct append_from *from, uint8_t *b,
	struct ack_wait *ack, struct append_result *result);

/* Append the control batch that ends the producer's transaction here (also
 * when none is open).  TRANSACTION_COORDINATOR_FENCED when the coordinator epoch is
 * behind, INVALID_PRODUCER_EPOCH when the producer's is. */
void partition_append_marker(struct partition *part, const struct append_from *from,
	int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
	bool is_commit, struct ack_wait *ack, struct append_result *result);

/* Wait for all that was appended so far to be committed.  False: it is already,
 * or never will be (w->error then); nothing is posted. */
bool partition_wait_committed(struct partition *p, struct syncer *y, struct ack_wait *w);

/* Is all that was appended so far committed? */
bool partition_is_committed(struct partition *p);

/* Take a wait out of its queue; false when it was not in there (any more). */
bool partition_cancel_ack(struct ack_wait *w);
void partition_cancel_fetch(struct fetch_wait *wait);

/* Where a reader has to stop: the high watermark, or the last stable offset.
 * Under the lock.  -1: the log can't be opened. */
int64_t partition_read_limit(struct partition *part, bool is_stable);

/* Queue the fetcher unless what it waits for is not at seen any more (or the
 * partition is gone), in which case false: look again. */
bool partition_wait(struct partition *p, struct fetch_wait *w, int64_t seen);

/* Forget it: waiters are woken, appends and reads find no partition. */
void partition_mark_deleted(struct partition *part);

/* Its configuration as of now: a new reference, for topic_config_put. */
struct topic_config *partition_config(struct partition *part);

/* The offset at which its log starts. */
int64_t partition_log_start(struct partition *part);

/* Take over another configuration (a reference is taken). */
void partition_set_config(struct partition *part, struct topic_config *config);

#endif
