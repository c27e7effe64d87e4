/*
 * The indexes of a segment, in Kafka's formats, all big endian:
 *
 *   .index      (offset - base i32, position i32)...
 *   .timeindex  (timestamp i64, offset - base i32)...
 *   .txnindex   (version i16 = 0, producer id i64, first offset i64,
 *                last offset i64, last stable offset i64)...
 *
 * An offset entry holds the last offset of a batch and the position where that
 * batch begins.  A time entry holds the largest timestamp so far, and the last
 * offset of the first batch that has it.  Both columns of both files ascend.
 * Entries may be missing between any two: these indexes only shorten a search
 * through the log.
 *
 * The .txnindex is different: it lists the transactions that a marker in this
 * segment aborted, in the order of the markers, and must be complete, because
 * nothing else says which records a reader has to skip.  A segment without
 * such transactions has no such file.
 *
 * New entries are collected in memory; index_write appends them to the file.
 * Files are open only while a call uses them.
 *
 * Errors: every call with a struct err fails with ERR_SYS if the file can't be
 * opened, read or written, and with ERR_CORRUPT if it has become shorter.
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
	struct buf tail;     /* entries not in the file yet */
};

enum { INDEX_TXN_SIZE = 34 };

/* An entry of the offset or the time index. */
struct index_entry {
	int64_t offset;
	int64_t position;  /* of an offset entry */
	int64_t timestamp; /* of a time entry */
};

/* A page of an index file, kept for the next look-up nearby. */
struct index_page {
	int64_t base_offset; /* of the segment; -1: none */
	int64_t first;       /* number of its first entry */
	int n;               /* entries in it */
	uint8_t bytes[4096];
};

void index_init(struct index *index, enum index_kind kind, int64_t base_offset);
void index_release(struct index *index);
int64_t index_count(const struct index *index);

/* Take the number of entries from the file's size.  1: done; 0: the file is
 * absent or holds no whole number of entries; -1. */
int index_open(struct index *index, const struct logdir *dir, struct err *e);

/* Append an entry of the first two kinds, in memory. */
void index_append(struct index *index, const struct index_entry *entry);

/* For INDEX_TXN, whose entries are bytes: append one in memory; read n of them
 * from the one numbered first on. */
void index_put(struct index *index, const uint8_t entry[INDEX_TXN_SIZE]);
int index_read(const struct index *index, const struct logdir *dir, int64_t first, int n,
	uint8_t *entries, struct err *e);

/* For INDEX_TXN: the number of the first entry whose last offset is at or after
 * the offset, or the count of entries if there is none; -1: failed. */
int64_t index_txn_from(const struct index *index, const struct logdir *dir, int64_t offset,
	struct err *e);

/* Append the tail to the file, which is created if it is absent; not synced.
 * -1: the tail stays in memory. */
int index_write(struct index *index, const struct logdir *dir, struct err *e);

/* The same, and cut off what the file holds after these entries. */
int index_replace(struct index *index, const struct logdir *dir, struct err *e);

/* The entry number i, counted from 0. */
int index_get(const struct index *index, const struct logdir *dir, int64_t i,
	struct index_entry *entry, struct err *e);

/* The number of the last entry that has no field above that of max, and the
 * entry itself; -1: there is none; -2: failed.  page: a cache, or NULL. */
int64_t index_floor(const struct index *index, const struct logdir *dir,
	const struct index_entry *max, struct index_page *page,
	struct index_entry *entry, struct err *e);

#endif
