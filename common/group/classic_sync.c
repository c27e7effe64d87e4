/* SyncGroup, Heartbeat, LeaveGroup. */
#include "group/classic.h"

/* ---- SyncGroup ---- */

static bool
contradicts(struct str said, struct str ours)
{
	return said.n >= 0 && ours.n >= 0 && !str_eq(said, ours);
}

static int16_t
check_sync(const struct group *g, const struct sync_group_request *q)
{
	const struct classic *classic = &g->classic;
	int16_t error = classic_check_member(g, q->member_id, q->group_instance_id);
	if (error)
		return error;
	if (q->generation_id != classic->generation)
		return KERR_ILLEGAL_GENERATION;
	if (contradicts(q->protocol_type, classic->protocol_type)
			|| contradicts(q->protocol_name, classic->protocol))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	return classic->state == CLASSIC_PREPARING ? KERR_REBALANCE_IN_PROGRESS : 0;
}

static void
answer_assignment(struct groups *groups, const struct classic_member *member,
	struct coord_call *call)
{
	const struct classic *classic = &member->group->classic;
	struct sync_group_response r = { .protocol_type = classic->protocol_type,
		.protocol_name = classic->protocol, .assignment = member->assignment };
	groups->env->respond(groups->env, call, &r);
}

/* Writes the leader's assignments; then the group is stable. */
static void
sync_leader(struct groups *groups, struct group *g, const struct sync_group_request *q,
	struct coord_now now)
{
	struct classic *classic = &g->classic;
	struct records records = RECORDS_INIT(groups);
	records_classic_changed(&records, g, NULL, NULL, q, now.wall_ms);
	int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (error) {
		classic_end_syncs(groups, g, error, now);
		classic_rebalance(groups, g, now);
		return;
	}
	g->has_record = true;
	LIST_EACH(l, &classic->members)
		classic_set_assignment(groups, CONTAINER_OF(l, struct classic_member, in_group), STR(""));
	for (int32_t i = 0; i < q->assignments.n; i++) {
		struct classic_member *member = classic_find(g, q->assignments.v[i].member_id);
		if (member)
			classic_set_assignment(groups, member, q->assignments.v[i].assignment);
	}
	classic_stable(classic, now);
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		struct coord_call *call = member->sync;
		if (!call)
			continue;
		member->sync = NULL;
		answer_assignment(groups, member, call);
		classic_alive(groups, member, now);
	}
}

void
classic_sync(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct sync_group_request *q = call->body;
	struct group *g = group_find(groups, q->group_id);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (classic_is_for_consumers(g)) {
		consumer_classic_sync(groups, g, call, now);
		return;
	}
	bool has_protocol = q->protocol_type.n >= 0 && q->protocol_name.n >= 0;
	int16_t error = groups->is_stopped ? KERR_NOT_COORDINATOR
		: call->api_version >= 5 && !has_protocol ? KERR_INCONSISTENT_GROUP_PROTOCOL
		: q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: !g || group_is_empty(g) ? KERR_UNKNOWN_MEMBER_ID
		: q->assignments.n > 0 && group_is_full(groups) ? KERR_COORDINATOR_NOT_AVAILABLE
		: check_sync(g, q);
	if (error) {
		classic_answer_sync(groups, call, error);
		return;
	}
	struct classic *classic = &g->classic;
	struct classic_member *member = classic_find(g, q->member_id);
	classic_synced(groups, member);
	if (classic->state == CLASSIC_STABLE) {
		answer_assignment(groups, member, call);
		return;
	}
	assert(classic->state == CLASSIC_COMPLETING);
	classic_park_sync(groups, member, call);
	if (member == classic->leader)
		sync_leader(groups, g, q, now);
}

/* ---- Heartbeat ---- */

void
classic_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct heartbeat_request *q = call->body;
	struct group *g = group_find(groups, q->group_id);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (classic_is_for_consumers(g)) {
		consumer_classic_heartbeat(groups, g, call, now);
		return;
	}
	int16_t error = q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: !g || group_is_empty(g) ? KERR_UNKNOWN_MEMBER_ID
		: classic_check_member(g, q->member_id, q->group_instance_id);
	if (!error && q->generation_id != g->classic.generation)
		error = KERR_ILLEGAL_GENERATION;
	if (!error) {
		classic_alive(groups, classic_find(g, q->member_id), now);
		if (g->classic.state == CLASSIC_PREPARING)
			error = KERR_REBALANCE_IN_PROGRESS;
	}
	classic_answer_heartbeat(groups, call, error);
}

/* ---- LeaveGroup ---- */

static int16_t
leave_one(struct groups *groups, struct group *g, struct str id, struct str instance_id)
{
	struct classic_member *member;
	if (id.n == 0) {
		/* An administrator gives only the instance id. */
		member = instance_id.n >= 0 ? classic_find_static(g, instance_id) : NULL;
		if (!member)
			return KERR_UNKNOWN_MEMBER_ID;
	} else if (classic_pending_remove(groups, g, id)) {
		return 0;
	} else {
		int16_t error = classic_check_member(g, id, instance_id);
		if (error)
			return error;
		member = classic_find(g, id);
	}
	classic_remove(groups, g, member);
	return 0;
}

/* The members of any version's request. */
static const struct leave_group_request_member *
leavers(const struct coord_call *call, int32_t *n)
{
	const struct leave_group_request *q = call->body;
	if (call->api_version >= 3) {
		*n = q->members.n;
		return q->members.v;
	}
	struct leave_group_request_member *v = arena_alloc(call->arena, sizeof *v);
	v->member_id = q->member_id;
	v->group_instance_id = v->reason = STR_NULL;
	*n = 1;
	return v;
}

static int16_t
leave(struct groups *groups, struct group *g, const struct leave_group_request_member *leaver,
	struct coord_now now)
{
	if (!g)
		return KERR_UNKNOWN_MEMBER_ID;
	if (g->kind == &group_classic)
		return leave_one(groups, g, leaver->member_id, leaver->group_instance_id);
	return group_is_empty(g) ? KERR_UNKNOWN_MEMBER_ID
		: consumer_classic_leave(groups, g, leaver->member_id, leaver->group_instance_id, now);
}

static void
after_leave(struct groups *groups, struct group *g, struct coord_now now)
{
	if (g->kind != &group_classic)
		return;
	/* The initial rebalance continues to wait for other members. */
	if (g->classic.state != CLASSIC_EMPTY)
		classic_rebalance(groups, g, now);
	group_free_if_idle(groups, g);
}

void
classic_leave(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct leave_group_request *q = call->body;
	struct leave_group_response r = { 0 };
	struct group *g = group_find(groups, q->group_id);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (q->group_id.n == 0) {
		r.error_code = KERR_INVALID_GROUP_ID;
		groups->env->respond(groups->env, call, &r);
		return;
	}
	bool any = false;
	int32_t n;
	const struct leave_group_request_member *v = leavers(call, &n);
	r.members.v = arena_alloc(call->arena, (size_t)(n + 1) * sizeof *r.members.v);
	for (int32_t i = 0; i < n; i++) {
		int16_t error = leave(groups, g, &v[i], now);
		any |= error == 0;
		r.members.v[r.members.n++] = (struct leave_group_response_member){
			v[i].member_id, v[i].group_instance_id, error };
	}
	if (g && any)
		after_leave(groups, g, now);
	if (call->api_version < 3)
		r.error_code = r.members.v[0].error_code;
	groups->env->respond(groups->env, call, &r);
}
