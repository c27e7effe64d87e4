/*
 * A request under way: what was asked, and what will be answered.
 *
 * A connection's requests are answered in the order they came, whenever each
 * is done.  A handler runs on the connection's reactor; or, with a copy of
 * the frame, on the control thread (what changes metadata) or the coordinator
 * thread (groups and transactions).  It ends with request_respond,
 * request_drop, request_to, or by keeping the request for later.
 *
 * The body's slices point into the connection's input: they are gone when
 * the handler returns, except where the request holds a copy of the frame:
 * away from its reactor.
 */
#ifndef KQ_BROKER_REQUEST_H
#define KQ_BROKER_REQUEST_H

#include "base/list.h"
#include "base/mem.h"
#include "log/partlog.h"
#include "sys/loop.h"
#include "sys/net.h"
#include "wire/frame.h"

struct session;
struct reactor;
struct broker;
struct api;

struct request {
	struct list link;     /* in the connection's queue, or the free list */
	struct session *session;    /* NULL: it is gone, the answer too */
	struct reactor *reactor;
	struct broker *broker;
	const struct net_addr *advertised; /* where this client finds us */
	struct request_header header;
	const struct api *api;
	void *body;           /* struct NAME_request */
	struct arena arena;   /* of the body and the response */
	bool is_done, is_silent; /* silent: done, and nothing is sent (acks=0) */
	enum request_place { ON_REACTOR, ON_CONTROL, ON_COORDINATOR } place;
	char client_host[NET_TEXT_SIZE]; /* away from its reactor */
	bool must_close;      /* when it comes to be sent: close instead */
	struct str raw;       /* the frame behind its length, while handled */
	struct buf frame;     /* the copy of it */
	struct loop_task task;
	/* Called when the connection goes while the request is kept: what can
	 * be cancelled is, ending in request_drop.  NULL: it ends by itself. */
	void (*cancel)(struct request *rq);
	void *state;          /* the handler's, in the arena */
	/* The answer: out, with a slice's bytes at each gap. */
	struct buf out;
	struct wire_gaps gaps;
	struct partlog_slice *slice; /* gaps.n of them, in the arena */
	size_t counted;       /* bytes in the broker's account */
	size_t at_out;        /* bytes of out already sent */
	int32_t at_slice;     /* being sent */
	int64_t at_slice_byte;
};

/* An array of n zeroed Ts of the request's own. */
#define REQUEST_ARRAY(rq, T, n) ((T *)arena_alloc(&(rq)->arena, (size_t)(n) * sizeof(T)))

/* Encode the response; with slices given, one for each gap in the message.
 * Their references pass to the request.  Sends it when its turn has come. */
void request_respond(struct request *rq, const void *response);
void request_respond_slices(struct request *rq, const void *response,
	struct partlog_slice *slice, int32_t nslice);

/* Done without an answer. */
void request_drop(struct request *rq);

/* Done by closing the connection, after what is before it was answered. */
void request_close(struct request *rq);

/* The two halves of request_respond, for answers that are ready before they
 * may be sent: encode at once, send later. */
void request_encode(struct request *rq, const void *response);
void request_send(struct request *rq);

/* Go on on another thread: the handler is called there again with place set
 * and a body of its own. */
void request_to(struct request *rq, enum request_place place);

#endif
