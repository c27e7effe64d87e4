/*
 * Aggregations over sliding windows.
 *
 * A key's windows follow from the times of its records: for a record at t its own window
 * [t - difference, t] ([0, difference] before the difference), and, if there are records in
 * it, the one right of it, [t + 1, t + 1 + difference].  Each has the aggregate of all the
 * records in it, in the order of arrival.
 *
 * The store has all these windows, also those that were closed when a record made them and
 * those whose aggregate is null; only open ones are sent.  So a new window never needs the
 * records themselves: one that is there already holds exactly those that it has to start
 * from.
 * - Own window of t: let s be the last start before t - difference.  A record in
 *   (s + difference, t] would have its own window between s and t, so there is none.  A
 *   record in [s, t - difference) would have a window right of it between them, unless that
 *   is empty.  So the window at s holds what the new one starts from, or, if its last
 *   record is before t - difference, the new one starts empty.
 * - Window right of t: let s be the last start up to t.  By the same argument the window at
 *   s has no record up to t if its last record is after t, and then it holds the same
 *   records as the new one; otherwise the new one would be empty.
 * - Window right of the record before t: that record is the last of the window at s (of the
 *   own window of t, if it is there).  If the window right of it is not there it was empty.
 *
 * Keys: store  key bytes (keys_put_bytes) | start;  index  start | key bytes.
 * Value: struct sliding_head | state.  The entry's time is that of the result: it forgets
 * records before the aggregate was last null.
 * Changelog: as Kafka's; where the last record is newer than the result, the aggregate is
 * null, or the window was closed when it was made, the header "last" has the time of the last
 * record, 8 bytes, and in the last case a byte 1.
 *
 * Sources: KStreamSlidingWindowAggregate.java; the rules in t/stream/README.md.
 */
#include "base/varint.h"
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"
#include "stream/win.h"

/* A window, as it is in the store or as a record makes it. */
struct sliding_window {
	int64_t start_ms, last_ms, ts_ms;
	struct str state;
	struct str old, value; /* to be sent */
	bool is_changed;
	bool is_made;          /* by this record */
	bool is_hidden;        /* it was closed when it was made, and is never sent */
};

struct win_sliding {
	struct win win;
	int64_t diff_ms;
	int64_t span_ms;               /* how long others see a window, as in Kafka's stores */
	int64_t closed_ms;             /* windows that start before this are closed */
	int64_t newest_ms;             /* highest start of a window that was sent, ever */
	struct sliding_window *around; /* windows of a key, around a record, by start */
	int n, max;
};

struct sliding_head {
	int64_t last_ms;    /* time of the last record */
	bool has_state;     /* else the aggregate is null */
	bool is_hidden;
	uint8_t unused[6];
};
_Static_assert(sizeof(struct sliding_head) == 16, "keeps what follows aligned");

static int
sliding_open(struct flow_node *node, struct err *e)
{
	struct win_sliding *op = (struct win_sliding *)node;
	op->diff_ms = node->spec->window.size_ms;
	op->closed_ms = op->newest_ms = INT64_MIN;
	op->span_ms = ms_plus(ms_plus(op->diff_ms, op->diff_ms), node->spec->window.grace_ms);
	if (win_open(&op->win, STORE_TREE, true, op->span_ms, e))
		return -1;
	struct store_entry entry; /* of a checkpoint */
	struct store_iter *it = store_scan_back(op->win.index, STR_NULL, STR_NULL);
	if (store_iter_next(it, &entry))
		op->newest_ms = keys_take_time(&entry.key);
	store_iter_free(it);
	return 0;
}

static void
sliding_close(struct flow_node *node)
{
	struct win_sliding *op = (struct win_sliding *)node;
	mem_free(op->around);
	win_close(node);
}

/* ---- the store ---- */

static struct str
key_of(struct buf *b, struct str bytes, int64_t start_ms)
{
	buf_reset(b);
	keys_put_bytes(b, bytes);
	keys_put_time(b, start_ms);
	return buf_str(b);
}

static struct str
row_of(struct buf *b, struct str bytes, int64_t start_ms)
{
	buf_reset(b);
	keys_put_time(b, start_ms);
	buf_put_str(b, bytes);
	return buf_str(b);
}

