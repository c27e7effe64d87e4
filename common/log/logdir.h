/*
 * The directory of one log, and the paths of the files in it.
 *
 * Uses: base, sys.  Any thread.
 */
#ifndef KQ_LOG_LOGDIR_H
#define KQ_LOG_LOGDIR_H

#include "base/base.h"
#include "base/err.h"

struct logdir {
	int root_fd;      /* the data directory; -1: in memory, there are no files */
	const char *name; /* below it; borrowed */
};

enum { LOGDIR_PATH_SIZE = 320 };

/* The path of a segment's file below root_fd, in z; returns z. */
char *logdir_path(const struct logdir *dir, int64_t base_offset,
	const char *suffix, char z[LOGDIR_PATH_SIZE]);

/* Sync the directory: the names in it are durable then.  -1, ERR_SYS. */
int logdir_sync(const struct logdir *dir, struct err *e);

#endif
