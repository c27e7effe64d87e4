/*
 * Files.  Every call either succeeds as a whole or says why not; EINTR and short
 * transfers are handled here.  All may block on the disk.
 *
 * Tests can make calls fail: see fs_fault.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_SYS_FS_H
#define KQ_SYS_FS_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

#include <sys/uio.h>

/* Open a path relative to the directory dirfd (AT_FDCWD: the current one).
 * Flags and mode are those of open(2); O_CLOEXEC is added.  Returns the
 * descriptor, or -1. */
int fs_open(int dirfd, const char *path, int flags, int mode, struct err *e);

/* Called when an open fails because the process or the system is out of
 * descriptors.  True: it closed some, so the open is tried once more.  NULL:
 * nothing can be closed.  Set it before threads start. */
typedef bool fs_relief_fn(void);
extern fs_relief_fn *fs_relief;

/* Whether the errno says that descriptors ran out: this passes, and no file is
 * at fault. */
bool fs_is_out_of_files(int sys);

/* Create a file in memory; it is gone once its last descriptor is closed. */
int fs_open_memory(const char *name, struct err *e);

/* Read n bytes at a position, fewer only at the file's end.  Returns the number
 * of bytes read, or -1. */
int64_t fs_read_at(int fd, void *p, size_t n, int64_t at, struct err *e);

/* Write all bytes at a position.  Returns 0, or -1; then some of them may be
 * written. */
int fs_write_at(int fd, struct str bytes, int64_t at, struct err *e);

/* Append the whole file to b; ERR_LIMIT if it has more than size_max bytes. */
int fs_read_file(int dirfd, const char *path, size_t size_max, struct buf *b,
	struct err *e);

/* Replace a file's content durably: write PATH.tmp, sync it, rename it, sync the
 * directory.  A failure leaves the old content, except in the last step. */
int fs_replace_file(int dirfd, const char *path, struct str bytes,
	struct err *e);

/* Replace a file's content, but not durably yet: write PATH.tmp and rename it.
 * Until the file and its directory are synced, a crash of the machine may leave
 * the old file, the new one, or a broken one.  Returns the new file's descriptor,
 * which the caller syncs if necessary, and closes; or -1: the old content is
 * unchanged. */
int fs_replace_unsynced(int dirfd, const char *path, struct str bytes,
	struct err *e);

/* fdatasync.  After a failure, treat all unsynced bytes of the file as lost: the
 * kernel may have dropped them. */
int fs_sync(int fd, struct err *e);

int64_t fs_size(int fd, struct err *e);
int64_t fs_size_at(int dirfd, const char *path, struct err *e);
int fs_truncate(int fd, int64_t size, struct err *e);
int fs_remove(int dirfd, const char *path, struct err *e); /* absent: no error */
int fs_rename(int dirfd, const char *from, const char *to, struct err *e);
/* With its parents; no error if it exists. */
int fs_mkdir(int dirfd, const char *path, int mode, struct err *e);
int fs_sync_dir(int dirfd, struct err *e);
int fs_close(int fd); /* -1: no effect; always returns 0 */

/* Remove a directory and the files in it, but no directories in it. */
int fs_remove_dir(int dirfd, const char *path, struct err *e);

/* Call fn for every name in the directory except "." and "..", in no order.
 * Stops at the first result that is not 0 and returns it; -1 on failure. */
typedef int fs_list_fn(void *ctx, const char *name);
int fs_list(int dirfd, fs_list_fn *fn, void *ctx, struct err *e);

/* Lock a lock file, creating it if necessary, until its descriptor is closed or
 * the process ends.  Returns the descriptor, or -1 (ERR_LIMIT: another process
 * has the lock). */
int fs_lock(int dirfd, const char *path, struct err *e);

/* Fault injection, for tests; NULL in the programs.  Called before each write,
 * sync, open, rename and truncate, with that word as op.  Returns 0, or the
 * errno with which the call fails; for a write also -n: ENOSPC after n bytes. */
typedef int fs_fault_fn(const char *op, int fd);
extern fs_fault_fn *fs_fault;

#endif
