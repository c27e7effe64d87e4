/* Committed offsets: where they are kept, transactions, removal, expiry. */
#include "group/group.h"

enum { PURGE_CHUNK = 1000 }; /* tombstones in one append */

/* ---- the table of a group: topics by name, partitions by number ---- */

/* The first topic not before this name. */
static int32_t
topic_at(const struct group *gr, struct str name)
{
	int32_t lo = 0, hi = gr->ntopic;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (str_cmp(gr->topic[mid].name->s, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct offset_topic *
offsets_topic(const struct group *gr, struct str name)
{
	int32_t at = topic_at(gr, name);
	return at < gr->ntopic && str_eq(gr->topic[at].name->s, name) ? &gr->topic[at] : NULL;
}

static int32_t
partition_at(const struct offset_topic *t, int32_t partition)
{
	int32_t lo = 0, hi = t->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (t->v[mid].partition < partition)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct committed *
find_in(const struct offset_topic *t, int32_t partition)
{
	int32_t at = partition_at(t, partition);
	return at < t->n && t->v[at].partition == partition ? &t->v[at] : NULL;
}

struct committed *
offsets_find(const struct group *gr, struct str topic, int32_t partition)
{
	const struct offset_topic *t = offsets_topic(gr, topic);
	return t ? find_in(t, partition) : NULL;
}

/* Make place for one more at i; most groups have one or two of a thing. */
static void *
open_gap(struct groups *g, void *v, int32_t n, int32_t *cap, int32_t i, size_t size)
{
	if (n == *cap) {
		*cap = *cap ? *cap * 2 : 1;
		v = group_realloc(g, v, (size_t)*cap * size);
	}
	uint8_t *p = (uint8_t *)v + (size_t)i * size;
	memmove(p + size, p, (size_t)(n - i) * size);
	memset(p, 0, size);
	return v;
}

static struct offset_topic *
make_topic(struct groups *g, struct group *gr, struct str name)
{
	struct offset_topic *t = offsets_topic(gr, name);
	if (t)
		return t;
	int32_t at = topic_at(gr, name);
	gr->topic = open_gap(g, gr->topic, gr->ntopic, &gr->topic_cap, at, sizeof *gr->topic);
	gr->ntopic++;
	gr->topic[at].name = topic_name_get(g, name);
	return &gr->topic[at];
}

static void
forget_metadata(struct committed *c)
{
	if (c->metadata.n > 0)
		group_str_free(&c->metadata);
}

static struct committed
copy_of(struct groups *g, const struct committed *c)
{
	struct committed copy = *c;
	copy.metadata = c->metadata.n > 0 ? group_strdup(g, c->metadata) : STR("");
	return copy;
}

/* The value, whose metadata is owned, moves into the table. */
static void
put(struct groups *g, struct group *gr, struct str topic, struct committed value)
{
	struct offset_topic *t = make_topic(g, gr, topic);
	struct committed *c = find_in(t, value.partition);
	if (c) {
		forget_metadata(c);
	} else {
		int32_t at = partition_at(t, value.partition);
		t->v = open_gap(g, t->v, t->n, &t->cap, at, sizeof *t->v);
		t->n++;
		c = &t->v[at];
	}
	*c = value;
}

void
offsets_set(struct groups *g, struct group *gr, struct str topic, const struct committed *c)
{
	struct committed value = copy_of(g, c);
	value.seq = ++g->nwrite;
	put(g, gr, topic, value);
}

static void
remove_topic(struct groups *g, struct group *gr, struct offset_topic *t)
{
	assert(t->n == 0);
	group_dealloc(t->v);
	topic_name_put(g, t->name);
	size_t after = (size_t)(gr->topic + gr->ntopic - (t + 1));
	memmove(t, t + 1, after * sizeof *t);
	if (--gr->ntopic == 0) {
		group_dealloc(gr->topic);
		gr->topic = NULL;
		gr->topic_cap = 0;
	}
}

static void
remove_committed(struct groups *g, struct group *gr, struct str topic, int32_t partition)
{
	struct offset_topic *t = offsets_topic(gr, topic);
	struct committed *c = t ? find_in(t, partition) : NULL;
	if (!c)
		return;
	forget_metadata(c);
	memmove(c, c + 1, (size_t)(t->v + t->n - (c + 1)) * sizeof *c);
	if (--t->n == 0)
		remove_topic(g, gr, t);
}

/* ---- offsets of transactions ---- */

static struct str
producer_key(const struct producer_key *k)
{
	return (struct str){ (const uint8_t *)k, sizeof *k };
}

static struct producer_offsets *
find_producer(const struct groups *g, int64_t id, int32_t partition)
{
	struct producer_key k = { id, partition, 0 };
	return map_get(&g->producers, producer_key(&k));
}

static void
free_producer_if_done(struct groups *g, struct producer_offsets *p)
{
	if (!list_is_empty(&p->pending))
		return;
	map_remove(&g->producers, producer_key(&p->key));
	group_dealloc(p);
}

static void
free_pending(struct groups *g, struct pending_offset *o)
{
	list_unlink(&o->in_producer);
	list_unlink(&o->in_group);
	topic_name_put(g, o->topic);
	forget_metadata(&o->value);
	group_dealloc(o);
}

static bool
is_it(const struct pending_offset *o, const struct producer_offsets *p, const struct group *gr,
	struct str topic, int32_t partition)
{
	return o->group == gr && o->producer == p && o->value.partition == partition
		&& str_eq(o->topic->s, topic);
}

/* It is in both lists, of which either may be long: walk both at once. */
static struct pending_offset *
find_pending(const struct producer_offsets *p, const struct group *gr, struct str topic,
	int32_t partition)
{
	const struct list *a = p->pending.next, *b = gr->pending_offsets.next;
	for (; a != &p->pending && b != &gr->pending_offsets; a = a->next, b = b->next) {
		struct pending_offset *x = CONTAINER_OF(a, struct pending_offset, in_producer);
		struct pending_offset *y = CONTAINER_OF(b, struct pending_offset, in_group);
		if (is_it(x, p, gr, topic, partition))
			return x;
		if (is_it(y, p, gr, topic, partition))
			return y;
	}
	return NULL;
}

void
offsets_set_pending(struct groups *g, struct group *gr, struct str topic,
	const struct committed *c, const struct coord_producer *producer)
{
	struct producer_offsets *p = find_producer(g, producer->id, gr->partition);
	if (!p) {
		p = group_alloc(g, sizeof *p);
		p->key = (struct producer_key){ producer->id, gr->partition, 0 };
		list_init(&p->pending);
		map_put(&g->producers, producer_key(&p->key), p);
	}
	struct pending_offset *o = find_pending(p, gr, topic, c->partition);
	if (o) {
		forget_metadata(&o->value);
	} else {
		o = group_alloc(g, sizeof *o);
		list_init(&o->in_producer);
		list_init(&o->in_group);
		list_append(&p->pending, &o->in_producer);
		list_append(&gr->pending_offsets, &o->in_group);
		o->group = gr;
		o->producer = p;
		o->topic = topic_name_get(g, topic);
	}
	o->value = copy_of(g, c);
	o->value.seq = ++g->nwrite;
}

bool
offsets_is_pending(const struct group *gr, struct str topic, int32_t partition)
{
	LIST_EACH(l, &gr->pending_offsets) {
		const struct pending_offset *o = CONTAINER_OF(l, struct pending_offset, in_group);
		if (o->value.partition == partition && str_eq(o->topic->s, topic))
			return true;
	}
	return false;
}

void
groups_marker(struct groups *g, int32_t partition, const struct coord_producer *producer,
	bool is_commit)
{
	struct producer_offsets *p = find_producer(g, producer->id, partition);
	if (!p)
		return;
	LIST_EACH(l, &p->pending) {
		struct pending_offset *o = CONTAINER_OF(l, struct pending_offset, in_producer);
		struct group *gr = o->group;
		const struct committed *c = offsets_find(gr, o->topic->s, o->value.partition);
		/* What was committed outside, behind it in the log, is newer. */
		if (is_commit && (!c || c->seq < o->value.seq)) {
			put(g, gr, o->topic->s, o->value);
			o->value.metadata = STR("");
		}
		free_pending(g, o);
		group_free_if_idle(g, gr);
	}
	free_producer_if_done(g, p);
}

static void
drop_pending(struct groups *g, struct pending_offset *o)
{
	struct producer_offsets *p = o->producer;
	free_pending(g, o);
	free_producer_if_done(g, p);
}

void
offsets_remove(struct groups *g, struct group *gr, struct str topic, int32_t partition)
{
	LIST_EACH(l, &gr->pending_offsets) {
		struct pending_offset *o = CONTAINER_OF(l, struct pending_offset, in_group);
		if (o->value.partition == partition && str_eq(o->topic->s, topic))
			drop_pending(g, o);
	}
	remove_committed(g, gr, topic, partition);
}

void
offsets_release(struct groups *g, struct group *gr)
{
	LIST_EACH(l, &gr->pending_offsets)
		drop_pending(g, CONTAINER_OF(l, struct pending_offset, in_group));
	while (gr->ntopic > 0) {
		struct offset_topic *t = &gr->topic[gr->ntopic - 1];
		for (int32_t i = 0; i < t->n; i++)
			forget_metadata(&t->v[i]);
		t->n = 0;
		remove_topic(g, gr, t);
	}
}

/* ---- removal ---- */

struct purge {
	struct topic_name *topic;
	int32_t partition;
};

typedef bool (*pick_fn)(const void *ctx, const struct group *gr, struct str topic,
	const struct committed *c);

/* Fill v with what pick chooses; topics are counted. */
static int
collect(const struct group *gr, pick_fn pick, const void *ctx, struct purge *v)
{
	int n = 0;
	for (int32_t t = 0; t < gr->ntopic; t++)
		for (int32_t i = 0; i < gr->topic[t].n && n < PURGE_CHUNK; i++) {
			const struct committed *c = &gr->topic[t].v[i];
			if (pick(ctx, gr, gr->topic[t].name->s, c))
				v[n++] = (struct purge){ topic_name_ref(gr->topic[t].name),
					c->partition };
		}
	LIST_EACH(l, &gr->pending_offsets) {
		struct pending_offset *o = CONTAINER_OF(l, struct pending_offset, in_group);
		if (n < PURGE_CHUNK && !offsets_find(gr, o->topic->s, o->value.partition)
				&& pick(ctx, gr, o->topic->s, &o->value))
			v[n++] = (struct purge){ topic_name_ref(o->topic), o->value.partition };
	}
	return n;
}

int16_t
offsets_purge(struct groups *g, struct group *gr, pick_fn pick, const void *ctx,
	struct coord_now now)
{
	struct purge v[PURGE_CHUNK];
	for (;;) {
		int n = collect(gr, pick, ctx, v);
		struct records r = RECORDS_INIT(g);
		for (int i = 0; i < n; i++)
			records_offset_tombstone(&r, gr->id, v[i].topic->s, v[i].partition);
		int16_t error = records_append(&r, gr->partition, NULL, now.wall_ms);
		for (int i = 0; i < n; i++) {
			if (!error)
				offsets_remove(g, gr, v[i].topic->s, v[i].partition);
			topic_name_put(g, v[i].topic);
		}
		if (error || n < PURGE_CHUNK)
			return error;
	}
}

static bool
pick_all(const void *ctx, const struct group *gr, struct str topic, const struct committed *c)
{
	(void)ctx, (void)gr, (void)topic, (void)c;
	return true;
}

int16_t
group_delete(struct groups *g, struct group *gr, struct coord_now now)
{
	struct records r = RECORDS_INIT(g);
	int16_t error = offsets_purge(g, gr, pick_all, NULL, now);
	if (error)
		return error;
	if (gr->kind == GROUP_CONSUMER)
		records_consumer_tombstones(&r, gr);
	if (gr->has_record)
		records_classic_tombstone(&r, gr->id);
	error = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (!error)
		group_free(g, gr);
	return error;
}

static bool
pick_topic(const void *ctx, const struct group *gr, struct str topic,
	const struct committed *c)
{
	(void)gr, (void)c;
	return str_eq(*(const struct str *)ctx, topic);
}

static void
forget_topic(struct groups *g, struct group *gr, struct str topic)
{
	struct offset_topic *t;
	LIST_EACH(l, &gr->pending_offsets) {
		struct pending_offset *o = CONTAINER_OF(l, struct pending_offset, in_group);
		if (str_eq(o->topic->s, topic))
			drop_pending(g, o);
	}
	while ((t = offsets_topic(gr, topic)) != NULL)
		remove_committed(g, gr, topic, t->v[t->n - 1].partition);
}

void
groups_topic_deleted(struct groups *g, struct str topic, struct coord_now now)
{
	int32_t n;
	struct group **v = groups_all(g, &n);
	for (int32_t i = 0; i < n; i++) {
		/* Refused, they are gone all the same: the next topic of that
		 * name is another. */
		if (offsets_purge(g, v[i], pick_topic, &topic, now))
			forget_topic(g, v[i], topic);
		group_free_if_idle(g, v[i]);
		arena_reset(&g->scratch);
	}
	mem_free(v);
}

/* ---- expiry ---- */

bool
group_is_subscribed(const struct group *gr, struct str topic)
{
	return gr->kind == GROUP_CONSUMER ? consumer_is_subscribed(gr, topic)
		: classic_is_subscribed(gr, topic);
}

struct expiry {
	int64_t wall_ms, retention_ms;
};

static bool
has_expired(const void *ctx, const struct group *gr, struct str topic,
	const struct committed *c)
{
	const struct expiry *e = ctx;
	const struct classic *cl = &gr->classic;
	int64_t since = c->commit_wall_ms;
	if (gr->kind == GROUP_CLASSIC && cl->protocol_type.n >= 0) {
		/* Retention begins when the group was left; with members, only
		 * what none of them reads can get old. */
		if (cl->state == CLASSIC_EMPTY && cl->state_since_wall_ms >= 0)
			since = cl->state_since_wall_ms;
		else if (cl->state != CLASSIC_EMPTY && cl->state != CLASSIC_STABLE)
			return false;
		else if (cl->state == CLASSIC_STABLE
				&& !str_eq(cl->protocol_type, STR("consumer")))
			return false;
	}
	if (c->expire_wall_ms >= 0 ? e->wall_ms < c->expire_wall_ms
			: e->wall_ms - since < e->retention_ms)
		return false;
	return !offsets_is_pending(gr, topic, c->partition) && !group_is_subscribed(gr, topic);
}

static void
expire(struct groups *g, struct timer *t, struct coord_now now)
{
	struct expiry e = { now.wall_ms, g->config.offsets_retention_ms };
	int32_t n;
	struct group **v = groups_all(g, &n);
	timer_set(g, t, now.mono_ms + MAX(g->config.expiry_interval_ms, 1), expire);
	for (int32_t i = 0; i < n; i++) {
		struct group *gr = v[i];
		int16_t error = offsets_purge(g, gr, has_expired, &e, now);
		bool is_idle = group_is_empty(gr) && gr->ntopic == 0
			&& list_is_empty(&gr->pending_offsets)
			&& (gr->kind == GROUP_CONSUMER || gr->classic.pending.n == 0);
		if (!error && is_idle)
			group_delete(g, gr, now);
		arena_reset(&g->scratch);
	}
	mem_free(v);
}

void
offsets_start_expiry(struct groups *g, struct coord_now now)
{
	if (!timer_is_set(&g->expiry))
		timer_set(g, &g->expiry, now.mono_ms + MAX(g->config.expiry_interval_ms, 1), expire);
}
