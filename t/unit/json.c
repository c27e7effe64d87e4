#include "tap.h"
#include "text/json.h"

#include <stdio.h>
#include <stdlib.h>

/* The text of json_put_string, parsed by jansson. */
static bool
comes_back(const char *p, size_t n)
{
	struct buf b = BUF_INIT;
	buf_puts(&b, "[");
	json_put_string((struct str){ (const uint8_t *)p, (int32_t)n }, &b);
	buf_puts(&b, "]");
	json_t *v = json_loadb((const char *)b.p, b.n, JSON_ALLOW_NUL, NULL);
	const json_t *s = json_array_get(v, 0);
	bool same = s && json_string_length(s) == n && memcmp(json_string_value(s), p, n) == 0;
	json_decref(v);
	buf_release(&b);
	return same;
}

static bool
is(struct buf *b, const char *want)
{
	printf("# %.*s\n", (int)b->n, b->p);
	bool same = str_eq(buf_str(b), str_of(want));
	buf_release(b);
	return same;
}

void
test_json__strings_are_escaped(void)
{
	struct buf b = BUF_INIT;
	json_put_string(STR("a\"b\\c\n\t\r\b\f\x01\x1f\x7f/"), &b);
	check(is(&b, "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u001f\x7f/\""));
	json_put_string(STR("\0"), &b);
	check(is(&b, "\"\\u0000\""));
	json_put_string(STR(""), &b);
	check(is(&b, "\"\""));
	json_put_string(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), &b);
	check(is(&b, "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\""));
}

void
test_json__every_ascii_byte_comes_back_at_every_place(void)
{
	for (int c = 0; c < 128; c++)
		for (size_t at = 0; at < 40; at++) {
			char text[40];
			memset(text, 'x', sizeof text);
			text[at] = (char)c;
			check(comes_back(text, sizeof text));
			check(comes_back(text, at + 1));
		}
}

void
test_json__base64_has_padding(void)
{
	static const char *const want[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=",
		"Zm9vYmFy" }; /* RFC 4648, section 10 */
	for (int32_t n = 0; n <= 6; n++) {
		struct buf b = BUF_INIT;
		json_put_base64((struct str){ (const uint8_t *)"foobar", n }, &b);
		check(is(&b, want[n]));
	}
	struct buf b = BUF_INIT;
	json_put_base64(STR("\xff\xfe\xfb\xef\xbe\x00"), &b);
	check(is(&b, "//77774A"));
}

void
test_json__an_object_is_one_line_in_the_order_it_was_made(void)
{
	struct buf b = BUF_INIT;
	json_t *v = json_pack("{s:s, s:i, s:[b,n]}", "z", "line\n", "a", -1, "list", 1);
	json_put(v, &b);
	check(is(&b, "{\"z\":\"line\\n\",\"a\":-1,\"list\":[true,null]}"));
	fflush(stdout);
	check(freopen("out", "w+", stdout) != NULL);
	json_print(v);
	char line[80] = "";
	rewind(stdout);
	check(fgets(line, sizeof line, stdout) && line[strlen(line) - 1] == '\n');
}
