#include "metastore_help.h"

#include "record/crc32c.h"

#include <stdio.h>

enum { FRAMES = 6 };

/* A log of six transactions. */
struct history {
	struct buf state[FRAMES + 1]; /* what the store tells after each */
	size_t end[FRAMES + 1];       /* where each ends in the log */
	struct buf log;
};

static struct history
some_history(void)
{
	struct err e;
	struct history h;
	const struct metastore_op op[FRAMES][2] = {
		{ { STR("/a"), STR("one"), 0 }, { STR("/b"), STR(""), 0 } },
		{ { STR("/c"), STR("{\"x\":1}"), 0 }, { STR("/d"), STR("\0\0\0\0"), 0 } },
		{ { STR("/a"), STR_NULL, METASTORE_ANY }, { STR("/b"), STR("two"), 1 } },
		{ { STR("/a"), STR("three"), 0 }, { STR("/e"), STR_NULL, 0 } },
		{ { STR("/f"), STR("1"), 0 }, { STR("/f"), STR("2"), 0 } },
		{ { STR("/b"), STR_NULL, 3 }, { STR("/g"), STR("last"), 0 } },
	};
	struct metastore *meta = open_here();
	for (int i = 0; i <= FRAMES; i++) {
		if (i > 0)
			must(metastore_txn(meta, op[i - 1], 2, &e));
		h.state[i] = dump(meta);
		h.end[i] = (size_t)fs_size_at(AT_FDCWD, FILE_NAME, &e);
	}
	metastore_close(meta);
	h.log = read_log();
	return h;
}

static void
history_release(struct history *h)
{
	for (int i = 0; i <= FRAMES; i++)
		buf_release(&h->state[i]);
	buf_release(&h->log);
}

void
test_metastore_file__opened_again_it_is_the_same(void)
{
	struct history h = some_history();
	check(h.end[0] == 0 && h.end[FRAMES] == h.log.n);
	check_reopened(buf_str(&h.state[FRAMES]));
	struct metastore *meta = open_here(); /* and goes on from there */
	put(meta, "/h", "more");
	struct buf more = dump(meta);
	metastore_close(meta);
	check_reopened(buf_str(&more));
	buf_release(&more);
	history_release(&h);
}

void
test_metastore_file__the_bytes_are_as_described(void)
{
	struct metastore *meta = open_here();
	put(meta, "/k", "v");
	put(meta, "/k", NULL);
	metastore_close(meta);
	static const uint8_t body[2][12 + 4 + 2 + 4 + 1] = {
		{ 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, '/', 'k', 0, 0, 0, 1, 'v' },
		{ 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, '/', 'k', 255, 255, 255, 255 },
	};
	struct buf want = BUF_INIT, log = read_log();
	for (size_t i = 0; i < 2; i++) {
		size_t n = sizeof body[i] - i;
		buf_put_be32(&want, (uint32_t)n);
		buf_put_be32(&want, crc32c(body[i], n));
		buf_put(&want, body[i], n);
	}
	check(str_eq(buf_str(&log), buf_str(&want)));
	buf_release(&log);
	buf_release(&want);
}

void
test_metastore_file__a_torn_last_transaction_is_dropped(void)
{
	struct history h = some_history();
	size_t whole = 0;
	for (size_t cut = 0; cut <= h.log.n; cut++) {
		while (whole < FRAMES && h.end[whole + 1] <= cut)
			whole++;
		write_log((struct str){ h.log.p, (int32_t)cut });
		check_reopened(buf_str(&h.state[whole]));
		struct buf left = read_log(); /* the torn part is gone from the file too */
		check_int(left.n, h.end[whole]);
		buf_release(&left);
		if (cut % 5 != 0)
			continue;
		struct metastore *meta = open_here();
		put(meta, "/after", "x");
		struct buf after = dump(meta);
		metastore_close(meta);
		check_reopened(buf_str(&after));
		buf_release(&after);
	}
	history_release(&h);
}

