#include "base/pattern.h"

/* A program for a Pike VM (Thompson's simulation).  Jumps are relative, so a
 * piece of it can be copied and moved. */
enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_WORD, OP_NOT_WORD, OP_MATCH };

struct set {
	uint32_t bits[8];
};

struct pattern_step {
	enum op op;
	int32_t to, or_to; /* next steps, relative; of SET: to is the index of its set */
};

/* The active steps: each is OP_SET or OP_MATCH. */
struct threads {
	int32_t *v, n;
};

struct pattern {
	struct pattern_step *v;
	int32_t n;
	struct set *set;
	int32_t nset;
	/* Working memory of pattern_matches: */
	struct threads threads[2]; /* before and after the byte, by turns */
	uint32_t *seen, round;     /* for each step: the last round that reached it */
	int32_t *stack;
	int64_t work;              /* see pattern_work */
};

enum { DEPTH_MAX = 50, REPEAT_MAX = 1000 };

struct parser {
	struct str s;
	int32_t i;
	int depth;
	bool is_bad;
	struct pattern *pattern;
};

/* ---- sets of bytes ---- */

static void
set_add(struct set *set, int c)
{
	set->bits[c >> 5] |= 1u << (c & 31);
}

static bool
set_has(const struct set *set, uint8_t c)
{
	return set->bits[c >> 5] >> (c & 31) & 1;
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		|| c == '_';
}

/* For ASCII, independent of the locale. */
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

/* Add the class of an escape such as \d; false: there is no such class. */
static bool
set_escape(struct set *set, uint8_t letter)
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
			set_add(set, c);
	return true;
}

/* The byte that a backslash and this character mean; -1: none. */
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
bad(struct parser *parser)
{
	parser->is_bad = true;
	parser->i = parser->s.n;
}

static bool
has_room(struct parser *parser, int32_t n)
{
	if (parser->pattern->n + n <= PATTERN_PROGRAM_MAX)
		return true;
	bad(parser);
	return false;
}

static void
emit(struct parser *parser, enum op op, int32_t to, int32_t or_to)
{
	if (has_room(parser, 1))
		parser->pattern->v[parser->pattern->n++] = (struct pattern_step){ op, to, or_to };
}

static void
insert(struct parser *parser, int32_t at, enum op op, int32_t to, int32_t or_to)
{
	if (!has_room(parser, 1))
		return;
	memmove(parser->pattern->v + at + 1, parser->pattern->v + at,
		(size_t)(parser->pattern->n - at) * sizeof *parser->pattern->v);
	parser->pattern->v[at] = (struct pattern_step){ op, to, or_to };
	parser->pattern->n++;
}

static void
emit_set(struct parser *parser, const struct set *set)
{
	if (!has_room(parser, 1))
		return;
	parser->pattern->set[parser->pattern->nset] = *set;
	emit(parser, OP_SET, parser->pattern->nset++, 0);
}

static void
emit_byte(struct parser *parser, uint8_t c)
{
	struct set set = { { 0 } };
	set_add(&set, c);
	emit_set(parser, &set);
}

/* ---- parsing ---- */

static void parse_alternatives(struct parser *parser);

static bool
at(const struct parser *parser, const char *z)
{
	struct str rest = { parser->s.p + parser->i, parser->s.n - parser->i };
	return str_has_prefix(rest, str_of(z));
}

/* [:alpha:], after its first bracket. */
static bool
bracket_class(struct parser *parser, struct set *set)
{
	for (size_t k = 0; k < ARRAY_LEN(class_names); k++) {
		char z[16] = ":";
		strcat(strcat(z, class_names[k]), ":]");
		if (!at(parser, z))
			continue;
		parser->i += (int32_t)strlen(z);
		for (int c = 0; c < 256; c++)
			if (is_in_class(class_names[k], c))
				set_add(set, c);
		return true;
	}
	return false;
}

/* One byte of a bracket; -2: a class, which is added; -1: bad. */
static int
bracket_item(struct parser *parser, struct set *set)
{
	uint8_t c = parser->s.p[parser->i++];
	if (c == '[' && parser->i < parser->s.n && parser->s.p[parser->i] == ':')
		return bracket_class(parser, set) ? -2 : -1;
	if (c != '\\')
		return c;
	if (parser->i >= parser->s.n)
		return -1;
	c = parser->s.p[parser->i++];
	return set_escape(set, c) ? -2 : literal_escape(c);
}

static void
parse_bracket(struct parser *parser)
{
	struct set set = { { 0 } };
	bool is_negated = at(parser, "^");
	parser->i += is_negated;
	for (bool is_first = true; parser->i < parser->s.n; is_first = false) {
		if (parser->s.p[parser->i] == ']' && !is_first) {
			parser->i++;
			for (int k = 0; is_negated && k < 8; k++)
				set.bits[k] = ~set.bits[k];
			emit_set(parser, &set);
			return;
		}
		int from = bracket_item(parser, &set), to = from;
		if (from == -2)
			continue;
		if (parser->i + 1 < parser->s.n && parser->s.p[parser->i] == '-'
			&& parser->s.p[parser->i + 1] != ']') {
			parser->i++;
			to = bracket_item(parser, &set);
		}
		if (from < 0 || to < from)
			break;
		for (int c = from; c <= to; c++)
			set_add(&set, c);
	}
	bad(parser);
}

