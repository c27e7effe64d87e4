/* kq-group: offsets as lines of text. */
#include "tap.h"

#include "kq-group/offsetfile.c"

/* Parse, and return the number of lines. */
static int
parse(struct offset_lines *l, const char *text, const char *group, struct arena *a, struct err *e)
{
	return offset_lines_parse(l, str_of(text), group, a, e) < 0 ? -1 : l->n;
}

static void
check_is(const struct offset_line *line, const char *group, const char *topic, int32_t partition,
	int64_t offset)
{
	check(str_eq(line->group, str_of(group)));
	check(str_eq(line->topic, str_of(topic)));
	check_int(line->partition, partition);
	check_int(line->offset, offset);
}

void
test_group_file__both_forms_are_read_and_sorted(void)
{
	struct arena a = ARENA_INIT;
	struct offset_lines l;
	struct err e;
	check_int(parse(&l, "# two clusters\n\n"
		"{\"group\":\"h\",\"topic\":\"t\",\"partition\":1,\"offset\":9223372036854775807}\r\n"
		"  {\"offset\":0,\"partition\":0,\"topic\":\"t\",\"group\":\"h\","
		"\"leader_epoch\":3,\"metadata\":\"\\u00e4\\n\"}\n"
		"g,u,7,12\n"
		"\"g,\"\"1\",t,2147483647,0", NULL, &a, &e), 4);
	check_is(&l.v[0], "g", "u", 7, 12);
	check_is(&l.v[1], "g,\"1", "t", INT32_MAX, 0);
	check_is(&l.v[2], "h", "t", 0, 0);
	check_is(&l.v[3], "h", "t", 1, INT64_MAX);
	check_int(l.v[0].leader_epoch, -1);
	check_int(l.v[0].metadata.n, -1);
	check_int(l.v[0].number, 5);
	check_int(l.v[2].leader_epoch, 3);
	check(str_eq(l.v[2].metadata, STR("\xc3\xa4\n")));
	offset_lines_release(&l);
	arena_release(&a);
}

void
test_group_file__a_group_from_outside(void)
{
	struct arena a = ARENA_INIT;
	struct offset_lines l;
	struct err e;
	check_int(parse(&l, "t,0,5\n{\"topic\":\"t\",\"partition\":1,\"offset\":6}\nother,t,0,7\n",
		"mine", &a, &e), 3);
	check_is(&l.v[0], "mine", "t", 0, 5);
	check_is(&l.v[1], "mine", "t", 1, 6);
	check_is(&l.v[2], "other", "t", 0, 7);
	offset_lines_release(&l);
	check_int(parse(&l, "", NULL, &a, &e), 0);
	offset_lines_release(&l);
	arena_release(&a);
}

void
test_group_file__what_is_put_is_read(void)
{
	struct arena a = ARENA_INIT;
	struct buf b = BUF_INIT;
	struct offset_lines l;
	struct err e;
	struct offset_line line = { 0, STR("a \"b\"\n\xc3\xa4"), STR("t"), 3, 42, 5, STR("m\\") };
	offset_line_put(&line, &b);
	line.partition = 4;
	line.leader_epoch = -1;
	line.metadata = STR("");
	offset_line_put(&line, &b);
	check_int(offset_lines_parse(&l, buf_str(&b), NULL, &a, &e), 0);
	check_int(l.n, 2);
	check_is(&l.v[0], "a \"b\"\n\xc3\xa4", "t", 3, 42);
	check_int(l.v[0].leader_epoch, 5);
	check(str_eq(l.v[0].metadata, STR("m\\")));
	check_int(l.v[1].leader_epoch, -1);
	offset_lines_release(&l);
	buf_release(&b);
	arena_release(&a);
}

/* The error message names the line and the reason. */
static void
check_bad(const char *text, const char *want)
{
	struct arena a = ARENA_INIT;
	struct offset_lines l;
	struct err e;
	if (offset_lines_parse(&l, str_of(text), NULL, &a, &e) == 0)
		tap_fail(__FILE__, __LINE__, "taken: %s", text);
	if (!strstr(e.msg, want))
		tap_fail(__FILE__, __LINE__, "'%s' for %s, want '%s'", e.msg, text, want);
	check_int(e.class, ERR_CORRUPT);
	offset_lines_release(&l);
	arena_release(&a);
}

void
test_group_file__bad_lines_are_told_by_number(void)
{
	char longest[300] = "g,";
	check_bad("g,t,0,1\n\nhello\n", "line 3: neither");
	check_bad("{\"group\":\"g\"", "line 1: not JSON");
	check_bad("{} x", "line 1: not JSON");
	check_bad("{\"group\":\"g\",\"partition\":0,\"offset\":1}", "line 1: no topic");
	check_bad("{\"topic\":\"t\",\"partition\":0,\"offset\":1}", "line 1: no group");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"offset\":1}", "line 1: no partition");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"partition\":0}", "line 1: no offset");
	check_bad("{\"group\":1,\"topic\":\"t\",\"partition\":0,\"offset\":1}",
		"'group' is not a string");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"partition\":-1,\"offset\":1}",
		"'partition' is not");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"partition\":2147483648,\"offset\":1}",
		"'partition' is not");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"partition\":0,\"offset\":1.5}",
		"'offset' is not");
	check_bad("{\"group\":\"g\",\"topic\":\"t\",\"partition\":0,\"ofset\":1}",
		"'ofset' is not known");
	check_bad("{\"group\":\"g\",\"group\":\"h\",\"topic\":\"t\",\"partition\":0,\"offset\":1}",
		"not JSON");
	check_bad("t,0,1", "line 1: no group");
	check_bad("g,t,0", "'t' is not a partition");
	check_bad("g,,0,1", "no topic");
	check_bad("g,t,0,", "'' is not an offset");
	check_bad("g,t,0,-1", "'-1' is not an offset");
	check_bad("g,t,0,9223372036854775808", "is not an offset");
	check_bad("g,t,0,1,2", "line 1: neither");
	check_bad("\"g,t,0,1", "line 1: a quote");
	check_bad("\"g\"x,t,0,1", "line 1: a quote");
	check_bad("g,t,0,1\ng,u,0,1\ng,t,0,2\n",
		"line 3: partition 0 of topic 't' was in line 1 before");
	memset(longest + 2, 't', 250);
	strcpy(longest + 252, ",0,1");
	check_bad(longest, "longer than 249");
}
