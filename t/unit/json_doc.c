#include "tap.h"

#include "json/doc.h"
#include "json_orders.h"

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
check_quotes(struct quotes *quotes, struct str s)
{
	int n = 0;
	unsigned has = 0;
	bool is_escaped = false;
	quotes->find(quotes, s);
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		has |= c < 0x20 ? QUOTES_CONTROL : c >= 0x7f ? QUOTES_OTHER : 0;
		has |= c == '\\' ? QUOTES_ESCAPE : 0;
		if (c == '"' && !is_escaped) {
			check(n < quotes->n);
			check_int(quotes->at[n++], i);
		}
		is_escaped = c == '\\' && !is_escaped;
	}
	check_int(quotes->n, n);
	check_int(quotes->has, has);
}

static void
check_variants(struct str s)
{
	for (int i = 0; i < QUOTES_NVARIANT; i++) {
		struct quotes quotes = { .find = quotes_variant(i) };
		if (!quotes.find)
			continue;
		check_quotes(&quotes, s);
		quotes_release(&quotes);
	}
}

void
test_quotes__all_variants_find_the_quotes_that_are_not_escaped(void)
{
	static const uint8_t bytes[] = { '"', '\\', 'a', '"', '\\', ' ', '~', '!', '#', '[', ']', '0',
		0x1f, 0x7f, 0x80, 0xa2, 0xdc, 0xff, 0x00 };
	struct buf text = BUF_INIT;
	for (int i = 0; i < 20000; i++) {
		buf_reset(&text);
		/* Some of quotes and backslashes only, most without rare bytes. */
		unsigned nbyte = rnd(3) == 0 ? 2 : rnd(2) ? 12 : ARRAY_LEN(bytes);
		for (int n = 64 + (int)rnd(200); n > 0; n--)
			buf_putc(&text, (char)bytes[rnd(nbyte)]);
		struct str s = exact(&text);
		check_variants(s);
		mem_free((void *)(uintptr_t)s.p);
	}
	buf_release(&text);
}
