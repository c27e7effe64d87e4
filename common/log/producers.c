#include "log/producers.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

enum {
	SNAPSHOT_SIZE_MAX = 256 << 20, /* other brokers have no bound */
	TXN_PAGE = 120, /* entries read at once */
};

#define SUFFIX ".snapshot"

/* --- the files --- */

void
producers_add_snapshot(struct partlog_body *y, int64_t offset)
{
	int at = y->nsnapshot;
	while (at > 0 && y->snapshot[at - 1] >= offset)
		at--;
	if (at < y->nsnapshot && y->snapshot[at] == offset)
		return;
	if (y->nsnapshot == y->snapshot_cap) {
		y->snapshot_cap = y->snapshot_cap ? y->snapshot_cap * 2 : 2;
		y->snapshot = mem_realloc(y->snapshot,
			(size_t)y->snapshot_cap * sizeof *y->snapshot);
	}
	memmove(y->snapshot + at + 1, y->snapshot + at,
		(size_t)(y->nsnapshot - at) * sizeof *y->snapshot);
	y->snapshot[at] = offset;
	y->nsnapshot++;
}

static int
remove_file(struct partlog *l, int64_t offset, struct err *e)
{
	struct logdir d = body_dir(l);
	char path[LOGDIR_PATH_SIZE];
	return fs_remove(d.root_fd, logdir_path(&d, offset, SUFFIX, path), e);
}

int
producers_remove_snapshots(struct partlog *l, struct partlog_body *y, int64_t from, int64_t to,
	struct err *e)
{
	int n = 0, r = 0;
	for (int i = 0; i < y->nsnapshot; i++) {
		int64_t offset = y->snapshot[i];
		if (offset >= from && offset < to && r == 0 && (r = remove_file(l, offset, e)) == 0)
			continue;
		y->snapshot[n++] = offset;
	}
	y->is_dir_dirty |= n < y->nsnapshot;
	y->nsnapshot = n;
	return r;
}

void
producers_prune(struct partlog *l, struct partlog_body *y)
{
	struct err ignored;
	for (int i = y->nsnapshot - 2; i > 0; i--) {
		int64_t offset = y->snapshot[i];
		if (body_find(y, y->snapshot[i - 1]) == body_find(y, offset))
			producers_remove_snapshots(l, y, offset, offset + 1, &ignored);
	}
}

/* Complete or not there, as long as the machine runs on. */
static int
replace_file(struct partlog *l, const char *path, struct str bytes, struct err *e)
{
	char tmp[LOGDIR_PATH_SIZE + 4];
	snprintf(tmp, sizeof tmp, "%s.tmp", path);
	int fd = fs_open(l->root_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600, e);
	if (fd < 0)
		return -1;
	int r = fs_write_at(fd, bytes, 0, e);
	fs_close(fd);
	if (r == 0)
		r = fs_rename(l->root_fd, tmp, path, e);
	return r;
}

int
producers_snapshot(struct partlog *l, struct partlog_body *y, const struct prodstate *s,
	int64_t offset, bool is_durable, struct err *e)
{
	struct logdir d = body_dir(l);
	char path[LOGDIR_PATH_SIZE];
	struct buf b = BUF_INIT;
	prodstate_encode(s, &b);
	logdir_path(&d, offset, SUFFIX, path);
	int r = is_durable ? fs_replace_file(l->root_fd, path, buf_str(&b), e)
		: replace_file(l, path, buf_str(&b), e);
	buf_release(&b);
	if (r < 0)
		return -1;
	producers_add_snapshot(y, offset);
	y->is_dir_dirty = true;
	return 0;
}

int
producers_prepare(struct partlog *l, struct err *e)
{
	struct partlog_body *y = l->body;
	if (prodstate_count(&y->producers) > 0 || l->root_fd < 0)
		return 0;
	/* One in this segment is near enough. */
	if (y->nsnapshot && y->snapshot[y->nsnapshot - 1] >= y->v[y->n - 1].base_offset)
		return 0;
	return producers_snapshot(l, y, &y->producers, l->next_offset, false, e);
}

/* --- the state --- */

static void
note_aborted(struct segment *g, const struct prodstate_txn *t)
{
	uint8_t p[INDEX_TXN_SIZE];
	store_be16(p, 0);
	store_be64(p + 2, (uint64_t)t->producer_id);
	store_be64(p + 10, (uint64_t)t->first_offset);
	store_be64(p + 18, (uint64_t)t->last_offset);
	store_be64(p + 26, (uint64_t)t->stable_offset);
	index_put(&g->txns, p);
}

