/* stream/join_stream: what the cases do not show. */
#include "join_help.h"

#define THIS "KSTREAM-JOINTHIS-0000000004-store"
#define OTHER "KSTREAM-OUTEROTHER-0000000005-store"
#define SHARED "KSTREAM-OUTERSHARED-0000000004-store"

static void
start(enum flow_join_kind kind, int64_t before_ms, int64_t after_ms, int64_t grace_ms)
{
	const struct flow_spec specs[] = {
		{ .id = "l", .op = FLOW_STREAM, .topic = "l" },
		{ .id = "r", .op = FLOW_STREAM, .topic = "r" },
		{ .id = "j", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" }, .fn = &join_fn,
			.kind = kind, .join_window = { before_ms, after_ms, grace_ms },
			.late_id = "late" },
		{ .id = "o", .op = FLOW_TO, .from = { "j" }, .topic = "out" },
		{ .id = "p", .op = FLOW_TO, .from = { "late" }, .topic = "late" },
	};
	play_start(specs, ARRAY_LEN(specs), -1);
}

void
test_join_stream__changelogs_have_kafkas_bytes(void)
{
	struct buf headers = BUF_INIT;
	start(FLOW_LEFT, 5, 5, 10);
	builder_put_header(&headers, STR("h"), STR("1"));
	play.headers = buf_str(&headers);
	play.nheader = 1;
	take("l", "k", "x", 256);
	play.nheader = 0;
	play.headers = STR_NULL;
	take("l", "k", "yy", 256);
	take("r", "a", "z", 257);
	check_changes(
		THIS " k\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\01 x @256 1 headers\n"
		THIS " k\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00\\00\\02 yy @256\n"
		OTHER " a\\00\\00\\00\\00\\00\\00\\01\\01\\00\\00\\00\\01 z @257\n"
		SHARED " \\00\\00\\00\\00\\00\\00\\01\\00\\01k "
			"\\01\\00\\00\\00\\02\\00\\00\\00\\02\\01x\\00\\00\\00\\03\\01yy @256\n");
	/* A match takes both from those that wait. */
	take("r", "k", "z", 258);
	check_out("out k x,z @258\nout k yy,z @258\n");
	check_changes(
		OTHER " k\\00\\00\\00\\00\\00\\00\\01\\02\\00\\00\\00\\02 z @258\n"
		SHARED " \\00\\00\\00\\00\\00\\00\\01\\00\\01k null @258\n");
	check_changes("");
	play_stop();
	buf_release(&headers);
}

void
test_join_stream__stores_are_as_kafkas(void)
{
	start(FLOW_LEFT, 5, 7, 10);
	check_int(find_store(THIS)->retention_ms, 22);
	check(!find_store(THIS)->is_compacted);
	check(!find_store(OTHER)->is_compacted);
	check(find_store(SHARED)->is_compacted);
	check_int(find_store(SHARED)->retention_ms, 0);
	play_stop();
	start(FLOW_INNER, 5, 7, 10);
	const struct flow_store *stores;
	check_int(flow_task_stores(play.task, &stores), 2);
	play_stop();
}

void
test_join_stream__a_restart_changes_nothing(void)
{
	start(FLOW_OUTER, 5, 5, 0);
	take("l", "a", "1", 10);
	take("r", "b", "2", 12);
	take("l", "c", "3", 13);
	take("r", "c", "4", 13);
	check_out("out c 3,4 @13\n");
	play_restart(true);
	take("l", "b", "5", 17);
	check_out("out a 1, @10\nout b 5,2 @17\n");
	play_restart(true);
	/* Time goes on from 17: this one is late, and a was let go. */
	take("l", "d", "6", 11);
	take("r", "a", "7", 12);
	check_out("late d 6 @11\n");
	play_end();
	check_out("out a ,7 @12\n");
	play_stop();
}

void
test_join_stream__a_copy_forgets_what_the_task_has_forgotten(void)
{
	struct err e;
	start(FLOW_INNER, 5, 5, 0);
	for (int i = 0; i < 1000; i++)
		take("l", "a", "x", i * 1000);
	int64_t most = store_count(find_store(THIS)->store);
	check(most < 5);
	/* A second task follows the changelog. */
	for (int i = 0; i < 1000; i++) {
		take("l", "a", "x", (1000 + i) * 1000);
		play_log();
	}
	check_int(store_count(find_store(THIS)->store), most);
	play_close();
	play_open();
	check(play.nchange >= 1000);
	for (int i = 0; i < play.nchange; i++) {
		play_set_time(play.change[i].change.ts_ms);
		check_int(flow_task_restore(play.task, find_store(play.change[i].store),
			&play.change[i].change, &e), 0);
		check(store_count(find_store(THIS)->store) <= most);
	}
	play_stop();
}

