#include "kq-stream/steps.h"

#include "text/opt.h"
#include "text/units.h"

#include <stdio.h>

enum { WORD_MAX = 64, USAGE_WIDTH = 90 };

void
steps_release(struct steps *steps)
{
	for (int i = 0; i < steps->nchain; i++)
		mem_free(steps->chain[i].step);
	mem_free(steps->chain);
	arena_release(&steps->arena);
	*steps = (struct steps){ 0 };
}

/* ---- looking up ---- */

const struct step_verb *
step_find_verb(const char *name, struct err *e)
{
	const char *words[STEP_NKIND + 1] = { NULL };
	for (int i = 0; i < STEP_NKIND; i++) {
		if (strcmp(step_verbs[i].name, name) == 0)
			return &step_verbs[i];
		words[i] = step_verbs[i].name;
	}
	const char *near = opt_suggest(name, words);
	if (near)
		err_set(e, ERR_USAGE, "verb '%.60s' is not known; did you mean '%s'?", name, near);
	else
		err_set(e, ERR_USAGE, "verb '%.60s' is not known; kq-stream --help lists the verbs", name);
	return NULL;
}

int
step_find_arg(const struct step_verb *verb, const char *name)
{
	for (int i = 0; i < STEP_ARGS_MAX && verb->arg[i].name; i++)
		if (strcmp(verb->arg[i].name, name) == 0)
			return i;
	return -1;
}

const char *
step_value(const struct step *step, const char *arg)
{
	int i = step_find_arg(step->verb, arg);
	assert(i >= 0);
	return step->value[i];
}

/* ---- building ---- */

struct step_chain *
steps_add_chain(struct steps *steps, const char *name, const char *where)
{
	if (steps->nchain == steps->cap) {
		steps->cap = steps->cap ? steps->cap * 2 : 4;
		steps->chain = mem_realloc(steps->chain, (size_t)steps->cap * sizeof *steps->chain);
	}
	struct step_chain *chain = &steps->chain[steps->nchain++];
	*chain = (struct step_chain){ .name = name, .where = where };
	return chain;
}

struct step *
steps_add_step(struct step_chain *chain, const struct step_verb *verb, const char *where)
{
	if (chain->nstep == chain->cap) {
		chain->cap = chain->cap ? chain->cap * 2 : 8;
		chain->step = mem_realloc(chain->step, (size_t)chain->cap * sizeof *chain->step);
	}
	struct step *step = &chain->step[chain->nstep++];
	*step = (struct step){ .verb = verb, .where = where };
	return step;
}

/* Split "json|text" into words that end with NULL; their bytes are in z. */
static void
split_choices(const char *choices, char z[WORD_MAX * 4], const char *words[16])
{
	int n = 0;
	snprintf(z, WORD_MAX * 4, "%s", choices);
	for (char *save = NULL, *word = strtok_r(z, "|", &save); word && n < 15;
		word = strtok_r(NULL, "|", &save))
		words[n++] = word;
	words[n] = NULL;
}

static int
check_choice(const struct step_arg *arg, const char *label, const char *text, struct err *e)
{
	char z[WORD_MAX * 4];
	const char *words[16];
	split_choices(arg->choices, z, words);
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return 0;
	const char *near = opt_suggest(text, words);
	if (near)
		return err_set(e, ERR_USAGE, "%s '%.60s' is not known; did you mean '%s'?", label,
			text, near);
	return err_set(e, ERR_USAGE, "%s '%.60s' is not one of %s", label, text, arg->choices);
}

static int
check_duration(const char *label, const char *text, struct err *e)
{
	int64_t ms;
	size_t n = strspn(text, "0123456789");
	if (!text[n] && strspn(text, "0") != n)
		return err_set(e, ERR_USAGE, "%s '%.20s' needs a unit: %.20sms, %.20ss, %.20sm, %.20sh or "
			"%.20sd", label, text, text, text, text, text, text);
	if (units_parse_duration(text, &ms, e) < 0)
		return err_wrap(e, "%s", label);
	return 0;
}

static int
check_form(const struct step_verb *verb, const struct step_arg *arg, const char *text,
	struct err *e)
{
	int64_t n;
	const char *label = strcmp(arg->name, verb->name) == 0 ? arg->shown : arg->name;
	if (strlen(text) > STEP_TEXT_MAX)
		return err_set(e, ERR_USAGE, "%s '%.20s...' is longer than %d bytes", label, text,
			STEP_TEXT_MAX);
	if (!*text && arg->kind != STEP_ARG_DURATION && arg->kind != STEP_ARG_COUNT)
		return err_set(e, ERR_USAGE, "%s is empty", label);
	switch (arg->kind) {
	case STEP_ARG_CHOICE: return check_choice(arg, label, text, e);
	case STEP_ARG_DURATION: return check_duration(label, text, e);
	case STEP_ARG_COUNT:
		if (units_parse_int(text, 1, INT64_MAX, &n, e) < 0)
			return err_wrap(e, "%s", label);
		return 0;
	default: return 0;
	}
}

