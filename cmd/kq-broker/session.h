/*
 * A session: one client's connection.  It reads frames, passes each to a
 * handler as a request, and sends the answers in the order of the requests.
 *
 * The sessions of one reactor share a loop, pools and two callbacks.
 *
 * Threads: the reactor's, unless noted.
 */
#ifndef KQ_BROKER_SESSION_H
#define KQ_BROKER_SESSION_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "kq-broker/request.h"
#include "sys/loop.h"
#include "sys/net.h"
#include "sys/stream.h"

struct verify;

/* Limits and counts of the sessions of all reactors.  Any thread. */
struct session_limits {
	int64_t idle_max_ms;       /* both are set before the threads start */
	int64_t frame_size_max;
	atomic_llong nsession;
	atomic_llong nsession_max; /* the control thread changes it */
	struct request_budget budget;
};

enum { INPUT_POOL_MAX = 4 };

/* The sessions of one reactor. */
struct sessions {
	struct list list;     /* struct session */
	struct list to_flush; /* those with answers to send in this round */
	struct request_pool requests;
	struct buf input[INPUT_POOL_MAX]; /* receive buffers not in use */
	int ninput;
	/* Set by the owner before the first session: */
	struct loop *loop;
	struct reactor *reactor;
	struct broker *broker;
	struct session_limits *limits;
	/* Handle a request whose frame is in rq->raw.  -1: it is malformed or not
	 * supported, *e says how; the connection is closed. */
	int (*handle)(struct request *rq, struct err *e);
	void (*emptied)(struct sessions *sessions); /* the last session was closed */
};

struct session {
	struct list link;     /* in sessions->list */
	struct list flush_link; /* in sessions->to_flush, or alone */
	struct sessions *sessions;
	struct loop_io io;
	struct stream stream; /* of the descriptor in io */
	const struct net_addr *advertised; /* the broker's address for this client */
	struct buf in;        /* from the pool while it holds anything */
	size_t in_at;         /* bytes of it already handled */
	struct list requests; /* struct request, the oldest first */
	int nrequest;
	struct verify *last_verify; /* the last of the requests that wait for the
	                         transaction coordinator (verify.h); NULL: none */
	size_t out_size;      /* bytes of answers not sent yet */
	int64_t active_ms;    /* monotonic time of the last input */
	struct loop_timer idle_timer;
	bool is_handling;     /* in its own input code: closing is deferred */
	bool is_closing;      /* as soon as that is over */
	bool is_draining;     /* reads no more; closes when all is answered */
	char peer[64];
};

void sessions_init(struct sessions *sessions, size_t arena_size_max);
void sessions_release(struct sessions *sessions); /* after the last was closed */

/* Open a session on an accepted connection; if there are nsession_max, close the
 * connection.  Takes over the descriptor.  advertised stays valid. */
void session_open(struct sessions *sessions, int fd, const struct net_addr *advertised);

/* Send the answers that were done in this round of the loop: all that wait for
 * one sync go out together. */
void sessions_flush(struct sessions *sessions);

/* Read no more; close each session when all its requests are answered. */
void sessions_drain(struct sessions *sessions);

/* Close all now; requests that run elsewhere end without a session. */
void sessions_close(struct sessions *sessions);

#endif
