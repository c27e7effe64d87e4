#include "kq-consume/json.h"

#include "base/utf8.h"
#include "kq-consume/format.h"

#include <stdio.h>

static void
put_escaped(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	buf_reserve(out, 6 * (size_t)s.n + 2);
	uint8_t *to = out->p + out->n;
	*to++ = '"';
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (likely(c >= 0x20 && c != '"' && c != '\\')) {
			*to++ = c;
			continue;
		}
		*to++ = '\\';
		switch (c) {
		case '"': case '\\': *to++ = c; break;
		case '\n': *to++ = 'n'; break;
		case '\r': *to++ = 'r'; break;
		case '\t': *to++ = 't'; break;
		default:
			memcpy(to, "u00", 3);
			to[3] = (uint8_t)hex[c >> 4];
			to[4] = (uint8_t)hex[c & 15];
			to += 5;
		}
	}
	*to++ = '"';
	out->n = (size_t)(to - out->p);
}

static void
put_base64(struct buf *out, struct str s)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	buf_putc(out, '"');
	for (int32_t i = 0; i < s.n; i += 3) {
		int32_t n = MIN(3, s.n - i);
		uint32_t v = (uint32_t)s.p[i] << 16;
		v |= n > 1 ? (uint32_t)s.p[i + 1] << 8 : 0;
		v |= n > 2 ? s.p[i + 2] : 0;
		char c[4] = { set[v >> 18], set[v >> 12 & 63], set[v >> 6 & 63], set[v & 63] };
		if (n < 3)
			c[3] = '=';
		if (n < 2)
			c[2] = '=';
		buf_put(out, c, 4);
	}
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
		put_escaped(out, s);
	} else {
		buf_puts(out, "_b64\":");
		put_base64(out, s);
	}
}

static void
put_headers(const struct record *r, struct buf *out)
{
	struct str rest = r->headers, name, value;
	const char *before = ",\"headers\":[{";
	for (; header_next(&rest, &name, &value); before = ",{") {
		buf_puts(out, before);
		if (utf8_is_valid(name)) {
			buf_puts(out, "\"name\":");
			put_escaped(out, name);
		} else {
			buf_puts(out, "\"name_b64\":");
			put_base64(out, name);
		}
		put_bytes(out, "value", value);
		buf_putc(out, '}');
	}
	if (r->nheader > 0 && before[1] == '{')
		buf_putc(out, ']');
}

void
json_put_record(const struct record *r, const struct origin *from,
	struct buf *out)
{
	buf_puts(out, "{\"topic\":");
	put_escaped(out, from->topic);
	buf_printf(out, ",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld,\"timestamp_type\":\"%s\"",
		from->partition, (long long)r->offset, (long long)r->timestamp_ms,
		from->is_append_time ? "append" : "create");
	put_headers(r, out);
	put_bytes(out, "key", r->key);
	put_bytes(out, "value", r->value);
	buf_puts(out, "}\n");
}
