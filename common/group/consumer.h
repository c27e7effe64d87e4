/*
 * Inside consumer groups (KIP-848): what their files share.  group.h has what they
 * offer to the other files.
 *
 *   consumer_group.c      members, subscriptions, owners of partitions
 *   consumer_log.c        records: put, replayed
 *   consumer_target.c     the topics' hash, and the target assignment
 *   consumer_reconcile.c  the next step from the current assignment to the target
 *   consumer_regex.c      subscriptions by regular expression
 *   consumer_change.c     a change of a member, from its draft to applied records
 *   consumer_heartbeat.c  ConsumerGroupHeartbeat, fencing, timeouts
 *   consumer_classic.c    the classic protocol in a consumer group
 *   consumer_admin.c      ConsumerGroupDescribe, group_consumer
 *   convert.c             a classic group becomes a consumer group, and back
 *
 * How state changes: a handler puts records that it makes from a draft, appends
 * them, and then applies the same records with consumer_replay.  So the state after
 * a restart is exactly the state before.
 *
 * Source: Kafka's ConsumerGroup, TargetAssignmentBuilder,
 * CurrentAssignmentBuilder.
 *
 * Uses: group.h, assignor.h.  One thread.
 */
#ifndef KQ_GROUP_CONSUMER_H
#define KQ_GROUP_CONSUMER_H

#include "group/assignor.h"
#include "group/group.h"

enum {
	CONSUMER_LEAVE = -1,
	CONSUMER_LEAVE_STATIC = -2, /* the epoch of a static member that left for a while */
	CONSUMER_REGEX_MAX = 50,    /* different regular expressions in a group */
};

enum { /* consumer_current.state; the numbers of records */
	CONSUMER_STABLE = 0, CONSUMER_UNREVOKED = 1, CONSUMER_UNRELEASED = 2,
};

/* A partition, by its topic's id. */
struct tp {
	struct uuid id;
	int32_t index;
};

struct tp_set { /* ascending, no duplicates */
	struct tp *v;
	int32_t n;
};

/* Topic names, ascending, no duplicates.  Members with equal names share one
 * subscription, so equal subscriptions have equal pointers. */
struct subscription {
	struct list in_consumer;
	int32_t nref, n;
	struct topic_name *v[];
};

/* The topics that a regular expression matched when it was last evaluated. */
struct resolved {
	struct str pattern; /* owned */
	struct subscription *topics;
	int64_t version;
};

/* What a member sends about itself.  A member owns what this points to; a draft
 * borrows it. */
struct consumer_spec {
	struct str instance_id, rack_id, client_id, client_host; /* null: none */
	struct str assignor, regex;
	struct subscription *names; /* never NULL in a member */
	int32_t rebalance_timeout_ms;
	bool is_classic;            /* uses the classic protocol; then also: */
	int32_t session_timeout_ms;
	struct classic_protocol *protocol; /* one allocation */
	int32_t nprotocol;
};

/* A member's current assignment. */
struct consumer_current {
	int32_t epoch, previous_epoch;
	int8_t state;                     /* CONSUMER_STABLE ... */
	struct tp_set assigned, revoking; /* revoking: to be given up first */
};

struct consumer_member {
	struct group *group;
	struct str id; /* stored after the struct */
	struct consumer_spec spec;
	struct consumer_current current;
	struct tp_set target;
	bool has_target; /* the log has a record of it */
	bool is_leaving; /* not part of the change that is being prepared */
	int32_t rebalance_epoch; /* if still UNREVOKED at this epoch, the rebalance timer
	                            fences it */
	struct timer session, rebalance;
	struct timer join, sync; /* is_classic: fence it if it does not join, or sync */
};

