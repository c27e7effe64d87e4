#include "text/config.h"

#include "text/opt.h"
#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *
config_name(const struct config_key *key, enum config_scope scope)
{
	return key->scope == scope ? key->name
		: scope == CONFIG_SCOPE_BROKER ? key->synonym : NULL;
}

const struct config_key *
config_find(enum config_scope scope, struct str name)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const char *z = config_name(&config_table[i], scope);
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
		if (config_name(&config_table[i], scope))
			words[n++] = config_name(&config_table[i], scope);
	words[n] = NULL;
	return opt_suggest(name, words);
}

int
config_unknown(enum config_scope scope, struct str name, struct err *e)
{
	static const char *const owner[] = { [CONFIG_SCOPE_TOPIC] = "topic",
		[CONFIG_SCOPE_BROKER] = "broker", [CONFIG_SCOPE_GROUP] = "group" };
	char z[100];
	snprintf(z, sizeof z, "%.*s", STR_ARG(name));
	for (const struct config_foreign *foreign = config_foreign_table; foreign->name; foreign++)
		if (foreign->scope == scope && str_eq(str_of(foreign->name), name))
			return err_set(e, ERR_USAGE, "Kafka has the %s setting '%s', kq does not yet",
				owner[scope], z);
	const char *near = config_suggest(scope, z);
	if (near)
		return err_set(e, ERR_USAGE, "there is no %s setting '%s'; did you mean '%s'?",
			owner[scope], z, near);
	return err_set(e, ERR_USAGE, "there is no %s setting '%s'", owner[scope], z);
}

bool
config_is_hidden(const struct config_key *key)
{
	return strncmp(key->name, "internal.", 9) == 0;
}

bool
config_is_live(const struct config_key *key)
{
	return key->scope == CONFIG_SCOPE_TOPIC || key->effect == CONFIG_EFFECT_LIVE;
}

/* ---- values ---- */

/* Trim as Java does: bytes up to a space are blanks. */
static struct str
trim(struct str s)
{
	while (s.n > 0 && s.p[0] <= ' ') {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && s.p[s.n - 1] <= ' ')
		s.n--;
	return s;
}

bool
config_next_member(struct str *rest, struct str *member)
{
	if (rest->n < 0)
		return false;
	const uint8_t *comma = rest->n ? memchr(rest->p, ',', (size_t)rest->n) : NULL;
	int32_t n = comma ? (int32_t)(comma - rest->p) : rest->n;
	*member = trim((struct str){ rest->p, n });
	*rest = comma ? (struct str){ comma + 1, rest->n - n - 1 } : STR_NULL;
	return true;
}

/* The word of "a,b,c" that equals this one; empty if none does. */
static struct str
find_choice(struct str choices, struct str word, bool any_case)
{
	struct str s;
	while (config_next_member(&choices, &s))
		if (s.n == word.n && (any_case
			? strncasecmp((const char *)s.p, (const char *)word.p, (size_t)s.n) == 0
			: str_eq(s, word)))
			return s;
	return STR("");
}

static int
check_limits(const struct config_key *key, bool is_low, bool is_high, struct err *e)
{
	if (!is_low && !is_high)
		return 0;
	if (key->other != key->min)
		return err_set(e, ERR_USAGE, "Value must be between %lld and %lld or equal to %lld",
			(long long)key->min, (long long)key->max, (long long)key->other);
	if (is_low)
		return err_set(e, ERR_USAGE, "Value must be at least %lld", (long long)key->min);
	return err_set(e, ERR_USAGE, "Value must be no more than %lld", (long long)key->max);
}

/* Append the number with the fewest digits that convert back to it. */
static void
put_double(double v, struct buf *out)
{
	char z[40];
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(z, sizeof z, "%.*g", digits, v);
		if (strtod(z, NULL) == v)
			break;
	}
	buf_printf(out, "%s%s", z, strpbrk(z, ".e") ? "" : ".0");
}

static int
put_number_double(const struct config_key *key, const char *value, struct buf *out, struct err *e)
{
	char *end;
	errno = 0;
	double v = strtod(value, &end);
	/* Java's suffixes. */
	bool is_over = !*end || (strchr("fFdD", *end) && !end[1]);
	if (end == value || !is_over || errno || v != v)
		return err_set(e, ERR_USAGE, "Not a number of type DOUBLE");
	put_double(v, out);
	return check_limits(key, v < (double)key->min, v > (double)key->max, e);
}

static int
put_whole(const struct config_key *key, const char *value, struct buf *out, struct err *e)
{
	bool is_int = key->type == CONFIG_TYPE_INT;
	int64_t v;
	if (units_parse_int(value, is_int ? INT32_MIN : INT64_MIN, is_int ? INT32_MAX : INT64_MAX,
		&v, e) < 0)
		return err_set(e, ERR_USAGE, "Not a number of type %s", is_int ? "INT" : "LONG");
	buf_printf(out, "%lld", (long long)v);
	return v == key->other ? 0 : check_limits(key, v < key->min, v > key->max, e);
}

