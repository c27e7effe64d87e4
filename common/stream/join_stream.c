/*
 * Joins of two streams: inner, left, outer.
 *
 * A record meets the records of the other side whose times are in its window, all of them
 * that were not late, and is kept for later partners.  Stream time is the highest time of
 * both sides.  A side's bound is how far its window reaches past a record's own time: `after`
 * of a left record, `before` of a right one.  A record is late when stream time has passed
 * its time + bound (at least 0) + grace.  One of an outer side that has no partner waits; it
 * comes out alone when stream time has passed its time + bound + grace, and is then no longer
 * there for partners that come later.
 *
 * Changelogs: Kafka's WindowKeySchema.java, TimestampedKeyAndJoinSideSerializer.java,
 * LeftOrRightValueSerializer.java, ListSerializer in Serdes.java.
 */
#include "stream/held.h"
#include "stream/keys.h"
#include "stream/ops.h"
#include "stream/saturate.h"

enum { LEFT, RIGHT, SHARED };

enum { NUMBER_SIZE = 4, NUMBER_MASK = 0x7fffffff };

/* Records are kept for at least this long, so that a narrow window has few segments. */
enum { SEGMENT_MIN_MS = 1000 };

enum { END_MAX = 1000 }; /* records that come out at the end before memory is freed */

struct join_side {
	struct store *store;  /* segment 8 | key | time 8 | number 4: held value */
	int64_t back_ms, bound_ms; /* its window: [time - back, time + bound] */
	int64_t keep_ms;      /* a partner may come while stream time <= time + this */
	int64_t *number;      /* of the last record: makes equal keys and times distinct */
	int64_t restored;     /* the highest number that came from the changelog */
	int64_t first_segment; /* earlier ones are forgotten */
	bool is_outer;        /* without a partner, a record comes out alone */
};

struct join_stream {
	struct flow_node node;
	struct join_side side[2];
	struct store *waiting; /* side 1 | time 8 | key: list of values; NULL: an inner join */
	int64_t grace_ms, segment_ms;
	int64_t *stream_ms;
	int64_t due_ms;       /* nothing that waits is due before stream time is past this */
	struct buf from, to, list, value, plain;
};

/* ---- opening ---- */

static int64_t
segment_of(const struct join_stream *join, int64_t ms)
{
	int64_t n = ms / join->segment_ms;
	return n * join->segment_ms > ms ? n - 1 : n;
}

static int
open_side(struct join_stream *join, int port, struct err *e)
{
	struct flow_node *node = &join->node;
	const struct flow_join_window *window = &node->spec->join_window;
	struct flow_store about = {
		.retention_ms = ms_plus(ms_plus(window->before_ms, window->after_ms), window->grace_ms),
		.is_logged = true,
	};
	struct join_side *side = &join->side[port];
	side->number = flow_node_number(node, port == LEFT ? "left" : "right");
	side->first_segment = INT64_MIN;
	return flow_node_store(node, node->plan->store[port], STORE_TREE, &about, &side->store, e);
}

static int
join_open(struct flow_node *node, struct err *e)
{
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	const struct flow_spec *spec = node->spec;
	const struct flow_join_window *window = &spec->join_window;
	struct join_side *left = &join->side[LEFT], *right = &join->side[RIGHT];

	join->grace_ms = window->grace_ms;
	left->back_ms = right->bound_ms = window->before_ms;
	left->bound_ms = right->back_ms = window->after_ms;
	/* The oldest partner of a record that is not late. */
	left->keep_ms = ms_plus(ms_plus(MAX(right->bound_ms, 0), join->grace_ms), left->bound_ms);
	right->keep_ms = ms_plus(ms_plus(MAX(left->bound_ms, 0), join->grace_ms), right->bound_ms);
	left->is_outer = spec->kind != FLOW_INNER;
	right->is_outer = spec->kind == FLOW_OUTER;
	join->segment_ms = MAX(MAX(left->keep_ms, right->keep_ms), SEGMENT_MIN_MS);
	join->stream_ms = flow_node_number(node, "time");
	join->due_ms = INT64_MIN; /* there may be some in the store */
	if (open_side(join, LEFT, e) < 0 || open_side(join, RIGHT, e) < 0)
		return -1;
	struct flow_store about = { .is_compacted = true, .is_logged = true };
	return left->is_outer && flow_node_store(node, node->plan->store[SHARED], STORE_TREE, &about,
		&join->waiting, e) < 0 ? -1 : 0;
}

