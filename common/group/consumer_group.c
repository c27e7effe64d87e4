/* Members of consumer groups, what they subscribe to and own. */
#include "group/consumer.h"

#include <stdlib.h>

/* ---- sets of partitions ---- */

int
tp_cmp(const struct tp *a, const struct tp *b)
{
	int r = memcmp(&a->id, &b->id, sizeof a->id);
	return r ? r : (a->index > b->index) - (a->index < b->index);
}

static int
tp_cmp_void(const void *a, const void *b)
{
	return tp_cmp(a, b);
}

void
tp_sort(struct tp_set *s)
{
	int32_t n = 0;
	if (s->n < 2)
		return;
	qsort(s->v, (size_t)s->n, sizeof *s->v, tp_cmp_void);
	for (int32_t i = 0; i < s->n; i++)
		if (n == 0 || tp_cmp(&s->v[n - 1], &s->v[i]) != 0)
			s->v[n++] = s->v[i];
	s->n = n;
}

bool
tp_set_has(const struct tp_set *s, const struct tp *p)
{
	return s->n > 0 && bsearch(p, s->v, (size_t)s->n, sizeof *s->v, tp_cmp_void) != NULL;
}

bool
tp_set_eq(const struct tp_set *a, const struct tp_set *b)
{
	if (a->n != b->n)
		return false;
	for (int32_t i = 0; i < a->n; i++)
		if (tp_cmp(&a->v[i], &b->v[i]) != 0)
			return false;
	return true;
}

struct tp_run *
tp_runs(const struct tp_set *s, int32_t *n, struct arena *a)
{
	int32_t nrun = 0;
	for (int32_t i = 0; i < s->n; i++)
		nrun += i == 0 || !uuid_eq(&s->v[i].id, &s->v[i - 1].id);
	struct tp_run *run = arena_alloc(a, ((size_t)nrun + 1) * sizeof *run);
	int32_t *v = arena_alloc(a, ((size_t)s->n + 1) * sizeof *v);
	*n = nrun;
	for (int32_t i = 0, k = -1; i < s->n; i++) {
		v[i] = s->v[i].index;
		if (i == 0 || !uuid_eq(&s->v[i].id, &s->v[i - 1].id))
			run[++k] = (struct tp_run){ s->v[i].id, v + i, 0 };
		run[k].n++;
	}
	return run;
}

static struct tp_set
tp_set_dup(struct groups *g, const struct tp_set *s)
{
	struct tp_set copy = { NULL, s->n };
	if (s->n > 0) {
		copy.v = group_alloc(g, (size_t)s->n * sizeof *copy.v);
		memcpy(copy.v, s->v, (size_t)s->n * sizeof *copy.v);
	}
	return copy;
}

static void
tp_set_release(struct tp_set *s)
{
	group_dealloc(s->v);
	*s = (struct tp_set){ NULL, 0 };
}

/* ---- subscriptions ---- */

static int
by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct subscription *
subscription_get(struct groups *g, struct consumer *c, const struct str *names, int32_t n,
	struct arena *a)
{
	struct str *v = arena_alloc(a, ((size_t)MAX(n, 0) + 1) * sizeof *v);
	int32_t nv = 0;
	for (int32_t i = 0; i < n; i++)
		v[i] = names[i];
	if (n > 1)
		qsort(v, (size_t)n, sizeof *v, by_name);
	for (int32_t i = 0; i < n; i++)
		if (nv == 0 || !str_eq(v[nv - 1], v[i]))
			v[nv++] = v[i];
	LIST_EACH(l, &c->subscriptions) {
		struct subscription *s = CONTAINER_OF(l, struct subscription, in_consumer);
		int32_t i = 0;
		while (s->n == nv && i < nv && str_eq(s->v[i]->s, v[i]))
			i++;
		if (s->n == nv && i == nv)
			return subscription_ref(s);
	}
	struct subscription *s = group_alloc(g, sizeof *s + (size_t)nv * sizeof s->v[0]);
	s->nref = 1;
	s->n = nv;
	for (int32_t i = 0; i < nv; i++)
		s->v[i] = topic_name_get(g, v[i]);
	list_init(&s->in_consumer);
	list_append(&c->subscriptions, &s->in_consumer);
	return s;
}

struct subscription *
subscription_ref(struct subscription *s)
{
	s->nref++;
	return s;
}

void
subscription_put(struct groups *g, struct subscription *s)
{
	assert(s->nref > 0);
	if (--s->nref > 0)
		return;
	for (int32_t i = 0; i < s->n; i++)
		topic_name_put(g, s->v[i]);
	list_unlink(&s->in_consumer);
	group_dealloc(s);
}

