/* Classic groups: members, and the turn from one generation to the next. */
#include "group/classic.h"

void
classic_init(struct classic *c)
{
	*c = (struct classic){ .protocol_type = STR_NULL, .protocol = STR_NULL };
	list_init(&c->members);
}

const char *
classic_state_name(enum classic_state s)
{
	static const char *const names[] = { "Empty", "PreparingRebalance",
		"CompletingRebalance", "Stable", "Dead" };
	return names[s];
}

/* ---- answers ---- */

void
classic_answer_join(struct groups *g, struct coord_call *call, struct str member_id,
	int16_t error)
{
	struct join_group_response a = {
		.error_code = error, .generation_id = -1, .protocol_type = STR_NULL,
		.protocol_name = call->api_version >= 7 ? STR_NULL : STR(""),
		.leader = STR(""), .member_id = member_id,
	};
	g->env->respond(g->env, call, &a);
}

void
classic_answer_sync(struct groups *g, struct coord_call *call, int16_t error)
{
	struct sync_group_response a = { .error_code = error, .protocol_type = STR_NULL,
		.protocol_name = STR_NULL, .assignment = STR("") };
	g->env->respond(g->env, call, &a);
}

void
classic_answer_heartbeat(struct groups *g, struct coord_call *call, int16_t error)
{
	struct heartbeat_response a = { .error_code = error };
	g->env->respond(g->env, call, &a);
}

/* Answer whatever the member waits for with an error. */
static void
unpark(struct groups *g, struct classic_member *m, int16_t join_error, int16_t sync_error)
{
	struct coord_call *join = m->join, *sync = m->sync;
	m->join = m->sync = NULL;
	if (join) {
		m->group->classic.njoining--;
		bool keeps_id = join_error != KERR_UNKNOWN_MEMBER_ID;
		if (join_error)
			classic_answer_join(g, join, keeps_id ? m->id : STR(""), join_error);
	}
	if (sync && sync_error)
		classic_answer_sync(g, sync, sync_error);
}

void
classic_fence(struct groups *g, struct classic_member *m)
{
	unpark(g, m, KERR_FENCED_INSTANCE_ID, KERR_FENCED_INSTANCE_ID);
}

void
classic_park_join(struct groups *g, struct classic_member *m, struct coord_call *call)
{
	struct coord_call *older = m->join;
	if (older) /* asked twice: the older connection is most likely dead */
		classic_answer_join(g, older, m->id, KERR_REBALANCE_IN_PROGRESS);
	else
		m->group->classic.njoining++;
	m->join = call;
	call->state = m;
}

void
classic_park_sync(struct groups *g, struct classic_member *m, struct coord_call *call)
{
	if (m->sync)
		classic_answer_sync(g, m->sync, KERR_REBALANCE_IN_PROGRESS);
	m->sync = call;
	call->state = m;
}

void
classic_synced(struct groups *g, struct classic_member *m)
{
	struct classic *c = &m->group->classic;
	if (!m->awaits_sync)
		return;
	m->awaits_sync = false;
	if (--c->nawaits_sync == 0)
		timer_clear(g, &c->sync_timer);
}

void
classic_answer_joined(struct groups *g, const struct classic_member *m, struct coord_call *call,
	const struct classic_member *leader, bool with_members, bool skip_assignment)
{
	const struct classic *c = &m->group->classic;
	struct join_group_response a = {
		.generation_id = c->generation, .protocol_type = c->protocol_type,
		.protocol_name = c->protocol, .leader = leader ? leader->id : STR(""),
		.skip_assignment = skip_assignment, .member_id = m->id,
	};
	if (a.protocol_name.n < 0 && call->api_version < 7)
		a.protocol_name = STR("");
	if (with_members) {
		a.members.v = arena_alloc(call->arena, (size_t)c->nmember * sizeof *a.members.v);
		LIST_EACH(l, &c->members) {
			const struct classic_member *other = CONTAINER_OF(l, struct classic_member, in_group);
			a.members.v[a.members.n++] = (struct join_group_response_member){
				other->id, other->instance_id, classic_metadata(other, c->protocol),
			};
		}
	}
	g->env->respond(g->env, call, &a);
}

