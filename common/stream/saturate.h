/*
 * Sums of times that stop at the ends of int64_t instead of overflowing.
 *
 * Uses: libc only.
 */
#ifndef KQ_STREAM_SATURATE_H
#define KQ_STREAM_SATURATE_H

#include <stdint.h>

static inline int64_t
ms_plus(int64_t a, int64_t b)
{
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static inline int64_t
ms_minus(int64_t a, int64_t b)
{
	int64_t rest;
	if (__builtin_sub_overflow(a, b, &rest))
		return b < 0 ? INT64_MAX : INT64_MIN;
	return rest;
}

#endif
