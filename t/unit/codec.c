#include "record/codec.h"

#include "tap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

/* Words of few letters: they compress well, but not to nothing. */
static void
fill_text(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = "etaoin shrdlu"[(seed >> 24) % 13];
	}
}

static void
fill_noise(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static void
check_round_trip(enum codec codec, struct str in)
{
	struct buf packed = BUF_INIT, plain = BUF_INIT;
	struct err e;
	buf_puts(&packed, "abc");
	buf_puts(&plain, "xyz");
	codec_compress(codec, in, &packed);
	check(memcmp(packed.p, "abc", 3) == 0);
	struct str s = { packed.p + 3, (int32_t)packed.n - 3 };
	check(codec_decompress(codec, s, (size_t)in.n, &plain, &e) == 0);
	check_int(plain.n, in.n + 3);
	check(memcmp(plain.p, "xyz", 3) == 0);
	check(in.n == 0 || memcmp(plain.p + 3, in.p, (size_t)in.n) == 0);
	if (in.n > 0) {
		size_t size_max = (size_t)in.n - 1;
		check(codec_decompress(codec, s, size_max, &plain, &e) == -1);
		check_int(e.class, ERR_LIMIT);
		check_int(plain.n, in.n + 3); /* as before */
	}
	buf_release(&packed);
	buf_release(&plain);
}

void
test_codec__names_are_those_of_kafka(void)
{
	enum codec codec;
	for (int i = 0; i < CODEC_N; i++) {
		check(codec_parse(codec_name((enum codec)i), &codec));
		check_int(codec, i);
	}
	check(strcmp(codec_name(CODEC_ZSTD), "zstd") == 0);
	check(!codec_parse("brotli", &codec));
	check(!codec_parse("", &codec));
}

void
test_codec__what_is_packed_unpacks_at_every_size(void)
{
	static uint8_t text[3 * MIB], noise[3 * MIB], zero[3 * MIB];
	static const int32_t sizes[] = { 0, 1, 2, 15, 16, 100, 4095, 65535,
		65536, 65537, 131072, MIB + 1, 3 * MIB };
	fill_text(text, sizeof text, 1);
	fill_noise(noise, sizeof noise, 2);
	for (int c = 0; c < CODEC_N; c++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			int32_t n = sizes[i];
			check_round_trip((enum codec)c, (struct str){ text, n });
			check_round_trip((enum codec)c, (struct str){ noise, n });
			check_round_trip((enum codec)c, (struct str){ zero, n });
		}
}

/* A copy whose last byte is the last that may be read. */
static struct str
at_guard(uint8_t *page_end, struct str s)
{
	uint8_t *p = page_end - s.n;
	memcpy(p, s.p, (size_t)s.n);
	return (struct str){ p, s.n };
}

static uint8_t *
guard_new(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 16 * page;
	uint8_t *p = mmap(NULL, n + page, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED);
	check(mprotect(p + n, page, PROT_NONE) == 0);
	return p + n;
}

void
test_codec__every_truncation_is_refused(void)
{
	static uint8_t text[6000];
	uint8_t *end = guard_new();
	fill_text(text, sizeof text, 3);
	for (int c = 1; c < CODEC_N; c++) {
		struct buf packed = BUF_INIT, plain = BUF_INIT;
		struct err e;
		codec_compress((enum codec)c,
			(struct str){ text, sizeof text }, &packed);
		for (int32_t n = 0; n < (int32_t)packed.n; n++) {
			struct str s = at_guard(end, (struct str){ packed.p, n });
			check(codec_decompress((enum codec)c, s, MIB, &plain,
				&e) == -1);
			check_int(e.class, ERR_CORRUPT);
			check_int(plain.n, 0);
		}
		buf_release(&packed);
		buf_release(&plain);
	}
}

void
test_codec__flipped_bytes_do_no_harm(void)
{
	static uint8_t text[3000];
	uint8_t *end = guard_new();
	fill_text(text, sizeof text, 4);
	for (int c = 1; c < CODEC_N; c++) {
		struct buf packed = BUF_INIT, plain = BUF_INIT;
		struct err e;
		int nbad = 0;
		codec_compress((enum codec)c,
			(struct str){ text, sizeof text }, &packed);
		for (size_t at = 0; at < packed.n; at++)
			for (int bit = 0; bit < 8; bit++) {
				packed.p[at] ^= (uint8_t)(1 << bit);
				struct str s = at_guard(end, buf_str(&packed));
				buf_reset(&plain);
				nbad += codec_decompress((enum codec)c, s, MIB,
					&plain, &e) != 0;
				check(plain.n <= MIB);
				packed.p[at] ^= (uint8_t)(1 << bit);
			}
		check(nbad > 0);
		buf_release(&packed);
		buf_release(&plain);
	}
}

void
test_codec__a_wrong_sum_of_gzip_is_refused(void)
{
	struct buf packed = BUF_INIT, plain = BUF_INIT;
	struct err e;
	codec_compress(CODEC_GZIP, STR("hello, hello, hello"), &packed);
	for (size_t i = 1; i <= 8; i++) { /* CRC-32, then the size */
		packed.p[packed.n - i] ^= 1;
		check(codec_decompress(CODEC_GZIP, buf_str(&packed), MIB,
			&plain, &e) == -1);
		packed.p[packed.n - i] ^= 1;
	}
	buf_release(&packed);
	buf_release(&plain);
}

void
test_codec__streams_of_several_frames_are_read(void)
{
	static const enum codec codecs[] = { CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD };
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct buf packed = BUF_INIT, plain = BUF_INIT;
		struct err e;
		codec_compress(codecs[i], STR("one, "), &packed);
		codec_compress(codecs[i], STR(""), &packed);
		codec_compress(codecs[i], STR("two"), &packed);
		check(codec_decompress(codecs[i], buf_str(&packed), 8, &plain,
			&e) == 0);
		check(str_eq(buf_str(&plain), STR("one, two")));
		buf_reset(&plain);
		check(codec_decompress(codecs[i], buf_str(&packed), 7, &plain,
			&e) == -1);
		check_int(e.class, ERR_LIMIT);
		buf_puts(&packed, "junk behind it");
		check(codec_decompress(codecs[i], buf_str(&packed), MIB, &plain,
			&e) == -1);
		check_int(e.class, ERR_CORRUPT);
		buf_release(&packed);
		buf_release(&plain);
	}
}