void
test_metastore_file__rubbish_behind_the_end_is_dropped(void)
{
	/* The file got its new size, but not the last one's bytes. */
	struct history h = some_history();
	for (size_t from = h.end[FRAMES - 1]; from < h.log.n; from++) {
		struct buf b = BUF_INIT;
		buf_put(&b, h.log.p, h.log.n);
		memset(b.p + from, 0, b.n - from);
		if (memcmp(b.p, h.log.p, b.n) != 0) {
			write_log(buf_str(&b));
			check_reopened(buf_str(&h.state[FRAMES - 1]));
		}
		buf_release(&b);
	}
	history_release(&h);
}

void
test_metastore_file__a_flipped_bit_is_refused_with_its_place(void)
{
	struct history h = some_history();
	size_t frame = 0;
	for (size_t at = 0; at < h.end[FRAMES - 1]; at++) {
		while (h.end[frame + 1] <= at)
			frame++;
		for (int bit = 0; bit < 8; bit++) {
			struct err e;
			char place[40];
			h.log.p[at] ^= (uint8_t)(1 << bit);
			write_log(buf_str(&h.log));
			check(metastore_open_local(here(), &e) == NULL);
			check_int(e.class, ERR_CORRUPT);
			snprintf(place, sizeof place, "position %zu;", h.end[frame]);
			check(strstr(e.msg, place) && strstr(e.msg, FILE_NAME));
			struct buf same = read_log(); /* nothing was cut off */
			check(str_eq(buf_str(&same), buf_str(&h.log)));
			buf_release(&same);
			h.log.p[at] ^= (uint8_t)(1 << bit);
		}
	}
	history_release(&h);
}

void
test_metastore_file__a_wrong_body_of_a_good_sum_is_refused(void)
{
	const struct str body[] = {
		STR("\0\0\0\0\0\0\0\1\0\0\0\1"), /* one change, but none there */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\2/"), /* the key is cut */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\xff\xff\xff\xff\0\0\0\0"), /* a null key */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1/\0\0\0\5v"), /* the value is cut */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1/\0\0\0"), /* even its length */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1/\xff\xff\xff\xfe"), /* of length -2 */
		STR("\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1/\0\0\0\1vw"), /* a byte more */
		STR("\0\0\0\0\0\0\0\1\xff\xff\xff\xff\0\0\0\1/\0\0\0\1v"), /* four billion */
	};
	struct history h = some_history();
	for (size_t i = 0; i < ARRAY_LEN(body); i++) {
		struct err e;
		struct buf b = BUF_INIT;
		char place[40];
		buf_put_str(&b, buf_str(&h.log));
		buf_put_be32(&b, (uint32_t)body[i].n);
		buf_put_be32(&b, crc32c(body[i].p, (size_t)body[i].n));
		buf_put_str(&b, body[i]);
		write_log(buf_str(&b));
		check(metastore_open_local(here(), &e) == NULL);
		check_int(e.class, ERR_CORRUPT);
		snprintf(place, sizeof place, "position %zu;", h.log.n);
		check(strstr(e.msg, place) != NULL);
		buf_release(&b);
	}
	history_release(&h);
}

void
test_metastore_file__a_file_of_something_else_is_refused(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	for (int i = 0; i < 2; i++) {
		buf_reset(&b);
		if (i == 0) /* a line of text */
			buf_puts(&b, "2026-11-30T10:00:00.000Z info ready\n");
		else /* more zeros than a first write could have left */
			memset(buf_grow(&b, 5000), 0, 5000);
		write_log(buf_str(&b));
		check(metastore_open_local(here(), &e) == NULL);
		check_int(e.class, ERR_CORRUPT);
		struct buf same = read_log();
		check(str_eq(buf_str(&same), buf_str(&b)));
		buf_release(&same);
	}
	buf_release(&b);
}
