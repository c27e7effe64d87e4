/*
 * A batch from the network.  Its length and CRC are corrected first, so that the
 * records are tested and not these two fields.
 *
 * A batch that passes the inspection can be read completely; and the inspection
 * gives the same result for plain records at once and in pieces of any size.
 */
#include "record/batch.h"
#include "record/codec.h"
#include "record/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const uint8_t *p)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record r;
	struct err e;
	int32_t nrecord = 0;
	int rc = record_iter_begin(&it, p, 1 << 20, &e);
	assert(it.plain.n <= 1 << 20);
	while (rc == 0 && (rc = record_iter_next(&it, &r, &e)) == 1) {
		struct str left = r.headers, name, value;
		int32_t nheader = 0;
		while (header_next(&left, &name, &value))
			nheader++;
		assert(nheader == r.nheader);
		nrecord++;
		rc = 0;
	}
	assert(rc < 0 || nrecord == it.batch.count);
	record_iter_release(&it);
}

enum { PLAIN_MAX = 1 << 20 };

/* Read a batch that passed, and compare. */
static void
read_whole(const uint8_t *p, const struct inspection *seen)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record r;
	struct err e;
	int32_t n = 0, nkeyless = 0;
	int64_t min = INT64_MAX, max = INT64_MIN;
	int rc = record_iter_begin(&it, p, PLAIN_MAX, &e);
	assert(rc == 0);
	it.batch.attributes &= ~BATCH_LOG_APPEND_TIME;
	while ((rc = record_iter_next(&it, &r, &e)) == 1) {
		assert((uint64_t)r.offset == (uint64_t)it.batch.base_offset + (uint64_t)n);
		n++;
		nkeyless += r.key.n < 0;
		min = MIN(min, r.timestamp_ms);
		max = MAX(max, r.timestamp_ms);
	}
	assert(rc == 0 && n == it.batch.count);
	assert(nkeyless == seen->nkeyless && min == seen->min_timestamp && max == seen->max_timestamp);
	record_iter_release(&it);
}

static void
add_up(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless)
{
	struct inspection *sum = arg;
	(void)index;
	sum->nkeyless += is_keyless;
	sum->min_timestamp = MIN(sum->min_timestamp, timestamp_ms);
	sum->max_timestamp = MAX(sum->max_timestamp, timestamp_ms);
}

/* Record by record the result is the same. */
static void
inspect_each(const uint8_t *p, const struct batch *b, const struct inspection *seen)
{
	struct inspection sum = { INT64_MAX, INT64_MIN, 0 };
	struct err e;
	int rc = batch_inspect_each(b, p, PLAIN_MAX, add_up, &sum, &e);
	assert(rc == 0 && sum.nkeyless == seen->nkeyless);
	assert(sum.min_timestamp == seen->min_timestamp && sum.max_timestamp == seen->max_timestamp);
}

/* The plain batch with its records in pieces of this many bytes: a snappy stream. */
static void
put_pieces(struct buf *out, const uint8_t *p, const struct batch *b, int32_t piece)
{
	static const uint8_t header[16] = "\202SNAPPY\0\0\0\0\1\0\0\0\1";
	buf_put(out, p, BATCH_HEADER_SIZE);
	buf_put(out, header, sizeof header);
	for (int32_t at = BATCH_HEADER_SIZE; at < b->size; at += piece) {
		size_t head = out->n;
		buf_grow(out, 4);
		codec_compress(CODEC_SNAPPY, (struct str){ p + at, MIN(piece, b->size - at) }, out);
		store_be32(out->p + head, (uint32_t)(out->n - head - 4));
	}
	store_be32(out->p + 8, (uint32_t)(out->n - BATCH_PREFIX_SIZE));
	out->p[22] |= CODEC_SNAPPY;
}

static void
inspect(const uint8_t *p, const struct batch *b)
{
	struct inspection seen, again;
	struct err e;
	enum codec c = (enum codec)(b->attributes & BATCH_CODEC_MASK);
	if (b->count <= 0 || c >= CODEC_N)
		return;
	int rc = batch_inspect(b, p, PLAIN_MAX, INT32_MAX, &seen, &e);
	if (rc == 0) {
		read_whole(p, &seen);
		inspect_each(p, b, &seen);
	}
	if (c != CODEC_NONE || b->size > 4096)
		return;
	struct buf pieces = BUF_INIT;
	struct batch cut;
	put_pieces(&pieces, p, b, 1 + p[20] % 32);
	bool is_batch = batch_parse(&cut, pieces.p);
	assert(is_batch);
	int rc_again = batch_inspect(&cut, pieces.p, PLAIN_MAX, INT32_MAX, &again, &e);
	assert(rc_again == rc);
	assert(rc || (again.nkeyless == seen.nkeyless && again.min_timestamp == seen.min_timestamp
		&& again.max_timestamp == seen.max_timestamp));
	buf_release(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch b;
	if (size < BATCH_HEADER_SIZE || size > 1 << 20)
		return 0;
	uint8_t *p = mem_alloc(size);
	memcpy(p, data, size);
	if (batch_parse(&b, p) && (size_t)b.size <= size)
		batch_crc_is_good(&b, p);
	store_be32(p + 8, (uint32_t)(size - BATCH_PREFIX_SIZE));
	p[16] = 2;
	batch_seal(p);
	bool is_batch = batch_parse(&b, p) && batch_crc_is_good(&b, p);
	assert(is_batch);
	walk(p);
	inspect(p, &b);
	batch_set_log_append_time(p, 1);
	is_batch = batch_parse(&b, p) && batch_crc_is_good(&b, p);
	assert(is_batch);
	mem_free(p);
	return 0;
}
