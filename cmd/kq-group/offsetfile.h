/*
 * Offsets of groups as lines of text, for another cluster or another day.
 *
 * A line is a JSON object:
 *
 *	{"group":"billing","topic":"orders","partition":0,"offset":42,"leader_epoch":3,"metadata":"x"}
 *
 * leader_epoch and metadata may be absent or null.  A word that is not UTF-8 is
 * in base64, and its member's name ends in _b64, as in the records of
 * kq-consume -J.  What Kafka's own tool writes is read, too:
 * topic,partition,offset with or without a group in front, words in double
 * quotes or not.  Empty lines, and those that begin with '#', are skipped.
 *
 * Uses: base, text/json.  Any thread.
 */
#ifndef KQ_GROUP_OFFSETFILE_H
#define KQ_GROUP_OFFSETFILE_H

#include "base/err.h"
#include "base/mem.h"

struct offset_line {
	int number; /* of the line, from 1 */
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

/* Read all lines of text.  Lines without a group are of the group given; NULL:
 * that is an error.  Words are copied to the arena.  Returns 0, or -1 with the
 * line's number in the message: a line that is none of these, or names a
 * partition that came before. */
int offset_lines_parse(struct offset_lines *lines, struct str text, const char *group,
	struct arena *a, struct err *e);
void offset_lines_release(struct offset_lines *lines);

/* Append one line. */
void offset_line_put(const struct offset_line *line, struct buf *out);

#endif
