#include "record/crc32c.h"

#include "tap.h"

/* Bit by bit, as the polynomial says. */
static uint32_t
reference(const uint8_t *p, size_t n)
{
	uint32_t c = ~0u;
	for (; n > 0; n--) {
		c ^= *p++;
		for (int i = 0; i < 8; i++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	return ~c;
}

static void
fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

void
test_crc32c__knows_the_vectors_of_rfc_3720(void)
{
	uint8_t up[32], down[32], zero[32] = { 0 }, ones[32];
	for (int i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
		ones[i] = 0xff;
	}
	static const uint8_t read_command[48] = { 0x01, 0xc0, [12] = 0,
		[16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18,
		[32] = 0x28, [40] = 0x02 };
	check_int(crc32c(zero, 32), 0x8a9136aa);
	check_int(crc32c(ones, 32), 0x62a8ab43);
	check_int(crc32c(up, 32), 0x46dd794e);
	check_int(crc32c(down, 32), 0x113fdb5c);
	check_int(crc32c(read_command, 48), 0xd9963a56);
	check_int(crc32c("123456789", 9), 0xe3069283);
	check_int(crc32c("", 0), 0);
}

void
test_crc32c__is_right_for_every_size_and_alignment(void)
{
	static uint8_t p[5000];
	fill(p, sizeof p, 1);
	for (size_t n = 0; n < 1200; n++)
		check_int(crc32c(p + n % 9, n), reference(p + n % 9, n));
	for (size_t at = 0; at < 16; at++)
		check_int(crc32c(p + at, 4900), reference(p + at, 4900));
}

void
test_crc32c__can_be_taken_in_two_parts(void)
{
	static uint8_t p[2000];
	fill(p, sizeof p, 2);
	uint32_t whole = reference(p, sizeof p);
	for (size_t cut = 0; cut <= sizeof p; cut++) {
		uint32_t c = crc32c_extend(0, p, cut);
		check_int(crc32c_extend(c, p + cut, sizeof p - cut), whole);
	}
}
