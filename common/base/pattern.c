#include "base/pattern.h"

/* A program in the manner of Thompson and Pike.  Jumps are relative, so a
 * piece of it can be copied and moved. */
enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_WORD, OP_NOT_WORD, OP_MATCH };

struct set {
	uint32_t bits[8];
};

struct step {
	enum op op;
	int32_t x, y;    /* where to; x of SET: which */
};

/* Steps that wait for a byte, or are OP_MATCH. */
struct threads {
	int32_t *v, n;
};

struct pattern {
	struct step *v;
	int32_t n;
	struct set *set;
	int32_t nset;
	/* Working memory of pattern_matches: */
	struct threads threads[2]; /* before the byte and behind it, in turns */
	uint32_t *seen, round;     /* of each step: the last round that reached it */
	int32_t *stack;
};

enum { DEPTH_MAX = 50, REPEAT_MAX = 1000 };

struct parser {
	struct str s;
	int32_t i;
	int depth;
	bool is_bad;
	struct pattern *p;
};

/* ---- sets of bytes ---- */

static void
set_add(struct set *s, int c)
{
	s->bits[c >> 5] |= 1u << (c & 31);
}

static bool
set_has(const struct set *s, uint8_t c)
{
	return s->bits[c >> 5] >> (c & 31) & 1;
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		|| c == '_';
}

/* Of ASCII, whatever the locale. */
static bool
is_in_class(const char *name, int c)
{
	bool digit = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'z';
	bool upper = c >= 'A' && c <= 'Z', alpha = lower || upper;
	bool space = c == ' ' || (c >= '\t' && c <= '\r');
	switch (name[0] * 256 + name[2]) {
	case 'a' * 256 + 'n': /* alnum */
		return alpha || digit;
	case 'a' * 256 + 'p': /* alpha */
		return alpha;
	case 'd' * 256 + 'g':
		return digit;
	case 'l' * 256 + 'w':
		return lower;
	case 'u' * 256 + 'p':
		return upper;
	case 's' * 256 + 'a':
		return space;
	case 'p' * 256 + 'n':
		return c > ' ' && c < 0x7f && !alpha && !digit;
	case 'w' * 256 + 'r':
		return is_word(c);
	default: /* xdigit */
		return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	}
}

static const char *const class_names[] = { "alnum", "alpha", "digit", "lower", "upper",
	"space", "punct", "word", "xdigit" };

/* \d and the like; false: it is none. */
static bool
set_escape(struct set *s, uint8_t letter)
{
	const char *name;
	switch (letter | 0x20) {
	case 'd':
		name = "digit";
		break;
	case 'w':
		name = "word";
		break;
	case 's':
		name = "space";
		break;
	default:
		return false;
	}
	bool is_negated = !(letter & 0x20);
	for (int c = 0; c < 256; c++)
		if (is_in_class(name, c) != is_negated)
			set_add(s, c);
	return true;
}

/* A byte that a backslash and a letter or a mark stand for; -1: none. */
static int
literal_escape(uint8_t c)
{
	static const char from[] = "tnrfva", to[] = "\t\n\r\f\v\a";
	for (size_t i = 0; i < sizeof from - 1; i++)
		if (c == (uint8_t)from[i])
			return to[i];
	return c > ' ' && c < 0x7f && (!is_word(c) || c == '_') ? c : -1;
}

/* ---- emitting ---- */

static void
bad(struct parser *q)
{
	q->is_bad = true;
	q->i = q->s.n;
}

static bool
has_room(struct parser *q, int32_t n)
{
	if (q->p->n + n <= PATTERN_PROGRAM_MAX)
		return true;
	bad(q);
	return false;
}

static void
emit(struct parser *q, enum op op, int32_t x, int32_t y)
{
	if (has_room(q, 1))
		q->p->v[q->p->n++] = (struct step){ op, x, y };
}

