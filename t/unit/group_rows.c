/* kq-group: the partitions of a group, their lag, and how fast they are read. */
#include "tap.h"

#include "kq-group/rate.c"
#include "kq-group/rows.c"

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
