#include "kq-stream/resolve_int.h"

static int
check_window(const struct step *step, struct err *e)
{
	const char *type = step_value(step, "window");
	bool is_hopping = strcmp(type, "hopping") == 0, is_unlimited = strcmp(type, "unlimited") == 0;
	if (!is_unlimited && !step_value(step, "size"))
		return err_set(e, ERR_USAGE, "%s: a size is missing: window %s 1m", step->where, type);
	if (is_unlimited && (step_value(step, "size") || step_value(step, "grace")))
		return err_set(e, ERR_USAGE, "%s: an unlimited window has neither size nor grace",
			step->where);
	if (is_hopping && !step_value(step, "every"))
		return err_set(e, ERR_USAGE, "%s: 'every TIME' is missing: window hopping %s every 1m",
			step->where, step_value(step, "size"));
	if (!is_hopping && step_value(step, "every"))
		return err_set(e, ERR_USAGE, "%s: 'every' belongs to hopping windows", step->where);
	if (!is_unlimited && step_value(step, "start"))
		return err_set(e, ERR_USAGE, "%s: 'start' belongs to unlimited windows", step->where);
	return 0;
}

static int
take_window(struct resolve *rs, struct plan_node *node, struct err *e)
{
	const struct step *step = rs->window;
	rs->window = NULL;
	if (!step)
		return 0;
	if (check_window(step, e) < 0)
		return -1;
	struct flow_window *window = &node->spec.window;
	window->type = (enum flow_window_type[]){ FLOW_TUMBLING, FLOW_HOPPING, FLOW_SLIDING,
		FLOW_SESSION, FLOW_UNLIMITED }[resolve_choice(step, "window", 0)];
	window->size_ms = resolve_ms(step, "size", 0);
	window->advance_ms = resolve_ms(step, "every", 0);
	window->grace_ms = resolve_ms(step, "grace", 0);
	window->start_ms = resolve_count(step, "start", 0);
	bool needs_size = window->type == FLOW_TUMBLING || window->type == FLOW_HOPPING;
	if (needs_size && window->size_ms < 1)
		return err_set(e, ERR_USAGE, "%s: a size of 0", step->where);
	if (window->type == FLOW_HOPPING
		&& (window->advance_ms < 1 || window->advance_ms > window->size_ms))
		return err_set(e, ERR_USAGE, "%s: windows of %s cannot begin every %s", step->where,
			step_value(step, "size"), step_value(step, "every"));
	node->is_windowed = true;
	node->is_session = window->type == FLOW_SESSION;
	return 0;
}

/* Sessions merge: an aggregate by expressions must say how. */
static int
check_merge(const struct plan_node *node, const struct step *step, struct err *e)
{
	bool is_session = node->spec.window.type == FLOW_SESSION;
	if (is_session && !node->merge.text)
		return err_set(e, ERR_USAGE, "%s: sessions merge: 'merge EXPR' is missing, of $left and "
			"$right", step->where);
	if (!is_session && node->merge.text)
		return err_set(e, ERR_USAGE, "%s: 'merge' belongs to session windows", step->where);
	return 0;
}

static void
take_columns(struct resolve *rs, struct plan_node *node, const struct step *step)
{
	node->use = PLAN_AGGREGATORS;
	node->column = arena_alloc(&rs->plan->arena, (size_t)step->npair * sizeof *node->column);
	node->ncolumn = step->npair;
	for (int i = 0; i < step->npair; i++)
		node->column[i] = (struct plan_column){ step->pair[i].name,
			resolve_expr(step, step->pair[i].text) };
}

