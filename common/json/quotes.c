#include "json/quotes.h"

#include "base/mem.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

/* Of 64 bytes, a bit for each. */
struct masks {
	uint64_t quote, backslash;
};

/* Make room for a block more. */
static inline uint32_t *
room(struct quotes *quotes)
{
	if (unlikely(quotes->cap - quotes->n < 2 * BLOCK)) {
		quotes->cap = quotes->cap * 2 + 4 * BLOCK;
		quotes->at = mem_realloc(quotes->at, (size_t)quotes->cap * sizeof *quotes->at);
	}
	return quotes->at + quotes->n;
}

/* The bits of what is behind a backslash that is not itself escaped; *carry: so is the
 * first byte of the next block. */
static uint64_t
escaped(uint64_t backslash, bool *carry)
{
	uint64_t bits = *carry;
	backslash &= ~bits;
	*carry = false;
	while (backslash) {
		uint64_t next = (backslash & -backslash) << 1;
		*carry = next == 0;
		bits |= next;
		backslash &= (backslash - 1) & ~next;
	}
	return bits;
}

/* Note the quotes of the block at `at`. */
static inline __attribute__((always_inline)) void
note(struct quotes *quotes, struct masks masks, uint32_t at, bool *carry)
{
	uint64_t bits = masks.quote;
	uint32_t *out = room(quotes);
	if (unlikely(masks.backslash || *carry)) {
		bits &= ~escaped(masks.backslash, carry);
		quotes->has |= QUOTES_ESCAPE;
	}
	int n = __builtin_popcountll(bits);
	/* Eight at a time; what is written behind the last one does not count. */
	for (int i = 0; i < n; i += 8) {
		for (int j = 0; j < 8; j++) {
			out[i + j] = at + (uint32_t)__builtin_ctzll(bits | (uint64_t)1 << 63);
			bits &= bits - 1;
		}
	}
	quotes->n += n;
}

/* ---- eight bytes at a time ---- */

enum { WORD = 8 };
static const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

/* A bit for each byte whose high bit is set. */
static inline uint64_t
high_bits(uint64_t word)
{
	return ((word & highs) >> 7) * 0x0102040810204080 >> 56;
}

/* The high bit of each byte of the word, all below 0x80, that is c. */
static inline uint64_t
equal(uint64_t word, uint8_t c)
{
	return ~((word ^ ones * c) + (ones * 0x7f)) & highs;
}

static struct masks
block_portably(const uint8_t *p, unsigned *has)
{
	struct masks masks = { 0, 0 };
	for (int i = 0; i < BLOCK; i += WORD) {
		uint64_t word, low;
		memcpy(&word, p + i, sizeof word);
		low = word & ~highs;
		masks.quote |= high_bits(equal(low, '"') & ~word) << i;
		masks.backslash |= high_bits(equal(low, '\\') & ~word) << i;
		uint64_t control = ~(low + ones * (0x80 - 0x20)) & ~word & highs;
		*has |= control ? QUOTES_CONTROL : 0;
		*has |= (word & highs) || equal(low, 0x7f) ? QUOTES_OTHER : 0;
	}
	return masks;
}

static void
find_portably(struct quotes *quotes, struct str text)
{
	bool carry = false;
	uint32_t at = 0, n = (uint32_t)text.n;
	assert(text.n >= QUOTES_TEXT_MIN);
	quotes->n = 0;
	quotes->has = 0;
	for (; at + BLOCK <= n; at += BLOCK)
		note(quotes, block_portably(text.p + at, &quotes->has), at, &carry);
	if (at < n) {
		/* The last 64 bytes, less what has been seen. */
		struct masks masks = block_portably(text.p + n - BLOCK, &quotes->has);
		masks.quote >>= BLOCK - (n - at);
		masks.backslash >>= BLOCK - (n - at);
		note(quotes, masks, at, &carry);
	}
}

/* ---- AVX2 ---- */

#if defined(__x86_64__)

static inline unsigned
flags(int least, int most)
{
	return (least < 0x20 ? QUOTES_CONTROL : 0) | (most >= 0x7f ? QUOTES_OTHER : 0);
}

#define TARGET_AVX2 __attribute__((target("avx2,bmi,popcnt")))

/* *least and *most collect the smallest and the largest bytes, unsigned. */
static inline TARGET_AVX2 __attribute__((always_inline)) struct masks
block_avx2(const uint8_t *p, __m256i *least, __m256i *most)
{
	const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	*least = _mm256_min_epu8(*least, _mm256_min_epu8(low, high));
	*most = _mm256_max_epu8(*most, _mm256_max_epu8(low, high));
	uint32_t q0 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, quote));
	uint32_t q1 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, quote));
	uint32_t b0 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, backslash));
	uint32_t b1 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, backslash));
	return (struct masks){ (uint64_t)q1 << 32 | q0, (uint64_t)b1 << 32 | b0 };
}

