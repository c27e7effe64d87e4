/*
 * All groups of a cluster.
 *
 * Uses: look_group.
 */
#ifndef KQ_GROUP_LIST_H
#define KQ_GROUP_LIST_H

#include "kq-group/look_group.h"

struct listed {
	struct str id, type, protocol_type;
	struct str state; /* null: the broker does not report it */
};

/* Ask every broker.  Returns the number of groups, which are sorted by name.  Failures are
 * counted. */
int list_groups(struct run *run, struct listed **v);

/* The type of one group, from its coordinator; null: no such group, or unknown. */
struct str list_type(struct run *run, const struct look_group *group);

/* Connect, and find the groups of these names, or with --all all groups of consumers.
 * Returns as run_open. */
int list_open(struct run *run, int argc, char **argv, struct look_group **v, int *n);

#endif
