#include "tap.h"
#include "text/ytree.h"

#include <stdio.h>

static void
show(const struct ytree *node, struct buf *out)
{
	buf_printf(out, "%d:%d", node->line, node->column);
	if (node->kind == YTREE_TEXT) {
		buf_printf(out, node->is_plain ? "<%s>" : "'%s'", node->text);
		return;
	}
	buf_putc(out, node->kind == YTREE_MAP ? '{' : '[');
	for (int i = 0; i < node->n; i++) {
		if (node->item[i].key)
			buf_printf(out, " %s@%d:%d", node->item[i].key, node->item[i].line,
				node->item[i].column);
		buf_putc(out, ' ');
		show(node->item[i].value, out);
	}
	buf_putc(out, node->kind == YTREE_MAP ? '}' : ']');
}

/* The tree with places, or the message. */
static bool
is(const char *text, const char *want)
{
	struct arena a = ARENA_INIT;
	struct buf b = BUF_INIT;
	struct err e;
	struct ytree *root = ytree_parse("f", str_of(text), &a, &e);
	if (root)
		show(root, &b);
	else
		buf_puts(&b, e.msg);
	printf("# %.*s\n", (int)b.n, (char *)b.p);
	bool is_same = str_eq(buf_str(&b), str_of(want));
	buf_release(&b);
	arena_release(&a);
	return is_same;
}

void
test_ytree__values_have_places(void)
{
	check(is("a: 1\nb: ['x', {c: y}]\n",
		"1:1{ a@1:1 1:4<1> b@2:1 2:4[ 2:5'x' 2:10{ c@2:11 2:14<y>}]}"));
	check(is("a: |\n  two\n  lines\nb:\n", "1:1{ a@1:1 1:4'two\nlines\n' b@4:1 4:3<>}"));
	check(is("", "1:1{}"));
	check(is("---\n", "2:1{}"));
	check(is("yes", "1:1<yes>"));
}

void
test_ytree__what_is_refused(void)
{
	check(is("a: 1\nb: 2\na: 3\n", "f:3:1: the key occurs twice"));
	check(is("a: {x: 1, x: 1}\n", "f:1:11: the key occurs twice"));
	check(is("a: &x 1\n", "f:1:4: anchors and aliases are not allowed"));
	check(is("? [a]\n: 1\n", "f:1:3: a key is a plain word"));
	check(is("a: 1\n---\nb: 1\n", "f:2:1: one document is enough"));
	check(is("a: \"x\\0y\"\n", "f:1:4: a NUL byte is not allowed"));
	check(is("[[[[[[[[[[[[[[[[[1", "f:1:17: too deep"));
}

/* A text is printed so that it is read as the same text. */
void
test_ytree__printed_texts_are_read_again(void)
{
	static const char *const texts[] = {
		"", "a", "-", "- a", "a b", " a", "a ", "a: b", "a #b", "{id, amount}", "[1]", "'",
		"it's", "\"x\" + .a", "\\", "a\nb", "a\n", "\t", "\x01\x7f", "\xc3\xbc", "\xc2\x85",
		"~", "null", "yes", "1", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", ":", ",",
		"=", "<<", "--- a", "...", "a\\n\"b'\n", "\xf0\x9f\x98\x80", "\xe2\x80\xa8",
		"a\xe2\x80\xa9", "\xef\xbb\xbfx", "\xc2\x9fx", "\xef\xbf\xbe"
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena a = ARENA_INIT;
		struct buf b = BUF_INIT;
		struct err e = { .msg = "" };
		buf_puts(&b, "x: ");
		ytree_put_text(str_of(texts[i]), &b);
		buf_puts(&b, "\n");
		printf("# %.*s", (int)b.n, (char *)b.p);
		struct ytree *root = ytree_parse("f", buf_str(&b), &a, &e);
		bool is_same = root && root->n == 1 && root->item[0].value->kind == YTREE_TEXT
			&& strcmp(root->item[0].value->text, texts[i]) == 0;
		if (!is_same)
			printf("# differs: %s\n", e.msg);
		check(is_same);
		buf_release(&b);
		arena_release(&a);
	}
}
