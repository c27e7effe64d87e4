/*
 * suppress: updates of a table wait, the last one for each row: until the row's window has
 * closed, or for a time, or until too many wait.
 *
 * buffer: key as in a topic -> Kafka's bytes of what waits (buffered.h)
 * queue:  place 8 | start 8 (until windows close) | the same key -> nothing; rebuilt from buffer
 *
 * The row that was sent last is the old value of the first update that waits.  As in Kafka
 * Streams a join that looks here sees it until the update has been sent.
 */
#include "stream/buffered.h"
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"

struct op_suppress {
	struct flow_node node;
	struct store *buffer, *queue;
	char *queue_name;
	int64_t *time_ms;     /* stream time by the updates that came in; NULL: that of the
	                       * aggregations above counts */
	int64_t next_ms;      /* the first place in the queue; INT64_MAX: nothing waits */
	int64_t nbyte;        /* of what waits */
	struct str sending, prior; /* the key of the row on its way out, and what was sent before */
	struct buf key, at, value, headers;
};

enum { END_MAX = 1000 }; /* rows that come out at the end before memory is freed */

/* Kafka's version of the bytes, in a header: 'v', 3. */
#define BUFFER_VERSION "\x02v\x02\x03"

static bool
waits_for_close(const struct op_suppress *op)
{
	return op->node.spec->suppress.until_window_closes;
}

/* ---- the buffer and its queue ---- */

static struct str
queue_key(struct op_suppress *op, int64_t place_ms, struct str key)
{
	struct flow_key parts;
	bool is_key = keys_take_topic(key, op->node.plan->window, &parts);
	assert(is_key);
	buf_reset(&op->at);
	keys_put_time(&op->at, place_ms);
	if (waits_for_close(op)) {
		keys_put_time(&op->at, parts.start_ms);
		keys_put_bytes(&op->at, parts.bytes); /* what follows them in key is no order */
	}
	buf_put_str(&op->at, key);
	return buf_str(&op->at);
}

/* The key behind its place. */
static struct str
key_in_queue(struct op_suppress *op, struct str at)
{
	keys_take_time(&at);
	if (waits_for_close(op)) {
		keys_take_time(&at);
		keys_take_bytes(&at, flow_node_scratch(&op->node));
	}
	return at;
}

static void
find_next(struct op_suppress *op)
{
	struct store_entry entry;
	op->next_ms = INT64_MAX;
	if (store_first(op->queue, STR_NULL, &entry))
		op->next_ms = keys_take_time(&entry.key);
}

static int64_t
size_of(struct str key, struct str value)
{
	return (int64_t)key.n + value.n;
}

/* The bytes of what waits, if there is a limit. */
static void
count_bytes(struct op_suppress *op)
{
	struct store_entry entry;
	if (!op->node.spec->suppress.max_bytes)
		return;
	struct store_iter *it = store_scan(op->buffer, STR_NULL, STR_NULL);
	while (store_iter_next(it, &entry))
		op->nbyte += size_of(entry.key, entry.value);
	store_iter_free(it);
}

/* What waits for the key; its slices are valid until the store changes. */
static bool
find(struct op_suppress *op, struct str key, struct buffered *out, struct str *bytes)
{
	struct store_entry entry;
	struct err e;
	if (!store_get(op->buffer, key, &entry))
		return false;
	int rc = buffered_get(entry.value, out, &op->headers, &e);
	assert(!rc); /* checked when it was restored */
	*bytes = entry.value;
	return true;
}

static void
wait(struct op_suppress *op, struct str key, const struct flow_rec *rec)
{
	struct arena *arena = flow_node_arena(&op->node);
	struct buffered waiting = { .old = STR_NULL };
	struct str bytes;
	if (find(op, key, &waiting, &bytes)) {
		op->nbyte -= size_of(key, bytes);
		waiting.prior = arena_str(arena, waiting.prior);
	} else {
		waiting.prior = waits_for_close(op) ? STR_NULL : rec->old;
		waiting.place = waits_for_close(op) ? rec->key.end_ms : rec->ts_ms;
		store_put(op->queue, queue_key(op, waiting.place, key), STR(""), 0);
		op->next_ms = MIN(op->next_ms, waiting.place);
	}
	waiting.old = waits_for_close(op) ? STR_NULL : rec->old;
	waiting.value = rec->value;
	waiting.headers = rec->headers;
	waiting.nheader = rec->nheader;
	waiting.ts_ms = rec->ts_ms;
	buf_reset(&op->value);
	buffered_put(&op->value, &waiting);
	store_put(op->buffer, key, buf_str(&op->value), rec->ts_ms);
	op->nbyte += size_of(key, buf_str(&op->value));
}

