#include "kq-stream/yaml.h"

#include "kq-stream/settings.h"

#include <stdio.h>

#define QUOTE_HINT \
	"an expression with { } [ ] \" ' : or # in it stands in quotes, or on lines of its own after |"

static int
fail(const struct steps *steps, int line, const char *what, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s:%d: %s", steps->file, line, what);
}

struct ytree *
yaml_open(struct steps *steps, const char *path, struct err *e)
{
	steps->file = path;
	struct ytree *root = ytree_read(path, &steps->arena, e);
	if (!root && e->class == ERR_USAGE && strstr(e->msg, ": did not find")) {
		size_t n = strlen(e->msg);
		snprintf(e->msg + n, sizeof e->msg - n, "; %s", QUOTE_HINT);
	}
	if (!root)
		return NULL;
	if (root->kind != YTREE_MAP) {
		fail(steps, 1, "the file must be a map, with the key 'streams'", e);
		return NULL;
	}
	return root;
}

/* ---- steps ---- */

/* A plain empty value stands for no value. */
static bool
is_empty(const struct ytree *value)
{
	return value->kind == YTREE_TEXT && value->is_plain
		&& (!*value->text || strcmp(value->text, "~") == 0);
}

/* A list of names, joined with commas. */
static int
take_list(struct steps *steps, struct step *step, int arg, const struct ytree *value,
	struct err *e)
{
	struct buf joined = BUF_INIT;
	int rc = 0;
	for (int i = 0; i < value->n && rc == 0; i++) {
		const struct ytree *item = value->item[i].value;
		if (item->kind != YTREE_TEXT || strchr(item->text, ','))
			rc = fail(steps, item->line, "a name is expected", e);
		else
			buf_printf(&joined, "%s%s", i ? "," : "", item->text);
	}
	buf_putc(&joined, 0);
	if (rc == 0)
		rc = steps_set(steps, step, arg, (const char *)joined.p, e);
	buf_release(&joined);
	return rc;
}

/* An expression after | ends with a line feed.  In quotes, all that stands there is meant. */
static struct str
trimmed(const struct ytree *value)
{
	struct str s = str_of(value->text);
	while (value->is_block && s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' '))
		s.n--;
	return s;
}

static int
take_pairs(struct steps *steps, struct step *step, const struct ytree *value, struct err *e)
{
	if (value->kind != YTREE_MAP || value->n == 0)
		return err_set(e, ERR_USAGE, "%s: a map is expected: %s", step->where,
			step->verb->arg[0].shown);
	for (int i = 0; i < value->n; i++) {
		const struct ytree *text = value->item[i].value;
		if (text->kind != YTREE_TEXT)
			return err_set(e, ERR_USAGE, "%s:%d: %.60s: a text is expected; " QUOTE_HINT,
				steps->file, text->line, value->item[i].key);
		if (steps_add_pair(steps, step, str_of(value->item[i].key), trimmed(text), e) < 0)
			return -1;
	}
	return 0;
}

/* The argument's name; the verb's own value has none. */
static const char *
value_name(const struct step *step, const struct step_arg *arg)
{
	return strcmp(arg->name, step->verb->name) == 0 ? "" : arg->name;
}

static int
take_arg(struct steps *steps, struct step *step, int i, const struct ytree *value, struct err *e)
{
	const struct step_arg *arg = &step->verb->arg[i];
	bool is_list = arg->kind == STEP_ARG_TOPICS || arg->kind == STEP_ARG_STREAMS;
	if (arg->kind == STEP_ARG_PAIRS)
		return take_pairs(steps, step, value, e);
	if (is_empty(value))
		return 0;
	if (is_list && value->kind == YTREE_LIST)
		return take_list(steps, step, i, value, e);
	if (value->kind != YTREE_TEXT)
		return err_set(e, ERR_USAGE, "%s: %s%sa text is expected; " QUOTE_HINT, step->where,
			value_name(step, arg), *value_name(step, arg) ? ": " : "");
	struct str text = trimmed(value);
	return steps_set(steps, step, i, (const char *)arena_str(&steps->arena, text).p, e);
}

static int
refuse_arg(const struct step *step, const char *key, struct err *e)
{
	const char *names[STEP_ARGS_MAX + 1] = { NULL };
	for (int i = 0; i < STEP_ARGS_MAX && step->verb->arg[i].name; i++)
		names[i] = step->verb->arg[i].name;
	const char *near = opt_suggest(key, names);
	if (near)
		return err_set(e, ERR_USAGE, "%s: key '%.60s' is not known; did you mean '%s'?",
			step->where, key, near);
	struct err unknown;
	if (step_find_verb(key, &unknown))
		return err_set(e, ERR_USAGE, "%s: key '%s' is not known here; a step of its own begins "
			"with '- %s:'", step->where, key, key);
	return err_set(e, ERR_USAGE, "%s: key '%.60s' is not known here; see kq-stream %s --help",
		step->where, key, step->verb->name);
}

static int
take_keys(struct steps *steps, struct step *step, const struct ytree *map, struct err *e)
{
	for (int i = 0; i < map->n; i++) {
		const char *key = map->item[i].key;
		int arg = step_find_arg(step->verb, key);
		if (i == 0 && arg < 0) {
			if (!is_empty(map->item[0].value))
				return err_set(e, ERR_USAGE, "%s: the verb takes no value", step->where);
			continue;
		}
		if (arg < 0)
			return refuse_arg(step, key, e);
		if (take_arg(steps, step, arg, map->item[i].value, e) < 0)
			return -1;
	}
	return steps_check(step, e);
}

