/*
 * Opening a log, and setting right what a crash left.
 *
 * Everything is read and judged first; only then is anything changed on disk,
 * so that a log that is refused stays what it was.
 */
#include "log/producers.h"

#include "log/scan.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

struct recovery {
	struct partlog *log;
	struct partlog_body *body;
	int64_t recovery_offset;
	int64_t next_offset; /* behind the last good batch so far */
	bool same_boot;
	int first;           /* the first segment that was read... */
	int last;            /* ...and the last one to keep */
	int64_t *cut_bytes;
	bool is_rebuild;     /* of indexes only; producers are known */
	int64_t producers_from; /* batches from there on are to be noted */
	int64_t first_noted; /* the first one of a producer; -1 */
};

/* --- what is wrong --- */

static int
rot(const struct partlog *l, const struct segment *g, int64_t position, const char *what,
	const char *why, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%s/%020" PRId64 ".log: position %" PRId64 ": %s%s",
		l->name, g->base_offset, position, what, why);
}

/* A bad place was found in segment i.  0: it is a torn tail; -1: it is not. */
static int
judge(struct recovery *y, int i, struct scan *s, struct err *e)
{
	struct partlog *l = y->log;
	struct segment *g = &y->body->v[i];
	int64_t good;
	if (s->next_offset < y->recovery_offset)
		return rot(l, g, s->position, s->reason, ", before the recovery offset", e);
	if (!y->same_boot)
		return 0;
	/* No byte went missing on its way to the disk: a process that died
	 * leaves one unfinished batch, and nothing behind it. */
	int r = s->is_misplaced ? 1 : scan_seek(s, &good, e);
	if (r < 0)
		return -1;
	for (int j = i + 1; j < y->body->n && r == 0; j++)
		r = y->body->v[j].size > 0;
	return r ? rot(l, g, s->position, s->reason, ", with good batches behind it", e) : 0;
}

/* --- reading --- */

/* Index entries for the batches before the recovery offset may be kept when
 * the page cache has not been lost.  Moves the scan's start up. */
static int
trust_index(struct recovery *y, struct segment *g, struct segment *fresh, struct scan *s,
	struct err *e)
{
	struct logdir d = body_dir(y->log);
	struct index_entry it, time, max = { y->recovery_offset - 1, INT32_MAX, INT64_MAX };
	struct batch b;
	if (!y->same_boot || g->offsets.nfile < 0 || g->times.nfile < 0)
		return 0;
	int64_t n = index_floor(&g->offsets, &d, &max, NULL, &it, e);
	if (n < 0)
		return n == -1 ? 0 : -1;
	max.offset = it.offset;
	int64_t ntime = index_floor(&g->times, &d, &max, NULL, &time, e);
	if (ntime == -2)
		return -1;
	/* At 0 there never is one: it is what Kafka fills its files up with. */
	if (it.position <= 0 || it.position >= g->size)
		return 0;
	struct scan probe;
	struct batch zeroth;
	scan_begin(&probe, s->fd, g->size, g->base_offset);
	enum scan_result r = scan_next(&probe, &zeroth, e);
	probe.position = it.position;
	if (r == SCAN_BATCH)
		r = scan_next(&probe, &b, e);
	scan_release(&probe);
	if (r == SCAN_FAILED)
		return -1;
	if (r != SCAN_BATCH || batch_last_offset(&b) != it.offset)
		return 0; /* the whole segment will tell */
	fresh->first_timestamp = zeroth.max_timestamp;
	fresh->offsets.nfile = n + 1;
	fresh->times.nfile = ntime + 1;
	if (ntime >= 0) {
		fresh->indexed_timestamp = fresh->max_timestamp = time.timestamp;
		fresh->max_timestamp_offset = time.offset;
	}
	fresh->size = it.position;
	s->position = it.position;
	s->next_offset = b.base_offset;
	return 0;
}

static void
take_over(struct segment *g, struct segment *fresh, bool is_rebuild)
{
	index_release(&g->offsets);
	index_release(&g->times);
	if (is_rebuild)
		fresh->txns = g->txns;
	else
		index_release(&g->txns);
	fresh->has_txn_file = g->has_txn_file;
	fresh->is_txn_dirty = g->has_txn_file;
	fresh->file = g->file;
	*g = *fresh;
}

/* Before segment i is read from the offset on: what is known of producers and
 * aborted transactions up to there. */
