/*
 * A request: the frame that was received, its decoded body, and the answer.
 *
 * A session creates a request and queues it; its answer is sent when all
 * earlier requests of the session have been answered.  The handler ends the
 * request once, by request_respond*, request_drop or request_close, at once or
 * later; then rq->end is called on the session's thread.
 *
 * A request starts on its session's thread, with slices of the body in the
 * session's receive buffer: they are invalid once the handler has returned.
 * To continue on another thread it takes a copy of the frame with it (see
 * lane.h); the slices are valid then until the request ends.
 *
 * Threads: a request belongs to one thread at a time.
 */
#ifndef KQ_BROKER_REQUEST_H
#define KQ_BROKER_REQUEST_H

#include "base/list.h"
#include "base/mem.h"
#include "log/partlog.h"
#include "sys/loop.h"
#include "sys/net.h"
#include "wire/frame.h"

#include <stdatomic.h>

struct broker;
struct reactor;
struct session;
struct request;

typedef void request_fn(struct request *rq);

/* Bytes that all requests of the broker may hold: receive buffers, requests
 * that wait, large answers.  Any thread. */
struct request_budget {
	atomic_llong used;
	int64_t used_max;
};

/* Requests not in use; one thread's.  Pooled since their memory is worth keeping. */
struct request_pool {
	struct list free;
	int nfree;
	size_t arena_size_max; /* bytes of one decoded body */
	struct request_budget *budget;
};

struct request {
	struct list link;     /* in the session's queue, or the pool */
	struct request_pool *pool;
	struct session *session; /* NULL: gone; the answer is not sent */
	struct loop *loop;    /* the session's */
	struct reactor *reactor; /* the one that runs the loop */
	struct broker *broker;
	const struct net_addr *advertised; /* the broker's address for this client */
	struct str raw;       /* the frame without its length */
	struct request_header header;
	size_t header_size;   /* bytes */
	const struct wire_api *wire;
	void *body;           /* struct NAME_request; NULL: not decoded yet */
	struct arena arena;   /* of the body and the response */
	bool is_away;         /* from the session's thread */
	bool is_done;         /* on the session's thread: the answer may be sent */
	bool is_silent;       /* done without an answer (acks=0) */
	bool must_close;      /* close the connection in place of an answer */
	struct buf frame;     /* when away: the copy behind raw */
	char client_host[NET_TEXT_SIZE]; /* when away: "/127.0.0.1", as in Kafka */
	struct loop_task task;
	request_fn *step;     /* what the task runs on another thread */
	request_fn *end;      /* the session's; called on its thread */
	/* Called when the session closes before the request is done: cancels what
	 * can be cancelled and calls request_drop.  NULL: it ends by itself. */
	request_fn *cancel;
	void *state;          /* the handler's, in the arena */
	/* The answer: out, with a slice's bytes at each gap. */
	struct buf out;
	struct wire_gaps gaps;
	struct partlog_slice *slice; /* gaps.n of them, in the arena */
	size_t counted;       /* bytes in the budget */
	size_t out_sent;      /* bytes of out */
	int32_t at_slice;     /* the one being sent */
	int64_t slice_sent;   /* bytes of it */
};

/* An array of n zeroed Ts in the request's arena. */
#define REQUEST_ARRAY(rq, T, n) ((T *)arena_alloc(&(rq)->arena, (size_t)(n) * sizeof(T)))

/* ---- for handlers ---- */

/* Encode the response and send it.  With slices there is one for each gap in
 * the message; their references pass to the request. */
void request_respond(struct request *rq, const void *response);
void request_respond_slices(struct request *rq, const void *response,
	struct partlog_slice *slice, int32_t nslice);

/* End without an answer. */
void request_drop(struct request *rq);

/* End by closing the connection, after the earlier requests are answered. */
void request_close(struct request *rq);

/* The two halves of request_respond, for an answer that is known before it
 * may be sent. */
void request_encode(struct request *rq, const void *response);
void request_send(struct request *rq);

/* ---- for sessions, lanes and the dispatcher ---- */

void request_pool_init(struct request_pool *pool, size_t arena_size_max,
	struct request_budget *budget);
void request_pool_release(struct request_pool *pool);

/* A blank request; the session sets where it comes from and the frame. */
struct request *request_new(struct request_pool *pool);
void request_free(struct request *rq); /* on the pool's thread; not in a queue */

/* Decode the header; then, with rq->wire set, the body.  False: malformed, or
 * the body needs more than arena_size_max. */
bool request_decode_header(struct request *rq);
bool request_decode_body(struct request *rq);

/* On the session's thread: copy the frame, so that the request can continue
 * on another one.  The body is to be decoded again.  Returns 0, or the bytes
 * that exceed the budget; the request then stays. */
size_t request_leave(struct request *rq);

/* Count n bytes, unless that would exceed the budget: false. */
bool request_count(struct request *rq, size_t n);

#endif
