/*
 * Aggregations over sessions.
 *
 * A session [start, end] has a key's records that are at most the gap apart.  It takes
 * records until stream time is past end + gap + grace, and is then forgotten.  A record that
 * meets open sessions joins them: their aggregates are merged from the first to the last,
 * starting from init, and the record is added.  Whether it is late is told by the end of
 * what it made.
 *
 * Keys: store  key bytes (keys_put_bytes) | end | start;  index  end | start | key bytes.
 *
 * Sources: KStreamSessionWindowAggregate.java, SessionKeySchema.java.
 */
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"
#include "stream/win.h"

struct win_span {
	int64_t start_ms, end_ms;
	struct str state, value;
};

struct win_session {
	struct win win;
	int64_t gap_ms;
	int64_t closed_ms;   /* sessions that end before this are closed */
	struct win_span *met; /* by a record, in order */
	int n, max;
};

static int
session_open(struct flow_node *node, struct err *e)
{
	struct win_session *op = (struct win_session *)node;
	op->gap_ms = node->spec->window.size_ms;
	op->closed_ms = INT64_MIN;
	return win_open(&op->win, STORE_TREE, true,
		ms_plus(op->gap_ms, node->spec->window.grace_ms), e);
}

static void
session_close(struct flow_node *node)
{
	struct win_session *op = (struct win_session *)node;
	mem_free(op->met);
	win_close(node);
}

/* ---- the store ---- */

static struct str
key_of(struct buf *b, struct str bytes, int64_t start_ms, int64_t end_ms)
{
	buf_reset(b);
	keys_put_bytes(b, bytes);
	keys_put_time(b, end_ms);
	keys_put_time(b, start_ms);
	return buf_str(b);
}

static struct str
row_of(struct buf *b, struct str bytes, int64_t start_ms, int64_t end_ms)
{
	buf_reset(b);
	keys_put_time(b, end_ms);
	keys_put_time(b, start_ms);
	buf_put_str(b, bytes);
	return buf_str(b);
}

/* The session of an entry of the index. */
static struct flow_key
key_at(struct str row)
{
	struct flow_key key = { .bytes = row, .is_windowed = true };
	key.end_ms = keys_take_time(&key.bytes);
	key.start_ms = keys_take_time(&key.bytes);
	return key;
}

/* Sessions that end before this are closed at a stream time. */
static int64_t
open_from(const struct win_session *op, int64_t time_ms)
{
	return ms_minus(ms_minus(time_ms, op->gap_ms), op->win.node.spec->window.grace_ms);
}

static void
put(struct win_session *op, struct str bytes, const struct win_span *session)
{
	struct win *win = &op->win;
	int64_t start_ms = session->start_ms, end_ms = session->end_ms;
	struct str key = key_of(&win->key, bytes, start_ms, end_ms);
	win_changed(win, key);
	store_put(win->store, key, session->state, end_ms);
	store_put(win->index, row_of(&win->row, bytes, start_ms, end_ms), STR(""), end_ms);
	win->close_at_ms = MIN(win->close_at_ms,
		ms_plus(ms_plus(end_ms, op->gap_ms), ms_plus(win->node.spec->window.grace_ms, 1)));
}

static void
remove_session(struct win_session *op, struct str bytes, int64_t start_ms, int64_t end_ms,
	int64_t ts_ms)
{
	struct win *win = &op->win;
	struct str key = key_of(&win->key, bytes, start_ms, end_ms);
	win_changed(win, key);
	store_remove_at(win->store, key, ts_ms);
	store_remove(win->index, row_of(&win->row, bytes, start_ms, end_ms));
}

/* Find the key's open sessions from ts_ms - gap to ts_ms + gap. */
static void
meet(struct win_session *op, struct str bytes, int64_t ts_ms)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int64_t from_ms = MAX(ms_minus(ts_ms, op->gap_ms), op->closed_ms);
	int64_t to_ms = ms_plus(ts_ms, op->gap_ms);
	op->n = 0;
	key_of(&win->to, bytes, INT64_MAX, INT64_MAX);
	buf_putc(&win->to, 0); /* that one included */
	struct store_iter *it = store_scan(win->store, key_of(&win->key, bytes, INT64_MIN, from_ms),
		buf_str(&win->to));
	while (store_iter_next(it, &entry)) {
		struct str at = { entry.key.p + entry.key.n - 2 * KEYS_TIME_SIZE, 2 * KEYS_TIME_SIZE };
		struct win_span session = { .end_ms = keys_take_time(&at) };
		session.start_ms = keys_take_time(&at);
		if (session.start_ms > to_ms)
			break;
		session.state = arena_str(flow_node_arena(&win->node), entry.value);
		if (op->n == op->max) {
			op->max = op->max ? 2 * op->max : 8;
			op->met = mem_realloc(op->met, sizeof *op->met * (size_t)op->max);
		}
		op->met[op->n++] = session;
	}
	store_iter_free(it);
}