/* ---- members ---- */

/* Copy s to *p, which moves on. */
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
classic_member_new(struct groups *g, struct group *gr, const struct classic_spec *s)
{
	struct classic_member *m = group_alloc(g, sizeof *m);
	uint8_t *p = group_alloc(g, room(s->id) + room(s->instance_id) + room(s->client_id)
		+ room(s->client_host) + 1);
	list_init(&m->in_group);
	m->group = gr;
	m->id = pack(&p, s->id);
	m->instance_id = pack(&p, s->instance_id);
	m->client_id = pack(&p, s->client_id);
	m->client_host = pack(&p, s->client_host);
	m->assignment = STR("");
	classic_update(g, m, s);
	return m;
}

void
classic_update(struct groups *g, struct classic_member *m, const struct classic_spec *s)
{
	size_t n = 1;
	for (int32_t i = 0; i < s->nprotocol; i++)
		n += sizeof *m->protocol + room(s->protocol[i].name) + room(s->protocol[i].metadata);
	struct classic_protocol *v = group_alloc(g, n);
	uint8_t *p = (uint8_t *)(v + s->nprotocol);
	for (int32_t i = 0; i < s->nprotocol; i++) {
		v[i].name = pack(&p, s->protocol[i].name);
		v[i].metadata = pack(&p, s->protocol[i].metadata);
	}
	group_dealloc(m->protocol);
	m->protocol = v;
	m->nprotocol = s->nprotocol;
	m->session_timeout_ms = s->session_timeout_ms;
	m->rebalance_timeout_ms = s->rebalance_timeout_ms;
}

void
classic_member_free(struct groups *g, struct classic_member *m)
{
	assert(list_is_empty(&m->in_group));
	assert(!m->join && !m->sync);
	timer_clear(g, &m->session);
	group_dealloc((void *)(uintptr_t)m->id.p);
	group_dealloc(m->protocol);
	if (m->assignment.n > 0)
		group_str_free(&m->assignment);
	group_dealloc(m);
}

void
classic_link(struct groups *g, struct group *gr, struct classic_member *m)
{
	struct classic *c = &gr->classic;
	assert(!classic_find(gr, m->id));
	if (c->by_id.cap == 0)
		c->by_id.seed = c->by_instance.seed = c->pending.seed = g->by_id.seed;
	map_put(&c->by_id, m->id, m);
	if (m->instance_id.n >= 0) {
		assert(!classic_find_static(gr, m->instance_id));
		map_put(&c->by_instance, m->instance_id, m);
	}
	if (c->nmember++ == 0)
		c->leader = m;
	list_append(&c->members, &m->in_group);
}

/* Out of the group, but not freed. */
static void
unlink_member(struct groups *g, struct classic_member *m)
{
	struct classic *c = &m->group->classic;
	classic_synced(g, m);
	map_remove(&c->by_id, m->id);
	if (m->instance_id.n >= 0)
		map_remove(&c->by_instance, m->instance_id);
	list_unlink(&m->in_group);
	c->nmember--;
	if (c->leader == m)
		c->leader = c->nmember ? CONTAINER_OF(c->members.next, struct classic_member, in_group)
			: NULL;
	if (c->nmember == 0) {
		map_release(&c->by_id);
		map_release(&c->by_instance);
	}
}

struct classic_member *
classic_add(struct groups *g, struct group *gr, const struct classic_spec *s)
{
	struct classic_member *m = classic_member_new(g, gr, s);
	classic_link(g, gr, m);
	return m;
}

void
classic_remove(struct groups *g, struct group *gr, struct classic_member *m)
{
	assert(m->group == gr);
	unpark(g, m, KERR_UNKNOWN_MEMBER_ID, KERR_UNKNOWN_MEMBER_ID);
	unlink_member(g, m);
	classic_member_free(g, m);
}

