/*
 * LMDB maps its file and trusts it: a file that is cut or has other bytes would end the
 * process by a signal.  So before it is opened, each page that can be reached is checked.
 *
 *      page: pgno 8 | pad 2 | flags 2 | lower 2, upper 2 (overflow: pages 4) | nodes' offsets
 *      node: size or pgno, low 4 | flags 2 (branch: pgno, high) | key size 2 | key | data
 *      meta: magic 4 | version 4 | address 8 | map size 8 | free db 48 | main db 48
 *            | last page 8 | transaction 8
 *      db:   pad 4 (free db: page size) | flags 2 | depth 2 | 24 | entries 8 | root 8
 *
 * Source: LMDB 0.9, mdb.c.
 */
#include "stream/store_int.h"

#include "sys/fs.h"

enum {
	HEAD = 16, NODE_HEAD = 8, META_SIZE = 136, DEPTH_MAX = 32,
	BRANCH = 1, LEAF = 2, OVERFLOW = 4, META = 8, BIG = 1,
};

struct check_level {
	uint8_t *page;
	uint32_t n, i; /* nodes; the next one */
};

struct check {
	int fd;
	size_t page_size;
	uint64_t npage, last_page; /* in the file; that are in use at all */
	uint8_t *seen;             /* a bit for each page: none is used twice */
	struct check_level level[DEPTH_MAX];
	int depth, depth_want;     /* all leaves are there */
	bool is_free_db;
	uint64_t nentry;
	bool has_last, has_bound;
	struct buf last, bound;    /* the last key; the next one must not be less */
	struct buf big;
	struct err *e;
};

static uint32_t
load_16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static uint32_t
load_32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t
load_64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

uint32_t
store_sum(struct str key, struct str data)
{
	return (uint32_t)store_hash_of(store_hash_of(1, key), data);
}

static int
bad(struct check *check, const char *what, uint64_t page)
{
	return err_set(check->e, ERR_CORRUPT, "%s at page %llu", what, (unsigned long long)page);
}

/* Mark n pages as used. */
static int
use_pages(struct check *check, uint64_t page, uint64_t n)
{
	if (page < 2 || page >= check->npage || n > check->npage - page)
		return bad(check, "a page is missing", page);
	for (uint64_t i = page; i < page + n; i++) {
		if (check->seen[i / 8] >> (i % 8) & 1)
			return bad(check, "a page is used twice", i);
		check->seen[i / 8] |= (uint8_t)(1 << (i % 8));
	}
	return 0;
}

static int
read_page(struct check *check, uint8_t *p, uint64_t page, size_t n)
{
	int64_t got = fs_read_at(check->fd, p, n, (int64_t)(page * check->page_size), check->e);
	if (got < 0)
		return -1;
	if ((size_t)got < n)
		return bad(check, "the file is cut", page);
	return load_64(p) == page ? 0 : bad(check, "a page is another one", page);
}

/* Put the page on the stack. */
static int
enter(struct check *check, uint64_t page)
{
	if (check->depth == DEPTH_MAX)
		return bad(check, "the tree is too deep", page);
	struct check_level *level = &check->level[check->depth];
	if (!level->page)
		level->page = mem_alloc(check->page_size);
	uint8_t *p = level->page;
	if (use_pages(check, page, 1) < 0 || read_page(check, p, page, check->page_size) < 0)
		return -1;
	uint32_t flags = load_16(p + 10), lower = load_16(p + 12), upper = load_16(p + 14);
	if (flags != BRANCH && flags != LEAF)
		return bad(check, "a page has the wrong type", page);
	if (lower < HEAD + 2 || lower % 2 || lower > upper || upper > check->page_size)
		return bad(check, "a page has wrong bounds", page);
	level->n = (lower - HEAD) / 2;
	level->i = 0;
	if (flags == BRANCH && level->n < 2)
		return bad(check, "a branch has too few children", page);
	check->depth++;
	if ((flags == LEAF) != (check->depth == check->depth_want))
		return bad(check, "a leaf has the wrong depth", page);
	return 0;
}

