/* The latest value of each key waits in a store until the interval is over. */
#include "kq-stream/custom.h"

struct every {
	struct flow_node node;
	int64_t interval_ms;
	bool by_wall_clock;
	struct store *waiting;
	int64_t *stream_ms;
};

static int
every_open(struct flow_node *node, struct err *e)
{
	struct every *op = (struct every *)node;
	const struct plan_node *planned = node->spec->tag;
	struct flow_store about = { .is_compacted = true, .is_logged = true };
	op->interval_ms = planned->interval_ms;
	op->by_wall_clock = planned->by_wall_clock;
	op->stream_ms = flow_node_number(node, "time");
	node->tick_at_ms = op->by_wall_clock ? 0 : INT64_MAX;
	return flow_node_store(node, node->plan->store[0], STORE_TREE, &about, &op->waiting, e) < 0
		? -1 : 0;
}

/* Send all that waits, in the order of the keys. */
static int
send_all(struct every *op, struct err *e)
{
	struct store_entry entry;
	while (store_first(op->waiting, STR_NULL, &entry)) {
		struct arena *a = flow_node_arena(&op->node);
		struct flow_rec rec = {
			.key.bytes = arena_str(a, entry.key),
			.value = arena_str(a, entry.value),
			.old = STR_NULL,
			.ts_ms = entry.ts_ms,
		};
		store_remove(op->waiting, rec.key.bytes);
		if (flow_node_send(&op->node, &rec, e))
			return -1;
	}
	return 0;
}

static int
every_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct every *op = (struct every *)node;
	if (rec->key.bytes.n < 0 || rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	int64_t before_ms = *op->stream_ms;
	store_put(op->waiting, rec->key.bytes, rec->value, rec->ts_ms);
	if (rec->ts_ms <= before_ms)
		return 0;
	*op->stream_ms = rec->ts_ms;
	if (op->by_wall_clock || before_ms == INT64_MIN
		|| before_ms / op->interval_ms == rec->ts_ms / op->interval_ms)
		return 0;
	return send_all(op, e);
}

static int
every_tick(struct flow_node *node, struct err *e)
{
	struct every *op = (struct every *)node;
	int64_t now_ms = MAX(flow_node_env(node)->now_ms, node->tick_at_ms);
	node->tick_at_ms = (now_ms / op->interval_ms + 1) * op->interval_ms;
	return send_all(op, e);
}

static int
every_end(struct flow_node *node, struct err *e)
{
	return send_all((struct every *)node, e);
}

static int
every_restore(struct flow_node *node, int store, const struct flow_change *change, struct err *e)
{
	(void)store, (void)e;
	struct every *op = (struct every *)node;
	if (change->value.n < 0)
		store_remove(op->waiting, change->key);
	else
		store_put(op->waiting, change->key, change->value, change->ts_ms);
	return 0;
}

const struct flow_node_ops custom_every_ops = {
	.name = "every", .size = sizeof(struct every), .open = every_open, .take = every_take,
	.tick = every_tick, .end = every_end, .log = flow_entry_log, .restore = every_restore,
};
