/*
 * Aggregations over tumbling, hopping and unlimited windows.
 *
 * The store's key is start 8 | key bytes, so that its segments are the windows: a window is
 * closed by a scan of its segment, and forgotten whole.  A window is [start, end); at stream
 * time end + grace it closes, and a record is late for it.
 *
 * A closed window is forgotten at once, unless somebody may look at it: a user that looks
 * into the table, or, with updates, a query.  Those see it as long as Kafka's stores do:
 * until a window starts that is size + grace after its start.
 *
 * Sources: KStreamWindowAggregate.java, TimeWindows.java, AbstractRocksDBSegmentedBytesStore.java.
 */
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"
#include "stream/win.h"
#include "stream/win_ahead.h"

struct win_fixed {
	struct win win;
	bool is_unlimited;
	int64_t size_ms, step_ms;  /* step: from a window's start to the next one's */
	int64_t span_ms;           /* size + grace; INT64_MAX if that is too much */
	int64_t closed_ms;         /* windows that start here or earlier are closed */
	int64_t last_ms;           /* start of the last window of the record before this one */
	int64_t newest_ms;         /* highest start of a window in the store, ever */
	int64_t forgot_ms;         /* windows that start earlier were forgotten */
	struct win_ahead ahead;    /* records that are to be in the store soon */
	double *numbers;           /* of one record, for ahead */
	struct win_update *updates; /* of one record */
	int64_t nupdate_max;
};

/* One window of a record. */
struct win_update {
	int64_t start_ms, ts_ms;
	bool was_there;
	struct str old, state, value;
};

static int
fixed_open(struct flow_node *node, struct err *e)
{
	struct win_fixed *op = (struct win_fixed *)node;
	const struct flow_window *window = &node->spec->window;
	op->is_unlimited = window->type == FLOW_UNLIMITED;
	op->size_ms = op->is_unlimited ? INT64_MAX : window->size_ms;
	op->step_ms = window->type == FLOW_HOPPING ? window->advance_ms : op->size_ms;
	op->span_ms = ms_plus(op->size_ms, window->grace_ms);
	op->closed_ms = op->newest_ms = op->forgot_ms = INT64_MIN;
	op->last_ms = op->is_unlimited ? window->start_ms : 0;
	if (win_open(&op->win, STORE_SEGMENTS, false, op->span_ms, e))
		return -1;
	if (!win_sends(&op->win) && node->spec->op != FLOW_COGROUP) {
		win_ahead_init(&op->ahead, op->win.store, node->spec->agg);
		op->numbers = mem_alloc((size_t)node->spec->agg->nread * sizeof *op->numbers);
	}
	struct store_entry entry; /* of a checkpoint */
	struct store_iter *it = store_scan_back(op->win.store, STR_NULL, STR_NULL);
	if (store_iter_next(it, &entry))
		op->newest_ms = keys_take_time(&entry.key);
	store_iter_free(it);
	return 0;
}

static void
fixed_close(struct flow_node *node)
{
	struct win_fixed *op = (struct win_fixed *)node;
	mem_free(op->updates);
	mem_free(op->numbers);
	win_ahead_release(&op->ahead);
	win_close(node);
}

static void
fixed_settle(struct flow_node *node)
{
	win_ahead_flush(&((struct win_fixed *)node)->ahead);
}

/* ---- keys ---- */

static struct str
key_of(struct buf *b, struct str bytes, int64_t start_ms)
{
	buf_reset(b);
	keys_put_time(b, start_ms);
	buf_put_str(b, bytes);
	return buf_str(b);
}

static int64_t
end_of(const struct win_fixed *op, int64_t start_ms)
{
	return op->is_unlimited ? INT64_MAX : start_ms + op->size_ms;
}

/* ---- what closes ---- */

/* The start of the last window that closes by a time; negative: none does. */
static int64_t
closed_by(const struct win_fixed *op, int64_t ms)
{
	return ms_minus(ms_minus(ms, op->size_ms), op->win.node.spec->window.grace_ms);
}

/* The stream time at which the next window closes that is open now. */
static int64_t
next_close(const struct win_fixed *op)
{
	int64_t start_ms = op->closed_ms < 0 ? 0
		: ms_plus(op->closed_ms / op->step_ms * op->step_ms, op->step_ms);
	return op->is_unlimited ? INT64_MAX : ms_plus(start_ms, op->span_ms);
}

