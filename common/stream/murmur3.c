#include "stream/murmur3.h"

enum { SEED = 104729 };

static const uint64_t c1 = 0x87c37b91114253d5, c2 = 0x4cf5ad432745937f;

static uint64_t
rotate(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static uint64_t
load_le(const uint8_t *p, int n)
{
	uint64_t v = 0;
	for (int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static uint64_t
mix_first(uint64_t v)
{
	return rotate(v * c1, 31) * c2;
}

static uint64_t
mix_second(uint64_t v)
{
	return rotate(v * c2, 33) * c1;
}

static uint64_t
finish(uint64_t v)
{
	v = (v ^ v >> 33) * 0xff51afd7ed558ccd;
	v = (v ^ v >> 33) * 0xc4ceb9fe1a85ec53;
	return v ^ v >> 33;
}

void
murmur3(struct str bytes, uint8_t hash[MURMUR3_SIZE])
{
	assert(bytes.n >= 0);
	uint64_t first = SEED, second = SEED;
	const uint8_t *p = bytes.p;
	int n = bytes.n;
	for (; n >= 16; p += 16, n -= 16) {
		first = (rotate(first ^ mix_first(load_le(p, 8)), 27) + second) * 5 + 0x52dce729;
		second = (rotate(second ^ mix_second(load_le(p + 8, 8)), 31) + first) * 5 + 0x38495ab5;
	}
	if (n > 8)
		second ^= mix_second(load_le(p + 8, n - 8));
	first ^= mix_first(load_le(p, MIN(n, 8)));

	first ^= (uint64_t)bytes.n;
	second ^= (uint64_t)bytes.n;
	first += second;
	second += first;
	first = finish(first);
	second = finish(second);
	first += second;
	second += first;
	store_be64(hash, first);
	store_be64(hash + 8, second);
}