static int
begin_producers(struct recovery *y, int i, struct segment *fresh, int64_t offset, struct err *e)
{
	struct partlog *l = y->log;
	struct segment *g = &y->body->v[i];
	/* When the page cache was lost, all of the segment's list of aborted
	 * transactions is made anew. */
	int64_t known = y->same_boot ? y->recovery_offset : g->base_offset;
	if (y->is_rebuild)
		return 0;
	if (i == y->first && producers_load(l, y->body, known, &y->producers_from, e) < 0)
		return -1;
	int64_t n = producers_ended_before(l, g, y->producers_from, e);
	if (n < 0)
		return -1;
	fresh->txns.nfile = MIN(n, g->txns.nfile);
	return i > y->first || y->producers_from >= offset ? 0
		: producers_walk(l, y->body, y->producers_from, offset, i, fresh, e);
}

/* A batch was read. */
static int
note_producer(struct recovery *y, struct segment *fresh, struct scan *s, const struct batch *b,
	struct err *e)
{
	if (likely(b->producer_id < 0) || y->is_rebuild || b->base_offset < y->producers_from)
		return 0;
	const uint8_t *p = scan_bytes(s, s->position - b->size, b->size, e);
	if (!p)
		return -1;
	if (y->first_noted < 0)
		y->first_noted = b->base_offset;
	producers_note(y->body, fresh, p, b, 0);
	return 0;
}

/* Read segment i.  1: all of it is good; 0: up to a torn tail; -1. */
static int
read_segment(struct recovery *y, int i, struct err *e)
{
	struct partlog *l = y->log;
	struct segment *g = &y->body->v[i], fresh;
	struct logdir d = body_dir(l);
	struct scan s;
	struct batch b;
	int fd = segfile_pin(segment_file(g, &d), e);
	if (fd < 0)
		return -1;
	segment_init(&fresh, g->base_offset);
	fresh.is_time_known = true;
	scan_begin(&s, fd, g->size, g->base_offset);
	enum scan_result r = trust_index(y, g, &fresh, &s, e) < 0 ||
		begin_producers(y, i, &fresh, s.next_offset, e) < 0 ? SCAN_FAILED : SCAN_BATCH;
	if (s.position == 0)
		epochs_cut(&y->body->epochs, g->base_offset);
	else
		epochs_cut(&y->body->epochs, s.next_offset + 1);
	while (r == SCAN_BATCH && (r = scan_next(&s, &b, e)) == SCAN_BATCH) {
		segment_note(&fresh, &b, l->config->index_interval_bytes);
		epochs_note(&y->body->epochs, b.leader_epoch, b.base_offset);
		if (note_producer(y, &fresh, &s, &b, e) < 0)
			r = SCAN_FAILED;
	}
	y->next_offset = s.next_offset;
	int result = r == SCAN_END ? 1 : r == SCAN_BAD ? judge(y, i, &s, e) : -1;
	scan_release(&s);
	segfile_unpin(g->file);
	if (result < 0) {
		segment_release(&fresh);
		return -1;
	}
	/* fresh.size is what is good; the file's size is dealt with later. */
	*y->cut_bytes += g->size - fresh.size;
	take_over(g, &fresh, y->is_rebuild);
	return result;
}

/* Read from the first segment with anything behind the recovery offset. */
static int
read_all(struct recovery *y, struct err *e)
{
	struct partlog_body *body = y->body;
	y->first = MAX(body_find(body, y->recovery_offset), 0);
	if (body->is_epochs_bad)
		y->first = 0;
	y->last = y->first - 1;
	y->next_offset = body->n ? body->v[y->first].base_offset : y->recovery_offset;
	for (int i = y->first; i < body->n; i++) {
		int r = read_segment(y, i, e);
		if (r < 0)
			return -1;
		y->last = i;
		if (r == 0)
			break;
		if (i + 1 < body->n && y->next_offset > body->v[i + 1].base_offset)
			return rot(y->log, &body->v[i + 1], 0, "begins before the segment before it ends",
				"", e);
	}
	if (y->next_offset < y->recovery_offset)
		return err_set(e, ERR_CORRUPT, "%s ends at offset %" PRId64
			", before the recovery offset %" PRId64, y->log->name, y->next_offset,
			y->recovery_offset);
	return 0;
}

/* --- changing --- */

static int
remove_from(struct recovery *y, int first, struct err *e)
{
	struct partlog_body *body = y->body;
	struct logdir d = body_dir(y->log);
	while (body->n > first) {
		struct segment *g = &body->v[body->n - 1];
		if (segment_remove(g, &d, e) < 0)
			return -1;
		*y->cut_bytes += g->size;
		segment_release(g);
		body->n--;
		body->is_dir_dirty = true;
	}
	return 0;
}

