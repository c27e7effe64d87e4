#include "stream/keys.h"

/* ---- order of stores ---- */

void
keys_put_bytes(struct buf *b, struct str bytes)
{
	assert(bytes.n >= 0);
	const uint8_t *p = bytes.p, *end = p + bytes.n, *nul;
	buf_reserve(b, (size_t)bytes.n + 2);
	while (p < end && (nul = memchr(p, 0, (size_t)(end - p)))) {
		buf_put(b, p, (size_t)(nul + 1 - p));
		buf_putc(b, (char)0xff);
		p = nul + 1;
	}
	buf_put(b, p, (size_t)(end - p));
	buf_put(b, "\0", 2);
}

void
keys_put_time(struct buf *b, int64_t ms)
{
	store_be64(buf_grow(b, KEYS_TIME_SIZE), (uint64_t)ms ^ 1ull << 63);
}

struct str
keys_take_bytes(struct str *from, struct buf *plain)
{
	const uint8_t *p = from->p, *end = p + from->n, *nul;
	bool is_plain = true;
	buf_reset(plain);
	for (const uint8_t *at = p; (nul = memchr(at, 0, (size_t)(end - at))); at = nul + 2) {
		if (nul + 1 == end || (nul[1] != 0 && nul[1] != 0xff))
			break;
		if (nul[1] == 0) {
			struct str s = { p, (int32_t)(nul - p) };
			if (!is_plain) {
				buf_put(plain, at, (size_t)(nul - at));
				s = buf_str(plain);
			}
			*from = (struct str){ nul + 2, (int32_t)(end - nul - 2) };
			return s;
		}
		is_plain = false;
		buf_put(plain, at, (size_t)(nul + 1 - at));
	}
	return STR_NULL;
}

int64_t
keys_take_time(struct str *from)
{
	assert(from->n >= KEYS_TIME_SIZE);
	int64_t ms = (int64_t)(load_be64(from->p) ^ 1ull << 63);
	from->p += KEYS_TIME_SIZE;
	from->n -= KEYS_TIME_SIZE;
	return ms;
}

void
keys_put(struct buf *b, const struct flow_key *key)
{
	keys_put_bytes(b, key->bytes);
	if (key->is_windowed) {
		keys_put_time(b, key->start_ms);
		keys_put_time(b, key->end_ms);
	}
}

bool
keys_take(struct str *from, const struct flow_window *window, struct buf *plain,
	struct flow_key *key)
{
	*key = (struct flow_key){ .bytes = keys_take_bytes(from, plain),
		.is_windowed = window != NULL, .inner = window ? window->inner : NULL };
	if (key->bytes.n < 0)
		return false;
	if (window) {
		if (from->n < 2 * KEYS_TIME_SIZE)
			return false;
		key->start_ms = keys_take_time(from);
		key->end_ms = keys_take_time(from);
	}
	return true;
}

/* ---- bytes of topics ---- */

void
keys_put_windowed(struct buf *b, const struct flow_key *key, bool is_session)
{
	assert(key->is_windowed);
	buf_put_str(b, key->bytes);
	if (is_session)
		buf_put_be64(b, (uint64_t)key->end_ms);
	buf_put_be64(b, (uint64_t)key->start_ms);
}

void
keys_put_topic(struct buf *b, const struct flow_key *key, const struct flow_window *window)
{
	assert(key->is_windowed == (window != NULL));
	if (window)
		keys_put_windowed(b, key, window->type == FLOW_SESSION);
	else
		buf_put_str(b, key->bytes);
}

/* The end of a window of this type and start; INT64_MAX if it has none. */
static int64_t
window_end(const struct flow_window *window, int64_t start_ms)
{
	int64_t end_ms;
	if (window->type == FLOW_UNLIMITED
		|| __builtin_add_overflow(start_ms, window->size_ms, &end_ms))
		return INT64_MAX;
	return end_ms;
}

bool
keys_take_topic(struct str bytes, const struct flow_window *window, struct flow_key *key)
{
	*key = (struct flow_key){ .bytes = bytes, .is_windowed = window != NULL,
		.inner = window ? window->inner : NULL };
	if (!window)
		return true;
	bool is_session = window->type == FLOW_SESSION;
	int32_t n = is_session ? 16 : 8;
	if (bytes.n < n)
		return false;
	key->bytes.n -= n;
	const uint8_t *p = bytes.p + key->bytes.n;
	key->start_ms = (int64_t)load_be64(p + n - 8);
	key->end_ms = is_session ? (int64_t)load_be64(p) : window_end(window, key->start_ms);
	return true;
}
