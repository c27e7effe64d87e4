#include "group/group.h"
#include "proto.h"

#include <stdio.h>

/* ---- timers ---- */

void
timer_set(struct groups *g, struct timer *t, int64_t at_mono_ms,
	void (*fire)(struct groups *g, struct timer *t, struct coord_now now))
{
	timer_clear(g, t);
	t->fire = fire;
	heap_put(&g->timers, &t->node, at_mono_ms);
}

void
timer_clear(struct groups *g, struct timer *t)
{
	heap_remove(&g->timers, &t->node);
}

int64_t
groups_next_tick(const struct groups *g)
{
	const struct heap_node *top = heap_top(&g->timers);
	return top ? top->key : INT64_MAX;
}

void
groups_tick(struct groups *g, struct coord_now now)
{
	/* A timer may set itself for now again: what is due before that, once. */
	size_t left = g->timers.n;
	for (; left > 0; left--) {
		struct heap_node *top = heap_top(&g->timers);
		if (!top || top->key > now.mono_ms)
			return;
		heap_remove(&g->timers, top);
		struct timer *t = CONTAINER_OF(top, struct timer, node);
		t->fire(g, t, now);
		arena_reset(&g->scratch);
	}
}

/* ---- words ---- */

struct topic_name *
topic_name_get(struct groups *g, struct str s)
{
	struct topic_name *t = map_get(&g->topic_names, s);
	if (t)
		return topic_name_ref(t);
	assert(s.n >= 0);
	t = group_alloc(g, sizeof *t + (size_t)s.n);
	if (s.n > 0)
		memcpy(t->bytes, s.p, (size_t)s.n);
	t->s = (struct str){ t->bytes, s.n };
	t->nref = 1;
	map_put(&g->topic_names, t->s, t);
	return t;
}

struct topic_name *
topic_name_ref(struct topic_name *t)
{
	t->nref++;
	return t;
}

void
topic_name_put(struct groups *g, struct topic_name *t)
{
	assert(t->nref > 0);
	if (--t->nref > 0)
		return;
	map_remove(&g->topic_names, t->s);
	group_dealloc(t);
}

/* ---- what is kept for clients ---- */

/* In front of each piece. */
struct kept {
	struct groups *groups;
	size_t size;
};

void *
group_alloc(struct groups *g, size_t n)
{
	struct kept *k = mem_alloc(sizeof *k + n);
	*k = (struct kept){ g, sizeof *k + n };
	g->kept_size += (int64_t)k->size;
	return k + 1;
}

void *
group_realloc(struct groups *g, void *p, size_t n)
{
	if (!p)
		return group_alloc(g, n);
	struct kept *k = (struct kept *)p - 1;
	g->kept_size -= (int64_t)k->size;
	k = mem_realloc(k, sizeof *k + n);
	k->size = sizeof *k + n;
	g->kept_size += (int64_t)k->size;
	return k + 1;
}

void
group_dealloc(void *p)
{
	if (!p)
		return;
	struct kept *k = (struct kept *)p - 1;
	k->groups->kept_size -= (int64_t)k->size;
	mem_free(k);
}

bool
group_is_full(const struct groups *g)
{
	return g->kept_size >= g->config.state_size_max;
}

bool
group_is_overfull(const struct groups *g)
{
	return g->kept_size - g->config.state_size_max >= g->config.state_size_max / 4;
}

struct str
group_strdup(struct groups *g, struct str s)
{
	if (s.n <= 0)
		return (struct str){ NULL, s.n };
	uint8_t *p = group_alloc(g, (size_t)s.n);
	memcpy(p, s.p, (size_t)s.n);
	return (struct str){ p, s.n };
}

void
group_str_free(struct str *s)
{
	group_dealloc((void *)(uintptr_t)s->p);
	*s = STR_NULL;
}

void
group_str_set(struct groups *g, struct str *s, struct str to)
{
	struct str fresh = group_strdup(g, to);
	group_str_free(s);
	*s = fresh;
}

