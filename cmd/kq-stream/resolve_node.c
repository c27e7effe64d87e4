#include "kq-stream/resolve_int.h"

#include "text/units.h"

/* ---- nodes ---- */

struct plan_node *
resolve_add(struct resolve *rs, const struct step *step, enum flow_op op,
	const struct resolve_end *from)
{
	struct plan *plan = rs->plan;
	if (plan->nnode == rs->nnode_cap) {
		rs->nnode_cap = rs->nnode_cap ? rs->nnode_cap * 2 : 16;
		plan->node = mem_realloc(plan->node, (size_t)rs->nnode_cap * sizeof(struct plan_node *));
	}
	struct plan_node *node = arena_alloc(&plan->arena, sizeof *node);
	*node = (struct plan_node){ .source = -1, .sink = -1, .where = step->where };
	node->spec.op = op;
	node->spec.id = arena_printf(&plan->arena, "%s-%d", step->verb->name, plan->nnode + 1);
	node->spec.tag = node;
	node->spec.join_grace_ms = -1;
	if (from) {
		node->spec.from[0] = from->id;
		node->in_key_format = node->key_format = from->key_format;
		node->is_windowed = from->is_windowed;
		node->is_session = from->is_session;
		node->is_keyless = from->is_keyless;
		node->kind = from->kind;
	}
	plan->node[plan->nnode] = node;
	node->index = plan->nnode++;
	return node;
}

