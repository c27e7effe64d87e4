#include "tap.h"

#include "json/doc.h"

#include <stdio.h>

static uint64_t seed = 88172645463325252;

static unsigned
rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

/* ---- texts ---- */

static const char *
pick(const char *const *words, size_t n)
{
	return words[rnd((unsigned)n)];
}

static const char *
any_string(void)
{
	static const char *const v[] = { "", "a", "o-0000001", "a b c", "\\\"", "x\\\\",
		"\\\\\\\"", "\\n",
		"\\u00e9\\ud83d\\ude00", "caf\xc3\xa9", "\x7f", "2026-11-30T12:00:00.123Z", "{\\\"a\\\":1}",
		"a rather long string that goes on behind the end of a block, and of the next one" };
	return pick(v, ARRAY_LEN(v));
}

static const char *
any_scalar(void)
{
	static const char *const v[] = { "0", "-0", "7", "123.45", "1e3", "true", "false", "null",
		"12345678901234567890", "-1.5E-7" };
	return pick(v, ARRAY_LEN(v));
}

/* An order; some of its members come at random. */
static void
put_order(struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "{\"id\":\"%s\",\"ts\":\"%s\",", any_string(), any_string());
	if (rnd(8) == 0)
		buf_printf(out, "\"amount\":%s,", any_scalar());
	buf_printf(out, "\"amount\":%s,\"address\":{\"street\":\"%s\",\"city\":\"%s\"},", any_scalar(),
		any_string(), any_string());
	if (rnd(4) == 0)
		buf_printf(out, "\"\\u0069d\":\"%s\",", any_string());
	if (rnd(4) == 0)
		buf_printf(out, "\"address\":%s,", any_scalar());
	buf_printf(out, "\"tags\":[\"%s\", %s],\"note\":\"%s\",\"n\":[1,[2,{}],%s]}", any_string(),
		any_scalar(), any_string(), any_scalar());
}

/* Change, remove or add bytes, in place or at the end. */
static void
damage(struct buf *text)
{
	static const char bytes[] = "\"\\{}[]:,0-.eu \n\x01\x1f\x7f\x80\xc3\xff" "an";
	size_t at = rnd((unsigned)text->n);
	uint8_t c = (uint8_t)bytes[rnd(sizeof bytes - 1)];
	switch (rnd(4)) {
	case 0:
		text->p[at] = c;
		break;
	case 1:
		memmove(text->p + at, text->p + at + 1, text->n - at - 1);
		text->n--;
		break;
	case 2:
		buf_putc(text, 0);
		memmove(text->p + at + 1, text->p + at, text->n - at - 1);
		text->p[at] = c;
		break;
	default:
		text->n = at > 64 ? at : text->n;
		break;
	}
}

/* ---- what was found ---- */

static void
want_all(struct doc *doc)
{
	doc_init(doc);
	doc_want(doc, 0, STR("id"));
	doc_want(doc, 0, STR("amount"));
	int address = doc_want(doc, 0, STR("address"));
	doc_want(doc, address, STR("city"));
	doc_want(doc, 0, STR("tags"));
	doc_want(doc, 0, STR("n"));
	doc_want(doc, 0, STR("none"));
}

static bool
is_same_slot(struct val x, struct val y)
{
	return x.kind == y.kind && x.is_text == y.is_text && (!x.is_text || (x.p == y.p && x.n == y.n));
}

/* A text as large as its bytes, so that a sanitizer sees what is read behind. */
static struct str
exact(const struct buf *text)
{
	uint8_t *p = mem_alloc(text->n);
	memcpy(p, text->p, text->n);
	return (struct str){ p, (int32_t)text->n };
}

/* The doc with shapes finds what a new one does, which has none, and takes the same texts
 * as the check without slots, which goes byte by byte. */
static void
check_scan(struct doc *doc, const struct buf *text)
{
	struct doc fresh;
	struct str s = exact(text);
	bool is_good = doc_scan(doc, s);
	if (is_good != doc_scan(NULL, s))
		tap_fail(__FILE__, __LINE__, "%.*s is %s", STR_ARG(s), is_good ? "taken" : "refused");
	if (is_good) {
		want_all(&fresh);
		check(doc_scan(&fresh, s));
		for (int i = 0; i < doc->nslot; i++)
			if (!is_same_slot(doc->slot[i], fresh.slot[i]))
				tap_fail(__FILE__, __LINE__, "%.*s: slot %d is %.*s, want %.*s", STR_ARG(s), i,
					doc->slot[i].n, (const char *)doc->slot[i].p,
					fresh.slot[i].n, (const char *)fresh.slot[i].p);
		doc_release(&fresh);
	}
	mem_free((void *)(uintptr_t)s.p);
}

