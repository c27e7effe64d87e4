/* DescribeQuorum: the metadata has one voter, this broker, which leads (KIP-595).
 * Kafka's clients know the metadata as the only partition of a topic. */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "sys/clock.h"
#include "wire/kerr.h"

#define METADATA_TOPIC STR("__cluster_metadata")

typedef struct describe_quorum_response_topic topic_answer;
typedef struct describe_quorum_response_partition partition_answer;

/* On the control thread, whose the metadata are. */
static void
fill_partition(struct request *rq, partition_answer *a)
{
	struct broker *b = rq->broker;
	a->leader_id = b->node_id;
	a->leader_epoch = b->epoch;
	a->high_watermark = metastore_revision(b->meta);
	a->current_voters.n = 1;
	a->current_voters.v = REQUEST_ARRAY(rq, struct describe_quorum_response_replica, 1);
	a->current_voters.v[0].replica_id = b->node_id;
	a->current_voters.v[0].log_end_offset = a->high_watermark;
	a->current_voters.v[0].last_fetch_timestamp = clock_ms();
	a->current_voters.v[0].last_caught_up_timestamp = clock_ms();
}

static void
fill_nodes(struct request *rq, struct describe_quorum_response *a)
{
	a->nodes.n = 1;
	a->nodes.v = REQUEST_ARRAY(rq, struct describe_quorum_response_node, 1);
	a->nodes.v[0].node_id = rq->broker->node_id;
	a->nodes.v[0].listeners.n = 1;
	a->nodes.v[0].listeners.v = REQUEST_ARRAY(rq, struct describe_quorum_response_listener, 1);
	a->nodes.v[0].listeners.v[0].name = STR("PLAINTEXT");
	a->nodes.v[0].listeners.v[0].host = str_of(rq->advertised->host);
	a->nodes.v[0].listeners.v[0].port = (uint16_t)rq->advertised->port;
}

void
api_describe_quorum(struct request *rq)
{
	const struct describe_quorum_request *q = rq->body;
	struct describe_quorum_response a;
	wire_defaults(&describe_quorum_response_desc, &a);
	a.topics.n = q->topics.n;
	a.topics.v = REQUEST_ARRAY(rq, topic_answer, q->topics.n);
	for (int32_t i = 0; i < q->topics.n; i++) {
		topic_answer *t = &a.topics.v[i];
		int32_t n = q->topics.v[i].partitions.n;
		t->topic_name = q->topics.v[i].topic_name;
		t->partitions.n = n;
		t->partitions.v = REQUEST_ARRAY(rq, partition_answer, n);
		for (int32_t k = 0; k < n; k++) {
			partition_answer *p = &t->partitions.v[k];
			wire_defaults(&describe_quorum_response_partition_desc, p);
			p->partition_index = q->topics.v[i].partitions.v[k].partition_index;
			if (p->partition_index == 0 && str_eq(t->topic_name, METADATA_TOPIC)) {
				fill_partition(rq, p);
				fill_nodes(rq, &a);
			} else {
				p->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
				p->error_message = STR("no quorum keeps this partition");
			}
		}
	}
	request_respond(rq, &a);
}
