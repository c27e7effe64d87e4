#include "log/producers.h"

#include "sys/fs.h"
#include "sys/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

enum { INDEX_TAIL_MAX = 512 * 8 }; /* bytes: a page */

void
partlog_init(struct partlog *l, int root_fd, const char *name, const struct uuid *topic_id,
	const struct partlog_config *config, const struct partlog_state *state)
{
	*l = (struct partlog){ .root_fd = root_fd, .name = mem_strdup(name),
		.topic_id = *topic_id, .config = config, .is_recovered = true };
	assert(strlen(name) < LOGDIR_PATH_SIZE - 40);
	if (state) {
		assert(state->log_start_offset >= 0);
		l->log_start_offset = state->log_start_offset;
		l->next_offset = MAX(state->recovery_offset, state->log_start_offset);
		l->synced_offset = state->recovery_offset;
		l->is_recovered = state->is_clean || root_fd < 0;
	}
}

void
partlog_release(struct partlog *l)
{
	body_free(l->body);
	mem_free(l->failure);
	mem_free(l->name);
	l->body = NULL;
	l->failure = NULL;
	l->name = NULL;
}

void
partlog_fail(struct partlog *l, const struct err *e)
{
	if (l->is_failed)
		return;
	l->is_failed = true;
	l->failure = NEW(struct err);
	*l->failure = *e;
}

/* ---- appending ---- */

/* Make the directory, and in it the file with the topic's id. */
static int
make_dir(struct partlog *l, struct err *e)
{
	if (l->root_fd < 0 || l->body->is_dir)
		return 0;
	char path[LOGDIR_PATH_SIZE], id[UUID_TEXT_SIZE], text[64];
	if (fs_mkdir(l->root_fd, l->name, 0700, e) < 0)
		return -1;
	l->body->is_root_dirty = true;
	l->body->is_dir_dirty = true;
	if (!uuid_is_zero(&l->topic_id)) {
		snprintf(path, sizeof path, "%s/partition.metadata", l->name);
		int n = snprintf(text, sizeof text, "version: 0\ntopic_id: %s\n",
			uuid_format(&l->topic_id, id));
		int fd = fs_open(l->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, e);
		if (fd < 0)
			return -1;
		int rc = fs_write_at(fd, (struct str){ (uint8_t *)text, n }, 0, e);
		fs_close(fd);
		if (rc < 0)
			return -1;
	}
	l->body->is_dir = true;
	return 0;
}

/* Kafka's rules (LogSegment.shouldRoll). */
static bool
is_full(const struct partlog *l, struct segment *seg, const struct batch *batch, int64_t now_ms)
{
	const struct partlog_config *config = l->config;
	int64_t age;
	if (seg->size == 0)
		return false;
	if (seg->created_ms == 0)
		seg->created_ms = now_ms;
	if (seg->first_timestamp >= 0)
		age = batch->max_timestamp > seg->first_timestamp
			? batch->max_timestamp - seg->first_timestamp : 0;
	else
		age = now_ms - seg->created_ms;
	return seg->size > config->segment_bytes - batch->size
		|| seg->size > INT32_MAX - batch->size || age > config->segment_ms
		|| index_count(&seg->offsets) >= config->segment_index_bytes / 8
		|| index_count(&seg->times) >= config->segment_index_bytes / 12 - 1
		|| batch_last_offset(batch) - seg->base_offset > INT32_MAX;
}

/* Finish the last segment and add a new one. */
static int
roll(struct partlog *l, int64_t now_ms, struct err *e)
{
	struct partlog_body *body = l->body;
	const struct logdir *dir = &body->dir;
	struct segment fresh;
	if (make_dir(l, e) < 0)
		return -1;
	if (body->n && segment_write_indexes(&body->v[body->n - 1], dir, true, e) < 0)
		return -1;
	if (l->root_fd >= 0 && prodstate_count(&body->producers)
		&& producers_snapshot(body, &body->producers, l->next_offset, false, e) < 0)
		return -1;
	segment_init(&fresh, l->next_offset);
	if (segment_create(&fresh, dir, e) < 0)
		return -1;
	fresh.created_ms = now_ms;
	if (body->n && body->rolled_offset < 0)
		body->rolled_offset = body->v[body->n - 1].base_offset;
	*body_add(body, l->next_offset) = fresh;
	body->is_dir_dirty = l->root_fd >= 0;
	producers_prune(body);
	return 0;
}

static int
write_batch(const struct logdir *dir, struct segment *seg, struct str bytes, struct err *e)
{
	struct segfile *file = segment_file(seg, dir);
	assert(bytes.n >= BATCH_HEADER_SIZE && seg->size <= INT32_MAX - bytes.n);
	int fd = segfile_pin(file, e);
	if (fd < 0)
		return -1;
	int rc = fs_write_at(fd, bytes, seg->size, e);
	if (unlikely(rc < 0)) {
		/* Not needed by this log, which would overwrite the bytes, but it
		 * spares the next start a torn tail, and frees room on a full disk. */
		struct err ignored;
		fs_truncate(fd, seg->size, &ignored);
		err_wrap(e, "%s/%020" PRId64 ".log: position %" PRId64, dir->name,
			seg->base_offset, seg->size);
	}
	segfile_unpin(file);
	return rc;
}

