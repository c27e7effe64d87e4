/*
 * What goes with a committed offset, as Kafka Streams writes it: the base64 of
 *
 *	02                    version
 *	time 8                the highest timestamp taken from the partition; -1: none was
 *	                      the rest only if there are numbers:
 *	count 4               numbers
 *	  length 4, name      UTF-8
 *	  value 8
 *
 * in big-endian.  The numbers are those of the task (flow_task_numbers), and of what its state
 * depends on (running_fact): the same with each of its partitions.  Source:
 * TopicPartitionMetadata.java and ProcessorMetadata.java of Kafka Streams.
 *
 * Uses: base, text/jsonput, common/stream.  Pure; any thread.
 */
#ifndef KQ_STREAM_CMD_OFFSET_NOTE_H
#define KQ_STREAM_CMD_OFFSET_NOTE_H

#include "stream/task.h"

/* The longest note that brokers take by default (offset.metadata.max.bytes). */
enum { OFFSET_NOTE_MAX = 4096 };

/* Append a note.  time_ms INT64_MIN: no record was taken. */
void offset_note_put(struct buf *out, int64_t time_ms, const struct flow_number *v, int n);

/* A number found in a note; the name points into the bytes that were decoded. */
typedef void offset_note_fn(void *arg, struct str name, int64_t value);

/* Read a note: *time_ms (INT64_MIN: none), and fn for each number.  Version 1, without
 * numbers, is read, too.  Returns 0, or -1 (ERR_CORRUPT): it is none; fn may have been
 * called then. */
int offset_note_read(struct str note, int64_t *time_ms, offset_note_fn *fn, void *arg,
	struct err *e);

#endif
