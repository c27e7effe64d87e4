/*
 * The classic protocol, spoken to a consumer group: while a group moves from
 * one protocol to the other, members that know only the classic one are served
 * here.  Each rebalances by itself: a join answers at once with its epoch as
 * the generation, a sync fetches what is its own, heartbeats tell it to join
 * again when there is a next step.
 */
#include "group/consumer.h"

static const struct str consumer_type = { (const uint8_t *)"consumer", 8 };

/* ---- Kafka's embedded protocol ---- */

enum { EMBEDDED_MAX = 3 };

/* Bytes behind a version; a later one begins like the last we know. */
static bool
read_embedded(struct groups *g, const struct wire_struct *d, struct str s, void *msg)
{
	if (s.n < 2)
		return false;
	int16_t version = (int16_t)load_be16(s.p);
	return version >= 0 && wire_decode(d, MIN(version, EMBEDDED_MAX), false, s.p + 2,
		(size_t)s.n - 2, &g->scratch, msg) >= 0;
}

bool
consumer_read_subscription(struct groups *g, struct str metadata,
	struct consumer_protocol_subscription *s)
{
	return read_embedded(g, &consumer_protocol_subscription_desc, metadata, s);
}

bool
consumer_read_assignment(struct groups *g, struct str assignment,
	struct consumer_protocol_assignment *s)
{
	return read_embedded(g, &consumer_protocol_assignment_desc, assignment, s);
}

struct str
consumer_write_assignment(struct groups *g, const struct tp_set *set, struct str metadata)
{
	struct consumer_protocol_assignment v = { .user_data = STR_NULL };
	struct arena *a = &g->scratch;
	int32_t n;
	struct tp_run *run = tp_runs(set, &n, a);
	v.assigned_partitions.v = arena_alloc(a,
		((size_t)n + 1) * sizeof *v.assigned_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct coord_topic t;
		struct str name;
		if (!g->env->topic(g->env, STR_NULL, &run[i].id, &t, &name))
			continue; /* deleted meanwhile */
		struct consumer_protocol_assignment_topic *p =
			&v.assigned_partitions.v[v.assigned_partitions.n++];
		p->topic = arena_str(a, name);
		p->partitions.v = run[i].v;
		p->partitions.n = run[i].n;
	}
	int16_t version = metadata.n < 2 ? 0 : (int16_t)load_be16(metadata.p);
	struct buf b = BUF_INIT;
	wire_data_encode(&consumer_protocol_assignment_data,
		(int16_t)MAX(0, MIN(version, EMBEDDED_MAX)), &v, &b);
	struct str s = arena_str(a, buf_str(&b));
	buf_release(&b);
	return s;
}

struct tp_set
consumer_read_owned(struct groups *g, const struct consumer_protocol_subscription *q)
{
	struct tp_set s = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < q->owned_partitions.n; i++)
		total += MAX(q->owned_partitions.v[i].partitions.n, 0);
	s.v = arena_alloc(&g->scratch, ((size_t)total + 1) * sizeof *s.v);
	for (int32_t i = 0; i < q->owned_partitions.n; i++) {
		struct coord_topic t;
		if (!g->env->topic(g->env, q->owned_partitions.v[i].topic, NULL, &t, NULL))
			continue;
		for (int32_t k = 0; k < q->owned_partitions.v[i].partitions.n; k++) {
			int32_t p = q->owned_partitions.v[i].partitions.v[k];
			if (p >= 0 && p < t.npartition)
				s.v[s.n++] = (struct tp){ t.id, p };
		}
	}
	tp_sort(&s);
	return s;
}

/* ---- join ---- */

/* Is there a protocol of the member's that every classic member has? */
static bool
is_protocol_shared(const struct consumer *c, const struct join_group_request *q)
{
	if (!str_eq(q->protocol_type, consumer_type))
		return false;
	for (int32_t i = 0; i < q->protocols.n; i++) {
		int32_t n = 0;
		MAP_EACH(e, &c->by_id) {
			const struct consumer_member *m = e->value;
			for (int32_t k = 0; k < m->spec.nprotocol; k++) {
				if (str_eq(m->spec.protocol[k].name, q->protocols.v[i].name)) {
					n++;
					break;
				}
			}
		}
		if (n == c->nclassic)
			return true;
	}
	return false;
}

static void
sync_fire(struct groups *g, struct timer *t, struct coord_now now)
{
	struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, sync);
	if (consumer_fence(g, m->group, m, now) != 0)
		timer_set(g, t, now.mono_ms + GROUP_RETRY_MS, sync_fire);
}

static void
join_fire(struct groups *g, struct timer *t, struct coord_now now)
{
	struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, join);
	if (consumer_fence(g, m->group, m, now) != 0)
		timer_set(g, t, now.mono_ms + GROUP_RETRY_MS, join_fire);
}