void
test_join_stream__a_record_is_never_overwritten_after_a_restart(void)
{
	/* Kafka counts from 1 again, and loses the first one. */
	for (int keeps_numbers = 0; keeps_numbers < 2; keeps_numbers++) {
		start(FLOW_INNER, 5, 5, 0);
		take("l", "a", "1", 10);
		play_restart(keeps_numbers);
		take("l", "a", "2", 10);
		play_restart(keeps_numbers);
		take("l", "a", "3", 10);
		take("r", "a", "x", 10);
		check_out("out a 1,x @10\nout a 2,x @10\nout a 3,x @10\n");
		play_stop();
	}
}

void
test_join_stream__one_that_came_out_alone_is_no_partner_after_a_restart(void)
{
	start(FLOW_LEFT, 5, 5, 0);
	take("l", "a", "1", 10);
	play_restart(true);
	take("l", "b", "2", 16);
	check_out("out a 1, @10\n");
	play_restart(true);
	take("r", "a", "x", 15);
	check_out("");
	play_stop();
}

void
test_join_stream__at_the_end_all_that_waits_comes_out(void)
{
	start(FLOW_OUTER, 2, 50, 100);
	take("l", "b", "1", 10);
	take("l", "a", "2", 10);
	take("l", "a", "3", 10);
	take("r", "z", "4", 10);
	take("r", "c", "5", 7);
	check_out("");
	play_end();
	check_out("out c ,5 @7\nout z ,4 @10\nout a 2, @10\nout a 3, @10\nout b 1, @10\n");
	play_end();
	check_out("");
	play_stop();
}

void
test_join_stream__however_many_wait_at_the_end_memory_is_bounded(void)
{
	start(FLOW_LEFT, 5, 1000000, 0);
	for (int i = 0; i < 5000; i++)
		take("l", arena_printf(&play.arena, "%d", i), "v", i);
	play_end();
	int n = 0;
	for (size_t i = 0; i < play.out.n; i++)
		n += play.out.p[i] == '\n';
	check_int(n, 5000);
	/* The arena of the functions was emptied on the way. */
	check(fn_arena.used < 100000);
	play_stop();
}

void
test_join_stream__late_records_go_to_their_own_stream(void)
{
	start(FLOW_INNER, 5, 5, 10);
	take("l", "a", "1", 100);
	take("r", "a", "2", 85);
	take("r", "a", "3", 84);
	take("l", NULL, "4", 200);
	check_out("late a 3 @84\n");
	check_int(play.ndropped, 2);
	check_int(play.nlate, 1);
	play_stop();
}

void
test_join_stream__what_no_record_can_meet_is_forgotten(void)
{
	start(FLOW_OUTER, 100, 100, 0);
	int64_t most = 0;
	for (int i = 0; i < 20000; i++) {
		const char *key = arena_printf(&play.arena, "k%d", i % 97);
		take(i % 3 ? "l" : "r", key, "v", i);
		buf_reset(&play.out);
		most = MAX(most, store_count(find_store("KSTREAM-OUTERTHIS-0000000004-store")->store));
		most = MAX(most, store_count(find_store(OTHER)->store));
		most = MAX(most, store_count(find_store(SHARED)->store));
	}
	/* Segments are at least a second long. */
	check(most > 100 && most < 2300);
	play_stop();
}

void
test_join_stream__wide_windows_do_not_overflow(void)
{
	start(FLOW_OUTER, INT64_MAX, INT64_MAX, INT64_MAX);
	take("l", "a", "1", 0);
	take("r", "a", "2", INT64_MAX);
	take("r", "b", "3", 5);
	check_out("out a 1,2 @9223372036854775807\n");
	play_end();
	check_out("out b ,3 @5\n");
	play_stop();
}

void
test_join_stream__keys_with_nuls_are_kept_apart(void)
{
	start(FLOW_LEFT, 5, 5, 0);
	struct str key = { (const uint8_t *)"a\0b", 3 };
	take_bytes("l", key, STR("1"), 10);
	take("l", "a", "2", 10);
	play_restart(true);
	take("r", "a", "x", 11);
	check_out("out a 2,x @11\n");
	take("r", "z", "x", 50);
	check_out("out a\\00b 1, @10\n");
	play_stop();
}

void
test_join_stream__foreign_changelogs_are_refused(void)
{
	start(FLOW_LEFT, 5, 5, 0);
	check_refused(THIS, STR("12345678901"), STR("v"));
	check_refused(SHARED, STR("12345678"), STR("v"));
	check_refused(SHARED, STR("12345678\2k"), STR("v"));
	static const char *const lists[] = { "", "\1\0\0\0", "\0\0\0\0\1\0\0\0\2\1x",
		"\1\0\0\0\1\0\0\0\3\1x", "\1\0\0\0\2\0\0\0\2\1x", "\1\0\0\0\1\0\0\0\2\0x",
		"\1\0\0\0\1\0\0\0\0\1x", "\1\0\0\0\0", "\1\377\377\377\377\0\0\0\2\1x" };
	static const int32_t sizes[] = { 0, 4, 11, 11, 11, 11, 11, 5, 11 };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		check_refused(SHARED, STR("12345678\1k"),
			(struct str){ (const uint8_t *)lists[i], sizes[i] });
	play_stop();
}
