/* Which descriptors have to be synced for a log to be durable. */
#include "log/body.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static void
add(struct partlog_sync *s, int fd, struct segfile *file, bool is_own)
{
	assert(s->nfd < PARTLOG_SYNC_FD_MAX);
	s->fd[s->nfd] = fd;
	s->file[s->nfd] = file;
	s->is_own[s->nfd] = is_own;
	s->nfd++;
}

static void
add_path(struct partlog_sync *s, int root_fd, const char *path, int flags)
{
	struct err e;
	int fd = fs_open(root_fd, path, flags, 0, &e);
	if (fd >= 0)
		add(s, fd, NULL, true);
	else if (e.sys != ENOENT)
		s->not_opened = e.sys;
}

/* Put the epochs into their file; the sync makes it durable.  Should a crash
 * come first and leave a broken one, recovery reads them from the batches. */
static void
add_epochs(struct partlog *l, struct partlog_sync *s)
{
	struct epochs *epochs = &l->body->epochs;
	struct buf text = BUF_INIT;
	struct err e;
	char tmp[LOGDIR_PATH_SIZE], path[LOGDIR_PATH_SIZE];
	snprintf(path, sizeof path, "%s/" EPOCHS_FILE, l->name);
	snprintf(tmp, sizeof tmp, "%s/" EPOCHS_FILE ".tmp", l->name);
	int fd = fs_open(l->root_fd, tmp, O_RDWR | O_CREAT | O_TRUNC, 0600, &e);
	if (fd < 0)
		return; /* no room, say: stays dirty, and the next sync tries */
	epochs_print(epochs, &text);
	if (fs_write_at(fd, buf_str(&text), 0, &e) == 0 &&
		fs_rename(l->root_fd, tmp, path, &e) == 0) {
		epochs->is_dirty = false;
		l->body->is_dir_dirty = true;
		add(s, fd, NULL, true);
	} else {
		fs_close(fd);
	}
	buf_release(&text);
}

/* A rolled segment takes its indexes along: nothing behind it will ever make
 * recovery rebuild them.  (Its batches may all have been synced before.) */
static bool
add_segment(struct partlog *l, struct partlog_sync *s, int i)
{
	struct segment *g = &l->body->v[i];
	struct logdir d = body_dir(l);
	struct err e;
	char path[LOGDIR_PATH_SIZE];
	bool is_rolled = i + 1 < l->body->n;
	int need = is_rolled ? 3 + g->has_txn_file : 1;
	if (s->nfd + need > PARTLOG_SYNC_FD_MAX)
		return false;
	struct segfile *f = segment_file(g, &d);
	int fd = segfile_pin(f, &e);
	if (fd < 0) {
		s->not_opened = e.sys ? e.sys : EIO;
		return false;
	}
	add(s, fd, f, false);
	if (is_rolled) {
		logdir_path(&d, g->base_offset, ".index", path);
		add_path(s, l->root_fd, path, O_RDWR);
		logdir_path(&d, g->base_offset, ".timeindex", path);
		add_path(s, l->root_fd, path, O_RDWR);
		if (g->has_txn_file) {
			logdir_path(&d, g->base_offset, ".txnindex", path);
			add_path(s, l->root_fd, path, O_RDWR);
		}
	} else {
		/* Whoever may read up to here will stop here. */
		body_remember(l->body, l->next_offset, g->base_offset, g->size);
	}
	s->next_offset = body_end(l, i);
	return true;
}

static void
let_go(struct partlog_sync *s)
{
	for (int i = 0; i < s->nfd; i++) {
		if (s->file[i])
			segfile_unpin(s->file[i]);
		else if (s->is_own[i])
			fs_close(s->fd[i]);
	}
	s->nfd = 0;
}

/* Gather the descriptors of what is unsynced. */
static void
gather(struct partlog *l, struct partlog_sync *s)
{
	struct partlog_body *y = l->body;
	if (y->epochs.is_dirty)
		add_epochs(l, s);
	if (y->is_dir_dirty)
		add_path(s, l->root_fd, l->name, O_RDONLY | O_DIRECTORY);
	if (y->is_root_dirty)
		add(s, l->root_fd, NULL, false);
	y->is_dir_dirty = false;
	y->is_root_dirty = false;
	int64_t from = l->synced_offset;
	if (y->rolled_offset >= 0)
		from = MIN(from, y->rolled_offset);
	bool is_all = true;
	for (int i = MAX(body_find(y, from), 0); i < y->n && s->not_opened == 0 && is_all; i++) {
		bool is_rolled = y->rolled_offset >= 0 && i + 1 < y->n &&
			y->v[i].base_offset >= y->rolled_offset;
		if (is_rolled || body_end(l, i) > l->synced_offset)
			is_all = add_segment(l, s, i);
		if (!is_all)
			y->rolled_offset = y->v[i].base_offset;
	}
	if (is_all)
		y->rolled_offset = -1;
	/* There is always something to sync, so that callers need not care. */
	if (s->nfd == 0)
		add(s, l->root_fd, NULL, false);
}

int
partlog_sync_begin(struct partlog *l, struct partlog_sync *s)
{
	struct partlog_body *y = l->body;
	*s = (struct partlog_sync){ .next_offset = l->synced_offset };
	if (!y || l->root_fd < 0 || l->is_failed || !y->is_dir)
		return 0;
	if (l->synced_offset == l->next_offset && !y->is_dir_dirty && !y->is_root_dirty &&
		y->rolled_offset < 0)
		return 0;
	bool has_epochs = y->epochs.is_dirty, has_dir = y->is_dir_dirty, has_root = y->is_root_dirty;
	int64_t rolled_offset = y->rolled_offset;
	gather(l, s);
	if (!fs_is_out_of_files(s->not_opened))
		return 1;
	/* Nothing is wrong with the log: as if it had not been tried. */
	let_go(s);
	y->epochs.is_dirty |= has_epochs;
	y->is_dir_dirty |= has_dir || has_epochs;
	y->is_root_dirty |= has_root;
	y->rolled_offset = rolled_offset;
	return -1;
}

int
partlog_sync_fds(const struct partlog_sync *s, int fd[PARTLOG_SYNC_FD_MAX])
{
	memcpy(fd, s->fd, (size_t)s->nfd * sizeof *fd);
	return s->nfd;
}

void
partlog_sync_run(struct partlog_sync *s)
{
	struct err e;
	struct stat st;
	for (int i = 0; i < s->nfd && s->result == 0; i++) {
		bool is_dir = fstat(s->fd[i], &st) == 0 && S_ISDIR(st.st_mode);
		if ((is_dir ? fs_sync_dir(s->fd[i], &e) : fs_sync(s->fd[i], &e)) < 0)
			s->result = e.sys ? e.sys : EIO;
	}
}

void
partlog_sync_end(struct partlog *l, struct partlog_sync *s)
{
	let_go(s);
	if (s->result || s->not_opened) {
		struct err e;
		errno = s->result ? s->result : s->not_opened;
		err_sys(&e, s->result ? "%s: cannot sync" : "%s: cannot open what is to be synced",
			l->name);
		partlog_fail(l, &e);
		return;
	}
	l->synced_offset = MAX(l->synced_offset, MIN(s->next_offset, l->next_offset));
}
