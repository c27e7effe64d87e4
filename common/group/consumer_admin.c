/* Consumer groups: ConsumerGroupDescribe, and struct group_kind. */
#include "group/consumer.h"

#include "acl_gen.h"

#include <stdlib.h>

/* ---- ConsumerGroupDescribe ---- */

static struct consumer_group_describe_response_assignment
describe_set(struct groups *groups, const struct tp_set *set, struct arena *a)
{
	struct consumer_group_describe_response_assignment out = { 0 };
	int32_t n;
	struct tp_run *run = tp_runs(set, &n, a);
	out.topic_partitions.v = arena_alloc(a, ((size_t)n + 1) * sizeof *out.topic_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct coord_topic topic;
		struct str name;
		if (!groups->env->topic(groups->env, STR_NULL, &run[i].id, &topic, &name))
			continue;
		struct consumer_group_describe_response_topic *to =
			&out.topic_partitions.v[out.topic_partitions.n++];
		to->topic_id = run[i].id;
		to->topic_name = arena_str(a, name);
		to->partitions.v = run[i].v;
		to->partitions.n = run[i].n;
	}
	return out;
}

static int
by_id(const void *a, const void *b)
{
	return str_cmp((*(struct consumer_member *const *)a)->id,
		(*(struct consumer_member *const *)b)->id);
}

static struct consumer_member **
members_of(const struct group *g, struct arena *a)
{
	struct consumer_member **v = arena_alloc(a,
		((size_t)g->consumer->by_id.n + 1) * sizeof(struct consumer_member *));
	size_t n = 0;
	MAP_EACH(e, &g->consumer->by_id)
		v[n++] = e->value;
	if (n > 1)
		qsort(v, n, sizeof(struct consumer_member *), by_id);
	return v;
}

static void
describe_member(struct groups *groups, const struct consumer_member *member,
	struct consumer_group_describe_response_member *out, struct arena *a)
{
	const struct subscription *names = member->spec.names;
	out->member_id = member->id;
	out->instance_id = member->spec.instance_id;
	out->rack_id = member->spec.rack_id;
	out->member_epoch = member->current.epoch;
	out->client_id = member->spec.client_id.n < 0 ? STR("") : member->spec.client_id;
	out->client_host = member->spec.client_host.n < 0 ? STR("") : member->spec.client_host;
	out->subscribed_topic_regex = member->spec.regex.n < 0 ? STR("") : member->spec.regex;
	out->subscribed_topic_names.n = names ? names->n : 0;
	out->subscribed_topic_names.v = arena_alloc(a,
		((size_t)out->subscribed_topic_names.n + 1) * sizeof(struct str));
	for (int32_t i = 0; names && i < names->n; i++)
		out->subscribed_topic_names.v[i] = names->v[i]->s;
	out->assignment = describe_set(groups, &member->current.assigned, a);
	out->target_assignment = describe_set(groups, &member->target, a);
	out->member_type = member->spec.is_classic ? 0 : 1;
}

/* The assignor that most members name, as for the target. */
static struct str
assignor_name(const struct consumer *consumer)
{
	int32_t votes[ASSIGNOR_N] = { 0 }, best = 0;
	MAP_EACH(e, &consumer->by_id) {
		const struct consumer_member *member = e->value;
		const struct assignor *assignor = assignor_find(member->spec.assignor);
		if (assignor)
			votes[assignor - assignors]++;
	}
	for (int32_t i = 1; i < ASSIGNOR_N; i++)
		if (votes[i] > votes[best])
			best = i;
	return str_of(assignors[best].name);
}

/* About how many things the description of the group lists: members, their topic
 * names and partitions. */
static int64_t
size_of(const struct group *g)
{
	int64_t n = 1;
	MAP_EACH(e, &g->consumer->by_id) {
		const struct consumer_member *member = e->value;
		n += 1 + (member->spec.names ? member->spec.names->n : 0) + member->current.assigned.n
			+ member->target.n;
	}
	return n;
}

static void
describe_group(struct groups *groups, const struct group *g,
	struct consumer_group_describe_response_group *group, struct arena *a)
{
	const struct consumer *consumer = g->consumer;
	struct consumer_member **v = members_of(g, a);
	group->group_state = str_of(consumer_state_name(g));
	group->group_epoch = consumer->epoch;
	group->assignment_epoch = consumer->target_epoch;
	group->assignor_name = assignor_name(consumer);
	group->members.n = (int32_t)consumer->by_id.n;
	group->members.v = arena_alloc(a, ((size_t)consumer->by_id.n + 1) * sizeof *group->members.v);
	for (int32_t i = 0; i < group->members.n; i++)
		describe_member(groups, v[i], &group->members.v[i], a);
}

