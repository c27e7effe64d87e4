#include "record/batch.h"

#include "base/varint.h"
#include "record/builder.h"
#include "record/crc32c.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NRECORD = 10, SIZE_MAX_PLAIN = 1 << 20 };

/* ---- ten records, the same that t/data/batches.hex holds ---- */

static const int64_t timestamp_0 = 1700000000000;

static struct str
repeat(char *to, int times, const char *fmt, int i)
{
	int n = 0;
	for (; times > 0; times--)
		n += sprintf(to + n, fmt, i);
	return (struct str){ (const uint8_t *)to, n };
}

static struct str
key_of(int i, char *to)
{
	if (i % 3 == 0)
		return STR_NULL;
	return i % 3 == 1 ? STR("") : repeat(to, i == 8 ? 40 : 1, "key-%d", i);
}

static struct str
value_of(int i, char *to)
{
	if (i == 4)
		return STR_NULL;
	return i == 5 ? STR("") : repeat(to, (i + 1) * 4, "value-%d-", i);
}

static void
check_headers(const struct record *rec, int i)
{
	struct str left = rec->headers, name, value;
	check_int(rec->nheader, i % 2 ? 3 : 0);
	if (i % 2) {
		check(header_next(&left, &name, &value));
		check(str_eq(name, STR("h1")) && str_eq(value, STR("v1")));
		check(header_next(&left, &name, &value));
		check(str_eq(name, STR("h-null")) && str_eq(value, STR_NULL));
		check(header_next(&left, &name, &value));
		check(str_eq(name, STR("")) && str_eq(value, STR("")));
	}
	check(!header_next(&left, &name, &value));
}

static void
check_ten(struct str s)
{
	struct batch batch;
	struct record rec;
	struct err e;
	struct record_iter it = RECORD_ITER_INIT;
	char text[1000];
	check(batch_parse(&batch, s.p));
	check_int(batch.size, s.n);
	check(batch_crc_is_good(&batch, s.p));
	check_int(batch.count, NRECORD);
	check_int(batch_last_offset(&batch), batch.base_offset + NRECORD - 1);
	check(record_iter_begin(&it, s.p, SIZE_MAX_PLAIN, &e) == 0);
	bool stamped = batch.attributes & BATCH_LOG_APPEND_TIME;
	for (int i = 0; i < NRECORD; i++) {
		check_int(record_iter_next(&it, &rec, &e), 1);
		check_int(rec.offset, batch.base_offset + i);
		check_int(rec.timestamp_ms,
			stamped ? batch.max_timestamp : timestamp_0 - i * 7);
		check(str_eq(rec.key, key_of(i, text)));
		check(str_eq(rec.value, value_of(i, text)));
		check_headers(&rec, i);
	}
	check_int(record_iter_next(&it, &rec, &e), 0);
	record_iter_release(&it);
}

static struct str
build_ten(struct builder *builder, enum codec codec, struct buf *packed)
{
	struct buf headers = BUF_INIT;
	char key[1000], value[1000];
	builder_put_header(&headers, STR("h1"), STR("v1"));
	builder_put_header(&headers, STR("h-null"), STR_NULL);
	builder_put_header(&headers, STR(""), STR(""));
	builder_reset(builder);
	for (int i = 0; i < NRECORD; i++)
		builder_append(builder, timestamp_0 - i * 7, key_of(i, key),
			value_of(i, value),
			i % 2 ? buf_str(&headers) : STR_NULL, i % 2 ? 3 : 0);
	buf_release(&headers);
	struct builder_producer producer = { 4711, 3, 17, false };
	return builder_finish(builder, codec, &producer, packed);
}

/* ---- captured batches ---- */

