#include "record/codec.h"

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <zstd.h>

enum {
	/* Room asked for at a time: a block of lz4 as Kafka writes it, so
	 * that it is unpacked in place. */
	CHUNK = 64 << 10,

	/* On logs and JSON level 1 packs a few per cent less than 3 and
	 * does so at nearly twice the speed; brokers and disks are seldom
	 * short of those per cents, producers often of time. */
	ZSTD_LEVEL = 1,

	/* Eight MiB, the window every reader of zstd ought to support; only
	 * one whose caller allows more bytes than that gets more. */
	ZSTD_WINDOW_LOG = 23,
	ZSTD_WINDOW_LOG_MAX = 27,

	/* igzip's levels go to 3, with little gain behind 1. */
	GZIP_LEVEL = 1,

	/* Snappy's best: three bytes stand for sixty-four. */
	SNAPPY_RATIO_MAX = 22,

	/* What a thread keeps of the memory that codec_inspect took. */
	WINDOW_KEEP = 1 << 20,
	ZSTD_KEEP = 16 << 20,

	LZ4_HEADER_SIZE = 5, /* the magic and the flags */
	XERIAL_HEADER_SIZE = 16, /* magic, version, oldest version that reads it */
};

static const char xerial_magic[8] = "\202SNAPPY";

static const char *const names[CODEC_N] = { "none", "gzip", "snappy", "lz4",
	"zstd" };

const char *
codec_name(enum codec c)
{
	assert(c < CODEC_N);
	return names[c];
}

bool
codec_parse(const char *name, enum codec *c)
{
	for (int i = 0; i < CODEC_N; i++)
		if (strcmp(names[i], name) == 0) {
			*c = (enum codec)i;
			return true;
		}
	return false;
}

/* The libraries' states are large and slow to set up, so each thread keeps
 * those that it has used until it ends. */
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
	struct work *w = p;
	mem_free(w->deflate);
	mem_free(w->inflate);
	LZ4F_freeDecompressionContext(w->lz4);
	ZSTD_freeCCtx(w->zstd_pack);
	ZSTD_freeDCtx(w->zstd);
	buf_release(&w->window);
	mem_free(w);
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

/* --- compressing --- */

static void
gzip_pack(struct str in, struct buf *out)
{
	struct work *w = work_get();
	if (!w->deflate)
		w->deflate = NEW(struct deflate);
	struct isal_zstream *z = &w->deflate->z;
	isal_deflate_init(z);
	z->level = GZIP_LEVEL;
	z->level_buf = w->deflate->level_buf;
	z->level_buf_size = sizeof w->deflate->level_buf;
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
	struct work *w = work_get();
	if (!w->zstd_pack)
		w->zstd_pack = ZSTD_createCCtx();
	assert(w->zstd_pack);
	size_t n = ZSTD_compressBound((size_t)in.n);
	buf_reserve(out, n);
	n = ZSTD_compressCCtx(w->zstd_pack, out->p + out->n, n, in.p,
		(size_t)in.n, ZSTD_LEVEL);
	assert(!ZSTD_isError(n));
	out->n += n;
}

void
codec_compress(enum codec c, struct str in, struct buf *out)
{
	assert(in.n >= 0);
	if (in.n == 0)
		in.p = (const uint8_t *)"";
	switch (c) {
	case CODEC_NONE: buf_put_str(out, in); return;
	case CODEC_GZIP: gzip_pack(in, out); return;
	case CODEC_SNAPPY: snappy_pack(in, out); return;
	case CODEC_LZ4: lz4_pack(in, out); return;
	case CODEC_ZSTD: zstd_pack(in, out); return;
	case CODEC_N: break;
	}
	assert(!"a codec");
}

/* --- decompressing --- */

/* Where plain bytes go.  It grows by doubling what is really there, never by
 * what the input says, up to one byte more than allowed: when that byte is
 * written, the input is too large.
 *
 * With take given the bytes are handed on, and out is empty again after each
 * piece; end_max then shrinks by what went. */
struct sink {
	struct buf *out;
	size_t base, end_max; /* of out->n; end_max is the byte more */
	size_t size_max;
	codec_take *take;
	void *arg;
	struct err *e;
};

static int
corrupt(struct sink *s, const char *what)
{
	return err_set(s->e, ERR_CORRUPT, "%s data is corrupt or cut short", what);
}

static int
too_large(struct sink *s)
{
	return err_set(s->e, ERR_LIMIT, "data unpacks to more than %zu bytes", s->size_max);
}

static bool
sink_is_over(const struct sink *s)
{
	return s->out->n >= s->end_max;
}

/* Try to have n bytes of room; returns what there is, at least 1 unless the
 * sink is over. */
static size_t
sink_room(struct sink *s, size_t n)
{
	struct buf *b = s->out;
	if (b->cap - b->n < n && b->cap < s->end_max) {
		size_t cap = MAX(b->n + n, b->cap * 2);
		b->cap = MIN(cap, s->end_max);
		b->p = mem_realloc(b->p, b->cap);
	}
	return sink_is_over(s) ? 0 : MIN(b->cap, s->end_max) - b->n;
}