static void
join_close(struct flow_node *node)
{
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	buf_release(&join->from);
	buf_release(&join->to);
	buf_release(&join->list);
	buf_release(&join->value);
	buf_release(&join->plain);
}

/* ---- results ---- */

/* The result of a record of the side with its partner (null: none), sent at ts_ms. */
static int
send_joined(struct join_stream *join, int port, const struct flow_rec *rec, struct str partner,
	int64_t ts_ms, struct err *e)
{
	struct flow_node *node = &join->node;
	struct flow_rec out = *rec;
	struct flow_args args;
	partner = arena_str(flow_node_arena(node), partner);
	args = (struct flow_args){ .key = &rec->key, .value = STR_NULL, .ts_ms = ts_ms,
		.left = port == LEFT ? rec->value : partner,
		.right = port == LEFT ? partner : rec->value };
	out.old = STR_NULL;
	out.is_stale = false;
	out.ts_ms = ts_ms;
	if (node->spec->fn->value(node->spec->fn, &args, &out.value, e))
		return flow_node_failed(node, rec, e);
	return flow_node_send(node, &out, e);
}

/* ---- records that wait for a partner ---- */

/* Kafka's sign of the side; it puts the right one first. */
static char
side_sign(int port)
{
	return port == LEFT ? 1 : 0;
}

static struct str
waiting_key(struct join_stream *join, int port, const struct flow_key *key, int64_t ms)
{
	buf_reset(&join->from);
	buf_putc(&join->from, side_sign(port));
	keys_put_time(&join->from, ms);
	keys_put(&join->from, key);
	return buf_str(&join->from);
}

static int64_t
due_after(const struct join_stream *join, int port, int64_t ms)
{
	return ms_plus(ms_plus(ms, join->side[port].bound_ms), join->grace_ms);
}

/* Add the value to those that wait with this key and time. */
static void
wait_for_partner(struct join_stream *join, int port, const struct flow_rec *rec)
{
	struct store_entry entry;
	struct str key = waiting_key(join, port, &rec->key, rec->ts_ms);
	struct buf *list = &join->list;
	buf_reset(list);
	if (store_get(join->waiting, key, &entry)) {
		buf_put_str(list, entry.value);
		store_be32(list->p + 1, load_be32(list->p + 1) + 1);
	} else {
		buf_put(list, "\1\0\0\0\1", 5);
	}
	buf_put_be32(list, (uint32_t)rec->value.n + 1);
	buf_putc(list, side_sign(port));
	buf_put_str(list, rec->value);
	store_put(join->waiting, key, buf_str(list), rec->ts_ms);
	join->due_ms = MIN(join->due_ms, due_after(join, port, rec->ts_ms));
}

/* The first of the side that waits. */
static bool
first_waiting(struct join_stream *join, int port, struct store_entry *entry, int64_t *ms)
{
	char sign = side_sign(port);
	if (!store_first(join->waiting, (struct str){ (uint8_t *)&sign, 1 }, entry)
		|| entry->key.p[0] != (uint8_t)sign)
		return false;
	struct str rest = { entry->key.p + 1, entry->key.n - 1 };
	*ms = keys_take_time(&rest);
	return true;
}

/* The side whose first one is to come out next, or -1: none is due at this stream time.  At
 * the end all are. */
static int
next_due(struct join_stream *join, int64_t stream_ms, bool is_end)
{
	struct store_entry entry;
	int next = -1;
	int64_t ms, next_ms = 0;
	join->due_ms = INT64_MAX;
	for (int port = RIGHT; port >= LEFT; port--) {
		if (!join->side[port].is_outer || !first_waiting(join, port, &entry, &ms))
			continue;
		int64_t due_ms = due_after(join, port, ms);
		join->due_ms = MIN(join->due_ms, due_ms);
		if ((is_end || due_ms < stream_ms) && (next < 0 || ms < next_ms)) {
			next = port;
			next_ms = ms;
		}
	}
	return next;
}