static struct sliding_window
window_of(int64_t start_ms, const struct store_entry *entry)
{
	struct sliding_head head;
	memcpy(&head, entry->value.p, sizeof head);
	struct str state = { entry->value.p + sizeof head, entry->value.n - (int32_t)sizeof head };
	return (struct sliding_window){ .start_ms = start_ms, .last_ms = head.last_ms,
		.ts_ms = entry->ts_ms, .state = head.has_state ? state : STR_NULL,
		.is_hidden = head.is_hidden };
}

static void
put(struct win_sliding *op, struct str bytes, const struct sliding_window *window)
{
	struct win *win = &op->win;
	struct sliding_head head = { .last_ms = window->last_ms, .has_state = window->state.n >= 0,
		.is_hidden = window->is_hidden };
	struct str key = key_of(&win->key, bytes, window->start_ms);
	buf_reset(&win->value);
	buf_put(&win->value, &head, sizeof head);
	buf_put_str(&win->value, window->state);
	win_changed(win, key);
	store_put(win->store, key, buf_str(&win->value), window->ts_ms);
	store_put(win->index, row_of(&win->row, bytes, window->start_ms), STR(""), window->start_ms);
	if (!window->is_hidden)
		op->newest_ms = MAX(op->newest_ms, window->start_ms);
}

/* Room for one more window at i. */
static struct sliding_window *
insert(struct win_sliding *op, int i)
{
	if (op->n == op->max) {
		op->max = op->max ? 2 * op->max : 16;
		op->around = mem_realloc(op->around, sizeof *op->around * (size_t)op->max);
	}
	memmove(&op->around[i + 1], &op->around[i], sizeof *op->around * (size_t)(op->n - i));
	op->n++;
	return &op->around[i];
}

/* The key's windows that matter for a record at ts_ms: those that start from
 * ts_ms - 2 * difference - 1 to ts_ms + 1. */
static void
load(struct win_sliding *op, struct str bytes, int64_t ts_ms)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int64_t from_ms = ms_minus(ms_minus(ts_ms, op->diff_ms), ms_plus(op->diff_ms, 1));
	op->n = 0;
	key_of(&win->to, bytes, ms_plus(ts_ms, 1));
	buf_putc(&win->to, 0); /* that one included */
	struct store_iter *it = store_scan(win->store, key_of(&win->key, bytes, MAX(from_ms, 0)),
		buf_str(&win->to));
	while (store_iter_next(it, &entry)) {
		struct str at = { entry.key.p + entry.key.n - KEYS_TIME_SIZE, KEYS_TIME_SIZE };
		struct sliding_window window = window_of(keys_take_time(&at), &entry);
		window.state = arena_str(flow_node_arena(&win->node), window.state);
		*insert(op, op->n) = window;
	}
	store_iter_free(it);
}

/* ---- what closes ---- */

/* Windows that start before this are closed at a stream time. */
static int64_t
open_from(const struct win_sliding *op, int64_t time_ms)
{
	return ms_minus(ms_minus(time_ms, op->diff_ms), op->win.node.spec->window.grace_ms);
}

/* Windows that start before this are needed no more: a record that is accepted is at most
 * difference + grace old, and looks 2 * difference + 1 further back. */
static int64_t
needed_from(const struct win_sliding *op, int64_t time_ms)
{
	return ms_minus(ms_minus(open_from(op, time_ms), op->diff_ms), ms_plus(op->diff_ms, 1));
}

/* The window of an entry of the index. */
static struct flow_key
key_at(const struct win_sliding *op, struct str row)
{
	struct flow_key key = { .bytes = row, .is_windowed = true };
	key.start_ms = keys_take_time(&key.bytes);
	key.end_ms = key.start_ms + op->diff_ms;
	return key;
}

static int
send_final(struct win *win, const struct flow_rec *rec, const struct flow_key *key,
	struct str at, const struct sliding_window *window, struct err *e)
{
	return win_was_sent(win, at) ? 0
		: win_final(win, rec, key, window->state, window->ts_ms, e);
}

/* Send the final results of the windows that start in [from_ms, to_ms), or, without a record
 * that moves the time, from from_ms on. */