static int
write_back(struct recovery *y, int i, struct err *e)
{
	struct segment *g = &y->body->v[i];
	struct logdir d = body_dir(y->log);
	int fd = segfile_pin(g->file, e), r = 0;
	if (fd < 0)
		return -1;
	int64_t size = fs_size(fd, e);
	if (size < 0 || (size > g->size && fs_truncate(fd, g->size, e) < 0))
		r = -1;
	segfile_unpin(g->file);
	if (r == 0 && i < y->body->n - 1) {
		/* Rolled: the time index ends with the largest timestamp. */
		r = segment_write_indexes(g, &d, true, e);
	}
	if (r < 0 || index_replace(&g->times, &d, e) < 0 || index_replace(&g->offsets, &d, e) < 0 ||
		segment_write_txns(g, &d, e) < 0 ||
		(g->has_txn_file && index_replace(&g->txns, &d, e) < 0))
		return -1;
	y->body->is_dir_dirty = true;
	return 0;
}

/* Read a segment whose indexes are gone, and make them anew. */
static int
rebuild_indexes(struct recovery *y, int i, struct err *e)
{
	struct recovery one = *y;
	int64_t none = 0;
	one.same_boot = false;
	one.is_rebuild = true;
	one.cut_bytes = &none;
	one.recovery_offset = body_end(y->log, i);
	one.next_offset = y->body->v[i].base_offset;
	/* Epochs are taken out and put in again as they were. */
	struct epochs kept = y->body->epochs;
	y->body->epochs = (struct epochs)EPOCHS_INIT;
	int r = read_segment(&one, i, e);
	epochs_release(&y->body->epochs);
	y->body->epochs = kept;
	if (r == 0)
		return rot(y->log, &y->body->v[i], y->body->v[i].size, "bad bytes", "", e);
	return r < 0 ? -1 : write_back(y, i, e);
}

/* A snapshot of what was cut must not be there when offsets get that far again. */
static int
remove_snapshots(struct recovery *y, int64_t from, struct err *e)
{
	struct partlog_body *body = y->body;
	if (body->nsnapshot == 0 || body->snapshot[body->nsnapshot - 1] < from)
		return 0;
	if (producers_remove_snapshots(y->log, body, from, INT64_MAX, e) < 0)
		return -1;
	int fd = fs_open(y->log->root_fd, y->log->name, O_RDONLY | O_DIRECTORY, 0, e);
	int r = fd < 0 ? -1 : fs_sync_dir(fd, e);
	fs_close(fd);
	return r;
}

/* See producers.h for what has to be there. */
static int
write_snapshots(struct recovery *y, struct err *e)
{
	struct partlog_body *body = y->body;
	struct prodstate nobody;
	if (body->nsnapshot == 0 && y->first_noted >= 0) {
		prodstate_init(&nobody, 0);
		if (producers_snapshot(y->log, body, &nobody, y->first_noted, false, e) < 0)
			return -1;
	}
	if (prodstate_count(&body->producers) &&
		producers_snapshot(y->log, body, &body->producers, y->next_offset, false, e) < 0)
		return -1;
	producers_prune(y->log, body);
	return 0;
}

static int
apply(struct recovery *y, struct err *e)
{
	struct partlog *l = y->log;
	struct partlog_body *body = y->body;
	if (remove_snapshots(y, y->recovery_offset + 1, e) < 0 || remove_from(y, y->last + 1, e) < 0)
		return -1;
	/* Data that was deleted need not have been on disk. */
	if (y->next_offset < l->log_start_offset) {
		prodstate_clear(&body->producers);
		if (remove_snapshots(y, 0, e) < 0 || remove_from(y, 0, e) < 0)
			return -1;
		y->next_offset = l->log_start_offset;
		return 0;
	}
	if (body->n && body->v[0].base_offset > l->log_start_offset)
		l->log_start_offset = body->v[0].base_offset;
	for (int i = y->first; i <= y->last; i++)
		if (write_back(y, i, e) < 0)
			return -1;
	return write_snapshots(y, e);
}

static int
add_up(struct recovery *y, struct err *e)
{
	struct partlog *l = y->log;
	struct partlog_body *body = y->body;
	l->body = body;
	l->next_offset = y->next_offset;
	l->size = 0;
	for (int i = 0; i < body->n; i++) {
		struct segment *g = &body->v[i];
		bool is_whole = g->offsets.nfile >= 0 && g->times.nfile >= 0;
		if (!is_whole && rebuild_indexes(y, i, e) < 0) {
			l->body = NULL;
			return -1;
		}
		l->size += g->size;
	}
	body->is_epochs_bad = false;
	return 0;
}

