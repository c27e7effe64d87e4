/*
 * Inside the group coordinator: what its files share.  Only they include this.
 *
 *   groups.c              timers, topic names, counted memory, the table of
 *                         groups, dispatch by API
 *   group_admin.c         DescribeGroups, ListGroups, DeleteGroups
 *   group_log.c           records: encoded, appended, replayed
 *   offsets.c             committed and pending offsets, deletion, expiry
 *   offsets_commit.c      OffsetCommit, TxnOffsetCommit, OffsetDelete
 *   offsets_fetch.c       OffsetFetch
 *   classic.[ch]          classic groups: members, states, generations
 *   classic_join.c        JoinGroup
 *   classic_sync.c        SyncGroup, Heartbeat, LeaveGroup
 *   classic_replay.c      replay of a classic group, topics that members read
 *   consumer.h, consumer_*.c, convert.c
 *                         consumer groups (KIP-848); consumer.h has their map
 *   assignor*.[ch]        pure functions: who gets which partitions
 *
 * One struct group serves both kinds; group.kind says which half is in use:
 * group.classic or *group.consumer.  A group that only has offsets is a classic
 * group in state CLASSIC_EMPTY.  To convert a group: build the other half,
 * append the records of both halves in one append (tombstones of the old half,
 * records of the new one), set group.kind, release the old half.
 *
 * The rule: state changes only after a successful append.  A handler checks,
 * puts records, calls records_append, and changes state only if that succeeded.
 * A timer whose append is refused tries again after GROUP_RETRY_MS.
 *
 * Uses: base, wire, coord.  One thread.
 */
#ifndef KQ_GROUP_GROUP_H
#define KQ_GROUP_GROUP_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "group/groups.h"
#include "proto.h"
#include "wire/kerr.h"

enum {
	GROUP_RETRY_MS = 500,         /* until a timer repeats a refused append */
	GROUP_PROTOCOL_MAX = 64,      /* protocols of a classic member */
	GROUP_METADATA_MAX = 1 << 20, /* bytes of a classic member's metadata */
	GROUP_MEMBERS_SIZE_MAX = 16 << 20, /* bytes of metadata of all members of a
	                                 classic group: they stand in one record */
	GROUP_APPEND_MAX = 64 << 20,  /* bytes of the records of one append */
	GROUP_LISTED_MAX = 1000000,   /* members or offsets in one response */
	GROUP_PENDING_MAX = 4096,     /* pending member ids of a group */
	GROUP_NAME_SHOWN = 200,       /* bytes of a client id in a member id, and of a
	                                 group id in an error message */
	GROUP_NEW_MEMBER_MS = 300000, /* how long a member's first join may wait */
};

/* ---- the coordinator's state ---- */

struct group;
struct committer;
struct consumer; /* consumer.h's */
struct records;

/* An action at a time.  Embed it; fire is called once when it is due, with the
 * timer already cleared, and finds the owner with CONTAINER_OF. */
struct timer {
	struct heap_node node;
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now);
};

struct groups {
	struct groups_config config;
	struct coord_env *env;
	struct map by_id;      /* struct group, by group.id */
	struct map topic_names; /* struct topic_name, by its name */
	struct map producers;  /* struct producer_offsets, by its key */
	struct heap timers;    /* struct timer */
	struct timer expiry;   /* of offsets */
	struct arena scratch;  /* of the running handler, replay or timer */
	int64_t kept_size;     /* bytes from group_alloc */
	uint64_t nwrite;       /* offsets written or replayed so far: committed.seq */
	bool is_stopped;
};

/* Sets the timer; if it was set, it moves. */
void timer_set(struct groups *groups, struct timer *timer, int64_t at_mono_ms,
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now));
void timer_clear(struct groups *groups, struct timer *timer); /* not set: no effect */

static inline bool
timer_is_set(const struct timer *timer)
{
	return timer->node.at != 0;
}

/* A topic's name, stored once for all groups.  get finds or makes it and, as ref
 * does, adds a reference; put drops one, and the last one frees it. */
struct topic_name {
	struct str s;
	int32_t nref;
	uint8_t bytes[];
};
struct topic_name *topic_name_get(struct groups *groups, struct str s);
struct topic_name *topic_name_ref(struct topic_name *name);
void topic_name_put(struct groups *groups, struct topic_name *name);

/* ---- classic members and groups ---- */

enum classic_state {
	CLASSIC_EMPTY, CLASSIC_PREPARING, CLASSIC_COMPLETING, CLASSIC_STABLE,
	CLASSIC_DEAD,
};

struct classic_protocol {
	struct str name, metadata; /* in the member's blob */
};

