/*
 * The hash by which a foreign-key join knows a left row's value again: Murmur3, 128 bits,
 * as Kafka Streams computes it (Murmur3.java, which is Hive's).
 *
 * Uses: base.
 */
#ifndef KQ_STREAM_MURMUR3_H
#define KQ_STREAM_MURMUR3_H

#include "base/base.h"

enum { MURMUR3_SIZE = 16 };

/* The two halves, big-endian, of the hash with Kafka's seed. */
void murmur3(struct str bytes, uint8_t hash[MURMUR3_SIZE]);

#endif