static void
update_spec(struct change *ch, const struct coord_call *call,
	const struct consumer_protocol_subscription *sub)
{
	const struct join_group_request *q = call->body;
	struct consumer_spec *s = &ch->spec;
	if (q->group_instance_id.n >= 0)
		s->instance_id = q->group_instance_id;
	if (sub->rack_id.n > 0)
		s->rack_id = sub->rack_id;
	s->rebalance_timeout_ms = q->rebalance_timeout_ms >= 0 ? q->rebalance_timeout_ms
		: q->session_timeout_ms;
	s->client_id = call->client_id;
	s->client_host = call->client_host;
	s->regex = STR_NULL;
	subscription_put(ch->g, s->names);
	s->names = subscription_get(ch->g, ch->c, sub->topics.v, sub->topics.n,
		&ch->g->scratch);
	s->is_classic = true;
	s->session_timeout_ms = q->session_timeout_ms;
	s->nprotocol = q->protocols.n;
	s->protocol = arena_alloc(&ch->g->scratch,
		((size_t)q->protocols.n + 1) * sizeof *s->protocol);
	for (int32_t i = 0; i < q->protocols.n; i++)
		s->protocol[i] = (struct classic_protocol){ q->protocols.v[i].name,
			q->protocols.v[i].metadata };
}

/* Who joins: an error, or the static member it takes over from (NULL: none). */
static int16_t
check_joiner(const struct group *gr, const struct join_group_request *q,
	struct consumer_member **replaced)
{
	struct consumer_member *s = consumer_find_static(gr, q->group_instance_id);
	*replaced = NULL;
	if (q->group_instance_id.n < 0)
		return 0;
	if (q->member_id.n == 0) {
		*replaced = s;
		return 0;
	}
	if (!s)
		return KERR_UNKNOWN_MEMBER_ID;
	return str_eq(s->id, q->member_id) ? 0 : KERR_FENCED_INSTANCE_ID;
}

static void
answer_joined(struct groups *g, struct coord_call *call, const struct consumer_member *m)
{
	struct join_group_response r;
	wire_defaults(&join_group_response_desc, &r);
	r.generation_id = m->current.epoch;
	r.protocol_type = consumer_type;
	r.protocol_name = m->spec.protocol[0].name;
	r.leader = STR("");
	r.member_id = m->id;
	g->env->respond(g->env, call, &r);
}

static void
joined(struct groups *g, struct group *gr, struct coord_call *call,
	struct consumer_member *m, bool was_replaced, struct coord_now now)
{
	timer_clear(g, &m->join);
	timer_clear(g, &m->rebalance);
	consumer_session(g, m, now);
	timer_set(g, &m->sync, now.mono_ms + m->spec.rebalance_timeout_ms, sync_fire);
	answer_joined(g, call, m);
	/* The last that spoke the consumer protocol came back as this one.  Were
	 * it refused, the group would stay what it is, which is fine. */
	if (was_replaced && convert_is_due(g, gr, NULL))
		convert_to_classic(g, gr, NULL, now);
}

void
consumer_classic_join(struct groups *g, struct group *gr, struct coord_call *call,
	struct coord_now now)
{
	const struct join_group_request *q = call->body;
	struct consumer_protocol_subscription sub;
	struct consumer_member *replaced;
	struct str id = q->member_id;
	int16_t error = 0;
	call->partition = gr->partition;
	if (!consumer_find(gr, id) && (int32_t)gr->consumer->by_id.n
			>= g->config.consumer_member_max)
		error = KERR_GROUP_MAX_SIZE_REACHED;
	else if (q->protocols.n <= 0 || !is_protocol_shared(gr->consumer, q)
			|| !consumer_read_subscription(g, q->protocols.v[0].metadata, &sub))
		error = KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (id.n == 0)
		id = group_member_id(g, q->group_instance_id.n >= 0 ? q->group_instance_id
			: call->client_id, &g->scratch);
	if (!error && q->member_id.n == 0 && q->group_instance_id.n < 0 && call->api_version >= 4)
		error = KERR_MEMBER_ID_REQUIRED;
	else if (!error)
		error = check_joiner(gr, q, &replaced);
	if (error) {
		classic_answer_join(g, call, error == KERR_MEMBER_ID_REQUIRED ? id : q->member_id,
			error);
		return;
	}
	struct change ch;
	struct tp_set owned = consumer_read_owned(g, &sub);
	if (!replaced && !consumer_find(gr, id) && owned.n > 0) {
		/* It was thrown out, and others may have that: it must hear of it,
		 * as it would in a classic group. */
		classic_answer_join(g, call, q->member_id, KERR_UNKNOWN_MEMBER_ID);
		return;
	}
	bool was_replaced = replaced && !replaced->spec.is_classic;
	change_init(&ch, g, gr, now);
	change_draft(&ch, id, replaced);
	if (ch.current.epoch < 0)
		ch.current.epoch = ch.current.previous_epoch = 0;
	update_spec(&ch, call, &sub);
	error = change_work_out(&ch, &owned);
	if (!error)
		error = change_commit(&ch);
	change_release(&ch);
	if (error)
		classic_answer_join(g, call, q->member_id, error);
	else
		joined(g, gr, call, ch.old, was_replaced, now);
}