int
resolve_add_from(struct plan_node *node, const struct resolve_end *from,
	const struct step *step, struct err *e)
{
	int n = 0;
	while (n < FLOW_FROM_MAX && node->spec.from[n])
		n++;
	if (n == FLOW_FROM_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d inputs", step->where, FLOW_FROM_MAX);
	node->spec.from[n] = from->id;
	node->is_keyless = node->is_keyless && from->is_keyless;
	return 0;
}

struct resolve_end
resolve_end_of(const struct plan_node *node)
{
	return (struct resolve_end){ node->index, node->spec.id, node->kind, node->key_format,
		node->is_windowed, node->is_session, node->is_keyless };
}

struct plan_expr
resolve_expr(const struct step *step, const char *text)
{
	return (struct plan_expr){ text, step->where };
}

struct resolve_end
resolve_recode(struct resolve *rs, const struct step *step, const struct resolve_end *from,
	enum plan_format key_format)
{
	if (from->key_format == key_format)
		return *from;
	struct plan_node *node = resolve_add(rs, step, FLOW_SELECT_KEY, from);
	node->use = PLAN_RECODE;
	node->key_format = key_format;
	node->is_windowed = false;
	return resolve_end_of(node);
}

/* ---- names and values ---- */

struct resolve_name *
resolve_find(struct resolve *rs, const char *name)
{
	for (int i = 0; i < rs->nname; i++)
		if (strcmp(rs->name[i].name, name) == 0)
			return &rs->name[i];
	return NULL;
}

int
resolve_add_name(struct resolve *rs, const char *name, const char *where,
	const struct resolve_end *end, struct err *e)
{
	if (resolve_find(rs, name))
		return err_set(e, ERR_USAGE, "%s: two streams have the name '%.60s'", where, name);
	if (rs->nname == rs->cap_name) {
		rs->cap_name = rs->cap_name ? rs->cap_name * 2 : 8;
		rs->name = mem_realloc(rs->name, (size_t)rs->cap_name * sizeof *rs->name);
	}
	rs->name[rs->nname++] = (struct resolve_name){ name, where, *end, false };
	return 0;
}

int64_t
resolve_ms(const struct step *step, const char *arg, int64_t absent)
{
	const char *text = step_value(step, arg);
	struct err e;
	if (text && units_parse_duration(text, &absent, &e) < 0)
		assert(!"steps_set has checked it");
	return absent;
}

int64_t
resolve_count(const struct step *step, const char *arg, int64_t absent)
{
	const char *text = step_value(step, arg);
	struct err e;
	if (text && units_parse_int(text, 1, INT64_MAX, &absent, &e) < 0)
		assert(!"steps_set has checked it");
	return absent;
}

int
resolve_choice(const struct step *step, const char *arg, int absent)
{
	const char *text = step_value(step, arg);
	if (!text)
		return absent;
	const char *p = step->verb->arg[step_find_arg(step->verb, arg)].choices;
	size_t n = strlen(text);
	for (int i = 0;; i++) {
		size_t k = strcspn(p, "|");
		if (k == n && memcmp(p, text, n) == 0)
			return i;
		assert(p[k]); /* steps_set has checked it */
		p += k + 1;
	}
}

int
resolve_need(const struct resolve *rs, const struct step *step, int kinds, struct err *e)
{
	static const char *const is[] = { "a stream", "a table", "a grouped stream",
		"a grouped table", "a global table" };
	if (1 << rs->at.kind & kinds)
		return 0;
	if (rs->at.kind == PLAN_GROUPED_TABLE)
		return err_set(e, ERR_USAGE, "%s: it follows 'by' on a table, where only an aggregation "
			"makes sense: agg, reduce or aggregate", step->where);
	if (rs->at.kind == PLAN_TABLE)
		return err_set(e, ERR_USAGE, "%s: it needs a stream, but here is a table; "
			"'stream' makes its updates one", step->where);
	return err_set(e, ERR_USAGE, "%s: it does not fit %s", step->where, is[rs->at.kind]);
}

int
resolve_need_key(const struct resolve_end *end, const struct step *step, struct err *e)
{
	return !end->is_keyless ? 0 : err_set(e, ERR_USAGE, "%s: lines of stdin have no key: put "
		"'by EXPR' before it (by '\"all\"' gives all of them one key)", step->where);
}

/* ---- sources and sinks ---- */

static int
check_stdin(const struct resolve *rs, const struct step *step, enum flow_op op, struct err *e)
{
	for (int i = 0; i < rs->plan->nsource; i++)
		if (rs->plan->source[i].is_stdin)
			return err_set(e, ERR_USAGE, "%s: stdin is read already; give that stream a name, "
				"and continue it with 'use'", step->where);
	if (op == FLOW_GLOBAL_TABLE)
		return err_set(e, ERR_USAGE, "%s: stdin cannot be a global table", step->where);
	return 0;
}

static int
check_format(const struct step *step, bool is_standard, struct err *e)
{
	const char *format = step_value(step, "format");
	if (is_standard || !format || strcmp(format, "csv") != 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s: csv has a header, so it is for stdin and stdout only; a "
		"topic has json, text or bytes", step->where);
}

/* The separator of CSV. */
static int
take_separator(const struct step *step, char *separator, struct err *e)
{
	const char *text = step_find_arg(step->verb, "separator") < 0 ? NULL
		: step_value(step, "separator"), *format = text ? step_value(step, "format") : NULL;
	*separator = ',';
	if (!text)
		return 0;
	if (!format || strcmp(format, "csv") != 0)
		return err_set(e, ERR_USAGE, "%s: 'separator' belongs to 'format csv'", step->where);
	bool is_tab = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0;
	*separator = is_tab ? '\t' : *text;
	bool is_plain = strlen(text) == 1 && *text > ' ' && *text <= '~' && *text != '"';
	if (is_tab || is_plain || strcmp(text, "\t") == 0 || strcmp(text, " ") == 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s: separator '%.20s' is not one character, such as ';' or tab",
		step->where, text);
}

struct plan_node *
resolve_add_source(struct resolve *rs, const struct step *step, enum flow_op op,
	const char *topic, struct err *e)
{
	struct plan *plan = rs->plan;
	bool is_stdin = strcmp(topic, "-") == 0;
	char separator;
	if (is_stdin && check_stdin(rs, step, op, e) < 0)
		return NULL;
	if (check_format(step, is_stdin, e) < 0 || take_separator(step, &separator, e) < 0)
		return NULL;
	for (int i = 0; i < plan->nsource; i++)
		if (strcmp(plan->source[i].topic, topic) == 0) {
			err_set(e, ERR_USAGE, "%s: topic '%.100s' is read already; give that stream a name, "
				"and continue it with 'use'", step->where, topic);
			return NULL;
		}
	if (plan->nsource == rs->nsource_cap) {
		rs->nsource_cap = rs->nsource_cap ? rs->nsource_cap * 2 : 8;
		plan->source = mem_realloc(plan->source, (size_t)rs->nsource_cap * sizeof *plan->source);
	}
	struct plan_node *node = resolve_add(rs, step, op, NULL);
	node->spec.topic = topic;
	node->spec.history_ms = resolve_ms(step, "history", 0);
	node->spec.name = op == FLOW_TABLE ? step_value(step, "name") : NULL;
	node->kind = op == FLOW_STREAM ? PLAN_STREAM : op == FLOW_TABLE ? PLAN_TABLE : PLAN_GLOBAL;
	node->key_format = (enum plan_format)resolve_choice(step, "key", is_stdin ? PLAN_JSON
		: PLAN_TEXT);
	node->in_key_format = node->key_format;
	node->is_keyless = is_stdin;
	node->source = plan->nsource;
	plan->source[plan->nsource++] = (struct plan_source){
		.topic = topic,
		.is_stdin = is_stdin,
		.key_format = node->key_format,
		.value_format = (enum plan_format)resolve_choice(step, "format", PLAN_JSON),
		.separator = separator,
		.node = node->index,
	};
	return node;
}

int
resolve_to(struct resolve *rs, const struct step *step, const char *topic,
	const struct resolve_end *from, struct err *e)
{
	struct plan *plan = rs->plan;
	bool is_stdout = strcmp(topic, "-") == 0, is_to = step->verb->kind == STEP_TO;
	char separator;
	for (int i = 0; i < plan->nsource; i++)
		if (!is_stdout && strcmp(plan->source[i].topic, topic) == 0)
			return err_set(e, ERR_USAGE, "%s: topic '%.100s' is read and written, which never ends",
				step->where, topic);
	if (is_to && check_format(step, is_stdout, e) < 0)
		return -1;
	if (take_separator(step, &separator, e) < 0)
		return -1;
	if (plan->nsink == rs->nsink_cap) {
		rs->nsink_cap = rs->nsink_cap ? rs->nsink_cap * 2 : 8;
		plan->sink = mem_realloc(plan->sink, (size_t)rs->nsink_cap * sizeof *plan->sink);
	}
	struct plan_node *node = resolve_add(rs, step, FLOW_TO, from);
	node->spec.topic = topic;
	node->sink = plan->nsink;
	plan->sink[plan->nsink++] = (struct plan_sink){
		.topic = topic,
		.is_stdout = is_stdout,
		.is_table = from->kind == PLAN_TABLE,
		.is_session = from->is_session,
		.key_format = is_to ? (enum plan_format)resolve_choice(step, "key", PLAN_TEXT) : PLAN_TEXT,
		.value_format = is_to ? (enum plan_format)resolve_choice(step, "format", PLAN_JSON)
			: PLAN_JSON,
		.in_key_format = from->key_format,
		.separator = separator,
		.node = node->index,
	};
	return 0;
}
