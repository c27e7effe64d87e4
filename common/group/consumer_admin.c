/* Consumer groups seen from outside: described, asked, loaded. */
#include "group/consumer.h"

#include <stdlib.h>

/* ---- ConsumerGroupDescribe ---- */

static struct consumer_group_describe_response_assignment
describe_set(struct groups *g, const struct tp_set *s, struct arena *a)
{
	struct consumer_group_describe_response_assignment d = { 0 };
	int32_t n;
	struct tp_run *run = tp_runs(s, &n, a);
	d.topic_partitions.v = arena_alloc(a, ((size_t)n + 1) * sizeof *d.topic_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct coord_topic t;
		struct str name;
		if (!g->env->topic(g->env, STR_NULL, &run[i].id, &t, &name))
			continue;
		struct consumer_group_describe_response_topic *p =
			&d.topic_partitions.v[d.topic_partitions.n++];
		p->topic_id = run[i].id;
		p->topic_name = arena_str(a, name);
		p->partitions.v = run[i].v;
		p->partitions.n = run[i].n;
	}
	return d;
}

static int
by_id(const void *a, const void *b)
{
	return str_cmp((*(struct consumer_member *const *)a)->id,
		(*(struct consumer_member *const *)b)->id);
}

static struct consumer_member **
members_of(const struct group *gr, struct arena *a)
{
	struct consumer_member **v = arena_alloc(a,
		((size_t)gr->consumer->by_id.n + 1) * sizeof(struct consumer_member *));
	size_t n = 0;
	MAP_EACH(e, &gr->consumer->by_id)
		v[n++] = e->value;
	if (n > 1)
		qsort(v, n, sizeof(struct consumer_member *), by_id);
	return v;
}

static void
describe_member(struct groups *g, const struct consumer_member *m,
	struct consumer_group_describe_response_member *d, struct arena *a)
{
	const struct subscription *names = m->spec.names;
	d->member_id = m->id;
	d->instance_id = m->spec.instance_id;
	d->rack_id = m->spec.rack_id;
	d->member_epoch = m->current.epoch;
	d->client_id = m->spec.client_id.n < 0 ? STR("") : m->spec.client_id;
	d->client_host = m->spec.client_host.n < 0 ? STR("") : m->spec.client_host;
	d->subscribed_topic_regex = m->spec.regex.n < 0 ? STR("") : m->spec.regex;
	d->subscribed_topic_names.n = names ? names->n : 0;
	d->subscribed_topic_names.v = arena_alloc(a,
		((size_t)d->subscribed_topic_names.n + 1) * sizeof(struct str));
	for (int32_t i = 0; names && i < names->n; i++)
		d->subscribed_topic_names.v[i] = names->v[i]->s;
	d->assignment = describe_set(g, &m->current.assigned, a);
	d->target_assignment = describe_set(g, &m->target, a);
	d->member_type = m->spec.is_classic ? 0 : 1;
}

/* The one most members name, as for the target. */
static struct str
assignor_name(const struct consumer *c)
{
	int32_t votes[ASSIGNOR_N] = { 0 }, best = 0;
	MAP_EACH(e, &c->by_id) {
		const struct consumer_member *m = e->value;
		const struct assignor *a = assignor_find(m->spec.assignor);
		if (a)
			votes[a - assignors]++;
	}
	for (int32_t i = 1; i < ASSIGNOR_N; i++)
		if (votes[i] > votes[best])
			best = i;
	return str_of(assignors[best].name);
}

/* What telling of it takes, roughly: members, and names and partitions of theirs. */
static int64_t
size_of(const struct group *gr)
{
	int64_t n = 1;
	MAP_EACH(e, &gr->consumer->by_id) {
		const struct consumer_member *m = e->value;
		n += 1 + (m->spec.names ? m->spec.names->n : 0) + m->current.assigned.n + m->target.n;
	}
	return n;
}

static void
describe_group(struct groups *g, const struct group *gr,
	struct consumer_group_describe_response_group *d, struct arena *a)
{
	const struct consumer *c = gr->consumer;
	struct consumer_member **v = members_of(gr, a);
	d->group_state = str_of(consumer_state_name(gr));
	d->group_epoch = c->epoch;
	d->assignment_epoch = c->target_epoch;
	d->assignor_name = assignor_name(c);
	d->members.n = (int32_t)c->by_id.n;
	d->members.v = arena_alloc(a, ((size_t)c->by_id.n + 1) * sizeof *d->members.v);
	for (int32_t i = 0; i < d->members.n; i++)
		describe_member(g, v[i], &d->members.v[i], a);
}

