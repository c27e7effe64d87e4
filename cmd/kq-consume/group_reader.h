/*
 * Reading as a member of a group: partitions come and go, and the group's offsets
 * follow what was written to stdout.
 *
 * At least once: an offset is stored only after all before it is written; every
 * commit_ms, before partitions are given up, and at the end.  While stdout takes
 * nothing the member stays in the group, until the others want to rebalance and
 * have waited for it in vain.
 *
 * Uses: client/member, client/fetcher, reading, start.
 */
#ifndef KQ_CONSUME_GROUP_READER_H
#define KQ_CONSUME_GROUP_READER_H

#include "client/member.h"
#include "kq-consume/reading.h"
#include "kq-consume/start.h"

struct group_reader_opts {
	struct member_opts member;
	int commit_ms;
	const struct start *start; /* for partitions that nothing is stored of */
	bool stops_at_end;
	bool waits_topic;
	int wake_fd;
};

struct group_reader;

/* Look at the topics; r and *o stay the caller's.  NULL on failure. */
struct group_reader *group_reader_open(struct reading *reading, const struct group_reader_opts *o,
	char **topics, struct err *e);

/* Join, read as reading_run does, store, leave.  Returns 0, or -1. */
int group_reader_run(struct group_reader *reader, struct err *e);

void group_reader_free(struct group_reader *reader); /* after cluster_close; NULL is fine */

/* ---- the steps of it, for who reads otherwise (exec.h) ---- */

/* A held partition's owner is its fetcher_part. */
struct member *group_reader_self(struct group_reader *reader);

/* Say what has become of the topics.  0, or -1: one is gone for good. */
int group_reader_look(struct group_reader *reader, struct err *e);

/* Begin to read what was gained.  0, or -1. */
int group_reader_begin_gained(struct group_reader *reader, struct err *e);

/* Stop reading what was revoked or lost.  Nothing taken from the fetcher may be of it. */
void group_reader_drop(struct group_reader *reader);

/* Is there an end, and is all that is ours read up to it? */
bool group_reader_is_at_end(struct group_reader *reader);

#endif
