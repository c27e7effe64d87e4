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
	CONFIGS_AT_ONCE = 300, /* topics per request; each has dozens of settings */
};

/* ---- topics ---- */

static int
by_index(const void *a, const void *b)
{
	const struct look_part *left = a, *right = b;
	return (left->index > right->index) - (left->index < right->index);
}

static int
by_topic_name(const void *a, const void *b)
{
	return str_cmp((*(struct look_topic *const *)a)->name, (*(struct look_topic *const *)b)->name);
}

static struct look_topic *
take_topic(struct run *run, const struct metadata_response_topic *in)
{
	struct look_topic *t = arena_alloc(&run->arena, sizeof *t);
	t->name = in->name;
	t->id = in->topic_id;
	t->is_internal = in->is_internal;
	t->nconfig = -1;
	t->npart = MAX(in->partitions.n, 0);
	t->part = arena_alloc(&run->arena, (size_t)t->npart * sizeof *t->part + 1);
	for (int32_t i = 0; i < t->npart; i++) {
		const struct metadata_response_partition *from = &in->partitions.v[i];
		t->part[i] = (struct look_part){ .index = from->partition_index, .leader = from->leader_id,
			.error = from->error_code,
			.replicas = { from->replica_nodes.v, from->replica_nodes.n },
			.isr = { from->isr_nodes.v, from->isr_nodes.n },
			.offline = { from->offline_replicas.v, from->offline_replicas.n },
			.start_offset = -1, .end_offset = -1 };
	}
	qsort(t->part, (size_t)t->npart, sizeof *t->part, by_index);
	return t;
}

static int
ask_metadata(struct run *run, int nname, char **names, struct metadata_response *answer)
{
	struct metadata_request q;
	wire_defaults(&metadata_request_desc, &q);
	q.allow_auto_topic_creation = false;
	q.topics.n = nname ? nname : -1; /* null: all */
	q.topics.v = arena_alloc(&run->arena, (size_t)nname * sizeof *q.topics.v + 1);
	for (int i = 0; i < nname; i++)
		q.topics.v[i].name = str_of(names[i]);
	if (run_call(run, CLUSTER_ANY, API_METADATA, &q, answer) < 0)
		return -1;
	if (answer->error_code) {
		struct err e;
		cluster_peer_err(&e, answer->error_code, STR_NULL);
		run_failed(run, &e);
		return -1;
	}
	return 0;
}

/* Order the topics by the names given, each once. */
static void
order_by_names(struct look *look, struct run *run, int nname, char **names)
{
	struct look_topic **v = arena_alloc(&run->arena, (size_t)nname * sizeof *v + 1);
	struct map seen = MAP_INIT;
	int n = 0;
	for (int i = 0; i < nname; i++) {
		struct look_topic *t = map_get(&look->by_name, str_of(names[i]));
		if (t && !map_get(&seen, t->name)) {
			map_put(&seen, t->name, t);
			v[n++] = t;
		}
	}
	map_release(&seen);
	look->v = v;
	look->n = n;
}

int
look_topics(struct look *look, struct run *run, int nname, char **names, bool internal)
{
	struct metadata_response answer;
	*look = (struct look){ NULL, 0, MAP_INIT };
	if (ask_metadata(run, nname, names, &answer) < 0)
		return -1;
	look->v = arena_alloc(&run->arena, (size_t)MAX(answer.topics.n, 0) * sizeof *look->v + 1);
	for (int32_t i = 0; i < answer.topics.n; i++) {
		const struct metadata_response_topic *in = &answer.topics.v[i];
		if (!nname && in->is_internal && !internal)
			continue;
		/* Old brokers report a partition without leader as an error of the topic. */
		if (in->error_code && in->partitions.n <= 0) {
			topic_run_refused(run, in->error_code, STR_NULL, in->name, -1);
			continue;
		}
		struct look_topic *t = take_topic(run, in);
		map_put(&look->by_name, t->name, t);
		look->v[look->n++] = t;
	}
	if (nname)
		order_by_names(look, run, nname, names);
	else
		qsort(look->v, (size_t)look->n, sizeof *look->v, by_topic_name);
	return 0;
}

void
look_release(struct look *look)
{
	map_release(&look->by_name);
}

static struct look_part *
find_part(struct look *look, struct str topic, int32_t index)
{
	struct look_topic *t = map_get(&look->by_name, topic);
	struct look_part key = { .index = index };
	return t ? bsearch(&key, t->part, (size_t)t->npart, sizeof *t->part, by_index) : NULL;
}

/* ---- offsets ---- */

