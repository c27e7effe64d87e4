#include "record/builder.h"

#include "base/varint.h"

void
builder_reset(struct builder *builder)
{
	buf_reset(&builder->buf);
	memset(buf_grow(&builder->buf, BATCH_HEADER_SIZE), 0, BATCH_HEADER_SIZE);
	builder->count = 0;
	builder->base_timestamp = builder->max_timestamp = -1;
}

static inline size_t
varint_size(int64_t v)
{
	return (size_t)uvarint_size(zigzag(v));
}

static inline size_t
bytes_of(struct str s)
{
	return s.n > 0 ? (size_t)s.n : 0;
}

/* Relative to the batch's base.  Any two numbers are allowed, so it may wrap. */
static inline int64_t
timestamp_delta(const struct builder *builder, int64_t timestamp_ms)
{
	if (builder->count == 0)
		return 0;
	return (int64_t)((uint64_t)timestamp_ms - (uint64_t)builder->base_timestamp);
}

/* The bytes of a record after its size. */
static inline size_t
body_size(const struct builder *builder, int64_t delta, struct str key,
	struct str value, struct str headers, int32_t nheader)
{
	return 1 + varint_size(delta) + varint_size(builder->count) +
		varint_size(key.n) + bytes_of(key) +
		varint_size(value.n) + bytes_of(value) +
		varint_size(nheader) + bytes_of(headers);
}

size_t
builder_record_size(const struct builder *builder, int64_t timestamp_ms,
	struct str key, struct str value, struct str headers, int32_t nheader)
{
	size_t n = body_size(builder, timestamp_delta(builder, timestamp_ms), key, value,
		headers, nheader);
	return varint_size((int64_t)n) + n;
}

static inline uint8_t *
put_bytes(uint8_t *p, struct str s)
{
	p = varint_put(p, s.n);
	if (s.n <= 0)
		return p;
	memcpy(p, s.p, (size_t)s.n);
	return p + s.n;
}

void
builder_append(struct builder *builder, int64_t timestamp_ms, struct str key,
	struct str value, struct str headers, int32_t nheader)
{
	assert(nheader >= 0);
	assert(builder->count < INT32_MAX);
	if (builder->count == 0) {
		builder_reset(builder);
		builder->base_timestamp = builder->max_timestamp = timestamp_ms;
	}
	int64_t delta = timestamp_delta(builder, timestamp_ms);
	size_t n = body_size(builder, delta, key, value, headers, nheader);
	if (unlikely(builder->buf.cap - builder->buf.n < n + VARINT32_MAX))
		buf_reserve(&builder->buf, n + VARINT32_MAX);
	uint8_t *p = builder->buf.p + builder->buf.n, *begin = p;
	p = varint_put(p, (int64_t)n);
	const uint8_t *end = p + n;
	*p++ = 0;
	p = varint_put(p, delta);
	p = varint_put(p, builder->count);
	p = put_bytes(p, key);
	p = put_bytes(p, value);
	p = varint_put(p, nheader);
	if (headers.n > 0) {
		memcpy(p, headers.p, (size_t)headers.n);
		p += headers.n;
	}
	assert(p == end);
	builder->buf.n += (size_t)(p - begin);
	assert(builder->buf.n <= INT32_MAX);
	builder->max_timestamp = MAX(builder->max_timestamp, timestamp_ms);
	builder->count++;
}

int32_t
builder_append_lines(struct builder *builder, int64_t timestamp_ms, struct str lines,
	uint8_t delimiter, size_t size_max, int32_t nmax, size_t *used)
{
	/* The bytes of a record around its value, at most: size, attributes, two
	 * deltas, no key, the value's size, no headers. */
	enum { AROUND = 2 * VARINT32_MAX + 1 + VARINT64_MAX + VARINT32_MAX + 2 };
	const uint8_t *at = lines.p, *end = lines.p + lines.n;
	int32_t n = 0;
	*used = 0;
	if (builder->count == 0) {
		builder_reset(builder);
		builder->base_timestamp = builder->max_timestamp = timestamp_ms;
	}
	if (size_max <= builder->buf.n || lines.n <= 0)
		return 0;
	buf_reserve(&builder->buf, size_max - builder->buf.n);
	int64_t delta = timestamp_delta(builder, timestamp_ms);
	int delta_size = varint_size(delta);
	uint8_t *p = builder->buf.p + builder->buf.n, *limit = builder->buf.p + size_max;
	for (; n < nmax && at < end; n++) {
		const uint8_t *hit = memchr(at, delimiter, (size_t)(end - at));
		if (!hit)
			break;
		int64_t size = hit - at, count = builder->count + n;
		if (limit - p < size + AROUND || count == INT32_MAX)
			break;
		p = varint_put(p, 3 + delta_size + varint_size(count) + varint_size(size) + size);
		*p++ = 0; /* attributes */
		p = varint_put(p, delta);
		p = varint_put(p, count);
		*p++ = 1; /* -1: no key */
		p = varint_put(p, size);
		memcpy(p, at, (size_t)size);
		p += size;
		*p++ = 0; /* headers */
		at = hit + 1;
	}
	builder->buf.n = (size_t)(p - builder->buf.p);
	builder->count += n;
	if (n)
		builder->max_timestamp = MAX(builder->max_timestamp, timestamp_ms);
	*used = (size_t)(at - lines.p);
	return n;
}

void
builder_put_header(struct buf *headers, struct str name, struct str value)
{
	assert(name.n >= 0);
	size_t n = 2 * VARINT32_MAX + bytes_of(name) + bytes_of(value);
	buf_reserve(headers, n);
	uint8_t *p = put_bytes(headers->p + headers->n, name);
	p = put_bytes(p, value);
	headers->n = (size_t)(p - headers->p);
}

static void
put_header(const struct builder *builder, enum codec codec,
	const struct builder_producer *producer, struct buf *bytes)
{
	int attributes = (int)codec | (producer->is_transactional ? BATCH_TRANSACTIONAL : 0);
	batch_put_header(bytes->p, &(struct batch){
		.leader_epoch = -1,
		.size = (int32_t)bytes->n,
		.attributes = (int16_t)attributes,
		.last_offset_delta = builder->count - 1,
		.base_timestamp = builder->base_timestamp,
		.max_timestamp = builder->max_timestamp,
		.producer_id = producer->id,
		.producer_epoch = producer->epoch,
		.base_sequence = producer->base_sequence,
		.count = builder->count,
	});
}

struct str
builder_finish(struct builder *builder, enum codec codec,
	const struct builder_producer *producer, struct buf *packed)
{
	assert(builder->count > 0);
	struct buf *done = &builder->buf;
	if (codec != CODEC_NONE) {
		struct str plain = { builder->buf.p + BATCH_HEADER_SIZE,
			(int32_t)(builder->buf.n - BATCH_HEADER_SIZE) };
		buf_reset(packed);
		buf_grow(packed, BATCH_HEADER_SIZE);
		codec_compress(codec, plain, packed);
		if (packed->n < builder->buf.n)
			done = packed;
		else
			codec = CODEC_NONE;
	}
	put_header(builder, codec, producer, done);
	return buf_str(done);
}

void
builder_release(struct builder *builder)
{
	buf_release(&builder->buf);
	*builder = (struct builder)BUILDER_INIT;
}
