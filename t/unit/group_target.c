/* kq-group: TOPIC[:P,...], and the positions of --to. */
#include "tap.h"

#include "kq-group/rows.c"
#include "kq-group/topic_parts.c"

enum { NOW_MS = 1000000000 };

void
test_group_target__a_topic_and_its_partitions(void)
{
	struct arena a = ARENA_INIT;
	struct topic_parts t;
	struct err e;
	check_int(topic_parts_parse(&t, "orders", &a, &e), 0);
	check(str_eq(t.topic, STR("orders")));
	check_int(t.npart, 0);
	check_int(topic_parts_parse(&t, "a.b-c_d:0", &a, &e), 0);
	check(str_eq(t.topic, STR("a.b-c_d")));
	check_int(t.npart, 1);
	check_int(t.part[0], 0);
	check_int(topic_parts_parse(&t, "t:3,2147483647,0", &a, &e), 0);
	check_int(t.npart, 3);
	check_int(t.part[0], 3);
	check_int(t.part[1], INT32_MAX);
	check_int(t.part[2], 0);
	arena_release(&a);
}

void
test_group_target__what_is_none_is_refused(void)
{
	static const char *const bad[] = { "", ":1", "t:", "t:1,", "t:,1", "t:x", "t:-1", "t:+1",
		"t: 1", "t:1:2", "t:2147483648", "t:99999999999999999999999999" };
	struct arena a = ARENA_INIT;
	struct topic_parts t;
	struct err e;
	char longest[260];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (topic_parts_parse(&t, bad[i], &a, &e) == 0)
			tap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
		check_int(e.class, ERR_USAGE);
	}
	memset(longest, 't', sizeof longest);
	longest[249] = 0;
	check_int(topic_parts_parse(&t, longest, &a, &e), 0);
	longest[249] = 't';
	longest[250] = 0;
	check_int(topic_parts_parse(&t, longest, &a, &e), -1);
	arena_release(&a);
}

static void
check_where(const char *text, enum place_kind kind, int64_t n)
{
	struct place w;
	struct err e;
	if (place_parse(&w, text, ROW_PLACES, NOW_MS, &e) < 0)
		tap_fail(__FILE__, __LINE__, "'%s': %s", text, e.msg);
	check_int(w.kind, kind);
	check_int(w.n, n);
}

void
test_group_where__every_word(void)
{
	check_where("earliest", PLACE_BEGINNING, 0);
	check_where("latest", PLACE_END, 0);
	check_where("current", PLACE_CURRENT, 0);
	check_where("0", PLACE_OFFSET, 0);
	check_where("9223372036854775807", PLACE_OFFSET, INT64_MAX);
	check_where("+5", PLACE_SHIFT, 5);
	check_where("-5", PLACE_SHIFT, -5);
	check_where("@1796021551123", PLACE_TIME, 1796021551123);
	check_where("@-1s", PLACE_TIME, NOW_MS - 1000);
	check_where("@1970-01-02T00:00Z", PLACE_TIME, 86400000);
}

void
test_group_where__what_is_none_is_refused(void)
{
	static const char *const bad[] = { "", "+", "-", "@", "first", "1h", "5x", "+-5", "--5",
		"9223372036854775808", "@1969-01-01", "@yesterday" };
	struct place w;
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (place_parse(&w, bad[i], ROW_PLACES, NOW_MS, &e) == 0)
			tap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
		check_int(e.class, ERR_USAGE);
	}
}

/* The target of a row whose partition has 10 to 100; -2: a failure. */
static int64_t
go(enum place_kind kind, int64_t n, int64_t committed, int64_t at_time)
{
	struct row row = ROW_INIT(STR("t"), 0);
	struct err e;
	row.start = 10;
	row.end = 100;
	row.committed = committed;
	row.to = at_time;
	if (row_move(&row, &(struct place){ kind, n }, &e) < 0)
		return -2;
	return row.to;
}

void
test_group_where__kafkas_rules(void)
{
	check_int(go(PLACE_BEGINNING, 0, 50, -1), 10);
	check_int(go(PLACE_END, 0, 50, -1), 100);
	check_int(go(PLACE_CURRENT, 0, 50, -1), 50);
	check_int(go(PLACE_CURRENT, 0, -1, -1), 100);
	check_int(go(PLACE_OFFSET, 7, -1, -1), 7);
	check_int(go(PLACE_TIME, 1, -1, 42), 42);
	check_int(go(PLACE_TIME, 1, -1, -1), 100);
	check_int(go(PLACE_SHIFT, 5, 50, -1), 55);
	check_int(go(PLACE_SHIFT, -60, 50, -1), 0);
	check_int(go(PLACE_SHIFT, INT64_MAX, 50, -1), INT64_MAX);
	check_int(go(PLACE_SHIFT, -INT64_MAX, 50, -1), 0);
	check_int(go(PLACE_SHIFT, 5, -1, -1), -2);
}

void
test_group_where__stays_between_the_ends(void)
{
	struct row row = ROW_INIT(STR("t"), 0);
	row.start = 10;
	row.end = 100;
	row.to = 9;
	check_int(row_clamp(&row), 9);
	check_int(row.to, 10);
	row.to = 101;
	check_int(row_clamp(&row), 101);
	check_int(row.to, 100);
	row.to = 10;
	check_int(row_clamp(&row), -1);
	row.to = 100;
	check_int(row_clamp(&row), -1);
	check_int(row.to, 100);
}
