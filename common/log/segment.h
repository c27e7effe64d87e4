/*
 * One segment of a log: its file of batches, its indexes, and what is
 * known of its end.
 *
 * A segment is named by the offset that its first batch was to have, and
 * grows at its end only.  Bytes of the file behind size are left from a write
 * that failed; the next one covers them.
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
	bool has_txn_file;         /* .txnindex is there */
	bool is_txn_dirty;         /* and may not be on disk */
	int64_t bytes_since_index; /* appended since the last offset entry */
	int64_t first_timestamp;   /* of the first batch; -1: none */
	int64_t created_ms;        /* when this process first wrote to it */
	int64_t indexed_timestamp; /* of the last time entry; -1: none */
	int64_t max_timestamp;     /* -1: none */
	int64_t max_timestamp_offset; /* last offset of its batch */
	bool is_time_known;        /* the last three are */
};

void segment_init(struct segment *seg, int64_t base_offset);
void segment_release(struct segment *seg);

/* Its file, made known to the cache at first use; never NULL. */
struct segfile *segment_file(struct segment *seg, const struct logdir *dir);

/* Make the file and open it: an empty one, whatever was there. */
int segment_create(struct segment *seg, const struct logdir *dir, struct err *e);
int segment_remove(struct segment *seg, const struct logdir *dir, struct err *e);

/* A batch was put at its end: index it, as Kafka does. */
void segment_note(struct segment *seg, const struct batch *batch,
	int64_t index_interval_bytes);

/* Write the indexes out; is_last: with the largest timestamp so far as the
 * last time entry, as at a roll and at a stop. */
int segment_write_indexes(struct segment *seg, const struct logdir *dir,
	bool is_last, struct err *e);

int segment_write_txns(struct segment *seg, const struct logdir *dir, struct err *e);

/* Read the largest timestamp from the time index, unless it is known. */
int segment_load_time(struct segment *seg, const struct logdir *dir, struct err *e);

/* A walk over the headers of batches, with few reads. */
struct segment_walk {
	int fd;
	int64_t position; /* where the next batch begins */
	int64_t end;
	int64_t at;       /* what is in bytes: so many from there */
	int n, want;
	uint8_t bytes[4096];
};

void segment_walk_begin(struct segment_walk *walk, int fd, int64_t position, int64_t end);

/* The next batch's header.  1: *b is it, position is behind it; 0: the end;
 * -1: it can't be read, or it is no batch. */
int segment_walk_next(struct segment_walk *walk, struct batch *batch, struct err *e);

#endif
