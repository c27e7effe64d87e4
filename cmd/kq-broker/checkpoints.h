/*
 * The checkpoint files of the data directory: for each partition the offset
 * where recovery begins, the high watermark, and where the log starts.
 *
 * The files know topics by name alone.  So before a name is used again they
 * must have been written without the deleted topic: otherwise a crash would
 * apply the old topic's offsets to the new topic's log.
 *
 * Threads: start, stop and the control thread; any thread may report an append.
 */
#ifndef KQ_BROKER_CHECKPOINTS_H
#define KQ_BROKER_CHECKPOINTS_H

#include "base/err.h"
#include "base/map.h"
#include "kq-broker/topics.h"
#include "sys/loop.h"

#include <stdatomic.h>

/* ---- what the files said at the start ---- */

struct saved_offsets {
	struct map entries; /* struct saved_offset, by "topic-N" */
};
struct saved_offset {
	struct str name; /* "topic-N" */
	int64_t recovery_offset, log_start_offset, high_watermark;
};

/* -1: *e says why; release *offsets all the same. */
int saved_offsets_read(struct saved_offsets *offsets, int dir_fd, struct err *e);
const struct saved_offset *saved_offsets_find(const struct saved_offsets *offsets,
	const char *topic, int32_t index); /* or NULL */
void saved_offsets_release(struct saved_offsets *offsets);

/* ---- writing them ---- */

struct checkpoints {
	int dir_fd;               /* -1: memory; nothing is written */
	struct topics *topics;
	struct topics_listener listener;
	struct loop *control;
	int64_t interval_ms;
	struct loop_timer timer;  /* the control thread's, as are the next two */
	struct loop_task task;
	bool names_deleted;       /* the files name a topic deleted since */
	atomic_bool is_behind;    /* records were appended since; any thread */
};

/* All is borrowed; control is the control thread's loop.  Listens to topics. */
void checkpoints_init(struct checkpoints *checkpoints, int dir_fd, struct topics *topics,
	struct loop *control, int64_t interval_ms);

/* Write the offsets of all topics that exist now, durably. */
int checkpoints_write(struct checkpoints *checkpoints, struct err *e);

/* Write them if they name a deleted topic. */
int checkpoints_drop_deleted(struct checkpoints *checkpoints, struct err *e);

/* Records were appended: write the files within interval_ms.  Any thread. */
void checkpoints_appended(struct checkpoints *checkpoints);

#endif
