/* Tables, and the escaping of text from the network. */
#include "tap.h"

#include "text/json.h"
#include "text/put.h"
#include "text/table.h"

static void
check_buf(struct buf *b, const char *want)
{
	if (!str_eq(buf_str(b), str_of(want)))
		tap_fail(__FILE__, __LINE__, "'%.*s', want '%s'", STR_ARG(buf_str(b)), want);
	buf_release(b);
}

void
test_table__columns_are_as_wide_as_their_widest_cell(void)
{
	static const char *const head[] = { "topic", "n", "member" };
	struct table t;
	struct buf b = BUF_INIT;
	table_init(&t, head, 3, "lrl");
	table_put(&t, &b);
	check_buf(&b, "topic  n  member\n");
	table_add(&t, (const char *[]){ "\xc3\xa4", "100", "-" });
	table_add(&t, (const char *[]){ "payments", "7", "somebody" });
	table_put(&t, &b);
	check_buf(&b, "topic       n  member\n"
		"\xc3\xa4         100  -\n"
		"payments    7  somebody\n");
	table_release(&t);
}

void
test_table__many_rows_stand_to_the_right_by_default(void)
{
	static const char *const head[] = { "a" };
	struct table t;
	struct buf b = BUF_INIT;
	table_init(&t, head, 1, "");
	for (int i = 0; i < 100; i++)
		table_add(&t, (const char *[]){ i == 99 ? "10" : "9" });
	table_put(&t, &b);
	check_int((long long)b.n, 101 * 3);
	check(memcmp(b.p, " a\n 9\n", 6) == 0);
	check(memcmp(b.p + b.n - 3, "10\n", 3) == 0);
	buf_release(&b);
	table_release(&t);
}

void
test_put__what_could_steer_a_terminal_is_escaped(void)
{
	struct buf b = BUF_INIT;
	put_escaped(STR("a\t\x1b[2J\x7f \xc3\xa4 \xc2\x9b"), &b);
	check_buf(&b, "a\\x09\\x1b[2J\\x7f \xc3\xa4 \\u9b");
	put_escaped(STR("\xff\xc3\xa4"), &b);
	check_buf(&b, "\\xff\\xc3\\xa4");
	put_escaped(STR_NULL, &b);
	check_buf(&b, "");
}

void
test_put__cells(void)
{
	struct arena a = ARENA_INIT;
	check(strcmp(put_cell(&a, STR("x\ny")), "x\\x0ay") == 0);
	check(strcmp(put_cell(&a, STR("")), "-") == 0);
	check(strcmp(put_cell(&a, STR_NULL), "-") == 0);
	check(strcmp(put_known(&a, 0), "0") == 0);
	check(strcmp(put_known(&a, INT64_MAX), "9223372036854775807") == 0);
	check(strcmp(put_known(&a, -1), "-") == 0);
	arena_release(&a);
}

void
test_json__words_and_numbers_that_may_be_unknown(void)
{
	struct buf b = BUF_INIT;
	json_t *o = json_object();
	json_set_bytes(o, "a", STR("\xc3\xa4\n"));
	json_set_bytes(o, "b", STR("\xff\0"));
	json_set_bytes(o, "c", STR(""));
	json_set_bytes(o, "d", STR_NULL);
	json_object_set_new(o, "e", json_known(7));
	json_object_set_new(o, "f", json_known(-1));
	json_put(o, &b);
	json_decref(o);
	check_buf(&b, "{\"a\":\"\xc3\xa4\\n\",\"b_b64\":\"/wA=\",\"c\":\"\",\"d\":null,"
		"\"e\":7,\"f\":null}");
}

void
test_json__bytes_come_back(void)
{
	static const struct str cases[] = { { NULL, -1 }, { (const uint8_t *)"", 0 },
		{ (const uint8_t *)"a", 1 },
		{ (const uint8_t *)"\0", 1 }, { (const uint8_t *)"\xff", 1 },
		{ (const uint8_t *)"\xff\0", 2 },
		{ (const uint8_t *)"\xff\xfe\xfd", 3 },
		{ (const uint8_t *)"gr\xc3\xbc\xc3\x9f\xed\xa0\x80", 9 } };
	struct arena a = ARENA_INIT;
	struct err e;
	struct str s;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT;
		json_t *o = json_object();
		json_set_bytes(o, "x", cases[i]);
		json_put(o, &b);
		json_decref(o);
		o = json_loadb((const char *)b.p, b.n, JSON_ALLOW_NUL, NULL);
		check(o != NULL);
		check_int(json_get_bytes(o, "x", &a, &s, &e), 0);
		check(s.n == cases[i].n && str_eq(s, cases[i]));
		json_decref(o);
		buf_release(&b);
	}
	arena_release(&a);
}

void
test_json__what_is_no_bytes_is_refused(void)
{
	static const char *const bad[] = { "{\"x\":1}", "{\"x_b64\":null}",
		"{\"x\":\"\",\"x_b64\":\"\"}",
		"{\"x_b64\":\"/w\"}", "{\"x_b64\":\"/w=\"}", "{\"x_b64\":\"/x==\"}", "{\"x_b64\":\"====\"}",
		"{\"x_b64\":\"a===\"}", "{\"x_b64\":\"/w==/w==\"}", "{\"x_b64\":\"-w==\"}",
		"{\"x_b64\":\"/ w=\"}" };
	struct arena a = ARENA_INIT;
	struct err e;
	struct str s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *o = json_loads(bad[i], 0, NULL);
		if (json_get_bytes(o, "x", &a, &s, &e) == 0)
			tap_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
		json_decref(o);
	}
	arena_release(&a);
	check(json_is_bytes_key("x", "x") && json_is_bytes_key("x_b64", "x"));
	check(!json_is_bytes_key("x_b6", "x") && !json_is_bytes_key("y", "x"));
}
