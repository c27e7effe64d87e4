#include "record/codec.h"

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <zstd.h>

enum {
	/* Output room for one step: a block of lz4 as Kafka writes it, so that
	 * it is decompressed in place. */
	CHUNK = 64 << 10,

	/* On logs and JSON level 1 compresses a few per cent less than level 3,
	 * at nearly twice the speed: producers lack time more often than disks
	 * lack that space. */
	ZSTD_LEVEL = 1,

	/* 8 MiB, the window that every reader of zstd should support; a larger
	 * one is accepted only if the caller allows as many bytes. */
	ZSTD_WINDOW_LOG = 23,
	ZSTD_WINDOW_LOG_MAX = 27,

	/* igzip's levels go to 3, with little gain above 1. */
	GZIP_LEVEL = 1,

	/* Snappy's best ratio: three bytes stand for sixty-four. */
	SNAPPY_RATIO_MAX = 22,

	/* The memory that a thread keeps after codec_inspect, at most. */
	WINDOW_KEEP = 1 << 20,
	ZSTD_KEEP = 16 << 20,

	LZ4_HEADER_SIZE = 5, /* the magic and the flags */
	XERIAL_HEADER_SIZE = 16, /* magic, version, oldest version that reads it */
};

static const char xerial_magic[8] = "\202SNAPPY";

static const char *const names[CODEC_N] = { "none", "gzip", "snappy", "lz4",
	"zstd" };

const char *
codec_name(enum codec codec)
{
	assert(codec < CODEC_N);
	return names[codec];
}

bool
codec_parse(const char *name, enum codec *codec)
{
	for (int i = 0; i < CODEC_N; i++)
		if (strcmp(names[i], name) == 0) {
			*codec = (enum codec)i;
			return true;
		}
	return false;
}

/* The libraries' states are large and slow to set up, so each thread keeps those
 * that it has used until it ends. */
struct work {
	struct deflate *deflate;
	struct inflate_state *inflate;
	LZ4F_dctx *lz4;
	ZSTD_CCtx *zstd_pack;
	ZSTD_DCtx *zstd;
	struct buf window; /* of codec_inspect */
};

