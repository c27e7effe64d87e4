/*
 * What the coordinators share: how they are asked, and what they need of the
 * world.
 *
 * A coordinator is a state machine without I/O, clock or thread of its own.
 * Whoever drives it (the broker's coordinator thread, or a simulation) calls
 * it with requests, with the time, and with the records of its topic when
 * loading; it answers and writes through a struct coord_env.
 *
 * Order makes it durable.  append() takes records at once or refuses them at
 * once; a coordinator changes its state only after its records were taken.
 * respond() may be called right behind append(): the driver holds an answer
 * back until everything appended before to the call's partition is on disk.
 * So nobody hears of what a crash could undo, and no state machine waits.
 *
 * Times: mono_ms (steady, for time-outs) and wall_ms (for what is stored).
 *
 * Uses: base, wire.  One thread.
 */
#ifndef KQ_COORD_COORD_H
#define KQ_COORD_COORD_H

#include "base/base.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "wire/wire.h"

struct coord_now {
	int64_t mono_ms, wall_ms;
};

enum { COORD_ALL_PARTITIONS = -2 };

/* A request, as a coordinator sees it.  It lives in what the driver keeps of
 * the request, until it was responded to, which happens exactly once: within
 * the handler, or later.  body and what it points to are gone when the
 * handler returns; client_id and client_host stay. */
struct coord_call {
	int16_t api_key, api_version;
	const void *body;          /* the decoded request struct of the API */
	struct str client_id, client_host; /* never null; host as "/1.2.3.4" */
	int32_t partition;         /* of the coordinator's topic that the answer
	                              has to wait for; -1: none;
	                              COORD_ALL_PARTITIONS: everything appended.
	                              Set by the handler before it responds */
	struct arena *arena;       /* for the response's arrays; no cap */
	void *state;               /* the coordinator's, while the call waits */
};

/* A record of a coordinator's topic.  value null: a tombstone. */
struct coord_record {
	struct str key, value;
};

/* Who writes records as part of a transaction. */
struct coord_producer {
	int64_t id;
	int16_t epoch;
};

/* A partition of a data topic; the name is borrowed. */
struct coord_partition {
	struct str topic;
	int32_t index;
};

/* A topic as the metadata has it. */
struct coord_topic {
	struct uuid id;
	int32_t npartition;
};

/* The world.  Implemented by the driver, which embeds it. */
struct coord_env {
	/* Append n records (copied) to a partition of the coordinator's topic,
	 * all or none, with this timestamp; as a part of the producer's
	 * transaction unless producer is NULL.  Returns a Kafka error code:
	 * 0, or why not. */
	int16_t (*append)(struct coord_env *env, int32_t partition,
		const struct coord_record *v, int n, const struct coord_producer *producer,
		int64_t wall_ms);

	/* Answer a call with the response struct of its API, which is encoded
	 * at once. */
	void (*respond)(struct coord_env *env, struct coord_call *call, const void *response);

	/* Look a topic up by name (n >= 0) or else by *id.  False: there is none.
	 * name_out (may be NULL) is valid until the handler returns. */
	bool (*topic)(struct coord_env *env, struct str name, const struct uuid *id,
		struct coord_topic *topic, struct str *name_out);

	/* Call fn for each topic, internal ones too as Kafka does, in order of
	 * names, for regular expressions. */
	void (*each_topic)(struct coord_env *env, void (*fn)(void *ctx, struct str name,
		const struct coord_topic *topic), void *ctx);

	/* Random bits, for member ids. */
	uint64_t (*random)(struct coord_env *env);

	/* Groups only: the times that were set for this group, consumer.*.ms,
	 * into *session_ms and *heartbeat_ms, which hold the defaults.  NULL:
	 * no group has times of its own. */
	void (*group_times)(struct coord_env *env, struct str group, int32_t *session_ms,
		int32_t *heartbeat_ms);

	/* Transactions only: a fresh producer id, never given out before; -1
	 * when there is none to be had now. */
	int64_t (*producer_id)(struct coord_env *env);

	/* Transactions only: call txns_committed with this ticket once all that
	 * was appended to the partition so far is on disk; later, never from
	 * within this call. */
	void (*when_committed)(struct coord_env *env, int32_t partition, uint64_t ticket);

	/* Transactions only: write the transaction's end into each partition,
	 * then call txns_markers_written with this ticket, later, never from
	 * within this call.  The driver tries again by itself what may still
	 * succeed; topics that are gone count as written. */
	void (*write_markers)(struct coord_env *env, uint64_t ticket,
		const struct coord_producer *producer, int32_t coordinator_epoch,
		bool is_commit, const struct coord_partition *v, int n);
};

/* Which partition of the coordinator's topic a group or transactional id
 * belongs to: Java's String.hashCode of it, without its sign, modulo n. */
int32_t coord_partition_of(struct str id, int32_t n);

#endif
