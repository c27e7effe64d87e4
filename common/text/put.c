#include "text/put.h"

#include "base/utf8.h"

#include <stdio.h>

void
put_escaped(struct str s, struct buf *b)
{
	bool is_utf8 = utf8_is_valid(s);
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		/* C1 controls are two bytes in UTF-8: c2 80 .. c2 9f. */
		bool is_c1 = c >= 0x80 && c < 0xa0 && i > 0 && s.p[i - 1] == 0xc2;
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			buf_printf(b, "\\x%02x", c);
		else if (is_c1)
			buf_printf(b, "\\u%02x", c);
		else if (c != 0xc2 || i + 1 == s.n || s.p[i + 1] >= 0xa0)
			buf_putc(b, (char)c);
	}
}

void
put_text(struct str s)
{
	struct buf b = BUF_INIT;
	put_escaped(s, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
}

void
put_line(const char *label, struct str value)
{
	printf("%-12s", label);
	put_text(value);
	putchar('\n');
}

char *
put_cell(struct arena *a, struct str s)
{
	struct buf b = BUF_INIT;
	if (s.n > 0)
		put_escaped(s, &b);
	else
		buf_puts(&b, "-");
	char *z = (char *)arena_str(a, buf_str(&b)).p;
	buf_release(&b);
	return z;
}

char *
put_known(struct arena *a, int64_t n)
{
	return n < 0 ? arena_printf(a, "-") : arena_printf(a, "%lld", (long long)n);
}
