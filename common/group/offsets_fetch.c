/* OffsetFetch: all versions are answered by way of version 8's structs, and
 * told to older clients in theirs. */
#include "group/group.h"

struct fetch {
	struct groups *g;
	struct coord_call *call;
	bool require_stable;
	int64_t told; /* offsets, of groups whose request did not name each */
};

static void
no_offset(struct offset_fetch_response_group_partition *a, int16_t error)
{
	a->committed_offset = a->committed_leader_epoch = -1;
	a->metadata = STR("");
	a->error_code = error;
}

/* gr NULL: there is no such group, and so no offset. */
static void
fetch_one(const struct fetch *fetch, const struct group *g, struct str topic, int32_t partition,
	struct offset_fetch_response_group_partition *a)
{
	const struct committed *committed = g ? offsets_find(g, topic, partition) : NULL;
	a->partition_index = partition;
	if (g && fetch->require_stable && offsets_is_pending(g, topic, partition)) {
		no_offset(a, KERR_UNSTABLE_OFFSET_COMMIT);
	} else if (!committed) {
		no_offset(a, 0);
	} else {
		a->committed_offset = committed->offset;
		a->committed_leader_epoch = committed->leader_epoch;
		a->metadata = committed->metadata;
	}
}

static void
fetch_topic(const struct fetch *fetch, const struct group *g,
	const struct offset_fetch_request_group_topic *q,
	struct offset_fetch_response_group_topic *a)
{
	struct coord_env *env = fetch->g->env;
	int32_t n = q->partition_indexes.n;
	bool by_id = fetch->call->api_version >= 10, is_known = true;
	a->name = q->name;
	a->topic_id = q->topic_id;
	if (by_id) {
		struct coord_topic topic;
		is_known = env->topic(env, STR_NULL, &q->topic_id, &topic, &a->name);
		/* The name is valid for now only, and the answer is sent later. */
		a->name = is_known ? arena_str(fetch->call->arena, a->name) : STR("");
	}
	a->partitions.v = arena_alloc(fetch->call->arena, (size_t)(n + 1) * sizeof *a->partitions.v);
	a->partitions.n = n;
	for (int32_t i = 0; i < n; i++) {
		int32_t p = q->partition_indexes.v[i];
		fetch_one(fetch, is_known ? g : NULL, a->name, p, &a->partitions.v[i]);
		if (!is_known)
			a->partitions.v[i].error_code = KERR_UNKNOWN_TOPIC_ID;
	}
}

static void
fetch_all(struct fetch *fetch, const struct group *g,
	struct offset_fetch_response_group *a)
{
	struct coord_env *env = fetch->g->env;
	int32_t ntopic = g ? g->ntopic : 0;
	for (int32_t i = 0; i < ntopic; i++)
		fetch->told += g->topic[i].n;
	if (fetch->told > GROUP_TOLD_MAX) {
		a->error_code = KERR_INVALID_REQUEST;
		return;
	}
	a->topics.v = arena_alloc(fetch->call->arena, (size_t)(ntopic + 1) * sizeof *a->topics.v);
	for (int32_t i = 0; i < ntopic; i++) {
		const struct offset_topic *topic = &g->topic[i];
		struct offset_fetch_response_group_topic *to = &a->topics.v[a->topics.n];
		struct coord_topic known;
		to->name = topic->name->s;
		if (fetch->call->api_version >= 10) {
			if (!env->topic(env, topic->name->s, NULL, &known, NULL))
				continue; /* it has no id to be called by */
			to->topic_id = known.id;
		}
		a->topics.n++;
		to->partitions.v = arena_alloc(fetch->call->arena,
			(size_t)(topic->n + 1) * sizeof *to->partitions.v);
		to->partitions.n = topic->n;
		for (int32_t k = 0; k < topic->n; k++)
			fetch_one(fetch, g, topic->name->s, topic->v[k].partition, &to->partitions.v[k]);
	}
}

