/*
 * A member of a consumer group: joins, learns which partitions are assigned to it
 * and the group's committed offsets of them, sends heartbeats, commits offsets, and
 * leaves.
 *
 *	member_init(&m, &cl, &o, topics, ntopic, &e);
 *	for (;;) {
 *		member_work(&m);
 *		if (m.is_failed) ...
 *		if (m.nrevoked > 0) {
 *			... write out what was read; member_move ...
 *			member_commit(&m);
 *			member_flush(&m, 5000);
 *		}
 *		while ((part = member_next(&m)))
 *			if (part->state == MEMBER_GAINED)
 *				... read it from part->committed (-1: your choice) ...
 *				member_accept(&m, part, offset);
 *			else
 *				... stop reading it ...
 *				member_give_back(&m, part);
 *		... fetcher_wait, for at most member_timeout(&m) ...
 *	}
 *	member_leave(&m, 5000);
 *	cluster_close(&cl);
 *	member_release(&m);
 *
 * Two protocols.  Consumer (KIP-848): the broker assigns the partitions; used if the
 * broker knows ConsumerGroupHeartbeat and accepts the member.  Classic: one member
 * assigns them (assign.h).  In a classic group a member keeps its partitions during
 * a rebalance if all its assignors are cooperative; otherwise it gives them all back
 * first.
 *
 * Only member_flush and member_leave wait, for at most their timeout, and
 * member_work while the cluster connects (connect_timeout_ms) or, rarely, fetches
 * metadata.  member_work sends the heartbeats: call it at least once a second, also
 * while output is slow.
 *
 * Handled without a report: a coordinator that moves, loads or restarts, lost
 * connections, and removal from the group (the partitions are then LOST, and the
 * member joins again).  Failures for good: errors that a retry cannot cure, another
 * process that took over our group.instance.id, and retry_timeout_ms without success.
 * A new member takes an instance id over from whoever has it, in both protocols.
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
	const char *instance;        /* group.instance.id of a static member; NULL: dynamic */
	const char *assignors;       /* comma-separated names, preferred first; NULL: all
	                              * (classic), the broker's default (consumer) */
	enum member_protocol protocol;
	int session_timeout_ms;      /* classic: a member silent for longer is removed */
	int rebalance_timeout_ms;    /* how long a rebalance waits for this member */
	int heartbeat_ms;            /* classic: interval */
	int request_timeout_ms;
	int retry_backoff_ms;
	int retry_timeout_ms;
	int refresh_ms;              /* classic leader: interval of looking for new partitions */
};

/* Fill with the defaults. */
void member_opts_init(struct member_opts *o);

enum member_part_state {
	MEMBER_WAITING, /* assigned; its committed offset is being fetched */
	MEMBER_GAINED,  /* ready to be read: call member_accept */
	MEMBER_HELD,    /* being read */
	MEMBER_REVOKED, /* to be given up: commit, then call member_give_back */
	MEMBER_LOST,    /* assigned to another member already, or its topic was deleted and
	                 * created again: call member_give_back */
};

struct member_part {
	struct cluster_topic *topic;
	int32_t index;
	int generation;              /* of the topic when it was assigned */
	enum member_part_state state;
	int64_t committed;           /* the group's committed offset; -1: none */
	char *committed_text;        /* the metadata stored with it when it was assigned; or NULL */
	int64_t position;            /* offset to commit: the next record of the owner; -1 */
	int32_t position_epoch;      /* leader epoch of the record before position; -1 */
	char *position_text;         /* metadata to commit with position; or NULL */
	uint32_t text_number;        /* which metadata that is */
	uint32_t text_sent, text_stored; /* of the OffsetCommit under way; of the last one */
	int64_t sent;                /* offset in the OffsetCommit under way; -1 */
	bool is_in_use;              /* set by an owner that refers to it before it accepts it: it
	                              * is then REVOKED or LOST like one that is read, else it is
	                              * freed when it is taken away */
	bool is_target;              /* scratch: in the new assignment */
	bool is_asked;               /* in the OffsetFetch under way */
	void *owner;                 /* for the owner's use */
};

/* Is the topic still the one whose partition was assigned? */
static inline bool
member_is_current(const struct member_part *part)
{
	return part->generation == part->topic->generation;
}

/* A partition, by topic. */
struct member_tp {
	struct cluster_topic *topic;
	int32_t index;
};

/* A partition, by topic id. */
struct member_goal {
	struct uuid id;
	int32_t index;
};

/* A request, at most one of its kind under way. */
struct member_call {
	struct call call;
	struct member *member;
	bool is_busy;
};

enum member_stage {
	MEMBER_OUT,       /* not in the group, or about to rejoin */
	MEMBER_JOINING,   /* JoinGroup, or the first heartbeat, under way */
	MEMBER_SYNC_DUE,  /* joined; SyncGroup is to be sent */
	MEMBER_SYNCING,   /* SyncGroup under way */
	MEMBER_ASSIGNED,  /* an assignment was received and is to be applied */
	MEMBER_IN,        /* has an assignment */
};

/* Owners read opts, topic, ntopic, member_id, generation, heartbeat_ms, part, npart,
 * nrevoked, nlost, is_failed and err. */
struct member {
	struct cluster *cluster;
	struct member_opts opts;
	struct cluster_topic **topic;
	int ntopic;
	enum member_protocol protocol; /* in use; AUTO until the coordinator is known */
	const struct assign_kind *offered[8]; /* classic assignors */
	int noffered;
	bool is_cooperative;           /* all classic assignors are */
	char *server_assignor;         /* for the broker (consumer); or NULL */

