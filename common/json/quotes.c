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

void
quotes_find_portably(struct quotes *quotes, struct str text)
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
#define TARGET __attribute__((target("avx2,bmi,popcnt")))

/* *seen collects the bytes that are no printable ASCII: their high bits. */
static inline TARGET __attribute__((always_inline)) struct masks
block_avx2(const uint8_t *p, __m256i *seen)
{
	const __m256i one = _mm256_set1_epi8(1), limit = _mm256_set1_epi8(0x21);
	const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	/* One more makes DEL negative, as what is above it: one comparison for all. */
	__m256i odd = _mm256_or_si256(_mm256_cmpgt_epi8(limit, _mm256_add_epi8(low, one)),
		_mm256_cmpgt_epi8(limit, _mm256_add_epi8(high, one)));
	*seen = _mm256_or_si256(*seen, odd);
	uint32_t q0 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, quote));
	uint32_t q1 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, quote));
	uint32_t b0 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, backslash));
	uint32_t b1 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, backslash));
	return (struct masks){ (uint64_t)q1 << 32 | q0, (uint64_t)b1 << 32 | b0 };
}

/* Which of them are there? */
static unsigned
sort_out(struct str text)
{
	unsigned has = 0;
	for (int32_t i = 0; i < text.n; i++)
		has |= text.p[i] < 0x20 ? QUOTES_CONTROL : text.p[i] >= 0x7f ? QUOTES_OTHER : 0;
	return has;
}

static TARGET void
find_avx2(struct quotes *quotes, struct str text)
{
	bool carry = false;
	uint32_t at = 0, n = (uint32_t)text.n;
	__m256i seen = _mm256_setzero_si256();
	assert(text.n >= QUOTES_TEXT_MIN);
	quotes->n = 0;
	quotes->has = 0;
	for (; at + BLOCK <= n; at += BLOCK)
		note(quotes, block_avx2(text.p + at, &seen), at, &carry);
	if (at < n) {
		struct masks masks = block_avx2(text.p + n - BLOCK, &seen);
		masks.quote >>= BLOCK - (n - at);
		masks.backslash >>= BLOCK - (n - at);
		note(quotes, masks, at, &carry);
	}
	if (unlikely(_mm256_movemask_epi8(seen) != 0))
		quotes->has |= sort_out(text);
}
#endif

void
quotes_find(struct quotes *quotes, struct str text)
{
#if defined(__x86_64__)
	if (likely(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))) {
		find_avx2(quotes, text);
		return;
	}
#endif
	quotes_find_portably(quotes, text);
}

void
quotes_release(struct quotes *quotes)
{
	mem_free(quotes->at);
	*quotes = (struct quotes){ 0 };
}