struct deflate {
	struct isal_zstream z;
	uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

static pthread_key_t work_key; /* for its destructor alone */
static pthread_once_t work_once = PTHREAD_ONCE_INIT;
static _Thread_local struct work *work_mine;

static void
work_free(void *p)
{
	struct work *work = p;
	mem_free(work->deflate);
	mem_free(work->inflate);
	LZ4F_freeDecompressionContext(work->lz4);
	ZSTD_freeCCtx(work->zstd_pack);
	ZSTD_freeDCtx(work->zstd);
	buf_release(&work->window);
	mem_free(work);
}

static void
work_start(void)
{
	int rc = pthread_key_create(&work_key, work_free);
	assert(rc == 0);
}

static struct work *
work_get(void)
{
	if (!work_mine) {
		pthread_once(&work_once, work_start);
		work_mine = NEW(struct work);
		pthread_setspecific(work_key, work_mine);
	}
	return work_mine;
}

/* ---- compressing ---- */

static void
gzip_pack(struct str in, struct buf *out)
{
	struct work *work = work_get();
	if (!work->deflate)
		work->deflate = NEW(struct deflate);
	struct isal_zstream *z = &work->deflate->z;
	isal_deflate_init(z);
	z->level = GZIP_LEVEL;
	z->level_buf = work->deflate->level_buf;
	z->level_buf_size = sizeof work->deflate->level_buf;
	z->gzip_flag = IGZIP_GZIP;
	z->end_of_stream = 1;
	z->next_in = (uint8_t *)in.p;
	z->avail_in = (uint32_t)in.n;
	while (z->internal_state.state != ZSTATE_END) {
		size_t room = (size_t)in.n / 2 + 4096;
		buf_reserve(out, room);
		z->next_out = out->p + out->n;
		z->avail_out = (uint32_t)room;
		int rc = isal_deflate(z);
		assert(rc == COMP_OK);
		out->n += room - z->avail_out;
	}
}

static void
snappy_pack(struct str in, struct buf *out)
{
	size_t n = snappy_max_compressed_length((size_t)in.n);
	buf_reserve(out, n);
	snappy_status rc = snappy_compress((const char *)in.p, (size_t)in.n,
		(char *)out->p + out->n, &n);
	assert(rc == SNAPPY_OK);
	out->n += n;
}

/* As the Java client writes it: independent blocks of 64 KiB, no checksum of
 * the content (the batch has one). */
static void
lz4_pack(struct str in, struct buf *out)
{
	static const LZ4F_preferences_t prefs = {
		.frameInfo = {
			.blockSizeID = LZ4F_max64KB,
			.blockMode = LZ4F_blockIndependent,
		},
	};
	size_t n = LZ4F_compressFrameBound((size_t)in.n, &prefs);
	buf_reserve(out, n);
	n = LZ4F_compressFrame(out->p + out->n, n, in.p, (size_t)in.n, &prefs);
	assert(!LZ4F_isError(n));
	out->n += n;
}

static void
zstd_pack(struct str in, struct buf *out)
{
	struct work *work = work_get();
	if (!work->zstd_pack)
		work->zstd_pack = ZSTD_createCCtx();
	assert(work->zstd_pack);
	size_t n = ZSTD_compressBound((size_t)in.n);
	buf_reserve(out, n);
	n = ZSTD_compressCCtx(work->zstd_pack, out->p + out->n, n, in.p,
		(size_t)in.n, ZSTD_LEVEL);
	assert(!ZSTD_isError(n));
	out->n += n;
}

void
codec_compress(enum codec codec, struct str in, struct buf *out)
{
	assert(in.n >= 0);
	if (in.n == 0)
		in.p = (const uint8_t *)"";
	switch (codec) {
	case CODEC_NONE: buf_put_str(out, in); return;
	case CODEC_GZIP: gzip_pack(in, out); return;
	case CODEC_SNAPPY: snappy_pack(in, out); return;
	case CODEC_LZ4: lz4_pack(in, out); return;
	case CODEC_ZSTD: zstd_pack(in, out); return;
	case CODEC_N: break;
	}
	assert(!"a codec");
}

/* ---- decompressing ---- */

/* Where plain bytes go.  The buffer grows by doubling what has arrived, never by
 * what the input claims, up to one byte more than allowed: if that byte is
 * written, the input is too large.
 *
 * With take the bytes are passed on, and out is empty after each piece; end_max
 * then shrinks by the bytes passed. */
struct codec_sink {
	struct buf *out;
	size_t base, end_max; /* of out->n; end_max: one byte too many */
	size_t size_max;
	codec_take *take;
	void *arg;
	struct err *e;
};

static int
corrupt(struct codec_sink *sink, const char *what)
{
	return err_set(sink->e, ERR_CORRUPT, "%s data is corrupt or cut short", what);
}

static int
too_large(struct codec_sink *sink)
{
	return err_set(sink->e, ERR_LIMIT, "data unpacks to more than %zu bytes", sink->size_max);
}

static bool
sink_is_over(const struct codec_sink *sink)
{
	return sink->out->n >= sink->end_max;
}

/* Try to have room for n bytes.  Returns the room, at least 1 unless the sink is
 * over. */
static size_t
sink_room(struct codec_sink *sink, size_t n)
{
	struct buf *b = sink->out;
	if (b->cap - b->n < n && b->cap < sink->end_max) {
		size_t cap = MAX(b->n + n, b->cap * 2);
		b->cap = MIN(cap, sink->end_max);
		b->p = mem_realloc(b->p, b->cap);
	}
	return sink_is_over(sink) ? 0 : MIN(b->cap, sink->end_max) - b->n;
}

/* The codec has written n bytes into the room.  False: take refused them. */
static bool
sink_fill(struct codec_sink *sink, size_t n)
{
	struct buf *b = sink->out;
	b->n += n;
	if (!sink->take || sink_is_over(sink))
		return true;
	struct str piece = { b->p, (int32_t)b->n };
	sink->end_max -= b->n;
	b->n = 0;
	return piece.n == 0 || sink->take(sink->arg, piece);
}

static int
refused(struct codec_sink *sink)
{
	return err_set(sink->e, ERR_CORRUPT, "the unpacked data is not what it should be");
}

/* Gzip data may be several members, one after another. */
static int
gzip_unpack(struct str in, struct codec_sink *sink)
{
	struct work *work = work_get();
	if (!work->inflate)
		work->inflate = NEW(struct inflate_state);
	struct inflate_state *z = work->inflate;
	isal_inflate_init(z);
	z->crc_flag = ISAL_GZIP;
	z->next_in = (uint8_t *)in.p;
	z->avail_in = (uint32_t)in.n;
	for (;;) {
		size_t room = sink_room(sink, CHUNK);
		if (room == 0)
			return too_large(sink);
		z->next_out = sink->out->p + sink->out->n;
		z->avail_out = (uint32_t)room;
		int rc = isal_inflate(z);
		if (rc < 0 || rc >= ISAL_NAME_OVERFLOW)
			return corrupt(sink, "gzip");
		if (!sink_fill(sink, room - z->avail_out))
			return refused(sink);
		if (z->block_state == ISAL_BLOCK_FINISH) {
			if (z->avail_in == 0)
				return 0;
			isal_inflate_reset(z);
		} else if (z->avail_in == 0 && z->avail_out > 0) {
			return corrupt(sink, "gzip");
		}
	}
}

/* One run of plain snappy.  Its claim of its plain size is believed if it is
 * possible for its compressed size. */
static int
snappy_unpack_run(struct str in, struct codec_sink *sink)
{
	size_t n;
	if (snappy_uncompressed_length((const char *)in.p, (size_t)in.n, &n) !=
			SNAPPY_OK
		|| n > (size_t)in.n * SNAPPY_RATIO_MAX)
		return corrupt(sink, "snappy");
	if (sink_room(sink, n + 1) <= n)
		return too_large(sink);
	if (snappy_uncompress((const char *)in.p, (size_t)in.n,
			(char *)sink->out->p + sink->out->n, &n) != SNAPPY_OK)
		return corrupt(sink, "snappy");
	return sink_fill(sink, n) ? 0 : refused(sink);
}

static bool
is_xerial(struct str in)
{
	return in.n >= XERIAL_HEADER_SIZE
		&& memcmp(in.p, xerial_magic, sizeof xerial_magic) == 0;
}

/* A stream of runs, each after its length; instead of a length the header of
 * another stream may come.  (Plain snappy can't begin with the magic: its third
 * byte would copy from before the beginning.) */
static int
snappy_unpack(struct str in, struct codec_sink *sink)
{
	if (!is_xerial(in))
		return snappy_unpack_run(in, sink);
	while (in.n > 0) {
		if (is_xerial(in)) {
			in.p += XERIAL_HEADER_SIZE;
			in.n -= XERIAL_HEADER_SIZE;
			continue;
		}
		if (in.n < 4)
			return corrupt(sink, "snappy");
		struct str run = { in.p + 4, (int32_t)load_be32(in.p) };
		if (run.n < 0 || run.n > in.n - 4)
			return corrupt(sink, "snappy");
		if (snappy_unpack_run(run, sink))
			return -1;
		in.p += 4 + run.n;
		in.n -= 4 + run.n;
	}
	return 0;
}

/* Does the frame begin as Kafka's Java clients require: no skippable frame,
 * independent blocks, no dictionary, the reserved bit 0? */
static bool
is_plain_lz4(struct str in)
{
	return in.n >= LZ4_HEADER_SIZE && load_be32(in.p) == 0x04224d18
		&& (in.p[4] & 0xe3) == 0x60;
}

static int
lz4_unpack(struct str in, struct codec_sink *sink)
{
	struct work *work = work_get();
	if (sink->take && !is_plain_lz4(in))
		return err_set(sink->e, ERR_CORRUPT,
			"lz4 data is not one frame of independent blocks");
	if (!work->lz4)
		LZ4F_createDecompressionContext(&work->lz4, LZ4F_VERSION);
	assert(work->lz4);
	LZ4F_resetDecompressionContext(work->lz4);
	size_t at = 0;
	for (;;) {
		size_t room = sink_room(sink, CHUNK);
		if (room == 0)
			return too_large(sink);
		size_t nout = room, nin = (size_t)in.n - at;
		size_t rc = LZ4F_decompress(work->lz4, sink->out->p + sink->out->n,
			&nout, in.p + at, &nin, NULL);
		if (LZ4F_isError(rc))
			return corrupt(sink, "lz4");
		if (!sink_fill(sink, nout))
			return refused(sink);
		at += nin;
		if (at == (size_t)in.n && rc == 0)
			return 0;
		/* Java clients would silently skip the next frame. */
		if (rc == 0 && sink->take)
			return err_set(sink->e, ERR_CORRUPT,
				"more bytes follow the frame of lz4 data");
		/* all input is consumed, and room is left: the frame is cut */
		if (at == (size_t)in.n && nout < room)
			return corrupt(sink, "lz4");
	}
}

/* A frame that does not state its plain size, or an implausible one. */
static int
zstd_unpack_stream(ZSTD_DCtx *z, struct str in, struct codec_sink *sink)
{
	int log = ZSTD_WINDOW_LOG;
	while (log < ZSTD_WINDOW_LOG_MAX && (size_t)1 << log <= sink->size_max)
		log++;
	ZSTD_DCtx_reset(z, ZSTD_reset_session_and_parameters);
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, log);
	ZSTD_inBuffer zin = { in.p, (size_t)in.n, 0 };
	for (;;) {
		size_t room = sink_room(sink, CHUNK);
		if (room == 0)
			return too_large(sink);
		ZSTD_outBuffer zout = { sink->out->p + sink->out->n, room, 0 };
		size_t rc = ZSTD_decompressStream(z, &zout, &zin);
		if (ZSTD_isError(rc))
			return corrupt(sink, "zstd");
		if (!sink_fill(sink, zout.pos))
			return refused(sink);
		if (rc == 0)
			return zin.pos == zin.size ? 0 : corrupt(sink, "zstd");
		if (zin.pos == zin.size && zout.pos < zout.size)
			return corrupt(sink, "zstd");
	}
}

