/* stream/win_fixed: what the cases do not show. */
#include "win_help.h"

static const struct flow_window tumbling = { .type = FLOW_TUMBLING, .size_ms = 10, .grace_ms = 5 };
static const struct flow_window hopping = { .type = FLOW_HOPPING, .size_ms = 10, .advance_ms = 5,
	.grace_ms = 2 };

void
test_win_fixed__the_changelog_has_kafkas_bytes(void)
{
	win_start(&text_agg, &tumbling, false);
	take("in", "k", "a", 262);
	take("in", "k", "b", 261);
	check_changes(STORE " k\\00\\00\\00\\00\\00\\00\\01\\04\\00\\00\\00\\00 +a+b @262\n");
	take("in", "k", "0", 263);
	check_changes(STORE " k\\00\\00\\00\\00\\00\\00\\01\\04\\00\\00\\00\\00 null @263\n");
	check_int(find_store(STORE)->retention_ms, 15);
	check(find_store(STORE)->is_compacted);
	play_stop();
}

void
test_win_fixed__an_entry_that_is_none_is_refused(void)
{
	win_start(&count_agg, &tumbling, false);
	check_refused(STORE, STR("k\0\0\0\0\0\0\0\0\0\0"), STR("12345678"));
	check_refused(STORE, STR("k\377\0\0\0\0\0\0\0\0\0\0\0"), STR("12345678"));
	check_refused(STORE, STR("k\177\377\377\377\377\377\377\377\0\0\0\0"), STR("12345678"));
	check_refused(STORE, STR("k\0\0\0\0\0\0\0\0\0\0\0\0"), STR("1234567"));
	play_stop();
}

/* Neither a second final result, nor a record that was late before. */
void
test_win_fixed__a_restart_changes_nothing(void)
{
	win_start(&count_agg, &tumbling, true);
	take("in", "a", "1", 1);
	take("in", "b", "1", 12);
	take("in", "c", "1", 16);
	check_out("out a[0,10] 1 @1\n");
	play_restart(true);
	take("in", "a", "2", 3);
	check_out("late a 2 @3\n");
	take("in", "b", "2", 13);
	take("in", "d", "2", 24);
	check_out("");
	play_restart(true);
	take("in", "d", "2", 25);
	check_out("out b[10,20] 2 @13\n"
		"out c[10,20] 1 @16\n");
	play_restart(true);
	play_end();
	check_out("out d[20,30] 2 @25\n");
	play_stop();
}

/* Each record counts once; the late stream has what no window took. */
void
test_win_fixed__late_for_some_windows_or_for_all(void)
{
	win_start(&count_agg, &hopping, true);
	take("in", "a", "1", 12);
	take("in", "a", "2", 6); /* [0, 10) is closed, [5, 15) is not */
	check_int(play.npartly, 1);
	check_int(play.nlate, 0);
	check_out("");
	take("in", "a", "3", 4);
	check_int(play.nlate, 1);
	check_out("late a 3 @4\n");
	take("in", "a", "4", 30);
	check_out("out a[5,15] 2 @12\nout a[10,20] 1 @12\n");
	take("in", "a", "5", 14);
	check_int(play.nlate, 2);
	check_int(play.npartly, 1);
	check_out("late a 5 @14\n");
	play_stop();
}

/* A record whose function fails leaves no trace but its time. */
void
test_win_fixed__a_failed_record_changes_nothing(void)
{
	struct flow_agg *aggs[] = { &text_agg, &count_agg };
	for (size_t i = 0; i < ARRAY_LEN(aggs); i++) {
		win_start(aggs[i], &hopping, true);
		take("in", "a", "!", 6);
		check_changes("");
		take("in", "b", "!", 50);
		take("in", "a", "1", 7);
		check_out("late a 1 @7\n");
		play_end();
		check_out("");
		play_stop();
	}
}

/* What is closed leaves the store: it does not grow with time. */
void
test_win_fixed__closed_windows_are_forgotten(void)
{
	for (int is_final = 0; is_final < 2; is_final++) {
		win_start(&count_agg, &tumbling, is_final);
		for (int64_t ms = 0; ms < 10000; ms++)
			take("in", "a", "1", ms);
		check(store_count(find_store(STORE)->store) <= 3);
		play_stop();
	}
}

/* Windows of many keys come out by end, then key. */
void
test_win_fixed__many_keys_close_in_order(void)
{
	enum { NKEY = 5000, STEP = 3671 }; /* no common divisor */
	struct buf want = BUF_INIT, key = BUF_INIT;
	win_start(&count_agg, &tumbling, true);
	for (int i = 0; i < NKEY; i++) {
		int number = i * STEP % NKEY;
		buf_reset(&key);
		buf_printf(&key, "%04d", number);
		take_bytes("in", buf_str(&key), STR("1"), number % 2 ? 5 : 11);
	}
	for (int is_odd = 1; is_odd >= 0; is_odd--)
		for (int i = is_odd; i < NKEY; i += 2)
			buf_printf(&want, is_odd ? "out %04d[0,10] 1 @5\n" : "out %04d[10,20] 1 @11\n", i);
	take("in", "z", "1", 100);
	buf_putc(&want, 0);
	check_out((const char *)want.p);
	buf_release(&want);
	buf_release(&key);
	play_stop();
}

/* Started again after the end, with or without records: a final result comes once, and again
 * if a record has changed it. */
void
test_win_fixed__what_the_end_sent_is_sent_again_only_if_it_changed(void)
{
	struct flow_agg *aggs[] = { &text_agg, &count_agg };
	for (size_t i = 0; i < ARRAY_LEN(aggs); i++) {
		bool varies = i == 0;
		win_start(aggs[i], &tumbling, true);
		take("in", "a", "1", 1);
		take("in", "b", "1", 2);
		play_end();
		check_out(varies ? "out a[0,10] +1 @1\nout b[0,10] +1 @2\n"
			: "out a[0,10] 1 @1\nout b[0,10] 1 @2\n");
		for (int n = 0; n < 2; n++) {
			play_restart(true);
			play_end();
			check_out("");
		}
		play_restart(true);
		take("in", "a", "2", 3);
		play_end();
		check_out(varies ? "out a[0,10] +1+2 @3\n" : "out a[0,10] 2 @3\n");
		play_restart(true);
		take("in", "b", "2", 4);
		take("in", "c", "1", 16); /* closes the window */
		check_out(varies ? "out b[0,10] +1+2 @4\n" : "out b[0,10] 2 @4\n");
		play_restart(true);
		play_end();
		check_out(varies ? "out c[10,20] +1 @16\n" : "out c[10,20] 1 @16\n");
		play_stop();
	}
}