static int
send_finals(struct win_sliding *op, const struct flow_rec *rec, int64_t from_ms, int64_t to_ms,
	struct err *e)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int rc = 0;
	struct str from = row_of(&win->row, STR(""), MAX(from_ms, 0));
	struct str to = rec ? row_of(&win->to, STR(""), MAX(to_ms, 0)) : STR_NULL;
	if (!store_first(win->index, from, &entry) || (rec && str_cmp(entry.key, to) >= 0))
		return 0;
	struct store_iter *it = store_scan(win->index, from, to);
	while (!rc && store_iter_next(it, &entry)) {
		struct flow_key key = key_at(op, entry.key);
		struct str at = key_of(&win->key, key.bytes, key.start_ms);
		bool is_there = store_get(win->store, at, &entry);
		assert(is_there);
		struct sliding_window window = window_of(key.start_ms, &entry);
		if (window.state.n >= 0)
			rc = rec ? send_final(win, rec, &key, at, &window, e)
				: win_final_at_end(win, &key, at, &entry, window.state, e);
	}
	store_iter_free(it);
	return rc;
}

/* Forget the windows that are needed no more, and find when the next one is. */
static void
forget(struct win_sliding *op)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int64_t from_ms = needed_from(op, *win->time_ms);
	win->close_at_ms = INT64_MAX;
	while (store_first(win->index, STR_NULL, &entry)) {
		struct flow_key key = key_at(op, entry.key);
		if (key.start_ms >= from_ms) {
			win->close_at_ms = ms_plus(*win->time_ms, key.start_ms - from_ms + 1);
			return;
		}
		struct str at = key_of(&win->key, key.bytes, key.start_ms);
		win_changed(win, at);
		store_remove(win->store, at);
		store_remove(win->index, row_of(&win->row, key.bytes, key.start_ms));
		win_forgot(win);
	}
}

/* Stream time has moved. */
static int
moved(struct win_sliding *op, const struct flow_rec *rec, int64_t closed_before_ms, struct err *e)
{
	struct win *win = &op->win;
	if (win->node.spec->emits_on_close
			&& send_finals(op, rec, closed_before_ms, op->closed_ms, e))
		return -1;
	if (*win->time_ms >= win->close_at_ms)
		forget(op);
	return win->node.nwatch ? flow_node_time(&win->node, *win->time_ms, e) : 0;
}

static int
sliding_end(struct flow_node *node, struct err *e)
{
	struct win_sliding *op = (struct win_sliding *)node;
	return node->spec->emits_on_close
		? send_finals(op, NULL, open_from(op, *op->win.time_ms), 0, e) : 0;
}

/* ---- records ---- */

/* The number of windows that start before ms. */
static int
count_before(const struct win_sliding *op, int64_t ms)
{
	int n = op->n;
	while (n > 0 && op->around[n - 1].start_ms >= ms)
		n--;
	return n;
}

static struct sliding_window *
find(const struct win_sliding *op, int64_t start_ms)
{
	int i = count_before(op, start_ms);
	return i < op->n && op->around[i].start_ms == start_ms ? &op->around[i] : NULL;
}

/* Does the window [start, start + difference] hold ts_ms? */
static bool
holds(const struct win_sliding *op, int64_t start_ms, int64_t ts_ms)
{
	return start_ms <= ts_ms && ts_ms - start_ms <= op->diff_ms;
}

/* Add the windows that the record makes, without the record itself.  False: one of them has
 * an end beyond the last time. */
static bool
make_windows(struct win_sliding *op, int64_t ts_ms)
{
	int64_t own_ms = MAX(ts_ms - op->diff_ms, 0), own_last_ms = INT64_MIN;
	struct sliding_window made[3], *own = find(op, own_ms);
	int nmade = 0, i = count_before(op, own_ms);
	/* The window that has the record before ts_ms, if any has. */
	const struct sliding_window *left = own ? own : i > 0 ? &op->around[i - 1] : NULL;
	if (left)
		own_last_ms = left->last_ms;
	if (!own) {
		made[nmade] = (struct sliding_window){ .start_ms = own_ms, .last_ms = own_last_ms,
			.ts_ms = INT64_MIN, .state = STR_NULL };
		if (left && own_last_ms >= own_ms) {
			made[nmade].state = left->state;
			made[nmade].ts_ms = left->ts_ms;
		}
		nmade++;
	}
	if (left && own_last_ms < ts_ms && (own || own_last_ms + 1 != own_ms)
			&& holds(op, own_last_ms + 1, ts_ms) && !find(op, own_last_ms + 1))
		made[nmade++] = (struct sliding_window){ .start_ms = own_last_ms + 1,
			.last_ms = INT64_MIN, .ts_ms = INT64_MIN, .state = STR_NULL };
	i = ts_ms < INT64_MAX ? count_before(op, ts_ms + 1) : 0;
	if (i > 0 && op->around[i - 1].last_ms > ts_ms && !find(op, ts_ms + 1)) {
		made[nmade] = op->around[i - 1];
		made[nmade++].start_ms = ts_ms + 1;
	}
	for (int j = 0; j < nmade; j++) {
		if (made[j].start_ms > INT64_MAX - op->diff_ms)
			return false;
		made[j].is_changed = made[j].is_made = true;
		made[j].is_hidden = made[j].start_ms < op->closed_ms;
		made[j].old = STR_NULL;
		*insert(op, count_before(op, made[j].start_ms)) = made[j];
	}
	return true;
}

