/*
 * Inside the group coordinator: what its files share.  Nobody else includes
 * this.
 *
 *   groups.c          the table of groups, dispatch, timers, limits
 *   classic*.c        classic groups: join, sync, heartbeat, leave
 *   offsets*.c        committed offsets, of both kinds of group
 *   group_admin.c     describe, list, delete
 *   group_log.c       records out of state, state out of records
 *   consumer_*.c      consumer groups (KIP-848), from heartbeats to records
 *
 * One struct group serves both kinds.  A group without members is neither
 * yet: offsets alone make a GROUP_CLASSIC that is CLASSIC_EMPTY.  Group.kind
 * says which half is in use: group.classic or *group.consumer.  Converting
 * one to the other means: build the other half, append the records of both
 * (the old half's tombstones, the new half's records) in one append, set
 * group.kind, release the old half.
 *
 * Law: state changes only behind a successful append.  A handler checks, puts
 * records, calls records_append, and then changes.  Timers that write and are
 * refused try again after GROUP_RETRY_MS.
 *
 * Uses: coord.  One thread.
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
	GROUP_RETRY_MS = 500,       /* a refused append of a timer */
	GROUP_PROTOCOL_MAX = 64,    /* protocols a classic member may offer */
	GROUP_METADATA_MAX = 1 << 20, /* bytes of their metadata, all together */
	GROUP_MEMBERS_SIZE_MAX = 16 << 20, /* of all members of a classic group, which
	                               one record tells */
	GROUP_APPEND_MAX = 64 << 20,/* bytes of the records of one append */
	GROUP_TOLD_MAX = 1000000,   /* members, or offsets, told in one answer */
	GROUP_PENDING_MAX = 4096,   /* member ids given out that nobody joined with yet */
	GROUP_NAME_SHOWN = 200,     /* bytes of a client id that a member id shows, or of
	                               a group id that an error does */
	GROUP_NEW_MEMBER_MS = 300000, /* the longest first join of a member */
};

/* ---- the world of groups ---- */

struct group;
struct consumer; /* consumer.h's */

/* Something to do at a time.  Embed it; fire gets it back when due, already
 * unset, and finds its owner with CONTAINER_OF. */
struct timer {
	struct heap_node node;
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now);
};

struct groups {
	struct groups_config config;
	struct coord_env *env;
	struct map by_id;      /* struct group, by group.id */
	struct map topic_names;/* struct topic_name */
	struct map producers;  /* struct producer_offsets; by its key */
	struct heap timers;    /* struct timer */
	struct timer expiry;   /* of offsets */
	struct arena scratch;  /* of the running handler, replay or timer */
	int64_t kept_size;     /* bytes of group_alloc */
	uint64_t nwrite;       /* offsets written or replayed: which came later */
	bool is_stopped;
};

/* Set, or set anew. */
void timer_set(struct groups *groups, struct timer *timer, int64_t at_mono_ms,
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now));
void timer_clear(struct groups *groups, struct timer *timer); /* unset: fine */

static inline bool
timer_is_set(const struct timer *timer)
{
	return timer->node.at != 0;
}

/* A topic's name, kept once for all groups.  get makes or finds and counts. */
struct topic_name {
	struct str s;
	int32_t nref;
	uint8_t bytes[];
};
struct topic_name *topic_name_get(struct groups *groups, struct str s);
struct topic_name *topic_name_ref(struct topic_name *name); /* one more */
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
	struct str id;                  /* id and the next three: one allocation */
	struct str instance_id;         /* null: dynamic */
	struct str client_id, client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct classic_protocol *protocol; /* one allocation with what it points to */
	int32_t nprotocol;
	struct str assignment;          /* owned; empty, never null */
	struct coord_call *join, *sync; /* parked; NULL: none */
	struct timer session;           /* counts only while no call is parked... */
	bool is_new;                    /* ...or the first join still is */
	bool awaits_sync;               /* joined this generation, did not sync yet */
};

/* A member id that was given out and waits for its join (KIP-394). */
struct classic_pending {
	struct group *group;
	struct timer timer;
	struct str id; /* behind the struct */
};

