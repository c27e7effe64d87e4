/* JoinGroup. */
#include "group/classic.h"

/* A request, with the fields its version lacks filled in. */
struct join {
	const struct join_group_request *q;
	struct coord_call *call;
	struct classic_spec spec;
};

/* ---- protocols ---- */

static bool
has_protocol(const struct classic_member *m, struct str name)
{
	for (int32_t i = 0; i < m->nprotocol; i++)
		if (str_eq(m->protocol[i].name, name))
			return true;
	return false;
}

static const struct classic_member *
stand_in(const struct list *l, const struct classic_member *old, const struct classic_member *fresh)
{
	const struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
	return m == old ? fresh : m;
}

static bool
all_have(const struct group *gr, struct str name, const struct classic_member *old,
	const struct classic_member *fresh)
{
	LIST_EACH(l, &gr->classic.members)
		if (!has_protocol(stand_in(l, old, fresh), name))
			return false;
	return true;
}

struct str
classic_select(const struct group *gr, const struct classic_member *old, const struct classic_member *fresh)
{
	struct { struct str name; int32_t nvote; } v[GROUP_PROTOCOL_MAX];
	int n = 0, best = -1;
	/* What all have is among what the first has. */
	assert(!list_is_empty(&gr->classic.members));
	const struct classic_member *first = stand_in(gr->classic.members.next, old, fresh);
	for (int32_t i = 0; i < first->nprotocol; i++)
		if (all_have(gr, first->protocol[i].name, old, fresh)) {
			v[n].name = first->protocol[i].name;
			v[n++].nvote = 0;
		}
	LIST_EACH(l, &gr->classic.members) {
		const struct classic_member *m = stand_in(l, old, fresh);
		int vote = -1;
		for (int32_t i = 0; i < m->nprotocol && vote < 0; i++)
			for (int k = 0; k < n && vote < 0; k++)
				if (str_eq(v[k].name, m->protocol[i].name))
					vote = k;
		if (vote >= 0)
			v[vote].nvote++;
	}
	for (int k = 0; k < n; k++)
		if (best < 0 || v[k].nvote > v[best].nvote)
			best = k;
	return best < 0 ? STR_NULL : v[best].name;
}

/* Can whoever offers these protocols be in the group?  A member that is
 * already in it is compared with itself, too, as Kafka does. */
static bool
fits(const struct group *gr, const struct join_group_request *q)
{
	const struct classic *c = &gr->classic;
	if (c->state == CLASSIC_EMPTY)
		return q->protocol_type.n > 0 && q->protocols.n > 0;
	if (!str_eq(c->protocol_type, q->protocol_type))
		return false;
	for (int32_t i = 0; i < q->protocols.n; i++)
		if (all_have(gr, q->protocols.v[i].name, NULL, NULL))
			return true;
	return false;
}

/* Are these the protocols it gave before? */
static bool
matches(const struct classic_member *m, const struct join_group_request *q)
{
	if (m->nprotocol != q->protocols.n)
		return false;
	for (int32_t i = 0; i < m->nprotocol; i++)
		if (!str_eq(m->protocol[i].name, q->protocols.v[i].name)
				|| !str_eq(m->protocol[i].metadata, q->protocols.v[i].metadata))
			return false;
	return true;
}

/* ---- who may come in ---- */

static bool
has_room(const struct groups *g, const struct group *gr, struct str member_id)
{
	const struct classic *c = &gr->classic;
	const struct classic_member *m = classic_find(gr, member_id);
	switch (c->state) {
	case CLASSIC_PREPARING:
		return (m && m->join) || c->njoining < g->config.member_max;
	case CLASSIC_COMPLETING:
	case CLASSIC_STABLE:
		return m || c->nmember < g->config.member_max;
	default:
		return true;
	}
}

/* Would all members' metadata still fit into the group's record? */
static bool
metadata_fits(const struct group *gr, const struct join_group_request *q)
{
	int64_t n = 0;
	for (int32_t i = 0; i < q->protocols.n; i++)
		n += q->protocols.v[i].metadata.n;
	LIST_EACH(l, &gr->classic.members) {
		const struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		if (str_eq(m->id, q->member_id) || (m->instance_id.n >= 0
				&& str_eq(m->instance_id, q->group_instance_id)))
			continue; /* it takes this one's place */
		for (int32_t i = 0; i < m->nprotocol; i++)
			n += m->protocol[i].metadata.n;
	}
	return n <= GROUP_MEMBERS_SIZE_MAX;
}

