#include "log/index.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static const struct {
	size_t size; /* of an entry */
	int per_page;
	const char *suffix;
} kinds[] = {
	[INDEX_OFFSET] = { 8, 512, ".index" },
	[INDEX_TIME] = { 12, 341, ".timeindex" },
	[INDEX_TXN] = { INDEX_TXN_SIZE, 120, ".txnindex" },
};

char *
logdir_path(const struct logdir *d, int64_t base_offset, const char *suffix,
	char z[LOGDIR_PATH_SIZE])
{
	int n = snprintf(z, LOGDIR_PATH_SIZE, "%s/%020lld%s", d->name,
		(long long)base_offset, suffix);
	assert(n > 0 && n < LOGDIR_PATH_SIZE);
	return z;
}

void
index_init(struct index *x, enum index_kind kind, int64_t base_offset)
{
	*x = (struct index){ .kind = kind, .base_offset = base_offset };
}

void
index_release(struct index *x)
{
	buf_release(&x->tail);
}

int64_t
index_count(const struct index *x)
{
	return x->nfile + (int64_t)(x->tail.n / kinds[x->kind].size);
}

static int
open_file(const struct index *x, const struct logdir *d, int flags, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	return fs_open(d->root_fd, logdir_path(d, x->base_offset, kinds[x->kind].suffix, path),
		flags, 0600, e);
}

int
index_open(struct index *x, const struct logdir *d, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	int64_t entry = (int64_t)kinds[x->kind].size;
	int64_t size = fs_size_at(d->root_fd,
		logdir_path(d, x->base_offset, kinds[x->kind].suffix, path), e);
	if (size < 0)
		return e->sys == ENOENT ? 0 : -1;
	x->nfile = size / entry;
	return size % entry == 0;
}

static void
get(const struct index *x, const uint8_t *p, struct index_entry *it)
{
	*it = (struct index_entry){ 0, 0, 0 };
	if (x->kind == INDEX_OFFSET) {
		it->offset = x->base_offset + (int32_t)load_be32(p);
		it->position = (int32_t)load_be32(p + 4);
	} else {
		it->timestamp = (int64_t)load_be64(p);
		it->offset = x->base_offset + (int32_t)load_be32(p + 8);
	}
}

void
index_append(struct index *x, const struct index_entry *it)
{
	int64_t relative = it->offset - x->base_offset;
	assert(relative >= 0 && relative <= INT32_MAX);
	assert(it->position >= 0 && it->position <= INT32_MAX);
	uint8_t *p = buf_grow(&x->tail, kinds[x->kind].size);
	if (x->kind == INDEX_OFFSET) {
		store_be32(p, (uint32_t)relative);
		store_be32(p + 4, (uint32_t)it->position);
	} else {
		store_be64(p, (uint64_t)it->timestamp);
		store_be32(p + 8, (uint32_t)relative);
	}
}

void
index_put(struct index *x, const uint8_t entry[INDEX_TXN_SIZE])
{
	assert(x->kind == INDEX_TXN);
	buf_put(&x->tail, entry, INDEX_TXN_SIZE);
}

int
index_write(struct index *x, const struct logdir *d, struct err *e)
{
	if (d->root_fd < 0)
		return 0;
	/* A file of no entries may be another's, left over: start it anew. */
	int fd = open_file(x, d, O_RDWR | O_CREAT | (x->nfile ? 0 : O_TRUNC), e);
	if (fd < 0)
		return -1;
	int64_t at = x->nfile * (int64_t)kinds[x->kind].size;
	int r = x->tail.n ? fs_write_at(fd, buf_str(&x->tail), at, e) : 0;
	fs_close(fd);
	if (r < 0)
		return err_wrap(e, "%s/%lld%s", d->name, (long long)x->base_offset,
			kinds[x->kind].suffix);
	x->nfile = index_count(x);
	buf_release(&x->tail);
	return 0;
}

int
index_replace(struct index *x, const struct logdir *d, struct err *e)
{
	if (index_write(x, d, e) < 0)
		return -1;
	int fd = open_file(x, d, O_RDWR, e);
	if (fd < 0)
		return -1;
	int r = fs_truncate(fd, x->nfile * (int64_t)kinds[x->kind].size, e);
	fs_close(fd);
	return r;
}

int
index_read(const struct index *x, const struct logdir *d, int64_t first, int n, uint8_t *entries,
	struct err *e)
{
	size_t size = kinds[x->kind].size;
	assert(first >= 0 && first + n <= index_count(x));
	int64_t in_file = MAX(MIN(x->nfile - first, n), 0);
	if (in_file > 0) {
		int fd = open_file(x, d, O_RDONLY, e);
		if (fd < 0)
			return -1;
		int64_t want = in_file * (int64_t)size;
		int64_t r = fs_read_at(fd, entries, (size_t)want, first * (int64_t)size, e);
		fs_close(fd);
		if (r < 0)
			return -1;
		if (r < want)
			return err_set(e, ERR_CORRUPT, "%s/%lld%s is shorter than it was", d->name,
				(long long)x->base_offset, kinds[x->kind].suffix);
		entries += want;
	}
	if (n > in_file)
		memcpy(entries, x->tail.p + (size_t)(first + in_file - x->nfile) * size,
			(size_t)(n - in_file) * size);
	return 0;
}

static int64_t
txn_last_offset(const uint8_t *entry)
{
	return (int64_t)load_be64(entry + 18);
}

