/*
 * Aggregations without windows: of grouped streams (of several, with a cogroup) and of
 * grouped tables.
 */
#include "stream/ops.h"

struct op_aggregate {
	struct flow_node node;
	struct store *store;
	struct buf row;   /* the key as the store has it */
	struct buf out;   /* what a function appends to */
};

static int
aggregate_open(struct flow_node *node, struct err *e)
{
	struct op_aggregate *op = (struct op_aggregate *)node;
	struct flow_store about = { .is_compacted = true, .is_logged = true };
	return flow_node_store(node, node->plan->store[0], STORE_HASH, &about, &op->store, e) < 0
		? -1 : 0;
}

static void
aggregate_close(struct flow_node *node)
{
	struct op_aggregate *op = (struct op_aggregate *)node;
	buf_release(&op->row);
	buf_release(&op->out);
}

/* The same bytes where they stay until the next input record, if a function may have put
 * them into the node's buffer. */
static struct str
settled(struct op_aggregate *op, struct str s)
{
	return op->out.n ? arena_str(flow_node_arena(&op->node), s) : s;
}

/* The value of a row with this state. */
static int
value_of(struct op_aggregate *op, struct str state, struct str *value, struct err *e)
{
	struct flow_agg *agg = op->node.spec->agg;
	buf_reset(&op->out);
	*value = state;
	if (state.n < 0 || !agg->result)
		return 0;
	if (agg->result(agg, state, value, &op->out, e))
		return -1;
	*value = settled(op, *value);
	return 0;
}

/* The value that was sent last, kept while the state changes.  Without a user that looks
 * at it, any that is not null does. */
static int
keep_old(struct op_aggregate *op, struct str state, struct str *old, struct err *e)
{
	const struct flow_agg *agg = op->node.spec->agg;
	bool is_value = !agg->result || agg->state_size; /* a state that is there is a row, too */
	*old = state.n >= 0 ? STR("") : STR_NULL;
	if (state.n < 0 || (is_value && !op->node.plan->wants_old))
		return 0;
	return value_of(op, state, old, e);
}

static int
send(struct op_aggregate *op, const struct flow_rec *rec, struct str value, struct str old,
	int64_t ts_ms, struct err *e)
{
	struct flow_rec out = *rec;
	if (value.n < 0 && old.n < 0)
		return 0;
	out.value = value;
	out.old = old;
	out.ts_ms = ts_ms;
	return flow_node_send(&op->node, &out, e);
}

/* ---- states whose size varies ---- */

typedef int agg_fn(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e);

static int
call(struct op_aggregate *op, struct flow_agg *agg, agg_fn *fn, const struct flow_args *args,
	struct str *state, struct err *e)
{
	buf_reset(&op->out);
	if (fn(agg, args, state, &op->out, e))
		return -1;
	*state = settled(op, *state);
	return 0;
}

/* Take the old row out of the state, and the new one in: the new state, or null. */
static int
change_state(struct op_aggregate *op, struct flow_agg *adder, const struct flow_rec *rec,
	bool is_table, struct str *state, struct err *e)
{
	struct flow_agg *agg = op->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .ts_ms = rec->ts_ms, .acc = *state };
	if (is_table && rec->old.n >= 0 && state->n >= 0) {
		args.value = rec->old;
		if (call(op, agg, agg->sub, &args, state, e))
			return -1;
	}
	if (rec->value.n < 0)
		return 0;
	if (state->n < 0 && agg->is_reduce) {
		*state = rec->value;
		return 0;
	}
	args.value = rec->value;
	args.acc = STR_NULL;
	if (state->n < 0 && call(op, agg, agg->init, &args, state, e))
		return -1;
	args.acc = *state;
	return call(op, adder, adder->add, &args, state, e);
}

static int
take_varying(struct op_aggregate *op, struct flow_agg *adder, const struct flow_rec *rec,
	bool is_table, struct err *e)
{
	struct str row = flow_row(&op->row, &rec->key), old, value, state = STR_NULL;
	struct store_entry entry;
	int64_t ts_ms = rec->ts_ms;
	if (store_get(op->store, row, &entry)) {
		state = arena_str(flow_node_arena(&op->node), entry.value);
		ts_ms = MAX(ts_ms, entry.ts_ms);
	}
	bool was_there = state.n >= 0;
	if (keep_old(op, state, &old, e) || change_state(op, adder, rec, is_table, &state, e)
			|| value_of(op, state, &value, e))
		return flow_node_failed(&op->node, rec, e);
	if (state.n >= 0)
		store_put(op->store, row, state, ts_ms);
	else if (was_there)
		store_remove_at(op->store, row, ts_ms);
	return send(op, rec, value, old, ts_ms, e);
}

/* ---- states of a fixed size, changed in place ---- */

