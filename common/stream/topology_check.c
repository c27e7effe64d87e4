#include "stream/saturate.h"
#include "stream/topology_int.h"

#define IN_S (1 << FLOW_KIND_STREAM)
#define IN_T (1 << FLOW_KIND_TABLE)
#define IN_G (1 << FLOW_KIND_GROUPED_STREAM)
#define IN_H (1 << FLOW_KIND_GROUPED_TABLE)
#define IN_L (1 << FLOW_KIND_GLOBAL)

/* What each step takes: kinds of its inputs, the last one standing for all further ones. */
static const struct {
	const char *name;
	int from_min, from_max;
	int kinds[2];
} takes[] = {
	[FLOW_STREAM] = { "stream", 0, 0, { 0 } },
	[FLOW_TABLE] = { "table", 0, 0, { 0 } },
	[FLOW_GLOBAL_TABLE] = { "global table", 0, 0, { 0 } },
	[FLOW_FILTER] = { "filter", 1, 1, { IN_S | IN_T } },
	[FLOW_FILTER_NOT] = { "filter-not", 1, 1, { IN_S | IN_T } },
	[FLOW_MAP_VALUES] = { "map-values", 1, 1, { IN_S | IN_T } },
	[FLOW_SELECT_KEY] = { "select-key", 1, 1, { IN_S } },
	[FLOW_MAP] = { "map", 1, 1, { IN_S } },
	[FLOW_FLAT_MAP] = { "flat-map", 1, 1, { IN_S } },
	[FLOW_PEEK] = { "peek", 1, 1, { IN_S } },
	[FLOW_MERGE] = { "merge", 1, FLOW_FROM_MAX, { IN_S, IN_S } },
	[FLOW_BRANCH] = { "branch", 1, 1, { IN_S } },
	[FLOW_GROUP_BY_KEY] = { "group-by-key", 1, 1, { IN_S } },
	[FLOW_GROUP_BY] = { "group-by", 1, 1, { IN_S | IN_T } },
	[FLOW_AGGREGATE] = { "aggregate", 1, 1, { IN_G | IN_H } },
	[FLOW_COGROUP] = { "cogroup", 1, FLOW_FROM_MAX, { IN_G, IN_G } },
	[FLOW_SUPPRESS] = { "suppress", 1, 1, { IN_T } },
	[FLOW_STREAM_STREAM_JOIN] = { "stream-stream join", 2, 2, { IN_S, IN_S } },
	[FLOW_STREAM_TABLE_JOIN] = { "stream-table join", 2, 2, { IN_S, IN_T } },
	[FLOW_STREAM_GLOBAL_JOIN] = { "stream-global-table join", 2, 2, { IN_S, IN_L } },
	[FLOW_TABLE_TABLE_JOIN] = { "table-table join", 2, 2, { IN_T, IN_T } },
	[FLOW_FOREIGN_KEY_JOIN] = { "foreign-key join", 2, 2, { IN_T, IN_T } },
	[FLOW_TO_STREAM] = { "to-stream", 1, 1, { IN_T } },
	[FLOW_TO_TABLE] = { "to-table", 1, 1, { IN_S } },
	[FLOW_REPARTITION] = { "repartition", 1, 1, { IN_S } },
	[FLOW_TO] = { "to", 1, 1, { IN_S | IN_T } },
	[FLOW_CUSTOM] = { "step", 1, FLOW_FROM_MAX, { IN_S, IN_S } },
};

const char *
flow_op_name(enum flow_op op)
{
	assert((size_t)op < ARRAY_LEN(takes));
	return takes[op].name;
}

int
topology_nfrom(const struct flow_spec *spec)
{
	int n = 0;
	while (n < FLOW_FROM_MAX && spec->from[n])
		n++;
	return n;
}

static const char *
kind_name(enum flow_kind kind)
{
	static const char *const name[] = {
		[FLOW_KIND_NONE] = "nothing", [FLOW_KIND_STREAM] = "a stream",
		[FLOW_KIND_TABLE] = "a table", [FLOW_KIND_GROUPED_STREAM] = "a grouped stream",
		[FLOW_KIND_GROUPED_TABLE] = "a grouped table", [FLOW_KIND_GLOBAL] = "a global table",
	};
	return name[kind];
}

static int
check_inputs(const struct flow_spec *spec, struct topology_id *const *from, struct err *e)
{
	int n = topology_nfrom(spec);
	const char *name = takes[spec->op].name;
	if (n < takes[spec->op].from_min || n > takes[spec->op].from_max)
		return err_set(e, ERR_USAGE, "'%s': %s does not take %d inputs", spec->id, name, n);
	for (int i = 0; i < n; i++)
		if (!(takes[spec->op].kinds[MIN(i, 1)] & 1 << from[i]->kind))
			return err_set(e, ERR_USAGE, "'%s': %s does not take '%s', which is %s", spec->id,
				name, from[i]->id, kind_name(from[i]->kind));
	return 0;
}

