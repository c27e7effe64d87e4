/* Classic groups: members, states, and the way from one generation to the next. */
#include "group/classic.h"

void
classic_init(struct classic *classic)
{
	*classic = (struct classic){ .protocol_type = STR_NULL, .protocol = STR_NULL };
	list_init(&classic->members);
}

/* ---- answers ---- */

void
classic_answer_join(struct groups *groups, struct coord_call *call, struct str member_id,
	int16_t error)
{
	struct join_group_response r = {
		.error_code = error, .generation_id = -1, .protocol_type = STR_NULL,
		.protocol_name = call->api_version >= 7 ? STR_NULL : STR(""),
		.leader = STR(""), .member_id = member_id,
	};
	groups->env->respond(groups->env, call, &r);
}

void
classic_answer_sync(struct groups *groups, struct coord_call *call, int16_t error)
{
	struct sync_group_response r = { .error_code = error, .protocol_type = STR_NULL,
		.protocol_name = STR_NULL, .assignment = STR("") };
	groups->env->respond(groups->env, call, &r);
}

void
classic_answer_heartbeat(struct groups *groups, struct coord_call *call, int16_t error)
{
	struct heartbeat_response r = { .error_code = error };
	groups->env->respond(groups->env, call, &r);
}

/* Answers the member's parked calls with errors (0: with nothing). */
static void
unpark(struct groups *groups, struct classic_member *member, int16_t join_error, int16_t sync_error)
{
	struct coord_call *join = member->join, *sync = member->sync;
	member->join = member->sync = NULL;
	if (join) {
		member->group->classic.njoining--;
		bool keeps_id = join_error != KERR_UNKNOWN_MEMBER_ID;
		if (join_error)
			classic_answer_join(groups, join, keeps_id ? member->id : STR(""), join_error);
	}
	if (sync && sync_error)
		classic_answer_sync(groups, sync, sync_error);
}

/* Answers the member's parked calls with FENCED_INSTANCE_ID. */
static void
fence(struct groups *groups, struct classic_member *member)
{
	unpark(groups, member, KERR_FENCED_INSTANCE_ID, KERR_FENCED_INSTANCE_ID);
}

void
classic_park_join(struct groups *groups, struct classic_member *member, struct coord_call *call)
{
	struct coord_call *older = member->join;
	if (older) /* a second join: the older connection is most likely dead */
		classic_answer_join(groups, older, member->id, KERR_REBALANCE_IN_PROGRESS);
	else
		member->group->classic.njoining++;
	member->join = call;
	call->state = member;
}

void
classic_park_sync(struct groups *groups, struct classic_member *member, struct coord_call *call)
{
	if (member->sync)
		classic_answer_sync(groups, member->sync, KERR_REBALANCE_IN_PROGRESS);
	member->sync = call;
	call->state = member;
}

void
classic_synced(struct groups *groups, struct classic_member *member)
{
	struct classic *classic = &member->group->classic;
	if (!member->awaits_sync)
		return;
	member->awaits_sync = false;
	if (--classic->nawaits_sync == 0)
		timer_clear(groups, &classic->sync_timer);
}

void
classic_answer_joined(struct groups *groups, const struct classic_member *member,
	struct coord_call *call, const struct classic_member *leader, bool with_members,
	bool skip_assignment)
{
	const struct classic *classic = &member->group->classic;
	struct join_group_response r = {
		.generation_id = classic->generation, .protocol_type = classic->protocol_type,
		.protocol_name = classic->protocol, .leader = leader ? leader->id : STR(""),
		.skip_assignment = skip_assignment, .member_id = member->id,
	};
	if (r.protocol_name.n < 0 && call->api_version < 7)
		r.protocol_name = STR("");
	if (with_members) {
		r.members.v = arena_alloc(call->arena, (size_t)classic->nmember * sizeof *r.members.v);
		LIST_EACH(l, &classic->members) {
			const struct classic_member *other = CONTAINER_OF(l, struct classic_member, in_group);
			r.members.v[r.members.n++] = (struct join_group_response_member){
				other->id, other->instance_id, classic_metadata(other, classic->protocol),
			};
		}
	}
	groups->env->respond(groups->env, call, &r);
}

/* ---- members ---- */

/* Copies s to *p, and moves *p past the copy. */
static struct str
pack(uint8_t **p, struct str s)
{
	struct str copy = { *p, s.n };
	if (s.n > 0) {
		memcpy(*p, s.p, (size_t)s.n);
		*p += s.n;
	}
	return copy;
}

