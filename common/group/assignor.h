/*
 * Assignors: who of a consumer group should have which partitions (KIP-848's
 * target assignment).  Pure functions: the same input gives the same output.
 *
 *   range     Per topic, members in order get runs of partitions.  Members
 *             that subscribe to the same topics of the same size get the same
 *             numbers of each (co-partitioning), for joins of streams.
 *   uniform   Partitions per member differ by at most one where subscriptions
 *             allow, and as little as possible moves from the previous target.
 *
 * Every partition of a topic with a subscriber gets exactly one owner.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_GROUP_ASSIGNOR_H
#define KQ_GROUP_ASSIGNOR_H

#include "base/base.h"
#include "base/mem.h"

struct assignor_partition {
	int32_t topic, index; /* topic: its place in the topics given */
};

struct assignor_member {
	struct str id, instance_id;  /* instance_id null: dynamic */
	const int32_t *topics;       /* subscribed: rising, none twice */
	int32_t ntopic;
	const struct assignor_partition *prev; /* the previous target; what no
	                                longer fits is ignored */
	int32_t nprev;
	struct assignor_partition *v; /* set: the new target, rising */
	int32_t n;
};

/* npartition[i]: of the i-th topic, at least 0.  Members in rising order of
 * their ids; what they point to is borrowed, v comes from the arena (which has
 * no cap). */
typedef void assignor_fn(struct assignor_member *member, int32_t nmember,
	const int32_t *npartition, int32_t ntopic, struct arena *a);

assignor_fn assignor_range, assignor_uniform;

struct assignor {
	const char *name;
	assignor_fn *assign;
};

extern const struct assignor assignors[]; /* the default first */
enum { ASSIGNOR_N = 2 };

/* The assignor of that name, or NULL. */
const struct assignor *assignor_find(struct str name);

/* For assignors: all partitions in one row, topic by topic. */
struct assignor_row {
	int32_t *base;  /* of each topic, and at the end of all */
	int32_t *owner; /* of each partition: the member, or -1 */
	int32_t n, ntopic;
};

void assignor_row_init(struct assignor_row *row, const int32_t *npartition, int32_t ntopic,
	struct arena *a);

/* Set every member's v and n from the owners. */
void assignor_row_emit(const struct assignor_row *row, struct assignor_member *member,
	int32_t nmember, struct arena *a);

#endif
