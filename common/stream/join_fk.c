/*
 * Foreign-key joins of two tables: inner and left.
 *
 * Left rows subscribe to the right row that they name: flow_fk_left writes to the
 * registration topic, partitioned by the foreign key, flow_fk_right keeps the subscriptions
 * beside the right table and answers through the response topic, and flow_fk_out joins an
 * answer with the left row, if that is still the one that asked (by the hash of its value).
 *
 * Kafka Streams' bytes (SubscriptionWrapperSerde.java, SubscriptionResponseWrapperSerde.java,
 * CombinedKeySchema.java), f being the foreign key and p the left row's key:
 *	registration  key f: 01 | instruction 1 | hash 16 | p | partition 4; without a left
 *	              value: 81, and no hash
 *	subscription  key length of f 4 | f | p: the registration's value
 *	response      key p: 00 | hash 16 | right value; without a left value: 80, and no hash
 *
 * Other than Kafka Streams: a result has the higher of the times of its two rows, whichever
 * side caused it, and the deletion of a left row that of the row it was joined to; and only
 * results that were sent are deleted.
 */
#include "stream/held.h"
#include "stream/keys.h"
#include "stream/murmur3.h"
#include "stream/ops.h"

enum instruction {
	UNSUBSCRIBE,           /* no answer */
	UNSUBSCRIBE_ANSWER,    /* answer without a right value */
	SUBSCRIBE_ANSWER,      /* answer, with the right value or without one */
	SUBSCRIBE_ANSWER_ROW,  /* answer if there is a right row */
};

enum { REGISTRATION_VERSION = 1, RESPONSE_VERSION = 0, NO_HASH = 0x80, PARTITION_SIZE = 4 };

/* What is in a registration's value. */
struct fk_subscription {
	enum instruction instruction;
	struct str hash; /* null: the left row is deleted */
	struct str left_key; /* as it is in topics */
	int32_t partition;
};

/* ---- the left side ---- */

struct fk_left {
	struct flow_node node;
	struct buf value;
};

static void
left_close(struct flow_node *node)
{
	buf_release(&CONTAINER_OF(node, struct fk_left, node)->value);
}

/* The foreign key of a left row; null if the row is. */
static int
foreign_key(struct flow_node *node, const struct flow_rec *rec, struct str value,
	struct str *out, struct err *e)
{
	struct flow_args args = { .key = &rec->key, .value = value, .left = value,
		.right = STR_NULL, .ts_ms = rec->ts_ms };
	*out = STR_NULL;
	return value.n < 0 ? 0 : node->spec->key_fn->value(node->spec->key_fn, &args, out, e);
}

static int
instruct(struct fk_left *left, const struct flow_rec *rec, struct str foreign,
	enum instruction instruction, struct err *e)
{
	struct flow_node *node = &left->node;
	struct buf *b = &left->value;
	struct flow_rec out = { .key.bytes = foreign, .old = STR_NULL, .ts_ms = rec->ts_ms,
		.headers = rec->headers, .nheader = rec->nheader };
	bool has_value = rec->value.n >= 0;
	buf_reset(b);
	buf_putc(b, (char)(REGISTRATION_VERSION | (has_value ? 0 : NO_HASH)));
	buf_putc(b, (char)instruction);
	if (has_value)
		murmur3(rec->value, buf_grow(b, MURMUR3_SIZE));
	keys_put_topic(b, &rec->key, node->plan->window);
	store_be32(buf_grow(b, PARTITION_SIZE), (uint32_t)flow_node_env(node)->partition);
	out.value = buf_str(b);
	return flow_node_emit_internal(node, node->plan->topic, &out, -1, e);
}

