#include "kq-stream/resolve_int.h"

#include "base/murmur2.h"

enum {
	EXEC_TIMEOUT_MS = 60000,
	STEPS_SIZE = 9, /* of put_steps */
};

/* ---- steps ---- */

static int
step_from(struct resolve *rs, const struct step *step, struct err *e)
{
	enum flow_op op = (enum flow_op[]){ FLOW_STREAM, FLOW_TABLE, FLOW_GLOBAL_TABLE }
		[resolve_choice(step, "as", 0)];
	struct plan_node *merge = NULL;
	const char *topics = step_value(step, "from");
	if (op != FLOW_STREAM && strchr(topics, ','))
		return err_set(e, ERR_USAGE, "%s: a table is read from one topic", step->where);
	if (op == FLOW_STREAM && step_value(step, "history"))
		return err_set(e, ERR_USAGE, "%s: only a table has a history: as table", step->where);
	for (const char *p = topics; *p;) {
		size_t n = strcspn(p, ",");
		struct str name = { (const uint8_t *)p, (int32_t)n };
		p += n + (p[n] == ',');
		if (n == 0)
			return err_set(e, ERR_USAGE, "%s: '%s' has an empty name", step->where, topics);
		struct plan_node *node = resolve_add_source(rs, step, op,
			(const char *)arena_str(&rs->plan->arena, name).p, e);
		if (!node)
			return -1;
		rs->plan->source[node->source].time = resolve_expr(step, step_value(step, "time"));
		struct resolve_end end = resolve_end_of(node);
		if (rs->at.node < 0) {
			rs->at = end;
		} else if (!merge) {
			merge = resolve_add(rs, step, FLOW_MERGE, &rs->at);
		}
		if (merge && resolve_add_from(merge, &end, step, e) < 0)
			return -1;
	}
	if (merge)
		rs->at = resolve_end_of(merge);
	return op == FLOW_TABLE ? resolve_need_key(&rs->at, step, e) : 0;
}

static int
step_time(struct resolve *rs, const struct step *step, struct err *e)
{
	if (!rs->last || rs->last->verb->kind != STEP_FROM)
		return err_set(e, ERR_USAGE, "%s: it follows 'from', whose records get the time",
			step->where);
	for (int i = 0; i < rs->plan->nsource; i++) {
		struct plan_source *source = &rs->plan->source[i];
		if (rs->plan->node[source->node]->where != rs->last->where)
			continue;
		if (source->time.text)
			return err_set(e, ERR_USAGE, "%s: 'from' has a time already", step->where);
		source->time = resolve_expr(step, step_value(step, "time"));
	}
	return 0;
}

static int
step_use(struct resolve *rs, const struct step *step, struct err *e)
{
	const char *name = step_value(step, "use");
	struct resolve_name *found = resolve_find(rs, name);
	if (!found)
		return err_set(e, ERR_USAGE, "%s: there is no stream '%.60s' before it; 'from' reads "
			"topics", step->where, name);
	found->is_used = true;
	rs->at = found->end;
	return 0;
}

static int
step_merge(struct resolve *rs, const struct step *step, struct err *e)
{
	struct plan_node *merge = NULL;
	struct resolve_end first = rs->at;
	struct resolve_end ends[FLOW_FROM_MAX];
	int n = 0;
	if (first.node >= 0)
		ends[n++] = first;
	for (const char *p = step_value(step, "merge"); *p;) {
		size_t k = strcspn(p, ", ");
		char *name = arena_printf(&rs->plan->arena, "%.*s", (int)k, p);
		p += k;
		p += strspn(p, ", ");
		struct resolve_name *found = resolve_find(rs, name);
		if (!found)
			return err_set(e, ERR_USAGE, "%s: there is no stream '%.60s' before it", step->where,
				name);
		if (found->end.kind != PLAN_STREAM)
			return err_set(e, ERR_USAGE, "%s: '%.60s' is a table", step->where, name);
		if (n == FLOW_FROM_MAX)
			return err_set(e, ERR_USAGE, "%s: more than %d inputs", step->where, FLOW_FROM_MAX);
		found->is_used = true;
		ends[n++] = found->end;
	}
	for (int i = 1; i < n; i++)
		ends[i] = resolve_recode(rs, step, &ends[i], ends[0].key_format);
	merge = resolve_add(rs, step, FLOW_MERGE, &ends[0]);
	for (int i = 1; i < n; i++)
		if (resolve_add_from(merge, &ends[i], step, e) < 0)
			return -1;
	rs->at = resolve_end_of(merge);
	return 0;
}

