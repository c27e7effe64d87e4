/*
 * DescribeLogDirs: bytes of each partition on disk.
 *
 * By version: 3 top-level error.  4 bytes of the file system.  5 is_cordoned,
 * always false.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/topics.h"

#include "proto.h"
#include "wire/kerr.h"

#include <sys/statvfs.h>

typedef struct describe_log_dirs_response_topic dir_topic;
typedef struct describe_log_dirs_response_partition dir_partition;

/* Partitions in one answer: topics may be named any number of times. */
enum { LISTED_MAX = 1000000 };

/* A flag for each of the topic's partitions: asked for?  NULL: all are. */
static const bool *
wanted(struct request *rq, const struct topic *t,
	const struct describe_log_dirs_request_topic *asked)
{
	if (!asked || asked->partitions.n == 0)
		return NULL;
	bool *is_wanted = REQUEST_ARRAY(rq, bool, t->npartition);
	for (int32_t i = 0; i < asked->partitions.n; i++)
		if (asked->partitions.v[i] >= 0 && asked->partitions.v[i] < t->npartition)
			is_wanted[asked->partitions.v[i]] = true;
	return is_wanted;
}

/* Under the lock of the topics. */
static void
add_topic(struct request *rq, const struct topic *t,
	const struct describe_log_dirs_request_topic *asked, dir_topic *answer)
{
	const bool *is_wanted = wanted(rq, t, asked);
	answer->name = arena_str(&rq->arena, str_of(t->name));
	answer->partitions.n = 0;
	answer->partitions.v = REQUEST_ARRAY(rq, dir_partition, t->npartition);
	for (int32_t i = 0; i < t->npartition; i++) {
		if (is_wanted && !is_wanted[i])
			continue;
		struct partition *part = t->partition[i];
		dir_partition *to = &answer->partitions.v[answer->partitions.n++];
		wire_defaults(&describe_log_dirs_response_partition_desc, to);
		to->partition_index = i;
		pthread_mutex_lock(&part->lock);
		struct err ignored; /* a failed log is reported elsewhere */
		partlog_open(&part->log, &ignored);
		to->partition_size = part->log.size;
		pthread_mutex_unlock(&part->lock);
	}
}

static void
fill_topics(struct request *rq, struct describe_log_dirs_response_dir *answer)
{
	struct describe_log_dirs_request *q = rq->body;
	struct topics *topics = &rq->broker->topics;
	int n = q->topics.n;
	struct topic **all = NULL;
	if (n < 0)
		all = topics_sorted(topics, &rq->arena, &n);
	answer->topics.v = REQUEST_ARRAY(rq, dir_topic, n);
	int64_t nlisted = 0;
	for (int i = 0; i < n; i++) {
		struct topic *t = all ? all[i] : topics_find(topics, q->topics.v[i].topic);
		if (t && (nlisted += t->npartition) > LISTED_MAX) {
			answer->error_code = KERR_INVALID_REQUEST;
			answer->topics.n = 0;
			return;
		}
		if (t)
			add_topic(rq, t, all ? NULL : &q->topics.v[i],
				&answer->topics.v[answer->topics.n++]);
	}
}

void
api_describe_log_dirs(struct request *rq)
{
	struct broker *broker = rq->broker;
	struct describe_log_dirs_response r;
	wire_defaults(&describe_log_dirs_response_desc, &r);
	r.results.n = 1;
	r.results.v = REQUEST_ARRAY(rq, struct describe_log_dirs_response_dir, 1);
	wire_defaults(&describe_log_dirs_response_dir_desc, r.results.v);
	r.results.v[0].log_dir = str_of(broker->dir.path);
	struct statvfs fs;
	if (broker->dir.fd >= 0 && fstatvfs(broker->dir.fd, &fs) == 0) {
		r.results.v[0].total_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
		r.results.v[0].usable_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	}
	topics_read_begin(&broker->topics);
	fill_topics(rq, r.results.v);
	topics_read_end(&broker->topics);
	request_respond(rq, &r);
}
