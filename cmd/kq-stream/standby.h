/*
 * Which members of a group keep warm copies of a task's state (--standby N).
 *
 * A group knows nothing of copies.  All members work out the same places from the group's
 * assignment: first the member that would get the task, by the assignor "range", if the
 * task's process ended; then those that would get it if another process ended, since then
 * tasks move, too; then the members behind the owner in turn.  A process has at most one
 * copy, and none of its own tasks.
 *
 * Uses: base.  Pure; any thread.
 */
#ifndef KQ_STREAM_CMD_STANDBY_H
#define KQ_STREAM_CMD_STANDBY_H

#include "base/base.h"

/* The members of a group, and the tasks of one sub-topology. */
struct standby_group {
	int nmember;
	int *process;        /* of each member: a number that its process's members share */
	int ntask;
	int *owner;          /* of each task: its member; -1: none */
};

/* Find the members that keep the copies of the task: at most ncopy, into member.  Returns
 * their number. */
int standby_place(const struct standby_group *group, int task, int ncopy, int *member);

#endif