/* A frame is decompressed fastest straight into its place, which requires its
 * plain size; the frame's claim is believed while it is in proportion to the
 * input.  (This way accepts any window, which Java clients do not.) */
static int
zstd_unpack(struct str in, struct codec_sink *sink)
{
	struct work *work = work_get();
	if (!work->zstd)
		work->zstd = ZSTD_createDCtx();
	assert(work->zstd);
	while (in.n > 0) {
		size_t frame = ZSTD_findFrameCompressedSize(in.p, (size_t)in.n);
		if (ZSTD_isError(frame))
			return corrupt(sink, "zstd");
		unsigned long long n = ZSTD_getFrameContentSize(in.p, frame);
		struct str one = { in.p, (int32_t)frame };
		if (!sink->take && n <= (size_t)in.n * 16 + CHUNK) {
			if (sink_room(sink, n + 1) <= n)
				return too_large(sink);
			size_t rc = ZSTD_decompressDCtx(work->zstd,
				sink->out->p + sink->out->n, n, one.p, frame);
			if (ZSTD_isError(rc))
				return corrupt(sink, "zstd");
			sink->out->n += rc;
		} else if (zstd_unpack_stream(work->zstd, one, sink)) {
			return -1;
		}
		in.p += frame;
		in.n -= (int32_t)frame;
	}
	return 0;
}

