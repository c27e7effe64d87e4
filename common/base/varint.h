/*
 * Variable-length integers: base 128, low group first (unsigned, KIP-482), and
 * the same after zig-zag (signed, record format v2).
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_VARINT_H
#define KQ_BASE_VARINT_H

#include "base/base.h"

enum { VARINT32_MAX = 5, VARINT64_MAX = 10 }; /* bytes */

static inline uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ -(v & 1));
}

/* The size of v in bytes. */
static inline int
uvarint_size(uint64_t v)
{
	return v ? (70 - __builtin_clzll(v)) / 7 : 1;
}

/* Write v at p, which must have room.  Returns the byte after it. */
static inline uint8_t *
uvarint_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *
varint_put(uint8_t *p, int64_t v)
{
	return uvarint_put(p, zigzag(v));
}

/* The slow path of uvarint_get; call that instead. */
static inline const uint8_t *
uvarint_get_long(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	uint64_t u = 0;
	*v = 0;
	if (!p)
		return NULL;
	for (int shift = 0; shift < 64 && p < end; shift += 7) {
		uint8_t c = *p++;
		if (shift == 63 && c > 1)
			return NULL;
		u |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*v = u;
			return p;
		}
	}
	return NULL;
}

/* Read from [p, end) into *v.  Returns the byte after it, or NULL, with *v 0,
 * when the input is short or longer than 64 bits, or when p is NULL: a chain of
 * reads needs one check, at its end.  One and two bytes, nearly all there are,
 * have a fast path. */
static inline const uint8_t *
uvarint_get(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	if (likely(p && end - p >= 2)) {
		if (p[0] < 0x80) {
			*v = p[0];
			return p + 1;
		}
		if (p[1] < 0x80) {
			*v = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
			return p + 2;
		}
	}
	return uvarint_get_long(p, end, v);
}

static inline const uint8_t *
varint_get(const uint8_t *p, const uint8_t *end, int64_t *v)
{
	uint64_t u;
	p = uvarint_get(p, end, &u);
	*v = unzigzag(u);
	return p;
}

#endif
