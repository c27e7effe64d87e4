#include "log/producers.h"

#include "record/control.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

enum {
	SNAPSHOT_SIZE_MAX = 256 << 20, /* bytes; other brokers have no bound */
	TXN_PAGE = 120, /* index entries read at once */
};

#define SUFFIX ".snapshot"

/* ---- the files ---- */

void
producers_add_snapshot(struct partlog_body *body, int64_t offset)
{
	int at = body->nsnapshot;
	while (at > 0 && body->snapshot[at - 1] >= offset)
		at--;
	if (at < body->nsnapshot && body->snapshot[at] == offset)
		return;
	if (body->nsnapshot == body->snapshot_cap) {
		body->snapshot_cap = body->snapshot_cap ? body->snapshot_cap * 2 : 2;
		body->snapshot = mem_realloc(body->snapshot,
			(size_t)body->snapshot_cap * sizeof *body->snapshot);
	}
	memmove(body->snapshot + at + 1, body->snapshot + at,
		(size_t)(body->nsnapshot - at) * sizeof *body->snapshot);
	body->snapshot[at] = offset;
	body->nsnapshot++;
	assert(at == 0 || body->snapshot[at - 1] < offset);
}

static int
remove_file(const struct logdir *dir, int64_t offset, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	return fs_remove(dir->root_fd, logdir_path(dir, offset, SUFFIX, path), e);
}

int
producers_remove_snapshots(struct partlog_body *body, int64_t from_offset, int64_t to_offset,
	struct err *e)
{
	int n = 0, rc = 0;
	for (int i = 0; i < body->nsnapshot; i++) {
		int64_t offset = body->snapshot[i];
		if (offset >= from_offset && offset < to_offset && rc == 0
			&& (rc = remove_file(&body->dir, offset, e)) == 0)
			continue;
		body->snapshot[n++] = offset;
	}
	body->is_dir_dirty |= n < body->nsnapshot;
	body->nsnapshot = n;
	return rc;
}

void
producers_prune(struct partlog_body *body)
{
	struct err ignored;
	for (int i = body->nsnapshot - 2; i > 0; i--) {
		int64_t offset = body->snapshot[i];
		if (body_find(body, body->snapshot[i - 1]) == body_find(body, offset))
			producers_remove_snapshots(body, offset, offset + 1, &ignored);
	}
}

int
producers_snapshot(struct partlog_body *body, const struct prodstate *producers, int64_t offset,
	bool is_durable, struct err *e)
{
	int root_fd = body->dir.root_fd, rc;
	char path[LOGDIR_PATH_SIZE];
	struct buf b = BUF_INIT;
	/* What prodstate_decode requires of a snapshot of this offset. */
	int64_t unstable = prodstate_unstable(producers);
	assert(unstable == INT64_MAX || unstable < offset);
	prodstate_encode(producers, &b);
	logdir_path(&body->dir, offset, SUFFIX, path);
	if (is_durable) {
		rc = fs_replace_file(root_fd, path, buf_str(&b), e);
	} else {
		int fd = fs_replace_unsynced(root_fd, path, buf_str(&b), e);
		rc = fd < 0 ? -1 : fs_close(fd);
	}
	buf_release(&b);
	if (rc < 0)
		return -1;
	producers_add_snapshot(body, offset);
	body->is_dir_dirty = true;
	return 0;
}

int
producers_prepare(struct partlog_body *body, int64_t next_offset, struct err *e)
{
	if (prodstate_count(&body->producers) > 0 || body->dir.root_fd < 0)
		return 0;
	/* A snapshot in this segment is near enough. */
	int64_t base_offset = body->v[body->n - 1].base_offset;
	if (body->nsnapshot && body->snapshot[body->nsnapshot - 1] >= base_offset)
		return 0;
	return producers_snapshot(body, &body->producers, next_offset, false, e);
}

/* ---- the state ---- */

static void
note_aborted(struct segment *seg, const struct prodstate_txn *txn)
{
	uint8_t p[INDEX_TXN_SIZE];
	store_be16(p, 0);
	store_be64(p + 2, (uint64_t)txn->producer_id);
	store_be64(p + 10, (uint64_t)txn->first_offset);
	store_be64(p + 18, (uint64_t)txn->last_offset);
	store_be64(p + 26, (uint64_t)txn->stable_offset);
	index_put(&seg->txns, p);
}

