/* SyncGroup, Heartbeat, LeaveGroup. */
#include "group/classic.h"

/* ---- SyncGroup ---- */

static bool
contradicts(struct str said, struct str ours)
{
	return said.n >= 0 && ours.n >= 0 && !str_eq(said, ours);
}

static int16_t
check_sync(const struct group *gr, const struct sync_group_request *q)
{
	const struct classic *c = &gr->classic;
	int16_t error = classic_check_member(gr, q->member_id, q->group_instance_id);
	if (error)
		return error;
	if (q->generation_id != c->generation)
		return KERR_ILLEGAL_GENERATION;
	if (contradicts(q->protocol_type, c->protocol_type)
			|| contradicts(q->protocol_name, c->protocol))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	return c->state == CLASSIC_PREPARING ? KERR_REBALANCE_IN_PROGRESS : 0;
}

static void
answer_assignment(struct groups *g, const struct classic_member *m, struct coord_call *call)
{
	const struct classic *c = &m->group->classic;
	struct sync_group_response a = { .protocol_type = c->protocol_type,
		.protocol_name = c->protocol, .assignment = m->assignment };
	g->env->respond(g->env, call, &a);
}

/* The leader's word makes the group stable, once it is written. */
static void
sync_leader(struct groups *g, struct group *gr, const struct sync_group_request *q,
	struct coord_now now)
{
	struct classic *c = &gr->classic;
	struct records r = RECORDS_INIT(g);
	records_classic_changed(&r, gr, NULL, NULL, q, now.wall_ms);
	int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (error) {
		classic_end_syncs(g, gr, error, now);
		classic_rebalance(g, gr, now);
		return;
	}
	gr->has_record = true;
	LIST_EACH(l, &c->members)
		classic_set_assignment(g, CONTAINER_OF(l, struct classic_member, in_group), STR(""));
	for (int32_t i = 0; i < q->assignments.n; i++) {
		struct classic_member *m = classic_find(gr, q->assignments.v[i].member_id);
		if (m)
			classic_set_assignment(g, m, q->assignments.v[i].assignment);
	}
	classic_stable(c, now);
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		struct coord_call *call = m->sync;
		if (!call)
			continue;
		m->sync = NULL;
		answer_assignment(g, m, call);
		classic_alive(g, m, now);
	}
}

void
classic_sync(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct sync_group_request *q = call->body;
	struct group *gr = group_find(g, q->group_id);
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (gr && gr->kind == GROUP_CONSUMER && group_member_count(gr) > 0) {
		consumer_classic_sync(g, gr, call, now);
		return;
	}
	bool has_protocol = q->protocol_type.n >= 0 && q->protocol_name.n >= 0;
	int16_t error = g->is_stopped ? KERR_NOT_COORDINATOR
		: call->api_version >= 5 && !has_protocol ? KERR_INCONSISTENT_GROUP_PROTOCOL
		: q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: !gr || group_is_empty(gr) ? KERR_UNKNOWN_MEMBER_ID
		: q->assignments.n > 0 && group_is_full(g) ? KERR_COORDINATOR_NOT_AVAILABLE
		: check_sync(gr, q);
	if (error) {
		classic_answer_sync(g, call, error);
		return;
	}
	struct classic *c = &gr->classic;
	struct classic_member *m = classic_find(gr, q->member_id);
	classic_synced(g, m);
	if (c->state == CLASSIC_STABLE) {
		answer_assignment(g, m, call);
		return;
	}
	assert(c->state == CLASSIC_COMPLETING);
	classic_park_sync(g, m, call);
	if (m == c->leader)
		sync_leader(g, gr, q, now);
}

/* ---- Heartbeat ---- */

void
classic_heartbeat(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct heartbeat_request *q = call->body;
	struct group *gr = group_find(g, q->group_id);
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (gr && gr->kind == GROUP_CONSUMER && group_member_count(gr) > 0) {
		consumer_classic_heartbeat(g, gr, call, now);
		return;
	}
	int16_t error = q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: !gr || group_is_empty(gr) ? KERR_UNKNOWN_MEMBER_ID
		: classic_check_member(gr, q->member_id, q->group_instance_id);
	if (!error && q->generation_id != gr->classic.generation)
		error = KERR_ILLEGAL_GENERATION;
	if (!error) {
		classic_alive(g, classic_find(gr, q->member_id), now);
		if (gr->classic.state == CLASSIC_PREPARING)
			error = KERR_REBALANCE_IN_PROGRESS;
	}
	classic_answer_heartbeat(g, call, error);
}

/* ---- LeaveGroup ---- */

static int16_t
leave_one(struct groups *g, struct group *gr, struct str id, struct str instance_id)
{
	struct classic_member *m;
	if (id.n == 0) {
		/* An administrator names static members by their instance alone. */
		m = instance_id.n >= 0 ? classic_find_static(gr, instance_id) : NULL;
		if (!m)
			return KERR_UNKNOWN_MEMBER_ID;
	} else if (classic_pending_remove(g, gr, id)) {
		return 0;
	} else {
		int16_t error = classic_check_member(gr, id, instance_id);
		if (error)
			return error;
		m = classic_find(gr, id);
	}
	classic_remove(g, gr, m);
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
leave(struct groups *g, struct group *gr, const struct leave_group_request_member *m,
	struct coord_now now)
{
	if (!gr)
		return KERR_UNKNOWN_MEMBER_ID;
	if (gr->kind == GROUP_CONSUMER)
		return group_member_count(gr) == 0 ? KERR_UNKNOWN_MEMBER_ID
			: consumer_classic_leave(g, gr, m->member_id, m->group_instance_id, now);
	return leave_one(g, gr, m->member_id, m->group_instance_id);
}

static void
left(struct groups *g, struct group *gr, struct coord_now now)
{
	if (gr->kind != GROUP_CLASSIC)
		return;
	/* The initial rebalance goes on waiting, for others. */
	if (gr->classic.state != CLASSIC_EMPTY)
		classic_rebalance(g, gr, now);
	group_free_if_idle(g, gr);
}

void
classic_leave(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct leave_group_request *q = call->body;
	struct leave_group_response a = { 0 };
	struct group *gr = group_find(g, q->group_id);
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (q->group_id.n == 0) {
		a.error_code = KERR_INVALID_GROUP_ID;
		g->env->respond(g->env, call, &a);
		return;
	}
	bool any = false;
	int32_t n;
	const struct leave_group_request_member *v = leavers(call, &n);
	a.members.v = arena_alloc(call->arena, (size_t)(n + 1) * sizeof *a.members.v);
	for (int32_t i = 0; i < n; i++) {
		int16_t error = leave(g, gr, &v[i], now);
		any |= error == 0;
		a.members.v[a.members.n++] = (struct leave_group_response_member){
			v[i].member_id, v[i].group_instance_id, error };
	}
	if (gr && any)
		left(g, gr, now);
	if (call->api_version < 3)
		a.error_code = a.members.v[0].error_code;
	g->env->respond(g->env, call, &a);
}