/* ---- what closes ---- */

/* Send the final result of a session. */
static int
send_final(struct win_session *op, const struct flow_rec *rec, const struct flow_key *key,
	struct err *e)
{
	struct win *win = &op->win;
	struct store_entry entry;
	struct str at = key_of(&win->key, key->bytes, key->start_ms, key->end_ms);
	bool is_there = store_get(win->store, at, &entry);
	assert(is_there);
	if (!rec)
		return win_final_at_end(win, key, at, &entry, entry.value, e);
	return win_was_sent(win, at) ? 0 : win_final(win, rec, key, entry.value, entry.ts_ms, e);
}

/* A store that follows the changelog of a task elsewhere forgets, too. */
static void
forget(struct win_session *op)
{
	struct win *win = &op->win;
	struct store_entry entry;
	int64_t from_ms = open_from(op, *win->time_ms);
	while (store_first(win->index, STR_NULL, &entry)) {
		struct flow_key key = key_at(entry.key);
		if (key.end_ms >= from_ms)
			return;
		remove_session(op, key.bytes, key.start_ms, key.end_ms,
			*win->time_ms);
	}
}

/* Forget the sessions that are closed.  Those that were open at the stream time before this
 * one have their final result now. */
static int
close_sessions(struct win_session *op, const struct flow_rec *rec, int64_t closed_before_ms,
	struct err *e)
{
	struct win *win = &op->win;
	struct store_entry entry;
	win->close_at_ms = INT64_MAX;
	while (store_first(win->index, STR_NULL, &entry)) {
		struct flow_key key = key_at(entry.key);
		if (key.end_ms >= op->closed_ms) {
			win->close_at_ms = ms_plus(*win->time_ms, key.end_ms - op->closed_ms + 1);
			return 0;
		}
		if (win->node.spec->emits_on_close && key.end_ms >= closed_before_ms
				&& send_final(op, rec, &key, e))
			return -1;
		remove_session(op, key.bytes, key.start_ms, key.end_ms, rec->ts_ms);
		win_forgot(win);
	}
	return 0;
}

static int
session_end(struct flow_node *node, struct err *e)
{
	struct win_session *op = (struct win_session *)node;
	struct store_entry entry;
	int rc = 0;
	if (!node->spec->emits_on_close)
		return 0;
	op->closed_ms = open_from(op, *op->win.time_ms);
	struct str from = row_of(&op->win.row, STR(""), INT64_MIN, op->closed_ms);
	struct store_iter *it = store_scan(op->win.index, from, STR_NULL);
	while (!rc && store_iter_next(it, &entry)) {
		struct flow_key key = key_at(entry.key);
		rc = send_final(op, NULL, &key, e);
	}
	store_iter_free(it);
	return rc;
}

/* ---- records ---- */

/* The session that the record makes of those it meets, and what is sent for each.  *same is
 * the one of them that has its window; NULL: none. */
static int
compute(struct win_session *op, int port, const struct flow_rec *rec, struct win_span *made,
	struct win_span **same, struct err *e)
{
	struct win *win = &op->win;
	bool sends = win_sends(win);
	*same = NULL;
	if (win_init(win, rec, &made->state, e))
		return -1;
	for (int i = 0; i < op->n; i++) {
		struct win_span *met = &op->met[i];
		if ((sends && win_old(win, met->state, &met->value, e))
				|| win_merge(win, rec, made->state, met->state, &made->state, e))
			return -1;
		if (met->start_ms == made->start_ms && met->end_ms == made->end_ms)
			*same = met;
	}
	if (win_add(win, win_adder(win, port), rec, true, made->state, &made->state, e))
		return -1;
	return sends ? win_value(win, made->state, &made->value, e) : 0;
}

static int
send_updates(struct win_session *op, const struct flow_rec *rec, const struct win_span *made,
	const struct win_span *same, struct err *e)
{
	struct flow_rec bare = *rec; /* a session's result has no headers */
	bare.headers = STR_NULL;
	bare.nheader = 0;
	for (int i = 0; i < op->n; i++) {
		const struct win_span *met = &op->met[i];
		if (met != same && win_send(&op->win, &bare, met->start_ms, met->end_ms, STR_NULL,
				met->value, met->end_ms, e))
			return -1;
	}
	return win_send(&op->win, &bare, made->start_ms, made->end_ms, made->value,
		same ? same->value : STR_NULL, made->end_ms, e);
}

