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
sit(struct change *ch, struct view *view, struct str id, const struct consumer_spec *spec,
	const struct consumer_member *before, bool is_draft)
{
	const struct subscription *matched = change_matched(ch, spec->regex);
	int32_t k = view->nwanted - 1; /* neighbours want the same, mostly */
	while (k >= 0 && !(view->wanted[k].names == spec->names && view->wanted[k].matched == matched))
		k--;
	if (k < 0) {
		k = view->nwanted++;
		view->wanted[k].names = spec->names;
		view->wanted[k].matched = matched;
	}
	static const struct tp_set nothing;
	view->seat[view->nseat++] = (struct seat){
		.id = id, .instance_id = spec->instance_id, .assignor = spec->assignor,
		.target = before ? &before->target : &nothing,
		.has_target = before && before->has_target && str_eq(before->id, id),
		.is_draft = is_draft, .wanted = k,
	};
}

static void
take_seats(struct change *ch, struct view *view)
{
	size_t n = (size_t)ch->consumer->by_id.n + 2;
	view->seat = arena_alloc(&ch->groups->scratch, n * sizeof *view->seat);
	view->wanted = arena_alloc(&ch->groups->scratch, n * sizeof *view->wanted);
	MAP_EACH(e, &ch->consumer->by_id) {
		const struct consumer_member *member = e->value;
		if (member != ch->old && member != ch->replaced && !member->is_leaving)
			sit(ch, view, member->id, &member->spec, member, false);
	}
	if (ch->id.n >= 0)
		sit(ch, view, ch->id, &ch->spec, ch->old ? ch->old : ch->replaced, true);
	qsort(view->seat, (size_t)view->nseat, sizeof *view->seat, seat_cmp);
}

/* Every topic that is there and wanted, once. */
static void
see_topics(struct change *ch, struct view *view, struct map *by_name)
{
	struct coord_env *env = ch->groups->env;
	int32_t total = 0;
	for (int32_t k = 0; k < view->nwanted; k++) {
		const struct wanted *wanted = &view->wanted[k];
		total += (wanted->names ? wanted->names->n : 0)
			+ (wanted->matched ? wanted->matched->n : 0);
	}
	view->topic = arena_alloc(&ch->groups->scratch, ((size_t)total + 1) * sizeof *view->topic);
	for (int32_t k = 0; k < view->nwanted; k++) {
		const struct subscription *both[] = { view->wanted[k].names, view->wanted[k].matched };
		for (int32_t i = 0; i < 2; i++) {
			for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
				struct coord_topic topic;
				struct str name = both[i]->v[j]->s;
				if (map_get(by_name, name)
						|| !env->topic(env, name, NULL, &topic, NULL))
					continue;
				view->topic[view->ntopic] = (struct topic_seen){ name, topic.id,
					topic.npartition };
				map_put(by_name, name, &view->topic[view->ntopic++]);
			}
		}
	}
	if (view->ntopic > 1)
		qsort(view->topic, (size_t)view->ntopic, sizeof *view->topic, topic_cmp);
	for (int32_t i = 0; i < view->ntopic; i++)
		map_put(by_name, view->topic[i].name, &view->topic[i]);
}

static void
want(struct change *ch, struct view *view, struct wanted *wanted, const struct map *by_name)
{
	const struct subscription *both[] = { wanted->names, wanted->matched };
	size_t n = (wanted->names ? (size_t)wanted->names->n : 0)
		+ (wanted->matched ? (size_t)wanted->matched->n : 0);
	wanted->topics = arena_alloc(&ch->groups->scratch, (n + 1) * sizeof *wanted->topics);
	for (int32_t i = 0; i < 2; i++) {
		for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
			const struct topic_seen *topic = map_get(by_name, both[i]->v[j]->s);
			if (topic)
				wanted->topics[wanted->n++] = (int32_t)(topic - view->topic);
		}
	}
	if (wanted->n > 1)
		qsort(wanted->topics, (size_t)wanted->n, sizeof *wanted->topics, int_cmp);
	int32_t nw = 0;
	for (int32_t i = 0; i < wanted->n; i++)
		if (nw == 0 || wanted->topics[nw - 1] != wanted->topics[i])
			wanted->topics[nw++] = wanted->topics[i];
	wanted->n = nw;
}

