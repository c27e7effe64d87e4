/*
 * AlterReplicaLogDirs: there is one data directory, and all replicas are in it.
 *
 * By version: no difference but the encoding.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

typedef struct alter_replica_log_dirs_request_topic asked_topic;
typedef struct alter_replica_log_dirs_response_topic topic_result;

static void
fill_topic(struct request *rq, const asked_topic *asked, bool is_here, topic_result *answer)
{
	answer->topic_name = asked->name;
	answer->partitions.n = asked->partitions.n;
	answer->partitions.v = REQUEST_ARRAY(rq, struct alter_replica_log_dirs_response_partition,
		asked->partitions.n);
	const struct topic *t = topics_find(&rq->broker->topics, asked->name);
	for (int32_t i = 0; i < asked->partitions.n; i++) {
		int32_t index = asked->partitions.v[i];
		bool is_there = t && index >= 0 && index < t->npartition;
		answer->partitions.v[i].partition_index = index;
		answer->partitions.v[i].error_code = !is_here ? KERR_LOG_DIR_NOT_FOUND
			: is_there ? KERR_NONE : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
}

void
api_alter_replica_log_dirs(struct request *rq)
{
	const struct alter_replica_log_dirs_request *q = rq->body;
	struct alter_replica_log_dirs_response r;
	int32_t n = 0;
	wire_defaults(&alter_replica_log_dirs_response_desc, &r);
	for (int32_t i = 0; i < q->dirs.n; i++)
		n += q->dirs.v[i].topics.n;
	r.results.v = REQUEST_ARRAY(rq, topic_result, n);
	topics_read_begin(&rq->broker->topics);
	for (int32_t i = 0; i < q->dirs.n; i++) {
		bool is_here = str_eq(q->dirs.v[i].path, str_of(rq->broker->dir.path));
		for (int32_t k = 0; k < q->dirs.v[i].topics.n; k++)
			fill_topic(rq, &q->dirs.v[i].topics.v[k], is_here, &r.results.v[r.results.n++]);
	}
	topics_read_end(&rq->broker->topics);
	request_respond(rq, &r);
}
