/*
 * Subscriptions by regular expression.  Kafka takes RE2's syntax; ours is
 * POSIX's extended one with \d \w \s and their opposites, and what would mean
 * something else there is refused, not misread.  Refused too is what could
 * take long: back-references, and repetitions that multiply.
 */
#include "coord/consumer.h"

#include <regex.h>
#include <stdlib.h>

enum {
	PATTERN_MAX = 250,    /* a topic's name is at most 249 */
	EXPANDED_MAX = 8000,  /* pattern's size times its repetitions */
	DEPTH_MAX = 20,       /* of parentheses */
};

/* A number of a repetition; -1: none. */
static int32_t
number(struct str s, int32_t *i)
{
	int32_t n = -1;
	while (*i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9' && n < 100000)
		n = (n < 0 ? 0 : n) * 10 + (s.p[(*i)++] - '0');
	return n;
}

/* After "{": how often at most.  -1: not a repetition that we take. */
static int32_t
repetitions(struct str s, int32_t *i)
{
	int32_t least = number(s, i), most = least;
	if (least < 0 || *i >= s.n)
		return -1;
	if (s.p[*i] == ',') {
		++*i;
		most = number(s, i);
		most = most < 0 ? least + 1 : most;
	}
	if (*i >= s.n || s.p[*i] != '}' || most < least)
		return -1;
	++*i;
	return MAX(most, 1);
}

static const char *
class_of(uint8_t letter, bool is_in_brackets)
{
	switch (letter) {
	case 'd':
		return is_in_brackets ? "0-9" : "[0-9]";
	case 'w':
		return is_in_brackets ? "A-Za-z0-9_" : "[A-Za-z0-9_]";
	case 's':
		return is_in_brackets ? " \t\r\n\f" : "[ \t\r\n\f]";
	case 'D':
		return is_in_brackets ? NULL : "[^0-9]";
	case 'W':
		return is_in_brackets ? NULL : "[^A-Za-z0-9_]";
	case 'S':
		return is_in_brackets ? NULL : "[^ \t\r\n\f]";
	default:
		return NULL;
	}
}

/* s.p[*i] is "[". */
static bool
bracket(struct str s, int32_t *i, struct buf *b)
{
	buf_putc(b, (char)s.p[(*i)++]);
	if (*i < s.n && s.p[*i] == '^')
		buf_putc(b, (char)s.p[(*i)++]);
	for (bool is_first = true; *i < s.n; is_first = false) {
		uint8_t c = s.p[(*i)++];
		if (c == ']' && !is_first) {
			buf_putc(b, ']');
			return true;
		}
		if (c == '[') {
			if (*i >= s.n || s.p[*i] != ':') {
				if (*i < s.n && (s.p[*i] == '.' || s.p[*i] == '='))
					return false;
				buf_putc(b, '[');
				continue;
			}
			/* [:alpha:] */
			buf_putc(b, '[');
			do
				buf_putc(b, (char)s.p[*i]);
			while (++*i < s.n && s.p[*i] != ']');
			if (*i >= s.n)
				return false;
			buf_putc(b, (char)s.p[(*i)++]);
			continue;
		}
		if (c != '\\') {
			buf_putc(b, (char)c);
			continue;
		}
		if (*i >= s.n)
			return false;
		c = s.p[(*i)++];
		const char *class = class_of(c, true);
		if (class)
			buf_puts(b, class);
		else if (c == '.' || c == '_' || c == '$' || c == '*' || c == '+' || c == '?')
			buf_putc(b, (char)c);
		else
			return false;
	}
	return false;
}

/* s.p[*i] is behind a backslash. */
static bool
escape(struct str s, int32_t *i, struct buf *b)
{
	if (*i >= s.n)
		return false;
	uint8_t c = s.p[(*i)++];
	const char *class = class_of(c, false);
	if (class) {
		buf_puts(b, class);
		return true;
	}
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| c < ' ' || c >= 0x7f || c == '<' || c == '>' || c == '`' || c == '\'')
		return false;
	buf_putc(b, '\\');
	buf_putc(b, (char)c);
	return true;
}

/* RE2's syntax to POSIX's; false: not ours to take. */
static bool
translate(struct str s, struct buf *b)
{
	int64_t expanded = MAX(s.n, 1);
	int depth = 0;
	if (s.n > PATTERN_MAX || memchr(s.p, 0, (size_t)s.n))
		return false;
	for (int32_t i = 0; i < s.n;) {
		uint8_t c = s.p[i];
		if (c == '[') {
			if (!bracket(s, &i, b))
				return false;
			continue;
		}
		i++;
		if (c == '\\') {
			if (!escape(s, &i, b))
				return false;
			continue;
		}
		buf_putc(b, (char)c);
		if (c == '(') {
			if (++depth > DEPTH_MAX || (i < s.n && s.p[i] == '?'))
				return false;
		} else if (c == ')') {
			if (--depth < 0)
				return false;
		} else if (c == '{') {
			int32_t from = i, n = repetitions(s, &i);
			expanded *= n;
			if (n < 0 || expanded > EXPANDED_MAX)
				return false;
			buf_put(b, s.p + from, (size_t)(i - from));
		} else if (i < s.n && s.p[i] == '?' && (c == '*' || c == '+' || c == '?')) {
			i++; /* not greedy: whole names match all the same */
		}
	}
	return depth == 0;
}

/* The whole name has to match. */
static bool
compile(struct str pattern, regex_t *re)
{
	struct buf b = BUF_INIT;
	buf_puts(&b, "^(");
	bool is_good = translate(pattern, &b);
	/* An empty alternative is fine in Kafka and undefined here. */
	buf_puts(&b, ")$");
	buf_putc(&b, '\0');
	is_good = is_good && regcomp(re, (const char *)b.p, REG_EXTENDED | REG_NOSUB) == 0;
	buf_release(&b);
	return is_good;
}

int16_t
consumer_regex_check(struct str pattern, struct arena *a)
{
	regex_t re;
	(void)a;
	if (pattern.n <= 0)
		return 0;
	if (!compile(pattern, &re))
		return KERR_INVALID_REGULAR_EXPRESSION;
	regfree(&re);
	return 0;
}

struct search {
	regex_t re;
	struct arena *a;
	struct str *v;
	int32_t n, cap;
};

static void
look(void *ctx, struct str name, const struct coord_topic *t)
{
	struct search *s = ctx;
	char z[PATTERN_MAX + 1];
	(void)t;
	if (name.n < 0 || (size_t)name.n >= sizeof z)
		return;
	memcpy(z, name.p, (size_t)name.n);
	z[name.n] = '\0';
	if (regexec(&s->re, z, 0, NULL, 0) != 0)
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
	struct search s = { .a = &g->scratch };
	if (pattern.n <= 0)
		return 0;
	if (!compile(pattern, &s.re))
		return KERR_INVALID_REGULAR_EXPRESSION;
	g->env->each_topic(g->env, look, &s);
	regfree(&s.re);
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
