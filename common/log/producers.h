/*
 * The producers of a log: keeping their state (prodstate.h) current, writing it
 * as snapshots, and loading it; for the files of this room only.
 *
 * OFFSET.snapshot holds the state before the batch at that offset.  After a
 * crash the batches from the newest snapshot on complete it.  A log without
 * producers has no snapshots, and is recognized by that: before the first batch
 * of a producer is appended to a log that knows none, an empty snapshot is
 * written at its offset, and the oldest snapshot of a segment is removed only
 * with the segment.  Therefore
 *
 *   - after a clean stop there is a snapshot at the log's end, or the log knows
 *     no producers;
 *   - if no snapshot lies at or before an offset that was on disk, the log knew
 *     no producers there;
 *   - instead of a broken snapshot an older one serves, and if all are broken,
 *     the log is read from its start.
 *
 * For that the snapshots' contents need not be synced; their names are, with
 * the log's next sync of the directory.  Recovery removes the snapshots after
 * the recovery offset.
 *
 * Uses: the room.  Under the lock of the log.
 */
#ifndef KQ_LOG_PRODUCERS_H
#define KQ_LOG_PRODUCERS_H

#include "log/body.h"

/* A snapshot file of that offset exists: list it. */
void producers_add_snapshot(struct partlog_body *body, int64_t offset);

/* Remove snapshots that are not needed: keep the oldest of each segment and
 * the newest overall.  A file that can't be removed now stays listed. */
void producers_prune(struct partlog_body *body);

/* Remove the snapshots in [from_offset, to_offset).  -1, ERR_SYS: not all
 * could be removed; those that are left stay listed. */
int producers_remove_snapshots(struct partlog_body *body, int64_t from_offset,
	int64_t to_offset, struct err *e);

/* Write the state, which is that before the batch at the offset, as a
 * snapshot; is_durable: synced before this returns.  -1, ERR_SYS: there is no
 * such snapshot, or still the older one of that offset. */
int producers_snapshot(struct partlog_body *body, const struct prodstate *producers,
	int64_t offset, bool is_durable, struct err *e);

/* Before a producer's batch is appended at next_offset: make sure that there
 * is a snapshot to start from.  -1, ERR_SYS: it can't be written; don't append. */
int producers_prepare(struct partlog_body *body, int64_t next_offset, struct err *e);

/* Update the state after a producer's batch was appended; seg (NULL: none)
 * gets the transaction that it aborted, if any.  p: the batch's bytes, used
 * for control batches only.  now_ms 0: the batch was not appended but read
 * again. */
void producers_note(struct partlog_body *body, struct segment *seg, const uint8_t *p,
	const struct batch *batch, int64_t now_ms);

/* Replace the state by the newest good snapshot at or before the offset, all
 * before which was on disk.  *from_offset: the first batch that the state does
 * not include.  -1, ERR_SYS: a snapshot could not be read. */
int producers_load(struct partlog_body *body, int64_t offset, int64_t *from_offset,
	struct err *e);

/* Update the state by the batches in [from_offset, to_offset), read from their
 * segments.  The segments' files list their aborted transactions already, but
 * for the one that is being rebuilt: fresh is its new form, and gets them
 * (NULL: none is).  -1, ERR_SYS or ERR_CORRUPT: the state includes only a part. */
int producers_walk(struct partlog_body *body, int64_t from_offset, int64_t to_offset,
	struct segment *fresh, struct err *e);

/* How many of the segment's aborted transactions ended before the offset; -1,
 * ERR_SYS or ERR_CORRUPT: the list could not be read. */
int64_t producers_ended_before(const struct partlog_body *body, const struct segment *seg,
	int64_t offset, struct err *e);

/* For a clean stop: put the state at next_offset and the aborted transactions
 * durably on disk.  -1, ERR_SYS: not done; may be tried again. */
int producers_flush(struct partlog_body *body, int64_t next_offset, struct err *e);

/* The state of a log that ended cleanly at end_offset.  -1, ERR_SYS or
 * ERR_CORRUPT: the state must not be used. */
int producers_open(struct partlog_body *body, int64_t end_offset, struct err *e);

#endif