/* A member of a classic group. */
struct classic_member {
	struct list in_group;           /* in group.classic.members, in order of joining */
	struct group *group;
	struct str id;                  /* one allocation with the next three */
	struct str instance_id;         /* null: dynamic */
	struct str client_id, client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct classic_protocol *protocol; /* one allocation with its bytes */
	int32_t nprotocol;
	struct str assignment;          /* owned; empty, never null */
	struct coord_call *join, *sync; /* parked; NULL: none */
	struct timer session;           /* has no effect while a call is parked,
	                                   unless is_new */
	bool is_new;                    /* its first join has not been answered */
	bool awaits_sync;               /* in this generation, but has not synced */
};

/* A member id that was given to a client, which has yet to join with it (KIP-394). */
struct classic_pending {
	struct group *group;
	struct timer timer;
	struct str id; /* stored after the struct */
};

/* The classic half of a group. */
struct classic {
	enum classic_state state;
	bool was_empty;                 /* PREPARING came after EMPTY: the initial
	                                   rebalance */
	bool new_member_added;          /* since the initial rebalance's timer was set */
	int32_t generation;
	int32_t initial_left_ms;        /* how much longer the initial rebalance may wait */
	int32_t njoining;               /* members with a parked join */
	int32_t nawaits_sync;           /* members with awaits_sync */
	int64_t state_since_wall_ms;    /* "current state timestamp" of the records */
	struct str protocol_type;       /* owned; null: none yet */
	struct str protocol;            /* owned; null: none chosen */
	struct classic_member *leader;
	struct list members;            /* struct classic_member.in_group */
	int32_t nmember;
	struct map by_id;               /* struct classic_member */
	struct map by_instance;         /* struct classic_member; static ones */
	struct map pending;             /* struct classic_pending */
	struct timer join;              /* initial delay or rebalance timeout */
	struct timer sync_timer;        /* removes members that do not sync */
};

/* ---- committed offsets ---- */

/* A committed or pending offset of a partition. */
struct committed {
	int64_t offset;
	int64_t commit_wall_ms;
	int64_t expire_wall_ms;         /* -1: by the retention time */
	uint64_t seq;                   /* groups.nwrite when written: the order */
	struct str metadata;            /* owned; empty, never null */
	int32_t partition, leader_epoch;
};

struct offset_topic {
	struct topic_name *name;
	struct committed *v;            /* ascending by partition */
	int32_t n, cap;
};

/* An offset of a transaction that has not ended. */
struct pending_offset {
	struct list in_producer;        /* producer_offsets.pending */
	struct list in_group;           /* group.pending_offsets */
	struct group *group;
	struct producer_offsets *producer;
	struct topic_name *topic;
	struct committed value;
};

/* The pending offsets of a producer in a partition of __consumer_offsets. */
struct producer_offsets {
	struct producer_key { int64_t id; int32_t partition, zero; } key;
	struct list pending;
};

/* ---- a group ---- */

/* What differs between the two kinds of group. */
struct group_kind {
	const char *name;    /* of the kind, in ListGroups */
	const char *(*state_name)(const struct group *g);
	struct str (*protocol_type)(const struct group *g); /* "": none yet */
	bool (*is_empty)(const struct group *g);
	/* Whether a member is known to read the topic. */
	bool (*is_subscribed)(const struct group *g, struct str topic);
	/* Whether the committer may commit: 0, UNKNOWN_MEMBER_ID,
	 * FENCED_INSTANCE_ID, ILLEGAL_GENERATION, STALE_MEMBER_EPOCH,
	 * REBALANCE_IN_PROGRESS or UNSUPPORTED_VERSION. */
	int16_t (*check_commit)(const struct group *g, const struct committer *committer);
	/* Whether the member, at this epoch, may fetch offsets: 0,
	 * UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION or STALE_MEMBER_EPOCH.
	 * NULL: always. */
	int16_t (*check_fetch)(const struct group *g, struct str member_id, int32_t epoch);
	/* Puts tombstones for all records of the kind but group.has_record.
	 * NULL: there are none. */
	void (*put_tombstones)(struct records *records, const struct group *g);
	/* After the replay of a partition: starts the members' sessions. */
	void (*loaded)(struct groups *groups, struct group *g, struct coord_now now);
	/* Topics were created, grown or deleted.  NULL: does not matter. */
	void (*topics_changed)(struct group *g);
	/* The broker stops: answers parked calls with NOT_COORDINATOR.  NULL:
	 * none are parked. */
	void (*stop)(struct groups *groups, struct group *g);
};

extern const struct group_kind group_classic, group_consumer;

