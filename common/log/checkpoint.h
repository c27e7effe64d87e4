/*
 * Kafka's checkpoint files in a data directory: lines of topic, partition,
 * offset behind a version and a count.
 *
 *   recovery-point-offset-checkpoint, replication-offset-checkpoint (high
 *   watermarks), log-start-offset-checkpoint
 *
 * Uses: base, sys.  Any thread; a file's writers take turns.
 */
#ifndef KQ_LOG_CHECKPOINT_H
#define KQ_LOG_CHECKPOINT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

/* Call fn for each entry.  An absent file has none.  The topic is borrowed for
 * the call.  Bad lines: -1, ERR_CORRUPT with file and line. */
typedef void checkpoint_fn(void *ctx, struct str topic, int32_t partition,
	int64_t offset);
int checkpoint_read(int dir_fd, const char *file, checkpoint_fn *fn, void *ctx,
	struct err *e);

/* Gather entries, then replace the file as a whole and durably. */
struct checkpoint {
	struct buf lines;
	int32_t n;
};
#define CHECKPOINT_INIT { BUF_INIT, 0 }
void checkpoint_add(struct checkpoint *ckpt, struct str topic, int32_t partition,
	int64_t offset);
int checkpoint_write(struct checkpoint *ckpt, int dir_fd, const char *file,
	struct err *e);
void checkpoint_release(struct checkpoint *ckpt);

#endif
