#include "text/opt.h"

#include "base/map.h"
#include "base/mem.h"
#include "sys/stdfd.h"
#include "text/say.h"
#include "text/units.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { WORDS_MAX = 200, WORD_SIZE_MAX = 63 };

/* --- suggestions --- */

/* Edits that turn a into b: insert, remove, replace, swap neighbours. */
static int
distance(const char *a, const char *b)
{
	int row[3][WORD_SIZE_MAX + 2];
	int na = (int)strlen(a), nb = (int)strlen(b);
	if (na > WORD_SIZE_MAX || nb > WORD_SIZE_MAX)
		return INT_MAX;
	for (int j = 0; j <= nb; j++)
		row[0][j] = j;
	for (int i = 1; i <= na; i++) {
		int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = i;
		for (int j = 1; j <= nb; j++) {
			int best = last[j - 1] + (a[i - 1] != b[j - 1]);
			best = MIN(best, MIN(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, before[j - 2] + 1);
			now[j] = best;
		}
	}
	return row[na % 3][nb];
}

const char *
opt_suggest(const char *text, const char *const *words)
{
	const char *found = NULL;
	int best = ((int)strlen(text) + 1) / 3; /* further off is no slip */
	for (; *words; words++) {
		int d = distance(text, *words);
		if (d <= best) {
			best = d - 1;
			found = *words;
		}
	}
	return found;
}

static int
refuse_word(const char *what, const char *text, const char *const *words, const char *prefix,
	struct err *e)
{
	const char *near = opt_suggest(text, words);
	if (near)
		return err_set(e, ERR_USAGE, "%s '%s%s' is not known; did you mean '%s%s'?", what,
			prefix, text, prefix, near);
	return err_set(e, ERR_USAGE, "%s '%s%s' is not known; see %s --help", what, prefix, text,
		say_name());
}

/* --- finding --- */

/* The tables to look in: the verb's, the command's. */
struct tables {
	const struct opt *v[2];
};

static struct tables
tables_of(const struct opt_command *c, const struct opt_verb *verb)
{
	static const struct opt none[] = { OPT_END };
	return (struct tables){ { verb && verb->opts ? verb->opts : none,
		c->opts ? c->opts : none } };
}

#define EACH_OPT(o, t) \
	for (int o##_i = 0; o##_i < 2; o##_i++) \
		for (const struct opt *o = (t)->v[o##_i]; o->kind != OPT_KIND_END; o++)

static const struct opt *
find_letter(const struct tables *t, char letter)
{
	EACH_OPT(o, t)
		if (letter && o->letter == letter)
			return o;
	return NULL;
}

static const struct opt *
find_name(const struct tables *t, const char *name, size_t n)
{
	EACH_OPT(o, t)
		if (o->name && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static const struct opt_verb *
find_verb(const struct opt_verb *v, const char *name)
{
	for (; v->name; v++)
		if (strcmp(v->name, name) == 0 || (v->alias && strcmp(v->alias, name) == 0))
			return v;
	return NULL;
}

/* --- values --- */

static int
take_choice(const struct opt *o, const char *value, struct err *e)
{
	size_t n = strlen(value);
	for (const char *p = o->choices; *p;) {
		size_t k = strcspn(p, "|");
		if (k == n && memcmp(p, value, n) == 0) {
			*o->to_string = value;
			return 0;
		}
		p += k + (p[k] == '|');
	}
	return err_set(e, ERR_USAGE, "'%s' is not one of %s", value, o->choices);
}

/* Of "--wait 5" some mean seconds and some Kafka's milliseconds. */
static int
refuse_bare_number(const char *value, struct err *e)
{
	size_t n = strspn(value, "0123456789");
	if (value[n] || strspn(value, "0") == n)
		return 0;
	return err_set(e, ERR_USAGE, "'%.20s' needs a unit: %.20sms, %.20ss, %.20sm, %.20sh or %.20sd",
		value, value, value, value, value, value);
}

static int
take_amount(const struct opt *o, const char *value, struct err *e)
{
	int64_t v;
	if (o->kind == OPT_KIND_DURATION && refuse_bare_number(value, e) < 0)
		return -1;
	if ((o->kind == OPT_KIND_SIZE ? units_parse_size : units_parse_duration)(value, &v, e) < 0)
		return -1;
	if ((o->min || o->max) && (v < o->min || v > o->max))
		return err_set(e, ERR_USAGE, "'%s' is not between %lld and %lld%s", value,
			(long long)o->min, (long long)o->max, o->kind == OPT_KIND_SIZE ? "" : " ms");
	*o->to_int = v;
	return 0;
}

static int
take_value(const struct opt *o, const char *value, struct err *e)
{
	switch (o->kind) {
	case OPT_KIND_BOOL:
		*o->to_bool = true;
		return 0;
	case OPT_KIND_STRING:
		if (o->choices)
			return take_choice(o, value, e);
		*o->to_string = value;
		return 0;
	case OPT_KIND_INT: {
		bool any = !o->min && !o->max;
		return units_parse_int(value, any ? INT64_MIN : o->min, any ? INT64_MAX : o->max,
			o->to_int, e);
	}
	case OPT_KIND_SIZE:
	case OPT_KIND_DURATION: return take_amount(o, value, e);
	case OPT_KIND_CALL: return o->call(o->to, value, e);
	case OPT_KIND_END: break;
	}
	assert(!"an option of no kind");
	return -1;
}

/* Where a text is taken, a longer one could not be sent. */
static int
check_size(const struct opt *o, const char *value, struct err *e)
{
	size_t most = o->max > 0 ? (size_t)o->max : OPT_TEXT_MAX;
	if ((o->kind != OPT_KIND_STRING && o->kind != OPT_KIND_CALL) || strlen(value) <= most)
		return 0;
	return err_set(e, ERR_USAGE, "'%.20s...' is longer than %zu bytes", value, most);
}

/* --- parsing --- */

struct opt_parser {
	const struct opt_command *c;
	struct tables tables;
	int argc, at;
	char **argv;
	struct opt_result *r;
	bool is_over; /* behind "--" */
	const struct opt *seen[WORDS_MAX]; /* of those that may stand once */
	int nseen;
};

static int
apply(struct opt_parser *p, const struct opt *o, const char *shown, const char *value, struct err *e)
{
	if (o->kind != OPT_KIND_BOOL && !o->is_repeatable) {
		for (int i = 0; i < p->nseen; i++)
			if (p->seen[i] == o)
				return err_set(e, ERR_USAGE, "option '%s' is given twice", shown);
		assert(p->nseen < WORDS_MAX);
		p->seen[p->nseen++] = o;
	}
	if (check_size(o, value, e) == 0 && take_value(o, value, e) == 0)
		return 0;
	return err_wrap(e, "option '%s'", shown);
}

/* Is it an option of another tool?  NULL: no. */
static const char *
answer_foreign(const struct opt_command *c, const char *option)
{
	for (const struct opt_foreign *f = c->foreign; f && f->option; f++)
		if (strcmp(f->option, option) == 0)
			return f->answer;
	return NULL;
}

static int
refuse_long(const struct opt_parser *p, const char *name, size_t n, struct err *e)
{
	const char *words[WORDS_MAX];
	int k = 0;
	EACH_OPT(it, &p->tables)
		if (it->name && k < WORDS_MAX - 3)
			words[k++] = it->name;
	words[k++] = "help";
	words[k++] = "version";
	words[k] = NULL;
	char shown[WORD_SIZE_MAX + 1];
	snprintf(shown, sizeof shown, "--%.*s", (int)MIN(n, sizeof shown - 3), name);
	const char *answer = answer_foreign(p->c, shown);
	if (answer)
		return err_set(e, ERR_USAGE, "option '%s' is not known: %s", shown, answer);
	memmove(shown, shown + 2, strlen(shown) - 1);
	/* Those without a value, or with a good one, were answered before. */
	if (strcmp(shown, "help") == 0 || strcmp(shown, "version") == 0)
		return err_set(e, ERR_USAGE, "option '--%s' takes no value '%s'", shown,
			name[n] ? name + n + 1 : "");
	return refuse_word("option", shown, words, "--", e);
}

static int
take_long(struct opt_parser *p, char *arg, struct err *e)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct opt *o = find_name(&p->tables, name, n);
	if (!o)
		return refuse_long(p, name, n, e);
	char shown[WORD_SIZE_MAX + 3];
	snprintf(shown, sizeof shown, "--%s", o->name);
	if (o->kind == OPT_KIND_BOOL && equals)
		return err_set(e, ERR_USAGE, "option '%s' takes no value", shown);
	if (o->kind == OPT_KIND_BOOL)
		return apply(p, o, shown, NULL, e);
	if (equals)
		return apply(p, o, shown, equals + 1, e);
	if (p->at == p->argc)
		return err_set(e, ERR_USAGE, "option '%s' needs a value: %s", shown, o->arg);
	return apply(p, o, shown, p->argv[p->at++], e);
}

static int
take_short(struct opt_parser *p, char *arg, struct err *e)
{
	for (char *letter = arg + 1; *letter; letter++) {
		const struct opt *o = find_letter(&p->tables, *letter);
		char shown[3] = { '-', *letter, 0 };
		const char *answer = o ? NULL : answer_foreign(p->c, shown);
		if (answer)
			return err_set(e, ERR_USAGE, "option '%s' is not known: %s", shown, answer);
		if (!o)
			return err_set(e, ERR_USAGE, "option '-%c' is not known; see %s --help", *letter,
				say_name());
		if (o->kind == OPT_KIND_BOOL) {
			if (apply(p, o, shown, NULL, e) < 0)
				return -1;
			continue;
		}
		if (letter[1])
			return apply(p, o, shown, letter + 1, e);
		if (p->at == p->argc)
			return err_set(e, ERR_USAGE, "option '%s' needs a value: %s", shown, o->arg);
		return apply(p, o, shown, p->argv[p->at++], e);
	}
	return 0;
}

static int
take_operand(struct opt_parser *p, char *arg, struct err *e)
{
	if (strlen(arg) > OPT_TEXT_MAX)
		return err_set(e, ERR_USAGE, "'%.20s...' is longer than %d bytes", arg, OPT_TEXT_MAX);
	if (!p->c->verbs || p->r->verb) {
		p->r->argv[p->r->argc++] = arg;
		return 0;
	}
	p->r->verb = find_verb(p->c->verbs, arg);
	p->tables = tables_of(p->c, p->r->verb);
	if (p->r->verb)
		return 0;
	const char *words[WORDS_MAX];
	int n = 0;
	for (const struct opt_verb *v = p->c->verbs; v->name && n < WORDS_MAX - 1; v++)
		words[n++] = v->name;
	words[n] = NULL;
	return refuse_word("verb", arg, words, "", e);
}

/* --- help --- */

enum { HELP_WIDTH = 100, HELP_INDENT = 31 };

/* Print "PHRASE: CHOICES" from column at on, and end the line.  Words that do not
 * fit go to further lines, from column indent on. */
static void
print_phrase(int at, int indent, const char *phrase, const char *choices)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s%s%s", phrase, choices ? ": " : "", choices ? choices : "");
	buf_putc(&b, 0);
	for (const char *p = (const char *)b.p; *p; p += strspn(p, " ")) {
		int n = (int)strcspn(p, " ");
		bool is_first = p == (const char *)b.p, fits = at + n + !is_first <= HELP_WIDTH;
		if (!fits && !is_first) {
			printf("\n%*s", indent, "");
			at = indent;
		} else if (!is_first) {
			putchar(' ');
			at++;
		}
		printf("%.*s", n, p);
		at += n;
		p += n;
	}
	putchar('\n');
	buf_release(&b);
}

static void
print_opts(const struct opt *o)
{
	for (; o && o->kind != OPT_KIND_END; o++) {
		char left[80];
		int n = o->letter ? snprintf(left, sizeof left, "  -%c%s", o->letter, o->name ? ", " : "")
			: snprintf(left, sizeof left, "      ");
		if (o->name)
			n += snprintf(left + n, sizeof left - (size_t)n, "--%s", o->name);
		if (o->arg)
			snprintf(left + n, sizeof left - (size_t)n, " %s", o->arg);
		printf("%-*s ", HELP_INDENT - 1, left);
		if ((int)strlen(left) >= HELP_INDENT)
			printf("\n%*s", HELP_INDENT, "");
		print_phrase(HELP_INDENT, HELP_INDENT, o->phrase, o->choices);
	}
}

static void
print_verbs(const struct opt_verb *verbs)
{
	int name = 10, operands = 20; /* columns' widths */
	for (const struct opt_verb *v = verbs; v->name; v++) {
		name = MAX(name, (int)strlen(v->name));
		operands = MAX(operands, (int)strlen(v->operands));
	}
	printf("\nVerbs:\n");
	for (const struct opt_verb *v = verbs; v->name; v++)
		printf("  %-*s %-*s %s%s%s%s\n", name, v->name, operands, v->operands, v->phrase,
			v->alias ? " (also: " : "", v->alias ? v->alias : "", v->alias ? ")" : "");
}

static void
print_help(const struct opt_command *c, const struct opt_verb *verb)
{
	if (verb)
		printf("%s %s: %s\n\nUsage: %s %s [OPTION]...%s%s\n", say_name(), verb->name,
			verb->phrase, say_name(), verb->name, *verb->operands ? " " : "", verb->operands);
	else
		printf("%s: %s\n\nExamples:\n%s\nUsage: %s [OPTION]...%s%s\n", say_name(), c->phrase,
			c->examples, say_name(), *c->operands ? " " : "", c->operands);
	if (!verb && c->verbs)
		print_verbs(c->verbs);
	printf("\nOptions:\n");
	if (verb)
		print_opts(verb->opts);
	print_opts(c->opts);
	printf("  -h, --help                   show this%s\n      --version                show the version\n",
		!verb && c->verbs ? "; VERB --help shows a verb's own options" : "");
	if (!verb && c->notes)
		printf("\n%s", c->notes);
}

static void
print_words(const char *verb, const struct opt *o)
{
	for (; o && o->kind != OPT_KIND_END; o++) {
		if (o->name)
			printf("%s\t--%s\t%s\t%s\t%s\n", verb, o->name, o->arg ? o->arg : "",
				o->choices ? o->choices : "", o->phrase);
		if (o->letter)
			printf("%s\t-%c\t%s\t%s\t%s\n", verb, o->letter, o->arg ? o->arg : "",
				o->choices ? o->choices : "", o->phrase);
	}
}

/* For completion: VERB or "", word, argument, choices, phrase; tabs between.
 * A line without a word tells the operands of a command without verbs. */
static void
print_all_words(const struct opt_command *c)
{
	if (!c->verbs)
		printf("\t\t%s\t\t%s\n", c->operands, c->phrase);
	for (const struct opt_verb *v = c->verbs; v && v->name; v++) {
		printf("\t%s\t%s\t\t%s\n", v->name, v->operands, v->phrase);
		if (v->alias)
			printf("\t%s\t%s\t\t%s\n", v->alias, v->operands, v->phrase);
	}
	print_words("", c->opts);
	for (const struct opt_verb *v = c->verbs; v && v->name; v++) {
		print_words(v->name, v->opts);
		if (v->alias)
			print_words(v->alias, v->opts);
	}
	printf("\t--help\t\t\tshow help\n\t-h\t\t\tshow help\n\t--version\t\t\tshow the version\n");
}

/* A sentence of text lines: what groff would take for a request or an escape
 * is made harmless. */
static void
print_mdoc_sentence(const char *phrase, const char *choices)
{
	bool is_first = true;
	for (const char *p = phrase; *p; p++, is_first = false)
		if (*p == '\\')
			printf("\\e");
		else if (is_first && (*p == '.' || *p == '\''))
			printf("\\&%c", *p);
		else if (is_first && *p >= 'a' && *p <= 'z')
			putchar(*p - 'a' + 'A');
		else
			putchar(*p);
	printf("%s%s.\n", choices ? ": " : "", choices ? choices : "");
}

static void
print_mdoc_opts(const struct opt *o)
{
	if (!o || o->kind == OPT_KIND_END)
		return;
	printf(".Bl -tag -width Ds\n");
	for (; o->kind != OPT_KIND_END; o++) {
		printf(".It");
		if (o->letter)
			printf(" Fl %c%s", o->letter, o->name ? " ," : "");
		if (o->name)
			printf(" Fl Fl %s", o->name);
		if (o->arg)
			printf(" Ar %s", o->arg);
		printf("\n");
		print_mdoc_sentence(o->phrase, o->choices);
	}
	printf(".El\n");
}

static void
print_mdoc(const struct opt_command *c)
{
	for (const struct opt_verb *v = c->verbs; v && v->name; v++) {
		printf(".Ss %s %s\n", v->name, v->operands);
		print_mdoc_sentence(v->phrase, NULL);
		print_mdoc_opts(v->opts);
	}
	if (c->verbs)
		printf(".Ss Options of every verb\n");
	print_mdoc_opts(c->opts);
}

/* Print what --help[=words|=mdoc] or --version asks for.  0: the argument is
 * something else; 1: printed. */
static int
print_asked(const struct opt_command *c, const struct opt_verb *verb, const char *arg)
{
	if (strcmp(arg, "--help") == 0)
		print_help(c, verb);
	else if (strcmp(arg, "--help=words") == 0)
		print_all_words(c);
	else if (strcmp(arg, "--help=mdoc") == 0)
		print_mdoc(c);
	else if (strcmp(arg, "--version") == 0)
		printf("%s %s%s%s\n", say_name(), KQ_VERSION, c->version ? "\n" : "",
			c->version ? c->version : "");
	else
		return 0;
	return 1;
}

/* "help" in the place of a verb: help for all, or for the verb behind it. */
static void
print_help_verb(const struct opt_command *c, const char *name)
{
	print_help(c, name ? find_verb(c->verbs, name) : NULL);
}

/* Does the next argument belong to this one, which begins with '-'? */
static bool
takes_next(const struct tables *t, const char *arg)
{
	const struct opt *o;
	if (arg[1] == '-') {
		o = find_name(t, arg + 2, strlen(arg + 2));
		return o && o->kind != OPT_KIND_BOOL;
	}
	for (arg++; *arg; arg++) {
		o = find_letter(t, *arg);
		if (o && o->kind != OPT_KIND_BOOL)
			return arg[1] == 0;
	}
	return false;
}

/* A first walk for --help and --version alone: whoever asks for help gets it
 * whatever else is wrong with the line.  1: printed. */
static int
answer_asked(const struct opt_command *c, int argc, char **argv)
{
	const struct opt_verb *verb = NULL;
	struct tables t = tables_of(c, NULL);
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *arg = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
		if (print_asked(c, verb, arg))
			return 1;
		if (c->verbs && !verb && strcmp(arg, "help") == 0) {
			print_help_verb(c, argv[i + 1]);
			return 1;
		}
		if (argv[i][0] == '-' && argv[i][1])
			i += takes_next(&t, argv[i]);
		else if (c->verbs && !verb && (verb = find_verb(c->verbs, argv[i])))
			t = tables_of(c, verb);
	}
	return 0;
}

int
opt_parse(const struct opt_command *c, int argc, char **argv, struct opt_result *r,
	struct err *e)
{
	struct opt_parser p = { .c = c, .tables = tables_of(c, NULL), .argc = argc, .at = 1,
		.argv = argv, .r = r };
	*r = (struct opt_result){ .argv = argv };
	if (answer_asked(c, argc, argv))
		return 1;
	while (p.at < argc) {
		char *arg = argv[p.at++];
		int bad;
		if (!p.is_over && strcmp(arg, "--") == 0) {
			p.is_over = true;
			continue;
		}
		if (!p.is_over && arg[0] == '-' && arg[1] == '-')
			bad = take_long(&p, arg, e);
		else if (!p.is_over && arg[0] == '-' && arg[1])
			bad = take_short(&p, arg, e);
		else
			bad = take_operand(&p, arg, e);
		if (bad)
			return -1;
	}
	argv[r->argc] = NULL;
	if (c->verbs && !r->verb)
		return err_set(e, ERR_USAGE, "which verb? see %s --help", say_name());
	return 0;
}

int
opt_main(const struct opt_command *c, int argc, char **argv,
	int (*check)(struct opt_result *r, struct err *e))
{
	struct opt_result r;
	struct err e;
	say_init(argv[0]);
	int got = opt_parse(c, argc, argv, &r, &e);
	if (got > 0)
		return say_flush_stdout();
	if (got == 0)
		got = check(&r, &e);
	if (got == 0 && !r.verb->is_silent)
		got = stdfd_need(STDOUT_FILENO, &e);
	return got < 0 ? say_err(&e, false) : r.verb->run(r.argc, r.argv);
}

int
opt_check_operands(const struct opt_result *r, const char *what, struct err *e)
{
	int least = 0, most = 0;
	for (const char *word = r->verb->operands; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " "), end = n - (word[n - 1] == ']');
		bool is_list = end >= 3 && memcmp(word + end - 3, "...", 3) == 0;
		least += *word != '[';
		most = is_list || most == INT32_MAX ? INT32_MAX : most + 1;
		word += n;
	}
	if (r->argc < least)
		return err_set(e, ERR_USAGE, "which %s? see %s %s --help", what, say_name(),
			r->verb->name);
	if (r->argc > most)
		return err_set(e, ERR_USAGE, "unexpected operand '%s'; see %s %s --help",
			r->argv[most], say_name(), r->verb->name);
	return 0;
}

void
opt_drop_repeats(struct opt_result *r, int from)
{
	struct map seen = MAP_INIT;
	int n = MIN(from, r->argc);
	for (int i = n; i < r->argc; i++)
		if (!map_get(&seen, str_of(r->argv[i]))) {
			map_put(&seen, str_of(r->argv[i]), r->argv[i]);
			r->argv[n++] = r->argv[i];
		}
	r->argc = n;
	r->argv[n] = NULL;
	map_release(&seen);
}
