#include "group/group.h"
#include "proto.h"

#include <stdio.h>

/* ---- timers ---- */

void
timer_set(struct groups *groups, struct timer *timer, int64_t at_mono_ms,
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now))
{
	timer_clear(groups, timer);
	timer->fire = fire;
	heap_put(&groups->timers, &timer->node, at_mono_ms);
}

void
timer_clear(struct groups *groups, struct timer *timer)
{
	heap_remove(&groups->timers, &timer->node);
}

int64_t
groups_next_tick(const struct groups *groups)
{
	const struct heap_node *top = heap_top(&groups->timers);
	return top ? top->key : INT64_MAX;
}

void
groups_tick(struct groups *groups, struct coord_now now)
{
	/* A timer may set itself for now again, so fire each only once. */
	size_t left = groups->timers.n;
	for (; left > 0; left--) {
		struct heap_node *top = heap_top(&groups->timers);
		if (!top || top->key > now.mono_ms)
			return;
		heap_remove(&groups->timers, top);
		struct timer *timer = CONTAINER_OF(top, struct timer, node);
		timer->fire(groups, timer, now);
		arena_reset(&groups->scratch);
	}
}

/* ---- topic names ---- */

struct topic_name *
topic_name_get(struct groups *groups, struct str s)
{
	struct topic_name *name = map_get(&groups->topic_names, s);
	if (name)
		return topic_name_ref(name);
	assert(s.n >= 0);
	name = group_alloc(groups, sizeof *name + (size_t)s.n);
	if (s.n > 0)
		memcpy(name->bytes, s.p, (size_t)s.n);
	name->s = (struct str){ name->bytes, s.n };
	name->nref = 1;
	map_put(&groups->topic_names, name->s, name);
	return name;
}

struct topic_name *
topic_name_ref(struct topic_name *name)
{
	name->nref++;
	return name;
}

void
topic_name_put(struct groups *groups, struct topic_name *name)
{
	assert(name->nref > 0);
	if (--name->nref > 0)
		return;
	map_remove(&groups->topic_names, name->s);
	group_dealloc(name);
}

/* ---- counted memory ---- */

/* In front of each piece of memory. */
struct kept {
	struct groups *groups;
	size_t size;
};

void *
group_alloc(struct groups *groups, size_t n)
{
	struct kept *kept = mem_alloc(sizeof *kept + n);
	*kept = (struct kept){ groups, sizeof *kept + n };
	groups->kept_size += (int64_t)kept->size;
	return kept + 1;
}

void *
group_realloc(struct groups *groups, void *p, size_t n)
{
	if (!p)
		return group_alloc(groups, n);
	struct kept *kept = (struct kept *)p - 1;
	groups->kept_size -= (int64_t)kept->size;
	kept = mem_realloc(kept, sizeof *kept + n);
	kept->size = sizeof *kept + n;
	groups->kept_size += (int64_t)kept->size;
	return kept + 1;
}

void
group_dealloc(void *p)
{
	if (!p)
		return;
	struct kept *kept = (struct kept *)p - 1;
	kept->groups->kept_size -= (int64_t)kept->size;
	mem_free(kept);
}

bool
group_is_full(const struct groups *groups)
{
	return groups->kept_size >= groups->config.state_size_max;
}

bool
group_is_overfull(const struct groups *groups)
{
	return groups->kept_size - groups->config.state_size_max >= groups->config.state_size_max / 4;
}