void
classic_replace(struct groups *g, struct classic_member *old, struct classic_member *fresh)
{
	struct group *gr = old->group;
	struct classic *c = &gr->classic;
	bool is_leader = c->leader == old;
	fresh->assignment = old->assignment;
	old->assignment = STR("");
	fresh->awaits_sync = old->awaits_sync;
	old->awaits_sync = false;
	classic_fence(g, old);
	/* In its place, so that leaders are elected as before. */
	struct list *after = old->in_group.prev;
	unlink_member(g, old);
	classic_link(g, gr, fresh);
	list_unlink(&fresh->in_group);
	list_append(after->next, &fresh->in_group);
	if (is_leader)
		c->leader = fresh;
	classic_member_free(g, old);
}

void
classic_set_assignment(struct groups *g, struct classic_member *m, struct str assignment)
{
	struct str fresh = assignment.n > 0 ? group_strdup(g, assignment) : STR("");
	if (m->assignment.n > 0)
		group_str_free(&m->assignment);
	m->assignment = fresh;
}

struct classic_member *
classic_find(const struct group *gr, struct str id)
{
	return map_get(&gr->classic.by_id, id);
}

struct classic_member *
classic_find_static(const struct group *gr, struct str instance_id)
{
	return map_get(&gr->classic.by_instance, instance_id);
}

int16_t
classic_check_member(const struct group *gr, struct str id, struct str instance_id)
{
	if (instance_id.n >= 0) {
		const struct classic_member *m = classic_find_static(gr, instance_id);
		if (!m)
			return KERR_UNKNOWN_MEMBER_ID;
		if (!str_eq(m->id, id))
			return KERR_FENCED_INSTANCE_ID;
	}
	return classic_find(gr, id) ? 0 : KERR_UNKNOWN_MEMBER_ID;
}

struct str
classic_metadata(const struct classic_member *m, struct str protocol)
{
	for (int32_t i = 0; i < m->nprotocol; i++)
		if (str_eq(m->protocol[i].name, protocol))
			return m->protocol[i].metadata;
	return STR("");
}

/* ---- members come and go by time ---- */

static void
session_ended(struct groups *g, struct timer *t, struct coord_now now)
{
	struct classic_member *m = CONTAINER_OF(t, struct classic_member, session);
	struct group *gr = m->group;
	/* Who waits for us is alive; but a first join waits only so long. */
	if (!m->is_new && (m->join || m->sync))
		return;
	classic_remove(g, gr, m);
	classic_gone(g, gr, now);
	group_free_if_idle(g, gr);
}

void
classic_alive_for(struct groups *g, struct classic_member *m, int32_t ms, struct coord_now now)
{
	timer_set(g, &m->session, now.mono_ms + ms, session_ended);
}

void
classic_alive(struct groups *g, struct classic_member *m, struct coord_now now)
{
	classic_alive_for(g, m, m->session_timeout_ms, now);
}

static bool
all_joined(const struct classic *c)
{
	return c->nmember == c->njoining && c->pending.n == 0;
}

void
classic_gone(struct groups *g, struct group *gr, struct coord_now now)
{
	struct classic *c = &gr->classic;
	if (c->state == CLASSIC_STABLE || c->state == CLASSIC_COMPLETING)
		classic_rebalance(g, gr, now);
	else if (c->state == CLASSIC_PREPARING && all_joined(c))
		classic_complete(g, gr, now);
}

static void
pending_ended(struct groups *g, struct timer *t, struct coord_now now)
{
	struct classic_pending *p = CONTAINER_OF(t, struct classic_pending, timer);
	struct group *gr = p->group;
	classic_pending_remove(g, gr, p->id);
	if (gr->classic.state == CLASSIC_PREPARING && all_joined(&gr->classic))
		classic_complete(g, gr, now);
	group_free_if_idle(g, gr);
}

