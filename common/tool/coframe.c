#include "tool/coframe.h"

#include <stdio.h>

enum {
	HEAD_SIZE = 21, /* count: an int64_t in decimal, and a newline */
	LENGTH_SIZE = 4,
};
static const uint32_t end_mark = UINT32_MAX, null_mark = UINT32_MAX - 1;

enum coframe_kind
coframe_of(const char *word)
{
	return strcmp(word, "line") == 0 ? COFRAME_LINE
		: strcmp(word, "count") == 0 ? COFRAME_COUNT
		: strcmp(word, "length") == 0 ? COFRAME_LENGTH : COFRAME_PAIR;
}

void
coframe_begin(enum coframe_kind kind, struct buf *out)
{
	buf_reset(out);
	if (kind == COFRAME_COUNT)
		buf_grow(out, HEAD_SIZE); /* filled by coframe_end */
}

static void
put_bytes(struct str s, struct buf *out)
{
	store_be32(buf_grow(out, LENGTH_SIZE), s.n < 0 ? null_mark : (uint32_t)s.n);
	buf_put_str(out, s);
}

int
coframe_put(enum coframe_kind kind, struct str key, struct str record, struct buf *out,
	struct err *e)
{
	size_t n = record.n > 0 ? (size_t)record.n : 0;
	if (kind == COFRAME_PAIR)
		put_bytes(key, out);
	if (kind == COFRAME_LENGTH || kind == COFRAME_PAIR) {
		put_bytes(record, out);
		return 0;
	}
	if (n == 0 && kind == COFRAME_LINE)
		return err_set(e, ERR_USAGE, "the record is empty, and an empty line would end the "
			"batch; use --frame count or length");
	if (n > 0 && memchr(record.p, '\n', n))
		return err_set(e, ERR_USAGE, "the record contains a newline; use --frame length, or "
			"-J");
	buf_put_str(out, record);
	buf_putc(out, '\n');
	return 0;
}

size_t
coframe_end(enum coframe_kind kind, int64_t nrecord, struct buf *out)
{
	char head[HEAD_SIZE + 1];
	size_t n;
	switch (kind) {
	case COFRAME_LINE:
		buf_putc(out, '\n');
		return 0;
	case COFRAME_COUNT:
		n = (size_t)snprintf(head, sizeof head, "%lld\n", (long long)nrecord);
		assert(n <= HEAD_SIZE && out->n >= HEAD_SIZE);
		memcpy(out->p + HEAD_SIZE - n, head, n);
		return HEAD_SIZE - n;
	case COFRAME_LENGTH:
	case COFRAME_PAIR:
		store_be32(buf_grow(out, LENGTH_SIZE), end_mark);
		return 0;
	}
	return 0;
}

static int
too_long(struct err *e)
{
	return err_set(e, ERR_LIMIT, "a record of more than %d MiB", COFRAME_RECORD_MAX >> 20);
}

/* Take a line.  Returns 1; 0: it is incomplete; -1: it is too long. */
static int
next_line(struct coframe_cursor *cursor, const struct buf *b, struct str *line, struct err *e)
{
	size_t from = MAX(cursor->searched, cursor->at);
	const uint8_t *hit = from < b->n ? memchr(b->p + from, '\n', b->n - from) : NULL;
	size_t end = hit ? (size_t)(hit - b->p) : b->n;
	if (end - cursor->at > COFRAME_RECORD_MAX)
		return too_long(e);
	cursor->searched = end;
	if (!hit)
		return 0;
	*line = (struct str){ b->p + cursor->at, (int32_t)(end - cursor->at) };
	cursor->at = cursor->searched = end + 1;
	return 1;
}

static int
parse_head(struct coframe_cursor *cursor, struct str line, struct err *e)
{
	int64_t n = 0;
	bool is_bad = line.n <= 0;
	for (int32_t i = 0; i < line.n && !is_bad; i++) {
		is_bad = line.p[i] < '0' || line.p[i] > '9';
		n = 10 * n + line.p[i] - '0';
		is_bad = is_bad || n > COFRAME_COUNT_MAX;
	}
	if (is_bad)
		return err_set(e, ERR_CORRUPT, "'%.*s' is not the number of records of an answer",
			(int)MIN(line.n, 40), (const char *)line.p);
	cursor->has_head = true;
	cursor->left = n;
	return 0;
}

static int
next_of_count(struct coframe_cursor *cursor, const struct buf *b, struct str *record,
	struct err *e)
{
	int rc;
	if (!cursor->has_head) {
		rc = next_line(cursor, b, record, e);
		if (rc <= 0)
			return rc;
		if (parse_head(cursor, *record, e) < 0)
			return -1;
	}
	if (cursor->left == 0) {
		cursor->has_head = false;
		return COFRAME_END;
	}
	rc = next_line(cursor, b, record, e);
	if (rc > 0)
		cursor->left--;
	return rc > 0 ? COFRAME_RECORD : rc;
}

/* Take a length and its bytes at *at, and advance *at. */
static int
next_bytes(size_t *at, const struct buf *b, struct str *s, struct err *e)
{
	size_t rest = b->n - *at;
	if (rest < LENGTH_SIZE)
		return COFRAME_MORE;
	uint32_t n = load_be32(b->p + *at);
	*s = STR_NULL;
	if (n == end_mark || n == null_mark) {
		*at += LENGTH_SIZE;
		return n == end_mark ? COFRAME_END : COFRAME_RECORD;
	}
	if (n > COFRAME_RECORD_MAX)
		return too_long(e);
	if (rest - LENGTH_SIZE < n)
		return COFRAME_MORE;
	*s = (struct str){ b->p + *at + LENGTH_SIZE, (int32_t)n };
	*at += LENGTH_SIZE + n;
	return COFRAME_RECORD;
}

static int
next_pair(struct coframe_cursor *cursor, const struct buf *b, struct str *key, struct str *value,
	struct err *e)
{
	size_t at = cursor->at;
	int rc = next_bytes(&at, b, key, e);
	if (rc == COFRAME_RECORD) {
		rc = next_bytes(&at, b, value, e);
		if (rc == COFRAME_END)
			return err_set(e, ERR_CORRUPT, "a key is not followed by a value");
	}
	if (rc == COFRAME_RECORD || rc == COFRAME_END)
		cursor->at = at;
	return rc;
}

int
coframe_next(struct coframe_cursor *cursor, const struct buf *bytes, struct str *key,
	struct str *record, struct err *e)
{
	int rc;
	assert(cursor->at <= bytes->n);
	*key = STR_NULL;
	switch (cursor->kind) {
	case COFRAME_LINE:
		rc = next_line(cursor, bytes, record, e);
		return rc <= 0 ? rc : record->n == 0 ? COFRAME_END : COFRAME_RECORD;
	case COFRAME_COUNT:
		return next_of_count(cursor, bytes, record, e);
	case COFRAME_LENGTH:
		return next_bytes(&cursor->at, bytes, record, e);
	case COFRAME_PAIR:
		return next_pair(cursor, bytes, key, record, e);
	}
	return -1;
}
