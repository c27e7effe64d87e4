#include "log/segment.h"

#include "sys/fs.h"

#include <fcntl.h>

void
segment_init(struct segment *g, int64_t base_offset)
{
	*g = (struct segment){
		.base_offset = base_offset,
		.first_timestamp = -1,
		.indexed_timestamp = -1,
		.max_timestamp = -1,
		.max_timestamp_offset = base_offset,
	};
	index_init(&g->offsets, INDEX_OFFSET, base_offset);
	index_init(&g->times, INDEX_TIME, base_offset);
	index_init(&g->txns, INDEX_TXN, base_offset);
}

void
segment_release(struct segment *g)
{
	segfile_drop(g->file);
	g->file = NULL;
	index_release(&g->offsets);
	index_release(&g->times);
	index_release(&g->txns);
}

struct segfile *
segment_file(struct segment *g, const struct logdir *d)
{
	if (!g->file) {
		char path[LOGDIR_PATH_SIZE];
		assert(d->root_fd >= 0);
		g->file = segfile_new(d->root_fd, logdir_path(d, g->base_offset, ".log", path));
	}
	return g->file;
}

int
segment_create(struct segment *g, const struct logdir *d, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	logdir_path(d, g->base_offset, ".log", path);
	assert(!g->file);
	g->is_time_known = true;
	if (d->root_fd < 0) {
		int fd = fs_open_memory(path, e);
		if (fd < 0)
			return -1;
		g->file = segfile_new_memory(fd);
		return 0;
	}
	int fd = fs_open(d->root_fd, path, O_RDWR | O_CREAT | O_TRUNC, 0600, e);
	if (fd < 0)
		return -1;
	fs_close(fd);
	segment_file(g, d);
	return 0;
}

int
segment_remove(struct segment *g, const struct logdir *d, struct err *e)
{
	static const char *const suffixes[] = { ".txnindex", ".timeindex", ".index", ".log" };
	char path[LOGDIR_PATH_SIZE];
	if (d->root_fd < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (fs_remove(d->root_fd, logdir_path(d, g->base_offset, suffixes[i], path), e) < 0)
			return -1;
	return 0;
}

static void
note_time(struct segment *g)
{
	if (g->max_timestamp <= g->indexed_timestamp)
		return;
	index_append(&g->times, &(struct index_entry){ .offset = g->max_timestamp_offset,
		.timestamp = g->max_timestamp });
	g->indexed_timestamp = g->max_timestamp;
}

void
segment_note(struct segment *g, const struct batch *b, int64_t index_interval_bytes)
{
	assert(g->is_time_known);
	if (g->size == 0)
		g->first_timestamp = b->max_timestamp;
	if (b->max_timestamp > g->max_timestamp) {
		g->max_timestamp = b->max_timestamp;
		g->max_timestamp_offset = batch_last_offset(b);
	}
	if (g->bytes_since_index > index_interval_bytes) {
		index_append(&g->offsets, &(struct index_entry){ .offset = batch_last_offset(b),
			.position = g->size });
		note_time(g);
		g->bytes_since_index = 0;
	}
	g->bytes_since_index += b->size;
	g->size += b->size;
}

int
segment_write_indexes(struct segment *g, const struct logdir *d, bool is_last, struct err *e)
{
	if (is_last && segment_load_time(g, d, e) < 0)
		return -1;
	if (is_last)
		note_time(g);
	/* Offsets last: where they end, recovery knows all times to be there. */
	if (segment_write_txns(g, d, e) < 0 || index_write(&g->times, d, e) < 0)
		return -1;
	return index_write(&g->offsets, d, e);
}

int
segment_write_txns(struct segment *g, const struct logdir *d, struct err *e)
{
	if (g->txns.tail.n == 0 || d->root_fd < 0)
		return 0;
	if (index_write(&g->txns, d, e) < 0)
		return -1;
	g->has_txn_file = g->is_txn_dirty = true;
	return 0;
}

int
segment_load_time(struct segment *g, const struct logdir *d, struct err *e)
{
	struct index_entry it = { .timestamp = -1, .offset = g->base_offset };
	int64_t n = index_count(&g->times);
	if (g->is_time_known)
		return 0;
	if (n > 0 && index_get(&g->times, d, n - 1, &it, e) < 0)
		return -1;
	g->indexed_timestamp = it.timestamp;
	g->max_timestamp = it.timestamp;
	g->max_timestamp_offset = it.offset;
	g->is_time_known = true;
	return 0;
}

void
walk_begin(struct walk *w, int fd, int64_t position, int64_t end)
{
	w->fd = fd;
	w->position = position;
	w->end = end;
	w->at = position;
	w->n = 0;
	w->want = sizeof w->bytes;
}

int
walk_next(struct walk *w, struct batch *b, struct err *e)
{
	if (w->position >= w->end)
		return 0;
	if (w->end - w->position < BATCH_HEADER_SIZE)
		return err_set(e, ERR_CORRUPT, "position %lld: no whole batch",
			(long long)w->position);
	if (w->position < w->at || w->position + BATCH_HEADER_SIZE > w->at + w->n) {
		int64_t want = MIN((int64_t)w->want, w->end - w->position);
		int64_t r = fs_read_at(w->fd, w->bytes, (size_t)want, w->position, e);
		if (r < 0)
			return -1;
		w->at = w->position;
		w->n = (int)r;
	}
	if (w->n < BATCH_HEADER_SIZE || !batch_parse(b, w->bytes + (w->position - w->at)) ||
		b->size > w->end - w->position)
		return err_set(e, ERR_CORRUPT, "position %lld: no batch", (long long)w->position);
	/* Reading on only pays while the next header is near. */
	w->want = b->size < (int)sizeof w->bytes / 2 ? (int)sizeof w->bytes : BATCH_HEADER_SIZE;
	w->position += b->size;
	return 1;
}