/* Send the final results of the windows that start in (after_ms, upto_ms]. */
static int
send_finals(struct win_fixed *op, const struct flow_rec *rec, int64_t after_ms, int64_t upto_ms,
	struct err *e)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int rc = 0;
	if (after_ms >= upto_ms || upto_ms < 0)
		return 0;
	buf_reset(&win->row);
	buf_reset(&win->to);
	keys_put_time(&win->row, after_ms < 0 ? 0 : after_ms + 1);
	if (upto_ms < INT64_MAX)
		keys_put_time(&win->to, upto_ms + 1);
	struct store_iter *it = store_scan(win->store, buf_str(&win->row),
		upto_ms < INT64_MAX ? buf_str(&win->to) : STR_NULL);
	while (!rc && store_iter_next(it, &entry)) {
		struct flow_key key = { .bytes = entry.key, .is_windowed = true };
		key.start_ms = keys_take_time(&key.bytes);
		key.end_ms = end_of(op, key.start_ms);
		if (!rec)
			rc = win_final_at_end(win, &key, entry.key, &entry, entry.value, e);
		else if (!win_was_sent(win, entry.key))
			rc = win_final(win, rec, &key, entry.value, entry.ts_ms, e);
	}
	store_iter_free(it);
	return rc;
}

/* Forget the windows that nobody can see any more. */
static void
forget(struct win_fixed *op)
{
	struct win *win = &op->win;
	int64_t upto_ms = closed_by(op, op->newest_ms);
	if (win->node.spec->emits_on_close && !win->node.plan->wants_get)
		upto_ms = op->closed_ms;
	if (upto_ms < 0 || upto_ms < op->forgot_ms)
		return;
	op->forgot_ms = upto_ms + 1;
	struct str to = key_of(&win->row, STR(""), op->forgot_ms);
	store_forget_before(win->store, to);
	if (win->has_sent)
		store_forget_before(win->sent, to);
	win_forgot(win);
}

/* Stream time has moved. */
static int
moved(struct win_fixed *op, const struct flow_rec *rec, int64_t closed_before_ms, struct err *e)
{
	struct win *win = &op->win;
	if (*win->time_ms >= win->close_at_ms) {
		win_ahead_flush(&op->ahead);
		if (win->node.spec->emits_on_close
				&& send_finals(op, rec, closed_before_ms, op->closed_ms, e))
			return -1;
		forget(op);
		win->close_at_ms = next_close(op);
	}
	return win->node.nwatch ? flow_node_time(&win->node, *win->time_ms, e) : 0;
}

static int
fixed_end(struct flow_node *node, struct err *e)
{
	struct win_fixed *op = (struct win_fixed *)node;
	win_ahead_flush(&op->ahead);
	if (!node->spec->emits_on_close)
		return 0;
	return send_finals(op, NULL, closed_by(op, *op->win.time_ms), INT64_MAX, e);
}

/* ---- records ---- */

/* The number of windows of a time, and the start of the last one. */
static int64_t
windows_of(struct win_fixed *op, int64_t ts_ms, int64_t *last_ms)
{
	*last_ms = op->last_ms;
	if (op->is_unlimited)
		return ts_ms >= op->last_ms;
	if (ts_ms < op->last_ms || ts_ms - op->last_ms >= op->step_ms)
		*last_ms = op->last_ms = ts_ms / op->step_ms * op->step_ms;
	if (op->step_ms == op->size_ms)
		return 1;
	/* The first start that is > ts - size, and not negative. */
	int64_t before_ms = ts_ms - op->size_ms;
	int64_t first_ms = before_ms < 0 ? 0 : (before_ms / op->step_ms + 1) * op->step_ms;
	return (*last_ms - first_ms) / op->step_ms + 1;
}

static void
put(struct win_fixed *op, const struct flow_rec *rec, const struct win_update *update)
{
	struct str key = key_of(&op->win.key, rec->key.bytes, update->start_ms);
	win_changed(&op->win, key);
	if (update->state.n >= 0)
		store_put(op->win.store, key, update->state, update->ts_ms);
	else if (update->was_there)
		store_remove_at(op->win.store, key, update->ts_ms);
}

/* Compute what the record makes of a window. */
static int
compute(struct win_fixed *op, struct flow_agg *adder, const struct flow_rec *rec,
	struct win_update *update, struct err *e)
{
	struct win *win = &op->win;
	struct str state = STR_NULL;
	struct store_entry entry;
	update->ts_ms = rec->ts_ms;
	update->was_there = store_get(win->store,
		key_of(&win->key, rec->key.bytes, update->start_ms), &entry);
	if (update->was_there) {
		state = arena_str(flow_node_arena(&win->node), entry.value);
		update->ts_ms = MAX(rec->ts_ms, entry.ts_ms);
	}
	if (win_sends(win) && win_old(win, state, &update->old, e))
		return -1;
	if (win_add(win, adder, rec, false, state, &update->state, e))
		return -1;
	return win_sends(win) ? win_value(win, update->state, &update->value, e) : 0;
}

