/*
 * A partition of the broker: a log, a high watermark, and the requests that
 * wait for one of them to advance.
 *
 * Consumers read up to the high watermark: the smallest log end of the in-sync
 * replicas.  This broker is the only replica, so each append advances it, but
 * nothing else assumes that it is the log end.  A produce request with acks=all
 * waits until its records are committed: below the high watermark and, with
 * durability "disk", on disk.  (A committed transaction is another thing: the
 * last stable offset is the first offset of the oldest open transaction.)
 *
 * Threads: any reactor, the coordinator and the control thread.  Functions take
 * the partition's lock unless they say "under the lock".  It is held for an
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

struct partition;

enum { REPLICAS = 1 }; /* this broker only, until there is a cluster */

/* A topic's configuration in the form that appends and reads use.  Never
 * changed: an alteration makes a new one. */
struct topic_config {
	atomic_int refs;
	int64_t message_size_max; /* bytes of a batch */
	int64_t timestamp_before_max_ms, timestamp_after_max_ms;
	int32_t record_size_max;  /* bytes of a record in a compressed batch, decompressed */
	int64_t producer_expiration_ms;
	bool is_log_append_time;
	bool is_compacted;
	bool verifies_compressed; /* compressed batches are opened and their records checked */
	bool is_durable;          /* acks=all waits for the disk */
	struct partlog_config log;
};

void topic_config_put(struct topic_config *config);

/* What partitions need from their broker.  All but the counter is set before
 * the first partition is made; one for all of them. */
struct partition_env {
	int data_fd;             /* the data directory; -1: memory */
	bool accepts_duplicates; /* test.fault: repeated sequence numbers are appended */
	/* Both are called without a partition's lock, on any thread: */
	void (*appended)(struct partition_env *env); /* the checkpoints are out of date */
	/* A sync failed with this errno: acknowledged records may be lost.  Does not return. */
	void (*disk_failed)(struct partition_env *env, const struct partition *part, int sys);
	atomic_llong unsynced_size; /* bytes in all partitions */
};

struct partition {
	atomic_int refs;
	int32_t index;
	struct partition_env *env;
	char *topic; /* its name; a copy */
	struct uuid topic_id;
	pthread_mutex_t lock;
	/* Under the lock: */
	struct topic_config *config;
	struct partlog log;
	int64_t high_watermark; /* changed by partition_advance only */
	int64_t stable_offset;  /* the last one that a fetcher has seen */
	int64_t unsynced_size;  /* bytes appended since the last sync began */
	bool is_deleted;
	bool is_syncing;
	atomic_int leader_epoch; /* of appended batches; may be read without the lock */
	struct list acks;            /* struct ack_wait, by end offset */
	struct list fetchers;        /* struct fetch_wait: for the high watermark */
	struct list stable_fetchers; /* struct fetch_wait: for the last stable offset */
};

/* What a partition begins with. */
struct partition_state {
	struct partlog_state log;
	int64_t high_watermark; /* INT64_MAX: the log end */
	int32_t leader_epoch;
};

struct partition *partition_new(struct partition_env *env, const char *topic,
	const struct uuid *id, int32_t index, struct topic_config *config,
	const struct partition_state *state);
struct partition *partition_get(struct partition *part); /* one more reference */
void partition_put(struct partition *part);              /* NULL: fine */

/* The log was recovered (partlog_recover): all that is in it is committed, as
 * there is no other replica.  At the start, before any append. */
void partition_recovered(struct partition *part);

/* Move the high watermark to this offset and wake the fetchers.  Nothing else
 * moves it.  Under the lock. */
void partition_advance(struct partition *part, int64_t offset);

/* ---- waiting ---- */

/* Waits for records to be committed; embedded in a produce request.  Its task
 * is posted to the loop, with error set, when the wait is over. */
struct ack_wait {
	struct list link;
	struct partition *partition; /* a reference, owned by the waiter */
	int64_t end_offset;          /* the first one after the records */
	struct loop *loop;
	struct loop_task task;
	int16_t error;
};

/* Waits for the high watermark or the last stable offset to advance; a fetch
 * request has one for each of its partitions, and one waker, whose task is
 * posted once, by the first partition that advances. */
struct fetch_wait {
	struct list link;
	struct partition *partition; /* a reference, owned by the waiter */
	struct fetch_waker *waker;
	bool is_stable; /* waits for the last stable offset */
};
struct fetch_waker {
	struct loop *loop;
	struct loop_task task;
	atomic_bool is_posted; /* the task is posted and has not run yet */
};

/* Wait until all that was appended so far is committed.  False: it already is,
 * or never will be (wait->error is set); nothing is posted. */
bool partition_wait_committed(struct partition *part, struct syncer *syncer,
	struct ack_wait *wait);

/* Is all that was appended so far committed? */
bool partition_is_committed(struct partition *part);

/* Take a wait out of its queue.  False: it was not queued, or no longer is. */
bool partition_cancel_ack(struct ack_wait *wait);
void partition_cancel_fetch(struct fetch_wait *wait);

/* Queue the fetcher.  False, and it is not queued: the offset that it waits for
 * is not `seen` any more, or the partition was deleted; read again. */