static void
insert(struct parser *q, int32_t at, enum op op, int32_t x, int32_t y)
{
	if (!has_room(q, 1))
		return;
	memmove(q->p->v + at + 1, q->p->v + at, (size_t)(q->p->n - at) * sizeof *q->p->v);
	q->p->v[at] = (struct step){ op, x, y };
	q->p->n++;
}

static void
emit_set(struct parser *q, const struct set *s)
{
	if (!has_room(q, 1))
		return;
	q->p->set[q->p->nset] = *s;
	emit(q, OP_SET, q->p->nset++, 0);
}

static void
emit_byte(struct parser *q, uint8_t c)
{
	struct set s = { { 0 } };
	set_add(&s, c);
	emit_set(q, &s);
}

/* ---- parsing ---- */

static void parse_alternatives(struct parser *q);

static bool
at(const struct parser *q, const char *z)
{
	struct str rest = { q->s.p + q->i, q->s.n - q->i };
	return str_has_prefix(rest, str_of(z));
}

/* [:alpha:], from behind its first bracket. */
static bool
bracket_class(struct parser *q, struct set *s)
{
	for (size_t k = 0; k < ARRAY_LEN(class_names); k++) {
		char z[16] = ":";
		strcat(strcat(z, class_names[k]), ":]");
		if (!at(q, z))
			continue;
		q->i += (int32_t)strlen(z);
		for (int c = 0; c < 256; c++)
			if (is_in_class(class_names[k], c))
				set_add(s, c);
		return true;
	}
	return false;
}

/* One byte of a bracket, or a class (-2); -1: bad. */
static int
bracket_item(struct parser *q, struct set *s)
{
	uint8_t c = q->s.p[q->i++];
	if (c == '[' && q->i < q->s.n && q->s.p[q->i] == ':')
		return bracket_class(q, s) ? -2 : -1;
	if (c != '\\')
		return c;
	if (q->i >= q->s.n)
		return -1;
	c = q->s.p[q->i++];
	return set_escape(s, c) ? -2 : literal_escape(c);
}

static void
parse_bracket(struct parser *q)
{
	struct set s = { { 0 } };
	bool is_negated = at(q, "^");
	q->i += is_negated;
	for (bool is_first = true; q->i < q->s.n; is_first = false) {
		if (q->s.p[q->i] == ']' && !is_first) {
			q->i++;
			for (int k = 0; is_negated && k < 8; k++)
				s.bits[k] = ~s.bits[k];
			emit_set(q, &s);
			return;
		}
		int from = bracket_item(q, &s), to = from;
		if (from == -2)
			continue;
		if (q->i + 1 < q->s.n && q->s.p[q->i] == '-' && q->s.p[q->i + 1] != ']') {
			q->i++;
			to = bracket_item(q, &s);
		}
		if (from < 0 || to < from)
			break;
		for (int c = from; c <= to; c++)
			set_add(&s, c);
	}
	bad(q);
}

static void
parse_escape(struct parser *q)
{
	struct set s = { { 0 } };
	uint8_t c = q->i < q->s.n ? q->s.p[q->i++] : 0;
	if (c == 'b' || c == 'B') {
		emit(q, c == 'b' ? OP_WORD : OP_NOT_WORD, 0, 0);
	} else if (c == 'A' || c == 'z') {
		emit(q, c == 'A' ? OP_BEGIN : OP_END, 0, 0);
	} else if (set_escape(&s, c)) {
		emit_set(q, &s);
	} else if (literal_escape(c) >= 0) {
		emit_byte(q, (uint8_t)literal_escape(c));
	} else {
		bad(q);
	}
}

static void
parse_group(struct parser *q)
{
	if (at(q, "?:"))
		q->i += 2;
	if (++q->depth > DEPTH_MAX) {
		bad(q);
		return;
	}
	parse_alternatives(q);
	q->depth--;
	if (q->i < q->s.n && q->s.p[q->i] == ')')
		q->i++;
	else
		bad(q);
}

