#include "record/builder.h"

#include "record/crc32c.h"
#include "tap.h"

#include <stdio.h>

enum { PLAIN_MAX = 64 << 20 };

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* The records as appended, to compare with those that are read. */
struct want {
	int64_t timestamp_ms;
	struct str key, value, headers;
	int32_t nheader;
};

static uint8_t pool[200000];

/* Null, empty, mostly short, sometimes long. */
static struct str
random_bytes(uint64_t *seed)
{
	static const int32_t n_max[] = { 1, 10, 62, 66, 200, 9000, 70000 };
	uint64_t kind = next_random(seed) % 40;
	if (kind < 5)
		return kind ? STR("") : STR_NULL;
	int32_t n_max_here = n_max[kind < 36 ? kind % 5 : kind % 2 + 5];
	int32_t n = (int32_t)(next_random(seed) % (uint64_t)n_max_here) + 1;
	return (struct str){ pool + next_random(seed) % (sizeof pool - 70001), n };
}

static int64_t
random_timestamp(uint64_t *seed, int64_t last)
{
	switch (next_random(seed) % 20) {
	case 0: return last - (int64_t)(next_random(seed) % 100000);
	case 1: return last + (int64_t)next_random(seed) * 1000;
	case 2: return -1;
	case 3: return next_random(seed) % 2 ? INT64_MAX : INT64_MIN;
	case 4: return 0;
	default: return 1700000000000 + (int64_t)(next_random(seed) % 200);
	}
}

static void
random_record(uint64_t *seed, struct want *w, struct arena *a, int64_t last)
{
	struct buf headers = BUF_INIT;
	w->timestamp_ms = random_timestamp(seed, last > 0 && last < 1ll << 60 ?
		last : 1700000000000);
	w->key = random_bytes(seed);
	w->value = random_bytes(seed);
	w->nheader = next_random(seed) % 3 ? 0 : (int32_t)(next_random(seed) % 70);
	for (int32_t i = 0; i < w->nheader; i++) {
		struct str name = random_bytes(seed);
		if (name.n < 0 || name.n > 1000)
			name = STR("name");
		struct str value = random_bytes(seed);
		if (value.n > 1000)
			value = STR_NULL;
		builder_put_header(&headers, name, value);
	}
	w->headers = w->nheader ? arena_str(a, buf_str(&headers)) : STR_NULL;
	buf_release(&headers);
}

static void
check_batch(struct str s, const struct want *want, int32_t n, int64_t base)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record rec;
	struct batch batch;
	struct err e;
	int64_t timestamp_max = INT64_MIN;
	check(batch_parse(&batch, s.p));
	check_int(batch.size, s.n);
	check_int(batch.count, n);
	check(batch_crc_is_good(&batch, s.p));
	check_int(record_iter_begin(&it, s.p, PLAIN_MAX, &e), 0);
	for (int32_t i = 0; i < n; i++) {
		check_int(record_iter_next(&it, &rec, &e), 1);
		check_int(rec.offset, base + i);
		check_int(rec.timestamp_ms, want[i].timestamp_ms);
		check(str_eq(rec.key, want[i].key));
		check(str_eq(rec.value, want[i].value));
		check_int(rec.nheader, want[i].nheader);
		check(rec.nheader == 0 || str_eq(rec.headers, want[i].headers));
		timestamp_max = MAX(timestamp_max, rec.timestamp_ms);
	}
	check_int(record_iter_next(&it, &rec, &e), 0);
	check_int(batch.max_timestamp, timestamp_max);
	check_int(batch.base_timestamp, want[0].timestamp_ms);
	record_iter_release(&it);
}

void
test_builder__random_batches_come_back_in_every_codec(void)
{
	enum { NROUND = 60, NRECORD_MAX = 300 };
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct arena a = ARENA_INIT;
	static struct want want[NRECORD_MAX];
	uint64_t seed = 20240229;
	for (size_t i = 0; i < sizeof pool; i++)
		pool[i] = (uint8_t)(next_random(&seed) % (i % 1000 < 500 ? 256 : 4));
	for (int round = 0; round < NROUND; round++) {
		uint64_t first_seed = seed;
		int32_t n = 1 + (int32_t)(next_random(&seed) % NRECORD_MAX);
		builder_reset(&builder);
		arena_reset(&a);
		for (int32_t i = 0; i < n; i++) {
			struct want *w = &want[i];
			random_record(&seed, w, &a, i ? want[i - 1].timestamp_ms : 0);
			size_t before = builder_size(&builder);
			size_t size = builder_record_size(&builder, w->timestamp_ms,
				w->key, w->value, w->headers, w->nheader);
			builder_append(&builder, w->timestamp_ms, w->key, w->value,
				w->headers, w->nheader);
			check_int(builder_size(&builder), before + size);
		}
		enum codec codec = (enum codec)(round % CODEC_N);
		printf("# seed %llu, %d records, %s\n",
			(unsigned long long)first_seed, n, codec_name(codec));
		struct str s = builder_finish(&builder, codec, &BUILDER_NO_PRODUCER, &packed);
		batch_set_offset((uint8_t *)s.p, 1000000007, 3);
		check_batch(s, want, n, 1000000007);
	}
	builder_release(&builder);
	buf_release(&packed);
	arena_release(&a);
}

void
test_builder__an_empty_one_has_only_the_header(void)
{
	struct builder builder = BUILDER_INIT;
	builder_reset(&builder);
	check_int(builder_size(&builder), BATCH_HEADER_SIZE);
	builder_append(&builder, 5, STR_NULL, STR("x"), STR_NULL, 0);
	check_int(builder_size(&builder), BATCH_HEADER_SIZE + 8);
	builder_reset(&builder);
	check_int(builder_size(&builder), BATCH_HEADER_SIZE);
	check_int(builder.count, 0);
	builder_release(&builder);
}

