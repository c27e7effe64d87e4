#include "sys/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

fs_fault_fn *fs_fault;
fs_relief_fn *fs_relief;

/* The errno with which a test makes the call fail, or 0. */
static int
fault(const char *op, int fd)
{
	return unlikely(fs_fault != NULL) ? fs_fault(op, fd) : 0;
}

static int
open_again(int dirfd, const char *path, int flags, int mode)
{
	int fd;
	if ((errno = fault("open", dirfd)))
		return -1;
	do
		fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

bool
fs_is_out_of_files(int sys)
{
	return sys == EMFILE || sys == ENFILE;
}

int
fs_open(int dirfd, const char *path, int flags, int mode, struct err *e)
{
	int fd = open_again(dirfd, path, flags, mode);
	if (unlikely(fd < 0) && fs_is_out_of_files(errno)) {
		int sys = errno;
		if (fs_relief && fs_relief())
			fd = open_again(dirfd, path, flags, mode);
		else
			errno = sys;
	}
	return fd >= 0 ? fd : err_sys(e, "cannot open %s", path);
}

int
fs_open_memory(const char *name, struct err *e)
{
	if ((errno = fault("open", -1)))
		return err_sys(e, "cannot create the memory file %s", name);
	int fd = memfd_create(name, MFD_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "cannot create the memory file %s", name);
}

int64_t
fs_read_at(int fd, void *p, size_t n, int64_t at, struct err *e)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(fd, (uint8_t *)p + done, n - done, at + (int64_t)done);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			return err_sys(e, "cannot read");
		if (got > 0)
			done += (size_t)got;
	}
	return (int64_t)done;
}

int
fs_write_at(int fd, struct str bytes, int64_t at, struct err *e)
{
	size_t n = bytes.n > 0 ? (size_t)bytes.n : 0, done = 0;
	int bad = fault("write", fd);
	if (bad > 0) {
		errno = bad;
		return err_sys(e, "cannot write");
	}
	if (bad < 0) /* the disk is full after -bad bytes */
		n = MIN(n, (size_t)-(int64_t)bad);
	while (done < n) {
		ssize_t put = pwrite(fd, bytes.p + done, n - done, at + (int64_t)done);
		if (put < 0 && errno != EINTR)
			return err_sys(e, "cannot write");
		if (put > 0)
			done += (size_t)put;
	}
	if (bad < 0) {
		errno = ENOSPC;
		return err_sys(e, "cannot write");
	}
	return 0;
}

int
fs_read_file(int dirfd, const char *path, size_t size_max, struct buf *b, struct err *e)
{
	size_t before = b->n;
	int fd = fs_open(dirfd, path, O_RDONLY, 0, e);
	if (fd < 0)
		return -1;
	for (;;) {
		/* Ask for one byte more than allowed, to notice a file that is too long. */
		size_t left = size_max - (b->n - before) + 1, want = MIN(left, (size_t)65536);
		buf_reserve(b, want);
		int64_t got = fs_read_at(fd, b->p + b->n, want, (int64_t)(b->n - before), e);
		if (got < 0 || (size_t)got == left) {
			if (got > 0)
				err_set(e, ERR_LIMIT, "more than %zu bytes", size_max);
			err_wrap(e, "%s", path);
			b->n = before;
			close(fd);
			return -1;
		}
		b->n += (size_t)got;
		if ((size_t)got < want)
			break;
	}
	close(fd);
	return 0;
}

/* Sync the directory that contains the path's last part. */
static int
sync_parent(int dirfd, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash ? mem_strdup(".")
		: slash == path ? mem_strdup("/")
		: mem_strndup((struct str){ (const uint8_t *)path, (int32_t)(slash - path) });
	int fd = fs_open(dirfd, dir, O_RDONLY | O_DIRECTORY, 0, e);
	mem_free(dir);
	if (fd < 0)
		return -1;
	int rc = fs_sync_dir(fd, e);
	close(fd);
	return rc;
}

/* Write PATH.tmp, sync it if is_durable, rename it.  Returns its descriptor. */
static int
replace(int dirfd, const char *path, struct str bytes, bool is_durable, struct err *e)
{
	struct buf tmp = BUF_INIT;
	buf_printf(&tmp, "%s.tmp", path);
	buf_putc(&tmp, 0);
	const char *name = (const char *)tmp.p;
	int fd = fs_open(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, e);
	if (fd >= 0 && (fs_write_at(fd, bytes, 0, e) < 0 || (is_durable && fs_sync(fd, e) < 0)
		|| fs_rename(dirfd, name, path, e) < 0)) {
		close(fd);
		unlinkat(dirfd, name, 0);
		fd = -1;
	}
	buf_release(&tmp);
	return fd < 0 ? err_wrap(e, "%s", path) : fd;
}