bool partition_wait(struct partition *part, struct fetch_wait *wait, int64_t seen);

/* ---- appending ---- */

struct append_result {
	int16_t error;
	const char *message; /* or NULL; static */
	int64_t base_offset, log_start_offset;
	int64_t log_append_ms; /* -1: CreateTime */
	bool must_wait;        /* the ack was queued */
	int64_t ticket;        /* not 0: nothing was appended; see partition_append */
};

/* Who appends, and on which thread. */
struct append_from {
	struct syncer *syncer; /* this thread's */
	int64_t wall_ms;
	bool is_coordinator;   /* records of the coordinator's own topics */
	int64_t ticket;        /* of the verification (KIP-890); 0: not verified */
};

/* Append a valid batch (a client's: see intake.h) and wake the fetchers.  Sets
 * offset, epoch and, with LogAppendTime, the timestamp in its bytes.  If ack is
 * given and the records are not committed yet, it is queued (must_wait); never
 * for a transactional batch, because the end of its transaction waits for the
 * disk.
 *
 * A repeated sequence number (KIP-98) gets the result of the first append, and
 * waits like it.  The first batch of a transaction in this partition is not
 * appended: result->ticket is set, and error is not.  The caller verifies it with
 * the transaction coordinator (KIP-890) and appends again with that ticket; if
 * the transaction has ended by then, the error is INVALID_TXN_STATE. */
void partition_append(struct partition *part, const struct append_from *from, uint8_t *bytes,
	struct ack_wait *ack, struct append_result *result);

/* Append the control batch that ends the producer's transaction here, even if
 * none is open.  TRANSACTION_COORDINATOR_FENCED: the coordinator epoch is older
 * than the last one seen; INVALID_PRODUCER_EPOCH: the producer's is. */
void partition_append_marker(struct partition *part, const struct append_from *from,
	const struct control_marker *marker, struct ack_wait *ack, struct append_result *result);

/* ---- reading: partition_read.c ---- */

/* How far a reader may read. */
enum partition_limit {
	PARTITION_LOG_END,
	PARTITION_HIGH_WATERMARK,
	PARTITION_STABLE_OFFSET, /* read_committed: the last stable offset */
};

struct partition_read {
	int64_t offset;           /* the first one to read */
	int64_t size_max;         /* bytes */
	enum partition_limit limit;
	bool is_first_whole;      /* at least one whole batch, even above size_max */
	bool is_follower;         /* a replica's fetch; this partition has no followers */
	int32_t leader_epoch;     /* as the reader knows it; -1: unknown */
	int32_t last_epoch;       /* of the last batch read; -1: unknown */
	struct buf *aborted;      /* NULL, or gets the aborted transactions in the slice:
	                             an array of struct prodstate_txn */
};

struct partition_read_result {
	int16_t error;
	int64_t limit_offset;     /* of the reader; set even with an error */
	int64_t high_watermark, stable_offset, log_start_offset; /* -1: not known, with an error */
	/* Where the log diverges from the reader's (KIP-595): the largest epoch up
	 * to last_epoch, and its end.  -1: it does not. */
	int32_t diverging_epoch;
	int64_t diverging_end_offset;
};

/* Read batches from an offset on.  slice NULL: only the offsets are wanted;
 * else it must be put back, and is empty (size 0) at the limit, with an error,
 * and when the log diverges.
 *
 * Returns 0, with result->error UNKNOWN_TOPIC_OR_PARTITION (deleted),
 * FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER,
 * OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR (the log has failed before); or -1
 * with *e when reading fails now: then error is KAFKA_STORAGE_ERROR, or
 * OFFSET_OUT_OF_RANGE. */
int partition_read(struct partition *part, const struct partition_read *what,
	struct partlog_slice *slice, struct partition_read_result *result, struct err *e);

/* May a reader that knows this leader epoch (-1: none) read here?  Else the
 * error: the partition was deleted, or another epoch leads.  Under the lock. */
int16_t partition_check_leader(const struct partition *part, int32_t leader_epoch);

/* Likewise, and is the log readable (else KAFKA_STORAGE_ERROR)? */
int16_t partition_check_readable(const struct partition *part, int32_t leader_epoch);

/* The last stable offset; -1: the log can't be opened (which is logged).  Under
 * the lock. */
int64_t partition_stable_offset(struct partition *part);

/* ---- the rest ---- */

/* Raise the log start offset (-1: to the high watermark), and delete the
 * segments below it, a few at a time, between which others get the lock.
 * *log_start_offset is the new one.  Returns NONE, UNKNOWN_TOPIC_OR_PARTITION,
 * OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR (which is logged). */
int16_t partition_trim(struct partition *part, int64_t offset, int64_t *log_start_offset);

/* Mark it deleted: wakes all waiters; later appends and reads answer
 * UNKNOWN_TOPIC_OR_PARTITION. */
void partition_mark_deleted(struct partition *part);

/* Its current configuration: a new reference, for topic_config_put. */
struct topic_config *partition_config(struct partition *part);

/* The offset at which its log starts. */
int64_t partition_log_start(struct partition *part);

/* Replace the configuration (takes a reference). */
void partition_set_config(struct partition *part, struct topic_config *config);

#endif
