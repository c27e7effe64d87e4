#include "stream/look.h"

#include "stream/keys.h"
#include "stream/saturate.h"
#include "stream/task_int.h"

const struct topology_node *
flow_look_node(const struct flow_task *task, int store)
{
	const struct task_store *of = &task->store_of[store];
	assert(store >= 0 && store < task->nstore);
	return of->store == 0 && of->node->ops->rows ? of->node->plan : NULL;
}

/* ---- keys of stores ---- */

/* The key of the row that is at a key of the store. */
static void
take_key(const struct flow_node *node, struct str at, struct buf *plain, struct flow_key *key)
{
	const struct flow_window *window = node->plan->window;
	bool is_key = true;
	*key = (struct flow_key){ .is_windowed = window, .inner = window ? window->inner : NULL };
	switch (node->ops->rows) {
	case FLOW_ROWS_KEY:
		if (window)
			is_key = keys_take(&at, window, plain, key);
		else
			key->bytes = at;
		break;
	case FLOW_ROWS_VERSION: is_key = keys_take(&at, window, plain, key); break;
	case FLOW_ROWS_FIXED:
		key->start_ms = keys_take_time(&at);
		key->end_ms = window->type == FLOW_UNLIMITED ? INT64_MAX
			: ms_plus(key->start_ms, window->size_ms);
		key->bytes = at;
		break;
	case FLOW_ROWS_SLIDING:
		key->bytes = keys_take_bytes(&at, plain);
		key->start_ms = keys_take_time(&at);
		key->end_ms = ms_plus(key->start_ms, window->size_ms);
		break;
	case FLOW_ROWS_SESSION:
		key->bytes = keys_take_bytes(&at, plain);
		key->end_ms = keys_take_time(&at);
		key->start_ms = keys_take_time(&at);
		break;
	case FLOW_NO_ROWS: assert(!"a store without rows");
	}
	assert(is_key && key->bytes.n >= 0);
}

/* Where a scan begins and ends: at least all rows that are looked for are between. */
static void
find_bounds(const struct flow_node *node, const struct flow_look *look, struct buf *from,
	struct buf *to)
{
	const struct flow_window *window = node->plan->window;
	enum flow_rows rows = node->ops->rows;
	if (rows == FLOW_ROWS_FIXED) {
		if (look->start_ms > 0 && window->type != FLOW_UNLIMITED)
			keys_put_time(from, MAX(look->start_ms - window->size_ms, 0));
		if (look->end_ms < INT64_MAX)
			keys_put_time(to, look->end_ms);
	} else if (rows == FLOW_ROWS_KEY && !window) {
		buf_put_str(from, look->from);
		if (look->to.n >= 0) {
			buf_put_str(to, look->to);
			buf_putc(to, 0); /* the next key */
		}
	} else {
		if (look->from.n >= 0)
			keys_put_bytes(from, look->from);
		if (look->to.n >= 0) {
			keys_put_bytes(to, look->to);
			to->p[to->n - 1] = 1; /* after 00 00, which ends the key */
		}
	}
}

/* ---- rows ---- */

static bool
is_looked_for(const struct flow_look *look, const struct flow_key *key)
{
	if ((look->from.n >= 0 && str_cmp(key->bytes, look->from) < 0)
			|| (look->to.n >= 0 && str_cmp(key->bytes, look->to) > 0))
		return false;
	if (!key->is_windowed || (look->start_ms == INT64_MIN && look->end_ms == INT64_MAX))
		return true;
	/* A window of one time (a session) has that time. */
	return look->start_ms < look->end_ms && key->start_ms < look->end_ms
		&& MAX(key->end_ms, ms_plus(key->start_ms, 1)) > look->start_ms;
}

/* The row at the entry.  True, and its value and time. */
static bool
get_row(struct flow_node *node, const struct flow_key *key, const struct store_entry *entry,
	struct str *value, int64_t *ts_ms)
{
	int64_t version_ms = entry->ts_ms;
	return node->ops->get(node, key, value, ts_ms)
		&& (node->ops->rows != FLOW_ROWS_VERSION || *ts_ms == version_ms);
}

/* What functions made for the rows is not needed any more. */
static void
forget(struct flow_task *task)
{
	arena_reset(&task->arena);
	task->env->next(task->env);
}

bool
flow_look(struct flow_task *task, int store, const struct flow_look *look, struct buf *cursor,
	int nmax, flow_look_fn *fn, void *arg)
{
	struct flow_node *node = task->store_of[store].node;
	struct buf from = BUF_INIT, to = BUF_INIT, plain = BUF_INIT, at = BUF_INIT;
	struct store_entry entry;
	bool is_enough = false;
	assert(flow_look_node(task, store));
	find_bounds(node, look, &from, &to);
	if (cursor->n > 0) {
		buf_reset(&from);
		buf_put_str(&from, buf_str(cursor));
	}
	struct store_iter *it = store_scan(task->store[store].store, from.n ? buf_str(&from) : STR_NULL,
		to.n ? buf_str(&to) : STR_NULL);
	int n = 0;
	while (n < nmax && !is_enough && store_iter_next(it, &entry)) {
		struct flow_key key;
		struct str value;
		int64_t ts_ms;
		n++;
		buf_reset(&at); /* what functions do may move the entry */
		buf_put_str(&at, entry.key);
		take_key(node, buf_str(&at), &plain, &key);
		if (is_looked_for(look, &key) && get_row(node, &key, &entry, &value, &ts_ms))
			is_enough = fn(arg, &key, value, ts_ms);
	}
	bool has_more = n == nmax || is_enough;
	store_iter_free(it);
	buf_reset(cursor);
	if (has_more) {
		buf_put_str(cursor, buf_str(&at));
		buf_putc(cursor, 0); /* the next key */
	}
	buf_release(&from);
	buf_release(&to);
	buf_release(&plain);
	buf_release(&at);
	forget(task);
	return has_more;
}
