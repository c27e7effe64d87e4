/*
 * What every other room uses: slices, sizes, big-endian loads and stores.
 * No allocation, no I/O, no clock.
 *
 * Uses: libc only.
 */
#ifndef KQ_BASE_BASE_H
#define KQ_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes; n is -1 for null, which in Kafka is not the same as empty. */
struct str {
	const uint8_t *p;
	int32_t n;
};

#define STR(lit) ((struct str){ (const uint8_t *)(lit), sizeof(lit) - 1 })
#define STR_NULL ((struct str){ NULL, -1 })
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The smaller and the larger of two; each is evaluated once.  In functions only. */
#define MIN(a, b) MIN_MAX(<, a, b, __COUNTER__)
#define MAX(a, b) MIN_MAX(>, a, b, __COUNTER__)
/* Expands __COUNTER__ first, so that a MIN can be an argument of another one. */
#define MIN_MAX(op, a, b, n) MIN_MAX_AS(op, a, b, n)
#define MIN_MAX_AS(op, a, b, n) __extension__({ \
		__typeof__(1 ? (a) : (b)) pick_a##n = (a), pick_b##n = (b); \
		pick_a##n op pick_b##n ? pick_a##n : pick_b##n; \
	})

/* For printf's "%.*s". */
#define STR_ARG(s) ((s).n > 0 ? (s).n : 0), (const char *)((s).p ? (const char *)(s).p : "")

/* The struct of type T whose member m is at p. */
#define CONTAINER_OF(p, T, m) ((T *)(void *)((char *)(p) - offsetof(T, m)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A NUL-terminated string as a slice; NULL becomes null. */
static inline struct str
str_of(const char *z)
{
	return z ? (struct str){ (const uint8_t *)z, (int32_t)strlen(z) }
		 : STR_NULL;
}

/* Equal bytes; null equals only null. */
static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n <= 0 || memcmp(a.p, b.p, (size_t)a.n) == 0);
}

/* Null has no prefix and is none; the empty string is a prefix of all others. */
static inline bool
str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && prefix.n >= 0
		&& (prefix.n == 0 || memcmp(s.p, prefix.p, (size_t)prefix.n) == 0);
}

static inline int
str_cmp(struct str a, struct str b)
{
	int32_t n = MIN(a.n, b.n);
	int rc = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;
	return rc ? rc : (a.n > b.n) - (a.n < b.n);
}

static inline uint16_t
load_be16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap16(v);
}

static inline uint32_t
load_be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}

static inline uint64_t
load_be64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap64(v);
}

static inline void
store_be16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof v);
}

static inline void
store_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof v);
}

static inline void
store_be64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	"load_be and store_be swap always; a big-endian port starts here");

#endif
