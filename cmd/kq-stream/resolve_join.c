#include "kq-stream/resolve_int.h"

/* The right side of a join: a stream of the file, or a topic. */
static int
take_right(struct resolve *rs, const struct step *step, struct resolve_end *right, struct err *e)
{
	const char *name = step_value(step, "join");
	struct resolve_name *found = resolve_find(rs, name);
	bool has_window = step_value(step, "within") || step_value(step, "before")
		|| step_value(step, "after");
	if (found) {
		static const char *const of_topics[] = { "as", "time", "format", "key",
			"history" };
		for (size_t i = 0; i < ARRAY_LEN(of_topics); i++)
			if (step_value(step, of_topics[i]))
				return err_set(e, ERR_USAGE, "%s: '%s' is for topics, but '%.60s' is a stream "
					"of the file", step->where, of_topics[i], name);
		found->is_used = true;
		*right = found->end;
		return 0;
	}
	enum flow_op op = (enum flow_op[]){ FLOW_STREAM, FLOW_TABLE, FLOW_GLOBAL_TABLE }
		[resolve_choice(step, "as", has_window ? 0 : 1)];
	struct plan_node *node = resolve_add_source(rs, step, op, name, e);
	if (!node)
		return -1;
	rs->plan->source[node->source].time = resolve_expr(step, step_value(step, "time"));
	*right = resolve_end_of(node);
	return 0;
}

static int
check_window(const struct step *step, bool is_of_streams, struct err *e)
{
	bool has_window = step_value(step, "within") || step_value(step, "before")
		|| step_value(step, "after");
	if (is_of_streams && !has_window)
		return err_set(e, ERR_USAGE, "%s: two streams are joined within a time: within 5m",
			step->where);
	if (!is_of_streams && has_window)
		return err_set(e, ERR_USAGE, "%s: within, before and after are for joins of streams",
			step->where);
	if (step_value(step, "within") && step_value(step, "before") && step_value(step, "after"))
		return err_set(e, ERR_USAGE, "%s: within stands for before and after", step->where);
	return 0;
}

static enum flow_op
op_of(enum plan_kind left, enum plan_kind right, bool has_on)
{
	if (left == PLAN_STREAM)
		return right == PLAN_STREAM ? FLOW_STREAM_STREAM_JOIN
			: right == PLAN_TABLE ? FLOW_STREAM_TABLE_JOIN : FLOW_STREAM_GLOBAL_JOIN;
	return has_on ? FLOW_FOREIGN_KEY_JOIN : FLOW_TABLE_TABLE_JOIN;
}

static int
check_kinds(const struct resolve *rs, const struct step *step, const struct resolve_end *right,
	struct err *e)
{
	if (right->kind != PLAN_STREAM && right->kind != PLAN_TABLE && right->kind != PLAN_GLOBAL)
		return err_set(e, ERR_USAGE, "%s: '%.60s' is neither a stream nor a table",
			step->where, step_value(step, "join"));
	if (rs->at.kind == PLAN_TABLE && right->kind != PLAN_TABLE)
		return err_set(e, ERR_USAGE, "%s: a table is joined with a table; 'stream' makes its "
			"updates a stream", step->where);
	if (right->kind == PLAN_GLOBAL && !step_value(step, "on")
		&& rs->at.key_format != right->key_format)
		return err_set(e, ERR_USAGE, "%s: keys here are %s, those of '%.60s' are %s: add "
			"'on $key' or 'key %s'", step->where, plan_format_names[rs->at.key_format],
			step_value(step, "join"), plan_format_names[right->key_format],
			plan_format_names[rs->at.key_format]);
	return check_window(step, rs->at.kind == PLAN_STREAM && right->kind == PLAN_STREAM, e);
}

/* Give the left side the key that is looked up on the right side. */
static int
take_left(struct resolve *rs, const struct step *step, const struct resolve_end *right,
	struct resolve_end *left, struct err *e)
{
	const char *on = step_value(step, "on");
	*left = rs->at;
	if (left->kind == PLAN_TABLE) {
		if (on || left->key_format == right->key_format)
			return 0;
		return err_set(e, ERR_USAGE, "%s: keys here are %s, those of '%.60s' are %s: let 'by' make "
			"%s keys, by 'key %s'", step->where, plan_format_names[left->key_format],
			step_value(step, "join"), plan_format_names[right->key_format],
			plan_format_names[right->key_format], plan_format_names[right->key_format]);
	}
	if (right->kind == PLAN_GLOBAL)
		return 0;
	if (on) {
		struct plan_node *node = resolve_add(rs, step, FLOW_SELECT_KEY, left);
		node->use = PLAN_KEY;
		node->fn = resolve_expr(step, on);
		node->key_format = right->key_format;
		node->is_windowed = node->is_keyless = false;
		*left = resolve_end_of(node);
	}
	*left = resolve_recode(rs, step, left, right->key_format);
	return 0;
}

static void
take_times(struct plan_node *node, const struct step *step, enum flow_op op)
{
	int64_t within = resolve_ms(step, "within", 0);
	if (op == FLOW_STREAM_STREAM_JOIN)
		node->spec.join_window = (struct flow_join_window){
			.before_ms = resolve_ms(step, "before", within),
			.after_ms = resolve_ms(step, "after", within),
			.grace_ms = resolve_ms(step, "grace", 0),
		};
	else
		node->spec.join_grace_ms = resolve_ms(step, "grace", -1);
}

int
resolve_join(struct resolve *rs, const struct step *step, struct err *e)
{
	struct resolve_end left, right;
	if (take_right(rs, step, &right, e) < 0 || check_kinds(rs, step, &right, e) < 0
		|| take_left(rs, step, &right, &left, e) < 0)
		return -1;
	if (right.kind != PLAN_GLOBAL
		&& (resolve_need_key(&left, step, e) < 0 || resolve_need_key(&right, step, e) < 0))
		return -1;
	const char *on = step_value(step, "on"), *with = step_value(step, "with");
	enum flow_op op = op_of(left.kind, right.kind, on != NULL);
	enum flow_join_kind kind = (enum flow_join_kind)resolve_choice(step, "kind", FLOW_INNER);
	if (kind == FLOW_OUTER && op != FLOW_STREAM_STREAM_JOIN && op != FLOW_TABLE_TABLE_JOIN)
		return err_set(e, ERR_USAGE, "%s: an outer join is one of two streams, or of two tables "
			"without 'on'", step->where);
	struct plan_node *node = resolve_add(rs, step, op, &left);
	if (resolve_add_from(node, &right, step, e) < 0)
		return -1;
	node->use = PLAN_JOIN;
	node->fn = resolve_expr(step, with ? with : "$left + $right");
	node->spec.kind = kind;
	node->spec.name = step_value(step, "name");
	if (op == FLOW_FOREIGN_KEY_JOIN || op == FLOW_STREAM_GLOBAL_JOIN) {
		node->key_fn = resolve_expr(step, on ? on : "$key");
		node->key_fn_format = right.key_format;
	}
	take_times(node, step, op);
	rs->at = resolve_end_of(node);
	return 0;
}