static int
left_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct fk_left *left = CONTAINER_OF(node, struct fk_left, node);
	bool is_inner = node->spec->kind == FLOW_INNER, has_value = rec->value.n >= 0;
	struct str was, is;
	if (rec->is_stale)
		return flow_node_drop(node, rec, false, e);
	if (foreign_key(node, rec, rec->old, &was, e) || foreign_key(node, rec, rec->value, &is, e))
		return flow_node_failed(node, rec, e);

	bool is_null = has_value && is.n < 0;
	if (is_inner && is_null && flow_node_drop(node, rec, false, e))
		return -1;
	/* Nothing is to be joined any more: the answer that deletes the result comes from the
	 * side of the row that it was made of, whose time counts, too. */
	if (was.n >= 0 && (!has_value || (is_inner && is_null)))
		return instruct(left, rec, was, UNSUBSCRIBE_ANSWER, e);
	if (is_inner && (!has_value || is_null))
		return 0;
	if (was.n >= 0 && !str_eq(was, is) && instruct(left, rec, was, UNSUBSCRIBE, e))
		return -1;
	/* The result so far is to be replaced or deleted, if there is one. */
	return instruct(left, rec, is, is_inner && was.n < 0 ? SUBSCRIBE_ANSWER_ROW
		: SUBSCRIBE_ANSWER, e);
}

const struct flow_node_ops flow_fk_left_ops = {
	.name = "foreign-key join, left side",
	.size = sizeof(struct fk_left),
	.close = left_close,
	.take = left_take,
};

/* ---- the right side ---- */

struct fk_right {
	struct flow_node node;
	struct store *store;
	struct buf key, end, value;
};

static int
right_open(struct flow_node *node, struct err *e)
{
	struct fk_right *right = CONTAINER_OF(node, struct fk_right, node);
	const struct flow_store about = { .is_compacted = true, .is_logged = true };
	return flow_node_store(node, node->plan->store[0], STORE_TREE, &about, &right->store, e) < 0
		? -1 : 0;
}

static void
right_close(struct flow_node *node)
{
	struct fk_right *right = CONTAINER_OF(node, struct fk_right, node);
	buf_release(&right->key);
	buf_release(&right->end);
	buf_release(&right->value);
}

static int
read_registration(struct str from, struct fk_subscription *out, struct err *e)
{
	int32_t n = from.n < 2 ? -1 : from.n - 2 - PARTITION_SIZE;
	bool has_hash = n >= 0 && !(from.p[0] & NO_HASH);
	n -= has_hash ? MURMUR3_SIZE : 0;
	if (n < 0 || (from.p[0] & ~NO_HASH) != REGISTRATION_VERSION
		|| from.p[1] > SUBSCRIBE_ANSWER_ROW
		|| (int32_t)load_be32(from.p + from.n - PARTITION_SIZE) < 0)
		return err_set(e, ERR_CORRUPT, "a registration of a foreign-key join is malformed");
	const uint8_t *p = from.p + 2;
	out->instruction = from.p[1];
	out->hash = has_hash ? (struct str){ p, MURMUR3_SIZE } : STR_NULL;
	p += has_hash ? MURMUR3_SIZE : 0;
	out->left_key = (struct str){ p, n };
	out->partition = (int32_t)load_be32(p + n);
	return 0;
}

/* The key of a subscription, in right->key; without the left key: what all of f begin with. */
static struct str
subscription_key(struct fk_right *right, struct str foreign, struct str left_key)
{
	buf_reset(&right->key);
	buf_put_be32(&right->key, (uint32_t)foreign.n);
	buf_put_str(&right->key, foreign);
	buf_put_str(&right->key, left_key);
	return buf_str(&right->key);
}

/* The answer to a subscription: with a right value, or null. */
static int
answer(struct fk_right *right, const struct flow_rec *cause,
	const struct fk_subscription *subscription, struct str value, int64_t ts_ms, struct err *e)
{
	struct flow_node *node = &right->node;
	struct buf *b = &right->value;
	struct flow_rec out = { .key.bytes = subscription->left_key, .old = STR_NULL,
		.ts_ms = ts_ms, .headers = cause->headers, .nheader = cause->nheader };
	buf_reset(b);
	buf_putc(b, (char)(RESPONSE_VERSION | (subscription->hash.n < 0 ? NO_HASH : 0)));
	buf_put_str(b, subscription->hash);
	buf_put_str(b, value);
	out.value = buf_str(b);
	return flow_node_emit_internal(node, node->plan->topic, &out, subscription->partition, e);
}

