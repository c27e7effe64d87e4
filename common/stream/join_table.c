/*
 * Joins of a stream with a table: inner and left, by the record's key or, with a global
 * table, by a key that a function gives.
 *
 * Only stream records make results.  An ordinary table is looked up as it is now, a versioned
 * one as of the record's time.  With grace (versioned tables only) a record waits until the
 * highest time of the records that waited is its time + grace; one that is later than that
 * is joined at once.
 *
 * Changelog: Kafka's RocksDBTimeOrderedKeyValueBuffer.java, TimeFirstWindowKeySchema in
 * PrefixedWindowKeySchemas.java.
 */
#include "stream/buffered.h"
#include "stream/held.h"
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"
#include "stream/versioned.h"

#include <limits.h>

enum { NUMBER_SIZE = 4, NUMBER_MASK = 0x7fffffff };

enum { END_MAX = 1000 }; /* records that come out at the end before memory is freed */

struct join_table {
	struct flow_node node;
	struct flow_node *table;
	bool is_versioned;
	struct store *waiting; /* time 8 | key | number 4: held value; NULL: no grace */
	int64_t *stream_ms;    /* of the records that waited */
	int64_t *number;       /* of the last one: makes equal keys and times distinct */
	int64_t restored;      /* the highest number that came from the changelog */
	struct buf key, value, plain, headers;
};

static int
join_open(struct flow_node *node, struct err *e)
{
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	const struct flow_store about = { .is_compacted = true, .is_logged = true };
	join->table = node->from[1];
	join->is_versioned = flow_keeps_history(join->table);
	if (node->spec->op != FLOW_STREAM_TABLE_JOIN || node->spec->join_grace_ms < 0)
		return 0;
	join->stream_ms = flow_node_number(node, "time");
	join->number = flow_node_number(node, "number");
	return flow_node_store(node, node->plan->store[0], STORE_TREE, &about, &join->waiting, e) < 0
		? -1 : 0;
}

static void
join_close(struct flow_node *node)
{
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	buf_release(&join->key);
	buf_release(&join->value);
	buf_release(&join->plain);
	buf_release(&join->headers);
}

/* ---- results ---- */

/* Send the record with its partner, which is null if there is no row. */
static int
send_joined(struct join_table *join, const struct flow_rec *rec, struct str row, struct err *e)
{
	struct flow_node *node = &join->node;
	struct flow_rec out = *rec;
	struct flow_args args = { .key = &rec->key, .value = STR_NULL, .left = rec->value,
		.right = row, .ts_ms = rec->ts_ms };
	out.old = STR_NULL;
	out.is_stale = false;
	if (node->spec->fn->value(node->spec->fn, &args, &out.value, e))
		return flow_node_failed(node, rec, e);
	return flow_node_send(node, &out, e);
}

/* Join the record with the row of a key, which may be null. */
static int
look_up(struct join_table *join, const struct flow_rec *rec, const struct flow_key *key,
	struct err *e)
{
	struct flow_node *table = join->table;
	struct str row = STR_NULL;
	int64_t row_ms;
	bool is_there = key->bytes.n >= 0 && (join->is_versioned
		? table->ops->get_at(table, key, rec->ts_ms, &row, &row_ms)
		: table->ops->get(table, key, &row, &row_ms));
	if (!is_there && join->node.spec->kind == FLOW_INNER)
		return 0;
	return send_joined(join, rec,
		is_there ? arena_str(flow_node_arena(&join->node), row) : STR_NULL, e);
}

/* ---- grace ---- */

static void
put_waiting_key(struct join_table *join, const struct flow_key *key, int64_t ms, uint32_t number)
{
	buf_reset(&join->key);
	keys_put_time(&join->key, ms);
	keys_put(&join->key, key);
	store_be32(buf_grow(&join->key, NUMBER_SIZE), number);
}

static void
take_waiting_key(struct join_table *join, struct str at, struct flow_key *key, int64_t *ms,
	uint32_t *number)
{
	*ms = keys_take_time(&at);
	bool is_key = keys_take(&at, join->node.plan->window, &join->plain, key);
	assert(is_key);
	assert(at.n == NUMBER_SIZE);
	*number = load_be32(at.p);
}

/* Join what waits up to this time, at most nmax of it; returns the number, or -1. */
static int
join_waiting(struct join_table *join, int64_t until_ms, int nmax, struct err *e)
{
	struct store_entry entry;
	int n = 0;
	for (; n < nmax && store_first(join->waiting, STR_NULL, &entry); n++) {
		if (entry.ts_ms > until_ms)
			break;
		struct flow_rec rec = { .old = STR_NULL };
		uint32_t number;
		struct arena *arena = flow_node_arena(&join->node);
		struct str key = arena_str(arena, entry.key);
		struct held held = held_get(arena_str(arena, entry.value));
		take_waiting_key(join, key, &rec.key, &rec.ts_ms, &number);
		rec.key.bytes = arena_str(arena, rec.key.bytes);
		rec.value = held.value;
		rec.headers = held.headers;
		rec.nheader = held.nheader;
		if (look_up(join, &rec, &rec.key, e))
			return -1;
		store_remove(join->waiting, key);
	}
	return n;
}

