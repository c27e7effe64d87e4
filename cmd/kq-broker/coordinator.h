/*
 * The coordinator: drives the state machines of groups and of transactions
 * (common/group, common/txn), keeps their records in __consumer_offsets and
 * __transaction_state, and writes the markers that end transactions.
 *
 * Their requests come here one after the other, each with a copy of its
 * frame.  An answer leaves once everything appended before it is on disk.
 *
 * It is a thread, with a lock that it lets go only while it waits.  A reactor
 * that finds the lock free and nothing on its way to the thread does what is
 * quickly done by itself: a request of API_QUICK, or a check.  Two switches of
 * threads would cost more than that.  Else it posts.  So requests of one
 * connection stay in order, and a reactor never waits for the coordinator.
 *
 *   coordinator.c       the thread, requests, held answers, timers
 *   coordinator_check.c checks of transactional writes
 *   coordinator_env.c   what the state machines need of the world
 *   coordinator_load.c  reading the two topics at the start
 *   markers.c           writing the ends of transactions
 *
 * What has to be on disk before what (where durability is "disk"; a process
 * that is killed loses nothing that was appended, so this is about the machine
 * going down, or a sync that failed):
 *
 *  - That a partition is part of a transaction, before anything of it is
 *    appended there: else nobody would know to end it.
 *  - What was appended in the transaction, before Prepare is when it is to be
 *    committed; so EndTxn waits for the partitions.  Not before each write is
 *    acknowledged: as long as there is no Prepare there is nothing that counts.
 *    But the producer believes in what was acknowledged, and must not commit
 *    the rest when that is lost.  So after the machine went down every
 *    transaction that is open is aborted, and its producer shut out; that it is
 *    open is on disk, by the first rule.
 *  - Prepare, before any marker is appended, and before EndTxn is answered: one
 *    marker is enough for records to be seen.
 *  - All markers, before Complete is appended, and with it before the next
 *    transaction begins: what the coordinator does not know any more it can't
 *    write again.  Complete itself is waited for by nobody: the next record of
 *    the id stands behind it in the same log.
 *
 * Functions are the coordinator's, which is to say of whoever holds its lock,
 * unless they say otherwise.
 */
#ifndef KQ_BROKER_COORDINATOR_H
#define KQ_BROKER_COORDINATOR_H

#include "base/list.h"
#include "group/groups.h"
#include "txn/txns.h"
#include "kq-broker/partition.h"
#include "record/builder.h"
#include "kq-broker/request.h"
#include "sys/loop.h"

#include <pthread.h>
#include <stdatomic.h>

enum coordinator_kind { COORD_GROUPS, COORD_TXNS, COORD_N };

struct coordinator_topic {
	const char *name;
	int32_t npartition;
	struct partition **partition; /* references; NULL until looked up */
	atomic_bool is_there;         /* the topic exists; any thread */
};

struct coordinator {
	struct broker *broker;
	struct loop loop;
	struct syncer *syncer;
	pthread_t thread;
	pthread_mutex_t lock; /* the loop's guard: of all here that is not atomic */
	bool is_started;
	bool is_loaded;       /* all is known: others than the thread may enter */
	atomic_bool is_stopping;      /* any thread */
	atomic_int nposted;   /* requests and checks on their way; any thread */
	struct list soon;     /* struct loop_task: before the lock is let go */
	bool is_cut;          /* stopped while loading: nothing is to be done with
	                         what is known only in part */
	struct coordinator_topic topic[COORD_N];
	struct coord_env groups_env, txns_env;
	struct groups *groups;
	struct txns *txns;
	struct loop_timer groups_timer, txns_timer;
	struct list held;     /* struct coord_request: answers that wait */
	struct list ends;     /* struct end_wait */
	struct list commits;  /* struct commit_wait: transactions that wait */
	struct list markers;  /* struct marker_job */
	struct list checks;   /* struct txn_check, in the order of their coming */
	struct arena scratch; /* of one call into a state machine */
	struct builder builder;
	struct buf packed;
	atomic_bool is_noted; /* topics_task is on its way; any thread */
	struct loop_task topics_task, stop_task;
};