struct group {
	struct str id;                  /* stored after the struct */
	int32_t partition;              /* of __consumer_offsets */
	const struct group_kind *kind;
	bool has_record;                /* the log has a group metadata record (of a
	                                   classic group), which needs a tombstone */
	struct classic classic;         /* of group_classic; else empty */
	struct consumer *consumer;      /* of group_consumer; else NULL */
	struct offset_topic *topic;     /* ascending by name */
	int32_t ntopic, topic_cap;
	struct list pending_offsets;    /* struct pending_offset.in_group */
};

/* ---- groups.c ---- */

struct group *group_find(const struct groups *groups, struct str id); /* or NULL */
/* The group; if there is none, an empty classic one is made.  NULL: max.groups
 * is reached, or group_is_full. */
struct group *group_make(struct groups *groups, struct str id);
/* The same for replay: no limit applies to what the log has. */
struct group *group_replayed(struct groups *groups, struct str id);
/* All groups, for loops that free some; the caller mem_frees the array. */
struct group **groups_all(struct groups *groups, int32_t *n);
/* Frees the group and all it has; writes and answers nothing. */
void group_free(struct groups *groups, struct group *g);
/* Frees a classic group that has nothing: no member or pending member, no
 * offset, no record in the log. */
void group_free_if_idle(struct groups *groups, struct group *g);

static inline bool
group_is_empty(const struct group *g) /* no members; it may have offsets */
{
	return g->kind->is_empty(g);
}

static inline bool
group_is_subscribed(const struct group *g, struct str topic)
{
	return g->kind->is_subscribed(g, topic);
}

/* A member id: the prefix (shortened), "-" and a random UUID, in the arena. */
struct str group_member_id(struct groups *groups, struct str prefix, struct arena *a);

/* mem_alloc, mem_realloc and mem_free for state that clients can make grow: counted
 * in kept_size. */
void *group_alloc(struct groups *groups, size_t n);
void *group_realloc(struct groups *groups, void *p, size_t n);
void group_dealloc(void *p);
/* Whether group.state.bytes.max is reached: nothing new may be stored. */
bool group_is_full(const struct groups *groups);
/* Whether it is exceeded by a quarter: now new offsets are refused even in existing groups.
 * Until then, running groups keep working while new ones are refused. */
bool group_is_overfull(const struct groups *groups);

/* An owned copy (group_alloc), freed by group_str_free; null stays null. */
struct str group_strdup(struct groups *groups, struct str s);
void group_str_free(struct str *s); /* to null */
void group_str_set(struct groups *groups, struct str *s, struct str to);

/* ---- group_log.c ---- */

/* Records of one append; encoded into the scratch arena. */
struct records {
	struct groups *groups;
	struct coord_record *v;
	int n, cap;
	int64_t size; /* bytes of keys and values */
};
#define RECORDS_INIT(groups) { (groups), NULL, 0, 0, 0 }

/* Adds a record.  key_version is the record type's number; value NULL: a
 * tombstone.  Above GROUP_APPEND_MAX nothing is added, and the append fails. */
void records_put(struct records *records, const struct wire_data *key, int16_t key_version,
	const void *key_msg, const struct wire_data *value, int16_t value_version,
	const void *value_msg);
/* Appends all, or none.  Returns 0 (also when there are none), env.append's error as
 * clients of groups expect it, or UNKNOWN_SERVER_ERROR above GROUP_APPEND_MAX. */
int16_t records_append(struct records *records, int32_t partition,
	const struct coord_producer *producer, int64_t wall_ms);

void records_classic_group(struct records *records, const struct group *g, int64_t wall_ms);
/* The same, but with the member fresh in old's place (both NULL: no change), and
 * with the assignments of this request (NULL: the present ones). */
void records_classic_changed(struct records *records, const struct group *g,
	const struct classic_member *old, const struct classic_member *fresh,
	const struct sync_group_request *assignments, int64_t wall_ms);
void records_classic_tombstone(struct records *records, struct str group_id);
void records_offset(struct records *records, struct str group_id, struct str topic,
	const struct committed *committed);
void records_offset_tombstone(struct records *records, struct str group_id, struct str topic,
	int32_t partition);

/* ---- classic groups ---- */

void classic_init(struct classic *classic);
/* Frees all members; parked calls are answered with the error (0: dropped). */
void classic_release(struct groups *groups, struct group *g, int16_t error);

/* What a member is made of; everything is copied. */
struct classic_spec {
	struct str id, instance_id, client_id, client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	const struct join_group_request_protocol *protocol;
	int32_t nprotocol;
};
struct classic_member *classic_add(struct groups *groups, struct group *g,
	const struct classic_spec *spec);