static int
take_with_grace(struct join_table *join, const struct flow_rec *rec, struct err *e)
{
	int64_t grace_ms = join->node.spec->join_grace_ms;
	if (rec->ts_ms < ms_minus(*join->stream_ms, grace_ms))
		return look_up(join, rec, &rec->key, e);
	int64_t number = (MAX(MAX(*join->number, join->restored), 0) + 1) & NUMBER_MASK;
	*join->number = join->restored = number;
	put_waiting_key(join, &rec->key, rec->ts_ms, (uint32_t)number);
	buf_reset(&join->value);
	held_put(&join->value, &(struct held){ rec->value, rec->headers, rec->nheader });
	store_put(join->waiting, buf_str(&join->key), buf_str(&join->value), rec->ts_ms);
	*join->stream_ms = MAX(*join->stream_ms, rec->ts_ms);
	return join_waiting(join, ms_minus(*join->stream_ms, grace_ms), INT_MAX, e) < 0 ? -1 : 0;
}

static int
join_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	if (port)
		return 0; /* the table makes no results */
	bool has_key = rec->key.bytes.n >= 0, is_inner = node->spec->kind == FLOW_INNER;
	if (rec->value.n < 0 || (!has_key && is_inner))
		return flow_node_drop(node, rec, false, e);
	return join->waiting && has_key ? take_with_grace(join, rec, e)
		: look_up(join, rec, &rec->key, e);
}

static int
join_end(struct flow_node *node, struct err *e)
{
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	int n = join->waiting ? join_waiting(join, INT64_MAX, END_MAX, e) : 0;
	return n == END_MAX ? FLOW_END_MORE : MIN(n, 0);
}

static int
global_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct flow_key key = { 0 };
	if (port)
		return 0;
	if (rec->value.n < 0)
		return flow_node_drop(node, rec, false, e);
	if (node->spec->key_fn->value(node->spec->key_fn, &args, &key.bytes, e))
		return flow_node_failed(node, rec, e);
	if (key.bytes.n < 0 && node->spec->kind == FLOW_INNER)
		return flow_node_drop(node, rec, false, e);
	return look_up(join, rec, &key, e);
}

/* ---- changelog ---- */

static int
join_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	(void)e;
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	struct flow_key key;
	int64_t ms;
	uint32_t number;
	take_waiting_key(join, entry->key, &key, &ms, &number);
	buf_reset(&join->key);
	buf_putc(&join->key, 0); /* in order of time */
	buf_put_be64(&join->key, (uint64_t)ms);
	keys_put_topic(&join->key, &key, node->plan->window);
	store_be32(buf_grow(&join->key, NUMBER_SIZE), number);
	*out = (struct flow_change){ .key = buf_str(&join->key), .value = STR_NULL,
		.headers = STR_NULL, .ts_ms = flow_node_env(node)->now_ms };
	if (entry->value.n >= 0) {
		struct held held = held_get(entry->value);
		buf_reset(&join->value);
		buffered_put(&join->value, &(struct buffered){ .prior = STR_NULL, .old = STR_NULL,
			.value = held.value, .headers = held.headers, .nheader = held.nheader,
			.ts_ms = ms });
		out->value = buf_str(&join->value);
	}
	return 0;
}

static int
join_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct join_table *join = CONTAINER_OF(node, struct join_table, node);
	struct str at = change->key;
	struct flow_key key;
	struct buffered in;
	if (at.n < 13 || at.p[0] != 0
		|| !keys_take_topic((struct str){ at.p + 9, at.n - 13 }, node->plan->window, &key))
		return err_set(e, ERR_CORRUPT, "the key is no time, key and number");
	uint32_t number = load_be32(at.p + at.n - NUMBER_SIZE);
	put_waiting_key(join, &key, (int64_t)load_be64(at.p + 1), number);
	join->restored = MAX(join->restored, (int64_t)number);
	if (change->value.n < 0) {
		store_remove(join->waiting, buf_str(&join->key));
		return 0;
	}
	if (buffered_get(change->value, &in, &join->headers, e))
		return -1;
	if (in.value.n < 0)
		return err_set(e, ERR_CORRUPT, "the record that waits has no value");
	buf_reset(&join->value);
	held_put(&join->value, &(struct held){ in.value, in.headers, in.nheader });
	store_put(join->waiting, buf_str(&join->key), buf_str(&join->value),
		(int64_t)load_be64(at.p + 1));
	return 0;
}

const struct flow_node_ops flow_join_table_ops = {
	.name = "stream-table join",
	.size = sizeof(struct join_table),
	.open = join_open,
	.close = join_close,
	.take = join_take,
	.end = join_end,
	.log = join_log,
	.restore = join_restore,
};

const struct flow_node_ops flow_join_global_ops = {
	.name = "join with a global table",
	.size = sizeof(struct join_table),
	.open = join_open,
	.close = join_close,
	.take = global_take,
};
