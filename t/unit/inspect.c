#include "record/inspect.h"

#include "record/builder.h"
#include "record/codec.h"
#include "tap.h"

#include <stdio.h>

enum { PLAIN_MAX = 1 << 20 };

/* A batch of these records, packed; its CRC is not looked at. */
static struct str
make(struct buf *out, int32_t count, struct str records, enum codec codec)
{
	buf_reset(out);
	memset(buf_grow(out, BATCH_HEADER_SIZE), 0, BATCH_HEADER_SIZE);
	codec_compress(codec, records, out);
	store_be32(out->p + 8, (uint32_t)(out->n - BATCH_PREFIX_SIZE));
	out->p[16] = 2;
	out->p[22] = (uint8_t)codec;
	store_be64(out->p + 27, 1000); /* the base timestamp */
	store_be32(out->p + 57, (uint32_t)count);
	return buf_str(out);
}

static int
inspect_as(struct str s, int32_t record_max, struct inspection *seen, struct err *e)
{
	struct batch batch;
	check(batch_parse(&batch, s.p));
	check_int(batch.size, s.n);
	return batch_inspect(&batch, s.p, PLAIN_MAX, record_max, seen, e);
}

/* A snappy stream with a block for each byte. */
static struct str
make_pieces(struct buf *out, int32_t count, struct str records)
{
	make(out, count, STR("\202SNAPPY\0\0\0\0\1\0\0\0\1"), CODEC_NONE);
	for (int32_t i = 0; i < records.n; i++) {
		size_t head = out->n;
		buf_grow(out, 4);
		codec_compress(CODEC_SNAPPY, (struct str){ records.p + i, 1 }, out);
		store_be32(out->p + head, (uint32_t)(out->n - head - 4));
	}
	store_be32(out->p + 8, (uint32_t)(out->n - BATCH_PREFIX_SIZE));
	out->p[22] = CODEC_SNAPPY;
	return buf_str(out);
}

/* The result must be the same with every codec.  Zeros follow a bad record that
 * comes after an ordinary one, which takes the fast path. */
static void
check_in_all(const char *name, int32_t count, struct str records, int want)
{
	struct inspection seen;
	struct err e;
	struct buf b = BUF_INIT;
	for (int c = CODEC_NONE; c < CODEC_N; c++)
		if (inspect_as(make(&b, count, records, (enum codec)c), INT32_MAX, &seen, &e) != want)
			tap_fail(__FILE__, __LINE__, "%s in %s", name, codec_name((enum codec)c));
	if (records.n > 0 && inspect_as(make_pieces(&b, count, records), INT32_MAX, &seen, &e) != want)
		tap_fail(__FILE__, __LINE__, "%s in pieces", name);
	buf_release(&b);
}

#define GOOD "\x10\0\0\0\2k\2v\0" /* key k, value v, no headers */
#define GOOD_1 "\x10\0\0\2\2k\2v\0"

