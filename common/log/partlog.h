/*
 * A partition's log: a directory of segments in Kafka's layout.
 *
 *   topic-N/00000000000000000000.log        batches, back to back
 *           00000000000000000000.index      (offset - base i32, position i32)...
 *           00000000000000000000.timeindex  (timestamp i64, offset - base i32)...
 *           00000000000000000000.txnindex   aborted transactions, if any
 *           00000000000000000000.snapshot   producers, if any; see producers.h
 *           leader-epoch-checkpoint         epoch -> its first offset
 *           partition.metadata              version, topic id
 *
 * An idle log costs a few hundred bytes: after a clean stop nothing is read
 * until its first use, and the directory is made by the first append.
 * Descriptors are kept in a cache for the whole process and reopened at
 * need.  Index entries gather in memory and reach their files by the page.
 *
 * With a root directory of -1 nothing touches a disk: segments are memory
 * files (fs_open_memory).
 *
 * Threads: every call needs the caller's lock on this log, except those that
 * say otherwise.  Only partlog_sync_run and reading a slice may take long.
 *
 * Uses: base, sys, record.  Knows nothing of topics, brokers or the wire.
 */
#ifndef KQ_LOG_PARTLOG_H
#define KQ_LOG_PARTLOG_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "record/batch.h"
#include "record/control.h"

#include <stdatomic.h>

struct prodstate;

struct partlog_config {
	int64_t segment_bytes;         /* roll before this size is passed */
	int64_t segment_ms;            /* roll when older than this */
	int64_t segment_index_bytes;   /* roll when an index would pass this */
	int64_t index_interval_bytes;
};

/* What the broker's checkpoints know of a log. */
struct partlog_state {
	int64_t log_start_offset; /* the first one readers may ask for */
	int64_t recovery_offset;  /* all before it is on disk and was checked */
	bool is_clean;            /* the log ends at recovery_offset: a clean
	                             stop; nothing need be read */
};

/* An open segment file, shared by the log, by readers and by syncs. */
struct segfile;

/* Segments, indexes, epochs: of a log that is in use. */
struct partlog_body;

struct partlog {
	int root_fd;              /* the data directory; -1: memory */
	bool is_recovered;        /* false: the first use will recover */
	bool is_failed;           /* rot, or a failed sync: no appends */
	char *name;               /* "topic-N" */
	struct uuid topic_id;
	const struct partlog_config *config; /* borrowed; may be changed in place
	                             under the caller's lock */
	int64_t log_start_offset;
	int64_t next_offset;      /* the one that the next batch gets */
	int64_t synced_offset;    /* all before it is on disk */
	int64_t size;             /* bytes in all segments; 0 before the first use */
	struct err *failure;      /* why; NULL unless is_failed */
	struct partlog_body *body; /* NULL until used */
};

/* No I/O.  name is copied; state NULL means a new, empty log. */
void partlog_init(struct partlog *l, int root_fd, const char *name,
	const struct uuid *topic_id, const struct partlog_config *config,
	const struct partlog_state *state);

/* Open the log now; the other calls do so at need.  A clean log whose files
 * don't end where they should is recovered; so is an unclean one that
 * partlog_recover was not called for. */
int partlog_open(struct partlog *l, struct err *e);

/* After an unclean stop, once, before anything else: read what lies behind
 * the recovery offset, cut a torn tail, rebuild the indexes.  *cut_bytes
 * tells how much was cut.  Rot (bad bytes before the recovery offset, or with
 * good batches behind them while the machine itself did not go down:
 * same_boot) is refused: -1, ERR_CORRUPT naming file and position, is_failed
 * set; nothing on disk is changed then.  Other calls open a clean log lazily
 * by themselves. */
int partlog_recover(struct partlog *l, bool same_boot, int64_t *cut_bytes,
	struct err *e);

/* Append one batch: sets base offset and leader epoch in its bytes, rolls the
 * segment if it is time, writes, adds index entries.  *batch is the parsed
 * header of the bytes at p, already checked; its offset and epoch are set, too.  On
 * failure the log is as before; a full disk may have room again later. */
int partlog_append(struct partlog *l, uint8_t *p, struct batch *batch,
	int32_t leader_epoch, int64_t now_ms, struct err *e);

/* Append the control batch that ends a producer's transaction. */
int partlog_append_marker(struct partlog *l, const struct control_marker *marker,
	int32_t leader_epoch, int64_t now_ms, struct err *e);

/* Who has written to the log (prodstate.h), for judging what is appended:
 * partlog_append takes note of what comes from producers by itself.  Valid as
 * long as the log is.  NULL: the log can't be opened. */
struct prodstate *partlog_producers(struct partlog *l, struct err *e);

/* The last stable offset: all before it is replicated, and decided if it was
 * part of a transaction. */
int partlog_stable_offset(struct partlog *l, int64_t high_watermark, int64_t *offset,
	struct err *e);

/* Put the aborted transactions with records in [first_offset, limit_offset),
 * which is stable, behind txns: an array of struct prodstate_txn. */
int partlog_aborted(struct partlog *l, int64_t first_offset, int64_t limit_offset,
	struct buf *txns, struct err *e);

