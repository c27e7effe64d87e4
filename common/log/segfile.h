/*
 * Open segment files, and the cache of descriptors behind them.
 *
 * A segfile stands for a file that is opened by the first pin.  When no pin is
 * left it may be closed, to keep the process below its limit of open files; the
 * next pin opens it again.  The second-chance algorithm chooses which to close.
 * A memory file stays open as long as its segfile lives.
 *
 * Pinning an open file and unpinning are two atomic operations each and take
 * no lock; the cache's own lock is taken to open and to close only.
 *
 * Uses: base, sys.  Any thread.
 */
#ifndef KQ_LOG_SEGFILE_H
#define KQ_LOG_SEGFILE_H

#include "base/base.h"
#include "base/err.h"

struct segfile;

/* A file below root_fd, not opened yet; the path is copied, root_fd must stay
 * open.  The caller holds the first reference. */
struct segfile *segfile_new(int root_fd, const char *path);
struct segfile *segfile_new_memory(int fd); /* owns fd */

/* Open the file if it is closed, and keep it open until segfile_unpin; a pin is
 * also a reference.  Returns the descriptor; or -1, ERR_SYS, nothing is held. */
int segfile_pin(struct segfile *file, struct err *e);
void segfile_unpin(struct segfile *file);
int segfile_fd(const struct segfile *file); /* it must be pinned */

/* Close the file now unless it is pinned. */
void segfile_let_go(struct segfile *file);

/* Give up a reference (that of segfile_new); NULL is fine. */
void segfile_drop(struct segfile *file);

/* Limit the segment files that the process keeps open; those in use by readers
 * and syncs may exceed it.  Call once, before any log is used. */
void segfile_cache_limit(int nfile_max);

/* Are more open than the limit, all of them in use?  A caller that holds some
 * already should take no more.  Takes no lock. */
bool segfile_is_crowded(void);

int segfile_nopen(void); /* in the cache now; for tests and metrics */

#endif