int
steps_set(struct steps *steps, struct step *step, int i, const char *text, struct err *e)
{
	const struct step_arg *arg = &step->verb->arg[i];
	if (step->value[i])
		return err_set(e, ERR_USAGE, "%s: '%s' is given twice", step->where, arg->name);
	if (check_form(step->verb, arg, text, e) < 0)
		return err_wrap(e, "%s", step->where);
	step->value[i] = (const char *)arena_str(&steps->arena, str_of(text)).p;
	return 0;
}

int
steps_add_pair(struct steps *steps, struct step *step, struct str name, struct str text,
	struct err *e)
{
	if (!step->pair)
		step->pair = arena_alloc(&steps->arena, STEP_PAIRS_MAX * sizeof *step->pair);
	if (step->npair == STEP_PAIRS_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d members", step->where, STEP_PAIRS_MAX);
	for (int i = 0; i < step->npair; i++)
		if (str_eq(str_of(step->pair[i].name), name))
			return err_set(e, ERR_USAGE, "%s: '%.60s' is given twice", step->where,
				step->pair[i].name);
	if (name.n < 1 || text.n < 1)
		return err_set(e, ERR_USAGE, "%s: '%.60s=' is empty", step->where,
			(const char *)arena_str(&steps->arena, name).p);
	step->pair[step->npair++] = (struct step_pair){
		(const char *)arena_str(&steps->arena, name).p,
		(const char *)arena_str(&steps->arena, text).p };
	return 0;
}

int
steps_check(const struct step *step, struct err *e)
{
	for (int i = 0; i < STEP_ARGS_MAX && step->verb->arg[i].name; i++) {
		const struct step_arg *arg = &step->verb->arg[i];
		bool is_there = arg->kind == STEP_ARG_PAIRS ? step->npair > 0 : step->value[i] != NULL;
		if (arg->place == STEP_ARG_FIRST && !is_there)
			return err_set(e, ERR_USAGE, "%s: %s is missing: %s; see kq-stream %s --help",
				step->where, arg->shown, arg->phrase, step->verb->name);
	}
	return 0;
}

/* ---- help ---- */

static void
put_arg(const struct step_arg *arg, struct buf *out)
{
	const char *shown = arg->choices ? arg->choices : arg->shown;
	switch (arg->place) {
	case STEP_ARG_FIRST: buf_puts(out, shown); break;
	case STEP_ARG_MAYBE: buf_printf(out, "[%s]", shown); break;
	case STEP_ARG_NAMED:
		buf_printf(out, arg->is_needed ? "%s %s" : "[%s %s]", arg->name, shown);
		break;
	}
}

void
step_put_usage(const struct step_verb *verb, struct buf *out)
{
	struct buf one = BUF_INIT;
	size_t at = strlen(verb->name);
	buf_puts(out, verb->name);
	for (int i = 0; i < STEP_ARGS_MAX && verb->arg[i].name; i++) {
		buf_reset(&one);
		put_arg(&verb->arg[i], &one);
		bool fits = at + 1 + one.n <= USAGE_WIDTH;
		buf_puts(out, fits ? " " : "\n         ");
		at = fits ? at + 1 + one.n : one.n + 2;
		buf_put_str(out, buf_str(&one));
	}
	buf_release(&one);
}

void
step_print_words(void)
{
	for (int i = 0; i < STEP_NKIND; i++) {
		const struct step_verb *verb = &step_verbs[i];
		if (verb->is_yaml_only)
			continue;
		if (verb->kind != STEP_FROM)
			printf("then\t%s\t%s\t\t%s\n", verb->name,
				verb->arg[0].name ? verb->arg[0].shown : "", verb->phrase);
		for (int k = 0; k < STEP_ARGS_MAX && verb->arg[k].name; k++)
			if (verb->arg[k].place == STEP_ARG_NAMED)
				printf("then %s\t%s\t%s\t%s\t%s\n", verb->name, verb->arg[k].name,
					verb->arg[k].shown, verb->arg[k].choices ? verb->arg[k].choices : "",
					verb->arg[k].phrase);
			else if (verb->arg[k].choices)
				printf("then %s\t\t%s\t%s\t%s\n", verb->name, verb->arg[k].shown,
					verb->arg[k].choices, verb->arg[k].phrase);
	}
}

void
step_print_help(const struct step_verb *verb)
{
	struct buf b = BUF_INIT;
	step_put_usage(verb, &b);
	printf("%s: %s\n\n%s:\n%s\nUsage: %.*s\n", verb->name, verb->phrase,
		verb->is_yaml_only ? "Example, in a YAML file" : "Examples", verb->example,
		(int)b.n, (const char *)b.p);
	buf_release(&b);
	if (verb->arg[0].name)
		printf("\n");
	for (int i = 0; i < STEP_ARGS_MAX && verb->arg[i].name; i++) {
		const struct step_arg *arg = &verb->arg[i];
		char left[WORD_MAX];
		snprintf(left, sizeof left, "%s%s%s", arg->place == STEP_ARG_NAMED ? arg->name : "",
			arg->place == STEP_ARG_NAMED ? " " : "", arg->shown);
		printf("  %-26s %s\n", left, arg->phrase);
	}
	if (verb->notes)
		printf("\n%s", verb->notes);
}