/* The codec has put n bytes into the room.  False: nobody wants more. */
static bool
sink_fill(struct sink *s, size_t n)
{
	struct buf *b = s->out;
	b->n += n;
	if (!s->take || sink_is_over(s))
		return true;
	struct str piece = { b->p, (int32_t)b->n };
	s->end_max -= b->n;
	b->n = 0;
	return piece.n == 0 || s->take(s->arg, piece);
}

static int
refused(struct sink *s)
{
	return err_set(s->e, ERR_CORRUPT, "the unpacked data is not what it should be");
}

/* A gzip file may be several, one behind another. */
static int
gzip_unpack(struct str in, struct sink *s)
{
	struct work *w = work_get();
	if (!w->inflate)
		w->inflate = NEW(struct inflate_state);
	struct inflate_state *z = w->inflate;
	isal_inflate_init(z);
	z->crc_flag = ISAL_GZIP;
	z->next_in = (uint8_t *)in.p;
	z->avail_in = (uint32_t)in.n;
	for (;;) {
		size_t room = sink_room(s, CHUNK);
		if (room == 0)
			return too_large(s);
		z->next_out = s->out->p + s->out->n;
		z->avail_out = (uint32_t)room;
		int rc = isal_inflate(z);
		if (rc < 0 || rc >= ISAL_NAME_OVERFLOW)
			return corrupt(s, "gzip");
		if (!sink_fill(s, room - z->avail_out))
			return refused(s);
		if (z->block_state == ISAL_BLOCK_FINISH) {
			if (z->avail_in == 0)
				return 0;
			isal_inflate_reset(z);
		} else if (z->avail_in == 0 && z->avail_out > 0) {
			return corrupt(s, "gzip");
		}
	}
}

/* One run of plain snappy.  It says how large it will be, which is believed
 * as far as its size could give that. */
static int
snappy_unpack_run(struct str in, struct sink *s)
{
	size_t n;
	if (snappy_uncompressed_length((const char *)in.p, (size_t)in.n, &n) !=
			SNAPPY_OK ||
		n > (size_t)in.n * SNAPPY_RATIO_MAX)
		return corrupt(s, "snappy");
	if (sink_room(s, n + 1) <= n)
		return too_large(s);
	if (snappy_uncompress((const char *)in.p, (size_t)in.n,
			(char *)s->out->p + s->out->n, &n) != SNAPPY_OK)
		return corrupt(s, "snappy");
	return sink_fill(s, n) ? 0 : refused(s);
}

static bool
is_xerial(struct str in)
{
	return in.n >= XERIAL_HEADER_SIZE &&
		memcmp(in.p, xerial_magic, sizeof xerial_magic) == 0;
}

/* A stream of runs, each behind its length; where a length is due there may
 * be the header of one more stream instead.  (Plain snappy can't begin with
 * the magic: its third byte would copy from before the beginning.) */
static int
snappy_unpack(struct str in, struct sink *s)
{
	if (!is_xerial(in))
		return snappy_unpack_run(in, s);
	while (in.n > 0) {
		if (is_xerial(in)) {
			in.p += XERIAL_HEADER_SIZE;
			in.n -= XERIAL_HEADER_SIZE;
			continue;
		}
		if (in.n < 4)
			return corrupt(s, "snappy");
		struct str run = { in.p + 4, (int32_t)load_be32(in.p) };
		if (run.n < 0 || run.n > in.n - 4)
			return corrupt(s, "snappy");
		if (snappy_unpack_run(run, s))
			return -1;
		in.p += 4 + run.n;
		in.n -= 4 + run.n;
	}
	return 0;
}

/* Does the frame begin as Kafka's clients in Java want it: no skippable frame,
 * independent blocks, no dictionary, the reserved bit 0? */
static bool
is_plain_lz4(struct str in)
{
	return in.n >= LZ4_HEADER_SIZE && load_be32(in.p) == 0x04224d18 &&
		(in.p[4] & 0xe3) == 0x60;
}

static int
lz4_unpack(struct str in, struct sink *s)
{
	struct work *w = work_get();
	if (s->take && !is_plain_lz4(in))
		return err_set(s->e, ERR_CORRUPT, "lz4 data is not one frame of independent blocks");
	if (!w->lz4)
		LZ4F_createDecompressionContext(&w->lz4, LZ4F_VERSION);
	assert(w->lz4);
	LZ4F_resetDecompressionContext(w->lz4);
	size_t at = 0;
	for (;;) {
		size_t room = sink_room(s, CHUNK);
		if (room == 0)
			return too_large(s);
		size_t nout = room, nin = (size_t)in.n - at;
		size_t rc = LZ4F_decompress(w->lz4, s->out->p + s->out->n,
			&nout, in.p + at, &nin, NULL);
		if (LZ4F_isError(rc))
			return corrupt(s, "lz4");
		if (!sink_fill(s, nout))
			return refused(s);
		at += nin;
		if (at == (size_t)in.n && rc == 0)
			return 0;
		/* Clients in Java would silently leave out the next frame. */
		if (rc == 0 && s->take)
			return err_set(s->e, ERR_CORRUPT, "more bytes follow the frame of lz4 data");
		/* fed all and it left room: it waits for more */
		if (at == (size_t)in.n && nout < room)
			return corrupt(s, "lz4");
	}
}

