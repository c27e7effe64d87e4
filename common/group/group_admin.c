/* DescribeGroups, ListGroups, DeleteGroups. */
#include "group/group.h"

#include "acl_gen.h"

#include <strings.h>

/* ---- DescribeGroups ---- */

static void
describe_members(const struct group *g, struct arena *arena,
	struct describe_groups_response_group *out)
{
	const struct classic *classic = &g->classic;
	bool is_stable = classic->state == CLASSIC_STABLE;
	out->members.v = arena_alloc(arena, (size_t)(classic->nmember + 1) * sizeof *out->members.v);
	LIST_EACH(l, &classic->members) {
		const struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		out->members.v[out->members.n++] =
			(struct describe_groups_response_member){
			.member_id = member->id, .group_instance_id = member->instance_id,
			.client_id = member->client_id, .client_host = member->client_host,
			.member_metadata = is_stable ? classic_metadata(member, classic->protocol) : STR(""),
			.member_assignment = member->assignment,
		};
	}
}

/* nlisted counts members in the response, so that a request which repeats a
 * group's name gets a bounded answer. */
static void
describe(const struct groups *groups, const struct coord_call *call, struct str id,
	int64_t *nlisted, struct describe_groups_response_group *out)
{
	const struct describe_groups_request *q = call->body;
	const struct group *g = group_find(groups, id);
	*out = (struct describe_groups_response_group){
		.group_id = id, .error_message = STR_NULL, .group_state = STR("Dead"),
		.protocol_type = STR(""), .protocol_data = STR(""),
		.authorized_operations = q->include_authorized_operations ? ACL_GROUP_OPERATIONS
			: INT32_MIN,
	};
	if (!g || g->kind != &group_classic) {
		/* Before version 6, only the state Dead reports this. */
		if (call->api_version >= 6) {
			out->error_code = KERR_GROUP_ID_NOT_FOUND;
			out->authorized_operations = INT32_MIN;
			out->error_message = g ? STR("the group is not a classic group")
				: STR("there is no such group");
		}
		return;
	}
	const struct classic *classic = &g->classic;
	if ((*nlisted += classic->nmember) > GROUP_LISTED_MAX) {
		out->error_code = KERR_INVALID_REQUEST;
		return;
	}
	out->group_state = str_of(g->kind->state_name(g));
	if (classic->protocol_type.n > 0)
		out->protocol_type = classic->protocol_type;
	if (classic->state == CLASSIC_STABLE && classic->protocol.n > 0)
		out->protocol_data = classic->protocol;
	describe_members(g, call->arena, out);
}

/* The answer waits for this group's partition, and for those of groups before. */
static void
wait_for(const struct groups *groups, struct coord_call *call, struct str group_id)
{
	int32_t partition = coord_partition_of(group_id, groups->config.npartition);
	call->partition = call->partition == -1 || call->partition == partition ? partition
		: COORD_ALL_PARTITIONS;
}

void
admin_describe(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct describe_groups_request *q = call->body;
	struct describe_groups_response r = { 0 };
	int64_t nlisted = 0;
	r.groups.v = arena_alloc(call->arena, (size_t)(q->groups.n + 1) * sizeof *r.groups.v);
	r.groups.n = q->groups.n;
	for (int32_t i = 0; i < q->groups.n; i++) {
		wait_for(groups, call, q->groups.v[i]);
		describe(groups, call, q->groups.v[i], &nlisted, &r.groups.v[i]);
	}
	groups->env->respond(groups->env, call, &r);
}

/* ---- ListGroups ---- */

/* Compares without case, and without blanks around s. */
static bool
is_word(struct str s, const char *z)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
		s = (struct str){ s.p + 1, s.n - 1 };
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s.n == (int32_t)strlen(z)
		&& (s.n == 0 || strncasecmp((const char *)s.p, z, (size_t)s.n) == 0);
}

static bool
passes(const struct str *v, int32_t n, const char *z)
{
	for (int32_t i = 0; i < n; i++)
		if (is_word(v[i], z))
			return true;
	return n <= 0;
}

void
admin_list(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct list_groups_request *q = call->body;
	struct list_groups_response r = { 0 };
	int32_t nstate = call->api_version >= 4 ? q->states_filter.n : 0;
	int32_t ntype = call->api_version >= 5 ? q->types_filter.n : 0;
	r.groups.v = arena_alloc(call->arena, (groups->by_id.n + 1) * sizeof *r.groups.v);
	call->partition = COORD_ALL_PARTITIONS;
	MAP_EACH(e, &groups->by_id) {
		const struct group *g = e->value;
		const char *state = g->kind->state_name(g);
		if (!passes(q->states_filter.v, nstate, state)
				|| !passes(q->types_filter.v, ntype, g->kind->name))
			continue;
		r.groups.v[r.groups.n++] = (struct list_groups_response_group){
			.group_id = g->id,
			.protocol_type = g->kind->protocol_type(g),
			.group_state = str_of(state), .group_type = str_of(g->kind->name),
		};
	}
	groups->env->respond(groups->env, call, &r);
}

/* ---- DeleteGroups ---- */

static int16_t
delete_one(struct groups *groups, struct str id, struct coord_now now)
{
	struct group *g = group_find(groups, id);
	if (!g)
		return KERR_GROUP_ID_NOT_FOUND;
	return group_is_empty(g) ? group_delete(groups, g, now) : KERR_NON_EMPTY_GROUP;
}

void
admin_delete(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct delete_groups_request *q = call->body;
	struct delete_groups_response r = { 0 };
	r.results.v = arena_alloc(call->arena, (size_t)(q->groups_names.n + 1) * sizeof *r.results.v);
	r.results.n = q->groups_names.n;
	for (int32_t i = 0; i < q->groups_names.n; i++) {
		wait_for(groups, call, q->groups_names.v[i]);
		r.results.v[i].group_id = q->groups_names.v[i];
		r.results.v[i].error_code = delete_one(groups, q->groups_names.v[i], now);
		r.results.v[i].error_message = STR_NULL;
	}
	groups->env->respond(groups->env, call, &r);
}