/* A state whose size varies: all windows are computed before any changes. */
static int
take_varying(struct win_fixed *op, struct flow_agg *adder, const struct flow_rec *rec,
	int64_t first_ms, int64_t n, struct err *e)
{
	if (n > op->nupdate_max) {
		op->nupdate_max = n;
		op->updates = mem_realloc(op->updates, sizeof *op->updates * (size_t)n);
	}
	for (int64_t i = 0; i < n; i++) {
		op->updates[i] = (struct win_update){ .start_ms = first_ms + i * op->step_ms };
		if (compute(op, adder, rec, &op->updates[i], e))
			return flow_node_failed(&op->win.node, rec, e);
	}
	for (int64_t i = 0; i < n; i++)
		put(op, rec, &op->updates[i]);
	for (int64_t i = 0; i < n && win_sends(&op->win); i++) {
		const struct win_update *update = &op->updates[i];
		if (win_send(&op->win, rec, update->start_ms, end_of(op, update->start_ms),
				update->value, update->old, update->ts_ms, e))
			return -1;
	}
	return 0;
}

/* Let the record wait for the states' memory, if it can: 1; 0: it cannot; -1. */
static int
take_ahead(struct win_fixed *op, const struct flow_rec *rec, int64_t first_ms, int64_t n,
	struct err *e)
{
	struct win *win = &op->win;
	struct flow_agg *agg = win->node.spec->agg;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	if (!win_ahead_can(&op->ahead, key_of(&win->key, rec->key.bytes, first_ms)))
		return 0;
	int rc = agg->read(agg, &args, op->numbers, e);
	if (rc < 0)
		return flow_node_failed(&win->node, rec, e) ? -1 : 1;
	for (int64_t i = 0; i < n && rc; i++) {
		struct str key = key_of(&win->key, rec->key.bytes, first_ms + i * op->step_ms);
		win_changed(win, key);
		win_ahead_put(&op->ahead, key, op->numbers, rec->ts_ms);
	}
	return rc;
}

/* A state of a fixed size, changed in place: 0; 1: a function failed, and the record is left
 * out; -1. */
static int
take_slot(struct win_fixed *op, struct flow_agg *adder, const struct flow_rec *rec,
	int64_t start_ms, struct err *e)
{
	struct win *win = &op->win;
	struct flow_agg *agg = win->node.spec->agg;
	int64_t *ts_ms;
	bool is_new, sends = win_sends(win);
	struct str key = key_of(&win->key, rec->key.bytes, start_ms), old = STR_NULL, value;
	uint8_t *slot = store_slot(win->store, key, agg->state_size, &ts_ms, &is_new);
	struct str state = { slot, agg->state_size };
	struct flow_args args = { .key = &rec->key, .value = rec->value, .acc = state,
		.ts_ms = rec->ts_ms };
	if ((sends && !is_new && win_old(win, state, &old, e))
			|| (is_new && agg->init(agg, &args, &state, NULL, e))
			|| adder->add(adder, &args, &state, NULL, e)) {
		if (is_new)
			store_remove(win->store, key);
		return flow_node_failed(&win->node, rec, e) ? -1 : 1;
	}
	win_changed(win, key);
	if (*ts_ms < rec->ts_ms)
		*ts_ms = rec->ts_ms;
	if (!sends)
		return 0;
	int64_t at_ms = *ts_ms;
	if (win_value(win, state, &value, e))
		return flow_node_failed(&win->node, rec, e) ? -1 : 1;
	return win_send(win, rec, start_ms, end_of(op, start_ms), value, old, at_ms, e);
}