void
classic_pending_add(struct groups *g, struct group *gr, struct str id, int32_t ms,
	struct coord_now now)
{
	struct classic_pending *p = group_alloc(g, sizeof *p + (size_t)id.n);
	uint8_t *bytes = (uint8_t *)(p + 1);
	p->group = gr;
	p->id = pack(&bytes, id);
	if (gr->classic.pending.cap == 0)
		gr->classic.pending.seed = g->by_id.seed;
	map_put(&gr->classic.pending, p->id, p);
	timer_set(g, &p->timer, now.mono_ms + ms, pending_ended);
}

bool
classic_pending_remove(struct groups *g, struct group *gr, struct str id)
{
	struct map *pending = &gr->classic.pending;
	struct classic_pending *p = map_get(pending, id);
	if (!p)
		return false;
	map_remove(pending, p->id);
	if (pending->n == 0)
		map_release(pending);
	timer_clear(g, &p->timer);
	group_dealloc(p);
	return true;
}

/* ---- generations ---- */

static int32_t
rebalance_timeout(const struct classic *c)
{
	int32_t ms = 0;
	LIST_EACH(l, &c->members)
		ms = MAX(ms, CONTAINER_OF(l, struct classic_member, in_group)->rebalance_timeout_ms);
	return ms;
}

static void
to_state(struct classic *c, enum classic_state s, struct coord_now now)
{
	c->was_empty = c->state == CLASSIC_EMPTY;
	c->state = s;
	c->state_since_wall_ms = now.wall_ms;
}

void
classic_stable(struct classic *c, struct coord_now now)
{
	to_state(c, CLASSIC_STABLE, now);
}

static void
rebalance_timed_out(struct groups *g, struct timer *t, struct coord_now now)
{
	struct group *gr = CONTAINER_OF(t, struct group, classic.join);
	assert(gr->classic.state == CLASSIC_PREPARING);
	classic_complete(g, gr, now);
	group_free_if_idle(g, gr);
}

/* The initial rebalance waits for more members, as long as more come. */
static void
initial_delay_ended(struct groups *g, struct timer *t, struct coord_now now)
{
	struct group *gr = CONTAINER_OF(t, struct group, classic.join);
	struct classic *c = &gr->classic;
	assert(c->state == CLASSIC_PREPARING);
	if (!c->new_member_added || c->initial_left_ms == 0) {
		rebalance_timed_out(g, t, now);
		return;
	}
	int32_t ms = MIN(g->config.initial_delay_ms, c->initial_left_ms);
	c->new_member_added = false;
	c->initial_left_ms -= ms;
	timer_set(g, t, now.mono_ms + ms, initial_delay_ended);
}

void
classic_end_syncs(struct groups *g, struct group *gr, int16_t error, struct coord_now now)
{
	struct classic *c = &gr->classic;
	timer_clear(g, &c->sync_timer);
	c->nawaits_sync = 0;
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		m->awaits_sync = false;
		if (c->state == CLASSIC_COMPLETING)
			classic_set_assignment(g, m, STR(""));
		if (!m->sync)
			continue;
		struct coord_call *call = m->sync;
		m->sync = NULL;
		classic_answer_sync(g, call, error);
		classic_alive(g, m, now);
	}
}

static void
prepare(struct groups *g, struct group *gr, struct coord_now now)
{
	struct classic *c = &gr->classic;
	classic_end_syncs(g, gr, KERR_REBALANCE_IN_PROGRESS, now);
	bool is_initial = c->state == CLASSIC_EMPTY;
	to_state(c, CLASSIC_PREPARING, now);
	if (is_initial) {
		c->new_member_added = false;
		c->initial_left_ms = MAX(rebalance_timeout(c) - g->config.initial_delay_ms, 0);
		timer_set(g, &c->join, now.mono_ms + g->config.initial_delay_ms,
			initial_delay_ended);
	} else if (all_joined(c)) {
		classic_complete(g, gr, now);
	} else {
		timer_set(g, &c->join, now.mono_ms + rebalance_timeout(c), rebalance_timed_out);
	}
}

