/*
 * The indexes of a segment, in Kafka's formats, all big endian:
 *
 *   .index      (offset - base i32, position i32)...
 *   .timeindex  (timestamp i64, offset - base i32)...
 *   .txnindex   (version i16 = 0, producer id i64, first offset i64,
 *                last offset i64, last stable offset i64)...
 *
 * An offset entry holds the last offset of a batch and where that batch
 * begins; a time entry says that up to the batch with this last offset the
 * largest timestamp is this one, and that this batch is the first to have it.
 * Both columns of both files rise.  Entries may be missing between any two:
 * an index makes a search short, the log itself is the truth.
 *
 * The third one is another matter: it lists the transactions that were aborted
 * by a marker in this segment, in the order of the markers, and none may be
 * missing, as nothing else tells a reader which records to leave out.  There
 * is no file while there is no entry.
 *
 * New entries gather in memory; index_write puts them behind the file's end.
 * Files are open only while a call uses them.
 *
 * Uses: base, sys.  One thread at a time.
 */
#ifndef KQ_LOG_INDEX_H
#define KQ_LOG_INDEX_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/logdir.h"

enum index_kind { INDEX_OFFSET, INDEX_TIME, INDEX_TXN };

struct index {
	enum index_kind kind;
	int64_t base_offset; /* of the segment */
	int64_t nfile;       /* entries in the file */
	struct buf tail;     /* entries behind them */
};

enum { INDEX_TXN_SIZE = 34 };

/* One entry of the first two kinds. */
struct index_entry {
	int64_t offset;
	int64_t position;  /* of an offset entry */
	int64_t timestamp; /* of a time entry */
};

/* A page of some index file, kept for the next look-up nearby. */
struct index_page {
	int64_t base_offset; /* of the segment; -1: none */
	int64_t first;       /* entry */
	int n;               /* entries */
	uint8_t bytes[4096];
};

void index_init(struct index *index, enum index_kind kind, int64_t base_offset);
void index_release(struct index *index);
int64_t index_count(const struct index *index);

/* Take the number of entries from the file's size.  Returns 1; 0 when the
 * file is absent or holds no whole number of entries; -1. */
int index_open(struct index *index, const struct logdir *dir, struct err *e);

void index_append(struct index *index, const struct index_entry *entry);

/* For INDEX_TXN: entries as bytes. */
void index_put(struct index *index, const uint8_t entry[INDEX_TXN_SIZE]);
int index_read(const struct index *index, const struct logdir *dir, int64_t first, int n,
	uint8_t *entries, struct err *e);

/* The number of the first one whose last offset is at or behind the offset, or
 * how many there are; -1: failed. */
int64_t index_txn_from(const struct index *index, const struct logdir *dir, int64_t offset,
	struct err *e);

/* Write the tail to the file, which is made if need be.  On failure the tail
 * stays. */
int index_write(struct index *index, const struct logdir *dir, struct err *e);

/* The same, and cut off whatever the file holds behind these entries. */
int index_replace(struct index *index, const struct logdir *dir, struct err *e);

/* The entry of that number. */
int index_get(const struct index *index, const struct logdir *dir, int64_t i,
	struct index_entry *entry, struct err *e);

/* The number of the last entry no field of which is above that of max; -1:
 * there is none; -2: failed.  *it is the entry.  page may be NULL. */
int64_t index_floor(const struct index *index, const struct logdir *dir,
	const struct index_entry *max, struct index_page *page,
	struct index_entry *entry, struct err *e);

#endif
