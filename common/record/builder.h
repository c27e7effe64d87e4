/*
 * Builds one batch, record by record, without an allocation for each: an append
 * is a few varints and two copies.
 *
 * Uses: base, batch, codec.  One thread at a time.
 */
#ifndef KQ_RECORD_BUILDER_H
#define KQ_RECORD_BUILDER_H

#include "base/mem.h"
#include "base/varint.h"
#include "record/batch.h"
#include "record/codec.h"

struct builder {
	struct buf buf; /* the batch: room for the header, then records */
	int32_t count;  /* records */
	int64_t base_timestamp, max_timestamp; /* ms */
};
#define BUILDER_INIT { BUF_INIT, 0, 0, 0 }

/* Remove all records; the buffer's memory is kept. */
void builder_reset(struct builder *builder);

/* The bytes that the record would add. */
size_t builder_record_size(const struct builder *builder, int64_t timestamp_ms,
	struct str key, struct str value, struct str headers, int32_t nheader);

/* Append a record; headers are nheader ones, encoded by builder_put_header. */
void builder_append(struct builder *builder, int64_t timestamp_ms, struct str key,
	struct str value, struct str headers, int32_t nheader);

/* Append each line of the bytes, without its delimiter, as a record of that
 * value with no key and no headers: whole lines only, at most nmax, and while
 * the batch stays within size_max bytes.  Returns their number; *used: the bytes
 * of the input that they took, delimiters included.  The same as a
 * builder_append for each, several times as fast. */
int32_t builder_append_lines(struct builder *builder, int64_t timestamp_ms,
	struct str lines, uint8_t delimiter, size_t size_max, int32_t nmax,
	size_t *used);

/* Encode a header, appended to headers. */
void builder_put_header(struct buf *headers, struct str name, struct str value);

/* The bytes of the batch so far, uncompressed, header included. */
static inline size_t
builder_size(const struct builder *builder)
{
	return builder->buf.n;
}

struct builder_producer { /* BUILDER_NO_PRODUCER: none */
	int64_t id;
	int16_t epoch;
	int32_t base_sequence;
	bool is_transactional;
};
#define BUILDER_NO_PRODUCER ((struct builder_producer){ -1, -1, -1, false })

/* Finish a batch of at least one record: compress it (if that makes it smaller),
 * fill the header, set the CRC.  Returns its bytes, which are in the builder's
 * buffer or, compressed, in *packed (reset first; unused without a codec), and
 * valid until that buffer changes. */
struct str builder_finish(struct builder *builder, enum codec codec,
	const struct builder_producer *producer, struct buf *packed);

void builder_release(struct builder *builder);

#endif
