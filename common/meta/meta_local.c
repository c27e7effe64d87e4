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
	FILE_SIZE_MAX = 1 << 30, /* a larger file is refused */
	COMPACT_MIN = 1 << 20,   /* smaller files are not rewritten */
	FIRST_FRAME_MAX = 4096,  /* a bound for the first frame of a new cluster */
};

struct entry {
	int64_t revision;
	struct str key, value; /* stored after this struct */
};

struct local {
	struct metastore base;
	struct map entries;
	int dir_fd, fd; /* -1: only memory */
	int64_t size;   /* of the file's good part, bytes */
	int64_t live;   /* bytes that the current entries would take in it */
	bool is_failed;
	bool is_notifying;
	struct buf frame;
};

static int64_t
entry_cost(const struct entry *entry)
{
	return FRAME_HEADER + FRAME_MIN + 8 + entry->key.n + entry->value.n;
}

static void
forget(struct local *store, struct str key)
{
	struct entry *old = map_remove(&store->entries, key);
	if (old)
		store->live -= entry_cost(old);
	mem_free(old);
}

static void
remember(struct local *store, struct str key, struct str value, int64_t revision)
{
	struct entry *entry = mem_alloc(sizeof *entry + (size_t)key.n + (size_t)value.n);
	uint8_t *p = (uint8_t *)(entry + 1);
	memcpy(p, key.p, (size_t)key.n);
	if (value.n)
		memcpy(p + key.n, value.p, (size_t)value.n);
	entry->revision = revision;
	entry->key = (struct str){ p, key.n };
	entry->value = (struct str){ p + key.n, value.n };
	forget(store, key);
	map_put(&store->entries, entry->key, entry);
	store->live += entry_cost(entry);
}

static void
apply(struct local *store, struct str key, struct str value, int64_t revision)
{
	if (value.n < 0)
		forget(store, key);
	else
		remember(store, key, value, revision);
}

/* ---- frames ---- */

static void
put_bytes(struct buf *b, struct str s)
{
	buf_put_be32(b, (uint32_t)s.n);
	buf_put_str(b, s);
}

static size_t
frame_begin(struct buf *b, int64_t revision, uint32_t count)
{
	size_t at = b->n;
	buf_grow(b, FRAME_HEADER);
	buf_put_be64(b, (uint64_t)revision);
	buf_put_be32(b, count);
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

/* Apply the frame whose body, with a good CRC, is [p, end). */
static bool
replay(struct local *store, const uint8_t *p, const uint8_t *end)
{
	int64_t revision = (int64_t)load_be64(p);
	uint32_t count = load_be32(p + 8);
	p += FRAME_MIN;
	for (uint32_t i = 0; i < count; i++) {
		struct str key, value;
		if (!take_bytes(&p, end, &key) || key.n < 0 || !take_bytes(&p, end, &value))
			return false;
		apply(store, key, value, revision);
	}
	store->base.revision = revision;
	return p == end;
}

/* The size of the frame at p; 0: it is cut, or its CRC is bad. */
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

/* ---- opening ---- */

/* Does a good frame follow anywhere after the bad one at p?  Then the bad one is
 * not the end of a torn write. */
static bool
has_frame_behind(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i + FRAME_HEADER + FRAME_MIN <= n; i++)
		if (frame_size(p + i, n - i))
			return true;
	return false;
}

/* Can the bytes, which hold no whole frame, be a torn first write? */
static bool
is_torn_first_frame(const uint8_t *p, size_t n)
{
	return n <= FIRST_FRAME_MAX && (n < 4 || load_be32(p) <= FIRST_FRAME_MAX);
}

static int
load(struct local *store, struct err *e)
{
	struct buf b = BUF_INIT;
	if (fs_read_file(store->dir_fd, METASTORE_FILE, FILE_SIZE_MAX, &b, e) < 0) {
		buf_release(&b);
		return -1;
	}
	size_t at = 0, n;
	int rc = 0;
	while ((n = frame_size(b.p + at, b.n - at)) > 0) {
		if (!replay(store, b.p + at + FRAME_HEADER, b.p + at + n))
			break;
		at += n;
	}
	store->size = (int64_t)at;
	if (at < b.n && (n > 0 || has_frame_behind(b.p + at, b.n - at)
		|| (at == 0 && !is_torn_first_frame(b.p, b.n))))
		rc = err_set(e, ERR_CORRUPT, METASTORE_FILE
			": bad bytes at position %zu; restore the file from a copy", at);
	else if (at < b.n)
		rc = fs_truncate(store->fd, store->size, e);
	buf_release(&b);
	return rc;
}

static int
by_key(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	return str_cmp((*x)->key, (*y)->key);
}

/* The entries with the prefix, sorted; the caller frees the array. */
static struct entry **
sorted(struct local *store, struct str prefix, size_t *n)
{
	struct entry **v = mem_alloc((store->entries.n + 1) * sizeof *v);
	*n = 0;
	MAP_EACH(it, &store->entries)
		if (str_has_prefix(it->key, prefix))
			v[(*n)++] = it->value;
	qsort(v, *n, sizeof *v, by_key);
	return v;
}

