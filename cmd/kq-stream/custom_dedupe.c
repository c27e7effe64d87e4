/*
 * What was let through is in a store (identity -> its time, as a changelog keeps it), and
 * in an index (time, identity), by which it is forgotten.
 *
 * A record that is late by at most `within` may repeat one that is older than it by as much:
 * so both together is how far behind stream time one is remembered.  Of several with the same
 * identity the newest one is enough: a record that repeats an older one, and is not later
 * than that, is at most `within` from the newest one, too.
 */
#include "kq-stream/custom.h"
#include "stream/keys.h"
#include "stream/saturate.h"

struct dedupe {
	struct flow_node node;
	int64_t within_ms;
	struct store *seen, *index;
	struct buf key;
	char *index_name;
	int64_t *stream_ms;
};

static int
dedupe_open(struct flow_node *node, struct err *e)
{
	struct dedupe *op = (struct dedupe *)node;
	const struct plan_node *planned = node->spec->tag;
	struct flow_store logged = { .is_compacted = true, .is_logged = true };
	struct flow_store derived = { .is_compacted = true };
	op->within_ms = planned->interval_ms;
	op->stream_ms = flow_node_number(node, "time");
	buf_printf(&op->key, "%s-index", node->plan->store[0]);
	op->index_name = mem_strndup(buf_str(&op->key));
	if (flow_node_store(node, node->plan->store[0], STORE_HASH, &logged, &op->seen, e) < 0)
		return -1;
	return flow_node_store(node, op->index_name, STORE_TREE, &derived, &op->index, e) < 0
		? -1 : 0;
}

static void
dedupe_close(struct flow_node *node)
{
	struct dedupe *op = (struct dedupe *)node;
	buf_release(&op->key);
	mem_free(op->index_name);
}

static struct str
index_key(struct dedupe *op, int64_t ts_ms, struct str id)
{
	buf_reset(&op->key);
	keys_put_time(&op->key, ts_ms);
	buf_put_str(&op->key, id);
	return buf_str(&op->key);
}

/* Forget what no record that is late by at most `within` can repeat any more. */
static void
forget(struct dedupe *op)
{
	struct store_entry first;
	int64_t oldest_ms = ms_minus(ms_minus(*op->stream_ms, op->within_ms), op->within_ms);
	while (store_first(op->index, STR_NULL, &first)) {
		struct str rest = first.key;
		int64_t ts_ms = keys_take_time(&rest);
		if (ts_ms >= oldest_ms)
			return;
		buf_reset(&op->key);
		buf_put_str(&op->key, first.key);
		rest = (struct str){ op->key.p + 8, (int32_t)op->key.n - 8 };
		store_remove(op->seen, rest);
		store_remove(op->index, buf_str(&op->key));
	}
}

static bool
is_repeated(struct dedupe *op, struct str id, int64_t ts_ms)
{
	struct store_entry entry;
	if (!store_get(op->seen, id, &entry))
		return false;
	return ms_minus(MAX(ts_ms, entry.ts_ms), MIN(ts_ms, entry.ts_ms)) <= op->within_ms;
}

static int
dedupe_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct dedupe *op = (struct dedupe *)node;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct str id = rec->key.bytes;
	if (fn && fn->value(fn, &args, &id, e))
		return flow_node_failed(node, rec, e);
	if (id.n < 0)
		return flow_node_send(node, rec, e);
	if (rec->ts_ms > *op->stream_ms) {
		*op->stream_ms = rec->ts_ms;
		forget(op);
	}
	if (is_repeated(op, id, rec->ts_ms))
		return 0;
	struct store_entry before;
	bool is_seen = store_get(op->seen, id, &before);
	if (is_seen && before.ts_ms > rec->ts_ms)
		return flow_node_send(node, rec, e);
	if (is_seen)
		store_remove(op->index, index_key(op, before.ts_ms, id));
	store_put(op->seen, id, STR("1"), rec->ts_ms);
	store_put(op->index, index_key(op, rec->ts_ms, id), STR(""), rec->ts_ms);
	return flow_node_send(node, rec, e);
}

static int
dedupe_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store, (void)e;
	struct dedupe *op = (struct dedupe *)node;
	struct store_entry before;
	if (store_get(op->seen, change->key, &before))
		store_remove(op->index, index_key(op, before.ts_ms, change->key));
	if (change->value.n < 0) {
		store_remove(op->seen, change->key);
		return 0;
	}
	store_put(op->seen, change->key, change->value, change->ts_ms);
	store_put(op->index, index_key(op, change->ts_ms, change->key), STR(""), change->ts_ms);
	return 0;
}

const struct flow_node_ops custom_dedupe_ops = {
	.name = "dedupe", .size = sizeof(struct dedupe), .open = dedupe_open, .close = dedupe_close,
	.take = dedupe_take, .log = flow_entry_log, .restore = dedupe_restore,
};
