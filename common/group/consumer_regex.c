/* Subscriptions by regular expression: evaluated when they are new, and all of them
 * after topics changed. */
#include "group/consumer.h"

#include "base/pattern.h"

int16_t
consumer_regex_check(struct str pattern, struct arena *a)
{
	/* An empty expression is none. */
	return pattern.n <= 0 || pattern_compile(pattern, a) ? 0
		: KERR_INVALID_REGULAR_EXPRESSION;
}

struct regex_search {
	struct pattern *pattern;
	struct arena *a;
	struct str *v;
	int32_t n, cap;
};

static void
try_topic(void *ctx, struct str name, const struct coord_topic *topic)
{
	struct regex_search *search = ctx;
	(void)topic;
	if (!pattern_matches(search->pattern, name))
		return;
	if (search->n == search->cap) {
		int32_t cap = search->cap ? search->cap * 2 : 16;
		struct str *v = arena_alloc(search->a, (size_t)cap * sizeof *v);
		if (search->n)
			memcpy(v, search->v, (size_t)search->n * sizeof *v);
		search->v = v;
		search->cap = cap;
	}
	search->v[search->n++] = arena_str(search->a, name);
}

/* Evaluates a pattern; if it matches other topics than before, puts a record. */
static int16_t
resolve(struct change *ch, struct str pattern)
{
	struct groups *groups = ch->groups;
	struct regex_search search = { .a = &groups->scratch };
	if (pattern.n <= 0)
		return 0;
	search.pattern = pattern_compile(pattern, &groups->scratch);
	if (!search.pattern)
		return KERR_INVALID_REGULAR_EXPRESSION;
	groups->env->each_topic(groups->env, try_topic, &search);
	struct subscription *topics = subscription_get(groups, ch->consumer, search.v, search.n,
		&groups->scratch);
	const struct resolved *old = consumer_find_regex(ch->consumer, pattern);
	if (old && old->topics == topics) {
		subscription_put(groups, topics);
		return 0;
	}
	ch->resolved[ch->nresolved++] = (struct resolved){ pattern, topics,
		(old ? old->version : 0) + 1 };
	records_regex(&ch->records, ch->group->id, pattern, topics,
		ch->resolved[ch->nresolved - 1].version,
		ch->now.wall_ms);
	return 0;
}

int16_t
change_resolve(struct change *ch)
{
	struct str mine = ch->id.n >= 0 ? ch->spec.regex : STR_NULL;
	ch->resolved = arena_alloc(&ch->groups->scratch,
		((size_t)ch->consumer->nregex + 1) * sizeof *ch->resolved);
	for (int32_t i = 0; ch->consumer->is_stale && i < ch->consumer->nregex; i++)
		resolve(ch, ch->consumer->regex[i].pattern);
	if (mine.n <= 0 || consumer_find_regex(ch->consumer, mine))
		return 0;
	if (ch->consumer->nregex >= CONSUMER_REGEX_MAX)
		return KERR_INVALID_REGULAR_EXPRESSION;
	return resolve(ch, mine);
}

const struct subscription *
change_matched(const struct change *ch, struct str pattern)
{
	if (pattern.n <= 0)
		return NULL;
	for (int32_t i = 0; i < ch->nresolved; i++)
		if (str_eq(ch->resolved[i].pattern, pattern))
			return ch->resolved[i].topics;
	const struct resolved *regex = consumer_find_regex(ch->consumer, pattern);
	return regex ? regex->topics : NULL;
}

void
change_drop_regexes(struct change *ch)
{
	for (int32_t i = 0; i < ch->consumer->nregex; i++) {
		struct str pattern = ch->consumer->regex[i].pattern;
		bool is_used = ch->id.n >= 0 && str_eq(ch->spec.regex, pattern);
		MAP_EACH(e, &ch->consumer->by_id) {
			const struct consumer_member *member = e->value;
			if (member != ch->old && member != ch->replaced && !member->is_leaving)
				is_used |= str_eq(member->spec.regex, pattern);
		}
		if (!is_used)
			records_regex_tombstone(&ch->records, ch->group->id, pattern);
	}
}
