/* OffsetFetch.  All versions are answered with version 8's structs, which are
 * converted for older clients. */
#include "group/group.h"

struct fetch {
	struct groups *groups;
	struct coord_call *call;
	bool require_stable;
	int64_t nlisted; /* offsets in the response that the request did not name */
};

static void
no_offset(struct offset_fetch_response_group_partition *out, int16_t error)
{
	out->committed_offset = out->committed_leader_epoch = -1;
	out->metadata = STR("");
	out->error_code = error;
}

/* g NULL: the group does not exist, and so has no offset. */
static void
fetch_one(const struct fetch *fetch, const struct group *g, struct str topic, int32_t partition,
	struct offset_fetch_response_group_partition *out)
{
	const struct committed *committed = g ? offsets_find(g, topic, partition) : NULL;
	out->partition_index = partition;
	if (g && fetch->require_stable && offsets_is_pending(g, topic, partition)) {
		no_offset(out, KERR_UNSTABLE_OFFSET_COMMIT);
	} else if (!committed) {
		no_offset(out, 0);
	} else {
		out->committed_offset = committed->offset;
		out->committed_leader_epoch = committed->leader_epoch;
		out->metadata = committed->metadata;
	}
}

static void
fetch_topic(const struct fetch *fetch, const struct group *g,
	const struct offset_fetch_request_group_topic *q,
	struct offset_fetch_response_group_topic *out)
{
	struct coord_env *env = fetch->groups->env;
	int32_t n = q->partition_indexes.n;
	bool by_id = fetch->call->api_version >= 10, is_known = true;
	out->name = q->name;
	out->topic_id = q->topic_id;
	if (by_id) {
		struct coord_topic topic;
		is_known = env->topic(env, STR_NULL, &q->topic_id, &topic, &out->name);
		/* The name is valid for this call only, but the answer may be sent later. */
		out->name = is_known ? arena_str(fetch->call->arena, out->name) : STR("");
	}
	out->partitions.v = arena_alloc(fetch->call->arena,
		(size_t)(n + 1) * sizeof *out->partitions.v);
	out->partitions.n = n;
	for (int32_t i = 0; i < n; i++) {
		int32_t partition = q->partition_indexes.v[i];
		fetch_one(fetch, is_known ? g : NULL, out->name, partition, &out->partitions.v[i]);
		if (!is_known)
			out->partitions.v[i].error_code = KERR_UNKNOWN_TOPIC_ID;
	}
}

static void
fetch_all(struct fetch *fetch, const struct group *g, struct offset_fetch_response_group *out)
{
	struct coord_env *env = fetch->groups->env;
	int32_t ntopic = g ? g->ntopic : 0;
	for (int32_t i = 0; i < ntopic; i++)
		fetch->nlisted += g->topic[i].n;
	if (fetch->nlisted > GROUP_LISTED_MAX) {
		out->error_code = KERR_INVALID_REQUEST;
		return;
	}
	out->topics.v = arena_alloc(fetch->call->arena, (size_t)(ntopic + 1) * sizeof *out->topics.v);
	for (int32_t i = 0; i < ntopic; i++) {
		const struct offset_topic *topic = &g->topic[i];
		struct offset_fetch_response_group_topic *to = &out->topics.v[out->topics.n];
		struct coord_topic known;
		to->name = topic->name->s;
		if (fetch->call->api_version >= 10) {
			if (!env->topic(env, topic->name->s, NULL, &known, NULL))
				continue; /* the topic is gone, and with it its id */
			to->topic_id = known.id;
		}
		out->topics.n++;
		to->partitions.v = arena_alloc(fetch->call->arena,
			(size_t)(topic->n + 1) * sizeof *to->partitions.v);
		to->partitions.n = topic->n;
		for (int32_t k = 0; k < topic->n; k++)
			fetch_one(fetch, g, topic->name->s, topic->v[k].partition, &to->partitions.v[k]);
	}
}

static void
fetch_group(struct fetch *fetch, const struct offset_fetch_request_group *q,
	struct offset_fetch_response_group *out)
{
	struct group *g = group_find(fetch->groups, q->group_id);
	int32_t partition = coord_partition_of(q->group_id, fetch->groups->config.npartition);
	struct coord_call *call = fetch->call;
	call->partition = call->partition == -1 || call->partition == partition ? partition
		: COORD_ALL_PARTITIONS;
	out->group_id = q->group_id;
	if (g && g->kind->check_fetch)
		out->error_code = g->kind->check_fetch(g, q->member_id, q->member_epoch);
	if (out->error_code)
		return;
	if (q->topics.n < 0) {
		fetch_all(fetch, g, out);
		return;
	}
	out->topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *out->topics.v);
	out->topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		fetch_topic(fetch, g, &q->topics.v[i], &out->topics.v[i]);
}

/* A request before version 8, as a group of version 8. */
static struct offset_fetch_request_group
old_group(const struct fetch *fetch, const struct offset_fetch_request *q)
{
	struct offset_fetch_request_group group_q = {
		.group_id = q->group_id, .member_id = STR_NULL, .member_epoch = -1,
	};
	group_q.topics.n = q->topics.n;
	group_q.topics.v = arena_alloc(fetch->call->arena,
		(size_t)(MAX(q->topics.n, 0) + 1) * sizeof *group_q.topics.v);
	for (int32_t i = 0; i < q->topics.n; i++) {
		group_q.topics.v[i].name = q->topics.v[i].name;
		group_q.topics.v[i].partition_indexes.v = q->topics.v[i].partition_indexes.v;
		group_q.topics.v[i].partition_indexes.n = q->topics.v[i].partition_indexes.n;
	}
	return group_q;
}

static void
answer_old(struct fetch *fetch, const struct offset_fetch_request *q)
{
	struct arena *arena = fetch->call->arena;
	struct offset_fetch_request_group group_q = old_group(fetch, q);
	struct offset_fetch_response_group group_r = { 0 };
	fetch_group(fetch, &group_q, &group_r);
	struct offset_fetch_response r = { .error_code = group_r.error_code };
	r.topics.v = arena_alloc(arena, (size_t)(group_r.topics.n + 1) * sizeof *r.topics.v);
	r.topics.n = group_r.topics.n;
	for (int32_t i = 0; i < group_r.topics.n; i++) {
		const struct offset_fetch_response_group_topic *from = &group_r.topics.v[i];
		struct offset_fetch_response_topic *to = &r.topics.v[i];
		to->name = from->name;
		to->partitions.v = arena_alloc(arena,
			(size_t)(from->partitions.n + 1) * sizeof *to->partitions.v);
		to->partitions.n = from->partitions.n;
		for (int32_t k = 0; k < from->partitions.n; k++) {
			const struct offset_fetch_response_group_partition *part = &from->partitions.v[k];
			to->partitions.v[k] = (struct offset_fetch_response_partition){
				.partition_index = part->partition_index,
				.committed_offset = part->committed_offset,
				.committed_leader_epoch = part->committed_leader_epoch,
				.metadata = part->metadata, .error_code = part->error_code,
			};
		}
	}
	fetch->groups->env->respond(fetch->groups->env, fetch->call, &r);
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
	struct offset_fetch_response r = { 0 };
	r.groups.v = arena_alloc(call->arena, (size_t)(q->groups.n + 1) * sizeof *r.groups.v);
	r.groups.n = q->groups.n;
	for (int32_t i = 0; i < q->groups.n; i++)
		fetch_group(&fetch, &q->groups.v[i], &r.groups.v[i]);
	groups->env->respond(groups->env, call, &r);
}
