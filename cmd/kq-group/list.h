/*
 * All groups of a cluster.
 *
 * Uses: run.
 */
#ifndef KQ_GROUP_LIST_H
#define KQ_GROUP_LIST_H

#include "kq-group/run.h"

struct listed {
	struct str id, type, protocol_type;
	struct str state; /* null: the broker does not tell */
};

/* Ask every broker.  Returns how many groups there are, sorted by name; what
 * failed is counted. */
int list_groups(struct run *r, struct listed **v);

/* Their names alone. */
int list_names(struct run *r, char ***names);

#endif
