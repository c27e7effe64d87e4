/*
 * What a log that is in use keeps in memory; for the files of this room only.
 *
 * Where partlog.h is implemented:
 *
 *   partlog.c     init, release, fail, append, append_marker, epoch_end,
 *                 epoch_at, flush, delete, remove_leftovers
 *   open.c        open, recover: what a crash left, and a clean log's check
 *   find.c        find, slice_fd, slice_put: batches by offset
 *   find_time.c   find_time, find_max_time: records by timestamp
 *   retain.c      retained_from, trim, trimmed_release: the oldest segments
 *   sync.c        sync_begin, _fds, _run, _end: which descriptors to sync
 *   producers.c   producers, stable_offset, aborted (and producers.h)
 *
 * What these stand on, each with a header of its own:
 *
 *   body          this file: the segments of an open log, loaded and searched
 *   segment       one segment: its batches, indexes and largest timestamp
 *   index         the index files of a segment
 *   segfile       open segment files, and the cache of descriptors
 *   scan          checks every byte of a segment file, for recovery
 *   prodstate     the state of the producers; no I/O
 *   epochs        the leader epochs, and their file
 *   logdir        the log's directory and the paths in it
 *   checkpoint    the broker's files of offsets
 *   lines         the syntax of the files of offsets and epochs
 *
 * Uses: the room.  Under the lock of the log.
 */
#ifndef KQ_LOG_BODY_H
#define KQ_LOG_BODY_H

#include "log/epochs.h"
#include "log/partlog.h"
#include "log/prodstate.h"
#include "log/segment.h"

/* Where a recent slice ended, so that a reader that continues there needs no
 * index look-up. */
struct slice_end {
	int64_t offset;      /* of the batch after the slice; -1: none */
	int64_t base_offset; /* of its segment */
	int64_t position;    /* of the batch, bytes */
};

struct partlog_body {
	struct logdir dir;       /* where its files are; the name is the log's */
	struct segment *v; /* by offset; appends go to the last one */
	int n, cap;
	int64_t rolled_offset;   /* base offset of the first rolled segment whose
	                            indexes are not on disk yet; -1: none */
	struct epochs epochs;
	struct slice_end recent[16];
	unsigned recent_next;    /* the entry to be replaced next */
	struct index_page *page; /* NULL until needed */
	struct prodstate producers;
	int64_t *snapshot;       /* offsets of the files OFFSET.snapshot, ascending */
	int nsnapshot, snapshot_cap;
	bool is_dir;             /* the directory exists */
	bool is_epochs_bad;      /* their file is corrupt; while opening only */
	bool is_dir_dirty;       /* names in it changed since its last sync */
	bool is_root_dirty;      /* its own name is not synced yet */
};

/* Open the log if it is not open.  -1: see partlog_open. */
static inline int
body_ready(struct partlog *l, struct err *e)
{
	return likely(l->body != NULL) ? 0 : partlog_open(l, e);
}

/* An empty one, for the log's directory. */
struct partlog_body *body_new(const struct partlog *l);
void body_free(struct partlog_body *body); /* NULL is fine */

/* Add a segment after the others. */
struct segment *body_add(struct partlog_body *body, int64_t base_offset);

/* The end offset of segment i: where the next one begins, or the log's end. */
int64_t body_end(const struct partlog *l, int i);

/* The number of the last segment that begins at or before the offset; -1: none
 * does. */
int body_find(const struct partlog_body *body, int64_t offset);

/* Remember where the batch with this offset begins in its segment. */
void body_remember(struct partlog_body *body, int64_t offset, int64_t base_offset,
	int64_t position);

/* The remembered position in the segment; -1: not known. */
int64_t body_recall(const struct partlog_body *body, int64_t offset,
	int64_t base_offset);

/* Read the directory: the sizes of the segments and of their indexes, and the
 * epochs.  Changes nothing on disk.  An index file that is missing or holds no
 * whole number of entries has nfile -1.  NULL: ERR_SYS; or ERR_CORRUPT, a
 * segment is too large, or the directory belongs to another topic. */
struct partlog_body *body_load(const struct partlog *l, struct err *e);

#endif
