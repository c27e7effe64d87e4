/*
 * One segment of a log: its file of batches, its indexes, and its largest
 * timestamp.
 *
 * A segment is named by the offset expected for its first batch, and grows at
 * its end only.  Bytes of the file after size are left from a write that
 * failed; the next write overwrites them.
 *
 * Uses: base, sys, record, index, segfile.  One thread at a time.
 */
#ifndef KQ_LOG_SEGMENT_H
#define KQ_LOG_SEGMENT_H

#include "log/index.h"
#include "log/segfile.h"
#include "record/batch.h"

struct segment {
	int64_t base_offset;
	int64_t size;              /* bytes of whole batches */
	struct segfile *file;      /* NULL until used */
	struct index offsets, times, txns;
	bool has_txn_file;         /* .txnindex exists */
	bool is_txn_dirty;         /* .txnindex may not be synced */
	int64_t bytes_since_index; /* bytes appended since the last offset entry */
	int64_t first_timestamp;   /* of the first batch, ms; -1: none */
	int64_t created_ms;        /* when this process first wrote to it */
	int64_t indexed_timestamp; /* of the last time entry; -1: none */
	int64_t max_timestamp;     /* -1: none */
	int64_t max_timestamp_offset; /* last offset of its batch */
	bool is_time_known;        /* the last three fields are loaded */
};

void segment_init(struct segment *seg, int64_t base_offset);
void segment_release(struct segment *seg);

/* Its file, a segfile made at first use; never NULL. */
struct segfile *segment_file(struct segment *seg, const struct logdir *dir);

/* Create its file, empty even if it existed.  -1, ERR_SYS: the segment has no
 * file.  segment_remove: delete all its files; -1, ERR_SYS: some are left. */
int segment_create(struct segment *seg, const struct logdir *dir, struct err *e);
int segment_remove(struct segment *seg, const struct logdir *dir, struct err *e);

/* A batch was written at its end: index it, as Kafka does. */
void segment_note(struct segment *seg, const struct batch *batch,
	int64_t index_interval_bytes);

/* Write the indexes to their files; is_last (at a roll and at a stop): with the
 * largest timestamp as the last time entry.  -1, ERR_SYS: entries that are not
 * written stay in memory. */
int segment_write_indexes(struct segment *seg, const struct logdir *dir,
	bool is_last, struct err *e);

/* The same for the aborted transactions alone. */
int segment_write_txns(struct segment *seg, const struct logdir *dir, struct err *e);

/* Read the largest timestamp from the time index, unless it is known.  -1:
 * ERR_SYS or ERR_CORRUPT. */
int segment_load_time(struct segment *seg, const struct logdir *dir, struct err *e);

/* Where to begin a search for which index_floor found entry i of the offset index
 * (negative: none): at the entry's batch, or at the first one if the entry can't
 * be right. */
static inline int64_t
segment_position(const struct segment *seg, int64_t i, const struct index_entry *entry)
{
	bool is_good = i >= 0 && entry->position >= 0 && entry->position < seg->size;
	return is_good ? entry->position : 0;
}

/* A walk over the headers of batches, in few reads. */
struct segment_walk {
	int fd;
	int64_t position; /* where the next batch begins */
	int64_t end;
	int64_t at;       /* position of bytes in the file */
	int n;            /* valid ones in bytes */
	int want;         /* to be read next time */
	uint8_t bytes[4096];
};

void segment_walk_begin(struct segment_walk *walk, int fd, int64_t position, int64_t end);

/* The next batch's header.  1: in *batch, and position is after the batch; 0:
 * the end; -1: ERR_SYS, or ERR_CORRUPT, bytes that are no whole batch. */
int segment_walk_next(struct segment_walk *walk, struct batch *batch, struct err *e);

#endif