static int
take_functions(struct resolve *rs, struct plan_node *node, const struct step *step, struct err *e)
{
	switch (step->verb->kind) {
	case STEP_AGG:
		take_columns(rs, node, step);
		return 0;
	case STEP_TOP:
		node->use = PLAN_TOP;
		node->count = resolve_count(step, "top", 1);
		node->fn = resolve_expr(step, step_value(step, "of"));
		return 0;
	case STEP_REDUCE:
		node->use = PLAN_REDUCE;
		node->fn = resolve_expr(step, step_value(step, "reduce"));
		node->sub = resolve_expr(step, step_value(step, "sub"));
		return 0;
	default:
		assert(step->verb->kind == STEP_AGGREGATE);
		node->use = PLAN_AGGREGATE;
		node->fn = resolve_expr(step, step_value(step, "aggregate"));
		node->init = resolve_expr(step, step_value(step, "init"));
		node->sub = resolve_expr(step, step_value(step, "sub"));
		node->merge = resolve_expr(step, step_value(step, "merge"));
		return check_merge(node, step, e);
	}
}

/* The input must be grouped: a stream is by its key. */
static int
group(struct resolve *rs, const struct step *step, struct err *e)
{
	if (rs->at.kind == PLAN_TABLE)
		return err_set(e, ERR_USAGE, "%s: a table is aggregated by a new key: put 'by' before it, "
			"or 'stream' to aggregate its updates", step->where);
	if (rs->at.kind == PLAN_GROUPED_TABLE && rs->window)
		return err_set(e, ERR_USAGE, "%s: a table has no windows; 'stream' makes its updates a "
			"stream", rs->window->where);
	if (rs->at.kind != PLAN_STREAM)
		return 0;
	if (resolve_need_key(&rs->at, step, e) < 0)
		return -1;
	struct plan_node *node = resolve_add(rs, step, FLOW_GROUP_BY_KEY, &rs->at);
	node->kind = PLAN_GROUPED;
	rs->at = resolve_end_of(node);
	return 0;
}

int
resolve_aggregate(struct resolve *rs, const struct step *step, struct err *e)
{
	if (group(rs, step, e) < 0)
		return -1;
	bool is_table = rs->at.kind == PLAN_GROUPED_TABLE;
	struct plan_node *node = resolve_add(rs, step, FLOW_AGGREGATE, &rs->at);
	node->kind = PLAN_TABLE;
	node->spec.name = step_value(step, "name");
	if (take_window(rs, node, e) < 0 || take_functions(rs, node, step, e) < 0)
		return -1;
	bool by_expr = node->use == PLAN_REDUCE || node->use == PLAN_AGGREGATE;
	if (by_expr && is_table && !node->sub.text)
		return err_set(e, ERR_USAGE, "%s: rows of a table change: 'sub EXPR' is missing, which "
			"takes a former row out of $acc", step->where);
	if (!is_table && node->sub.text)
		return err_set(e, ERR_USAGE, "%s: 'sub' belongs to tables", step->where);
	if (is_table && node->use == PLAN_TOP)
		return err_set(e, ERR_USAGE, "%s: it needs a stream; 'stream' makes the updates of a table "
			"one", step->where);
	rs->at = resolve_end_of(node);
	return 0;
}