/* The consumer half of a group. */
struct consumer {
	int32_t epoch, target_epoch;
	int64_t hash;         /* of the subscribed topics at this epoch */
	struct map by_id;     /* struct consumer_member */
	struct map by_instance;
	struct list subscriptions;
	struct resolved *regex;
	int32_t nregex, regex_cap;
	struct map owners;    /* struct owners, by topic id */
	int32_t nclassic;     /* members with spec.is_classic */
	bool is_stale;        /* topics may have changed since they were looked up */
	int64_t busy_until_ms; /* mono; until then, members heartbeat more often */
};

/* ---- consumer_group.c ---- */

const char *consumer_state_name(const struct group *g);

/* Makes a classic group a consumer group without members.  Members of its classic
 * half are freed, and their parked calls get REBALANCE_IN_PROGRESS. */
void consumer_open(struct groups *groups, struct group *g);
/* Makes it an empty classic group; its members are freed. */
void consumer_close(struct groups *groups, struct group *g);

struct consumer_member *consumer_find(const struct group *g, struct str id);
struct consumer_member *consumer_find_static(const struct group *g, struct str instance_id);
struct consumer_member *consumer_add(struct groups *groups, struct group *g, struct str id);
void consumer_remove(struct groups *groups, struct consumer_member *member);
/* Copies the spec, but takes over its reference to names. */
void consumer_set_spec(struct groups *groups, struct consumer_member *member,
	const struct consumer_spec *spec);
void consumer_set_current(struct groups *groups, struct consumer_member *member,
	const struct consumer_current *current);
void consumer_set_target(struct groups *groups, struct consumer_member *member,
	const struct tp_set *target);

/* The number of members that own the partition, or have yet to give it up. */
int32_t consumer_owners(const struct consumer *consumer, const struct tp *tp);

/* The subscription with these names (in any order), counted; found or made. */
struct subscription *subscription_get(struct groups *groups, struct consumer *consumer,
	const struct str *names, int32_t n, struct arena *a);
struct subscription *subscription_ref(struct subscription *sub);
void subscription_put(struct groups *groups, struct subscription *sub);
bool subscription_has(const struct subscription *sub, struct str topic);

struct resolved *consumer_find_regex(const struct consumer *consumer, struct str pattern);
/* Stores what the pattern matches, and takes over the reference; topics NULL: removes
 * the pattern. */
void consumer_set_regex(struct groups *groups, struct consumer *consumer, struct str pattern,
	struct subscription *topics, int64_t version);

void tp_sort(struct tp_set *set); /* also removes duplicates */
bool tp_set_has(const struct tp_set *set, const struct tp *tp);
bool tp_set_eq(const struct tp_set *a, const struct tp_set *b);

/* The set topic by topic, for messages. */
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
/* Tombstones of all three records of a member. */
void records_member_tombstones(struct records *records, struct str group_id, struct str id);
/* Applies records that were appended. */
void consumer_apply(const struct records *records);

/* ---- consumer_reconcile.c ---- */

/* Makes the member's next step towards the target, if there is one: changes *current
 * (sets from the arena) and returns true.  owned: the partitions that the member
 * reports; NULL: it does not.  A pure function. */
bool consumer_reconcile(struct consumer_current *current, const struct tp_set *target,
	int32_t target_epoch, const struct tp_set *owned, const struct consumer *consumer,
	struct arena *a);

/* ---- a change of the group ----
 *
 * change_init, change_draft (unless no member changes), edit spec and current,
 * change_prepare, change_commit, change_release. */

struct change {
	struct groups *groups;
	struct group *group;
	struct consumer *consumer;
	struct coord_now now;
	struct records records;
	struct str id;                    /* the member that changes; null: none */
	struct consumer_member *old;      /* the member before the change; NULL: new */
	struct consumer_member *replaced; /* the static member it takes over from */
	struct consumer_spec spec;        /* the draft */
	struct consumer_current current;
	struct tp_set target;
	struct resolved *resolved;        /* patterns evaluated in this change */
	int32_t nresolved;
	int32_t epoch, target_epoch;
	int64_t hash;
};

/* ---- consumer_regex.c ---- */

