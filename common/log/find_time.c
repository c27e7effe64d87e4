/* Finding records by their timestamps. */
#include "log/body.h"

#include "sys/fs.h"

#include <inttypes.h>

/* Of a decompressed batch: more than any producer sends; bounds the memory. */
enum { PLAIN_SIZE_MAX = 256 << 20 };

/* A search for a record inside batches, and its result. */
struct time_search {
	int64_t timestamp_ms; /* at least this */
	int64_t first_offset, limit_offset; /* in [first_offset, limit_offset) */
	int64_t offset, found_ms;
	int32_t epoch;
};

/* Called for each record; stops at the first non-zero return. */
typedef int record_fn(void *ctx, const struct record *rec, const struct batch *batch);

static int
each_record(int fd, int64_t position, const struct batch *batch, record_fn *fn, void *ctx,
	struct err *e)
{
	struct buf bytes = BUF_INIT;
	struct record_iter it = RECORD_ITER_INIT;
	struct record record;
	bool is_append_time = batch->attributes & BATCH_LOG_APPEND_TIME;
	int64_t n = fs_read_at(fd, buf_grow(&bytes, (size_t)batch->size), (size_t)batch->size,
		position, e);
	int rc = n < 0 ? -1 : 0;
	if (n >= 0 && n < batch->size)
		rc = err_set(e, ERR_CORRUPT, "position %" PRId64 ": no whole batch", position);
	if (rc == 0)
		rc = record_iter_begin(&it, bytes.p, PLAIN_SIZE_MAX, e);
	while (rc == 0 && (rc = record_iter_next(&it, &record, e)) > 0) {
		if (is_append_time)
			record.timestamp_ms = batch->max_timestamp;
		rc = fn(ctx, &record, batch);
	}
	record_iter_release(&it);
	buf_release(&bytes);
	return rc;
}

static int
match_record(void *ctx, const struct record *rec, const struct batch *batch)
{
	struct time_search *search = ctx;
	if (rec->timestamp_ms < search->timestamp_ms || rec->offset < search->first_offset
		|| rec->offset >= search->limit_offset)
		return 0;
	search->offset = rec->offset;
	search->found_ms = rec->timestamp_ms;
	search->epoch = batch->leader_epoch;
	return 1;
}

/* Search the batches of a segment from the position on. */
static int
search_from(struct segment *seg, int fd, int64_t position, struct time_search *search,
	struct err *e)
{
	struct segment_walk walk;
	struct batch batch;
	int rc;
	segment_walk_begin(&walk, fd, position, seg->size);
	for (;;) {
		position = walk.position;
		if ((rc = segment_walk_next(&walk, &batch, e)) <= 0)
			return rc;
		if (batch.base_offset >= search->limit_offset)
			return 0;
		if (batch.max_timestamp < search->timestamp_ms
			|| batch_last_offset(&batch) < search->first_offset)
			continue;
		if ((rc = each_record(fd, position, &batch, match_record, search, e)) != 0)
			return rc;
	}
}

/* Search segment i from the last indexed batch at or before from_offset on. */
static int
search_segment(struct partlog *l, int i, int64_t from_offset, struct time_search *search,
	struct err *e)
{
	struct segment *seg = &l->body->v[i];
	const struct logdir *dir = &l->body->dir;
	struct index_entry entry, max = { from_offset, INT32_MAX, INT64_MAX };
	int64_t n = index_floor(&seg->offsets, dir, &max, NULL, &entry, e);
	if (n == -2)
		return -1;
	struct segfile *file = segment_file(seg, dir);
	int fd = segfile_pin(file, e);
	if (fd < 0)
		return -1;
	int rc = search_from(seg, fd, segment_position(seg, n, &entry), search, e);
	segfile_unpin(file);
	if (rc < 0)
		err_wrap(e, "%s/%020" PRId64 ".log", l->name, seg->base_offset);
	return rc;
}

