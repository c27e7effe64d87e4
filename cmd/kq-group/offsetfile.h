/*
 * Offsets of groups as lines of text, to restore them later or in another cluster.
 *
 * A line is a JSON object:
 *
 *	{"group":"billing","topic":"orders","partition":0,"offset":42,"leader_epoch":3,"metadata":"x"}
 *
 * leader_epoch and metadata may be absent or null.  A string that is not UTF-8 is in
 * base64, and its member's name ends in _b64, as in the output of kq-consume -J.  The
 * format of Kafka's own tool is also read: [group,]topic,partition,offset, with or
 * without double quotes.  Empty lines, and lines that begin with '#', are skipped.
 *
 * Uses: base, text/json.  Any thread.
 */
#ifndef KQ_GROUP_OFFSETFILE_H
#define KQ_GROUP_OFFSETFILE_H

#include "base/err.h"
#include "base/mem.h"

struct offset_line {
	int number; /* line number, from 1 */
	struct str group, topic;
	int32_t partition;
	int64_t offset;
	int32_t leader_epoch; /* -1: unknown */
	struct str metadata;  /* null: none */
};

struct offset_lines {
	struct offset_line *v; /* sorted by group, topic, partition */
	int32_t n, cap;
};
#define OFFSET_LINES_INIT { NULL, 0, 0 }

/* Parse all lines of text.  Lines without a group belong to the group given; if it is NULL,
 * they are an error.  Strings are copied to the arena.  Returns 0, or -1 with the line's
 * number in the message: not one of these formats, or a partition that occurs twice. */
int offset_lines_parse(struct offset_lines *lines, struct str text, const char *group,
	struct arena *a, struct err *e);
void offset_lines_release(struct offset_lines *lines);

/* Append one line. */
void offset_line_put(const struct offset_line *line, struct buf *out);

#endif