/* The classic half of a group. */
struct classic {
	enum classic_state state;
	bool was_empty;                 /* PREPARING from EMPTY: the initial rebalance */
	bool new_member_added;          /* since the initial rebalance's timer was set */
	int32_t generation;
	int32_t initial_left_ms;        /* how much longer the initial rebalance may wait */
	int32_t njoining;               /* members with a parked join */
	int32_t nawaits_sync;
	int64_t state_since_wall_ms;    /* what the records call current state */
	struct str protocol_type;       /* owned; null: none yet */
	struct str protocol;            /* owned; null: none chosen */
	struct classic_member *leader;
	struct list members;            /* struct classic_member.in_group */
	int32_t nmember;
	struct map by_id;               /* struct classic_member */
	struct map by_instance;         /* struct classic_member; static ones */
	struct map pending;             /* struct classic_pending */
	struct timer join;              /* initial delay or rebalance time-out */
	struct timer sync_timer;        /* members that never sync */
};

/* ---- committed offsets ---- */

struct committed {
	int64_t offset;
	int64_t commit_wall_ms;
	int64_t expire_wall_ms;         /* -1: by retention */
	uint64_t seq;                   /* groups.nwrite when written */
	struct str metadata;            /* owned; empty, never null */
	int32_t partition, leader_epoch;
};

struct offset_topic {
	struct topic_name *name;
	struct committed *v;            /* by partition */
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

struct producer_offsets {
	struct producer_key { int64_t id; int32_t partition, zero; } key;
	struct list pending;
};

/* ---- a group ---- */

enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER };

struct group {
	struct str id;                  /* behind the struct */
	int32_t partition;              /* of __consumer_offsets */
	enum group_kind kind;
	bool has_record;                /* a group metadata record (classic) stands
	                                   in the log and needs a tombstone */
	struct classic classic;         /* kind GROUP_CLASSIC */
	struct consumer *consumer;      /* kind GROUP_CONSUMER */
	struct offset_topic *topic;     /* by name */
	int32_t ntopic, topic_cap;
	struct list pending_offsets;    /* struct pending_offset.in_group */
};

/* ---- groups.c ---- */

struct group *group_find(const struct groups *groups, struct str id); /* or NULL */
/* The group, made as an empty classic one if need be; NULL: there are
 * max.groups already, or group_is_full. */
struct group *group_make(struct groups *groups, struct str id);
/* The same for what the log says: there is no limit to what there was. */
struct group *group_replayed(struct groups *groups, struct str id);
/* All of them, for walks that free some; the caller mem_frees the array. */
struct group **groups_all(struct groups *groups, int32_t *n);
/* Forget the group, with whatever it has; nothing is written or answered. */
void group_free(struct groups *groups, struct group *g);
/* Forget it if nothing is left: no member of any kind, no pending member, no
 * offset, no record in the log that stands for it. */
void group_free_if_idle(struct groups *groups, struct group *g);
bool group_is_empty(const struct group *gr); /* no members; offsets don't count */
int32_t group_member_count(const struct group *g);

/* prefix "-" and a random UUID, in the arena. */
struct str group_member_id(struct groups *groups, struct str prefix, struct arena *a);

/* As mem_alloc and so on, for what clients make us keep: it is counted. */
void *group_alloc(struct groups *groups, size_t n);
void *group_realloc(struct groups *groups, void *p, size_t n);
void group_dealloc(void *p);
/* There is so much of it (group.state.bytes.max) that nothing may be added. */
bool group_is_full(const struct groups *g);
/* So much that this goes for offsets of groups that are there, too: those who
 * work are to go on for longer than others can join. */
bool group_is_overfull(const struct groups *g);

/* An owned copy (group_alloc), free with group_str_free; null stays null, and
 * set releases what was there. */
struct str group_strdup(struct groups *groups, struct str s);
void group_str_free(struct str *s); /* to null */
void group_str_set(struct groups *groups, struct str *s, struct str to);

/* ---- group_log.c ---- */

