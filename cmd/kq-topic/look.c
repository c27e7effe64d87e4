#include "kq-topic/look.h"

#include "proto.h"

#include <stdlib.h>

enum {
	RESOURCE_TOPIC = 2,
	EARLIEST = -2,
	LATEST = -1,
	/* Enough for the ends; from 4 on librdkafka's mock broker writes a
	 * leader epoch of eight bytes. */
	LIST_OFFSETS_UPTO = 3,
	OFFSETS_TRIES = 15,
	OFFSETS_PAUSE_MS = 100,
	CONFIGS_AT_ONCE = 300, /* topics; each answers with dozens of settings */
};

/* --- topics --- */

static int
by_index(const void *a, const void *b)
{
	const struct look_part *x = a, *y = b;
	return (x->index > y->index) - (x->index < y->index);
}

static int
by_topic_name(const void *a, const void *b)
{
	return str_cmp((*(struct look_topic *const *)a)->name, (*(struct look_topic *const *)b)->name);
}

static struct look_topic *
take_topic(struct run *r, const struct metadata_response_topic *in)
{
	struct look_topic *t = arena_alloc(&r->arena, sizeof *t);
	t->name = in->name;
	t->id = in->topic_id;
	t->is_internal = in->is_internal;
	t->nconfig = -1;
	t->npart = MAX(in->partitions.n, 0);
	t->part = arena_alloc(&r->arena, (size_t)t->npart * sizeof *t->part + 1);
	for (int32_t i = 0; i < t->npart; i++) {
		const struct metadata_response_partition *p = &in->partitions.v[i];
		t->part[i] = (struct look_part){ p->partition_index, p->leader_id, p->error_code,
			{ p->replica_nodes.v, p->replica_nodes.n }, { p->isr_nodes.v, p->isr_nodes.n },
			{ p->offline_replicas.v, p->offline_replicas.n }, -1, -1, 0, false, NULL };
	}
	qsort(t->part, (size_t)t->npart, sizeof *t->part, by_index);
	return t;
}

static int
ask_metadata(struct run *r, int nname, char **names, struct metadata_response *a)
{
	struct metadata_request q;
	wire_defaults(&metadata_request_desc, &q);
	q.allow_auto_topic_creation = false;
	q.topics.n = nname ? nname : -1; /* null: all */
	q.topics.v = arena_alloc(&r->arena, (size_t)nname * sizeof *q.topics.v + 1);
	for (int i = 0; i < nname; i++)
		q.topics.v[i].name = str_of(names[i]);
	if (run_call(r, CLUSTER_ANY, API_METADATA, &q, a) < 0)
		return -1;
	if (a->error_code) {
		struct err e;
		cluster_peer_err(&e, a->error_code, STR_NULL);
		run_failed(r, &e);
		return -1;
	}
	return 0;
}

/* In the order of the names, each once. */
static void
order_by_names(struct look *l, struct run *r, int nname, char **names)
{
	struct look_topic **v = arena_alloc(&r->arena, (size_t)nname * sizeof *v + 1);
	struct map seen = MAP_INIT;
	int n = 0;
	for (int i = 0; i < nname; i++) {
		struct look_topic *t = map_get(&l->by_name, str_of(names[i]));
		if (t && !map_get(&seen, t->name)) {
			map_put(&seen, t->name, t);
			v[n++] = t;
		}
	}
	map_release(&seen);
	l->v = v;
	l->n = n;
}

int
look_topics(struct look *l, struct run *r, int nname, char **names, bool internal)
{
	struct metadata_response a;
	*l = (struct look){ NULL, 0, MAP_INIT };
	if (ask_metadata(r, nname, names, &a) < 0)
		return -1;
	l->v = arena_alloc(&r->arena, (size_t)MAX(a.topics.n, 0) * sizeof *l->v + 1);
	for (int32_t i = 0; i < a.topics.n; i++) {
		const struct metadata_response_topic *in = &a.topics.v[i];
		if (!nname && in->is_internal && !internal)
			continue;
		/* Old brokers say of a topic that a partition has no leader. */
		if (in->error_code && in->partitions.n <= 0) {
			topic_run_refused(r, in->error_code, STR_NULL, in->name, -1);
			continue;
		}
		struct look_topic *t = take_topic(r, in);
		map_put(&l->by_name, t->name, t);
		l->v[l->n++] = t;
	}
	if (nname)
		order_by_names(l, r, nname, names);
	else
		qsort(l->v, (size_t)l->n, sizeof *l->v, by_topic_name);
	return 0;
}

void
look_release(struct look *l)
{
	map_release(&l->by_name);
}

static struct look_part *
find_part(struct look *l, struct str topic, int32_t index)
{
	struct look_topic *t = map_get(&l->by_name, topic);
	struct look_part key = { .index = index };
	return t ? bsearch(&key, t->part, (size_t)t->npart, sizeof *t->part, by_index) : NULL;
}

