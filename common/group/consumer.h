/*
 * Inside the consumer half of the group coordinator (KIP-848): what its files
 * share.  group.h says what they give to the rest.
 *
 *   consumer_group.c      members, subscriptions, who owns which partition
 *   consumer_log.c        records out of state, state out of records
 *   consumer_target.c     metadata hash and target assignment
 *   consumer_reconcile.c  from target to current assignment, a pure function
 *   consumer_regex.c      subscriptions by regular expression (pattern.h)
 *   consumer_change.c     one member's change, from draft to applied records
 *   consumer_heartbeat.c  ConsumerGroupHeartbeat, leaving, time-outs
 *   consumer_classic.c    the classic protocol spoken to a consumer group
 *   consumer_admin.c      describe, checks for offsets, loading
 *   convert.c             a classic group becomes one of these, and back
 *
 * How state changes: a handler works out records from drafts that only borrow,
 * appends them, and then applies those very records with consumer_replay.  So
 * a restart finds exactly the state that was.
 *
 * Source: Kafka's ConsumerGroup, TargetAssignmentBuilder,
 * CurrentAssignmentBuilder.
 */
#ifndef KQ_GROUP_CONSUMER_H
#define KQ_GROUP_CONSUMER_H

#include "group/assignor.h"
#include "group/group.h"

enum {
	CONSUMER_LEAVE = -1,
	CONSUMER_LEAVE_STATIC = -2, /* as an epoch: gone, but coming back */
	CONSUMER_REGEX_MAX = 50,    /* different ones in a group */
};

enum { /* the numbers that records carry */
	CONSUMER_STABLE = 0, CONSUMER_UNREVOKED = 1, CONSUMER_UNRELEASED = 2,
};

struct tp {
	struct uuid id;
	int32_t index;
};

struct tp_set { /* rising, none twice */
	struct tp *v;
	int32_t n;
};

/* Topic names, rising, none twice; one copy for all members that have the
 * same.  So equal means: the same pointer. */
struct subscription {
	struct list in_consumer;
	int32_t nref, n;
	struct topic_name *v[];
};

/* What a regular expression stood for when it was last looked at. */
struct resolved {
	struct str pattern; /* owned */
	struct subscription *topics;
	int64_t version;
};

/* What a member says of itself.  A member owns what this points to, a draft
 * borrows it. */
struct consumer_spec {
	struct str instance_id, rack_id, client_id, client_host; /* null: none */
	struct str assignor, regex;
	struct subscription *names; /* never NULL in a member */
	int32_t rebalance_timeout_ms;
	bool is_classic;            /* speaks the classic protocol: */
	int32_t session_timeout_ms;
	struct classic_protocol *protocol; /* one allocation */
	int32_t nprotocol;
};

struct consumer_current {
	int32_t epoch, previous_epoch;
	int8_t state;
	struct tp_set assigned, revoking;
};

struct consumer_member {
	struct group *group;
	struct str id; /* behind the struct */
	struct consumer_spec spec;
	struct consumer_current current;
	struct tp_set target;
	bool has_target; /* there is a record of it */
	bool is_leaving; /* while a change is worked out */
	int32_t rebalance_epoch; /* that the rebalance timer waits to see left */
	struct timer session, rebalance, join, sync;
};

struct consumer {
	int32_t epoch, target_epoch;
	int64_t hash;         /* of the subscribed topics, when epoch was bumped */
	struct map by_id;     /* struct consumer_member */
	struct map by_instance;
	struct list subscriptions;
	struct resolved *regex;
	int32_t nregex, regex_cap;
	struct map owners;    /* struct owners, by topic id */
	int32_t nclassic;
	bool is_stale;        /* topics may have changed: look again */
	int64_t busy_until_ms;/* mono; till then members are to look more often */
};

/* ---- consumer_group.c ---- */

const char *consumer_state_name(const struct group *g);

/* Make the group a consumer group without members; its classic half, which
 * has no members either, is let go. */
void consumer_open(struct groups *groups, struct group *g);
/* And back. */
void consumer_close(struct groups *groups, struct group *g);

struct consumer_member *consumer_find(const struct group *g, struct str id);
struct consumer_member *consumer_find_static(const struct group *g, struct str instance_id);
struct consumer_member *consumer_add(struct groups *groups, struct group *g, struct str id);
void consumer_remove(struct groups *groups, struct consumer_member *member);
/* Copies the spec, but takes over the reference to names. */
void consumer_set_spec(struct groups *groups, struct consumer_member *member,
	const struct consumer_spec *spec);
void consumer_set_current(struct groups *groups, struct consumer_member *member,
	const struct consumer_current *current);
void consumer_set_target(struct groups *groups, struct consumer_member *member,
	const struct tp_set *target);

/* How many members have the partition, or have yet to let go of it. */
int32_t consumer_owners(const struct consumer *consumer, const struct tp *tp);

struct subscription *subscription_get(struct groups *groups, struct consumer *consumer,
	const struct str *names, int32_t n, struct arena *a);
struct subscription *subscription_ref(struct subscription *sub);
void subscription_put(struct groups *groups, struct subscription *sub);
bool subscription_has(const struct subscription *s, struct str topic);

struct resolved *consumer_regex(const struct consumer *consumer, struct str pattern);
/* topics NULL: forget it; else takes over the reference. */
void consumer_set_regex(struct groups *groups, struct consumer *consumer, struct str pattern,
	struct subscription *topics, int64_t version);

void tp_sort(struct tp_set *set); /* and unique */
bool tp_set_has(const struct tp_set *s, const struct tp *p);
bool tp_set_eq(const struct tp_set *a, const struct tp_set *b);
int tp_cmp(const struct tp *a, const struct tp *b);

