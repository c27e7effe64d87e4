/* Subscriptions by regular expression: looked at when they are new, and all of
 * them when topics changed. */
#include "group/consumer.h"

#include "base/pattern.h"

int16_t
consumer_regex_check(struct str pattern, struct arena *a)
{
	/* An empty one is none. */
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
look(void *ctx, struct str name, const struct coord_topic *t)
{
	struct regex_search *s = ctx;
	(void)t;
	if (!pattern_matches(s->pattern, name))
		return;
	if (s->n == s->cap) {
		int32_t cap = s->cap ? s->cap * 2 : 16;
		struct str *v = arena_alloc(s->a, (size_t)cap * sizeof *v);
		if (s->n)
			memcpy(v, s->v, (size_t)s->n * sizeof *v);
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = arena_str(s->a, name);
}

/* Put a record when the pattern stands for other topics than it did. */
static int16_t
resolve(struct change *ch, struct str pattern)
{
	struct groups *g = ch->g;
	struct regex_search s = { .a = &g->scratch };
	if (pattern.n <= 0)
		return 0;
	s.pattern = pattern_compile(pattern, &g->scratch);
	if (!s.pattern)
		return KERR_INVALID_REGULAR_EXPRESSION;
	g->env->each_topic(g->env, look, &s);
	struct subscription *topics = subscription_get(g, ch->c, s.v, s.n, &g->scratch);
	const struct resolved *old = consumer_regex(ch->c, pattern);
	if (old && old->topics == topics) {
		subscription_put(g, topics);
		return 0;
	}
	ch->fresh[ch->nfresh++] = (struct resolved){ pattern, topics,
		(old ? old->version : 0) + 1 };
	records_regex(&ch->r, ch->gr->id, pattern, topics, ch->fresh[ch->nfresh - 1].version,
		ch->now.wall_ms);
	return 0;
}

int16_t
change_resolve(struct change *ch)
{
	struct str mine = ch->id.n >= 0 ? ch->spec.regex : STR_NULL;
	ch->fresh = arena_alloc(&ch->g->scratch,
		((size_t)ch->c->nregex + 1) * sizeof *ch->fresh);
	for (int32_t i = 0; ch->c->is_stale && i < ch->c->nregex; i++)
		resolve(ch, ch->c->regex[i].pattern);
	if (mine.n <= 0 || consumer_regex(ch->c, mine))
		return 0;
	if (ch->c->nregex >= CONSUMER_REGEX_MAX)
		return KERR_INVALID_REGULAR_EXPRESSION;
	return resolve(ch, mine);
}

const struct subscription *
change_matched(const struct change *ch, struct str pattern)
{
	if (pattern.n <= 0)
		return NULL;
	for (int32_t i = 0; i < ch->nfresh; i++)
		if (str_eq(ch->fresh[i].pattern, pattern))
			return ch->fresh[i].topics;
	const struct resolved *r = consumer_regex(ch->c, pattern);
	return r ? r->topics : NULL;
}

void
change_forget_regexes(struct change *ch)
{
	for (int32_t i = 0; i < ch->c->nregex; i++) {
		struct str pattern = ch->c->regex[i].pattern;
		bool is_used = ch->id.n >= 0 && str_eq(ch->spec.regex, pattern);
		MAP_EACH(e, &ch->c->by_id) {
			const struct consumer_member *m = e->value;
			if (m != ch->old && m != ch->replaced && !m->is_leaving)
				is_used |= str_eq(m->spec.regex, pattern);
		}
		if (!is_used)
			records_regex_tombstone(&ch->r, ch->gr->id, pattern);
	}
}
