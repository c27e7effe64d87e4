/* kq-produce -J: records from lines of JSON. */
#include "tap.h"

#include "kq-produce/json_record.c"

static struct json_record r = JSON_RECORD_INIT;

static bool
parses(const char *line)
{
	struct err e;
	int got = json_record_parse(&r, str_of(line), &e);
	if (got < 0)
		check_int(e.class, ERR_CORRUPT);
	return got == 0;
}

void
test_json_record__what_kq_consume_writes(void)
{
	struct str rest, name, value;
	check(parses("{\"topic\":\"t\",\"partition\":3,\"offset\":7,\"timestamp\":1795514400000,"
		"\"timestamp_type\":\"create\",\"headers\":[{\"name\":\"a\",\"value\":\"b\"},"
		"{\"name\":\"c\","
		"\"value\":null}],\"key\":\"k\",\"value_b64\":\"/wA=\"}"));
	check(str_eq(r.key, STR("k")) && str_eq(r.value, STR("\xff\0")));
	check_int(r.timestamp_ms, 1795514400000);
	check_int(r.nheader, 2);
	rest = buf_str(&r.headers);
	check(header_next(&rest, &name, &value) && str_eq(name, STR("a")) && str_eq(value, STR("b")));
	check(header_next(&rest, &name, &value) && str_eq(name, STR("c")) && value.n == -1);
	check(!header_next(&rest, &name, &value));
}

void
test_json_record__what_is_absent_is_null(void)
{
	check(parses("{\"key\":\"k\",\"value\":\"v\",\"headers\":[{\"name\":\"a\"}]}"));
	check(parses("{}"));
	check(r.key.n == -1 && r.value.n == -1);
	check_int(r.timestamp_ms, -1);
	check_int(r.nheader, 0);
	check(parses("{\"key\":null,\"value\":\"\"}"));
	check(r.key.n == -1 && r.value.n == 0);
}

void
test_json_record__what_is_none_is_refused(void)
{
	static const char *const bad[] = { "", "x", "1", "[]", "{", "{}{}", "{\"key\":1}",
		"{\"value\":{}}",
		"{\"kye\":\"k\"}", "{\"key\":\"a\",\"key\":\"b\"}", "{\"key\":\"a\",\"key_b64\":\"\"}",
		"{\"key_b64\":\"?\"}", "{\"timestamp\":-1}", "{\"timestamp\":\"now\"}", "{\"headers\":{}}",
		"{\"headers\":[1]}", "{\"headers\":[{\"value\":\"v\"}]}", "{\"headers\":[{\"name\":1}]}" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parses(bad[i]))
			tap_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
	json_record_release(&r);
}
