/*
 * The 32-bit murmur2 hash with Kafka's seed, and the partition that Kafka's
 * default partitioner chooses for a key.  The values are those of
 * org.apache.kafka.common.utils.Utils.murmur2 and
 * BuiltInPartitioner.partitionForKey; the code is our own.
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_MURMUR2_H
#define KQ_BASE_MURMUR2_H

#include "base/base.h"

static inline uint32_t
murmur2(struct str s)
{
	const uint32_t multiplier = 0x5bd1e995;
	uint32_t hash = 0x9747b28c ^ (uint32_t)s.n;
	const uint8_t *p = s.p;
	int32_t n = s.n;
	for (; n >= 4; n -= 4, p += 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		word *= multiplier;
		word ^= word >> 24;
		hash = hash * multiplier ^ word * multiplier;
	}
	if (n == 3)
		hash ^= (uint32_t)p[2] << 16;
	if (n >= 2)
		hash ^= (uint32_t)p[1] << 8;
	if (n >= 1)
		hash = (hash ^ p[0]) * multiplier;
	hash ^= hash >> 13;
	hash *= multiplier;
	return hash ^ hash >> 15;
}

static inline int32_t
partition_for_key(struct str key, int32_t npartition)
{
	assert(npartition > 0);
	return (int32_t)(murmur2(key) & 0x7fffffff) % npartition;
}

#endif
