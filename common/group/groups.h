/*
 * The group coordinator: classic groups, consumer groups (KIP-848), and the
 * offsets they commit.
 *
 * All state that matters is in the records of __consumer_offsets, in Kafka's
 * formats (share/proto/log-*.kqp): replaying them gives the same groups.
 * Members of a classic group that a restart cut off get a session time-out
 * from then on to come back, as in Kafka.
 *
 * Sources: Kafka's GroupMetadataManager, OffsetMetadataManager; KIP-345
 * (static members), KIP-429 (cooperative), KIP-394 (member id required),
 * KIP-447 (stable offsets), KIP-848.
 *
 * Uses: coord.  One thread.
 */
#ifndef KQ_GROUP_GROUPS_H
#define KQ_GROUP_GROUPS_H

#include "coord/coord.h"

struct groups_config {
	int32_t npartition;              /* of __consumer_offsets */
	int32_t ngroup_max;              /* max.groups; past it: COORDINATOR_NOT_AVAILABLE
	                                    for what would make one more */
	int64_t state_size_max;          /* group.state.bytes.max; past it, what would
	                                    add is refused in the same way */
	int32_t member_max;              /* group.max.size */
	int32_t session_min_ms, session_max_ms; /* classic */
	int32_t initial_delay_ms;        /* group.initial.rebalance.delay.ms */
	int32_t offset_metadata_max;     /* units of UTF-16, as Kafka counts */
	int64_t offsets_retention_ms;
	int64_t expiry_interval_ms;      /* how often offsets are looked at */
	/* KIP-848: */
	bool has_consumer_protocol;      /* false: ConsumerGroupHeartbeat is refused */
	int32_t consumer_session_ms, consumer_heartbeat_ms;
	int32_t consumer_member_max;
	bool can_upgrade, can_downgrade; /* group.consumer.migration.policy */
};

struct groups;

/* The config is copied, env borrowed. */
struct groups *groups_new(const struct groups_config *config, struct coord_env *env);
void groups_free(struct groups *groups); /* calls that wait are not responded to */

/* Loading, before anything else: every record of a partition in order, then
 * loaded.  In a transaction's records (producer given) what they say is
 * pending until groups_marker. */
void groups_replay(struct groups *groups, int32_t partition, const struct coord_record *rec,
	const struct coord_producer *producer, int64_t timestamp_ms);
void groups_loaded(struct groups *groups, int32_t partition, struct coord_now now);

/* The transaction of this producer ended in the partition: pending offsets
 * count from now on, or are forgotten.  Also while loading. */
void groups_marker(struct groups *groups, int32_t partition,
	const struct coord_producer *producer, bool is_commit);

/* Does this coordinator handle the API?  OffsetCommit, OffsetFetch,
 * OffsetDelete, TxnOffsetCommit (its transaction was checked before),
 * JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups,
 * DeleteGroups, ConsumerGroupHeartbeat, ConsumerGroupDescribe. */
bool groups_handles(int16_t api_key);

/* Handle a request. */
void groups_handle(struct groups *groups, struct coord_call *call, struct coord_now now);

/* When groups_tick wants to be called next, in mono_ms; INT64_MAX: never. */
int64_t groups_next_tick(const struct groups *groups);
void groups_tick(struct groups *groups, struct coord_now now);

/* Topics were made, grown or deleted. */
void groups_topics_changed(struct groups *groups, struct coord_now now);
void groups_topic_deleted(struct groups *groups, struct str topic, struct coord_now now);

/* The broker stops: all calls that wait are responded to (NOT_COORDINATOR). */
void groups_stop(struct groups *groups);

/* How many there are; for limits, logs and tests. */
int32_t groups_count(const struct groups *groups);

#endif