/* Tests run in a directory of their own: look for the file above the program. */
static FILE *
open_data(const char *name)
{
	char path[4096], file[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	check(n > 0);
	path[n] = 0;
	for (char *slash; (slash = strrchr(path, '/'));) {
		*slash = 0;
		snprintf(file, sizeof file, "%s/t/data/%s", path, name);
		FILE *f = fopen(file, "r");
		if (f)
			return f;
	}
	tap_fail(__FILE__, __LINE__, "no t/data/%s", name);
}

/* Read the next batch of the file; false at its end. */
static bool
read_hex(FILE *f, char name[64], struct buf *bytes)
{
	unsigned byte;
	char line[1000];
	int first;
	while ((first = fgetc(f)) == '#')
		check(fgets(line, sizeof line, f));
	ungetc(first, f);
	buf_reset(bytes);
	if (fscanf(f, "%63s ", name) != 1)
		return false;
	while (fscanf(f, "%2x", &byte) == 1) {
		buf_putc(bytes, (char)byte);
		int c = fgetc(f);
		ungetc(c, f);
		if (c == '\n')
			break;
	}
	fgetc(f);
	return true;
}

void
test_batch__those_of_other_clients_are_read(void)
{
	struct buf bytes = BUF_INIT;
	char name[64];
	int n = 0;
	FILE *f = open_data("batches.hex");
	for (; read_hex(f, name, &bytes); n++) {
		struct batch batch;
		printf("# %s\n", name);
		check(batch_parse(&batch, bytes.p));
		check_int(batch.producer_id, 4711);
		check_int(batch.producer_epoch, 3);
		check_int(batch.base_sequence, strstr(name, "control") ? -1 : 17);
		check_int(batch.base_offset, strstr(name, "python") ? 0 : 100);
		if (!strstr(name, "control"))
			check_ten(buf_str(&bytes));
	}
	check_int(n, 9);
	fclose(f);
	buf_release(&bytes);
}

void
test_batch__a_control_batch_of_java_is_read(void)
{
	struct buf bytes = BUF_INIT;
	struct record_iter it = RECORD_ITER_INIT;
	struct record rec;
	struct err e;
	char name[64];
	FILE *f = open_data("batches.hex");
	do
		check(read_hex(f, name, &bytes));
	while (strcmp(name, "java-control") != 0);
	check_int(record_iter_begin(&it, bytes.p, 0, &e), 0);
	check(it.batch.attributes & BATCH_CONTROL);
	check(it.batch.attributes & BATCH_TRANSACTIONAL);
	check_int(record_iter_next(&it, &rec, &e), 1);
	check(str_eq(rec.key, STR("\0\0\0\1"))); /* version 0, commit */
	check(str_eq(rec.value, STR("\0\0\0\0\0\11"))); /* coordinator epoch 9 */
	check_int(record_iter_next(&it, &rec, &e), 0);
	fclose(f);
	record_iter_release(&it);
	buf_release(&bytes);
}

void
test_batch__ours_is_byte_for_byte_that_of_java(void)
{
	struct buf bytes = BUF_INIT;
	struct builder builder = BUILDER_INIT;
	char name[64];
	FILE *f = open_data("batches.hex");
	check(read_hex(f, name, &bytes));
	check(strcmp(name, "java-none") == 0);
	struct str s = build_ten(&builder, CODEC_NONE, NULL);
	batch_set_offset(builder.buf.p, 100, 5);
	check(str_eq(s, buf_str(&bytes)));
	fclose(f);
	builder_release(&builder);
	buf_release(&bytes);
}

void
test_batch__ours_is_read_in_every_codec(void)
{
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	for (int c = 0; c < CODEC_N; c++) {
		struct str s = build_ten(&builder, (enum codec)c, &packed);
		check_int(s.p[22], c);
		check_ten(s);
	}
	builder_release(&builder);
	buf_release(&packed);
}

void
test_batch__offset_and_leader_epoch_are_outside_the_crc(void)
{
	struct builder builder = BUILDER_INIT;
	struct batch batch;
	struct str s = build_ten(&builder, CODEC_NONE, NULL);
	batch_set_offset(builder.buf.p, 1ll << 40, 77);
	check(batch_parse(&batch, s.p));
	check_int(batch.base_offset, 1ll << 40);
	check_int(batch.leader_epoch, 77);
	check_ten(s);
	builder_release(&builder);
}

void
test_batch__log_append_time_stamps_every_record(void)
{
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	for (int c = 0; c < CODEC_N; c++) {
		struct batch batch;
		struct str s = build_ten(&builder, (enum codec)c, &packed);
		batch_set_log_append_time((uint8_t *)s.p, 1800000000000);
		check(batch_parse(&batch, s.p));
		check_int(batch.attributes, c | BATCH_LOG_APPEND_TIME);
		check_int(batch.max_timestamp, 1800000000000);
		check_int(batch.base_timestamp, timestamp_0);
		check_ten(s);
	}
	builder_release(&builder);
	buf_release(&packed);
}

void
test_batch__any_changed_byte_is_found(void)
{
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	for (int c = 0; c < CODEC_N; c++) {
		struct str s = build_ten(&builder, (enum codec)c, &packed);
		uint8_t *p = (uint8_t *)s.p;
		for (int32_t at = 16; at < s.n; at++)
			for (int bit = 0; bit < 8; bit++) {
				struct batch batch;
				p[at] ^= (uint8_t)(1 << bit);
				check(!batch_parse(&batch, p)
					|| !batch_crc_is_good(&batch, p));
				p[at] ^= (uint8_t)(1 << bit);
			}
		check_ten(s);
	}
	builder_release(&builder);
	buf_release(&packed);
}

void
test_batch__an_impossible_length_or_magic_is_no_batch(void)
{
	static const int32_t bad[] = { 0, -1, 48, INT32_MIN, INT32_MAX,
		INT32_MAX - 11 };
	uint8_t p[BATCH_HEADER_SIZE] = { [16] = 2 };
	struct batch batch;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		store_be32(p + 8, (uint32_t)bad[i]);
		check(!batch_parse(&batch, p));
	}
	store_be32(p + 8, INT32_MAX - 12);
	check(batch_parse(&batch, p));
	check_int(batch.size, INT32_MAX);
	store_be32(p + 8, BATCH_LENGTH_MIN);
	check(batch_parse(&batch, p));
	check_int(batch.size, BATCH_HEADER_SIZE);
	for (int magic = 0; magic < 256; magic++) {
		p[16] = (uint8_t)magic;
		check_int(batch_parse(&batch, p), magic == 2);
	}
}

