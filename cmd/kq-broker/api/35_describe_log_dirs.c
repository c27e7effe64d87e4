/* DescribeLogDirs: how large the partitions are on disk. */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/topics.h"

#include "proto.h"
#include "wire/kerr.h"

#include <sys/statvfs.h>

typedef struct describe_log_dirs_response_topic dir_topic;
typedef struct describe_log_dirs_response_partition dir_partition;

/* Partitions looked at for one answer: topics may be named any number of times. */
enum { TOLD_MAX = 1000000 };

/* Which of the topic's partitions are asked for; NULL: all. */
static const bool *
wanted(struct request *rq, const struct topic *t,
	const struct describe_log_dirs_request_topic *q)
{
	if (!q || q->partitions.n == 0)
		return NULL;
	bool *is_wanted = REQUEST_ARRAY(rq, bool, t->npartition);
	for (int32_t i = 0; i < q->partitions.n; i++)
		if (q->partitions.v[i] >= 0 && q->partitions.v[i] < t->npartition)
			is_wanted[q->partitions.v[i]] = true;
	return is_wanted;
}

/* Under the lock of the topics. */
static void
add_topic(struct request *rq, const struct topic *t,
	const struct describe_log_dirs_request_topic *q, dir_topic *a)
{
	const bool *is_wanted = wanted(rq, t, q);
	a->name = arena_str(&rq->arena, str_of(t->name));
	a->partitions.n = 0;
	a->partitions.v = REQUEST_ARRAY(rq, dir_partition, t->npartition);
	for (int32_t i = 0; i < t->npartition; i++) {
		if (is_wanted && !is_wanted[i])
			continue;
		struct partition *p = t->partition[i];
		dir_partition *pa = &a->partitions.v[a->partitions.n++];
		wire_defaults(&describe_log_dirs_response_partition_desc, pa);
		pa->partition_index = i;
		pthread_mutex_lock(&p->lock);
		struct err ignored; /* a log that fails says so elsewhere */
		partlog_open(&p->log, &ignored);
		pa->partition_size = p->log.size;
		pthread_mutex_unlock(&p->lock);
	}
}

static void
fill_topics(struct request *rq, struct describe_log_dirs_response_dir *a)
{
	struct describe_log_dirs_request *q = rq->body;
	struct topics *topics = &rq->broker->topics;
	int n = q->topics.n;
	struct topic **all = NULL;
	if (n < 0)
		all = topics_sorted(topics, &rq->arena, &n);
	a->topics.v = REQUEST_ARRAY(rq, dir_topic, n);
	int64_t told = 0;
	for (int i = 0; i < n; i++) {
		struct topic *t = all ? all[i] : topics_find(topics, q->topics.v[i].topic);
		if (t && (told += t->npartition) > TOLD_MAX) {
			a->error_code = KERR_INVALID_REQUEST;
			a->topics.n = 0;
			return;
		}
		if (t)
			add_topic(rq, t, all ? NULL : &q->topics.v[i], &a->topics.v[a->topics.n++]);
	}
}

void
api_describe_log_dirs(struct request *rq)
{
	struct broker *b = rq->broker;
	struct describe_log_dirs_response a;
	wire_defaults(&describe_log_dirs_response_desc, &a);
	a.results.n = 1;
	a.results.v = REQUEST_ARRAY(rq, struct describe_log_dirs_response_dir, 1);
	wire_defaults(&describe_log_dirs_response_dir_desc, a.results.v);
	a.results.v[0].log_dir = str_of(b->dir.path);
	struct statvfs fs;
	if (b->dir.fd >= 0 && fstatvfs(b->dir.fd, &fs) == 0) {
		a.results.v[0].total_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
		a.results.v[0].usable_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	}
	topics_read_begin(&b->topics);
	fill_topics(rq, a.results.v);
	topics_read_end(&b->topics);
	request_respond(rq, &a);
}
