/*
 * The coordinator: drives the state machines of groups (common/group) and of
 * transactions (common/txn), keeps their records in __consumer_offsets and
 * __transaction_state, and writes the markers that end transactions.
 *
 * It handles one request at a time, each with its own copy of its frame.  A
 * response is sent once everything appended before it is on disk.
 *
 * Threads: its thread holds its lock except while it waits for events.  A
 * reactor that finds the lock free, and nothing posted to the thread, does
 * short work itself: a request of API_QUICK, or a check.  Two switches of
 * threads would cost more than the work.  Otherwise the reactor posts.  So the
 * requests of one connection stay in order, and a reactor never waits for the
 * coordinator.
 *
 * What must be on disk before what.  (Where durability is "disk"; a process
 * that is killed loses nothing that it appended, so this is about the machine
 * going down, or a failed sync.)
 *
 *  - The record that a partition is part of a transaction, before anything of
 *    the transaction is appended to the partition.  Otherwise nobody would know
 *    to end the transaction there.
 *  - Everything appended in the transaction, before its Prepare to commit; so
 *    EndTxn waits for the partitions.  A single write is acknowledged earlier:
 *    without Prepare nothing of the transaction counts.  But the producer
 *    relies on what was acknowledged, and must not commit the rest if that is
 *    lost.  So after the machine went down every open transaction is aborted
 *    and its producer fenced; by the first rule, the disk tells which are open.
 *  - Prepare, before any marker is appended, and before EndTxn is answered: one
 *    marker is enough to make records visible.
 *  - All markers, before Complete is appended, and so before the next
 *    transaction begins: the coordinator can write a marker again only while it
 *    remembers the transaction.  Nothing waits for Complete itself: the id's
 *    next record follows it in the same log.
 *
 * The caller of a function holds the lock (it is the coordinator's thread, or
 * between coordinator_enter and coordinator_leave), unless stated otherwise.
 */
#ifndef KQ_BROKER_COORDINATOR_H
#define KQ_BROKER_COORDINATOR_H

#include "coord/coord.h"
#include "kq-broker/partition.h"
#include "kq-broker/request.h"
#include "sys/loop.h"

enum coordinator_kind { COORD_GROUPS, COORD_TXNS, COORD_N };

struct catalog;
struct config_set;
struct coordinator;
struct datadir;
struct dynamic;
struct markers;
struct producer_ids;
struct topics;

/* What the coordinator needs of its broker; all borrowed. */
struct coordinator_deps {
	const struct config_set *settings; /* as of the start */
	struct dynamic *dynamic;
	struct topics *topics;
	struct catalog *catalog;
	struct producer_ids *producer_ids;
	struct datadir *dir;
	int32_t epoch;            /* one more after each unclean stop */
	bool use_uring;
	int sync_files_max;       /* files that its syncer may hold open */
	bool commits_aborted, tears_commits; /* test.fault */
};

/* ---- beginning and end; the main thread ---- */

/* Before any thread runs, and after the topics were loaded.  NULL: *e says why. */
struct coordinator *coordinator_new(const struct coordinator_deps *deps, struct err *e);

/* Start its thread, which first loads the two topics; requests wait meanwhile. */
int coordinator_start(struct coordinator *coord, struct err *e);

/* Answer all requests that wait for something to happen.  Any thread. */
void coordinator_quiesce(struct coordinator *coord);

/* End its thread; after the reactors ended. */
void coordinator_stop(struct coordinator *coord);
void coordinator_free(struct coordinator *coord); /* NULL: fine */

/* ---- requests ---- */

/* Does the topic that stores the records of this kind exist?  Any thread. */
bool coordinator_has_topic(const struct coordinator *coord, enum coordinator_kind kind);

/* Create it unless it exists.  0, or an error.  Control thread, without the lock. */
int16_t coordinator_make_topic(struct coordinator *coord, enum coordinator_kind kind);

/* May its state be used?  False: a stop interrupted the loading, and there is only
 * a part of it.  With the lock. */
bool coordinator_is_ready(const struct coordinator *coord);

/* The handler of all requests to groups and transactions.  With the lock. */
void coordinator_handle(struct coordinator *coord, struct request *rq);

/* The coordinator epoch (KIP-98): in its markers, and one more after each unclean
 * start.  Any thread. */
int32_t coordinator_epoch(const struct coordinator *coord);

/* What writes markers for it, also those of other coordinators. */
struct markers *coordinator_markers(struct coordinator *coord);

/* ---- the check of a transactional write (KIP-890) ---- */

/* Filled in by a reactor.  done is posted to loop once error is set; or
 * coordinator_check_now sets error at once. */
struct txn_check {
	struct str transactional_id;
	struct coord_producer producer;
	const struct coord_partition *v; /* the partitions written to */
	int n;
	bool may_add;         /* add them to the transaction if they are not in it */
	struct loop *loop;    /* the reactor's */
	struct loop_task done;
	int16_t error;        /* the result */
	/* The coordinator's own: */
	struct coordinator *coordinator;
	struct loop_task task;
	struct list link;     /* in its checks */
	struct ack_wait ack;
	struct loop_timer retry;
	int64_t give_up_ms;   /* monotonic */
	bool awaits_end;      /* of the producer's last transaction */
};
void coordinator_check(struct coordinator *coord, struct txn_check *check); /* any thread */

/* True: decided; the result is check->error.  False: cannot be decided without
 * waiting; call coordinator_check, nothing of the check was kept.  Any thread but
 * the coordinator's, without the lock. */
bool coordinator_check_now(struct coordinator *coord, struct txn_check *check);

/* ---- the lock; any thread ---- */

/* True: the caller is the coordinator until it leaves.  False: another thread
 * is, or work was posted earlier and comes first. */
bool coordinator_enter(struct coordinator *coord);
void coordinator_leave(struct coordinator *coord);

/* Run a task on the coordinator's thread; its fn first calls coordinator_unpost. */
void coordinator_post(struct coordinator *coord, struct loop_task *task);
void coordinator_unpost(struct coordinator *coord);

#endif