/* A run of whole batches in one segment file. */
struct partlog_slice {
	struct segfile *file; /* a reference; NULL when size is 0 */
	int64_t position, size;
	int64_t first_offset, next_offset; /* of the batches in it */
};

/* The batches from the one holding offset on: below limit_offset, and at most
 * size_max bytes, but never less than one whole batch when is_first_whole.
 * Empty (size 0) at the end of the log.  Returns 0; or -1: ERR_LIMIT when the
 * offset is outside [log_start_offset, next_offset], else a read failed. */
int partlog_find(struct partlog *l, int64_t offset, int64_t limit_offset,
	int64_t size_max, bool is_first_whole, struct partlog_slice *slice,
	struct err *e);

/* The slice's descriptor, for pread and sendfile; valid until it is put.
 * Needs no lock. */
int partlog_slice_fd(const struct partlog_slice *slice);
void partlog_slice_put(struct partlog_slice *slice); /* no lock; twice is fine */

/* The first record at or after the timestamp (ms), looked up in the indexes
 * and then in the batch itself.  Returns 1: *offset and *timestamp_ms are its;
 * 0: none; -1: failed. */
int partlog_find_time(struct partlog *l, int64_t timestamp_ms,
	int64_t limit_offset, int64_t *offset, int64_t *found_ms, int32_t *epoch,
	struct err *e);

/* The record with the largest timestamp, likewise (ListOffsets -3). */
int partlog_find_max_time(struct partlog *l, int64_t *offset,
	int64_t *found_ms, int32_t *epoch, struct err *e);

/* Leader epochs (KIP-101, KIP-320): the end offset of the largest epoch <=
 * asked, per kafka-map section 5.5; *epoch -1 and *end_offset -1: undefined. */
void partlog_epoch_end(struct partlog *l, int32_t asked, int32_t *epoch,
	int64_t *end_offset);
/* The epoch of the batch that holds the offset; -1 when unknown. */
int32_t partlog_epoch_at(struct partlog *l, int64_t offset);

/* Raise the log start offset (to at most next_offset) and delete the segments
 * that lie wholly below it, except the last.  The files lose their names, but
 * the first of them stay open, in *t, until partlog_trimmed_release, which
 * needs no lock: to free a large file takes long.  Returns 0; 1: there are more,
 * call it again with the same offset; or -1. */
enum { PARTLOG_TRIM_MAX = 16 };
struct partlog_trimmed {
	struct segfile *file[PARTLOG_TRIM_MAX];
	int n;
};
int partlog_trim(struct partlog *l, int64_t log_start_offset,
	struct partlog_trimmed *trimmed, struct err *e);
void partlog_trimmed_release(struct partlog_trimmed *trimmed);

/* For retention: *offset is where the log may start when whole segments below
 * limit_offset go that hold nothing younger than retention_ms, or that are
 * more than retention_bytes need; -1: no such bound.  The last segment always
 * stays.  Then call partlog_trim. */
int partlog_retained_from(struct partlog *l, int64_t now_ms,
	int64_t retention_ms, int64_t retention_bytes, int64_t limit_offset,
	int64_t *offset, struct err *e);

/* Syncing, in three steps, so that no lock is held while the disk works:
 * begin takes note of what is unsynced (1; 0: nothing is; -1: there are no
 * descriptors left, try again later), run waits for the disk without the lock,
 * on any thread, end records the result and the offset that is now safe.  After
 * a failure the log is_failed for good.
 *
 * In place of run the caller may sync every descriptor that partlog_sync_fds
 * gives, at least one (fsync for the directories among them), and set the
 * result. */
enum { PARTLOG_SYNC_FD_MAX = 6 };
struct partlog_sync {
	int64_t next_offset; /* all before it is on disk after run; more
	                        rolled segments than fit take more rounds */
	int fd[PARTLOG_SYNC_FD_MAX];
	struct segfile *file[PARTLOG_SYNC_FD_MAX]; /* the fd's; NULL: see is_own */
	bool is_own[PARTLOG_SYNC_FD_MAX]; /* to be closed by end */
	int nfd;
	int not_opened;      /* errno, when a file could not even be opened */
	int result;          /* errno of the failed sync, or 0 */
};
int partlog_sync_begin(struct partlog *l, struct partlog_sync *sync);
int partlog_sync_fds(const struct partlog_sync *sync, int fd[PARTLOG_SYNC_FD_MAX]);
void partlog_sync_run(struct partlog_sync *sync);
void partlog_sync_end(struct partlog *l, struct partlog_sync *sync);

/* The log has failed for good, as e says: also what a reader found in it. */
void partlog_fail(struct partlog *l, const struct err *e);

/* Write out gathered index entries, the epochs and the producers; the log can
 * then be closed cleanly (once it is synced, too).  Also lets descriptors go. */
int partlog_flush(struct partlog *l, struct err *e);

/* Remove all its files; slices that others hold stay readable.  The log is
 * only good for partlog_release then.  The directory is first renamed to
 * NAME.ID-delete: what a crash leaves half removed is no log any more. */
int partlog_delete(struct partlog *l, struct err *e);

/* Remove such leftovers from a data directory, before any log is used. */
int partlog_remove_leftovers(int root_fd, struct err *e);

void partlog_release(struct partlog *l);

#endif
