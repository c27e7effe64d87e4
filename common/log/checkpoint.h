/*
 * Kafka's checkpoint files in a data directory: a version, a count, and lines of
 * topic, partition, offset.
 *
 *   recovery-point-offset-checkpoint, replication-offset-checkpoint (high
 *   watermarks), log-start-offset-checkpoint
 *
 * Uses: base, sys.  Any thread, but one writer of a file at a time.
 */
#ifndef KQ_LOG_CHECKPOINT_H
#define KQ_LOG_CHECKPOINT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

/* Call fn for each entry; the topic is borrowed for that call.  An absent file
 * has no entries.  -1: ERR_SYS; ERR_LIMIT, the file is too large; ERR_CORRUPT
 * with file and line, after fn was called for the good lines before it. */
typedef void checkpoint_fn(void *ctx, struct str topic, int32_t partition,
	int64_t offset);
int checkpoint_read(int dir_fd, const char *file, checkpoint_fn *fn, void *ctx,
	struct err *e);

/* A file to be written: add entries, then write them all at once. */
struct checkpoint {
	struct buf lines;
	int32_t n; /* entries */
};
#define CHECKPOINT_INIT { BUF_INIT, 0 }
void checkpoint_add(struct checkpoint *ckpt, struct str topic, int32_t partition,
	int64_t offset);
/* Replace the file as a whole and durably.  -1, ERR_SYS: the old file stays. */
int checkpoint_write(struct checkpoint *ckpt, int dir_fd, const char *file,
	struct err *e);
void checkpoint_release(struct checkpoint *ckpt);

#endif
