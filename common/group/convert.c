/*
 * A group changes its protocol while it works (KIP-848).
 *
 * Up: the first member with the consumer protocol joins a classic group of
 * consumers.  Everybody keeps what the last leader gave, at the generation as
 * epoch.  Down: the last such member leaves, and all that remain speak classic.
 *
 * Source: Kafka's convertToConsumerGroup, convertToClassicGroup.
 */
#include "group/consumer.h"

static const struct str consumer_type = { (const uint8_t *)"consumer", 8 };

/* ---- up ---- */

/* What the member may have: what the leader gave it, and what it said it had
 * when it joined, for in the middle of a rebalance only that is known. */
static struct tp_set
assigned_of(struct groups *g, const struct classic_member *m,
	const struct consumer_protocol_subscription *sub)
{
	struct consumer_protocol_assignment v;
	struct tp_set said = consumer_read_owned(g, sub), s = { NULL, 0 };
	int32_t total = said.n;
	if (m->assignment.n <= 0 || !consumer_read_assignment(g, m->assignment, &v))
		return said;
	for (int32_t i = 0; i < v.assigned_partitions.n; i++)
		total += MAX(v.assigned_partitions.v[i].partitions.n, 0);
	s.v = arena_alloc(&g->scratch, ((size_t)total + 1) * sizeof *s.v);
	for (int32_t i = 0; i < said.n; i++)
		s.v[s.n++] = said.v[i];
	for (int32_t i = 0; i < v.assigned_partitions.n; i++) {
		struct coord_topic t;
		if (!g->env->topic(g->env, v.assigned_partitions.v[i].topic, NULL, &t, NULL))
			continue;
		for (int32_t k = 0; k < v.assigned_partitions.v[i].partitions.n; k++) {
			int32_t p = v.assigned_partitions.v[i].partitions.v[k];
			if (p >= 0 && p < t.npartition)
				s.v[s.n++] = (struct tp){ t.id, p };
		}
	}
	tp_sort(&s);
	return s;
}

/* A member's records, before the group is one of consumers: names are not
 * interned yet, so the subscription is made for the moment. */
static bool
put_member(struct records *r, struct group *gr, const struct classic_member *m, int32_t epoch)
{
	struct groups *g = r->g;
	struct consumer_protocol_subscription sub;
	struct str metadata = gr->classic.protocol.n > 0
		? classic_metadata(m, gr->classic.protocol)
		: m->nprotocol > 0 ? m->protocol[0].metadata : STR("");
	if (!consumer_read_subscription(g, metadata, &sub))
		return false;
	struct consumer none = { .epoch = 0 };
	list_init(&none.subscriptions);
	struct consumer_spec s = {
		.instance_id = m->instance_id,
		.rack_id = sub.rack_id.n > 0 ? sub.rack_id : STR_NULL,
		.client_id = m->client_id, .client_host = m->client_host,
		.assignor = STR_NULL, .regex = STR_NULL,
		.names = subscription_get(g, &none, sub.topics.v, sub.topics.n, &g->scratch),
		.rebalance_timeout_ms = m->rebalance_timeout_ms, .is_classic = true,
		.session_timeout_ms = m->session_timeout_ms, .protocol = m->protocol,
		.nprotocol = m->nprotocol,
	};
	struct consumer_current now = { epoch, epoch, CONSUMER_STABLE,
		assigned_of(g, m, &sub), { NULL, 0 } };
	records_member(r, gr->id, m->id, &s);
	records_target(r, gr->id, m->id, &now.assigned);
	records_current(r, gr->id, m->id, &now);
	subscription_put(g, s.names);
	return true;
}