int64_t
index_txn_from(const struct index *x, const struct logdir *d, int64_t offset, struct err *e)
{
	uint8_t p[INDEX_TXN_SIZE];
	int64_t low = 0, high = x->nfile, end = index_count(x);
	int r = 0, fd = high > 0 ? open_file(x, d, O_RDONLY, e) : -1;
	if (high > 0 && fd < 0)
		return -1;
	while (low < high && r == 0) {
		int64_t mid = low + (high - low) / 2;
		int64_t n = fs_read_at(fd, p, sizeof p, mid * INDEX_TXN_SIZE, e);
		if (n < 0)
			r = -1;
		else if (n < (int64_t)sizeof p)
			r = err_set(e, ERR_CORRUPT, "%s/%lld%s is shorter than it was", d->name,
				(long long)x->base_offset, kinds[x->kind].suffix);
		else if (txn_last_offset(p) < offset)
			low = mid + 1;
		else
			high = mid;
	}
	fs_close(fd);
	if (r < 0)
		return -1;
	if (low == x->nfile)
		for (; low < end; low++)
			if (txn_last_offset(x->tail.p + (size_t)(low - x->nfile) * INDEX_TXN_SIZE) >= offset)
				break;
	return low;
}

/* Read entries from the file into a page. */
static int
read_page(const struct index *x, int fd, int64_t first, struct index_page *page, struct err *e)
{
	size_t size = kinds[x->kind].size;
	int n = (int)MIN((int64_t)kinds[x->kind].per_page, x->nfile - first);
	int64_t r = fs_read_at(fd, page->bytes, (size_t)n * size, first * (int64_t)size, e);
	page->base_offset = -1;
	if (r < 0)
		return -1;
	if (r < (int64_t)((size_t)n * size))
		return err_set(e, ERR_CORRUPT, "%lld%s is shorter than it was",
			(long long)x->base_offset, kinds[x->kind].suffix);
	page->base_offset = x->base_offset;
	page->first = first;
	page->n = n;
	return 0;
}

int
index_get(const struct index *x, const struct logdir *d, int64_t i, struct index_entry *it,
	struct err *e)
{
	assert(i >= 0 && i < index_count(x));
	size_t size = kinds[x->kind].size;
	if (i >= x->nfile) {
		get(x, x->tail.p + (size_t)(i - x->nfile) * size, it);
		return 0;
	}
	uint8_t p[12];
	int fd = open_file(x, d, O_RDONLY, e);
	if (fd < 0)
		return -1;
	int64_t r = fs_read_at(fd, p, size, i * (int64_t)size, e);
	fs_close(fd);
	if (r < 0)
		return -1;
	if (r < (int64_t)size)
		return err_set(e, ERR_CORRUPT, "%s/%lld%s is shorter than it was", d->name,
			(long long)x->base_offset, kinds[x->kind].suffix);
	get(x, p, it);
	return 0;
}

static bool
is_below(const struct index *x, const uint8_t *p, const struct index_entry *max,
	struct index_entry *it)
{
	get(x, p, it);
	return it->offset <= max->offset && it->position <= max->position &&
		it->timestamp <= max->timestamp;
}

/* The last of n entries at p that is below max, or -1. */
static int
floor_in(const struct index *x, const uint8_t *p, int n, const struct index_entry *max,
	struct index_entry *it)
{
	size_t size = kinds[x->kind].size;
	int low = -1, high = n; /* low is below, high is not */
	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (is_below(x, p + (size_t)mid * size, max, it))
			low = mid;
		else
			high = mid;
	}
	if (low >= 0)
		get(x, p + (size_t)low * size, it);
	return low;
}

/* The same in the file: look for the page first, then in it. */
static int64_t
floor_in_file(const struct index *x, const struct logdir *d, const struct index_entry *max,
	struct index_page *page, struct index_entry *it, struct err *e)
{
	int per_page = kinds[x->kind].per_page;
	if (page->base_offset == x->base_offset) {
		int at = floor_in(x, page->bytes, page->n, max, it);
		bool is_last = page->first + page->n == x->nfile;
		if ((at >= 0 || page->first == 0) && (at < page->n - 1 || is_last))
			return at < 0 ? -1 : page->first + at;
	}
	int fd = open_file(x, d, O_RDONLY, e);
	if (fd < 0)
		return -2;
	int64_t low = 0, high = (x->nfile + per_page - 1) / per_page, r = -1;
	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (read_page(x, fd, mid * per_page, page, e) < 0) {
			r = -2;
			break;
		}
		int at = floor_in(x, page->bytes, page->n, max, it);
		if (at < 0) {
			high = mid;
			continue;
		}
		r = page->first + at;
		if (at < page->n - 1)
			break;
		low = mid + 1; /* this one, unless a later page has one too */
	}
	fs_close(fd);
	if (r >= 0 && (r < page->first || r >= page->first + page->n))
		return index_get(x, d, r, it, e) < 0 ? -2 : r;
	if (r >= 0)
		get(x, page->bytes + (size_t)(r - page->first) * kinds[x->kind].size, it);
	return r;
}

int64_t
index_floor(const struct index *x, const struct logdir *d, const struct index_entry *max,
	struct index_page *page, struct index_entry *it, struct err *e)
{
	int n = (int)(x->tail.n / kinds[x->kind].size);
	int at = n ? floor_in(x, x->tail.p, n, max, it) : -1;
	if (at >= 0)
		return x->nfile + at;
	if (x->nfile == 0)
		return -1;
	if (page)
		return floor_in_file(x, d, max, page, it, e);
	struct index_page own;
	own.base_offset = -1;
	return floor_in_file(x, d, max, &own, it, e);
}