/* The window's new aggregate, and what is sent for it. */
static int
compute(struct win_sliding *op, struct flow_agg *adder, const struct flow_rec *rec,
	struct sliding_window *window, struct err *e)
{
	struct win *win = &op->win;
	int64_t ts_ms = rec->ts_ms;
	bool sends = win_sends(win) && window->start_ms >= op->closed_ms;
	if (sends && !window->is_made && win_old(win, window->state, &window->old, e))
		return -1;
	if (holds(op, window->start_ms, ts_ms)) {
		bool was_null = window->state.n < 0;
		if (win_add(win, adder, rec, false, window->state, &window->state, e))
			return -1;
		window->ts_ms = was_null ? ts_ms : MAX(window->ts_ms, ts_ms);
		window->last_ms = MAX(window->last_ms, ts_ms);
	}
	window->is_changed = true;
	return sends ? win_value(win, window->state, &window->value, e) : 0;
}

static int
send_updates(struct win_sliding *op, const struct flow_rec *rec, struct err *e)
{
	for (int i = 0; i < op->n; i++) {
		const struct sliding_window *window = &op->around[i];
		int64_t start_ms = window->start_ms;
		if (window->is_changed && start_ms >= op->closed_ms && win_send(&op->win, rec, start_ms,
				start_ms + op->diff_ms, window->value, window->old, window->ts_ms, e))
			return -1;
	}
	return 0;
}

/* Into all its windows; those that are closed are kept for windows to come. */
static int
take_windows(struct win_sliding *op, int port, const struct flow_rec *rec, struct err *e)
{
	struct flow_agg *adder = win_adder(&op->win, port);
	bool is_partly_late = false;
	load(op, rec->key.bytes, rec->ts_ms);
	if (!make_windows(op, rec->ts_ms))
		return win_beyond(&op->win, rec, e);
	for (int i = 0; i < op->n; i++) {
		struct sliding_window *window = &op->around[i];
		bool is_held = holds(op, window->start_ms, rec->ts_ms);
		is_partly_late |= is_held && window->start_ms < op->closed_ms;
		if ((is_held || window->is_changed) && compute(op, adder, rec, window, e))
			return flow_node_failed(&op->win.node, rec, e);
	}
	for (int i = 0; i < op->n; i++)
		if (op->around[i].is_changed)
			put(op, rec->key.bytes, &op->around[i]);
	if (is_partly_late)
		flow_node_drop_partly(&op->win.node, rec);
	return win_sends(&op->win) ? send_updates(op, rec, e) : 0;
}

static int
sliding_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct win_sliding *op = (struct win_sliding *)node;
	int64_t *time_ms = op->win.time_ms, before_ms = *time_ms;
	if (rec->key.bytes.n < 0 || rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	*time_ms = MAX(before_ms, rec->ts_ms);
	op->closed_ms = open_from(op, *time_ms);
	if (rec->ts_ms < op->closed_ms)
		return win_late(&op->win, rec, e);
	if (take_windows(op, port, rec, e))
		return -1;
	return *time_ms > before_ms ? moved(op, rec, open_from(op, before_ms), e) : 0;
}

static bool
sliding_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	struct win_sliding *op = (struct win_sliding *)node;
	struct store_entry entry;
	struct err ignored; /* it did not fail when the row was sent */
	if (key->start_ms <= ms_minus(op->newest_ms, op->span_ms)
			|| !store_get(op->win.store, key_of(&op->win.key, key->bytes, key->start_ms), &entry))
		return false;
	struct sliding_window window = window_of(key->start_ms, &entry);
	if (window.is_hidden || window.state.n < 0
			|| win_value(&op->win, window.state, value, &ignored) || value->n < 0)
		return false;
	*value = arena_str(flow_node_arena(node), *value);
	*ts_ms = window.ts_ms;
	return true;
}