/* ---- the stream framing of the Java client's snappy ---- */

#define XERIAL STR("\202SNAPPY\0\0\0\0\1\0\0\0\1")

static void
put_run(struct buf *out, struct str in)
{
	struct buf run = BUF_INIT;
	codec_compress(CODEC_SNAPPY, in, &run);
	buf_put_be32(out, (uint32_t)run.n);
	buf_put(out, run.p, run.n);
	buf_release(&run);
}

void
test_codec__xerial_streams_are_read(void)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct err e;
	buf_put_str(&in, XERIAL);
	put_run(&in, STR("one, "));
	put_run(&in, STR(""));
	put_run(&in, STR("two, "));
	buf_put_str(&in, XERIAL); /* one stream after another */
	put_run(&in, STR("three"));
	check(codec_decompress(CODEC_SNAPPY, buf_str(&in), 15, &out, &e) == 0);
	check(str_eq(buf_str(&out), STR("one, two, three")));
	check(codec_decompress(CODEC_SNAPPY, buf_str(&in), 14, &out, &e) == -1);
	check_int(e.class, ERR_LIMIT);
	buf_release(&in);
	buf_release(&out);
}

void
test_codec__bad_xerial_streams_are_refused(void)
{
	static const uint32_t bad[] = { 6, 100, 0x7fffffff, 0x80000000,
		0xffffffff, 0 };
	struct buf out = BUF_INIT;
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf in = BUF_INIT;
		buf_put_str(&in, XERIAL);
		put_run(&in, STR("xyz")); /* 5 bytes */
		check_int(load_be32(in.p + 16), 5);
		store_be32(in.p + 16, bad[i]);
		check(codec_decompress(CODEC_SNAPPY, buf_str(&in), MIB, &out,
			&e) == -1);
		check_int(e.class, ERR_CORRUPT);
		buf_release(&in);
	}
	buf_release(&out);
}

/* ---- bombs ---- */

/* More than 100 MiB of zeros, compressed.  A child makes them, so that its memory
 * does not count as this process's. */
static void
bomb_new(enum codec codec, struct buf *bomb)
{
	enum { SIZE = 110 * MIB };
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct buf packed = BUF_INIT;
		struct str in = { calloc(1, SIZE), SIZE };
		codec_compress(codec, in, &packed);
		FILE *f = fopen("bomb", "w");
		size_t n = fwrite(packed.p, 1, packed.n, f);
		_exit(fclose(f) || n != packed.n);
	}
	int status;
	check(waitpid(pid, &status, 0) == pid && status == 0);
	FILE *f = fopen("bomb", "r");
	check(f != NULL);
	for (size_t n = 1; n > 0;) {
		buf_reserve(bomb, MIB);
		n = fread(bomb->p + bomb->n, 1, MIB, f);
		bomb->n += n;
	}
	fclose(f);
}

static long
peak_kib(void)
{
	struct rusage u;
	check(getrusage(RUSAGE_SELF, &u) == 0);
	return u.ru_maxrss;
}

/* It is refused, and the memory used is of the order of size_max (with slack,
 * because the sanitizer keeps freed memory). */
static void
check_bomb(enum codec codec, struct str bomb)
{
	enum { SIZE_MAX_PLAIN = 4 * MIB };
	struct buf plain = BUF_INIT;
	struct err e;
	long before = peak_kib();
	check(codec_decompress(codec, bomb, SIZE_MAX_PLAIN, &plain, &e) == -1);
	check_int(e.class, ERR_LIMIT);
	check(plain.cap <= SIZE_MAX_PLAIN + 1);
	check(peak_kib() - before < 40 * 1024);
	buf_release(&plain);
}

