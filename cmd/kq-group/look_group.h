/*
 * Groups as their coordinators describe them.  Requests are repeated for a while if a
 * coordinator is moving or loading.
 *
 * Everything is allocated in the run's arenas.
 *
 * Uses: group_run, look_list, rows, client/offsets.  One thread.
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
	struct str id, instance, rack, client, host; /* null: none */
	int32_t epoch; /* -1: unknown */
	struct look_parts *assigned, *target;
	int32_t nassigned, ntarget; /* number of topics; ntarget -1: unknown */
};

struct look_group {
	struct str id;
	int32_t coordinator; /* node ID; -1: unknown, after run_failed */
	const char *type;    /* "classic", "consumer"; NULL: not described */
	struct str state, protocol_type;
	struct str protocol; /* assignor; null: unknown */
	int32_t epoch, assignment_epoch; /* -1: unknown */
	struct look_member *member;
	int32_t nmember;
};

/* Find the coordinators of the groups, in one request if the broker supports it.  Returns
 * an array of *n groups in the order of the names, each once. */
struct look_group *look_groups_find(struct run *run, int *n, const struct str *names);

/* The same, for names from the command line. */
struct look_group *look_groups_named(struct run *run, int *n, char **names);

/* Connect, and find the groups of these names, or with --all all groups of consumers.
 * Returns as run_open. */
int look_groups_open(struct run *run, int argc, char **argv, struct look_group **v, int *n);

/* Get type, state and members.  Returns 0, or -1 after run_failed.  A missing group has the
 * state "Dead" if may_miss, else it is a failure. */
int look_group_describe(struct run *run, struct look_group *group, bool may_miss);

/* Does the group have members, or are some joining? */
bool look_group_is_active(const struct look_group *group);

/* Get the committed offsets.  Returns 0, or -1 after run_failed. */
int look_group_committed(struct run *run, const struct look_group *group, struct rows *rows);

/* Get all partitions with a committed offset or assigned to a member.  Returns 0, or -1
 * after run_failed. */
int look_group_rows(struct run *run, const struct look_group *group, struct rows *rows);

/* Set end of each row, and with_starts also start.  A failure leaves it unknown, and is
 * counted unless the topic or partition does not exist any more. */
void look_ends(struct run *run, struct rows *rows, bool with_starts);

/* Set "to" of each row to its first offset at or after the time; -1: there is none, or
 * after a failure, which is counted. */
void look_times(struct run *run, struct rows *rows, int64_t time_ms);

/* For loops around a call to a coordinator: after a response with this code, wait, find the
 * coordinator again, and return true if the call is to be repeated.  until_ms is from
 * look_group_deadline, called before the loop. */
int64_t look_group_deadline(const struct run *run);
bool look_group_must_retry(struct run *run, struct look_group *group, int16_t code,
	int64_t until_ms);

#endif