/* A frame that does not say how large it is, or says too much. */
static int
zstd_unpack_stream(ZSTD_DCtx *z, struct str in, struct sink *s)
{
	int log = ZSTD_WINDOW_LOG;
	while (log < ZSTD_WINDOW_LOG_MAX && (size_t)1 << log <= s->size_max)
		log++;
	ZSTD_DCtx_reset(z, ZSTD_reset_session_and_parameters);
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, log);
	ZSTD_inBuffer zin = { in.p, (size_t)in.n, 0 };
	for (;;) {
		size_t room = sink_room(s, CHUNK);
		if (room == 0)
			return too_large(s);
		ZSTD_outBuffer zout = { s->out->p + s->out->n, room, 0 };
		size_t rc = ZSTD_decompressStream(z, &zout, &zin);
		if (ZSTD_isError(rc))
			return corrupt(s, "zstd");
		if (!sink_fill(s, zout.pos))
			return refused(s);
		if (rc == 0)
			return zin.pos == zin.size ? 0 : corrupt(s, "zstd");
		if (zin.pos == zin.size && zout.pos < zout.size)
			return corrupt(s, "zstd");
	}
}

/* A frame unpacks fastest straight to where it goes, which takes knowing its
 * size; that is believed while it is in proportion to the input.  (That way
 * takes any window, too, which clients in Java do not.) */
static int
zstd_unpack(struct str in, struct sink *s)
{
	struct work *w = work_get();
	if (!w->zstd)
		w->zstd = ZSTD_createDCtx();
	assert(w->zstd);
	while (in.n > 0) {
		size_t frame = ZSTD_findFrameCompressedSize(in.p, (size_t)in.n);
		if (ZSTD_isError(frame))
			return corrupt(s, "zstd");
		unsigned long long n = ZSTD_getFrameContentSize(in.p, frame);
		struct str one = { in.p, (int32_t)frame };
		if (!s->take && n <= (size_t)in.n * 16 + CHUNK) {
			if (sink_room(s, n + 1) <= n)
				return too_large(s);
			size_t rc = ZSTD_decompressDCtx(w->zstd,
				s->out->p + s->out->n, n, one.p, frame);
			if (ZSTD_isError(rc))
				return corrupt(s, "zstd");
			s->out->n += rc;
		} else if (zstd_unpack_stream(w->zstd, one, s)) {
			return -1;
		}
		in.p += frame;
		in.n -= (int32_t)frame;
	}
	return 0;
}

static int
unpack(enum codec c, struct str in, struct sink *s)
{
	if (c != CODEC_NONE && in.n == 0) /* none of them packs to nothing */
		return corrupt(s, codec_name(c));
	switch (c) {
	case CODEC_NONE:
		if ((size_t)in.n >= s->end_max - s->out->n)
			return too_large(s);
		buf_put_str(s->out, in);
		return 0;
	case CODEC_GZIP: return gzip_unpack(in, s);
	case CODEC_SNAPPY: return snappy_unpack(in, s);
	case CODEC_LZ4: return lz4_unpack(in, s);
	case CODEC_ZSTD: return zstd_unpack(in, s);
	case CODEC_N: break;
	}
	assert(!"a codec");
	return -1;
}

int
codec_decompress(enum codec c, struct str in, size_t size_max, struct buf *out,
	struct err *e)
{
	assert(in.n >= 0);
	size_t base = out->n;
	size_max = MIN(size_max, INT32_MAX - 1); /* what a slice can hold */
	struct sink s = { .out = out, .base = base, .end_max = base + size_max + 1,
		.size_max = size_max, .e = e };
	sink_room(&s, (size_t)in.n + 1); /* a likely least, and never no memory */
	int rc = unpack(c, in, &s);
	if (rc == 0 && sink_is_over(&s))
		rc = too_large(&s);
	if (rc)
		out->n = base;
	return rc;
}

int
codec_inspect(enum codec c, struct str in, size_t size_max, codec_take *take, void *arg,
	struct err *e)
{
	assert(in.n >= 0 && c != CODEC_NONE);
	struct work *w = work_get();
	size_max = MIN(size_max, INT32_MAX - 1);
	struct sink s = { .out = &w->window, .end_max = size_max + 1, .size_max = size_max,
		.take = take, .arg = arg, .e = e };
	buf_reset(&w->window);
	sink_room(&s, CHUNK);
	int rc = unpack(c, in, &s);
	if (rc == 0 && sink_is_over(&s))
		rc = too_large(&s);
	if (w->window.cap > WINDOW_KEEP)
		buf_release(&w->window);
	if (w->zstd && ZSTD_sizeof_DCtx(w->zstd) > ZSTD_KEEP) {
		ZSTD_freeDCtx(w->zstd);
		w->zstd = NULL;
	}
	return rc;
}
