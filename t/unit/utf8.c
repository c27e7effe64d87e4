#include "tap.h"

#include "base/utf8.h"

#include <stdlib.h>

/* The character encoded in n bytes, valid or not. */
static void
put_char(uint8_t *p, uint32_t c, int n)
{
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0, 0xf8 };
	for (int i = n - 1; i > 0; i--, c >>= 6)
		p[i] = (uint8_t)(0x80 | (c & 0x3f));
	p[0] = (uint8_t)(first[n] | c);
}

/* RFC 3629's grammar, line by line: the bytes of one character, or 0. */
static int
by_grammar(const uint8_t *p, int n)
{
	static const struct {
		uint8_t from, to, from2, to2;
		int n;
	} line[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	if (n > 0 && p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(line); i++) {
		if (n < line[i].n || p[0] < line[i].from || p[0] > line[i].to
			|| p[1] < line[i].from2 || p[1] > line[i].to2)
			continue;
		for (int j = 2; j < line[i].n; j++)
			if (p[j] < 0x80 || p[j] > 0xbf)
				return 0;
		return line[i].n;
	}
	return 0;
}

static bool
want(const uint8_t *p, int n)
{
	while (n > 0) {
		int k = by_grammar(p, n);
		if (!k)
			return false;
		p += k;
		n -= k;
	}
	return true;
}

void
test_utf8__every_character_is_valid_but_surrogates(void)
{
	uint8_t b[4];
	for (uint32_t c = 0; c < 0x200000; c++) {
		int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		put_char(b, c, n);
		bool good = (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff;
		if (utf8_is_valid((struct str){ b, n }) != good)
			tap_fail(__FILE__, __LINE__, "U+%X", c);
	}
}

void
test_utf8__overlong_forms_are_refused(void)
{
	static const uint32_t below[] = { 0, 0, 0x80, 0x800, 0x10000, 0x200000 };
	uint8_t b[5];
	for (int n = 2; n <= 5; n++)
		for (uint32_t c = 0; c < below[n]; c += c < 0x100 ? 1 : 37) {
			put_char(b, c, n);
			check(!utf8_is_valid((struct str){ b, n }));
		}
}

void
test_utf8__every_pair_and_triple_of_bytes(void)
{
	uint8_t b[4];
	for (uint32_t i = 0; i < 0x1000000; i += i < 0x10000 ? 1 : 3) {
		store_be32(b, i << 8);
		if (utf8_is_valid((struct str){ b, 3 }) != want(b, 3)
			|| utf8_is_valid((struct str){ b, 2 }) != want(b, 2))
			tap_fail(__FILE__, __LINE__, "bytes %06x", i);
	}
}

void
test_utf8__a_bad_byte_is_found_at_every_place(void)
{
	uint8_t b[40];
	for (int n = 1; n <= 40; n++)
		for (int at = 0; at < n; at++) {
			memset(b, 'x', sizeof b);
			check(utf8_is_valid((struct str){ b, n }));
			for (int c = 0x80; c < 0x100; c++) {
				b[at] = (uint8_t)c; /* alone it is no character */
				check(!utf8_is_valid((struct str){ b, n }));
			}
			if (at + 2 > n)
				continue;
			put_char(b + at, 0xe9, 2);
			check(utf8_is_valid((struct str){ b, n }));
		}
}

void
test_utf8__a_cut_character_is_refused(void)
{
	static const uint32_t v[] = { 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff };
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		int n = v[i] < 0x800 ? 2 : v[i] < 0x10000 ? 3 : 4;
		for (int before = 0; before < 10; before++)
			for (int cut = 0; cut <= n; cut++) {
				/* In a heap block of its own, so that ASan sees a read after its end. */
				uint8_t *p = malloc((size_t)(before + cut) + 1), c[4];
				memset(p, 'x', (size_t)before);
				put_char(c, v[i], n);
				uint8_t *q = memmove(p + 1, p, (size_t)before);
				memcpy(q + before, c, (size_t)cut);
				check(utf8_is_valid((struct str){ q, before + cut })
					== (cut == 0 || cut == n));
				free(p);
			}
	}
}

void
test_utf8__null_is_not_text(void)
{
	check(!utf8_is_valid(STR_NULL));
	check(utf8_is_valid(STR("")));
	check(utf8_is_valid((struct str){ NULL, 0 }));
	check(utf8_is_valid(STR("a\0b")));
	check(!utf8_is_valid(STR("\xc0\x80"))); /* NUL in Java's modified UTF-8 */
	check(!utf8_is_valid(STR("\xed\xa0\xbd\xed\xb8\x80"))); /* U+1F600 in it */
}

void
test_utf8__lengths_are_those_of_java(void)
{
	check_int(utf8_utf16_length(STR_NULL), 0);
	check_int(utf8_utf16_length(STR("")), 0);
	check_int(utf8_utf16_length(STR("a\0b")), 3);
	check_int(utf8_utf16_length(STR("\xc3\xa9\xe2\x82\xac")), 2);
	check_int(utf8_utf16_length(STR("x\xf0\x9f\x98\x80")), 3); /* U+1F600 */
	check_int(utf8_utf16_length(STR("\x80\x80")), 2);
	check_int(utf8_utf16_length(STR("\xf0\x9f\x98")), 3); /* truncated */
}
