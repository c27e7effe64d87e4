/*
 * The way through an internal topic, and the grouping of a table.
 *
 * Behind the grouping of a table the values are changes:
 *	new | 01                                added
 *	old | 00                                taken away
 *	length of new, zigzag varint | new | old | 02   both
 * Source: Kafka's ChangedSerializer.java.
 */
#include "base/varint.h"
#include "stream/keys.h"
#include "stream/ops.h"

enum { CHANGE_OLD, CHANGE_NEW, CHANGE_BOTH };

/* ---- group_by of a table ---- */

/* The pair of a row; a null key or value is none. */
static bool
pair_of(struct flow_node *node, const struct flow_rec *rec, struct str value,
	struct flow_pair *pair, struct err *e, int *rc)
{
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = value, .ts_ms = rec->ts_ms };
	struct flow_pair *pairs;
	*rc = 0;
	if (value.n < 0)
		return false;
	int n = fn->pairs(fn, &args, &pairs, e);
	if (n >= 0 && n != 1)
		n = err_set(e, ERR_USAGE, "a grouping gave %d pairs, not one", n);
	if (n < 0) {
		*rc = -1;
		return false;
	}
	*pair = pairs[0];
	return pair->key.n >= 0 && pair->value.n >= 0;
}

static int
group_table_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_pair new, old;
	struct flow_rec out = *rec;
	struct err ignored;
	int rc;
	if (rec->is_stale)
		return flow_node_drop(node, rec, false, e);
	bool has_new = pair_of(node, rec, rec->value, &new, e, &rc);
	if (rc && flow_node_failed(node, rec, e))
		return -1;
	/* What failed when it came in was not added, so there is nothing to take away. */
	bool has_old = pair_of(node, rec, rec->old, &old, &ignored, &rc);
	if (has_old) {
		bool is_same = has_new && str_eq(old.key, new.key);
		out.key = (struct flow_key){ .bytes = old.key };
		out.old = old.value;
		out.value = is_same ? new.value : STR_NULL;
		if (flow_node_send(node, &out, e))
			return -1;
		has_new = has_new && !is_same;
	}
	if (!has_new)
		return 0;
	out.key = (struct flow_key){ .bytes = new.key };
	out.old = STR_NULL;
	out.value = new.value;
	return flow_node_send(node, &out, e);
}

const struct flow_node_ops flow_group_table_ops = {
	.name = "group_by", .size = sizeof(struct flow_node), .take = group_table_take,
};

/* ---- to and from the topic ---- */

static void
put_change(struct buf *b, const struct flow_rec *rec)
{
	if (rec->value.n >= 0 && rec->old.n >= 0) {
		buf_reserve(b, VARINT32_MAX);
		b->n = (size_t)(varint_put(b->p + b->n, rec->value.n) - b->p);
	}
	buf_put_str(b, rec->value);
	buf_put_str(b, rec->old);
	buf_putc(b, rec->old.n < 0 ? CHANGE_NEW : rec->value.n < 0 ? CHANGE_OLD : CHANGE_BOTH);
}

static int
sink_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_rec out = *rec;
	if (rec->key.bytes.n < 0 && !node->plan->takes_null_keys)
		return flow_node_drop(node, rec, false, e);
	struct buf *scratch = flow_node_scratch(node);
	if (node->plan->kind == FLOW_KIND_GROUPED_TABLE) {
		put_change(scratch, rec);
		out.value = buf_str(scratch);
	} else if (rec->key.is_windowed) {
		keys_put_topic(scratch, &rec->key, node->plan->window);
		out.key = (struct flow_key){ .bytes = buf_str(scratch) };
	}
	return flow_node_emit_internal(node, node->plan->topic, &out, -1, e);
}

const struct flow_node_ops flow_repartition_sink_ops = {
	.name = "repartition_sink", .size = sizeof(struct flow_node), .take = sink_take,
};

static int
take_change(struct flow_node *node, struct flow_rec *rec, struct err *e)
{
	struct str change = rec->value;
	int32_t last = MAX(change.n, 1) - 1;
	const uint8_t *p = change.p, *end = p ? p + last : NULL;
	int type = change.n > 0 ? *end : -1;
	int64_t n = -1;
	rec->value = rec->old = STR_NULL;
	if (type == CHANGE_NEW) {
		rec->value = (struct str){ p, last };
	} else if (type == CHANGE_OLD) {
		rec->old = (struct str){ p, last };
	} else if (type == CHANGE_BOTH) {
		p = varint_get(p, end, &n);
		if (p && n >= 0 && n <= end - p) {
			rec->value = (struct str){ p, (int32_t)n };
			rec->old = (struct str){ p + n, (int32_t)(end - p - n) };
		}
	}
	if (rec->value.n < 0 && rec->old.n < 0)
		return err_set(e, ERR_CORRUPT, "a record of '%s' is no change of a table",
			node->plan->topic);
	return 0;
}

static int
source_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	const struct topology_node *plan = node->plan;
	struct flow_rec out = *rec;
	if (plan->kind == FLOW_KIND_GROUPED_TABLE) {
		if (take_change(node, &out, e))
			return -1;
	} else if (rec->key.bytes.n >= 0
			&& !keys_take_topic(rec->key.bytes, plan->window, &out.key)) {
		return err_set(e, ERR_CORRUPT, "a key of '%s' has no window", plan->topic);
	}
	return flow_node_send(node, &out, e);
}

const struct flow_node_ops flow_repartition_source_ops = {
	.name = "repartition_source", .size = sizeof(struct flow_node), .take = source_take,
};

/* ---- windowed keys into windows again ---- */

static int
flat_key_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_rec out = *rec;
	if (rec->key.bytes.n < 0)
		return flow_node_send(node, rec, e);
	struct buf *scratch = flow_node_scratch(node);
	keys_put_topic(scratch, &rec->key, node->plan->window);
	out.key = (struct flow_key){ .inner = node->plan->window,
		.bytes = arena_str(flow_node_arena(node), buf_str(scratch)) };
	return flow_node_send(node, &out, e);
}

const struct flow_node_ops flow_flat_key_ops = {
	.name = "flat_key", .size = sizeof(struct flow_node), .take = flat_key_take,
};
