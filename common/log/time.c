/* Finding records by their timestamps, and what is too old to keep. */
#include "log/body.h"

#include "sys/fs.h"

#include <inttypes.h>

/* More than any producer packs into one batch; bounds what a look-up takes. */
enum { PLAIN_SIZE_MAX = 256 << 20 };

/* What a search inside of batches is for, and what it found. */
struct search {
	int64_t timestamp_ms; /* at least this */
	int64_t first_offset, limit_offset; /* in [first, limit) */
	int64_t offset, found_ms;
	int32_t epoch;
};

/* Called for each record; stops at the first non-zero return. */
typedef int record_fn(void *ctx, const struct record *r, const struct batch *b);

static int
each_record(int fd, int64_t position, const struct batch *b, record_fn *fn, void *ctx,
	struct err *e)
{
	struct buf bytes = BUF_INIT;
	struct record_iter it = RECORD_ITER_INIT;
	struct record record;
	bool is_append_time = b->attributes & BATCH_LOG_APPEND_TIME;
	int64_t n = fs_read_at(fd, buf_grow(&bytes, (size_t)b->size), (size_t)b->size, position, e);
	int r = n < 0 ? -1 : 0;
	if (n >= 0 && n < b->size)
		r = err_set(e, ERR_CORRUPT, "position %" PRId64 ": no whole batch", position);
	if (r == 0)
		r = record_iter_begin(&it, bytes.p, PLAIN_SIZE_MAX, e);
	while (r == 0 && (r = record_iter_next(&it, &record, e)) > 0) {
		if (is_append_time)
			record.timestamp_ms = b->max_timestamp;
		r = fn(ctx, &record, b);
	}
	record_iter_release(&it);
	buf_release(&bytes);
	return r;
}

static int
is_it(void *ctx, const struct record *r, const struct batch *b)
{
	struct search *q = ctx;
	if (r->timestamp_ms < q->timestamp_ms || r->offset < q->first_offset ||
		r->offset >= q->limit_offset)
		return 0;
	q->offset = r->offset;
	q->found_ms = r->timestamp_ms;
	q->epoch = b->leader_epoch;
	return 1;
}

/* In the batches of a segment from the position on. */
static int
search_from(struct segment *g, int fd, int64_t position, struct search *q, struct err *e)
{
	struct walk w;
	struct batch b;
	int r;
	walk_begin(&w, fd, position, g->size);
	for (;;) {
		position = w.position;
		if ((r = walk_next(&w, &b, e)) <= 0)
			return r;
		if (b.base_offset >= q->limit_offset)
			return 0;
		if (b.max_timestamp < q->timestamp_ms || batch_last_offset(&b) < q->first_offset)
			continue;
		if ((r = each_record(fd, position, &b, is_it, q, e)) != 0)
			return r;
	}
}

/* Search segment i, from where its indexes say that it is worth while. */
static int
search_segment(struct partlog *l, int i, int64_t from_offset, struct search *q, struct err *e)
{
	struct segment *g = &l->body->v[i];
	struct logdir d = body_dir(l);
	struct index_entry it, max = { from_offset, INT32_MAX, INT64_MAX };
	int64_t n = index_floor(&g->offsets, &d, &max, NULL, &it, e);
	if (n == -2)
		return -1;
	struct segfile *f = segment_file(g, &d);
	int fd = segfile_pin(f, e);
	if (fd < 0)
		return -1;
	int r = search_from(g, fd, n < 0 ? 0 : it.position, q, e);
	segfile_unpin(f);
	if (r < 0)
		err_wrap(e, "%s/%020" PRId64 ".log", l->name, g->base_offset);
	return r;
}

