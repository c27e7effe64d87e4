/*
 * The local store: everything in memory, every transaction in a log.
 *
 *   kq-metadata.log: frames, back to back
 *     length u32 | crc32c u32 of what follows | revision i64 | count u32 |
 *     count x { key length u32 | key | value length i32 (-1: removed) | value }
 *
 * All big endian.  A change of this layout takes a new file name, and code
 * here that reads the old file once.
 */
#include "meta/backend.h"

#include "base/map.h"
#include "record/crc32c.h"
#include "sys/fs.h"
#include "sys/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum {
	FRAME_HEADER = 8,
	FRAME_MIN = 12,          /* revision and count */
	FILE_SIZE_MAX = 1 << 30, /* refused beyond: it can't be ours */
	COMPACT_MIN = 1 << 20,   /* smaller files are left as they are */
	FIRST_FRAME_MAX = 4096,  /* more than a new cluster's first one takes */
};

struct entry {
	int64_t revision;
	struct str key, value; /* one block with this struct */
};

struct local {
	struct metastore base;
	struct map entries;
	int dir_fd, fd; /* -1: memory alone */
	int64_t size;   /* of the file's good part */
	int64_t live;   /* bytes that the entries would take in it */
	bool is_failed;
	bool is_telling;
	struct buf frame;
};

static int64_t
entry_cost(const struct entry *it)
{
	return FRAME_HEADER + FRAME_MIN + 8 + it->key.n + it->value.n;
}

static void
forget(struct local *s, struct str key)
{
	struct entry *old = map_remove(&s->entries, key);
	if (old)
		s->live -= entry_cost(old);
	mem_free(old);
}

static void
remember(struct local *s, struct str key, struct str value, int64_t revision)
{
	struct entry *it = mem_alloc(sizeof *it + (size_t)key.n + (size_t)value.n);
	uint8_t *p = (uint8_t *)(it + 1);
	memcpy(p, key.p, (size_t)key.n);
	if (value.n)
		memcpy(p + key.n, value.p, (size_t)value.n);
	it->revision = revision;
	it->key = (struct str){ p, key.n };
	it->value = (struct str){ p + key.n, value.n };
	forget(s, key);
	map_put(&s->entries, it->key, it);
	s->live += entry_cost(it);
}

static void
apply(struct local *s, struct str key, struct str value, int64_t revision)
{
	if (value.n < 0)
		forget(s, key);
	else
		remember(s, key, value, revision);
}

/* --- frames --- */

static void
put_be32(struct buf *b, uint32_t v)
{
	store_be32(buf_grow(b, 4), v);
}

static void
put_bytes(struct buf *b, struct str s)
{
	put_be32(b, (uint32_t)s.n);
	buf_put_str(b, s);
}

static size_t
frame_begin(struct buf *b, int64_t revision, uint32_t count)
{
	size_t at = b->n;
	buf_grow(b, FRAME_HEADER);
	store_be64(buf_grow(b, 8), (uint64_t)revision);
	put_be32(b, count);
	return at;
}

static void
frame_finish(struct buf *b, size_t at)
{
	uint8_t *p = b->p + at;
	size_t n = b->n - at - FRAME_HEADER;
	store_be32(p, (uint32_t)n);
	store_be32(p + 4, crc32c(p + FRAME_HEADER, n));
}

static bool
take_bytes(const uint8_t **p, const uint8_t *end, struct str *s)
{
	if (end - *p < 4)
		return false;
	s->n = (int32_t)load_be32(*p);
	s->p = *p + 4;
	if (s->n < -1 || (s->n > 0 && s->n > end - s->p))
		return false;
	*p = s->p + MAX(s->n, 0);
	return true;
}

/* Apply the frame whose body, of a good CRC, is [p, end). */
static bool
replay(struct local *s, const uint8_t *p, const uint8_t *end)
{
	int64_t revision = (int64_t)load_be64(p);
	uint32_t count = load_be32(p + 8);
	p += FRAME_MIN;
	for (uint32_t i = 0; i < count; i++) {
		struct str key, value;
		if (!take_bytes(&p, end, &key) || key.n < 0 || !take_bytes(&p, end, &value))
			return false;
		apply(s, key, value, revision);
	}
	s->base.revision = revision;
	return p == end;
}

