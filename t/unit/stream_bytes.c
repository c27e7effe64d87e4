/* Bytes of changelogs and of internal topics: stream/buffered, held, murmur3. */
#include "tap.h"
#include "record/builder.h"
#include "stream/buffered.h"
#include "stream/held.h"
#include "stream/murmur3.h"

static bool
hash_is(struct str bytes, uint64_t first, uint64_t second)
{
	uint8_t hash[MURMUR3_SIZE];
	murmur3(bytes, hash);
	return load_be64(hash) == first && load_be64(hash + 8) == second;
}

void
test_murmur3__the_hash_is_kafkas(void)
{
	/* Computed by org.apache.kafka.streams.state.internals.Murmur3.hash128. */
	check(hash_is(STR("1x"), 0x3e264a69e1cccf59, 0x5797d04b45ba7dd3));
	uint8_t bytes[33];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(200 + 7 * i);
	static const struct {
		int32_t n;
		uint64_t first, second;
	} v[] = {
		{ 0, 0x9d2764a018e32942, 0x8c3cf3b035938518 },
		{ 1, 0xbff2166f25d4e3ca, 0xad76f90042c32eb7 },
		{ 7, 0x917fc1c660ed5b20, 0xda87e363a476e49b },
		{ 8, 0x1187703107ef5afd, 0xa8914fa1d0ac1cdf },
		{ 9, 0xa61e39bbeb78b23d, 0xd1bee2b797becb5f },
		{ 15, 0x343c60a5c606692e, 0xa4c8ddf2f1b941f6 },
		{ 16, 0x5aca7d191a9db8ad, 0x8a9a37f307df3b35 },
		{ 17, 0x17d41fc8ae00becd, 0xada27ef357fdd359 },
		{ 31, 0x38f7e6dba05cda0e, 0xb36165f0b332a305 },
		{ 33, 0x891ca46f8f3d899b, 0x6ddb97374f0278df },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check(hash_is((struct str){ bytes, v[i].n }, v[i].first, v[i].second));
}

static const struct str raw = STR("\0\0\0\0\0\0\0\x64" "\xff\xff\xff\xff\xff\xff\xff\xff"
	"\0\0\0\0" "\xff\xff\xff\xff" "\0\0\0\2" "\0\0\0\1h" "\0\0\0\2v1" "\0\0\0\1i"
	"\xff\xff\xff\xff" "\0\0\0\1p" "\xff\xff\xff\xfe" "\0\0\0\2nn" "\0\0\0\0\0\0\0\x07");

void
test_buffered__the_bytes_are_kafkas(void)
{
	struct buf headers = BUF_INIT, got = BUF_INIT, again = BUF_INIT;
	struct buffered back;
	struct err e;
	builder_put_header(&headers, STR("h"), STR("v1"));
	builder_put_header(&headers, STR("i"), STR_NULL);
	buffered_put(&got, &(struct buffered){ .prior = STR("p"), .old = STR("p"),
		.value = STR("nn"), .headers = buf_str(&headers), .nheader = 2, .ts_ms = 100,
		.place = 7 });
	check(str_eq(buf_str(&got), raw));
	check_int(buffered_get(buf_str(&got), &back, &again, &e), 0);
	check(str_eq(back.prior, STR("p")));
	check(str_eq(back.old, STR("p")));
	check(str_eq(back.value, STR("nn")));
	check(str_eq(back.headers, buf_str(&headers)));
	check_int(back.nheader, 2);
	check_int(back.ts_ms, 100);
	check_int(back.place, 7);

	buf_reset(&got);
	buffered_put(&got, &(struct buffered){ .prior = STR_NULL, .old = STR_NULL,
		.value = STR_NULL, .headers = STR_NULL });
	check_int(buffered_get(buf_str(&got), &back, &again, &e), 0);
	check_int(back.prior.n, -1);
	check_int(back.old.n, -1);
	check_int(back.value.n, -1);
	check_int(back.nheader, 0);
	buf_release(&headers);
	buf_release(&got);
	buf_release(&again);
}

void
test_buffered__cut_or_changed_bytes_are_refused(void)
{
	struct buf copy = BUF_INIT, headers = BUF_INIT;
	struct buffered back;
	struct err e;
	for (int32_t n = 0; n < raw.n; n++)
		check_int(buffered_get((struct str){ raw.p, n }, &back, &headers, &e), -1);
	/* Lengths below -1, and longer than what is left. */
	static const int32_t at[] = { 16, 28, 33, 39, 44, 48, 53, 57 };
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		for (int32_t v = -3; v <= 0x7fffffff - 1 && v != INT32_MAX; v = v < 0 ? 1000 : INT32_MAX) {
			buf_reset(&copy);
			buf_put_str(&copy, raw);
			store_be32(copy.p + at[i], (uint32_t)v);
			check_int(buffered_get(buf_str(&copy), &back, &headers, &e), -1);
			check_int(e.class, ERR_CORRUPT);
		}
	buf_release(&copy);
	buf_release(&headers);
}

void
test_held__a_value_comes_back_with_its_headers(void)
{
	struct buf b = BUF_INIT;
	held_put(&b, &(struct held){ STR("v"), STR("headers"), 300 });
	struct held held = held_get(buf_str(&b));
	check(str_eq(held.value, STR("v")));
	check(str_eq(held.headers, STR("headers")));
	check_int(held.nheader, 300);
	buf_reset(&b);
	held_put(&b, &(struct held){ STR(""), STR_NULL, 0 });
	check_int(buf_str(&b).n, 1);
	held = held_get(buf_str(&b));
	check_int(held.value.n, 0);
	check_int(held.nheader, 0);
	check_int(held.headers.n, -1);
	buf_release(&b);
}