static const struct {
	const char *name;
	int32_t count;
	struct str records;
	int want; /* 0: good */
} cases[] = {
	{ "one", 1, STR(GOOD), 0 },
	{ "two", 2, STR(GOOD GOOD_1), 0 },
	{ "null key and value", 1, STR("\x0c\0\0\0\1\1\0"), 0 },
	{ "empty key and value", 1, STR("\x0c\0\0\0\0\0\0"), 0 },
	{ "unknown attributes", 1, STR("\x0c\xff\0\0\1\1\0"), 0 },
	{ "header", 1, STR("\x14\0\0\0\1\1\2\2n\2v"), 0 },
	{ "header of a null value", 1, STR("\x12\0\0\0\1\1\2\2n\1"), 0 },
	{ "header of an empty name", 1, STR("\x12\0\0\0\1\1\2\0\2v"), 0 },
	{ "two headers", 1, STR("\x1c\0\0\0\1\1\4\2n\2v\2m\2w"), 0 },
	{ "overlong integer", 1, STR("\x0e\0\0\x80\0\1\1\0"), 0 },
	{ "none", 1, STR(""), -1 },
	{ "count too high", 2, STR(GOOD), -1 },
	{ "count too low", 1, STR(GOOD GOOD_1), -1 },
	{ "bytes behind", 1, STR(GOOD "\0"), -1 },
	{ "half an integer behind", 1, STR(GOOD "\x80"), -1 },
	{ "size 0", 1, STR("\0"), -1 },
	{ "negative size", 1, STR("\x0f\0\0\0\2k\2v\0"), -1 },
	{ "size too large", 1, STR("\x12\0\0\0\2k\2v\0"), -1 },
	{ "size too small", 1, STR("\x0e\0\0\0\2k\2v\0"), -1 },
	{ "a byte behind the headers", 1, STR("\x12\0\0\0\2k\2v\0z"), -1 },
	{ "size of six bytes", 1, STR("\x90\x80\x80\x80\x80\0\0\0\0\2k\2v\0"), -1 },
	{ "size of 33 bits", 1, STR("\x90\x80\x80\x80\x10\0\0\0\2k\2v\0"), -1 },
	{ "timestamp of 65 bits", 1,
		STR("\x22\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\2\0\2k\2v\0"), -1 },
	{ "offset delta 1 first", 1, STR(GOOD_1), -1 },
	{ "offset delta -1", 1, STR("\x10\0\0\1\2k\2v\0"), -1 },
	{ "the same offset twice", 2, STR(GOOD GOOD), -1 },
	{ "offset delta left out", 2, STR(GOOD "\x10\0\0\4\2k\2v\0"), -1 },
	{ "key length -2", 1, STR("\x0e\0\0\0\3\2v\0"), -1 },
	{ "value length -2", 1, STR("\x0e\0\0\0\2k\3\0"), -1 },
	{ "key beyond the record", 1, STR("\x10\0\0\0\x40k\2v\0"), -1 },
	{ "value beyond the record", 2, STR("\x10\0\0\0\2k\6v\0" GOOD_1), -1 },
	{ "huge key", 1, STR("\x16\0\0\0\xfe\xff\xff\xff\x0f\2v\0"), -1 },
	{ "negative number of headers", 1, STR("\x10\0\0\0\2k\2v\1"), -1 },
	{ "fewer headers than counted", 1, STR("\x14\0\0\0\1\1\4\2n\2v"), -1 },
	{ "more headers than counted", 1, STR("\x1c\0\0\0\1\1\2\2n\2v\2m\2w"), -1 },
	{ "header of a null name", 1, STR("\x12\0\0\0\1\1\2\1\2v"), -1 },
	{ "header value length -2", 1, STR("\x12\0\0\0\1\1\2\2n\3"), -1 },
	{ "no number of headers", 1, STR("\x0e\0\0\0\2k\2v"), -1 },
};

void
test_inspect__judges_every_record(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_in_all(cases[i].name, cases[i].count, cases[i].records, cases[i].want);
}

/* The fast path needs bytes after a record: many good ones follow, and each bad
 * one stands third. */
void
test_inspect__judges_records_among_others(void)
{
	struct buf b = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].count != 1 || cases[i].records.n < 4)
			continue;
		buf_reset(&b);
		for (int32_t k = 0; k < 40; k++) {
			size_t at = b.n;
			bool is_it = k == 0;
			buf_put_str(&b, is_it ? cases[i].records : STR(GOOD));
			if (!is_it)
				b.p[at + 3] = (uint8_t)(k << 1);
		}
		check_in_all(cases[i].name, 40, buf_str(&b), cases[i].want);
	}
	buf_release(&b);
}

static void
fill(struct builder *builder, int32_t n, char *value)
{
	struct buf headers = BUF_INIT;
	builder_put_header(&headers, STR("name"), STR("value"));
	builder_reset(builder);
	for (int32_t i = 0; i < n; i++) {
		int32_t size = i % 100 == 99 ? 70000 : i % 300;
		memset(value, 'a' + i % 26, (size_t)size);
		builder_append(builder, 1700000000000 + i % 7 * 1000 - i % 5, i % 3 ? STR("key") : STR_NULL,
			(struct str){ (uint8_t *)value, size }, i % 2 ? buf_str(&headers) : STR_NULL, i % 2);
	}
	buf_release(&headers);
}

void
test_inspect__sees_times_and_keys_in_every_codec(void)
{
	static char value[70000];
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct inspection seen;
	struct err e;
	for (int c = CODEC_NONE; c < CODEC_N; c++) {
		fill(&builder, 600, value);
		struct str s = builder_finish(&builder, (enum codec)c, &BUILDER_NO_PRODUCER, &packed);
		check_int(inspect_as(s, INT32_MAX, &seen, &e), 0);
		check_int(seen.nkeyless, 200);
		check_int(seen.min_timestamp, 1700000000000 - 4);
		check_int(seen.max_timestamp, 1700000000000 + 6000);
		check_int(inspect_as(s, 70000, &seen, &e), c ? -1 : 0);
		if (c)
			check_int(e.class, ERR_LIMIT);
	}
	fill(&builder, 3000, value);
	struct str s = builder_finish(&builder, CODEC_ZSTD, &BUILDER_NO_PRODUCER, &packed);
	check_int(inspect_as(s, INT32_MAX, &seen, &e), -1);
	check_int(e.class, ERR_LIMIT); /* more than PLAIN_MAX in all */
	builder_release(&builder);
	buf_release(&packed);
}

