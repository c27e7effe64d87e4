#include "text/config.h"

#include "text/opt.h"
#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The name that a key goes by in a scope; NULL: it is not known there. */
static const char *
name_in(const struct config_key *k, enum config_scope scope)
{
	return k->scope == scope ? k->name
		: scope == CONFIG_SCOPE_BROKER ? k->synonym : NULL;
}

const struct config_key *
config_find(enum config_scope scope, struct str name)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const char *z = name_in(&config_table[i], scope);
		if (z && str_eq(str_of(z), name))
			return &config_table[i];
	}
	return NULL;
}

const char *
config_suggest(enum config_scope scope, const char *name)
{
	const char *words[CONFIG_N + 1];
	int n = 0;
	for (int i = 0; i < CONFIG_N; i++)
		if (name_in(&config_table[i], scope))
			words[n++] = name_in(&config_table[i], scope);
	words[n] = NULL;
	return opt_suggest(name, words);
}

/* Is the word (n bytes) one of "a,b,c"? */
static bool
is_choice(const char *choices, const char *word, size_t n)
{
	for (const char *p = choices; *p;) {
		size_t k = strcspn(p, ",");
		if (k == n && memcmp(p, word, n) == 0)
			return true;
		p += k + (p[k] == ',');
	}
	return false;
}

static bool
is_list_of(const char *choices, const char *value)
{
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, ",");
		if (!is_choice(choices, p, n))
			return false;
		p += n + (p[n] == ',');
	}
	return *value != 0;
}

static int
check_double(const struct config_key *k, const char *value, struct err *e)
{
	char *end;
	errno = 0;
	double v = strtod(value, &end);
	if (end == value || *end || errno || !(v >= (double)k->min && v <= (double)k->max))
		return err_set(e, ERR_USAGE, "'%s' is not a number from %lld to %lld", value,
			(long long)k->min, (long long)k->max);
	return 0;
}

static int
check(const struct config_key *k, const char *value, struct err *e)
{
	int64_t ignored;
	switch (k->type) {
	case CONFIG_TYPE_BOOL:
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
			return 0;
		return err_set(e, ERR_USAGE, "'%s' is neither true nor false", value);
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_LONG:
		return units_parse_int(value, k->min, k->max, &ignored, e);
	case CONFIG_TYPE_DOUBLE:
		return check_double(k, value, e);
	case CONFIG_TYPE_LIST:
		if (is_list_of(k->choices, value))
			return 0;
		return err_set(e, ERR_USAGE, "'%s' is not a list of %s", value, k->choices);
	case CONFIG_TYPE_ENUM:
		if (is_choice(k->choices, value, strlen(value)))
			return 0;
		return err_set(e, ERR_USAGE, "'%s' is none of %s", value, k->choices);
	case CONFIG_TYPE_STRING:
		break;
	}
	return 0;
}

int
config_check(const struct config_key *key, const char *value, struct err *e)
{
	if (check(key, value, e) == 0)
		return 0;
	return err_wrap(e, "%s", key->name);
}

struct config_set *
config_set_copy(const struct config_set *s)
{
	struct config_set *copy = NEW(struct config_set);
	for (int i = 0; s && i < CONFIG_N; i++)
		if (s->value[i])
			copy->value[i] = mem_strdup(s->value[i]);
	return copy;
}

void
config_set_put(struct config_set *s, enum config_id id, const char *value)
{
	char *copy = value ? mem_strdup(value) : NULL;
	mem_free(s->value[id]);
	s->value[id] = copy;
}

void
config_set_free(struct config_set *s)
{
	for (int i = 0; s && i < CONFIG_N; i++)
		mem_free(s->value[i]);
	mem_free(s);
}

const char *
config_value(const struct config_set *topic, const struct config_set *broker, enum config_id id)
{
	if (topic && topic->value[id])
		return topic->value[id];
	return broker && broker->value[id] ? broker->value[id] : config_table[id].def;
}

int64_t
config_int(const struct config_set *topic, const struct config_set *broker, enum config_id id)
{
	const char *v = config_value(topic, broker, id);
	return config_table[id].type == CONFIG_TYPE_BOOL ? strcmp(v, "true") == 0
		: strtoll(v, NULL, 10);
}

bool
config_is(const struct config_set *topic, const struct config_set *broker, enum config_id id,
	const char *word)
{
	return strcmp(config_value(topic, broker, id), word) == 0;
}

void
config_print_help(void)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		printf("%s%s%s%s)\n    %s%s%s%s%s\n", k->name,
			k->scope == CONFIG_SCOPE_TOPIC ? "  (topic" : "  (broker",
			k->synonym ? ", for all: " : "", k->synonym ? k->synonym : "", k->text,
			*k->choices ? ": " : "", k->choices, *k->def ? "; default " : "", k->def);
	}
}

void
config_print_mdoc(void)
{
	printf(".Bl -tag -width Ds\n");
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		printf(".It Ic %s\n", k->name);
		if (k->synonym)
			printf("Of a topic; for all topics\n.Ic %s .\n", k->synonym);
		printf("%c%s%s%s.\n", k->text[0] - 32, k->text + 1, *k->choices ? ": " : "", k->choices);
		if (*k->def)
			printf("Default\n.Li %s .\n", k->def);
		if (!k->is_enforced)
			printf("Accepted and shown; without effect yet.\n");
	}
	printf(".El\n");
}