static int
step_branch(struct resolve *rs, const struct step *step, struct err *e)
{
	struct arena *a = &rs->plan->arena;
	struct plan_node *node = resolve_add(rs, step, FLOW_BRANCH, &rs->at);
	struct flow_case *cases = arena_alloc(a, (size_t)step->npair * sizeof *cases);
	node->case_fn = arena_alloc(a, (size_t)step->npair * sizeof *node->case_fn);
	node->use = PLAN_TEST;
	node->spec.cases = cases;
	node->spec.ncase = step->npair;
	struct resolve_end end = resolve_end_of(node);
	for (int i = 0; i <= step->npair; i++) {
		bool is_default = i == step->npair;
		const char *name = is_default ? step_value(step, "default") : step->pair[i].name;
		if (!name)
			continue;
		end.id = arena_printf(a, "%s.%s", node->spec.id, name);
		if (is_default) {
			node->spec.default_id = end.id;
		} else {
			cases[i].id = end.id;
			node->case_fn[i] = resolve_expr(step, step->pair[i].text);
		}
		if (resolve_add_name(rs, name, step->where, &end, e) < 0)
			return -1;
	}
	rs->is_done = true;
	return 0;
}

static void
step_by(struct resolve *rs, const struct step *step)
{
	bool is_table = rs->at.kind == PLAN_TABLE;
	struct plan_node *node = resolve_add(rs, step, is_table ? FLOW_GROUP_BY : FLOW_SELECT_KEY,
		&rs->at);
	node->kind = is_table ? PLAN_GROUPED_TABLE : PLAN_STREAM;
	node->use = is_table ? PLAN_ROW_KEY : PLAN_KEY;
	node->fn = resolve_expr(step, step_value(step, "by"));
	node->key_format = (enum plan_format)resolve_choice(step, "key", PLAN_JSON);
	node->is_windowed = node->is_keyless = false;
	rs->at = resolve_end_of(node);
}

/* The steps that are one node with at most one expression, named as the verb. */
static const struct simple {
	enum step_kind step;
	enum flow_op op;
	enum plan_use use;
	enum plan_kind gives;
	int takes;
} simple[] = {
	{ STEP_FILTER, FLOW_FILTER, PLAN_TEST, 0, 1 << PLAN_STREAM | 1 << PLAN_TABLE },
	{ STEP_FILTER_NOT, FLOW_FILTER_NOT, PLAN_TEST, 0, 1 << PLAN_STREAM | 1 << PLAN_TABLE },
	{ STEP_MAP, FLOW_MAP_VALUES, PLAN_VALUE, 0, 1 << PLAN_STREAM | 1 << PLAN_TABLE },
	{ STEP_FLATMAP, FLOW_CUSTOM, PLAN_EACH, 0, 1 << PLAN_STREAM },
	{ STEP_PEEK, FLOW_PEEK, PLAN_PRINT, 0, 1 << PLAN_STREAM },
	{ STEP_SAMPLE, FLOW_FILTER, PLAN_SAMPLE, 0, 1 << PLAN_STREAM },
	{ STEP_TABLE, FLOW_TO_TABLE, PLAN_NO_FN, PLAN_TABLE, 1 << PLAN_STREAM },
	{ STEP_STREAM, FLOW_TO_STREAM, PLAN_NO_FN, PLAN_STREAM, 1 << PLAN_TABLE },
	{ STEP_REPARTITION, FLOW_REPARTITION, PLAN_NO_FN, 0, 1 << PLAN_STREAM },
	{ STEP_DEDUPE, FLOW_CUSTOM, PLAN_DEDUPE, 0, 1 << PLAN_STREAM },
	{ STEP_EXEC, FLOW_CUSTOM, PLAN_EXEC, 0, 1 << PLAN_STREAM },
	{ STEP_EVERY, FLOW_CUSTOM, PLAN_EVERY, 0, 1 << PLAN_STREAM },
};

static const struct simple *
find_simple(enum step_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(simple); i++)
		if (simple[i].step == kind)
			return &simple[i];
	return NULL;
}