/* ---- windows ---- */

enum { WINDOWS_MAX = 1000000 }; /* of one record */

static int
check_window(const struct flow_spec *spec, const struct topology_id *from, struct err *e)
{
	const struct flow_window *window = &spec->window;
	if (window->type == FLOW_NO_WINDOW)
		return spec->emits_on_close
			? err_set(e, ERR_USAGE, "'%s': only windows have a close to emit on", spec->id)
			: 0;
	if (from->kind != FLOW_KIND_GROUPED_STREAM)
		return err_set(e, ERR_USAGE, "'%s': a table has no windows", spec->id);
	if (window->grace_ms < 0)
		return err_set(e, ERR_USAGE, "'%s': the grace is negative", spec->id);
	if (window->size_ms < 0 || (window->size_ms == 0 && (window->type == FLOW_TUMBLING
			|| window->type == FLOW_HOPPING)))
		return err_set(e, ERR_USAGE, "'%s': the window has no length", spec->id);
	if (window->type == FLOW_HOPPING
			&& (window->advance_ms <= 0 || window->advance_ms > window->size_ms))
		return err_set(e, ERR_USAGE,
			"'%s': hopping windows advance by more than 0 and by at most their size",
			spec->id);
	if (window->type == FLOW_HOPPING && window->size_ms / window->advance_ms > WINDOWS_MAX)
		return err_set(e, ERR_USAGE, "'%s': each record would be in more than %d windows: "
			"let the windows be shorter, or begin less often", spec->id, WINDOWS_MAX);
	if (window->type == FLOW_UNLIMITED && spec->emits_on_close)
		return err_set(e, ERR_USAGE, "'%s': unlimited windows never close", spec->id);
	if (window->type == FLOW_UNLIMITED && window->start_ms < 0)
		return err_set(e, ERR_USAGE, "'%s': the start is negative", spec->id);
	return 0;
}

int64_t
topology_history(const struct topology *topo, int table)
{
	const struct topology_node *node = &topo->node[table];
	while (node->op == FLOW_FILTER || node->op == FLOW_FILTER_NOT
			|| node->op == FLOW_MAP_VALUES)
		node = &topo->node[node->from[0]];
	return node->op == FLOW_TABLE || node->op == FLOW_TO_TABLE ? node->spec->history_ms : 0;
}

static int
check_join_grace(const struct topology *topo, const struct flow_spec *spec,
	const struct topology_id *table, struct err *e)
{
	if (spec->op != FLOW_STREAM_TABLE_JOIN || spec->join_grace_ms < 0)
		return 0;
	int64_t history_ms = topology_history(topo, table->node);
	if (!history_ms)
		return err_set(e, ERR_USAGE,
			"'%s': a join with grace looks back in time, and '%s' keeps no history",
			spec->id, table->id);
	if (spec->join_grace_ms > history_ms)
		return err_set(e, ERR_USAGE, "'%s': the grace is longer than the history of '%s'",
			spec->id, table->id);
	return 0;
}

/* Are the keys of these places the same bytes if they are equal? */
static bool
have_equal_keys(const struct flow_window *a, const struct flow_window *b)
{
	while (a && b && (a->type == FLOW_SESSION) == (b->type == FLOW_SESSION)
			&& (a->type == FLOW_UNLIMITED) == (b->type == FLOW_UNLIMITED)
			&& (a->type == FLOW_UNLIMITED || a->type == FLOW_SESSION
				|| a->size_ms == b->size_ms)) {
		a = a->inner;
		b = b->inner;
	}
	return !a && !b;
}

/* In topics a windowed key does not tell its window's size, so a place has keys of one. */
static int
check_windows_meet(const struct flow_spec *spec, struct topology_id *const *from, struct err *e)
{
	for (int i = 1; i < topology_nfrom(spec); i++)
		if (!have_equal_keys(from[0]->window, from[i]->window))
			return err_set(e, ERR_USAGE, "'%s': the keys of '%s' and '%s' have different windows; "
				"give one of them new keys", spec->id, from[0]->id, from[i]->id);
	return 0;
}

static int
check_join(const struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from, struct err *e)
{
	const struct flow_join_window *window = &spec->join_window;
	if (spec->op == FLOW_STREAM_STREAM_JOIN) {
		if (window->grace_ms < 0 || ms_plus(window->before_ms, window->after_ms) < 0)
			return err_set(e, ERR_USAGE, "'%s': the join's window ends before it starts",
				spec->id);
	} else if (spec->kind == FLOW_OUTER && spec->op != FLOW_TABLE_TABLE_JOIN) {
		return err_set(e, ERR_USAGE, "'%s': %s is inner or left, not outer", spec->id,
			takes[spec->op].name);
	}
	if (spec->op == FLOW_FOREIGN_KEY_JOIN && from[1]->window)
		return err_set(e, ERR_USAGE, "'%s': no foreign key names a row whose key has a window",
			spec->id);
	if (spec->op == FLOW_STREAM_TABLE_JOIN || spec->op == FLOW_TABLE_TABLE_JOIN
			|| spec->op == FLOW_STREAM_STREAM_JOIN)
		if (check_windows_meet(spec, from, e))
			return -1;
	return check_join_grace(topo, spec, from[1], e);
}

