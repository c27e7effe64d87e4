/*
 * Tables that keep history: sources and to_table with history_ms.
 *
 * A store has every version of a row: a value or a deletion, in order of time.  A version is
 * valid until the next one of its key; the newest is kept for ever, older ones until the
 * table's time has passed their end by the history, deletions until it has passed them.  An
 * update that comes late by more than the history is dropped.  One that is older than the
 * newest version goes on as stale, with the value as of its time as the old one.
 *
 * Changelog: Kafka's ChangeLoggingVersionedKeyValueBytesStore.java.
 */
#include "stream/versioned.h"

#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"

struct versioned {
	struct flow_node node;
	struct store *versions; /* key | time 8: sign, value */
	struct store *ends;     /* end 8 | key | time 8: a version that is not the newest; the
	                         * value says by which changelog writing it is in there */
	int64_t *newest_ms;     /* the highest time that was put */
	struct buf key, end, value, plain;
	bool has_logged_late;   /* the newest version is to be logged after it */
};

/* The first byte of a version: what it is, and whether a newer one was there before it. */
enum { IS_VALUE = 1, CAME_LATE = 2 };

struct version {
	int64_t ms;
	struct str value;
};

bool
flow_keeps_history(const struct flow_node *table)
{
	for (;;)
		switch (table->plan->op) {
		case FLOW_FILTER:
		case FLOW_FILTER_NOT:
		case FLOW_MAP_VALUES:
			table = table->from[0];
			break;
		case FLOW_TABLE:
		case FLOW_TO_TABLE:
			return table->spec->history_ms > 0;
		default:
			return false;
		}
}

static int
versioned_open(struct flow_node *node, struct err *e)
{
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	const char *name = node->plan->store[0];
	struct flow_store about = { .history_ms = node->spec->history_ms, .is_compacted = true,
		.is_logged = true };
	if (flow_node_store(node, name, STORE_TREE, &about, &table->versions, e) < 0)
		return -1;
	if (flow_node_store(node, node->plan->store[1], STORE_TREE, &(struct flow_store){ 0 },
			&table->ends, e) < 0)
		return -1;
	table->newest_ms = flow_node_number(node, "time");
	return 0;
}

static void
versioned_close(struct flow_node *node)
{
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	buf_release(&table->key);
	buf_release(&table->end);
	buf_release(&table->value);
	buf_release(&table->plain);
}

/* ---- versions ---- */

/* The key of a version, in *b. */
static struct str
version_key(struct buf *b, const struct flow_key *key, int64_t ms)
{
	buf_reset(b);
	keys_put(b, key);
	keys_put_time(b, ms);
	return buf_str(b);
}

static struct str
value_of(struct str stored)
{
	return stored.p[0] & IS_VALUE ? (struct str){ stored.p + 1, stored.n - 1 } : STR_NULL;
}

static bool
next_version(struct store_iter *it, struct version *out)
{
	struct store_entry entry;
	bool is_there = store_iter_next(it, &entry);
	if (is_there)
		*out = (struct version){ entry.ts_ms, value_of(entry.value) };
	store_iter_free(it);
	return is_there;
}

/* The last version at ms or before, if any. */
static bool
version_at(struct versioned *table, const struct flow_key *key, int64_t ms, struct version *out)
{
	version_key(&table->key, key, INT64_MIN);
	version_key(&table->end, key, ms);
	buf_putc(&table->end, 0); /* ms itself is in the range */
	return next_version(store_scan_back(table->versions, buf_str(&table->key),
		buf_str(&table->end)), out);
}

/* The first version after ms, if any. */
static bool
version_after(struct versioned *table, const struct flow_key *key, int64_t ms,
	struct version *out)
{
	version_key(&table->key, key, ms);
	buf_putc(&table->key, 0);
	version_key(&table->end, key, INT64_MAX);
	buf_putc(&table->end, 0);
	return next_version(store_scan(table->versions, buf_str(&table->key),
		buf_str(&table->end)), out);
}

static void
end_put(struct versioned *table, int64_t end_ms, const struct flow_key *key, int64_t ms)
{
	buf_reset(&table->end);
	keys_put_time(&table->end, end_ms);
	keys_put(&table->end, key);
	keys_put_time(&table->end, ms);
	uint64_t logs = flow_node_logs(&table->node);
	store_put(table->ends, buf_str(&table->end), (struct str){ (uint8_t *)&logs, sizeof logs },
		end_ms);
}

static bool
is_logged(struct versioned *table, struct str end)
{
	uint64_t logs = flow_node_logs(&table->node);
	return logs == UINT64_MAX || memcmp(end.p, &logs, sizeof logs) != 0;
}

static void
end_remove(struct versioned *table, int64_t end_ms, const struct flow_key *key, int64_t ms)
{
	buf_reset(&table->end);
	keys_put_time(&table->end, end_ms);
	keys_put(&table->end, key);
	keys_put_time(&table->end, ms);
	store_remove(table->ends, buf_str(&table->end));
}

/* Forget what ended before the history.  It must be in the changelog first: a reader that
 * lacks a deletion takes the version before it for the newest.  is_restored: all is. */
