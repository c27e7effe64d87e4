/*
 * Changes of a group's offsets: the plan, and its execution.
 *
 * Uses: look_group, tool/place.
 */
#ifndef KQ_GROUP_SEEK_PLAN_H
#define KQ_GROUP_SEEK_PLAN_H

#include "kq-group/look_group.h"

struct seek_plan {
	struct look_group *group;
	struct rows rows; /* their "to" is set by seek_plan_resolve */
};

/* Check that the group's offsets can be changed, and get the committed offsets.  Returns 0,
 * or -1 after run_failed. */
int seek_plan_begin(struct run *run, struct look_group *group, struct rows *committed);

/* Set "to" of each row from the place, or if it is NULL keep "to", and limit it to start
 * and end of the partition, with a warning.  The rows must be merged and have their
 * committed offsets.  Rows that cannot be moved are counted as failures. */
void seek_plan_resolve(struct run *run, struct seek_plan *plan, const struct place *place);

/* Print a line or an object per partition: [group,] topic, partition, from, to. */
void seek_plan_print(struct run *run, const struct seek_plan *plan, bool with_group);

/* Commit the offsets.  Refusals are counted as failures. */
void seek_plan_execute(struct run *run, struct seek_plan *plan);

/* Check the options.  Returns 0, or -1 (ERR_USAGE): both --yes and --dry-run. */
int seek_plan_check_options(struct err *e);

/* To be called after seek_plan_print: is the plan to be executed?  As tool/ask, but
 * without a terminal and an option the plan is only printed, which is no error.  *code is
 * 0, or the exit code after a "no". */
bool seek_plan_is_wanted(struct run *run, int *code);

#endif
