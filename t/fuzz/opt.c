/*
 * A command line, one word per line, with a table that has an option of every
 * kind; and each word as a number, a size, a duration and a delimiter.
 */
#include "base/mem.h"
#include "text/escape.h"
#include "text/opt.h"
#include "text/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

static bool flag;
static const char *text, *choice;
static int64_t number, limited, bytes, wait_ms;

static int
take(void *to, const char *value, struct err *e)
{
	(void)to;
	return *value ? 0 : err_set(e, ERR_USAGE, "empty");
}

static const struct opt opts[] = {
	OPT_BOOL('f', "flag", &flag, "a flag"),
	OPT_STRING('s', "string", &text, "TEXT", "a string"),
	OPT_CHOICE('z', "choice", &choice, "WORD", "none|gzip|lz4", "a choice"),
	OPT_INT('n', NULL, &number, "N", 0, 0, "a number"),
	OPT_INT(0, "limited", &limited, "N", 1, 5, "a number"),
	OPT_SIZE('b', "bytes", &bytes, "SIZE", 0, 0, "a size"),
	OPT_DURATION('w', "wait", &wait_ms, "TIME", 0, 1000, "a duration"),
	OPT_CALL('c', "call", NULL, take, "X", "a call", .is_repeatable = true),
	OPT_END
};

static const struct opt_verb verbs[] = {
	{ "create", "NAME...", "make", opts, NULL },
	{ "list", "", "list", NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static const struct opt_command plain = { .operands = "X...", .phrase = "x", .examples = "x\n",
	.opts = opts };
static const struct opt_command with_verbs = { .operands = "VERB", .phrase = "x",
	.examples = "x\n", .opts = opts, .verbs = verbs };

static void
parse(const struct opt_command *c, char *const *words, int n)
{
	char *argv[WORDS_MAX + 2];
	struct opt_result r;
	struct err e = { .class = ERR_NONE };
	memcpy(argv, words, ((size_t)n + 1) * sizeof *argv);
	choice = "none";
	limited = 1;
	wait_ms = 0;
	int got = opt_parse(c, n, argv, &r, &e);
	assert(got == 0 || (got == -1 && e.class == ERR_USAGE && *e.msg));
	assert(got < 0 || (r.argc < n && r.argv[r.argc] == NULL));
	assert(got < 0 || !c->verbs == !r.verb);
	assert(limited >= 1 && limited <= 5);
	assert(wait_ms >= 0 && wait_ms <= 1000);
	assert(strcmp(choice, "none") == 0 || strcmp(choice, "gzip") == 0
		|| strcmp(choice, "lz4") == 0);
}

static void
read_word(const char *word)
{
	int64_t v = 0;
	struct err e;
	char z[UNITS_TEXT_SIZE];
	struct buf b = BUF_INIT;
	assert(units_parse_int(word, -5, 5, &v, &e) < 0 || (v >= -5 && v <= 5));
	assert(units_parse_size(word, &v, &e) < 0 || v >= 0);
	assert(units_parse_duration(word, &v, &e) < 0 || v >= 0);
	if (units_parse_time(word, 1700000000000, &v, &e) == 0)
		assert(strlen(units_format_time(v, z)) < sizeof z);
	if (escape_parse(str_of(word), &b, &e) == 0)
		assert(b.n <= strlen(word));
	buf_release(&b);
}

/* Is it a word that makes opt_parse print help?  That is tested elsewhere. */
static bool
is_printed(const char *word)
{
	return strncmp(word, "--help", 6) == 0 || strcmp(word, "--version") == 0
		|| strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS_MAX + 1] = { (char[]){ "kq-fuzz" } };
	int n = 1;
	if (size > 4096)
		return 0;
	char *line = mem_strndup((struct str){ data, (int32_t)size }), *rest = line, *word;
	while (n < WORDS_MAX && (word = strsep(&rest, "\n"))) {
		read_word(word);
		if (!is_printed(word))
			words[n++] = word;
	}
	parse(&plain, words, n);
	parse(&with_verbs, words, n);
	mem_free(line);
	return 0;
}
