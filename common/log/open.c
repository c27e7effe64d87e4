/*
 * Opening a log, and repairing what a crash left.
 *
 * Everything is read and checked first; only then is the disk changed, so that a
 * log that is refused stays as it was.
 */
#include "log/producers.h"

#include "log/scan.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

struct log_recovery {
	struct partlog *log;
	struct partlog_body *body;
	int64_t recovery_offset;
	int64_t next_offset; /* after the last good batch so far */
	bool same_boot;
	int first;           /* number of the first segment that was read */
	int last;            /* number of the last segment to keep */
	int64_t *cut_bytes;
	bool is_rebuild;     /* of indexes only: the producers are known */
	int64_t producers_from; /* first offset not in the producers' state */
	int64_t first_noted; /* offset of the first batch of a producer; -1: none */
};

/* ---- what is wrong ---- */

/* Say where the log is corrupt; returns -1. */
static int
corrupt(const struct partlog *l, const struct segment *seg, int64_t position, const char *what,
	const char *why, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%s/%020" PRId64 ".log: position %" PRId64 ": %s%s",
		l->name, seg->base_offset, position, what, why);
}

/* Bad bytes were found in segment i.  0: a torn tail; -1: ERR_CORRUPT. */
static int
judge_tail(struct log_recovery *recovery, int i, struct scan *scan, struct err *e)
{
	struct partlog *l = recovery->log;
	struct segment *seg = &recovery->body->v[i];
	int64_t good;
	if (scan->next_offset < recovery->recovery_offset)
		return corrupt(l, seg, scan->position, scan->reason, ", before the recovery offset",
			e);
	if (!recovery->same_boot)
		return 0;
	/* The page cache is intact: a process that died leaves one unfinished
	 * batch, and nothing after it. */
	int rc = scan->is_misplaced ? 1 : scan_seek(scan, &good, e);
	if (rc < 0)
		return -1;
	for (int j = i + 1; j < recovery->body->n && rc == 0; j++)
		rc = recovery->body->v[j].size > 0;
	return rc ? corrupt(l, seg, scan->position, scan->reason, ", with good batches behind it",
		e) : 0;
}

/* ---- reading ---- */

/* Keep the index entries of the batches before the recovery offset if the page
 * cache is intact.  The scan then starts at the last of these batches. */
static int
trust_index(struct log_recovery *recovery, struct segment *seg, struct segment *fresh,
	struct scan *scan, struct err *e)
{
	const struct logdir *dir = &recovery->body->dir;
	struct index_entry entry, time, max = { recovery->recovery_offset - 1, INT32_MAX,
		INT64_MAX };
	struct batch batch;
	if (!recovery->same_boot || seg->offsets.nfile < 0 || seg->times.nfile < 0)
		return 0;
	int64_t n = index_floor(&seg->offsets, dir, &max, NULL, &entry, e);
	if (n < 0)
		return n == -1 ? 0 : -1;
	max.offset = entry.offset;
	int64_t ntime = index_floor(&seg->times, dir, &max, NULL, &time, e);
	if (ntime == -2)
		return -1;
	/* No entry has position 0: Kafka fills its files with zeros. */
	if (entry.position <= 0 || entry.position >= seg->size)
		return 0;
	struct scan probe;
	struct batch zeroth;
	scan_begin(&probe, scan->fd, seg->size, seg->base_offset);
	enum scan_result result = scan_next(&probe, &zeroth, e);
	probe.position = entry.position;
	if (result == SCAN_BATCH)
		result = scan_next(&probe, &batch, e);
	scan_release(&probe);
	if (result == SCAN_FAILED)
		return -1;
	if (result != SCAN_BATCH || batch_last_offset(&batch) != entry.offset)
		return 0; /* read the whole segment */
	fresh->first_timestamp = zeroth.max_timestamp;
	fresh->offsets.nfile = n + 1;
	fresh->times.nfile = ntime + 1;
	if (ntime >= 0) {
		fresh->indexed_timestamp = fresh->max_timestamp = time.timestamp;
		fresh->max_timestamp_offset = time.offset;
	}
	fresh->size = entry.position;
	scan->position = entry.position;
	scan->next_offset = batch.base_offset;
	return 0;
}

