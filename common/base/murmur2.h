/*
 * The 32-bit murmur2 hash with Kafka's seed, and its default partitioner's
 * choice for a key.  Source: org.apache.kafka.common.utils.Utils.murmur2 and
 * BuiltInPartitioner.partitionForKey (described there, written anew here).
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_MURMUR2_H
#define KQ_BASE_MURMUR2_H

#include "base/base.h"

static inline uint32_t
murmur2(struct str s)
{
	const uint32_t m = 0x5bd1e995;
	uint32_t h = 0x9747b28c ^ (uint32_t)s.n;
	const uint8_t *p = s.p;
	int32_t n = s.n;
	for (; n >= 4; n -= 4, p += 4) {
		uint32_t k;
		memcpy(&k, p, 4);
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (n == 3)
		h ^= (uint32_t)p[2] << 16;
	if (n >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (n >= 1)
		h = (h ^ p[0]) * m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

static inline int32_t
partition_for_key(struct str key, int32_t npartition)
{
	assert(npartition > 0);
	return (int32_t)(murmur2(key) & 0x7fffffff) % npartition;
}

#endif
