/* DescribeTopicPartitions: topics page by page (KIP-966). */
#include "kq-broker/api/api.h"

#include "acl_gen.h"
#include "coord/internal.h"
#include "kq-broker/broker.h"
#include "kq-broker/topics.h"

#include "proto.h"
#include "wire/kerr.h"

#include <stdlib.h>

enum { PARTITIONS_MAX = 2000 }; /* of one answer, as Kafka's max.request.partition.size.limit */

struct page {
	struct request *rq;
	struct describe_topic_partitions_response a;
	int32_t left;                   /* partitions that still fit */
	struct str from;                /* the cursor's topic, or null */
	int32_t from_index;
};

typedef struct describe_topic_partitions_response_topic page_topic;
typedef struct describe_topic_partitions_response_partition page_partition;

static void
set_cursor(struct page *g, struct str name, int32_t index)
{
	struct request *rq = g->rq;
	g->a.next_cursor = REQUEST_ARRAY(rq, struct describe_topic_partitions_response_cursor, 1);
	g->a.next_cursor->topic_name = arena_str(&rq->arena, name);
	g->a.next_cursor->partition_index = index;
}

static void
add_topic(struct page *g, struct str name, const struct topic *t)
{
	struct request *rq = g->rq;
	struct broker *b = rq->broker;
	page_topic *a = &g->a.topics.v[g->a.topics.n++];
	wire_defaults(&describe_topic_partitions_response_topic_desc, a);
	a->name = arena_str(&rq->arena, name);
	a->topic_authorized_operations = ACL_TOPIC_OPERATIONS;
	if (!t) {
		a->error_code = topic_name_fault(name) ? KERR_INVALID_TOPIC_EXCEPTION
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	int32_t first = str_eq(name, g->from) ? MIN(MAX(g->from_index, 0), t->npartition) : 0;
	int32_t n = MIN(t->npartition - first, g->left);
	a->topic_id = t->id;
	a->is_internal = topic_is_internal(name);
	a->partitions.n = n;
	a->partitions.v = REQUEST_ARRAY(rq, page_partition, n);
	for (int32_t i = 0; i < n; i++) {
		page_partition *p = &a->partitions.v[i];
		wire_defaults(&describe_topic_partitions_response_partition_desc, p);
		p->partition_index = first + i;
		p->leader_id = b->node_id;
		p->leader_epoch = t->partition[first + i]->leader_epoch;
		p->replica_nodes.v = p->isr_nodes.v = &b->node_id;
		p->replica_nodes.n = p->isr_nodes.n = REPLICAS;
		p->eligible_leader_replicas.n = p->last_known_elr.n = 0;
	}
	g->left -= n;
	if (first + n < t->npartition)
		set_cursor(g, name, first + n);
}

static int
by_name(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	return str_cmp(*x, *y);
}

/* The names asked for (none: all), sorted, each once, from the cursor on. */
static int
wanted(struct page *g, struct str **names)
{
	struct request *rq = g->rq;
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
		bool is_before = g->from.n >= 0 && str_cmp(name, g->from) < 0;
		if (!is_before && (kept == 0 || !str_eq(name, (*names)[kept - 1])))
			(*names)[kept++] = name;
	}
	return kept;
}

/* A cursor that points before the first partition: no topic has an answer. */
static void
refuse(struct page *g)
{
	const struct describe_topic_partitions_request *q = g->rq->body;
	int32_t n = q->topics.n;
	g->a.topics.n = n;
	g->a.topics.v = REQUEST_ARRAY(g->rq, page_topic, n);
	for (int32_t i = 0; i < n; i++) {
		wire_defaults(&describe_topic_partitions_response_topic_desc,
			&g->a.topics.v[i]);
		g->a.topics.v[i].error_code = KERR_INVALID_REQUEST;
		g->a.topics.v[i].name = q->topics.v[i].name;
	}
	request_respond(g->rq, &g->a);
}

void
api_describe_topic_partitions(struct request *rq)
{
	struct describe_topic_partitions_request *q = rq->body;
	struct page g = { .rq = rq, .from = STR_NULL };
	wire_defaults(&describe_topic_partitions_response_desc, &g.a);
	g.left = MAX(1, MIN(q->response_partition_limit, PARTITIONS_MAX));
	if (q->cursor && q->cursor->partition_index < 0) {
		refuse(&g);
		return;
	}
	if (q->cursor) {
		g.from = q->cursor->topic_name;
		g.from_index = q->cursor->partition_index;
	}
	struct topics *topics = &rq->broker->topics;
	topics_read_begin(topics);
	struct str *names;
	int n = wanted(&g, &names);
	g.a.topics.v = REQUEST_ARRAY(rq, page_topic, n);
	for (int i = 0; i < n && !g.a.next_cursor; i++) {
		if (g.left == 0)
			set_cursor(&g, names[i], 0);
		else
			add_topic(&g, names[i], topics_find(topics, names[i]));
	}
	topics_read_end(topics);
	request_respond(rq, &g.a);
}
