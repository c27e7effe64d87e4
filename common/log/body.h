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
 *   checkpoint    the broker's files of offsets; lines: such files' syntax
 *
 * Uses: the room.  Under the lock of the log.
 */
#ifndef KQ_LOG_BODY_H
#define KQ_LOG_BODY_H

#include "log/epochs.h"
#include "log/partlog.h"
#include "log/prodstate.h"
#include "log/segment.h"

/* Where in a segment the batch with this first offset begins.  Ends of slices
 * are kept, so that who reads on from there needs no index. */
struct slice_end {
	int64_t offset; /* -1: none */
	int64_t base_offset, position;
};

struct partlog_body {
	struct logdir dir;       /* where its files are; the name is the log's */
	struct segment *v; /* by offset; the last one is appended to */
	int n, cap;
	int64_t rolled_offset;   /* from that segment on, the indexes of the rolled
	                            ones are not on disk yet; -1: they are */
	struct epochs epochs;
	struct slice_end recent[16];
	unsigned recent_next;
	struct index_page *page; /* NULL until needed */
	struct prodstate producers;
	int64_t *snapshot;       /* offsets of the files OFFSET.snapshot, rising */
	int nsnapshot, snapshot_cap;
	bool is_dir;             /* the directory exists */
	bool is_epochs_bad;      /* their file is: load only */
	bool is_dir_dirty;       /* files were made in it since its last sync */
	bool is_root_dirty;      /* it was made itself */
};

/* The log's body, opened if need be; 0, or -1. */
static inline int
body_ready(struct partlog *l, struct err *e)
{
	return likely(l->body != NULL) ? 0 : partlog_open(l, e);
}

/* An empty one, for the log's directory. */
struct partlog_body *body_new(const struct partlog *l);
void body_free(struct partlog_body *body); /* NULL is fine */

/* A new segment behind the others. */
struct segment *body_add(struct partlog_body *body, int64_t base_offset);

/* The first offset that is not in segment i: where the next one begins. */
int64_t body_end(const struct partlog *l, int i);

/* The segment that holds the offset, or would: the last one that begins at or
 * before it.  -1: none does. */
int body_find(const struct partlog_body *body, int64_t offset);

void body_remember(struct partlog_body *body, int64_t offset, int64_t base_offset,
	int64_t position);

/* The position in the segment, or -1. */
int64_t body_recall(const struct partlog_body *body, int64_t offset,
	int64_t base_offset);

/* Read the directory: segments with the sizes of their files, index counts,
 * epochs.  The body, or NULL.  Changes nothing on disk; an index that is
 * missing or odd has nfile -1. */
struct partlog_body *body_load(const struct partlog *l, struct err *e);

#endif