static void
get_aborted(const uint8_t *p, struct prodstate_txn *t)
{
	*t = (struct prodstate_txn){ (int64_t)load_be64(p + 2), (int64_t)load_be64(p + 10),
		(int64_t)load_be64(p + 18), (int64_t)load_be64(p + 26) };
}

void
producers_note(struct partlog_body *y, struct segment *g, const uint8_t *p, const struct batch *b,
	int64_t now_ms)
{
	struct prodstate_txn txn;
	bool is_commit;
	int32_t coordinator_epoch;
	if (!(b->attributes & BATCH_CONTROL)) {
		prodstate_append(&y->producers, b, now_ms);
	} else if (prodstate_marker(p, b, &is_commit, &coordinator_epoch)) {
		if (prodstate_end(&y->producers, b, coordinator_epoch, now_ms, &txn) &&
			!is_commit && g)
			note_aborted(g, &txn);
	}
	if (now_ms == 0)
		prodstate_replicated(&y->producers, INT64_MAX);
}

static int
load_snapshot(struct partlog *l, struct partlog_body *y, int64_t offset, struct err *e)
{
	struct logdir d = body_dir(l);
	char path[LOGDIR_PATH_SIZE];
	struct buf b = BUF_INIT;
	prodstate_clear(&y->producers);
	int r = fs_read_file(l->root_fd, logdir_path(&d, offset, SUFFIX, path),
		SNAPSHOT_SIZE_MAX, &b, e);
	if (r == 0)
		r = prodstate_decode(&y->producers, buf_str(&b), offset, e);
	buf_release(&b);
	/* What can't be read for another reason may be readable later. */
	return r == 0 ? 1 : e->class == ERR_SYS && e->sys != ENOENT ? -1 : 0;
}