/* ---- sync, heartbeat, leave ---- */

static int16_t
find_classic(const struct group *gr, struct str id, struct str instance_id,
	struct consumer_member **m)
{
	*m = instance_id.n >= 0 ? consumer_find_static(gr, instance_id) : consumer_find(gr, id);
	if (!*m)
		return KERR_UNKNOWN_MEMBER_ID;
	if (instance_id.n >= 0 && !str_eq((*m)->id, id))
		return KERR_FENCED_INSTANCE_ID;
	return (*m)->spec.is_classic ? 0 : KERR_UNKNOWN_MEMBER_ID;
}

/* It is to join again, within its rebalance time-out from the first time it
 * hears of it. */
static void
expect_join(struct groups *g, struct consumer_member *m, struct coord_now now)
{
	if (!timer_is_set(&m->join))
		timer_set(g, &m->join, now.mono_ms + MAX(m->spec.rebalance_timeout_ms, 0),
			join_fire);
}

void
consumer_classic_sync(struct groups *g, struct group *gr, struct coord_call *call,
	struct coord_now now)
{
	const struct sync_group_request *q = call->body;
	struct consumer_member *m;
	call->partition = gr->partition;
	int16_t error = find_classic(gr, q->member_id, q->group_instance_id, &m);
	if (!error && m->current.epoch != q->generation_id)
		error = KERR_ILLEGAL_GENERATION;
	if (!error && ((q->protocol_type.n >= 0 && !str_eq(q->protocol_type, consumer_type))
			|| (q->protocol_name.n >= 0
				&& !str_eq(q->protocol_name, m->spec.protocol[0].name))))
		error = KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (!error && gr->consumer->epoch > m->current.epoch
			&& m->current.state != CONSUMER_UNREVOKED) {
		expect_join(g, m, now);
		error = KERR_REBALANCE_IN_PROGRESS;
	}
	if (error) {
		classic_answer_sync(g, call, error);
		return;
	}
	struct sync_group_response r;
	wire_defaults(&sync_group_response_desc, &r);
	r.protocol_type = q->protocol_type;
	r.protocol_name = q->protocol_name;
	r.assignment = consumer_write_assignment(g, &m->current.assigned,
		m->spec.protocol[0].metadata);
	timer_clear(g, &m->sync);
	consumer_session(g, m, now);
	g->env->respond(g->env, call, &r);
}

/* Does it wait for others, so that joining again would bring nothing? */
static bool
is_waiting(const struct consumer *c, const struct consumer_member *m)
{
	for (int32_t i = 0; i < m->target.n; i++)
		if (!tp_set_has(&m->current.assigned, &m->target.v[i])
				&& consumer_owners(c, &m->target.v[i]) > 0)
			return true;
	return false;
}

void
consumer_classic_heartbeat(struct groups *g, struct group *gr, struct coord_call *call,
	struct coord_now now)
{
	const struct heartbeat_request *q = call->body;
	const struct consumer *c = gr->consumer;
	struct consumer_member *m;
	call->partition = gr->partition;
	int16_t error = find_classic(gr, q->member_id, q->group_instance_id, &m);
	if (!error && m->current.epoch != q->generation_id)
		error = KERR_ILLEGAL_GENERATION;
	if (!error) {
		consumer_refresh(g, gr, now);
		consumer_session(g, m, now);
		if (m->current.epoch < c->epoch
				|| m->current.state == CONSUMER_UNREVOKED
				|| (m->current.state == CONSUMER_UNRELEASED && !is_waiting(c, m))) {
			expect_join(g, m, now);
			error = KERR_REBALANCE_IN_PROGRESS;
		}
	}
	classic_answer_heartbeat(g, call, error);
}

int16_t
consumer_classic_leave(struct groups *g, struct group *gr, struct str member_id,
	struct str instance_id, struct coord_now now)
{
	struct consumer_member *m;
	int16_t error = 0;
	if (instance_id.n >= 0 && member_id.n == 0) {
		/* An administrator knows the instance only. */
		m = consumer_find_static(gr, instance_id);
		if (!m || !m->spec.is_classic)
			error = KERR_UNKNOWN_MEMBER_ID;
	} else {
		error = find_classic(gr, member_id, instance_id, &m);
	}
	return error ? error : consumer_fence(g, gr, m, now);
}
