/*
 * Files.  Every call either does all of it or says why not; EINTR and short
 * transfers are dealt with here.  All may block on the disk.
 *
 * In tests any call can be made to fail: see fs_fault.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_SYS_FS_H
#define KQ_SYS_FS_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

#include <sys/uio.h>

/* Open path below the directory dirfd (AT_FDCWD: the current one); flags and
 * mode as open(2), O_CLOEXEC added.  Returns the descriptor, or -1. */
int fs_open(int dirfd, const char *path, int flags, int mode, struct err *e);

/* Called when an open fails for want of descriptors, of the process or of the
 * system; true: some were closed, so the open is tried once more.  NULL: none
 * can be.  Set before there are threads. */
typedef bool fs_relief_fn(void);
extern fs_relief_fn *fs_relief;

/* Is that errno a want of descriptors?  It passes; no file is at fault. */
bool fs_is_out_of_files(int sys);

/* A file that lives in memory only and goes with its last descriptor. */
int fs_open_memory(const char *name, struct err *e);

/* Read up to n bytes at the position; fewer only at the file's end.  Returns
 * the bytes read, or -1. */
int64_t fs_read_at(int fd, void *p, size_t n, int64_t at, struct err *e);

/* Write all the bytes at the position.  After a failure some of them may be
 * there.  Returns 0, or -1. */
int fs_write_at(int fd, struct str bytes, int64_t at, struct err *e);

/* The whole of a file of at most size_max bytes, appended to b. */
int fs_read_file(int dirfd, const char *path, size_t size_max, struct buf *b,
	struct err *e);

/* Replace a file as a whole and durably: write PATH.tmp, sync it, rename it,
 * sync the directory.  On failure the old one is untouched. */
int fs_replace_file(int dirfd, const char *path, struct str bytes,
	struct err *e);

/* Replace a file as a whole, but not durably yet: write PATH.tmp and rename
 * it.  Until the file and its directory are synced, a crash of the machine may
 * leave the old file, the new one, or a broken one.  Returns the new file's
 * descriptor, which the caller syncs, if it needs to, and closes; or -1, and
 * the old file is untouched. */
int fs_replace_unsynced(int dirfd, const char *path, struct str bytes,
	struct err *e);

/* fdatasync.  After a failure the descriptor's unsynced bytes must be taken
 * for lost: the kernel may have dropped them. */
int fs_sync(int fd, struct err *e);

int64_t fs_size(int fd, struct err *e);
int64_t fs_size_at(int dirfd, const char *path, struct err *e);
int fs_truncate(int fd, int64_t size, struct err *e);
int fs_remove(int dirfd, const char *path, struct err *e); /* absent: fine */
int fs_rename(int dirfd, const char *from, const char *to, struct err *e);
/* With its parents; there already: fine. */
int fs_mkdir(int dirfd, const char *path, int mode, struct err *e);
int fs_sync_dir(int dirfd, struct err *e);
int fs_close(int fd); /* -1: fine; never fails in a way to act on */

/* Remove a directory and the files in it (no deeper). */
int fs_remove_dir(int dirfd, const char *path, struct err *e);

/* Call fn for every name in the directory but "." and "..", in no order.
 * Stops at the first non-zero result and returns it; -1 on failure. */
typedef int fs_list_fn(void *ctx, const char *name);
int fs_list(int dirfd, fs_list_fn *fn, void *ctx, struct err *e);

/* Take the lock of a lock file, made when absent, until the descriptor is
 * closed or the process ends.  Returns it, or -1 (ERR_LIMIT when another
 * process holds it). */
int fs_lock(int dirfd, const char *path, struct err *e);

/* Fault injection: when set, called before every write, sync, open, rename
 * and truncate with that word ("write", "sync", ...); a positive return is the
 * errno to fail with.  From a write, -n lets n bytes through before ENOSPC.
 * For tests only; NULL in the programs. */
typedef int fs_fault_fn(const char *op, int fd);
extern fs_fault_fn *fs_fault;

#endif
