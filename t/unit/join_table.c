/* stream/join_table and versioned: what the cases do not show. */
#include "join_help.h"

#define BUFFER "KSTREAM-LEFTJOIN-0000000004-Buffer"
#define TABLE "t-STATE-STORE-0000000001"

static void
start(int64_t history_ms, int64_t grace_ms)
{
	const struct flow_spec specs[] = {
		{ .id = "s", .op = FLOW_STREAM, .topic = "s" },
		{ .id = "t", .op = FLOW_TABLE, .topic = "t", .history_ms = history_ms },
		{ .id = "j", .op = FLOW_STREAM_TABLE_JOIN, .from = { "s", "t" }, .fn = &join_fn,
			.kind = FLOW_LEFT, .join_grace_ms = grace_ms },
		{ .id = "o", .op = FLOW_TO, .from = { "j" }, .topic = "out" },
	};
	play_start(specs, ARRAY_LEN(specs), -1);
}

void
test_join_table__the_buffer_has_kafkas_bytes(void)
{
	start(1000, 100);
	take("s", "k", "x", 256);
	play.env.now_ms = 5000;
	check_changes(BUFFER " \\00\\00\\00\\00\\00\\00\\00\\01\\00k\\00\\00\\00\\01 "
		"\\00\\00\\00\\00\\00\\00\\01\\00" "\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff" "\\00\\00\\00\\00"
		"\\ff\\ff\\ff\\ff" "\\00\\00\\00\\00" "\\ff\\ff\\ff\\ff" "\\ff\\ff\\ff\\ff"
		"\\00\\00\\00\\01x" "\\00\\00\\00\\00\\00\\00\\00\\00 @5000\n");
	take("s", "k", "y", 356);
	check_out("out k x, @256\n");
	play.env.now_ms = 6000;
	play.nchange = 0;
	play_log();
	check_int(play.nchange, 2);
	check_int(play.change[1].change.value.n, -1);
	play_stop();
}

void
test_join_table__what_waits_comes_back_with_its_headers(void)
{
	struct buf headers = BUF_INIT;
	start(1000, 100);
	builder_put_header(&headers, STR("h"), STR("1"));
	play.headers = buf_str(&headers);
	play.nheader = 1;
	take("s", "a", "1", 10);
	play.nheader = 0;
	take("s", "a", "2", 10);
	play_restart(true);
	take("t", "a", "x", 5);
	play_restart(true);
	take("s", "a", "3", 10);
	take("s", "b", "4", 109);
	check_out("");
	take("s", "b", "5", 110);
	check_out("out a 1,x @10 1 headers\nout a 2,x @10\nout a 3,x @10\n");
	play_end();
	check_out("out b 4, @109\nout b 5, @110\n");
	check_refused(BUFFER, STR("\0" "12345678" "123"), STR("v"));
	check_refused(BUFFER, STR("\1" "12345678" "k" "1234"), STR("v"));
	check_refused(BUFFER, STR("\0" "12345678" "k" "1234"), STR("v"));
	play_stop();
	buf_release(&headers);
}

static void
is_refused(int64_t history_ms, int64_t grace_ms)
{
	struct err e = { 0 };
	struct topology *topo = topology_new("app");
	const struct flow_spec specs[] = {
		{ .id = "s", .op = FLOW_STREAM, .topic = "s" },
		{ .id = "t", .op = FLOW_TABLE, .topic = "t", .history_ms = history_ms },
		{ .id = "j", .op = FLOW_STREAM_TABLE_JOIN, .from = { "s", "t" }, .fn = &join_fn,
			.join_grace_ms = grace_ms },
	};
	check_int(topology_add(topo, &specs[0], &e), 0);
	check_int(topology_add(topo, &specs[1], &e), 0);
	check_int(topology_add(topo, &specs[2], &e), -1);
	check_int(e.class, ERR_USAGE);
	topology_free(topo);
}

void
test_join_table__grace_needs_as_much_history(void)
{
	is_refused(0, 10);
	is_refused(9, 10);
}

void
test_versioned__the_changelog_has_versions_at_their_times(void)
{
	start(100, -1);
	take("t", "a", "1", 10);
	take("t", "a", "2", 20);
	take("t", "a", NULL, 30);
	check_changes(TABLE " a 1 @10\n" TABLE " a 2 @20\n" TABLE " a null @30\n");
	check_int(find_store(TABLE)->history_ms, 100);
	check(find_store(TABLE)->is_compacted);
	/* Compaction keeps the last record, which must be the newest version. */
	take("t", "a", "3", 15);
	check_changes(TABLE " a 3 @15\n" TABLE " a null @30\n");
	/* What expires is not in the changelog: there a null would delete as of then. */
	take("t", "b", "1", 1000);
	take("t", "b", "2", 1001);
	check_changes(TABLE " b 1 @1000\n" TABLE " b 2 @1001\n");
	check_int(store_count(find_store(TABLE)->store), 2);
	play_stop();
}

/* The most versions that there were. */
static int64_t
most_versions(bool is_plain)
{
	start(100, -1);
	play_close();
	play.is_plain = is_plain;
	play_open();
	int64_t most = 0;
	for (int i = 0; i < 20000; i++) {
		const char *key = arena_printf(&play.arena, "k%d", i % 10 ? i % 97 : i);
		take("t", key, i % 7 ? "v" : NULL, i);
		if (i % 50 == 0 && !is_plain)
			play_log();
		play.nchange = 0;
		most = MAX(most, store_count(find_store(TABLE)->store));
		most = MAX(most, store_count(find_store(TABLE "-ends")->store));
	}
	play_stop();
	return most;
}

void
test_versioned__versions_that_have_ended_are_forgotten(void)
{
	/* Newest versions of 2000 keys stay, and those of the last 150 ms. */
	int64_t logged = most_versions(false), plain = most_versions(true);
	check(logged > 150 && logged < 2300);
	check(plain > 150 && plain <= logged);
}

void
test_versioned__a_copy_forgets_versions_that_have_ended(void)
{
	struct err e;
	start(100, -1);
	for (int i = 0; i < 1000; i++) {
		take("t", "a", i % 10 == 9 ? NULL : "x", i * 1000);
		if (i % 10 == 9)
			take("t", "a", "late", i * 1000 - 50);
		play_log();
	}
	int64_t most = store_count(find_store(TABLE)->store);
	check(most < 5);
	play_close();
	play_open();
	for (int i = 0; i < play.nchange; i++) {
		play_set_time(play.change[i].change.ts_ms);
		check_int(flow_task_restore(play.task, find_store(play.change[i].store),
			&play.change[i].change, &e), 0);
		check(store_count(find_store(TABLE)->store) < 5);
	}
	take("s", "a", "1", 999000);
	check_out("out a 1, @999000\n");
	play_stop();
}

void
test_versioned__late_updates_are_dropped_beyond_the_history(void)
{
	start(100, -1);
	take("t", "a", "1", 200);
	take("t", "a", "2", 99);
	take("t", "a", "3", 100);
	check_int(play.nlate, 1);
	take("s", "a", "x", 99);
	take("s", "a", "y", 100);
	check_out("out a x, @99\nout a y,3 @100\n");
	play_stop();
}
