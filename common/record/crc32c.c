#include "record/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>
#ifdef __x86_64__
#include <nmmintrin.h>
#endif

/* From this many bytes on ISA-L's folding is faster than an instruction for each
 * word; below, its set-up costs more than it saves. */
enum { LONG_RUN = 256 };

/* ISA-L inverts neither before nor after: the caller does both.  It chooses what
 * the processor offers, at worst a table. */
static uint32_t
run_isal(uint32_t crc, const uint8_t *p, size_t n)
{
	while (n > INT_MAX / 2) {
		crc = crc32_iscsi((uint8_t *)p, INT_MAX / 2, crc);
		p += INT_MAX / 2;
		n -= INT_MAX / 2;
	}
	return crc32_iscsi((uint8_t *)p, (int)n, crc);
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
run_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t crc64 = crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		crc64 = _mm_crc32_u64(crc64, word);
	}
	crc = (uint32_t)crc64;
	if (n & 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		crc = _mm_crc32_u32(crc, word);
		p += 4;
	}
	for (n &= 3; n > 0; n--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}
#endif

uint32_t
crc32c_extend(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (n < LONG_RUN && __builtin_cpu_supports("sse4.2"))
		return ~run_sse42(~crc, p, n);
#endif
	return ~run_isal(~crc, p, n);
}

uint32_t
crc32c(const void *p, size_t n)
{
	return crc32c_extend(0, p, n);
}
