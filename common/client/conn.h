/*
 * One connection to a broker: requests go out in order, pipelined, and each
 * answer finds the call it belongs to.
 *
 * Nothing here blocks but conn_open, which connects and asks the broker which
 * versions it speaks.  Callbacks run from conn_work alone; they may queue
 * further calls and must not free the connection.
 *
 * A peer is not trusted: a length past reply_max, a wrong correlation id or a
 * header that breaks the format ends the connection, and every call on it.
 *
 * Uses: base, sys/net, sys/stream, sys/clock, wire.  One thread at a time.
 */
#ifndef KQ_CLIENT_CONN_H
#define KQ_CLIENT_CONN_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "sys/net.h"
#include "sys/stream.h"
#include "wire/frame.h"
#include "wire/kerr.h"

#include <sys/uio.h>

enum {
	CONN_KEYS = 128,              /* API keys whose versions are kept */
	CONN_REPLY_MAX = 256 << 20,   /* the longest answer taken by default */
};

struct conn;
struct call;

/* An answer.  On failure body is NULL and *err says why. */
struct reply {
	struct conn *conn;
	const uint8_t *body; /* behind the header; valid during the callback */
	size_t n;
	const struct err *err;
};

typedef void call_done_fn(struct call *call, const struct reply *reply);

/* One request under way; lives inside what the caller keeps about it.  Until
 * done is called it belongs to the connection. */
struct call {
	struct list link;
	const struct wire_api *api;
	int16_t version;
	bool expects_reply;
	bool is_sent;        /* some of its bytes have left this process */
	int32_t correlation_id;
	int64_t deadline_ms; /* clock_mono_ms */
	int64_t late_ms;     /* then an answer is overdue; 0: never.  Set it after sending */
	struct buf buf;      /* the frame, or those parts of it that are ours */
	struct iovec *iov;   /* what is still to be written */
	int niov;
	struct iovec one;
	call_done_fn *done;
};

void call_init(struct call *call);
void call_release(struct call *call); /* not while a connection has it */

struct conn {
	struct stream stream;
	struct net_addr addr;
	char name[NET_TEXT_SIZE];
	const char *client_id;      /* borrowed */
	size_t reply_max;
	struct list out;            /* calls not wholly written */
	struct list waiting;        /* written, no answer yet */
	struct list finished;       /* written, none expected; done is due */
	int nwaiting;               /* in out and waiting */
	int32_t correlation_id;     /* the next one */
	struct buf in;              /* bytes received ... */
	size_t in_at;               /* ... and used */
	bool is_in_kept;
	bool is_broken;             /* by err; conn_work will tell the calls */
	struct err err;
	struct { int16_t min, max; } range[CONN_KEYS]; /* max -1: not spoken */
	int16_t txn_level;          /* of the feature transaction.version; 0 */
};

struct conn_opts {
	const char *client_id;
	int connect_timeout_ms, request_timeout_ms;
	size_t reply_max;           /* 0: CONN_REPLY_MAX */
	int wake_fd;                /* readable: wait for no answer, ERR_RETRY; 0: none */
};

/* Connect and learn the peer's versions.  NULL on failure: ERR_RETRY when it
 * may work later. */
struct conn *conn_open(const struct net_addr *addr, const struct conn_opts *o,
	struct err *e);

/* The same on a connected, non-blocking descriptor, which it then owns. */
struct conn *conn_open_fd(int fd, const struct net_addr *addr,
	const struct conn_opts *o, struct err *e);

/* Every call is done with the error first. */
void conn_free(struct conn *c, const struct err *why);

/* The highest version of an API that both sides speak, at most upto.
 * Returns it, or -1 (ERR_PEER). */
int conn_version(const struct conn *c, const struct wire_api *api, int upto,
	struct err *e);

/* Encode a request and queue it.  msg is the generated request struct. */
void conn_send(struct conn *c, struct call *call, const struct wire_api *api,
	int version, const void *msg, int timeout_ms, call_done_fn *done);

/* Queue a request whose frame is iov (changed as it is written), made with
 * conn_next_id as its correlation id.  Its bytes stay until done. */
void conn_send_iov(struct conn *c, struct call *call,
	const struct wire_api *api, int version, struct iovec *iov, int niov,
	int timeout_ms, call_done_fn *done);

static inline int32_t
conn_next_id(const struct conn *c)
{
	return c->correlation_id;
}

/* Write what the socket takes now. */
void conn_flush(struct conn *c);

/* What to poll for, and the earliest deadline of a call (INT64_MAX: none;
 * 0: conn_work has something to do at once). */
short conn_events(const struct conn *c);
int64_t conn_deadline(const struct conn *c);

/* Lower *late_ms to when the first answer is overdue, with its call's deadline. */
void conn_late(const struct conn *c, int64_t *late_ms, int64_t *deadline_ms);

/* Read, write, call back, enforce deadlines.  False when the connection is
 * broken: its calls were told, and only conn_free is left. */
bool conn_work(struct conn *c, int64_t now_ms);

/* Break it off: the next conn_work tells the calls why. */
void conn_abort(struct conn *c, const struct err *why);

/* In a callback with a body: keep its bytes beyond it, in *into (whose memory
 * the connection takes in exchange).  Returns the body's new place. */
const uint8_t *conn_keep_reply(const struct reply *reply, struct buf *into);

/* Decode a reply's body by the call's table into msg.  Returns 0, or -1
 * (ERR_CORRUPT). */
int call_decode(const struct call *call, const uint8_t *body, size_t n,
	struct arena *a, void *msg, struct err *e);

#endif
