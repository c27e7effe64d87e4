#include "tap.h"

#include "base/varint.h"

#include <stdlib.h>

static uint64_t seed = 521288629;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Write, check the size, and read from input that ends there, and later. */
static void
both_ways(uint64_t v)
{
	uint8_t b[16], *end;
	uint64_t got = 1;
	memset(b, 0xff, sizeof b);
	end = uvarint_put(b, v);
	check_int(end - b, uvarint_size(v));
	check(end <= b + VARINT64_MAX && *end == 0xff);
	check(v > UINT32_MAX || end <= b + VARINT32_MAX);
	check(uvarint_get(b, end, &got) == end && got == v);
	check(uvarint_get(b, b + sizeof b, &got) == end && got == v);
	for (const uint8_t *cut = b; cut < end; cut++)
		check(uvarint_get(b, cut, &got) == NULL && got == 0);

	int64_t s = unzigzag(v), back = 1;
	check(zigzag(s) == v);
	check(varint_put(b, s) == end);
	check(varint_get(b, end, &back) == end && back == s);
}

void
test_varint__known_bytes(void)
{
	static const struct {
		int64_t v;
		struct str bytes;
	} v[] = {
		{ 0, { (const uint8_t *)"\x00", 1 } },
		{ -1, { (const uint8_t *)"\x01", 1 } },
		{ 1, { (const uint8_t *)"\x02", 1 } },
		{ 63, { (const uint8_t *)"\x7e", 1 } },
		{ -64, { (const uint8_t *)"\x7f", 1 } },
		{ 64, { (const uint8_t *)"\x80\x01", 2 } },
		{ -65, { (const uint8_t *)"\x81\x01", 2 } },
		{ 8191, { (const uint8_t *)"\xfe\x7f", 2 } },
		{ -8193, { (const uint8_t *)"\x81\x80\x01", 3 } },
		{ INT32_MAX, { (const uint8_t *)"\xfe\xff\xff\xff\x0f", 5 } },
		{ INT32_MIN, { (const uint8_t *)"\xff\xff\xff\xff\x0f", 5 } },
		{ INT64_MAX, { (const uint8_t *)"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 } },
		{ INT64_MIN, { (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		uint8_t b[VARINT64_MAX];
		int64_t got;
		check_int(varint_put(b, v[i].v) - b, v[i].bytes.n);
		check(memcmp(b, v[i].bytes.p, (size_t)v[i].bytes.n) == 0);
		check(varint_get(v[i].bytes.p, v[i].bytes.p + v[i].bytes.n, &got) != NULL);
		check_int(got, v[i].v);
	}
}

void
test_varint__every_length_at_its_bounds(void)
{
	for (int bits = 0; bits < 64; bits++)
		for (int d = -2; d <= 2; d++)
			both_ways((UINT64_C(1) << bits) + (uint64_t)(int64_t)d);
	for (int n = 1; n < 10; n++) {
		check_int(uvarint_size((UINT64_C(1) << 7 * n) - 1), n);
		check_int(uvarint_size(UINT64_C(1) << 7 * n), n + 1);
	}
	check_int(uvarint_size(UINT64_MAX), VARINT64_MAX);
	check_int(uvarint_size(UINT32_MAX), VARINT32_MAX);
}

void
test_varint__signs_fold_into_the_lowest_bit(void)
{
	for (int64_t v = -1000; v < 1000; v++)
		check(zigzag(v) == (uint64_t)(v < 0 ? -2 * v - 1 : 2 * v));
	check(zigzag(INT64_MIN) == UINT64_MAX);
	check(zigzag(INT64_MAX) == UINT64_MAX - 1);
}

void
test_varint__random_values_go_both_ways(void)
{
	for (int i = 0; i < 100000; i++)
		both_ways(rnd() >> rnd() % 64);
}

void
test_varint__cut_input_is_refused_at_every_byte(void)
{
	uint8_t b[VARINT64_MAX];
	uint64_t u = 1;
	int64_t v = 1;
	memset(b, 0x80, sizeof b);
	for (int n = 0; n <= VARINT64_MAX; n++) {
		/* In a heap block of its own, so that ASan sees a read after its end. */
		uint8_t *copy = malloc((size_t)n + !n);
		memcpy(copy, b, (size_t)n);
		check(uvarint_get(copy, copy + n, &u) == NULL && u == 0);
		check(varint_get(copy, copy + n, &v) == NULL && v == 0);
		free(copy);
	}
}

void
test_varint__more_than_64_bits_are_refused(void)
{
	uint8_t b[12];
	uint64_t u;
	memset(b, 0xff, sizeof b);
	for (int last = 0; last < 256; last++) {
		b[9] = (uint8_t)last;
		const uint8_t *end = uvarint_get(b, b + sizeof b, &u);
		check(last <= 1 ? end == b + 10 : end == NULL);
		check(u == (last == 0 ? UINT64_MAX >> 1 : last == 1 ? UINT64_MAX : 0));
	}
	memset(b, 0x80, sizeof b); /* an eleventh byte, though all are zero */
	b[10] = 0;
	check(uvarint_get(b, b + 11, &u) == NULL);
}

void
test_varint__padded_forms_are_read(void)
{
	/* Kafka reads these forms, too, but never writes them. */
	for (int n = 1; n <= VARINT64_MAX; n++) {
		uint8_t b[VARINT64_MAX];
		uint64_t u;
		memset(b, 0x80, sizeof b);
		b[0] = n > 1 ? 0x85 : 5;
		b[n - 1] &= 0x7f;
		check(uvarint_get(b, b + n, &u) == b + n);
		check_int((long long)u, 5);
	}
}

void
test_varint__a_failed_chain_stays_failed(void)
{
	static const uint8_t b[] = { 1, 0x80, 2, 3 };
	uint64_t u;
	int64_t v = 7;
	const uint8_t *p = b, *end = b + 2;
	p = uvarint_get(p, end, &u);
	check(p == b + 1 && u == 1);
	p = uvarint_get(p, end, &u);
	check(!p);
	p = varint_get(p, end, &v);
	check(!p && v == 0);
	p = uvarint_get(p, end, &u);
	check(!p && u == 0);
}