/* Into the open ones of n windows, of which the last starts at last_ms. */
static int
take_windows(struct win_fixed *op, int port, const struct flow_rec *rec, int64_t n,
	int64_t last_ms, struct err *e)
{
	struct flow_agg *adder = win_adder(&op->win, port);
	int64_t nopen = n;
	if (op->is_unlimited && *op->win.time_ms == INT64_MAX) { /* at its end even it is closed */
		nopen = 0;
		if (win_late(&op->win, rec, e))
			return -1;
	} else if (!op->is_unlimited && op->closed_ms >= 0) {
		/* Of the starts last, last - step, ... those > closed. */
		nopen = last_ms <= op->closed_ms ? 0
			: MIN(n, (last_ms - op->closed_ms - 1) / op->step_ms + 1);
		if (nopen == 0 && win_late(&op->win, rec, e))
			return -1;
		if (nopen > 0 && nopen < n)
			flow_node_drop_partly(&op->win.node, rec);
	}
	if (nopen == 0)
		return 0;
	op->newest_ms = MAX(op->newest_ms, last_ms);
	int64_t first_ms = nopen == 1 ? last_ms : last_ms - (nopen - 1) * op->step_ms;
	if (!op->win.node.spec->agg->state_size)
		return take_varying(op, adder, rec, first_ms, nopen, e);
	int rc = take_ahead(op, rec, first_ms, nopen, e);
	if (rc)
		return MIN(rc, 0);
	win_ahead_flush(&op->ahead);
	rc = 0;
	for (int64_t i = 0; i < nopen && rc == 0; i++) /* what fails for one fails for all */
		rc = take_slot(op, adder, rec, first_ms + i * op->step_ms, e);
	return MIN(rc, 0);
}

static int
fixed_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct win_fixed *op = (struct win_fixed *)node;
	if (rec->key.bytes.n < 0 || rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	int64_t last_ms, before_ms = *op->win.time_ms, closed_before_ms = op->closed_ms;
	int64_t n = windows_of(op, rec->ts_ms, &last_ms);
	if (n == 0)
		return 0; /* before an unlimited window */
	if (!op->is_unlimited && last_ms > INT64_MAX - op->size_ms)
		return win_beyond(&op->win, rec, e);
	if (rec->ts_ms > before_ms)
		*op->win.time_ms = rec->ts_ms;
	op->closed_ms = closed_by(op, *op->win.time_ms);
	if (before_ms != INT64_MIN && op->win.close_at_ms == INT64_MIN)
		closed_before_ms = closed_by(op, before_ms); /* the first one after a restart */
	if (take_windows(op, port, rec, n, last_ms, e))
		return -1;
	return rec->ts_ms > before_ms ? moved(op, rec, closed_before_ms, e) : 0;
}

static bool
fixed_get(struct flow_node *node, const struct flow_key *key, struct str *value, int64_t *ts_ms)
{
	struct win_fixed *op = (struct win_fixed *)node;
	struct store_entry entry;
	struct err ignored; /* it did not fail when the row was sent */
	win_ahead_flush(&op->ahead);
	if (key->start_ms <= closed_by(op, op->newest_ms)
			|| !store_get(op->win.store, key_of(&op->win.key, key->bytes, key->start_ms), &entry)
			|| win_value(&op->win, entry.value, value, &ignored) || value->n < 0)
		return false;
	*value = arena_str(flow_node_arena(node), *value);
	*ts_ms = entry.ts_ms;
	return true;
}

/* ---- changelog ---- */

static int
fixed_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	struct win *win = (struct win *)node;
	struct str bytes = entry->key;
	int64_t start_ms = keys_take_time(&bytes);
	buf_reset(&win->key);
	win_put_key(&win->key, bytes, start_ms);
	out->key = buf_str(&win->key);
	if (entry->value.n >= 0)
		win_log_mark(win, entry->key, out);
	return win_pack(win, entry->value, &out->value, e);
}

static int
fixed_restore(struct flow_node *node, int store, const struct flow_change *change, struct err *e)
{
	(void)store;
	struct win_fixed *op = (struct win_fixed *)node;
	struct str bytes, state;
	int64_t start_ms;
	if (win_take_key(&op->win, change->key, &bytes, &start_ms, e)
			|| win_unpack(&op->win, change->value, &state, e))
		return -1;
	if (!op->is_unlimited && start_ms > INT64_MAX - op->size_ms)
		return win_beyond_last(&op->win, e);
	op->closed_ms = closed_by(op, *op->win.time_ms);
	op->newest_ms = MAX(op->newest_ms, start_ms);
	if (start_ms < op->forgot_ms)
		return 0;
	struct str key = key_of(&op->win.key, bytes, start_ms);
	struct flow_change marked = *change;
	win_changed(&op->win, key);
	if (state.n >= 0)
		store_put(op->win.store, key, state, change->ts_ms);
	else
		store_remove(op->win.store, key);
	if (state.n >= 0 && win_restore_mark(&marked))
		win_mark(&op->win, key);
	forget(op);
	return 0;
}

const struct flow_node_ops flow_window_fixed_ops = {
	.name = "window_fixed", .rows = FLOW_ROWS_FIXED, .size = sizeof(struct win_fixed),
	.open = fixed_open, .close = fixed_close, .take = fixed_take, .settle = fixed_settle,
	.end = fixed_end, .get = fixed_get, .log = fixed_log, .restore = fixed_restore,
};
