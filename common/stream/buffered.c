#include "stream/buffered.h"

#include "record/batch.h"
#include "record/builder.h"

enum { IS_NULL = -1, IS_PRIOR = -2 };

static void
put_bytes(struct buf *b, struct str s)
{
	buf_put_be32(b, (uint32_t)(s.n < 0 ? IS_NULL : s.n));
	buf_put_str(b, s);
}

void
buffered_put(struct buf *b, const struct buffered *in)
{
	buf_put_be64(b, (uint64_t)in->ts_ms);
	buf_put_be64(b, UINT64_MAX);
	put_bytes(b, STR(""));
	buf_put_be32(b, UINT32_MAX);
	buf_put_be32(b, (uint32_t)in->nheader);
	struct str rest = in->headers, name, value;
	for (int32_t i = 0; i < in->nheader && header_next(&rest, &name, &value); i++) {
		put_bytes(b, name);
		put_bytes(b, value);
	}
	put_bytes(b, in->prior);
	if (in->old.n >= 0 && str_eq(in->old, in->prior))
		buf_put_be32(b, (uint32_t)IS_PRIOR);
	else
		put_bytes(b, in->old);
	put_bytes(b, in->value);
	buf_put_be64(b, (uint64_t)in->place);
}

/* ---- reading: a cursor that remembers its failure ---- */

struct buffered_reader {
	const uint8_t *p, *end;
	bool is_bad;
};

static bool
has(struct buffered_reader *at, int64_t n)
{
	if (at->end - at->p < n)
		at->is_bad = true;
	return !at->is_bad;
}

static int32_t
take_be32(struct buffered_reader *at)
{
	if (!has(at, 4))
		return 0;
	at->p += 4;
	return (int32_t)load_be32(at->p - 4);
}

static int64_t
take_be64(struct buffered_reader *at)
{
	if (!has(at, 8))
		return 0;
	at->p += 8;
	return (int64_t)load_be64(at->p - 8);
}

static struct str
take_bytes(struct buffered_reader *at, int32_t n)
{
	if (n == IS_NULL || n < IS_NULL || !has(at, n)) {
		at->is_bad |= n < IS_NULL;
		return STR_NULL;
	}
	at->p += n;
	return (struct str){ at->p - n, n };
}

int
buffered_get(struct str bytes, struct buffered *out, struct buf *headers, struct err *e)
{
	struct buffered_reader at = { bytes.p, bytes.p + bytes.n, false };
	*out = (struct buffered){ .ts_ms = take_be64(&at) };
	take_be64(&at);
	take_bytes(&at, take_be32(&at));
	take_be32(&at);
	out->nheader = MAX(take_be32(&at), 0);
	buf_reset(headers);
	for (int32_t i = 0; i < out->nheader && !at.is_bad; i++) {
		struct str name = take_bytes(&at, take_be32(&at));
		struct str value = take_bytes(&at, take_be32(&at));
		at.is_bad |= name.n < 0;
		if (!at.is_bad)
			builder_put_header(headers, name, value);
	}
	out->headers = out->nheader ? buf_str(headers) : STR_NULL;
	out->prior = take_bytes(&at, take_be32(&at));
	int32_t n = take_be32(&at);
	out->old = n == IS_PRIOR ? out->prior : take_bytes(&at, n);
	out->value = take_bytes(&at, take_be32(&at));
	out->place = take_be64(&at);
	if (at.is_bad || at.p != at.end)
		return err_set(e, ERR_CORRUPT, "the value is not that of a record that waits");
	return 0;
}