static int
step_simple(struct resolve *rs, const struct step *step, const struct simple *how, struct err *e)
{
	bool by_key = how->gives == PLAN_TABLE || how->use == PLAN_EVERY
		|| (how->use == PLAN_DEDUPE && !step_value(step, "dedupe"));
	if (resolve_need(rs, step, how->takes, e) < 0
		|| (by_key && resolve_need_key(&rs->at, step, e) < 0))
		return -1;
	struct plan_node *node = resolve_add(rs, step, how->op, &rs->at);
	node->use = how->use;
	if (how->gives == PLAN_TABLE || step->verb->kind == STEP_STREAM)
		node->kind = how->gives;
	int i = step_find_arg(step->verb, step->verb->name);
	if (i >= 0 && step->verb->arg[i].kind == STEP_ARG_EXPR)
		node->fn = resolve_expr(step, step->value[i]);
	if (i >= 0 && step->verb->arg[i].kind == STEP_ARG_COUNT)
		node->count = resolve_count(step, step->verb->name, 0);
	if (step_find_arg(step->verb, "name") >= 0)
		node->spec.name = step_value(step, "name");
	switch (step->verb->kind) {
	case STEP_REPARTITION:
		if (node->count > INT32_MAX)
			return err_set(e, ERR_USAGE, "%s: too many partitions", step->where);
		node->spec.npart = (int32_t)node->count;
		break;
	case STEP_DEDUPE:
		if (!step_value(step, "within"))
			return err_set(e, ERR_USAGE, "%s: 'within TIME' is missing: greatest "
				"difference of time", step->where);
		node->interval_ms = resolve_ms(step, "within", 0);
		break;
	case STEP_EVERY:
		node->interval_ms = resolve_ms(step, "every", 0);
		if (node->interval_ms < 1)
			return err_set(e, ERR_USAGE, "%s: an interval of 0", step->where);
		node->by_wall_clock = resolve_choice(step, "clock", 0) == 1;
		break;
	case STEP_EXEC:
		node->command = step_value(step, "exec");
		node->interval_ms = resolve_ms(step, "timeout", EXEC_TIMEOUT_MS);
		if (node->interval_ms < 1)
			return err_set(e, ERR_USAGE, "%s: a timeout of 0", step->where);
		break;
	default: break;
	}
	rs->at = resolve_end_of(node);
	return 0;
}

static int
take_step(struct resolve *rs, const struct step *step, struct err *e)
{
	const struct simple *how = find_simple(step->verb->kind);
	if (how)
		return step_simple(rs, step, how, e);
	int stream = 1 << PLAN_STREAM, either = stream | 1 << PLAN_TABLE;
	switch (step->verb->kind) {
	case STEP_FROM: return step_from(rs, step, e);
	case STEP_USE: return step_use(rs, step, e);
	case STEP_TIME: return step_time(rs, step, e);
	case STEP_MERGE:
		return rs->at.node >= 0 && resolve_need(rs, step, stream, e) < 0 ? -1
			: step_merge(rs, step, e);
	case STEP_BRANCH: return resolve_need(rs, step, stream, e) < 0 ? -1 : step_branch(rs, step, e);
	case STEP_BY:
		if (resolve_need(rs, step, either, e) < 0)
			return -1;
		step_by(rs, step);
		return 0;
	case STEP_JOIN: return resolve_need(rs, step, either, e) < 0 ? -1 : resolve_join(rs, step, e);
	case STEP_COGROUP: return resolve_cogroup(rs, step, e);
	case STEP_EMIT: return resolve_emit(rs, step, e);
	case STEP_LATE: return resolve_late(rs, step, e);
	case STEP_TO:
		rs->is_done = true;
		return resolve_need(rs, step, either, e) < 0 ? -1
			: resolve_to(rs, step, step_value(step, "to"), &rs->at, e);
	default: return resolve_aggregate(rs, step, e);
	}
}

/* ---- chains ---- */

static bool
is_aggregation(const struct step *step)
{
	enum step_kind kind = step->verb->kind;
	return kind == STEP_AGG || kind == STEP_TOP || kind == STEP_REDUCE || kind == STEP_AGGREGATE
		|| kind == STEP_COGROUP;
}

static int
check_place(const struct resolve *rs, const struct step *step, bool is_first, struct err *e)
{
	enum step_kind kind = step->verb->kind;
	bool begins = kind == STEP_FROM || kind == STEP_USE || kind == STEP_COGROUP;
	bool has_begun = rs->at.node >= 0;
	if (has_begun && begins)
		return err_set(e, ERR_USAGE, "%s: it stands at the beginning of a stream", step->where);
	if (!has_begun && !begins && kind != STEP_MERGE && kind != STEP_WINDOW)
		return err_set(e, ERR_USAGE, "%s: %s", step->where, is_first
			? "a stream begins with 'from'" : "it comes too early");
	if (rs->window && !is_aggregation(step))
		return err_set(e, ERR_USAGE, "%s: an aggregation must follow: agg, top, reduce, aggregate",
			rs->window->where);
	if (rs->last && rs->last->verb->kind == STEP_BRANCH)
		return err_set(e, ERR_USAGE, "%s: 'branch' ends a stream; its branches are continued with "
			"'use'", step->where);
	return 0;
}