int
partlog_find_time(struct partlog *l, int64_t timestamp_ms, int64_t limit_offset, int64_t *offset,
	int64_t *found_ms, int32_t *epoch, struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	struct logdir d = body_dir(l);
	struct search q = { .timestamp_ms = timestamp_ms, .first_offset = l->log_start_offset,
		.limit_offset = MIN(limit_offset, l->next_offset) };
	for (int i = 0; i < l->body->n; i++) {
		struct segment *g = &l->body->v[i];
		struct index_entry it, max = { INT64_MAX, INT64_MAX, timestamp_ms };
		if (segment_load_time(g, &d, e) < 0)
			return -1;
		if (g->max_timestamp < timestamp_ms || body_end(l, i) <= q.first_offset)
			continue;
		/* Up to that entry's batch all are older, or as old. */
		int64_t n = index_floor(&g->times, &d, &max, NULL, &it, e);
		if (n == -2)
			return -1;
		int64_t from = n < 0 ? g->base_offset : it.offset;
		int r = search_segment(l, i, MAX(from, q.first_offset), &q, e);
		if (r < 0)
			return -1;
		if (r > 0) {
			*offset = q.offset;
			*found_ms = q.found_ms;
			*epoch = q.epoch;
			return 1;
		}
	}
	return 0;
}

/* Raises found_ms to the largest timestamp from first_offset on. */
static int
raise_max(void *ctx, const struct record *r, const struct batch *b)
{
	struct search *q = ctx;
	(void)b;
	if (r->offset >= q->first_offset)
		q->found_ms = MAX(q->found_ms, r->timestamp_ms);
	return 0;
}

/* The segment holds the log start offset: count only what lies behind it. */
static int
max_behind_start(struct partlog *l, struct segment *g, int fd, int64_t *max_ms, struct err *e)
{
	struct search q = { .first_offset = l->log_start_offset, .found_ms = -1 };
	struct walk w;
	struct batch b;
	int r;
	walk_begin(&w, fd, 0, g->size);
	for (;;) {
		int64_t position = w.position;
		if ((r = walk_next(&w, &b, e)) <= 0)
			break;
		if (batch_last_offset(&b) < q.first_offset)
			continue;
		if (b.base_offset >= q.first_offset)
			q.found_ms = MAX(q.found_ms, b.max_timestamp);
		else if ((r = each_record(fd, position, &b, raise_max, &q, e)) < 0)
			break;
	}
	*max_ms = q.found_ms;
	return r;
}

/* The largest timestamp in a segment, of records that may still be read. */
static int
max_in_segment(struct partlog *l, int i, int64_t *max_ms, struct err *e)
{
	struct segment *g = &l->body->v[i];
	struct logdir d = body_dir(l);
	if (segment_load_time(g, &d, e) < 0)
		return -1;
	*max_ms = g->max_timestamp;
	if (l->log_start_offset <= g->base_offset || g->size == 0)
		return 0;
	struct segfile *f = segment_file(g, &d);
	int fd = segfile_pin(f, e);
	if (fd < 0)
		return -1;
	int r = max_behind_start(l, g, fd, max_ms, e);
	segfile_unpin(f);
	return r;
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
	struct segment *g = &l->body->v[at];
	struct search q = { .timestamp_ms = largest, .first_offset = l->log_start_offset,
		.limit_offset = l->next_offset };
	/* No batch before that one reaches the largest timestamp. */
	int64_t from = g->max_timestamp == largest ? g->max_timestamp_offset : g->base_offset;
	int r = search_segment(l, at, MAX(from, q.first_offset), &q, e);
	*offset = q.offset;
	*found_ms = q.found_ms;
	*epoch = q.epoch;
	return r;
}

int
partlog_retained_from(struct partlog *l, int64_t now_ms, int64_t retention_ms,
	int64_t retention_bytes, int64_t limit_offset, int64_t *offset, struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	struct logdir d = body_dir(l);
	int64_t size = l->size;
	*offset = l->log_start_offset;
	for (int i = 0; i + 1 < l->body->n; i++) {
		struct segment *g = &l->body->v[i];
		int64_t end = body_end(l, i);
		if (segment_load_time(g, &d, e) < 0)
			return -1;
		bool is_old = retention_ms >= 0 && g->max_timestamp >= 0 &&
			now_ms - g->max_timestamp > retention_ms;
		/* As Kafka does: never below the bound, if only by a byte. */
		bool is_much = retention_bytes >= 0 && size - g->size >= retention_bytes;
		if (end > limit_offset || (!is_old && !is_much && end > l->log_start_offset))
			break;
		size -= g->size;
		*offset = MAX(*offset, end);
	}
	return 0;
}
