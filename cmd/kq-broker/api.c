#include "api.h"

/* Produce: versions 0 to 2 are announced though refused, since librdkafka
 * before 2.12 compresses only for brokers that announce them (KAFKA-18659).
 * No minimum here may rise: older clients test for exact versions. */
static struct api table[] = {
	{ 0, 0, 3, 13, 0, api_produce, NULL },
	{ 1, 4, 4, 18, 0, api_fetch, NULL },
	{ 2, 1, 1, 11, 0, api_list_offsets, NULL },
	{ 3, 0, 0, 13, 0, api_metadata, NULL },
	{ 8, 2, 2, 10, API_QUICK, api_groups, NULL },
	{ 9, 1, 1, 10, 0, api_groups, NULL },
	{ 10, 0, 0, 6, 0, api_find_coordinator, NULL },
	{ 11, 0, 0, 9, 0, api_groups, NULL },
	{ 12, 0, 0, 4, API_QUICK, api_groups, NULL },
	{ 13, 0, 0, 5, 0, api_groups, NULL },
	{ 14, 0, 0, 5, 0, api_groups, NULL },
	{ 15, 0, 0, 6, 0, api_groups, NULL },
	{ 16, 0, 0, 5, 0, api_groups, NULL },
	{ 18, 0, 0, 5, 0, api_api_versions, NULL },
	{ 19, 2, 2, 7, API_CONTROL, api_create_topics, NULL },
	{ 20, 1, 1, 6, API_CONTROL, api_delete_topics, NULL },
	{ 21, 0, 0, 2, API_CONTROL, api_delete_records, NULL },
	{ 22, 0, 0, 5, 0, api_init_producer_id, NULL },
	{ 23, 2, 2, 4, 0, api_offset_for_leader_epoch, NULL },
	{ 24, 0, 0, 5, API_QUICK, api_txns, NULL },
	{ 25, 0, 0, 4, API_QUICK, api_txns, NULL },
	{ 26, 0, 0, 5, API_QUICK, api_txns, NULL },
	{ 27, 1, 1, 2, 0, api_write_txn_markers, NULL },
	{ 28, 0, 0, 6, API_QUICK, api_groups, NULL },
	{ 29, 1, 1, 3, 0, api_describe_acls, NULL },
	{ 30, 1, 1, 3, 0, api_create_acls, NULL },
	{ 31, 1, 1, 3, 0, api_delete_acls, NULL },
	{ 32, 1, 1, 4, 0, api_describe_configs, NULL },
	{ 33, 0, 0, 2, API_CONTROL, api_alter_configs, NULL },
	{ 34, 1, 1, 2, 0, api_alter_replica_log_dirs, NULL },
	{ 35, 1, 1, 5, 0, api_describe_log_dirs, NULL },
	{ 37, 0, 0, 3, API_CONTROL, api_create_partitions, NULL },
	{ 38, 1, 1, 3, 0, api_create_delegation_token, NULL },
	{ 39, 1, 1, 2, 0, api_renew_delegation_token, NULL },
	{ 40, 1, 1, 2, 0, api_expire_delegation_token, NULL },
	{ 41, 1, 1, 3, 0, api_describe_delegation_token, NULL },
	{ 42, 0, 0, 3, 0, api_groups, NULL },
	{ 43, 0, 0, 2, 0, api_elect_leaders, NULL },
	{ 44, 0, 0, 1, API_CONTROL, api_incremental_alter_configs, NULL },
	{ 45, 0, 0, 1, 0, api_alter_partition_reassignments, NULL },
	{ 46, 0, 0, 0, 0, api_list_partition_reassignments, NULL },
	{ 47, 0, 0, 0, 0, api_groups, NULL },
	{ 48, 0, 0, 1, 0, api_describe_client_quotas, NULL },
	{ 49, 0, 0, 1, 0, api_alter_client_quotas, NULL },
	{ 50, 0, 0, 0, 0, api_describe_user_scram_credentials, NULL },
	{ 51, 0, 0, 0, 0, api_alter_user_scram_credentials, NULL },
	{ 55, 0, 0, 2, API_CONTROL, api_describe_quorum, NULL },
	{ 57, 0, 0, 2, 0, api_update_features, NULL },
	{ 60, 0, 0, 2, 0, api_describe_cluster, NULL },
	{ 61, 0, 0, 0, 0, api_describe_producers, NULL },
	{ 64, 0, 0, 0, 0, api_unregister_broker, NULL },
	{ 65, 0, 0, 0, 0, api_txns, NULL },
	{ 66, 0, 0, 2, 0, api_txns, NULL },
	{ 68, 0, 0, 1, API_CONSUMER_PROTOCOL, api_groups, NULL },
	{ 69, 0, 0, 1, API_CONSUMER_PROTOCOL, api_groups, NULL },
	{ 74, 0, 0, 1, 0, api_list_config_resources, NULL },
	{ 75, 0, 0, 0, 0, api_describe_topic_partitions, NULL },
	{ 80, 0, 0, 1, 0, api_add_raft_voter, NULL },
	{ 81, 0, 0, 0, 0, api_remove_raft_voter, NULL },
	{ 94, 0, 0, 0, 0, api_unregister_controller, NULL },
};

enum { KEY_MAX = 94 };
static const struct api *by_key[KEY_MAX + 1];

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
	return key >= 0 && key <= KEY_MAX ? by_key[key] : NULL;
}

const struct api *
api_table(int *n)
{
	*n = ARRAY_LEN(table);
	return table;
}
