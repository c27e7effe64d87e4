/* kq-consume's formats, JSON, and the positions of -o. */
#include "tap.h"

#include "kq-consume/format.c"
#define put_headers put_headers_json /* both files have one */
#include "kq-consume/json_line.c"
#undef put_headers
#include "kq-consume/start.c"
#include "record/builder.h"

static const struct keyed plain = KEYED_INIT;

static struct record
record_of(struct buf *headers)
{
	builder_put_header(headers, STR("n"), STR("v"));
	builder_put_header(headers, STR("empty"), STR(""));
	builder_put_header(headers, STR("null"), STR_NULL);
	return (struct record){ .offset = 7, .timestamp_ms = 1700000000000, .key = STR("k"),
		.value = STR("value"), .headers = buf_str(headers), .nheader = 3 };
}

static const struct origin from = { STR("topic"), 3, false };

static void
check_put(const struct format *f, const struct record *r, const char *want)
{
	struct buf out = BUF_INIT;
	format_put(f, r, &from, &out);
	if (!str_eq(buf_str(&out), str_of(want)))
		tap_fail(__FILE__, __LINE__, "'%.*s', want '%s'", STR_ARG(buf_str(&out)), want);
	buf_release(&out);
}

static void
check_format(const char *spec, const struct record *r, const char *want)
{
	struct format f;
	struct err e;
	check_int(format_compile(&f, spec, &plain, &e), 0);
	check_put(&f, r, want);
	format_release(&f);
}

void
test_format__every_letter(void)
{
	struct buf h = BUF_INIT;
	struct record r = record_of(&h);
	check_format("%t %p %o %T", &r, "topic 3 7 1700000000000");
	check_format("%k %K %s %S", &r, "k 1 value 5");
	check_format("[%h]", &r, "[n=v,empty=,null=NULL]");
	check_format("%s 100%%\\t\\x41\\\\\\n", &r, "value 100%\tA\\\n");
	check_format("", &r, "");
	check_format("%s\\n", &r, "value\n");
	r.key = r.value = STR_NULL;
	check_format("%k|%K|%s|%S", &r, "|-1||-1");
	buf_release(&h);
}

void
test_format__what_is_no_letter_is_refused(void)
{
	static const char *const bad[] = { "%x", "%", "abc%", "\\q", "\\x4", "\\xg0", "\\",
		"json", "%%", "\\n" };
	struct format f;
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_int(format_compile(&f, bad[i], &plain, &e), -1);
		check_int(e.class, ERR_USAGE);
		check(f.v == NULL);
	}
}

void
test_format__delimiters_of_any_length(void)
{
	struct format f;
	struct record r = { .key = STR("k"), .value = STR("v") };
	format_delimited(&f, &plain, STR("\n"));
	check(f.is_value_and_byte);
	check_put(&f, &r, "v\n");
	r.value = STR_NULL;
	check_put(&f, &r, "\n");
	format_release(&f);
	r.value = STR("v");
	format_delimited(&f, &(struct keyed){ STR("::"), STR_NULL, false }, STR("--"));
	check(!f.is_value_and_byte);
	check_put(&f, &r, "k::v--");
	format_release(&f);
	format_delimited(&f, &plain, STR(""));
	check_put(&f, &r, "v");
	format_release(&f);
}

void
test_json__strings_bytes_nulls_and_headers(void)
{
	struct format f;
	struct buf h = BUF_INIT;
	struct record r = record_of(&h);
	format_json(&f);
	check_put(&f, &r, "{\"topic\":\"topic\",\"partition\":3,\"offset\":7,"
		"\"timestamp\":1700000000000,\"timestamp_type\":\"create\",\"headers\":["
		"{\"name\":\"n\",\"value\":\"v\"},{\"name\":\"empty\",\"value\":\"\"},"
		"{\"name\":\"null\",\"value\":null}],\"key\":\"k\",\"value\":\"value\"}\n");
	r.nheader = 0;
	r.headers = STR("");
	r.key = STR_NULL;
	r.value = STR("\"\\\n\r\t\x01\xc3\xa9");
	check_put(&f, &r, "{\"topic\":\"topic\",\"partition\":3,\"offset\":7,"
		"\"timestamp\":1700000000000,\"timestamp_type\":\"create\",\"key\":null,"
		"\"value\":\"\\\"\\\\\\n\\r\\t\\u0001\xc3\xa9\"}\n");
	r.key = STR("\xff");
	r.value = STR("\xff\xfe\xfd\xfc\xfb");
	check_put(&f, &r, "{\"topic\":\"topic\",\"partition\":3,\"offset\":7,"
		"\"timestamp\":1700000000000,\"timestamp_type\":\"create\",\"key_b64\":\"/w==\","
		"\"value_b64\":\"//79/Ps=\"}\n");
	buf_release(&h);
}

static void
check_start(const char *text, enum place_kind kind, int64_t n)
{
	struct start s = { .begin = { PLACE_BEGINNING, 0 } };
	struct err e;
	check_int(start_parse(&s, text, 1700000000000, &e), 0);
	check_int(s.begin.kind, kind);
	check_int(s.begin.n, n);
	check(!s.has_stop_time);
}

void
test_start__the_words_of_o(void)
{
	check_start("beginning", PLACE_BEGINNING, 0);
	check_start("end", PLACE_END, 0);
	check_start("0", PLACE_OFFSET, 0);
	check_start("42", PLACE_OFFSET, 42);
	check_start("-42", PLACE_LAST, 42);
	check_start("9223372036854775807", PLACE_OFFSET, INT64_MAX);
	check_start("@1700000000123", PLACE_TIME, 1700000000123);
	check_start("s@1796021551", PLACE_TIME, 1796021551000);
	check_start("@-1h", PLACE_TIME, 1700000000000 - 3600000);
	check_start("@2026-11-24T10:00Z", PLACE_TIME, 1795514400000);
}

void
test_start__both_ends_may_be_given(void)
{
	struct start s = { .begin = { PLACE_BEGINNING, 0 } };
	struct err e;
	check_int(start_parse(&s, "e@20000000000", 0, &e), 0);
	check_int(start_parse(&s, "s@1000000000", 0, &e), 0);
	check_int(s.begin.kind, PLACE_TIME);
	check_int(s.begin.n, 1000000000000);
	check(s.has_stop_time);
	check_int(s.stop_time_ms, 20000000000);
}

void
test_start__other_words_are_refused(void)
{
	static const char *const bad[] = { "", "-", "x", "1x", "1.5", "@", "s@", "e@never", "--1",
		"9223372036854775808", "stored", " 1" };
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct start s = { .begin = { PLACE_BEGINNING, 0 } };
		check_int(start_parse(&s, bad[i], 0, &e), -1);
		check_int(e.class, ERR_USAGE);
	}
}