/* Records to be appended together; encoded into the scratch arena. */
struct records {
	struct groups *groups;
	struct coord_record *v;
	int n, cap;
	int64_t size; /* bytes of keys and values */
};
#define RECORDS_INIT(g) { (g), NULL, 0, 0, 0 }

/* key_version is the record type's number; value NULL: a tombstone. */
void records_put(struct records *records, const struct wire_data *key, int16_t key_version,
	const void *key_msg, const struct wire_data *value, int16_t value_version,
	const void *value_msg);
/* Append all (fine if none); 0, or the error to answer (group_append_error's,
 * or UNKNOWN_SERVER_ERROR when there are more than GROUP_APPEND_MAX). */
int16_t records_append(struct records *records, int32_t partition,
	const struct coord_producer *producer, int64_t wall_ms);

void records_classic_group(struct records *records, const struct group *g, int64_t wall_ms);
/* As if fresh stood in old's place (NULL: nobody is replaced), and the members
 * had these assignments (NULL: the ones they have). */
void records_classic_changed(struct records *records, const struct group *g,
	const struct classic_member *old, const struct classic_member *fresh,
	const struct sync_group_request *assignments, int64_t wall_ms);
void records_classic_tombstone(struct records *records, struct str group_id);
void records_offset(struct records *records, struct str group_id, struct str topic,
	const struct committed *committed);
void records_offset_tombstone(struct records *records, struct str group_id, struct str topic,
	int32_t partition);

/* An append's refusal, as clients of groups know it. */
int16_t group_append_error(int16_t error);

/* ---- classic.c and its parts ---- */

void classic_init(struct classic *classic);
/* Free members and all; calls that are parked are answered with error (0:
 * just dropped). */
void classic_release(struct groups *groups, struct group *g, int16_t error);
void classic_stop(struct groups *groups, struct group *g); /* answer what is parked */

/* What a member is made of; everything is copied. */
struct classic_spec {
	struct str id, instance_id, client_id, client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	const struct join_group_request_protocol *protocol;
	int32_t nprotocol;
};
struct classic_member *classic_add(struct groups *groups, struct group *g,
	const struct classic_spec *spec);
/* Parked calls are answered UNKNOWN_MEMBER_ID; the rebalance is up to the
 * caller. */
void classic_remove(struct groups *groups, struct group *g, struct classic_member *member);
void classic_set_assignment(struct groups *groups, struct classic_member *member,
	struct str assignment);
struct classic_member *classic_find(const struct group *g, struct str id);
/* May this member speak?  0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
int16_t classic_check_member(const struct group *g, struct str id, struct str instance_id);
struct classic_member *classic_find_static(const struct group *g, struct str instance_id);
/* The metadata a member gave for the protocol; empty if none. */
struct str classic_metadata(const struct classic_member *member, struct str protocol);
/* The session time-out starts again. */
void classic_alive(struct groups *groups, struct classic_member *member, struct coord_now now);
/* Somebody came, went or changed.  STABLE, COMPLETING, EMPTY: to PREPARING.
 * PREPARING: on to the next generation if all are there (not during the
 * initial rebalance: its timer decides). */
void classic_rebalance(struct groups *groups, struct group *g, struct coord_now now);
/* PREPARING ends: a new generation with those who are there. */
void classic_complete(struct groups *groups, struct group *g, struct coord_now now);
const char *classic_state_name(enum classic_state s);