/* Bytes of the whole frame at p, or 0 when it is cut or its CRC is bad. */
static size_t
frame_size(const uint8_t *p, size_t n)
{
	if (n < FRAME_HEADER + FRAME_MIN)
		return 0;
	uint32_t len = load_be32(p);
	if (len < FRAME_MIN || len > n - FRAME_HEADER)
		return 0;
	if (crc32c(p + FRAME_HEADER, len) != load_be32(p + 4))
		return 0;
	return FRAME_HEADER + (size_t)len;
}

/* --- opening --- */

/* Is there a good frame anywhere behind the bad one at the start of p?  Then
 * it was not a torn write. */
static bool
has_frame_behind(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i + FRAME_HEADER + FRAME_MIN <= n; i++)
		if (frame_size(p + i, n - i))
			return true;
	return false;
}

/* Are the bytes, without a whole frame, what is left of a first write cut short? */
static bool
is_torn_first_frame(const uint8_t *p, size_t n)
{
	return n <= FIRST_FRAME_MAX && (n < 4 || load_be32(p) <= FIRST_FRAME_MAX);
}

static int
load(struct local *s, struct err *e)
{
	struct buf b = BUF_INIT;
	if (fs_read_file(s->dir_fd, METASTORE_FILE, FILE_SIZE_MAX, &b, e) < 0) {
		buf_release(&b);
		return -1;
	}
	size_t at = 0, n;
	int r = 0;
	while ((n = frame_size(b.p + at, b.n - at)) > 0) {
		if (!replay(s, b.p + at + FRAME_HEADER, b.p + at + n))
			break;
		at += n;
	}
	s->size = (int64_t)at;
	if (at < b.n && (n > 0 || has_frame_behind(b.p + at, b.n - at)
		|| (at == 0 && !is_torn_first_frame(b.p, b.n))))
		r = err_set(e, ERR_CORRUPT, "%s: bad bytes at position %zu; restore the file from a copy",
			METASTORE_FILE, at);
	else if (at < b.n)
		r = fs_truncate(s->fd, s->size, e);
	buf_release(&b);
	return r;
}

static int
by_key(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	return str_cmp((*x)->key, (*y)->key);
}

/* The entries with the prefix, sorted; the caller frees the array. */
static struct entry **
sorted(struct local *s, struct str prefix, size_t *n)
{
	struct entry **v = mem_alloc((s->entries.n + 1) * sizeof *v);
	*n = 0;
	MAP_EACH(it, &s->entries)
		if (str_has_prefix(it->key, prefix))
			v[(*n)++] = it->value;
	qsort(v, *n, sizeof *v, by_key);
	return v;
}

/* Write the entries anew when most of the log is history. */
static int
compact(struct local *s, struct err *e)
{
	if (s->size < COMPACT_MIN || s->size < s->live * 2)
		return 0;
	struct buf b = BUF_INIT;
	MAP_EACH(it, &s->entries) {
		struct entry *x = it->value;
		size_t at = frame_begin(&b, x->revision, 1);
		put_bytes(&b, x->key);
		put_bytes(&b, x->value);
		frame_finish(&b, at);
	}
	/* Replay takes the last frame's revision for the store's. */
	size_t at = frame_begin(&b, s->base.revision, 0);
	frame_finish(&b, at);
	int r = fs_replace_file(s->dir_fd, METASTORE_FILE, buf_str(&b), e);
	if (r == 0) {
		fs_close(s->fd);
		s->size = (int64_t)b.n;
		s->fd = fs_open(s->dir_fd, METASTORE_FILE, O_RDWR, 0600, e);
		r = s->fd < 0 ? -1 : 0;
	}
	buf_release(&b);
	return r;
}

/* --- the interface --- */

