/*
 * Open segment files, and the cache of descriptors behind them.
 *
 * A segfile is the promise of a descriptor: it is opened by the first pin,
 * and, once nobody pins it, may be closed to keep the process below its limit
 * of open files; the next pin opens it anew.  Second chance decides who goes.
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

/* A file to be opened below root_fd when it is needed; the path is copied.
 * root_fd must outlive it. */
struct segfile *segfile_new(int root_fd, const char *path);
struct segfile *segfile_new_memory(int fd); /* takes the descriptor */

/* Where it is, and the path given (NULL for memory). */
int segfile_root(const struct segfile *file);
const char *segfile_path(const struct segfile *file);

/* Hold the descriptor open: returns it, or -1.  Each pin is also a reference
 * and is given back by segfile_unpin. */
int segfile_pin(struct segfile *file, struct err *e);
void segfile_unpin(struct segfile *file);
int segfile_fd(const struct segfile *file); /* of a pinned one */

/* Close it now if nobody pins it. */
void segfile_let_go(struct segfile *file);

/* Drop the maker's reference; NULL is fine. */
void segfile_drop(struct segfile *file);

/* Limit the segment files that the process keeps open; those in use by readers
 * and syncs may exceed it.  Call once, before any log is used. */
void segfile_cache_limit(int nfile_max);

/* Are more open than the limit, all of them in use?  A caller that holds some
 * already should take no more.  Takes no lock. */
bool segfile_is_crowded(void);

int segfile_nopen(void); /* in the cache now; for tests and metrics */

#endif
