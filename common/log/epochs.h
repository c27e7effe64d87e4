/*
 * The offset at which each leader epoch began (KIP-101), as in Kafka's file
 * leader-epoch-checkpoint: a version, a count, and lines of epoch and offset;
 * both columns ascend.
 *
 * Uses: base, sys.  One thread at a time.
 */
#ifndef KQ_LOG_EPOCHS_H
#define KQ_LOG_EPOCHS_H

#include "base/base.h"
#include "base/err.h"
#include "log/logdir.h"

#define EPOCHS_FILE "leader-epoch-checkpoint"

struct epoch {
	int32_t epoch;
	int64_t start_offset;
};

struct epochs {
	struct epoch *v;
	int n, cap;
	bool is_dirty; /* differs from the file */
};
#define EPOCHS_INIT { NULL, 0, 0, false }

/* Read the file; an absent one holds none.  -1: ERR_SYS, ERR_LIMIT (too large),
 * or ERR_CORRUPT (a bad line): *epochs may hold a part, release it. */
int epochs_read(struct epochs *epochs, int dirfd, const char *path, struct err *e);

/* Replace the file in the log's directory, not durably (fs_replace_unsynced):
 * if a crash leaves a broken one, recovery reads the epochs from all batches.
 * Returns the descriptor, which the caller syncs and closes, and is_dirty is
 * false; or -1, ERR_SYS, and nothing has changed. */
int epochs_write(struct epochs *epochs, const struct logdir *dir, struct err *e);

/* For a clean stop: replace the file durably (fs_replace_file), so that a crash
 * leaves the old one or the new one.  -1, ERR_SYS: is_dirty stays. */
int epochs_flush(struct epochs *epochs, const struct logdir *dir, struct err *e);

/* A batch of that epoch begins at the offset: add the epoch, unless it is not
 * above the last one, or negative. */
void epochs_note(struct epochs *epochs, int32_t epoch, int64_t offset);

/* Remove the epochs that begin at or after the offset. */
void epochs_cut(struct epochs *epochs, int64_t offset);

/* The log now starts at the offset: remove the epochs that end at or before it,
 * and let the one that holds it begin there. */
void epochs_trim(struct epochs *epochs, int64_t offset);

/* The epoch that holds the offset; -1: unknown. */
int32_t epochs_at(const struct epochs *epochs, int64_t offset);

/* See partlog_epoch_end. */
void epochs_end(const struct epochs *epochs, int32_t asked, int64_t next_offset,
	int32_t *epoch, int64_t *end_offset);

void epochs_release(struct epochs *epochs);

#endif