static void
local_close(struct metastore *m)
{
	struct local *s = CONTAINER_OF(m, struct local, base);
	MAP_EACH(it, &s->entries)
		mem_free(it->value);
	map_release(&s->entries);
	buf_release(&s->frame);
	fs_close(s->fd);
	mem_free(s);
}

static bool
local_get(struct metastore *m, struct str key, struct metastore_entry *entry)
{
	struct local *s = CONTAINER_OF(m, struct local, base);
	struct entry *it = map_get(&s->entries, key);
	if (it)
		*entry = (struct metastore_entry){ it->key, it->value, it->revision };
	return it != NULL;
}

static int
local_list(struct metastore *m, struct str prefix, metastore_list_fn *fn, void *ctx)
{
	struct local *s = CONTAINER_OF(m, struct local, base);
	size_t n;
	struct entry **v = sorted(s, prefix, &n);
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct metastore_entry x = { v[i]->key, v[i]->value, v[i]->revision };
		r = fn(ctx, &x);
	}
	mem_free(v);
	return r;
}

static int
write_frame(struct local *s, struct err *e)
{
	if (s->fd < 0)
		return 0;
	if (fs_write_at(s->fd, buf_str(&s->frame), s->size, e) < 0) {
		struct err ignored; /* the next one overwrites it anyway */
		fs_truncate(s->fd, s->size, &ignored);
		return err_wrap(e, "%s", METASTORE_FILE);
	}
	if (fs_sync(s->fd, e) < 0) {
		s->is_failed = true;
		return err_wrap(e, "%s", METASTORE_FILE);
	}
	s->size += (int64_t)s->frame.n;
	return 0;
}

static int
local_txn(struct metastore *m, const struct metastore_op *op, int nop, struct err *e)
{
	struct local *s = CONTAINER_OF(m, struct local, base);
	assert(!s->is_telling);
	if (s->is_failed)
		return err_set(e, ERR_SYS, "%s: a sync failed before; restart the broker", METASTORE_FILE);
	for (int i = 0; i < nop; i++) {
		struct entry *it = map_get(&s->entries, op[i].key);
		if (op[i].expected != METASTORE_ANY && op[i].expected != (it ? it->revision : 0))
			return err_set(e, ERR_RETRY, "'%.*s' was changed by another", STR_ARG(op[i].key));
	}
	buf_reset(&s->frame);
	size_t at = frame_begin(&s->frame, m->revision + 1, (uint32_t)nop);
	for (int i = 0; i < nop; i++) {
		put_bytes(&s->frame, op[i].key);
		put_bytes(&s->frame, op[i].value);
	}
	frame_finish(&s->frame, at);
	if (write_frame(s, e) < 0)
		return -1;
	m->revision++;
	/* From the frame: what op has may be an entry's, which goes here. */
	const uint8_t *p = s->frame.p + FRAME_HEADER + FRAME_MIN, *end = s->frame.p + s->frame.n;
	s->is_telling = true;
	for (int i = 0; i < nop; i++) {
		struct metastore_entry x = { .revision = m->revision };
		bool is_whole = take_bytes(&p, end, &x.key) && take_bytes(&p, end, &x.value);
		assert(is_whole);
		apply(s, x.key, x.value, m->revision);
		metastore_tell(m, &x);
	}
	s->is_telling = false;
	return 0;
}

static const struct metastore_backend local_backend = {
	local_close, local_get, local_list, local_txn,
};

struct metastore *
metastore_open_local(int dir_fd, struct err *e)
{
	struct local *s = NEW(struct local);
	s->base.backend = &local_backend;
	s->dir_fd = dir_fd;
	s->fd = -1;
	rand_bytes(&s->entries.seed, sizeof s->entries.seed);
	if (dir_fd < 0)
		return &s->base;
	s->fd = fs_open(dir_fd, METASTORE_FILE, O_RDWR | O_CREAT, 0600, e);
	if (s->fd < 0 || load(s, e) < 0 || fs_sync_dir(dir_fd, e) < 0 || compact(s, e) < 0) {
		local_close(&s->base);
		return NULL;
	}
	return &s->base;
}