int
partlog_recover(struct partlog *l, bool same_boot, int64_t *cut_bytes, struct err *e)
{
	assert(!l->body);
	*cut_bytes = 0;
	struct recovery y = { .log = l, .recovery_offset = l->synced_offset,
		.same_boot = same_boot, .cut_bytes = cut_bytes, .first_noted = -1 };
	if (l->is_failed) {
		*e = *l->failure;
		return -1;
	}
	if (l->root_fd < 0) {
		l->body = body_new();
		l->is_recovered = true;
		return 0;
	}
	y.body = body_load(l, e);
	if (!y.body)
		return -1;
	y.recovery_offset = MAX(y.recovery_offset, y.body->n ? y.body->v[0].base_offset : 0);
	if (y.body->n == 0 && y.recovery_offset <= l->log_start_offset)
		y.recovery_offset = l->log_start_offset;
	else if (y.body->n == 0) {
		err_set(e, ERR_CORRUPT, "%s: there are no segments, and offsets up to %" PRId64
			" should be there", l->name, y.recovery_offset);
		goto fail;
	}
	if (read_all(&y, e) < 0 || apply(&y, e) < 0 || add_up(&y, e) < 0)
		goto fail;
	l->is_recovered = true;
	return 0;
fail:
	body_free(y.body);
	if (e->class == ERR_CORRUPT)
		partlog_fail(l, e);
	return -1;
}

/* --- a clean log --- */

/* Walk from the last index entry to the end.  1: it ends where it should; 0:
 * it does not; -1: it could not be read. */
static int
check_tail(struct partlog *l, struct segment *g, int fd, struct err *e)
{
	struct logdir d = body_dir(l);
	struct index_entry it;
	struct walk w;
	struct batch b;
	int64_t n = index_count(&g->offsets), next = g->base_offset, from = 0;
	bool is_first = true;
	if (g->size) {
		walk_begin(&w, fd, 0, g->size);
		if (walk_next(&w, &b, e) < 0)
			return e->class == ERR_CORRUPT ? 0 : -1;
		g->first_timestamp = b.max_timestamp;
	}
	if (n > 0) {
		if (index_get(&g->offsets, &d, n - 1, &it, e) < 0)
			return -1;
		from = it.position;
	}
	if (segment_load_time(g, &d, e) < 0)
		return -1;
	walk_begin(&w, fd, from, g->size);
	for (int r; (r = walk_next(&w, &b, e)) != 0; is_first = false) {
		if (r < 0)
			return e->class == ERR_CORRUPT ? 0 : -1;
		if (b.base_offset < next || b.last_offset_delta < 0)
			return 0;
		next = batch_last_offset(&b) + 1;
		if (is_first && n > 0 && next - 1 != it.offset)
			return 0;
	}
	g->bytes_since_index = g->size - from;
	return next == l->next_offset && (n == 0 || !is_first) &&
		g->max_timestamp_offset <= MAX(next - 1, g->base_offset);
}

static int
check_clean(struct partlog *l, struct partlog_body *y, struct err *e)
{
	struct logdir d = body_dir(l);
	if (y->n == 0)
		return l->next_offset == l->log_start_offset && !y->is_epochs_bad;
	struct segment *g = &y->v[y->n - 1];
	if (y->is_epochs_bad || g->offsets.nfile < 0 || g->times.nfile < 0)
		return 0;
	int fd = segfile_pin(segment_file(g, &d), e);
	if (fd < 0)
		return -1;
	int r = check_tail(l, g, fd, e);
	segfile_unpin(g->file);
	return r;
}

int
partlog_open(struct partlog *l, struct err *e)
{
	int64_t cut;
	if (l->body)
		return 0;
	if (l->is_failed) {
		*e = *l->failure;
		return -1;
	}
	if (!l->is_recovered || l->root_fd < 0)
		return partlog_recover(l, false, &cut, e);
	struct recovery y = { .log = l, .body = body_load(l, e), .next_offset = l->next_offset };
	if (!y.body)
		goto fail;
	int r = check_clean(l, y.body, e);
	if (r == 0) {
		body_free(y.body);
		return partlog_recover(l, false, &cut, e);
	}
	if (r < 0 || producers_open(l, y.body, e) < 0 || add_up(&y, e) < 0)
		goto fail;
	if (y.body->n && y.body->v[0].base_offset > l->log_start_offset)
		l->log_start_offset = y.body->v[0].base_offset;
	return 0;
fail:
	body_free(y.body);
	if (e->class == ERR_CORRUPT)
		partlog_fail(l, e);
	return -1;
}
