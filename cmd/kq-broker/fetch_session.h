/*
 * Fetch sessions (KIP-227): the broker remembers which partitions a client
 * fetches, so that its next requests name only the changes, and the answers
 * list only partitions with news.
 *
 * A full request (epoch 0) makes a session and gets its id; the requests that
 * follow carry the id and the epochs 1, 2, ...  They may come over any
 * connection.  Epoch -1 ends the session.
 *
 * The number of sessions is limited.  To make room for a new one, a session is
 * ended that was not used for two minutes, or else one that was made more than two
 * minutes ago and has fewer partitions.
 * If there is no room, or too many partitions, no session is made: its id is 0,
 * and the client keeps sending full requests.
 *
 * Source: Kafka's FetchSession.scala.
 *
 * Threads: any; it has a lock of its own.
 */
#ifndef KQ_BROKER_FETCH_SESSION_H
#define KQ_BROKER_FETCH_SESSION_H

#include "base/map.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>

struct fetch_request;

enum {
	FETCH_SESSION_PARTS_MAX = 10000,        /* partitions of one session */
	FETCH_SESSION_PARTS_TOTAL_MAX = 500000, /* of all sessions: some 100 MB */
	FETCH_SESSION_IDLE_MS = 120000,
};

struct fetch_sessions {
	int nslot; /* sessions at most */
	pthread_mutex_t lock;
	/* Under the lock: */
	struct map by_id; /* struct fetch_session */
	int npart;        /* of all sessions */
};

void fetch_sessions_init(struct fetch_sessions *sessions, int nslot);
void fetch_sessions_release(struct fetch_sessions *sessions);

/* A partition that a session fetches. */
struct fetch_session_part {
	struct str topic;     /* empty when there is an id */
	struct uuid topic_id;
	int32_t index, size_max, leader_epoch, last_epoch;
	int64_t offset;
	int64_t high_watermark, log_start_offset; /* the last ones that the client got */
	/* For fetch_session_answer: */
	bool has_records;
	bool is_listed; /* in: there is news other than these offsets and records;
	                   out: the answer lists it */
};

/* Apply an incremental request to its session, whose epoch advances.  Returns a
 * Kafka error code; *v are all n partitions of the session, copied to the arena.
 * *is_over: none are left, and the session has ended. */
int16_t fetch_session_next(struct fetch_sessions *sessions, const struct fetch_request *q,
	bool by_id, int64_t now_ms, struct arena *arena, struct fetch_session_part **v, int *n,
	bool *is_over);

/* Before the answer to such a request: v as fetch_session_next returned it, with
 * the offsets of the answer; sets is_listed.  Returns a Kafka error code, if another
 * request has advanced the session meanwhile. */
int16_t fetch_session_answer(struct fetch_sessions *sessions, const struct fetch_request *q,
	struct fetch_session_part *v, int n);

/* Make a session of the partitions that a full request fetched.  Its id, or 0. */
int32_t fetch_session_new(struct fetch_sessions *sessions, const struct fetch_session_part *v,
	int n, bool by_id, int64_t now_ms);

void fetch_session_end(struct fetch_sessions *sessions, int32_t id); /* unknown id: fine */

#endif
