#include "stream/win.h"

#include "stream/keys.h"

/* What follows the bytes of a key in a window store's changelog. */
enum { START_SIZE = 8, NUMBER_SIZE = 4 };

int
win_open(struct win *win, enum store_order order, bool has_index, int64_t retention_ms,
	struct err *e)
{
	struct flow_node *node = &win->node;
	struct flow_store about = { .retention_ms = retention_ms, .is_compacted = true,
		.is_logged = true };
	struct flow_store about_index = { .is_logged = false };
	node->stream_ms = win->time_ms = flow_node_number(node, "time");
	win->close_at_ms = INT64_MIN;
	for (int i = 0; i < node->nuser; i++)
		win->is_seen |= node->user[i].node->plan->op != FLOW_TO;
	if (flow_node_store(node, node->plan->store[0], order, &about, &win->store, e) < 0)
		return -1;
	if (!has_index)
		return 0;
	buf_printf(&win->plain, "%s.times", node->plan->store[0]);
	win->index_name = mem_strndup(buf_str(&win->plain));
	return flow_node_store(node, win->index_name, STORE_TREE, &about_index, &win->index, e) < 0
		? -1 : 0;
}

void
win_close(struct flow_node *node)
{
	struct win *win = (struct win *)node;
	struct buf *v[] = { &win->key, &win->row, &win->to, &win->state, &win->value, &win->plain };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		buf_release(v[i]);
	mem_free(win->index_name);
}

/* ---- aggregates ---- */

/* Zeroed bytes for a state of a fixed size, or a copy of one. */
static struct str
fixed_state(struct win *win, struct str from)
{
	int32_t n = win->node.spec->agg->state_size;
	uint8_t *p = arena_alloc(flow_node_arena(&win->node), (size_t)n);
	if (from.n >= 0)
		memcpy(p, from.p, (size_t)n);
	return (struct str){ p, n };
}

/* What a function appended to win->state moves when that grows: keep it. */
static struct str
kept(struct win *win, struct str state)
{
	return state.n > 0 && state.p >= win->state.p && state.p < win->state.p + win->state.cap
		? arena_str(flow_node_arena(&win->node), state) : state;
}

int
win_init(struct win *win, const struct flow_rec *rec, struct str *state, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .acc = STR_NULL,
		.ts_ms = rec->ts_ms };
	*state = STR_NULL;
	if (agg->is_reduce)
		return 0;
	if (agg->state_size) {
		*state = fixed_state(win, STR_NULL);
		return agg->init(agg, &args, state, NULL, e);
	}
	buf_reset(&win->state);
	if (agg->init(agg, &args, state, &win->state, e))
		return -1;
	*state = kept(win, *state);
	return 0;
}

int
win_add(struct win *win, struct flow_agg *adder, const struct flow_rec *rec, bool is_begun,
	struct str acc, struct str *state, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	if (acc.n < 0 && agg->is_reduce) {
		*state = rec->value;
		return 0;
	}
	if (acc.n < 0 && !is_begun && win_init(win, rec, &acc, e))
		return -1;
	if (agg->state_size) {
		args.acc = *state = fixed_state(win, acc);
		return adder->add(adder, &args, state, NULL, e);
	}
	args.acc = *state = acc;
	buf_reset(&win->state);
	if (adder->add(adder, &args, state, &win->state, e))
		return -1;
	*state = kept(win, *state);
	return 0;
}

int
win_merge(struct win *win, const struct flow_rec *rec, struct str left, struct str right,
	struct str *state, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .left = left, .right = right,
		.ts_ms = rec->ts_ms };
	if (left.n < 0 && agg->is_reduce) {
		*state = right;
		return 0;
	}
	*state = left;
	buf_reset(&win->state);
	if (agg->merge(agg, &args, state, &win->state, e))
		return -1;
	*state = kept(win, *state);
	return 0;
}

int
win_value(struct win *win, struct str state, struct str *value, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	*value = state;
	if (state.n < 0 || (!agg->result && !agg->state_size))
		return 0;
	buf_reset(&win->value);
	if (agg->result && agg->result(agg, state, value, &win->value, e))
		return -1;
	*value = arena_str(flow_node_arena(&win->node), *value);
	return 0;
}

int
win_old(struct win *win, struct str state, struct str *old, struct err *e)
{
	if (state.n >= 0 && (win->node.plan->wants_old || win->node.spec->agg->result))
		return win_value(win, state, old, e);
	*old = state.n >= 0 ? STR("") : STR_NULL;
	return 0;
}

