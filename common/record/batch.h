/*
 * Record batches of magic 2: reading and checking.
 *
 *   0  base offset i64      | 8 length i32 (bytes behind it) | 12 leader epoch i32
 *  16  magic i8 = 2         | 17 crc u32 (of 21..end)        | 21 attributes i16
 *  23  last offset delta i32| 27 base timestamp i64          | 35 max timestamp i64
 *  43  producer id i64      | 51 producer epoch i16          | 53 base sequence i32
 *  57  record count i32     | 61 records, compressed as a whole by the codec
 *
 * Base offset and leader epoch are outside the CRC: a broker sets them
 * without touching the rest.  Source: Kafka's DefaultRecordBatch.java and
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
	BATCH_PREFIX_SIZE = 12, /* base offset and length: what length leaves out */
	BATCH_LENGTH_MIN = BATCH_HEADER_SIZE - BATCH_PREFIX_SIZE,
	BATCH_MAGIC = 2,
	BATCH_AT_MAGIC = 16,
	BATCH_AT_ATTRIBUTES = 21, /* the CRC is of here to the end */
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
	int32_t size; /* of the whole batch, header included */
	int32_t leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp, max_timestamp; /* ms; -1: none */
	int64_t producer_id;                   /* -1: none */
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t count;
};

static inline int64_t
batch_last_offset(const struct batch *batch)
{
	/* in unsigned: a hostile header may hold any two numbers */
	return (int64_t)((uint64_t)batch->base_offset +
		(uint64_t)(int64_t)batch->last_offset_delta);
}

/* Read a header from BATCH_HEADER_SIZE bytes at p.  False when
 * the length or the magic can't be a batch's; the bytes behind the header are
 * not looked at and need not be there. */
bool batch_parse(struct batch *batch, const uint8_t *p);

/* Single fields of the header at p, which need not be good otherwise. */
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

/* Is the batch, whose size bytes are all at p, what its CRC says? */
bool batch_crc_is_good(const struct batch *batch, const uint8_t *p);

/* Write the header of a batch whose records are behind it already, and the CRC;
 * batch->magic and ->crc are ignored. */
void batch_put_header(uint8_t *p, const struct batch *batch);

/* Set the CRC of the batch at p, all of whose bytes are there. */
void batch_seal(uint8_t *p);

/* Write offset and leader epoch into the batch at p. */
void batch_set_offset(uint8_t *p, int64_t base_offset, int32_t leader_epoch);

/* Give the batch at p to another producer, from base_sequence on: header and
 * CRC. */
void batch_set_producer(uint8_t *p, int64_t id, int16_t epoch, int32_t base_sequence);

/* Give the batch at p other attributes, and the CRC that goes with them. */
void batch_set_attributes(uint8_t *p, int16_t attributes);

/* Give the batch at p another max timestamp, and the CRC that goes with it. */
void batch_set_max_timestamp(uint8_t *p, int64_t ms);

/* Turn the batch at p to LogAppendTime: attribute bit, max timestamp, CRC. */
void batch_set_log_append_time(uint8_t *p, int64_t now_ms);

/* One record; the slices borrow from the batch's (decompressed) bytes. */
struct record {
	int64_t offset, timestamp_ms;
	struct str key, value; /* null: n -1 */
	struct str headers;    /* nheader of them, encoded; see header_next */
	int32_t nheader;
};

/* Walks the records of a batch.  Opens a compressed one into memory of its
 * own, never more than size_max bytes. */
struct record_iter {
	const uint8_t *p, *end;
	struct batch batch;
	int32_t left;
	struct buf plain; /* of a compressed batch; kept for the next */
};
#define RECORD_ITER_INIT { NULL, NULL, { 0 }, 0, BUF_INIT }

/* Begin with the batch at p, all of whose bytes are there.  Returns 0, or -1
 * with ERR_CORRUPT (does not decompress) or ERR_LIMIT (too large). */
int record_iter_begin(struct record_iter *it, const uint8_t *p,
	size_t size_max, struct err *e);

/* The next record.  1: *r is it; 0: no more; -1: bad bytes. */
int record_iter_next(struct record_iter *it, struct record *rec, struct err *e);

void record_iter_release(struct record_iter *it);

/* Take the next header off *headers.  The slices point into it; a value may
 * be null.  False when there is none left (or the bytes are bad). */
bool header_next(struct str *headers, struct str *name, struct str *value);

#endif