/* Rewrite the file if most of it is history. */
static int
compact(struct local *store, struct err *e)
{
	if (store->size < COMPACT_MIN || store->size < store->live * 2)
		return 0;
	struct buf b = BUF_INIT;
	MAP_EACH(it, &store->entries) {
		struct entry *entry = it->value;
		size_t at = frame_begin(&b, entry->revision, 1);
		put_bytes(&b, entry->key);
		put_bytes(&b, entry->value);
		frame_finish(&b, at);
	}
	/* The last frame's revision becomes the store's when it is replayed. */
	size_t at = frame_begin(&b, store->base.revision, 0);
	frame_finish(&b, at);
	int rc = fs_replace_file(store->dir_fd, METASTORE_FILE, buf_str(&b), e);
	if (rc == 0) {
		fs_close(store->fd);
		store->size = (int64_t)b.n;
		store->fd = fs_open(store->dir_fd, METASTORE_FILE, O_RDWR, 0600, e);
		rc = store->fd < 0 ? -1 : 0;
	}
	buf_release(&b);
	return rc;
}

/* ---- the interface ---- */

static void
local_close(struct metastore *meta)
{
	struct local *store = CONTAINER_OF(meta, struct local, base);
	MAP_EACH(it, &store->entries)
		mem_free(it->value);
	map_release(&store->entries);
	buf_release(&store->frame);
	fs_close(store->fd);
	mem_free(store);
}

static bool
local_get(struct metastore *meta, struct str key, struct metastore_entry *entry)
{
	struct local *store = CONTAINER_OF(meta, struct local, base);
	struct entry *it = map_get(&store->entries, key);
	if (it)
		*entry = (struct metastore_entry){ it->key, it->value, it->revision };
	return it != NULL;
}

static int
local_list(struct metastore *meta, struct str prefix, metastore_list_fn *fn, void *ctx)
{
	struct local *store = CONTAINER_OF(meta, struct local, base);
	size_t n;
	struct entry **v = sorted(store, prefix, &n);
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct metastore_entry entry = { v[i]->key, v[i]->value, v[i]->revision };
		rc = fn(ctx, &entry);
	}
	mem_free(v);
	return rc;
}

static int
write_frame(struct local *store, struct err *e)
{
	if (store->fd < 0)
		return 0;
	if (fs_write_at(store->fd, buf_str(&store->frame), store->size, e) < 0) {
		struct err ignored; /* the next write overwrites it */
		fs_truncate(store->fd, store->size, &ignored);
		return err_wrap(e, "%s", METASTORE_FILE);
	}
	if (fs_sync(store->fd, e) < 0) {
		store->is_failed = true;
		return err_wrap(e, "%s", METASTORE_FILE);
	}
	store->size += (int64_t)store->frame.n;
	return 0;
}

static int
local_txn(struct metastore *meta, const struct metastore_op *op, int nop, struct err *e)
{
	struct local *store = CONTAINER_OF(meta, struct local, base);
	assert(!store->is_notifying);
	if (store->is_failed)
		return err_set(e, ERR_SYS, "%s: a sync failed before; restart the broker",
			METASTORE_FILE);
	for (int i = 0; i < nop; i++) {
		assert(op[i].key.n > 0 && op[i].value.n >= -1);
		struct entry *it = map_get(&store->entries, op[i].key);
		if (op[i].expected != METASTORE_ANY && op[i].expected != (it ? it->revision : 0))
			return err_set(e, ERR_RETRY, "'%.*s' was changed by another",
				STR_ARG(op[i].key));
	}
	buf_reset(&store->frame);
	size_t at = frame_begin(&store->frame, meta->revision + 1, (uint32_t)nop);
	for (int i = 0; i < nop; i++) {
		put_bytes(&store->frame, op[i].key);
		put_bytes(&store->frame, op[i].value);
	}
	frame_finish(&store->frame, at);
	if (write_frame(store, e) < 0)
		return -1;
	meta->revision++;
	/* From the frame: the slices of op may belong to entries that are freed here. */
	const uint8_t *p = store->frame.p + FRAME_HEADER + FRAME_MIN,
		*end = store->frame.p + store->frame.n;
	store->is_notifying = true;
	for (int i = 0; i < nop; i++) {
		struct metastore_entry entry = { .revision = meta->revision };
		bool is_whole = take_bytes(&p, end, &entry.key)
			&& take_bytes(&p, end, &entry.value);
		assert(is_whole);
		apply(store, entry.key, entry.value, meta->revision);
		metastore_notify(meta, &entry);
	}
	store->is_notifying = false;
	return 0;
}

static const struct metastore_backend local_backend = {
	local_close, local_get, local_list, local_txn,
};

struct metastore *
metastore_open_local(int dir_fd, struct err *e)
{
	struct local *store = NEW(struct local);
	store->base.backend = &local_backend;
	store->dir_fd = dir_fd;
	store->fd = -1;
	rand_bytes(&store->entries.seed, sizeof store->entries.seed);
	if (dir_fd < 0)
		return &store->base;
	store->fd = fs_open(dir_fd, METASTORE_FILE, O_RDWR | O_CREAT, 0600, e);
	if (store->fd < 0 || load(store, e) < 0 || fs_sync_dir(dir_fd, e) < 0
		|| compact(store, e) < 0) {
		local_close(&store->base);
		return NULL;
	}
	return &store->base;
}