/* A request for the partitions of a node that are not settled. */
static struct list_offsets_request
offsets_of(struct look *look, struct run *run, int32_t node)
{
	struct list_offsets_request q;
	wire_defaults(&list_offsets_request_desc, &q);
	q.replica_id = -1;
	q.topics.v = arena_alloc(&run->arena, (size_t)look->n * sizeof *q.topics.v + 1);
	for (int i = 0; i < look->n; i++) {
		struct look_topic *t = look->v[i];
		struct list_offsets_request_topic *qt = &q.topics.v[q.topics.n];
		*qt = (struct list_offsets_request_topic){ .name = t->name };
		qt->partitions.v = arena_alloc(&run->arena,
			(size_t)t->npart * sizeof *qt->partitions.v + 1);
		for (int32_t k = 0; k < t->npart; k++) {
			struct look_part *part = &t->part[k];
			if (part->leader != node || part->is_settled)
				continue;
			part->offset_error = KERR_NONE;
			qt->partitions.v[qt->partitions.n++] =
				(struct list_offsets_request_partition){ .partition_index = part->index,
					.current_leader_epoch = -1 };
		}
		q.topics.n += qt->partitions.n > 0;
	}
	return q;
}

/* Ask a node for one end of its partitions.  Returns 0, or -1 after run_failed. */
static int
ask_end(struct look *look, struct run *run, int32_t node, struct list_offsets_request *q,
	int64_t timestamp)
{
	struct list_offsets_response answer;
	struct err e;
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			q->topics.v[i].partitions.v[k].timestamp = timestamp;
	if (cluster_call_upto(&run->cluster, node, API_LIST_OFFSETS, LIST_OFFSETS_UPTO,
			run->cluster.opts.request_timeout_ms, q, &answer, &run->replies, &e) < 0) {
		run_failed(run, &e);
		return -1;
	}
	for (int32_t i = 0; i < answer.topics.n; i++)
		for (int32_t k = 0; k < answer.topics.v[i].partitions.n; k++) {
			const struct list_offsets_response_partition *in =
				&answer.topics.v[i].partitions.v[k];
			struct look_part *part = find_part(look, answer.topics.v[i].name, in->partition_index);
			if (!part)
				continue;
			if (in->error_code)
				part->offset_error = in->error_code;
			else
				*(timestamp == EARLIEST ? &part->start_offset : &part->end_offset) = in->offset;
		}
	return 0;
}

/* Are no further requests needed for the partition?  Without a leader, none can help. */
static bool
is_settled(const struct look_part *part)
{
	return part->is_settled || part->leader < 0
		|| (part->start_offset >= 0 && part->end_offset >= 0)
		|| !kerr_info(part->offset_error)->is_retriable;
}

/* Ask a node once.  Returns the number of partitions that need another request. */
static int
ask_ends(struct look *look, struct run *run, int32_t node)
{
	int n = 0;
	struct list_offsets_request q = offsets_of(look, run, node);
	if (q.topics.n == 0)
		return 0;
	bool is_lost = ask_end(look, run, node, &q, EARLIEST) < 0
		|| ask_end(look, run, node, &q, LATEST) < 0;
	for (int i = 0; i < look->n; i++)
		for (int32_t k = 0; k < look->v[i]->npart; k++) {
			struct look_part *part = &look->v[i]->part[k];
			if (part->leader != node)
				continue;
			part->is_settled = is_lost || is_settled(part);
			n += !part->is_settled;
		}
	return n;
}

/* Ensure that the nodes are known.  Returns 0, or -1 after run_failed. */
static int
find_nodes(struct run *run)
{
	struct err e;
	if (cluster_find_nodes(&run->cluster, &e) == 0)
		return 0;
	run_failed(run, &e);
	return -1;
}

void
look_offsets(struct look *look, struct run *run)
{
	if (find_nodes(run) < 0)
		return;
	for (int try = 0; try < OFFSETS_TRIES; try++) {
		int n = 0;
		for (int i = 0; i < run->cluster.nnode; i++)
			n += ask_ends(look, run, run->cluster.node[i]->id);
		if (n == 0)
			break;
		cluster_pause(&run->cluster, OFFSETS_PAUSE_MS);
	}
	for (int i = 0; i < look->n; i++)
		for (int32_t k = 0; k < look->v[i]->npart; k++) {
			struct look_part *part = &look->v[i]->part[k];
			if (part->offset_error)
				topic_run_refused(run, part->offset_error, STR_NULL, look->v[i]->name, part->index);
		}
}

/* ---- sizes ---- */

