/* kq-group: the partitions of a group, their lag, how fast they are
 * read, and the positions to which they are moved. */
#include "tap.h"

#include "kq-group/rate.c"
#include "kq-group/rows.c"

enum { NOW_MS = 1000000000 };

static struct row
row_of(struct str topic, int32_t partition, int64_t committed, int64_t end)
{
	struct row row = ROW_INIT(topic, partition);
	row.committed = committed;
	row.end = end;
	return row;
}

void
test_group_rows__are_merged_by_place(void)
{
	/* Only its address is used. */
	const struct look_member *someone = (const struct look_member *)&tests;
	struct row v[6] = { row_of(STR("b"), 1, -1, -1), row_of(STR("a"), 10, 7, -1),
		row_of(STR("b"), 1, 5, -1), row_of(STR("a"), 9, -1, 3), row_of(STR("a"), 10, -1, 9),
		row_of(STR("ab"), 0, 1, 1) };
	struct rows rows = { v, 6 };
	v[0].member = someone;
	v[1].metadata = STR("x");
	v[1].leader_epoch = 4;
	rows_merge(&rows);
	check_int(rows.n, 4);
	check_int(rows.v[0].partition, 9);
	check_int(rows.v[0].committed, -1);
	check_int(rows.v[0].end, 3);
	check_int(rows.v[1].partition, 10);
	check_int(rows.v[1].committed, 7);
	check_int(rows.v[1].end, 9);
	check_int(rows.v[1].leader_epoch, 4);
	check(str_eq(rows.v[1].metadata, STR("x")));
	check(str_eq(rows.v[2].topic, STR("ab")));
	check(rows.v[3].member == someone);
	check_int(rows.v[3].committed, 5);
	check(rows_find(&rows, STR("ab"), 0) == &rows.v[2]);
	check(!rows_find(&rows, STR("ab"), 1));
	check(!rows_find(&rows, STR("c"), 0));
}

void
test_group_rows__none_are_fine(void)
{
	struct rows none = { NULL, 0 };
	rows_merge(&none);
	check_int(none.n, 0);
	check(!rows_find(&none, STR("a"), 0));
	check_int(rows_lag(&none), -1);
}

void
test_group_rows__lag_is_known_with_both_ends(void)
{
	struct row v[5] = { row_of(STR("a"), 0, 3, 10), row_of(STR("a"), 1, -1, 10),
		row_of(STR("a"), 2, 3, -1), row_of(STR("a"), 3, 10, 10), row_of(STR("a"), 4, 12, 10) };
	check(row_has_lag(&v[0]));
	check_int(row_lag(&v[0]), 7);
	check(!row_has_lag(&v[1]));
	check(!row_has_lag(&v[2]));
	check_int(row_lag(&v[3]), 0);
	check_int(row_lag(&v[4]), -2);
	check_int(rows_lag(&(struct rows){ v, 5 }), 7);
	check_int(rows_lag(&(struct rows){ v + 1, 2 }), -1);
	check_int(rows_lag(&(struct rows){ v + 3, 2 }), 0);
}

void
test_group_rate__is_the_difference_over_the_time(void)
{
	enum { SECOND = 1000000000 };
	struct rate r = RATE_INIT;
	double got = 99;
	char topic[] = "a";
	struct row v[3] = { row_of(str_of(topic), 0, 100, 500), row_of(str_of(topic), 1, -1, 5),
		row_of(str_of(topic), 2, 40, 50) };
	struct rows rows = { v, 3 };
	check(!rate_of(&r, &v[0], SECOND, &got));
	check(!rate_total(&r, &rows, SECOND, &got));
	rate_keep(&r, &rows, SECOND);
	topic[0] = 'z'; /* rate_keep makes a copy */
	v[0].topic = v[1].topic = v[2].topic = STR("a");
	v[0].committed = 300;
	v[1].committed = 5;
	v[2].committed = 30;
	check(!rate_of(&r, &v[0], SECOND, &got));
	check(rate_of(&r, &v[0], 3 * (int64_t)SECOND, &got));
	check_int((int64_t)got, 100);
	check(!rate_of(&r, &v[1], 3 * (int64_t)SECOND, &got));
	check(rate_of(&r, &v[2], 3 * (int64_t)SECOND, &got));
	check_int((int64_t)got, -5);
	check(rate_total(&r, &rows, 3 * (int64_t)SECOND, &got));
	check_int((int64_t)got, 95);
	rate_release(&r);
}

static void
check_place(const char *text, enum place_kind kind, int64_t n)
{
	struct place place;
	struct err e;
	if (place_parse(&place, text, ROW_PLACES, NOW_MS, &e) < 0)
		tap_fail(__FILE__, __LINE__, "'%s': %s", text, e.msg);
	check_int(place.kind, kind);
	check_int(place.n, n);
}

void
test_row_places__every_word(void)
{
	check_place("earliest", PLACE_BEGINNING, 0);
	check_place("latest", PLACE_END, 0);
	check_place("current", PLACE_CURRENT, 0);
	check_place("0", PLACE_OFFSET, 0);
	check_place("9223372036854775807", PLACE_OFFSET, INT64_MAX);
	check_place("+5", PLACE_SHIFT, 5);
	check_place("-5", PLACE_SHIFT, -5);
	check_place("@1796021551123", PLACE_TIME, 1796021551123);
	check_place("@-1s", PLACE_TIME, NOW_MS - 1000);
	check_place("@1970-01-02T00:00Z", PLACE_TIME, 86400000);
}

void
test_row_places__what_is_none_is_refused(void)
{
	static const char *const bad[] = { "", "+", "-", "@", "first", "1h", "5x", "+-5", "--5",
		"9223372036854775808", "@1969-01-01", "@yesterday" };
	struct place place;
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (place_parse(&place, bad[i], ROW_PLACES, NOW_MS, &e) == 0)
			tap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
		check_int(e.class, ERR_USAGE);
	}
}

/* Where row_move moves a row whose partition has the offsets 10 to 100; -2: a failure. */
static int64_t
moved(enum place_kind kind, int64_t n, int64_t committed, int64_t at_time)
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
test_row_move__kafkas_rules(void)
{
	check_int(moved(PLACE_BEGINNING, 0, 50, -1), 10);
	check_int(moved(PLACE_END, 0, 50, -1), 100);
	check_int(moved(PLACE_CURRENT, 0, 50, -1), 50);
	check_int(moved(PLACE_CURRENT, 0, -1, -1), 100);
	check_int(moved(PLACE_OFFSET, 7, -1, -1), 7);
	check_int(moved(PLACE_TIME, 1, -1, 42), 42);
	check_int(moved(PLACE_TIME, 1, -1, -1), 100);
	check_int(moved(PLACE_SHIFT, 5, 50, -1), 55);
	check_int(moved(PLACE_SHIFT, -60, 50, -1), 0);
	check_int(moved(PLACE_SHIFT, INT64_MAX, 50, -1), INT64_MAX);
	check_int(moved(PLACE_SHIFT, -INT64_MAX, 50, -1), 0);
	check_int(moved(PLACE_SHIFT, 5, -1, -1), -2);
}

void
test_row_clamp__stays_between_the_ends(void)
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
