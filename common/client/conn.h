/*
 * One connection to a broker: requests are pipelined, and each response is
 * matched to its call.
 *
 * Nothing here blocks except conn_open and conn_open_fd, which connect and ask
 * for the broker's API versions.  Callbacks run only in conn_work and conn_free;
 * they may queue further calls and must not free the connection.
 *
 * The peer is not trusted: a response longer than reply_max, a wrong correlation
 * id or a malformed header breaks the connection and fails every call on it.
 *
 * Times that end in _at_ms or are named deadline_ms or late_ms are clock_mono_ms.
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
	CONN_KEYS = 128,              /* API keys whose version ranges are kept */
	CONN_REPLY_MAX = 256 << 20,   /* default of conn_opts.reply_max, bytes */
};

struct conn;
struct call;

/* A response.  On failure body is NULL and *err is the reason. */
struct reply {
	struct conn *conn;
	const uint8_t *body; /* after the response header; valid during the callback */
	size_t n;
	const struct err *err;
};

typedef void call_done_fn(struct call *call, const struct reply *reply);

/* One request under way, embedded in the caller's own struct.  It belongs to
 * the connection from conn_send until done is called. */
struct call {
	struct list link;
	const struct wire_api *api;
	int16_t version;
	bool expects_reply;
	bool is_sent;        /* at least one byte was written */
	int32_t correlation_id;
	int64_t deadline_ms;
	int64_t late_ms;     /* when the response counts as late; 0: never.  Set after sending */
	bool is_parked;      /* the broker may hold the response back for long.  Set after sending */
	struct buf buf;      /* the frame, or the parts of it that the call owns */
	struct iovec *iov;   /* what remains to be written */
	int niov;
	struct iovec one;
	call_done_fn *done;
};

void call_init(struct call *call);

/* Not while the connection has it. */
void call_release(struct call *call);

struct conn {
	struct stream stream;
	struct net_addr addr;
	char name[NET_TEXT_SIZE];
	const char *client_id;      /* borrowed */
	size_t reply_max;
	struct list out;            /* calls not completely written */
	struct list waiting;        /* calls written, response pending */
	struct list finished;       /* calls written, no response expected; done is due */
	int nwaiting;               /* number of calls in out and waiting */
	int32_t correlation_id;     /* of the next request */
	struct buf in;              /* received bytes */
	size_t in_at;               /* number of them already processed */
	bool is_in_kept;            /* conn_keep_reply took the buffer */
	bool is_broken;             /* by err; conn_work will fail the calls */
	bool is_given_up;           /* so that another request need not wait */
	struct conn *next_given_up; /* in cluster.given_up */
	struct err err;
	struct { int16_t min, max; } range[CONN_KEYS]; /* broker's versions; max -1: unsupported */
	int16_t txn_level;          /* feature level of transaction.version; 0: none */
};

struct conn_opts {
	const char *client_id;
	int connect_timeout_ms, request_timeout_ms;
	size_t reply_max;           /* longest response in bytes; 0: CONN_REPLY_MAX */
	int wake_fd;                /* readable: conn_open fails with ERR_RETRY; 0: none */
	/* Called now and then while a broker is waited for: see cluster.h.  NULL: nothing is. */
	void (*meanwhile)(void *arg);
	void *meanwhile_arg;
};

enum { CONN_MEANWHILE_MS = 100 }; /* the longest time between two of these calls */

/* Connect and learn the broker's API versions.  Blocks for at most
 * connect_timeout_ms for each step.  Returns NULL on failure: ERR_RETRY if a
 * later attempt may succeed. */
struct conn *conn_open(const struct net_addr *addr, const struct conn_opts *o,
	struct err *e);

/* The same on a connected, non-blocking descriptor, which is closed on failure
 * and owned by the connection on success. */
struct conn *conn_open_fd(int fd, const struct net_addr *addr,
	const struct conn_opts *o, struct err *e);

/* Fail all calls with *why, then close and free.  NULL is allowed. */
void conn_free(struct conn *c, const struct err *why);

/* The highest version of an API that both sides support, at most upto.  Returns
 * -1 if there is none (ERR_PEER, UNSUPPORTED_VERSION). */
int conn_version(const struct conn *c, const struct wire_api *api, int upto,
	struct err *e);

/* Encode and queue a request.  msg is the generated request struct and may be
 * reused at once.  done is called with the response or, after timeout_ms or a
 * lost connection, with an error. */
void conn_send(struct conn *c, struct call *call, const struct wire_api *api,
	int version, const void *msg, int timeout_ms, call_done_fn *done);

/* Queue a request whose frame is already encoded in iov, with conn_next_id as
 * its correlation id.  iov is changed while it is written; it and its bytes must
 * stay valid until done is called. */
void conn_send_iov(struct conn *c, struct call *call,
	const struct wire_api *api, int version, struct iovec *iov, int niov,
	int timeout_ms, call_done_fn *done);

static inline int32_t
conn_next_id(const struct conn *c)
{
	return c->correlation_id;
}

/* Write as much as the socket takes without blocking. */
void conn_flush(struct conn *c);

/* The events to poll the stream for. */
short conn_events(const struct conn *c);

/* The earliest deadline of a call; INT64_MAX: none; 0: conn_work has something
 * to do now. */
int64_t conn_deadline(const struct conn *c);

/* Would a further request wait behind one that is parked? */
bool conn_is_parked(const struct conn *c);

/* Lower *late_ms to the time at which the first response counts as late; then
 * *deadline_ms is that call's deadline. */
void conn_late(const struct conn *c, int64_t *late_ms, int64_t *deadline_ms);

/* Read, write, call back and enforce deadlines.  Returns false if the connection
 * is broken: its calls were failed, and only conn_free is left to do. */
bool conn_work(struct conn *c, int64_t now_ms);

/* Break the connection: the next conn_work fails the calls with *why. */
void conn_abort(struct conn *c, const struct err *why);

/* In a callback with a body: keep the body's bytes after the callback, in *into
 * (whose memory the connection may take in exchange).  Returns the body's new
 * address. */
const uint8_t *conn_keep_reply(const struct reply *reply, struct buf *into);

/* Decode a response body into msg, the generated response struct.  Slices in it
 * point into body; arrays are in the arena.  Returns 0, or -1 (ERR_CORRUPT). */
int call_decode(const struct call *call, const uint8_t *body, size_t n,
	struct arena *a, void *msg, struct err *e);

#endif