static void
check_one(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless)
{
	int32_t *n = arg;
	check_int(index, *n);
	check_int(timestamp_ms, 1700000000000 + index % 7 * 1000 - index % 5);
	check_int(is_keyless, index % 3 == 0);
	++*n;
}

void
test_inspect__hands_on_record_by_record(void)
{
	static char value[70000];
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct batch head;
	struct err e;
	for (int c = CODEC_NONE; c < CODEC_N; c++) {
		int32_t n = 0;
		fill(&builder, 600, value);
		struct str s = builder_finish(&builder, (enum codec)c, &BUILDER_NO_PRODUCER, &packed);
		check(batch_parse(&head, s.p));
		check_int(batch_inspect_each(&head, s.p, PLAIN_MAX, check_one, &n, &e), 0);
		check_int(n, 600);
	}
	builder_release(&builder);
	buf_release(&packed);
}

void
test_inspect__refuses_timestamps_that_overflow(void)
{
	struct buf b = BUF_INIT;
	struct inspection seen;
	struct err e;
	struct str s = make(&b, 1,
		STR("\x1e\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1\0\1\1\0"), CODEC_NONE);
	check_int(inspect_as(s, INT32_MAX, &seen, &e), -1);
	store_be64(b.p + 27, 0);
	check_int(inspect_as(s, INT32_MAX, &seen, &e), 0);
	check_int(seen.max_timestamp, INT64_MAX);
	buf_release(&b);
}

/* ---- frames that some clients cannot read ---- */

static void
check_frame(const char *name, enum codec codec, struct str frame, int want)
{
	struct inspection seen;
	struct err e;
	struct buf b = BUF_INIT;
	make(&b, 1, frame, CODEC_NONE);
	b.p[22] = (uint8_t)codec;
	if (inspect_as(buf_str(&b), INT32_MAX, &seen, &e) != want)
		tap_fail(__FILE__, __LINE__, "%s", name);
	buf_release(&b);
}

void
test_inspect__takes_one_frame_of_lz4(void)
{
	struct buf b = BUF_INIT, twice = BUF_INIT;
	codec_compress(CODEC_LZ4, STR(GOOD), &b);
	check_frame("one frame", CODEC_LZ4, buf_str(&b), 0);
	buf_put_str(&twice, buf_str(&b));
	buf_putc(&twice, 0);
	check_frame("a byte behind", CODEC_LZ4, buf_str(&twice), -1);
	twice.n--;
	codec_compress(CODEC_LZ4, STR(GOOD_1), &twice);
	check_frame("a second frame", CODEC_LZ4, buf_str(&twice), -1);
	buf_reset(&twice);
	buf_put(&twice, "\x50\x2a\x4d\x18\1\0\0\0x", 9);
	buf_put_str(&twice, buf_str(&b));
	check_frame("a skippable frame in front", CODEC_LZ4, buf_str(&twice), -1);
	/* The same block, said to depend on others. */
	check_frame("dependent blocks", CODEC_LZ4, STR(
		"\4\x22\x4d\x18\x40\x40\xc0\x08\0\0\x80" GOOD "\0\0\0\0"), -1);
	buf_release(&b);
	buf_release(&twice);
}

void
test_inspect__takes_windows_of_zstd_that_java_takes(void)
{
	/* A frame of one raw block; the window is 1 KiB << (byte 5 >> 3). */
	char frame[] = "\x28\xb5\x2f\xfd\0\x88\x41\0\0" GOOD;
	struct str s = { (uint8_t *)frame, sizeof frame - 1 };
	frame[6] = (char)((s.n - 9) << 3 | 1);
	check_frame("128 MiB", CODEC_ZSTD, s, -1); /* more than may come out of it here */
	frame[5] = (char)0x68;
	check_frame("8 MiB", CODEC_ZSTD, s, 0);
	frame[5] = (char)0x90;
	check_frame("256 MiB", CODEC_ZSTD, s, -1);
}

void
test_inspect__refuses_bytes_behind_gzip(void)
{
	struct buf b = BUF_INIT;
	codec_compress(CODEC_GZIP, STR(GOOD), &b);
	check_frame("one member", CODEC_GZIP, buf_str(&b), 0);
	b.n--;
	check_frame("a cut one", CODEC_GZIP, buf_str(&b), -1);
	b.n++;
	buf_putc(&b, 0);
	check_frame("a byte behind", CODEC_GZIP, buf_str(&b), -1);
	buf_release(&b);
}
