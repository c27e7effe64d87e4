#include "stream/win.h"

#include "stream/keys.h"

/* What follows the bytes of a key in a window store's changelog. */
enum { START_SIZE = 8, NUMBER_SIZE = 4 };

/* The header of a window that the end of the input sent: "sent", without a value. */
#define SENT_HEADER STR("\x08sent\x00")

/* A store whose name is that of the first one and a suffix. */
static int
open_index(struct win *win, const char *suffix, enum store_order order, char **name,
	struct store **store, struct err *e)
{
	struct flow_store about = { .is_logged = false };
	buf_reset(&win->plain);
	buf_printf(&win->plain, "%s.%s", win->node.plan->store[0], suffix);
	*name = mem_strndup(buf_str(&win->plain));
	return flow_node_store(&win->node, *name, order, &about, store, e) < 0 ? -1 : 0;
}

int
win_open(struct win *win, enum store_order order, bool has_index, int64_t retention_ms,
	struct err *e)
{
	struct flow_node *node = &win->node;
	struct flow_store about = { .retention_ms = retention_ms, .is_compacted = true,
		.is_logged = true };
	node->stream_ms = win->time_ms = flow_node_number(node, "time");
	win->close_at_ms = INT64_MIN;
	for (int i = 0; i < node->nuser; i++)
		win->is_seen |= node->user[i].node->plan->op != FLOW_TO;
	if (flow_node_store(node, node->plan->store[0], order, &about, &win->store, e) < 0
			|| (has_index && open_index(win, "times", STORE_TREE, &win->index_name,
				&win->index, e)))
		return -1;
	if (!node->spec->emits_on_close || flow_node_logs(node) == UINT64_MAX)
		return 0;
	if (open_index(win, "sent", order, &win->sent_name, &win->sent, e))
		return -1;
	win->has_sent = store_count(win->sent) > 0; /* of a checkpoint */
	return 0;
}

void
win_close(struct flow_node *node)
{
	struct win *win = (struct win *)node;
	struct buf *v[] = { &win->key, &win->row, &win->to, &win->state, &win->value, &win->plain,
		&win->headers };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		buf_release(v[i]);
	mem_free(win->index_name);
	mem_free(win->sent_name);
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

/* ---- final results at the end of the input ---- */

bool
win_was_sent(struct win *win, struct str at)
{
	struct store_entry entry;
	return win->has_sent && store_get(win->sent, at, &entry);
}

void
win_mark(struct win *win, struct str at)
{
	if (!win->sent)
		return;
	store_put(win->sent, at, STR(""), 0);
	win->has_sent = true;
}

void
win_forgot(struct win *win)
{
	win->has_sent = win->has_sent && store_count(win->sent) > 0;
}

int
win_final_at_end(struct win *win, const struct flow_key *key, struct str at,
	const struct store_entry *entry, struct str state, struct err *e)
{
	if (win_was_sent(win, at))
		return 0;
	if (!win->sent)
		return win_final(win, NULL, key, state, entry->ts_ms, e);
	buf_reset(&win->plain);
	buf_put_str(&win->plain, at);
	buf_reset(&win->state);
	buf_put_str(&win->state, entry->value);
	int64_t ts_ms = entry->ts_ms;
	if (win_final(win, NULL, key, state, ts_ms, e))
		return -1;
	/* It counts as changed: the changelog gets the mark. */
	store_put(win->store, buf_str(&win->plain), buf_str(&win->state), ts_ms);
	win_mark(win, buf_str(&win->plain));
	return 0;
}

int
win_late(struct win *win, const struct flow_rec *rec, struct err *e)
{
	const struct flow_window *inner = win->node.spec->window.inner;
	struct flow_rec out = *rec;
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
win_log_mark(struct win *win, struct str at, struct flow_change *out)
{
	buf_reset(&win->headers);
	if (!win_was_sent(win, at))
		return;
	buf_put_str(&win->headers, SENT_HEADER);
	out->headers = buf_str(&win->headers);
	out->nheader = 1;
}

bool
win_restore_mark(struct flow_change *change)
{
	struct str mark = SENT_HEADER;
	if (change->nheader < 1 || change->headers.n < mark.n
			|| memcmp(change->headers.p, mark.p, (size_t)mark.n))
		return false;
	change->headers.p += mark.n;
	change->headers.n -= mark.n;
	change->nheader--;
	return true;
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
