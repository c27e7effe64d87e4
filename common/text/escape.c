#include "text/escape.h"

static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
escape_parse(struct str s, struct buf *out, struct err *e)
{
	static const char letters[] = "ntr0\\", bytes[] = "\n\t\r\0\\";
	for (int32_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\\') {
			buf_putc(out, (char)s.p[i]);
			continue;
		}
		uint8_t c = i + 1 < s.n ? s.p[++i] : 0;
		const char *at = c ? strchr(letters, c) : NULL;
		if (at) {
			buf_putc(out, bytes[at - letters]);
			continue;
		}
		int hi = c == 'x' && i + 2 < s.n ? digit(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? digit(s.p[i + 2]) : -1;
		if (lo < 0)
			return err_set(e, ERR_USAGE,
				"bad escape in '%.*s'; there are \\n \\t \\r \\0 \\\\ \\xHH", STR_ARG(s));
		buf_putc(out, (char)(hi << 4 | lo));
		i += 2;
	}
	return 0;
}