void
test_doc__shapes_find_what_the_walk_finds(void)
{
	struct buf text = BUF_INIT;
	struct doc doc;
	want_all(&doc);
	int nfit = 0;
	for (int i = 0; i < 20000; i++) {
		put_order(&text);
		int before = doc.nfit;
		check_scan(&doc, &text);
		nfit += doc.nfit > before;
		for (int n = rnd(3); n > 0; n--)
			damage(&text);
		check_scan(&doc, &text);
	}
	check(nfit > 1000); /* else nothing was tested */
	doc_release(&doc);
	buf_release(&text);
}

void
test_doc__a_member_wanted_later_is_found_in_known_shapes(void)
{
	struct str s = STR("{\"a\":\"a string that makes the text long enough for a shape\",\"b\":17,"
		"\"c\":{\"d\":null}}");
	struct doc doc;
	doc_init(&doc);
	for (int i = 0; i < 3; i++)
		check(doc_scan(&doc, s));
	check_int(doc.nfit, 2);
	check_int(doc_want(&doc, 0, STR("b")), 1);
	check_int(doc_want(&doc, 0, STR("b")), 1);
	check(doc_scan(&doc, s));
	check(doc.slot[1].kind == VAL_NUMBER && val_number(doc.slot[1]) == 17);
	doc_clear(&doc);
	check_int(doc.slot[1].kind, VAL_NULL);
	doc_release(&doc);
}

void
test_doc__a_text_may_be_empty_or_all_white_space(void)
{
	check(!doc_scan(NULL, STR("")));
	check(!doc_scan(NULL, STR(" \n\t\r ")));
	check_int(doc_trim(STR(" \n")).n, 0);
	check(str_eq(doc_trim(STR(" 1 2\n")), STR("1 2")));
}

/* ---- quotes ---- */

static void
check_quotes(struct str s)
{
	struct quotes fast = { 0 }, slow = { 0 };
	quotes_find(&fast, s);
	quotes_find_portably(&slow, s);
	int n = 0;
	unsigned has = 0;
	for (int32_t i = 0; i < s.n; i++) {
		has |= s.p[i] < 0x20 ? QUOTES_CONTROL : s.p[i] >= 0x7f ? QUOTES_OTHER : 0;
		if (s.p[i] == '\\') {
			has |= QUOTES_ESCAPE;
			i++;
			if (i < s.n)
				has |= s.p[i] < 0x20 ? QUOTES_CONTROL : s.p[i] >= 0x7f ? QUOTES_OTHER : 0;
		} else if (s.p[i] == '"') {
			check(n < fast.n && n < slow.n);
			check_int(fast.at[n], i);
			check_int(slow.at[n], i);
			n++;
		}
	}
	check_int(fast.n, n);
	check_int(slow.n, n);
	check_int(fast.has, has);
	check_int(slow.has, has);
	quotes_release(&fast);
	quotes_release(&slow);
}

void
test_quotes__all_variants_find_the_quotes_that_are_not_escaped(void)
{
	static const uint8_t bytes[] = { '"', '\\', 'a', '"', '\\', ' ', '~', '!', '#', '[', 0x1f, 0x7f,
		0x80, 0xa2, 0xdc, 0xff, 0x00 };
	struct buf text = BUF_INIT;
	for (int i = 0; i < 20000; i++) {
		buf_reset(&text);
		/* Some of quotes and backslashes only, most without rare bytes. */
		unsigned nbyte = rnd(3) == 0 ? 2 : rnd(2) ? 10 : ARRAY_LEN(bytes);
		for (int n = 64 + (int)rnd(200); n > 0; n--)
			buf_putc(&text, (char)bytes[rnd(nbyte)]);
		struct str s = exact(&text);
		check_quotes(s);
		mem_free((void *)(uintptr_t)s.p);
	}
	buf_release(&text);
}
