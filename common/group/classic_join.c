/* JoinGroup. */
#include "group/classic.h"

/* A request; spec has defaults for fields that its version lacks. */
struct join {
	const struct join_group_request *q;
	struct coord_call *call;
	struct classic_spec spec;
};

/* ---- protocols ---- */

static bool
has_protocol(const struct classic_member *member, struct str name)
{
	for (int32_t i = 0; i < member->nprotocol; i++)
		if (str_eq(member->protocol[i].name, name))
			return true;
	return false;
}

static const struct classic_member *
member_at(const struct list *node, const struct classic_member *old,
	const struct classic_member *fresh)
{
	const struct classic_member *member = CONTAINER_OF(node, struct classic_member, in_group);
	return member == old ? fresh : member;
}

static bool
all_have(const struct group *g, struct str name, const struct classic_member *old,
	const struct classic_member *fresh)
{
	LIST_EACH(l, &g->classic.members)
		if (!has_protocol(member_at(l, old, fresh), name))
			return false;
	return true;
}

struct str
classic_select(const struct group *g, const struct classic_member *old,
	const struct classic_member *fresh)
{
	struct { struct str name; int32_t nvote; } v[GROUP_PROTOCOL_MAX];
	int n = 0, best = -1;
	/* A protocol that all members offer is one of the first member's. */
	assert(!list_is_empty(&g->classic.members));
	const struct classic_member *first = member_at(g->classic.members.next, old, fresh);
	for (int32_t i = 0; i < first->nprotocol; i++)
		if (all_have(g, first->protocol[i].name, old, fresh)) {
			v[n].name = first->protocol[i].name;
			v[n++].nvote = 0;
		}
	LIST_EACH(l, &g->classic.members) {
		const struct classic_member *member = member_at(l, old, fresh);
		int vote = -1;
		for (int32_t i = 0; i < member->nprotocol && vote < 0; i++)
			for (int k = 0; k < n && vote < 0; k++)
				if (str_eq(v[k].name, member->protocol[i].name))
					vote = k;
		if (vote >= 0)
			v[vote].nvote++;
	}
	for (int k = 0; k < n; k++)
		if (best < 0 || v[k].nvote > v[best].nvote)
			best = k;
	return best < 0 ? STR_NULL : v[best].name;
}

/* Whether a member with these protocols can be in the group.  A present member is
 * compared with itself, too, as in Kafka. */
static bool
fits_in(const struct group *g, const struct join_group_request *q)
{
	const struct classic *classic = &g->classic;
	if (classic->state == CLASSIC_EMPTY)
		return q->protocol_type.n > 0 && q->protocols.n > 0;
	if (!str_eq(classic->protocol_type, q->protocol_type))
		return false;
	for (int32_t i = 0; i < q->protocols.n; i++)
		if (all_have(g, q->protocols.v[i].name, NULL, NULL))
			return true;
	return false;
}

/* Whether the member offered the same protocols before. */
static bool
has_same_protocols(const struct classic_member *member, const struct join_group_request *q)
{
	if (member->nprotocol != q->protocols.n)
		return false;
	for (int32_t i = 0; i < member->nprotocol; i++)
		if (!str_eq(member->protocol[i].name, q->protocols.v[i].name)
				|| !str_eq(member->protocol[i].metadata, q->protocols.v[i].metadata))
			return false;
	return true;
}

/* ---- limits and members ---- */

static bool
has_room(const struct groups *groups, const struct group *g, struct str member_id)
{
	const struct classic *classic = &g->classic;
	const struct classic_member *member = classic_find(g, member_id);
	switch (classic->state) {
	case CLASSIC_PREPARING:
		return (member && member->join) || classic->njoining < groups->config.member_max;
	case CLASSIC_COMPLETING:
	case CLASSIC_STABLE:
		return member || classic->nmember < groups->config.member_max;
	default:
		return true;
	}
}

/* Whether all members' metadata still fits into the group's record. */
static bool
metadata_fits(const struct group *g, const struct join_group_request *q)
{
	int64_t n = 0;
	for (int32_t i = 0; i < q->protocols.n; i++)
		n += q->protocols.v[i].metadata.n;
	LIST_EACH(l, &g->classic.members) {
		const struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		if (str_eq(member->id, q->member_id) || (member->instance_id.n >= 0
				&& str_eq(member->instance_id, q->group_instance_id)))
			continue; /* the joining member replaces this one */
		for (int32_t i = 0; i < member->nprotocol; i++)
			n += member->protocol[i].metadata.n;
	}
	return n <= GROUP_MEMBERS_SIZE_MAX;
}

