#include "kq-broker/dispatch.h"

#include "kq-broker/broker.h"

#include "proto.h"

/* A row: name, lowest and highest version served, lane, handler; then fields
 * that most rows do not set. */
#define API(name, min_, max_, lane_, handle_, ...) [API_##name] = { .key = API_##name, \
	.min = min_, .max = max_, .lane = lane_, .handle = handle_, __VA_ARGS__ }
#define GROUPS(name, min_, max_, ...) API(name, min_, max_, LANE_GROUPS, lane_coordinate, \
	.needs_topics = API_GROUPS_TOPIC, __VA_ARGS__)
#define TXNS(name, min_, max_, ...) API(name, min_, max_, LANE_TXNS, lane_coordinate, \
	.needs_topics = API_TXNS_TOPIC, __VA_ARGS__)

/* Produce: versions 0 to 2 are announced though refused, since librdkafka
 * before 2.12 compresses only for brokers that announce them (KAFKA-18659).
 * No minimum here may rise: older clients test for exact versions. */
static struct api table[API_KEY_MAX + 1] = {
	API(PRODUCE,                         3, 13, LANE_REACTOR, api_produce, .nrefused = 3),
	API(FETCH,                           4, 18, LANE_REACTOR, api_fetch),
	API(LIST_OFFSETS,                    1, 11, LANE_REACTOR, api_list_offsets),
	API(METADATA,                        0, 13, LANE_REACTOR, api_metadata),
	GROUPS(OFFSET_COMMIT,                2, 10, .flags = API_QUICK),
	GROUPS(OFFSET_FETCH,                 1, 10),
	API(FIND_COORDINATOR,                0,  6, LANE_REACTOR, api_find_coordinator),
	GROUPS(JOIN_GROUP,                   0,  9),
	GROUPS(HEARTBEAT,                    0,  4, .flags = API_QUICK),
	GROUPS(LEAVE_GROUP,                  0,  5),
	GROUPS(SYNC_GROUP,                   0,  5),
	GROUPS(DESCRIBE_GROUPS,              0,  6),
	GROUPS(LIST_GROUPS,                  0,  5),
	API(API_VERSIONS,                    0,  5, LANE_REACTOR, api_api_versions),
	API(CREATE_TOPICS,                   2,  7, LANE_CONTROL, api_create_topics),
	API(DELETE_TOPICS,                   1,  6, LANE_CONTROL, api_delete_topics),
	API(DELETE_RECORDS,                  0,  2, LANE_CONTROL, api_delete_records),
	API(INIT_PRODUCER_ID,                0,  5, LANE_REACTOR, api_init_producer_id),
	API(OFFSET_FOR_LEADER_EPOCH,         2,  4, LANE_REACTOR, api_offset_for_leader_epoch),
	TXNS(ADD_PARTITIONS_TO_TXN,          0,  5, .flags = API_QUICK),
	API(ADD_OFFSETS_TO_TXN,              0,  4, LANE_TXNS,    lane_coordinate, .flags = API_QUICK,
		.needs_topics = API_TXNS_TOPIC | API_GROUPS_TOPIC),
	TXNS(END_TXN,                        0,  5, .flags = API_QUICK),
	API(WRITE_TXN_MARKERS,               1,  2, LANE_TXNS,    api_write_txn_markers),
	GROUPS(TXN_OFFSET_COMMIT,            0,  6, .flags = API_QUICK),
	API(DESCRIBE_ACLS,                   1,  3, LANE_REACTOR, api_describe_acls),
	API(CREATE_ACLS,                     1,  3, LANE_REACTOR, api_create_acls),
	API(DELETE_ACLS,                     1,  3, LANE_REACTOR, api_delete_acls),
	API(DESCRIBE_CONFIGS,                1,  4, LANE_REACTOR, api_describe_configs),
	API(ALTER_CONFIGS,                   0,  2, LANE_CONTROL, api_alter_configs),
	API(ALTER_REPLICA_LOG_DIRS,          1,  2, LANE_REACTOR, api_alter_replica_log_dirs),
	API(DESCRIBE_LOG_DIRS,               1,  5, LANE_REACTOR, api_describe_log_dirs),
	API(CREATE_PARTITIONS,               0,  3, LANE_CONTROL, api_create_partitions),
	API(CREATE_DELEGATION_TOKEN,         1,  3, LANE_REACTOR, api_create_delegation_token),
	API(RENEW_DELEGATION_TOKEN,          1,  2, LANE_REACTOR, api_renew_delegation_token),
	API(EXPIRE_DELEGATION_TOKEN,         1,  2, LANE_REACTOR, api_expire_delegation_token),
	API(DESCRIBE_DELEGATION_TOKEN,       1,  3, LANE_REACTOR, api_describe_delegation_token),
	GROUPS(DELETE_GROUPS,                0,  3),
	API(ELECT_LEADERS,                   0,  2, LANE_REACTOR, api_elect_leaders),
	API(INCREMENTAL_ALTER_CONFIGS,       0,  1, LANE_CONTROL, api_incremental_alter_configs),
	API(ALTER_PARTITION_REASSIGNMENTS,   0,  1, LANE_REACTOR, api_alter_partition_reassignments),
	API(LIST_PARTITION_REASSIGNMENTS,    0,  0, LANE_REACTOR, api_list_partition_reassignments),
	GROUPS(OFFSET_DELETE,                0,  0),
	API(DESCRIBE_CLIENT_QUOTAS,          0,  1, LANE_REACTOR, api_describe_client_quotas),
	API(ALTER_CLIENT_QUOTAS,             0,  1, LANE_REACTOR, api_alter_client_quotas),
	API(DESCRIBE_USER_SCRAM_CREDENTIALS, 0,  0, LANE_REACTOR, api_describe_user_scram_credentials),
	API(ALTER_USER_SCRAM_CREDENTIALS,    0,  0, LANE_REACTOR, api_alter_user_scram_credentials),
	API(DESCRIBE_QUORUM,                 0,  2, LANE_CONTROL, api_describe_quorum),
	API(UPDATE_FEATURES,                 0,  2, LANE_REACTOR, api_update_features),
	API(DESCRIBE_CLUSTER,                0,  2, LANE_REACTOR, api_describe_cluster),
	API(DESCRIBE_PRODUCERS,              0,  0, LANE_REACTOR, api_describe_producers),
	API(UNREGISTER_BROKER,               0,  0, LANE_REACTOR, api_unregister_broker),
	TXNS(DESCRIBE_TRANSACTIONS,          0,  0),
	TXNS(LIST_TRANSACTIONS,              0,  2),
	GROUPS(CONSUMER_GROUP_HEARTBEAT,     0,  1, .flags = API_CONSUMER_PROTOCOL),
	GROUPS(CONSUMER_GROUP_DESCRIBE,      0,  1, .flags = API_CONSUMER_PROTOCOL),
	API(LIST_CONFIG_RESOURCES,           0,  1, LANE_REACTOR, api_list_config_resources),
	API(DESCRIBE_TOPIC_PARTITIONS,       0,  0, LANE_REACTOR, api_describe_topic_partitions),
	API(ADD_RAFT_VOTER,                  0,  1, LANE_REACTOR, api_add_raft_voter),
	API(REMOVE_RAFT_VOTER,               0,  0, LANE_REACTOR, api_remove_raft_voter),
	API(UNREGISTER_CONTROLLER,           0,  0, LANE_REACTOR, api_unregister_controller),
};