int
partlog_find_time(struct partlog *l, int64_t timestamp_ms, int64_t limit_offset, int64_t *offset,
	int64_t *found_ms, int32_t *epoch, struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	const struct logdir *dir = &l->body->dir;
	struct time_search search = { .timestamp_ms = timestamp_ms,
		.first_offset = l->log_start_offset,
		.limit_offset = MIN(limit_offset, l->next_offset) };
	for (int i = 0; i < l->body->n; i++) {
		struct segment *seg = &l->body->v[i];
		struct index_entry entry, max = { INT64_MAX, INT64_MAX, timestamp_ms };
		if (segment_load_time(seg, dir, e) < 0)
			return -1;
		if (seg->max_timestamp < timestamp_ms || body_end(l, i) <= search.first_offset)
			continue;
		/* No record before the end of that entry's batch is newer. */
		int64_t n = index_floor(&seg->times, dir, &max, NULL, &entry, e);
		if (n == -2)
			return -1;
		int64_t from = n < 0 ? seg->base_offset : entry.offset;
		int rc = search_segment(l, i, MAX(from, search.first_offset), &search, e);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			*offset = search.offset;
			*found_ms = search.found_ms;
			*epoch = search.epoch;
			return 1;
		}
	}
	return 0;
}

/* Raises found_ms to the largest timestamp from first_offset on. */
static int
raise_max(void *ctx, const struct record *rec, const struct batch *batch)
{
	struct time_search *search = ctx;
	(void)batch;
	if (rec->offset >= search->first_offset)
		search->found_ms = MAX(search->found_ms, rec->timestamp_ms);
	return 0;
}

/* The largest timestamp in the segment of the log start offset, from there on. */
static int
max_after_start(struct partlog *l, struct segment *seg, int fd, int64_t *max_ms, struct err *e)
{
	struct time_search search = { .first_offset = l->log_start_offset, .found_ms = -1 };
	struct segment_walk walk;
	struct batch batch;
	int rc;
	segment_walk_begin(&walk, fd, 0, seg->size);
	for (;;) {
		int64_t position = walk.position;
		if ((rc = segment_walk_next(&walk, &batch, e)) <= 0)
			break;
		if (batch_last_offset(&batch) < search.first_offset)
			continue;
		if (batch.base_offset >= search.first_offset)
			search.found_ms = MAX(search.found_ms, batch.max_timestamp);
		else if ((rc = each_record(fd, position, &batch, raise_max, &search, e)) < 0)
			break;
	}
	*max_ms = search.found_ms;
	return rc;
}

/* The largest timestamp in segment i of records that can still be read. */
static int
max_in_segment(struct partlog *l, int i, int64_t *max_ms, struct err *e)
{
	struct segment *seg = &l->body->v[i];
	const struct logdir *dir = &l->body->dir;
	if (segment_load_time(seg, dir, e) < 0)
		return -1;
	*max_ms = seg->max_timestamp;
	if (l->log_start_offset <= seg->base_offset || seg->size == 0)
		return 0;
	struct segfile *file = segment_file(seg, dir);
	int fd = segfile_pin(file, e);
	if (fd < 0)
		return -1;
	int rc = max_after_start(l, seg, fd, max_ms, e);
	segfile_unpin(file);
	return rc;
}

int
partlog_find_max_time(struct partlog *l, int64_t *offset, int64_t *found_ms, int32_t *epoch,
	struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	int64_t largest = -1, ms;
	int at = -1;
	for (int i = 0; i < l->body->n; i++) {
		if (max_in_segment(l, i, &ms, e) < 0)
			return -1;
		if (ms > largest) {
			largest = ms;
			at = i;
		}
	}
	if (at < 0)
		return 0;
	struct segment *seg = &l->body->v[at];
	struct time_search search = { .timestamp_ms = largest, .first_offset = l->log_start_offset,
		.limit_offset = l->next_offset };
	/* No earlier batch has the largest timestamp. */
	int64_t from = seg->max_timestamp == largest ? seg->max_timestamp_offset : seg->base_offset;
	int rc = search_segment(l, at, MAX(from, search.first_offset), &search, e);
	*offset = search.offset;
	*found_ms = search.found_ms;
	*epoch = search.epoch;
	return rc;
}