static int
take_chain(struct resolve *rs, const struct step_chain *chain, struct err *e)
{
	rs->at = (struct resolve_end){ .node = -1 };
	rs->last = rs->window = NULL;
	rs->is_done = false;
	if (chain->nstep == 0)
		return err_set(e, ERR_USAGE, "%s: stream '%.60s' has no steps", chain->where, chain->name);
	for (int i = 0; i < chain->nstep; i++) {
		const struct step *step = &chain->step[i];
		if (check_place(rs, step, i == 0, e) < 0)
			return -1;
		rs->is_done = false;
		if (step->verb->kind == STEP_WINDOW)
			rs->window = step;
		else if (take_step(rs, step, e) < 0)
			return -1;
		rs->last = step;
	}
	if (rs->window)
		return err_set(e, ERR_USAGE, "%s: an aggregation must follow: agg, top, reduce, aggregate",
			rs->window->where);
	if (chain->nstep > 0 && rs->last->verb->kind == STEP_BRANCH)
		return 0;
	if (resolve_add_name(rs, chain->name, chain->where, &rs->at, e) < 0)
		return -1;
	rs->name[rs->nname - 1].is_used = rs->is_done;
	return 0;
}

static int
check_ends(const struct resolve *rs, struct err *e)
{
	for (int i = 0; i < rs->nname; i++)
		if (!rs->name[i].is_used)
			return rs->steps->file
				? err_set(e, ERR_USAGE, "%s: stream '%.60s' leads nowhere: end it with 'to', or "
					"use it", rs->name[i].where, rs->name[i].name)
				: err_set(e, ERR_USAGE, "the results lead nowhere: end with 'then to TOPIC', or "
					"'then to -' for stdout");
	return 0;
}

/* ---- the application ---- */

static void
put_name(struct buf *b, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool is_legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
			|| c == '.' || c == '_' || c == '-';
		buf_putc(b, is_legal ? c : '-');
	}
}

/* Eight digits that other steps do not have. */
static void
put_steps(const struct steps *steps, struct buf *b)
{
	struct buf text = BUF_INIT;
	for (int i = 0; i < steps->nchain; i++)
		for (int k = 0; k < steps->chain[i].nstep; k++) {
			const struct step *step = &steps->chain[i].step[k];
			buf_printf(&text, "%s\n", step->verb->name);
			for (int j = 0; j < STEP_ARGS_MAX; j++)
				if (step->value[j])
					buf_printf(&text, "%d %s\n", j, step->value[j]);
			for (int j = 0; j < step->npair; j++)
				buf_printf(&text, "%s=%s\n", step->pair[j].name, step->pair[j].text);
		}
	buf_printf(b, "-%08x", murmur2(buf_str(&text)));
	buf_release(&text);
}

/* Where no ID is given: the file's name without .yaml, or "orders-to-totals".  What prints
 * its results is asked in many ways of one topic: each has an ID of its own,
 * "orders-to-stdout-1a2b3c4d".  (One that writes to a topic may be changed and go on.) */
static const char *
name_application(struct plan *plan, const struct steps *steps)
{
	struct buf b = BUF_INIT;
	const char *file = steps->file;
	if (file) {
		const char *slash = strrchr(file, '/');
		const char *base = slash ? slash + 1 : file;
		put_name(&b, base, strcspn(base, "."));
	}
	for (int i = 0; i < plan->nsource && !file; i++) {
		buf_puts(&b, i ? "-" : "");
		put_name(&b, plan->source[i].topic, strlen(plan->source[i].topic));
	}
	for (int i = 0; i < plan->nsink && !file; i++) {
		const char *topic = plan->sink[i].is_stdout ? "stdout" : plan->sink[i].topic;
		buf_puts(&b, i ? "-" : "-to-");
		put_name(&b, topic, strlen(topic));
	}
	bool has_steps = !file && plan_prints(plan);
	b.n = MIN(b.n, (size_t)PLAN_APPLICATION_MAX - (has_steps ? STEPS_SIZE : 0));
	if (has_steps)
		put_steps(steps, &b);
	const char *name = (const char *)arena_str(&plan->arena, buf_str(&b)).p;
	buf_release(&b);
	return *name ? name : "kq-stream";
}

struct plan *
plan_new(const struct steps *steps, const struct plan_settings *settings, struct err *e)
{
	struct resolve rs = { .steps = steps, .plan = NEW(struct plan) };
	rs.plan->name = steps->file ? steps->file : "command line";
	rs.plan->settings = *settings;
	int rc = 0;
	for (int i = 0; rc == 0 && i < steps->nchain; i++)
		rc = take_chain(&rs, &steps->chain[i], e);
	if (rc == 0)
		rc = check_ends(&rs, e);
	mem_free(rs.name);
	if (rc == 0 && !settings->application) {
		rs.plan->has_default_id = true;
		rs.plan->settings.application = name_application(rs.plan, steps);
	}
	if (rc == 0)
		return rs.plan;
	plan_free(rs.plan);
	return NULL;
}