/* ---- results ---- */

int
win_send(struct win *win, const struct flow_rec *rec, int64_t start_ms, int64_t end_ms,
	struct str value, struct str old, int64_t ts_ms, struct err *e)
{
	if (value.n < 0 && old.n < 0)
		return 0;
	struct flow_rec out = { .key = rec->key, .value = value, .old = old, .ts_ms = ts_ms,
		.headers = rec->headers, .nheader = rec->nheader };
	out.key.start_ms = start_ms;
	out.key.end_ms = end_ms;
	out.key.is_windowed = true;
	return flow_node_send(&win->node, &out, e);
}

int
win_final(struct win *win, const struct flow_rec *rec, const struct flow_key *key,
	struct str state, int64_t ts_ms, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	struct flow_rec out = { .key = *key, .value = state, .old = STR_NULL, .ts_ms = ts_ms,
		.headers = rec ? rec->headers : STR_NULL, .nheader = rec ? rec->nheader : 0 };
	out.key.inner = win->node.spec->window.inner;
	buf_reset(&win->value);
	if (agg->result && agg->result(agg, state, &out.value, &win->value, e)) {
		out.value = STR_NULL;
		return flow_node_failed(&win->node, &out, e);
	}
	if (win->is_seen) {
		struct arena *arena = flow_node_arena(&win->node);
		out.key.bytes = arena_str(arena, out.key.bytes);
		out.value = arena_str(arena, out.value);
	}
	return out.value.n < 0 ? 0 : flow_node_send(&win->node, &out, e);
}

int
win_late(struct win *win, const struct flow_rec *rec, int64_t nlate, bool is_lost,
	struct err *e)
{
	const struct flow_window *inner = win->node.spec->window.inner;
	struct flow_rec out = *rec;
	for (int64_t i = is_lost; i < nlate; i++)
		flow_node_late_window(&win->node, rec);
	if (!is_lost)
		return 0;
	if (inner && !keys_take_topic(rec->key.bytes, inner, &out.key))
		assert(!"a key without the window that it had");
	return flow_node_drop(&win->node, &out, true, e);
}

int
win_beyond(struct win *win, const struct flow_rec *rec, struct err *e)
{
	err_set(e, ERR_LIMIT, "a window of the record at %lld ms ends beyond the last time",
		(long long)rec->ts_ms);
	return flow_node_failed(&win->node, rec, e);
}

/* ---- changelog ---- */

int
win_pack(struct win *win, struct str state, struct str *packed, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	*packed = state;
	if (state.n < 0 || !agg->pack)
		return 0;
	buf_reset(&win->value);
	if (agg->pack(agg, state, &win->value, e))
		return -1;
	*packed = buf_str(&win->value);
	return 0;
}

int
win_unpack(struct win *win, struct str packed, struct str *state, struct err *e)
{
	struct flow_agg *agg = win->node.spec->agg;
	*state = packed;
	if (packed.n >= 0 && agg->unpack) {
		buf_reset(&win->state);
		if (agg->unpack(agg, packed, &win->state, e))
			return -1;
		*state = buf_str(&win->state);
	}
	if (packed.n >= 0 && agg->state_size && state->n != agg->state_size)
		return err_set(e, ERR_CORRUPT, "an aggregate in the changelog of '%s' has %d bytes",
			win->node.plan->name, state->n);
	return 0;
}

void
win_put_key(struct buf *b, struct str bytes, int64_t start_ms)
{
	buf_put_str(b, bytes);
	uint8_t *p = buf_grow(b, START_SIZE + NUMBER_SIZE);
	store_be64(p, (uint64_t)start_ms);
	store_be32(p + START_SIZE, 0);
}

int
win_take_key(struct win *win, struct str key, struct str *bytes, int64_t *start_ms, struct err *e)
{
	if (key.n < START_SIZE + NUMBER_SIZE)
		return err_set(e, ERR_CORRUPT, "a key in the changelog of '%s' has no window",
			win->node.plan->name);
	*bytes = (struct str){ key.p, key.n - START_SIZE - NUMBER_SIZE };
	*start_ms = (int64_t)load_be64(bytes->p + bytes->n);
	if (*start_ms < 0)
		return err_set(e, ERR_CORRUPT, "a window in the changelog of '%s' starts before 0",
			win->node.plan->name);
	return 0;
}

int
win_beyond_last(struct win *win, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a window in the changelog of '%s' ends beyond the last time",
		win->node.plan->name);
}