/* Put what was read of a segment in its place. */
static void
replace_segment(struct segment *seg, struct segment *fresh, bool is_rebuild)
{
	index_release(&seg->offsets);
	index_release(&seg->times);
	if (is_rebuild)
		fresh->txns = seg->txns;
	else
		index_release(&seg->txns);
	fresh->has_txn_file = seg->has_txn_file;
	fresh->is_txn_dirty = seg->has_txn_file;
	fresh->file = seg->file;
	*seg = *fresh;
}

/* Before segment i is read from the offset on: load the producers and the aborted
 * transactions up to there. */
static int
begin_producers(struct log_recovery *recovery, int i, struct segment *fresh, int64_t offset,
	struct err *e)
{
	struct segment *seg = &recovery->body->v[i];
	/* If the page cache was lost, the segment's whole list of aborted
	 * transactions is rebuilt. */
	int64_t known = recovery->same_boot ? recovery->recovery_offset : seg->base_offset;
	if (recovery->is_rebuild)
		return 0;
	if (i == recovery->first
		&& producers_load(recovery->body, known, &recovery->producers_from, e) < 0)
		return -1;
	int64_t n = producers_ended_before(recovery->body, seg, recovery->producers_from, e);
	if (n < 0)
		return -1;
	fresh->txns.nfile = MIN(n, seg->txns.nfile);
	return i > recovery->first || recovery->producers_from >= offset ? 0
		: producers_walk(recovery->body, recovery->producers_from, offset, fresh, e);
}

/* A batch was read: update the producers. */
static int
note_producer(struct log_recovery *recovery, struct segment *fresh, struct scan *scan,
	const struct batch *batch, struct err *e)
{
	if (likely(batch->producer_id < 0) || recovery->is_rebuild
		|| batch->base_offset < recovery->producers_from)
		return 0;
	const uint8_t *p = scan_bytes(scan, scan->position - batch->size, batch->size, e);
	if (!p)
		return -1;
	if (recovery->first_noted < 0)
		recovery->first_noted = batch->base_offset;
	producers_note(recovery->body, fresh, p, batch, 0);
	return 0;
}

/* Read segment i.  1: all of it is good; 0: up to a torn tail; -1. */
static int
read_segment(struct log_recovery *recovery, int i, struct err *e)
{
	struct partlog *l = recovery->log;
	struct segment *seg = &recovery->body->v[i], fresh;
	struct scan scan;
	struct batch batch;
	int fd = segfile_pin(segment_file(seg, &recovery->body->dir), e);
	if (fd < 0)
		return -1;
	segment_init(&fresh, seg->base_offset);
	fresh.is_time_known = true;
	scan_begin(&scan, fd, seg->size, seg->base_offset);
	enum scan_result result = trust_index(recovery, seg, &fresh, &scan, e) < 0
		|| begin_producers(recovery, i, &fresh, scan.next_offset, e) < 0 ? SCAN_FAILED
		: SCAN_BATCH;
	if (scan.position == 0)
		epochs_cut(&recovery->body->epochs, seg->base_offset);
	else
		epochs_cut(&recovery->body->epochs, scan.next_offset + 1);
	while (result == SCAN_BATCH && (result = scan_next(&scan, &batch, e)) == SCAN_BATCH) {
		segment_note(&fresh, &batch, l->config->index_interval_bytes);
		epochs_note(&recovery->body->epochs, batch.leader_epoch, batch.base_offset);
		if (note_producer(recovery, &fresh, &scan, &batch, e) < 0)
			result = SCAN_FAILED;
	}
	recovery->next_offset = scan.next_offset;
	int rc = result == SCAN_END ? 1 : result == SCAN_BAD ? judge_tail(recovery, i, &scan, e)
		: -1;
	scan_release(&scan);
	segfile_unpin(seg->file);
	if (rc < 0) {
		segment_release(&fresh);
		return -1;
	}
	/* fresh.size is the good part; write_back truncates the file. */
	*recovery->cut_bytes += seg->size - fresh.size;
	replace_segment(seg, &fresh, recovery->is_rebuild);
	return rc;
}