static int
unpack(enum codec codec, struct str in, struct codec_sink *sink)
{
	if (codec != CODEC_NONE && in.n == 0) /* no codec compresses to nothing */
		return corrupt(sink, codec_name(codec));
	switch (codec) {
	case CODEC_NONE:
		if ((size_t)in.n >= sink->end_max - sink->out->n)
			return too_large(sink);
		buf_put_str(sink->out, in);
		return 0;
	case CODEC_GZIP: return gzip_unpack(in, sink);
	case CODEC_SNAPPY: return snappy_unpack(in, sink);
	case CODEC_LZ4: return lz4_unpack(in, sink);
	case CODEC_ZSTD: return zstd_unpack(in, sink);
	case CODEC_N: break;
	}
	assert(!"a codec");
	return -1;
}

int
codec_decompress(enum codec codec, struct str in, size_t size_max, struct buf *out,
	struct err *e)
{
	assert(in.n >= 0);
	size_t base = out->n;
	size_max = MIN(size_max, INT32_MAX - 1); /* what a slice can hold */
	struct codec_sink sink = { .out = out, .base = base, .end_max = base + size_max + 1,
		.size_max = size_max, .e = e };
	sink_room(&sink, (size_t)in.n + 1); /* a likely minimum, and never NULL */
	int rc = unpack(codec, in, &sink);
	if (rc == 0 && sink_is_over(&sink))
		rc = too_large(&sink);
	if (rc)
		out->n = base;
	return rc;
}

int
codec_inspect(enum codec codec, struct str in, size_t size_max, codec_take *take, void *arg,
	struct err *e)
{
	assert(in.n >= 0 && codec != CODEC_NONE);
	struct work *work = work_get();
	size_max = MIN(size_max, INT32_MAX - 1);
	struct codec_sink sink = { .out = &work->window, .end_max = size_max + 1,
		.size_max = size_max, .take = take, .arg = arg, .e = e };
	buf_reset(&work->window);
	sink_room(&sink, CHUNK);
	int rc = unpack(codec, in, &sink);
	if (rc == 0 && sink_is_over(&sink))
		rc = too_large(&sink);
	if (work->window.cap > WINDOW_KEEP)
		buf_release(&work->window);
	if (work->zstd && ZSTD_sizeof_DCtx(work->zstd) > ZSTD_KEEP) {
		ZSTD_freeDCtx(work->zstd);
		work->zstd = NULL;
	}
	return rc;
}