/* Send the first in the queue.  A deletion of a row that was never sent is left out. */
static int
send_first(struct op_suppress *op, struct err *e)
{
	struct flow_node *node = &op->node;
	struct arena *arena = flow_node_arena(node);
	struct store_entry entry;
	struct buffered waiting;
	struct str bytes;
	bool is_there = store_first(op->queue, STR_NULL, &entry);
	assert(is_there);
	struct str at = arena_str(arena, entry.key), key = key_in_queue(op, at);
	is_there = find(op, key, &waiting, &bytes);
	assert(is_there);
	struct flow_rec out = {
		.value = arena_str(arena, waiting.value), .old = arena_str(arena, waiting.prior),
		.ts_ms = waiting.ts_ms, .headers = arena_str(arena, waiting.headers),
		.nheader = waiting.nheader,
	};
	is_there = keys_take_topic(key, node->plan->window, &out.key);
	assert(is_there);
	op->nbyte -= size_of(key, bytes);
	store_remove(op->buffer, key);
	store_remove(op->queue, at);
	find_next(op);
	if (out.value.n < 0 && out.old.n < 0)
		return 0;
	op->sending = key;
	op->prior = out.old;
	int rc = flow_node_send(node, &out, e);
	op->sending = STR_NULL;
	return rc;
}

static int
send_upto(struct op_suppress *op, int64_t place_ms, struct err *e)
{
	while (op->next_ms <= place_ms && store_count(op->queue))
		if (send_first(op, e))
			return -1;
	return 0;
}

/* ---- opening ---- */

static int
suppress_open(struct flow_node *node, struct err *e)
{
	struct op_suppress *op = (struct op_suppress *)node;
	const char *name = node->plan->store[0];
	struct flow_store logged = { .is_compacted = true, .is_logged = true }, index = { 0 };
	struct buf full = BUF_INIT;
	buf_printf(&full, "%s-queue", name);
	op->queue_name = mem_strndup(buf_str(&full));
	buf_release(&full);
	op->sending = STR_NULL;
	if (!waits_for_close(op) || !node->nabove)
		op->time_ms = flow_node_number(node, "time");
	if (flow_node_store(node, name, STORE_HASH, &logged, &op->buffer, e) < 0
			|| flow_node_store(node, op->queue_name, STORE_TREE, &index, &op->queue, e) < 0)
		return -1;
	find_next(op); /* of a checkpoint */
	count_bytes(op);
	return 0;
}

static void
suppress_close(struct flow_node *node)
{
	struct op_suppress *op = (struct op_suppress *)node;
	mem_free(op->queue_name);
	buf_release(&op->key);
	buf_release(&op->at);
	buf_release(&op->value);
	buf_release(&op->headers);
}

/* ---- when ---- */

/* The last window end that is closed at this stream time. */
static int64_t
closed_at(const struct flow_window *window, int64_t stream_ms)
{
	int64_t ms = ms_minus(stream_ms, window->grace_ms);
	if (window->type == FLOW_SESSION)
		ms = ms_minus(ms, window->size_ms);
	return window->type == FLOW_SESSION || window->type == FLOW_SLIDING ? ms_minus(ms, 1) : ms;
}

/* The last window end that is closed by all aggregations above.  If a topic is between, by
 * the records that came out of it. */
static int64_t
closed_ms(const struct op_suppress *op)
{
	int64_t all_ms = INT64_MAX;
	if (op->time_ms)
		return closed_at(op->node.plan->window, *op->time_ms);
	for (int i = 0; i < op->node.nabove; i++) {
		const struct flow_node *above = op->node.above[i];
		int64_t ms = closed_at(&above->spec->window, *above->stream_ms);
		all_ms = MIN(all_ms, ms);
	}
	return all_ms;
}