static void
answer(struct groups *groups, const struct join *join, struct str member_id, int16_t error)
{
	classic_answer_join(groups, join->call, member_id, error);
}

static void
add_member(struct groups *groups, struct group *g, struct join *join, struct str id,
	struct coord_now now)
{
	struct classic *classic = &g->classic;
	if (classic->state == CLASSIC_PREPARING && classic->was_empty)
		classic->new_member_added = true;
	if (classic->nmember == 0)
		group_str_set(groups, &classic->protocol_type, join->q->protocol_type);
	classic_pending_remove(groups, g, id);
	join->spec.id = id;
	struct classic_member *member = classic_add(groups, g, &join->spec);
	member->is_new = true;
	classic_park_join(groups, member, join->call);
	classic_alive_for(groups, member, GROUP_NEW_MEMBER_MS, now);
	classic_rebalance(groups, g, now);
}

static void
update_member(struct groups *groups, struct group *g, struct join *join,
	struct classic_member *member, struct coord_now now)
{
	classic_update(groups, member, &join->spec);
	classic_park_join(groups, member, join->call);
	classic_rebalance(groups, g, now);
}

/* ---- static members that restart ---- */

/* The generation continues, with the new member id in place of the old. */
static void
replace_in_stable(struct groups *groups, struct group *g, struct join *join,
	struct classic_member *old, struct classic_member *fresh, struct coord_now now)
{
	struct classic *classic = &g->classic;
	struct records records = RECORDS_INIT(groups);
	records_classic_changed(&records, g, old, fresh, NULL, now.wall_ms);
	int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (error) {
		classic_member_free(groups, fresh);
		answer(groups, join, STR(""), error);
		return;
	}
	g->has_record = true;
	/* Before version 9 the response can't tell a leader to skip the assignment;
	 * instead, it names the leader's former id as the leader. */
	bool is_leader = classic->leader == old, can_skip = join->call->api_version >= 9;
	struct str was = is_leader && !can_skip ? arena_str(&groups->scratch, old->id) : STR_NULL;
	classic_replace(groups, old, fresh);
	classic_alive(groups, fresh, now);
	struct classic_member former = { .id = was };
	classic_answer_joined(groups, fresh, join->call, was.n < 0 ? classic->leader : &former,
		is_leader && can_skip, is_leader && can_skip);
}

static void
replace_static(struct groups *groups, struct group *g, struct join *join,
	struct classic_member *old, struct str id, struct coord_now now)
{
	struct classic *classic = &g->classic;
	/* Client id and host stay, as in Kafka; protocols and timeouts are new. */
	join->spec.id = id;
	join->spec.client_id = old->client_id;
	join->spec.client_host = old->client_host;
	struct classic_member *fresh = classic_member_new(groups, g, &join->spec);
	if (classic->state == CLASSIC_STABLE
			&& str_eq(classic->protocol, classic_select(g, old, fresh))) {
		replace_in_stable(groups, g, join, old, fresh, now);
		return;
	}
	classic_replace(groups, old, fresh);
	classic_park_join(groups, fresh, join->call);
	classic_alive(groups, fresh, now);
	classic_rebalance(groups, g, now);
}

/* ---- the request ---- */