static void
answer(struct groups *g, const struct join *j, struct str member_id, int16_t error)
{
	classic_answer_join(g, j->call, member_id, error);
}

static void
add_member(struct groups *g, struct group *gr, struct join *j, struct str id,
	struct coord_now now)
{
	struct classic *c = &gr->classic;
	if (c->state == CLASSIC_PREPARING && c->was_empty)
		c->new_member_added = true;
	if (c->nmember == 0)
		group_str_set(g, &c->protocol_type, j->q->protocol_type);
	classic_pending_remove(g, gr, id);
	j->spec.id = id;
	struct classic_member *m = classic_add(g, gr, &j->spec);
	m->is_new = true;
	classic_park_join(g, m, j->call);
	classic_alive_for(g, m, GROUP_NEW_MEMBER_MS, now);
	classic_rebalance(g, gr, now);
}

static void
update_member(struct groups *g, struct group *gr, struct join *j, struct classic_member *m,
	struct coord_now now)
{
	classic_update(g, m, &j->spec);
	classic_park_join(g, m, j->call);
	classic_rebalance(g, gr, now);
}

/* ---- static members that start again ---- */

/* The group goes on as it is, with the new member id in place of the old. */
static void
replace_in_stable(struct groups *g, struct group *gr, struct join *j, struct classic_member *old,
	struct classic_member *fresh, struct coord_now now)
{
	struct classic *c = &gr->classic;
	struct records r = RECORDS_INIT(g);
	records_classic_changed(&r, gr, old, fresh, NULL, now.wall_ms);
	int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (error) {
		classic_member_free(g, fresh);
		answer(g, j, STR(""), error);
		return;
	}
	gr->has_record = true;
	/* Before version 9 a leader can't be told to leave the assignment as it
	 * is; so it is told that its former self leads. */
	bool is_leader = c->leader == old, can_skip = j->call->api_version >= 9;
	struct str was = is_leader && !can_skip ? arena_str(&g->scratch, old->id) : STR_NULL;
	classic_replace(g, old, fresh);
	classic_alive(g, fresh, now);
	struct classic_member former = { .id = was };
	classic_answer_joined(g, fresh, j->call, was.n < 0 ? c->leader : &former,
		is_leader && can_skip, is_leader && can_skip);
}

static void
replace_static(struct groups *g, struct group *gr, struct join *j, struct classic_member *old,
	struct str id, struct coord_now now)
{
	struct classic *c = &gr->classic;
	/* Who it was stays, as Kafka has it; what it can do is new. */
	j->spec.id = id;
	j->spec.client_id = old->client_id;
	j->spec.client_host = old->client_host;
	struct classic_member *fresh = classic_member_new(g, gr, &j->spec);
	if (c->state == CLASSIC_STABLE
			&& str_eq(c->protocol, classic_select(gr, old, fresh))) {
		replace_in_stable(g, gr, j, old, fresh, now);
		return;
	}
	classic_replace(g, old, fresh);
	classic_park_join(g, fresh, j->call);
	classic_alive(g, fresh, now);
	classic_rebalance(g, gr, now);
}

/* ---- the request ---- */