	/* the coordinator, and requests to it */
	int32_t coordinator;           /* node id; -1: unknown */
	struct member_call control;    /* FindCoordinator, JoinGroup, SyncGroup, heartbeats */
	struct member_call fetch;      /* OffsetFetch; or leaving */
	struct member_call commit;     /* OffsetCommit */
	int64_t heartbeat_at_ms;       /* when the next heartbeat is due */
	int64_t retry_at_ms, offsets_at_ms, commit_at_ms; /* earliest time of the next one */
	int64_t failing_since_ms;      /* 0: no failure */
	struct cluster_outage refusal;
	bool is_failed;                /* for good, by err */
	struct err err;

	/* membership */
	enum member_stage stage;
	char *member_id;
	int32_t generation;            /* or member epoch; -1 (classic), 0 (consumer): none */
	int heartbeat_ms;
	bool is_leaving;
	bool is_at_work;               /* in member_work, which may wait */

	/* partitions */
	struct member_part **part;
	int npart, part_cap;
	int nrevoked, nlost;           /* number of partitions in these states */
	bool wants_commit;
	int32_t commit_generation;     /* of the OffsetCommit under way */

	/* classic protocol */
	bool wants_rejoin;             /* once no partition is revoked */
	bool is_leader;
	bool skips_sync;               /* the leader need not send an assignment (KIP-814) */
	const struct assign_kind *chosen;
	int64_t nknown_part;           /* of all topics, at the last assignment as leader */
	int64_t refresh_at_ms;         /* when the leader looks for new partitions */
	struct buf joined;             /* response to JoinGroup, then to SyncGroup */
	int16_t joined_version;
	struct member_tp *last;        /* the assignment of last_generation */
	int nlast;
	int32_t last_generation;

	/* consumer protocol */
	struct member_goal *goal;      /* the assignment to be applied */
	int ngoal;
	bool has_goal;
	bool must_report;              /* the next heartbeat lists the owned partitions */
	bool must_report_all;          /* the next heartbeat has all fields */
	bool was_member;               /* the broker has accepted us at least once */
	bool must_take_over;           /* another member has our instance id */
	char *predecessor;             /* its member id, to be released; or NULL */
};

/* Nothing is sent yet.  The topics' pointers are copied.  Returns 0, or -1
 * (ERR_USAGE: an unknown assignor). */
int member_init(struct member *m, struct cluster *cl, const struct member_opts *o,
	struct cluster_topic **topic, int ntopic, struct err *e);

/* After cluster_close, or with no request under way. */
void member_release(struct member *m);

/* Do what is due.  Call it each time cluster_wait has returned. */
void member_work(struct member *m);

/* Send a heartbeat if it is due, and nothing else: for an owner that waits for something else
 * (cluster_opts.meanwhile).  What the answer says, the next member_work does; in one that waits
 * itself, nothing is sent.  May wait while the cluster connects. */
void member_beat(struct member *m);

/* How long the caller may wait before the next member_work, in ms. */
int member_timeout(const struct member *m);

/* Does the broker accept our offset commits?  False while the member joins. */
static inline bool
member_has_place(const struct member *m)
{
	return m->stage == MEMBER_IN && m->generation >= 0;
}

/* Does the owner have to give back a partition?  See member_next. */
static inline bool
member_must_give_back(const struct member *m)
{
	return m->nrevoked > 0 || m->nlost > 0;
}

/* Make a heartbeat due now: its response says whether we are still a member. */
void member_heartbeat_now(struct member *m);

/* A partition that is REVOKED, LOST or, if there are none, GAINED; or NULL. */
struct member_part *member_next(struct member *m);

/* The owner reads a GAINED partition from offset.  The next commit stores this
 * offset, if it is not the committed one. */
void member_accept(struct member *m, struct member_part *part, int64_t offset);

/* The owner has stopped reading a HELD partition, and wants to know its committed offset:
 * it will be GAINED again. */
void member_ask_again(struct member *m, struct member_part *part);

/* The owner has stopped reading a REVOKED or LOST partition; part may be freed. */
void member_give_back(struct member *m, struct member_part *part);

/* The owner is done with all records before offset; the next commit stores it. */
static inline void
member_move(struct member_part *part, int64_t offset, int32_t leader_epoch)
{
	part->position = offset;
	part->position_epoch = leader_epoch;
}

/* The metadata to be stored with the positions committed from now on; null: none. */
void member_annotate(struct member_part *part, struct str text);

/* As member_move, when a transaction has already stored the offset for the group. */
static inline void
member_note_stored(struct member_part *part, int64_t offset, int32_t leader_epoch)
{
	member_move(part, offset, leader_epoch);
	part->committed = offset;
}

/* Commit all positions that differ from the committed offsets, or whose metadata has changed.
 * member_work sends the request and repeats it as needed. */
void member_commit(struct member *m);

/* Wait until the commit is done.  Returns false if it was not done within
 * timeout_ms, or if the partitions are no longer ours to commit. */
bool member_flush(struct member *m, int timeout_ms);

/* In the group, with all assigned partitions HELD and no rebalance pending? */
bool member_is_stable(const struct member *m);

/* Leave the group, so that its partitions are reassigned at once.  (A static member
 * of a classic group sends nothing: it is expected back.)  Waits for at most
 * timeout_ms.  Commits nothing. */
void member_leave(struct member *m, int timeout_ms);

#endif
