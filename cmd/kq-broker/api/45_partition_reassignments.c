/* AlterPartitionReassignments, ListPartitionReassignments: with one broker every
 * partition is where it can be, and none is on its way (KIP-455). */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct alter_partition_reassignments_response_topic topic_result;
typedef struct alter_partition_reassignments_response_partition
	partition_result;

static int16_t
check_replicas(const struct broker *b, const int32_t *v, int32_t n, struct str *message)
{
	if (n == 0)
		*message = STR("the list of replicas is empty");
	for (int32_t i = 0; i < n && message->n < 0; i++)
		if (v[i] != b->node_id)
			*message = STR("there is no broker of this id");
		else if (i > 0)
			*message = STR("a broker is named more than once");
	return message->n < 0 ? KERR_NONE : KERR_INVALID_REPLICA_ASSIGNMENT;
}

static int16_t
answer(const struct broker *b, const struct topic *t,
	const struct alter_partition_reassignments_request_partition *q,
	struct str *message)
{
	*message = STR_NULL;
	if (!t || q->partition_index < 0 || q->partition_index >= t->npartition) {
		*message = t ? STR("the topic has no such partition") : STR("there is no such topic");
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	return q->replicas.n < 0 ? KERR_NO_REASSIGNMENT_IN_PROGRESS
		: check_replicas(b, q->replicas.v, q->replicas.n, message);
}

void
api_alter_partition_reassignments(struct request *rq)
{
	const struct alter_partition_reassignments_request *q = rq->body;
	struct alter_partition_reassignments_response a;
	wire_defaults(&alter_partition_reassignments_response_desc, &a);
	a.allow_replication_factor_change = q->allow_replication_factor_change;
	a.error_message = STR_NULL;
	a.responses.n = q->topics.n;
	a.responses.v = REQUEST_ARRAY(rq, topic_result, q->topics.n);
	topics_read_begin(&rq->broker->topics);
	for (int32_t i = 0; i < q->topics.n; i++) {
		int32_t n = q->topics.v[i].partitions.n;
		const struct topic *t = topics_find(&rq->broker->topics, q->topics.v[i].name);
		a.responses.v[i].name = q->topics.v[i].name;
		a.responses.v[i].partitions.n = n;
		a.responses.v[i].partitions.v = REQUEST_ARRAY(rq, partition_result, n);
		for (int32_t k = 0; k < n; k++) {
			partition_result *p = &a.responses.v[i].partitions.v[k];
			p->partition_index = q->topics.v[i].partitions.v[k].partition_index;
			p->error_code = answer(rq->broker, t, &q->topics.v[i].partitions.v[k],
				&p->error_message);
		}
	}
	topics_read_end(&rq->broker->topics);
	request_respond(rq, &a);
}

void
api_list_partition_reassignments(struct request *rq)
{
	struct list_partition_reassignments_response a;
	wire_defaults(&list_partition_reassignments_response_desc, &a);
	a.error_message = STR_NULL;
	request_respond(rq, &a);
}