/* The node's bytes up to the page's end; null: it is not within the page. */
static struct str
node_at(const struct check *check, const struct check_level *level, uint32_t i)
{
	uint32_t at = load_16(level->page + HEAD + 2 * i);
	if (at < load_16(level->page + 14) || at + NODE_HEAD > check->page_size || at % 2)
		return STR_NULL;
	struct str node = { level->page + at, (int32_t)(check->page_size - at) };
	return load_16(node.p + 6) <= (uint32_t)node.n - NODE_HEAD ? node : STR_NULL;
}

static struct str
key_of(struct str node)
{
	return (struct str){ node.p + NODE_HEAD, (int32_t)load_16(node.p + 6) };
}

static int
compare_keys(const struct check *check, struct str x, struct str y)
{
	if (!check->is_free_db)
		return str_cmp(x, y);
	uint64_t left = load_64(x.p), right = load_64(y.p);
	return (left > right) - (left < right);
}

/* Keys rise, and those below a branch's key are not less than it. */
static int
check_key(struct check *check, struct str key, uint64_t page)
{
	if (check->is_free_db && key.n != 8)
		return bad(check, "a key has the wrong size", page);
	struct str last = buf_str(&check->last), bound = buf_str(&check->bound);
	if (check->has_last && compare_keys(check, last, key) >= 0)
		return bad(check, "keys are not in order", page);
	if (check->has_bound && (compare_keys(check, bound, key) > 0
		|| (check->has_last && compare_keys(check, last, bound) >= 0)))
		return bad(check, "a branch has a wrong key", page);
	check->has_bound = false;
	check->has_last = true;
	buf_reset(&check->last);
	buf_put_str(&check->last, key);
	return 0;
}

/* The pages of a list of free ones: within the file's use, each once, falling. */
static int
check_free(struct check *check, struct str data, uint64_t page)
{
	uint64_t n = data.n >= 8 ? load_64(data.p) : UINT64_MAX;
	if (n > (uint64_t)data.n / 8 - 1 || data.n % 8)
		return bad(check, "a list of free pages has the wrong size", page);
	for (uint64_t i = 1, above = check->last_page + 1; i <= n; i++) {
		uint64_t free = load_64(data.p + 8 * i);
		if (free >= above || free < 2)
			return bad(check, "a list of free pages is out of order", page);
		above = free;
		if (free < check->npage && use_pages(check, free, 1) < 0)
			return -1;
	}
	return 0;
}

static int
check_data(struct check *check, struct str key, struct str data, uint64_t page)
{
	if (check->is_free_db)
		return check_free(check, data, page);
	if (data.n < 4 || load_32(data.p) != store_sum(key, (struct str){ data.p + 4, data.n - 4 }))
		return bad(check, "an entry has a wrong sum", page);
	return 0;
}

/* A value that has pages of its own. */
static int
check_big(struct check *check, struct str key, uint32_t size, uint64_t page)
{
	uint64_t n = (HEAD + (uint64_t)size - 1) / check->page_size + 1;
	if (use_pages(check, page, n) < 0)
		return -1;
	buf_reset(&check->big);
	uint8_t *p = buf_grow(&check->big, HEAD + (size_t)size);
	if (read_page(check, p, page, HEAD + (size_t)size) < 0)
		return -1;
	if (load_16(p + 10) != OVERFLOW || load_32(p + 12) != n)
		return bad(check, "a page has the wrong type", page);
	return check_data(check, key, (struct str){ p + HEAD, (int32_t)size }, page);
}

static int
check_leaf(struct check *check, struct str node, uint64_t page)
{
	struct str key = key_of(node);
	uint32_t size = load_32(node.p), flags = load_16(node.p + 4);
	uint32_t room = (uint32_t)(node.n - NODE_HEAD - key.n);
	const uint8_t *p = key.p + key.n;
	if ((flags & ~(uint32_t)BIG) || size > INT32_MAX || room < (flags & BIG ? 8 : size))
		return bad(check, "a node is malformed", page);
	check->nentry++;
	if (check_key(check, key, page) < 0)
		return -1;
	if (flags & BIG)
		return check_big(check, key, size, load_64(p));
	return check_data(check, key, (struct str){ p, (int32_t)size }, page);
}

