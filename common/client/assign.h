/*
 * Dividing partitions among the members of a classic group, and the bytes in
 * which members tell each other of it: Kafka's ConsumerProtocol, so that
 * members of different make share one group.
 *
 * A member joins with a subscription for each assignor that it knows.  The
 * broker chooses one that all know and makes one member the leader; that one
 * reads the others' subscriptions (assign_read_members), divides (assign_run), and
 * hands in what each gets (assign_put_assignment).
 *
 *	range               each topic by itself, neighbours together
 *	roundrobin          all partitions in turn
 *	sticky              balanced, and as it was where that can be
 *	cooperative-sticky  the same; members keep what they have while they
 *	                    rejoin, and a partition that moves is free for one
 *	                    generation in between
 *
 * Formats: a version i16, then consumer_protocol_subscription or -_assignment
 * of share/proto.  Versions to come only add at the end, so an unknown one is
 * read as the last known.  user_data of sticky's subscription: what the member
 * had, and of which generation:
 *
 *	previous_assignment [topic string, partitions [i32]]   generation i32
 *
 * (the generation is absent from old clients'); of cooperative-sticky's: the
 * generation i32, which from version 2 on is a field of its own.  Source: Kafka's
 * ConsumerProtocol, StickyAssignor and CooperativeStickyAssignor.
 *
 * Uses: base, wire.  Knows no network and no clock.  Any thread.
 */
#ifndef KQ_CLIENT_ASSIGN_H
#define KQ_CLIENT_ASSIGN_H

#include "base/err.h"
#include "base/mem.h"

/* A topic that is divided. */
struct assign_topic {
	struct str name;
	int32_t npart;
};

/* Partition of the topic with that place in the list. */
struct assign_part {
	int32_t topic, partition;
};

struct assign_list {
	struct assign_part *v;
	int32_t n;
};

struct assign_member {
	struct str id, instance;     /* instance null: not static */
	int32_t *topic;              /* what it subscribes to, rising places */
	int32_t ntopic;
	struct assign_list owned;    /* what it says it has, or had ... */
	int32_t generation;          /* ... in that generation; -1: unknown */
	struct assign_list got;      /* the result, by topic and partition */
};

struct assign {
	struct assign_topic *topic;  /* sorted by name, each once */
	int32_t ntopic;
	struct assign_member *member;
	int32_t nmember;
	struct arena *arena;         /* holds all of the above, and scratch */
};

struct assign_kind {
	const char *name;
	bool is_cooperative;
	bool has_user_data;          /* of sticky's kind */
	void (*run)(struct assign *assign);
};

/* By name; NULL when we know none of it. */
const struct assign_kind *assign_find(struct str name);

/* All of them, in the order in which we offer them. */
extern const struct assign_kind assign_kinds[];
extern const int assign_kinds_n;

/* What a member has, for its subscription; partitions of a topic together. */
struct assign_owned {
	struct str topic;
	int32_t partition;
};

/* Append a subscription: topics, and what the member has of generation (-1:
 * none yet).  Eager assignors are told of it in user_data, or not at all. */
void assign_put_subscription(struct buf *b, const struct assign_kind *as,
	const struct str *topic, int ntopic, const struct assign_owned *owned,
	int nowned, int32_t generation);

/* Append the assignment of a member. */
void assign_put_assignment(struct buf *b, const struct assign *assign, int32_t member);

/* A member's bytes as the broker hands them to the leader. */
struct assign_bytes {
	struct str id, instance, subscription;
};

/* The names that members subscribe to, each once, sorted, into the arena.
 * Returns how many, or -1 (ERR_CORRUPT: a subscription that is none). */
int assign_topics(const struct assign_bytes *in, int n, struct arena *a,
	struct str **names, struct err *e);

/* Fill *a (whose topics and arena are set) from the members' bytes.  Topics that
 * are not in a->topic, and partitions that are not there, are left out.  Returns
 * 0, or -1 (ERR_CORRUPT, or ERR_LIMIT by the arena's cap). */
int assign_read_members(struct assign *assign, const struct assign_kind *as,
	const struct assign_bytes *in, int n, struct err *e);

/* Divide: every partition of a topic that somebody subscribes to goes to one of
 * those (but for cooperative-sticky's that are on the move). */
void assign_run(struct assign *assign, const struct assign_kind *as);

/* What a member was given: pairs of topic and partition.  Returns how many, in
 * the arena, borrowing from bytes; or -1.  No bytes: none. */
int assign_read_assignment(struct str bytes, struct arena *a, struct assign_owned **v,
	struct err *e);

#endif