static void
join_new(struct groups *g, struct group *gr, struct join *j, struct coord_now now)
{
	const struct join_group_request *q = j->q;
	if (!fits(gr, q)) {
		answer(g, j, STR(""), KERR_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	bool is_static = q->group_instance_id.n >= 0;
	struct str id = group_member_id(g, is_static ? q->group_instance_id
		: j->call->client_id, &g->scratch);
	struct classic_member *old = is_static ? classic_find_static(gr, q->group_instance_id) : NULL;
	if (old) {
		replace_static(g, gr, j, old, id, now);
	} else if (is_static || j->call->api_version < 4) {
		add_member(g, gr, j, id, now);
	} else if (gr->classic.pending.n >= GROUP_PENDING_MAX) {
		answer(g, j, STR(""), KERR_GROUP_MAX_SIZE_REACHED);
	} else {
		classic_pending_add(g, gr, id, q->session_timeout_ms, now);
		answer(g, j, id, KERR_MEMBER_ID_REQUIRED);
	}
}

/* The present generation once more. */
static void
answer_again(struct groups *g, struct group *gr, const struct join *j, struct classic_member *m)
{
	const struct classic *c = &gr->classic;
	classic_answer_joined(g, m, j->call, c->leader,
		c->state == CLASSIC_COMPLETING && m == c->leader, false);
}

static void
join_existing(struct groups *g, struct group *gr, struct join *j, struct coord_now now)
{
	const struct join_group_request *q = j->q;
	struct classic *c = &gr->classic;
	if (!fits(gr, q)) {
		answer(g, j, q->member_id, KERR_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	if (map_get(&c->pending, q->member_id)) {
		if (q->group_instance_id.n >= 0)
			answer(g, j, q->member_id, KERR_UNKNOWN_MEMBER_ID);
		else
			add_member(g, gr, j, arena_str(&g->scratch, q->member_id), now);
		return;
	}
	int16_t error = classic_check_member(gr, q->member_id, q->group_instance_id);
	if (error) {
		answer(g, j, q->member_id, error);
		return;
	}
	struct classic_member *m = classic_find(gr, q->member_id);
	bool is_same = matches(m, q);
	if (c->state == CLASSIC_EMPTY)
		answer(g, j, q->member_id, KERR_UNKNOWN_MEMBER_ID);
	else if ((c->state == CLASSIC_COMPLETING && is_same)
			|| (c->state == CLASSIC_STABLE && is_same && m != c->leader))
		answer_again(g, gr, j, m);
	else
		update_member(g, gr, j, m, now);
}

/* An empty consumer group turns into a classic one. */
static int16_t
to_classic(struct groups *g, struct group *gr, struct coord_now now)
{
	struct records r = RECORDS_INIT(g);
	records_consumer_tombstones(&r, gr);
	int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_release(g, gr);
	gr->kind = GROUP_CLASSIC;
	return 0;
}

static int16_t
check(const struct groups *g, const struct join_group_request *q)
{
	if (g->is_stopped)
		return KERR_NOT_COORDINATOR;
	if (q->group_id.n == 0)
		return KERR_INVALID_GROUP_ID;
	if (q->session_timeout_ms < g->config.session_min_ms
			|| q->session_timeout_ms > g->config.session_max_ms)
		return KERR_INVALID_SESSION_TIMEOUT;
	if (q->protocols.n > GROUP_PROTOCOL_MAX)
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (group_is_full(g))
		return KERR_COORDINATOR_NOT_AVAILABLE;
	/* More would not fit into a record either. */
	int64_t n = 0;
	for (int32_t i = 0; i < q->protocols.n; i++)
		n += q->protocols.v[i].metadata.n;
	return n > GROUP_METADATA_MAX ? KERR_INVALID_REQUEST : 0;
}

void
classic_join(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct join_group_request *q = call->body;
	bool is_unknown = q->member_id.n == 0;
	int16_t error = check(g, q);
	if (error) {
		classic_answer_join(g, call, q->member_id, error);
		return;
	}
	struct group *gr = group_find(g, q->group_id);
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (gr && gr->kind == GROUP_CONSUMER && group_member_count(gr) > 0) {
		consumer_classic_join(g, gr, call, now);
		return;
	}
	if (gr && gr->kind == GROUP_CONSUMER)
		error = to_classic(g, gr, now);
	else if (!gr && !is_unknown)
		error = KERR_UNKNOWN_MEMBER_ID;
	else if (!gr && !(gr = group_make(g, q->group_id)))
		error = KERR_COORDINATOR_NOT_AVAILABLE;
	if (error) {
		classic_answer_join(g, call, q->member_id, error);
		return;
	}
	struct join j = { q, call, {
		.instance_id = q->group_instance_id,
		.client_id = call->client_id, .client_host = call->client_host,
		.session_timeout_ms = q->session_timeout_ms,
		.rebalance_timeout_ms = q->rebalance_timeout_ms < 0 ? q->session_timeout_ms
			: q->rebalance_timeout_ms,
		.protocol = q->protocols.v, .nprotocol = q->protocols.n,
	} };
	if (!metadata_fits(gr, q)) {
		answer(g, &j, q->member_id, KERR_GROUP_MAX_SIZE_REACHED);
	} else if (!has_room(g, gr, q->member_id)) {
		/* What it may have held of the group is held no longer. */
		struct classic_member *m = classic_find(gr, q->member_id);
		classic_pending_remove(g, gr, q->member_id);
		if (m) {
			classic_remove(g, gr, m);
			classic_gone(g, gr, now);
		}
		answer(g, &j, STR(""), KERR_GROUP_MAX_SIZE_REACHED);
	} else if (is_unknown) {
		join_new(g, gr, &j, now);
	} else {
		join_existing(g, gr, &j, now);
	}
	group_free_if_idle(g, gr);
}
