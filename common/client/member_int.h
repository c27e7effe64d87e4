/* What the files of the member share among themselves. */
#ifndef KQ_CLIENT_MEMBER_INT_H
#define KQ_CLIENT_MEMBER_INT_H

#include "client/member.h"

#include "proto.h"

enum { MEMBER_ARENA_MAX = 64 << 20 };

/* The coordinator's connection; NULL after noting why not. */
struct conn *member_conn(struct member *m);

/* Send a request over it.  Returns the version, or -1 after noting why not. */
int member_send(struct member *m, struct member_call *call, struct conn *conn,
	int16_t key, int upto, const void *req, int timeout_ms, call_done_fn *done);

/* In the callback: the call is free again; its answer into *msg.  False, after
 * noting why, when there is none. */
bool member_take_reply(struct call *call, const struct reply *reply, struct arena *a,
	void *msg);

/* Something went wrong that may (ERR_RETRY) or will not pass. */
void member_failed(struct member *m, const struct err *why);

/* An answer was good. */
void member_ok(struct member *m);

/* An answer's error code, not 0: do what it asks for. */
void member_handle_error(struct member *m, int16_t code, struct str msg);

/* We are out of the group, and all that we had is somebody else's. */
void member_lose_all(struct member *m);

/* What we are to have from now on: begun by member_target_begin, each named by
 * member_target_add, ended by member_target_end, which revokes the rest.  A
 * partition or topic that is not known (yet) is told by false. */
void member_target_begin(struct member *m);
bool member_target_add(struct member *m, struct cluster_topic *t, int32_t index);
void member_target_end(struct member *m);
void member_revoke_all(struct member *m);

struct member_part *member_find(struct member *m, struct str topic, int32_t index);

/* One step of the protocol; the control call is free. */
void member_classic_work(struct member *m, int64_t now_ms);
void member_consumer_work(struct member *m, int64_t now_ms);

/* Ask for and store offsets, as far as due. */
void member_offsets_work(struct member *m, int64_t now_ms);

/* Say that we leave, over conn.  Returns a version, or -1. */
int member_classic_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done);
int member_consumer_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done);

#endif
