/*
 * Reading as a member of a group: partitions are assigned and revoked, and committed
 * offsets follow what was written to stdout.
 *
 * At least once: an offset is committed only after all records before it were written:
 * every commit_ms, before partitions are given back, and at the end.  While stdout
 * blocks, the member stays in the group, until a rebalance has waited for it in vain.
 *
 * Uses: client/group_reader, reading, reading_topics, start.
 */
#ifndef KQ_CONSUME_GROUP_PRINT_H
#define KQ_CONSUME_GROUP_PRINT_H

#include "client/group_reader.h"
#include "kq-consume/reading.h"
#include "kq-consume/start.h"

struct group_print_opts {
	struct member_opts member;
	int commit_ms;
	const struct start *start; /* for partitions without a committed offset */
	bool stops_at_end;
	bool waits_topic;
	int wake_fd;
};

struct group_print;

/* Look up the topics, and set reading->reset.  The caller keeps reading, *o and topics.
 * SIGPIPE must be ignored.  Returns NULL on failure. */
struct group_print *group_print_open(struct reading *reading, const struct group_print_opts *o,
	char **topics, struct err *e);

/* Join, read as reading_run does, commit, leave.  Returns 0, or -1. */
int group_print_run(struct group_print *gp, struct err *e);

/* To be called after cluster_close.  gp may be NULL. */
void group_print_free(struct group_print *gp);

/* ---- steps, for exec.h ---- */

struct group_reader *group_print_reader(struct group_print *gp);

/* Report changes of the topics.  Returns 0, or -1: one was deleted for good. */
int group_print_report_topics(struct group_print *gp, struct err *e);

#endif
