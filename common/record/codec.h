/*
 * The codecs a batch's records may be compressed with, in the framings that
 * Kafka uses: gzip (RFC 1952), snappy (plain, and the xerial stream framing
 * that the Java client writes, read both), lz4 (frame format), zstd.
 *
 * The only room that includes their headers.  Uses: base.  Any thread.
 */
#ifndef KQ_RECORD_CODEC_H
#define KQ_RECORD_CODEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_N };

const char *codec_name(enum codec c);                /* "none", "gzip", ... */
bool codec_parse(const char *name, enum codec *c);

/* Append the compressed bytes to out. */
void codec_compress(enum codec c, struct str in, struct buf *out);

/* Append the plain bytes to out, at most size_max of them.  Returns 0, or -1:
 * ERR_CORRUPT, or ERR_LIMIT for one that would be larger; out->n is then as
 * before.  Memory stays within about size_max whatever the input claims, plus
 * what the codec needs itself: a block of lz4 (4 MiB at most), a window of
 * zstd (8 MiB, or up to size_max), kept by each thread for the next. */
int codec_decompress(enum codec c, struct str in, size_t size_max,
	struct buf *out, struct err *e);

#endif
