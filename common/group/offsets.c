/* Committed and pending offsets: storage, removal, expiry. */
#include "group/group.h"

enum { PURGE_CHUNK = 1000 }; /* tombstones of one append */

/* ---- a group's offsets: topics by name, partitions by number ---- */

/* The index of the topic, or of where it belongs. */
static int32_t
topic_at(const struct group *g, struct str name)
{
	int32_t lo = 0, hi = g->ntopic;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (str_cmp(g->topic[mid].name->s, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct offset_topic *
find_topic(const struct group *g, struct str name)
{
	int32_t at = topic_at(g, name);
	return at < g->ntopic && str_eq(g->topic[at].name->s, name) ? &g->topic[at] : NULL;
}

static int32_t
partition_at(const struct offset_topic *topic, int32_t partition)
{
	int32_t lo = 0, hi = topic->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (topic->v[mid].partition < partition)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct committed *
find_in(const struct offset_topic *topic, int32_t partition)
{
	int32_t at = partition_at(topic, partition);
	return at < topic->n && topic->v[at].partition == partition ? &topic->v[at] : NULL;
}

struct committed *
offsets_find(const struct group *g, struct str topic, int32_t partition)
{
	const struct offset_topic *t = find_topic(g, topic);
	return t ? find_in(t, partition) : NULL;
}

/* Makes room for an element at i.  Arrays start small: most groups have one or two
 * topics, with one or two partitions. */
static void *
open_gap(struct groups *groups, void *v, int32_t n, int32_t *cap, int32_t i, size_t size)
{
	if (n == *cap) {
		*cap = *cap ? *cap * 2 : 1;
		v = group_realloc(groups, v, (size_t)*cap * size);
	}
	uint8_t *p = (uint8_t *)v + (size_t)i * size;
	memmove(p + size, p, (size_t)(n - i) * size);
	memset(p, 0, size);
	return v;
}

static struct offset_topic *
make_topic(struct groups *groups, struct group *g, struct str name)
{
	struct offset_topic *topic = find_topic(g, name);
	if (topic)
		return topic;
	int32_t at = topic_at(g, name);
	g->topic = open_gap(groups, g->topic, g->ntopic, &g->topic_cap, at, sizeof *g->topic);
	g->ntopic++;
	g->topic[at].name = topic_name_get(groups, name);
	return &g->topic[at];
}

static void
forget_metadata(struct committed *committed)
{
	if (committed->metadata.n > 0)
		group_str_free(&committed->metadata);
}

static struct committed
copy_of(struct groups *groups, const struct committed *committed)
{
	struct committed copy = *committed;
	copy.metadata = committed->metadata.n > 0 ? group_strdup(groups, committed->metadata) : STR("");
	return copy;
}

/* Stores the value, and takes over its metadata. */
static void
put(struct groups *groups, struct group *g, struct str topic, struct committed value)
{
	struct offset_topic *t = make_topic(groups, g, topic);
	struct committed *committed = find_in(t, value.partition);
	if (committed) {
		forget_metadata(committed);
	} else {
		int32_t at = partition_at(t, value.partition);
		t->v = open_gap(groups, t->v, t->n, &t->cap, at, sizeof *t->v);
		t->n++;
		committed = &t->v[at];
	}
	*committed = value;
}

void
offsets_set(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed)
{
	struct committed value = copy_of(groups, committed);
	value.seq = ++groups->nwrite;
	put(groups, g, topic, value);
}

static void
remove_topic(struct groups *groups, struct group *g, struct offset_topic *topic)
{
	assert(topic->n == 0);
	group_dealloc(topic->v);
	topic_name_put(groups, topic->name);
	size_t after = (size_t)(g->topic + g->ntopic - (topic + 1));
	memmove(topic, topic + 1, after * sizeof *topic);
	if (--g->ntopic == 0) {
		group_dealloc(g->topic);
		g->topic = NULL;
		g->topic_cap = 0;
	}
}

static void
remove_committed(struct groups *groups, struct group *g, struct str topic, int32_t partition)
{
	struct offset_topic *t = find_topic(g, topic);
	struct committed *committed = t ? find_in(t, partition) : NULL;
	if (!committed)
		return;
	forget_metadata(committed);
	memmove(committed, committed + 1, (size_t)(t->v + t->n - (committed + 1)) * sizeof *committed);
	if (--t->n == 0)
		remove_topic(groups, g, t);
}

/* ---- offsets of transactions ---- */

static struct str
producer_key(const struct producer_key *key)
{
	return (struct str){ (const uint8_t *)key, sizeof *key };
}

static struct producer_offsets *
find_producer(const struct groups *groups, int64_t id, int32_t partition)
{
	struct producer_key key = { id, partition, 0 };
	return map_get(&groups->producers, producer_key(&key));
}

static void
free_producer_if_done(struct groups *groups, struct producer_offsets *producer)
{
	if (!list_is_empty(&producer->pending))
		return;
	map_remove(&groups->producers, producer_key(&producer->key));
	group_dealloc(producer);
}

static void
free_pending(struct groups *groups, struct pending_offset *pending)
{
	list_unlink(&pending->in_producer);
	list_unlink(&pending->in_group);
	topic_name_put(groups, pending->topic);
	forget_metadata(&pending->value);
	group_dealloc(pending);
}

static bool
is_offset(const struct pending_offset *pending, const struct producer_offsets *producer,
	const struct group *g, struct str topic, int32_t partition)
{
	return pending->group == g && pending->producer == producer
		&& pending->value.partition == partition
		&& str_eq(pending->topic->s, topic);
}

/* A pending offset is in both lists, of which either may be long: walks both at
 * once. */
static struct pending_offset *
find_pending(const struct producer_offsets *producer, const struct group *g, struct str topic,
	int32_t partition)
{
	const struct list *a = producer->pending.next, *b = g->pending_offsets.next;
	for (; a != &producer->pending && b != &g->pending_offsets; a = a->next, b = b->next) {
		struct pending_offset *one = CONTAINER_OF(a, struct pending_offset, in_producer);
		struct pending_offset *other = CONTAINER_OF(b, struct pending_offset, in_group);
		if (is_offset(one, producer, g, topic, partition))
			return one;
		if (is_offset(other, producer, g, topic, partition))
			return other;
	}
	return NULL;
}

void
offsets_set_pending(struct groups *groups, struct group *g, struct str topic,
	const struct committed *committed, const struct coord_producer *producer)
{
	struct producer_offsets *found = find_producer(groups, producer->id, g->partition);
	if (!found) {
		found = group_alloc(groups, sizeof *found);
		found->key = (struct producer_key){ producer->id, g->partition, 0 };
		list_init(&found->pending);
		map_put(&groups->producers, producer_key(&found->key), found);
	}
	struct pending_offset *pending = find_pending(found, g, topic, committed->partition);
	if (pending) {
		forget_metadata(&pending->value);
	} else {
		pending = group_alloc(groups, sizeof *pending);
		list_init(&pending->in_producer);
		list_init(&pending->in_group);
		list_append(&found->pending, &pending->in_producer);
		list_append(&g->pending_offsets, &pending->in_group);
		pending->group = g;
		pending->producer = found;
		pending->topic = topic_name_get(groups, topic);
	}
	pending->value = copy_of(groups, committed);
	pending->value.seq = ++groups->nwrite;
}

bool
offsets_is_pending(const struct group *g, struct str topic, int32_t partition)
{
	LIST_EACH(l, &g->pending_offsets) {
		const struct pending_offset *pending = CONTAINER_OF(l, struct pending_offset, in_group);
		if (pending->value.partition == partition && str_eq(pending->topic->s, topic))
			return true;
	}
	return false;
}

void
groups_marker(struct groups *groups, int32_t partition, const struct coord_producer *producer,
	bool is_commit)
{
	struct producer_offsets *found = find_producer(groups, producer->id, partition);
	if (!found)
		return;
	LIST_EACH(l, &found->pending) {
		struct pending_offset *pending = CONTAINER_OF(l, struct pending_offset, in_producer);
		struct group *g = pending->group;
		const struct committed *committed = offsets_find(g, pending->topic->s,
			pending->value.partition);
		/* An offset committed later, outside the transaction, is newer. */
		if (is_commit && (!committed || committed->seq < pending->value.seq)) {
			put(groups, g, pending->topic->s, pending->value);
			pending->value.metadata = STR("");
		}
		free_pending(groups, pending);
		group_free_if_idle(groups, g);
	}
	free_producer_if_done(groups, found);
}

static void
drop_pending(struct groups *groups, struct pending_offset *pending)
{
	struct producer_offsets *producer = pending->producer;
	free_pending(groups, pending);
	free_producer_if_done(groups, producer);
}

void
offsets_remove(struct groups *groups, struct group *g, struct str topic, int32_t partition)
{
	LIST_EACH(l, &g->pending_offsets) {
		struct pending_offset *pending = CONTAINER_OF(l, struct pending_offset, in_group);
		if (pending->value.partition == partition && str_eq(pending->topic->s, topic))
			drop_pending(groups, pending);
	}
	remove_committed(groups, g, topic, partition);
}

void
offsets_release(struct groups *groups, struct group *g)
{
	LIST_EACH(l, &g->pending_offsets)
		drop_pending(groups, CONTAINER_OF(l, struct pending_offset, in_group));
	while (g->ntopic > 0) {
		struct offset_topic *topic = &g->topic[g->ntopic - 1];
		for (int32_t i = 0; i < topic->n; i++)
			forget_metadata(&topic->v[i]);
		topic->n = 0;
		remove_topic(groups, g, topic);
	}
}

/* ---- removal ---- */

struct purge {
	struct topic_name *topic;
	int32_t partition;
};

typedef bool (*pick_fn)(const void *ctx, const struct group *g, struct str topic,
	const struct committed *committed);

/* Fills v with the offsets that pick chooses; holds references to topics. */
static int
collect(const struct group *g, pick_fn pick, const void *ctx, struct purge *v)
{
	int n = 0;
	for (int32_t topic = 0; topic < g->ntopic; topic++)
		for (int32_t i = 0; i < g->topic[topic].n && n < PURGE_CHUNK; i++) {
			const struct committed *committed = &g->topic[topic].v[i];
			if (pick(ctx, g, g->topic[topic].name->s, committed))
				v[n++] = (struct purge){ topic_name_ref(g->topic[topic].name),
					committed->partition };
		}
	LIST_EACH(l, &g->pending_offsets) {
		struct pending_offset *pending = CONTAINER_OF(l, struct pending_offset, in_group);
		if (n < PURGE_CHUNK && !offsets_find(g, pending->topic->s, pending->value.partition)
				&& pick(ctx, g, pending->topic->s, &pending->value))
			v[n++] = (struct purge){ topic_name_ref(pending->topic), pending->value.partition };
	}
	return n;
}

/* Writes tombstones of the offsets, committed or pending, that pick chooses, and
 * forgets them.  0, or records_append's error; as it appends in portions, some may be
 * gone then. */
static int16_t
purge(struct groups *groups, struct group *g, pick_fn pick, const void *ctx,
	struct coord_now now)
{
	struct purge v[PURGE_CHUNK];
	for (;;) {
		int n = collect(g, pick, ctx, v);
		struct records records = RECORDS_INIT(groups);
		for (int i = 0; i < n; i++)
			records_offset_tombstone(&records, g->id, v[i].topic->s, v[i].partition);
		int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
		for (int i = 0; i < n; i++) {
			if (!error)
				offsets_remove(groups, g, v[i].topic->s, v[i].partition);
			topic_name_put(groups, v[i].topic);
		}
		if (error || n < PURGE_CHUNK)
			return error;
	}
}

static bool
pick_all(const void *ctx, const struct group *g, struct str topic,
	const struct committed *committed)
{
	(void)ctx, (void)g, (void)topic, (void)committed;
	return true;
}

int16_t
group_delete(struct groups *groups, struct group *g, struct coord_now now)
{
	struct records records = RECORDS_INIT(groups);
	int16_t error = purge(groups, g, pick_all, NULL, now);
	if (error)
		return error;
	if (g->kind->put_tombstones)
		g->kind->put_tombstones(&records, g);
	if (g->has_record)
		records_classic_tombstone(&records, g->id);
	error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (!error)
		group_free(groups, g);
	return error;
}

static bool
pick_topic(const void *ctx, const struct group *g, struct str topic,
	const struct committed *committed)
{
	(void)g, (void)committed;
	return str_eq(*(const struct str *)ctx, topic);
}

static void
forget_topic(struct groups *groups, struct group *g, struct str topic)
{
	struct offset_topic *t;
	LIST_EACH(l, &g->pending_offsets) {
		struct pending_offset *pending = CONTAINER_OF(l, struct pending_offset, in_group);
		if (str_eq(pending->topic->s, topic))
			drop_pending(groups, pending);
	}
	while ((t = find_topic(g, topic)) != NULL)
		remove_committed(groups, g, topic, t->v[t->n - 1].partition);
}

void
groups_topic_deleted(struct groups *groups, struct str topic, struct coord_now now)
{
	int32_t n;
	struct group **group = groups_all(groups, &n);
	for (int32_t i = 0; i < n; i++) {
		/* If the append is refused, forget them all the same: a new topic of
		 * that name is another one. */
		if (purge(groups, group[i], pick_topic, &topic, now))
			forget_topic(groups, group[i], topic);
		group_free_if_idle(groups, group[i]);
		arena_reset(&groups->scratch);
	}
	mem_free(group);
}

/* ---- expiry ---- */

struct expiry {
	int64_t wall_ms, retention_ms;
};

static bool
has_expired(const void *ctx, const struct group *g, struct str topic,
	const struct committed *committed)
{
	const struct expiry *expiry = ctx;
	const struct classic *classic = &g->classic;
	int64_t since = committed->commit_wall_ms;
	if (classic->protocol_type.n >= 0) {
		/* Retention begins when the last member leaves.  While there are
		 * members, only offsets of topics that none of them reads expire. */
		if (classic->state == CLASSIC_EMPTY && classic->state_since_wall_ms >= 0)
			since = classic->state_since_wall_ms;
		else if (classic->state != CLASSIC_EMPTY && classic->state != CLASSIC_STABLE)
			return false;
		else if (classic->state == CLASSIC_STABLE
				&& !str_eq(classic->protocol_type, STR("consumer")))
			return false;
	}
	if (committed->expire_wall_ms >= 0 ? expiry->wall_ms < committed->expire_wall_ms
			: expiry->wall_ms - since < expiry->retention_ms)
		return false;
	return !offsets_is_pending(g, topic, committed->partition) && !group_is_subscribed(g, topic);
}

static void
expire(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct expiry expiry = { now.wall_ms, groups->config.offsets_retention_ms };
	int32_t n;
	struct group **group = groups_all(groups, &n);
	timer_set(groups, timer, now.mono_ms + MAX(groups->config.expiry_interval_ms, 1), expire);
	for (int32_t i = 0; i < n; i++) {
		struct group *g = group[i];
		int16_t error = purge(groups, g, has_expired, &expiry, now);
		bool is_idle = group_is_empty(g) && g->ntopic == 0
			&& list_is_empty(&g->pending_offsets) && g->classic.pending.n == 0;
		if (!error && is_idle)
			group_delete(groups, g, now);
		arena_reset(&groups->scratch);
	}
	mem_free(group);
}

void
offsets_start_expiry(struct groups *groups, struct coord_now now)
{
	if (!timer_is_set(&groups->expiry))
		timer_set(groups, &groups->expiry, now.mono_ms + MAX(groups->config.expiry_interval_ms, 1),
			expire);
}
