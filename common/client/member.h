/*
 * A member of a group of consumers: joins, learns which partitions are its own
 * and where the group stopped reading them, keeps its place by heartbeats, stores
 * offsets, and leaves.
 *
 *	member_init(&m, &cl, &o, topics, ntopic);
 *	for (;;) {
 *		member_work(&m);
 *		if (m.is_failed) ...
 *		if (m.nrevoked > 0) {
 *			... write out what was read; member_move ...
 *			member_commit(&m);
 *			member_flush(&m, 5000);
 *		}
 *		while ((p = member_next(&m)))
 *			if (p->state == MEMBER_GAINED)
 *				... read p from p->committed (-1: your choice) ...
 *				member_accept(&m, p, offset);
 *			else
 *				... stop reading p ...
 *				member_give_back(&m, p);
 *		... fetcher_wait, for at most member_timeout(&m) ...
 *	}
 *	member_leave(&m, 5000);
 *	cluster_close(&cl);
 *	member_release(&m);
 *
 * Two protocols: consumer (KIP-848), where the broker divides, spoken when the
 * broker knows ConsumerGroupHeartbeat and takes us; and classic, where one member
 * divides (assign.h).  Classic: with a cooperative assignor alone a member keeps
 * what it has while the group rebalances; with any other in the list it gives
 * all back first.
 *
 * Nothing here waits but member_flush and member_leave, for as long as they are
 * told, and member_work where the cluster connects (connect_timeout_ms of its
 * options) or, rarely, asks for metadata.  Heartbeats leave from member_work: call
 * it at least once a second, also while output is slow.
 *
 * Survived, without a word: a coordinator that moves, loads or restarts, lost
 * connections, being forgotten (the partitions are then LOST, and it joins
 * anew).  Failed for good: refusals that will not change, another process with
 * our instance, and retry_timeout_ms without any answer that helps.
 *
 * Uses: cluster, assign.  One thread.
 */
#ifndef KQ_CLIENT_MEMBER_H
#define KQ_CLIENT_MEMBER_H

#include "client/assign.h"
#include "client/cluster.h"

enum member_protocol { MEMBER_AUTO, MEMBER_CLASSIC, MEMBER_CONSUMER };

struct member_opts {
	const char *group;
	const char *instance;        /* static member of that name; NULL: none */
	const char *assignors;       /* names by preference, with commas; NULL: all
	                              * (classic), the broker's choice (consumer) */
	enum member_protocol protocol;
	int session_timeout_ms;      /* classic: silent for so long is gone */
	int rebalance_timeout_ms;    /* others wait for us for so long */
	int heartbeat_ms;            /* classic */
	int request_timeout_ms;
	int retry_backoff_ms;
	int retry_timeout_ms;
	int refresh_ms;              /* classic leader: look for new partitions */
};

void member_opts_init(struct member_opts *o);

enum member_part_state {
	MEMBER_WAITING, /* ours; where to begin is being asked */
	MEMBER_GAINED,  /* the owner may begin: member_accept */
	MEMBER_HELD,    /* being read */
	MEMBER_REVOKED, /* store offsets, then member_give_back */
	MEMBER_LOST,    /* somebody else's by now, or of a topic that was deleted and
	                 * created again: member_give_back */
};

struct member_part {
	struct cluster_topic *topic;
	int32_t index;
	int generation;              /* of the topic */
	enum member_part_state state;
	int64_t committed;           /* what the group has stored; -1: nothing */
	int64_t position;            /* of the owner: the next one to be read */
	int32_t position_epoch;      /* leader epoch of the one before; -1 */
	int64_t sent;                /* in the commit under way */
	bool is_target;              /* scratch: in the new assignment */
	bool is_asked;               /* in the OffsetFetch under way */
	void *owner;                 /* the owner's */
};

/* Is the topic still the one that the partition was given to us of? */
static inline bool
member_is_current(const struct member_part *part)
{
	return part->generation == part->topic->generation;
}

/* A partition by its topic; by its topic's id. */
struct member_tp {
	struct cluster_topic *topic;
	int32_t index;
};
struct member_goal {
	struct uuid id;
	int32_t index;
};

/* One request under way, by kind. */
struct member_call {
	struct call call;
	struct member *member;
	bool is_busy;
};

enum member_stage {
	MEMBER_OUT,       /* not in the group, or to rejoin */
	MEMBER_JOINING,   /* JoinGroup under way */
	MEMBER_SYNC_DUE,  /* joined, SyncGroup to be sent */
	MEMBER_SYNCING,
	MEMBER_ASSIGNED,  /* an assignment has come, to be taken up */
	MEMBER_IN,        /* has one */
};

