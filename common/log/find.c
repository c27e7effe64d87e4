/* Finding batches by offset. */
#include "log/body.h"

#include "sys/fs.h"

#include <inttypes.h>

static struct index_page *
page_of(struct partlog_body *body)
{
	if (!body->page) {
		body->page = NEW(struct index_page);
		body->page->base_offset = -1;
	}
	return body->page;
}

/* The position of the batch that holds the offset or, if it lies in a gap, of the
 * first one after it; the segment's size: there is none; -1. */
static int64_t
start_of(struct partlog_body *body, struct segment *seg, int fd, int64_t offset, struct err *e)
{
	struct index_entry entry, max = { offset, INT32_MAX, INT64_MAX };
	struct segment_walk walk;
	struct batch batch;
	int64_t position = body_recall(body, offset, seg->base_offset);
	if (position >= 0)
		return position;
	int64_t i = index_floor(&seg->offsets, &body->dir, &max, page_of(body), &entry, e);
	if (i == -2)
		return -1;
	segment_walk_begin(&walk, fd, segment_position(seg, i, &entry), seg->size);
	for (;;) {
		position = walk.position;
		int rc = segment_walk_next(&walk, &batch, e);
		if (rc < 0)
			return -1;
		if (rc == 0 || batch_last_offset(&batch) >= offset)
			return position;
	}
}

/* Set the end of the slice that begins at slice->position, after whole batches. */
static int
cut_to_fit(struct partlog *l, struct segment *seg, int fd, int64_t limit, int64_t size_max,
	bool is_first_whole, struct partlog_slice *slice, struct err *e)
{
	struct partlog_body *body = l->body;
	int64_t from = slice->position, stop = MIN(seg->size, from + MAX(size_max, 0));
	struct index_entry entry, max = { limit - 1, stop, INT64_MAX };
	struct segment_walk walk;
	struct batch batch;
	/* A short run is walked without the index. */
	if (stop - from > 2 * l->config->index_interval_bytes) {
		int64_t i = index_floor(&seg->offsets, &body->dir, &max, page_of(body), &entry, e);
		if (i == -2)
			return -1;
		if (i >= 0 && entry.position > from)
			from = entry.position;
	}
	int64_t end = from;
	segment_walk_begin(&walk, fd, from, seg->size);
	for (;;) {
		int rc = segment_walk_next(&walk, &batch, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
		bool is_whole = is_first_whole && end == slice->position;
		if (batch_last_offset(&batch) >= limit || (walk.position > stop && !is_whole)) {
			if (end == from && from > slice->position)
				slice->next_offset = batch.base_offset;
			break;
		}
		end = walk.position;
		slice->next_offset = batch_last_offset(&batch) + 1;
	}
	slice->size = end - slice->position;
	return 0;
}

/* Find the slice in segment i.  1: in *slice, perhaps empty; 0: the offset is
 * after this segment's batches; -1. */
static int
find_in(struct partlog *l, int i, int64_t limit, int64_t size_max, bool is_first_whole,
	struct partlog_slice *slice, struct err *e)
{
	struct partlog_body *body = l->body;
	struct segment *seg = &body->v[i];
	struct segfile *file = segment_file(seg, &body->dir);
	int fd = segfile_pin(file, e), rc = 1;
	if (fd < 0)
		return -1;
	int64_t position, end = body_end(l, i);
	slice->position = start_of(body, seg, fd, slice->first_offset, e);
	if (slice->position < 0) {
		rc = -1;
	} else if (slice->position == seg->size) {
		rc = 0;
	} else if (end <= limit && seg->size - slice->position <= size_max) {
		slice->size = seg->size - slice->position;
		slice->next_offset = end;
	} else if ((position = body_recall(body, limit, seg->base_offset)) > slice->position
		&& position - slice->position <= size_max) {
		slice->size = position - slice->position;
		slice->next_offset = limit;
	} else if (cut_to_fit(l, seg, fd, limit, size_max, is_first_whole, slice, e) < 0) {
		rc = -1;
	}
	if (rc == 1 && slice->size > 0) {
		assert(slice->position >= 0 && slice->position + slice->size <= seg->size);
		slice->file = file; /* with our pin */
		body_remember(body, slice->next_offset, seg->base_offset,
			slice->position + slice->size);
		return 1;
	}
	segfile_unpin(file);
	if (rc < 0)
		err_wrap(e, "%s/%020" PRId64 ".log", l->name, seg->base_offset);
	return rc;
}

int
partlog_find(struct partlog *l, int64_t offset, int64_t limit_offset, int64_t size_max,
	bool is_first_whole, struct partlog_slice *slice, struct err *e)
{
	*slice = (struct partlog_slice){ .first_offset = offset, .next_offset = offset };
	if (body_ready(l, e) < 0)
		return -1;
	if (offset < l->log_start_offset || offset > l->next_offset)
		return err_set(e, ERR_LIMIT, "%s: offset %" PRId64 " is not in [%" PRId64
			", %" PRId64 "]", l->name, offset, l->log_start_offset, l->next_offset);
	struct partlog_body *body = l->body;
	int64_t limit = MIN(limit_offset, l->next_offset);
	if (offset >= limit) {
		/* A reader at the end will ask for the next batch. */
		if (offset == l->next_offset && body->n)
			body_remember(body, offset, body->v[body->n - 1].base_offset,
				body->v[body->n - 1].size);
		return 0;
	}
	for (int i = MAX(body_find(body, offset), 0); i < body->n; i++) {
		int rc = find_in(l, i, limit, size_max, is_first_whole, slice, e);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	slice->position = 0;
	return 0;
}

int
partlog_slice_fd(const struct partlog_slice *slice)
{
	assert(slice->file);
	return segfile_fd(slice->file);
}

void
partlog_slice_put(struct partlog_slice *slice)
{
	if (slice->file)
		segfile_unpin(slice->file);
	slice->file = NULL;
	slice->size = 0;
}
