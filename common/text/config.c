#include "text/config.h"

#include "text/opt.h"
#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

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
	for (const char *p = value;; p++) {
		size_t n = strcspn(p, ",");
		if (!is_choice(choices, p, n))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static int
check_limits(const struct config_key *k, bool is_low, bool is_high, struct err *e)
{
	if (is_low)
		return err_set(e, ERR_USAGE, "Value must be at least %lld", (long long)k->min);
	if (is_high)
		return err_set(e, ERR_USAGE, "Value must be no more than %lld", (long long)k->max);
	return 0;
}

static int
check_double(const struct config_key *k, const char *value, struct err *e)
{
	char *end;
	errno = 0;
	double v = strtod(value, &end);
	if (end == value || *end || errno || v != v)
		return err_set(e, ERR_USAGE, "Not a number of type DOUBLE");
	return check_limits(k, v < (double)k->min, v > (double)k->max, e);
}

static int
check_whole(const struct config_key *k, const char *value, struct err *e)
{
	bool is_int = k->type == CONFIG_TYPE_INT;
	int64_t v;
	if (units_parse_int(value, is_int ? INT32_MIN : INT64_MIN, is_int ? INT32_MAX : INT64_MAX,
		&v, e) < 0)
		return err_set(e, ERR_USAGE, "Not a number of type %s", is_int ? "INT" : "LONG");
	return check_limits(k, v < k->min, v > k->max, e);
}

static int
check(const struct config_key *k, const char *value, struct err *e)
{
	switch (k->type) {
	case CONFIG_TYPE_BOOL:
		if (strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0)
			return 0;
		return err_set(e, ERR_USAGE, "Expected value to be either true or false");
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_LONG: return check_whole(k, value, e);
	case CONFIG_TYPE_DOUBLE: return check_double(k, value, e);
	case CONFIG_TYPE_LIST:
		if (is_list_of(k->choices, value))
			return 0;
		return err_set(e, ERR_USAGE, "each must be one of: %s", k->choices);
	case CONFIG_TYPE_ENUM:
		if (is_choice(k->choices, value, strlen(value)))
			return 0;
		return err_set(e, ERR_USAGE, "String must be one of: %s", k->choices);
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
	return err_wrap(e, "Invalid value %.100s for configuration %s", value, key->name);
}

/* --- sets --- */

/* Kafka's older, coarser names, the finer of two first. */
static const struct {
	enum config_id from, to;
	int64_t factor;
} coarse[] = {
	{ CONFIG_LOG_RETENTION_MINUTES, CONFIG_RETENTION_MS, 60000 },
	{ CONFIG_LOG_RETENTION_HOURS, CONFIG_RETENTION_MS, 3600000 },
	{ CONFIG_LOG_ROLL_HOURS, CONFIG_SEGMENT_MS, 3600000 },
	{ CONFIG_LOG_ROLL_JITTER_HOURS, CONFIG_SEGMENT_JITTER_MS, 3600000 },
};

static void
put(struct config_set *s, enum config_id id, const char *value)
{
	char *copy = value ? mem_strdup(value) : NULL;
	mem_free(s->value[id]);
	s->value[id] = copy;
}

/* The key has no value of its own: take it from the finest coarse one. */
static void
derive(struct config_set *s, enum config_id to)
{
	bool is_done = false;
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++) {
		if (coarse[i].to != to)
			continue;
		s->derived &= ~(1u << i);
		const char *v = s->value[coarse[i].from];
		if (!v || is_done)
			continue;
		int64_t n = strtoll(v, NULL, 10);
		char z[24];
		snprintf(z, sizeof z, "%lld", n < 0 ? -1LL : (long long)(n * coarse[i].factor));
		put(s, to, z);
		s->derived |= 1u << i;
		is_done = true;
	}
	if (!is_done)
		put(s, to, NULL);
}

static bool
is_derived(const struct config_set *s, enum config_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++)
		if (coarse[i].to == id && (s->derived & 1u << i))
			return true;
	return false;
}

struct config_set *
config_set_copy(const struct config_set *s)
{
	struct config_set *copy = NEW(struct config_set);
	copy->derived = s ? s->derived : 0;
	for (int i = 0; s && i < CONFIG_N; i++)
		if (s->value[i])
			copy->value[i] = mem_strdup(s->value[i]);
	return copy;
}

void
config_set_put(struct config_set *s, enum config_id id, const char *value)
{
	put(s, id, value);
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++) {
		enum config_id to = coarse[i].to;
		if (to == id && value)
			s->derived &= ~(1u << i);
		else if (to == id || (coarse[i].from == id && (!s->value[to] || is_derived(s, to))))
			derive(s, to);
	}
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
	return config_table[id].type == CONFIG_TYPE_BOOL ? strcasecmp(v, "true") == 0
		: strtoll(v, NULL, 10);
}

bool
config_is(const struct config_set *topic, const struct config_set *broker, enum config_id id,
	const char *word)
{
	return strcmp(config_value(topic, broker, id), word) == 0;
}

/* --- printing --- */

void
config_print_help(void)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		bool is_topic = k->scope == CONFIG_SCOPE_TOPIC;
		printf("%s  (%s%s%s)\n    %s%s%s%s%s%s\n", k->name, is_topic ? "topic" : "broker",
			k->synonym ? ", for all: " : "", k->synonym ? k->synonym : "", k->text,
			*k->choices ? ": " : "", k->choices, *k->def ? "; default " : "", k->def,
			k->is_enforced ? "" : "; without effect yet");
	}
}

static void
print_mdoc_keys(enum config_scope scope)
{
	printf(".Bl -tag -width Ds\n");
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		if (k->scope != scope)
			continue;
		char first = k->text[0];
		printf(".It Ic %s\n", k->name);
		printf("%c%s%s%s.\n", first >= 'a' && first <= 'z' ? first - 'a' + 'A' : first,
			k->text + 1, *k->choices ? ": " : "", k->choices);
		if (*k->def)
			printf("Default: %s.\n", k->def);
		if (k->synonym)
			printf("For all topics:\n.Ic %s .\n", k->synonym);
		if (!k->is_enforced)
			printf("Accepted and shown, but without effect yet.\n");
	}
	printf(".El\n");
}

void
config_print_mdoc(void)
{
	printf(".Ss Settings of the broker\n");
	print_mdoc_keys(CONFIG_SCOPE_BROKER);
	printf(".Ss Settings of topics\n");
	print_mdoc_keys(CONFIG_SCOPE_TOPIC);
}