struct str
group_strdup(struct groups *groups, struct str s)
{
	if (s.n <= 0)
		return (struct str){ NULL, s.n };
	uint8_t *p = group_alloc(groups, (size_t)s.n);
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
group_str_set(struct groups *groups, struct str *s, struct str to)
{
	struct str fresh = group_strdup(groups, to);
	group_str_free(s);
	*s = fresh;
}

/* How many bytes of s are shown; no UTF-8 character is cut in two. */
static int
shown_size(struct str s)
{
	if (s.n <= GROUP_NAME_SHOWN)
		return MAX(s.n, 0);
	int n = GROUP_NAME_SHOWN;
	while (n > 0 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

struct str
group_member_id(struct groups *groups, struct str prefix, struct arena *a)
{
	uint64_t hi = groups->env->random(groups->env), lo = groups->env->random(groups->env);
	char tail[40];
	/* A random UUID (RFC 9562, version 4). */
	int ntail = snprintf(tail, sizeof tail, "-%08x-%04x-4%03x-%04x-%012llx",
		(unsigned)(hi >> 32), (unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xfff),
		(unsigned)(lo >> 48 & 0x3fff) | 0x8000, (unsigned long long)(lo & 0xffffffffffff));
	int n = shown_size(prefix);
	uint8_t *p = arena_alloc(a, (size_t)(n + ntail));
	if (n > 0)
		memcpy(p, prefix.p, (size_t)n);
	memcpy(p + n, tail, (size_t)ntail);
	return (struct str){ p, n + ntail };
}

/* ---- the table of groups ---- */

struct groups *
groups_new(const struct groups_config *config, struct coord_env *env)
{
	struct groups *groups = NEW(struct groups);
	assert(config->npartition > 0);
	groups->config = *config;
	groups->env = env;
	/* Names come from clients, which must not be able to choose colliding ones. */
	groups->by_id.seed = (uint32_t)env->random(env);
	groups->topic_names.seed = (uint32_t)env->random(env);
	groups->producers.seed = (uint32_t)env->random(env);
	return groups;
}

void
groups_free(struct groups *groups)
{
	if (!groups)
		return;
	while (groups->by_id.n > 0) {
		struct group *any = NULL;
		MAP_EACH(e, &groups->by_id) {
			any = e->value;
			break;
		}
		group_free(groups, any);
	}
	assert(groups->topic_names.n == 0);
	assert(groups->producers.n == 0);
	assert(groups->kept_size == 0);
	timer_clear(groups, &groups->expiry);
	map_release(&groups->by_id);
	map_release(&groups->topic_names);
	map_release(&groups->producers);
	heap_release(&groups->timers);
	arena_release(&groups->scratch);
	mem_free(groups);
}

struct group *
group_find(const struct groups *groups, struct str id)
{
	return map_get(&groups->by_id, id);
}

static struct group *
make(struct groups *groups, struct str id)
{
	assert(id.n >= 0);
	struct group *g = group_alloc(groups, sizeof *g + (size_t)id.n);
	uint8_t *p = (uint8_t *)(g + 1);
	if (id.n > 0)
		memcpy(p, id.p, (size_t)id.n);
	g->id = (struct str){ p, id.n };
	g->partition = coord_partition_of(id, groups->config.npartition);
	g->kind = &group_classic;
	classic_init(&g->classic);
	list_init(&g->pending_offsets);
	map_put(&groups->by_id, g->id, g);
	return g;
}

struct group *
group_make(struct groups *groups, struct str id)
{
	struct group *g = group_find(groups, id);
	if (g || groups->by_id.n >= (uint32_t)groups->config.ngroup_max || group_is_full(groups))
		return g;
	return make(groups, id);
}

struct group *
group_replayed(struct groups *groups, struct str id)
{
	struct group *g = group_find(groups, id);
	return g ? g : make(groups, id);
}

void
group_free(struct groups *groups, struct group *g)
{
	classic_release(groups, g, 0);
	consumer_release(groups, g);
	offsets_release(groups, g);
	map_remove(&groups->by_id, g->id);
	group_dealloc(g);
}

void
group_free_if_idle(struct groups *groups, struct group *g)
{
	if (g->kind == &group_classic && g->classic.state == CLASSIC_EMPTY
			&& g->classic.pending.n == 0 && !g->has_record && g->ntopic == 0
			&& list_is_empty(&g->pending_offsets))
		group_free(groups, g);
}

struct group **
groups_all(struct groups *groups, int32_t *n)
{
	struct group **group = mem_alloc((groups->by_id.n + 1) * sizeof(struct group *));
	*n = 0;
	MAP_EACH(e, &groups->by_id)
		group[(*n)++] = e->value;
	return group;
}

int32_t
groups_count(const struct groups *groups)
{
	return (int32_t)groups->by_id.n;
}

/* ---- called by the driver ---- */

typedef void (*handler_fn)(struct groups *groups, struct coord_call *call, struct coord_now now);

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
groups_handle(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	assert(groups_handles(call->api_key));
	call->partition = -1;
	call->state = NULL;
	handlers[call->api_key](groups, call, now);
	arena_reset(&groups->scratch);
}

void
groups_loaded(struct groups *groups, int32_t partition, struct coord_now now)
{
	int32_t n;
	struct group **group = groups_all(groups, &n);
	for (int32_t i = 0; i < n; i++)
		if (group[i]->partition == partition)
			group[i]->kind->loaded(groups, group[i], now);
	offsets_start_expiry(groups, now);
	mem_free(group);
	arena_reset(&groups->scratch);
}

void
groups_topics_changed(struct groups *groups, struct coord_now now)
{
	(void)now;
	int32_t n;
	struct group **group = groups_all(groups, &n);
	for (int32_t i = 0; i < n; i++)
		if (group[i]->kind->topics_changed)
			group[i]->kind->topics_changed(group[i]);
	mem_free(group);
	arena_reset(&groups->scratch);
}

void
groups_stop(struct groups *groups)
{
	groups->is_stopped = true;
	int32_t n;
	struct group **group = groups_all(groups, &n);
	for (int32_t i = 0; i < n; i++)
		if (group[i]->kind->stop)
			group[i]->kind->stop(groups, group[i]);
	mem_free(group);
	arena_reset(&groups->scratch);
}
