/*
 * DescribeTopicPartitions (KIP-966): topics page by page.  There is one version.
 */
#include "kq-broker/api/api.h"

#include "acl_gen.h"
#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/topics.h"

#include "proto.h"
#include "wire/kerr.h"

#include <stdlib.h>

enum { PARTITIONS_MAX = 2000 }; /* of one answer: Kafka's max.request.partition.size.limit */

struct page {
	struct request *rq;
	struct describe_topic_partitions_response response;
	int32_t nleft;                  /* partitions that still fit */
	struct str from;                /* the cursor's topic, or null */
	int32_t from_index;
};

typedef struct describe_topic_partitions_response_topic page_topic;
typedef struct describe_topic_partitions_response_partition page_partition;

static void
set_cursor(struct page *page, struct str name, int32_t index)
{
	struct request *rq = page->rq;
	struct describe_topic_partitions_response_cursor *cursor =
		REQUEST_ARRAY(rq, struct describe_topic_partitions_response_cursor, 1);
	cursor->topic_name = arena_str(&rq->arena, name);
	cursor->partition_index = index;
	page->response.next_cursor = cursor;
}

static void
add_topic(struct page *page, struct str name, const struct topic *t)
{
	struct request *rq = page->rq;
	struct broker *broker = rq->broker;
	page_topic *answer = &page->response.topics.v[page->response.topics.n++];
	wire_defaults(&describe_topic_partitions_response_topic_desc, answer);
	answer->name = arena_str(&rq->arena, name);
	answer->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	if (!t) {
		answer->error_code = topic_name_fault(name) ? KERR_INVALID_TOPIC_EXCEPTION
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	int32_t first = str_eq(name, page->from) ? MIN(MAX(page->from_index, 0), t->npartition) : 0;
	int32_t n = MIN(t->npartition - first, page->nleft);
	answer->topic_id = t->id;
	answer->is_internal = topic_is_internal(name);
	answer->partitions.n = n;
	answer->partitions.v = REQUEST_ARRAY(rq, page_partition, n);
	for (int32_t i = 0; i < n; i++) {
		page_partition *to = &answer->partitions.v[i];
		wire_defaults(&describe_topic_partitions_response_partition_desc, to);
		to->partition_index = first + i;
		to->leader_id = broker->node_id;
		to->leader_epoch = t->partition[first + i]->leader_epoch;
		to->replica_nodes.v = to->isr_nodes.v = &broker->node_id;
		to->replica_nodes.n = to->isr_nodes.n = REPLICAS;
		to->eligible_leader_replicas.n = to->last_known_elr.n = 0;
	}
	page->nleft -= n;
	if (first + n < t->npartition)
		set_cursor(page, name, first + n);
}

static int
by_name(const void *a, const void *b)
{
	const struct str *x = a;
	const struct str *y = b;
	return str_cmp(*x, *y);
}

/* The names asked for (none: all), sorted, without duplicates, from the cursor on. */
static int
wanted(struct page *page, struct str **names)
{
	struct request *rq = page->rq;
	struct describe_topic_partitions_request *q = rq->body;
	int n = q->topics.n, nall = 0;
	if (n == 0) {
		struct topic **v = topics_sorted(&rq->broker->topics, &rq->arena, &nall);
		*names = REQUEST_ARRAY(rq, struct str, nall);
		for (n = 0; n < nall; n++)
			(*names)[n] = str_of(v[n]->name);
	} else {
		*names = REQUEST_ARRAY(rq, struct str, n);
		for (int i = 0; i < n; i++)
			(*names)[i] = q->topics.v[i].name;
		qsort(*names, (size_t)n, sizeof **names, by_name);
	}
	int kept = 0;
	for (int i = 0; i < n; i++) {
		struct str name = (*names)[i];
		bool is_before = page->from.n >= 0 && str_cmp(name, page->from) < 0;
		if (!is_before && (kept == 0 || !str_eq(name, (*names)[kept - 1])))
			(*names)[kept++] = name;
	}
	return kept;
}

/* The cursor is before the first partition: refuse all topics. */
static void
refuse(struct page *page)
{
	const struct describe_topic_partitions_request *q = page->rq->body;
	int32_t n = q->topics.n;
	page->response.topics.n = n;
	page->response.topics.v = REQUEST_ARRAY(page->rq, page_topic, n);
	for (int32_t i = 0; i < n; i++) {
		wire_defaults(&describe_topic_partitions_response_topic_desc,
			&page->response.topics.v[i]);
		page->response.topics.v[i].error_code = KERR_INVALID_REQUEST;
		page->response.topics.v[i].name = q->topics.v[i].name;
	}
	request_respond(page->rq, &page->response);
}

void
api_describe_topic_partitions(struct request *rq)
{
	struct describe_topic_partitions_request *q = rq->body;
	struct page page = { .rq = rq, .from = STR_NULL };
	wire_defaults(&describe_topic_partitions_response_desc, &page.response);
	page.nleft = MAX(1, MIN(q->response_partition_limit, PARTITIONS_MAX));
	if (q->cursor && q->cursor->partition_index < 0) {
		refuse(&page);
		return;
	}
	if (q->cursor) {
		page.from = q->cursor->topic_name;
		page.from_index = q->cursor->partition_index;
	}
	struct topics *topics = &rq->broker->topics;
	topics_read_begin(topics);
	struct str *names;
	int n = wanted(&page, &names);
	page.response.topics.v = REQUEST_ARRAY(rq, page_topic, n);
	for (int i = 0; i < n && !page.response.next_cursor; i++) {
		if (page.nleft == 0)
			set_cursor(&page, names[i], 0);
		else
			add_topic(&page, names[i], topics_find(topics, names[i]));
	}
	topics_read_end(topics);
	request_respond(rq, &page.response);
}
