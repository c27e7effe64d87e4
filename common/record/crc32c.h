/*
 * CRC-32C (Castagnoli), as in record batches: by ISA-L for long runs, by the
 * processor's instruction, if it has one, for short ones.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_RECORD_CRC32C_H
#define KQ_RECORD_CRC32C_H

#include "base/base.h"

uint32_t crc32c(const void *p, size_t n);

/* The CRC of bytes whose first part has this CRC and whose rest is at p. */
uint32_t crc32c_extend(uint32_t crc, const void *p, size_t n);

#endif