bool
subscription_has(const struct subscription *s, struct str topic)
{
	int32_t lo = 0, hi = s->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2, r = str_cmp(s->v[mid]->s, topic);
		if (r == 0)
			return true;
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

struct resolved *
consumer_regex(const struct consumer *c, struct str pattern)
{
	for (int32_t i = 0; i < c->nregex; i++)
		if (str_eq(c->regex[i].pattern, pattern))
			return &c->regex[i];
	return NULL;
}

void
consumer_set_regex(struct groups *g, struct consumer *c, struct str pattern,
	struct subscription *topics, int64_t version)
{
	struct resolved *r = consumer_regex(c, pattern);
	if (!topics) {
		if (!r)
			return;
		group_str_free(&r->pattern);
		subscription_put(g, r->topics);
		*r = c->regex[--c->nregex];
		return;
	}
	if (r) {
		subscription_put(g, r->topics);
		r->topics = topics;
		r->version = version;
		return;
	}
	if (c->nregex == c->regex_cap) {
		c->regex_cap = c->regex_cap ? c->regex_cap * 2 : 2;
		c->regex = group_realloc(g, c->regex, (size_t)c->regex_cap * sizeof *c->regex);
	}
	c->regex[c->nregex++] = (struct resolved){ group_strdup(g, pattern), topics, version };
}

/* ---- who has which partition ---- */

struct owners {
	struct uuid id;
	int32_t n;
	int32_t *count; /* by partition */
};

static struct str
uuid_key(const struct uuid *id)
{
	return (struct str){ id->b, sizeof id->b };
}

int32_t
consumer_owners(const struct consumer *c, const struct tp *p)
{
	const struct owners *o = map_get(&c->owners, uuid_key(&p->id));
	return o && p->index >= 0 && p->index < o->n ? o->count[p->index] : 0;
}

/* Two may have the same for a while: when a compacted log is read, or when a
 * classic leader gave it to both. */
static void
own(struct groups *g, struct consumer *c, const struct tp_set *s, int by)
{
	struct owners *o = NULL;
	for (int32_t i = 0; i < s->n; i++) {
		const struct tp *p = &s->v[i];
		if (p->index < 0)
			continue; /* of a strange log */
		if (!o || !uuid_eq(&o->id, &p->id))
			o = map_get(&c->owners, uuid_key(&p->id));
		if (!o) {
			o = group_alloc(g, sizeof *o);
			o->id = p->id;
			map_put(&c->owners, uuid_key(&o->id), o);
		}
		if (p->index >= o->n) {
			int32_t n = MAX(p->index + 1, o->n * 2);
			o->count = group_realloc(g, o->count, (size_t)n * sizeof *o->count);
			memset(o->count + o->n, 0, (size_t)(n - o->n) * sizeof *o->count);
			o->n = n;
		}
		assert(by > 0 || o->count[p->index] > 0);
		o->count[p->index] += by;
	}
}

/* ---- members ---- */

struct consumer_member *
consumer_find(const struct group *gr, struct str id)
{
	return gr->consumer ? map_get(&gr->consumer->by_id, id) : NULL;
}

struct consumer_member *
consumer_find_static(const struct group *gr, struct str instance_id)
{
	return gr->consumer && instance_id.n >= 0
		? map_get(&gr->consumer->by_instance, instance_id) : NULL;
}

struct consumer_member *
consumer_add(struct groups *g, struct group *gr, struct str id)
{
	struct consumer_member *m = group_alloc(g, sizeof *m + (size_t)MAX(id.n, 0));
	uint8_t *p = (uint8_t *)(m + 1);
	if (id.n > 0)
		memcpy(p, id.p, (size_t)id.n);
	m->id = (struct str){ p, id.n };
	m->group = gr;
	m->spec = (struct consumer_spec){ STR_NULL, STR_NULL, STR_NULL, STR_NULL, STR_NULL,
		STR_NULL, .rebalance_timeout_ms = -1 };
	m->current.previous_epoch = -1;
	map_put(&gr->consumer->by_id, m->id, m);
	return m;
}

static void
spec_release(struct groups *g, struct consumer_spec *s)
{
	group_str_free(&s->instance_id);
	group_str_free(&s->rack_id);
	group_str_free(&s->client_id);
	group_str_free(&s->client_host);
	group_str_free(&s->assignor);
	group_str_free(&s->regex);
	group_dealloc(s->protocol);
	if (s->names)
		subscription_put(g, s->names);
}

static struct classic_protocol *
protocols_dup(struct groups *g, const struct classic_protocol *v, int32_t n)
{
	size_t size = (size_t)n * sizeof *v;
	for (int32_t i = 0; i < n; i++)
		size += (size_t)MAX(v[i].name.n, 0) + (size_t)MAX(v[i].metadata.n, 0);
	if (n == 0)
		return NULL;
	struct classic_protocol *copy = group_alloc(g, size);
	uint8_t *p = (uint8_t *)(copy + n);
	for (int32_t i = 0; i < n; i++) {
		struct str from[] = { v[i].name, v[i].metadata }, to[2];
		for (int k = 0; k < 2; k++) {
			if (from[k].n > 0)
				memcpy(p, from[k].p, (size_t)from[k].n);
			to[k] = (struct str){ p, MAX(from[k].n, 0) };
			p += to[k].n;
		}
		copy[i] = (struct classic_protocol){ to[0], to[1] };
	}
	return copy;
}

/* The key of by_instance lives in the member it leads to. */
static void
forget_instance(struct consumer *c, struct consumer_member *m)
{
	if (m->spec.instance_id.n >= 0
			&& map_get(&c->by_instance, m->spec.instance_id) == m)
		map_remove(&c->by_instance, m->spec.instance_id);
}

void
consumer_set_spec(struct groups *g, struct consumer_member *m, const struct consumer_spec *s)
{
	struct consumer *c = m->group->consumer;
	struct consumer_spec fresh = *s;
	fresh.instance_id = group_strdup(g, s->instance_id);
	fresh.rack_id = group_strdup(g, s->rack_id);
	fresh.client_id = group_strdup(g, s->client_id);
	fresh.client_host = group_strdup(g, s->client_host);
	fresh.assignor = group_strdup(g, s->assignor);
	fresh.regex = group_strdup(g, s->regex);
	fresh.protocol = protocols_dup(g, s->protocol, s->nprotocol);
	forget_instance(c, m);
	c->nclassic += s->is_classic - m->spec.is_classic;
	spec_release(g, &m->spec);
	m->spec = fresh;
	if (fresh.instance_id.n >= 0)
		map_put(&c->by_instance, fresh.instance_id, m);
}

void
consumer_set_current(struct groups *g, struct consumer_member *m,
	const struct consumer_current *s)
{
	struct consumer *c = m->group->consumer;
	struct consumer_current fresh = *s;
	fresh.assigned = tp_set_dup(g, &s->assigned);
	fresh.revoking = tp_set_dup(g, &s->revoking);
	own(g, c, &m->current.assigned, -1);
	own(g, c, &m->current.revoking, -1);
	own(g, c, &fresh.assigned, 1);
	own(g, c, &fresh.revoking, 1);
	tp_set_release(&m->current.assigned);
	tp_set_release(&m->current.revoking);
	m->current = fresh;
}

void
consumer_set_target(struct groups *g, struct consumer_member *m, const struct tp_set *target)
{
	struct tp_set fresh = target ? tp_set_dup(g, target) : (struct tp_set){ NULL, 0 };
	tp_set_release(&m->target);
	m->target = fresh;
	m->has_target = target != NULL;
}

void
consumer_remove(struct groups *g, struct consumer_member *m)
{
	struct consumer *c = m->group->consumer;
	struct consumer_current none = { 0 };
	consumer_set_current(g, m, &none);
	consumer_set_target(g, m, NULL);
	forget_instance(c, m);
	c->nclassic -= m->spec.is_classic;
	timer_clear(g, &m->session);
	timer_clear(g, &m->rebalance);
	timer_clear(g, &m->join);
	timer_clear(g, &m->sync);
	map_remove(&c->by_id, m->id);
	spec_release(g, &m->spec);
	group_dealloc(m);
}

/* ---- groups ---- */

void
consumer_open(struct groups *g, struct group *gr)
{
	assert(gr->kind == GROUP_CLASSIC && !gr->consumer);
	classic_release(g, gr, KERR_REBALANCE_IN_PROGRESS);
	struct consumer *c = group_alloc(g, sizeof *c);
	c->target_epoch = -1;
	c->is_stale = true;
	c->by_id.seed = c->by_instance.seed = c->owners.seed = g->by_id.seed;
	list_init(&c->subscriptions);
	gr->consumer = c;
	gr->kind = GROUP_CONSUMER;
}

void
consumer_close(struct groups *g, struct group *gr)
{
	consumer_release(g, gr);
	gr->kind = GROUP_CLASSIC;
	classic_init(&gr->classic);
}

void
consumer_release(struct groups *g, struct group *gr)
{
	struct consumer *c = gr->consumer;
	if (!c)
		return;
	while (c->by_id.n > 0) {
		struct consumer_member *any = NULL;
		MAP_EACH(e, &c->by_id) {
			any = e->value;
			break;
		}
		consumer_remove(g, any);
	}
	while (c->nregex > 0)
		consumer_set_regex(g, c, c->regex[0].pattern, NULL, 0);
	assert(list_is_empty(&c->subscriptions));
	MAP_EACH(e, &c->owners) {
		group_dealloc(((struct owners *)e->value)->count);
		group_dealloc(e->value);
	}
	map_release(&c->owners);
	map_release(&c->by_id);
	map_release(&c->by_instance);
	group_dealloc(c->regex);
	group_dealloc(c);
	gr->consumer = NULL;
}

int32_t
consumer_member_count(const struct group *gr)
{
	return gr->consumer ? (int32_t)gr->consumer->by_id.n : 0;
}

const char *
consumer_state_name(const struct group *gr)
{
	const struct consumer *c = gr->consumer;
	if (c->by_id.n == 0)
		return "Empty";
	if (c->epoch > c->target_epoch)
		return "Assigning";
	MAP_EACH(e, &c->by_id) {
		const struct consumer_member *m = e->value;
		if (m->current.state != CONSUMER_STABLE || m->current.epoch != c->target_epoch)
			return "Reconciling";
	}
	return "Stable";
}