static void
parse_escape(struct parser *parser)
{
	struct set set = { { 0 } };
	uint8_t c = parser->i < parser->s.n ? parser->s.p[parser->i++] : 0;
	if (c == 'b' || c == 'B') {
		emit(parser, c == 'b' ? OP_WORD : OP_NOT_WORD, 0, 0);
	} else if (c == 'A' || c == 'z') {
		emit(parser, c == 'A' ? OP_BEGIN : OP_END, 0, 0);
	} else if (set_escape(&set, c)) {
		emit_set(parser, &set);
	} else if (literal_escape(c) >= 0) {
		emit_byte(parser, (uint8_t)literal_escape(c));
	} else {
		bad(parser);
	}
}

static void
parse_group(struct parser *parser)
{
	if (at(parser, "?:"))
		parser->i += 2;
	if (++parser->depth > DEPTH_MAX) {
		bad(parser);
		return;
	}
	parse_alternatives(parser);
	parser->depth--;
	if (parser->i < parser->s.n && parser->s.p[parser->i] == ')')
		parser->i++;
	else
		bad(parser);
}

static void
parse_atom(struct parser *parser)
{
	struct set any = { { 0 } };
	uint8_t c = parser->s.p[parser->i++];
	switch (c) {
	case '(':
		parse_group(parser);
		break;
	case '[':
		parse_bracket(parser);
		break;
	case '\\':
		parse_escape(parser);
		break;
	case '^':
		emit(parser, OP_BEGIN, 0, 0);
		break;
	case '$':
		emit(parser, OP_END, 0, 0);
		break;
	case '.':
		for (int k = 0; k < 256; k++)
			if (k != '\n')
				set_add(&any, k);
		emit_set(parser, &any);
		break;
	case '*':
	case '+':
	case '?':
		bad(parser); /* nothing to repeat */
		break;
	default:
		emit_byte(parser, c);
	}
}

static int32_t
number(const struct parser *parser, int32_t *i)
{
	int32_t n = -1;
	while (*i < parser->s.n && parser->s.p[*i] >= '0' && parser->s.p[*i] <= '9' && n <= REPEAT_MAX)
		n = (n < 0 ? 0 : n) * 10 + (parser->s.p[(*i)++] - '0');
	return n;
}

/* {n}, {n,} (most is -1) or {n,m}; otherwise the brace is an ordinary byte. */
static bool
braces(struct parser *parser, int32_t *least, int32_t *most)
{
	int32_t i = parser->i + 1;
	*least = *most = number(parser, &i);
	if (*least < 0)
		return false;
	if (i < parser->s.n && parser->s.p[i] == ',') {
		i++;
		*most = number(parser, &i);
	}
	if (i >= parser->s.n || parser->s.p[i] != '}')
		return false;
	parser->i = i + 1;
	if (*least > REPEAT_MAX || *most > REPEAT_MAX || (*most >= 0 && *most < *least))
		bad(parser);
	return true;
}

static bool
repetition(struct parser *parser, int32_t *least, int32_t *most)
{
	if (parser->i >= parser->s.n)
		return false;
	switch (parser->s.p[parser->i]) {
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
		return braces(parser, least, most);
	default:
		return false;
	}
	parser->i++;
	return true;
}

/* Repeat the steps from start on at least `least` and at most `most` times. */
static void
repeat(struct parser *parser, int32_t start, int32_t least, int32_t most)
{
	struct pattern *pattern = parser->pattern;
	int32_t n = pattern->n - start, copies = most < 0 ? least + 1 : most;
	struct pattern_step one[PATTERN_PROGRAM_MAX];
	memcpy(one, pattern->v + start, (size_t)n * sizeof *one);
	pattern->n = start;
	for (int32_t k = 0; k < copies && n > 0 && !parser->is_bad; k++) {
		int32_t from = pattern->n;
		if (!has_room(parser, n))
			return;
		memcpy(pattern->v + from, one, (size_t)n * sizeof *one);
		pattern->n += n;
		if (k < least)
			continue;
		insert(parser, from, OP_SPLIT, 1, n + (most < 0 ? 2 : 1));
		if (most < 0)
			emit(parser, OP_JUMP, -(n + 1), 0);
	}
}