/* The records of this key and time are there for partners no longer, since now_ms. */
static void
forget(struct join_stream *join, int port, const struct flow_key *key, int64_t ms, int64_t now_ms)
{
	struct store *store = join->side[port].store;
	struct store_entry entry;
	buf_reset(&join->from);
	keys_put_time(&join->from, segment_of(join, ms));
	keys_put(&join->from, key);
	keys_put_time(&join->from, ms);
	struct str prefix = buf_str(&join->from);
	while (store_first(store, prefix, &entry) && str_has_prefix(entry.key, prefix)) {
		buf_reset(&join->to);
		buf_put_str(&join->to, entry.key);
		store_remove_at(store, buf_str(&join->to), now_ms);
	}
}

/* The first one that waits at the side comes out; cause moved the time. */
static int
send_waiting(struct join_stream *join, int port, const struct flow_rec *cause, struct err *e)
{
	struct flow_node *node = &join->node;
	struct arena *arena = flow_node_arena(node);
	struct store_entry entry;
	struct flow_rec rec = { .headers = cause->headers, .nheader = cause->nheader };
	bool is_there = first_waiting(join, port, &entry, &rec.ts_ms);
	assert(is_there);
	struct str key = arena_str(arena, entry.key), list = arena_str(arena, entry.value);
	struct str rest = { key.p + 1 + KEYS_TIME_SIZE, key.n - 1 - KEYS_TIME_SIZE };
	bool is_key = keys_take(&rest, node->plan->window, &join->plain, &rec.key);
	assert(is_key);
	rec.key.bytes = arena_str(arena, rec.key.bytes);

	const uint8_t *p = list.p + 1;
	uint32_t n = load_be32(p);
	p += 4;
	for (uint32_t i = 0; i < n; i++) {
		rec.value = (struct str){ p + 5, (int32_t)load_be32(p) - 1 };
		p = rec.value.p + rec.value.n;
		if (send_joined(join, port, &rec, STR_NULL, rec.ts_ms, e))
			return -1;
	}
	store_remove_at(join->waiting, key, cause->ts_ms);
	forget(join, port, &rec.key, rec.ts_ms, cause->ts_ms);
	return 0;
}

static int
send_due(struct join_stream *join, int64_t stream_ms, const struct flow_rec *cause, struct err *e)
{
	int port;
	while (stream_ms > join->due_ms && (port = next_due(join, stream_ms, false)) >= 0)
		if (send_waiting(join, port, cause, e))
			return -1;
	return 0;
}

/* ---- partners ---- */

/* Join the record with its partners of one segment.  Returns their number, or -1. */
static int
join_segment(struct join_stream *join, int port, const struct flow_rec *rec, int64_t segment,
	const int64_t bound_ms[2], struct err *e)
{
	int other = !port, n = 0;
	struct store_entry entry;
	buf_reset(&join->from);
	keys_put_time(&join->from, segment);
	keys_put(&join->from, &rec->key);
	buf_reset(&join->to);
	buf_put_str(&join->to, buf_str(&join->from));
	keys_put_time(&join->from, bound_ms[0]);
	keys_put_time(&join->to, bound_ms[1]);
	buf_put(&join->to, "\xff\xff\xff\xff\xff", 5);

	struct store_iter *it = store_scan(join->side[other].store, buf_str(&join->from),
		buf_str(&join->to));
	int rc = 0;
	for (; !rc && store_iter_next(it, &entry); n++) {
		if (join->side[other].is_outer && join->waiting && store_count(join->waiting))
			store_remove_at(join->waiting, waiting_key(join, other, &rec->key, entry.ts_ms),
				rec->ts_ms);
		rc = send_joined(join, port, rec, held_get(entry.value).value,
			MAX(rec->ts_ms, entry.ts_ms), e);
	}
	store_iter_free(it);
	return rc ? -1 : n;
}

/* Join the record with all its partners.  Returns their number, or -1. */
static int64_t
join_partners(struct join_stream *join, int port, const struct flow_rec *rec, struct err *e)
{
	const struct join_side *side = &join->side[port];
	int64_t oldest_ms = ms_minus(*join->stream_ms, join->side[!port].keep_ms);
	/* No older one can be a partner of a record that is not late, and none is newer than
	 * stream time: so there are few segments however wide the window is. */
	const int64_t bound_ms[2] = {
		MAX(ms_minus(rec->ts_ms, side->back_ms), oldest_ms),
		MIN(ms_plus(rec->ts_ms, side->bound_ms), *join->stream_ms),
	};
	int64_t n = 0;
	bool is_past_all = side->back_ms < 0 && rec->ts_ms > INT64_MAX + side->back_ms;
	if (is_past_all || bound_ms[0] > bound_ms[1])
		return 0;
	int64_t to = segment_of(join, bound_ms[1]);
	for (int64_t i = segment_of(join, bound_ms[0]); i <= to; i++) {
		int rc = join_segment(join, port, rec, i, bound_ms, e);
		if (rc < 0)
			return -1;
		n += rc;
	}
	return n;
}

