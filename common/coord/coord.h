/*
 * What the coordinators of groups and transactions share: how they are called, and
 * what they need from their driver.
 *
 * A coordinator is a state machine without I/O, clock or thread.  Its driver (the
 * broker's coordinator thread, or a simulation) calls it with requests, with the
 * time, and, while loading, with the records of its topic.  It answers and writes
 * through struct coord_env.
 *
 * Durability is a matter of order.  append() accepts or refuses records at once, and
 * a coordinator changes its state only after they were accepted.  It may call
 * respond() right after append(): the driver holds the response back until
 * everything appended before to the call's partition is on disk.  So no client
 * learns of state that a crash could undo, and no state machine waits.
 *
 * Times: mono_ms (monotonic, for timeouts) and wall_ms (for stored times).
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

/* A request.  The driver keeps it until the response, which comes exactly once:
 * within the handler, or later (a parked call).  body and what it points to are
 * valid until the handler returns; the rest until the response. */
struct coord_call {
	int16_t api_key, api_version;
	const void *body;          /* the decoded request struct of the API */
	struct str client_id, client_host; /* never null; host as "/1.2.3.4" */
	int32_t partition;         /* of the coordinator's topic for which the
	                              response waits; -1: none;
	                              COORD_ALL_PARTITIONS: everything appended.
	                              Set by the handler before it responds */
	struct arena *arena;       /* for the response's arrays; no cap */
	void *state;               /* the coordinator's, while the call is parked */
};

/* A record of a coordinator's topic.  value null: a tombstone. */
struct coord_record {
	struct str key, value;
};

/* The producer of a transaction's records. */
struct coord_producer {
	int64_t id;
	int16_t epoch;
};

/* A partition of a data topic; the name is borrowed. */
struct coord_partition {
	struct str topic;
	int32_t index;
};

/* A topic in the broker's metadata. */
struct coord_topic {
	struct uuid id;
	int32_t npartition;
};

/* What the driver provides; it embeds this struct. */
struct coord_env {
	/* Appends n records (copied) to a partition of the coordinator's topic,
	 * all or none, with this timestamp; as part of the producer's transaction
	 * unless producer is NULL.  Returns 0 or a Kafka error code. */
	int16_t (*append)(struct coord_env *env, int32_t partition,
		const struct coord_record *v, int n, const struct coord_producer *producer,
		int64_t wall_ms);

	/* Answers a call with the response struct of its API, which is encoded
	 * at once. */
	void (*respond)(struct coord_env *env, struct coord_call *call, const void *response);

	/* Looks a topic up by name (n >= 0) or else by *id.  False: there is none.
	 * *name_out (name_out may be NULL) is valid until the handler returns. */
	bool (*topic)(struct coord_env *env, struct str name, const struct uuid *id,
		struct coord_topic *topic, struct str *name_out);

	/* Calls fn for each topic, in order of names, including internal ones, as
	 * Kafka does; for regular expressions. */
	void (*each_topic)(struct coord_env *env, void (*fn)(void *ctx, struct str name,
		const struct coord_topic *topic), void *ctx);

	/* Random bits, for member ids. */
	uint64_t (*random)(struct coord_env *env);

	/* Groups only: replaces *session_ms and *heartbeat_ms, which hold the
	 * defaults, where this group has its own settings (consumer.*.ms).
	 * NULL: no group has. */
	void (*group_times)(struct coord_env *env, struct str group, int32_t *session_ms,
		int32_t *heartbeat_ms);

	/* Transactions only: a new producer id, never given out before; -1: none
	 * is available now. */
	int64_t (*producer_id)(struct coord_env *env);

	/* Transactions only: txns_committed is to be called with this ticket once
	 * everything appended to the partition so far is on disk, but not from
	 * within this call. */
	void (*when_committed)(struct coord_env *env, int32_t partition, uint64_t ticket);

	/* Transactions only: writes the transaction's end into each partition;
	 * then txns_markers_written is to be called with this ticket, but not from
	 * within this call.  The driver repeats failed writes itself; deleted
	 * topics count as written. */
	void (*write_markers)(struct coord_env *env, uint64_t ticket,
		const struct coord_producer *producer, int32_t coordinator_epoch,
		bool is_commit, const struct coord_partition *v, int n);
};

/* The partition of the coordinator's topic that a group or transactional id belongs
 * to: Java's String.hashCode of it, without its sign, modulo n. */
int32_t coord_partition_of(struct str id, int32_t n);

#endif