void classic_join(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_sync(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now);
void classic_leave(struct groups *groups, struct coord_call *call, struct coord_now now);

/* Answers that all have the same shape but for the code. */
void classic_answer_join(struct groups *groups, struct coord_call *call, struct str member_id,
	int16_t error);
void classic_answer_sync(struct groups *groups, struct coord_call *call, int16_t error);
void classic_answer_heartbeat(struct groups *groups, struct coord_call *call, int16_t error);

/* Replay of a group metadata record; value NULL: a tombstone. */
void classic_replay(struct groups *groups, struct str group_id,
	const struct group_metadata_value *v);
/* Somebody of the group is subscribed to the topic, or we can't tell. */
bool classic_is_subscribed(const struct group *gr, struct str topic);
/* Behind the replay of all: members get a session to come back. */
void classic_loaded(struct groups *groups, struct group *g, struct coord_now now);

/* ---- offsets.c ---- */

void offsets_commit(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_fetch(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_delete(struct groups *groups, struct coord_call *call, struct coord_now now);
void offsets_txn_commit(struct groups *groups, struct coord_call *call, struct coord_now now);

struct offset_topic *offsets_topic(const struct group *g, struct str name); /* or NULL */
struct committed *offsets_find(const struct group *g, struct str topic, int32_t partition);
/* c->metadata is copied. */
void offsets_set(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed);
void offsets_remove(struct groups *groups, struct group *g, struct str topic, int32_t partition);
void offsets_set_pending(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed, const struct coord_producer *producer);
bool offsets_is_pending(const struct group *gr, struct str topic, int32_t partition);
void offsets_release(struct groups *groups, struct group *g); /* all, pending ones too */
/* Write tombstones for what pick says true to, committed or pending, and
 * forget it; in portions, so that a failure may leave some.  0 or an error. */
int16_t offsets_purge(struct groups *groups, struct group *g,
	bool (*pick)(const void *ctx, const struct group *g, struct str topic,
		const struct committed *committed),
	const void *ctx, struct coord_now now);
/* Group and offsets go, in the log too.  0 or an error. */
int16_t group_delete(struct groups *groups, struct group *g, struct coord_now now);
/* Is the topic read in the group, of either kind, as far as we can tell? */
bool group_is_subscribed(const struct group *gr, struct str topic);
void offsets_start_expiry(struct groups *groups, struct coord_now now);

/* ---- group_admin.c ---- */

void admin_describe(struct groups *groups, struct coord_call *call, struct coord_now now);
void admin_list(struct groups *groups, struct coord_call *call, struct coord_now now);
void admin_delete(struct groups *groups, struct coord_call *call, struct coord_now now);

/* ---- what the consumer protocol gives (consumer_*.c) ----
 *
 * gr is of GROUP_CONSUMER unless said otherwise. */

/* The two APIs. */
void consumer_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now);
void consumer_describe(struct groups *groups, struct coord_call *call, struct coord_now now);

/* A record with key type 3..8 or 16; value null: a tombstone.  Makes and
 * frees groups as the records say. */
void consumer_replay(struct groups *groups, int16_t key_version, struct str key,
	struct str value);
/* Behind the replay of all: set timers. */
void consumer_loaded(struct groups *groups, struct group *g, struct coord_now now);

/* Free gr->consumer and its timers (NULL is fine, and then kind may be any). */
void consumer_release(struct groups *groups, struct group *g);
int32_t consumer_member_count(const struct group *g);
const char *consumer_state_name(const struct group *g);
/* Tombstones of all records of the consumer half. */
void records_consumer_tombstones(struct records *records, const struct group *g);

/* The classic protocol, spoken to a consumer group that has members: each
 * answers the call, or parks it.  (An empty consumer group becomes a classic
 * one in classic_join, with records_consumer_tombstones.) */
void consumer_classic_join(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
void consumer_classic_sync(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
void consumer_classic_heartbeat(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now);
/* One member of a LeaveGroup; the caller gathers the codes. */
int16_t consumer_classic_leave(struct groups *groups, struct group *g, struct str member_id,
	struct str instance_id, struct coord_now now);

/* May this member, at this epoch, commit or fetch?  0, or the error to answer
 * (UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION for a member that
 * speaks classic).  member_id "" and epoch -1 of an empty group: 0. */
int16_t consumer_check_commit(const struct group *g, struct str member_id,
	struct str instance_id, int32_t epoch, bool is_transactional, int16_t api_version);
int16_t consumer_check_fetch(const struct group *g, struct str member_id, int32_t epoch);
/* Somebody is subscribed to the topic: its offsets neither expire nor may be
 * deleted. */
bool consumer_is_subscribed(const struct group *gr, struct str topic);

void consumer_topics_changed(struct groups *groups, struct group *g, struct coord_now now);
/* The broker stops: answer what is parked with NOT_COORDINATOR. */
void consumer_stop(struct groups *groups, struct group *g);

#endif
