/*
 * The APIs that this broker serves: a row each in the table of dispatch.c, and
 * a handler in a file of its own, api/NN_name.c, whose comment says what
 * differs by version.  Requests to groups and transactions have one handler,
 * lane_coordinate; what is particular to them is in common/group and
 * common/txn.
 *
 * A handler runs once, on the lane that its row names.
 */
#ifndef KQ_BROKER_API_H
#define KQ_BROKER_API_H

#include "kq-broker/coordinator.h"
#include "kq-broker/lane.h"
#include "kq-broker/request.h"

enum api_flags {
	API_QUICK = 1, /* of a coordinator: see lane_continue_quickly */
	API_CONSUMER_PROTOCOL = 2, /* announced only if that protocol is enabled */
};

/* The coordinators' topics.  Those that an API needs are created before its
 * handler runs; if that fails the coordinator finds none, and answers with an error. */
enum api_topics { API_GROUPS_TOPIC = 1 << COORD_GROUPS, API_TXNS_TOPIC = 1 << COORD_TXNS };

struct api {
	int16_t key;
	int16_t min, max;       /* the versions served */
	int16_t nrefused;       /* versions below min that ApiVersions announces */
	int16_t advertised_min; /* min - nrefused */
	enum lane lane;
	unsigned flags;         /* enum api_flags */
	unsigned needs_topics;  /* enum api_topics */
	request_fn *handle;     /* NULL: the API is not served */
	const struct wire_api *wire;
};

void api_produce(struct request *rq);
void api_fetch(struct request *rq);
void api_list_offsets(struct request *rq);
void api_metadata(struct request *rq);
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

/* The answer to an ApiVersions request of an unknown version (KIP-511):
 * version 0's body with error 35. */
void api_versions_refuse(struct request *rq);

/* What ApiVersions announces: n rows, by key.  Once, before any thread. */
void api_versions_init(const struct api *table, int n);

#endif
