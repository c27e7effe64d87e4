/* Operators on streams that keep no state. */
#include "stream/ops.h"

/* ---- filter, filter_not ---- */

static int
filter_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	int rc = fn->test(fn, &args, e);
	if (rc < 0)
		return flow_node_failed(node, rec, e);
	if ((rc > 0) == (node->spec->op == FLOW_FILTER_NOT))
		return 0;
	return flow_node_send(node, rec, e);
}

const struct flow_node_ops flow_filter_ops = {
	.name = "filter", .size = sizeof(struct flow_node), .take = filter_take,
};

/* ---- map_values ---- */

static int
map_values_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct flow_rec out = *rec;
	if (fn->value(fn, &args, &out.value, e))
		return flow_node_failed(node, rec, e);
	return flow_node_send(node, &out, e);
}

const struct flow_node_ops flow_map_values_ops = {
	.name = "map_values", .size = sizeof(struct flow_node), .take = map_values_take,
};

/* ---- select_key, group_by ---- */

static int
select_key_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct flow_rec out = *rec;
	out.key = (struct flow_key){ .bytes = STR_NULL };
	if (fn->value(fn, &args, &out.key.bytes, e))
		return flow_node_failed(node, rec, e);
	return flow_node_send(node, &out, e);
}

const struct flow_node_ops flow_select_key_ops = {
	.name = "select_key", .size = sizeof(struct flow_node), .take = select_key_take,
};

/* ---- map, flat_map ---- */

static int
flat_map_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct flow_pair *pairs;
	int n = fn->pairs(fn, &args, &pairs, e);
	if (n >= 0 && node->spec->op == FLOW_MAP && n != 1)
		n = err_set(e, ERR_USAGE, "a map gave %d records, not one", n);
	if (n < 0)
		return flow_node_failed(node, rec, e);
	struct flow_rec out = *rec;
	for (int i = 0; i < n; i++) {
		out.key = (struct flow_key){ .bytes = pairs[i].key };
		out.value = pairs[i].value;
		if (flow_node_send(node, &out, e))
			return -1;
	}
	return 0;
}

const struct flow_node_ops flow_flat_map_ops = {
	.name = "flat_map", .size = sizeof(struct flow_node), .take = flat_map_take,
};

/* ---- peek ---- */

static int
peek_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	if (fn->test(fn, &args, e) < 0)
		return flow_node_failed(node, rec, e);
	return flow_node_send(node, rec, e);
}

const struct flow_node_ops flow_peek_ops = {
	.name = "peek", .size = sizeof(struct flow_node), .take = peek_take,
};

/* ---- branch ---- */

/* User i is the stream of case i, the last one that of the rest. */
static int
branch_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	const struct flow_spec *spec = node->spec;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	for (int i = 0; i < spec->ncase; i++) {
		int rc = spec->cases[i].fn->test(spec->cases[i].fn, &args, e);
		if (rc < 0)
			return flow_node_failed(node, rec, e);
		if (rc)
			return flow_node_send(node->user[i].node, rec, e);
	}
	return spec->default_id ? flow_node_send(node->user[spec->ncase].node, rec, e) : 0;
}

const struct flow_node_ops flow_branch_ops = {
	.name = "branch", .size = sizeof(struct flow_node), .take = branch_take,
};

/* ---- to ---- */

static int
to_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	return flow_node_emit(node, rec, e);
}

const struct flow_node_ops flow_to_ops = {
	.name = "to", .size = sizeof(struct flow_node), .take = to_take,
};