static TARGET_AVX2 void
find_avx2(struct quotes *quotes, struct str text)
{
	bool carry = false;
	uint32_t at = 0, n = (uint32_t)text.n;
	__m256i least = _mm256_set1_epi8(0x40), most = least;
	assert(text.n >= QUOTES_TEXT_MIN);
	quotes->n = 0;
	quotes->has = 0;
	for (; at + BLOCK <= n; at += BLOCK)
		note(quotes, block_avx2(text.p + at, &least, &most), at, &carry);
	if (at < n) {
		struct masks masks = block_avx2(text.p + n - BLOCK, &least, &most);
		masks.quote >>= BLOCK - (n - at);
		masks.backslash >>= BLOCK - (n - at);
		note(quotes, masks, at, &carry);
	}
	/* The smallest is below 0x20 if a byte changes when it is made 0x20 at least. */
	const __m256i space = _mm256_set1_epi8(0x20), del = _mm256_set1_epi8(0x7f);
	bool has_control = _mm256_movemask_epi8(_mm256_cmpeq_epi8(
		_mm256_max_epu8(least, space), least)) != -1;
	bool has_other = _mm256_movemask_epi8(_mm256_cmpeq_epi8(
		_mm256_max_epu8(most, del), most)) != 0;
	quotes->has |= flags(has_control ? 0 : 0x20, has_other ? 0x7f : 0x20);
}

/* ---- AVX-512 ---- */

#define TARGET_AVX512 \
	__attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi,popcnt")))

/* As note, with the offsets picked by one instruction. */
static inline TARGET_AVX512 __attribute__((always_inline)) void
note_avx512(struct quotes *quotes, struct masks masks, uint32_t at, bool *carry)
{
	static const uint8_t count[BLOCK] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
		25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
		48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };
	uint64_t bits = masks.quote;
	uint32_t *out = room(quotes);
	if (unlikely(masks.backslash || *carry)) {
		bits &= ~escaped(masks.backslash, carry);
		quotes->has |= QUOTES_ESCAPE;
	}
	int n = __builtin_popcountll(bits);
	__m512i base = _mm512_set1_epi32((int)at);
	__m512i found = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(count));
	_mm512_storeu_si512(out, _mm512_add_epi32(base,
		_mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
	if (unlikely(n > 16)) {
		_mm512_storeu_si512(out + 16, _mm512_add_epi32(base,
			_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(found, 1))));
		_mm512_storeu_si512(out + 32, _mm512_add_epi32(base,
			_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(found, 2))));
		_mm512_storeu_si512(out + 48, _mm512_add_epi32(base,
			_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(found, 3))));
	}
	quotes->n += n;
}

static inline TARGET_AVX512 __attribute__((always_inline)) struct masks
block_avx512(const uint8_t *p, unsigned *has)
{
	__m512i bytes = _mm512_loadu_si512(p);
	if (_mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20)))
		*has |= QUOTES_CONTROL;
	if (_mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(0x7f)))
		*has |= QUOTES_OTHER;
	return (struct masks){ _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
		_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')) };
}

static TARGET_AVX512 void
find_avx512(struct quotes *quotes, struct str text)
{
	bool carry = false;
	uint32_t at = 0, n = (uint32_t)text.n;
	assert(text.n >= QUOTES_TEXT_MIN);
	quotes->n = 0;
	quotes->has = 0;
	for (; at + BLOCK <= n; at += BLOCK)
		note_avx512(quotes, block_avx512(text.p + at, &quotes->has), at, &carry);
	if (at < n) {
		struct masks masks = block_avx512(text.p + n - BLOCK, &quotes->has);
		masks.quote >>= BLOCK - (n - at);
		masks.backslash >>= BLOCK - (n - at);
		note_avx512(quotes, masks, at, &carry);
	}
}
#endif

/* ---- the best one ---- */

quotes_find_fn
quotes_variant(int i)
{
#if defined(__x86_64__)
	bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
	bool has_avx512 = __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vbmi")
		&& __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi");
	if (i == 2)
		return has_avx512 ? find_avx512 : NULL;
	if (i == 1)
		return has_avx2 ? find_avx2 : NULL;
#endif
	return i == 0 ? find_portably : NULL;
}

void
quotes_init(struct quotes *quotes)
{
	*quotes = (struct quotes){ 0 };
	for (int i = 0; i < QUOTES_NVARIANT; i++)
		if (quotes_variant(i))
			quotes->find = quotes_variant(i);
}

void
quotes_release(struct quotes *quotes)
{
	mem_free(quotes->at);
	*quotes = (struct quotes){ 0 };
}
