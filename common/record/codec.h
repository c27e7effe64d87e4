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

const char *codec_name(enum codec codec);                /* "none", "gzip", ... */
bool codec_parse(const char *name, enum codec *codec);

/* Append the compressed bytes to out. */
void codec_compress(enum codec codec, struct str in, struct buf *out);

/* Append the plain bytes to out, at most size_max of them.  Returns 0, or -1:
 * ERR_CORRUPT, or ERR_LIMIT for one that would be larger; out->n is then as
 * before.  Memory stays within about size_max whatever the input claims, plus
 * what the codec needs itself: a block of lz4 (4 MiB at most), a window of
 * zstd (8 MiB, or up to size_max), kept by each thread for the next. */
int codec_decompress(enum codec codec, struct str in, size_t size_max,
	struct buf *out, struct err *e);

/* Gets the next plain bytes; false: that is enough, the data is refused. */
typedef bool codec_take(void *arg, struct str piece);

/* Unpack bytes that others are to read, handing the plain ones on piece by
 * piece: no more of them is kept than a window (64 KiB; a block of snappy; for
 * lz4 and zstd see above).  It refuses what some client of Kafka's cannot read,
 * or would read in part only: lz4 that is anything but one frame of
 * independent blocks, windows of zstd above 128 MiB.  Not for CODEC_NONE.
 * Returns 0, or -1: ERR_CORRUPT (also when take was false), ERR_LIMIT. */
int codec_inspect(enum codec codec, struct str in, size_t size_max, codec_take *take,
	void *arg, struct err *e);

#endif