void
dispatch_init(void)
{
	for (int key = 0; key <= API_KEY_MAX; key++) {
		struct api *api = &table[key];
		if (!api->handle)
			continue;
		api->wire = wire_api_find(api->key);
		assert(api->wire && api->wire->min <= api->min && api->wire->max >= api->max);
		api->advertised_min = api->min - api->nrefused;
	}
	api_versions_init(table, ARRAY_LEN(table));
}

const struct api *
dispatch_find(int16_t key)
{
	return key >= 0 && key <= API_KEY_MAX && table[key].handle ? &table[key] : NULL;
}

/* On the control thread: a failure is reported by the coordinator, which finds
 * no topic. */
static void
create_topics(struct request *rq)
{
	const struct api *api = dispatch_find(rq->header.api_key);
	for (int kind = 0; kind < COORD_N; kind++)
		if (api->needs_topics & 1 << kind)
			coordinator_make_topic(rq->broker->coordinator, kind);
	lane_continue(rq, api->lane, api->handle);
}

static bool
has_topics(struct broker *broker, unsigned topics)
{
	for (int kind = 0; kind < COORD_N; kind++)
		if ((topics & 1 << kind) && !coordinator_has_topic(broker->coordinator, kind))
			return false;
	return true;
}

static void
start(struct request *rq, const struct api *api)
{
	if (!has_topics(rq->broker, api->needs_topics))
		lane_continue(rq, LANE_CONTROL, create_topics);
	else if (api->lane == LANE_REACTOR)
		api->handle(rq);
	else if (api->flags & API_QUICK)
		lane_continue_quickly(rq, api->handle);
	else
		lane_continue(rq, api->lane, api->handle);
}

int
dispatch(struct request *rq, struct err *e)
{
	if (!request_decode_header(rq))
		return err_set(e, ERR_CORRUPT, "the request header is malformed (%d)", rq->raw.n);
	const struct api *api = dispatch_find(rq->header.api_key);
	int16_t version = rq->header.api_version;
	if (!api)
		return err_set(e, ERR_LIMIT, "unknown API key (%d)", rq->header.api_key);
	rq->wire = api->wire;
	if (version < api->min || version > api->max) {
		if (api->key != API_API_VERSIONS)
			return err_set(e, ERR_LIMIT, "unsupported version of an API (%d)", version);
		api_versions_refuse(rq);
		return 0;
	}
	if (!request_decode_body(rq))
		return err_set(e, ERR_CORRUPT, "the request is malformed, or needs more than "
			"request.arena.bytes.max; its API key is (%d)", api->key);
	rq->arena.size_max = 0; /* the answer is no larger than it must be */
	start(rq, api);
	return 0;
}
