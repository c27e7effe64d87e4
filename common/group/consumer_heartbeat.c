/* ConsumerGroupHeartbeat: members join, live, leave, and are thrown out. */
#include "group/consumer.h"

/* Members learn of a change with their next heartbeat.  For as long as one
 * takes, a group that has just changed is asked for more of them, so that many
 * who join at once need not wait for the first one's. */
enum { BUSY_INTERVAL_MS = 500 };

void
consumer_times(const struct groups *g, const struct group *gr, int32_t *session_ms,
	int32_t *heartbeat_ms)
{
	*session_ms = g->config.consumer_session_ms;
	*heartbeat_ms = g->config.consumer_heartbeat_ms;
	if (g->env->group_times)
		g->env->group_times(g->env, gr->id, session_ms, heartbeat_ms);
}

static int32_t
interval(const struct groups *g, const struct group *gr, struct coord_now now)
{
	int32_t session_ms, ms;
	consumer_times(g, gr, &session_ms, &ms);
	return now.mono_ms < gr->consumer->busy_until_ms ? MIN(ms, BUSY_INTERVAL_MS) : ms;
}

static void
answer_error(struct groups *g, struct coord_call *call, int16_t error, const char *why)
{
	struct consumer_group_heartbeat_response r;
	wire_defaults(&consumer_group_heartbeat_response_desc, &r);
	r.error_code = error;
	r.error_message = str_of(why ? why : kerr_info(error)->text);
	g->env->respond(g->env, call, &r);
}

static void
answer(struct groups *g, struct coord_call *call, struct str id, int32_t epoch,
	int32_t interval_ms, const struct tp_set *assigned)
{
	struct consumer_group_heartbeat_response r;
	struct consumer_group_heartbeat_response_assignment a = { 0 };
	wire_defaults(&consumer_group_heartbeat_response_desc, &r);
	r.member_id = id;
	r.member_epoch = epoch;
	r.heartbeat_interval_ms = interval_ms;
	if (assigned) {
		int32_t n;
		struct tp_run *run = tp_runs(assigned, &n, call->arena);
		a.topic_partitions.n = n;
		a.topic_partitions.v = arena_alloc(call->arena,
			((size_t)n + 1) * sizeof *a.topic_partitions.v);
		for (int32_t i = 0; i < n; i++) {
			a.topic_partitions.v[i].topic_id = run[i].id;
			a.topic_partitions.v[i].partitions.v = run[i].v;
			a.topic_partitions.v[i].partitions.n = run[i].n;
		}
		r.assignment = &a;
	}
	g->env->respond(g->env, call, &r);
}

/* ---- what a request may say ---- */

static int16_t
check_request(const struct consumer_group_heartbeat_request *q, int16_t version,
	struct arena *a, const char **why)
{
	int32_t epoch = q->member_epoch;
	*why = NULL;
	if (q->member_id.n <= 0 && (version >= 1 || epoch > 0 || epoch == CONSUMER_LEAVE
			|| epoch == CONSUMER_LEAVE_STATIC))
		*why = "the member id must not be empty";
	else if (q->group_id.n <= 0)
		*why = "the group id must not be empty";
	else if (q->instance_id.n == 0)
		*why = "the instance id must not be empty";
	else if (q->rack_id.n == 0)
		*why = "the rack id must not be empty";
	else if (epoch == 0 && q->rebalance_timeout_ms == -1)
		*why = "a join must give a rebalance timeout";
	else if (epoch == 0 && q->topic_partitions.n != 0)
		*why = "a join must say that it has no partitions";
	else if (epoch == 0 && q->subscribed_topic_names.n < 0 && q->subscribed_topic_regex.n < 0)
		*why = "a join must give topic names or a regular expression";
	else if (epoch == CONSUMER_LEAVE_STATIC && q->instance_id.n < 0)
		*why = "only a static member leaves for a while";
	else if (epoch < CONSUMER_LEAVE_STATIC)
		*why = "the member epoch is less than -2";
	if (*why)
		return KERR_INVALID_REQUEST;
	if (q->server_assignor.n >= 0 && !assignor_find(q->server_assignor)) {
		*why = "supported assignors: uniform, range";
		return KERR_UNSUPPORTED_ASSIGNOR;
	}
	return consumer_regex_check(q->subscribed_topic_regex, a);
}