/* A registration. */
static int
take_registration(struct fk_right *right, const struct flow_rec *rec, struct err *e)
{
	struct flow_node *table = right->node.from[1];
	struct fk_subscription in;
	struct str row = STR_NULL, found;
	int64_t row_ms, ts_ms = rec->ts_ms;
	if (rec->value.n < 0)
		return flow_node_drop(&right->node, rec, false, e);
	if (read_registration(rec->value, &in, e))
		return -1;
	struct flow_key foreign = { .bytes = rec->key.bytes };
	bool is_subscribed = in.instruction >= SUBSCRIBE_ANSWER;
	if (foreign.bytes.n >= 0) {
		struct str key = subscription_key(right, foreign.bytes, in.left_key);
		if (is_subscribed) {
			buf_reset(&right->value);
			held_put(&right->value, &(struct held){ rec->value, rec->headers, rec->nheader });
			store_put(right->store, key, buf_str(&right->value), rec->ts_ms);
		} else {
			store_remove_at(right->store, key, rec->ts_ms);
		}
		if (in.instruction != UNSUBSCRIBE && table->ops->get(table, &foreign, &found, &row_ms)) {
			ts_ms = MAX(ts_ms, row_ms);
			row = found;
		}
	}
	if (in.instruction == UNSUBSCRIBE
		|| (in.instruction == SUBSCRIBE_ANSWER_ROW && row.n < 0))
		return 0;
	return answer(right, rec, &in, is_subscribed ? row : STR_NULL, ts_ms, e);
}

/* An update of the right table: all that subscribe to the row are told, in order of their
 * keys. */
static int
take_row(struct fk_right *right, const struct flow_rec *rec, struct err *e)
{
	struct fk_subscription subscription;
	struct store_entry entry;
	if (rec->is_stale)
		return flow_node_drop(&right->node, rec, false, e);
	struct buf *end = &right->end;
	struct str prefix = subscription_key(right, rec->key.bytes, STR_NULL);
	buf_reset(end);
	buf_put_str(end, prefix);
	for (size_t i = end->n; i-- > 0 && ++end->p[i] == 0; )
		;
	struct store_iter *it = store_scan(right->store, prefix, buf_str(end));
	int rc = 0;
	while (!rc && store_iter_next(it, &entry)) {
		rc = read_registration(held_get(entry.value).value, &subscription, e);
		rc = rc ? rc : answer(right, rec, &subscription, rec->value, rec->ts_ms, e);
	}
	store_iter_free(it);
	return rc;
}

static int
right_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	struct fk_right *right = CONTAINER_OF(node, struct fk_right, node);
	return port ? take_row(right, rec, e) : take_registration(right, rec, e);
}

static int
right_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)node;
	(void)store;
	(void)e;
	*out = (struct flow_change){ .key = entry->key, .value = STR_NULL, .headers = STR_NULL,
		.ts_ms = entry->ts_ms };
	if (entry->value.n >= 0) {
		struct held held = held_get(entry->value);
		out->value = held.value;
		out->headers = held.headers;
		out->nheader = held.nheader;
	}
	return 0;
}

static int
right_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	(void)store;
	struct fk_right *right = CONTAINER_OF(node, struct fk_right, node);
	struct fk_subscription subscription;
	if (change->key.n < 4 || load_be32(change->key.p) > (uint32_t)change->key.n - 4)
		return err_set(e, ERR_CORRUPT, "the key is no foreign key and key");
	if (change->value.n < 0) {
		store_remove(right->store, change->key);
		return 0;
	}
	if (read_registration(change->value, &subscription, e))
		return -1;
	buf_reset(&right->value);
	held_put(&right->value,
		&(struct held){ change->value, change->headers, change->nheader });
	store_put(right->store, change->key, buf_str(&right->value), change->ts_ms);
	return 0;
}

const struct flow_node_ops flow_fk_right_ops = {
	.name = "foreign-key join, right side",
	.size = sizeof(struct fk_right),
	.open = right_open,
	.close = right_close,
	.take = right_take,
	.log = right_log,
	.restore = right_restore,
};

/* ---- results ---- */

struct fk_out {
	struct flow_node node;
	struct store *store; /* the results that were sent, and their times */
	struct buf row;
};

