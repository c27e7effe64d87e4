#include "groups_help.h"

static struct entry *
last(struct world *w, int back)
{
	check(w->nlog > back);
	return &w->log[w->nlog - 1 - back];
}

static void
check_bytes(struct str s, const void *want, size_t n)
{
	check_int(s.n, (long long)n);
	for (size_t i = 0; i < n; i++)
		if (s.p[i] != ((const uint8_t *)want)[i])
			tap_fail(__FILE__, __LINE__, "byte %zu is %d, want %d", i, s.p[i],
				((const uint8_t *)want)[i]);
}

void
test_groups_log__an_offset_is_written_as_kafka_does(void)
{
	struct world w;
	world_init(&w, 1);
	w.now.wall_ms = 0x0102030405060708;
	struct committing c = { .group = "g", .topic = "cars", .metadata = "m", .epoch = -1,
		.partition = 3, .offset = 258 };
	check_int(commit_as(&w, &c), 0);
	static const char key[] = "\0\1" "\0\1g" "\0\4cars" "\0\0\0\3";
	static const char value[] = "\0\3" "\0\0\0\0\0\0\1\2" "\0\0\0\5" "\0\1m"
		"\1\2\3\4\5\6\7\10";
	check_bytes(last(&w, 0)->r.key, key, sizeof key - 1);
	check_bytes(last(&w, 0)->r.value, value, sizeof value - 1);
	check_int(last(&w, 0)->wall_ms, w.now.wall_ms);
	/* An offset with its own expiry has an older record version. */
	c.version = 2;
	c.retention_ms = 1;
	check_int(commit_as(&w, &c), 0);
	static const char old[] = "\0\1" "\0\0\0\0\0\0\1\2" "\0\1m" "\1\2\3\4\5\6\7\10"
		"\1\2\3\4\5\6\7\11";
	check_bytes(last(&w, 0)->r.value, old, sizeof old - 1);
	world_release(&w);
}

/* Static member "me", alone, its assignment "all"; returns its id. */
static const char *
settle(struct world *w, const char *group, int32_t session_ms)
{
	struct joiner j = { group, "", "me", { "range" }, .session_ms = session_ms,
		.rebalance_ms = 0x10203 };
	struct ask *a = join_as(w, &j);
	pass(w, 0);
	check_int(code(a), 0);
	const char *id = text(joined(a)->member_id), *what = "all";
	struct ask *s = sync_as(w, group, id, "me", joined(a)->generation_id, &id, &what, 1);
	check_int(code(s), 0);
	drop(w, a);
	drop(w, s);
	return id;
}

void
test_groups_log__a_group_is_written_as_kafka_does(void)
{
	struct world w;
	world_init(&w, 1);
	w.now.wall_ms = 0x0102030405060708;
	const char *id = settle(&w, "g", 0x4050);
	struct buf b = BUF_INIT;
	static const char key[] = "\0\2" "\0\1g";
	check_bytes(last(&w, 0)->r.key, key, sizeof key - 1);
	static const char head[] = "\0\3" "\0\10consumer" "\0\0\0\1" "\0\5range" "\0\47";
	buf_put(&b, head, sizeof head - 1);
	check_int((long long)strlen(id), 047);
	buf_puts(&b, id);
	static const char mid[] = "\1\2\3\4\5\6\7\10" "\0\0\0\1" "\0\47";
	buf_put(&b, mid, sizeof mid - 1);
	buf_puts(&b, id);
	static const char tail[] = "\0\2me" "\0\6client" "\0\12/127.0.0.1" "\0\1\2\3"
		"\0\0\100\120" "\0\0\0\5range" "\0\0\0\3all";
	buf_put(&b, tail, sizeof tail - 1);
	check_bytes(last(&w, 0)->r.value, b.p, b.n);
	buf_release(&b);
	check_int(leave_as(&w, "g", id, "me"), 0);
	static const char empty[] = "\0\3" "\0\10consumer" "\0\0\0\2" "\377\377" "\377\377"
		"\1\2\3\4\5\6\7\10" "\0\0\0\0";
	check_bytes(last(&w, 0)->r.value, empty, sizeof empty - 1);
	world_release(&w);
}

static void
replay(struct world *w, const char *key, size_t nkey, const char *value, size_t nvalue)
{
	struct coord_record r = { { (const uint8_t *)key, (int32_t)nkey },
		{ (const uint8_t *)value, value ? (int32_t)nvalue : -1 } };
	groups_replay(w->g, 0, &r, NULL, 0);
}