static void
get_aborted(const uint8_t *p, struct prodstate_txn *txn)
{
	*txn = (struct prodstate_txn){ (int64_t)load_be64(p + 2), (int64_t)load_be64(p + 10),
		(int64_t)load_be64(p + 18), (int64_t)load_be64(p + 26) };
}

void
producers_note(struct partlog_body *body, struct segment *seg, const uint8_t *p,
	const struct batch *batch, int64_t now_ms)
{
	struct prodstate_txn txn;
	struct control_marker marker;
	if (!(batch->attributes & BATCH_CONTROL)) {
		prodstate_append(&body->producers, batch, now_ms);
	} else if (control_parse(p, batch, &marker)) {
		bool is_end = prodstate_end(&body->producers, batch, marker.coordinator_epoch,
			now_ms, &txn);
		if (is_end && !marker.is_commit && seg)
			note_aborted(seg, &txn);
	}
	if (now_ms == 0)
		prodstate_replicated(&body->producers, INT64_MAX);
}

static int
load_snapshot(struct partlog_body *body, int64_t offset, struct err *e)
{
	const struct logdir *dir = &body->dir;
	char path[LOGDIR_PATH_SIZE];
	struct buf b = BUF_INIT;
	prodstate_clear(&body->producers);
	int rc = fs_read_file(dir->root_fd, logdir_path(dir, offset, SUFFIX, path),
		SNAPSHOT_SIZE_MAX, &b, e);
	if (rc == 0)
		rc = prodstate_decode(&body->producers, buf_str(&b), offset, e);
	buf_release(&b);
	/* A file that can't be read may be readable later. */
	return rc == 0 ? 1 : e->class == ERR_SYS && e->sys != ENOENT ? -1 : 0;
}