/* ---- the whole step ---- */

static int
check_new_id(const struct topology *topo, const struct flow_spec *spec, const char *id,
	struct err *e)
{
	if (!id || !*id)
		return err_set(e, ERR_USAGE, "'%s': a step needs a name", spec->id);
	if (topology_id_get(topo, id))
		return err_set(e, ERR_USAGE, "there are two steps '%s'", id);
	return 0;
}

/* A name becomes part of topics' names. */
static int
check_name(const struct flow_spec *spec, struct err *e)
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	if (spec->name && (!*spec->name || spec->name[strspn(spec->name, valid)]))
		return err_set(e, ERR_USAGE,
			"'%s': the name '%s' may have letters, digits, '.', '_' and '-' only", spec->id,
			spec->name);
	return 0;
}

static int
check_ids(const struct topology *topo, const struct flow_spec *spec, struct err *e)
{
	if (spec->op != FLOW_BRANCH && check_new_id(topo, spec, spec->id, e))
		return -1;
	if (spec->late_id && check_new_id(topo, spec, spec->late_id, e))
		return -1;
	if (spec->op != FLOW_BRANCH)
		return 0;
	for (int i = 0; i < spec->ncase; i++) {
		if (check_new_id(topo, spec, spec->cases[i].id, e))
			return -1;
		for (int j = 0; j < i; j++)
			if (!strcmp(spec->cases[i].id, spec->cases[j].id))
				return err_set(e, ERR_USAGE, "there are two steps '%s'", spec->cases[i].id);
	}
	return spec->default_id ? check_new_id(topo, spec, spec->default_id, e) : 0;
}

int
topology_check(const struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from, struct err *e)
{
	if (check_ids(topo, spec, e) || check_name(spec, e) || check_inputs(spec, from, e))
		return -1;
	if (spec->history_ms < 0)
		return err_set(e, ERR_USAGE, "'%s': the history is negative", spec->id);
	switch (spec->op) {
	case FLOW_AGGREGATE:
	case FLOW_COGROUP:
		return check_windows_meet(spec, from, e) ? -1 : check_window(spec, from[0], e);
	case FLOW_STREAM_STREAM_JOIN:
	case FLOW_STREAM_TABLE_JOIN:
	case FLOW_STREAM_GLOBAL_JOIN:
	case FLOW_TABLE_TABLE_JOIN:
	case FLOW_FOREIGN_KEY_JOIN:
		return check_join(topo, spec, from, e);
	case FLOW_SUPPRESS:
		if (spec->suppress.until_window_closes && !from[0]->window)
			return err_set(e, ERR_USAGE, "'%s': only windows close; the table has none",
				spec->id);
		if (topology_history(topo, from[0]->node))
			return err_set(e, ERR_USAGE, "'%s': updates of '%s', which keeps a history, cannot "
				"wait: they may be older than one that was sent", spec->id, from[0]->id);
		if (spec->suppress.limit_ms < 0 || spec->suppress.max_records < 0
				|| spec->suppress.max_bytes < 0)
			return err_set(e, ERR_USAGE, "'%s': a limit is negative", spec->id);
		return 0;
	case FLOW_MERGE:
		return check_windows_meet(spec, from, e);
	default:
		return 0;
	}
}

/* ---- the whole topology ---- */

static int
check_new_name(struct map *seen, const char *name, const struct flow_spec *spec, struct err *e)
{
	if (map_get(seen, str_of(name)))
		return err_set(e, ERR_USAGE, "'%s': another step's store or topic has the name '%s', too",
			spec->id, name);
	map_put(seen, str_of(name), (void *)(uintptr_t)spec);
	return 0;
}

int
topology_check_names(const struct topology *topo, struct err *e)
{
	struct map stores = MAP_INIT, topics = MAP_INIT;
	int rc = 0;
	for (int i = 0; !rc && i < topo->nnode; i++) {
		const struct topology_node *node = &topo->node[i];
		for (size_t j = 0; !rc && j < ARRAY_LEN(node->store) && node->store[j]; j++)
			rc = check_new_name(&stores, node->store[j], node->spec, e);
		if (!rc && node->op == FLOW_REPARTITION_SOURCE)
			rc = check_new_name(&topics, node->topic, node->spec, e);
	}
	map_release(&stores);
	map_release(&topics);
	return rc;
}