int16_t
convert_to_consumer(struct groups *g, struct group *gr, struct coord_now now)
{
	const struct classic *c = &gr->classic;
	struct records r = RECORDS_INIT(g);
	int32_t epoch = MAX(c->generation, 0);
	if (!g->config.can_upgrade || !str_eq(c->protocol_type, consumer_type)
			|| c->nmember > g->config.consumer_member_max)
		return KERR_GROUP_ID_NOT_FOUND;
	if (gr->has_record)
		records_classic_tombstone(&r, gr->id);
	LIST_EACH(l, &c->members)
		if (!put_member(&r, gr, CONTAINER_OF(l, struct classic_member, in_group), epoch))
			return KERR_GROUP_ID_NOT_FOUND;
	/* Hash 0: that of the topics is found by the join that comes next. */
	records_epoch(&r, gr->id, epoch, 0);
	records_target_epoch(&r, gr->id, epoch, now.wall_ms);
	int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (error)
		return error;
	gr->has_record = false;
	consumer_open(g, gr); /* whoever waits hears that there is a rebalance */
	consumer_apply(&r);
	MAP_EACH(e, &gr->consumer->by_id)
		consumer_session(g, e->value, now);
	return 0;
}

/* ---- down ---- */

bool
convert_is_due(const struct groups *g, const struct group *gr,
	const struct consumer_member *m)
{
	const struct consumer *c = gr->consumer;
	int32_t left = (int32_t)c->by_id.n - (m != NULL);
	return g->config.can_downgrade && (!m || !m->spec.is_classic) && left > 0
		&& c->nclassic == left && left <= g->config.member_max;
}

/* Members as they will be in the classic group, copied out of the other. */
struct plan {
	struct classic_spec *spec;
	struct str *assignment;
	struct str *metadata; /* of the protocol chosen */
	int32_t n;
	struct str protocol;
	bool is_settled; /* all have what they should */
};

static const struct classic_protocol *
protocol_of(const struct consumer_member *m, struct str name)
{
	for (int32_t i = 0; i < m->spec.nprotocol; i++)
		if (str_eq(m->spec.protocol[i].name, name))
			return &m->spec.protocol[i];
	return NULL;
}

static bool
is_common(struct consumer_member *const *v, int32_t n, struct str name)
{
	for (int32_t i = 0; i < n; i++)
		if (!protocol_of(v[i], name))
			return false;
	return true;
}

/* Every member votes for the first of its protocols that all have. */
static struct str
select_protocol(struct consumer_member *const *v, int32_t n)
{
	struct str best = STR_NULL;
	int32_t best_votes = 0;
	const struct consumer_spec *s = &v[0]->spec;
	for (int32_t k = 0; k < s->nprotocol; k++) {
		int32_t votes = 0;
		if (!is_common(v, n, s->protocol[k].name))
			continue;
		for (int32_t i = 0; i < n; i++) {
			int32_t j = 0;
			while (!is_common(v, n, v[i]->spec.protocol[j].name))
				j++;
			votes += str_eq(v[i]->spec.protocol[j].name, s->protocol[k].name);
		}
		if (votes > best_votes) {
			best = s->protocol[k].name;
			best_votes = votes;
		}
	}
	return best;
}

static void
plan_member(struct groups *g, struct plan *p, const struct consumer_member *m)
{
	struct arena *a = &g->scratch;
	const struct consumer_spec *s = &m->spec;
	struct join_group_request_protocol *protocol =
		arena_alloc(a, ((size_t)s->nprotocol + 1) * sizeof *protocol);
	for (int32_t i = 0; i < s->nprotocol; i++) {
		protocol[i].name = arena_str(a, s->protocol[i].name);
		protocol[i].metadata = arena_str(a, s->protocol[i].metadata);
	}
	p->spec[p->n] = (struct classic_spec){
		.id = arena_str(a, m->id), .instance_id = arena_str(a, s->instance_id),
		.client_id = arena_str(a, s->client_id),
		.client_host = arena_str(a, s->client_host),
		.session_timeout_ms = s->session_timeout_ms,
		.rebalance_timeout_ms = s->rebalance_timeout_ms,
		.protocol = protocol, .nprotocol = s->nprotocol,
	};
	p->metadata[p->n] = arena_str(a, protocol_of(m, p->protocol)->metadata);
	/* What it may have now, not what it should: that is for the rebalance,
	 * and a group that goes up again before must not think it free. */
	struct tp_set has = { arena_alloc(a, ((size_t)m->current.assigned.n
		+ (size_t)m->current.revoking.n + 1) * sizeof(struct tp)), 0 };
	for (int32_t i = 0; i < m->current.assigned.n; i++)
		has.v[has.n++] = m->current.assigned.v[i];
	for (int32_t i = 0; i < m->current.revoking.n; i++)
		has.v[has.n++] = m->current.revoking.v[i];
	tp_sort(&has);
	p->assignment[p->n] = consumer_write_assignment(g, &has, p->metadata[p->n]);
	p->is_settled &= m->current.state == CONSUMER_STABLE
		&& m->current.epoch == m->group->consumer->epoch;
	p->n++;
}