/* Read all segments that may hold batches at or after the recovery offset. */
static int
read_all(struct log_recovery *recovery, struct err *e)
{
	struct partlog_body *body = recovery->body;
	recovery->first = MAX(body_find(body, recovery->recovery_offset), 0);
	if (body->is_epochs_bad)
		recovery->first = 0;
	recovery->last = recovery->first - 1;
	recovery->next_offset = body->n ? body->v[recovery->first].base_offset
		: recovery->recovery_offset;
	for (int i = recovery->first; i < body->n; i++) {
		int rc = read_segment(recovery, i, e);
		if (rc < 0)
			return -1;
		recovery->last = i;
		if (rc == 0)
			break;
		if (i + 1 < body->n && recovery->next_offset > body->v[i + 1].base_offset)
			return corrupt(recovery->log, &body->v[i + 1], 0,
				"begins before the segment before it ends", "", e);
	}
	if (recovery->next_offset < recovery->recovery_offset)
		return err_set(e, ERR_CORRUPT, "%s ends at offset %" PRId64
			", before the recovery offset %" PRId64, recovery->log->name,
			recovery->next_offset, recovery->recovery_offset);
	return 0;
}

/* ---- changing ---- */

static int
remove_from(struct log_recovery *recovery, int first, struct err *e)
{
	struct partlog_body *body = recovery->body;
	while (body->n > first) {
		struct segment *seg = &body->v[body->n - 1];
		if (segment_remove(seg, &body->dir, e) < 0)
			return -1;
		*recovery->cut_bytes += seg->size;
		segment_release(seg);
		body->n--;
		body->is_dir_dirty = true;
	}
	return 0;
}

static int
write_back(struct log_recovery *recovery, int i, struct err *e)
{
	struct segment *seg = &recovery->body->v[i];
	const struct logdir *dir = &recovery->body->dir;
	int fd = segfile_pin(seg->file, e), rc = 0;
	if (fd < 0)
		return -1;
	int64_t size = fs_size(fd, e);
	if (size < 0 || (size > seg->size && fs_truncate(fd, seg->size, e) < 0))
		rc = -1;
	segfile_unpin(seg->file);
	if (rc == 0 && i < recovery->body->n - 1) {
		/* Rolled: the time index ends with the largest timestamp. */
		rc = segment_write_indexes(seg, dir, true, e);
	}
	if (rc < 0 || index_replace(&seg->times, dir, e) < 0
		|| index_replace(&seg->offsets, dir, e) < 0 || segment_write_txns(seg, dir, e) < 0
		|| (seg->has_txn_file && index_replace(&seg->txns, dir, e) < 0))
		return -1;
	recovery->body->is_dir_dirty = true;
	return 0;
}

/* Read a segment whose indexes are missing, and rebuild them. */
static int
rebuild_indexes(struct log_recovery *recovery, int i, struct err *e)
{
	struct log_recovery one = *recovery;
	int64_t none = 0;
	one.same_boot = false;
	one.is_rebuild = true;
	one.cut_bytes = &none;
	one.recovery_offset = body_end(recovery->log, i);
	one.next_offset = recovery->body->v[i].base_offset;
	/* Reading the segment must not change the epochs. */
	struct epochs kept = recovery->body->epochs;
	recovery->body->epochs = (struct epochs)EPOCHS_INIT;
	int rc = read_segment(&one, i, e);
	epochs_release(&recovery->body->epochs);
	recovery->body->epochs = kept;
	if (rc == 0)
		return corrupt(recovery->log, &recovery->body->v[i], recovery->body->v[i].size,
			"bad bytes", "", e);
	return rc < 0 ? -1 : write_back(recovery, i, e);
}

