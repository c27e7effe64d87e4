/*
 * Builds one batch, record by record, in a buffer of the caller's, with no
 * allocation a record: append is a few varints and two copies.
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
	struct buf buf;           /* the batch: header room, then records */
	int32_t count;
	int64_t base_timestamp, max_timestamp;
};
#define BUILDER_INIT { BUF_INIT, 0, 0, 0 }

/* Start anew; the buffer's memory is kept. */
void builder_reset(struct builder *builder);

/* Bytes that the record would add. */
size_t builder_record_size(const struct builder *builder, int64_t timestamp_ms,
	struct str key, struct str value, struct str headers, int32_t nheader);

/* Append a record; headers are nheader encoded ones (builder_put_header). */
void builder_append(struct builder *builder, int64_t timestamp_ms, struct str key,
	struct str value, struct str headers, int32_t nheader);

/* Append each line of the bytes (up to its delimiter, which is left out) as a
 * record of that value, with no key and no headers, as long as a line is
 * whole, the batch stays within size_max bytes, and at most nmax.  Returns how
 * many; *used is the bytes they took of the input, delimiters included.  It
 * does in one go what builder_append does, several times as fast. */
int32_t builder_append_lines(struct builder *builder, int64_t timestamp_ms,
	struct str lines, uint8_t delimiter, size_t size_max, int32_t nmax,
	size_t *used);

/* Append one encoded header to a buf. */
void builder_put_header(struct buf *headers, struct str name, struct str value);

/* Bytes of the batch as it stands, uncompressed, header included. */
static inline size_t
builder_size(const struct builder *builder)
{
	return builder->buf.n;
}

struct builder_producer { /* { -1, -1, -1, false } for none */
	int64_t id;
	int16_t epoch;
	int32_t base_sequence;
	bool is_transactional;
};
#define BUILDER_NO_PRODUCER ((struct builder_producer){ -1, -1, -1, false })

/* Finish: compress (kept only if it is smaller), fill the header, set the CRC.
 * The batch, which has at least one record, is in the builder's buffer, or,
 * compressed, in *packed (reset first).  Returns the slice; valid until
 * either buffer changes. */
struct str builder_finish(struct builder *builder, enum codec codec,
	const struct builder_producer *producer, struct buf *packed);

void builder_release(struct builder *builder);

#endif
