/*
 * Assignors: which member of a consumer group gets which partitions (KIP-848's
 * target assignment).  Pure functions: the same input gives the same output.
 *
 *   range     Per topic, members in order get consecutive partitions.  If they
 *             subscribe to the same topics, topics with equally many partitions
 *             are assigned alike (co-partitioning), for joins of streams.
 *   uniform   Members get equally many partitions, give or take one, as far as
 *             subscriptions allow, and as few as possible move.
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
	int32_t topic, index; /* topic: an index of npartition[] */
};

struct assignor_member {
	struct str id, instance_id;  /* instance_id null: dynamic */
	const int32_t *topics;       /* subscribed topics, ascending, no duplicates */
	int32_t ntopic;
	const struct assignor_partition *prev; /* the previous target; partitions that
	                                no longer fit are ignored */
	int32_t nprev;
	struct assignor_partition *v; /* result: the new target, ascending */
	int32_t n;
};

/* npartition[i]: partitions of topic i, at least 0.  Members are sorted by id; what
 * they point to is borrowed; v comes from the arena, which has no cap. */
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

/* For assignors: all partitions in one array, topic by topic. */
struct assignor_row {
	int32_t *base;  /* each topic's first partition in owner; base[ntopic] is n */
	int32_t *owner; /* each partition's member, or -1 */
	int32_t n, ntopic;
};

void assignor_row_init(struct assignor_row *row, const int32_t *npartition, int32_t ntopic,
	struct arena *a);

/* Sets every member's v and n from the owners. */
void assignor_row_emit(const struct assignor_row *row, struct assignor_member *member,
	int32_t nmember, struct arena *a);

#endif