void
test_builder__the_producer_is_in_the_header(void)
{
	struct builder builder = BUILDER_INIT;
	struct batch batch;
	struct builder_producer producer = { 1ll << 40, 12, INT32_MAX, true };
	builder_append(&builder, 5, STR_NULL, STR("x"), STR_NULL, 0);
	builder_append(&builder, 3, STR_NULL, STR("y"), STR_NULL, 0);
	struct str s = builder_finish(&builder, CODEC_NONE, &producer, NULL);
	check(batch_parse(&batch, s.p));
	check_int(batch.producer_id, 1ll << 40);
	check_int(batch.producer_epoch, 12);
	check_int(batch.base_sequence, INT32_MAX);
	check_int(batch.attributes, BATCH_TRANSACTIONAL);
	check_int(batch.base_offset, 0);
	check_int(batch.leader_epoch, -1);
	check_int(batch.last_offset_delta, 1);
	check_int(batch.base_timestamp, 5);
	check_int(batch.max_timestamp, 5);
	s = builder_finish(&builder, CODEC_NONE, &BUILDER_NO_PRODUCER, NULL);
	check(batch_parse(&batch, s.p));
	check_int(batch.producer_id, -1);
	check_int(batch.producer_epoch, -1);
	check_int(batch.base_sequence, -1);
	check_int(batch.attributes, 0);
	builder_release(&builder);
}

void
test_builder__what_does_not_get_smaller_stays_plain(void)
{
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct batch batch;
	for (int c = 0; c < CODEC_N; c++) {
		builder_reset(&builder);
		builder_append(&builder, 5, STR_NULL, STR("x"), STR_NULL, 0);
		struct str s = builder_finish(&builder, (enum codec)c,
			&BUILDER_NO_PRODUCER, &packed);
		check(batch_parse(&batch, s.p) && batch_crc_is_good(&batch, s.p));
		check_int(batch.attributes, CODEC_NONE);
		check(s.p == builder.buf.p);
		for (int i = 0; i < 100; i++)
			builder_append(&builder, 5, STR_NULL, STR("x"), STR_NULL, 0);
		s = builder_finish(&builder, (enum codec)c, &BUILDER_NO_PRODUCER,
			&packed);
		check(batch_parse(&batch, s.p) && batch_crc_is_good(&batch, s.p));
		check_int(batch.attributes, c);
		check_int(batch.count, 101);
	}
	builder_release(&builder);
	buf_release(&packed);
}

void
test_builder__memory_is_kept_between_batches(void)
{
	struct builder builder = BUILDER_INIT;
	static uint8_t value[1000];
	const uint8_t *p = NULL;
	for (int round = 0; round < 3; round++) {
		builder_reset(&builder);
		for (int i = 0; i < 1000; i++)
			builder_append(&builder, i, STR_NULL,
				(struct str){ value, sizeof value }, STR_NULL, 0);
		check(round == 0 || builder.buf.p == p);
		p = builder.buf.p;
	}
	builder_release(&builder);
	check(builder.buf.p == NULL);
}

void
test_builder__lines_are_what_append_makes_of_them(void)
{
	struct builder one = BUILDER_INIT, all = BUILDER_INIT;
	struct buf text = BUF_INIT;
	for (int i = 0; i < 20000; i++) { /* sizes across every varint border */
		for (int k = 0; k < (i * 7919) % 300; k++)
			buf_putc(&text, (char)('a' + k % 26));
		buf_putc(&text, ';');
	}
	const uint8_t *at = text.p, *end = text.p + text.n;
	builder_reset(&one);
	while (at < end) {
		const uint8_t *hit = memchr(at, ';', (size_t)(end - at));
		builder_append(&one, 1000 + one.count / 1000, STR_NULL,
			(struct str){ at, (int32_t)(hit - at) }, STR(""), 0);
		at = hit + 1;
	}
	builder_reset(&all);
	size_t done = 0, used;
	for (int32_t n; done < text.n; done += used) { /* 1000 at a time */
		struct str rest = { text.p + done, (int32_t)(text.n - done) };
		n = builder_append_lines(&all, 1000 + all.count / 1000, rest, ';', 64 << 20, 1000, &used);
		check_int(n, 1000);
	}
	check_int(all.count, one.count);
	check_int(all.max_timestamp, one.max_timestamp);
	check_int(all.buf.n, one.buf.n);
	check(memcmp(all.buf.p + BATCH_HEADER_SIZE, one.buf.p + BATCH_HEADER_SIZE,
		all.buf.n - BATCH_HEADER_SIZE) == 0);
	builder_release(&one);
	builder_release(&all);
	buf_release(&text);
}

void
test_builder__lines_stop_where_they_should(void)
{
	struct builder builder = BUILDER_INIT;
	size_t used;
	builder_reset(&builder);
	/* The last line is not whole. */
	check_int(builder_append_lines(&builder, 5, STR("a\n\nbc\nde"), '\n', 1000, 100, &used), 3);
	check_int(used, 6);
	check_int(builder.count, 3);
	/* No room for one more byte than size_max. */
	size_t before = builder.buf.n;
	check_int(builder_append_lines(&builder, 5, STR("0123456789\n"), '\n', before + 9, 100, &used),
		0);
	check_int(used, 0);
	check_int(builder.buf.n, before);
	check_int(builder_append_lines(&builder, 5, STR(""), '\n', 1000, 100, &used), 0);
	check_int(builder_append_lines(&builder, 5, STR("x\ny\n"), '\n', 1000, 1, &used), 1);
	check_int(used, 2);
	builder_release(&builder);
}
