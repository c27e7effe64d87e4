/* stream/win_sliding: what the cases do not show. */
#include "win_help.h"

#include "stream/task_int.h"

static const struct flow_window sliding = { .type = FLOW_SLIDING, .size_ms = 10, .grace_ms = 5 };

void
test_win_sliding__the_changelog_has_kafkas_bytes(void)
{
	win_start(&text_agg, &sliding, false);
	take("in", "k", "a", 266);
	take("in", "k", "b", 270);
	check_changes(
		STORE " k\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\00 +a @266\n"
		STORE " k\\00\\00\\00\\00\\00\\00\\01\\04\\00\\00\\00\\00 +a+b @270\n"
		STORE " k\\00\\00\\00\\00\\00\\00\\01\\0b\\00\\00\\00\\00 +b @270\n");
	check_int(find_store(STORE)->retention_ms, 25);
	play_stop();
}

/* A window whose aggregate is null is known by a header: the window right of a record must
 * start from it. */
void
test_win_sliding__a_restart_knows_null_aggregates(void)
{
	win_start(&text_agg, &sliding, false);
	take("in", "k", "a", 20);
	take("in", "k", "0", 25);
	check_out("out k[10,20] +a @20\n");
	check_changes(
		STORE " k\\00\\00\\00\\00\\00\\00\\00\\0a\\00\\00\\00\\00 +a @20\n"
		STORE " k\\00\\00\\00\\00\\00\\00\\00\\0f\\00\\00\\00\\00 null @25 1 headers\n"
		STORE " k\\00\\00\\00\\00\\00\\00\\00\\15\\00\\00\\00\\00 null @25 1 headers\n");
	play_restart(true);
	/* [15, 25] and [21, 31] are null, [22, 32] has the same record as the latter. */
	take("in", "k", "b", 21);
	check_out("out k[11,21] +a+b @21\n"
		"out k[15,25] +b @21\n"
		"out k[21,31] +b @21\n");
	play_stop();
}

void
test_win_sliding__a_restart_changes_nothing(void)
{
	win_start(&text_agg, &sliding, true);
	take("in", "a", "1", 20);
	take("in", "b", "1", 26);
	check_out("out a[10,20] +1 @20\n");
	play_restart(true);
	take("in", "a", "2", 10);
	check_out("late a 2 @10\n");
	take("in", "a", "3", 16); /* its own window and that of 20 are closed */
	check_int(play.nlate, 1);
	check_int(play.npartly, 1);
	check_out("");
	play_restart(true);
	play_end();
	check_out("out b[16,26] +1 @26\n"
		"out a[17,27] +1 @20\n");
	play_stop();
}

void
test_win_sliding__old_windows_are_forgotten(void)
{
	for (int is_final = 0; is_final < 2; is_final++) {
		const struct flow_store *stores;
		win_start(&count_agg, &sliding, is_final);
		for (int64_t ms = 0; ms < 5000; ms++)
			take("in", "a", "1", ms);
		int n = flow_task_stores(play.task, &stores);
		check_int(n, 2 + is_final);
		for (int i = 0; i < n; i++)
			check(store_count(stores[i].store) < 60);
		play_stop();
	}
}

void
test_win_sliding__a_failed_record_changes_nothing(void)
{
	win_start(&text_agg, &sliding, false);
	take("in", "a", "1", 20);
	play_log();
	take("in", "a", "!", 25);
	check_changes("");
	take("in", "a", "2", 26);
	check_out("out a[10,20] +1 @20\n"
		"out a[16,26] +1+2 @26\n"
		"out a[21,31] +2 @26\n");
	play_stop();
}

void
test_win_sliding__what_the_end_sent_is_sent_again_only_if_it_changed(void)
{
	win_start(&text_agg, &sliding, true);
	take("in", "a", "1", 20);
	take("in", "b", "1", 21);
	play_end();
	check_out("out a[10,20] +1 @20\nout b[11,21] +1 @21\n");
	for (int n = 0; n < 2; n++) {
		play_restart(true);
		play_end();
		check_out("");
	}
	play_restart(true);
	take("in", "a", "2", 18); /* the window's last record is newer than its result's cause */
	play_restart(true);
	play_end();
	check_out("out a[8,18] +2 @18\nout a[10,20] +1+2 @20\nout a[19,29] +1 @20\n");
	take("in", "b", "2", 21);
	take("in", "c", "1", 1000);
	check_out("out b[11,21] +1+2 @21\n");
	play_restart(true);
	play_end();
	check_out("out c[990,1000] +1 @1000\n");
	play_stop();
}

/* Is the row of key a there, for those who look into the table? */
static bool
has_row(int64_t start_ms)
{
	struct flow_key key = { .bytes = STR("a"), .is_windowed = true, .start_ms = start_ms,
		.end_ms = start_ms + sliding.size_ms };
	for (int i = 0; i < play.task->nnode; i++) {
		struct flow_node *node = play.task->node[i];
		struct str value;
		int64_t ts_ms;
		if (node && node->ops->rows == FLOW_ROWS_SLIDING)
			return node->ops->get(node, &key, &value, &ts_ms);
	}
	tap_fail(__FILE__, __LINE__, "there is no such table");
}

void
test_win_sliding__a_window_that_was_closed_when_it_was_made_is_never_seen(void)
{
	win_start(&text_agg, &sliding, false);
	take("in", "b", "1", 40);
	take("in", "a", "1", 30); /* its own window begins before 25 */
	take("in", "a", "2", 37);
	check_out("out b[30,40] +1 @40\nout a[27,37] +1+2 @37\nout a[31,41] +2 @37\n");
	for (int n = 0; n < 3; n++) {
		check(!has_row(20));
		check(has_row(27));
		play_restart(true);
	}
	play_stop();
}
