#include "kq-produce/feed.h"

#include "sys/clock.h"

#include <poll.h>

static int
put_json(struct feed *feed, struct str s, int64_t now_ms, struct err *e)
{
	struct json_record *rec = feed->json;
	if (json_record_parse(rec, s, e) < 0)
		return err_wrap(e, "record %lld", (long long)feed->topic->producer->nput + 1);
	buf_put_str(&rec->headers, buf_str(&feed->headers));
	int64_t timestamp_ms = rec->timestamp_ms < 0 ? now_ms : rec->timestamp_ms;
	return producer_put(feed->topic, feed->partition, timestamp_ms, rec->key,
		rec->value, buf_str(&rec->headers), rec->nheader + feed->nheader, e);
}

static int
put(struct feed *feed, struct str s, int64_t now_ms, struct err *e)
{
	struct str key, value;
	if (feed->json)
		return put_json(feed, s, now_ms, e);
	keyed_split(&feed->keyed, s, &key, &value);
	return producer_put(feed->topic, feed->partition, now_ms, key, value, buf_str(&feed->headers),
		feed->nheader, e);
}

/* Fast path for lines without keys, headers and nulls: put as many as fit in the current
 * batch, without looking at each.  Returns their number. */
static int64_t
put_lines(struct feed *feed, struct input *in, int64_t now_ms)
{
	if (feed->json || feed->keyed.delimiter.n > 0 || feed->keyed.marker.n >= 0
		|| feed->keyed.empty_is_null || feed->nheader || in->delimiter.n != 1)
		return 0;
	if (feed->is_txn && !feed->topic->producer->is_in_txn)
		return 0;
	int64_t max = feed->is_txn ? MIN(feed->left, feed->txn_left) : feed->left;
	size_t used;
	int32_t n = producer_put_lines(feed->topic, feed->partition, now_ms, input_rest(in),
		in->delimiter.p[0], (int32_t)MIN(max, INT32_MAX), &used);
	input_take(in, used);
	return n;
}

int
feed_commit(struct feed *feed, struct err *e)
{
	struct producer *producer = feed->topic->producer;
	return producer->is_in_txn ? producer_commit(producer, &feed->is_unknown, e) : 0;
}

/* Begin a transaction for the next record, if none is open. */
static int
begin_txn(struct feed *feed, struct err *e)
{
	struct producer *producer = feed->topic->producer;
	if (!feed->is_txn || producer->is_in_txn)
		return 0;
	feed->txn_left = feed->txn_records;
	return producer_begin_txn(producer, e);
}

/* Count n records that were put, and commit the transaction if it is full. */
static int
count_put(struct feed *feed, int64_t n, struct err *e)
{
	feed->left -= n;
	feed->txn_left -= n;
	return feed->is_txn && feed->txn_left == 0 ? feed_commit(feed, e) : 0;
}

/* Put the complete records in the buffer.  Returns 1: fill it again; 0: done; -1. */
static int
put_piece(struct feed *feed, struct input *in, struct err *e)
{
	int64_t now_ms = clock_ms(); /* one timestamp for the whole piece */
	struct str s;
	while (feed->left > 0) {
		int64_t n = put_lines(feed, in, now_ms);
		if (n == 0) {
			int rc = input_next(in, &s, e);
			if (rc < 0)
				return err_wrap(e, "record %lld", (long long)feed->topic->producer->nput + 1);
			if (rc == 0)
				break;
			if (begin_txn(feed, e) < 0 || put(feed, s, now_ms, e) < 0)
				return -1;
			n = 1;
		}
		if (count_put(feed, n, e) < 0)
			return -1;
	}
	return feed->left > 0 && !in->is_at_end;
}

/* How long the open transaction may still wait for input, in ms; -1: forever. */
static int
txn_wait_ms(const struct feed *feed)
{
	const struct producer *producer = feed->topic->producer;
	if (!feed->txn_ms || !producer->is_in_txn)
		return -1;
	return (int)MAX(producer->txn_since_ms + feed->txn_ms - clock_mono_ms(), 0);
}

/* Can more input be read without blocking? */
static bool
has_more(const struct input *in)
{
	return !in->is_at_end && (!in->is_pollable
		|| poll(&(struct pollfd){ in->fd, POLLIN, 0 }, 1, 0) > 0);
}

/* How long to wait for input, in ms; -1: forever. */
static int
wait_ms(const struct feed *feed, const struct input *in)
{
	int txn_ms = txn_wait_ms(feed);
	int show_ms = in->is_terminal ? -1 : progress_timeout(feed->progress);
	return txn_ms < 0 ? show_ms : show_ms < 0 ? txn_ms : MIN(txn_ms, show_ms);
}

static void
show_progress(const struct feed *feed, const struct input *in)
{
	if (in->is_terminal || !progress_is_due(feed->progress))
		return;
	double seconds = progress_seconds(feed->progress), mb = (double)in->nread / 1e6;
	long long nacked = (long long)feed->topic->producer->nacked;
	progress_print(feed->progress, "%lld records acknowledged, %.0f/s; %.1f MB read, %.1f MB/s",
		nacked, (double)nacked / seconds, mb, mb / seconds);
}

int
feed_input(struct feed *feed, struct input *in, struct err *e)
{
	struct producer *producer = feed->topic->producer;
	while (!*feed->is_stopped) {
		bool waits = in->is_pollable && !in->is_at_end;
		producer_expect_more(producer, has_more(in));
		short events = producer_wait(producer, waits ? in->fd : -1, POLLIN,
			waits ? wait_ms(feed, in) : 0);
		show_progress(feed, in);
		if (producer->is_failed) {
			*e = producer->err;
			return -1;
		}
		if (*feed->is_stopped)
			break;
		if (txn_wait_ms(feed) == 0 && feed_commit(feed, e) < 0)
			return -1;
		if (waits && !events)
			continue; /* a response arrived, or a batch was due */
		if (input_fill(in, e) < 0)
			return -1;
		int rc = put_piece(feed, in, e);
		if (rc < 0 && *feed->is_stopped)
			break;
		if (rc <= 0)
			return rc;
	}
	return 0;
}