/* Checks the syntax: 0 or KERR_INVALID_REGULAR_EXPRESSION. */
int16_t consumer_regex_check(struct str pattern, struct arena *a);
/* Evaluates new patterns, and all of them after topics changed.  0 or
 * KERR_INVALID_REGULAR_EXPRESSION. */
int16_t change_resolve(struct change *ch);
/* The topics that the pattern matches after the change; NULL: none. */
const struct subscription *change_matched(const struct change *ch, struct str pattern);
/* Puts tombstones of patterns that no member has after the change. */
void change_drop_regexes(struct change *ch);

/* ---- consumer_target.c ---- */

struct view;
/* The members after the change, and the topics they are subscribed to.  Sets
 * ch->hash. */
struct view *change_view(struct change *ch);
/* Computes the target of all members at ch->epoch; puts records, sets ch->target. */
void change_assign(struct change *ch, const struct view *view);

/* ---- consumer_change.c ---- */

void change_init(struct change *ch, struct groups *groups, struct group *g, struct coord_now now);
void change_release(struct change *ch);
/* Starts a draft: of the member with this id, or of a new one, which takes over from
 * replaced (NULL: none). */
void change_draft(struct change *ch, struct str id, struct consumer_member *replaced);
/* Puts all records of the draft's change: member, epoch, target, current.  0 or
 * KERR_INVALID_REGULAR_EXPRESSION. */
int16_t change_prepare(struct change *ch, const struct tp_set *owned);
/* Appends and applies.  0 (then ch->old is the member), or records_append's error. */
int16_t change_commit(struct change *ch);

/* ---- consumer_heartbeat.c ---- */

/* If topics may have changed: looks them up, and begins a new epoch if they have.  If
 * that cannot be written, the next call tries again. */
void consumer_refresh(struct groups *groups, struct group *g, struct coord_now now);
/* Removes a member; may convert the group to a classic one.  0, or records_append's
 * error. */
int16_t consumer_fence(struct groups *groups, struct group *g, struct consumer_member *member,
	struct coord_now now);
/* Restarts the member's session timeout. */
void consumer_session(struct groups *groups, struct consumer_member *member, struct coord_now now);

/* The group's session timeout and heartbeat interval. */
void consumer_times(const struct groups *groups, const struct group *g, int32_t *session_ms,
	int32_t *heartbeat_ms);
/* After the member's state changed: starts or stops its rebalance timer. */
void consumer_watch_revocation(struct groups *groups, struct consumer_member *member,
	struct coord_now now);

/* ---- consumer_classic.c ---- */

/* Decode Kafka's embedded protocol, into the scratch arena; false: malformed. */
bool consumer_read_subscription(struct groups *groups, struct str metadata,
	struct consumer_protocol_subscription *sub);
bool consumer_read_assignment(struct groups *groups, struct str bytes,
	struct consumer_protocol_assignment *assignment);
/* The partitions that the member reports, without those that do not exist. */
struct tp_set consumer_read_owned(struct groups *groups,
	const struct consumer_protocol_subscription *sub);
/* The assignment, encoded in the version of the member's metadata. */
struct str consumer_write_assignment(struct groups *groups, const struct tp_set *set,
	struct str metadata);

/* ---- convert.c ---- */

/* Makes a classic group with members a consumer group.  0, GROUP_ID_NOT_FOUND if that
 * is not possible or not allowed, or records_append's error. */
int16_t convert_to_consumer(struct groups *groups, struct group *g, struct coord_now now);
/* Whether the group should become a classic one once leaver (NULL: no member) is gone. */
bool convert_is_due(const struct groups *groups, const struct group *g,
	const struct consumer_member *leaver);
/* Makes it a classic group of the other members.  0, INCONSISTENT_GROUP_PROTOCOL, or
 * records_append's error. */
int16_t convert_to_classic(struct groups *groups, struct group *g,
	struct consumer_member *member, struct coord_now now);

#endif