static struct tp_set
owned_of(const struct consumer_group_heartbeat_request *q, struct arena *a)
{
	struct tp_set s = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < q->topic_partitions.n; i++)
		total += MAX(q->topic_partitions.v[i].partitions.n, 0);
	s.v = arena_alloc(a, ((size_t)total + 1) * sizeof *s.v);
	for (int32_t i = 0; i < q->topic_partitions.n; i++)
		for (int32_t k = 0; k < q->topic_partitions.v[i].partitions.n; k++)
			s.v[s.n++] = (struct tp){ q->topic_partitions.v[i].topic_id,
				q->topic_partitions.v[i].partitions.v[k] };
	tp_sort(&s);
	return s;
}

/* An answer that raised the epoch may have been lost: the epoch before is good,
 * as long as nothing is owned that was taken away meanwhile. */
static int16_t
check_epoch(const struct consumer_member *m, int32_t epoch, const struct tp_set *owned)
{
	if (epoch == 0 || epoch == m->current.epoch)
		return 0;
	if (epoch > m->current.epoch || epoch != m->current.previous_epoch || !owned)
		return KERR_FENCED_MEMBER_EPOCH;
	for (int32_t i = 0; i < owned->n; i++)
		if (!tp_set_has(&m->current.assigned, &owned->v[i]))
			return KERR_FENCED_MEMBER_EPOCH;
	return 0;
}

/* ---- join and keep alive ---- */

struct beat {
	struct groups *g;
	struct coord_call *call;
	const struct consumer_group_heartbeat_request *q;
	struct group *gr;
	struct str id;
	struct tp_set owned_set, *owned; /* NULL: not said */
	struct consumer_member *replaced;
	bool is_opened; /* by this request */
};

/* Does it say what would be kept? */
static bool
adds(const struct consumer_group_heartbeat_request *q)
{
	return q->member_epoch == 0 || q->subscribed_topic_names.n >= 0
		|| q->subscribed_topic_regex.n >= 0 || q->rack_id.n >= 0;
}

/* The group, as a consumer group. */
static int16_t
find_group(struct beat *b, struct coord_now now)
{
	struct groups *g = b->g;
	bool is_join = b->q->member_epoch == 0;
	if (b->q->member_epoch >= 0 && group_is_full(g) && adds(b->q))
		return KERR_COORDINATOR_NOT_AVAILABLE;
	b->gr = is_join ? group_make(g, b->q->group_id) : group_find(g, b->q->group_id);
	if (!b->gr)
		return is_join ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_GROUP_ID_NOT_FOUND;
	b->call->partition = b->gr->partition;
	if (b->gr->kind == GROUP_CONSUMER)
		return 0;
	if (!is_join)
		return KERR_GROUP_ID_NOT_FOUND;
	if (!group_is_empty(b->gr))
		return convert_to_consumer(g, b->gr, now);
	consumer_open(g, b->gr);
	b->is_opened = true;
	return 0;
}

/* Who is it, and may it? */
static int16_t
find_member(struct beat *b)
{
	const struct consumer_group_heartbeat_request *q = b->q;
	bool is_join = q->member_epoch == 0;
	struct consumer_member *m = consumer_find(b->gr, q->member_id);
	if (!m && (int32_t)b->gr->consumer->by_id.n >= b->g->config.consumer_member_max)
		return KERR_GROUP_MAX_SIZE_REACHED;
	if (q->instance_id.n >= 0) {
		struct consumer_member *s = consumer_find_static(b->gr, q->instance_id);
		if (!s && !is_join)
			return KERR_UNKNOWN_MEMBER_ID;
		if (s && !str_eq(s->id, q->member_id)) {
			if (!is_join)
				return KERR_FENCED_INSTANCE_ID;
			if (!s->spec.is_classic && s->current.epoch != CONSUMER_LEAVE_STATIC)
				return KERR_UNRELEASED_INSTANCE_ID;
			if (m)
				return KERR_INVALID_REQUEST; /* it is another member */
			b->replaced = s;
			return 0;
		}
	}
	if (!m)
		return is_join ? 0 : KERR_UNKNOWN_MEMBER_ID;
	return check_epoch(m, q->member_epoch, b->owned);
}

static struct str
made_id(struct groups *g, struct arena *a)
{
	uint64_t r[2] = { g->env->random(g->env), g->env->random(g->env) };
	struct uuid u;
	memcpy(u.b, r, sizeof u.b);
	u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
	u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
	return str_of(uuid_format(&u, arena_alloc(a, UUID_TEXT_SIZE)));
}

/* What the request says goes into the draft; what it leaves out stays, but for
 * a join, which says all there is: who takes a static member's place may be
 * subscribed in another way. */