static bool
make_plan(struct groups *g, const struct group *gr, const struct consumer_member *leaver,
	struct plan *p)
{
	struct arena *a = &g->scratch;
	size_t size = (size_t)gr->consumer->by_id.n + 1;
	struct consumer_member **v = arena_alloc(a, size * sizeof(struct consumer_member *));
	int32_t n = 0;
	MAP_EACH(e, &gr->consumer->by_id)
		if (e->value != leaver)
			v[n++] = e->value;
	*p = (struct plan){ .is_settled = true, .spec = arena_alloc(a, size * sizeof *p->spec),
		.assignment = arena_alloc(a, size * sizeof *p->assignment),
		.metadata = arena_alloc(a, size * sizeof *p->metadata),
		.protocol = arena_str(a, select_protocol(v, n)) };
	for (int32_t i = 0; i < n && p->protocol.n >= 0; i++)
		plan_member(g, p, v[i]);
	return p->protocol.n >= 0;
}

static void
put_plan(struct records *r, const struct group *gr, const struct plan *p, int64_t wall_ms)
{
	struct group_metadata_key key = { gr->id };
	struct group_metadata_value v = {
		.protocol_type = consumer_type, .generation = gr->consumer->epoch,
		.protocol = p->protocol, .leader = p->spec[0].id,
		.current_state_timestamp = wall_ms,
	};
	v.members.n = p->n;
	v.members.v = arena_alloc(&r->g->scratch, ((size_t)p->n + 1) * sizeof *v.members.v);
	for (int32_t i = 0; i < p->n; i++)
		v.members.v[i] = (struct group_metadata_value_member){
			.member_id = p->spec[i].id, .group_instance_id = p->spec[i].instance_id,
			.client_id = p->spec[i].client_id, .client_host = p->spec[i].client_host,
			.rebalance_timeout = p->spec[i].rebalance_timeout_ms,
			.session_timeout = p->spec[i].session_timeout_ms,
			.subscription = p->metadata[i], .assignment = p->assignment[i],
		};
	records_put(r, &group_metadata_key_data, 2, &key, &group_metadata_value_data, 3, &v);
}

int16_t
convert_to_classic(struct groups *g, struct group *gr, struct consumer_member *m,
	struct coord_now now)
{
	struct records r = RECORDS_INIT(g);
	struct plan p;
	int32_t generation = gr->consumer->epoch;
	if (!make_plan(g, gr, m, &p))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	records_consumer_tombstones(&r, gr);
	put_plan(&r, gr, &p, now.wall_ms);
	int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_close(g, gr);
	struct classic *c = &gr->classic;
	gr->has_record = true;
	group_str_set(g, &c->protocol_type, consumer_type);
	group_str_set(g, &c->protocol, p.protocol);
	c->generation = generation;
	c->state = CLASSIC_STABLE;
	c->state_since_wall_ms = now.wall_ms;
	for (int32_t i = 0; i < p.n; i++) {
		struct classic_member *one = classic_add(g, gr, &p.spec[i]);
		classic_set_assignment(g, one, p.assignment[i]);
		classic_alive(g, one, now);
		if (i == 0)
			c->leader = one;
	}
	if (m || !p.is_settled)
		classic_rebalance(g, gr, now);
	return 0;
}
