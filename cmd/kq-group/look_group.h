/*
 * What a cluster says of groups.  Each is asked of its coordinator, and again
 * for a while when that is just moving or loading.
 *
 * Everything lives in the run's arenas.
 *
 * Uses: run, rows, client/offsets.
 */
#ifndef KQ_GROUP_LOOK_GROUP_H
#define KQ_GROUP_LOOK_GROUP_H

#include "kq-group/rows.h"
#include "kq-group/group_run.h"

/* Partitions of one topic. */
struct look_parts {
	struct str topic;
	int32_t *v;
	int32_t n;
};

struct look_member {
	struct str id, instance, rack, client, host; /* null: has none */
	int32_t epoch; /* -1: unknown */
	struct look_parts *assigned, *target;
	int32_t nassigned, ntarget; /* topics; ntarget -1: unknown */
};

struct look_group {
	struct str id;
	int32_t coordinator; /* node id; -1: unknown, which was counted */
	const char *type;    /* "classic", "consumer"; NULL: not described */
	struct str state, protocol_type;
	struct str protocol; /* of assignment; null: not known */
	int32_t epoch, assignment_epoch; /* -1: unknown */
	struct look_member *member;
	int32_t nmember;
};

/* Find the coordinators of the groups, of all at once where the broker can.
 * Returns an array in the order of the names, each once; *n becomes less when
 * a name came twice. */
struct look_group *look_groups_find(struct run *run, int *n, const struct str *names);

/* The same from the command line. */
struct look_group *look_groups_named(struct run *run, int *n, char **names);

/* Learn type, state and members.  Returns 0, or -1: counted.  A group that is
 * not there is one of state "Dead" when it may_miss, else a failure. */
int look_group_describe(struct run *run, struct look_group *group, bool may_miss);

/* Has it members, or is it about to? */
bool look_group_is_active(const struct look_group *group);

/* What it has committed.  Returns 0, or -1: counted. */
int look_group_committed(struct run *run, const struct look_group *group, struct rows *rows);

/* All partitions that it has committed or that its members have. */
int look_group_rows(struct run *run, const struct look_group *group, struct rows *rows);

/* Where they end; and begin, if asked.  What can't be had is left unknown,
 * and counted unless the topic or partition is simply no more. */
void look_ends(struct run *run, struct rows *rows, bool with_starts);

/* Set "to" of each to its first offset at or after the time; -1: there is
 * none, or it can't be had, which is counted. */
void look_times(struct run *run, struct rows *rows, int64_t time_ms);

/* A loop around a call to a coordinator: after an answer of this code, is it
 * to be asked again?  Waits, and finds the coordinator, first.  until_ms is
 * what look_group_deadline returned before. */
int64_t look_group_deadline(const struct run *run);
bool look_group_again(struct run *run, struct look_group *group, int16_t code, int64_t until_ms);

#endif
