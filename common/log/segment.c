#include "log/segment.h"

#include "sys/fs.h"

#include <fcntl.h>

void
segment_init(struct segment *seg, int64_t base_offset)
{
	*seg = (struct segment){
		.base_offset = base_offset,
		.first_timestamp = -1,
		.indexed_timestamp = -1,
		.max_timestamp = -1,
		.max_timestamp_offset = base_offset,
	};
	index_init(&seg->offsets, INDEX_OFFSET, base_offset);
	index_init(&seg->times, INDEX_TIME, base_offset);
	index_init(&seg->txns, INDEX_TXN, base_offset);
}

void
segment_release(struct segment *seg)
{
	segfile_drop(seg->file);
	seg->file = NULL;
	index_release(&seg->offsets);
	index_release(&seg->times);
	index_release(&seg->txns);
}

struct segfile *
segment_file(struct segment *seg, const struct logdir *dir)
{
	if (!seg->file) {
		char path[LOGDIR_PATH_SIZE];
		assert(dir->root_fd >= 0);
		seg->file = segfile_new(dir->root_fd, logdir_path(dir, seg->base_offset, ".log",
			path));
	}
	return seg->file;
}

int
segment_create(struct segment *seg, const struct logdir *dir, struct err *e)
{
	char path[LOGDIR_PATH_SIZE];
	logdir_path(dir, seg->base_offset, ".log", path);
	assert(!seg->file);
	seg->is_time_known = true;
	if (dir->root_fd < 0) {
		int fd = fs_open_memory(path, e);
		if (fd < 0)
			return -1;
		seg->file = segfile_new_memory(fd);
		return 0;
	}
	int fd = fs_open(dir->root_fd, path, O_RDWR | O_CREAT | O_TRUNC, 0600, e);
	if (fd < 0)
		return -1;
	fs_close(fd);
	segment_file(seg, dir);
	return 0;
}

int
segment_remove(struct segment *seg, const struct logdir *dir, struct err *e)
{
	static const char *const suffixes[] = { ".txnindex", ".timeindex", ".index", ".log" };
	char path[LOGDIR_PATH_SIZE];
	if (dir->root_fd < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (fs_remove(dir->root_fd, logdir_path(dir, seg->base_offset, suffixes[i], path),
			e) < 0)
			return -1;
	return 0;
}

static void
note_time(struct segment *seg)
{
	if (seg->max_timestamp <= seg->indexed_timestamp)
		return;
	index_append(&seg->times, &(struct index_entry){ .offset = seg->max_timestamp_offset,
		.timestamp = seg->max_timestamp });
	seg->indexed_timestamp = seg->max_timestamp;
}

void
segment_note(struct segment *seg, const struct batch *batch, int64_t index_interval_bytes)
{
	assert(seg->is_time_known);
	assert(batch->base_offset >= seg->base_offset);
	if (seg->size == 0)
		seg->first_timestamp = batch->max_timestamp;
	if (batch->max_timestamp > seg->max_timestamp) {
		seg->max_timestamp = batch->max_timestamp;
		seg->max_timestamp_offset = batch_last_offset(batch);
	}
	if (seg->bytes_since_index > index_interval_bytes) {
		index_append(&seg->offsets, &(struct index_entry){
			.offset = batch_last_offset(batch), .position = seg->size });
		note_time(seg);
		seg->bytes_since_index = 0;
	}
	seg->bytes_since_index += batch->size;
	seg->size += batch->size;
}

int
segment_write_indexes(struct segment *seg, const struct logdir *dir, bool is_last, struct err *e)
{
	if (is_last && segment_load_time(seg, dir, e) < 0)
		return -1;
	if (is_last)
		note_time(seg);
	/* Offsets last: recovery relies on the time entries up to the last offset
	 * entry. */
	if (segment_write_txns(seg, dir, e) < 0 || index_write(&seg->times, dir, e) < 0)
		return -1;
	return index_write(&seg->offsets, dir, e);
}

int
segment_write_txns(struct segment *seg, const struct logdir *dir, struct err *e)
{
	if (seg->txns.tail.n == 0 || dir->root_fd < 0)
		return 0;
	if (index_write(&seg->txns, dir, e) < 0)
		return -1;
	seg->has_txn_file = seg->is_txn_dirty = true;
	return 0;
}

int
segment_load_time(struct segment *seg, const struct logdir *dir, struct err *e)
{
	struct index_entry entry = { .timestamp = -1, .offset = seg->base_offset };
	int64_t n = index_count(&seg->times);
	if (seg->is_time_known)
		return 0;
	if (n > 0 && index_get(&seg->times, dir, n - 1, &entry, e) < 0)
		return -1;
	seg->indexed_timestamp = entry.timestamp;
	seg->max_timestamp = entry.timestamp;
	seg->max_timestamp_offset = entry.offset;
	seg->is_time_known = true;
	return 0;
}

void
segment_walk_begin(struct segment_walk *walk, int fd, int64_t position, int64_t end)
{
	walk->fd = fd;
	walk->position = position;
	walk->end = end;
	walk->at = position;
	walk->n = 0;
	walk->want = sizeof walk->bytes;
}

int
segment_walk_next(struct segment_walk *walk, struct batch *batch, struct err *e)
{
	if (walk->position >= walk->end)
		return 0;
	if (walk->end - walk->position < BATCH_HEADER_SIZE)
		return err_set(e, ERR_CORRUPT, "position %lld: no whole batch",
			(long long)walk->position);
	if (walk->position < walk->at || walk->position + BATCH_HEADER_SIZE > walk->at + walk->n) {
		int64_t want = MIN((int64_t)walk->want, walk->end - walk->position);
		int64_t got = fs_read_at(walk->fd, walk->bytes, (size_t)want, walk->position, e);
		if (got < 0)
			return -1;
		walk->at = walk->position;
		walk->n = (int)got;
	}
	if (walk->n < BATCH_HEADER_SIZE
		|| !batch_parse(batch, walk->bytes + (walk->position - walk->at))
		|| batch->size > walk->end - walk->position)
		return err_set(e, ERR_CORRUPT, "position %lld: no batch",
			(long long)walk->position);
	/* Reading more pays only while the next header is near. */
	walk->want = batch->size < (int)sizeof walk->bytes / 2 ? (int)sizeof walk->bytes
		: BATCH_HEADER_SIZE;
	walk->position += batch->size;
	return 1;
}
