/*
 * A client's connection: frames in, answers out, in order.
 *
 * The reactor's thread only.
 */
#ifndef KQ_BROKER_SESSION_H
#define KQ_BROKER_SESSION_H

#include "base/list.h"
#include "base/mem.h"
#include "kq-broker/request.h"
#include "sys/loop.h"
#include "sys/net.h"
#include "sys/stream.h"

struct listener;

struct session {
	struct list link; /* in the reactor's */
	struct list flush_link; /* in its to_flush, or alone */
	struct loop_io io;
	struct stream stream; /* of the descriptor in io */
	struct reactor *reactor;
	const struct net_addr *advertised; /* the broker's */
	struct buf in;        /* from the pool while it holds anything */
	size_t in_at;         /* bytes of it already handled */
	struct list requests; /* in order, the oldest first */
	int nrequest;
	void *last_put_by;    /* of the produces that wait for the transaction
	                         coordinator; api/00_produce.c's */
	size_t out_size;      /* bytes of answers that wait */
	int64_t active_ms;    /* monotonic, of the last input */
	struct loop_timer idle_timer;
	bool is_handling;     /* in its own input code: close later */
	bool is_closing;      /* as soon as that is over */
	bool is_draining;     /* no more input: answer what is there, close */
	char peer[64];
};

void session_open(struct reactor *r, int fd, const struct listener *from);

/* Let go of everything; requests that still run elsewhere lose their session. */
void session_close(struct session *session);

/* Take no more input; close once all is answered. */
void session_drain(struct session *session);

/* Send what is done, in order: now; or at the end of the loop's round, with
 * whatever else is done by then. */
void session_flush(struct session *session);
void session_flush_soon(struct session *session);

#endif
