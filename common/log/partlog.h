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
 * until its first use, and the first append makes the directory.  Descriptors
 * are kept in a cache of the whole process and reopened when needed.  Index
 * entries are collected in memory and written a page at a time.
 *
 * With a root directory of -1 nothing touches a disk: segments are memory
 * files (fs_open_memory).
 *
 * Threads: every call needs the caller's lock on this log, except those that
 * say otherwise.  Only partlog_sync_run and reading a slice may take long.
 *
 * Errors: every call that takes a struct err opens the log if it is not open,
 * so each may also fail as partlog_open does; what is listed at a call is what
 * comes on top.  A log that is_failed answers appends and opening with the
 * error of its failure.
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
	int64_t segment_bytes;        /* roll before a segment grows beyond */
	int64_t segment_ms;           /* roll when a segment is older */
	int64_t segment_index_bytes;  /* roll before an index grows beyond */
	int64_t index_interval_bytes; /* of batches between two index entries */
};

/* What the broker's checkpoints know of a log. */
struct partlog_state {
	int64_t log_start_offset; /* the first one readers may ask for */
	int64_t recovery_offset;  /* all before it is on disk and was checked */
	bool is_clean;            /* clean stop: the log ends at recovery_offset,
	                             nothing need be read */
};

/* An open segment file, shared by the log, by readers and by syncs. */
struct segfile;

/* The segments, indexes and epochs of a log that is in use. */
struct partlog_body;

struct partlog {
	int root_fd;              /* the data directory; -1: memory */
	bool is_recovered;        /* false: the first use will recover */
	bool is_failed;           /* corrupt, or a sync failed: no appends */
	char *name;               /* "topic-N" */
	struct uuid topic_id;
	const struct partlog_config *config; /* borrowed; may be changed in place
	                             under the caller's lock */
	int64_t log_start_offset;
	int64_t next_offset;      /* of the next batch: the log's end */
	int64_t synced_offset;    /* all before it is on disk */
	int64_t size;             /* bytes in all segments; 0 before the first use */
	struct err *failure;      /* why it failed; NULL unless is_failed */
	struct partlog_body *body; /* NULL until used */
};

/* No I/O.  name is copied; state NULL means a new, empty log. */
void partlog_init(struct partlog *l, int root_fd, const char *name,
	const struct uuid *topic_id, const struct partlog_config *config,
	const struct partlog_state *state);

/* Open the log now; other calls do so when needed.  A clean log whose files
 * don't end where they should is recovered, and so is an unclean one for which
 * partlog_recover was not called.  -1: ERR_SYS, the log stays closed and may
 * be opened later; or ERR_CORRUPT, it is_failed. */
int partlog_open(struct partlog *l, struct err *e);

/* After an unclean stop, once, before any other call: read the batches after
 * the recovery offset, cut a torn tail, rebuild the indexes.  *cut_bytes: how
 * much was cut.  same_boot: the machine has not restarted since, so the page
 * cache is intact.  -1: ERR_SYS, as partlog_open; or ERR_CORRUPT with file and
 * position, is_failed is set, and nothing was changed on disk: bytes are bad
 * before the recovery offset, or good batches follow them though same_boot. */
int partlog_recover(struct partlog *l, bool same_boot, int64_t *cut_bytes,
	struct err *e);

/* Append one batch: set base offset and leader epoch in its bytes, roll the
 * segment if it is time, write, add index entries.  bytes are the whole batch
 * and *batch its parsed header, already checked; its offset and epoch are set,
 * too.  -1, ERR_SYS: the log is as before; a full disk may have room later. */
int partlog_append(struct partlog *l, uint8_t *bytes, struct batch *batch,
	int32_t leader_epoch, int64_t now_ms, struct err *e);

/* Append the control batch that ends a producer's transaction.  Errors as
 * partlog_append. */
int partlog_append_marker(struct partlog *l, const struct control_marker *marker,
	int32_t leader_epoch, int64_t now_ms, struct err *e);

/* The state of the log's producers (prodstate.h), to check a batch before it is
 * appended; partlog_append updates it.  Borrowed from the log.  NULL: the log
 * can't be opened. */
struct prodstate *partlog_producers(struct partlog *l, struct err *e);

/* The last stable offset: all before it is replicated and, if it belongs to a
 * transaction, committed or aborted. */
int partlog_stable_offset(struct partlog *l, int64_t high_watermark, int64_t *offset,
	struct err *e);

/* Append the aborted transactions that have records in [first_offset,
 * limit_offset), all of which is stable, to txns: an array of struct
 * prodstate_txn.  -1: ERR_SYS or ERR_CORRUPT, an index can't be read; txns may
 * have grown. */
int partlog_aborted(struct partlog *l, int64_t first_offset, int64_t limit_offset,
	struct buf *txns, struct err *e);

/* A run of whole batches in one segment file. */
struct partlog_slice {
	struct segfile *file; /* a reference; NULL when size is 0 */
	int64_t position, size; /* bytes in the file */
	int64_t first_offset, next_offset; /* of the batches in it */
};

/* The batches from the one that holds the offset on: below limit_offset, and
 * at most size_max bytes, but at least one whole batch if is_first_whole.
 * Empty (size 0) at the end of the log.  The slice must be put.  -1: ERR_LIMIT,
 * the offset is outside [log_start_offset, next_offset]; ERR_SYS or
 * ERR_CORRUPT, a read failed.  *slice is empty then. */