/* As much of s as is shown, not cutting a UTF-8 character in two. */
static int
shown(struct str s)
{
	if (s.n <= GROUP_NAME_SHOWN)
		return MAX(s.n, 0);
	int n = GROUP_NAME_SHOWN;
	while (n > 0 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

struct str
group_member_id(struct groups *g, struct str prefix, struct arena *a)
{
	uint64_t hi = g->env->random(g->env), lo = g->env->random(g->env);
	char tail[40];
	/* A random UUID (RFC 9562, version 4). */
	int m = snprintf(tail, sizeof tail, "-%08x-%04x-4%03x-%04x-%012llx",
		(unsigned)(hi >> 32), (unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xfff),
		(unsigned)(lo >> 48 & 0x3fff) | 0x8000, (unsigned long long)(lo & 0xffffffffffff));
	int n = shown(prefix);
	uint8_t *p = arena_alloc(a, (size_t)(n + m));
	if (n > 0)
		memcpy(p, prefix.p, (size_t)n);
	memcpy(p + n, tail, (size_t)m);
	return (struct str){ p, n + m };
}

/* ---- the table ---- */

struct groups *
groups_new(const struct groups_config *c, struct coord_env *env)
{
	struct groups *g = NEW(struct groups);
	assert(c->npartition > 0);
	g->config = *c;
	g->env = env;
	/* Names come from clients: let nobody choose colliding ones. */
	g->by_id.seed = (uint32_t)env->random(env);
	g->topic_names.seed = (uint32_t)env->random(env);
	g->producers.seed = (uint32_t)env->random(env);
	return g;
}

void
groups_free(struct groups *g)
{
	if (!g)
		return;
	while (g->by_id.n > 0) {
		struct group *any = NULL;
		MAP_EACH(e, &g->by_id) {
			any = e->value;
			break;
		}
		group_free(g, any);
	}
	assert(g->topic_names.n == 0);
	assert(g->producers.n == 0);
	assert(g->kept_size == 0);
	timer_clear(g, &g->expiry);
	map_release(&g->by_id);
	map_release(&g->topic_names);
	map_release(&g->producers);
	heap_release(&g->timers);
	arena_release(&g->scratch);
	mem_free(g);
}

struct group *
group_find(const struct groups *g, struct str id)
{
	return map_get(&g->by_id, id);
}

static struct group *
make(struct groups *g, struct str id)
{
	assert(id.n >= 0);
	struct group *gr = group_alloc(g, sizeof *gr + (size_t)id.n);
	uint8_t *p = (uint8_t *)(gr + 1);
	if (id.n > 0)
		memcpy(p, id.p, (size_t)id.n);
	gr->id = (struct str){ p, id.n };
	gr->partition = coord_partition_of(id, g->config.npartition);
	gr->kind = GROUP_CLASSIC;
	classic_init(&gr->classic);
	list_init(&gr->pending_offsets);
	map_put(&g->by_id, gr->id, gr);
	return gr;
}

struct group *
group_make(struct groups *g, struct str id)
{
	struct group *gr = group_find(g, id);
	if (gr || g->by_id.n >= (uint32_t)g->config.ngroup_max || group_is_full(g))
		return gr;
	return make(g, id);
}

struct group *
group_replayed(struct groups *g, struct str id)
{
	struct group *gr = group_find(g, id);
	return gr ? gr : make(g, id);
}

void
group_free(struct groups *g, struct group *gr)
{
	classic_release(g, gr, 0);
	consumer_release(g, gr);
	offsets_release(g, gr);
	map_remove(&g->by_id, gr->id);
	group_dealloc(gr);
}

bool
group_is_empty(const struct group *gr)
{
	return gr->kind == GROUP_CLASSIC ? gr->classic.state == CLASSIC_EMPTY
		: consumer_member_count(gr) == 0;
}

int32_t
group_member_count(const struct group *gr)
{
	return gr->kind == GROUP_CLASSIC ? gr->classic.nmember : consumer_member_count(gr);
}

void
group_free_if_idle(struct groups *g, struct group *gr)
{
	if (gr->kind == GROUP_CLASSIC && gr->classic.state == CLASSIC_EMPTY
			&& gr->classic.pending.n == 0 && !gr->has_record && gr->ntopic == 0
			&& list_is_empty(&gr->pending_offsets))
		group_free(g, gr);
}

struct group **
groups_all(struct groups *g, int32_t *n)
{
	struct group **v = mem_alloc((g->by_id.n + 1) * sizeof(struct group *));
	*n = 0;
	MAP_EACH(e, &g->by_id)
		v[(*n)++] = e->value;
	return v;
}

int32_t
groups_count(const struct groups *g)
{
	return (int32_t)g->by_id.n;
}

/* ---- what the driver calls ---- */

typedef void (*handler_fn)(struct groups *g, struct coord_call *call, struct coord_now now);

static const handler_fn handlers[] = { /* by API key */
	[API_OFFSET_COMMIT] = offsets_commit,
	[API_OFFSET_FETCH] = offsets_fetch,
	[API_JOIN_GROUP] = classic_join,
	[API_HEARTBEAT] = classic_heartbeat,
	[API_LEAVE_GROUP] = classic_leave,
	[API_SYNC_GROUP] = classic_sync,
	[API_DESCRIBE_GROUPS] = admin_describe,
	[API_LIST_GROUPS] = admin_list,
	[API_TXN_OFFSET_COMMIT] = offsets_txn_commit,
	[API_DELETE_GROUPS] = admin_delete,
	[API_OFFSET_DELETE] = offsets_delete,
	[API_CONSUMER_GROUP_HEARTBEAT] = consumer_heartbeat,
	[API_CONSUMER_GROUP_DESCRIBE] = consumer_describe,
};

bool
groups_handles(int16_t api_key)
{
	return api_key >= 0 && api_key < (int)ARRAY_LEN(handlers) && handlers[api_key];
}

void
groups_handle(struct groups *g, struct coord_call *call, struct coord_now now)
{
	assert(groups_handles(call->api_key));
	call->partition = -1;
	call->state = NULL;
	handlers[call->api_key](g, call, now);
	arena_reset(&g->scratch);
}

void
groups_loaded(struct groups *g, int32_t partition, struct coord_now now)
{
	int32_t n;
	struct group **v = groups_all(g, &n);
	for (int32_t i = 0; i < n; i++) {
		if (v[i]->partition != partition)
			continue;
		if (v[i]->kind == GROUP_CONSUMER)
			consumer_loaded(g, v[i], now);
		else
			classic_loaded(g, v[i], now);
	}
	offsets_start_expiry(g, now);
	mem_free(v);
	arena_reset(&g->scratch);
}

void
groups_topics_changed(struct groups *g, struct coord_now now)
{
	int32_t n;
	struct group **v = groups_all(g, &n);
	for (int32_t i = 0; i < n; i++)
		if (v[i]->kind == GROUP_CONSUMER)
			consumer_topics_changed(g, v[i], now);
	mem_free(v);
	arena_reset(&g->scratch);
}

void
groups_stop(struct groups *g)
{
	g->is_stopped = true;
	int32_t n;
	struct group **v = groups_all(g, &n);
	for (int32_t i = 0; i < n; i++) {
		if (v[i]->kind == GROUP_CONSUMER)
			consumer_stop(g, v[i]);
		else
			classic_stop(g, v[i]);
	}
	mem_free(v);
	arena_reset(&g->scratch);
}
