/* A case's topology as flow_specs. */
#include "case.h"

/* ---- functions ---- */

static struct flow_fn *
add_fn(struct case_fns *fns, const json_t *fn, enum flow_gives gives, struct err *e)
{
	const char *text = json_string_value(json_object_get(fn, "jq"));
	if (!text) {
		err_set(e, ERR_CORRUPT, "a function without jq");
		return NULL;
	}
	struct buf name = BUF_INIT;
	buf_printf(&name, "%d %s", gives, text);
	struct flow_fn *out = map_get(&fns->fn, buf_str(&name));
	if (!out) {
		struct flow_place place = { gives, FLOW_KEY_JSON, FLOW_KEY_JSON };
		out = flow_fns_add(fns->set, str_of(text), &place, e);
		if (out)
			map_put(&fns->fn, arena_str(&fns->arena, buf_str(&name)), out);
		else
			e->class = ERR_CORRUPT;
	}
	buf_release(&name);
	return out;
}

static const char *
dump(const json_t *json, struct arena *arena)
{
	char *z = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *out = arena_printf(arena, "%s", z);
	free(z);
	return out;
}

/* ---- aggregates ---- */

static struct str
expr_of(const json_t *node, const char *name)
{
	return str_of(json_string_value(json_object_get(json_object_get(node, name), "jq")));
}

/* Each aggregate is made once, too: the cases have few of them. */
static int
translate_agg(struct case_fns *fns, const json_t *node, bool is_reduce, bool is_table,
	struct flow_agg **out, struct arena *arena, struct err *e)
{
	const json_t *init = json_object_get(node, "init");
	const char *type = json_string_value(
		json_object_get(json_object_get(node, "window"), "type"));
	struct agg_place place = { .in_key = FLOW_KEY_JSON, .is_table = is_table,
		.is_session = type && !strcmp(type, "session") };
	struct agg_exprs exprs = {
		.is_reduce = is_reduce, .add = expr_of(node, "fn"), .sub = expr_of(node, "sub"),
		.merge = is_reduce ? STR_NULL : expr_of(node, "merge"),
		.init = init && !json_is_null(init) ? str_of(dump(init, arena)) : STR_NULL,
	};
	struct str name = str_of(arena_printf(arena, "agg %d%d%d|%.*s|%.*s|%.*s|%.*s", is_reduce,
		is_table, place.is_session, STR_ARG(exprs.add), STR_ARG(exprs.sub),
		STR_ARG(exprs.merge), STR_ARG(exprs.init)));
	*out = map_get(&fns->fn, name);
	if (*out)
		return 0;
	*out = agg_of_exprs(fns->set, &exprs, &place, e);
	if (!*out) {
		e->class = ERR_CORRUPT;
		return -1;
	}
	map_put(&fns->fn, arena_str(&fns->arena, name), *out);
	return 0;
}

/* ---- parts of nodes ---- */

static const char *
text_of(const json_t *node, const char *name)
{
	return json_string_value(json_object_get(node, name));
}