/* --- offsets --- */

/* A question for the partitions of a node that are not settled. */
static struct list_offsets_request
offsets_of(struct look *l, struct run *r, int32_t node)
{
	struct list_offsets_request q;
	wire_defaults(&list_offsets_request_desc, &q);
	q.replica_id = -1;
	q.topics.v = arena_alloc(&r->arena, (size_t)l->n * sizeof *q.topics.v + 1);
	for (int i = 0; i < l->n; i++) {
		struct look_topic *t = l->v[i];
		struct list_offsets_request_topic *qt = &q.topics.v[q.topics.n];
		*qt = (struct list_offsets_request_topic){ .name = t->name };
		qt->partitions.v = arena_alloc(&r->arena, (size_t)t->npart * sizeof *qt->partitions.v + 1);
		for (int32_t k = 0; k < t->npart; k++) {
			struct look_part *p = &t->part[k];
			if (p->leader != node || p->is_settled)
				continue;
			p->offset_error = KERR_NONE;
			qt->partitions.v[qt->partitions.n++] =
				(struct list_offsets_request_partition){ p->index, -1, 0 };
		}
		q.topics.n += qt->partitions.n > 0;
	}
	return q;
}

/* Ask one node for one end of its partitions.  -1: counted. */
static int
ask_end(struct look *l, struct run *r, int32_t node, struct list_offsets_request *q,
	int64_t timestamp)
{
	struct list_offsets_response a;
	struct err e;
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			q->topics.v[i].partitions.v[k].timestamp = timestamp;
	if (cluster_call_upto(&r->cluster, node, API_LIST_OFFSETS, LIST_OFFSETS_UPTO,
			r->cluster.opts.request_timeout_ms, q, &a, &r->replies, &e) < 0) {
		run_failed(r, &e);
		return -1;
	}
	for (int32_t i = 0; i < a.topics.n; i++)
		for (int32_t k = 0; k < a.topics.v[i].partitions.n; k++) {
			const struct list_offsets_response_partition *in =
				&a.topics.v[i].partitions.v[k];
			struct look_part *p = find_part(l, a.topics.v[i].name, in->partition_index);
			if (!p)
				continue;
			if (in->error_code)
				p->offset_error = in->error_code;
			else
				*(timestamp == EARLIEST ? &p->start_offset : &p->end_offset) = in->offset;
		}
	return 0;
}

/* Is there more to learn of a partition?  Without a leader there is not. */
static bool
is_settled(const struct look_part *p)
{
	return p->is_settled || p->leader < 0 || (p->start_offset >= 0 && p->end_offset >= 0)
		|| !kerr_info(p->offset_error)->is_retriable;
}

/* Ask a node once.  Returns how many partitions are worth another try. */
static int
ask_ends(struct look *l, struct run *r, int32_t node)
{
	int n = 0;
	struct list_offsets_request q = offsets_of(l, r, node);
	if (q.topics.n == 0)
		return 0;
	bool is_lost = ask_end(l, r, node, &q, EARLIEST) < 0 || ask_end(l, r, node, &q, LATEST) < 0;
	for (int i = 0; i < l->n; i++)
		for (int32_t k = 0; k < l->v[i]->npart; k++) {
			struct look_part *p = &l->v[i]->part[k];
			if (p->leader != node)
				continue;
			p->is_settled = is_lost || is_settled(p);
			n += !p->is_settled;
		}
	return n;
}

/* The nodes and their addresses, known before one is asked.  -1: counted. */
static int
find_nodes(struct run *r)
{
	struct err e;
	if (r->cluster.has_metadata || cluster_refresh(&r->cluster, &e) == 0)
		return 0;
	run_failed(r, &e);
	return -1;
}

void
look_offsets(struct look *l, struct run *r)
{
	if (find_nodes(r) < 0)
		return;
	for (int try = 0; try < OFFSETS_TRIES; try++) {
		int n = 0;
		for (int i = 0; i < r->cluster.nnode; i++)
			n += ask_ends(l, r, r->cluster.node[i]->id);
		if (n == 0)
			break;
		cluster_pause(&r->cluster, OFFSETS_PAUSE_MS);
	}
	for (int i = 0; i < l->n; i++)
		for (int32_t k = 0; k < l->v[i]->npart; k++) {
			struct look_part *p = &l->v[i]->part[k];
			if (p->offset_error)
				topic_run_refused(r, p->offset_error, STR_NULL, l->v[i]->name, p->index);
		}
}

/* --- sizes --- */