int
resolve_cogroup(struct resolve *rs, const struct step *step, struct err *e)
{
	struct arena *a = &rs->plan->arena;
	struct resolve_end ends[FLOW_FROM_MAX];
	struct flow_case *cases = arena_alloc(a, (size_t)step->npair * sizeof *cases);
	struct plan_expr *case_fn = arena_alloc(a, (size_t)step->npair * sizeof *case_fn);
	if (step->npair > FLOW_FROM_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d inputs", step->where, FLOW_FROM_MAX);
	for (int i = 0; i < step->npair; i++) {
		struct resolve_name *found = resolve_find(rs, step->pair[i].name);
		if (!found || found->end.kind != PLAN_STREAM)
			return err_set(e, ERR_USAGE, "%s: there is no stream '%.60s' before it", step->where,
				step->pair[i].name);
		if (resolve_need_key(&found->end, step, e) < 0)
			return -1;
		found->is_used = true;
		ends[i] = resolve_recode(rs, step, &found->end, i ? ends[0].key_format
			: found->end.key_format);
		struct plan_node *grouped = resolve_add(rs, step, FLOW_GROUP_BY_KEY, &ends[i]);
		grouped->kind = PLAN_GROUPED;
		ends[i] = resolve_end_of(grouped);
		cases[i].id = ends[i].id;
		case_fn[i] = resolve_expr(step, step->pair[i].text);
	}
	struct plan_node *node = resolve_add(rs, step, FLOW_COGROUP, &ends[0]);
	for (int i = 1; i < step->npair; i++)
		if (resolve_add_from(node, &ends[i], step, e) < 0)
			return -1;
	node->kind = PLAN_TABLE;
	node->use = PLAN_COGROUP;
	node->spec.cases = cases;
	node->spec.ncase = step->npair;
	node->case_fn = case_fn;
	node->spec.name = step_value(step, "name");
	node->init = resolve_expr(step, step_value(step, "init"));
	node->merge = resolve_expr(step, step_value(step, "merge"));
	if (take_window(rs, node, e) < 0 || check_merge(node, step, e) < 0)
		return -1;
	rs->at = resolve_end_of(node);
	return 0;
}

/* ---- emit, late ---- */

static int
check_emit(const struct resolve *rs, const struct step *step, bool is_every, bool is_final,
	struct err *e)
{
	if (rs->at.kind != PLAN_TABLE)
		return err_set(e, ERR_USAGE, "%s: it follows an aggregation, or another table",
			step->where);
	if (is_final && !rs->at.is_windowed)
		return err_set(e, ERR_USAGE, "%s: only windows have a final result; put 'window' before "
			"the aggregation", step->where);
	if (is_every && !step_value(step, "interval"))
		return err_set(e, ERR_USAGE, "%s: a time is missing: emit every 10s", step->where);
	if (!is_every && step_value(step, "interval"))
		return err_set(e, ERR_USAGE, "%s: a time belongs to 'every'", step->where);
	if (!step_value(step, "max") && step_value(step, "full"))
		return err_set(e, ERR_USAGE, "%s: 'full' belongs to 'max'", step->where);
	if (is_final && step_value(step, "max") && resolve_choice(step, "full", 0) == 0)
		return err_set(e, ERR_USAGE, "%s: a final result cannot come out early: max %s full stop",
			step->where, step_value(step, "max"));
	return 0;
}

int
resolve_emit(struct resolve *rs, const struct step *step, struct err *e)
{
	int when = resolve_choice(step, "emit", 0);
	bool is_final = when == 1, is_every = when == 2, is_end = when == 3;
	if (check_emit(rs, step, is_every, is_final, e) < 0)
		return -1;
	struct plan_node *at = rs->plan->node[rs->at.node];
	if (!is_final && !is_every && !is_end)
		return 0;
	if (is_final && at->spec.op == FLOW_AGGREGATE && !step_value(step, "max")) {
		at->spec.emits_on_close = true;
		return 0;
	}
	struct plan_node *node = resolve_add(rs, step, FLOW_SUPPRESS, &rs->at);
	node->spec.suppress = (struct flow_suppress){
		.until_window_closes = is_final,
		.limit_ms = is_end ? PLAN_FOREVER_MS : resolve_ms(step, "interval", 0),
		.max_records = resolve_count(step, "max", 0),
		.shuts_down = resolve_choice(step, "full", 0) == 1,
	};
	rs->at = resolve_end_of(node);
	return 0;
}

int
resolve_late(struct resolve *rs, const struct step *step, struct err *e)
{
	const char *topic = step_value(step, "to");
	struct plan_node *at = rs->plan->node[rs->at.node];
	bool has_late = at->spec.window.type != FLOW_NO_WINDOW
		|| at->spec.op == FLOW_STREAM_STREAM_JOIN;
	if (!topic)
		return err_set(e, ERR_USAGE, "%s: 'to TOPIC' is missing", step->where);
	if (!has_late)
		return err_set(e, ERR_USAGE, "%s: it follows an aggregation over windows, or a join of "
			"streams", step->where);
	if (at->spec.late_id)
		return err_set(e, ERR_USAGE, "%s: the late records go to a topic already", step->where);
	at->spec.late_id = arena_printf(&rs->plan->arena, "%s.late", at->spec.id);
	struct resolve_end end = { .node = at->index, .id = at->spec.late_id, .kind = PLAN_STREAM,
		.key_format = at->in_key_format };
	return resolve_to(rs, step, topic, &end, e);
}