static int
put_choice(const struct config_key *key, struct str word, struct buf *out, struct err *e)
{
	struct str s = find_choice(str_of(key->choices), word, key->type == CONFIG_TYPE_ANYCASE);
	if (!s.n)
		return err_set(e, ERR_USAGE, "String must be one of: %s", key->choices);
	buf_put_str(out, s);
	return 0;
}

static bool
is_replica(struct str s)
{
	int32_t i = 0, colon;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		;
	colon = i++;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		;
	return colon > 0 && i == s.n && i > colon + 1 && s.p[colon] == ':';
}

static int
put_member(const struct config_key *key, struct str member, struct buf *out, struct err *e)
{
	if (key->type == CONFIG_TYPE_REPLICAS && !is_replica(member))
		return err_set(e, ERR_USAGE, "write * or [partitionId]:[brokerId],...");
	if (!member.n)
		return err_set(e, ERR_USAGE, "the members of a list must not be empty");
	if (*key->choices && !find_choice(str_of(key->choices), member, false).n)
		return err_set(e, ERR_USAGE, "each must be one of: %s", key->choices);
	/* Repeated words are dropped. */
	if (*key->choices && out->n && find_choice(buf_str(out), member, false).n)
		return 0;
	if (out->n)
		buf_putc(out, ',');
	buf_put_str(out, member);
	return 0;
}

static int
put_list(const struct config_key *key, struct str list, struct buf *out, struct err *e)
{
	struct str member;
	if (key->type == CONFIG_TYPE_REPLICAS && str_eq(list, STR("*"))) {
		buf_putc(out, '*');
		return 0;
	}
	if (!list.n)
		return 0;
	while (config_next_member(&list, &member))
		if (put_member(key, member, out, e) < 0)
			return -1;
	return 0;
}

/* Append the value in canonical form; text is the same, ending with a NUL. */
static int
put_value(const struct config_key *key, struct str value, const char *text, struct buf *out,
	struct err *e)
{
	switch (key->type) {
	case CONFIG_TYPE_BOOL:
		if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0)
			return err_set(e, ERR_USAGE, "Expected value to be either true or false");
		buf_puts(out, strcasecmp(text, "true") == 0 ? "true" : "false");
		return 0;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_LONG: return put_whole(key, text, out, e);
	case CONFIG_TYPE_DOUBLE: return put_number_double(key, text, out, e);
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_REPLICAS: return put_list(key, value, out, e);
	case CONFIG_TYPE_ENUM:
	case CONFIG_TYPE_ANYCASE: return put_choice(key, value, out, e);
	case CONFIG_TYPE_STRING: break;
	}
	buf_put_str(out, value);
	return 0;
}

char *
config_parse(const struct config_key *key, enum config_scope scope, struct str value, struct err *e)
{
	struct str s = trim(value);
	char *text = mem_strndup(s);
	struct buf out = BUF_INIT;
	int rc = (int32_t)strlen(text) == s.n ? put_value(key, s, text, &out, e)
		: err_set(e, ERR_USAGE, "a value must not contain NUL");
	char *plain = rc == 0 ? mem_strndup(buf_str(&out)) : NULL;
	buf_release(&out);
	if (rc == 0 && strlen(plain) > CONFIG_VALUE_MAX)
		rc = err_set(e, ERR_USAGE, "longer than %d bytes", CONFIG_VALUE_MAX);
	if (rc == 0 && key->effect == CONFIG_EFFECT_FIXED && strcmp(plain, key->def) != 0)
		rc = err_set(e, ERR_USAGE, "kq does not have this feature yet: "
			"only the default, %s, can be set", key->def);
	if (rc < 0) {
		err_wrap(e, "Invalid value %.100s for configuration %s", text, config_name(key, scope));
		mem_free(plain);
		plain = NULL;
	}
	mem_free(text);
	return plain;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);
	return n >= k && strcmp(text + n - k, end) == 0;
}

void
config_put_plain(const char *name, const char *value, struct buf *out)
{
	struct err ignored;
	int64_t n;
	bool is_size = ends_with(name, ".bytes") || strstr(name, ".bytes.");
	if ((ends_with(name, ".ms") && units_parse_duration(value, &n, &ignored) == 0)
		|| (is_size && units_parse_size(value, &n, &ignored) == 0))
		buf_printf(out, "%lld", (long long)n);
	else
		buf_puts(out, value);
}

/* Fail if the first is above the second. */
static const struct {
	enum config_id low, high;
} ordered[] = {
	{ CONFIG_MIN_COMPACTION_LAG_MS, CONFIG_MAX_COMPACTION_LAG_MS },
	{ CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS, CONFIG_CONSUMER_SESSION_TIMEOUT_MS },
	{ CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
		CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS },
	{ CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS, CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS },
	{ CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS },
};

