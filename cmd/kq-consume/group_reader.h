/*
 * Reading as a member of a group: partitions are assigned and revoked, and committed
 * offsets follow what was written to stdout.
 *
 * At least once: an offset is committed only after all records before it were written:
 * every commit_ms, before partitions are given back, and at the end.  While stdout
 * blocks, the member stays in the group, until a rebalance has waited for it in vain.
 *
 * Uses: client/member, client/fetcher, reading, reading_topics, start.
 */
#ifndef KQ_CONSUME_GROUP_READER_H
#define KQ_CONSUME_GROUP_READER_H

#include "client/member.h"
#include "kq-consume/reading.h"
#include "kq-consume/start.h"

struct group_reader_opts {
	struct member_opts member;
	int commit_ms;
	const struct start *start; /* for partitions without a committed offset */
	bool stops_at_end;
	bool waits_topic;
	int wake_fd;
};

struct group_reader;

/* Look up the topics, and set reading->reset.  The caller keeps reading, *o and topics.
 * SIGPIPE must be ignored.  Returns NULL on failure. */
struct group_reader *group_reader_open(struct reading *reading, const struct group_reader_opts *o,
	char **topics, struct err *e);

/* Join, read as reading_run does, commit, leave.  Returns 0, or -1. */
int group_reader_run(struct group_reader *reader, struct err *e);

/* To be called after cluster_close.  reader may be NULL. */
void group_reader_free(struct group_reader *reader);

/* ---- steps, for exec.h ---- */

/* The member.  The owner of a partition that is held is its fetcher_part. */
struct member *group_reader_member(struct group_reader *reader);

/* Report changes of the topics.  Returns 0, or -1: one was deleted for good. */
int group_reader_report_topics(struct group_reader *reader, struct err *e);

/* Start to read newly assigned partitions.  Returns 0, or -1. */
int group_reader_begin_gained(struct group_reader *reader, struct err *e);

/* Stop reading revoked and lost partitions.  No batch of them may be taken from the
 * fetcher at this time. */
void group_reader_drop(struct group_reader *reader);

/* Is there a stop offset, and are all assigned partitions read up to it? */
bool group_reader_is_at_end(struct group_reader *reader);

#endif