int
producers_load(struct partlog *l, struct partlog_body *y, int64_t offset, int64_t *from,
	struct err *e)
{
	int64_t start = y->n ? y->v[0].base_offset : offset;
	bool is_any = false;
	prodstate_clear(&y->producers);
	for (int i = y->nsnapshot - 1; i >= 0; i--) {
		if (y->snapshot[i] > offset)
			continue;
		is_any = true;
		if (y->snapshot[i] < start)
			break;
		int r = load_snapshot(l, y, y->snapshot[i], e);
		*from = y->snapshot[i];
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	prodstate_clear(&y->producers);
	*from = is_any ? start : offset;
	return 0;
}

/* The batch behind the walk, of which only the header was read. */
static int
note_walked(struct partlog_body *y, struct segment *g, const struct walk *w, const struct batch *b,
	struct err *e)
{
	struct buf bytes = BUF_INIT;
	const uint8_t *p = NULL;
	if (b->attributes & BATCH_CONTROL) {
		p = buf_grow(&bytes, (size_t)b->size);
		int64_t n = fs_read_at(w->fd, bytes.p, (size_t)b->size, w->position - b->size, e);
		if (n >= 0 && n < b->size)
			n = err_set(e, ERR_CORRUPT, "no whole batch");
		if (n < 0) {
			buf_release(&bytes);
			return -1;
		}
	}
	producers_note(y, g, p, b, 0);
	buf_release(&bytes);
	return 0;
}

static int
walk_segment(struct partlog *l, struct partlog_body *y, struct segment *g, int64_t from,
	int64_t to, struct segment *into, struct err *e)
{
	struct logdir d = body_dir(l);
	struct index_entry it, max = { from, INT32_MAX, INT64_MAX };
	struct walk w;
	struct batch b;
	int64_t i = -1;
	int r;
	if (from > g->base_offset && g->offsets.nfile > 0)
		i = index_floor(&g->offsets, &d, &max, NULL, &it, e);
	if (i == -2)
		return -1;
	int fd = segfile_pin(segment_file(g, &d), e);
	if (fd < 0)
		return -1;
	walk_begin(&w, fd, i < 0 || it.position >= g->size ? 0 : it.position, g->size);
	while ((r = walk_next(&w, &b, e)) > 0 && b.base_offset < to)
		if (b.producer_id >= 0 && b.base_offset >= from &&
			note_walked(y, into, &w, &b, e) < 0) {
			r = -1;
			break;
		}
	segfile_unpin(g->file);
	return r < 0 ? err_wrap(e, "%s/%020" PRId64 ".log", l->name, g->base_offset) : 0;
}

int
producers_walk(struct partlog *l, struct partlog_body *y, int64_t from, int64_t to, int first,
	struct segment *last, struct err *e)
{
	for (int i = MAX(body_find(y, from), 0); i < y->n && y->v[i].base_offset < to; i++) {
		struct segment *into = i < first ? NULL : last && i == first ? last : &y->v[i];
		if (walk_segment(l, y, &y->v[i], from, to, into, e) < 0)
			return -1;
	}
	return 0;
}

/* What tells readers which records to leave out; the log's own syncs take it
 * along only once its segment is rolled. */
static int
sync_txns(struct partlog *l, struct segment *g, struct err *e)
{
	struct logdir d = body_dir(l);
	char path[LOGDIR_PATH_SIZE];
	int fd = fs_open(l->root_fd, logdir_path(&d, g->base_offset, ".txnindex", path), O_RDWR, 0, e);
	if (fd < 0)
		return -1;
	int r = fs_sync(fd, e);
	fs_close(fd);
	if (r < 0)
		return -1;
	int dir_fd = fs_open(l->root_fd, l->name, O_RDONLY | O_DIRECTORY, 0, e);
	r = dir_fd < 0 ? -1 : fs_sync_dir(dir_fd, e);
	fs_close(dir_fd);
	g->is_txn_dirty = r < 0;
	return r;
}

int
producers_flush(struct partlog *l, struct err *e)
{
	struct partlog_body *y = l->body;
	if (y->n && y->v[y->n - 1].is_txn_dirty && sync_txns(l, &y->v[y->n - 1], e) < 0)
		return -1;
	if (prodstate_count(&y->producers) == 0 ||
		(y->nsnapshot && y->snapshot[y->nsnapshot - 1] == l->next_offset))
		return 0;
	if (producers_snapshot(l, y, &y->producers, l->next_offset, true, e) < 0)
		return -1;
	producers_prune(l, y);
	return 0;
}

int
producers_open(struct partlog *l, struct partlog_body *y, struct err *e)
{
	int64_t from, end = l->next_offset;
	if (y->nsnapshot == 0)
		return 0;
	if (y->snapshot[y->nsnapshot - 1] > end &&
		producers_remove_snapshots(l, y, end + 1, INT64_MAX, e) < 0)
		return -1;
	if (y->nsnapshot == 0 || y->snapshot[y->nsnapshot - 1] < end)
		return 0;
	if (producers_load(l, y, end, &from, e) < 0)
		return -1;
	/* A broken one: the batches tell.  What was aborted is in its files. */
	return from < end ? producers_walk(l, y, from, end, y->n, NULL, e) : 0;
}

/* --- for the partition --- */

struct prodstate *
partlog_producers(struct partlog *l, struct err *e)
{
	return body_ready(l, e) < 0 ? NULL : &l->body->producers;
}

int
partlog_stable_offset(struct partlog *l, int64_t high_watermark, int64_t *offset, struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	struct prodstate *s = &l->body->producers;
	*offset = high_watermark;
	if (likely(list_is_empty(&s->open) && s->ndecided == 0))
		return 0;
	prodstate_replicated(s, high_watermark);
	*offset = MIN(high_watermark, MAX(prodstate_unstable(s), l->log_start_offset));
	return 0;
}

int64_t
producers_ended_before(struct partlog *l, const struct segment *g, int64_t offset, struct err *e)
{
	struct logdir d = body_dir(l);
	return index_txn_from(&g->txns, &d, offset, e);
}

/* 1: nothing of what is asked for can be in a later segment; 0; -1. */
static int
gather_aborted(struct partlog *l, const struct index *x, int64_t from, int64_t limit,
	struct buf *txns, struct err *e)
{
	struct logdir d = body_dir(l);
	uint8_t page[TXN_PAGE * INDEX_TXN_SIZE];
	struct prodstate_txn t;
	int64_t i = index_txn_from(x, &d, from, e), end = index_count(x);
	if (i < 0)
		return -1;
	for (int n; i < end; i += n) {
		n = (int)MIN(end - i, TXN_PAGE);
		if (index_read(x, &d, i, n, page, e) < 0)
			return -1;
		for (int k = 0; k < n; k++) {
			get_aborted(page + (size_t)k * INDEX_TXN_SIZE, &t);
			if (t.last_offset >= from && t.first_offset < limit)
				buf_put(txns, &t, sizeof t);
			if (t.stable_offset >= limit)
				return 1;
		}
	}
	return 0;
}

int
partlog_aborted(struct partlog *l, int64_t first_offset, int64_t limit_offset, struct buf *txns,
	struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	for (int i = MAX(body_find(l->body, first_offset), 0); i < l->body->n; i++) {
		const struct index *x = &l->body->v[i].txns;
		int r = index_count(x) ? gather_aborted(l, x, first_offset, limit_offset, txns, e) : 0;
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	return 0;
}