#define REPLAY(w, key, value) replay(w, key, sizeof key - 1, value, sizeof value - 1)

void
test_groups_log__every_version_of_an_offset_is_read(void)
{
	struct world w;
	world_init(&w, 1);
	REPLAY(&w, "\0\0" "\0\1g" "\0\1t" "\0\0\0\0",
		"\0\0" "\0\0\0\0\0\0\0\12" "\0\0" "\0\0\0\0\0\0\0\0");
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\1",
		"\0\1" "\0\0\0\0\0\0\0\13" "\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0");
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\2",
		"\0\2" "\0\0\0\0\0\0\0\14" "\0\0" "\0\0\0\0\0\0\0\0");
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\3",
		"\0\3" "\0\0\0\0\0\0\0\15" "\0\0\0\1" "\0\0" "\0\0\0\0\0\0\0\0");
	/* Version 4 is flexible, and has the topic's id. */
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\4",
		"\0\4" "\0\0\0\0\0\0\0\16" "\0\0\0\1" "\1" "\0\0\0\0\0\0\0\0"
		"\1\0\20" "0123456789abcdef");
	for (int32_t i = 0; i < 5; i++)
		check_int(fetch(&w, "g", "t", i, false), 10 + i);
	world_release(&w);
}

void
test_groups_log__a_stable_group_survives_a_restart(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	const char *id[] = { text(joined(a)->member_id), text(joined(b)->member_id) };
	const char *what[] = { "left", "right" };
	struct ask *s = sync_as(&w, "g", id[0], NULL, 1, id, what, 2);
	check_int(code(s), 0);
	world_restart(&w, w.nlog);
	check_state(&w, "g", "Stable");
	check_int(heartbeat(&w, "g", id[0], 1), 0);
	struct ask *t = sync_follower(&w, "g", id[1], 1);
	check(str_eq(((const struct sync_group_response *)t->answer)->assignment, STR("right")));
	/* The leader is the same. */
	struct ask *c = rejoin(&w, "g", id[1], "range");
	check_int(joined(c)->generation_id, 1);
	check(str_eq(joined(c)->leader, str_of(id[0])));
	struct ask *d = rejoin(&w, "g", id[0], "range");
	check(d->answer == NULL);
	struct ask *e = rejoin(&w, "g", id[1], "range");
	check_int(joined(d)->generation_id, 2);
	struct ask *v[] = { a, b, c, d, e, s, t };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_log__members_cut_off_get_one_session_to_come_back(void)
{
	struct world w;
	world_init(&w, 1);
	const char *id = settle(&w, "g", 10000);
	w.now.mono_ms = 5; /* another boot */
	world_restart(&w, w.nlog);
	pass(&w, 9999);
	check_state(&w, "g", "Stable");
	check_int(heartbeat_as(&w, "g", id, "me", 1), 0);
	pass(&w, 9999);
	check_state(&w, "g", "Stable");
	pass(&w, 1);
	check_state(&w, "g", "Empty");
	/* State and generation of an empty group are known again, too. */
	world_restart(&w, w.nlog);
	check_state(&w, "g", "Empty");
	settle(&w, "g", 10000);
	check_int(heartbeat_as(&w, "g", id, "me", 1), KERR_FENCED_INSTANCE_ID);
	struct group_metadata_value v;
	struct arena arena = ARENA_INIT;
	const struct str r = last(&w, 0)->r.value;
	check_int(wire_data_decode(&group_metadata_value_data, r.p, (size_t)r.n, &arena, &v), 3);
	check_int(v.generation, 3);
	arena_release(&arena);
	world_release(&w);
}

void
test_groups_log__an_unsynced_generation_is_not_kept(void)
{
	struct world w;
	world_init(&w, 1);
	const char *id = settle(&w, "g", 10000);
	struct joiner j = { "g", id, "me", { "range" } };
	struct ask *a = join_as(&w, &j);
	check_int(joined(a)->generation_id, 2);
	world_restart(&w, w.nlog);
	check_int(heartbeat_as(&w, "g", id, "me", 2), KERR_ILLEGAL_GENERATION);
	struct ask *b = join_as(&w, &j);
	check_int(joined(b)->generation_id, 2);
	drop(&w, a);
	drop(&w, b);
	world_release(&w);
}

void
test_groups_log__a_group_too_large_by_now_is_rebalanced(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	const char *id = text(joined(a)->member_id), *what = "all";
	struct ask *s = sync_as(&w, "g", id, NULL, 1, &id, &what, 1);
	check_int(code(s), 0);
	w.config.member_max = 1;
	world_restart(&w, w.nlog);
	check_state(&w, "g", "PreparingRebalance");
	struct ask *c = rejoin(&w, "g", id, "range");
	struct ask *d = rejoin(&w, "g", text(joined(b)->member_id), "range");
	check_int(code(d), KERR_GROUP_MAX_SIZE_REACHED);
	check_int(joined(c)->generation_id, 2);
	check_int(joined(c)->members.n, 1);
	struct ask *v[] = { a, b, c, d, s };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_log__tombstones_take_groups_away(void)
{
	struct world w;
	world_init(&w, 1);
	settle(&w, "g", 10000);
	check_int(commit(&w, "h", "apples", 0, 1), 0);
	world_restart(&w, w.nlog);
	check_int(groups_count(w.g), 2);
	replay(&w, "\0\2" "\0\1g", 5, NULL, 0);
	check_int(groups_count(w.g), 1);
	replay(&w, "\0\1" "\0\1h" "\0\6apples" "\0\0\0\1", 17, NULL, 0);
	check_int(groups_count(w.g), 1);
	replay(&w, "\0\1" "\0\1h" "\0\6apples" "\0\0\0\0", 17, NULL, 0);
	check_int(groups_count(w.g), 0);
	replay(&w, "\0\2" "\0\1g", 5, NULL, 0);
	replay(&w, "\0\1" "\0\1h" "\0\6apples" "\0\0\0\0", 17, NULL, 0);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_log__what_is_not_understood_is_skipped(void)
{
	struct world w;
	world_init(&w, 1);
	replay(&w, "", 0, "x", 1);
	replay(&w, "\0", 1, "x", 1);
	replay(&w, "\0\1", 2, "x", 1);
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\0" "more", "\0\3" "\0\0\0\0\0\0\0\15"
		"\0\0\0\1" "\0\0" "\0\0\0\0\0\0\0\0");
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\0", "\0\5" "\0\0\0\0\0\0\0\15");
	REPLAY(&w, "\0\1" "\0\1g" "\0\1t" "\0\0\0\0", "\0\3" "\0\0\0\0");
	REPLAY(&w, "\0\2" "\0\1g", "\0\3" "\0\10consumer" "\0\0\0\1");
	REPLAY(&w, "\0\2" "\0\1g", "\0\11");
	REPLAY(&w, "\0\21" "\0\1g", "\0\0" "something new");
	REPLAY(&w, "\177\377" "\0\1g", "\0\0" "something new");
	REPLAY(&w, "\377\377" "\0\1g", "\0\0" "something odd");
	/* A good record cut anywhere, or with any byte changed, does no harm. */
	settle(&w, "g", 10000);
	struct str key = last(&w, 0)->r.key, value = last(&w, 0)->r.value;
	uint8_t bad[300];
	check(value.n < (int32_t)sizeof bad);
	for (int32_t n = 0; n < value.n; n++)
		replay(&w, (const char *)key.p, (size_t)key.n, (const char *)value.p, (size_t)n);
	check_state(&w, "g", "Stable");
	for (int32_t i = 0; i < value.n; i++)
		for (int flip = 1; flip < 256; flip *= 2) {
			memcpy(bad, value.p, (size_t)value.n);
			bad[i] ^= (uint8_t)flip;
			replay(&w, (const char *)key.p, (size_t)key.n, (const char *)bad,
				(size_t)value.n);
			groups_loaded(w.g, 0, w.now);
		}
	check_int(groups_count(w.g), 1);
	world_release(&w);
}

void
test_groups_log__replaying_twice_is_the_same(void)
{
	struct world w;
	world_init(&w, 1);
	const char *id = settle(&w, "g", 10000);
	struct committing c = { "g", id, "me", "apples", "note", 1, 0, 5 };
	check_int(commit_as(&w, &c), 0);
	c.producer = 9;
	c.partition = 1;
	check_int(commit_as(&w, &c), 0);
	world_restart(&w, w.nlog);
	world_replay(&w);
	check_int(groups_count(w.g), 1);
	check_int(heartbeat_as(&w, "g", id, "me", 1), 0);
	check_int(fetch(&w, "g", "apples", 0, false), 5);
	check_int(fetch(&w, "g", "apples", 1, true), -1000 - KERR_UNSTABLE_OFFSET_COMMIT);
	end_txn(&w, "g", 9, true);
	check_int(fetch(&w, "g", "apples", 1, true), 5);
	world_release(&w);
}
