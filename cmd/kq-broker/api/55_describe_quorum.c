/*
 * DescribeQuorum (KIP-595): the metadata has one voter, this broker, which is
 * its leader.  To Kafka's clients the metadata is a topic with one partition.
 *
 * By version: 1 times of the last fetch.  2 error messages, nodes, directory
 * ids (zero).
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "sys/clock.h"
#include "wire/kerr.h"

#define METADATA_TOPIC STR("__cluster_metadata")

typedef struct describe_quorum_response_topic topic_answer;
typedef struct describe_quorum_response_partition partition_answer;

/* On the control thread, which owns the metadata. */
static void
fill_partition(struct request *rq, partition_answer *answer)
{
	struct broker *broker = rq->broker;
	answer->leader_id = broker->node_id;
	answer->leader_epoch = broker->cluster.epoch;
	answer->high_watermark = metastore_revision(broker->meta);
	answer->current_voters.n = 1;
	answer->current_voters.v = REQUEST_ARRAY(rq, struct describe_quorum_response_replica, 1);
	answer->current_voters.v[0].replica_id = broker->node_id;
	answer->current_voters.v[0].log_end_offset = answer->high_watermark;
	answer->current_voters.v[0].last_fetch_timestamp = clock_ms();
	answer->current_voters.v[0].last_caught_up_timestamp = clock_ms();
}

static void
fill_nodes(struct request *rq, struct describe_quorum_response *r)
{
	r->nodes.n = 1;
	r->nodes.v = REQUEST_ARRAY(rq, struct describe_quorum_response_node, 1);
	r->nodes.v[0].node_id = rq->broker->node_id;
	r->nodes.v[0].listeners.n = 1;
	r->nodes.v[0].listeners.v = REQUEST_ARRAY(rq, struct describe_quorum_response_listener, 1);
	r->nodes.v[0].listeners.v[0].name = STR("PLAINTEXT");
	r->nodes.v[0].listeners.v[0].host = str_of(rq->advertised->host);
	r->nodes.v[0].listeners.v[0].port = (uint16_t)rq->advertised->port;
}

void
api_describe_quorum(struct request *rq)
{
	const struct describe_quorum_request *q = rq->body;
	struct describe_quorum_response r;
	wire_defaults(&describe_quorum_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = REQUEST_ARRAY(rq, topic_answer, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		topic_answer *t = &r.topics.v[i];
		int32_t n = q->topics.v[i].partitions.n;
		t->topic_name = q->topics.v[i].topic_name;
		t->partitions.n = n;
		t->partitions.v = REQUEST_ARRAY(rq, partition_answer, n);
		for (int32_t k = 0; k < n; k++) {
			partition_answer *answer = &t->partitions.v[k];
			wire_defaults(&describe_quorum_response_partition_desc, answer);
			answer->partition_index = q->topics.v[i].partitions.v[k].partition_index;
			if (answer->partition_index == 0 && str_eq(t->topic_name, METADATA_TOPIC)) {
				fill_partition(rq, answer);
				if (r.nodes.n == 0) /* the partition may be named often */
					fill_nodes(rq, &r);
			} else {
				answer->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
				answer->error_message = STR("no quorum keeps this partition");
			}
		}
	}
	request_respond(rq, &r);
}