/* ---- changelog ---- */

static const struct str last_name = { (const uint8_t *)"last", 4 };

/* As in a batch: length of the name, name, length of the value, value. */
static struct str
put_header(struct buf *b, int64_t last_ms, bool is_hidden)
{
	uint8_t *p = buf_grow(b, 2 + (size_t)last_name.n + sizeof last_ms + is_hidden);
	p = varint_put(p, last_name.n);
	memcpy(p, last_name.p, (size_t)last_name.n);
	p = varint_put(p + last_name.n, (int64_t)sizeof last_ms + is_hidden);
	store_be64(p, (uint64_t)last_ms);
	if (is_hidden)
		p[sizeof last_ms] = 1;
	return buf_str(b);
}

/* Take such a header, the only one; false: it is none. */
static bool
take_header(const struct flow_change *change, struct sliding_window *window)
{
	struct buf like = BUF_INIT;
	bool is_it = false;
	for (int hidden = 0; hidden < 2 && !is_it; hidden++) {
		buf_reset(&like);
		put_header(&like, 0, hidden);
		size_t n = like.n - sizeof window->last_ms - (size_t)hidden;
		is_it = change->nheader == 1 && change->headers.n == (int32_t)like.n
			&& !memcmp(change->headers.p, like.p, n);
		if (!is_it)
			continue;
		window->last_ms = (int64_t)load_be64(change->headers.p + n);
		window->is_hidden = hidden;
	}
	buf_release(&like);
	return is_it;
}

static int
sliding_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	struct win *win = (struct win *)node;
	struct str row = entry->key;
	if (entry->value.n < 0)
		return FLOW_LOG_NOTHING; /* forgotten: the changelog's retention does the same */
	struct str bytes = keys_take_bytes(&row, &win->plain);
	struct sliding_window window = window_of(keys_take_time(&row), entry);
	buf_reset(&win->key);
	win_put_key(&win->key, bytes, window.start_ms);
	out->key = buf_str(&win->key);
	win_log_mark(win, entry->key, out);
	if (window.state.n < 0 || window.last_ms != window.ts_ms || window.is_hidden) {
		out->headers = put_header(&win->headers, window.last_ms, window.is_hidden);
		out->nheader++;
	}
	return win_pack(win, window.state, &out->value, e);
}

static int
sliding_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct win_sliding *op = (struct win_sliding *)node;
	struct win *win = &op->win;
	struct sliding_window window = { .last_ms = change->ts_ms, .ts_ms = change->ts_ms };
	struct str bytes;
	if (win_take_key(win, change->key, &bytes, &window.start_ms, e)
			|| win_unpack(win, change->value, &window.state, e))
		return -1;
	if (window.start_ms > INT64_MAX - op->diff_ms)
		return win_beyond_last(win, e);
	struct flow_change bare = *change;
	bool was_sent = win_restore_mark(&bare), has_last = take_header(&bare, &window);
	if (*win->time_ms != INT64_MIN && *win->time_ms >= win->close_at_ms) {
		forget(op); /* as the task elsewhere that the store may follow */
		win->close_at_ms = ms_plus(*win->time_ms, 1);
	}
	if (window.start_ms < needed_from(op, *win->time_ms))
		return 0;
	if (window.state.n >= 0 || has_last) {
		put(op, bytes, &window);
		if (was_sent)
			win_mark(win, key_of(&win->key, bytes, window.start_ms));
		return 0;
	}
	struct str key = key_of(&win->key, bytes, window.start_ms);
	win_changed(win, key);
	store_remove(win->store, key);
	store_remove(win->index, row_of(&win->row, bytes, window.start_ms));
	return 0;
}

const struct flow_node_ops flow_window_sliding_ops = {
	.name = "window_sliding", .rows = FLOW_ROWS_SLIDING, .size = sizeof(struct win_sliding),
	.open = sliding_open, .close = sliding_close, .take = sliding_take, .end = sliding_end,
	.get = sliding_get, .log = sliding_log, .restore = sliding_restore,
};