static void
parse_atom(struct parser *q)
{
	struct set any = { { 0 } };
	uint8_t c = q->s.p[q->i++];
	switch (c) {
	case '(':
		parse_group(q);
		break;
	case '[':
		parse_bracket(q);
		break;
	case '\\':
		parse_escape(q);
		break;
	case '^':
		emit(q, OP_BEGIN, 0, 0);
		break;
	case '$':
		emit(q, OP_END, 0, 0);
		break;
	case '.':
		for (int k = 0; k < 256; k++)
			if (k != '\n')
				set_add(&any, k);
		emit_set(q, &any);
		break;
	case '*':
	case '+':
	case '?':
		bad(q); /* of what? */
		break;
	default:
		emit_byte(q, c);
	}
}

static int32_t
number(const struct parser *q, int32_t *i)
{
	int32_t n = -1;
	while (*i < q->s.n && q->s.p[*i] >= '0' && q->s.p[*i] <= '9' && n <= REPEAT_MAX)
		n = (n < 0 ? 0 : n) * 10 + (q->s.p[(*i)++] - '0');
	return n;
}

/* {n}, {n,} (most -1) or {n,m}; anything else is a brace like other bytes. */
static bool
braces(struct parser *q, int32_t *least, int32_t *most)
{
	int32_t i = q->i + 1;
	*least = *most = number(q, &i);
	if (*least < 0)
		return false;
	if (i < q->s.n && q->s.p[i] == ',') {
		i++;
		*most = number(q, &i);
	}
	if (i >= q->s.n || q->s.p[i] != '}')
		return false;
	q->i = i + 1;
	if (*least > REPEAT_MAX || *most > REPEAT_MAX || (*most >= 0 && *most < *least))
		bad(q);
	return true;
}

static bool
repetition(struct parser *q, int32_t *least, int32_t *most)
{
	if (q->i >= q->s.n)
		return false;
	switch (q->s.p[q->i]) {
	case '*':
		*least = 0;
		*most = -1;
		break;
	case '+':
		*least = 1;
		*most = -1;
		break;
	case '?':
		*least = 0;
		*most = 1;
		break;
	case '{':
		return braces(q, least, most);
	default:
		return false;
	}
	q->i++;
	return true;
}

/* What stands from start on, so many times. */
static void
repeat(struct parser *q, int32_t start, int32_t least, int32_t most)
{
	struct pattern *p = q->p;
	int32_t n = p->n - start, copies = most < 0 ? least + 1 : most;
	struct step one[PATTERN_PROGRAM_MAX];
	memcpy(one, p->v + start, (size_t)n * sizeof *one);
	p->n = start;
	for (int32_t k = 0; k < copies && n > 0 && !q->is_bad; k++) {
		int32_t from = p->n;
		if (!has_room(q, n))
			return;
		memcpy(p->v + from, one, (size_t)n * sizeof *one);
		p->n += n;
		if (k < least)
			continue;
		insert(q, from, OP_SPLIT, 1, n + (most < 0 ? 2 : 1));
		if (most < 0)
			emit(q, OP_JUMP, -(n + 1), 0);
	}
}

static void
parse_sequence(struct parser *q)
{
	while (q->i < q->s.n && q->s.p[q->i] != '|' && q->s.p[q->i] != ')') {
		int32_t start = q->p->n, least, most;
		if (at(q, "\\Q")) {
			/* A repetition behind it would be of its last byte. */
			q->i += 2;
			while (q->i < q->s.n && !at(q, "\\E")) {
				start = q->p->n;
				emit_byte(q, q->s.p[q->i++]);
			}
			q->i += q->i < q->s.n ? 2 : 0;
		} else {
			parse_atom(q);
		}
		if (q->is_bad || !repetition(q, &least, &most))
			continue;
		if (!q->is_bad)
			repeat(q, start, least, most);
		q->i += at(q, "?"); /* lazy: no matter, whole names match */
		if (repetition(q, &least, &most))
			bad(q); /* of a repetition: as RE2 has it */
	}
}