static int64_t
ms_of(const json_t *node, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(node, name);
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static int
translate_window(struct case_fns *fns, const json_t *node, struct flow_spec *spec, struct err *e)
{
	static const struct {
		const char *name;
		enum flow_window_type type;
		const char *size;
	} types[] = {
		{ "tumbling", FLOW_TUMBLING, "size" }, { "hopping", FLOW_HOPPING, "size" },
		{ "sliding", FLOW_SLIDING, "diff" }, { "session", FLOW_SESSION, "gap" },
		{ "unlimited", FLOW_UNLIMITED, "" },
	};
	const json_t *window = json_object_get(node, "window");
	const char *emit = text_of(node, "emit"), *type = text_of(window, "type");
	spec->emits_on_close = emit && !strcmp(emit, "on_window_close");
	if (!window || (spec->op != FLOW_AGGREGATE && spec->op != FLOW_COGROUP))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (type && !strcmp(types[i].name, type)) {
			spec->window = (struct flow_window){
				.type = types[i].type,
				.size_ms = ms_of(window, types[i].size, 0),
				.advance_ms = ms_of(window, "advance", 0),
				.grace_ms = ms_of(window, "grace", 0),
				.start_ms = ms_of(window, "start", 0),
			};
			if (types[i].type == FLOW_UNLIMITED)
				flow_fns_be_endless(fns->set);
			return 0;
		}
	return err_set(e, ERR_CORRUPT, "an unknown type of window");
}

static void
translate_suppress(const json_t *node, struct flow_spec *spec)
{
	const json_t *until = json_object_get(node, "until");
	const json_t *buffer = json_object_get(node, "buffer");
	const char *when_full = text_of(buffer, "when_full");
	spec->suppress = (struct flow_suppress){
		.until_window_closes = json_is_string(until),
		.limit_ms = ms_of(until, "time_limit", 0),
		.max_records = ms_of(buffer, "max_records", 0),
		.shuts_down = when_full && !strcmp(when_full, "shut_down"),
	};
	if (json_object_get(buffer, "max_records") && !spec->suppress.max_records)
		spec->suppress.max_bytes = 1; /* nothing may wait: of records, 0 is no bound */
}

static int
translate_cogroup(struct case_fns *fns, const json_t *node, struct flow_spec *spec,
	struct arena *arena, struct err *e)
{
	const json_t *groups = json_object_get(node, "groups");
	size_t n = json_array_size(groups);
	if (n > FLOW_FROM_MAX)
		return err_set(e, ERR_CORRUPT, "too many groups");
	struct flow_case *cases = arena_alloc(arena, sizeof *cases * n);
	for (size_t i = 0; i < n; i++) {
		const json_t *group = json_array_get(groups, i);
		spec->from[i] = text_of(group, "from");
		if (translate_agg(fns, group, false, false, &cases[i].agg, arena, e))
			return -1;
	}
	spec->cases = cases;
	spec->ncase = (int)n;
	return translate_agg(fns, node, false, false, &spec->agg, arena, e);
}

static int
translate_branch(struct case_fns *fns, const json_t *node, struct flow_spec *spec,
	struct arena *arena, struct err *e)
{
	const json_t *branches = json_object_get(node, "branches");
	size_t n = json_array_size(branches);
	struct flow_case *cases = arena_alloc(arena, sizeof *cases * n);
	for (size_t i = 0; i < n; i++) {
		const json_t *branch = json_array_get(branches, i);
		cases[i].id = text_of(branch, "id");
		cases[i].fn = add_fn(fns, json_object_get(branch, "fn"), FLOW_GIVES_TEST, e);
		if (!cases[i].fn)
			return -1;
	}
	spec->cases = cases;
	spec->ncase = (int)n;
	spec->default_id = text_of(node, "default");
	return 0;
}

static void
translate_join(const json_t *node, struct flow_spec *spec)
{
	const char *kind = text_of(node, "kind");
	const json_t *window = json_object_get(node, "window");
	spec->kind = kind && !strcmp(kind, "outer") ? FLOW_OUTER
		: kind && !strcmp(kind, "left") ? FLOW_LEFT : FLOW_INNER;
	spec->from[0] = text_of(node, "left");
	spec->from[1] = text_of(node, "right");
	spec->join_window = (struct flow_join_window){ ms_of(window, "before", 0),
		ms_of(window, "after", 0), ms_of(window, "grace", 0) };
	spec->join_grace_ms = ms_of(node, "grace", -1);
}

/* ---- nodes ---- */

static const struct {
	const char *name;
	enum flow_op op;
	enum flow_gives gives; /* what fn gives */
} ops[] = {
	{ "stream", FLOW_STREAM }, { "table", FLOW_TABLE }, { "global_table", FLOW_GLOBAL_TABLE },
	{ "filter", FLOW_FILTER, FLOW_GIVES_TEST },
	{ "filter_not", FLOW_FILTER_NOT, FLOW_GIVES_TEST },
	{ "map_values", FLOW_MAP_VALUES, FLOW_GIVES_VALUE },
	{ "select_key", FLOW_SELECT_KEY, FLOW_GIVES_KEY },
	{ "map", FLOW_MAP, FLOW_GIVES_PAIR }, { "flat_map", FLOW_FLAT_MAP, FLOW_GIVES_PAIRS },
	{ "merge", FLOW_MERGE }, { "branch", FLOW_BRANCH }, { "group_by_key", FLOW_GROUP_BY_KEY },
	{ "group_by", FLOW_GROUP_BY, FLOW_GIVES_KEY }, { "count", FLOW_AGGREGATE },
	{ "reduce", FLOW_AGGREGATE }, { "aggregate", FLOW_AGGREGATE }, { "cogroup", FLOW_COGROUP },
	{ "suppress", FLOW_SUPPRESS },
	{ "stream_stream_join", FLOW_STREAM_STREAM_JOIN, FLOW_GIVES_VALUE },
	{ "stream_table_join", FLOW_STREAM_TABLE_JOIN, FLOW_GIVES_VALUE },
	{ "stream_global_join", FLOW_STREAM_GLOBAL_JOIN, FLOW_GIVES_VALUE },
	{ "table_table_join", FLOW_TABLE_TABLE_JOIN, FLOW_GIVES_VALUE },
	{ "foreign_key_join", FLOW_FOREIGN_KEY_JOIN, FLOW_GIVES_VALUE },
	{ "to_stream", FLOW_TO_STREAM }, { "to_table", FLOW_TO_TABLE }, { "to", FLOW_TO },
};

static int
translate_functions(struct case_fns *fns, const json_t *node, enum flow_gives gives,
	struct flow_spec *spec, const struct topology *topo, struct err *e)
{
	const json_t *fn = json_object_get(node, "fn"), *key_fn = json_object_get(node, "key_fn");
	if (spec->op == FLOW_GROUP_BY && topology_kind(topo, spec->from[0]) == FLOW_KIND_TABLE)
		gives = FLOW_GIVES_PAIR;
	if (fn && spec->op != FLOW_AGGREGATE) {
		spec->fn = add_fn(fns, fn, gives, e);
		if (!spec->fn)
			return -1;
	}
	if (key_fn) {
		spec->key_fn = add_fn(fns, key_fn, FLOW_GIVES_KEY, e);
		if (!spec->key_fn)
			return -1;
	}
	return 0;
}

static int
translate_node(struct case_fns *fns, const json_t *node, const struct topology *topo,
	struct flow_spec *spec, struct arena *arena, struct err *e)
{
	const char *op = text_of(node, "op");
	size_t i = 0;
	while (i < ARRAY_LEN(ops) && (!op || strcmp(ops[i].name, op)))
		i++;
	if (i == ARRAY_LEN(ops))
		return err_set(e, ERR_CORRUPT, "unknown op '%s'", op ? op : "");
	const json_t *from = json_object_get(node, "from");
	*spec = (struct flow_spec){ .id = text_of(node, "id"), .op = ops[i].op,
		.topic = text_of(node, "topic"), .join_grace_ms = -1 };
	if (json_array_size(from) > FLOW_FROM_MAX)
		return err_set(e, ERR_CORRUPT, "too many inputs");
	if (spec->op == FLOW_GROUP_BY || spec->op == FLOW_GROUP_BY_KEY)
		spec->name = spec->id; /* as in the reference: its aggregations share a topic */
	if (json_is_string(from))
		spec->from[0] = json_string_value(from);
	for (size_t j = 0; j < json_array_size(from); j++)
		spec->from[j] = json_string_value(json_array_get(from, j));
	if (text_of(node, "store"))
		spec->history_ms = ms_of(node, "history", 0);
	spec->is_materialized = json_is_true(json_object_get(node, "materialized"));
	if (json_object_get(node, "kind"))
		translate_join(node, spec);
	if (spec->op == FLOW_SUPPRESS)
		translate_suppress(node, spec);
	if (translate_window(fns, node, spec, e)
			|| translate_functions(fns, node, ops[i].gives, spec, topo, e))
		return -1;
	if (spec->op == FLOW_BRANCH)
		return translate_branch(fns, node, spec, arena, e);
	if (spec->op == FLOW_COGROUP)
		return translate_cogroup(fns, node, spec, arena, e);
	if (!strcmp(op, "count"))
		spec->agg = fns->count;
	else if (spec->op == FLOW_AGGREGATE)
		return translate_agg(fns, node, !strcmp(op, "reduce"),
			topology_kind(topo, spec->from[0]) == FLOW_KIND_GROUPED_TABLE, &spec->agg, arena,
			e);
	return 0;
}

int
case_translate(struct case_fns *fns, const json_t *nodes, struct topology *topo,
	struct arena *arena, struct err *e)
{
	size_t i;
	const json_t *node;
	json_array_foreach(nodes, i, node) {
		struct flow_spec spec;
		if (translate_node(fns, node, topo, &spec, arena, e) || topology_add(topo, &spec, e))
			return -1;
	}
	return topology_finish(topo, e);
}