int
producers_load(struct partlog_body *body, int64_t offset, int64_t *from_offset, struct err *e)
{
	int64_t start = body->n ? body->v[0].base_offset : offset;
	bool is_any = false;
	prodstate_clear(&body->producers);
	for (int i = body->nsnapshot - 1; i >= 0; i--) {
		if (body->snapshot[i] > offset)
			continue;
		is_any = true;
		if (body->snapshot[i] < start)
			break;
		int rc = load_snapshot(body, body->snapshot[i], e);
		*from_offset = body->snapshot[i];
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	prodstate_clear(&body->producers);
	*from_offset = is_any ? start : offset;
	return 0;
}

/* Note the batch before the walk's position; a control batch has to be read. */
static int
note_walked(struct partlog_body *body, struct segment *seg, const struct segment_walk *walk,
	const struct batch *batch, struct err *e)
{
	struct buf bytes = BUF_INIT;
	const uint8_t *p = NULL;
	if (batch->attributes & BATCH_CONTROL) {
		p = buf_grow(&bytes, (size_t)batch->size);
		int64_t n = fs_read_at(walk->fd, bytes.p, (size_t)batch->size,
			walk->position - batch->size, e);
		if (n >= 0 && n < batch->size)
			n = err_set(e, ERR_CORRUPT, "no whole batch");
		if (n < 0) {
			buf_release(&bytes);
			return -1;
		}
	}
	producers_note(body, seg, p, batch, 0);
	buf_release(&bytes);
	return 0;
}

static int
walk_segment(struct partlog_body *body, struct segment *seg, int64_t from_offset,
	int64_t to_offset, struct segment *fresh, struct err *e)
{
	const struct logdir *dir = &body->dir;
	struct index_entry entry, max = { from_offset, INT32_MAX, INT64_MAX };
	struct segment_walk walk;
	struct batch batch;
	int64_t i = -1;
	int rc;
	if (from_offset > seg->base_offset && seg->offsets.nfile > 0)
		i = index_floor(&seg->offsets, dir, &max, NULL, &entry, e);
	if (i == -2)
		return -1;
	int fd = segfile_pin(segment_file(seg, dir), e);
	if (fd < 0)
		return -1;
	segment_walk_begin(&walk, fd, segment_position(seg, i, &entry), seg->size);
	while ((rc = segment_walk_next(&walk, &batch, e)) > 0 && batch.base_offset < to_offset)
		if (batch.producer_id >= 0 && batch.base_offset >= from_offset
			&& note_walked(body, fresh, &walk, &batch, e) < 0) {
			rc = -1;
			break;
		}
	segfile_unpin(seg->file);
	return rc < 0 ? err_wrap(e, "%s/%020" PRId64 ".log", dir->name, seg->base_offset) : 0;
}

int
producers_walk(struct partlog_body *body, int64_t from_offset, int64_t to_offset,
	struct segment *fresh, struct err *e)
{
	int i = MAX(body_find(body, from_offset), 0);
	for (; i < body->n && body->v[i].base_offset < to_offset; i++) {
		struct segment *seg = &body->v[i];
		struct segment *to = fresh && fresh->base_offset == seg->base_offset ? fresh : NULL;
		if (walk_segment(body, seg, from_offset, to_offset, to, e) < 0)
			return -1;
	}
	return 0;
}

/* Readers depend on the list of aborted transactions; the log's own syncs include
 * it only once its segment is rolled. */
static int
sync_txns(const struct logdir *dir, struct segment *seg, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	logdir_path(dir, seg->base_offset, ".txnindex", path);
	int fd = fs_open(dir->root_fd, path, O_RDWR, 0, e);
	if (fd < 0)
		return -1;
	int rc = fs_sync(fd, e);
	fs_close(fd);
	if (rc < 0)
		return -1;
	if (logdir_sync(dir, e) < 0)
		return -1;
	seg->is_txn_dirty = false;
	return 0;
}

int
producers_flush(struct partlog_body *body, int64_t next_offset, struct err *e)
{
	struct segment *last = body->n ? &body->v[body->n - 1] : NULL;
	if (last && last->is_txn_dirty && sync_txns(&body->dir, last, e) < 0)
		return -1;
	if (prodstate_count(&body->producers) == 0
		|| (body->nsnapshot && body->snapshot[body->nsnapshot - 1] == next_offset))
		return 0;
	if (producers_snapshot(body, &body->producers, next_offset, true, e) < 0)
		return -1;
	producers_prune(body);
	return 0;
}

int
producers_open(struct partlog_body *body, int64_t end_offset, struct err *e)
{
	int64_t from_offset;
	if (body->nsnapshot == 0)
		return 0;
	if (body->snapshot[body->nsnapshot - 1] > end_offset
		&& producers_remove_snapshots(body, end_offset + 1, INT64_MAX, e) < 0)
		return -1;
	if (body->nsnapshot == 0 || body->snapshot[body->nsnapshot - 1] < end_offset)
		return 0;
	if (producers_load(body, end_offset, &from_offset, e) < 0)
		return -1;
	/* A broken one: read the batches.  The files list what was aborted. */
	return from_offset == end_offset ? 0
		: producers_walk(body, from_offset, end_offset, NULL, e);
}

/* ---- partlog.h ---- */

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
	struct prodstate *producers = &l->body->producers;
	*offset = high_watermark;
	if (likely(list_is_empty(&producers->open) && producers->ndecided == 0))
		return 0;
	prodstate_replicated(producers, high_watermark);
	*offset = MIN(high_watermark, MAX(prodstate_unstable(producers), l->log_start_offset));
	return 0;
}

int64_t
producers_ended_before(const struct partlog_body *body, const struct segment *seg, int64_t offset,
	struct err *e)
{
	return index_txn_from(&seg->txns, &body->dir, offset, e);
}

/* 1: no later segment can hold any; 0: one may; -1. */
static int
gather_aborted(const struct logdir *dir, const struct index *index, int64_t from, int64_t limit,
	struct buf *txns, struct err *e)
{
	uint8_t page[TXN_PAGE * INDEX_TXN_SIZE];
	struct prodstate_txn txn;
	int64_t i = index_txn_from(index, dir, from, e), end = index_count(index);
	if (i < 0)
		return -1;
	for (int n; i < end; i += n) {
		n = (int)MIN(end - i, TXN_PAGE);
		if (index_read(index, dir, i, n, page, e) < 0)
			return -1;
		for (int k = 0; k < n; k++) {
			get_aborted(page + (size_t)k * INDEX_TXN_SIZE, &txn);
			if (txn.last_offset >= from && txn.first_offset < limit)
				buf_put(txns, &txn, sizeof txn);
			if (txn.stable_offset >= limit)
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
	struct partlog_body *body = l->body;
	for (int i = MAX(body_find(body, first_offset), 0); i < body->n; i++) {
		const struct index *index = &body->v[i].txns;
		if (index_count(index) == 0)
			continue;
		int rc = gather_aborted(&body->dir, index, first_offset, limit_offset, txns, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	return 0;
}