static void
expire(struct versioned *table, bool is_restored)
{
	int64_t oldest_ms = ms_minus(*table->newest_ms, table->node.spec->history_ms);
	struct store_entry entry;
	while (store_first(table->ends, STR_NULL, &entry) && entry.ts_ms <= oldest_ms
		&& (is_restored || is_logged(table, entry.value))) {
		buf_reset(&table->key);
		buf_put_str(&table->key, entry.key);
		store_remove(table->ends, buf_str(&table->key));
		struct str version = { table->key.p + KEYS_TIME_SIZE,
			(int32_t)table->key.n - KEYS_TIME_SIZE };
		store_remove(table->versions, version);
	}
}

/*
 * Put a version.  What is at its time is replaced.  The version before it ends at its time
 * now; it ends itself where the next one begins.  Returns whether it is the newest.
 */
static bool
put_version(struct versioned *table, const struct flow_key *key, struct str value, int64_t ms)
{
	struct version before, after;
	bool has_before = version_at(table, key, ms, &before);
	int64_t before_ms = has_before ? before.ms : 0;
	bool was_value = has_before && before.value.n >= 0;
	bool has_after = version_after(table, key, ms, &after);
	int64_t after_ms = has_after ? after.ms : 0;

	if (was_value && has_after)
		end_remove(table, after_ms, key, before_ms);
	else if (has_before && !was_value && before_ms == ms)
		end_remove(table, ms, key, ms);
	if (was_value && before_ms < ms)
		end_put(table, ms, key, before_ms);
	if (value.n < 0)
		end_put(table, ms, key, ms);
	else if (has_after)
		end_put(table, after_ms, key, ms);
	buf_reset(&table->value);
	buf_putc(&table->value, (char)((value.n < 0 ? 0 : IS_VALUE) | (has_after ? CAME_LATE : 0)));
	buf_put_str(&table->value, value);
	store_put(table->versions, version_key(&table->key, key, ms), buf_str(&table->value), ms);
	return !has_after;
}

/* ---- updates and look-ups ---- */

static int
versioned_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	if (rec->key.bytes.n < 0)
		return flow_node_drop(node, rec, false, e);
	if (rec->ts_ms < ms_minus(*table->newest_ms, node->spec->history_ms))
		return flow_node_drop(node, rec, true, e);
	struct flow_rec out = *rec;
	struct version was;
	out.old = STR_NULL;
	if (version_at(table, &rec->key, rec->ts_ms, &was) && was.value.n >= 0)
		out.old = arena_str(flow_node_arena(node), was.value);
	out.is_stale = !put_version(table, &rec->key, rec->value, rec->ts_ms);
	if (rec->ts_ms > *table->newest_ms) {
		*table->newest_ms = rec->ts_ms;
		expire(table, false);
	}
	return out.value.n < 0 && out.old.n < 0 ? flow_node_send_blank(node, &out, e)
		: flow_node_send(node, &out, e);
}

static bool
versioned_get_at(struct flow_node *node, const struct flow_key *key, int64_t as_of_ms,
	struct str *value, int64_t *ts_ms)
{
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	struct version found, after;
	if (!version_at(table, key, as_of_ms, &found) || found.value.n < 0)
		return false;
	*ts_ms = found.ms;
	*value = arena_str(flow_node_arena(node), found.value);
	/* Of what lies before the history only newest versions are found. */
	return as_of_ms >= ms_minus(*table->newest_ms, node->spec->history_ms)
		|| !version_after(table, key, found.ms, &after);
}

static bool
versioned_get(struct flow_node *node, const struct flow_key *key, struct str *value,
	int64_t *ts_ms)
{
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	struct version found;
	if (!version_at(table, key, INT64_MAX, &found) || found.value.n < 0)
		return false;
	*value = found.value;
	*ts_ms = found.ms;
	return true;
}

/* ---- changelog ---- */

/*
 * Compaction keeps the last record of a key, which must be its newest version: so that is
 * written again after one that came late.
 */
static int
versioned_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	(void)e;
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	struct str rest = entry->key;
	struct flow_key key;
	if (entry->value.n < 0)
		return FLOW_LOG_NOTHING; /* it has ended long ago: readers forget it, too */
	bool is_key = keys_take(&rest, node->plan->window, &table->plain, &key);
	assert(is_key);
	struct version version = { keys_take_time(&rest), value_of(entry->value) };
	bool is_late = entry->value.p[0] & CAME_LATE, is_again = table->has_logged_late;
	if (is_again)
		version_at(table, &key, INT64_MAX, &version);
	table->has_logged_late = is_late && !is_again;
	buf_reset(&table->key);
	keys_put_topic(&table->key, &key, node->plan->window);
	*out = (struct flow_change){ .key = buf_str(&table->key), .value = version.value,
		.headers = STR_NULL, .ts_ms = version.ms };
	return table->has_logged_late ? FLOW_LOG_MORE : 0;
}

static int
versioned_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct versioned *table = CONTAINER_OF(node, struct versioned, node);
	struct flow_key key;
	if (!keys_take_topic(change->key, node->plan->window, &key))
		return err_set(e, ERR_CORRUPT, "the key has no window");
	put_version(table, &key, change->value, change->ts_ms);
	*table->newest_ms = MAX(*table->newest_ms, change->ts_ms);
	expire(table, true);
	return 0;
}

const struct flow_node_ops flow_versioned_ops = {
	.name = "versioned table",
	.rows = FLOW_ROWS_VERSION,
	.size = sizeof(struct versioned),
	.open = versioned_open,
	.close = versioned_close,
	.take = versioned_take,
	.get = versioned_get,
	.get_at = versioned_get_at,
	.log = versioned_log,
	.restore = versioned_restore,
};