static void
keep(struct join_stream *join, int port, const struct flow_rec *rec)
{
	struct join_side *side = &join->side[port];
	int64_t number = MAX(MAX(*side->number, side->restored), 0);
	*side->number = side->restored = (number + 1) & NUMBER_MASK;
	buf_reset(&join->from);
	keys_put_time(&join->from, segment_of(join, rec->ts_ms));
	keys_put(&join->from, &rec->key);
	keys_put_time(&join->from, rec->ts_ms);
	store_be32(buf_grow(&join->from, NUMBER_SIZE), (uint32_t)*side->number);
	buf_reset(&join->value);
	held_put(&join->value, &(struct held){ rec->value, rec->headers, rec->nheader });
	store_put(side->store, buf_str(&join->from), buf_str(&join->value), rec->ts_ms);
}

/* ---- taking ---- */

/* What cannot have partners any more at this stream time. */
static void
forget_old(struct join_stream *join)
{
	for (int port = LEFT; port <= RIGHT; port++) {
		struct join_side *side = &join->side[port];
		int64_t segment = segment_of(join, ms_minus(*join->stream_ms, side->keep_ms));
		if (segment <= side->first_segment)
			continue;
		side->first_segment = segment;
		buf_reset(&join->from);
		keys_put_time(&join->from, segment);
		store_forget_before(side->store, buf_str(&join->from));
	}
}

/* Stream time goes on to that of the record: what is due comes out. */
static int
move_time(struct join_stream *join, const struct flow_rec *rec, struct err *e)
{
	if (rec->ts_ms <= *join->stream_ms)
		return 0;
	*join->stream_ms = rec->ts_ms;
	forget_old(join);
	return join->waiting ? send_due(join, rec->ts_ms, rec, e) : 0;
}

static int
join_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	struct join_side *side = &join->side[port];
	bool has_key = rec->key.bytes.n >= 0;

	if (rec->value.n < 0 || (!has_key && !side->is_outer))
		return flow_node_drop(node, rec, false, e);
	if (ms_plus(ms_plus(rec->ts_ms, MAX(side->bound_ms, 0)), join->grace_ms) < *join->stream_ms)
		return flow_node_drop(node, rec, true, e);
	if (move_time(join, rec, e))
		return -1;
	if (!has_key)
		return send_joined(join, port, rec, STR_NULL, rec->ts_ms, e);

	int64_t n = join_partners(join, port, rec, e);
	if (n < 0)
		return -1;
	if (!n && side->is_outer) {
		if (due_after(join, port, rec->ts_ms) < *join->stream_ms)
			return send_joined(join, port, rec, STR_NULL, rec->ts_ms, e);
		wait_for_partner(join, port, rec);
	}
	keep(join, port, rec);
	return 0;
}

static int
join_end(struct flow_node *node, struct err *e)
{
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	const struct flow_rec cause = { .headers = { NULL, -1 }, .ts_ms = *join->stream_ms };
	for (int n = 0; join->waiting && n < END_MAX; n++) {
		int port = next_due(join, *join->stream_ms, true);
		if (port < 0)
			return 0;
		if (send_waiting(join, port, &cause, e))
			return -1;
	}
	return join->waiting ? FLOW_END_MORE : 0;
}

/* ---- changelogs ---- */

/* The key and time of an entry of a side; the rest is its number. */
static void
take_side_key(struct join_stream *join, struct str *rest, struct flow_key *key, int64_t *ms)
{
	keys_take_time(rest);
	bool is_key = keys_take(rest, join->node.plan->window, &join->plain, key);
	assert(is_key);
	*ms = keys_take_time(rest);
	assert(rest->n == NUMBER_SIZE);
}

