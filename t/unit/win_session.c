/* stream/win_session: what the cases do not show. */
#include "win_help.h"

static const struct flow_window session = { .type = FLOW_SESSION, .size_ms = 10, .grace_ms = 5 };

void
test_win_session__the_changelog_has_kafkas_bytes(void)
{
	win_start(&text_agg, &session, false);
	take("in", "k", "a", 256);
	check_changes(STORE " k\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\01\\00 "
		"+a @256\n");
	take("in", "k", "b", 260);
	check_changes(
		STORE " k\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\01\\00 null @260\n"
		STORE " k\\00\\00\\00\\00\\00\\00\\01\\04\\00\\00\\00\\00\\00\\00\\01\\00 (|+a)+b @260\n");
	/* Closed sessions are forgotten, not deleted: retention is for that. */
	take("in", "x", "c", 1000);
	check_changes(
		STORE " x\\00\\00\\00\\00\\00\\00\\03\\e8\\00\\00\\00\\00\\00\\00\\03\\e8 +c @1000\n");
	check_int(find_store(STORE)->retention_ms, 15);
	play_stop();
}

void
test_win_session__a_restart_changes_nothing(void)
{
	win_start(&text_agg, &session, true);
	take("in", "a", "1", 20);
	take("in", "b", "1", 30);
	take("in", "b", "2", 36);
	check_out("out a[20,20] +1 @20\n");
	play_restart(true);
	take("in", "a", "2", 20); /* 20 + 10 + 5 is past */
	check_int(play.nlate, 1);
	check_out("late a 2 @20\n");
	take("in", "b", "3", 20); /* but this one joins an open session */
	check_out("");
	play_restart(true);
	play_end();
	check_out("out b[20,36] "
		"(|(|+1)+2)+3 @36\n");
	play_stop();
}

void
test_win_session__an_entry_that_is_none_is_refused(void)
{
	win_start(&text_agg, &session, false);
	check_refused(STORE, STR("0123456789abcde"), STR("+1"));
	check_refused(STORE, STR("k\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2"), STR("+1"));
	check_refused(STORE, STR("k\0\0\0\0\0\0\0\1\377\0\0\0\0\0\0\0"), STR("+1"));
	play_stop();
}

void
test_win_session__closed_sessions_are_forgotten(void)
{
	for (int is_final = 0; is_final < 2; is_final++) {
		const struct flow_store *stores;
		win_start(&text_agg, &session, is_final);
		for (int64_t ms = 0; ms < 100000; ms += 20)
			take("in", "a", "1", ms);
		int n = flow_task_stores(play.task, &stores);
		check_int(n, 2 + is_final);
		for (int i = 0; i < n; i++)
			check(store_count(stores[i].store) <= 2);
		play_stop();
	}
}

/* A failed merge or add leaves the sessions as they were. */
void
test_win_session__a_failed_record_changes_nothing(void)
{
	win_start(&text_agg, &session, true);
	take("in", "a", "1", 20);
	play_log();
	take("in", "a", "!", 25);
	check_changes("");
	play_end();
	check_out("out a[20,20] +1 @20\n");
	play_stop();
}

void
test_win_session__what_the_end_sent_is_sent_again_only_if_it_changed(void)
{
	win_start(&text_agg, &session, true);
	take("in", "a", "1", 20);
	take("in", "b", "1", 21);
	play_end();
	check_out("out a[20,20] +1 @20\nout b[21,21] +1 @21\n");
	for (int n = 0; n < 2; n++) {
		play_restart(true);
		play_end();
		check_out("");
	}
	play_restart(true);
	take("in", "a", "2", 20); /* the session stays as long as it was */
	play_restart(true);
	play_end();
	check_out("out a[20,20] (|+1)+2 @20\n");
	take("in", "b", "2", 22);
	take("in", "c", "1", 1000);
	check_out("out b[21,22] (|+1)+2 @22\n");
	play_restart(true);
	play_end();
	check_out("out c[1000,1000] +1 @1000\n");
	play_stop();
}