static void
take_dir(struct look *l, struct run *r, int32_t node,
	const struct describe_log_dirs_response_dir *dir)
{
	for (int32_t i = 0; i < dir->topics.n; i++)
		for (int32_t k = 0; k < dir->topics.v[i].partitions.n; k++) {
			const struct describe_log_dirs_response_partition *in =
				&dir->topics.v[i].partitions.v[k];
			struct look_part *p = find_part(l, dir->topics.v[i].name, in->partition_index);
			if (!p)
				continue;
			struct look_copy *c = arena_alloc(&r->arena, sizeof *c);
			*c = (struct look_copy){ node, dir->log_dir, in->partition_size, in->offset_lag,
				in->is_future_key, p->copies };
			p->copies = c;
		}
}

static void
ask_copies(struct look *l, struct run *r, int32_t node, const struct describe_log_dirs_request *q)
{
	struct describe_log_dirs_response a;
	struct err e;
	if (run_call(r, node, API_DESCRIBE_LOG_DIRS, q, &a) < 0)
		return;
	if (a.error_code) {
		cluster_peer_err(&e, a.error_code, STR_NULL);
		err_wrap(&e, "sizes on broker %d", node);
		run_failed(r, &e);
	}
	for (int32_t i = 0; i < a.results.n; i++) {
		if (!a.results.v[i].error_code) {
			take_dir(l, r, node, &a.results.v[i]);
			continue;
		}
		cluster_peer_err(&e, a.results.v[i].error_code, STR_NULL);
		err_wrap(&e, "sizes on broker %d in %.*s", node, STR_ARG(a.results.v[i].log_dir));
		run_failed(r, &e);
	}
}

void
look_copies(struct look *l, struct run *r)
{
	struct describe_log_dirs_request q;
	if (run_version(r, API_DESCRIBE_LOG_DIRS) < 0 || find_nodes(r) < 0)
		return;
	wire_defaults(&describe_log_dirs_request_desc, &q);
	q.topics.n = l->n;
	q.topics.v = arena_alloc(&r->arena, (size_t)l->n * sizeof *q.topics.v + 1);
	for (int i = 0; i < l->n; i++) {
		struct look_topic *t = l->v[i];
		int32_t *index = arena_alloc(&r->arena, (size_t)t->npart * sizeof *index + 1);
		for (int32_t k = 0; k < t->npart; k++)
			index[k] = t->part[k].index;
		q.topics.v[i].topic = t->name;
		q.topics.v[i].partitions.v = index;
		q.topics.v[i].partitions.n = t->npart;
	}
	for (int i = 0; l->n > 0 && i < r->cluster.nnode; i++)
		if (!r->cluster.node[i]->is_gone)
			ask_copies(l, r, r->cluster.node[i]->id, &q);
}

int64_t
look_size(const struct look_part *p)
{
	int64_t size = -1;
	for (struct look_copy *c = p->copies; c; c = c->next) {
		if (c->is_future)
			continue;
		if (c->broker == p->leader)
			return c->size;
		size = MAX(size, c->size);
	}
	return size;
}

/* --- settings --- */

static void
take_configs(struct look *l, struct run *r,
	const struct describe_configs_response_resource *in)
{
	struct look_topic *t = map_get(&l->by_name, in->resource_name);
	if (!t || in->resource_type != RESOURCE_TOPIC)
		return;
	if (in->error_code) {
		topic_run_refused(r, in->error_code, in->error_message, in->resource_name, -1);
		return;
	}
	t->nconfig = MAX(in->configs.n, 0);
	t->config = arena_alloc(&r->arena, (size_t)t->nconfig * sizeof *t->config + 1);
	for (int32_t i = 0; i < t->nconfig; i++)
		t->config[i] = (struct look_config){ in->configs.v[i].name, in->configs.v[i].value,
			in->configs.v[i].config_source, false };
}

static void
ask_configs(struct look *l, struct run *r, int from, int n)
{
	struct describe_configs_request q;
	struct describe_configs_response a;
	wire_defaults(&describe_configs_request_desc, &q);
	q.resources.n = n;
	q.resources.v = arena_alloc(&r->arena, (size_t)n * sizeof *q.resources.v);
	for (int i = 0; i < n; i++) {
		q.resources.v[i].resource_type = RESOURCE_TOPIC;
		q.resources.v[i].resource_name = l->v[from + i]->name;
		q.resources.v[i].configuration_keys.n = -1; /* null: all */
	}
	if (run_call(r, CLUSTER_ANY, API_DESCRIBE_CONFIGS, &q, &a) == 0)
		for (int32_t i = 0; i < a.results.n; i++)
			take_configs(l, r, &a.results.v[i]);
}

void
look_configs(struct look *l, struct run *r)
{
	if (run_version(r, API_DESCRIBE_CONFIGS) < 0)
		return;
	for (int i = 0; i < l->n; i += CONFIGS_AT_ONCE)
		ask_configs(l, r, i, MIN(l->n - i, CONFIGS_AT_ONCE));
}