static void
parse_alternatives(struct parser *q)
{
	int32_t start = q->p->n, jump[PATTERN_SIZE_MAX], njump = 0;
	parse_sequence(q);
	while (q->i < q->s.n && q->s.p[q->i] == '|') {
		q->i++;
		insert(q, start, OP_SPLIT, 1, q->p->n - start + 2);
		if (q->is_bad)
			return;
		jump[njump++] = q->p->n;
		emit(q, OP_JUMP, 0, 0);
		start = q->p->n;
		parse_sequence(q);
	}
	for (int32_t k = 0; k < njump && !q->is_bad; k++)
		q->p->v[jump[k]].x = q->p->n - jump[k];
}

struct pattern *
pattern_compile(struct str s, struct arena *a)
{
	if (s.n < 0 || s.n > PATTERN_SIZE_MAX)
		return NULL;
	struct pattern *p = arena_alloc(a, sizeof *p);
	p->v = arena_alloc(a, PATTERN_PROGRAM_MAX * sizeof *p->v);
	p->set = arena_alloc(a, PATTERN_PROGRAM_MAX * sizeof *p->set);
	struct parser q = { .s = s, .p = p };
	parse_alternatives(&q);
	if (q.i < s.n)
		q.is_bad = true; /* a bracket that nothing opened */
	emit(&q, OP_MATCH, 0, 0);
	if (q.is_bad)
		return NULL;
	p->seen = arena_alloc(a, (size_t)p->n * sizeof *p->seen);
	/* A step is followed once a round, and pushes two at most. */
	p->stack = arena_alloc(a, ((size_t)p->n * 2 + 2) * sizeof *p->stack);
	for (int k = 0; k < 2; k++)
		p->threads[k].v = arena_alloc(a, (size_t)p->n * sizeof *p->threads[k].v);
	return p;
}

/* ---- matching ---- */

static bool
is_boundary(struct str name, int32_t i)
{
	return (i > 0 && is_word(name.p[i - 1])) != (i < name.n && is_word(name.p[i]));
}

/* Adds every step that can be reached from one without taking a byte. */
static void
follow(struct pattern *p, struct threads *threads, int32_t from, struct str name, int32_t i)
{
	int32_t n = 0;
	p->stack[n++] = from;
	while (n > 0) {
		int32_t k = p->stack[--n];
		const struct step *step = &p->v[k];
		if (p->seen[k] == p->round)
			continue;
		p->seen[k] = p->round;
		switch (step->op) {
		case OP_SET:
		case OP_MATCH:
			threads->v[threads->n++] = k;
			break;
		case OP_SPLIT:
			p->stack[n++] = k + step->y;
			p->stack[n++] = k + step->x;
			break;
		case OP_JUMP:
			p->stack[n++] = k + step->x;
			break;
		default:
			if (step->op == OP_BEGIN ? i == 0 : step->op == OP_END ? i == name.n
					: is_boundary(name, i) == (step->op == OP_WORD))
				p->stack[n++] = k + 1;
		}
	}
}

bool
pattern_matches(struct pattern *p, struct str name)
{
	struct threads *now = &p->threads[0], *next = &p->threads[1];
	memset(p->seen, 0, (size_t)p->n * sizeof *p->seen);
	p->round = 1;
	now->n = 0;
	follow(p, now, 0, name, 0);
	for (int32_t i = 0; i < name.n; i++) {
		next->n = 0;
		p->round++;
		for (int32_t k = 0; k < now->n; k++) {
			const struct step *step = &p->v[now->v[k]];
			if (step->op == OP_SET && set_has(&p->set[step->x], name.p[i]))
				follow(p, next, now->v[k] + 1, name, i + 1);
		}
		if (next->n == 0)
			return false;
		struct threads *spare = now;
		now = next;
		next = spare;
	}
	for (int32_t k = 0; k < now->n; k++)
		if (p->v[now->v[k]].op == OP_MATCH)
			return true;
	return false;
}