static void
fetch_group(struct fetch *fetch, const struct offset_fetch_request_group *q,
	struct offset_fetch_response_group *a)
{
	struct group *g = group_find(fetch->g, q->group_id);
	int32_t partition = coord_partition_of(q->group_id, fetch->g->config.npartition);
	struct coord_call *call = fetch->call;
	call->partition = call->partition == -1 || call->partition == partition ? partition
		: COORD_ALL_PARTITIONS;
	a->group_id = q->group_id;
	if (g && g->kind == GROUP_CONSUMER)
		a->error_code = consumer_check_fetch(g, q->member_id, q->member_epoch);
	if (a->error_code)
		return;
	if (q->topics.n < 0) {
		fetch_all(fetch, g, a);
		return;
	}
	a->topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a->topics.v);
	a->topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		fetch_topic(fetch, g, &q->topics.v[i], &a->topics.v[i]);
}

/* The request of before version 8, as a group of today's. */
static struct offset_fetch_request_group
old_group(const struct fetch *fetch, const struct offset_fetch_request *q)
{
	struct offset_fetch_request_group rg = {
		.group_id = q->group_id, .member_id = STR_NULL, .member_epoch = -1,
	};
	rg.topics.n = q->topics.n;
	rg.topics.v = arena_alloc(fetch->call->arena,
		(size_t)(MAX(q->topics.n, 0) + 1) * sizeof *rg.topics.v);
	for (int32_t i = 0; i < q->topics.n; i++) {
		rg.topics.v[i].name = q->topics.v[i].name;
		rg.topics.v[i].partition_indexes.v = q->topics.v[i].partition_indexes.v;
		rg.topics.v[i].partition_indexes.n = q->topics.v[i].partition_indexes.n;
	}
	return rg;
}

static void
answer_old(struct fetch *fetch, const struct offset_fetch_request *q)
{
	struct arena *arena = fetch->call->arena;
	struct offset_fetch_request_group rg = old_group(fetch, q);
	struct offset_fetch_response_group ga = { 0 };
	fetch_group(fetch, &rg, &ga);
	struct offset_fetch_response a = { .error_code = ga.error_code };
	a.topics.v = arena_alloc(arena, (size_t)(ga.topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = ga.topics.n;
	for (int32_t i = 0; i < ga.topics.n; i++) {
		const struct offset_fetch_response_group_topic *from = &ga.topics.v[i];
		struct offset_fetch_response_topic *to = &a.topics.v[i];
		to->name = from->name;
		to->partitions.v = arena_alloc(arena,
			(size_t)(from->partitions.n + 1) * sizeof *to->partitions.v);
		to->partitions.n = from->partitions.n;
		for (int32_t k = 0; k < from->partitions.n; k++) {
			const struct offset_fetch_response_group_partition *p =
				&from->partitions.v[k];
			to->partitions.v[k] =
				(struct offset_fetch_response_partition){
				.partition_index = p->partition_index,
				.committed_offset = p->committed_offset,
				.committed_leader_epoch = p->committed_leader_epoch,
				.metadata = p->metadata, .error_code = p->error_code,
			};
		}
	}
	fetch->g->env->respond(fetch->g->env, fetch->call, &a);
}

void
offsets_fetch(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct offset_fetch_request *q = call->body;
	struct fetch fetch = { groups, call, call->api_version >= 7 && q->require_stable, 0 };
	if (call->api_version < 8) {
		answer_old(&fetch, q);
		return;
	}
	struct offset_fetch_response a = { 0 };
	a.groups.v = arena_alloc(call->arena, (size_t)(q->groups.n + 1) * sizeof *a.groups.v);
	a.groups.n = q->groups.n;
	for (int32_t i = 0; i < q->groups.n; i++)
		fetch_group(&fetch, &q->groups.v[i], &a.groups.v[i]);
	groups->env->respond(groups->env, call, &a);
}
