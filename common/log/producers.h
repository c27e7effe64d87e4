/*
 * The producers of a log: their state kept up to date, written down as
 * snapshots, and found again; for the files of this room only.
 *
 * OFFSET.snapshot holds the state before the batch at that offset.  Where a
 * crash left a log, its batches tell the rest, from the newest snapshot on.
 * A log without producers has no snapshots, and that is how it is known to
 * have none: before the first batch of a producer is appended where nobody is
 * known, an empty snapshot is put at its offset, and of a segment's snapshots
 * the oldest is never removed before the segment is.  So
 *
 *   - at a clean end there is a snapshot at the log's end, or nobody is known;
 *   - when no snapshot lies at or before an offset that was on disk, nobody
 *     was known there;
 *   - a broken snapshot is as good as an older one, and if all are broken, the
 *     log is read from its start.
 *
 * Their contents need no sync for that (their names get one with the log's
 * next, which syncs the directory).  What recovery cuts off takes the
 * snapshots behind the recovery offset along.
 *
 * Uses: the room.  Under the lock of the log.
 */
#ifndef KQ_LOG_PRODUCERS_H
#define KQ_LOG_PRODUCERS_H

#include "log/body.h"

/* There is a file of that offset. */
void producers_add_snapshot(struct partlog_body *body, int64_t offset);

/* Of a segment's snapshots only the oldest is needed, and the newest of all. */
void producers_prune(struct partlog *l, struct partlog_body *body);

/* Remove the snapshots in [from, to).  -1: not all could be. */
int producers_remove_snapshots(struct partlog *l, struct partlog_body *body, int64_t from,
	int64_t to, struct err *e);

/* Write a state down, which is that at the offset. */
int producers_snapshot(struct partlog *l, struct partlog_body *body,
	const struct prodstate *producers, int64_t offset, bool is_durable, struct err *e);

/* A producer's batch is about to be appended: see to it that there is a
 * snapshot to go from. */
int producers_prepare(struct partlog *l, struct err *e);

/* It was appended to the segment; p: its bytes, which are looked at if it is a
 * control batch.  now_ms 0: it is read again. */
void producers_note(struct partlog_body *body, struct segment *seg, const uint8_t *p,
	const struct batch *batch, int64_t now_ms);

/* Begin anew with the newest snapshot at or before the offset, which was on
 * disk.  *from: the batches from there on are to be noted. */
int producers_load(struct partlog *l, struct partlog_body *body, int64_t offset,
	int64_t *from, struct err *e);

/* Note the batches in [from, to).  Aborted transactions of the segments before
 * the first one are in their files already; last takes the place of that
 * segment (which is being read anew); NULL: there is none such. */
int producers_walk(struct partlog *l, struct partlog_body *body, int64_t from, int64_t to,
	int first, struct segment *last, struct err *e);

/* How many of the segment's aborted transactions ended before the offset. */
int64_t producers_ended_before(struct partlog *l, const struct segment *seg, int64_t offset,
	struct err *e);

/* For a clean stop: all of it durably on disk. */
int producers_flush(struct partlog *l, struct err *e);

/* The log ended cleanly at next_offset. */
int producers_open(struct partlog *l, struct partlog_body *body, struct err *e);

#endif