int
config_check_together(const struct config_set *own, const struct config_set *broker,
	struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++) {
		const struct config_key *left = &config_table[ordered[i].low];
		const struct config_key *right = &config_table[ordered[i].high];
		int64_t low = config_int(own, broker, ordered[i].low);
		int64_t high = config_int(own, broker, ordered[i].high);
		if (low > high)
			return err_set(e, ERR_USAGE, "%s (%lld) is above %s (%lld)",
				config_name(left, own ? left->scope : CONFIG_SCOPE_BROKER), (long long)low,
				config_name(right, own ? right->scope : CONFIG_SCOPE_BROKER), (long long)high);
	}
	return 0;
}

/* ---- sets ---- */

/* Kafka's older, coarser names, in order from finer to coarser. */
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
put(struct config_set *set, enum config_id id, const char *value)
{
	char *copy = value ? mem_strdup(value) : NULL;
	mem_free(set->value[id]);
	set->value[id] = copy;
}

/* Derive the value of a key that is not set itself from its finest coarse form. */
static void
derive(struct config_set *set, enum config_id to)
{
	bool is_done = false;
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++) {
		if (coarse[i].to != to)
			continue;
		set->derived &= ~(1u << i);
		const char *v = set->value[coarse[i].from];
		if (!v || is_done)
			continue;
		int64_t n = strtoll(v, NULL, 10);
		char z[24];
		snprintf(z, sizeof z, "%lld", n < 0 ? -1LL : (long long)(n * coarse[i].factor));
		put(set, to, z);
		set->derived |= 1u << i;
		is_done = true;
	}
	if (!is_done)
		put(set, to, NULL);
}

static bool
is_derived(const struct config_set *set, enum config_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++)
		if (coarse[i].to == id && (set->derived & 1u << i))
			return true;
	return false;
}

struct config_set *
config_set_copy(const struct config_set *set)
{
	struct config_set *copy = NEW(struct config_set);
	copy->derived = set ? set->derived : 0;
	for (int i = 0; set && i < CONFIG_N; i++)
		if (set->value[i])
			copy->value[i] = mem_strdup(set->value[i]);
	return copy;
}

void
config_set_put(struct config_set *set, enum config_id id, const char *value)
{
	put(set, id, value);
	for (size_t i = 0; i < ARRAY_LEN(coarse); i++) {
		enum config_id to = coarse[i].to;
		if (to == id && value)
			set->derived &= ~(1u << i);
		else if (to == id || (coarse[i].from == id && (!set->value[to] || is_derived(set, to))))
			derive(set, to);
	}
}

void
config_set_free(struct config_set *set)
{
	for (int i = 0; set && i < CONFIG_N; i++)
		mem_free(set->value[i]);
	mem_free(set);
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

/* ---- printing ---- */

/* What the choices are; empty if there are none. */
static const char *
choices_note(const struct config_key *key)
{
	return !*key->choices ? "" : !strchr(key->choices, ',') ? "only "
		: key->type == CONFIG_TYPE_LIST ? "any of " : "one of ";
}

/* The part of a key's help that follows its text. */
static const char *
effect_note(const struct config_key *key)
{
	return key->effect == CONFIG_EFFECT_NO ? CONFIG_WITHOUT_EFFECT
		: key->effect == CONFIG_EFFECT_FIXED ? "; only the default is accepted" : "";
}

void
config_print_help(void)
{
	static const char *const owner[] = { [CONFIG_SCOPE_TOPIC] = "topic",
		[CONFIG_SCOPE_BROKER] = "broker", [CONFIG_SCOPE_GROUP] = "group" };
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *key = &config_table[i];
		printf("%s  (%s%s%s)\n    %s%s%s%s%s%s%s\n", key->name, owner[key->scope],
			key->synonym ? ", for all: " : "", key->synonym ? key->synonym : "", key->text,
			*key->choices ? "; " : "", choices_note(key), key->choices,
			*key->def ? "; default " : "", key->def,
			effect_note(key));
	}
}

static void
print_mdoc_keys(enum config_scope scope)
{
	printf(".Bl -tag -width Ds\n");
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *key = &config_table[i];
		if (key->scope != scope)
			continue;
		char first = key->text[0];
		printf(".It Ic %s\n", key->name);
		printf("%c%s%s%s%s.\n", first >= 'a' && first <= 'z' ? first - 'a' + 'A' : first,
			key->text + 1, *key->choices ? "; " : "", choices_note(key), key->choices);
		if (*key->def)
			printf("Default: %s.\n", key->def);
		if (key->synonym)
			printf("Default for all %ss:\n.Ic %s .\n",
				scope == CONFIG_SCOPE_GROUP ? "group" : "topic", key->synonym);
		if (key->effect == CONFIG_EFFECT_NO)
			printf("Accepted and stored, but without effect yet.\n");
		if (key->effect == CONFIG_EFFECT_FIXED)
			printf("Only the default is accepted.\n");
		if (scope == CONFIG_SCOPE_BROKER && config_is_live(key))
			printf("It can be changed at run time.\n");
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
	printf(".Ss Settings of groups\n");
	print_mdoc_keys(CONFIG_SCOPE_GROUP);
}
