/*
 * All groups of a cluster.
 *
 * Uses: group.
 */
#ifndef KQ_GROUP_LIST_H
#define KQ_GROUP_LIST_H

#include "kq-group/look_group.h"

struct listed {
	struct str id, type, protocol_type;
	struct str state; /* null: the broker does not tell */
};

/* Ask every broker.  Returns how many groups there are, sorted by name; what
 * failed is counted. */
int list_groups(struct run *run, struct listed **v);

/* The type of one group, which is asked of its coordinator; null: there is no
 * such group. */
struct str list_type(struct run *run, const struct look_group *group);

/* Connect, and find the groups of these names, or with --all all that
 * consumers commit offsets to.
 * 0; or an exit code, after saying why: the run is then not to be closed. */
int list_open(struct run *run, int argc, char **argv, struct look_group **v, int *n);

#endif
