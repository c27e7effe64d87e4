/*
 * Assigning partitions to the members of a classic group, and the bytes that members
 * exchange for it: Kafka's ConsumerProtocol, so that a group can mix clients.
 *
 * A member joins with a subscription for each assignor that it supports.  The broker
 * chooses an assignor that all support and makes one member the leader.  The leader
 * reads all subscriptions (assign_topics, assign_read_members), assigns (assign_run),
 * and sends each member its part (assign_put_assignment).
 *
 *	range               each topic by itself, neighbouring partitions together
 *	roundrobin          all partitions in turn
 *	sticky              balanced, with as few moves as possible
 *	cooperative-sticky  the same; members keep their partitions while they rejoin,
 *	                    and a partition that moves is unassigned for one
 *	                    generation
 *	numbers             as range, but all topics are cut where the one with the most
 *	                    partitions is: a member gets the same numbers of each topic.
 *	                    kq's own; not among those that a member offers by default
 *
 * Format: a version i16, then consumer_protocol_subscription or
 * consumer_protocol_assignment of share/proto.  Later versions only append fields, so
 * an unknown version is read as the last known one.  The user_data of a sticky
 * subscription is the member's previous assignment and its generation:
 *
 *	previous_assignment [topic string, partitions [i32]]   generation i32
 *
 * Old clients omit the generation.  The user_data of cooperative-sticky is the
 * generation i32, which is a field of its own from version 2.  See Kafka's
 * ConsumerProtocol, StickyAssignor and CooperativeStickyAssignor.
 *
 * Uses: base, wire.  Knows no network and no clock.  Any thread.
 */
#ifndef KQ_CLIENT_ASSIGN_H
#define KQ_CLIENT_ASSIGN_H

#include "base/err.h"
#include "base/mem.h"

/* A topic whose partitions are assigned. */
struct assign_topic {
	struct str name;
	int32_t npart;
};

/* A partition; topic is an index into assign.topic. */
struct assign_part {
	int32_t topic, partition;
};

struct assign_list {
	struct assign_part *v;
	int32_t n;
};

struct assign_member {
	struct str id, instance;     /* instance null: not a static member */
	int32_t *topic;              /* subscribed topics: ascending indexes into assign.topic */
	int32_t ntopic;
	struct assign_list owned;    /* what it claims to own, or to have owned ... */
	int32_t generation;          /* ... in this generation; -1: unknown */
	struct assign_list got;      /* the result */
};

struct assign {
	struct assign_topic *topic;  /* sorted by name, no duplicates */
	int32_t ntopic;
	struct assign_member *member;
	int32_t nmember;
	struct arena *arena;         /* holds all of the above and scratch */
};

struct assign_kind {
	const char *name;
	bool is_cooperative;
	bool has_user_data;          /* as sticky */
	void (*run)(struct assign *assign);
};

/* An assignor by its name; or NULL. */
const struct assign_kind *assign_find(struct str name);

/* The assignors that a member offers by default, in its order. */
extern const struct assign_kind assign_kinds[];
extern const int assign_kinds_n;

/* A partition of a subscription or assignment, by topic name. */
struct assign_owned {
	struct str topic;
	int32_t partition;
};

/* Append a subscription: the topics, and the partitions owned in a generation (-1: none
 * yet), those of one topic adjacent.  Assignors that are not cooperative get them in
 * user_data (sticky) or not at all. */
void assign_put_subscription(struct buf *b, const struct assign_kind *as,
	const struct str *topic, int ntopic, const struct assign_owned *owned,
	int nowned, int32_t generation);

/* Append the assignment of a member. */
void assign_put_assignment(struct buf *b, const struct assign *assign, int32_t member);

/* A member as the leader receives it in the JoinGroup response. */
struct assign_bytes {
	struct str id, instance, subscription;
};

/* Collect the names of all subscribed topics, sorted and without duplicates, in the
 * arena.  Returns their number, or -1 (ERR_CORRUPT: an invalid subscription;
 * ERR_LIMIT: the arena is full). */
int assign_topics(const struct assign_bytes *in, int n, struct arena *a,
	struct str **names, struct err *e);

/* Fill the members of *assign, whose topics and arena are set.  Unknown topics and
 * partitions are left out.  Returns 0, or -1 (ERR_CORRUPT; ERR_LIMIT: the group is too
 * large). */
int assign_read_members(struct assign *assign, const struct assign_kind *as,
	const struct assign_bytes *in, int n, struct err *e);

/* Assign each partition of a subscribed topic to one of its subscribers.
 * cooperative-sticky leaves out partitions that move from one member to another. */
void assign_run(struct assign *assign, const struct assign_kind *as);

/* Read the assignment of a member: *v is in the arena, its names point into bytes.
 * Returns the number of partitions (0 if bytes is empty), or -1 (ERR_CORRUPT,
 * ERR_LIMIT). */
int assign_read_assignment(struct str bytes, struct arena *a, struct assign_owned **v,
	struct err *e);

#endif
