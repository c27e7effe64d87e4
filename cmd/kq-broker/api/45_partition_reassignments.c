/*
 * AlterPartitionReassignments, ListPartitionReassignments (KIP-455): with one
 * broker each partition is where it can be, and none is being moved.
 *
 * By version: 1 (alter) allow_replication_factor_change, which is returned.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct alter_partition_reassignments_response_topic topic_result;
typedef struct alter_partition_reassignments_response_partition partition_result;

static int16_t
check_replicas(const struct broker *broker, const int32_t *v, int32_t n, struct str *message)
{
	if (n == 0)
		*message = STR("the list of replicas is empty");
	for (int32_t i = 0; i < n && message->n < 0; i++)
		if (v[i] != broker->node_id)
			*message = STR("there is no broker of this id");
		else if (i > 0)
			*message = STR("a broker is named more than once");
	return message->n < 0 ? KERR_NONE : KERR_INVALID_REPLICA_ASSIGNMENT;
}

static int16_t
answer(const struct broker *broker, const struct topic *t,
	const struct alter_partition_reassignments_request_partition *asked,
	struct str *message)
{
	*message = STR_NULL;
	if (!t || asked->partition_index < 0 || asked->partition_index >= t->npartition) {
		*message = t ? STR("the topic has no such partition") : STR("there is no such topic");
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	return asked->replicas.n < 0 ? KERR_NO_REASSIGNMENT_IN_PROGRESS
		: check_replicas(broker, asked->replicas.v, asked->replicas.n, message);
}

void
api_alter_partition_reassignments(struct request *rq)
{
	const struct alter_partition_reassignments_request *q = rq->body;
	struct alter_partition_reassignments_response r;
	wire_defaults(&alter_partition_reassignments_response_desc, &r);
	r.allow_replication_factor_change = q->allow_replication_factor_change;
	r.error_message = STR_NULL;
	r.responses.n = q->topics.n;
	r.responses.v = REQUEST_ARRAY(rq, topic_result, q->topics.n);
	topics_read_begin(&rq->broker->topics);
	for (int32_t i = 0; i < q->topics.n; i++) {
		int32_t n = q->topics.v[i].partitions.n;
		const struct topic *t = topics_find(&rq->broker->topics, q->topics.v[i].name);
		r.responses.v[i].name = q->topics.v[i].name;
		r.responses.v[i].partitions.n = n;
		r.responses.v[i].partitions.v = REQUEST_ARRAY(rq, partition_result, n);
		for (int32_t k = 0; k < n; k++) {
			partition_result *to = &r.responses.v[i].partitions.v[k];
			to->partition_index = q->topics.v[i].partitions.v[k].partition_index;
			to->error_code = answer(rq->broker, t, &q->topics.v[i].partitions.v[k],
				&to->error_message);
		}
	}
	topics_read_end(&rq->broker->topics);
	request_respond(rq, &r);
}

void
api_list_partition_reassignments(struct request *rq)
{
	struct list_partition_reassignments_response r;
	wire_defaults(&list_partition_reassignments_response_desc, &r);
	r.error_message = STR_NULL;
	request_respond(rq, &r);
}