void
classic_rebalance(struct groups *g, struct group *gr, struct coord_now now)
{
	struct classic *c = &gr->classic;
	if (c->state != CLASSIC_PREPARING)
		prepare(g, gr, now);
	else if (!c->was_empty && all_joined(c))
		classic_complete(g, gr, now);
}

/* Members that never ask for their assignment make room for others. */
static void
sync_timed_out(struct groups *g, struct timer *t, struct coord_now now)
{
	struct group *gr = CONTAINER_OF(t, struct group, classic.sync_timer);
	struct classic *c = &gr->classic;
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		if (m->awaits_sync)
			classic_remove(g, gr, m);
	}
	prepare(g, gr, now);
	group_free_if_idle(g, gr);
}

/* A leader that is here; false: there is none to be had. */
static bool
elect_leader(struct classic *c)
{
	if (!c->leader || c->leader->join)
		return c->leader != NULL;
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		if (m->join) {
			c->leader = m;
			return true;
		}
	}
	return false;
}

static void
complete_empty(struct groups *g, struct group *gr, struct coord_now now)
{
	struct classic *c = &gr->classic;
	struct records r = RECORDS_INIT(g);
	group_str_free(&c->protocol);
	to_state(c, CLASSIC_EMPTY, now);
	records_classic_group(&r, gr, now.wall_ms);
	/* Refused, the log still has the members of before: should it be
	 * replayed, their sessions end once more. */
	if (records_append(&r, gr->partition, NULL, now.wall_ms) == 0)
		gr->has_record = true;
}

void
classic_complete(struct groups *g, struct group *gr, struct coord_now now)
{
	struct classic *c = &gr->classic;
	assert(c->state == CLASSIC_PREPARING);
	timer_clear(g, &c->join);
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		if (!m->join && m->instance_id.n < 0)
			classic_remove(g, gr, m);
	}
	if (!elect_leader(c) && c->nmember > 0) {
		/* Only static members, and none came: their sessions decide. */
		timer_set(g, &c->join, now.mono_ms + rebalance_timeout(c), rebalance_timed_out);
		return;
	}
	c->generation = c->generation == INT32_MAX ? 1 : c->generation + 1;
	if (c->nmember == 0) {
		complete_empty(g, gr, now);
		return;
	}
	group_str_set(g, &c->protocol, classic_select(gr, NULL, NULL));
	to_state(c, CLASSIC_COMPLETING, now);
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		struct coord_call *call = m->join;
		m->is_new = false;
		m->awaits_sync = true;
		c->nawaits_sync++;
		classic_alive(g, m, now);
		if (!call)
			continue;
		m->join = NULL;
		c->njoining--;
		classic_answer_joined(g, m, call, c->leader, m == c->leader, false);
	}
	timer_set(g, &c->sync_timer, now.mono_ms + rebalance_timeout(c), sync_timed_out);
}

/* ---- all of it ---- */

void
classic_stop(struct groups *g, struct group *gr)
{
	LIST_EACH(l, &gr->classic.members)
		unpark(g, CONTAINER_OF(l, struct classic_member, in_group), KERR_NOT_COORDINATOR,
			KERR_NOT_COORDINATOR);
}

void
classic_release(struct groups *g, struct group *gr, int16_t error)
{
	struct classic *c = &gr->classic;
	LIST_EACH(l, &c->members) {
		struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		unpark(g, m, error, error);
		unlink_member(g, m);
		classic_member_free(g, m);
	}
	while (c->pending.n > 0) {
		struct classic_pending *any = NULL;
		MAP_EACH(e, &c->pending)
			any = e->value;
		classic_pending_remove(g, gr, any->id);
	}
	timer_clear(g, &c->join);
	timer_clear(g, &c->sync_timer);
	group_str_free(&c->protocol_type);
	group_str_free(&c->protocol);
	map_release(&c->by_id);
	map_release(&c->by_instance);
	map_release(&c->pending);
	classic_init(c);
}
