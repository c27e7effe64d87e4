/* Consumer groups: members, their subscriptions, the owners of partitions. */
#include "group/consumer.h"

#include <stdlib.h>

/* ---- sets of partitions ---- */

static int
tp_cmp(const struct tp *a, const struct tp *b)
{
	int order = memcmp(&a->id, &b->id, sizeof a->id);
	return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int
tp_cmp_void(const void *a, const void *b)
{
	return tp_cmp(a, b);
}

void
tp_sort(struct tp_set *set)
{
	int32_t n = 0;
	if (set->n < 2)
		return;
	qsort(set->v, (size_t)set->n, sizeof *set->v, tp_cmp_void);
	for (int32_t i = 0; i < set->n; i++)
		if (n == 0 || tp_cmp(&set->v[n - 1], &set->v[i]) != 0)
			set->v[n++] = set->v[i];
	set->n = n;
}

bool
tp_set_has(const struct tp_set *set, const struct tp *tp)
{
	return set->n > 0 && bsearch(tp, set->v, (size_t)set->n, sizeof *set->v, tp_cmp_void) != NULL;
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
tp_runs(const struct tp_set *set, int32_t *n, struct arena *a)
{
	int32_t nrun = 0;
	for (int32_t i = 0; i < set->n; i++)
		nrun += i == 0 || !uuid_eq(&set->v[i].id, &set->v[i - 1].id);
	struct tp_run *run = arena_alloc(a, ((size_t)nrun + 1) * sizeof *run);
	int32_t *v = arena_alloc(a, ((size_t)set->n + 1) * sizeof *v);
	*n = nrun;
	for (int32_t i = 0, k = -1; i < set->n; i++) {
		v[i] = set->v[i].index;
		if (i == 0 || !uuid_eq(&set->v[i].id, &set->v[i - 1].id))
			run[++k] = (struct tp_run){ set->v[i].id, v + i, 0 };
		run[k].n++;
	}
	return run;
}

static struct tp_set
tp_set_dup(struct groups *groups, const struct tp_set *set)
{
	struct tp_set copy = { NULL, set->n };
	if (set->n > 0) {
		copy.v = group_alloc(groups, (size_t)set->n * sizeof *copy.v);
		memcpy(copy.v, set->v, (size_t)set->n * sizeof *copy.v);
	}
	return copy;
}

static void
tp_set_release(struct tp_set *set)
{
	group_dealloc(set->v);
	*set = (struct tp_set){ NULL, 0 };
}

/* ---- subscriptions ---- */

static int
by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct subscription *
subscription_get(struct groups *groups, struct consumer *consumer, const struct str *names,
	int32_t n, struct arena *a)
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
	LIST_EACH(l, &consumer->subscriptions) {
		struct subscription *sub = CONTAINER_OF(l, struct subscription, in_consumer);
		int32_t i = 0;
		while (sub->n == nv && i < nv && str_eq(sub->v[i]->s, v[i]))
			i++;
		if (sub->n == nv && i == nv)
			return subscription_ref(sub);
	}
	struct subscription *sub = group_alloc(groups, sizeof *sub + (size_t)nv * sizeof sub->v[0]);
	sub->nref = 1;
	sub->n = nv;
	for (int32_t i = 0; i < nv; i++)
		sub->v[i] = topic_name_get(groups, v[i]);
	list_init(&sub->in_consumer);
	list_append(&consumer->subscriptions, &sub->in_consumer);
	return sub;
}

struct subscription *
subscription_ref(struct subscription *sub)
{
	sub->nref++;
	return sub;
}

void
subscription_put(struct groups *groups, struct subscription *sub)
{
	assert(sub->nref > 0);
	if (--sub->nref > 0)
		return;
	for (int32_t i = 0; i < sub->n; i++)
		topic_name_put(groups, sub->v[i]);
	list_unlink(&sub->in_consumer);
	group_dealloc(sub);
}

bool
subscription_has(const struct subscription *sub, struct str topic)
{
	int32_t lo = 0, hi = sub->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2, r = str_cmp(sub->v[mid]->s, topic);
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
consumer_find_regex(const struct consumer *consumer, struct str pattern)
{
	for (int32_t i = 0; i < consumer->nregex; i++)
		if (str_eq(consumer->regex[i].pattern, pattern))
			return &consumer->regex[i];
	return NULL;
}

void
consumer_set_regex(struct groups *groups, struct consumer *consumer, struct str pattern,
	struct subscription *topics, int64_t version)
{
	struct resolved *regex = consumer_find_regex(consumer, pattern);
	if (!topics) {
		if (!regex)
			return;
		group_str_free(&regex->pattern);
		subscription_put(groups, regex->topics);
		*regex = consumer->regex[--consumer->nregex];
		return;
	}
	if (regex) {
		subscription_put(groups, regex->topics);
		regex->topics = topics;
		regex->version = version;
		return;
	}
	if (consumer->nregex == consumer->regex_cap) {
		consumer->regex_cap = consumer->regex_cap ? consumer->regex_cap * 2 : 2;
		consumer->regex = group_realloc(groups, consumer->regex,
			(size_t)consumer->regex_cap * sizeof *consumer->regex);
	}
	consumer->regex[consumer->nregex++] = (struct resolved){ group_strdup(groups, pattern), topics,
		version };
}

/* ---- owners of partitions ---- */

struct owners {
	struct uuid id;
	int32_t n;
	int32_t *count; /* by partition */
};

/* No topic has as many partitions.  Bounds the memory that a damaged log can take. */
enum { OWNED_INDEX_MAX = 1 << 24 };

static struct str
uuid_key(const struct uuid *id)
{
	return (struct str){ id->bytes, sizeof id->bytes };
}

int32_t
consumer_owners(const struct consumer *consumer, const struct tp *tp)
{
	const struct owners *owners = map_get(&consumer->owners, uuid_key(&tp->id));
	return owners && tp->index >= 0 && tp->index < owners->n ? owners->count[tp->index] : 0;
}

/* Adds n (1 or -1) to the owners of each partition of the set.  A partition may have
 * two for a while: during the replay of a compacted log, or if a classic leader gave
 * it to two members. */
static void
count_owner(struct groups *groups, struct consumer *consumer, const struct tp_set *set, int n)
{
	struct owners *owners = NULL;
	for (int32_t i = 0; i < set->n; i++) {
		const struct tp *tp = &set->v[i];
		if (tp->index < 0 || tp->index >= OWNED_INDEX_MAX)
			continue; /* only a damaged log has this */
		if (!owners || !uuid_eq(&owners->id, &tp->id))
			owners = map_get(&consumer->owners, uuid_key(&tp->id));
		if (!owners) {
			owners = group_alloc(groups, sizeof *owners);
			owners->id = tp->id;
			map_put(&consumer->owners, uuid_key(&owners->id), owners);
		}
		if (tp->index >= owners->n) {
			int32_t size = MAX(tp->index + 1, owners->n * 2);
			owners->count = group_realloc(groups, owners->count,
				(size_t)size * sizeof *owners->count);
			memset(owners->count + owners->n, 0,
				(size_t)(size - owners->n) * sizeof *owners->count);
			owners->n = size;
		}
		assert(n > 0 || owners->count[tp->index] > 0);
		owners->count[tp->index] += n;
	}
}

/* ---- members ---- */

struct consumer_member *
consumer_find(const struct group *g, struct str id)
{
	return g->consumer ? map_get(&g->consumer->by_id, id) : NULL;
}

struct consumer_member *
consumer_find_static(const struct group *g, struct str instance_id)
{
	return g->consumer && instance_id.n >= 0
		? map_get(&g->consumer->by_instance, instance_id) : NULL;
}

struct consumer_member *
consumer_add(struct groups *groups, struct group *g, struct str id)
{
	struct consumer_member *member = group_alloc(groups, sizeof *member + (size_t)MAX(id.n, 0));
	uint8_t *p = (uint8_t *)(member + 1);
	if (id.n > 0)
		memcpy(p, id.p, (size_t)id.n);
	member->id = (struct str){ p, id.n };
	member->group = g;
	member->spec = (struct consumer_spec){ STR_NULL, STR_NULL, STR_NULL, STR_NULL, STR_NULL,
		STR_NULL, .rebalance_timeout_ms = -1 };
	member->current.previous_epoch = -1;
	map_put(&g->consumer->by_id, member->id, member);
	return member;
}

static void
spec_release(struct groups *groups, struct consumer_spec *spec)
{
	group_str_free(&spec->instance_id);
	group_str_free(&spec->rack_id);
	group_str_free(&spec->client_id);
	group_str_free(&spec->client_host);
	group_str_free(&spec->assignor);
	group_str_free(&spec->regex);
	group_dealloc(spec->protocol);
	if (spec->names)
		subscription_put(groups, spec->names);
}

static struct classic_protocol *
protocols_dup(struct groups *groups, const struct classic_protocol *v, int32_t n)
{
	size_t size = (size_t)n * sizeof *v;
	for (int32_t i = 0; i < n; i++)
		size += (size_t)MAX(v[i].name.n, 0) + (size_t)MAX(v[i].metadata.n, 0);
	if (n == 0)
		return NULL;
	struct classic_protocol *copy = group_alloc(groups, size);
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

/* The key of by_instance points into the member that is its value. */
static void
forget_instance(struct consumer *consumer, struct consumer_member *member)
{
	if (member->spec.instance_id.n >= 0
			&& map_get(&consumer->by_instance, member->spec.instance_id) == member)
		map_remove(&consumer->by_instance, member->spec.instance_id);
}

void
consumer_set_spec(struct groups *groups, struct consumer_member *member,
	const struct consumer_spec *spec)
{
	struct consumer *consumer = member->group->consumer;
	struct consumer_spec fresh = *spec;
	fresh.instance_id = group_strdup(groups, spec->instance_id);
	fresh.rack_id = group_strdup(groups, spec->rack_id);
	fresh.client_id = group_strdup(groups, spec->client_id);
	fresh.client_host = group_strdup(groups, spec->client_host);
	fresh.assignor = group_strdup(groups, spec->assignor);
	fresh.regex = group_strdup(groups, spec->regex);
	fresh.protocol = protocols_dup(groups, spec->protocol, spec->nprotocol);
	forget_instance(consumer, member);
	consumer->nclassic += spec->is_classic - member->spec.is_classic;
	spec_release(groups, &member->spec);
	member->spec = fresh;
	if (fresh.instance_id.n >= 0)
		map_put(&consumer->by_instance, fresh.instance_id, member);
}

void
consumer_set_current(struct groups *groups, struct consumer_member *member,
	const struct consumer_current *current)
{
	struct consumer *consumer = member->group->consumer;
	struct consumer_current fresh = *current;
	fresh.assigned = tp_set_dup(groups, &current->assigned);
	fresh.revoking = tp_set_dup(groups, &current->revoking);
	count_owner(groups, consumer, &member->current.assigned, -1);
	count_owner(groups, consumer, &member->current.revoking, -1);
	count_owner(groups, consumer, &fresh.assigned, 1);
	count_owner(groups, consumer, &fresh.revoking, 1);
	tp_set_release(&member->current.assigned);
	tp_set_release(&member->current.revoking);
	member->current = fresh;
}

void
consumer_set_target(struct groups *groups, struct consumer_member *member,
	const struct tp_set *target)
{
	struct tp_set fresh = target ? tp_set_dup(groups, target) : (struct tp_set){ NULL, 0 };
	tp_set_release(&member->target);
	member->target = fresh;
	member->has_target = target != NULL;
}

void
consumer_remove(struct groups *groups, struct consumer_member *member)
{
	struct consumer *consumer = member->group->consumer;
	struct consumer_current none = { 0 };
	consumer_set_current(groups, member, &none);
	consumer_set_target(groups, member, NULL);
	forget_instance(consumer, member);
	consumer->nclassic -= member->spec.is_classic;
	assert(consumer->nclassic >= 0);
	timer_clear(groups, &member->session);
	timer_clear(groups, &member->rebalance);
	timer_clear(groups, &member->join);
	timer_clear(groups, &member->sync);
	map_remove(&consumer->by_id, member->id);
	spec_release(groups, &member->spec);
	group_dealloc(member);
}

/* ---- groups ---- */

void
consumer_open(struct groups *groups, struct group *g)
{
	assert(g->kind == &group_classic);
	assert(!g->consumer);
	classic_release(groups, g, KERR_REBALANCE_IN_PROGRESS);
	struct consumer *consumer = group_alloc(groups, sizeof *consumer);
	consumer->target_epoch = -1;
	consumer->is_stale = true;
	consumer->by_id.seed = consumer->by_instance.seed = consumer->owners.seed = groups->by_id.seed;
	list_init(&consumer->subscriptions);
	g->consumer = consumer;
	g->kind = &group_consumer;
}

void
consumer_close(struct groups *groups, struct group *g)
{
	consumer_release(groups, g);
	g->kind = &group_classic;
	classic_init(&g->classic);
}

void
consumer_release(struct groups *groups, struct group *g)
{
	struct consumer *consumer = g->consumer;
	if (!consumer)
		return;
	while (consumer->by_id.n > 0) {
		struct consumer_member *any = NULL;
		MAP_EACH(e, &consumer->by_id) {
			any = e->value;
			break;
		}
		consumer_remove(groups, any);
	}
	while (consumer->nregex > 0)
		consumer_set_regex(groups, consumer, consumer->regex[0].pattern, NULL, 0);
	assert(list_is_empty(&consumer->subscriptions));
	assert(consumer->nclassic == 0);
	MAP_EACH(e, &consumer->owners) {
		group_dealloc(((struct owners *)e->value)->count);
		group_dealloc(e->value);
	}
	map_release(&consumer->owners);
	map_release(&consumer->by_id);
	map_release(&consumer->by_instance);
	group_dealloc(consumer->regex);
	group_dealloc(consumer);
	g->consumer = NULL;
}

const char *
consumer_state_name(const struct group *g)
{
	const struct consumer *consumer = g->consumer;
	if (consumer->by_id.n == 0)
		return "Empty";
	if (consumer->epoch > consumer->target_epoch)
		return "Assigning";
	MAP_EACH(e, &consumer->by_id) {
		const struct consumer_member *member = e->value;
		if (member->current.state != CONSUMER_STABLE
			|| member->current.epoch != consumer->target_epoch)
			return "Reconciling";
	}
	return "Stable";
}
