#include "kq-produce/feed.h"

#include "sys/clock.h"

#include <poll.h>

static int
put_json(struct feed *f, struct str s, int64_t now_ms, struct err *e)
{
	struct json_record *r = f->json;
	if (json_record_parse(r, s, e) < 0)
		return err_wrap(e, "record %lld", (long long)f->topic->producer->nput + 1);
	buf_put_str(&r->headers, buf_str(&f->headers));
	return producer_put(f->topic, f->partition, r->timestamp_ms < 0 ? now_ms : r->timestamp_ms, r->key,
		r->value, buf_str(&r->headers), r->nheader + f->nheader, e);
}

static int
put(struct feed *f, struct str s, int64_t now_ms, struct err *e)
{
	struct str key, value;
	if (f->json)
		return put_json(f, s, now_ms, e);
	keyed_split(&f->keyed, s, &key, &value);
	return producer_put(f->topic, f->partition, now_ms, key, value, buf_str(&f->headers),
		f->nheader, e);
}

/* Lines without keys and headers, of which nothing is null: no look at each
 * is needed.  Puts what fits in the batch under way. */
static int64_t
put_lines(struct feed *f, struct input *in, int64_t now_ms)
{
	if (f->json || f->keyed.delimiter.n > 0 || f->keyed.marker.n >= 0 || f->keyed.empty_is_null
		|| f->nheader || in->delimiter.n != 1)
		return 0;
	if (f->is_txn && !f->topic->producer->is_in_txn)
		return 0;
	int64_t max = f->is_txn ? MIN(f->left, f->txn_left) : f->left;
	size_t used;
	int32_t n = producer_put_lines(f->topic, f->partition, now_ms, input_rest(in),
		in->delimiter.p[0], (int32_t)MIN(max, INT32_MAX), &used);
	input_take(in, used);
	return n;
}

int
feed_commit(struct feed *f, struct err *e)
{
	struct producer *p = f->topic->producer;
	return p->is_in_txn ? producer_commit(p, &f->is_unknown, e) : 0;
}

/* A transaction to put the next record in. */
static int
begin_txn(struct feed *f, struct err *e)
{
	struct producer *p = f->topic->producer;
	if (!f->is_txn || p->is_in_txn)
		return 0;
	f->txn_left = f->txn_records;
	return producer_begin_txn(p, e);
}

/* So many were put: is the transaction full? */
static int
count_put(struct feed *f, int64_t n, struct err *e)
{
	f->left -= n;
	f->txn_left -= n;
	return f->is_txn && f->txn_left == 0 ? feed_commit(f, e) : 0;
}

/* Put what whole records the buffer holds.  1: fill again; 0: enough; -1. */
static int
put_piece(struct feed *f, struct input *in, struct err *e)
{
	int64_t now_ms = clock_ms(); /* one look at the clock a piece */
	struct str s;
	while (f->left > 0) {
		int64_t n = put_lines(f, in, now_ms);
		if (n == 0) {
			int got = input_next(in, &s, e);
			if (got < 0)
				return err_wrap(e, "record %lld", (long long)f->topic->producer->nput + 1);
			if (got == 0)
				break;
			if (begin_txn(f, e) < 0 || put(f, s, now_ms, e) < 0)
				return -1;
			n = 1;
		}
		if (count_put(f, n, e) < 0)
			return -1;
	}
	return f->left > 0 && !in->is_at_end;
}

/* How long the open transaction may still wait for input; -1: for ever. */
static int
txn_wait_ms(const struct feed *f)
{
	const struct producer *p = f->topic->producer;
	if (!f->txn_ms || !p->is_in_txn)
		return -1;
	return (int)MAX(p->txn_since_ms + f->txn_ms - clock_mono_ms(), 0);
}

/* Is there more to be read without waiting? */
static bool
has_more(const struct input *in)
{
	return !in->is_at_end && (!in->is_pollable
		|| poll(&(struct pollfd){ in->fd, POLLIN, 0 }, 1, 0) > 0);
}

/* How long we may wait for input; -1: for ever. */
static int
wait_ms(const struct feed *f, const struct input *in)
{
	int txn_ms = txn_wait_ms(f), show_ms = in->is_terminal ? -1 : progress_timeout(f->progress);
	return txn_ms < 0 ? show_ms : show_ms < 0 ? txn_ms : MIN(txn_ms, show_ms);
}

int
feed_input(struct feed *f, struct input *in, struct err *e)
{
	struct producer *p = f->topic->producer;
	while (!*f->is_stopped) {
		bool waits = in->is_pollable && !in->is_at_end;
		producer_expect_more(p, has_more(in));
		short events = producer_wait(p, waits ? in->fd : -1, POLLIN, waits ? wait_ms(f, in) : 0);
		if (!in->is_terminal)
			progress_show(f->progress, p->nacked, in->nread);
		if (p->is_failed) {
			*e = p->err;
			return -1;
		}
		if (*f->is_stopped)
			break;
		if (txn_wait_ms(f) == 0 && feed_commit(f, e) < 0)
			return -1;
		if (waits && !events)
			continue; /* an answer came, or a batch was due */
		if (input_fill(in, e) < 0)
			return -1;
		int got = put_piece(f, in, e);
		if (got < 0 && *f->is_stopped)
			break;
		if (got <= 0)
			return got;
	}
	return 0;
}
