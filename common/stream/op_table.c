/* Tables: of a topic or a stream, and those that follow from one row of another table. */
#include "stream/ops.h"

/* ---- table, global_table, to_table ---- */

struct op_table {
	struct flow_node node;
	struct store *store;
	struct buf row; /* the key as the store has it */
};

static int
table_open(struct flow_node *node, struct err *e)
{
	struct op_table *table = (struct op_table *)node;
	struct flow_store about = { .is_compacted = true,
		.is_logged = node->plan->kind != FLOW_KIND_GLOBAL };
	return flow_node_store(node, node->plan->store[0], STORE_HASH, &about, &table->store, e) < 0
		? -1 : 0;
}

static void
table_close(struct flow_node *node)
{
	buf_release(&((struct op_table *)node)->row);
}

static int
table_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct op_table *table = (struct op_table *)node;
	if (rec->key.bytes.n < 0)
		return flow_node_drop(node, rec, false, e);
	struct str row = flow_row(&table->row, &rec->key);
	struct store_entry entry;
	struct flow_rec out = *rec;
	out.is_stale = false;
	out.old = STR_NULL;
	if (store_get(table->store, row, &entry))
		out.old = node->plan->wants_old ? arena_str(flow_node_arena(node), entry.value)
			: STR("");
	else if (rec->value.n < 0)
		return 0;
	if (rec->value.n < 0)
		store_remove_at(table->store, row, rec->ts_ms);
	else
		store_put(table->store, row, rec->value, rec->ts_ms);
	return flow_node_send(node, &out, e);
}

static bool
table_get(struct flow_node *node, const struct flow_key *key, struct str *value, int64_t *ts_ms)
{
	struct op_table *table = (struct op_table *)node;
	struct store_entry entry;
	if (!store_get(table->store, flow_row(&table->row, key), &entry))
		return false;
	*value = arena_str(flow_node_arena(node), entry.value);
	*ts_ms = entry.ts_ms;
	return true;
}

const struct flow_node_ops flow_table_ops = {
	.name = "table", .rows = FLOW_ROWS_KEY, .size = sizeof(struct op_table), .open = table_open,
	.close = table_close, .take = table_take, .get = table_get, .log = flow_row_log,
	.restore = flow_row_restore,
};

/* ---- filter and map_values of a table ---- */

/*
 * A row of these follows from one row of the table above.  It is the same for the same row,
 * so the old one is computed again, and no store is needed.  A row whose function fails is
 * none: it is told once, when it comes, and deletes what was there.
 */
typedef int row_fn(struct flow_node *node, const struct flow_key *key, struct str value,
	int64_t ts_ms, struct str *out, struct err *e);

static int
filter_row(struct flow_node *node, const struct flow_key *key, struct str value, int64_t ts_ms,
	struct str *out, struct err *e)
{
	struct flow_args args = { .key = key, .value = value, .ts_ms = ts_ms };
	*out = STR_NULL;
	if (value.n < 0)
		return 0;
	int rc = node->spec->fn->test(node->spec->fn, &args, e);
	if (rc < 0)
		return -1;
	if ((rc > 0) == (node->spec->op == FLOW_FILTER))
		*out = value;
	return 0;
}

static int
map_row(struct flow_node *node, const struct flow_key *key, struct str value, int64_t ts_ms,
	struct str *out, struct err *e)
{
	struct flow_args args = { .key = key, .value = value, .ts_ms = ts_ms };
	*out = STR_NULL;
	return value.n < 0 ? 0 : node->spec->fn->value(node->spec->fn, &args, out, e);
}

static int
take_row(struct flow_node *node, const struct flow_rec *rec, row_fn *fn, struct err *e)
{
	struct flow_rec out = *rec;
	struct err ignored;
	if (fn(node, &rec->key, rec->value, rec->ts_ms, &out.value, e)) {
		out.value = STR_NULL;
		if (flow_node_failed(node, rec, e))
			return -1;
	}
	if (fn(node, &rec->key, rec->old, rec->ts_ms, &out.old, &ignored))
		out.old = STR_NULL;
	return out.value.n < 0 && out.old.n < 0 ? flow_node_send_blank(node, &out, e)
		: flow_node_send(node, &out, e);
}

static bool
get_row(struct flow_node *node, const struct flow_key *key, row_fn *fn, struct str *value,
	int64_t *ts_ms)
{
	struct err ignored;
	struct flow_node *from = node->from[0];
	if (!from->ops->get(from, key, value, ts_ms))
		return false;
	*value = arena_str(flow_node_arena(node), *value);
	return !fn(node, key, *value, *ts_ms, value, &ignored) && value->n >= 0;
}

static bool
get_row_at(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms, row_fn *fn,
	struct str *value, int64_t *ts_ms)
{
	struct err ignored;
	struct flow_node *from = node->from[0];
	assert(from->ops->get_at);
	if (!from->ops->get_at(from, key, as_of_ms, value, ts_ms))
		return false;
	*value = arena_str(flow_node_arena(node), *value);
	return !fn(node, key, *value, *ts_ms, value, &ignored) && value->n >= 0;
}

static int
table_filter_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	return take_row(node, rec, filter_row, e);
}

static bool
table_filter_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	return get_row(node, key, filter_row, value, ts_ms);
}

static bool
table_filter_get_at(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms,
	struct str *value, int64_t *ts_ms)
{
	return get_row_at(node, key, as_of_ms, filter_row, value, ts_ms);
}

static int
table_map_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	return take_row(node, rec, map_row, e);
}

static bool
table_map_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	return get_row(node, key, map_row, value, ts_ms);
}

static bool
table_map_get_at(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms,
	struct str *value, int64_t *ts_ms)
{
	return get_row_at(node, key, as_of_ms, map_row, value, ts_ms);
}

const struct flow_node_ops flow_table_filter_ops = {
	.name = "filter", .size = sizeof(struct flow_node), .take = table_filter_take,
	.get = table_filter_get, .get_at = table_filter_get_at,
};
const struct flow_node_ops flow_table_map_values_ops = {
	.name = "map_values", .size = sizeof(struct flow_node), .take = table_map_take,
	.get = table_map_get, .get_at = table_map_get_at,
};

/* ---- filter and map_values with rows of their own ---- */

/*
 * They are an ordinary table: the last update that came is the row, below a versioned table
 * whatever its time.  One that is looked up has an update only once it has come here, while
 * the table above has it before it is sent to anyone.
 */
static int
table_step_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	row_fn *fn = node->spec->op == FLOW_MAP_VALUES ? map_row : filter_row;
	struct flow_rec out = *rec;
	if (fn(node, &rec->key, rec->value, rec->ts_ms, &out.value, e)) {
		out.value = STR_NULL;
		if (flow_node_failed(node, rec, e))
			return -1;
	}
	return table_take(node, port, &out, e);
}

const struct flow_node_ops flow_table_step_ops = {
	.name = "filter or map_values", .rows = FLOW_ROWS_KEY, .size = sizeof(struct op_table),
	.open = table_open, .close = table_close, .take = table_step_take, .get = table_get,
	.log = flow_row_log, .restore = flow_row_restore,
};
