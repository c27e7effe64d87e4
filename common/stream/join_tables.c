/*
 * Joins of two tables by their keys: inner, left, outer.
 *
 * The row of a key is the result of the rows that both sides have of it: an update of one
 * side is joined with the other side's row as it is.  The old result is that of the row that
 * was there before, so nothing is kept here, unless one update may reach both sides
 * (plan->keeps_rows): then a store has what was sent.  A materialized join has that store,
 * too, and is looked up there: it has an update's result only once the update has come here.
 * A result has the higher of the times of the update and of the other side's row.
 */
#include "stream/ops.h"

enum { LEFT, RIGHT };

struct join_tables {
	struct flow_node node;
	struct store *sent; /* the rows; NULL: not needed */
	struct buf row;
};

static int
join_open(struct flow_node *node, struct err *e)
{
	struct join_tables *join = CONTAINER_OF(node, struct join_tables, node);
	const struct flow_store about = { .is_compacted = true, .is_logged = true };
	bool has_store = node->plan->keeps_rows || node->spec->is_materialized;
	return has_store && flow_node_store(node, node->plan->store[0], STORE_HASH,
		&about, &join->sent, e) < 0 ? -1 : 0;
}

static void
join_close(struct flow_node *node)
{
	buf_release(&CONTAINER_OF(node, struct join_tables, node)->row);
}

/* Does a join of this kind have a row where these sides have one? */
static bool
has_row(enum flow_join_kind kind, bool has_left, bool has_right)
{
	return kind == FLOW_INNER ? has_left && has_right
		: kind == FLOW_LEFT ? has_left : has_left || has_right;
}

/* The row of the two sides, null if there is none. */
static int
join_rows(struct flow_node *node, const struct flow_key *key, struct str left, struct str right,
	int64_t ts_ms, struct str *out, struct err *e)
{
	struct flow_args args = { .key = key, .value = STR_NULL, .left = left, .right = right,
		.ts_ms = ts_ms };
	*out = STR_NULL;
	if (!has_row(node->spec->kind, left.n >= 0, right.n >= 0))
		return 0;
	return node->spec->fn->value(node->spec->fn, &args, out, e);
}

/* Send the update.  What was sent before is in the store, if there is one, else in out. */
static int
send_row(struct join_tables *join, struct flow_rec *out, struct err *e)
{
	struct flow_node *node = &join->node;
	struct store_entry entry;
	if (join->sent) {
		struct str row = flow_row(&join->row, &out->key);
		out->old = STR_NULL;
		if (store_get(join->sent, row, &entry))
			out->old = arena_str(flow_node_arena(node), entry.value);
		if (out->value.n >= 0)
			store_put(join->sent, row, out->value, out->ts_ms);
		else
			store_remove_at(join->sent, row, out->ts_ms);
	}
	return out->value.n < 0 && out->old.n < 0 ? 0 : flow_node_send(node, out, e);
}

static int
join_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct join_tables *join = CONTAINER_OF(node, struct join_tables, node);
	struct flow_node *table = node->from[!port];
	bool is_self = node->from[LEFT] == node->from[RIGHT];
	struct str other = STR_NULL, found;
	int64_t other_ms;
	if (rec->is_stale)
		return flow_node_drop(node, rec, false, e);
	if (is_self && port == RIGHT)
		return 0; /* both sides changed at once, at LEFT */

	struct flow_rec out = *rec;
	if (!is_self && table->ops->get(table, &rec->key, &found, &other_ms)) {
		out.ts_ms = MAX(rec->ts_ms, other_ms);
		other = arena_str(flow_node_arena(node), found);
	}
	/* A window that is no longer looked into deletes nothing: its row stays as it was sent. */
	if (!is_self && (rec->value.n >= 0 || !node->plan->keeps_rows) && other.n < 0
			&& !has_row(node->spec->kind, port == LEFT, port == RIGHT))
		return 0;
	struct str sides[2][2] = { { rec->old, rec->old }, { rec->value, rec->value } };
	if (!is_self)
		sides[0][!port] = sides[1][!port] = other;
	if (join_rows(node, &rec->key, sides[1][LEFT], sides[1][RIGHT], out.ts_ms, &out.value, e))
		return flow_node_failed(node, rec, e);
	/* Without users of old values it only matters whether there is a row to delete. */
	out.old = STR_NULL;
	if (!join->sent && (out.value.n < 0 || node->plan->wants_old)
		&& join_rows(node, &rec->key, sides[0][LEFT], sides[0][RIGHT], out.ts_ms, &out.old, e))
		return flow_node_failed(node, rec, e);
	return send_row(join, &out, e);
}

static bool
get_sent(struct join_tables *join, const struct flow_key *key, struct str *value, int64_t *ts_ms)
{
	struct store_entry entry;
	if (!store_get(join->sent, flow_row(&join->row, key), &entry))
		return false;
	*value = arena_str(flow_node_arena(&join->node), entry.value);
	*ts_ms = entry.ts_ms;
	return true;
}

static bool
join_get(struct flow_node *node, const struct flow_key *key, struct str *value, int64_t *ts_ms)
{
	struct str side[2] = { STR_NULL, STR_NULL };
	struct err e;
	if (node->spec->is_materialized)
		return get_sent(CONTAINER_OF(node, struct join_tables, node), key, value, ts_ms);
	*ts_ms = INT64_MIN;
	for (int port = LEFT; port <= RIGHT; port++) {
		struct flow_node *table = node->from[port];
		struct str found;
		int64_t ms;
		if (!table->ops->get(table, key, &found, &ms))
			continue;
		side[port] = arena_str(flow_node_arena(node), found);
		*ts_ms = MAX(*ts_ms, ms);
	}
	return !join_rows(node, key, side[LEFT], side[RIGHT], *ts_ms, value, &e) && value->n >= 0;
}

const struct flow_node_ops flow_join_tables_ops = {
	.name = "table-table join",
	.rows = FLOW_ROWS_KEY,
	.size = sizeof(struct join_tables),
	.open = join_open,
	.close = join_close,
	.take = join_take,
	.get = join_get,
	.log = flow_row_log,
	.restore = flow_row_restore,
};
