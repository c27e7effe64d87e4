#include "text/json.h"

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
