#include "tap.h"
#include "text/conf.h"

#include <stdio.h>
#include <stdlib.h>

/* The items as "key=value@line:column;...", or the message. */
static const char *
parsed(struct str text)
{
	static char shown[1024];
	struct conf c = CONF_INIT;
	struct err e;
	size_t at = 0;
	if (conf_parse(&c, "kq.yaml", text, &e) < 0) {
		check(e.class == ERR_USAGE && c.n == 0 && c.v == NULL);
		snprintf(shown, sizeof shown, "%s", e.msg);
		printf("# %s\n", shown);
		return shown;
	}
	shown[0] = 0;
	for (int i = 0; i < c.n && at < sizeof shown; i++)
		at += (size_t)snprintf(shown + at, sizeof shown - at, "%s=%s@%d:%d;", c.v[i].key,
			c.v[i].value, c.v[i].line, c.v[i].column);
	conf_release(&c);
	printf("# %s\n", shown);
	return shown;
}

#define is(text, want) check(strcmp(parsed(STR(text)), want) == 0)

void
test_conf__maps_are_joined_with_dots_and_lists_with_commas(void)
{
	is("num.partitions: 4\n", "num.partitions=4@1:17;");
	is("# a comment\nlog: { retention.ms: -1, segment: { bytes: 14 } }\nx: y z\n",
		"log.retention.ms=-1@2:22;log.segment.bytes=14@2:44;x=y z@3:4;");
	is("listeners:\n  - unix:/run/kq.sock\n  - :9092\n",
		"listeners=unix:/run/kq.sock,:9092@2:3;");
	is("a: []\nb: \"\"\nc:\n", "a=@1:4;b=@2:4;c=@3:3;");
	is("a: \"x\\ty\"\nb: 'it''s'\nc: |\n  two\n  lines\n",
		"a=x\ty@1:4;b=it's@2:4;c=two\nlines\n@3:4;");
}

void
test_conf__nothing_is_no_values(void)
{
	is("", "");
	is("# only a comment\n", "");
	is("---\n", "");
	is("{}\n", "");
	check(strcmp(parsed(STR_NULL), "") == 0);
}

void
test_conf__a_bad_file_is_told_by_line_and_column(void)
{
	is("a: 1\nb: [1, 2\n", "kq.yaml:3:1: did not find expected ',' or ']'");
	is("a: 1\n\tb: 2\n", "kq.yaml:2:1: found a tab character that violates indentation");
	is("a: 1\na: 2\n", "kq.yaml:2:1: the key occurs twice");
	is("a: { b: 1 }\na.b: 2\n", "kq.yaml:2:6: the key occurs twice");
	is("- 1\n- 2\n", "kq.yaml:1:1: the file must be YAML, with lines of 'key: value'");
	is("just words\n", "kq.yaml:1:1: the file must be YAML, with lines of 'key: value'");
	is("a: [[1]]\n", "kq.yaml:1:5: a list holds plain values only");
	is("? [a]\n: 1\n", "kq.yaml:1:3: a key is a plain word");
	is("a: 1\n---\nb: 2\n", "kq.yaml:2:1: one document is enough");
	is("a: 1\nb: 2\xff\n", "kq.yaml:2:5: invalid leading UTF-8 octet");
	is("a: \"x\\0y\"\n", "kq.yaml:1:4: a NUL byte is not allowed");
	is("\"a\\0b\": 1\n", "kq.yaml:1:1: a NUL byte is not allowed");
}

void
test_conf__anchors_and_aliases_are_refused(void)
{
	is("a: &x 1\nb: *x\n", "kq.yaml:1:4: anchors and aliases are not allowed");
	is("a: &x [1, 1]\nb: [*x, *x]\n", "kq.yaml:1:4: anchors and aliases are not allowed");
	is("a: &x { y: 1 }\n", "kq.yaml:1:4: anchors and aliases are not allowed");
	is("b: *x\n", "kq.yaml:1:4: anchors and aliases are not allowed");
}

void
test_conf__depth_is_limited(void)
{
	struct buf b = BUF_INIT;
	for (int i = 0; i < 16; i++)
		buf_puts(&b, "{a: ");
	buf_puts(&b, "1");
	for (int i = 0; i < 16; i++)
		buf_puts(&b, "}");
	check(strstr(parsed(buf_str(&b)), "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1") != NULL);
	buf_reset(&b);
	for (int i = 0; i < 200000; i++)
		buf_puts(&b, "{a: ");
	check(strcmp(parsed(buf_str(&b)), "kq.yaml:1:65: too deep") == 0);
	buf_release(&b);
}

void
test_conf__values_and_keys_are_limited(void)
{
	struct buf b = BUF_INIT;
	for (int i = 0; i < 1001; i++)
		buf_printf(&b, "k%d: 1\n", i);
	check(strcmp(parsed(buf_str(&b)), "kq.yaml:1001:8: too many values") == 0);
	buf_reset(&b);
	for (int i = 0; i < 600; i++)
		buf_putc(&b, 'k');
	buf_puts(&b, ": 1\n");
	check(strcmp(parsed(buf_str(&b)), "kq.yaml:1:1: the key is too long") == 0);
	buf_release(&b);
}

static void
write_file(const char *path, size_t n, char c)
{
	FILE *f = fopen(path, "w");
	check(f != NULL);
	fputs("a: 1\n#", f);
	for (size_t i = 0; i < n; i++)
		fputc(c, f);
	check(fclose(f) == 0);
}

void
test_conf__a_file_is_read_and_has_a_limit(void)
{
	struct conf c = CONF_INIT;
	struct err e;
	write_file("good.yaml", 100, 'x');
	check_int(conf_read(&c, "good.yaml", &e), 0);
	check_int(c.n, 1);
	conf_release(&c);
	write_file("large.yaml", 1 << 20, 'x');
	check_int(conf_read(&c, "large.yaml", &e), -1);
	printf("# %s\n", e.msg);
	check(strcmp(e.msg, "large.yaml: more than 1048576 bytes") == 0 && c.n == 0);
	check_int(conf_read(&c, "none.yaml", &e), -1);
	printf("# %s\n", e.msg);
	check(e.class == ERR_SYS && strstr(e.msg, "none.yaml") && c.n == 0);
	check_int(conf_read(&c, ".", &e), -1);
	printf("# %s\n", e.msg);
}