/* The next node of the page on top of the stack. */
static int
check_node(struct check *check, struct check_level *level)
{
	uint64_t page = load_64(level->page);
	struct str node = node_at(check, level, level->i);
	if (node.n < 0)
		return bad(check, "a node is not within its page", page);
	bool is_first = level->i++ == 0;
	if (load_16(level->page + 10) == LEAF)
		return check_leaf(check, node, page);
	if (!is_first) {
		if (check->has_bound || (check->is_free_db && key_of(node).n != 8))
			return bad(check, "a branch has a wrong key", page);
		check->has_bound = true;
		buf_reset(&check->bound);
		buf_put_str(&check->bound, key_of(node));
	}
	return enter(check, load_32(node.p) | (uint64_t)load_16(node.p + 4) << 32);
}

static int
check_tree(struct check *check, const uint8_t *db, bool is_free_db)
{
	uint64_t root = load_64(db + 40);
	check->is_free_db = is_free_db;
	check->has_last = check->has_bound = false;
	check->depth = 0;
	check->nentry = 0;
	check->depth_want = (int)load_16(db + 6);
	/* Integer keys; the free db also has options of the file: no folder, not a fixed map. */
	if ((load_16(db + 4) & 0xbfff) != (is_free_db ? 8u : 0u))
		return bad(check, "a tree has wrong flags", 0);
	if (root != UINT64_MAX && enter(check, root) < 0)
		return -1;
	while (check->depth > 0) {
		struct check_level *level = &check->level[check->depth - 1];
		if (level->i == level->n)
			check->depth--;
		else if (check_node(check, level) < 0)
			return -1;
	}
	return check->nentry == load_64(db + 32) ? 0 : bad(check, "entries are missing", 0);
}

/* Both meta pages must be sound; *meta is the newer one. */
static int
check_metas(struct check *check, int64_t size, uint8_t *meta)
{
	uint8_t p[HEAD + META_SIZE];
	uint64_t newest = 0;
	check->page_size = 4096;
	for (uint64_t i = 0; i < 2; i++) {
		if (read_page(check, p, i, sizeof p) < 0)
			return -1;
		if (load_16(p + 10) != META || load_32(p + HEAD) != 0xbeefc0de)
			return bad(check, "the file is none of LMDB", i);
		if (load_32(p + HEAD + 4) != 1)
			return bad(check, "the file is of another version of LMDB", i);
		size_t page_size = load_32(p + HEAD + 24);
		if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1)))
			return bad(check, "the file has a wrong page size", i);
		check->page_size = page_size;
		uint64_t txn = load_64(p + HEAD + 128);
		if (i == 0 || txn > newest)
			memcpy(meta, p + HEAD, META_SIZE);
		newest = txn;
	}
	check->npage = (uint64_t)size / check->page_size;
	check->last_page = load_64(meta + 120);
	if (check->last_page > check->npage + 65536)
		return bad(check, "the file is cut", check->npage);
	return 0;
}

int
store_check_file(int fd, struct err *e)
{
	struct check check = { .fd = fd, .e = e };
	uint8_t meta[META_SIZE];
	int64_t size = fs_size(fd, e);
	int rc = size < 0 ? -1 : 0;
	if (rc == 0)
		rc = check_metas(&check, size, meta);
	if (rc == 0) {
		check.seen = mem_alloc(check.npage / 8 + 1);
		rc = check_tree(&check, meta + 72, false);
	}
	if (rc == 0)
		rc = check_tree(&check, meta + 24, true);
	for (int i = 0; i < DEPTH_MAX; i++)
		mem_free(check.level[i].page);
	mem_free(check.seen);
	buf_release(&check.last);
	buf_release(&check.bound);
	buf_release(&check.big);
	return rc;
}
