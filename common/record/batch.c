#include "record/batch.h"

#include "base/varint.h"
#include "record/codec.h"
#include "record/crc32c.h"

enum {
	AT_LENGTH = 8,
	AT_LEADER_EPOCH = 12,
	AT_CRC = 17,
	AT_LAST_OFFSET_DELTA = 23,
	AT_BASE_TIMESTAMP = 27,
	AT_MAX_TIMESTAMP = 35,
	AT_PRODUCER_ID = 43,
	AT_PRODUCER_EPOCH = 51,
	AT_BASE_SEQUENCE = 53,
	AT_COUNT = 57,
};

/* Hostile bytes may hold any two numbers: their sum wraps. */
static int64_t
add_wrapping(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

bool
batch_parse(struct batch *batch, const uint8_t *p)
{
	int32_t length = (int32_t)load_be32(p + AT_LENGTH);
	if (length < BATCH_LENGTH_MIN || length > INT32_MAX - BATCH_PREFIX_SIZE
		|| p[BATCH_AT_MAGIC] != BATCH_MAGIC)
		return false;
	*batch = (struct batch){
		.base_offset = (int64_t)load_be64(p),
		.size = length + BATCH_PREFIX_SIZE,
		.leader_epoch = (int32_t)load_be32(p + AT_LEADER_EPOCH),
		.magic = BATCH_MAGIC,
		.crc = load_be32(p + AT_CRC),
		.attributes = (int16_t)load_be16(p + BATCH_AT_ATTRIBUTES),
		.last_offset_delta = (int32_t)load_be32(p + AT_LAST_OFFSET_DELTA),
		.base_timestamp = (int64_t)load_be64(p + AT_BASE_TIMESTAMP),
		.max_timestamp = (int64_t)load_be64(p + AT_MAX_TIMESTAMP),
		.producer_id = (int64_t)load_be64(p + AT_PRODUCER_ID),
		.producer_epoch = (int16_t)load_be16(p + AT_PRODUCER_EPOCH),
		.base_sequence = (int32_t)load_be32(p + AT_BASE_SEQUENCE),
		.count = (int32_t)load_be32(p + AT_COUNT),
	};
	return true;
}

bool
batch_crc_is_good(const struct batch *batch, const uint8_t *p)
{
	assert(batch->size >= BATCH_HEADER_SIZE);
	size_t n = (size_t)batch->size - BATCH_AT_ATTRIBUTES;
	return crc32c(p + BATCH_AT_ATTRIBUTES, n) == batch->crc;
}

void
batch_seal(uint8_t *p)
{
	int64_t size = (int64_t)load_be32(p + AT_LENGTH) + BATCH_PREFIX_SIZE;
	assert(size >= BATCH_HEADER_SIZE && size <= INT32_MAX && p[BATCH_AT_MAGIC] == BATCH_MAGIC);
	store_be32(p + AT_CRC, crc32c(p + BATCH_AT_ATTRIBUTES, (size_t)size - BATCH_AT_ATTRIBUTES));
}

void
batch_set_offset(uint8_t *p, int64_t base_offset, int32_t leader_epoch)
{
	store_be64(p, (uint64_t)base_offset);
	store_be32(p + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void
batch_set_producer(uint8_t *p, int64_t id, int16_t epoch, int32_t base_sequence)
{
	store_be64(p + AT_PRODUCER_ID, (uint64_t)id);
	store_be16(p + AT_PRODUCER_EPOCH, (uint16_t)epoch);
	store_be32(p + AT_BASE_SEQUENCE, (uint32_t)base_sequence);
	batch_seal(p);
}

void
batch_set_attributes(uint8_t *p, int16_t attributes)
{
	store_be16(p + BATCH_AT_ATTRIBUTES, (uint16_t)attributes);
	batch_seal(p);
}

void
batch_set_max_timestamp(uint8_t *p, int64_t ms)
{
	store_be64(p + AT_MAX_TIMESTAMP, (uint64_t)ms);
	batch_seal(p);
}

void
batch_set_log_append_time(uint8_t *p, int64_t now_ms)
{
	store_be64(p + AT_MAX_TIMESTAMP, (uint64_t)now_ms);
	batch_set_attributes(p, (int16_t)(batch_attributes(p) | BATCH_LOG_APPEND_TIME));
}

void
batch_put_header(uint8_t *p, const struct batch *batch)
{
	assert(batch->size >= BATCH_HEADER_SIZE && batch->count >= 0);
	batch_set_offset(p, batch->base_offset, batch->leader_epoch);
	store_be32(p + AT_LENGTH, (uint32_t)(batch->size - BATCH_PREFIX_SIZE));
	p[BATCH_AT_MAGIC] = BATCH_MAGIC;
	store_be16(p + BATCH_AT_ATTRIBUTES, (uint16_t)batch->attributes);
	store_be32(p + AT_LAST_OFFSET_DELTA, (uint32_t)batch->last_offset_delta);
	store_be64(p + AT_BASE_TIMESTAMP, (uint64_t)batch->base_timestamp);
	store_be64(p + AT_MAX_TIMESTAMP, (uint64_t)batch->max_timestamp);
	store_be64(p + AT_PRODUCER_ID, (uint64_t)batch->producer_id);
	store_be16(p + AT_PRODUCER_EPOCH, (uint16_t)batch->producer_epoch);
	store_be32(p + AT_BASE_SEQUENCE, (uint32_t)batch->base_sequence);
	store_be32(p + AT_COUNT, (uint32_t)batch->count);
	batch_seal(p);
}

int
record_iter_begin(struct record_iter *it, const uint8_t *p, size_t size_max,
	struct err *e)
{
	buf_reset(&it->plain);
	it->left = 0;
	it->p = it->end = NULL;
	if (!batch_parse(&it->batch, p))
		return err_set(e, ERR_CORRUPT, "not a record batch");
	const struct batch *batch = &it->batch;
	if (batch->count < 0)
		return err_set(e, ERR_CORRUPT, "batch of %d records", batch->count);
	struct str in = { p + BATCH_HEADER_SIZE, batch->size - BATCH_HEADER_SIZE };
	enum codec codec = (enum codec)(batch->attributes & BATCH_CODEC_MASK);
	if (codec >= CODEC_N)
		return err_set(e, ERR_CORRUPT, "batch of unknown codec %d", codec);
	/* Compaction may leave an empty batch of any codec. */
	if (codec != CODEC_NONE && (batch->count > 0 || in.n > 0)) {
		if (codec_decompress(codec, in, size_max, &it->plain, e))
			return -1;
		it->p = it->plain.p;
		it->end = it->p + it->plain.n;
	} else {
		it->p = in.p;
		it->end = in.p + in.n;
	}
	it->left = batch->count;
	return 0;
}

/* Read an int32; NULL when it is wider. */
static inline const uint8_t *
get_i32(const uint8_t *p, const uint8_t *end, int32_t *v)
{
	int64_t wide;
	p = varint_get(p, end, &wide);
	*v = (int32_t)wide;
	return *v == wide ? p : NULL;
}

/* Read a length and its bytes; a negative length is null. */
static inline const uint8_t *
get_bytes(const uint8_t *p, const uint8_t *end, struct str *s)
{
	int32_t n;
	p = get_i32(p, end, &n);
	*s = STR_NULL;
	if (!p || n < 0)
		return n < -1 ? NULL : p;
	if (n > end - p)
		return NULL;
	*s = (struct str){ p, n };
	return p + n;
}

/* Are there exactly n headers, to the last byte?  header_next relies on it. */
static bool
headers_are_good(struct str headers, int32_t n)
{
	struct str name, value;
	if (n < 0 || n > headers.n / 2)
		return false;
	for (; n > 0; n--)
		if (!header_next(&headers, &name, &value))
			return false;
	return headers.n == 0;
}

int
record_iter_next(struct record_iter *it, struct record *rec, struct err *e)
{
	const struct batch *batch = &it->batch;
	if (it->left == 0) {
		if (unlikely(it->p != it->end))
			return err_set(e, ERR_CORRUPT,
				"%lld bytes behind the last of %d records",
				(long long)(it->end - it->p), batch->count);
		return 0;
	}
	int32_t size, offset_delta;
	int64_t timestamp_delta;
	const uint8_t *p = get_i32(it->p, it->end, &size);
	if (unlikely(!p || size < 1 || size > it->end - p))
		goto bad;
	const uint8_t *end = p + size;
	p = varint_get(p + 1, end, &timestamp_delta); /* no attribute is defined */
	p = get_i32(p, end, &offset_delta);
	p = get_bytes(p, end, &rec->key);
	p = get_bytes(p, end, &rec->value);
	p = get_i32(p, end, &rec->nheader);
	if (unlikely(!p))
		goto bad;
	rec->headers = (struct str){ p, (int32_t)(end - p) };
	if (unlikely(rec->nheader || p != end)
		&& !headers_are_good(rec->headers, rec->nheader))
		goto bad;
	rec->offset = add_wrapping(batch->base_offset, offset_delta);
	rec->timestamp_ms = batch->attributes & BATCH_LOG_APPEND_TIME
		? batch->max_timestamp
		: add_wrapping(batch->base_timestamp, timestamp_delta);
	it->p = end;
	it->left--;
	return 1;
bad:
	return err_set(e, ERR_CORRUPT, "record %d of %d is malformed",
		batch->count - it->left + 1, batch->count);
}

void
record_iter_release(struct record_iter *it)
{
	buf_release(&it->plain);
	*it = (struct record_iter)RECORD_ITER_INIT;
}

bool
header_next(struct str *headers, struct str *name, struct str *value)
{
	if (headers->n <= 0)
		return false;
	const uint8_t *end = headers->p + headers->n;
	const uint8_t *p = get_bytes(headers->p, end, name);
	p = get_bytes(p, end, value);
	if (!p || name->n < 0)
		return false;
	*headers = (struct str){ p, (int32_t)(end - p) };
	return true;
}