/* FNV-1a over ids and sizes; 0: no topic, as in Kafka. */
static int64_t
hash_of(const struct view *view)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (int32_t i = 0; i < view->ntopic; i++) {
		uint8_t b[20];
		memcpy(b, view->topic[i].id.bytes, 16);
		store_be32(b + 16, (uint32_t)view->topic[i].npartition);
		for (size_t k = 0; k < sizeof b; k++)
			h = (h ^ b[k]) * 0x100000001b3u;
	}
	return view->ntopic > 0 ? (int64_t)h : 0;
}

struct view *
change_view(struct change *ch)
{
	struct view *view = arena_alloc(&ch->groups->scratch, sizeof *view);
	struct map by_name = MAP_INIT;
	by_name.seed = ch->groups->by_id.seed;
	take_seats(ch, view);
	see_topics(ch, view, &by_name);
	for (int32_t k = 0; k < view->nwanted; k++)
		want(ch, view, &view->wanted[k], &by_name);
	map_release(&by_name);
	ch->hash = hash_of(view);
	return view;
}

/* The one most members name; of equals, the first of the table. */
static const struct assignor *
most_wanted(const struct view *view)
{
	int32_t votes[ASSIGNOR_N] = { 0 };
	int best = 0;
	for (int32_t i = 0; i < view->nseat; i++) {
		const struct assignor *a = assignor_find(view->seat[i].assignor);
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
previous(const struct view *view, const struct tp_set *set, struct assignor_member *member,
	struct arena *a)
{
	struct assignor_partition *part = arena_alloc(a, ((size_t)set->n + 1) * sizeof *part);
	int32_t t = 0;
	for (int32_t i = 0; i < set->n; i++) {
		/* Both rise by id. */
		while (t < view->ntopic && memcmp(&view->topic[t].id, &set->v[i].id,
				sizeof(struct uuid)) < 0)
			t++;
		if (t < view->ntopic && uuid_eq(&view->topic[t].id, &set->v[i].id))
			part[member->nprev++] = (struct assignor_partition){ t, set->v[i].index };
	}
	member->prev = part;
}

void
change_assign(struct change *ch, const struct view *view)
{
	struct arena *a = &ch->groups->scratch;
	struct assignor_member *member = arena_alloc(a, ((size_t)view->nseat + 1) * sizeof *member);
	int32_t *npartition = arena_alloc(a, ((size_t)view->ntopic + 1) * sizeof *npartition);
	for (int32_t t = 0; t < view->ntopic; t++)
		npartition[t] = MAX(view->topic[t].npartition, 0);
	for (int32_t i = 0; i < view->nseat; i++) {
		const struct wanted *wanted = &view->wanted[view->seat[i].wanted];
		member[i] = (struct assignor_member){ .id = view->seat[i].id,
			.instance_id = view->seat[i].instance_id,
			.topics = wanted->topics, .ntopic = wanted->n };
		previous(view, view->seat[i].target, &member[i], a);
	}
	most_wanted(view)->assign(member, view->nseat, npartition, view->ntopic, a);
	for (int32_t i = 0; i < view->nseat; i++) {
		const struct seat *seat = &view->seat[i];
		struct tp_set fresh = { arena_alloc(a, ((size_t)member[i].n + 1) * sizeof(struct tp)),
			member[i].n };
		for (int32_t k = 0; k < member[i].n; k++)
			fresh.v[k] = (struct tp){ view->topic[member[i].v[k].topic].id, member[i].v[k].index };
		if (seat->is_draft)
			ch->target = fresh;
		if (!seat->has_target || !tp_set_eq(seat->target, &fresh))
			records_target(&ch->records, ch->group->id, seat->id, &fresh);
	}
	records_target_epoch(&ch->records, ch->group->id, ch->epoch, ch->now.wall_ms);
	ch->target_epoch = ch->epoch;
}