/* Snapshots after the cut must be gone before the log reaches their offsets again. */
static int
remove_snapshots(struct log_recovery *recovery, int64_t from, struct err *e)
{
	struct partlog_body *body = recovery->body;
	if (body->nsnapshot == 0 || body->snapshot[body->nsnapshot - 1] < from)
		return 0;
	if (producers_remove_snapshots(body, from, INT64_MAX, e) < 0)
		return -1;
	return logdir_sync(&body->dir, e);
}

/* See producers.h for the snapshots that must exist. */
static int
write_snapshots(struct log_recovery *recovery, struct err *e)
{
	struct partlog_body *body = recovery->body;
	struct prodstate nobody;
	if (body->nsnapshot == 0 && recovery->first_noted >= 0) {
		prodstate_init(&nobody, 0);
		if (producers_snapshot(body, &nobody, recovery->first_noted, false, e) < 0)
			return -1;
	}
	if (prodstate_count(&body->producers)
		&& producers_snapshot(body, &body->producers, recovery->next_offset, false, e) < 0)
		return -1;
	producers_prune(body);
	return 0;
}

/* Make the disk agree with what was read. */
static int
repair(struct log_recovery *recovery, struct err *e)
{
	struct partlog *l = recovery->log;
	struct partlog_body *body = recovery->body;
	if (remove_snapshots(recovery, recovery->recovery_offset + 1, e) < 0
		|| remove_from(recovery, recovery->last + 1, e) < 0)
		return -1;
	/* Records below the log start need not have been on disk. */
	if (recovery->next_offset < l->log_start_offset) {
		prodstate_clear(&body->producers);
		if (remove_snapshots(recovery, 0, e) < 0 || remove_from(recovery, 0, e) < 0)
			return -1;
		recovery->next_offset = l->log_start_offset;
		return 0;
	}
	if (body->n && body->v[0].base_offset > l->log_start_offset)
		l->log_start_offset = body->v[0].base_offset;
	for (int i = recovery->first; i <= recovery->last; i++)
		if (write_back(recovery, i, e) < 0)
			return -1;
	return write_snapshots(recovery, e);
}

/* Make the body the log's, and rebuild the indexes that are missing. */
static int
install(struct log_recovery *recovery, struct err *e)
{
	struct partlog *l = recovery->log;
	struct partlog_body *body = recovery->body;
	l->body = body;
	l->next_offset = recovery->next_offset;
	l->size = 0;
	for (int i = 0; i < body->n; i++) {
		struct segment *seg = &body->v[i];
		bool is_whole = seg->offsets.nfile >= 0 && seg->times.nfile >= 0;
		if (!is_whole && rebuild_indexes(recovery, i, e) < 0) {
			l->body = NULL;
			return -1;
		}
		l->size += seg->size;
	}
	body->is_epochs_bad = false;
	return 0;
}

int
partlog_recover(struct partlog *l, bool same_boot, int64_t *cut_bytes, struct err *e)
{
	assert(!l->body);
	*cut_bytes = 0;
	struct log_recovery recovery = { .log = l, .recovery_offset = l->synced_offset,
		.same_boot = same_boot, .cut_bytes = cut_bytes, .first_noted = -1 };
	if (l->is_failed) {
		*e = *l->failure;
		return -1;
	}
	if (l->root_fd < 0) {
		l->body = body_new(l);
		l->is_recovered = true;
		return 0;
	}
	recovery.body = body_load(l, e);
	if (!recovery.body)
		return -1;
	recovery.recovery_offset = MAX(recovery.recovery_offset, recovery.body->n
		? recovery.body->v[0].base_offset : 0);
	if (recovery.body->n == 0 && recovery.recovery_offset <= l->log_start_offset)
		recovery.recovery_offset = l->log_start_offset;
	else if (recovery.body->n == 0) {
		err_set(e, ERR_CORRUPT, "%s: there are no segments, and offsets up to %" PRId64
			" should be there", l->name, recovery.recovery_offset);
		goto fail;
	}
	if (read_all(&recovery, e) < 0 || repair(&recovery, e) < 0 || install(&recovery, e) < 0)
		goto fail;
	l->is_recovered = true;
	assert(l->log_start_offset <= l->next_offset && l->synced_offset <= l->next_offset);
	return 0;
fail:
	body_free(recovery.body);
	if (e->class == ERR_CORRUPT)
		partlog_fail(l, e);
	return -1;
}