static int
take_session(struct win_session *op, int port, const struct flow_rec *rec, struct err *e)
{
	struct win_span made = { .start_ms = rec->ts_ms, .end_ms = rec->ts_ms }, *same;
	meet(op, rec->key.bytes, rec->ts_ms);
	for (int i = 0; i < op->n; i++) {
		made.start_ms = MIN(made.start_ms, op->met[i].start_ms);
		made.end_ms = MAX(made.end_ms, op->met[i].end_ms);
	}
	if (made.end_ms < op->closed_ms)
		return win_late(&op->win, rec, e);
	if (compute(op, port, rec, &made, &same, e))
		return flow_node_failed(&op->win.node, rec, e);
	for (int i = 0; i < op->n; i++)
		if (&op->met[i] != same || made.state.n < 0)
			remove_session(op, rec->key.bytes, op->met[i].start_ms, op->met[i].end_ms,
				rec->ts_ms);
	if (made.state.n >= 0)
		put(op, rec->key.bytes, &made);
	return win_sends(&op->win) ? send_updates(op, rec, &made, same, e) : 0;
}

static int
session_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct win_session *op = (struct win_session *)node;
	int64_t *time_ms = op->win.time_ms, before_ms = *time_ms;
	if (rec->key.bytes.n < 0 || rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	*time_ms = MAX(before_ms, rec->ts_ms);
	op->closed_ms = open_from(op, *time_ms);
	if (take_session(op, port, rec, e))
		return -1;
	if (*time_ms == before_ms)
		return 0;
	if (*time_ms >= op->win.close_at_ms
			&& close_sessions(op, rec, open_from(op, before_ms), e))
		return -1;
	return node->nwatch ? flow_node_time(node, *time_ms, e) : 0;
}

static bool
session_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	struct win_session *op = (struct win_session *)node;
	struct store_entry entry;
	struct err ignored; /* it did not fail when the row was sent */
	if (key->end_ms < op->closed_ms
			|| !store_get(op->win.store,
				key_of(&op->win.key, key->bytes, key->start_ms, key->end_ms), &entry)
			|| win_value(&op->win, entry.value, value, &ignored) || value->n < 0)
		return false;
	*value = arena_str(flow_node_arena(node), *value);
	*ts_ms = entry.ts_ms;
	return true;
}

/* ---- changelog ---- */

static int
session_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	struct win_session *op = (struct win_session *)node;
	struct win *win = &op->win;
	struct str row = entry->key;
	struct flow_key key = { .bytes = keys_take_bytes(&row, &win->plain), .is_windowed = true };
	key.end_ms = keys_take_time(&row);
	key.start_ms = keys_take_time(&row);
	if (entry->value.n < 0 && key.end_ms < op->closed_ms)
		return FLOW_LOG_NOTHING; /* forgotten: the changelog's retention does the same */
	buf_reset(&win->key);
	keys_put_windowed(&win->key, &key, true);
	out->key = buf_str(&win->key);
	if (entry->value.n >= 0)
		win_log_mark(win, entry->key, out);
	return win_pack(win, entry->value, &out->value, e);
}

static int
session_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct win_session *op = (struct win_session *)node;
	struct win_span session;
	struct flow_key key;
	if (!keys_take_topic(change->key, &node->spec->window, &key) || key.start_ms < 0
			|| key.end_ms < key.start_ms)
		return err_set(e, ERR_CORRUPT, "a key in the changelog of '%s' has no session",
			node->plan->name);
	session = (struct win_span){ .start_ms = key.start_ms, .end_ms = key.end_ms };
	if (win_unpack(&op->win, change->value, &session.state, e))
		return -1;
	forget(op);
	if (session.state.n < 0)
		remove_session(op, key.bytes, key.start_ms, key.end_ms, change->ts_ms);
	else if (key.end_ms >= open_from(op, *op->win.time_ms)) {
		struct flow_change marked = *change;
		put(op, key.bytes, &session);
		if (win_restore_mark(&marked))
			win_mark(&op->win, key_of(&op->win.key, key.bytes, key.start_ms, key.end_ms));
	}
	return 0;
}

const struct flow_node_ops flow_window_session_ops = {
	.name = "window_session", .rows = FLOW_ROWS_SESSION, .size = sizeof(struct win_session),
	.open = session_open, .close = session_close, .take = session_take, .end = session_end,
	.get = session_get, .log = session_log, .restore = session_restore,
};
