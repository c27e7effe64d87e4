/* Classic groups: replay, and the topics that their members read. */
#include "group/classic.h"

static void
replay_member(struct groups *groups, struct group *g,
	const struct group_metadata_value_member *from, struct str protocol)
{
	/* Only a foreign log has a member twice; the first one counts. */
	if (classic_find(g, from->member_id)
			|| (from->group_instance_id.n >= 0
				&& classic_find_static(g, from->group_instance_id)))
		return;
	const struct join_group_request_protocol only = {
		protocol.n < 0 ? STR("") : protocol, from->subscription };
	struct classic_spec spec = {
		.id = from->member_id, .instance_id = from->group_instance_id,
		.client_id = from->client_id, .client_host = from->client_host,
		.session_timeout_ms = from->session_timeout,
		.rebalance_timeout_ms = from->rebalance_timeout < 0 ? from->session_timeout
			: from->rebalance_timeout,
		.protocol = &only, .nprotocol = 1,
	};
	classic_set_assignment(groups, classic_add(groups, g, &spec), from->assignment);
}

void
classic_replay(struct groups *groups, struct str group_id, const struct group_metadata_value *value)
{
	struct group *g = value ? group_replayed(groups, group_id) : group_find(groups, group_id);
	if (!g)
		return;
	g->has_record = value != NULL;
	if (!value && g->kind == &group_consumer)
		return; /* the group was converted since */
	classic_release(groups, g, 0);
	if (!value) {
		group_free_if_idle(groups, g);
		return;
	}
	consumer_release(groups, g);
	g->kind = &group_classic;
	struct classic *classic = &g->classic;
	if (value->protocol_type.n > 0)
		group_str_set(groups, &classic->protocol_type, value->protocol_type);
	group_str_set(groups, &classic->protocol, value->protocol);
	classic->generation = value->generation;
	classic->state_since_wall_ms = value->current_state_timestamp;
	for (int32_t i = 0; i < value->members.n; i++)
		replay_member(groups, g, &value->members.v[i], value->protocol);
	struct classic_member *leader = value->leader.n >= 0 ? classic_find(g, value->leader) : NULL;
	if (leader)
		classic->leader = leader;
	classic->state = classic->nmember > 0 ? CLASSIC_STABLE : CLASSIC_EMPTY;
}

void
classic_loaded(struct groups *groups, struct group *g, struct coord_now now)
{
	const struct classic *classic = &g->classic;
	assert((classic->state == CLASSIC_EMPTY) == (classic->nmember == 0));
	assert((classic->leader == NULL) == (classic->nmember == 0));
	assert(classic->nmember == (int32_t)classic->by_id.n);
	LIST_EACH(l, &classic->members)
		classic_alive(groups, CONTAINER_OF(l, struct classic_member, in_group), now);
	if (classic->nmember > groups->config.member_max)
		classic_rebalance(groups, g, now);
}

/* Whether a consumer's subscription has the topic.  The first fields are the same in
 * all versions, also in unknown ones. */
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
classic_is_subscribed(const struct group *g, struct str topic)
{
	const struct classic *classic = &g->classic;
	if (!str_eq(classic->protocol_type, STR("consumer")))
		return false;
	if (classic->nmember == 0)
		return false;
	if (classic->protocol.n < 0)
		return true;
	bool is_bad = false;
	LIST_EACH(l, &classic->members) {
		const struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		if (subscription_has(classic_metadata(member, classic->protocol), topic, &is_bad))
			return true;
	}
	return is_bad;
}
