#include "log/index.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>

static const struct {
	size_t size; /* of an entry, bytes */
	int per_page;
	const char *suffix;
} kinds[] = {
	[INDEX_OFFSET] = { 8, 512, ".index" },
	[INDEX_TIME] = { 12, 341, ".timeindex" },
	[INDEX_TXN] = { INDEX_TXN_SIZE, 120, ".txnindex" },
};

void
index_init(struct index *index, enum index_kind kind, int64_t base_offset)
{
	*index = (struct index){ .kind = kind, .base_offset = base_offset };
}

void
index_release(struct index *index)
{
	buf_release(&index->tail);
}

int64_t
index_count(const struct index *index)
{
	return index->nfile + (int64_t)(index->tail.n / kinds[index->kind].size);
}

static int
open_file(const struct index *index, const struct logdir *dir, int flags, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	logdir_path(dir, index->base_offset, kinds[index->kind].suffix, path);
	return fs_open(dir->root_fd, path, flags, 0600, e);
}

int
index_open(struct index *index, const struct logdir *dir, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	int64_t entry = (int64_t)kinds[index->kind].size;
	int64_t size = fs_size_at(dir->root_fd,
		logdir_path(dir, index->base_offset, kinds[index->kind].suffix, path), e);
	if (size < 0)
		return e->sys == ENOENT ? 0 : -1;
	index->nfile = size / entry;
	return size % entry == 0;
}

static void
get(const struct index *index, const uint8_t *p, struct index_entry *entry)
{
	*entry = (struct index_entry){ 0, 0, 0 };
	if (index->kind == INDEX_OFFSET) {
		entry->offset = index->base_offset + (int32_t)load_be32(p);
		entry->position = (int32_t)load_be32(p + 4);
	} else {
		entry->timestamp = (int64_t)load_be64(p);
		entry->offset = index->base_offset + (int32_t)load_be32(p + 8);
	}
}

void
index_append(struct index *index, const struct index_entry *entry)
{
	int64_t relative = entry->offset - index->base_offset;
	assert(relative >= 0 && relative <= INT32_MAX);
	assert(entry->position >= 0 && entry->position <= INT32_MAX);
	uint8_t *p = buf_grow(&index->tail, kinds[index->kind].size);
	if (index->kind == INDEX_OFFSET) {
		store_be32(p, (uint32_t)relative);
		store_be32(p + 4, (uint32_t)entry->position);
	} else {
		store_be64(p, (uint64_t)entry->timestamp);
		store_be32(p + 8, (uint32_t)relative);
	}
}

void
index_put(struct index *index, const uint8_t entry[INDEX_TXN_SIZE])
{
	assert(index->kind == INDEX_TXN);
	buf_put(&index->tail, entry, INDEX_TXN_SIZE);
}

int
index_write(struct index *index, const struct logdir *dir, struct err *e)
{
	if (dir->root_fd < 0)
		return 0;
	/* A file of no entries may be a leftover: empty it. */
	int fd = open_file(index, dir, O_RDWR | O_CREAT | (index->nfile ? 0 : O_TRUNC), e);
	if (fd < 0)
		return -1;
	int64_t at = index->nfile * (int64_t)kinds[index->kind].size;
	int rc = index->tail.n ? fs_write_at(fd, buf_str(&index->tail), at, e) : 0;
	fs_close(fd);
	if (rc < 0)
		return err_wrap(e, "%s/%lld%s", dir->name, (long long)index->base_offset,
			kinds[index->kind].suffix);
	index->nfile = index_count(index);
	buf_release(&index->tail);
	return 0;
}

int
index_replace(struct index *index, const struct logdir *dir, struct err *e)
{
	if (index_write(index, dir, e) < 0)
		return -1;
	int fd = open_file(index, dir, O_RDWR, e);
	if (fd < 0)
		return -1;
	int rc = fs_truncate(fd, index->nfile * (int64_t)kinds[index->kind].size, e);
	fs_close(fd);
	return rc;
}

static int
is_short(const struct index *index, const struct logdir *dir, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%s/%lld%s is shorter than it was", dir->name,
		(long long)index->base_offset, kinds[index->kind].suffix);
}

int
index_read(const struct index *index, const struct logdir *dir, int64_t first, int n,
	uint8_t *entries, struct err *e)
{
	size_t size = kinds[index->kind].size;
	assert(first >= 0 && first + n <= index_count(index));
	int64_t in_file = MAX(MIN(index->nfile - first, n), 0);
	if (in_file > 0) {
		int fd = open_file(index, dir, O_RDONLY, e);
		if (fd < 0)
			return -1;
		int64_t want = in_file * (int64_t)size;
		int64_t got = fs_read_at(fd, entries, (size_t)want, first * (int64_t)size, e);
		fs_close(fd);
		if (got < 0)
			return -1;
		if (got < want)
			return is_short(index, dir, e);
		entries += want;
	}
	if (n > in_file)
		memcpy(entries, index->tail.p + (size_t)(first + in_file - index->nfile) * size,
			(size_t)(n - in_file) * size);
	return 0;
}

static int64_t
txn_last_offset(const uint8_t *entry)
{
	return (int64_t)load_be64(entry + 18);
}