/* Before any thread runs: what there is of topics. */
int coordinator_init(struct coordinator *c, struct broker *b, struct err *e);
int coordinator_start(struct coordinator *c, struct err *e); /* its thread, which loads first */
void coordinator_quiesce(struct coordinator *c); /* any thread: answer all that waits */
void coordinator_stop(struct coordinator *c);    /* main thread, behind the reactors' end */
void coordinator_release(struct coordinator *c);

/* A handler for groups' or transactions' requests, on any thread: goes on to
 * the coordinator thread, by way of the control thread when the topic has yet
 * to be made. */
void coordinator_take(struct request *rq, enum coordinator_kind kind);

/* Make the topic if it isn't there; the control thread.  0, or an error. */
int16_t coordinator_make_topic(struct broker *b, enum coordinator_kind kind);

/* Told by the control thread: topics were made or grown; one is gone. */
void coordinator_note_topics(struct coordinator *c);
void coordinator_note_deleted(struct coordinator *c, struct str topic);

/* --- the check of a transactional write (KIP-890) --- */

/* Filled by a reactor, which is told by done, on its loop, with error set; or
 * at once, by coordinator_check_now. */
struct txn_check {
	struct str transactional_id;
	struct coord_producer producer;
	const struct coord_partition *v;
	int n;
	bool may_add;
	struct loop *loop;    /* the reactor's */
	struct loop_task done;
	int16_t error;
	/* The coordinator's own: */
	struct coordinator *coordinator;
	struct loop_task task;
	struct list link;     /* in checks */
	struct ack_wait ack;
	struct loop_timer retry;
	int64_t give_up_ms;
	bool awaits_end;      /* of the producer's last transaction */
};
void coordinator_check(struct coordinator *c, struct txn_check *k); /* any thread */

/* True: k->error is set, and that is all.  False: it can't be told at once, use
 * coordinator_check; nothing is kept of k.  Any thread but the coordinator's. */
bool coordinator_check_now(struct coordinator *c, struct txn_check *k);

/* --- whose turn it is; any thread --- */

/* True: the caller is the coordinator, until it leaves.  False: somebody else
 * is, or comes before it. */
bool coordinator_enter(struct coordinator *c);
void coordinator_leave(struct coordinator *c);

/* Run a request's or check's task on the thread; it begins with
 * coordinator_unpost. */
void coordinator_post(struct coordinator *c, struct loop_task *t);

static inline void
coordinator_unpost(struct coordinator *c)
{
	atomic_fetch_sub(&c->nposted, 1);
}

/* --- for the files above --- */

struct coord_request {
	struct coord_call call;
	struct request *rq;
	struct ack_wait ack;
	struct list link;     /* in held */
	int32_t next, last;   /* partitions that the answer still waits for */
	enum coordinator_kind kind;
};

/* An EndTxn that waits for what its transaction wrote. */
struct end_wait {
	struct list link;
	struct coord_request *request;
	int npart, nleft;
	bool has_failed;
	struct end_part {
		struct ack_wait ack; /* its partition is a reference of ours */
		struct end_wait *wait;
	} *part;
};

struct commit_wait {
	struct list link;
	struct ack_wait ack;
	struct coordinator *coordinator;
	uint64_t ticket;
};

/* Run t once the call into a state machine that is under way has returned, and
 * before the lock is let go. */
void coordinator_soon(struct coordinator *c, struct loop_task *t);

/* The producer's transaction has ended: its next one may begin. */
void coordinator_note_end(struct coordinator *c, int64_t producer_id);

void coordinator_env_init(struct coordinator *c);
void coordinator_load(struct coordinator *c);

/* Borrowed; NULL when there is none. */
struct partition *coordinator_partition(struct coordinator *c, enum coordinator_kind kind,
	int32_t index);

/* Answer once what was appended to the call's partition is on disk. */
void coordinator_respond(struct coordinator *c, enum coordinator_kind kind,
	struct coord_call *call, const void *response);

static inline struct coord_now
coordinator_now(const struct coordinator *c)
{
	return (struct coord_now){ c->loop.now_ms, c->loop.wall_ms };
}

/* After any call into the state machines. */
void coordinator_set_timers(struct coordinator *c);

#endif
