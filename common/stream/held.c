#include "stream/held.h"

#include "base/varint.h"

static void
put_size(struct buf *b, int32_t n)
{
	uint8_t v[VARINT32_MAX];
	assert(n >= 0);
	buf_put(b, v, (size_t)(uvarint_put(v, (uint64_t)n) - v));
}

void
held_put(struct buf *b, const struct held *held)
{
	assert(held->value.n >= 0);
	put_size(b, held->nheader);
	if (held->nheader) {
		put_size(b, held->headers.n);
		buf_put_str(b, held->headers);
	}
	buf_put_str(b, held->value);
}

struct held
held_get(struct str stored)
{
	const uint8_t *p = stored.p, *end = p + stored.n;
	uint64_t n, size;
	struct held held = { .headers = STR_NULL };
	p = uvarint_get(p, end, &n);
	assert(p);
	held.nheader = (int32_t)n;
	if (n) {
		p = uvarint_get(p, end, &size);
		assert(p && size <= (uint64_t)(end - p));
		held.headers = (struct str){ p, (int32_t)size };
		p += size;
	}
	held.value = (struct str){ p, (int32_t)(end - p) };
	return held;
}