static int
join_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)e;
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	const struct flow_window *window = node->plan->window;
	struct str rest = entry->key;
	struct flow_key key;
	int64_t ms;
	buf_reset(&join->from);
	*out = (struct flow_change){ .value = entry->value, .headers = STR_NULL };
	if (store == SHARED) {
		uint8_t sign = *rest.p;
		rest = (struct str){ rest.p + 1, rest.n - 1 };
		ms = keys_take_time(&rest);
		bool is_key = keys_take(&rest, window, &join->plain, &key);
		assert(is_key);
		buf_put_be64(&join->from, (uint64_t)ms);
		buf_putc(&join->from, (char)sign);
		keys_put_topic(&join->from, &key, window);
	} else {
		take_side_key(join, &rest, &key, &ms);
		keys_put_topic(&join->from, &key, window);
		buf_put_be64(&join->from, (uint64_t)ms);
		buf_put_str(&join->from, rest);
		if (entry->value.n >= 0) {
			struct held held = held_get(entry->value);
			out->value = held.value;
			out->headers = held.headers;
			out->nheader = held.nheader;
		}
	}
	out->key = buf_str(&join->from);
	out->ts_ms = entry->ts_ms;
	return 0;
}

/* Does a changelog's value have the form of a list of values of this side? */
static bool
is_list(struct str list, uint8_t sign)
{
	if (list.n < 5 || list.p[0] != 1)
		return false;
	const uint8_t *p = list.p + 5, *end = list.p + list.n;
	uint32_t n = load_be32(list.p + 1);
	for (uint32_t i = 0; i < n; i++) {
		if (end - p < 5 || load_be32(p) < 1 || load_be32(p) > (uint64_t)(end - p - 4)
			|| p[4] != sign)
			return false;
		p += 4 + load_be32(p);
	}
	return n > 0 && p == end;
}

static int
restore_waiting(struct join_stream *join, const struct flow_change *change, struct err *e)
{
	struct flow_key key;
	struct str rest = change->key;
	if (rest.n < 9 || rest.p[8] > 1)
		return err_set(e, ERR_CORRUPT, "the key is no time, side and key");
	int64_t ms = (int64_t)load_be64(rest.p);
	uint8_t sign = rest.p[8];
	rest = (struct str){ rest.p + 9, rest.n - 9 };
	if (!keys_take_topic(rest, join->node.plan->window, &key)
		|| (change->value.n >= 0 && !is_list(change->value, sign)))
		return err_set(e, ERR_CORRUPT, "it is not a list of the values that wait");
	struct str at = waiting_key(join, sign ? LEFT : RIGHT, &key, ms);
	join->due_ms = INT64_MIN;
	if (change->value.n < 0)
		store_remove(join->waiting, at);
	else
		store_put(join->waiting, at, change->value, ms);
	return 0;
}

static int
join_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	struct join_stream *join = CONTAINER_OF(node, struct join_stream, node);
	if (store == SHARED)
		return restore_waiting(join, change, e);

	struct join_side *side = &join->side[store];
	struct flow_key key;
	struct str rest = change->key;
	if (rest.n < 12 || !keys_take_topic((struct str){ rest.p, rest.n - 12 }, node->plan->window,
		&key))
		return err_set(e, ERR_CORRUPT, "the key is no key, time and number");
	const uint8_t *p = rest.p + rest.n - 12;
	int64_t ms = (int64_t)load_be64(p);
	side->restored = MAX(side->restored, (int64_t)load_be32(p + 8));
	if (*join->stream_ms != INT64_MIN)
		forget_old(join); /* as the task elsewhere that the store may follow */
	if (segment_of(join, ms) < side->first_segment)
		return 0;
	buf_reset(&join->from);
	keys_put_time(&join->from, segment_of(join, ms));
	keys_put(&join->from, &key);
	keys_put_time(&join->from, ms);
	buf_put(&join->from, p + 8, NUMBER_SIZE);
	if (change->value.n < 0) {
		store_remove(side->store, buf_str(&join->from));
		return 0;
	}
	buf_reset(&join->value);
	held_put(&join->value, &(struct held){ change->value, change->headers, change->nheader });
	store_put(side->store, buf_str(&join->from), buf_str(&join->value), ms);
	return 0;
}

const struct flow_node_ops flow_join_stream_ops = {
	.name = "stream-stream join",
	.size = sizeof(struct join_stream),
	.open = join_open,
	.close = join_close,
	.take = join_take,
	.end = join_end,
	.log = join_log,
	.restore = join_restore,
};
