/* The target assignment: the topics of all subscriptions, and who gets what. */
#include "group/consumer.h"

#include <stdlib.h>

struct view_topic {
	struct str name;
	struct uuid id;
	int32_t npartition;
};

/* A subscription of members, as indexes of view.topic. */
struct view_subscription {
	const struct subscription *names, *matched;
	int32_t *topics, n;
};

/* A member as it will be after the change. */
struct view_member {
	struct str id, instance_id, assignor;
	const struct tp_set *target;
	bool has_target, is_draft;
	int32_t sub; /* in view.sub */
};

struct view {
	struct view_topic *topic; /* ascending by id */
	int32_t ntopic;
	struct view_subscription *sub;
	int32_t nsub;
	struct view_member *member;        /* ascending by id */
	int32_t nmember;
};

static int
member_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct view_member *)a)->id, ((const struct view_member *)b)->id);
}

static int
topic_cmp(const void *a, const void *b)
{
	return memcmp(&((const struct view_topic *)a)->id, &((const struct view_topic *)b)->id,
		sizeof(struct uuid));
}

static int
int_cmp(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static void
add_member(struct change *ch, struct view *view, struct str id,
	const struct consumer_spec *spec, const struct consumer_member *before, bool is_draft)
{
	const struct subscription *matched = change_matched(ch, spec->regex);
	int32_t k = view->nsub - 1; /* mostly, neighbours have the same */
	while (k >= 0 && !(view->sub[k].names == spec->names && view->sub[k].matched == matched))
		k--;
	if (k < 0) {
		k = view->nsub++;
		view->sub[k].names = spec->names;
		view->sub[k].matched = matched;
	}
	static const struct tp_set nothing;
	view->member[view->nmember++] = (struct view_member){
		.id = id, .instance_id = spec->instance_id, .assignor = spec->assignor,
		.target = before ? &before->target : &nothing,
		.has_target = before && before->has_target && str_eq(before->id, id),
		.is_draft = is_draft, .sub = k,
	};
}

static void
collect_members(struct change *ch, struct view *view)
{
	size_t n = (size_t)ch->consumer->by_id.n + 2;
	view->member = arena_alloc(&ch->groups->scratch, n * sizeof *view->member);
	view->sub = arena_alloc(&ch->groups->scratch, n * sizeof *view->sub);
	MAP_EACH(e, &ch->consumer->by_id) {
		const struct consumer_member *member = e->value;
		if (member != ch->old && member != ch->replaced && !member->is_leaving)
			add_member(ch, view, member->id, &member->spec, member, false);
	}
	if (ch->id.n >= 0)
		add_member(ch, view, ch->id, &ch->spec, ch->old ? ch->old : ch->replaced, true);
	qsort(view->member, (size_t)view->nmember, sizeof *view->member, member_cmp);
}

/* Collects every existing topic of the subscriptions, once. */
static void
collect_topics(struct change *ch, struct view *view, struct map *by_name)
{
	struct coord_env *env = ch->groups->env;
	int32_t total = 0;
	for (int32_t k = 0; k < view->nsub; k++) {
		const struct view_subscription *sub = &view->sub[k];
		total += (sub->names ? sub->names->n : 0)
			+ (sub->matched ? sub->matched->n : 0);
	}
	view->topic = arena_alloc(&ch->groups->scratch, ((size_t)total + 1) * sizeof *view->topic);
	for (int32_t k = 0; k < view->nsub; k++) {
		const struct subscription *both[] = { view->sub[k].names, view->sub[k].matched };
		for (int32_t i = 0; i < 2; i++) {
			for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
				struct coord_topic topic;
				struct str name = both[i]->v[j]->s;
				if (map_get(by_name, name)
						|| !env->topic(env, name, NULL, &topic, NULL))
					continue;
				view->topic[view->ntopic] = (struct view_topic){ name, topic.id,
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
find_topics(struct change *ch, struct view *view, struct view_subscription *sub,
	const struct map *by_name)
{
	const struct subscription *both[] = { sub->names, sub->matched };
	size_t n = (sub->names ? (size_t)sub->names->n : 0)
		+ (sub->matched ? (size_t)sub->matched->n : 0);
	sub->topics = arena_alloc(&ch->groups->scratch, (n + 1) * sizeof *sub->topics);
	for (int32_t i = 0; i < 2; i++) {
		for (int32_t j = 0; both[i] && j < both[i]->n; j++) {
			const struct view_topic *topic = map_get(by_name, both[i]->v[j]->s);
			if (topic)
				sub->topics[sub->n++] = (int32_t)(topic - view->topic);
		}
	}
	if (sub->n > 1)
		qsort(sub->topics, (size_t)sub->n, sizeof *sub->topics, int_cmp);
	int32_t nunique = 0;
	for (int32_t i = 0; i < sub->n; i++)
		if (nunique == 0 || sub->topics[nunique - 1] != sub->topics[i])
			sub->topics[nunique++] = sub->topics[i];
	sub->n = nunique;
}

/* FNV-1a over topic ids and partition counts; 0: no topic, as in Kafka. */
static int64_t
hash_of(const struct view *view)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (int32_t i = 0; i < view->ntopic; i++) {
		uint8_t bytes[20];
		memcpy(bytes, view->topic[i].id.bytes, 16);
		store_be32(bytes + 16, (uint32_t)view->topic[i].npartition);
		for (size_t k = 0; k < sizeof bytes; k++)
			hash = (hash ^ bytes[k]) * 0x100000001b3u;
	}
	return view->ntopic > 0 ? (int64_t)hash : 0;
}

struct view *
change_view(struct change *ch)
{
	struct view *view = arena_alloc(&ch->groups->scratch, sizeof *view);
	struct map by_name = MAP_INIT;
	by_name.seed = ch->groups->by_id.seed;
	collect_members(ch, view);
	collect_topics(ch, view, &by_name);
	for (int32_t k = 0; k < view->nsub; k++)
		find_topics(ch, view, &view->sub[k], &by_name);
	map_release(&by_name);
	ch->hash = hash_of(view);
	return view;
}

/* The assignor that most members name; of equals, the first in assignors[]. */
static const struct assignor *
most_named(const struct view *view)
{
	int32_t votes[ASSIGNOR_N] = { 0 };
	int best = 0;
	for (int32_t i = 0; i < view->nmember; i++) {
		const struct assignor *assignor = assignor_find(view->member[i].assignor);
		if (assignor)
			votes[assignor - assignors]++;
	}
	for (int i = 1; i < ASSIGNOR_N; i++)
		if (votes[i] > votes[best])
			best = i;
	return &assignors[best];
}

/* The previous target, with the view's topics. */
static void
previous_target(const struct view *view, const struct tp_set *set,
	struct assignor_member *member, struct arena *a)
{
	struct assignor_partition *part = arena_alloc(a, ((size_t)set->n + 1) * sizeof *part);
	int32_t topic = 0;
	for (int32_t i = 0; i < set->n; i++) {
		/* Both are sorted by id. */
		while (topic < view->ntopic && memcmp(&view->topic[topic].id, &set->v[i].id,
				sizeof(struct uuid)) < 0)
			topic++;
		if (topic < view->ntopic && uuid_eq(&view->topic[topic].id, &set->v[i].id))
			part[member->nprev++] = (struct assignor_partition){ topic, set->v[i].index };
	}
	member->prev = part;
}

void
change_assign(struct change *ch, const struct view *view)
{
	struct arena *a = &ch->groups->scratch;
	struct assignor_member *member = arena_alloc(a, ((size_t)view->nmember + 1) * sizeof *member);
	int32_t *npartition = arena_alloc(a, ((size_t)view->ntopic + 1) * sizeof *npartition);
	for (int32_t topic = 0; topic < view->ntopic; topic++)
		npartition[topic] = MAX(view->topic[topic].npartition, 0);
	for (int32_t i = 0; i < view->nmember; i++) {
		const struct view_subscription *sub = &view->sub[view->member[i].sub];
		member[i] = (struct assignor_member){ .id = view->member[i].id,
			.instance_id = view->member[i].instance_id,
			.topics = sub->topics, .ntopic = sub->n };
		previous_target(view, view->member[i].target, &member[i], a);
	}
	most_named(view)->assign(member, view->nmember, npartition, view->ntopic, a);
	for (int32_t i = 0; i < view->nmember; i++) {
		const struct view_member *to = &view->member[i];
		struct tp_set fresh = { arena_alloc(a, ((size_t)member[i].n + 1) * sizeof(struct tp)),
			member[i].n };
		for (int32_t k = 0; k < member[i].n; k++)
			fresh.v[k] = (struct tp){ view->topic[member[i].v[k].topic].id, member[i].v[k].index };
		if (to->is_draft)
			ch->target = fresh;
		if (!to->has_target || !tp_set_eq(to->target, &fresh))
			records_target(&ch->records, ch->group->id, to->id, &fresh);
	}
	records_target_epoch(&ch->records, ch->group->id, ch->epoch, ch->now.wall_ms);
	ch->target_epoch = ch->epoch;
}
