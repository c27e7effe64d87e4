/*
 * Moving a group's offsets: what would change, and doing it.
 *
 * Uses: look_group, tool/place.
 */
#ifndef KQ_GROUP_SEEK_PLAN_H
#define KQ_GROUP_SEEK_PLAN_H

#include "kq-group/look_group.h"

struct seek_plan {
	struct look_group *group;
	struct rows rows; /* of each, "to" is set in the end */
};

/* Is the group one whose offsets can be moved?  Learns what it has committed,
 * into rows.  Returns 0, or -1: counted. */
int seek_plan_begin(struct run *run, struct look_group *group, struct rows *committed);

/* Decide where the plan's rows are to go: by w, or, NULL, as each says, and
 * always between the ends of the partition, with a word.  The rows are merged
 * and know what is committed.  Those that can't go are counted. */
void seek_plan_resolve(struct run *run, struct seek_plan *plan, const struct place *place);

/* A line, or object, a partition: [group,] topic, partition, from, to. */
void seek_plan_print(struct run *run, const struct seek_plan *plan, bool with_group);

/* Commit.  What is refused is counted. */
void seek_plan_execute(struct run *run, struct seek_plan *plan);

/* Can the options be followed?  0, or -1 (ERR_USAGE): to apply and not to. */
int seek_plan_check_options(struct err *e);

/* After the plan was printed: is it to be done?  By the rule of tool/ask, but
 * that a plan removes nothing, so that it needs neither a terminal nor an option.
 * *code is 0, or the exit code of a no. */
bool seek_plan_is_wanted(struct run *run, int *code);

#endif
