#include "text/json.h"

#include "text/put.h"

#include <stdio.h>

static int
take(const char *p, size_t n, void *ctx)
{
	buf_put(ctx, p, n);
	return 0;
}

void
json_put(const json_t *v, struct buf *out)
{
	int r = json_dump_callback(v, take, out, JSON_COMPACT | JSON_ENCODE_ANY);
	assert(r == 0);
}

void
json_print(json_t *v)
{
	struct buf b = BUF_INIT;
	json_put(v, &b);
	buf_putc(&b, '\n');
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
	json_decref(v);
}

json_t *
json_text(struct str s)
{
	if (s.n < 0)
		return json_null();
	json_t *v = json_stringn(s.n ? (const char *)s.p : "", (size_t)s.n);
	if (v)
		return v;
	struct buf b = BUF_INIT;
	put_escaped(s, &b);
	v = json_stringn((const char *)b.p, b.n);
	buf_release(&b);
	return v;
}

json_t *
json_known(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}
