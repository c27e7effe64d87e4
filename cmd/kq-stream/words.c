#include "kq-stream/steps.h"

#include "base/utf8.h"
#include "text/opt.h"

#include <stdio.h>

/* The words that are left. */
struct words {
	int n;
	char **v;
};

static bool
is_at_then(const struct words *words)
{
	return words->n == 0 || strcmp(words->v[0], "then") == 0;
}

static const char *
take(struct words *words)
{
	words->n--;
	return *words->v++;
}

static bool
is_choice(const char *choices, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = choices; *p;) {
		size_t k = strcspn(p, "|");
		if (k == n && memcmp(p, word, n) == 0)
			return true;
		p += k + (p[k] == '|');
	}
	return false;
}

static int
find_named(const struct step_verb *verb, const char *word)
{
	int i = step_find_arg(verb, word);
	return i >= 0 && verb->arg[i].place == STEP_ARG_NAMED ? i : -1;
}

/* "total=sum(.amount)", or "count" for "count=count". */
static int
take_pair(struct steps *steps, struct step *step, const char *word, struct err *e)
{
	const char *equals = strchr(word, '=');
	struct str name = str_of(word), text = str_of(word);
	if (equals) {
		name.n = (int32_t)(equals - word);
		text = str_of(equals + 1);
	} else if (word[strspn(word, "abcdefghijklmnopqrstuvwxyz_")]) {
		return err_set(e, ERR_USAGE, "%s: '%.60s' needs a name: NAME='%.60s'", step->where, word,
			word);
	}
	return steps_add_pair(steps, step, name, text, e);
}

static int
take_pairs(struct steps *steps, struct step *step, struct words *words, struct err *e)
{
	while (!is_at_then(words) && find_named(step->verb, words->v[0]) < 0)
		if (take_pair(steps, step, take(words), e) < 0)
			return -1;
	return 0;
}

/* The arguments that stand right behind the verb. */
static int
take_first(struct steps *steps, struct step *step, struct words *words, struct err *e)
{
	const struct step_arg *arg = step->verb->arg;
	for (int i = 0; i < STEP_ARGS_MAX && arg[i].name && !is_at_then(words); i++) {
		bool is_wanted = arg[i].place == STEP_ARG_FIRST;
		if (arg[i].place == STEP_ARG_MAYBE)
			is_wanted = arg[i].choices ? is_choice(arg[i].choices, words->v[0])
				: find_named(step->verb, words->v[0]) < 0;
		if (!is_wanted)
			continue;
		int rc = arg[i].kind == STEP_ARG_PAIRS ? take_pairs(steps, step, words, e)
			: steps_set(steps, step, i, take(words), e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int
refuse(const struct step *step, const char *word, struct err *e)
{
	const char *names[STEP_ARGS_MAX + 2] = { NULL };
	int n = 0;
	for (int i = 0; i < STEP_ARGS_MAX && step->verb->arg[i].name; i++)
		if (step->verb->arg[i].place == STEP_ARG_NAMED)
			names[n++] = step->verb->arg[i].name;
	names[n++] = "then";
	const char *near = opt_suggest(word, names);
	if (near)
		return err_set(e, ERR_USAGE, "%s: '%.60s' is not known; did you mean '%s'?", step->where,
			word, near);
	struct err unknown;
	if (step_find_verb(word, &unknown))
		return err_set(e, ERR_USAGE, "%s: '%s' is not known here; a verb follows 'then'",
			step->where, word);
	return err_set(e, ERR_USAGE, "%s: '%.60s' is not known here; see kq-stream %s --help",
		step->where, word, step->verb->name);
}

static int
take_named(struct steps *steps, struct step *step, struct words *words, struct err *e)
{
	while (!is_at_then(words)) {
		const char *word = take(words);
		int i = find_named(step->verb, word);
		if (i < 0)
			return refuse(step, word, e);
		if (words->n == 0)
			return err_set(e, ERR_USAGE, "%s: '%s' needs a value: %s", step->where, word,
				step->verb->arg[i].shown);
		if (steps_set(steps, step, i, take(words), e) < 0)
			return -1;
	}
	return 0;
}

static int
take_step(struct steps *steps, struct step_chain *chain, struct words *words, struct err *e)
{
	if (is_at_then(words))
		return err_set(e, ERR_USAGE, "a verb is missing %s",
			words->n ? "before 'then'" : "after 'then'");
	const struct step_verb *verb = step_find_verb(take(words), e);
	if (!verb)
		return -1;
	if (verb->is_yaml_only)
		return err_set(e, ERR_USAGE, "%s needs a YAML file with several streams: "
			"kq-stream run FILE.yaml", verb->name);
	if (chain->nstep == STEP_STEPS_MAX)
		return err_set(e, ERR_USAGE, "more than %d steps", STEP_STEPS_MAX);
	struct step *step = steps_add_step(chain, verb, verb->name);
	if (take_first(steps, step, words, e) < 0 || take_named(steps, step, words, e) < 0)
		return -1;
	return steps_check(step, e);
}

int
steps_parse_words(struct steps *steps, int argc, char **argv, struct err *e)
{
	struct words words = { argc, argv };
	struct step_chain *chain = steps_add_chain(steps, "main", "command line");
	for (int i = 0; i < argc; i++)
		if (!utf8_is_valid(str_of(argv[i])))
			return err_set(e, ERR_USAGE, "word %d, '%.60s', is not UTF-8", i + 1, argv[i]);
	for (;;) {
		if (take_step(steps, chain, &words, e) < 0)
			return -1;
		if (words.n == 0)
			return 0;
		take(&words); /* then */
	}
}