static size_t
room(struct str s)
{
	return s.n > 0 ? (size_t)s.n : 0;
}

struct classic_member *
classic_member_new(struct groups *groups, struct group *g, const struct classic_spec *spec)
{
	struct classic_member *member = group_alloc(groups, sizeof *member);
	uint8_t *p = group_alloc(groups,
		room(spec->id) + room(spec->instance_id) + room(spec->client_id)
		+ room(spec->client_host) + 1);
	list_init(&member->in_group);
	member->group = g;
	member->id = pack(&p, spec->id);
	member->instance_id = pack(&p, spec->instance_id);
	member->client_id = pack(&p, spec->client_id);
	member->client_host = pack(&p, spec->client_host);
	member->assignment = STR("");
	classic_update(groups, member, spec);
	return member;
}

void
classic_update(struct groups *groups, struct classic_member *member,
	const struct classic_spec *spec)
{
	size_t n = 1;
	for (int32_t i = 0; i < spec->nprotocol; i++)
		n += sizeof *member->protocol + room(spec->protocol[i].name)
			+ room(spec->protocol[i].metadata);
	struct classic_protocol *v = group_alloc(groups, n);
	uint8_t *p = (uint8_t *)(v + spec->nprotocol);
	for (int32_t i = 0; i < spec->nprotocol; i++) {
		v[i].name = pack(&p, spec->protocol[i].name);
		v[i].metadata = pack(&p, spec->protocol[i].metadata);
	}
	group_dealloc(member->protocol);
	member->protocol = v;
	member->nprotocol = spec->nprotocol;
	member->session_timeout_ms = spec->session_timeout_ms;
	member->rebalance_timeout_ms = spec->rebalance_timeout_ms;
}

void
classic_member_free(struct groups *groups, struct classic_member *member)
{
	assert(list_is_empty(&member->in_group));
	assert(!member->join && !member->sync);
	timer_clear(groups, &member->session);
	group_dealloc((void *)(uintptr_t)member->id.p);
	group_dealloc(member->protocol);
	if (member->assignment.n > 0)
		group_str_free(&member->assignment);
	group_dealloc(member);
}

/* Puts the member into the group's lists. */
static void
link_member(struct groups *groups, struct group *g, struct classic_member *member)
{
	struct classic *classic = &g->classic;
	assert(!classic_find(g, member->id));
	if (classic->by_id.cap == 0)
		classic->by_id.seed = classic->by_instance.seed = classic->pending.seed
			= groups->by_id.seed;
	map_put(&classic->by_id, member->id, member);
	if (member->instance_id.n >= 0) {
		assert(!classic_find_static(g, member->instance_id));
		map_put(&classic->by_instance, member->instance_id, member);
	}
	if (classic->nmember++ == 0)
		classic->leader = member;
	list_append(&classic->members, &member->in_group);
}

/* Removes the member from the group's lists; does not free it. */
static void
unlink_member(struct groups *groups, struct classic_member *member)
{
	struct classic *classic = &member->group->classic;
	classic_synced(groups, member);
	map_remove(&classic->by_id, member->id);
	if (member->instance_id.n >= 0)
		map_remove(&classic->by_instance, member->instance_id);
	list_unlink(&member->in_group);
	classic->nmember--;
	if (classic->leader == member)
		classic->leader = classic->nmember
			? CONTAINER_OF(classic->members.next, struct classic_member, in_group)
			: NULL;
	if (classic->nmember == 0) {
		map_release(&classic->by_id);
		map_release(&classic->by_instance);
	}
}

struct classic_member *
classic_add(struct groups *groups, struct group *g, const struct classic_spec *spec)
{
	struct classic_member *member = classic_member_new(groups, g, spec);
	link_member(groups, g, member);
	return member;
}

void
classic_remove(struct groups *groups, struct group *g, struct classic_member *member)
{
	assert(member->group == g);
	unpark(groups, member, KERR_UNKNOWN_MEMBER_ID, KERR_UNKNOWN_MEMBER_ID);
	unlink_member(groups, member);
	classic_member_free(groups, member);
}