/* Answers the member's parked calls with UNKNOWN_MEMBER_ID; the caller starts the
 * rebalance. */
void classic_remove(struct groups *groups, struct group *g, struct classic_member *member);
void classic_set_assignment(struct groups *groups, struct classic_member *member,
	struct str assignment);
struct classic_member *classic_find(const struct group *g, struct str id); /* or NULL */
struct classic_member *classic_find_static(const struct group *g, struct str instance_id);
/* Whether a member has this id, and this instance id if one is given: 0,
 * UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
int16_t classic_check_member(const struct group *g, struct str id, struct str instance_id);
/* The member's metadata for the protocol; empty if it does not offer it. */
struct str classic_metadata(const struct classic_member *member, struct str protocol);
/* Restarts the member's session timeout. */
void classic_alive(struct groups *groups, struct classic_member *member, struct coord_now now);
/* After a member joined, left or changed.  STABLE, COMPLETING and EMPTY go to
 * PREPARING.  PREPARING completes if all members have joined, except in the
 * initial rebalance, which its timer ends. */
void classic_rebalance(struct groups *groups, struct group *g, struct coord_now now);

/* The APIs.  A consumer group with members answers them in consumer_classic_*. */
void classic_join(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_sync(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_leave(struct groups *groups, struct coord_call *call, struct coord_now now);

/* Answer with an error; all other fields have their defaults. */
void classic_answer_join(struct groups *groups, struct coord_call *call, struct str member_id,
	int16_t error);
void classic_answer_sync(struct groups *groups, struct coord_call *call, int16_t error);
void classic_answer_heartbeat(struct groups *groups, struct coord_call *call, int16_t error);

/* Replays a group metadata record; value NULL: a tombstone. */
void classic_replay(struct groups *groups, struct str group_id,
	const struct group_metadata_value *value);
/* For struct group_kind: */
void classic_loaded(struct groups *groups, struct group *g, struct coord_now now);
bool classic_is_subscribed(const struct group *g, struct str topic);

/* ---- offsets.c ---- */

/* The sender of an OffsetCommit or a TxnOffsetCommit. */
struct committer {
	struct str group_id, member_id, instance_id;
	int32_t epoch; /* generation, or member epoch */
	bool is_transactional;
	int16_t api_version;
};

void offsets_commit(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_fetch(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_delete(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_txn_commit(struct groups *groups, struct coord_call *call, struct coord_now now);

/* The committed offset, or NULL. */
struct committed *offsets_find(const struct group *g, struct str topic, int32_t partition);
/* Stores the offset; its metadata is copied. */
void offsets_set(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed);
/* Forgets the offset, committed and pending. */
void offsets_remove(struct groups *groups, struct group *g, struct str topic, int32_t partition);
void offsets_set_pending(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed, const struct coord_producer *producer);
bool offsets_is_pending(const struct group *g, struct str topic, int32_t partition);
void offsets_release(struct groups *groups, struct group *g); /* all, also pending ones */
/* Deletes the group and its offsets, in the log, too.  0, or records_append's
 * error. */
int16_t group_delete(struct groups *groups, struct group *g, struct coord_now now);
void offsets_start_expiry(struct groups *groups, struct coord_now now);

/* ---- group_admin.c ---- */

void admin_describe(struct groups *groups, struct coord_call *call, struct coord_now now);
void admin_list(struct groups *groups, struct coord_call *call, struct coord_now now);
void admin_delete(struct groups *groups, struct coord_call *call, struct coord_now now);

/* ---- consumer groups (consumer_*.c) ----
 *
 * g->kind is group_consumer unless a comment says otherwise. */

/* The two APIs. */
void consumer_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now);
void consumer_describe(struct groups *groups, struct coord_call *call, struct coord_now now);

/* Replays a record with key type 3..8 or 16; value null: a tombstone.  Makes and
 * frees groups as the records say. */
void consumer_replay(struct groups *groups, int16_t key_version, struct str key,
	struct str value);

/* Frees g->consumer and its timers; does nothing if it is NULL (any kind). */
void consumer_release(struct groups *groups, struct group *g);

/* The classic protocol in a consumer group that has members: each answers the
 * call, or parks it.  (An empty consumer group becomes a classic one in
 * classic_join.) */
void consumer_classic_join(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
void consumer_classic_sync(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
void consumer_classic_heartbeat(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
/* One member of a LeaveGroup; returns its error code. */
int16_t consumer_classic_leave(struct groups *groups, struct group *g, struct str member_id,
	struct str instance_id, struct coord_now now);

#endif
