#include "kq-consume/json_line.h"

#include "base/utf8.h"
#include "kq-consume/format.h"
#include "text/jsonput.h"

#include <stdio.h>

static void
put_base64(struct str s, struct buf *out)
{
	buf_putc(out, '"');
	json_put_base64(s, out);
	buf_putc(out, '"');
}

/* ,"name":... or ,"name_b64":... */
static void
put_bytes(struct buf *out, const char *name, struct str s)
{
	buf_puts(out, ",\"");
	buf_puts(out, name);
	if (s.n < 0) {
		buf_puts(out, "\":null");
	} else if (utf8_is_valid(s)) {
		buf_puts(out, "\":");
		json_put_string(s, out);
	} else {
		buf_puts(out, "_b64\":");
		put_base64(s, out);
	}
}

static void
put_headers(const struct record *rec, struct buf *out)
{
	struct str rest = rec->headers, name, value;
	const char *before = ",\"headers\":[{";
	for (; header_next(&rest, &name, &value); before = ",{") {
		buf_puts(out, before);
		if (utf8_is_valid(name)) {
			buf_puts(out, "\"name\":");
			json_put_string(name, out);
		} else {
			buf_puts(out, "\"name_b64\":");
			put_base64(name, out);
		}
		put_bytes(out, "value", value);
		buf_putc(out, '}');
	}
	if (rec->nheader > 0 && before[1] == '{')
		buf_putc(out, ']');
}

void
json_line_put(const struct record *rec, const struct origin *from,
	struct buf *out)
{
	buf_puts(out, "{\"topic\":");
	json_put_string(from->topic, out);
	buf_printf(out,
		",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld,\"timestamp_type\":\"%s\"",
		from->partition, (long long)rec->offset, (long long)rec->timestamp_ms,
		from->is_append_time ? "append" : "create");
	put_headers(rec, out);
	put_bytes(out, "key", rec->key);
	put_bytes(out, "value", rec->value);
	buf_puts(out, "}\n");
}