static void
take_dir(struct look *look, struct run *run, int32_t node,
	const struct describe_log_dirs_response_dir *dir)
{
	for (int32_t i = 0; i < dir->topics.n; i++)
		for (int32_t k = 0; k < dir->topics.v[i].partitions.n; k++) {
			const struct describe_log_dirs_response_partition *in =
				&dir->topics.v[i].partitions.v[k];
			struct look_part *part = find_part(look, dir->topics.v[i].name, in->partition_index);
			if (!part)
				continue;
			struct look_copy *copy = arena_alloc(&run->arena, sizeof *copy);
			*copy = (struct look_copy){ .broker = node, .dir = dir->log_dir,
				.size = in->partition_size, .lag = in->offset_lag,
				.is_future = in->is_future_key, .next = part->copies };
			part->copies = copy;
		}
}

static void
ask_copies(struct look *look, struct run *run, int32_t node,
	const struct describe_log_dirs_request *q)
{
	struct describe_log_dirs_response answer;
	struct err e;
	if (run_call(run, node, API_DESCRIBE_LOG_DIRS, q, &answer) < 0)
		return;
	if (answer.error_code) {
		cluster_peer_err(&e, answer.error_code, STR_NULL);
		err_wrap(&e, "sizes on broker %d", node);
		run_failed(run, &e);
	}
	for (int32_t i = 0; i < answer.results.n; i++) {
		if (!answer.results.v[i].error_code) {
			take_dir(look, run, node, &answer.results.v[i]);
			continue;
		}
		cluster_peer_err(&e, answer.results.v[i].error_code, STR_NULL);
		err_wrap(&e, "sizes on broker %d in %.*s", node, STR_ARG(answer.results.v[i].log_dir));
		run_failed(run, &e);
	}
}

void
look_copies(struct look *look, struct run *run)
{
	struct describe_log_dirs_request q;
	if (cluster_version(&run->cluster, API_DESCRIBE_LOG_DIRS) < 0 || find_nodes(run) < 0)
		return;
	wire_defaults(&describe_log_dirs_request_desc, &q);
	q.topics.n = look->n;
	q.topics.v = arena_alloc(&run->arena, (size_t)look->n * sizeof *q.topics.v + 1);
	for (int i = 0; i < look->n; i++) {
		struct look_topic *t = look->v[i];
		int32_t *index = arena_alloc(&run->arena, (size_t)t->npart * sizeof *index + 1);
		for (int32_t k = 0; k < t->npart; k++)
			index[k] = t->part[k].index;
		q.topics.v[i].topic = t->name;
		q.topics.v[i].partitions.v = index;
		q.topics.v[i].partitions.n = t->npart;
	}
	for (int i = 0; look->n > 0 && i < run->cluster.nnode; i++)
		if (!run->cluster.node[i]->is_gone)
			ask_copies(look, run, run->cluster.node[i]->id, &q);
}

int64_t
look_size(const struct look_part *part)
{
	int64_t size = -1;
	for (struct look_copy *copy = part->copies; copy; copy = copy->next) {
		if (copy->is_future)
			continue;
		if (copy->broker == part->leader)
			return copy->size;
		size = MAX(size, copy->size);
	}
	return size;
}

/* ---- settings ---- */

static void
take_configs(struct look *look, struct run *run,
	const struct describe_configs_response_resource *in)
{
	struct look_topic *t = map_get(&look->by_name, in->resource_name);
	if (!t || in->resource_type != RESOURCE_TOPIC)
		return;
	if (in->error_code) {
		topic_run_refused(run, in->error_code, in->error_message, in->resource_name, -1);
		return;
	}
	t->nconfig = MAX(in->configs.n, 0);
	t->config = arena_alloc(&run->arena, (size_t)t->nconfig * sizeof *t->config + 1);
	for (int32_t i = 0; i < t->nconfig; i++)
		t->config[i] = (struct look_config){ in->configs.v[i].name, in->configs.v[i].value,
			in->configs.v[i].config_source, false };
}

static void
ask_configs(struct look *look, struct run *run, int from, int n)
{
	struct describe_configs_request q;
	struct describe_configs_response answer;
	wire_defaults(&describe_configs_request_desc, &q);
	q.resources.n = n;
	q.resources.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.resources.v);
	for (int i = 0; i < n; i++) {
		q.resources.v[i].resource_type = RESOURCE_TOPIC;
		q.resources.v[i].resource_name = look->v[from + i]->name;
		q.resources.v[i].configuration_keys.n = -1; /* null: all */
	}
	if (run_call(run, CLUSTER_ANY, API_DESCRIBE_CONFIGS, &q, &answer) == 0)
		for (int32_t i = 0; i < answer.results.n; i++)
			take_configs(look, run, &answer.results.v[i]);
}

void
look_configs(struct look *look, struct run *run)
{
	if (cluster_version(&run->cluster, API_DESCRIBE_CONFIGS) < 0)
		return;
	for (int i = 0; i < look->n; i += CONFIGS_AT_ONCE)
		ask_configs(look, run, i, MIN(look->n - i, CONFIGS_AT_ONCE));
}