static void
join_new(struct groups *groups, struct group *g, struct join *join, struct coord_now now)
{
	const struct join_group_request *q = join->q;
	if (!fits_in(g, q)) {
		answer(groups, join, STR(""), KERR_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	bool is_static = q->group_instance_id.n >= 0;
	struct str id = group_member_id(groups, is_static ? q->group_instance_id
		: join->call->client_id, &groups->scratch);
	struct classic_member *old = is_static ? classic_find_static(g, q->group_instance_id) : NULL;
	if (old) {
		replace_static(groups, g, join, old, id, now);
	} else if (is_static || join->call->api_version < 4) {
		add_member(groups, g, join, id, now);
	} else if (g->classic.pending.n >= GROUP_PENDING_MAX) {
		answer(groups, join, STR(""), KERR_GROUP_MAX_SIZE_REACHED);
	} else {
		classic_pending_add(groups, g, id, q->session_timeout_ms, now);
		answer(groups, join, id, KERR_MEMBER_ID_REQUIRED);
	}
}

/* Answers with the present generation again. */
static void
answer_again(struct groups *groups, struct group *g, const struct join *join,
	struct classic_member *member)
{
	const struct classic *classic = &g->classic;
	classic_answer_joined(groups, member, join->call, classic->leader,
		classic->state == CLASSIC_COMPLETING && member == classic->leader, false);
}

static void
join_existing(struct groups *groups, struct group *g, struct join *join, struct coord_now now)
{
	const struct join_group_request *q = join->q;
	struct classic *classic = &g->classic;
	if (!fits_in(g, q)) {
		answer(groups, join, q->member_id, KERR_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	if (map_get(&classic->pending, q->member_id)) {
		if (q->group_instance_id.n >= 0)
			answer(groups, join, q->member_id, KERR_UNKNOWN_MEMBER_ID);
		else
			add_member(groups, g, join, arena_str(&groups->scratch, q->member_id), now);
		return;
	}
	int16_t error = classic_check_member(g, q->member_id, q->group_instance_id);
	if (error) {
		answer(groups, join, q->member_id, error);
		return;
	}
	struct classic_member *member = classic_find(g, q->member_id);
	bool is_same = has_same_protocols(member, q);
	if (classic->state == CLASSIC_EMPTY)
		answer(groups, join, q->member_id, KERR_UNKNOWN_MEMBER_ID);
	else if ((classic->state == CLASSIC_COMPLETING && is_same)
			|| (classic->state == CLASSIC_STABLE && is_same && member != classic->leader))
		answer_again(groups, g, join, member);
	else
		update_member(groups, g, join, member, now);
}

/* Turns an empty consumer group into a classic one. */
static int16_t
to_classic(struct groups *groups, struct group *g, struct coord_now now)
{
	struct records records = RECORDS_INIT(groups);
	g->kind->put_tombstones(&records, g);
	int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_release(groups, g);
	g->kind = &group_classic;
	return 0;
}

static int16_t
check(const struct groups *groups, const struct join_group_request *q)
{
	if (groups->is_stopped)
		return KERR_NOT_COORDINATOR;
	if (q->group_id.n == 0)
		return KERR_INVALID_GROUP_ID;
	if (q->session_timeout_ms < groups->config.session_min_ms
			|| q->session_timeout_ms > groups->config.session_max_ms)
		return KERR_INVALID_SESSION_TIMEOUT;
	if (q->protocols.n > GROUP_PROTOCOL_MAX)
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (group_is_full(groups))
		return KERR_COORDINATOR_NOT_AVAILABLE;
	/* More would not fit into a record. */
	int64_t n = 0;
	for (int32_t i = 0; i < q->protocols.n; i++)
		n += q->protocols.v[i].metadata.n;
	return n > GROUP_METADATA_MAX ? KERR_INVALID_REQUEST : 0;
}

void
classic_join(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct join_group_request *q = call->body;
	bool is_unknown = q->member_id.n == 0;
	int16_t error = check(groups, q);
	if (error) {
		classic_answer_join(groups, call, q->member_id, error);
		return;
	}
	struct group *g = group_find(groups, q->group_id);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (classic_is_for_consumers(g)) {
		consumer_classic_join(groups, g, call, now);
		return;
	}
	if (g && g->kind == &group_consumer)
		error = to_classic(groups, g, now);
	else if (!g && !is_unknown)
		error = KERR_UNKNOWN_MEMBER_ID;
	else if (!g && !(g = group_make(groups, q->group_id)))
		error = KERR_COORDINATOR_NOT_AVAILABLE;
	if (error) {
		classic_answer_join(groups, call, q->member_id, error);
		return;
	}
	struct join join = { q, call, {
		.instance_id = q->group_instance_id,
		.client_id = call->client_id, .client_host = call->client_host,
		.session_timeout_ms = q->session_timeout_ms,
		.rebalance_timeout_ms = q->rebalance_timeout_ms < 0 ? q->session_timeout_ms
			: q->rebalance_timeout_ms,
		.protocol = q->protocols.v, .nprotocol = q->protocols.n,
	} };
	if (!metadata_fits(g, q)) {
		answer(groups, &join, q->member_id, KERR_GROUP_MAX_SIZE_REACHED);
	} else if (!has_room(groups, g, q->member_id)) {
		/* The member, or its pending id, is removed. */
		struct classic_member *member = classic_find(g, q->member_id);
		classic_pending_remove(groups, g, q->member_id);
		if (member) {
			classic_remove(groups, g, member);
			classic_removed(groups, g, now);
		}
		answer(groups, &join, STR(""), KERR_GROUP_MAX_SIZE_REACHED);
	} else if (is_unknown) {
		join_new(groups, g, &join, now);
	} else {
		join_existing(groups, g, &join, now);
	}
	group_free_if_idle(groups, g);
}
