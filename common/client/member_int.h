/* Internals of member.h, shared by member*.c. */
#ifndef KQ_CLIENT_MEMBER_INT_H
#define KQ_CLIENT_MEMBER_INT_H

#include "client/member.h"

#include "proto.h"

enum { MEMBER_ARENA_MAX = 64 << 20 };

/* The connection to the coordinator; NULL after member_failed. */
struct conn *member_conn(struct member *m);

/* Send a request over conn.  Returns its version, or -1 after member_failed. */
int member_send(struct member *m, struct member_call *call, struct conn *conn,
	int16_t key, int upto, const void *req, int timeout_ms, call_done_fn *done);

/* In the callback: mark the call as free and decode the response into *msg.  Returns
 * false after member_failed if there is none. */
bool member_take_reply(struct call *call, const struct reply *reply, struct arena *a,
	void *msg);

/* Note a failure: retry later (ERR_RETRY, within retry_timeout_ms), or fail for good. */
void member_failed(struct member *m, const struct err *why);

/* Note a success: ends retry_timeout_ms. */
void member_ok(struct member *m);

/* React to the error code, not 0, of a response. */
void member_handle_error(struct member *m, int16_t code, struct str msg);

/* A new assignment: member_target_begin, member_target_add for each partition, then
 * member_target_end, which revokes the others.  member_target_add returns false if
 * the partition is not in the metadata, or is still to be given back. */
void member_target_begin(struct member *m);
bool member_target_add(struct member *m, struct cluster_topic *t, int32_t index);
void member_target_end(struct member *m);

/* Revoke all partitions. */
void member_revoke_all(struct member *m);

/* The partition of that topic name and index; or NULL. */
struct member_part *member_find(struct member *m, struct str topic, int32_t index);

/* Do what the protocol requires now.  The control call must be free. */
void member_classic_work(struct member *m, int64_t now_ms);
void member_consumer_work(struct member *m, int64_t now_ms);

/* The member is IN: send a heartbeat. */
void member_classic_beat(struct member *m, int64_t now_ms);
void member_consumer_beat(struct member *m, int64_t now_ms);

/* Send OffsetFetch and OffsetCommit if they are due. */
void member_offsets_work(struct member *m, int64_t now_ms);

/* Send the request to leave over conn.  Returns its version, or -1. */
int member_classic_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done);
int member_consumer_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done);

#endif