void
consumer_describe(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct consumer_group_describe_request *q = call->body;
	struct consumer_group_describe_response r;
	(void)now;
	wire_defaults(&consumer_group_describe_response_desc, &r);
	int32_t n = MAX(q->group_ids.n, 0);
	r.groups.v = arena_alloc(call->arena, ((size_t)n + 1) * sizeof *r.groups.v);
	r.groups.n = n;
	int64_t told = 0;
	for (int32_t i = 0; i < n; i++) {
		struct consumer_group_describe_response_group *d = &r.groups.v[i];
		struct str id = q->group_ids.v[i];
		const struct group *gr = group_find(g, id);
		wire_defaults(&consumer_group_describe_response_group_desc, d);
		d->group_id = id;
		if (id.n <= 0)
			d->error_code = KERR_INVALID_GROUP_ID;
		else if (!gr || gr->kind != GROUP_CONSUMER)
			d->error_code = KERR_GROUP_ID_NOT_FOUND;
		else if ((told += size_of(gr)) > GROUP_TOLD_MAX)
			d->error_code = KERR_INVALID_REQUEST;
		else
			describe_group(g, gr, d, call->arena);
		if (!d->error_code && q->include_authorized_operations)
			d->authorized_operations = GROUP_OPERATIONS;
		if (d->error_code == KERR_GROUP_ID_NOT_FOUND)
			d->error_message = str_of(arena_printf(call->arena,
				"Group %.*s not found.", MIN(id.n, GROUP_NAME_SHOWN), (const char *)id.p));
	}
	call->partition = COORD_ALL_PARTITIONS;
	g->env->respond(g->env, call, &r);
}

/* ---- what offsets ask ---- */

static int16_t
check_member_epoch(const struct consumer_member *m, int32_t epoch)
{
	if (epoch == m->current.epoch)
		return 0;
	return m->spec.is_classic ? KERR_ILLEGAL_GENERATION : KERR_STALE_MEMBER_EPOCH;
}

int16_t
consumer_check_commit(const struct group *gr, struct str member_id, struct str instance_id,
	int32_t epoch, bool is_transactional, int16_t api_version)
{
	const struct consumer *c = gr->consumer;
	if (epoch < 0 && c->by_id.n == 0)
		return 0;
	/* A producer that knows nothing of the group, as before KIP-447. */
	if (is_transactional && epoch == -1 && member_id.n <= 0 && instance_id.n < 0)
		return 0;
	const struct consumer_member *m = consumer_find(gr, member_id);
	if (!m)
		return KERR_UNKNOWN_MEMBER_ID;
	if (!is_transactional && !m->spec.is_classic && api_version < 9)
		return KERR_UNSUPPORTED_VERSION;
	return check_member_epoch(m, epoch);
}

int16_t
consumer_check_fetch(const struct group *gr, struct str member_id, int32_t epoch)
{
	if (member_id.n <= 0 && epoch < 0)
		return 0;
	const struct consumer_member *m = consumer_find(gr, member_id);
	return m ? check_member_epoch(m, epoch) : KERR_UNKNOWN_MEMBER_ID;
}

bool
consumer_is_subscribed(const struct group *gr, struct str topic)
{
	MAP_EACH(e, &gr->consumer->by_id) {
		const struct consumer_member *m = e->value;
		if (m->spec.names && subscription_has(m->spec.names, topic))
			return true;
	}
	for (int32_t i = 0; i < gr->consumer->nregex; i++)
		if (subscription_has(gr->consumer->regex[i].topics, topic))
			return true;
	return false;
}

/* ---- the world changes ---- */

/* The next heartbeat of any member looks at topics again. */
void
consumer_topics_changed(struct groups *g, struct group *gr, struct coord_now now)
{
	(void)g;
	(void)now;
	gr->consumer->is_stale = true;
}

void
consumer_loaded(struct groups *g, struct group *gr, struct coord_now now)
{
	struct consumer_member **v = members_of(gr, &g->scratch);
	for (uint32_t i = 0; i < gr->consumer->by_id.n; i++) {
		struct consumer_member *m = v[i];
		/* A log that a crash cut may have part of a member only. */
		if (!m->spec.names)
			m->spec.names = subscription_get(g, gr->consumer, NULL, 0, &g->scratch);
		consumer_session(g, m, now);
		consumer_watch_revocation(g, m, now);
	}
	gr->consumer->is_stale = true;
}

void
consumer_stop(struct groups *g, struct group *gr)
{
	(void)g;
	(void)gr; /* every call was answered at once */
}
