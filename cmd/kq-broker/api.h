/*
 * The one table of what this broker serves.  One file an API: api/NN_name.c.
 */
#ifndef KQ_BROKER_API_H
#define KQ_BROKER_API_H

#include "kq-broker/request.h"

enum api_flags {
	API_CONTROL = 1, /* uses the metadata store: always on the control thread */
	API_QUICK = 4,   /* a reactor may be the coordinator for as long as it takes */
	API_CONSUMER_PROTOCOL = 2, /* not announced where groups can't use it */
};

struct api {
	int16_t key;
	int16_t advertised_min; /* what ApiVersions says */
	int16_t min, max;       /* what is served */
	int flags;
	void (*handle)(struct request *rq);
	const struct wire_api *wire;
};

/* The API of a key, or NULL; and the whole table. */
const struct api *api_find(int16_t key);
const struct api *api_table(int *n);
void api_init(void); /* once, before any thread */

void api_produce(struct request *rq);
void api_fetch(struct request *rq);
void api_list_offsets(struct request *rq);
void api_metadata(struct request *rq);
void api_groups(struct request *rq); /* many: see api/08_groups.c */
void api_txns(struct request *rq);   /* many: see api/24_txns.c */
void api_write_txn_markers(struct request *rq);
void api_describe_producers(struct request *rq);
void api_find_coordinator(struct request *rq);
void api_api_versions(struct request *rq);
void api_create_topics(struct request *rq);
void api_delete_topics(struct request *rq);
void api_delete_records(struct request *rq);
void api_init_producer_id(struct request *rq);
void api_offset_for_leader_epoch(struct request *rq);
void api_describe_acls(struct request *rq);
void api_create_acls(struct request *rq);
void api_delete_acls(struct request *rq);
void api_describe_configs(struct request *rq);
void api_alter_configs(struct request *rq);
void api_alter_replica_log_dirs(struct request *rq);
void api_describe_log_dirs(struct request *rq);
void api_create_partitions(struct request *rq);
void api_create_delegation_token(struct request *rq);
void api_renew_delegation_token(struct request *rq);
void api_expire_delegation_token(struct request *rq);
void api_describe_delegation_token(struct request *rq);
void api_elect_leaders(struct request *rq);
void api_incremental_alter_configs(struct request *rq);
void api_alter_partition_reassignments(struct request *rq);
void api_list_partition_reassignments(struct request *rq);
void api_describe_client_quotas(struct request *rq);
void api_alter_client_quotas(struct request *rq);
void api_describe_user_scram_credentials(struct request *rq);
void api_alter_user_scram_credentials(struct request *rq);
void api_describe_quorum(struct request *rq);
void api_update_features(struct request *rq);
void api_describe_cluster(struct request *rq);
void api_unregister_broker(struct request *rq);
void api_list_config_resources(struct request *rq);
void api_describe_topic_partitions(struct request *rq);
void api_add_raft_voter(struct request *rq);
void api_remove_raft_voter(struct request *rq);
void api_unregister_controller(struct request *rq);

/* The answer to an ApiVersions request of a version we do not know (KIP-511):
 * version 0's body with error 35. */
void api_versions_refuse(struct request *rq);

#endif
