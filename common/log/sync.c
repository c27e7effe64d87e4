/* Which descriptors have to be synced for a log to be durable. */
#include "log/body.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static void
add(struct partlog_sync *sync, int fd, struct segfile *file, bool is_own)
{
	assert(sync->nfd < PARTLOG_SYNC_FD_MAX);
	sync->fd[sync->nfd] = fd;
	sync->file[sync->nfd] = file;
	sync->is_own[sync->nfd] = is_own;
	sync->nfd++;
}

static void
add_path(struct partlog_sync *sync, int root_fd, const char *path, int flags)
{
	struct err e;
	int fd = fs_open(root_fd, path, flags, 0, &e);
	if (fd >= 0)
		add(sync, fd, NULL, true);
	else if (e.sys != ENOENT)
		sync->not_opened = e.sys;
}

/* The indexes of a rolled segment are synced, too, because recovery will not
 * rebuild them.  (Its batches may all have been synced before.)  False: there is
 * no room for its descriptors, or one can't be opened. */
static bool
add_segment(struct partlog *l, struct partlog_sync *sync, int i)
{
	struct segment *seg = &l->body->v[i];
	const struct logdir *dir = &l->body->dir;
	struct err e;
	char path[LOGDIR_PATH_SIZE];
	bool is_rolled = i + 1 < l->body->n;
	int need = is_rolled ? 3 + seg->has_txn_file : 1;
	if (sync->nfd + need > PARTLOG_SYNC_FD_MAX)
		return false;
	struct segfile *file = segment_file(seg, dir);
	int fd = segfile_pin(file, &e);
	if (fd < 0) {
		sync->not_opened = e.sys ? e.sys : EIO;
		return false;
	}
	add(sync, fd, file, false);
	if (is_rolled) {
		logdir_path(dir, seg->base_offset, ".index", path);
		add_path(sync, l->root_fd, path, O_RDWR);
		logdir_path(dir, seg->base_offset, ".timeindex", path);
		add_path(sync, l->root_fd, path, O_RDWR);
		if (seg->has_txn_file) {
			logdir_path(dir, seg->base_offset, ".txnindex", path);
			add_path(sync, l->root_fd, path, O_RDWR);
		}
	} else {
		/* Readers will be allowed up to here, and stop here. */
		body_remember(l->body, l->next_offset, seg->base_offset, seg->size);
	}
	sync->next_offset = body_end(l, i);
	return true;
}

static void
let_go(struct partlog_sync *sync)
{
	for (int i = 0; i < sync->nfd; i++) {
		if (sync->file[i])
			segfile_unpin(sync->file[i]);
		else if (sync->is_own[i])
			fs_close(sync->fd[i]);
	}
	sync->nfd = 0;
}

/* Collect the descriptors of what is not synced. */
static void
gather(struct partlog *l, struct partlog_sync *sync)
{
	struct partlog_body *body = l->body;
	if (body->epochs.is_dirty) {
		struct err ignored; /* is_dirty stays, and the next sync tries again */
		int fd = epochs_write(&body->epochs, &body->dir, &ignored);
		if (fd >= 0) {
			body->is_dir_dirty = true;
			add(sync, fd, NULL, true);
		}
	}
	if (body->is_dir_dirty)
		add_path(sync, l->root_fd, l->name, O_RDONLY | O_DIRECTORY);
	if (body->is_root_dirty)
		add(sync, l->root_fd, NULL, false);
	body->is_dir_dirty = false;
	body->is_root_dirty = false;
	assert(l->synced_offset <= l->next_offset);
	int64_t from = l->synced_offset;
	if (body->rolled_offset >= 0)
		from = MIN(from, body->rolled_offset);
	bool is_all = true;
	for (int i = MAX(body_find(body, from), 0); i < body->n && sync->not_opened == 0
		&& is_all; i++) {
		bool is_rolled = body->rolled_offset >= 0 && i + 1 < body->n
			&& body->v[i].base_offset >= body->rolled_offset;
		if (is_rolled || body_end(l, i) > l->synced_offset)
			is_all = add_segment(l, sync, i);
		if (!is_all)
			body->rolled_offset = body->v[i].base_offset;
	}
	if (is_all)
		body->rolled_offset = -1;
	/* Callers may rely on at least one descriptor. */
	if (sync->nfd == 0)
		add(sync, l->root_fd, NULL, false);
}

int
partlog_sync_begin(struct partlog *l, struct partlog_sync *sync)
{
	struct partlog_body *body = l->body;
	*sync = (struct partlog_sync){ .next_offset = l->synced_offset };
	if (!body || l->root_fd < 0 || l->is_failed || !body->is_dir)
		return 0;
	if (l->synced_offset == l->next_offset && !body->is_dir_dirty && !body->is_root_dirty
		&& body->rolled_offset < 0)
		return 0;
	bool has_epochs = body->epochs.is_dirty, has_dir = body->is_dir_dirty,
		has_root = body->is_root_dirty;
	int64_t rolled_offset = body->rolled_offset;
	gather(l, sync);
	if (!fs_is_out_of_files(sync->not_opened))
		return 1;
	/* No descriptors, but nothing is wrong with the log: undo it all. */
	let_go(sync);
	body->epochs.is_dirty |= has_epochs;
	body->is_dir_dirty |= has_dir || has_epochs;
	body->is_root_dirty |= has_root;
	body->rolled_offset = rolled_offset;
	return -1;
}

int
partlog_sync_fds(const struct partlog_sync *sync, int fd[PARTLOG_SYNC_FD_MAX])
{
	memcpy(fd, sync->fd, (size_t)sync->nfd * sizeof *fd);
	return sync->nfd;
}

void
partlog_sync_run(struct partlog_sync *sync)
{
	struct err e;
	struct stat st;
	for (int i = 0; i < sync->nfd && sync->result == 0; i++) {
		bool is_dir = fstat(sync->fd[i], &st) == 0 && S_ISDIR(st.st_mode);
		if ((is_dir ? fs_sync_dir(sync->fd[i], &e) : fs_sync(sync->fd[i], &e)) < 0)
			sync->result = e.sys ? e.sys : EIO;
	}
}

void
partlog_sync_end(struct partlog *l, struct partlog_sync *sync)
{
	let_go(sync);
	if (sync->result || sync->not_opened) {
		struct err e;
		errno = sync->result ? sync->result : sync->not_opened;
		err_sys(&e, sync->result ? "%s: cannot sync"
			: "%s: cannot open what is to be synced", l->name);
		partlog_fail(l, &e);
		return;
	}
	l->synced_offset = MAX(l->synced_offset, MIN(sync->next_offset, l->next_offset));
}