/* ---- a clean log ---- */

/* Walk from the last index entry to the end.  1: the segment ends at end_offset;
 * 0: it does not, or is damaged; -1: ERR_SYS. */
static int
check_tail(const struct logdir *dir, struct segment *seg, int fd, int64_t end_offset, struct err *e)
{
	struct index_entry entry;
	struct segment_walk walk;
	struct batch batch;
	int64_t n = index_count(&seg->offsets), next = seg->base_offset, from = 0;
	bool is_first = true;
	if (seg->size) {
		segment_walk_begin(&walk, fd, 0, seg->size);
		if (segment_walk_next(&walk, &batch, e) < 0)
			return e->class == ERR_CORRUPT ? 0 : -1;
		seg->first_timestamp = batch.max_timestamp;
	}
	if (n > 0) {
		if (index_get(&seg->offsets, dir, n - 1, &entry, e) < 0)
			return -1;
		from = entry.position;
	}
	if (segment_load_time(seg, dir, e) < 0)
		return -1;
	segment_walk_begin(&walk, fd, from, seg->size);
	for (int rc; (rc = segment_walk_next(&walk, &batch, e)) != 0; is_first = false) {
		if (rc < 0)
			return e->class == ERR_CORRUPT ? 0 : -1;
		if (batch.base_offset < next || batch.last_offset_delta < 0)
			return 0;
		next = batch_last_offset(&batch) + 1;
		if (is_first && n > 0 && next - 1 != entry.offset)
			return 0;
	}
	seg->bytes_since_index = seg->size - from;
	return next == end_offset && (n == 0 || !is_first)
		&& seg->max_timestamp_offset <= MAX(next - 1, seg->base_offset);
}

static int
check_clean(const struct partlog *l, struct partlog_body *body, struct err *e)
{
	if (body->n == 0)
		return l->next_offset == l->log_start_offset && !body->is_epochs_bad;
	struct segment *seg = &body->v[body->n - 1];
	if (body->is_epochs_bad || seg->offsets.nfile < 0 || seg->times.nfile < 0)
		return 0;
	int fd = segfile_pin(segment_file(seg, &body->dir), e);
	if (fd < 0)
		return -1;
	int rc = check_tail(&body->dir, seg, fd, l->next_offset, e);
	segfile_unpin(seg->file);
	return rc;
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
	struct log_recovery recovery = { .log = l, .body = body_load(l, e),
		.next_offset = l->next_offset };
	if (!recovery.body)
		goto fail;
	int rc = check_clean(l, recovery.body, e);
	if (rc == 0) {
		body_free(recovery.body);
		return partlog_recover(l, false, &cut, e);
	}
	if (rc < 0 || producers_open(recovery.body, l->next_offset, e) < 0
		|| install(&recovery, e) < 0)
		goto fail;
	if (recovery.body->n && recovery.body->v[0].base_offset > l->log_start_offset)
		l->log_start_offset = recovery.body->v[0].base_offset;
	assert(l->log_start_offset <= l->next_offset);
	return 0;
fail:
	body_free(recovery.body);
	if (e->class == ERR_CORRUPT)
		partlog_fail(l, e);
	return -1;
}
