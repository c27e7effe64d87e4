/* Finding batches: by offset, and by time. */
#include "log/body.h"

#include "sys/fs.h"

#include <inttypes.h>

/* Where the batch that holds the offset begins, or, when it lies in a gap, the
 * first one behind.  The segment's size when there is none. */
static int64_t
start_of(struct partlog *l, struct segment *g, int fd, int64_t offset, struct err *e)
{
	struct logdir d = body_dir(l);
	struct index_entry it, max = { offset, INT32_MAX, INT64_MAX };
	struct walk w;
	struct batch b;
	int64_t position = body_recall(l->body, offset, g->base_offset);
	if (position >= 0)
		return position;
	if (!l->body->page) {
		l->body->page = NEW(struct index_page);
		l->body->page->base_offset = -1;
	}
	int64_t i = index_floor(&g->offsets, &d, &max, l->body->page, &it, e);
	if (i == -2)
		return -1;
	walk_begin(&w, fd, i < 0 ? 0 : it.position, g->size);
	for (;;) {
		position = w.position;
		int r = walk_next(&w, &b, e);
		if (r < 0)
			return -1;
		if (r == 0 || batch_last_offset(&b) >= offset)
			return position;
	}
}

/* Whole batches from s->position on: set the slice's end. */
static int
cut_to_fit(struct partlog *l, struct segment *g, int fd, int64_t limit, int64_t size_max,
	bool is_first_whole, struct partlog_slice *s, struct err *e)
{
	struct logdir d = body_dir(l);
	int64_t from = s->position, stop = MIN(g->size, from + MAX(size_max, 0));
	struct index_entry it, max = { limit - 1, stop, INT64_MAX };
	struct walk w;
	struct batch b;
	/* A short run is walked at once. */
	if (stop - from > 2 * l->config->index_interval_bytes) {
		if (!l->body->page) {
			l->body->page = NEW(struct index_page);
			l->body->page->base_offset = -1;
		}
		int64_t i = index_floor(&g->offsets, &d, &max, l->body->page, &it, e);
		if (i == -2)
			return -1;
		if (i >= 0 && it.position > from)
			from = it.position;
	}
	int64_t end = from;
	walk_begin(&w, fd, from, g->size);
	for (;;) {
		int r = walk_next(&w, &b, e);
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		bool is_whole = is_first_whole && end == s->position;
		if (batch_last_offset(&b) >= limit || (w.position > stop && !is_whole)) {
			if (end == from && from > s->position)
				s->next_offset = b.base_offset;
			break;
		}
		end = w.position;
		s->next_offset = batch_last_offset(&b) + 1;
	}
	s->size = end - s->position;
	return 0;
}

/* In segment i.  1: *s is it, perhaps empty; 0: the offset is behind the end
 * of this segment's batches; -1. */
static int
find_in(struct partlog *l, int i, int64_t limit, int64_t size_max, bool is_first_whole,
	struct partlog_slice *s, struct err *e)
{
	struct segment *g = &l->body->v[i];
	struct logdir d = body_dir(l);
	struct segfile *f = segment_file(g, &d);
	int fd = segfile_pin(f, e), r = 1;
	if (fd < 0)
		return -1;
	int64_t position, end = body_end(l, i);
	s->position = start_of(l, g, fd, s->first_offset, e);
	if (s->position < 0) {
		r = -1;
	} else if (s->position == g->size) {
		r = 0;
	} else if (end <= limit && g->size - s->position <= size_max) {
		s->size = g->size - s->position;
		s->next_offset = end;
	} else if ((position = body_recall(l->body, limit, g->base_offset)) > s->position &&
		position - s->position <= size_max) {
		s->size = position - s->position;
		s->next_offset = limit;
	} else if (cut_to_fit(l, g, fd, limit, size_max, is_first_whole, s, e) < 0) {
		r = -1;
	}
	if (r == 1 && s->size > 0) {
		s->file = f; /* with our pin */
		body_remember(l->body, s->next_offset, g->base_offset, s->position + s->size);
		return 1;
	}
	segfile_unpin(f);
	if (r < 0)
		err_wrap(e, "%s/%020" PRId64 ".log", l->name, g->base_offset);
	return r;
}

int
partlog_find(struct partlog *l, int64_t offset, int64_t limit_offset, int64_t size_max,
	bool is_first_whole, struct partlog_slice *s, struct err *e)
{
	*s = (struct partlog_slice){ .first_offset = offset, .next_offset = offset };
	if (body_ready(l, e) < 0)
		return -1;
	if (offset < l->log_start_offset || offset > l->next_offset)
		return err_set(e, ERR_LIMIT, "%s: offset %" PRId64 " is not in [%" PRId64 ", %" PRId64
			"]", l->name, offset, l->log_start_offset, l->next_offset);
	struct partlog_body *y = l->body;
	int64_t limit = MIN(limit_offset, l->next_offset);
	if (offset >= limit) {
		/* Who waits at the end will come back for what comes next. */
		if (offset == l->next_offset && y->n)
			body_remember(y, offset, y->v[y->n - 1].base_offset, y->v[y->n - 1].size);
		return 0;
	}
	for (int i = MAX(body_find(y, offset), 0); i < y->n; i++) {
		int r = find_in(l, i, limit, size_max, is_first_whole, s, e);
		if (r)
			return r < 0 ? -1 : 0;
	}
	s->position = 0;
	return 0;
}

int
partlog_slice_fd(const struct partlog_slice *s)
{
	assert(s->file);
	return segfile_fd(s->file);
}

void
partlog_slice_put(struct partlog_slice *s)
{
	if (s->file)
		segfile_unpin(s->file);
	s->file = NULL;
	s->size = 0;
}
