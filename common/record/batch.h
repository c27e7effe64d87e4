/*
 * Record batches of magic 2: reading, checking, changing the header.
 *
 *   0  base offset i64      | 8 length i32 (bytes after it) | 12 leader epoch i32
 *  16  magic i8 = 2         | 17 crc u32 (of 21..end)        | 21 attributes i16
 *  23  last offset delta i32| 27 base timestamp i64          | 35 max timestamp i64
 *  43  producer id i64      | 51 producer epoch i16          | 53 base sequence i32
 *  57  record count i32     | 61 records, compressed together by the codec
 *
 * Base offset and leader epoch are outside the CRC: a broker sets them
 * without reading the rest.  Source: Kafka's DefaultRecordBatch.java and
 * DefaultRecord.java.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_RECORD_BATCH_H
#define KQ_RECORD_BATCH_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

enum {
	BATCH_HEADER_SIZE = 61,
	BATCH_PREFIX_SIZE = 12, /* base offset and length, not counted in length */
	BATCH_LENGTH_MIN = BATCH_HEADER_SIZE - BATCH_PREFIX_SIZE,
	BATCH_MAGIC = 2,
	BATCH_AT_MAGIC = 16,
	BATCH_AT_ATTRIBUTES = 21, /* the CRC covers all from here on */
};

enum batch_attribute {
	BATCH_CODEC_MASK = 7,
	BATCH_LOG_APPEND_TIME = 8,
	BATCH_TRANSACTIONAL = 16,
	BATCH_CONTROL = 32,
	BATCH_DELETE_HORIZON = 64,
};

struct batch {
	int64_t base_offset;
	int32_t size; /* bytes of the whole batch, header included */
	int32_t leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp, max_timestamp; /* ms; -1: none */
	int64_t producer_id;                   /* -1: none */
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t count; /* records */
};

static inline int64_t
batch_last_offset(const struct batch *batch)
{
	/* unsigned: a hostile header may hold any two numbers */
	return (int64_t)((uint64_t)batch->base_offset
		+ (uint64_t)(int64_t)batch->last_offset_delta);
}

/* Read the header of BATCH_HEADER_SIZE bytes at p.  False: the length or the
 * magic is not one of a batch.  The records are not read and need not follow. */
bool batch_parse(struct batch *batch, const uint8_t *p);

/* A single field of the header at p, which may be malformed otherwise. */
static inline int8_t
batch_magic(const uint8_t *p)
{
	return (int8_t)p[BATCH_AT_MAGIC];
}

static inline int16_t
batch_attributes(const uint8_t *p)
{
	return (int16_t)load_be16(p + BATCH_AT_ATTRIBUTES);
}

/* Does the CRC match the batch, all of whose bytes are at p? */
bool batch_crc_is_good(const struct batch *batch, const uint8_t *p);

/* Write the header at p, in front of the records that are there already, and
 * the CRC.  batch->magic and ->crc are ignored. */
void batch_put_header(uint8_t *p, const struct batch *batch);

/* Compute and set the CRC of the batch at p, all of whose bytes are there.  The
 * setters below do so for what they change, unless it is not covered. */
void batch_seal(uint8_t *p);

/* Set base offset and leader epoch; no CRC covers them. */
void batch_set_offset(uint8_t *p, int64_t base_offset, int32_t leader_epoch);

/* Set the producer and the sequence number of the first record. */
void batch_set_producer(uint8_t *p, int64_t id, int16_t epoch, int32_t base_sequence);

void batch_set_attributes(uint8_t *p, int16_t attributes);

void batch_set_max_timestamp(uint8_t *p, int64_t ms);

/* Turn the batch to LogAppendTime: the attribute and the max timestamp. */
void batch_set_log_append_time(uint8_t *p, int64_t now_ms);

/* One record; its slices borrow from the batch's (decompressed) bytes. */
struct record {
	int64_t offset, timestamp_ms;
	struct str key, value; /* n -1: null */
	struct str headers;    /* nheader of them, encoded: see header_next */
	int32_t nheader;
};

/* Iterates over the records of a batch.  A compressed one is decompressed into
 * the iterator's own memory, at most size_max bytes. */
struct record_iter {
	const uint8_t *p, *end;
	struct batch batch;
	int32_t left;     /* records to come */
	struct buf plain; /* decompressed bytes; the memory is kept */
};
#define RECORD_ITER_INIT { NULL, NULL, { 0 }, 0, BUF_INIT }

/* Begin with the batch at p, all of whose bytes are there.  -1: ERR_CORRUPT, it
 * is no batch or does not decompress; ERR_LIMIT, it is too large.  No record
 * follows then. */
int record_iter_begin(struct record_iter *it, const uint8_t *p,
	size_t size_max, struct err *e);

/* The next record.  1: in *rec; 0: no more; -1: ERR_CORRUPT, bad bytes. */
int record_iter_next(struct record_iter *it, struct record *rec, struct err *e);

void record_iter_release(struct record_iter *it);

/* Take the next header off *headers.  The slices point into it; a value may be
 * null.  False: there is none left, or the bytes are bad. */
bool header_next(struct str *headers, struct str *name, struct str *value);

#endif