void
classic_replace(struct groups *groups, struct classic_member *old, struct classic_member *fresh)
{
	struct group *g = old->group;
	struct classic *classic = &g->classic;
	bool is_leader = classic->leader == old;
	fresh->assignment = old->assignment;
	old->assignment = STR("");
	fresh->awaits_sync = old->awaits_sync;
	old->awaits_sync = false;
	fence(groups, old);
	/* In the same place, so that elections of leaders do not change. */
	struct list *after = old->in_group.prev;
	unlink_member(groups, old);
	link_member(groups, g, fresh);
	list_unlink(&fresh->in_group);
	list_append(after->next, &fresh->in_group);
	if (is_leader)
		classic->leader = fresh;
	classic_member_free(groups, old);
}

void
classic_set_assignment(struct groups *groups, struct classic_member *member, struct str assignment)
{
	struct str fresh = assignment.n > 0 ? group_strdup(groups, assignment) : STR("");
	if (member->assignment.n > 0)
		group_str_free(&member->assignment);
	member->assignment = fresh;
}

struct classic_member *
classic_find(const struct group *g, struct str id)
{
	return map_get(&g->classic.by_id, id);
}

struct classic_member *
classic_find_static(const struct group *g, struct str instance_id)
{
	return map_get(&g->classic.by_instance, instance_id);
}

int16_t
classic_check_member(const struct group *g, struct str id, struct str instance_id)
{
	if (instance_id.n >= 0) {
		const struct classic_member *member = classic_find_static(g, instance_id);
		if (!member)
			return KERR_UNKNOWN_MEMBER_ID;
		if (!str_eq(member->id, id))
			return KERR_FENCED_INSTANCE_ID;
	}
	return classic_find(g, id) ? 0 : KERR_UNKNOWN_MEMBER_ID;
}

struct str
classic_metadata(const struct classic_member *member, struct str protocol)
{
	for (int32_t i = 0; i < member->nprotocol; i++)
		if (str_eq(member->protocol[i].name, protocol))
			return member->protocol[i].metadata;
	return STR("");
}

/* ---- sessions and pending members ---- */

static void complete(struct groups *groups, struct group *g, struct coord_now now);

static void
session_ended(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct classic_member *member = CONTAINER_OF(timer, struct classic_member, session);
	struct group *g = member->group;
	/* A member with a parked call is alive; but a first join must not wait forever. */
	if (!member->is_new && (member->join || member->sync))
		return;
	classic_remove(groups, g, member);
	classic_removed(groups, g, now);
	group_free_if_idle(groups, g);
}

void
classic_alive_for(struct groups *groups, struct classic_member *member, int32_t ms,
	struct coord_now now)
{
	timer_set(groups, &member->session, now.mono_ms + ms, session_ended);
}

void
classic_alive(struct groups *groups, struct classic_member *member, struct coord_now now)
{
	classic_alive_for(groups, member, member->session_timeout_ms, now);
}

static bool
all_joined(const struct classic *classic)
{
	return classic->nmember == classic->njoining && classic->pending.n == 0;
}

void
classic_removed(struct groups *groups, struct group *g, struct coord_now now)
{
	struct classic *classic = &g->classic;
	if (classic->state == CLASSIC_STABLE || classic->state == CLASSIC_COMPLETING)
		classic_rebalance(groups, g, now);
	else if (classic->state == CLASSIC_PREPARING && all_joined(classic))
		complete(groups, g, now);
}

static void
pending_ended(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct classic_pending *pending = CONTAINER_OF(timer, struct classic_pending, timer);
	struct group *g = pending->group;
	classic_pending_remove(groups, g, pending->id);
	if (g->classic.state == CLASSIC_PREPARING && all_joined(&g->classic))
		complete(groups, g, now);
	group_free_if_idle(groups, g);
}

void
classic_pending_add(struct groups *groups, struct group *g, struct str id, int32_t ms,
	struct coord_now now)
{
	struct classic_pending *pending = group_alloc(groups, sizeof *pending + (size_t)id.n);
	uint8_t *bytes = (uint8_t *)(pending + 1);
	pending->group = g;
	pending->id = pack(&bytes, id);
	if (g->classic.pending.cap == 0)
		g->classic.pending.seed = groups->by_id.seed;
	map_put(&g->classic.pending, pending->id, pending);
	timer_set(groups, &pending->timer, now.mono_ms + ms, pending_ended);
}

bool
classic_pending_remove(struct groups *groups, struct group *g, struct str id)
{
	struct map *pending = &g->classic.pending;
	struct classic_pending *found = map_get(pending, id);
	if (!found)
		return false;
	map_remove(pending, found->id);
	if (pending->n == 0)
		map_release(pending);
	timer_clear(groups, &found->timer);
	group_dealloc(found);
	return true;
}