/* ---- hostile records ---- */

/* A batch of these record bytes and this claimed count, in memory of exactly its
 * size, so that the sanitizer sees a read past its end. */
static uint8_t *
batch_of(const void *records, size_t n, int32_t count, uint16_t attributes)
{
	size_t size = BATCH_HEADER_SIZE + n;
	uint8_t *p = mem_alloc(size);
	store_be32(p + 8, (uint32_t)(size - BATCH_PREFIX_SIZE));
	p[16] = 2;
	store_be16(p + 21, attributes);
	store_be32(p + 57, (uint32_t)count);
	if (n)
		memcpy(p + BATCH_HEADER_SIZE, records, n);
	return p;
}

/* How many records come before the iterator refuses (-1 - n) or ends (n). */
static int
walk(const void *records, size_t n, int32_t count)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record rec;
	struct err e = { 0 };
	int rc, nrecord = 0;
	uint8_t *p = batch_of(records, n, count, 0);
	rc = record_iter_begin(&it, p, SIZE_MAX_PLAIN, &e);
	while (rc == 0 && (rc = record_iter_next(&it, &rec, &e)) == 1) {
		nrecord++;
		rc = 0;
	}
	if (rc < 0)
		check_int(e.class, ERR_CORRUPT);
	record_iter_release(&it);
	mem_free(p);
	return rc < 0 ? -1 - nrecord : nrecord;
}

#define WALK(lit, count) walk(lit, sizeof(lit) - 1, count)

void
test_batch__a_least_record_is_read(void)
{
	/* size 6; attributes, timestamp, offset, null key, null value, 0 headers */
	check_int(WALK("\14\0\0\0\1\1\0", 1), 1);
	check_int(WALK("", 0), 0);
}

void
test_batch__counts_that_do_not_match_are_refused(void)
{
	check_int(WALK("\14\0\0\0\1\1\0", 2), -2);
	check_int(WALK("\14\0\0\0\1\1\0", 0), -1);
	check_int(WALK("\14\0\0\0\1\1\0\14\0\0\0\1\1\0", 1), -2);
	check_int(WALK("\14\0\0\0\1\1\0", -1), -1);
	check_int(WALK("\14\0\0\0\1\1\0", INT32_MIN), -1);
	check_int(WALK("\14\0\0\0\1\1\0", INT32_MAX), -2);
	check_int(WALK("", INT32_MAX), -1);
}

void
test_batch__lengths_that_do_not_fit_are_refused(void)
{
	check_int(WALK("\13\0\0\0\1\1\0", 1), -1);  /* record of -6 */
	check_int(WALK("\0\0\0\0\1\1\0", 1), -1);   /* of 0 */
	check_int(WALK("\16\0\0\0\1\1\0", 1), -1);  /* a byte too many */
	check_int(WALK("\12\0\0\0\1\1\0", 1), -1);  /* a byte too few */
	check_int(WALK("\376\377\377\377\17\0\0\0\1\1\0", 1), -1); /* 2^31 - 1 */
	check_int(WALK("\377\377\377\377\17\0\0\0\1\1\0", 1), -1); /* -2^31 */
	check_int(WALK("\14\0\0\0\3\1\0", 1), -1);  /* key of -2 */
	check_int(WALK("\14\0\0\0\1\3\0", 1), -1);  /* value of -2 */
	check_int(WALK("\14\0\0\0\4\1\0", 1), -1);  /* key over the end */
	check_int(WALK("\14\0\0\0\1\4\0", 1), -1);  /* value over the end */
	check_int(WALK("\24\0\0\0\376\377\377\377\17\1\0", 1), -1);
	check_int(WALK("\24\0\0\0\377\377\377\377\17\1\0", 1), -1);
	/* a key length of 2^32 is not one of 0 */
	check_int(WALK("\24\0\0\0\200\200\200\200\40\1\0", 1), -1);
	/* an offset delta of 2^32 */
	check_int(WALK("\24\0\0\200\200\200\200\40\1\1\0", 1), -1);
	/* a varint that never ends */
	check_int(WALK("\30\0\377\377\377\377\377\377\377\377\377\377\377", 1), -1);
	check_int(WALK("\377", 1), -1);
}

