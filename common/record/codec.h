/*
 * The codecs that compress the records of a batch, in the framings that
 * Kafka uses: gzip (RFC 1952), snappy (plain is written; plain and the xerial
 * stream framing of the Java client are read), lz4 (frame format), zstd.
 *
 * Only codec.c includes the headers of their libraries.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_RECORD_CODEC_H
#define KQ_RECORD_CODEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_N };

const char *codec_name(enum codec codec);                /* "none", "gzip", ... */
bool codec_parse(const char *name, enum codec *codec);

/* Append the compressed bytes to out. */
void codec_compress(enum codec codec, struct str in, struct buf *out);

/* Append the plain bytes to out, at most size_max of them.  -1: ERR_CORRUPT, or
 * ERR_LIMIT, there would be more; out->n is as before.  Memory stays within
 * about size_max, whatever the input claims, plus what the codec itself needs:
 * a block of lz4 (4 MiB at most), a window of zstd (8 MiB, or up to size_max),
 * which each thread keeps for its next call. */
int codec_decompress(enum codec codec, struct str in, size_t size_max,
	struct buf *out, struct err *e);

/* Called with the next plain bytes; false: refuse the data, stop. */
typedef bool codec_take(void *arg, struct str piece);

/* Decompress bytes that clients will read, and pass the plain ones to take piece
 * by piece; no more than a window of them is kept (64 KiB; a block of snappy;
 * for lz4 and zstd see above).  Refuses what some client of Kafka cannot
 * read, or reads only in part: lz4 that is not one frame of independent blocks,
 * windows of zstd above 128 MiB.  Not for CODEC_NONE.  -1: ERR_CORRUPT (also if
 * take returned false), or ERR_LIMIT. */
int codec_inspect(enum codec codec, struct str in, size_t size_max, codec_take *take,
	void *arg, struct err *e);

#endif
