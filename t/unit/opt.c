#include "tap.h"
#include "text/opt.h"
#include "text/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool is_json, is_quiet;
static const char *topic, *codec;
static int64_t npartition, offset, size, wait_ms;
static char taken[100];

static int
take(void *to, const char *value, struct err *e)
{
	if (!strchr(value, '='))
		return err_set(e, ERR_USAGE, "'%s' is not name=value", value);
	strcat(to, value);
	strcat(to, ";");
	return 0;
}

static const struct opt opts[] = {
	OPT_BOOL('j', "json", &is_json, "one JSON object a line"),
	OPT_BOOL('q', NULL, &is_quiet, "say \\n nothing"),
	OPT_STRING('t', "topic", &topic, "TOPIC", "a topic"),
	OPT_INT('p', "partitions", &npartition, "N", 1, 100, "partitions"),
	OPT_INT('o', "offset", &offset, "N", 0, 0, ".from there"),
	OPT_CHOICE('z', "compress", &codec, "CODEC", "none|gzip|zstd", "compress"),
	OPT_SIZE(0, "size", &size, "SIZE", 1, 1 << 20, "how large"),
	OPT_DURATION(0, "wait", &wait_ms, "TIME", 0, 0, "how long"),
	OPT_CALL('c', "set", taken, take, "NAME=VALUE", "a setting", .is_repeatable = true),
	OPT_END
};

static const struct opt_foreign foreign[] = {
	{ "-C", "this reads by itself" },
	{ "--brokers-of", "use -b" },
	OPT_FOREIGN_END
};

static const struct opt_command plain = {
	.operands = "TOPIC...",
	.phrase = "an example",
	.examples = "  kq-example one\n",
	.notes = "A note.\n",
	.opts = opts,
	.version = "with this",
	.foreign = foreign,
};

static const struct opt create_opts[] = {
	OPT_BOOL(0, "if-not-exists", &is_quiet, "there already is fine"),
	OPT_END
};