static int
take_step(struct steps *steps, int chain, const struct ytree *node, struct err *e)
{
	bool is_word = node->kind == YTREE_TEXT;
	if (!is_word && (node->kind != YTREE_MAP || node->n == 0))
		return fail(steps, node->line, "a step is expected: a map that begins with a verb", e);
	const char *name = is_word ? node->text : node->item[0].key;
	const struct step_verb *verb = step_find_verb(name, e);
	if (!verb)
		return err_wrap(e, "%s:%d", steps->file, node->line);
	if (steps->chain[chain].nstep == STEP_STEPS_MAX)
		return fail(steps, node->line, "too many steps", e);
	const char *where = arena_printf(&steps->arena, "%s:%d: %s", steps->file, node->line, name);
	struct step *step = steps_add_step(&steps->chain[chain], verb, where);
	return is_word ? steps_check(step, e) : take_keys(steps, step, node, e);
}

static int
take_chain(struct steps *steps, const struct ytree_item *item, struct err *e)
{
	if (item->value->kind != YTREE_LIST)
		return fail(steps, item->line, "a stream is a list of steps", e);
	if (steps->nchain == STEP_CHAINS_MAX)
		return fail(steps, item->line, "too many streams", e);
	if (!*item->key || strpbrk(item->key, ", "))
		return fail(steps, item->line, "the name of a stream has no commas and spaces", e);
	int chain = steps->nchain;
	steps_add_chain(steps, item->key,
		arena_printf(&steps->arena, "%s:%d", steps->file, item->line));
	for (int i = 0; i < item->value->n; i++)
		if (take_step(steps, chain, item->value->item[i].value, e) < 0)
			return -1;
	return 0;
}

static int
take_streams(struct steps *steps, const struct ytree_item *item, struct err *e)
{
	if (item->value->kind != YTREE_MAP || item->value->n == 0)
		return fail(steps, item->line, "streams is a map of names to lists of steps", e);
	for (int i = 0; i < item->value->n; i++)
		if (take_chain(steps, &item->value->item[i], e) < 0)
			return -1;
	return 0;
}

static bool
is_other(const char *key, const char *const *others)
{
	for (; *others; others++)
		if (strcmp(*others, key) == 0)
			return true;
	return false;
}

int
yaml_take(struct steps *steps, const struct ytree *map, const char *const *others,
	struct err *e)
{
	for (int i = 0; i < map->n; i++) {
		const struct ytree_item *item = &map->item[i];
		if (is_other(item->key, others))
			continue;
		if (strcmp(item->key, "streams") == 0) {
			if (take_streams(steps, item, e) < 0)
				return -1;
			continue;
		}
		if (item->value->kind != YTREE_TEXT && settings_check(item->key, e) < 0)
			return err_wrap(e, "%s:%d", steps->file, item->line);
		if (item->value->kind != YTREE_TEXT)
			return fail(steps, item->line, "the setting is a text or a number", e);
		if (settings_set(item->key, item->value->text, e) < 0)
			return err_wrap(e, "%s:%d", steps->file, item->line);
	}
	if (steps->nchain == 0)
		return fail(steps, map->line, "there are no streams", e);
	return 0;
}

/* ---- printing ---- */

static void
print_value(const char *name, const char *text, int indent, struct buf *out)
{
	buf_printf(out, "%*s%s: ", indent, "", name);
	ytree_put_text(str_of(text), out);
	buf_putc(out, '\n');
}

/* The rest of the line after "- ", and the lines of the other arguments. */
static void
print_step(const struct step *step, struct buf *out)
{
	const struct step_verb *verb = step->verb;
	int own = step_find_arg(verb, verb->name);
	buf_puts(out, "    - ");
	if (own >= 0 && verb->arg[own].kind == STEP_ARG_PAIRS) {
		buf_printf(out, "%s:\n", verb->name);
		for (int i = 0; i < step->npair; i++) {
			buf_printf(out, "%*s", 8, "");
			ytree_put_text(str_of(step->pair[i].name), out);
			buf_puts(out, ": ");
			ytree_put_text(str_of(step->pair[i].text), out);
			buf_putc(out, '\n');
		}
	} else if (own >= 0 && step->value[own]) {
		print_value(verb->name, step->value[own], 0, out);
	} else {
		buf_printf(out, "%s:\n", verb->name);
	}
	for (int i = 0; i < STEP_ARGS_MAX && verb->arg[i].name; i++)
		if (i != own && step->value[i])
			print_value(verb->arg[i].name, step->value[i], 6, out);
}

void
yaml_print(const struct steps *steps, struct buf *out)
{
	settings_print_yaml(out);
	buf_puts(out, "streams:\n");
	for (int i = 0; i < steps->nchain; i++) {
		buf_puts(out, "  ");
		ytree_put_text(str_of(steps->chain[i].name), out);
		buf_puts(out, ":\n");
		for (int k = 0; k < steps->chain[i].nstep; k++)
			print_step(&steps->chain[i].step[k], out);
	}
}