int
fs_replace_file(int dirfd, const char *path, struct str bytes, struct err *e)
{
	int fd = replace(dirfd, path, bytes, true, e);
	if (fd < 0)
		return -1;
	close(fd);
	return sync_parent(dirfd, path, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

int
fs_replace_unsynced(int dirfd, const char *path, struct str bytes, struct err *e)
{
	return replace(dirfd, path, bytes, false, e);
}

int
fs_sync(int fd, struct err *e)
{
	int rc;
	if ((errno = fault("sync", fd)))
		return err_sys(e, "cannot sync");
	do
		rc = fdatasync(fd);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? err_sys(e, "cannot sync") : 0;
}

int64_t
fs_size(int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot stat");
	return st.st_size;
}

int64_t
fs_size_at(int dirfd, const char *path, struct err *e)
{
	struct stat st;
	if (fstatat(dirfd, path, &st, 0) < 0)
		return err_sys(e, "cannot stat %s", path);
	return st.st_size;
}

int
fs_truncate(int fd, int64_t size, struct err *e)
{
	int rc;
	if ((errno = fault("truncate", fd)))
		return err_sys(e, "cannot truncate");
	do
		rc = ftruncate(fd, size);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? err_sys(e, "cannot truncate") : 0;
}

int
fs_remove(int dirfd, const char *path, struct err *e)
{
	if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot delete %s", path);
	return 0;
}

int
fs_rename(int dirfd, const char *from, const char *to, struct err *e)
{
	if ((errno = fault("rename", dirfd)))
		return err_sys(e, "cannot rename %s to %s", from, to);
	if (renameat(dirfd, from, dirfd, to) < 0)
		return err_sys(e, "cannot rename %s to %s", from, to);
	return 0;
}

int
fs_mkdir(int dirfd, const char *path, int mode, struct err *e)
{
	if (mkdirat(dirfd, path, (mode_t)mode) == 0)
		return 0;
	if (errno == ENOENT && *path) {
		char *z = mem_strdup(path);
		for (char *p = strchr(z + 1, '/'); p; p = strchr(p + 1, '/')) {
			*p = 0;
			mkdirat(dirfd, z, (mode_t)mode); /* a failure shows at the last one */
			*p = '/';
		}
		mem_free(z);
		if (mkdirat(dirfd, path, (mode_t)mode) == 0)
			return 0;
	}
	if (errno == EEXIST) {
		struct stat st;
		if (fstatat(dirfd, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
			return 0;
		errno = EEXIST;
	}
	return err_sys(e, "cannot create the directory '%s'", path);
}

int
fs_sync_dir(int dirfd, struct err *e)
{
	int rc;
	if ((errno = fault("sync", dirfd)))
		return err_sys(e, "cannot sync the directory");
	do
		rc = fsync(dirfd);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? err_sys(e, "cannot sync the directory") : 0;
}

int
fs_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return 0;
}

static int
remove_one(void *ctx, const char *name)
{
	/* A failure shows when the directory itself cannot be removed. */
	unlinkat(*(int *)ctx, name, 0);
	return 0;
}

int
fs_remove_dir(int dirfd, const char *path, struct err *e)
{
	int fd = fs_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0, e);
	if (fd < 0)
		return -1;
	int rc = fs_list(fd, remove_one, &fd, e);
	close(fd);
	if (rc < 0)
		return err_wrap(e, "%s", path);
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0)
		return err_sys(e, "cannot delete the directory %s", path);
	return 0;
}

int
fs_list(int dirfd, fs_list_fn *fn, void *ctx, struct err *e)
{
	int fd = fs_open(dirfd, ".", O_RDONLY | O_DIRECTORY, 0, e);
	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (!d) {
		err_sys(e, "cannot list the directory");
		close(fd);
		return -1;
	}
	int rc = 0;
	while (rc == 0) {
		errno = 0;
		struct dirent *it = readdir(d);
		if (!it) {
			if (errno)
				rc = err_sys(e, "cannot list the directory");
			break;
		}
		if (strcmp(it->d_name, ".") != 0 && strcmp(it->d_name, "..") != 0)
			rc = fn(ctx, it->d_name);
	}
	closedir(d);
	return rc;
}

int
fs_lock(int dirfd, const char *path, struct err *e)
{
	int fd = fs_open(dirfd, path, O_RDWR | O_CREAT, 0600, e);
	if (fd < 0)
		return -1;
	int rc;
	do
		rc = flock(fd, LOCK_EX | LOCK_NB);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_LIMIT, "%s is locked by another process", path);
	else
		err_sys(e, "cannot lock %s", path);
	close(fd);
	return -1;
}
