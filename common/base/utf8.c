#include "base/utf8.h"

/* The size of the character at p in bytes; 0: it is not UTF-8. */
static int
char_size(const uint8_t *p, const uint8_t *end)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		: (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
		: 0;
	if (n < 2)
		return n;
	if (end - p < n)
		return 0;
	uint32_t code = p[0] & (0xffu >> (n + 1));
	for (int i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	bool is_surrogate = code >= 0xd800 && code < 0xe000;
	return code < least[n] || is_surrogate || code > 0x10ffff ? 0 : n;
}

bool
utf8_is_valid(struct str s)
{
	if (s.n <= 0)
		return s.n == 0;
	const uint8_t *p = s.p, *end = s.p + s.n;
	while (p < end) {
		uint64_t eight;
		if (end - p >= 8) {
			memcpy(&eight, p, 8);
			if (!(eight & 0x8080808080808080u)) {
				p += 8;
				continue;
			}
		}
		int n = char_size(p, end);
		if (!n)
			return false;
		p += n;
	}
	return true;
}

int32_t
utf8_utf16_length(struct str s)
{
	int32_t length = 0;
	const uint8_t *p = s.p, *end = s.n > 0 ? s.p + s.n : s.p;
	while (p < end) {
		int n = char_size(p, end);
		length += n == 4 ? 2 : 1;
		p += MAX(n, 1);
	}
	return length;
}
