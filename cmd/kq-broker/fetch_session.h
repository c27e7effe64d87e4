/*
 * Fetch sessions (KIP-227): what a client fetches is remembered, so that its
 * next requests name only what changes, and answers only what is new.
 *
 * A full request (epoch 0) makes a session and is told its id; the requests
 * that follow carry it with epochs 1, 2, ...  Any connection of any reactor
 * may go on with a session.  Epoch -1 ends it.
 *
 * The cache has a fixed number of places; a session that was not used for two
 * minutes, or is that old and smaller, makes room for a new one.  One that
 * finds no room, or fetches too many partitions, is not made: id 0, and the
 * client's requests stay full ones.
 *
 * Source: Kafka's FetchSession.scala.
 *
 * Threads: any; there is one cache, under a lock of its own.
 */
#ifndef KQ_BROKER_FETCH_SESSION_H
#define KQ_BROKER_FETCH_SESSION_H

#include "base/mem.h"
#include "base/uuid.h"

struct fetch_request;

enum {
	FETCH_SESSION_PARTS_MAX = 10000, /* partitions of one session */
	FETCH_SESSION_PARTS_TOTAL_MAX = 500000, /* of all: some 100 MB */
	FETCH_SESSION_IDLE_MS = 120000,
};

/* A partition that a session fetches. */
struct fetch_session_part {
	struct str topic;     /* empty when there is an id */
	struct uuid topic_id;
	int32_t index, size_max, leader_epoch, last_epoch;
	int64_t offset;
	int64_t high_watermark, log_start_offset; /* as the client knows them */
	/* About an answer, for fetch_session_answer: */
	bool has_records;
	bool must_tell; /* in: there is more than the two offsets to tell;
	                   out: it belongs in the answer */
};

/* An incremental request: takes over what it says, and moves on to the next
 * epoch.  Returns a Kafka error code; *v are all the session's partitions,
 * copied to the arena.  *is_over: it fetches nothing any more, and is gone. */
int16_t fetch_session_next(const struct fetch_request *q, bool by_id, int64_t now_ms,
	struct arena *arena, struct fetch_session_part **v, int *n, bool *is_over);

/* Before such a request is answered: v as it was given, with the answer's
 * offsets; sets must_tell.  An error code: the session went on without it. */
int16_t fetch_session_answer(const struct fetch_request *q, struct fetch_session_part *v, int n);

/* A new session for what a full request fetched; its id, or 0. */
int32_t fetch_session_new(const struct fetch_session_part *v, int n, bool by_id, int nslot,
	int64_t now_ms);

void fetch_session_end(int32_t id); /* none of that id: fine */

int fetch_session_count(void);

#endif
