/* Dropping the oldest segments: which may go, and removing them. */
#include "log/producers.h"

int
partlog_retained_from(struct partlog *l, int64_t now_ms, int64_t retention_ms,
	int64_t retention_bytes, int64_t limit_offset, int64_t *offset, struct err *e)
{
	if (body_ready(l, e) < 0)
		return -1;
	const struct logdir *dir = &l->body->dir;
	int64_t size = l->size;
	*offset = l->log_start_offset;
	for (int i = 0; i + 1 < l->body->n; i++) {
		struct segment *seg = &l->body->v[i];
		int64_t end = body_end(l, i);
		if (segment_load_time(seg, dir, e) < 0)
			return -1;
		bool is_old = retention_ms >= 0 && seg->max_timestamp >= 0
			&& now_ms - seg->max_timestamp > retention_ms;
		/* As Kafka does: what remains is never below the bound. */
		bool is_surplus = retention_bytes >= 0 && size - seg->size >= retention_bytes;
		if (end > limit_offset || (!is_old && !is_surplus && end > l->log_start_offset))
			break;
		size -= seg->size;
		*offset = MAX(*offset, end);
	}
	return 0;
}

int
partlog_trim(struct partlog *l, int64_t log_start_offset, struct partlog_trimmed *trimmed,
	struct err *e)
{
	trimmed->n = 0;
	if (body_ready(l, e) < 0)
		return -1;
	struct partlog_body *body = l->body;
	const struct logdir *dir = &body->dir;
	if (log_start_offset > l->log_start_offset) {
		l->log_start_offset = MIN(log_start_offset, l->next_offset);
		epochs_trim(&body->epochs, l->log_start_offset);
	}
	assert(l->log_start_offset <= l->next_offset);
	int gone = 0, rc = 0;
	for (; gone + 1 < body->n && body_end(l, gone) <= l->log_start_offset; gone++) {
		struct err ignored;
		struct segment *seg = &body->v[gone];
		if (gone == PARTLOG_TRIM_MAX) {
			rc = 1;
			break;
		}
		if (segfile_pin(segment_file(seg, dir), &ignored) >= 0)
			trimmed->file[trimmed->n++] = seg->file;
		if ((rc = segment_remove(seg, dir, e)) < 0)
			break;
		l->size -= seg->size;
		segment_release(seg);
	}
	if (gone > 0) {
		body->n -= gone;
		memmove(body->v, body->v + gone, (size_t)body->n * sizeof *body->v);
	}
	if (rc == 0 && body->nsnapshot && body->n)
		rc = producers_remove_snapshots(body, 0, body->v[0].base_offset, e);
	return rc;
}

void
partlog_trimmed_release(struct partlog_trimmed *trimmed)
{
	while (trimmed->n > 0)
		segfile_unpin(trimmed->file[--trimmed->n]);
}