static bool
is_full(const struct op_suppress *op)
{
	const struct flow_suppress *limit = &op->node.spec->suppress;
	return (limit->max_records && store_count(op->queue) > limit->max_records)
		|| (limit->max_bytes && op->nbyte > limit->max_bytes);
}

static int
make_room(struct op_suppress *op, struct err *e)
{
	const struct flow_suppress *limit = &op->node.spec->suppress;
	if (limit->shuts_down)
		return err_set(e, ERR_LIMIT, "'%s': %lld rows of %lld bytes wait, more than its limit",
			op->node.plan->name, (long long)store_count(op->queue), (long long)op->nbyte);
	while (is_full(op))
		if (send_first(op, e))
			return -1;
	return 0;
}

static int
suppress_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct op_suppress *op = (struct op_suppress *)node;
	buf_reset(&op->key);
	keys_put_topic(&op->key, &rec->key, node->plan->window);
	wait(op, buf_str(&op->key), rec);
	if (op->time_ms)
		*op->time_ms = MAX(*op->time_ms, rec->ts_ms);
	int64_t upto_ms = waits_for_close(op) ? closed_ms(op)
		: ms_minus(*op->time_ms, node->spec->suppress.limit_ms);
	if (send_upto(op, upto_ms, e))
		return -1;
	return is_full(op) ? make_room(op, e) : 0;
}

static int
suppress_time(struct flow_node *node, int64_t stream_ms, struct err *e)
{
	(void)stream_ms;
	struct op_suppress *op = (struct op_suppress *)node;
	return send_upto(op, closed_ms(op), e);
}

static int
suppress_end(struct flow_node *node, struct err *e)
{
	struct op_suppress *op = (struct op_suppress *)node;
	for (int n = 0; n < END_MAX && store_count(op->queue); n++)
		if (send_first(op, e))
			return -1;
	return store_count(op->queue) ? FLOW_END_MORE : 0;
}

/* What was sent last: what waits or is on its way out came after it. */
static bool
suppress_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	struct op_suppress *op = (struct op_suppress *)node;
	struct buffered waiting;
	struct str bytes;
	buf_reset(&op->key);
	keys_put_topic(&op->key, key, node->plan->window);
	if (str_eq(buf_str(&op->key), op->sending))
		*value = op->prior;
	else if (find(op, buf_str(&op->key), &waiting, &bytes))
		*value = arena_str(flow_node_arena(node), waiting.prior);
	else
		return node->from[0]->ops->get(node->from[0], key, value, ts_ms);
	*ts_ms = -1; /* not kept */
	return value->n >= 0;
}

/* ---- changelog ---- */

static int
suppress_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)node;
	(void)store;
	(void)e;
	out->key = entry->key;
	out->value = entry->value;
	if (entry->value.n >= 0) {
		out->headers = STR(BUFFER_VERSION);
		out->nheader = 1;
	}
	return 0;
}

static int
suppress_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct op_suppress *op = (struct op_suppress *)node;
	struct flow_key key;
	struct buffered waiting;
	struct str bytes;
	if (!keys_take_topic(change->key, node->plan->window, &key)
			|| (change->value.n >= 0 && !str_eq(change->headers, STR(BUFFER_VERSION))))
		return err_set(e, ERR_CORRUPT, "the changelog of '%s' has a record of another version",
			node->plan->store[0]);
	if (find(op, change->key, &waiting, &bytes)) {
		op->nbyte -= size_of(change->key, bytes);
		store_remove(op->queue, queue_key(op, waiting.place, change->key));
		store_remove(op->buffer, change->key);
	}
	if (change->value.n >= 0) {
		if (buffered_get(change->value, &waiting, &op->headers, e))
			return -1;
		op->nbyte += size_of(change->key, change->value);
		store_put(op->buffer, change->key, change->value, waiting.ts_ms);
		store_put(op->queue, queue_key(op, waiting.place, change->key), STR(""), 0);
	}
	find_next(op);
	return 0;
}

const struct flow_node_ops flow_suppress_ops = {
	.name = "suppress", .size = sizeof(struct op_suppress), .open = suppress_open,
	.close = suppress_close, .take = suppress_take, .time = suppress_time,
	.end = suppress_end, .get = suppress_get, .log = suppress_log, .restore = suppress_restore,
};
