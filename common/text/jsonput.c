#include "text/jsonput.h"

void
json_put_string(struct str s, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = (size_t)MAX(s.n, 0);
	buf_reserve(out, n * 6 + 2); /* worst case: control characters only */
	uint8_t *to = out->p + out->n;
	*to++ = '"';
	for (size_t i = 0; i < n; i++) {
		uint8_t c = s.p[i];
		if (likely(c >= 0x20 && c != '"' && c != '\\')) {
			*to++ = c;
			continue;
		}
		*to++ = '\\';
		const char *at = c ? strchr("\"\"\\\\\nn\tt\rr\bb\ff", c) : NULL;
		if (at && c < 0x80) {
			*to++ = (uint8_t)at[1];
			continue;
		}
		memcpy(to, "u00", 3);
		to[3] = (uint8_t)hex[c >> 4];
		to[4] = (uint8_t)hex[c & 15];
		to += 5;
	}
	*to++ = '"';
	out->n = (size_t)(to - out->p);
}

void
json_put_base64(struct str s, struct buf *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int32_t n = MAX(s.n, 0);
	if (n == 0)
		return;
	uint8_t *to = buf_grow(out, ((size_t)n + 2) / 3 * 4);
	for (int32_t i = 0; i < n; i += 3, to += 4) {
		uint32_t v = (uint32_t)s.p[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)s.p[i + 1] << 8;
		if (i + 2 < n)
			v |= s.p[i + 2];
		to[0] = (uint8_t)digit[v >> 18];
		to[1] = (uint8_t)digit[v >> 12 & 63];
		to[2] = i + 1 < n ? (uint8_t)digit[v >> 6 & 63] : '=';
		to[3] = i + 2 < n ? (uint8_t)digit[v & 63] : '=';
	}
}

static int
digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int
json_parse_base64(struct str text, struct buf *out)
{
	size_t before = out->n;
	int32_t n = text.n;
	bool is_bad = n < 0 || n % 4 != 0;
	while (n > 0 && text.n - n < 2 && text.p[n - 1] == '=')
		n--;
	for (int32_t i = 0; i < n && !is_bad; i += 4) {
		int32_t k = MIN(n - i, 4);
		uint32_t v = 0;
		for (int32_t j = 0; j < 4; j++) {
			int digit = j < k ? digit_value(text.p[i + j]) : 0;
			is_bad = is_bad || digit < 0;
			v = v << 6 | ((uint32_t)digit & 63);
		}
		uint8_t bytes[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
		buf_put(out, bytes, (size_t)k - 1);
		/* The bits of the last digit beyond whole bytes must be zero. */
		is_bad = is_bad || (k < 4 && (v & (k == 2 ? 0xffffu : 0xffu)));
	}
	if (is_bad)
		out->n = before;
	return is_bad ? -1 : 0;
}
