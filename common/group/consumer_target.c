/* Who should have what: the topics that matter, and the target for all. */
#include "group/consumer.h"

#include <stdlib.h>

struct topic_seen {
	struct str name;
	struct uuid id;
	int32_t npartition;
};

/* One subscription that members have, as places in view.topic. */
struct wanted {
	const struct subscription *names, *matched;
	int32_t *topics, n;
};

/* A member, as it will be. */
struct seat {
	struct str id, instance_id, assignor;
	const struct tp_set *target;
	bool has_target, is_draft;
	int32_t wanted;
};

struct view {
	struct topic_seen *topic; /* rising by id */
	int32_t ntopic;
	struct wanted *wanted;
	int32_t nwanted;
	struct seat *seat;        /* rising by id */
	int32_t nseat;
};

static int
seat_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct seat *)a)->id, ((const struct seat *)b)->id);
}

static int
topic_cmp(const void *a, const void *b)
{
	return memcmp(&((const struct topic_seen *)a)->id, &((const struct topic_seen *)b)->id,
		sizeof(struct uuid));
}

static int
int_cmp(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static void
sit(struct change *ch, struct view *v, struct str id, const struct consumer_spec *s,
	const struct consumer_member *before, bool is_draft)
{
	const struct subscription *matched = change_matched(ch, s->regex);
	int32_t k = v->nwanted - 1; /* neighbours want the same, mostly */
	while (k >= 0 && !(v->wanted[k].names == s->names && v->wanted[k].matched == matched))
		k--;
	if (k < 0) {
		k = v->nwanted++;
		v->wanted[k].names = s->names;
		v->wanted[k].matched = matched;
	}
	static const struct tp_set nothing;
	v->seat[v->nseat++] = (struct seat){
		.id = id, .instance_id = s->instance_id, .assignor = s->assignor,
		.target = before ? &before->target : &nothing,
		.has_target = before && before->has_target && str_eq(before->id, id),
		.is_draft = is_draft, .wanted = k,
	};
}

static void
take_seats(struct change *ch, struct view *v)
{
	size_t n = (size_t)ch->c->by_id.n + 2;
	v->seat = arena_alloc(&ch->g->scratch, n * sizeof *v->seat);
	v->wanted = arena_alloc(&ch->g->scratch, n * sizeof *v->wanted);
	MAP_EACH(e, &ch->c->by_id) {
		const struct consumer_member *m = e->value;
		if (m != ch->old && m != ch->replaced && !m->is_leaving)
			sit(ch, v, m->id, &m->spec, m, false);
	}
	if (ch->id.n >= 0)
		sit(ch, v, ch->id, &ch->spec, ch->old ? ch->old : ch->replaced, true);
	qsort(v->seat, (size_t)v->nseat, sizeof *v->seat, seat_cmp);
}

/* Every topic that is there and wanted, once. */
static void
see_topics(struct change *ch, struct view *v, struct map *by_name)
{
	struct coord_env *env = ch->g->env;
	int32_t total = 0;
	for (int32_t k = 0; k < v->nwanted; k++) {
		const struct wanted *w = &v->wanted[k];
		total += (w->names ? w->names->n : 0) + (w->matched ? w->matched->n : 0);
	}
	v->topic = arena_alloc(&ch->g->scratch, ((size_t)total + 1) * sizeof *v->topic);
	for (int32_t k = 0; k < v->nwanted; k++) {
		const struct subscription *both[] = { v->wanted[k].names, v->wanted[k].matched };
		for (int32_t i = 0; i < 2; i++) {
			for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
				struct coord_topic t;
				struct str name = both[i]->v[j]->s;
				if (map_get(by_name, name)
						|| !env->topic(env, name, NULL, &t, NULL))
					continue;
				v->topic[v->ntopic] = (struct topic_seen){ name, t.id,
					t.npartition };
				map_put(by_name, name, &v->topic[v->ntopic++]);
			}
		}
	}
	if (v->ntopic > 1)
		qsort(v->topic, (size_t)v->ntopic, sizeof *v->topic, topic_cmp);
	for (int32_t i = 0; i < v->ntopic; i++)
		map_put(by_name, v->topic[i].name, &v->topic[i]);
}