/* ---- generations ---- */

static int32_t
rebalance_timeout(const struct classic *classic)
{
	int32_t ms = 0;
	LIST_EACH(l, &classic->members)
		ms = MAX(ms, CONTAINER_OF(l, struct classic_member, in_group)->rebalance_timeout_ms);
	return ms;
}

static void
to_state(struct classic *classic, enum classic_state state, struct coord_now now)
{
	classic->was_empty = classic->state == CLASSIC_EMPTY;
	classic->state = state;
	classic->state_since_wall_ms = now.wall_ms;
}

void
classic_stable(struct classic *classic, struct coord_now now)
{
	to_state(classic, CLASSIC_STABLE, now);
}

static void
rebalance_timed_out(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct group *g = CONTAINER_OF(timer, struct group, classic.join);
	assert(g->classic.state == CLASSIC_PREPARING);
	complete(groups, g, now);
	group_free_if_idle(groups, g);
}

/* The initial rebalance is extended while new members join. */
static void
initial_delay_ended(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct group *g = CONTAINER_OF(timer, struct group, classic.join);
	struct classic *classic = &g->classic;
	assert(classic->state == CLASSIC_PREPARING);
	if (!classic->new_member_added || classic->initial_left_ms == 0) {
		rebalance_timed_out(groups, timer, now);
		return;
	}
	int32_t ms = MIN(groups->config.initial_delay_ms, classic->initial_left_ms);
	classic->new_member_added = false;
	classic->initial_left_ms -= ms;
	timer_set(groups, timer, now.mono_ms + ms, initial_delay_ended);
}

void
classic_end_syncs(struct groups *groups, struct group *g, int16_t error, struct coord_now now)
{
	struct classic *classic = &g->classic;
	timer_clear(groups, &classic->sync_timer);
	classic->nawaits_sync = 0;
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		member->awaits_sync = false;
		if (classic->state == CLASSIC_COMPLETING)
			classic_set_assignment(groups, member, STR(""));
		if (!member->sync)
			continue;
		struct coord_call *call = member->sync;
		member->sync = NULL;
		classic_answer_sync(groups, call, error);
		classic_alive(groups, member, now);
	}
}

static void
prepare(struct groups *groups, struct group *g, struct coord_now now)
{
	struct classic *classic = &g->classic;
	classic_end_syncs(groups, g, KERR_REBALANCE_IN_PROGRESS, now);
	bool is_initial = classic->state == CLASSIC_EMPTY;
	to_state(classic, CLASSIC_PREPARING, now);
	if (is_initial) {
		classic->new_member_added = false;
		classic->initial_left_ms = MAX(rebalance_timeout(classic) - groups->config.initial_delay_ms,
			0);
		timer_set(groups, &classic->join, now.mono_ms + groups->config.initial_delay_ms,
			initial_delay_ended);
	} else if (all_joined(classic)) {
		complete(groups, g, now);
	} else {
		timer_set(groups, &classic->join, now.mono_ms + rebalance_timeout(classic),
			rebalance_timed_out);
	}
}

void
classic_rebalance(struct groups *groups, struct group *g, struct coord_now now)
{
	struct classic *classic = &g->classic;
	if (classic->state != CLASSIC_PREPARING)
		prepare(groups, g, now);
	else if (!classic->was_empty && all_joined(classic))
		complete(groups, g, now);
}

/* Members that never sync are removed. */
static void
sync_timed_out(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct group *g = CONTAINER_OF(timer, struct group, classic.sync_timer);
	struct classic *classic = &g->classic;
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		if (member->awaits_sync)
			classic_remove(groups, g, member);
	}
	prepare(groups, g, now);
	group_free_if_idle(groups, g);
}

/* Replaces a leader that has not joined by a member that has; false: none has. */
static bool
elect_leader(struct classic *classic)
{
	if (!classic->leader || classic->leader->join)
		return classic->leader != NULL;
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		if (member->join) {
			classic->leader = member;
			return true;
		}
	}
	return false;
}

static void
complete_empty(struct groups *groups, struct group *g, struct coord_now now)
{
	struct classic *classic = &g->classic;
	struct records records = RECORDS_INIT(groups);
	group_str_free(&classic->protocol);
	to_state(classic, CLASSIC_EMPTY, now);
	records_classic_group(&records, g, now.wall_ms);
	/* If the append is refused, the log still has the old members; after a replay,
	 * their sessions end again. */
	if (records_append(&records, g->partition, NULL, now.wall_ms) == 0)
		g->has_record = true;
}

