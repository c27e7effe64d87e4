#include "kq-broker/api.h"
#include "proto.h"

/* Produce: versions 0 to 2 are announced though refused, since librdkafka
 * before 2.12 compresses only for brokers that announce them (KAFKA-18659).
 * No minimum here may rise: older clients test for exact versions. */
static struct api table[] = {
	{ API_PRODUCE, 0, 3, 13, 0, api_produce, NULL },
	{ API_FETCH, 4, 4, 18, 0, api_fetch, NULL },
	{ API_LIST_OFFSETS, 1, 1, 11, 0, api_list_offsets, NULL },
	{ API_METADATA, 0, 0, 13, 0, api_metadata, NULL },
	{ API_OFFSET_COMMIT, 2, 2, 10, API_QUICK, api_groups, NULL },
	{ API_OFFSET_FETCH, 1, 1, 10, 0, api_groups, NULL },
	{ API_FIND_COORDINATOR, 0, 0, 6, 0, api_find_coordinator, NULL },
	{ API_JOIN_GROUP, 0, 0, 9, 0, api_groups, NULL },
	{ API_HEARTBEAT, 0, 0, 4, API_QUICK, api_groups, NULL },
	{ API_LEAVE_GROUP, 0, 0, 5, 0, api_groups, NULL },
	{ API_SYNC_GROUP, 0, 0, 5, 0, api_groups, NULL },
	{ API_DESCRIBE_GROUPS, 0, 0, 6, 0, api_groups, NULL },
	{ API_LIST_GROUPS, 0, 0, 5, 0, api_groups, NULL },
	{ API_API_VERSIONS, 0, 0, 5, 0, api_api_versions, NULL },
	{ API_CREATE_TOPICS, 2, 2, 7, API_CONTROL, api_create_topics, NULL },
	{ API_DELETE_TOPICS, 1, 1, 6, API_CONTROL, api_delete_topics, NULL },
	{ API_DELETE_RECORDS, 0, 0, 2, API_CONTROL, api_delete_records, NULL },
	{ API_INIT_PRODUCER_ID, 0, 0, 5, 0, api_init_producer_id, NULL },
	{ API_OFFSET_FOR_LEADER_EPOCH, 2, 2, 4, 0, api_offset_for_leader_epoch, NULL },
	{ API_ADD_PARTITIONS_TO_TXN, 0, 0, 5, API_QUICK, api_txns, NULL },
	{ API_ADD_OFFSETS_TO_TXN, 0, 0, 4, API_QUICK, api_txns, NULL },
	{ API_END_TXN, 0, 0, 5, API_QUICK, api_txns, NULL },
	{ API_WRITE_TXN_MARKERS, 1, 1, 2, 0, api_write_txn_markers, NULL },
	{ API_TXN_OFFSET_COMMIT, 0, 0, 6, API_QUICK, api_groups, NULL },
	{ API_DESCRIBE_ACLS, 1, 1, 3, 0, api_describe_acls, NULL },
	{ API_CREATE_ACLS, 1, 1, 3, 0, api_create_acls, NULL },
	{ API_DELETE_ACLS, 1, 1, 3, 0, api_delete_acls, NULL },
	{ API_DESCRIBE_CONFIGS, 1, 1, 4, 0, api_describe_configs, NULL },
	{ API_ALTER_CONFIGS, 0, 0, 2, API_CONTROL, api_alter_configs, NULL },
	{ API_ALTER_REPLICA_LOG_DIRS, 1, 1, 2, 0, api_alter_replica_log_dirs, NULL },
	{ API_DESCRIBE_LOG_DIRS, 1, 1, 5, 0, api_describe_log_dirs, NULL },
	{ API_CREATE_PARTITIONS, 0, 0, 3, API_CONTROL, api_create_partitions, NULL },
	{ API_CREATE_DELEGATION_TOKEN, 1, 1, 3, 0, api_create_delegation_token, NULL },
	{ API_RENEW_DELEGATION_TOKEN, 1, 1, 2, 0, api_renew_delegation_token, NULL },
	{ API_EXPIRE_DELEGATION_TOKEN, 1, 1, 2, 0, api_expire_delegation_token, NULL },
	{ API_DESCRIBE_DELEGATION_TOKEN, 1, 1, 3, 0, api_describe_delegation_token, NULL },
	{ API_DELETE_GROUPS, 0, 0, 3, 0, api_groups, NULL },
	{ API_ELECT_LEADERS, 0, 0, 2, 0, api_elect_leaders, NULL },
	{ API_INCREMENTAL_ALTER_CONFIGS, 0, 0, 1, API_CONTROL, api_incremental_alter_configs, NULL },
	{ API_ALTER_PARTITION_REASSIGNMENTS, 0, 0, 1, 0, api_alter_partition_reassignments, NULL },
	{ API_LIST_PARTITION_REASSIGNMENTS, 0, 0, 0, 0, api_list_partition_reassignments, NULL },
	{ API_OFFSET_DELETE, 0, 0, 0, 0, api_groups, NULL },
	{ API_DESCRIBE_CLIENT_QUOTAS, 0, 0, 1, 0, api_describe_client_quotas, NULL },
	{ API_ALTER_CLIENT_QUOTAS, 0, 0, 1, 0, api_alter_client_quotas, NULL },
	{ API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, 0, 0, api_describe_user_scram_credentials, NULL },
	{ API_ALTER_USER_SCRAM_CREDENTIALS, 0, 0, 0, 0, api_alter_user_scram_credentials, NULL },
	{ API_DESCRIBE_QUORUM, 0, 0, 2, API_CONTROL, api_describe_quorum, NULL },
	{ API_UPDATE_FEATURES, 0, 0, 2, 0, api_update_features, NULL },
	{ API_DESCRIBE_CLUSTER, 0, 0, 2, 0, api_describe_cluster, NULL },
	{ API_DESCRIBE_PRODUCERS, 0, 0, 0, 0, api_describe_producers, NULL },
	{ API_UNREGISTER_BROKER, 0, 0, 0, 0, api_unregister_broker, NULL },
	{ API_DESCRIBE_TRANSACTIONS, 0, 0, 0, 0, api_txns, NULL },
	{ API_LIST_TRANSACTIONS, 0, 0, 2, 0, api_txns, NULL },
	{ API_CONSUMER_GROUP_HEARTBEAT, 0, 0, 1, API_CONSUMER_PROTOCOL, api_groups, NULL },
	{ API_CONSUMER_GROUP_DESCRIBE, 0, 0, 1, API_CONSUMER_PROTOCOL, api_groups, NULL },
	{ API_LIST_CONFIG_RESOURCES, 0, 0, 1, 0, api_list_config_resources, NULL },
	{ API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, 0, 0, api_describe_topic_partitions, NULL },
	{ API_ADD_RAFT_VOTER, 0, 0, 1, 0, api_add_raft_voter, NULL },
	{ API_REMOVE_RAFT_VOTER, 0, 0, 0, 0, api_remove_raft_voter, NULL },
	{ API_UNREGISTER_CONTROLLER, 0, 0, 0, 0, api_unregister_controller, NULL },
};

static const struct api *by_key[API_KEY_MAX + 1];

void
api_init(void)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct api *a = &table[i];
		a->wire = wire_api_find(a->key);
		assert(a->wire && a->wire->min <= a->min && a->wire->max >= a->max);
		by_key[a->key] = a;
	}
}

const struct api *
api_find(int16_t key)
{
	return key >= 0 && key <= API_KEY_MAX ? by_key[key] : NULL;
}

const struct api *
api_table(int *n)
{
	*n = ARRAY_LEN(table);
	return table;
}