static int
change_slot(struct op_aggregate *op, struct flow_agg *adder, const struct flow_rec *rec,
	bool is_table, bool is_new, struct str state, struct err *e)
{
	struct flow_agg *agg = op->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .ts_ms = rec->ts_ms, .acc = state };
	if (is_new && agg->init(agg, &args, &state, NULL, e))
		return -1;
	args.value = rec->old;
	if (is_table && rec->old.n >= 0 && !is_new && agg->sub(agg, &args, &state, NULL, e))
		return -1;
	args.value = rec->value;
	return rec->value.n >= 0 ? adder->add(adder, &args, &state, NULL, e) : 0;
}

static int
take_fixed(struct op_aggregate *op, struct flow_agg *adder, const struct flow_rec *rec,
	bool is_table, struct err *e)
{
	struct str row = flow_row(&op->row, &rec->key), old = STR_NULL, value, before;
	int64_t *ts_ms;
	bool is_new;
	int32_t size = op->node.spec->agg->state_size;
	uint8_t *slot = store_slot(op->store, row, size, &ts_ms, &is_new);
	struct str state = { slot, size };
	if (is_new && rec->value.n < 0) { /* nothing to take away from */
		store_remove(op->store, row);
		return 0;
	}
	if (is_table)
		before = arena_str(flow_node_arena(&op->node), state);
	if ((!is_new && keep_old(op, state, &old, e))
			|| change_slot(op, adder, rec, is_table, is_new, state, e)
			|| value_of(op, state, &value, e)) {
		if (is_new)
			store_remove(op->store, row);
		else if (is_table)
			memcpy(slot, before.p, (size_t)size);
		return flow_node_failed(&op->node, rec, e);
	}
	*ts_ms = MAX(*ts_ms, rec->ts_ms);
	return send(op, rec, value, old, *ts_ms, e);
}

/* ---- operators ---- */

static int
aggregate_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct op_aggregate *op = (struct op_aggregate *)node;
	const struct flow_spec *spec = node->spec;
	struct flow_agg *adder = spec->op == FLOW_COGROUP ? spec->cases[port].agg : spec->agg;
	if (rec->key.bytes.n < 0 || rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	return spec->agg->state_size ? take_fixed(op, adder, rec, false, e)
		: take_varying(op, adder, rec, false, e);
}

static int
aggregate_table_take(struct flow_node *node, int port, const struct flow_rec *rec,
	struct err *e)
{
	(void)port;
	struct op_aggregate *op = (struct op_aggregate *)node;
	struct flow_agg *agg = node->spec->agg;
	return agg->state_size ? take_fixed(op, agg, rec, true, e)
		: take_varying(op, agg, rec, true, e);
}

static bool
aggregate_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	struct op_aggregate *op = (struct op_aggregate *)node;
	struct store_entry entry;
	struct err ignored; /* it did not fail when the row was sent */
	if (!store_get(op->store, flow_row(&op->row, key), &entry)
			|| value_of(op, entry.value, value, &ignored) || value->n < 0)
		return false;
	if (value->p == entry.value.p)
		*value = arena_str(flow_node_arena(node), *value);
	*ts_ms = entry.ts_ms;
	return true;
}

static int
aggregate_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	struct op_aggregate *op = (struct op_aggregate *)node;
	struct flow_agg *agg = node->spec->agg;
	out->value = entry->value;
	if (entry->value.n >= 0 && agg->pack) {
		buf_reset(&op->out);
		if (agg->pack(agg, entry->value, &op->out, e))
			return -1;
		out->value = buf_str(&op->out);
	}
	return flow_row_key_log(node, entry->key, &out->key, e);
}

static int
aggregate_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct op_aggregate *op = (struct op_aggregate *)node;
	struct flow_agg *agg = node->spec->agg;
	struct str row, state = change->value;
	if (flow_row_key_restore(node, change->key, &row, e))
		return -1;
	if (state.n < 0) {
		store_remove(op->store, row);
		return 0;
	}
	if (agg->unpack) {
		buf_reset(&op->out);
		if (agg->unpack(agg, change->value, &op->out, e))
			return -1;
		state = buf_str(&op->out);
	}
	store_put(op->store, row, state, change->ts_ms);
	return 0;
}

const struct flow_node_ops flow_aggregate_ops = {
	.name = "aggregate", .rows = FLOW_ROWS_KEY, .size = sizeof(struct op_aggregate),
	.open = aggregate_open, .close = aggregate_close, .take = aggregate_take, .get = aggregate_get,
	.log = aggregate_log, .restore = aggregate_restore,
};
const struct flow_node_ops flow_aggregate_table_ops = {
	.name = "aggregate_table", .rows = FLOW_ROWS_KEY, .size = sizeof(struct op_aggregate),
	.open = aggregate_open, .close = aggregate_close, .take = aggregate_table_take,
	.get = aggregate_get, .log = aggregate_log, .restore = aggregate_restore,
};