/* Ends PREPARING: a new generation of the members that have joined. */
static void
complete(struct groups *groups, struct group *g, struct coord_now now)
{
	struct classic *classic = &g->classic;
	assert(classic->state == CLASSIC_PREPARING);
	timer_clear(groups, &classic->join);
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		if (!member->join && member->instance_id.n < 0)
			classic_remove(groups, g, member);
	}
	if (!elect_leader(classic) && classic->nmember > 0) {
		/* All members are static, and none has joined yet: wait until one joins,
		 * or their sessions end. */
		timer_set(groups, &classic->join, now.mono_ms + rebalance_timeout(classic),
			rebalance_timed_out);
		return;
	}
	classic->generation = classic->generation == INT32_MAX ? 1 : classic->generation + 1;
	if (classic->nmember == 0) {
		complete_empty(groups, g, now);
		return;
	}
	group_str_set(groups, &classic->protocol, classic_select(g, NULL, NULL));
	to_state(classic, CLASSIC_COMPLETING, now);
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		struct coord_call *call = member->join;
		member->is_new = false;
		member->awaits_sync = true;
		classic->nawaits_sync++;
		classic_alive(groups, member, now);
		if (!call)
			continue;
		member->join = NULL;
		classic->njoining--;
		classic_answer_joined(groups, member, call, classic->leader, member == classic->leader,
			false);
	}
	assert(classic->njoining == 0 && classic->nawaits_sync == classic->nmember);
	timer_set(groups, &classic->sync_timer, now.mono_ms + rebalance_timeout(classic),
		sync_timed_out);
}

/* ---- stop, release ---- */

void
classic_release(struct groups *groups, struct group *g, int16_t error)
{
	struct classic *classic = &g->classic;
	LIST_EACH(l, &classic->members) {
		struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		unpark(groups, member, error, error);
		unlink_member(groups, member);
		classic_member_free(groups, member);
	}
	while (classic->pending.n > 0) {
		struct classic_pending *any = NULL;
		MAP_EACH(e, &classic->pending)
			any = e->value;
		classic_pending_remove(groups, g, any->id);
	}
	assert(classic->nmember == 0 && classic->njoining == 0);
	timer_clear(groups, &classic->join);
	timer_clear(groups, &classic->sync_timer);
	group_str_free(&classic->protocol_type);
	group_str_free(&classic->protocol);
	map_release(&classic->by_id);
	map_release(&classic->by_instance);
	map_release(&classic->pending);
	classic_init(classic);
}

/* ---- the kind ---- */

static const char *
state_name(const struct group *g)
{
	static const char *const names[] = { "Empty", "PreparingRebalance",
		"CompletingRebalance", "Stable", "Dead" };
	return names[g->classic.state];
}

static struct str
protocol_type(const struct group *g)
{
	return g->classic.protocol_type.n < 0 ? STR("") : g->classic.protocol_type;
}

static bool
is_empty(const struct group *g)
{
	return g->classic.state == CLASSIC_EMPTY;
}

static int16_t
check_commit(const struct group *g, const struct committer *committer)
{
	const struct classic *classic = &g->classic;
	if (committer->epoch < 0 && classic->state == CLASSIC_EMPTY)
		return 0;
	if (committer->epoch >= 0 || committer->member_id.n > 0 || committer->instance_id.n >= 0) {
		int16_t error = classic_check_member(g, committer->member_id, committer->instance_id);
		if (error)
			return error;
		if (committer->epoch != classic->generation)
			return KERR_ILLEGAL_GENERATION;
	} else if (!committer->is_transactional && classic->state != CLASSIC_EMPTY) {
		return KERR_UNKNOWN_MEMBER_ID;
	}
	return !committer->is_transactional && classic->state == CLASSIC_COMPLETING
		? KERR_REBALANCE_IN_PROGRESS : 0;
}

static void
stop(struct groups *groups, struct group *g)
{
	LIST_EACH(l, &g->classic.members)
		unpark(groups, CONTAINER_OF(l, struct classic_member, in_group), KERR_NOT_COORDINATOR,
			KERR_NOT_COORDINATOR);
}

const struct group_kind group_classic = {
	.name = "classic",
	.state_name = state_name,
	.protocol_type = protocol_type,
	.is_empty = is_empty,
	.is_subscribed = classic_is_subscribed,
	.check_commit = check_commit,
	.loaded = classic_loaded,
	.stop = stop,
};