static void
update_spec(struct change *ch, const struct beat *b)
{
	const struct consumer_group_heartbeat_request *q = b->q;
	struct consumer_spec *s = &ch->spec;
	bool is_join = q->member_epoch == 0;
	if (q->instance_id.n >= 0)
		s->instance_id = q->instance_id;
	if (is_join || q->rack_id.n >= 0)
		s->rack_id = q->rack_id;
	if (q->rebalance_timeout_ms != -1)
		s->rebalance_timeout_ms = q->rebalance_timeout_ms;
	if (is_join || q->server_assignor.n >= 0)
		s->assignor = q->server_assignor;
	if (is_join || q->subscribed_topic_regex.n >= 0)
		s->regex = q->subscribed_topic_regex;
	if (is_join || q->subscribed_topic_names.n >= 0) {
		subscription_put(ch->g, s->names);
		s->names = subscription_get(ch->g, ch->c, q->subscribed_topic_names.v,
			q->subscribed_topic_names.n, &ch->g->scratch);
	}
	s->client_id = b->call->client_id;
	s->client_host = b->call->client_host;
	s->is_classic = false;
	s->session_timeout_ms = 0;
	s->protocol = NULL;
	s->nprotocol = 0;
}

static int16_t
change_member(struct beat *b, struct change *ch, bool *is_told)
{
	const struct consumer_group_heartbeat_request *q = b->q;
	change_draft(ch, b->id, b->replaced);
	update_spec(ch, b);
	if (ch->current.epoch == CONSUMER_LEAVE_STATIC)
		ch->current.epoch = ch->current.previous_epoch = 0; /* it is back */
	int16_t error = change_work_out(ch, b->owned);
	if (error)
		return error;
	*is_told = q->member_epoch == 0 || (q->rebalance_timeout_ms != -1
		&& q->subscribed_topic_names.n >= 0 && q->topic_partitions.n >= 0)
		|| !ch->old || !tp_set_eq(&ch->current.assigned, &ch->old->current.assigned);
	bool is_new_state = !ch->old || ch->current.epoch != ch->old->current.epoch
		|| ch->current.state != ch->old->current.state
		|| !tp_set_eq(&ch->current.revoking, &ch->old->current.revoking);
	error = change_commit(ch);
	if (error)
		return error;
	if (is_new_state)
		consumer_watch_revocation(b->g, ch->old, ch->now);
	timer_clear(b->g, &ch->old->join);
	timer_clear(b->g, &ch->old->sync);
	consumer_session(b->g, ch->old, ch->now);
	return 0;
}

static void
beat(struct beat *b, struct coord_now now)
{
	struct groups *g = b->g;
	int16_t error = find_group(b, now);
	if (!error)
		error = find_member(b);
	if (!error) {
		struct change ch;
		bool is_told;
		b->id = b->q->member_id.n > 0 ? b->q->member_id : made_id(g, &g->scratch);
		change_init(&ch, g, b->gr, now);
		error = change_member(b, &ch, &is_told);
		change_release(&ch);
		if (!error) {
			answer(g, b->call, ch.old->id, ch.old->current.epoch,
				interval(g, b->gr, now), is_told ? &ch.old->current.assigned : NULL);
			return;
		}
	}
	if (b->is_opened)
		consumer_close(g, b->gr);
	if (b->gr)
		group_free_if_idle(g, b->gr);
	answer_error(g, b->call, error, NULL);
}

/* ---- leave ---- */