void
test_batch__headers_that_do_not_match_are_refused(void)
{
	check_int(WALK("\20\0\0\0\1\1\2\0\0", 1), 1);   /* one, both empty */
	check_int(WALK("\20\0\0\0\1\1\2\0\1", 1), 1);   /* null value */
	check_int(WALK("\20\0\0\0\1\1\2\1\0", 1), -1);  /* null name */
	check_int(WALK("\20\0\0\0\1\1\0\0\0", 1), -1);  /* none claimed */
	check_int(WALK("\20\0\0\0\1\1\4\0\0", 1), -1);  /* two claimed */
	check_int(WALK("\20\0\0\0\1\1\1\0\0", 1), -1);  /* -1 claimed */
	check_int(WALK("\20\0\0\0\1\1\2\4\0", 1), -1);  /* name over the end */
	check_int(WALK("\30\0\0\0\1\1\376\377\377\377\17\0\0", 1), -1);
	check_int(WALK("\30\0\0\0\1\1\377\377\377\377\17\0\0", 1), -1);
}

void
test_batch__every_truncation_of_the_records_is_refused(void)
{
	struct builder builder = BUILDER_INIT;
	struct str s = build_ten(&builder, CODEC_NONE, NULL);
	size_t n = (size_t)s.n - BATCH_HEADER_SIZE;
	const uint8_t *records = s.p + BATCH_HEADER_SIZE;
	check_int(walk(records, n, NRECORD), NRECORD);
	for (size_t cut = 0; cut < n; cut++)
		check(walk(records, cut, NRECORD) < 0);
	builder_release(&builder);
}

void
test_batch__flipped_bytes_are_never_read_past_the_end(void)
{
	struct builder builder = BUILDER_INIT;
	struct str s = build_ten(&builder, CODEC_NONE, NULL);
	size_t n = (size_t)s.n - BATCH_HEADER_SIZE;
	uint8_t *records = (uint8_t *)s.p + BATCH_HEADER_SIZE;
	for (size_t at = 0; at < n; at++)
		for (int bit = 0; bit < 8; bit++) {
			records[at] ^= (uint8_t)(1 << bit);
			walk(records, n, NRECORD); /* the sanitizers judge */
			records[at] ^= (uint8_t)(1 << bit);
		}
	check_int(walk(records, n, NRECORD), NRECORD);
	builder_release(&builder);
}

void
test_batch__extreme_numbers_wrap_rather_than_trap(void)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record rec;
	struct err e;
	uint8_t *p = batch_of("\14\0\2\2\1\1\0", 7, 1, 0);
	batch_set_offset(p, INT64_MAX, 0);
	store_be32(p + 23, INT32_MAX);
	store_be64(p + 27, INT64_MAX);
	check_int(record_iter_begin(&it, p, 0, &e), 0);
	check_int(record_iter_next(&it, &rec, &e), 1);
	check_int(rec.offset, INT64_MIN);
	check_int(rec.timestamp_ms, INT64_MIN);
	check(batch_last_offset(&it.batch) < 0);
	record_iter_release(&it);
	mem_free(p);
}

void
test_batch__an_unknown_codec_or_bad_packing_is_refused(void)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct err e;
	for (uint16_t c = 1; c < 8; c++) {
		uint8_t *p = batch_of("\14\0\0\0\1\1\0", 7, 1, c);
		check_int(record_iter_begin(&it, p, SIZE_MAX_PLAIN, &e), -1);
		check_int(e.class, ERR_CORRUPT);
		mem_free(p);
		/* what compaction may leave */
		p = batch_of("", 0, 0, c);
		int rc = record_iter_begin(&it, p, SIZE_MAX_PLAIN, &e);
		check_int(rc, c < CODEC_N ? 0 : -1);
		mem_free(p);
	}
	record_iter_release(&it);
}

void
test_batch__one_that_unpacks_too_large_is_refused(void)
{
	struct builder builder = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	for (int c = 1; c < CODEC_N; c++) {
		struct record_iter it = RECORD_ITER_INIT;
		struct err e;
		struct str s = build_ten(&builder, (enum codec)c, &packed);
		size_t plain = builder.buf.n - BATCH_HEADER_SIZE;
		check_int(record_iter_begin(&it, s.p, plain - 1, &e), -1);
		check_int(e.class, ERR_LIMIT);
		check_int(record_iter_begin(&it, s.p, plain, &e), 0);
		record_iter_release(&it);
	}
	builder_release(&builder);
	buf_release(&packed);
}