struct member {
	struct cluster *cluster;
	struct member_opts opts;
	struct cluster_topic **topic;
	int ntopic;
	enum member_protocol protocol; /* the one in use; never AUTO once begun */
	const struct assign_kind *offered[8];
	int noffered;
	bool is_cooperative;
	char *server_assignor;         /* or NULL */

	struct member_call control;    /* coordinator, join, sync, heartbeat */
	struct member_call fetch;      /* OffsetFetch */
	struct member_call commit;     /* OffsetCommit */
	int32_t coordinator;           /* node id; -1: to be found */
	enum member_stage stage;
	char *member_id;
	int32_t generation;            /* or member epoch; -1, 0: none */
	int heartbeat_ms;
	int64_t heartbeat_at_ms;
	int64_t retry_at_ms, offsets_at_ms, commit_at_ms;
	int64_t failing_since_ms;      /* 0: all is well */
	struct cluster_outage refusal;

	struct member_part **part;
	int npart, part_cap;
	int nrevoked, nlost;           /* parts in those states */
	bool wants_rejoin;             /* classic: as soon as nothing is revoked */
	bool wants_commit;
	bool must_report;                 /* consumer: tell what we have */
	bool must_report_all;                  /* consumer: the next heartbeat says all */
	bool is_leaving;

	bool is_leader, skips_sync;    /* classic; skips: nothing to divide */
	const struct assign_kind *chosen;
	int64_t nknown_part;           /* of all topics, when we last divided */
	int64_t refresh_at_ms;
	struct buf joined;             /* the answer to JoinGroup, then SyncGroup */
	int16_t joined_version;
	struct member_tp *last;      /* the assignment of last_generation */
	int nlast;
	int32_t last_generation;
	int32_t commit_generation;     /* in the commit under way */

	struct member_goal *goal;      /* consumer: what we are to have */
	int ngoal;
	bool has_goal;
	bool was_member;                   /* the broker took us once */

	bool is_failed;                /* for good, by err */
	struct err err;
};

/* Nothing is sent yet.  Returns 0, or -1 (ERR_USAGE: an assignor that nobody
 * knows). */
int member_init(struct member *m, struct cluster *cl, const struct member_opts *o,
	struct cluster_topic **topic, int ntopic, struct err *e);

/* After cluster_close, or with nothing under way. */
void member_release(struct member *m);

/* Do what is due.  Call it whenever cluster_wait has returned. */
void member_work(struct member *m);

/* How many ms the caller may wait before the next member_work. */
int member_timeout(const struct member *m);

/* Does the broker accept offsets in our name?  False while the member joins. */
static inline bool
member_has_place(const struct member *m)
{
	return m->stage == MEMBER_IN && m->generation >= 0;
}

/* Is a partition to be given back?  See member_next. */
static inline bool
member_must_give_back(const struct member *m)
{
	return m->nrevoked > 0 || m->nlost > 0;
}

/* Send the next heartbeat at once: its answer says whether we have a place. */
void member_heartbeat_now(struct member *m);

/* A partition that the owner has to do something about, or NULL. */
struct member_part *member_next(struct member *m);

/* The owner reads a GAINED one, from offset: that is stored too, with the next
 * commit, unless it is what was stored. */
void member_accept(struct member *m, struct member_part *part, int64_t offset);

/* The owner has stopped; p is freed. */
void member_give_back(struct member *m, struct member_part *part);

/* The owner has done all before offset; commits say so from now on. */
static inline void
member_move(struct member_part *part, int64_t offset, int32_t leader_epoch)
{
	part->position = offset;
	part->position_epoch = leader_epoch;
}

/* The same, where a transaction has stored the offset for the group already. */
static inline void
member_note_stored(struct member_part *part, int64_t offset, int32_t leader_epoch)
{
	member_move(part, offset, leader_epoch);
	part->committed = offset;
}

/* Store the positions that are not stored yet (soon; repeated as needed). */
void member_commit(struct member *m);

/* Wait until nothing is left to be stored.  False: not within timeout_ms, or we
 * are no longer the ones to store it. */
bool member_flush(struct member *m, int timeout_ms);

/* In the group, with an assignment that is wholly taken up? */
bool member_is_stable(const struct member *m);

/* Leave: the others are told (a static member of a classic group says nothing and
 * is expected back).  Waits for at most timeout_ms.  Stores nothing. */
void member_leave(struct member *m, int timeout_ms);

#endif