int partlog_find(struct partlog *l, int64_t offset, int64_t limit_offset,
	int64_t size_max, bool is_first_whole, struct partlog_slice *slice,
	struct err *e);

/* The slice's descriptor, for pread and sendfile; valid until it is put.
 * Needs no lock. */
int partlog_slice_fd(const struct partlog_slice *slice);
void partlog_slice_put(struct partlog_slice *slice); /* no lock; twice is fine */

/* The first record at or after the timestamp and below limit_offset, looked up
 * in the indexes and then in the batch itself.  1: found, *offset, *found_ms
 * (its timestamp) and *epoch are set; 0: none; -1: ERR_SYS or ERR_CORRUPT, a
 * read failed. */
int partlog_find_time(struct partlog *l, int64_t timestamp_ms,
	int64_t limit_offset, int64_t *offset, int64_t *found_ms, int32_t *epoch,
	struct err *e);

/* The record with the largest timestamp, likewise (ListOffsets -3). */
int partlog_find_max_time(struct partlog *l, int64_t *offset,
	int64_t *found_ms, int32_t *epoch, struct err *e);

/* Leader epochs (KIP-101, KIP-320): the end offset of the largest epoch that
 * is not above the one asked for.  *epoch -1 and *end_offset -1: undefined, or
 * the log can't be opened. */
void partlog_epoch_end(struct partlog *l, int32_t asked, int32_t *epoch,
	int64_t *end_offset);
/* The epoch of the batch that holds the offset; -1: unknown. */
int32_t partlog_epoch_at(struct partlog *l, int64_t offset);

/* Raise the log start offset (to at most next_offset) and delete the segments
 * that lie wholly below it, except the last.  Their names are gone after this
 * call, but *trimmed keeps the files open until partlog_trimmed_release, which
 * needs no lock, because freeing a large file takes long.  Returns 0; 1: more
 * than PARTLOG_TRIM_MAX are to go, call again with the same offset; or -1,
 * ERR_SYS: the offset is raised, but segments below it are left. */
enum { PARTLOG_TRIM_MAX = 16 };
struct partlog_trimmed {
	struct segfile *file[PARTLOG_TRIM_MAX];
	int n;
};
int partlog_trim(struct partlog *l, int64_t log_start_offset,
	struct partlog_trimmed *trimmed, struct err *e);
void partlog_trimmed_release(struct partlog_trimmed *trimmed);

/* For retention: compute the new log start offset.  Whole segments below
 * limit_offset may go if their newest record is older than retention_ms, or if
 * retention_bytes remain without them (-1: no such bound).  The last segment
 * stays.  Deletes nothing: pass *offset to partlog_trim.  -1: ERR_SYS or
 * ERR_CORRUPT, a time index can't be read. */
int partlog_retained_from(struct partlog *l, int64_t now_ms,
	int64_t retention_ms, int64_t retention_bytes, int64_t limit_offset,
	int64_t *offset, struct err *e);

/* Syncing, in three steps, so that no lock is held while the disk works:
 *
 *   begin  notes what is not synced.  1: something is; 0: nothing is; -1: no
 *          descriptors are left, try again later
 *   run    waits for the disk; without the lock, on any thread
 *   end    takes the result and raises synced_offset; after a failure the log
 *          is_failed for good
 *
 * Instead of run the caller may sync every descriptor that partlog_sync_fds
 * gives, at least one (fsync for the directories among them), and set result. */
enum { PARTLOG_SYNC_FD_MAX = 6 };
struct partlog_sync {
	int64_t next_offset; /* all before it is on disk after run; more rolled
	                        segments than fit take more rounds */
	int fd[PARTLOG_SYNC_FD_MAX];
	struct segfile *file[PARTLOG_SYNC_FD_MAX]; /* the descriptor's; NULL: none */
	bool is_own[PARTLOG_SYNC_FD_MAX]; /* without a file: end closes it */
	int nfd;
	int not_opened;      /* errno, if a file could not be opened; else 0 */
	int result;          /* errno of the failed sync, or 0 */
};
int partlog_sync_begin(struct partlog *l, struct partlog_sync *sync);
int partlog_sync_fds(const struct partlog_sync *sync, int fd[PARTLOG_SYNC_FD_MAX]);
void partlog_sync_run(struct partlog_sync *sync);
void partlog_sync_end(struct partlog *l, struct partlog_sync *sync);

/* Mark the log as failed for good, because of *e (copied): also for damage that
 * a reader found.  A log that has failed keeps its first error. */
void partlog_fail(struct partlog *l, const struct err *e);

/* Write the collected index entries, the epochs and the producers; with a sync
 * after it the log can be closed cleanly.  Also lets descriptors go.  Does not
 * open the log.  -1, ERR_SYS: a part is not written; the log can be used and
 * flushed again. */
int partlog_flush(struct partlog *l, struct err *e);

/* Remove all files of the log; slices stay readable until they are put.  Only
 * partlog_release may follow.  The directory is first renamed to
 * NAME.ID-delete, so that a crash leaves no half of a log.  -1, ERR_SYS: it, or
 * the renamed directory, is left. */
int partlog_delete(struct partlog *l, struct err *e);

/* Remove the directories that an interrupted partlog_delete left in a data
 * directory.  Call before any log is used.  -1, ERR_SYS. */
int partlog_remove_leftovers(int root_fd, struct err *e);

void partlog_release(struct partlog *l);

#endif