static int
out_open(struct flow_node *node, struct err *e)
{
	struct fk_out *out = CONTAINER_OF(node, struct fk_out, node);
	const struct flow_store about = { .is_compacted = true, .is_logged = true };
	return flow_node_store(node, node->plan->store[0], STORE_HASH, &about, &out->store, e) < 0
		? -1 : 0;
}

static void
out_close(struct flow_node *node)
{
	buf_release(&CONTAINER_OF(node, struct fk_out, node)->row);
}

static int
read_response(struct str from, struct str *hash, struct str *value, struct err *e)
{
	int32_t n = from.n >= 1 && !(from.p[0] & NO_HASH) ? 1 + MURMUR3_SIZE : 1;
	if (from.n < n || (from.p[0] & ~NO_HASH) != RESPONSE_VERSION)
		return err_set(e, ERR_CORRUPT, "a response of a foreign-key join is malformed");
	*hash = n > 1 ? (struct str){ from.p + 1, MURMUR3_SIZE } : STR_NULL;
	*value = from.n > n ? (struct str){ from.p + n, from.n - n } : STR_NULL;
	return 0;
}

/* Is the left row, null if there is none, that of the hash? */
static bool
is_hash_of(struct str hash, struct str left)
{
	uint8_t now[MURMUR3_SIZE];
	if (hash.n < 0 || left.n < 0)
		return hash.n == left.n;
	murmur3(left, now);
	return str_eq(hash, (struct str){ now, MURMUR3_SIZE });
}

static int
out_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct fk_out *out = CONTAINER_OF(node, struct fk_out, node);
	struct flow_node *table = node->from[1];
	struct flow_rec result = *rec;
	struct str hash = STR_NULL, left = STR_NULL, right = STR_NULL, found;
	struct store_entry entry;
	int64_t left_ms;
	if (rec->value.n < 0 || rec->key.bytes.n < 0)
		return flow_node_drop(node, rec, false, e);
	if (read_response(rec->value, &hash, &right, e))
		return -1;
	if (!keys_take_topic(rec->key.bytes, node->plan->window, &result.key))
		return err_set(e, ERR_CORRUPT, "a response of a foreign-key join has no window");
	if (table->ops->get(table, &result.key, &found, &left_ms)) {
		result.ts_ms = MAX(rec->ts_ms, left_ms);
		left = arena_str(flow_node_arena(node), found);
	}
	if (!is_hash_of(hash, left))
		return flow_node_drop(node, rec, false, e);

	struct flow_args args = { .key = &result.key, .value = STR_NULL, .left = left,
		.right = right, .ts_ms = result.ts_ms };
	result.value = STR_NULL;
	if (left.n >= 0 && (right.n >= 0 || node->spec->kind == FLOW_LEFT)
		&& node->spec->fn->value(node->spec->fn, &args, &result.value, e))
		return flow_node_failed(node, rec, e);
	struct str row = flow_row(&out->row, &result.key);
	result.old = STR_NULL;
	if (store_get(out->store, row, &entry))
		result.old = arena_str(flow_node_arena(node), entry.value);
	else if (result.value.n < 0)
		return 0;
	if (result.value.n < 0)
		store_remove_at(out->store, row, result.ts_ms);
	else
		store_put(out->store, row, result.value, result.ts_ms);
	return flow_node_send(node, &result, e);
}

static bool
out_get(struct flow_node *node, const struct flow_key *key, struct str *value, int64_t *ts_ms)
{
	struct fk_out *out = CONTAINER_OF(node, struct fk_out, node);
	struct store_entry entry;
	if (!store_get(out->store, flow_row(&out->row, key), &entry))
		return false;
	*value = entry.value;
	*ts_ms = entry.ts_ms;
	return true;
}

const struct flow_node_ops flow_fk_out_ops = {
	.name = "foreign-key join",
	.rows = FLOW_ROWS_KEY,
	.size = sizeof(struct fk_out),
	.open = out_open,
	.close = out_close,
	.take = out_take,
	.get = out_get,
	.log = flow_row_log,
	.restore = flow_row_restore,
};