/* A set topic by topic, for messages. */
struct tp_run {
	struct uuid id;
	int32_t *v; /* partitions */
	int32_t n;
};
struct tp_run *tp_runs(const struct tp_set *set, int32_t *n, struct arena *a);

/* ---- consumer_log.c ---- */

/* Tombstones of all records of the consumer half. */
void records_consumer_tombstones(struct records *records, const struct group *g);

void records_member(struct records *records, struct str group_id, struct str id,
	const struct consumer_spec *spec);
void records_current(struct records *records, struct str group_id, struct str id,
	const struct consumer_current *current);
void records_target(struct records *records, struct str group_id, struct str id,
	const struct tp_set *target);
void records_target_epoch(struct records *records, struct str group_id, int32_t epoch,
	int64_t wall_ms);
void records_epoch(struct records *records, struct str group_id, int32_t epoch, int64_t hash);
void records_regex(struct records *records, struct str group_id, struct str pattern,
	const struct subscription *topics, int64_t version, int64_t wall_ms);
void records_regex_tombstone(struct records *records, struct str group_id, struct str pattern);
/* All three of a member. */
void records_member_tombstones(struct records *records, struct str group_id, struct str id);
/* Make state what the records say; they were appended. */
void consumer_apply(const struct records *records);

/* ---- consumer_reconcile.c ---- */

/* The member's next step towards the target, if it can make one: *s is changed
 * (sets from the arena) and true is returned.  owned: what the member says it
 * has; NULL when it didn't say. */
bool consumer_reconcile(struct consumer_current *s, const struct tp_set *target,
	int32_t target_epoch, const struct tp_set *owned, const struct consumer *c,
	struct arena *a);

/* ---- a change of the group ---- */

struct change {
	struct groups *groups;
	struct group *group;
	struct consumer *consumer;
	struct coord_now now;
	struct records records;
	struct str id;                    /* the member that changes; null: none */
	struct consumer_member *old;      /* as it is; NULL: new */
	struct consumer_member *replaced; /* the static member it takes over from */
	struct consumer_spec spec;        /* the draft */
	struct consumer_current current;
	struct tp_set target;
	struct resolved *fresh;           /* regular expressions looked at anew */
	int32_t nfresh;
	int32_t epoch, target_epoch;
	int64_t hash;
};

/* ---- consumer_regex.c ---- */

/* Is this one that we take?  0 or KERR_INVALID_REGULAR_EXPRESSION. */
int16_t consumer_regex_check(struct str pattern, struct arena *a);
/* Look at those that are new, and at all if topics changed. */
int16_t change_resolve(struct change *ch);
/* What the pattern stands for after the change; NULL: nothing. */
const struct subscription *change_matched(const struct change *ch, struct str pattern);
/* Tombstones of those nobody will use. */
void change_forget_regexes(struct change *ch);

/* ---- consumer_target.c ---- */

struct view;
/* The topics that members will be subscribed to, as they are now.  Sets
 * ch->hash. */
struct view *change_view(struct change *ch);
/* A new target for all at ch->epoch: puts records, sets ch->target. */
void change_assign(struct change *ch, const struct view *view);

/* ---- consumer_change.c ---- */

void change_init(struct change *ch, struct groups *groups, struct group *g, struct coord_now now);
void change_release(struct change *ch);
/* Begin with what the member id stands for, or takes over. */
void change_draft(struct change *ch, struct str id, struct consumer_member *replaced);
/* All records of the draft's change: member, epoch, target, current.  0, or
 * the error to answer. */
int16_t change_work_out(struct change *ch, const struct tp_set *owned);
/* Append and apply; 0, or the error.  Then ch->old is the member. */
int16_t change_commit(struct change *ch);

/* ---- consumer_heartbeat.c ---- */

/* If topics may have changed: look, and begin a new epoch if they have.  When
 * that can't be written it is tried again the next time. */
void consumer_refresh(struct groups *groups, struct group *g, struct coord_now now);
/* A member goes; what that needs is written.  0, or the error. */
int16_t consumer_fence(struct groups *groups, struct group *g, struct consumer_member *member,
	struct coord_now now);
void consumer_session(struct groups *groups, struct consumer_member *member, struct coord_now now);

/* The group's own times, or the defaults. */
void consumer_times(const struct groups *groups, const struct group *g, int32_t *session_ms,
	int32_t *heartbeat_ms);
void consumer_session_fire(struct groups *groups, struct timer *timer, struct coord_now now);
/* The member's state is new: wait for it to revoke, or no longer. */
void consumer_watch_revocation(struct groups *groups, struct consumer_member *member,
	struct coord_now now);

/* ---- consumer_classic.c ---- */

/* Kafka's embedded protocol; false: malformed.  From the scratch arena. */
bool consumer_read_subscription(struct groups *g, struct str metadata,
	struct consumer_protocol_subscription *s);
bool consumer_read_assignment(struct groups *g, struct str assignment,
	struct consumer_protocol_assignment *s);
/* What the member says it has, as far as that is there. */
struct tp_set consumer_read_owned(struct groups *groups,
	const struct consumer_protocol_subscription *q);
/* The bytes that a member with this metadata expects. */
struct str consumer_write_assignment(struct groups *groups, const struct tp_set *set,
	struct str metadata);

/* ---- convert.c ---- */

/* A classic group with members becomes a consumer group.  0, or the error. */
int16_t convert_to_consumer(struct groups *groups, struct group *g, struct coord_now now);
/* May the group go back to classic once m (NULL: nobody) is gone? */
bool convert_is_due(const struct groups *g, const struct group *gr,
	const struct consumer_member *m);
int16_t convert_to_classic(struct groups *groups, struct group *g,
	struct consumer_member *member, struct coord_now now);

#endif
