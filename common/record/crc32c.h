/*
 * CRC-32C (Castagnoli), as in record batches.  ISA-L for long runs, the
 * processor's instruction or a table for short ones, chosen once.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_RECORD_CRC32C_H
#define KQ_RECORD_CRC32C_H

#include "base/base.h"

uint32_t crc32c(const void *p, size_t n);

/* The CRC of a || b from that of a and the bytes of b. */
uint32_t crc32c_extend(uint32_t crc, const void *p, size_t n);

#endif
