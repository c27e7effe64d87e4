/*
 * The group coordinator: classic groups, consumer groups (KIP-848), and the
 * offsets they commit.
 *
 * All lasting state is in the records of __consumer_offsets, in Kafka's formats
 * (share/proto/log-*.kqp): replaying them gives the same groups.  After a restart,
 * members of classic groups have one session timeout to come back, as in Kafka.
 *
 * Sources: Kafka's GroupMetadataManager, OffsetMetadataManager; KIP-345
 * (static members), KIP-429 (cooperative), KIP-394 (member id required),
 * KIP-447 (stable offsets), KIP-848.
 *
 * Uses: base, wire, coord.  One thread.
 */
#ifndef KQ_GROUP_GROUPS_H
#define KQ_GROUP_GROUPS_H

#include "coord/coord.h"

struct groups_config {
	int32_t npartition;              /* of __consumer_offsets */
	int32_t ngroup_max;              /* max.groups; at it, requests that would make a
	                                    group get COORDINATOR_NOT_AVAILABLE */
	int64_t state_size_max;          /* group.state.bytes.max; at it, requests that
	                                    would add state get the same error */
	int32_t member_max;              /* group.max.size */
	int32_t session_min_ms, session_max_ms; /* classic */
	int32_t initial_delay_ms;        /* group.initial.rebalance.delay.ms */
	int32_t offset_metadata_max;     /* UTF-16 units, as Kafka counts */
	int64_t offsets_retention_ms;
	int64_t expiry_interval_ms;      /* between checks for expired offsets */
	/* KIP-848: */
	bool has_consumer_protocol;      /* false: ConsumerGroupHeartbeat is refused */
	int32_t consumer_session_ms, consumer_heartbeat_ms;
	int32_t consumer_member_max;
	bool can_upgrade, can_downgrade; /* group.consumer.migration.policy */
};

struct groups;

/* The config is copied, env borrowed. */
struct groups *groups_new(const struct groups_config *config, struct coord_env *env);
void groups_free(struct groups *groups); /* parked calls get no response */

/* Loading, before anything else: every record of a partition in order, then
 * groups_loaded.  Records that cannot be decoded are skipped.  Offsets in a
 * transaction's records (producer not NULL) are pending until groups_marker. */
void groups_replay(struct groups *groups, int32_t partition, const struct coord_record *rec,
	const struct coord_producer *producer, int64_t timestamp_ms);
void groups_loaded(struct groups *groups, int32_t partition, struct coord_now now);

/* The producer's transaction ended in this partition: its pending offsets become
 * committed, or are dropped.  Also called while loading. */
void groups_marker(struct groups *groups, int32_t partition,
	const struct coord_producer *producer, bool is_commit);

/* Whether this coordinator handles the API: OffsetCommit, OffsetFetch,
 * OffsetDelete, TxnOffsetCommit (the driver has checked its transaction),
 * JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups,
 * DeleteGroups, ConsumerGroupHeartbeat, ConsumerGroupDescribe. */
bool groups_handles(int16_t api_key);

/* Handles a request; the response comes through env.respond, now or later. */
void groups_handle(struct groups *groups, struct coord_call *call, struct coord_now now);

/* When groups_tick has work next, in mono_ms; INT64_MAX: never. */
int64_t groups_next_tick(const struct groups *groups);
void groups_tick(struct groups *groups, struct coord_now now);

/* Topics were created, grown or deleted: subscriptions are evaluated again. */
void groups_topics_changed(struct groups *groups, struct coord_now now);
/* A topic was deleted: its offsets are removed. */
void groups_topic_deleted(struct groups *groups, struct str topic, struct coord_now now);

/* The broker stops: answers all parked calls with NOT_COORDINATOR. */
void groups_stop(struct groups *groups);

/* The number of groups. */
int32_t groups_count(const struct groups *groups);

#endif
