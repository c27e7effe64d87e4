/* Tables for people, and words that came from elsewhere. */
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

void test_table__columns_are_as_wide_as_their_widest_cell(void);
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

void test_table__many_rows_stand_to_the_right_by_default(void);
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

void test_put__what_could_steer_a_terminal_is_escaped(void);
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

void test_put__cells(void);
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

void test_json__words_and_numbers_that_may_be_unknown(void);
void
test_json__words_and_numbers_that_may_be_unknown(void)
{
	struct buf b = BUF_INIT;
	json_t *all = json_array();
	json_array_append_new(all, json_text(STR("\xc3\xa4\n")));
	json_array_append_new(all, json_text(STR("\xff")));
	json_array_append_new(all, json_text(STR("")));
	json_array_append_new(all, json_text(STR_NULL));
	json_array_append_new(all, json_known(7));
	json_array_append_new(all, json_known(-1));
	json_put(all, &b);
	json_decref(all);
	check_buf(&b, "[\"\xc3\xa4\\n\",\"\\\\xff\",\"\",null,7,null]");
}
