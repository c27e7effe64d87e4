/*
 * The groups of a cluster, as its brokers list them.
 *
 * Everything is allocated in the run's arenas.
 *
 * Uses: group_run.  One thread.
 */
#ifndef KQ_GROUP_LOOK_LIST_H
#define KQ_GROUP_LOOK_LIST_H

#include "kq-group/group_run.h"

enum { /* versions of ListGroups that report states, and types */
	LOOK_LIST_STATES_FROM = 4,
	LOOK_LIST_TYPES_FROM = 5,
};

struct look_listed {
	struct str id, type, protocol_type;
	struct str state; /* null: the broker does not report it */
};

/* Ask every broker.  Returns the number of groups, which are sorted by name.  Failures are
 * counted. */
int look_list(struct run *run, struct look_listed **v);

/* The names of all groups of consumers.  Returns their number; failures are counted. */
int look_list_names(struct run *run, struct str **names);

/* Does a type or state equal the name, ignoring case? */
bool look_list_is(struct str word, const char *name);

/* The type of a group, from its coordinator (a node); null: no such group, or unknown. */
struct str look_list_type(struct run *run, int32_t node, struct str group);

#endif
