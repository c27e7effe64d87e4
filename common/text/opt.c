#include "text/opt.h"

#include "base/map.h"
#include "base/mem.h"
#include "sys/stdfd.h"
#include "text/say.h"
#include "text/units.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { WORDS_MAX = 200, WORD_SIZE_MAX = 63, MIB = 1 << 20 };

/* ---- suggestions ---- */

/* Number of edits that turn a into b: insert, remove, replace, swap neighbours. */
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
	int best = ((int)strlen(text) + 1) / 3; /* a larger distance is not a typo */
	for (; *words; words++) {
		int edits = distance(text, *words);
		if (edits <= best) {
			best = edits - 1;
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

/* ---- finding ---- */

/* The tables to search: the verb's, what it shares with others, then the command's. */
enum { NTABLE = 3 };
struct tables {
	const struct opt *v[NTABLE];
};

static struct tables
tables_of(const struct opt_command *command, const struct opt_verb *verb)
{
	static const struct opt none[] = { OPT_END };
	return (struct tables){ { verb && verb->opts ? verb->opts : none,
		verb && verb->shared ? verb->shared : none, command->opts ? command->opts : none } };
}

static const struct opt_verb *
find_verb(const struct opt_verb *verb, const char *name)
{
	for (; verb->name; verb++)
		if (strcmp(verb->name, name) == 0 || (verb->alias && strcmp(verb->alias, name) == 0))
			return verb;
	return NULL;
}

#define EACH_OPT(opt_, tables_) \
	for (int opt_##_i = 0; opt_##_i < NTABLE; opt_##_i++) \
		for (const struct opt *opt_ = (tables_)->v[opt_##_i]; opt_->kind != OPT_KIND_END; opt_++)

static const struct opt *
find_letter(const struct tables *tables, char letter)
{
	EACH_OPT(opt, tables)
		if (letter && opt->letter == letter)
			return opt;
	return NULL;
}

static const struct opt *
find_name(const struct tables *tables, const char *name, size_t n)
{
	EACH_OPT(opt, tables)
		if (opt->name && strlen(opt->name) == n && memcmp(opt->name, name, n) == 0)
			return opt;
	return NULL;
}

/* Is the next argument the value of this one, which begins with '-'? */
static bool
takes_next(const struct tables *tables, const char *arg)
{
	const struct opt *opt;
	if (arg[1] == '-') {
		opt = find_name(tables, arg + 2, strlen(arg + 2));
		return opt && opt->kind != OPT_KIND_BOOL;
	}
	for (arg++; *arg; arg++) {
		opt = find_letter(tables, *arg);
		if (opt && opt->kind != OPT_KIND_BOOL)
			return arg[1] == 0;
	}
	return false;
}

/* The table that some verbs share; or NULL. */
static const struct opt *
shared_of(const struct opt_command *command)
{
	const struct opt_verb *verb = command->verbs;
	while (verb && verb->name && !verb->shared)
		verb++;
	return verb ? verb->shared : NULL;
}

/* Is the verb the value of the option before it, rather? */
static bool
takes_verb(const struct opt_command *command, const struct opt_verb *verb, const char *arg)
{
	const struct opt_verb any = { .shared = shared_of(command) };
	struct tables tables = tables_of(command, verb), others = tables_of(command, &any);
	return takes_next(&tables, arg) || takes_next(&others, arg);
}

/* The verb of argv, so that its options may stand before it; or NULL. */
static const struct opt_verb *
verb_ahead(const struct opt_command *command, int argc, char **argv)
{
	for (int i = 1; i < argc && command->verbs && strcmp(argv[i], "--") != 0; i++) {
		const struct opt_verb *verb = find_verb(command->verbs, argv[i]);
		if (verb && (i == 1 || argv[i - 1][0] != '-' || !takes_verb(command, verb, argv[i - 1])))
			return verb;
	}
	return NULL;
}

/* ---- values ---- */

static int
take_choice(const struct opt *opt, const char *value, struct err *e)
{
	size_t n = strlen(value);
	for (const char *p = opt->choices; *p;) {
		size_t k = strcspn(p, "|");
		if (k == n && memcmp(p, value, n) == 0) {
			*opt->to_string = value;
			return 0;
		}
		p += k + (p[k] == '|');
	}
	return err_set(e, ERR_USAGE, "'%s' is not one of %s", value, opt->choices);
}

/* "--wait 5" is ambiguous: seconds, or milliseconds as in Kafka's settings. */
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
take_amount(const struct opt *opt, const char *value, struct err *e)
{
	int64_t v;
	if (opt->kind == OPT_KIND_DURATION && refuse_bare_number(value, e) < 0)
		return -1;
	if ((opt->kind == OPT_KIND_SIZE ? units_parse_size : units_parse_duration)(value, &v, e) < 0)
		return -1;
	if (v < opt->min && opt->max == INT64_MAX && opt->min % MIB == 0)
		return err_set(e, ERR_USAGE, "'%s' is less than %lldMiB", value,
			(long long)(opt->min / MIB));
	if ((opt->min || opt->max) && (v < opt->min || v > opt->max))
		return err_set(e, ERR_USAGE, "'%s' is not between %lld and %lld%s", value,
			(long long)opt->min, (long long)opt->max, opt->kind == OPT_KIND_SIZE ? "" : " ms");
	*opt->to_int = v;
	return 0;
}

static int
take_value(const struct opt *opt, const char *value, struct err *e)
{
	switch (opt->kind) {
	case OPT_KIND_BOOL:
		*opt->to_bool = true;
		return 0;
	case OPT_KIND_STRING:
		if (opt->choices)
			return take_choice(opt, value, e);
		*opt->to_string = value;
		return 0;
	case OPT_KIND_INT: {
		bool any = !opt->min && !opt->max;
		return units_parse_int(value, any ? INT64_MIN : opt->min, any ? INT64_MAX : opt->max,
			opt->to_int, e);
	}
	case OPT_KIND_SIZE:
	case OPT_KIND_DURATION: return take_amount(opt, value, e);
	case OPT_KIND_CALL: return opt->call(opt->to, value, e);
	case OPT_KIND_PAIR: opt->to_string[opt->to_string[0] != NULL] = value; return 0;
	case OPT_KIND_END: break;
	}
	assert(!"an option of no kind");
	return -1;
}

/* A longer text could not be sent as a string of the protocol. */
static int
check_size(const struct opt *opt, const char *value, struct err *e)
{
	size_t most = opt->max > 0 ? (size_t)opt->max : OPT_TEXT_MAX;
	bool is_text = opt->kind == OPT_KIND_STRING || opt->kind == OPT_KIND_CALL
		|| opt->kind == OPT_KIND_PAIR;
	if (!is_text || strlen(value) <= most)
		return 0;
	return err_set(e, ERR_USAGE, "'%.20s...' is longer than %zu bytes", value, most);
}

int
opt_take(const struct opt *opt, const char *value, struct err *e)
{
	return check_size(opt, value, e) < 0 ? -1 : take_value(opt, value, e);
}

/* ---- parsing ---- */

struct opt_parser {
	const struct opt_command *command;
	struct tables tables;
	int argc, at;
	char **argv;
	struct opt_result *result;
	bool is_over; /* after "--": only operands follow */
	const struct opt *seen[WORDS_MAX]; /* options given that are not repeatable */
	int nseen;
};

static int
apply(struct opt_parser *parser, const struct opt *opt, const char *shown, const char *value,
	struct err *e)
{
	if (opt->kind != OPT_KIND_BOOL && !opt->is_repeatable) {
		for (int i = 0; i < parser->nseen; i++)
			if (parser->seen[i] == opt)
				return err_set(e, ERR_USAGE, "option '%s' is given twice", shown);
		assert(parser->nseen < WORDS_MAX);
		parser->seen[parser->nseen++] = opt;
	}
	return opt_take(opt, value, e) < 0 ? err_wrap(e, "option '%s'", shown) : 0;
}

/* Apply an option whose first value is in the same word (NULL: it is the next word). */
static int
apply_values(struct opt_parser *parser, const struct opt *opt, const char *shown,
	const char *attached, struct err *e)
{
	int n = (opt->kind == OPT_KIND_PAIR ? 2 : 1) - (attached != NULL);
	if (parser->argc - parser->at < n)
		return err_set(e, ERR_USAGE, "option '%s' needs %s: %s", shown,
			opt->kind == OPT_KIND_PAIR ? "two values" : "a value", opt->arg);
	if (apply(parser, opt, shown, attached ? attached : parser->argv[parser->at++], e) < 0)
		return -1;
	if (opt->kind != OPT_KIND_PAIR)
		return 0;
	return opt_take(opt, parser->argv[parser->at++], e) < 0
		? err_wrap(e, "option '%s'", shown) : 0;
}

/* Is it an option of another tool?  NULL: no. */
static const char *
answer_foreign(const struct opt_command *command, const char *option)
{
	const struct opt_foreign *foreign = command->foreign;
	for (; foreign && foreign->option; foreign++)
		if (strcmp(foreign->option, option) == 0)
			return foreign->answer;
	return NULL;
}

/* An option that other verbs have. */
static int
refuse_of_others(const struct opt_parser *parser, const char *shown, struct err *e)
{
	const char *verb = parser->result->verb ? parser->result->verb->name : "";
	return err_set(e, ERR_USAGE, "option '%s' is not for '%s'; see %s %s --help", shown, verb,
		say_name(), verb);
}

static bool
is_of_others(const struct opt_parser *parser, char letter, const char *name, size_t n)
{
	const struct opt_verb any = { .shared = shared_of(parser->command) };
	struct tables others = tables_of(parser->command, &any);
	return parser->result->verb
		&& (name ? find_name(&others, name, n) : find_letter(&others, letter));
}

static int
refuse_long(const struct opt_parser *parser, const char *name, size_t n, struct err *e)
{
	const char *words[WORDS_MAX];
	int k = 0;
	EACH_OPT(it, &parser->tables)
		if (it->name && k < WORDS_MAX - 3)
			words[k++] = it->name;
	words[k++] = "help";
	words[k++] = "version";
	words[k] = NULL;
	char shown[WORD_SIZE_MAX + 1];
	snprintf(shown, sizeof shown, "--%.*s", (int)MIN(n, sizeof shown - 3), name);
	const char *answer = answer_foreign(parser->command, shown);
	if (answer)
		return err_set(e, ERR_USAGE, "option '%s' is not known: %s", shown, answer);
	if (is_of_others(parser, 0, name, n))
		return refuse_of_others(parser, shown, e);
	memmove(shown, shown + 2, strlen(shown) - 1);
	/* handle_help has handled them, unless the value is wrong. */
	if (strcmp(shown, "help") == 0 || strcmp(shown, "version") == 0)
		return err_set(e, ERR_USAGE, "option '--%s' takes no value '%s'", shown,
			name[n] ? name + n + 1 : "");
	return refuse_word("option", shown, words, "--", e);
}

static int
take_long(struct opt_parser *parser, char *arg, struct err *e)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct opt *opt = find_name(&parser->tables, name, n);
	if (!opt)
		return refuse_long(parser, name, n, e);
	char shown[WORD_SIZE_MAX + 3];
	snprintf(shown, sizeof shown, "--%s", opt->name);
	if (opt->kind == OPT_KIND_BOOL && equals)
		return err_set(e, ERR_USAGE, "option '%s' takes no value", shown);
	if (opt->kind == OPT_KIND_BOOL)
		return apply(parser, opt, shown, NULL, e);
	return apply_values(parser, opt, shown, equals ? equals + 1 : NULL, e);
}

static int
take_short(struct opt_parser *parser, char *arg, struct err *e)
{
	for (char *letter = arg + 1; *letter; letter++) {
		const struct opt *opt = find_letter(&parser->tables, *letter);
		char shown[3] = { '-', *letter, 0 };
		const char *answer = opt ? NULL : answer_foreign(parser->command, shown);
		if (answer)
			return err_set(e, ERR_USAGE, "option '%s' is not known: %s", shown, answer);
		if (!opt && is_of_others(parser, *letter, NULL, 0))
			return refuse_of_others(parser, shown, e);
		if (!opt)
			return err_set(e, ERR_USAGE, "option '-%c' is not known; see %s --help", *letter,
				say_name());
		if (opt->kind == OPT_KIND_BOOL) {
			if (apply(parser, opt, shown, NULL, e) < 0)
				return -1;
			continue;
		}
		return apply_values(parser, opt, shown, letter[1] ? letter + 1 : NULL, e);
	}
	return 0;
}

static int
take_operand(struct opt_parser *parser, char *arg, struct err *e)
{
	if (strlen(arg) > OPT_TEXT_MAX)
		return err_set(e, ERR_USAGE, "'%.20s...' is longer than %d bytes", arg, OPT_TEXT_MAX);
	if (!parser->command->verbs || parser->result->verb) {
		parser->result->argv[parser->result->argc++] = arg;
		return 0;
	}
	parser->result->verb = find_verb(parser->command->verbs, arg);
	parser->tables = tables_of(parser->command, parser->result->verb);
	if (parser->result->verb)
		return 0;
	const char *words[WORDS_MAX];
	int n = 0;
	const struct opt_verb *verb = parser->command->verbs;
	for (; verb->name && n < WORDS_MAX - 1; verb++)
		words[n++] = verb->name;
	words[n] = NULL;
	return refuse_word("verb", arg, words, "", e);
}

/* ---- help ---- */

enum { HELP_WIDTH = 100, HELP_INDENT = 31 };

/* Print "PHRASE: CHOICES" starting at column at, and end the line.  Words that do not
 * fit go to further lines, indented to column indent. */
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
print_opts(const struct opt *opt)
{
	for (; opt && opt->kind != OPT_KIND_END; opt++) {
		char left[80];
		int n = opt->letter
			? snprintf(left, sizeof left, "  -%c%s", opt->letter, opt->name ? ", " : "")
			: snprintf(left, sizeof left, "      ");
		if (opt->name)
			n += snprintf(left + n, sizeof left - (size_t)n, "--%s", opt->name);
		if (opt->arg)
			snprintf(left + n, sizeof left - (size_t)n, " %s", opt->arg);
		printf("%-*s ", HELP_INDENT - 1, left);
		if ((int)strlen(left) >= HELP_INDENT)
			printf("\n%*s", HELP_INDENT, "");
		print_phrase(HELP_INDENT, HELP_INDENT, opt->phrase, opt->choices);
	}
}

static void
print_verbs(const struct opt_verb *verbs)
{
	int name = 10, operands = 20; /* columns' widths */
	for (const struct opt_verb *verb = verbs; verb->name; verb++) {
		name = MAX(name, (int)strlen(verb->name));
		operands = MAX(operands, (int)strlen(verb->operands));
	}
	printf("\nVerbs:\n");
	for (const struct opt_verb *verb = verbs; verb->name; verb++)
		printf("  %-*s %-*s %s%s%s%s\n", name, verb->name, operands, verb->operands, verb->phrase,
			verb->alias ? " (also: " : "", verb->alias ? verb->alias : "", verb->alias ? ")" : "");
}

/* Print the names of the verbs that have the shared table. */
static void
print_sharers(const char *before, const struct opt_command *command, const char *behind)
{
	printf("%s", before);
	const char *comma = "";
	for (const struct opt_verb *verb = command->verbs; verb->name; verb++)
		if (verb->shared) {
			printf("%s%s", comma, verb->name);
			comma = ", ";
		}
	printf("%s", behind);
}

static void
print_help(const struct opt_command *command, const struct opt_verb *verb)
{
	if (verb)
		printf("%s %s: %s\n\nUsage: %s %s [OPTION]...%s%s\n", say_name(), verb->name,
			verb->phrase, say_name(), verb->name, *verb->operands ? " " : "", verb->operands);
	else
		printf("%s: %s\n\nExamples:\n%s\nUsage: %s [OPTION]...%s%s\n", say_name(), command->phrase,
			command->examples, say_name(), *command->operands ? " " : "", command->operands);
	if (!verb && command->verbs)
		print_verbs(command->verbs);
	printf("\nOptions:\n");
	if (verb) {
		print_opts(verb->opts);
		print_opts(verb->shared);
	}
	print_opts(command->opts);
	printf("  -h, --help                   show this%s\n"
		"      --version                show the version\n",
		!verb && command->verbs ? "; VERB --help shows a verb's own options" : "");
	if (!verb && shared_of(command)) {
		print_sharers("\nOptions of ", command, ":\n");
		print_opts(shared_of(command));
	}
	if (!verb && command->notes)
		printf("\n%s", command->notes);
}

static void
print_words(const char *verb, const struct opt *opt)
{
	for (; opt && opt->kind != OPT_KIND_END; opt++) {
		if (opt->name)
			printf("%s\t--%s\t%s\t%s\t%s\n", verb, opt->name, opt->arg ? opt->arg : "",
				opt->choices ? opt->choices : "", opt->phrase);
		if (opt->letter)
			printf("%s\t-%c\t%s\t%s\t%s\n", verb, opt->letter, opt->arg ? opt->arg : "",
				opt->choices ? opt->choices : "", opt->phrase);
	}
}

/* For completion: VERB or "", word, argument, choices, phrase; tabs between.
 * A line without a word has the operands of a command without verbs. */
static void
print_all_words(const struct opt_command *command)
{
	if (!command->verbs)
		printf("\t\t%s\t\t%s\n", command->operands, command->phrase);
	for (const struct opt_verb *verb = command->verbs; verb && verb->name; verb++) {
		printf("\t%s\t%s\t\t%s\n", verb->name, verb->operands, verb->phrase);
		if (verb->alias)
			printf("\t%s\t%s\t\t%s\n", verb->alias, verb->operands, verb->phrase);
	}
	print_words("", command->opts);
	for (const struct opt_verb *verb = command->verbs; verb && verb->name; verb++) {
		const char *names[] = { verb->name, verb->alias };
		for (int i = 0; i < 2 && names[i]; i++) {
			print_words(names[i], verb->opts);
			print_words(names[i], verb->shared);
		}
	}
	printf("\t--help\t\t\tshow help\n\t-h\t\t\tshow help\n\t--version\t\t\tshow the version\n");
}

/* Print a sentence as text lines of mdoc, escaping what groff would read as a request
 * or an escape. */
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
print_mdoc_opts(const struct opt *opt)
{
	if (!opt || opt->kind == OPT_KIND_END)
		return;
	printf(".Bl -tag -width Ds\n");
	for (; opt->kind != OPT_KIND_END; opt++) {
		printf(".It");
		if (opt->letter)
			printf(" Fl %c%s", opt->letter, opt->name ? " ," : "");
		if (opt->name)
			printf(" Fl Fl %s", opt->name);
		if (opt->arg)
			printf(" Ar %s", opt->arg);
		printf("\n");
		print_mdoc_sentence(opt->phrase, opt->choices);
	}
	printf(".El\n");
}

static void
print_mdoc(const struct opt_command *command)
{
	for (const struct opt_verb *verb = command->verbs; verb && verb->name; verb++) {
		printf(".Ss %s %s\n", verb->name, verb->operands);
		print_mdoc_sentence(verb->phrase, NULL);
		print_mdoc_opts(verb->opts);
	}
	if (shared_of(command)) {
		print_sharers(".Ss Options of ", command, "\n");
		print_mdoc_opts(shared_of(command));
	}
	if (command->verbs && command->opts)
		printf(".Ss Options of every verb\n");
	print_mdoc_opts(command->opts);
}

/* Print what --help[=words|=mdoc] or --version asks for.  Returns 1 if it did, 0 if the
 * argument is something else. */
static int
print_requested(const struct opt_command *command, const struct opt_verb *verb, const char *arg)
{
	if (strcmp(arg, "--help") == 0)
		print_help(command, verb);
	else if (strcmp(arg, "--help=words") == 0)
		print_all_words(command);
	else if (strcmp(arg, "--help=mdoc") == 0)
		print_mdoc(command);
	else if (strcmp(arg, "--version") == 0)
		printf("%s %s%s%s\n", say_name(), KQ_VERSION, command->version ? "\n" : "",
			command->version ? command->version : "");
	else
		return 0;
	return 1;
}

/* "help" in place of a verb: help for the command, or for the verb that follows. */
static void
print_help_verb(const struct opt_command *command, const char *name)
{
	print_help(command, name ? find_verb(command->verbs, name) : NULL);
}

/* A first pass for --help and --version alone, so that help is printed whatever else is
 * wrong with the line.  Returns 1 if something was printed. */
static int
handle_help(const struct opt_command *command, int argc, char **argv)
{
	const struct opt_verb *verb = NULL;
	struct tables tables = tables_of(command, verb_ahead(command, argc, argv));
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *arg = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
		if (print_requested(command, verb, arg))
			return 1;
		if (command->verbs && !verb && strcmp(arg, "help") == 0) {
			print_help_verb(command, argv[i + 1]);
			return 1;
		}
		if (argv[i][0] == '-' && argv[i][1])
			i += takes_next(&tables, argv[i]);
		else if (command->verbs && !verb && (verb = find_verb(command->verbs, argv[i])))
			tables = tables_of(command, verb);
	}
	return 0;
}

int
opt_parse(const struct opt_command *command, int argc, char **argv, struct opt_result *result,
	struct err *e)
{
	struct opt_parser parser = { .command = command,
		.tables = tables_of(command, verb_ahead(command, argc, argv)), .argc = argc, .at = 1,
		.argv = argv, .result = result };
	*result = (struct opt_result){ .argv = argv };
	if (handle_help(command, argc, argv))
		return 1;
	while (parser.at < argc) {
		char *arg = argv[parser.at++];
		int rc;
		if (!parser.is_over && strcmp(arg, "--") == 0) {
			parser.is_over = true;
			continue;
		}
		if (!parser.is_over && arg[0] == '-' && arg[1] == '-')
			rc = take_long(&parser, arg, e);
		else if (!parser.is_over && arg[0] == '-' && arg[1])
			rc = take_short(&parser, arg, e);
		else
			rc = take_operand(&parser, arg, e);
		if (rc)
			return -1;
	}
	argv[result->argc] = NULL;
	if (command->verbs && !result->verb)
		return err_set(e, ERR_USAGE, "which verb? see %s --help", say_name());
	return 0;
}

int
opt_main(const struct opt_command *command, int argc, char **argv,
	int (*check)(struct opt_result *result, struct err *e))
{
	assert(command->verbs && check);
	struct opt_result result;
	struct err e;
	say_init(argv[0]);
	int rc = opt_parse(command, argc, argv, &result, &e);
	if (rc > 0)
		return say_flush_stdout();
	if (rc == 0)
		rc = check(&result, &e);
	if (rc == 0 && !result.verb->is_silent)
		rc = stdfd_need(STDOUT_FILENO, &e);
	return rc < 0 ? say_err(&e, false) : result.verb->run(result.argc, result.argv);
}

int
opt_check_operands(const struct opt_result *result, const char *what, struct err *e)
{
	int least = 0, most = 0;
	for (const char *word = result->verb->operands; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " "), end = n - (word[n - 1] == ']');
		bool is_list = end >= 3 && memcmp(word + end - 3, "...", 3) == 0;
		least += *word != '[';
		most = is_list || most == INT32_MAX ? INT32_MAX : most + 1;
		word += n;
	}
	if (result->argc < least)
		return err_set(e, ERR_USAGE, "which %s? see %s %s --help", what, say_name(),
			result->verb->name);
	if (result->argc > most)
		return err_set(e, ERR_USAGE, "unexpected operand '%s'; see %s %s --help",
			result->argv[most], say_name(), result->verb->name);
	return 0;
}

void
opt_drop_repeats(struct opt_result *result, int from)
{
	struct map seen = MAP_INIT;
	int n = MIN(from, result->argc);
	for (int i = n; i < result->argc; i++)
		if (!map_get(&seen, str_of(result->argv[i]))) {
			map_put(&seen, str_of(result->argv[i]), result->argv[i]);
			result->argv[n++] = result->argv[i];
		}
	result->argc = n;
	result->argv[n] = NULL;
	map_release(&seen);
}