void
test_codec__bombs_are_refused_in_little_memory(void)
{
	for (int c = 1; c < CODEC_N; c++) {
		struct buf bomb = BUF_INIT;
		bomb_new((enum codec)c, &bomb);
		check(bomb.n < 110 * MIB / 20);
		check_bomb((enum codec)c, buf_str(&bomb));
		buf_release(&bomb);
	}
}

void
test_codec__bombs_of_many_frames_are_refused_too(void)
{
	static uint8_t zero[MIB];
	for (int c = 1; c < CODEC_N; c++) {
		struct buf bomb = BUF_INIT;
		if (c == CODEC_SNAPPY)
			buf_put_str(&bomb, XERIAL);
		for (int i = 0; i < 110; i++)
			if (c == CODEC_SNAPPY)
				put_run(&bomb, (struct str){ zero, MIB });
			else
				codec_compress((enum codec)c,
					(struct str){ zero, MIB }, &bomb);
		check_bomb((enum codec)c, buf_str(&bomb));
		buf_release(&bomb);
	}
}

void
test_codec__sizes_claimed_in_headers_are_not_believed(void)
{
	struct {
		enum codec c;
		struct str s;
	} claims[] = {
		/* 4 GiB - 1 of snappy */
		{ CODEC_SNAPPY, STR("\377\377\377\377\17\0x") },
		/* a zstd frame of 2^56 bytes, one byte long */
		{ CODEC_ZSTD, STR("\50\265\57\375\340\0\0\0\0\0\0\0\1\11\0\0x") },
		/* one with a window of 2^41 */
		{ CODEC_ZSTD, STR("\50\265\57\375\0\370\11\0\0x") },
		/* a frame of lz4 that says 2^56, with a bad header sum */
		{ CODEC_LZ4, STR("\4\42\115\30\150\160\0\0\0\0\0\0\0\1\0") },
	};
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct buf out = BUF_INIT;
		struct err e;
		check(codec_decompress(claims[i].c, claims[i].s, 100 * MIB,
			&out, &e) == -1);
		check(out.cap <= MIB);
		buf_release(&out);
	}
}

/* A zstd frame that does not say its size, of n blocks of 128 KiB each, every
 * one packed to four bytes. */
static void
put_zstd_runs(struct buf *out, int n)
{
	buf_put_str(out, STR("\50\265\57\375\0\130"));
	for (int i = 0; i < n; i++) {
		uint32_t header = 1u << 1 | 128u << 10 << 3 | (i == n - 1);
		buf_put(out, &header, 3);
		buf_putc(out, 'x');
	}
}

void
test_codec__zstd_without_a_size_in_its_header_is_read(void)
{
	/* what "printf 'kq kq ... kq\n' | zstd --no-check" makes of a pipe */
	struct str s = STR("\50\265\57\375\0\130\125\0\0\40kq \n\1\0\342n\10");
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct err e;
	check(codec_decompress(CODEC_ZSTD, s, 36, &out, &e) == 0);
	check(str_eq(buf_str(&out),
		STR("kq kq kq kq kq kq kq kq kq kq kq kq\n")));
	check(codec_decompress(CODEC_ZSTD, s, 35, &out, &e) == -1);
	check_int(e.class, ERR_LIMIT);
	put_zstd_runs(&in, 24);
	buf_reset(&out);
	check(codec_decompress(CODEC_ZSTD, buf_str(&in), 3 * MIB, &out, &e) == 0);
	check_int(out.n, 3 * MIB);
	for (size_t i = 0; i < out.n; i++)
		check(out.p[i] == 'x');
	buf_reset(&in);
	put_zstd_runs(&in, 900);
	check(in.n < 4000);
	check_bomb(CODEC_ZSTD, buf_str(&in));
	buf_release(&in);
	buf_release(&out);
}

void
test_codec__nothing_unpacks_into_an_empty_buffer(void)
{
	for (int c = 0; c < CODEC_N; c++) {
		struct buf packed = BUF_INIT, plain = BUF_INIT;
		struct err e;
		codec_compress((enum codec)c, STR(""), &packed);
		check(codec_decompress((enum codec)c, buf_str(&packed), 0,
			&plain, &e) == 0);
		check_int(plain.n, 0);
		check(plain.p != NULL);
		buf_release(&packed);
		buf_release(&plain);
	}
	struct buf plain = BUF_INIT;
	struct err e;
	check(codec_decompress(CODEC_SNAPPY, XERIAL, 0, &plain, &e) == 0);
	check_int(plain.n, 0);
	check(plain.p != NULL);
	buf_release(&plain);
}

static void *
round_trips(void *arg)
{
	static const struct str in = STR("to and fro and to and fro and to");
	(void)arg;
	for (int c = 0; c < CODEC_N; c++)
		check_round_trip((enum codec)c, in);
	return NULL;
}

void
test_codec__threads_work_apart_and_leave_nothing_behind(void)
{
	pthread_t t[8]; /* a leak is the sanitizer's to see */
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		check(pthread_create(&t[i], NULL, round_trips, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		check(pthread_join(t[i], NULL) == 0);
}
