#include "json/value.h"
#include "json/number.h"

/* ---- strings ---- */

/* The letter of an escape; 'u': as \u00xx; 0: as it is. */
static uint8_t
escape_of(uint8_t c)
{
	switch (c) {
	case '"': case '\\': return c;
	case '\b': return 'b';
	case '\t': return 't';
	case '\r': return 'r';
	case '\n': return 'n';
	case '\f': return 'f';
	default: return c < 0x20 || c == 0x7f ? 'u' : 0;
	}
}

void
val_put_string(struct str s, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	buf_reserve(out, (size_t)s.n * 6 + 2);
	uint8_t *p = out->p + out->n;
	*p++ = '"';
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], letter = escape_of(c);
		if (!letter) {
			*p++ = c;
			continue;
		}
		*p++ = '\\';
		*p++ = letter;
		if (letter == 'u') {
			memcpy(p, "00", 2);
			p[2] = (uint8_t)hex[c >> 4];
			p[3] = (uint8_t)hex[c & 15];
			p += 4;
		}
	}
	*p++ = '"';
	out->n = (size_t)(p - out->p);
}

/* Does jq print the string, a text, with the same bytes?  It has no control characters. */
static bool
is_printed(struct val v)
{
	size_t n = (size_t)v.n;
	return !memchr(v.p, '\\', n) && !memchr(v.p, 0x7f, n);
}

static void
put_string(struct val_pool *pool, struct val v, struct buf *out)
{
	if (v.is_printed || (v.is_text && is_printed(v)))
		buf_put(out, v.p, (size_t)v.n);
	else
		val_put_string(val_string(pool, v), out);
}

/* ---- the others ---- */

static void
put_number(struct val v, struct buf *out)
{
	struct number number;
	if (v.is_text) {
		number_scan(v.p, v.p + v.n, &number);
		if (number.is_printed) {
			buf_put(out, v.p, (size_t)v.n);
			return;
		}
		v.number = number_value(&number, (struct str){ v.p, v.n });
	}
	buf_reserve(out, NUMBER_SIZE_MAX);
	out->n += (size_t)number_put(out->p + out->n, v.number);
}

static void
put_array(struct val_pool *pool, struct val v, struct buf *out)
{
	v = val_made(pool, v);
	buf_putc(out, '[');
	for (int32_t i = 0; i < v.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		val_put(pool, v.item[i], out);
	}
	buf_putc(out, ']');
}

static void
put_object(struct val_pool *pool, struct val v, struct buf *out)
{
	v = val_made(pool, v);
	buf_putc(out, '{');
	for (int32_t i = 0; i < v.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		put_string(pool, v.member[i].key, out);
		buf_putc(out, ':');
		val_put(pool, v.member[i].value, out);
	}
	buf_putc(out, '}');
}

void
val_put(struct val_pool *pool, struct val v, struct buf *out)
{
	if (v.is_printed) {
		buf_put(out, v.p, (size_t)v.n);
		return;
	}
	if (!val_visit(pool))
		return;
	switch ((enum val_kind)v.kind) {
	case VAL_NULL: buf_put(out, "null", 4); break;
	case VAL_FALSE: buf_put(out, "false", 5); break;
	case VAL_TRUE: buf_put(out, "true", 4); break;
	case VAL_NUMBER: put_number(v, out); break;
	case VAL_STRING: put_string(pool, v, out); break;
	case VAL_ARRAY: put_array(pool, v, out); break;
	case VAL_OBJECT: put_object(pool, v, out); break;
	}
}