static const struct opt_verb verbs[] = {
	{ "create", "NAME...", "make topics", create_opts, NULL },
	{ "list", "", "list topics", NULL, NULL, "ls" },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct opt_command with_verbs = {
	.operands = "VERB ...",
	.phrase = "an example with verbs",
	.examples = "  kq-example create one\n",
	.opts = opts,
	.verbs = verbs,
};

static const struct opt_verb verbs_that_share[] = {
	{ "make", "NAME", "make a topic", create_opts, NULL, .shared = opts },
	{ "fill", "NAME", "fill a topic", NULL, NULL, .shared = opts, .alias = "f" },
	{ "list", "[NAME]", "list topics", NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct opt_command with_shared = {
	.operands = "VERB ...",
	.phrase = "an example with shared options",
	.examples = "  kq-example make one\n",
	.verbs = verbs_that_share,
};

static struct opt_result r;
static struct err e;

/* Parse the words, which are separated by blanks. */
static int
parse(const struct opt_command *c, const char *line)
{
	static char text[400], *argv[40];
	char *rest = text, *word;
	int argc = 0;
	snprintf(text, sizeof text, "%s", line);
	while ((word = strsep(&rest, " ")))
		argv[argc++] = word;
	argv[argc] = NULL;
	e.class = ERR_NONE;
	return opt_parse(c, argc, argv, &r, &e);
}

static bool
refused(const struct opt_command *c, const char *line, const char *want)
{
	int got = parse(c, line);
	printf("# %s -> %s\n", line, got < 0 ? e.msg : "(taken)");
	return got == -1 && e.class == ERR_USAGE && strcmp(e.msg, want) == 0;
}

static bool
is(const char *got, const char *want)
{
	printf("# %s\n", got ? got : "(null)");
	return got && strcmp(got, want) == 0;
}

/* The output of parsing the line on stdout. */
static const char *
printed(const struct opt_command *c, const char *line)
{
	static char text[1 << 14];
	fflush(stdout);
	int old = dup(STDOUT_FILENO), fd = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	int got = parse(c, line);
	fflush(stdout);
	dup2(old, STDOUT_FILENO);
	check_int(got, 1);
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	check(n >= 0);
	text[n] = 0;
	close(fd);
	close(old);
	return text;
}

void
test_opt__values_stand_behind_or_at_the_option(void)
{
	check_int(parse(&plain, "x -p4 -z gzip --topic=a=b --size 64k --wait=1.5s -o -10"), 0);
	check_int(npartition, 4);
	check(is(codec, "gzip") && is(topic, "a=b"));
	check_int(size, 65536);
	check_int(wait_ms, 1500);
	check_int(offset, -10);
	check_int(parse(&plain, "x -t -p --offset -5"), 0);
	check(is(topic, "-p"));
	check_int(offset, -5);
	check_int(parse(&plain, "x --topic="), 0);
	check(is(topic, ""));
}

void
test_opt__flags_may_stand_together(void)
{
	check_int(parse(&plain, "x -jqp7 one"), 0);
	check(is_json && is_quiet);
	check_int(npartition, 7);
	check_int(r.argc, 1);
}

void
test_opt__operands_may_stand_anywhere(void)
{
	check_int(parse(&plain, "x one -j two - -p 3 three -- -p --topic --"), 0);
	check_int(r.argc, 7);
	check(is(r.argv[0], "one") && is(r.argv[1], "two") && is(r.argv[2], "-")
		&& is(r.argv[3], "three") && is(r.argv[4], "-p") && is(r.argv[5], "--topic")
		&& is(r.argv[6], "--") && r.argv[7] == NULL);
}

void
test_opt__an_option_may_be_repeatable(void)
{
	check_int(parse(&plain, "x -c a=1 --set b=2 -cc=3 -jj -j"), 0);
	check(is(taken, "a=1;b=2;c=3;"));
	check(refused(&plain, "x -c a", "option '-c': 'a' is not name=value"));
}

void
test_opt__two_values_of_one_option_are_refused(void)
{
	check(refused(&plain, "x -p 1 -p 2", "option '-p' is given twice"));
	check(refused(&plain, "x -p 1 --partitions=1", "option '--partitions' is given twice"));
	check(refused(&plain, "x -z gzip -zgzip", "option '-z' is given twice"));
	check_int(parse(&plain, "x -p 1"), 0);
	check_int(parse(&plain, "x -p 1"), 0);
}

void
test_opt__what_could_not_be_sent_is_too_long(void)
{
	static char text[OPT_TEXT_MAX + 2];
	char *argv[] = { (char[]){ "x" }, (char[]){ "-t" }, text, NULL };
	memset(text, 'a', OPT_TEXT_MAX);
	check_int(opt_parse(&plain, 3, argv, &r, &e), 0);
	text[OPT_TEXT_MAX] = 'a';
	check_int(opt_parse(&plain, 3, argv, &r, &e), -1);
	check_int(e.class, ERR_USAGE);
	check(is(e.msg, "option '-t': 'aaaaaaaaaaaaaaaaaaaa...' is longer than 32767 bytes"));
	char *call[] = { (char[]){ "x" }, (char[]){ "-c" }, text, NULL };
	check_int(opt_parse(&plain, 3, call, &r, &e), -1);
	char *operand[] = { (char[]){ "x" }, text, NULL };
	check_int(opt_parse(&plain, 2, operand, &r, &e), -1);
	check(is(e.msg, "'aaaaaaaaaaaaaaaaaaaa...' is longer than 32767 bytes"));
}

void
test_opt__options_of_other_tools_are_answered(void)
{
	check(refused(&plain, "x -C", "option '-C' is not known: this reads by itself"));
	check(refused(&plain, "x -jCq", "option '-C' is not known: this reads by itself"));
	check(refused(&plain, "x --brokers-of=a", "option '--brokers-of' is not known: use -b"));
	check(refused(&plain, "x --brokers-of a", "option '--brokers-of' is not known: use -b"));
}

void
test_opt__operands_can_be_a_set(void)
{
	check_int(parse(&plain, "x b a b c a b"), 0);
	opt_drop_repeats(&r, 0);
	check_int(r.argc, 3);
	check(is(r.argv[0], "b") && is(r.argv[1], "a") && is(r.argv[2], "c") && r.argv[3] == NULL);
	check_int(parse(&plain, "x a a b b"), 0);
	opt_drop_repeats(&r, 1);
	check_int(r.argc, 3);
	check(is(r.argv[0], "a") && is(r.argv[1], "a") && is(r.argv[2], "b"));
	check_int(parse(&plain, "x"), 0);
	opt_drop_repeats(&r, 1);
	check_int(r.argc, 0);
}

void
test_opt__mistakes_are_told_in_one_sentence(void)
{
	say_init("kq-example");
	check(refused(&plain, "x -x", "option '-x' is not known; see kq-example --help"));
	check(refused(&plain, "x --topc a", "option '--topc' is not known; did you mean '--topic'?"));
	check(refused(&plain, "x --topc=a", "option '--topc' is not known; did you mean '--topic'?"));
	check(refused(&plain, "x --t a", "option '--t' is not known; see kq-example --help"));
	check(refused(&plain, "x --hlep", "option '--hlep' is not known; did you mean '--help'?"));
	check(refused(&plain, "x --version=", "option '--version' takes no value ''"));
	check(refused(&plain, "x --help=me", "option '--help' takes no value 'me'"));
	check(refused(&plain, "x ---", "option '---' is not known; see kq-example --help"));
	check(refused(&plain, "x --json=1", "option '--json' takes no value"));
	check(refused(&plain, "x --topic", "option '--topic' needs a value: TOPIC"));
	check(refused(&plain, "x -p", "option '-p' needs a value: N"));
	check(refused(&plain, "x -p four", "option '-p': 'four' is not a whole number"));
	check(refused(&plain, "x -p 101", "option '-p': '101' is not between 1 and 100"));
	check(refused(&plain, "x -p 99999999999999999999",
		"option '-p': '99999999999999999999' is not between 1 and 100"));
	check(refused(&plain, "x --size 2M", "option '--size': '2M' is not between 1 and 1048576"));
	check(refused(&plain, "x --wait 5y",
		"option '--wait': '5y' is not a duration such as 250ms, 5s, 2m, 1h, 7d or 1d12h"));
	check(refused(&plain, "x --wait 5",
		"option '--wait': '5' needs a unit: 5ms, 5s, 5m, 5h or 5d"));
	check_int(parse(&plain, "x --wait 0"), 0);
	check_int(wait_ms, 0);
	check(refused(&plain, "x -z brotli", "option '-z': 'brotli' is not one of none|gzip|zstd"));
	check(refused(&plain, "x -z gz", "option '-z': 'gz' is not one of none|gzip|zstd"));
}

void
test_opt__a_verb_has_options_of_its_own(void)
{
	say_init("kq-example");
	check_int(parse(&with_verbs, "x -j create --if-not-exists a b -p 2"), 0);
	check(r.verb == &verbs[0] && r.argc == 2 && is(r.argv[1], "b") && is_quiet && is_json);
	check_int(parse(&with_verbs, "x --if-not-exists -p 2 create list"), 0);
	check(r.verb == &verbs[0] && r.argc == 1 && is_quiet && is(r.argv[0], "list"));
	check_int(parse(&with_verbs, "x -p 2 -t list create"), 0);
	check(r.verb == &verbs[0] && r.argc == 0);
	check(refused(&with_verbs, "x --if-not-exists list -p 2",
		"option '--if-not-exists' is not known; see kq-example --help"));
	check_int(parse(&with_verbs, "x list"), 0);
	check_int(parse(&with_verbs, "x ls"), 0);
	check(r.verb == &verbs[1] && r.argc == 0);
	check(refused(&with_verbs, "x", "which verb? see kq-example --help"));
	check(refused(&with_verbs, "x crate a", "verb 'crate' is not known; did you mean 'create'?"));
	check(refused(&with_verbs, "x xyzzy a", "verb 'xyzzy' is not known; see kq-example --help"));
	check(refused(&with_verbs, "x list --if-not-exists",
		"option '--if-not-exists' is not known; see kq-example --help"));
	check(refused(&with_verbs, "x create --if-not-exist a",
		"option '--if-not-exist' is not known; did you mean '--if-not-exists'?"));
}

static bool
counts(const char *operands, int argc)
{
	char *argv[] = { (char[]){ "a" }, (char[]){ "b" }, (char[]){ "c" }, (char[]){ "d" } };
	struct opt_verb verb = { "seek", operands, "", NULL, NULL };
	return opt_check_operands(&(struct opt_result){ argc, argv, &verb }, "topic", &e) == 0;
}

void
test_opt__a_verb_s_operands_are_counted(void)
{
	static const struct { const char *operands; int least, most; } cases[] = {
		{ "", 0, 0 }, { "NAME", 1, 1 }, { "NAME...", 1, 4 }, { "[NAME]", 0, 1 },
		{ "[NAME...]", 0, 4 }, { "GROUP TOPIC[:P,..]...", 2, 4 },
		{ "GROUP [TOPIC[:P,..]]...", 1, 4 }, { "GROUP TOPIC[:P,..]", 2, 2 },
	};
	say_init("kq-example");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int n = 0; n <= 4; n++)
			check_int(counts(cases[i].operands, n), n >= cases[i].least && n <= cases[i].most);
	check(!counts("NAME...", 0) && is(e.msg, "which topic? see kq-example seek --help"));
	check(!counts("NAME", 2) && is(e.msg, "unexpected operand 'b'; see kq-example seek --help"));
}

void
test_opt__some_verbs_share_options_that_others_do_not_have(void)
{
	check_int(parse(&with_shared, "x make -p 3 --if-not-exists a"), 0);
	check_int(npartition, 3);
	check_int(parse(&with_shared, "x --topic list fill a"), 0); /* a value, not the verb */
	check(is(topic, "list") && is(r.verb->name, "fill"));
	check_int(parse(&with_shared, "x list -t a"), -1);
	check(strstr(e.msg, "option '-t' is not for 'list'; see "));
	check_int(parse(&with_shared, "x list --topic=a"), -1);
	check(strstr(e.msg, "option '--topic' is not for 'list'; see "));
	check(!strstr(printed(&with_shared, "x list --help"), "--topic"));
	check(strstr(printed(&with_shared, "x fill --help"), "--topic"));
	check(strstr(printed(&with_shared, "x --help"), "\nOptions of make, fill:\n  -j, --json"));
	check(strstr(printed(&with_shared, "x --help=words"), "fill\t--topic\tTOPIC\t\ta topic\n"));
	check(strstr(printed(&with_shared, "x --help=words"), "\nf\t--topic\tTOPIC\t\ta topic\n"));
	check(strstr(printed(&with_shared, "x --help=mdoc"), ".Ss Options of make, fill\n.Bl"));
}

void
test_opt__help_shows_examples_first(void)
{
	say_init("kq-example");
	const char *text = printed(&plain, "x --help");
	printf("# %s\n", text);
	const char *examples = strstr(text, "Examples:\n  kq-example one\n");
	check(examples && examples < strstr(text, "Usage: kq-example [OPTION]... TOPIC...\n"));
	check(strstr(text, "  -p, --partitions N           partitions\n"));
	check(strstr(text, "compress: none|gzip|zstd\n"));
	check(strstr(text, "A note.\n"));
	check(is(printed(&plain, "x --version"), "kq-example " KQ_VERSION "\nwith this\n"));
}

void
test_opt__help_is_found_anywhere_but_in_a_value(void)
{
	check(strstr(printed(&with_verbs, "x -t a create --bad --help"), "make topics"));
	check(strstr(printed(&with_verbs, "x create -jp 3 --help"), "--if-not-exists"));
	check(strstr(printed(&with_verbs, "x --help create"), "an example with verbs"));
	check(strstr(printed(&with_verbs, "x help"), "an example with verbs"));
	check(strstr(printed(&with_verbs, "x help create"), "--if-not-exists"));
	check(strstr(printed(&with_verbs, "x -j help ls"), "list topics"));
	check(strstr(printed(&with_verbs, "x help crate"), "an example with verbs"));
	check(strstr(printed(&with_verbs, "x create -h"), "--if-not-exists"));
	check(strstr(printed(&plain, "x -h"), "an example"));
	check_int(parse(&plain, "x help"), 0);
	check_int(parse(&plain, "x -t --help -- --help"), 0);
	check_int(r.argc, 1);
	check_int(parse(&plain, "x -jt --help"), 0);
	check_int(parse(&plain, "x --topic --help"), 0);
}

void
test_opt__words_are_told_for_completion(void)
{
	const char *text = printed(&with_verbs, "x --help=words");
	printf("# %s\n", text);
	check(strstr(text, "\tcreate\tNAME...\t\tmake topics\n"));
	check(strstr(text, "\t--compress\tCODEC\tnone|gzip|zstd\tcompress\n"));
	check(strstr(text, "\t-p\tN\t\tpartitions\n"));
	check(strstr(text, "create\t--if-not-exists\t\t\tthere already is fine\n"));
	check(strstr(text, "\t--help\t\t\tshow help\n"));
	check(strstr(text, "\tls\t\t\tlist topics\n"));
	check(strstr(text, "\tcreate\t") == text);
	text = printed(&plain, "x --help=words");
	check(strstr(text, "\t\tTOPIC...\t\tan example\n") == text);
}

void
test_opt__the_manual_gets_its_options_without_accidents(void)
{
	const char *text = printed(&with_verbs, "x --help=mdoc");
	printf("# %s\n", text);
	check(strstr(text, ".Ss create NAME...\nMake topics.\n"));
	check(strstr(text, ".It Fl p , Fl Fl partitions Ar N\nPartitions.\n"));
	check(strstr(text, ".It Fl q\nSay \\en nothing.\n"));
	check(strstr(text, "\n\\&.from there.\n"));
}

void
test_opt__a_slip_is_near_and_another_word_is_not(void)
{
	static const char *const words[] = { "create", "delete", "describe", "trim", NULL };
	check(is(opt_suggest("craete", words), "create"));
	check(is(opt_suggest("delet", words), "delete"));
	check(is(opt_suggest("descirbe", words), "describe"));
	check(is(opt_suggest("trm", words), "trim"));
	check(opt_suggest("xyz", words) == NULL);
	check(opt_suggest("arm", words) == NULL);
	check(opt_suggest("", words) == NULL);
	char line[200];
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = 0;
	check(opt_suggest(line, words) == NULL);
}