static void
want(struct change *ch, struct view *v, struct wanted *w, const struct map *by_name)
{
	const struct subscription *both[] = { w->names, w->matched };
	size_t n = (w->names ? (size_t)w->names->n : 0) + (w->matched ? (size_t)w->matched->n : 0);
	w->topics = arena_alloc(&ch->g->scratch, (n + 1) * sizeof *w->topics);
	for (int32_t i = 0; i < 2; i++) {
		for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
			const struct topic_seen *t = map_get(by_name, both[i]->v[j]->s);
			if (t)
				w->topics[w->n++] = (int32_t)(t - v->topic);
		}
	}
	if (w->n > 1)
		qsort(w->topics, (size_t)w->n, sizeof *w->topics, int_cmp);
	int32_t nw = 0;
	for (int32_t i = 0; i < w->n; i++)
		if (nw == 0 || w->topics[nw - 1] != w->topics[i])
			w->topics[nw++] = w->topics[i];
	w->n = nw;
}

/* FNV-1a over ids and sizes; 0: no topic, as in Kafka. */
static int64_t
hash_of(const struct view *v)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (int32_t i = 0; i < v->ntopic; i++) {
		uint8_t b[20];
		memcpy(b, v->topic[i].id.b, 16);
		store_be32(b + 16, (uint32_t)v->topic[i].npartition);
		for (size_t k = 0; k < sizeof b; k++)
			h = (h ^ b[k]) * 0x100000001b3u;
	}
	return v->ntopic > 0 ? (int64_t)h : 0;
}

struct view *
change_view(struct change *ch)
{
	struct view *v = arena_alloc(&ch->g->scratch, sizeof *v);
	struct map by_name = MAP_INIT;
	by_name.seed = ch->g->by_id.seed;
	take_seats(ch, v);
	see_topics(ch, v, &by_name);
	for (int32_t k = 0; k < v->nwanted; k++)
		want(ch, v, &v->wanted[k], &by_name);
	map_release(&by_name);
	ch->hash = hash_of(v);
	return v;
}

/* The one most members name; of equals, the first of the table. */
static const struct assignor *
most_wanted(const struct view *v)
{
	int32_t votes[ASSIGNOR_N] = { 0 };
	int best = 0;
	for (int32_t i = 0; i < v->nseat; i++) {
		const struct assignor *a = assignor_find(v->seat[i].assignor);
		if (a)
			votes[a - assignors]++;
	}
	for (int i = 1; i < ASSIGNOR_N; i++)
		if (votes[i] > votes[best])
			best = i;
	return &assignors[best];
}

/* The previous target in terms of the view's topics. */
static void
previous(const struct view *v, const struct tp_set *s, struct assignor_member *m,
	struct arena *a)
{
	struct assignor_partition *p = arena_alloc(a, ((size_t)s->n + 1) * sizeof *p);
	int32_t t = 0;
	for (int32_t i = 0; i < s->n; i++) {
		/* Both rise by id. */
		while (t < v->ntopic && memcmp(&v->topic[t].id, &s->v[i].id,
				sizeof(struct uuid)) < 0)
			t++;
		if (t < v->ntopic && uuid_eq(&v->topic[t].id, &s->v[i].id))
			p[m->nprev++] = (struct assignor_partition){ t, s->v[i].index };
	}
	m->prev = p;
}

void
change_assign(struct change *ch, const struct view *v)
{
	struct arena *a = &ch->g->scratch;
	struct assignor_member *m = arena_alloc(a, ((size_t)v->nseat + 1) * sizeof *m);
	int32_t *npartition = arena_alloc(a, ((size_t)v->ntopic + 1) * sizeof *npartition);
	for (int32_t t = 0; t < v->ntopic; t++)
		npartition[t] = MAX(v->topic[t].npartition, 0);
	for (int32_t i = 0; i < v->nseat; i++) {
		const struct wanted *w = &v->wanted[v->seat[i].wanted];
		m[i] = (struct assignor_member){ .id = v->seat[i].id,
			.instance_id = v->seat[i].instance_id,
			.topics = w->topics, .ntopic = w->n };
		previous(v, v->seat[i].target, &m[i], a);
	}
	most_wanted(v)->assign(m, v->nseat, npartition, v->ntopic, a);
	for (int32_t i = 0; i < v->nseat; i++) {
		const struct seat *s = &v->seat[i];
		struct tp_set fresh = { arena_alloc(a, ((size_t)m[i].n + 1) * sizeof(struct tp)),
			m[i].n };
		for (int32_t k = 0; k < m[i].n; k++)
			fresh.v[k] = (struct tp){ v->topic[m[i].v[k].topic].id, m[i].v[k].index };
		if (s->is_draft)
			ch->target = fresh;
		if (!s->has_target || !tp_set_eq(s->target, &fresh))
			records_target(&ch->r, ch->gr->id, s->id, &fresh);
	}
	records_target_epoch(&ch->r, ch->gr->id, ch->epoch, ch->now.wall_ms);
	ch->target_epoch = ch->epoch;
}