/* A static member that will be back keeps what it has. */
static int16_t
step_out(struct groups *g, struct consumer_member *m, struct coord_now now)
{
	struct records r = RECORDS_INIT(g);
	struct consumer_current s = m->current;
	s.epoch = CONSUMER_LEAVE_STATIC;
	s.revoking = (struct tp_set){ NULL, 0 };
	records_current(&r, m->group->id, m->id, &s);
	int16_t error = records_append(&r, m->group->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_apply(&r);
	timer_clear(g, &m->rebalance);
	return 0;
}

static int16_t
leave(struct groups *g, struct coord_call *call,
	const struct consumer_group_heartbeat_request *q, struct coord_now now)
{
	struct group *gr = group_find(g, q->group_id);
	if (!gr || gr->kind != GROUP_CONSUMER)
		return KERR_GROUP_ID_NOT_FOUND;
	call->partition = gr->partition;
	struct consumer_member *m = q->instance_id.n >= 0
		? consumer_find_static(gr, q->instance_id) : consumer_find(gr, q->member_id);
	if (!m)
		return KERR_UNKNOWN_MEMBER_ID;
	if (!str_eq(m->id, q->member_id))
		return KERR_FENCED_INSTANCE_ID;
	if (q->member_epoch == CONSUMER_LEAVE_STATIC)
		return step_out(g, m, now);
	return consumer_fence(g, gr, m, now);
}

void
consumer_heartbeat(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct consumer_group_heartbeat_request *q = call->body;
	const char *why = NULL;
	if (!g->config.has_consumer_protocol) {
		answer_error(g, call, KERR_UNSUPPORTED_VERSION, NULL);
		return;
	}
	int16_t error = check_request(q, call->api_version, &g->scratch, &why);
	if (error) {
		answer_error(g, call, error, why);
		return;
	}
	if (q->member_epoch < 0) {
		error = leave(g, call, q, now);
		if (error)
			answer_error(g, call, error, NULL);
		else
			answer(g, call, q->member_id, q->member_epoch, 0, NULL);
		return;
	}
	struct beat b = { .g = g, .call = call, .q = q };
	b.owned_set = owned_of(q, &g->scratch);
	b.owned = q->topic_partitions.n >= 0 ? &b.owned_set : NULL;
	beat(&b, now);
}

/* ---- out ---- */

void
consumer_refresh(struct groups *g, struct group *gr, struct coord_now now)
{
	struct change ch;
	if (!gr->consumer->is_stale)
		return;
	change_init(&ch, g, gr, now);
	change_resolve(&ch);
	change_view(&ch);
	if (ch.hash != gr->consumer->hash)
		records_epoch(&ch.r, gr->id, ch.epoch + 1, ch.hash);
	change_commit(&ch);
	change_release(&ch);
}

int16_t
consumer_fence(struct groups *g, struct group *gr, struct consumer_member *m,
	struct coord_now now)
{
	/* What does not fit into one record stays as it is. */
	int16_t error = convert_is_due(g, gr, m) ? convert_to_classic(g, gr, m, now)
		: KERR_UNKNOWN_SERVER_ERROR;
	if (error != KERR_UNKNOWN_SERVER_ERROR)
		return error;
	struct change ch;
	change_init(&ch, g, gr, now);
	m->is_leaving = true;
	records_member_tombstones(&ch.r, gr->id, m->id);
	change_resolve(&ch);
	change_forget_regexes(&ch);
	change_view(&ch);
	ch.epoch++;
	records_epoch(&ch.r, gr->id, ch.epoch, ch.hash);
	/* Without members there is nothing left to assign: the empty assignment is that
	 * of the new epoch, as in Kafka 4.4.0. */
	if (gr->consumer->by_id.n == 1)
		records_target_epoch(&ch.r, gr->id, ch.epoch, now.wall_ms);
	error = change_commit(&ch);
	if (error)
		m->is_leaving = false;
	change_release(&ch);
	return error;
}

static void
throw_out(struct groups *g, struct consumer_member *m, struct timer *t,
	void (*fire)(struct groups *g, struct timer *t, struct coord_now now),
	struct coord_now now)
{
	if (consumer_fence(g, m->group, m, now) != 0)
		timer_set(g, t, now.mono_ms + GROUP_RETRY_MS, fire);
}

void
consumer_session_fire(struct groups *g, struct timer *t, struct coord_now now)
{
	throw_out(g, CONTAINER_OF(t, struct consumer_member, session), t, consumer_session_fire,
		now);
}

void
consumer_session(struct groups *g, struct consumer_member *m, struct coord_now now)
{
	int32_t ms, heartbeat_ms;
	consumer_times(g, m->group, &ms, &heartbeat_ms);
	if (m->spec.is_classic)
		ms = m->spec.session_timeout_ms;
	timer_set(g, &m->session, now.mono_ms + ms, consumer_session_fire);
}

static void
rebalance_fire(struct groups *g, struct timer *t, struct coord_now now)
{
	struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, rebalance);
	if (m->current.state == CONSUMER_UNREVOKED && m->current.epoch == m->rebalance_epoch)
		throw_out(g, m, t, rebalance_fire, now);
}

void
consumer_watch_revocation(struct groups *g, struct consumer_member *m, struct coord_now now)
{
	timer_clear(g, &m->rebalance);
	if (m->current.state != CONSUMER_UNREVOKED || m->spec.is_classic)
		return;
	m->rebalance_epoch = m->current.epoch;
	timer_set(g, &m->rebalance, now.mono_ms + MAX(m->spec.rebalance_timeout_ms, 0),
		rebalance_fire);
}