int
partlog_append(struct partlog *l, uint8_t *bytes, struct batch *batch, int32_t leader_epoch,
	int64_t now_ms, struct err *e)
{
	if (unlikely(l->is_failed)) {
		*e = *l->failure;
		return -1;
	}
	if (body_ready(l, e) < 0)
		return -1;
	struct partlog_body *body = l->body;
	assert(batch_magic(bytes) == BATCH_MAGIC && batch->last_offset_delta >= 0);
	batch_set_offset(bytes, l->next_offset, leader_epoch);
	batch->base_offset = l->next_offset;
	batch->leader_epoch = leader_epoch;
	if (unlikely(body->n == 0) || unlikely(is_full(l, &body->v[body->n - 1], batch, now_ms)))
		if (roll(l, now_ms, e) < 0)
			return -1;
	struct segment *seg = &body->v[body->n - 1];
	if (batch->producer_id >= 0 && producers_prepare(body, l->next_offset, e) < 0)
		return -1;
	if (write_batch(&body->dir, seg, (struct str){ bytes, batch->size }, e) < 0)
		return -1;
	if (batch->producer_id >= 0)
		producers_note(body, seg, bytes, batch, MAX(now_ms, 1));
	segment_note(seg, batch, l->config->index_interval_bytes);
	epochs_note(&body->epochs, leader_epoch, batch->base_offset);
	l->next_offset = batch_last_offset(batch) + 1;
	l->size += batch->size;
	if (l->root_fd < 0) {
		l->synced_offset = l->next_offset;
	} else if (unlikely(seg->offsets.tail.n >= INDEX_TAIL_MAX
		|| seg->txns.tail.n >= INDEX_TAIL_MAX)) {
		/* The batch is appended.  If the page can't be written now, it is
		 * written with the next one. */
		struct err ignored;
		segment_write_indexes(seg, &body->dir, false, &ignored);
	}
	return 0;
}

int
partlog_append_marker(struct partlog *l, const struct control_marker *marker,
	int32_t leader_epoch, int64_t now_ms, struct err *e)
{
	struct builder builder = BUILDER_INIT;
	struct batch batch;
	control_build(&builder, marker, now_ms);
	bool is_batch = batch_parse(&batch, builder.buf.p);
	assert(is_batch);
	int rc = partlog_append(l, builder.buf.p, &batch, leader_epoch, now_ms, e);
	builder_release(&builder);
	return rc;
}

/* ---- epochs ---- */

void
partlog_epoch_end(struct partlog *l, int32_t asked, int32_t *epoch, int64_t *end_offset)
{
	struct err e;
	*epoch = -1;
	*end_offset = -1;
	if (body_ready(l, &e) == 0)
		epochs_end(&l->body->epochs, asked, l->next_offset, epoch, end_offset);
}

int32_t
partlog_epoch_at(struct partlog *l, int64_t offset)
{
	struct err e;
	return body_ready(l, &e) < 0 ? -1 : epochs_at(&l->body->epochs, offset);
}

/* ---- flush and delete ---- */

int
partlog_flush(struct partlog *l, struct err *e)
{
	struct partlog_body *body = l->body;
	if (!body || l->root_fd < 0)
		return 0;
	if (body->n && segment_write_indexes(&body->v[body->n - 1], &body->dir, true, e) < 0)
		return -1;
	if (body->epochs.is_dirty && body->is_dir && epochs_flush(&body->epochs, &body->dir, e) < 0)
		return -1;
	if (producers_flush(body, l->next_offset, e) < 0)
		return -1;
	for (int i = 0; i < body->n; i++)
		if (body->v[i].file)
			segfile_let_go(body->v[i].file);
	mem_free(body->page);
	body->page = NULL;
	return 0;
}

int
partlog_delete(struct partlog *l, struct err *e)
{
	body_free(l->body);
	l->body = NULL;
	l->size = 0;
	l->is_recovered = true;
	if (l->root_fd < 0)
		return 0;
	uint64_t id[2];
	char to[LOGDIR_PATH_SIZE];
	rand_bytes(id, sizeof id);
	/* A file name has at most 255 bytes; the id and the rest take 40. */
	snprintf(to, sizeof to, "%.215s.%016" PRIx64 "%016" PRIx64 "-delete", l->name, id[0],
		id[1]);
	if (fs_rename(l->root_fd, l->name, to, e) < 0)
		return e->sys == ENOENT ? 0 : -1;
	if (fs_sync_dir(l->root_fd, e) < 0)
		return -1;
	return fs_remove_dir(l->root_fd, to, e);
}

struct leftovers {
	int root_fd;
	struct err *e;
};

static int
remove_leftover(void *ctx, const char *name)
{
	static const char suffix[] = "-delete";
	struct leftovers *left = ctx;
	size_t n = strlen(name), ns = sizeof suffix - 1;
	/* NAME.<32 hex digits>-delete; a topic of such a name is "...-delete-0". */
	if (n < ns + 34 || strcmp(name + n - ns, suffix) != 0 || name[n - ns - 33] != '.')
		return 0;
	return fs_remove_dir(left->root_fd, name, left->e);
}

int
partlog_remove_leftovers(int root_fd, struct err *e)
{
	struct leftovers left = { root_fd, e };
	return fs_list(root_fd, remove_leftover, &left, e);
}