static void
parse_sequence(struct parser *parser)
{
	while (parser->i < parser->s.n && parser->s.p[parser->i] != '|'
		&& parser->s.p[parser->i] != ')') {
		int32_t start = parser->pattern->n, least, most;
		if (at(parser, "\\Q")) {
			/* A repetition after it applies to its last byte. */
			parser->i += 2;
			while (parser->i < parser->s.n && !at(parser, "\\E")) {
				start = parser->pattern->n;
				emit_byte(parser, parser->s.p[parser->i++]);
			}
			parser->i += parser->i < parser->s.n ? 2 : 0;
		} else {
			parse_atom(parser);
		}
		if (parser->is_bad || !repetition(parser, &least, &most))
			continue;
		if (!parser->is_bad)
			repeat(parser, start, least, most);
		parser->i += at(parser, "?"); /* lazy: no difference, since the whole name must match */
		if (repetition(parser, &least, &most))
			bad(parser); /* a repetition of a repetition: RE2 refuses it, too */
	}
}

static void
parse_alternatives(struct parser *parser)
{
	int32_t start = parser->pattern->n, jump[PATTERN_SIZE_MAX], njump = 0;
	parse_sequence(parser);
	while (parser->i < parser->s.n && parser->s.p[parser->i] == '|') {
		parser->i++;
		insert(parser, start, OP_SPLIT, 1, parser->pattern->n - start + 2);
		if (parser->is_bad)
			return;
		jump[njump++] = parser->pattern->n;
		emit(parser, OP_JUMP, 0, 0);
		start = parser->pattern->n;
		parse_sequence(parser);
	}
	for (int32_t k = 0; k < njump && !parser->is_bad; k++)
		parser->pattern->v[jump[k]].to = parser->pattern->n - jump[k];
}

struct pattern *
pattern_compile(struct str s, struct arena *a)
{
	if (s.n < 0 || s.n > PATTERN_SIZE_MAX)
		return NULL;
	struct pattern *pattern = arena_alloc(a, sizeof *pattern);
	pattern->v = arena_alloc(a, PATTERN_PROGRAM_MAX * sizeof *pattern->v);
	pattern->set = arena_alloc(a, PATTERN_PROGRAM_MAX * sizeof *pattern->set);
	struct parser parser = { .s = s, .pattern = pattern };
	parse_alternatives(&parser);
	if (parser.i < s.n)
		parser.is_bad = true; /* a ')' without its '(' */
	emit(&parser, OP_MATCH, 0, 0);
	if (parser.is_bad)
		return NULL;
	pattern->seen = arena_alloc(a, (size_t)pattern->n * sizeof *pattern->seen);
	/* Each step is followed once per round, and pushes at most two. */
	pattern->stack = arena_alloc(a, ((size_t)pattern->n * 2 + 2) * sizeof *pattern->stack);
	for (int k = 0; k < 2; k++)
		pattern->threads[k].v = arena_alloc(a, (size_t)pattern->n * sizeof *pattern->threads[k].v);
	return pattern;
}

/* ---- matching ---- */

static bool
is_boundary(struct str name, int32_t i)
{
	return (i > 0 && is_word(name.p[i - 1])) != (i < name.n && is_word(name.p[i]));
}

/* Add every step that can be reached from a step without consuming a byte. */
static void
follow(struct pattern *pattern, struct threads *threads, int32_t from, struct str name, int32_t i)
{
	int32_t n = 0;
	pattern->stack[n++] = from;
	while (n > 0) {
		int32_t k = pattern->stack[--n];
		const struct pattern_step *step = &pattern->v[k];
		if (pattern->seen[k] == pattern->round)
			continue;
		pattern->seen[k] = pattern->round;
		switch (step->op) {
		case OP_SET:
		case OP_MATCH:
			threads->v[threads->n++] = k;
			break;
		case OP_SPLIT:
			pattern->stack[n++] = k + step->or_to;
			pattern->stack[n++] = k + step->to;
			break;
		case OP_JUMP:
			pattern->stack[n++] = k + step->to;
			break;
		default:
			if (step->op == OP_BEGIN ? i == 0 : step->op == OP_END ? i == name.n
					: is_boundary(name, i) == (step->op == OP_WORD))
				pattern->stack[n++] = k + 1;
		}
	}
}

bool
pattern_matches(struct pattern *pattern, struct str name)
{
	struct threads *now = &pattern->threads[0], *next = &pattern->threads[1];
	memset(pattern->seen, 0, (size_t)pattern->n * sizeof *pattern->seen);
	pattern->round = 1;
	pattern->work += pattern->n;
	now->n = 0;
	follow(pattern, now, 0, name, 0);
	for (int32_t i = 0; i < name.n; i++) {
		next->n = 0;
		pattern->round++;
		pattern->work += now->n;
		for (int32_t k = 0; k < now->n; k++) {
			const struct pattern_step *step = &pattern->v[now->v[k]];
			if (step->op == OP_SET && set_has(&pattern->set[step->to], name.p[i]))
				follow(pattern, next, now->v[k] + 1, name, i + 1);
		}
		if (next->n == 0)
			return false;
		struct threads *spare = now;
		now = next;
		next = spare;
	}
	for (int32_t k = 0; k < now->n; k++)
		if (pattern->v[now->v[k]].op == OP_MATCH)
			return true;
	return false;
}

int64_t
pattern_work(const struct pattern *pattern)
{
	return pattern->work;
}