void
consumer_describe(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct consumer_group_describe_request *q = call->body;
	struct consumer_group_describe_response r;
	(void)now;
	wire_defaults(&consumer_group_describe_response_desc, &r);
	int32_t n = MAX(q->group_ids.n, 0);
	r.groups.v = arena_alloc(call->arena, ((size_t)n + 1) * sizeof *r.groups.v);
	r.groups.n = n;
	int64_t nlisted = 0;
	for (int32_t i = 0; i < n; i++) {
		struct consumer_group_describe_response_group *group = &r.groups.v[i];
		struct str id = q->group_ids.v[i];
		const struct group *g = group_find(groups, id);
		wire_defaults(&consumer_group_describe_response_group_desc, group);
		group->group_id = id;
		if (id.n <= 0)
			group->error_code = KERR_INVALID_GROUP_ID;
		else if (!g || g->kind != &group_consumer)
			group->error_code = KERR_GROUP_ID_NOT_FOUND;
		else if ((nlisted += size_of(g)) > GROUP_LISTED_MAX)
			group->error_code = KERR_INVALID_REQUEST;
		else
			describe_group(groups, g, group, call->arena);
		if (!group->error_code && q->include_authorized_operations)
			group->authorized_operations = ACL_GROUP_OPERATIONS;
		if (group->error_code == KERR_GROUP_ID_NOT_FOUND)
			group->error_message = str_of(arena_printf(call->arena,
				"Group %.*s not found.", MIN(id.n, GROUP_NAME_SHOWN), (const char *)id.p));
	}
	call->partition = COORD_ALL_PARTITIONS;
	groups->env->respond(groups->env, call, &r);
}

/* ---- the kind ---- */

static struct str
protocol_type(const struct group *g)
{
	(void)g;
	return STR("consumer");
}

static bool
is_empty(const struct group *g)
{
	return g->consumer->by_id.n == 0;
}

static int16_t
check_epoch(const struct consumer_member *member, int32_t epoch)
{
	if (epoch == member->current.epoch)
		return 0;
	return member->spec.is_classic ? KERR_ILLEGAL_GENERATION : KERR_STALE_MEMBER_EPOCH;
}

static int16_t
check_commit(const struct group *g, const struct committer *committer)
{
	bool is_transactional = committer->is_transactional;
	if (committer->epoch < 0 && is_empty(g))
		return 0;
	/* A producer from before KIP-447 does not know its group's members. */
	if (is_transactional && committer->epoch == -1 && committer->member_id.n <= 0
			&& committer->instance_id.n < 0)
		return 0;
	const struct consumer_member *member = consumer_find(g, committer->member_id);
	if (!member)
		return KERR_UNKNOWN_MEMBER_ID;
	if (!is_transactional && !member->spec.is_classic && committer->api_version < 9)
		return KERR_UNSUPPORTED_VERSION;
	return check_epoch(member, committer->epoch);
}

static int16_t
check_fetch(const struct group *g, struct str member_id, int32_t epoch)
{
	if (member_id.n <= 0 && epoch < 0)
		return 0;
	const struct consumer_member *member = consumer_find(g, member_id);
	return member ? check_epoch(member, epoch) : KERR_UNKNOWN_MEMBER_ID;
}

static bool
is_subscribed(const struct group *g, struct str topic)
{
	MAP_EACH(e, &g->consumer->by_id) {
		const struct consumer_member *member = e->value;
		if (member->spec.names && subscription_has(member->spec.names, topic))
			return true;
	}
	for (int32_t i = 0; i < g->consumer->nregex; i++)
		if (subscription_has(g->consumer->regex[i].topics, topic))
			return true;
	return false;
}

/* The next heartbeat of any member looks at the topics again. */
static void
topics_changed(struct group *g)
{
	g->consumer->is_stale = true;
}

static void
loaded(struct groups *groups, struct group *g, struct coord_now now)
{
	struct consumer_member **v = members_of(g, &groups->scratch);
	assert(g->consumer->nclassic <= (int32_t)g->consumer->by_id.n);
	for (uint32_t i = 0; i < g->consumer->by_id.n; i++) {
		struct consumer_member *member = v[i];
		/* If a crash cut the log, some of a member's records may be missing. */
		if (!member->spec.names)
			member->spec.names = subscription_get(groups, g->consumer, NULL, 0, &groups->scratch);
		consumer_session(groups, member, now);
		consumer_watch_revocation(groups, member, now);
	}
	g->consumer->is_stale = true;
}

const struct group_kind group_consumer = {
	.name = "consumer",
	.state_name = consumer_state_name,
	.protocol_type = protocol_type,
	.is_empty = is_empty,
	.is_subscribed = is_subscribed,
	.check_commit = check_commit,
	.check_fetch = check_fetch,
	.put_tombstones = records_consumer_tombstones,
	.loaded = loaded,
	.topics_changed = topics_changed,
};
