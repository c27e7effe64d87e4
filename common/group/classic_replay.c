/* Classic groups out of the log, and what their members are subscribed to. */
#include "group/classic.h"

static void
replay_member(struct groups *g, struct group *gr,
	const struct group_metadata_value_member *m, struct str protocol)
{
	/* A log that says a member twice is not ours; the first one counts. */
	if (classic_find(gr, m->member_id)
			|| (m->group_instance_id.n >= 0
				&& classic_find_static(gr, m->group_instance_id)))
		return;
	const struct join_group_request_protocol only = {
		protocol.n < 0 ? STR("") : protocol, m->subscription };
	struct classic_spec s = {
		.id = m->member_id, .instance_id = m->group_instance_id,
		.client_id = m->client_id, .client_host = m->client_host,
		.session_timeout_ms = m->session_timeout,
		.rebalance_timeout_ms = m->rebalance_timeout < 0 ? m->session_timeout
			: m->rebalance_timeout,
		.protocol = &only, .nprotocol = 1,
	};
	classic_set_assignment(g, classic_add(g, gr, &s), m->assignment);
}

void
classic_replay(struct groups *g, struct str group_id, const struct group_metadata_value *v)
{
	struct group *gr = v ? group_replayed(g, group_id) : group_find(g, group_id);
	if (!gr)
		return;
	gr->has_record = v != NULL;
	if (!v && gr->kind == GROUP_CONSUMER)
		return; /* it was converted before */
	classic_release(g, gr, 0);
	if (!v) {
		group_free_if_idle(g, gr);
		return;
	}
	consumer_release(g, gr);
	gr->kind = GROUP_CLASSIC;
	struct classic *c = &gr->classic;
	if (v->protocol_type.n > 0)
		group_str_set(g, &c->protocol_type, v->protocol_type);
	group_str_set(g, &c->protocol, v->protocol);
	c->generation = v->generation;
	c->state_since_wall_ms = v->current_state_timestamp;
	for (int32_t i = 0; i < v->members.n; i++)
		replay_member(g, gr, &v->members.v[i], v->protocol);
	struct classic_member *leader = v->leader.n >= 0 ? classic_find(gr, v->leader) : NULL;
	if (leader)
		c->leader = leader;
	c->state = c->nmember > 0 ? CLASSIC_STABLE : CLASSIC_EMPTY;
}

void
classic_loaded(struct groups *g, struct group *gr, struct coord_now now)
{
	LIST_EACH(l, &gr->classic.members)
		classic_alive(g, CONTAINER_OF(l, struct classic_member, in_group), now);
	if (gr->classic.nmember > g->config.member_max)
		classic_rebalance(g, gr, now);
}

/* Is the topic among those of a consumer's subscription?  Its first fields
 * are the same in all versions, those we don't know included. */
static bool
subscription_has(struct str metadata, struct str topic, bool *is_bad)
{
	const uint8_t *p = metadata.p, *end = p + MAX(metadata.n, 0);
	if (end - p < 6) {
		*is_bad = true;
		return false;
	}
	int32_t n = (int32_t)load_be32(p + 2);
	p += 6;
	for (int32_t i = 0; i < n; i++) {
		if (end - p < 2 || end - p - 2 < load_be16(p)) {
			*is_bad = true;
			return false;
		}
		struct str s = { p + 2, load_be16(p) };
		if (str_eq(s, topic))
			return true;
		p += 2 + s.n;
	}
	return false;
}

bool
classic_is_subscribed(const struct group *gr, struct str topic)
{
	const struct classic *c = &gr->classic;
	if (!str_eq(c->protocol_type, STR("consumer")))
		return false;
	if (c->nmember == 0)
		return false;
	if (c->protocol.n < 0)
		return true;
	bool is_bad = false;
	LIST_EACH(l, &c->members) {
		const struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		if (subscription_has(classic_metadata(m, c->protocol), topic, &is_bad))
			return true;
	}
	return is_bad;
}
