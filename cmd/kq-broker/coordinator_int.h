/*
 * The inside of the coordinator, for its own files:
 *
 *   coordinator.c         the thread and its lock, timers, the two topics
 *   coordinator_request.c requests, what they wait for, held responses
 *   coordinator_check.c   checks of transactional writes
 *   coordinator_env.c     what the state machines need of the broker
 *   coordinator_load.c    reading the two topics at the start
 *
 * The caller of each function holds the lock.
 */
#ifndef KQ_BROKER_COORDINATOR_INT_H
#define KQ_BROKER_COORDINATOR_INT_H

#include "base/list.h"
#include "group/groups.h"
#include "kq-broker/coordinator.h"
#include "kq-broker/markers.h"
#include "kq-broker/topics.h"
#include "record/builder.h"
#include "txn/txns.h"

#include <pthread.h>
#include <stdatomic.h>

struct coordinator_topic {
	const char *name;
	int32_t npartition;
	struct partition **partition; /* references; NULL until looked up */
	atomic_bool is_there;         /* the topic exists; any thread */
};

struct coordinator {
	struct coordinator_deps deps;
	struct loop loop;
	struct syncer *syncer;
	pthread_t thread;
	pthread_mutex_t lock;    /* the loop's lock; of all here that is not atomic */
	bool is_started;
	bool is_loaded;          /* other threads than its own may enter */
	bool load_aborted;       /* loading was interrupted: the partial state must not be used */
	atomic_bool is_stopping; /* any thread */
	atomic_int nposted;      /* tasks posted and not yet run; any thread */
	struct list deferred;    /* struct loop_task: to run before the lock is released */
	struct coordinator_topic topic[COORD_N];
	struct coord_env groups_env, txns_env;
	struct groups *groups;
	struct txns *txns;
	struct loop_timer groups_timer, txns_timer;
	struct list held;        /* struct coord_request: responses that wait for the disk */
	struct list ends;        /* EndTxns that wait for the disk: coordinator_request.c */
	struct list commits;     /* Prepares that wait for the disk: coordinator_env.c */
	struct markers markers;
	struct list checks;      /* struct txn_check, in order of arrival */
	struct arena scratch;    /* of one call into a state machine */
	struct builder builder;  /* of one append, as is packed */
	struct buf packed;
	struct topics_listener listener;
	atomic_bool is_topics_task_posted; /* any thread */
	struct loop_task topics_task, stop_task;
};

/* A request while the coordinator has it; in the request's arena. */
struct coord_request {
	struct coord_call call;
	struct coordinator *coordinator;
	struct request *rq;
	struct ack_wait ack;
	struct list link;     /* in held */
	int32_t next, last;   /* partitions that the response still waits for */
	enum coordinator_kind kind;
};

static inline struct coord_now
coordinator_now(const struct coordinator *coord)
{
	return (struct coord_now){ coord->loop.now_ms, coord->loop.wall_ms };
}

/* After any call into the state machines: arm their timers, reset scratch. */
void coordinator_end_call(struct coordinator *coord);

/* Run the task after the call into a state machine that is under way has
 * returned, and before the lock is released. */
void coordinator_defer(struct coordinator *coord, struct loop_task *task);

/* Borrowed; NULL: the topic does not exist. */
struct partition *coordinator_partition(struct coordinator *coord, enum coordinator_kind kind,
	int32_t index);

/* Encode the response; send it once what was appended to the call's partition is
 * on disk. */
void coordinator_respond(struct coordinator *coord, enum coordinator_kind kind,
	struct coord_call *call, const void *response);

/* The producer's transaction has ended: a check that waits for that goes on. */
void coordinator_txn_ended(struct coordinator *coord, int64_t producer_id);

void coordinator_env_init(struct coordinator *coord);

/* At the end, when no thread runs: close the requests that wait; report the checks
 * as failed; drop the markers, and the Prepares that wait. */
void coordinator_drop_requests(struct coordinator *coord);
void coordinator_drop_checks(struct coordinator *coord);
void coordinator_env_release(struct coordinator *coord);

/* Read both topics into the state machines.  Sets load_aborted when a stop
 * interrupts it. */
void coordinator_load(struct coordinator *coord);

#endif