int64_t
index_txn_from(const struct index *index, const struct logdir *dir, int64_t offset, struct err *e)
{
	uint8_t p[INDEX_TXN_SIZE];
	int64_t low = 0, high = index->nfile, end = index_count(index);
	int rc = 0, fd = high > 0 ? open_file(index, dir, O_RDONLY, e) : -1;
	if (high > 0 && fd < 0)
		return -1;
	while (low < high && rc == 0) {
		int64_t mid = low + (high - low) / 2;
		int64_t n = fs_read_at(fd, p, sizeof p, mid * INDEX_TXN_SIZE, e);
		if (n < 0)
			rc = -1;
		else if (n < (int64_t)sizeof p)
			rc = is_short(index, dir, e);
		else if (txn_last_offset(p) < offset)
			low = mid + 1;
		else
			high = mid;
	}
	fs_close(fd);
	if (rc < 0)
		return -1;
	if (low < index->nfile)
		return low;
	const uint8_t *tail = index->tail.p;
	while (low < end && txn_last_offset(tail) < offset) {
		tail += INDEX_TXN_SIZE;
		low++;
	}
	return low;
}

/* Read entries from the file into a page. */
static int
read_page(const struct index *index, int fd, int64_t first, struct index_page *page, struct err *e)
{
	size_t size = kinds[index->kind].size;
	int n = (int)MIN((int64_t)kinds[index->kind].per_page, index->nfile - first);
	int64_t got = fs_read_at(fd, page->bytes, (size_t)n * size, first * (int64_t)size, e);
	page->base_offset = -1;
	if (got < 0)
		return -1;
	if (got < (int64_t)((size_t)n * size))
		return err_set(e, ERR_CORRUPT, "%lld%s is shorter than it was",
			(long long)index->base_offset, kinds[index->kind].suffix);
	page->base_offset = index->base_offset;
	page->first = first;
	page->n = n;
	return 0;
}

int
index_get(const struct index *index, const struct logdir *dir, int64_t i, struct index_entry *entry,
	struct err *e)
{
	assert(i >= 0 && i < index_count(index));
	size_t size = kinds[index->kind].size;
	if (i >= index->nfile) {
		get(index, index->tail.p + (size_t)(i - index->nfile) * size, entry);
		return 0;
	}
	uint8_t p[12];
	int fd = open_file(index, dir, O_RDONLY, e);
	if (fd < 0)
		return -1;
	int64_t got = fs_read_at(fd, p, size, i * (int64_t)size, e);
	fs_close(fd);
	if (got < 0)
		return -1;
	if (got < (int64_t)size)
		return is_short(index, dir, e);
	get(index, p, entry);
	return 0;
}

static bool
is_below(const struct index *index, const uint8_t *p, const struct index_entry *max,
	struct index_entry *entry)
{
	get(index, p, entry);
	return entry->offset <= max->offset && entry->position <= max->position
		&& entry->timestamp <= max->timestamp;
}

/* The number of the last of n entries at p that is_below, or -1. */
static int
floor_in(const struct index *index, const uint8_t *p, int n, const struct index_entry *max,
	struct index_entry *entry)
{
	size_t size = kinds[index->kind].size;
	int low = -1, high = n; /* low is below, high is not */
	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (is_below(index, p + (size_t)mid * size, max, entry))
			low = mid;
		else
			high = mid;
	}
	if (low >= 0)
		get(index, p + (size_t)low * size, entry);
	return low;
}

/* The same in the file: find the page first, then the entry in it.  -2: failed. */
static int64_t
floor_in_file(const struct index *index, const struct logdir *dir, const struct index_entry *max,
	struct index_page *page, struct index_entry *entry, struct err *e)
{
	int per_page = kinds[index->kind].per_page;
	if (page->base_offset == index->base_offset) {
		int at = floor_in(index, page->bytes, page->n, max, entry);
		bool is_last = page->first + page->n == index->nfile;
		if ((at >= 0 || page->first == 0) && (at < page->n - 1 || is_last))
			return at < 0 ? -1 : page->first + at;
	}
	int fd = open_file(index, dir, O_RDONLY, e);
	if (fd < 0)
		return -2;
	int64_t low = 0, high = (index->nfile + per_page - 1) / per_page, found = -1;
	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (read_page(index, fd, mid * per_page, page, e) < 0) {
			found = -2;
			break;
		}
		int at = floor_in(index, page->bytes, page->n, max, entry);
		if (at < 0) {
			high = mid;
			continue;
		}
		found = page->first + at;
		if (at < page->n - 1)
			break;
		low = mid + 1; /* this entry, unless a later page has one, too */
	}
	fs_close(fd);
	if (found >= 0 && (found < page->first || found >= page->first + page->n))
		return index_get(index, dir, found, entry, e) < 0 ? -2 : found;
	if (found >= 0)
		get(index, page->bytes + (size_t)(found - page->first) * kinds[index->kind].size,
			entry);
	return found;
}

int64_t
index_floor(const struct index *index, const struct logdir *dir, const struct index_entry *max,
	struct index_page *page, struct index_entry *entry, struct err *e)
{
	int n = (int)(index->tail.n / kinds[index->kind].size);
	int at = n ? floor_in(index, index->tail.p, n, max, entry) : -1;
	if (at >= 0)
		return index->nfile + at;
	if (index->nfile == 0)
		return -1;
	if (page)
		return floor_in_file(index, dir, max, page, entry, e);
	struct index_page own;
	own.base_offset = -1;
	return floor_in_file(index, dir, max, &own, entry, e);
}
