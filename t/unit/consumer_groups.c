#include "consumer_help.h"

void
test_consumer_groups__one_member_gets_everything(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "m1", .topic = { "apples", "cars" } };
	check_int(step(&o, &c), 0);
	check_int(c.epoch, 1);
	check_int(c.owned.n, 2 * NDATA);
	check_group(&o, "g", "Stable");
	/* A plain heartbeat changes nothing and gets no assignment. */
	int nlog = o.w.nlog;
	struct beating b = { .group = "g", .member = "m1", .epoch = 1 };
	struct ask *a = beat_as(&o, &b);
	check_int(beaten(a)->error_code, 0);
	check(beaten(a)->assignment == NULL);
	/* Others may be about to join: a shorter interval for a while. */
	check(beaten(a)->heartbeat_interval_ms < BEAT_MS);
	drop(&o.w, a);
	o.w.now.mono_ms += BEAT_MS;
	a = beat_as(&o, &b);
	check_int(beaten(a)->heartbeat_interval_ms, BEAT_MS);
	drop(&o.w, a);
	check_int(o.w.nlog, nlog);
	/* With all fields in the request, the assignment is sent again. */
	b.is_full = true;
	b.owned = &c.owned;
	b.topic[0] = "apples";
	b.topic[1] = "cars";
	a = beat_as(&o, &b);
	check(beaten(a)->assignment != NULL);
	drop(&o.w, a);
	check_int(o.w.nlog, nlog);
	world_release(&o.w);
}

void
test_consumer_groups__a_second_member_waits_for_what_the_first_revokes(void)
{
	struct town o;
	town_init(&o, 1);
	struct client a = { .id = "a", .topic = { "apples" } };
	struct client b = { .id = "b", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	check_int(step(&o, &b), 0);
	check_int(b.epoch, 2);
	check_int(b.owned.n, 0); /* unreleased */
	check_group(&o, "g", "Reconciling");
	struct set before = a.owned;
	struct beating beating = { .group = "g", .member = "a", .epoch = 1, .owned = &before };
	struct ask *q = beat_as(&o, &beating);
	check(set_answer(beaten(q), &a.owned));
	check_int(beaten(q)->member_epoch, 1); /* until it has revoked */
	check_int(a.owned.n, 3);
	drop(&o.w, q);
	check_int(step(&o, &b), 0);
	check_int(b.owned.n, 0);
	/* As long as it reports the old ones, nothing moves. */
	q = beat_as(&o, &beating);
	check_int(beaten(q)->member_epoch, 1);
	drop(&o.w, q);
	check_int(step(&o, &a), 0);
	check_int(a.epoch, 2);
	check_int(step(&o, &b), 0);
	check_int(b.owned.n, 3);
	check_group(&o, "g", "Stable");
	world_release(&o.w);
}

void
test_consumer_groups__a_leave_gives_its_partitions_to_the_others(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[3] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } }, { .id = "c", .topic = { "apples" } } };
	steps(&o, c, 3, 4);
	struct set a = c[0].owned, b = c[1].owned;
	check_int(a.n + b.n + c[2].owned.n, NDATA);
	check_int(leave_now(&o, &c[2], -1), 0);
	check_int(leave_now(&o, &c[2], -1), KERR_UNKNOWN_MEMBER_ID);
	steps(&o, c, 2, 3);
	check_int(c[0].owned.n, 3);
	check_int(c[1].owned.n, 3);
	int kept = 0;
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 2; k++)
			kept += (c[0].owned.v[i] == a.v[k]) + (c[1].owned.v[i] == b.v[k]);
	check_int(kept, 4);
	/* Without members the group is empty. */
	check_int(leave_now(&o, &c[0], -1), 0);
	check_int(leave_now(&o, &c[1], -1), 0);
	check_group(&o, "g", "Empty");
	/* There is nothing to assign, also after a restart. */
	world_restart(&o.w, o.w.nlog);
	struct ask *look = look_at(&o, "g");
	check_int(looked(look)->group_epoch, 6);
	check_int(looked(look)->assignment_epoch, 6);
	drop(&o.w, look);
	check(groups_next_tick(o.w.g) > o.w.now.mono_ms + SESSION_MS);
	world_release(&o.w);
}

static int
refused(struct town *o, const struct beating *b)
{
	int nlog = o->w.nlog, n = groups_count(o->w.g);
	struct ask *a = beat_as(o, b);
	int error = beaten(a)->error_code;
	check(error == 0 || beaten(a)->error_message.n > 0);
	drop(&o->w, a);
	check_int(o->w.nlog, nlog);
	check_int(groups_count(o->w.g), n);
	return error;
}

void
test_consumer_groups__a_bad_request_is_refused(void)
{
	struct town o;
	town_init(&o, 1);
	struct set one = { { 0 }, 1 };
	struct beating bad[] = {
		{ .group = "", .member = "m", .topic = { "apples" } },
		{ .group = "g", .member = "", .topic = { "apples" } },
		{ .group = "g", .member = "m", .instance = "", .topic = { "apples" } },
		{ .group = "g", .member = "m", .rack = "", .topic = { "apples" } },
		{ .group = "g", .member = "m", .topic = { "apples" }, .owned = &one },
		{ .group = "g", .member = "m", .topic = { "apples" }, .rebalance_ms = -1 },
		{ .group = "g", .member = "m", .no_topics = true },
		{ .group = "g", .member = "m", .epoch = -2 },
		{ .group = "g", .member = "m", .instance = "i", .epoch = -3 },
		{ .group = "g", .member = "", .epoch = 4, .version = -1 },
		{ .group = "g", .member = "", .epoch = -1, .version = -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_int(refused(&o, &bad[i]), KERR_INVALID_REQUEST);
	struct beating b = { .group = "g", .member = "m", .topic = { "apples" },
		.assignor = "magic" };
	check_int(refused(&o, &b), KERR_UNSUPPORTED_ASSIGNOR);
	world_release(&o.w);
}

void
test_consumer_groups__an_unknown_member_is_refused(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "m1", .topic = { "apples" } };
	struct beating b = { .group = "g", .member = "m2", .epoch = 1 };
	check_int(refused(&o, &b), KERR_GROUP_ID_NOT_FOUND);
	b.epoch = -1;
	check_int(refused(&o, &b), KERR_GROUP_ID_NOT_FOUND);
	check_int(step(&o, &c), 0);
	check_int(refused(&o, &b), KERR_UNKNOWN_MEMBER_ID);
	b.epoch = 1;
	check_int(refused(&o, &b), KERR_UNKNOWN_MEMBER_ID);
	b.instance = "i";
	check_int(refused(&o, &b), KERR_UNKNOWN_MEMBER_ID);
	world_release(&o.w);
}

void
test_consumer_groups__a_wrong_epoch_is_fenced(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[2] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 3);
	struct beating b = { .group = "g", .member = "a", .epoch = c[0].epoch + 1 };
	check_int(refused(&o, &b), KERR_FENCED_MEMBER_EPOCH);
	/* Nor is an earlier epoch that it never had. */
	check_int(c[1].epoch, 2);
	b.member = "b";
	b.epoch = 1;
	check_int(refused(&o, &b), KERR_FENCED_MEMBER_EPOCH);
	world_release(&o.w);
}

void
test_consumer_groups__the_epoch_before_is_good_after_a_lost_answer(void)
{
	struct town o;
	town_init(&o, 1);
	struct client a = { .id = "a", .topic = { "apples" } };
	struct client b = { .id = "b", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	check_int(step(&o, &b), 0);
	check_int(step(&o, &a), 0);
	struct client old = a;
	check_int(step(&o, &a), 0);
	check_int(a.epoch, old.epoch + 1);
	/* If it owns more than its assignment, it is fenced; else answered. */
	struct beating again = { .group = "g", .member = "a", .epoch = old.epoch };
	check_int(refused(&o, &again), KERR_FENCED_MEMBER_EPOCH); /* not reported */
	struct set all = { { 0, 1, 2, 3, 4, 5 }, 6 };
	again.owned = &all;
	check_int(refused(&o, &again), KERR_FENCED_MEMBER_EPOCH);
	check_int(step(&o, &old), 0);
	check_int(old.epoch, a.epoch);
	world_release(&o.w);
}

void
test_consumer_groups__a_member_may_join_again_at_epoch_0(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[2] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 3);
	struct client again = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &again), 0);
	check_int(again.epoch, c[0].epoch);
	check_int(again.owned.n, 3);
	check_int(group_epoch(&o, "g"), 2);
	world_release(&o.w);
}

void
test_consumer_groups__version_0_makes_the_member_id(void)
{
	struct town o;
	town_init(&o, 1);
	struct beating b = { .group = "g", .member = "", .topic = { "apples" }, .version = -1 };
	struct ask *a = beat_as(&o, &b);
	check_int(beaten(a)->error_code, 0);
	check_int(beaten(a)->member_id.n, 22);
	b.member = text(beaten(a)->member_id);
	b.epoch = beaten(a)->member_epoch;
	drop(&o.w, a);
	a = beat_as(&o, &b);
	check_int(beaten(a)->error_code, 0);
	drop(&o.w, a);
	world_release(&o.w);
}

void
test_consumer_groups__a_full_group_takes_no_more(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.consumer_member_max = 1;
	world_configure(&o.w);
	struct client a = { .id = "a", .topic = { "apples" } };
	struct client b = { .id = "b", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	check_int(step(&o, &b), KERR_GROUP_MAX_SIZE_REACHED);
	check_int(step(&o, &a), 0);
	world_release(&o.w);
}

void
test_consumer_groups__a_silent_member_is_thrown_out(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[2] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 3);
	pass(&o.w, SESSION_MS - 1);
	check_int(step(&o, &c[1]), 0);
	pass(&o.w, 1);
	check_int(step(&o, &c[0]), KERR_UNKNOWN_MEMBER_ID);
	steps(&o, c + 1, 1, 2);
	check_int(c[1].owned.n, NDATA);
	world_release(&o.w);
}

void
test_consumer_groups__who_does_not_revoke_in_time_is_thrown_out(void)
{
	struct town o;
	town_init(&o, 1);
	struct client a = { .id = "a", .topic = { "apples" } };
	struct client b = { .id = "b", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	check_int(step(&o, &b), 0);
	struct set stuck = a.owned;
	struct beating beating = { .group = "g", .member = "a", .epoch = 1, .owned = &stuck };
	drop(&o.w, beat_as(&o, &beating));
	for (int i = 0; i < 5; i++) {
		pass(&o.w, 5999);
		check_int(step(&o, &b), 0);
		check_int(b.owned.n, 0);
		drop(&o.w, beat_as(&o, &beating));
	}
	pass(&o.w, 5);
	struct ask *q = beat_as(&o, &beating);
	check_int(beaten(q)->error_code, KERR_UNKNOWN_MEMBER_ID);
	drop(&o.w, q);
	steps(&o, &b, 1, 2);
	check_int(b.owned.n, NDATA);
	world_release(&o.w);
}

void
test_consumer_groups__a_static_member_comes_back_to_what_it_had(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[2] = { { .id = "a", .instance = "i", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 3);
	struct set had = c[0].owned;
	int32_t epoch = group_epoch(&o, "g");
	check_int(leave_now(&o, &c[0], -2), 0);
	check_int(step(&o, &c[1]), 0);
	check_int(c[1].owned.n, 3); /* its partitions wait for it */
	struct client again = { .id = "z", .instance = "i", .topic = { "apples" } };
	check_int(step(&o, &again), 0);
	check_int(again.owned.n, had.n);
	check(memcmp(again.owned.v, had.v, sizeof had.v[0] * 3) == 0);
	check_int(group_epoch(&o, "g"), epoch);
	struct beating old = { .group = "g", .member = "a", .instance = "i", .epoch = epoch };
	check_int(refused(&o, &old), KERR_FENCED_INSTANCE_ID);
	/* Under its own id, too. */
	check_int(leave_now(&o, &again, -2), 0);
	check_int(step(&o, &again), 0);
	check_int(again.owned.n, had.n);
	/* If it is not back in time, it is fenced. */
	check_int(leave_now(&o, &again, -2), 0);
	pass(&o.w, SESSION_MS - 1);
	check_int(step(&o, &c[1]), 0);
	pass(&o.w, 1);
	steps(&o, c + 1, 1, 2);
	check_int(c[1].owned.n, NDATA);
	world_release(&o.w);
}

void
test_consumer_groups__an_instance_in_use_is_not_released(void)
{
	struct town o;
	town_init(&o, 1);
	struct client a = { .id = "a", .instance = "i", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	struct beating other = { .group = "g", .member = "z", .instance = "i",
		.topic = { "apples" } };
	check_int(refused(&o, &other), KERR_UNRELEASED_INSTANCE_ID);
	other.epoch = -1;
	check_int(refused(&o, &other), KERR_FENCED_INSTANCE_ID);
	check_int(leave_now(&o, &a, -1), 0);
	other.epoch = 0;
	struct ask *q = beat_as(&o, &other);
	check_int(beaten(q)->error_code, 0);
	drop(&o.w, q);
	world_release(&o.w);
}

void
test_consumer_groups__a_topic_that_grows_begins_an_epoch(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	o.npartition[1]++; /* not its topic */
	groups_topics_changed(o.w.g, o.w.now);
	check_int(step(&o, &c), 0);
	check_int(c.epoch, 1);
	o.npartition[0]++;
	groups_topics_changed(o.w.g, o.w.now);
	check_int(step(&o, &c), 0);
	check_int(c.epoch, 2);
	check_int(c.owned.n, NDATA + 1);
	world_release(&o.w);
}

void
test_consumer_groups__a_deleted_topic_is_taken_away(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "a", .topic = { "apples", "books" } };
	check_int(step(&o, &c), 0);
	o.w.is_gone[0] = true;
	groups_topics_changed(o.w.g, o.w.now);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, NDATA);
	check_int(c.owned.v[0], 1000);
	check_group(&o, "g", "Stable");
	world_release(&o.w);
}

void
test_consumer_groups__a_new_subscription_begins_an_epoch(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	struct beating b = { .group = "g", .member = "a", .epoch = 1, .owned = &c.owned,
		.topic = { "cars", "books" } };
	struct ask *a = beat_as(&o, &b);
	check(set_answer(beaten(a), &c.owned));
	check_int(c.owned.n, 0);
	drop(&o.w, a);
	steps(&o, &c, 1, 1);
	check_int(c.epoch, 2);
	check_int(c.owned.n, 2 * NDATA);
	/* The same names in another order are the same. */
	struct beating same = { .group = "g", .member = "a", .epoch = 2, .owned = &c.owned,
		.topic = { "books", "cars" } };
	drop(&o.w, beat_as(&o, &same));
	check_int(group_epoch(&o, "g"), 2);
	world_release(&o.w);
}

void
test_consumer_groups__the_most_wanted_assignor_assigns(void)
{
	struct town o;
	town_init(&o, 1);
	/* Range gives a pair of topics' first half to the first; both of one. */
	for (int i = 0; i < 2; i++) {
		struct beating b = { .group = "g", .member = i ? "b" : "a",
			.topic = { "apples", "books" }, .assignor = "range" };
		drop(&o.w, beat_as(&o, &b));
	}
	struct client c[2] = { { .id = "a", .epoch = 1 }, { .id = "b", .epoch = 2 } };
	for (int i = 0; i < 2 * NDATA; i++)
		c[0].owned.v[c[0].owned.n++] = i / NDATA * 1000 + i % NDATA;
	steps(&o, c, 2, 4);
	check_int(c[0].owned.n, NDATA);
	int want[] = { 0, 1, 2, 1000, 1001, 1002 };
	for (int i = 0; i < NDATA; i++) {
		check_int(c[0].owned.v[i], want[i]);
		check_int(c[1].owned.v[i], want[i] + 3);
	}
	struct ask *a = look_at(&o, "g");
	check(str_eq(looked(a)->assignor_name, STR("range")));
	drop(&o.w, a);
	world_release(&o.w);
}

void
test_consumer_groups__a_regular_expression_follows_the_topics(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.is_gone[1] = true;
	/* The whole name must match: "a" alone is no topic. */
	struct client c[2] = { { .id = "a", .regex = "a|boo.*|ca\\w{2}" },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 2);
	check_int(c[0].owned.n, NDATA);
	check_int(c[0].owned.v[0], 2000);
	check_int(c[1].owned.n, NDATA);
	o.w.is_gone[1] = false;
	groups_topics_changed(o.w.g, o.w.now);
	steps(&o, c, 2, 3);
	check_int(c[0].owned.n, 2 * NDATA);
	/* It is known after a restart. */
	world_restart(&o.w, o.w.nlog);
	int32_t epoch = group_epoch(&o, "g");
	steps(&o, c, 2, 2);
	check_int(group_epoch(&o, "g"), epoch);
	/* The pattern leaves the log with its last user. */
	check_int(leave_now(&o, &c[0], -1), 0);
	const struct entry *last = NULL;
	for (int i = 0; i < o.w.nlog; i++)
		if (load_be16(o.w.log[i].r.key.p) == 16)
			last = &o.w.log[i];
	check(last && last->r.value.n < 0);
	world_release(&o.w);
}

void
test_consumer_groups__bad_regular_expressions_are_refused(void)
{
	struct town o;
	town_init(&o, 1);
	static char long_one[1100];
	memset(long_one, 'a', sizeof long_one - 1);
	const char *bad[] = { "(a", "a)", "a)(b", "[a", "(a)\\1", "(?i)a", "\\pL",
		"a{2,1}", "\\", "a**", "(a{100}){100}", long_one };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct beating b = { .group = "g", .member = "m", .regex = bad[i] };
		if (refused(&o, &b) != KERR_INVALID_REGULAR_EXPRESSION)
			tap_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
	}
	/* An empty pattern is none. */
	struct client c = { .id = "m", .regex = "" };
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, 0);
	world_release(&o.w);
}

void
test_consumer_groups__hostile_regular_expressions_do_not_hang(void)
{
	struct town o;
	town_init(&o, 1);
	const char *hostile[] = { "(a*)*(a*)*(a*)*(a*)*b", "((((a{9}){9}){9}){9}){9}",
		"(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x", "(a|a|a|a|a|a|a|aa)*z", "(.?){99}apples",
		"((((((((((((((((((((((((((((a))))))))))))))))))))))))))))" };
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct beating b = { .group = "g", .member = "m", .regex = hostile[i] };
		struct ask *a = beat_as(&o, &b); /* the test's alarm bounds the time */
		drop(&o.w, a);
	}
	world_release(&o.w);
}

void
test_consumer_groups__a_restart_changes_nothing(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[3] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples", "books" } },
		{ .id = "c", .instance = "i", .topic = { "cars" } } };
	for (int k = 0; k < 6; k++) {
		for (int i = 0; i < 3; i++) {
			check_int(step(&o, &c[i]), 0);
			struct ask *before = look_at(&o, "g");
			world_restart(&o.w, o.w.nlog);
			struct ask *after = look_at(&o, "g");
			check_int((long long)before->bytes.n, (long long)after->bytes.n);
			check(memcmp(before->bytes.p, after->bytes.p, after->bytes.n) == 0);
			drop(&o.w, before);
			drop(&o.w, after);
		}
	}
	check_group(&o, "g", "Stable");
	/* Nobody returns: each is fenced after a session timeout. */
	pass(&o.w, SESSION_MS);
	check_group(&o, "g", "Empty");
	world_restart(&o.w, o.w.nlog);
	check_group(&o, "g", "Empty");
	world_release(&o.w);
}

void
test_consumer_groups__a_refused_write_changes_nothing(void)
{
	struct town o;
	town_init(&o, 1);
	struct client a = { .id = "a", .topic = { "apples" } };
	struct client b = { .id = "b", .topic = { "apples" } };
	o.w.append_error = KERR_NOT_LEADER_OR_FOLLOWER;
	check_int(step(&o, &a), KERR_NOT_COORDINATOR);
	check_int(groups_count(o.w.g), 0);
	o.w.append_error = 0;
	check_int(step(&o, &a), 0);
	o.w.append_error = KERR_NOT_ENOUGH_REPLICAS;
	check_int(step(&o, &b), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(leave_now(&o, &a, -1), KERR_COORDINATOR_NOT_AVAILABLE);
	a.epoch = 1;
	check_int(step(&o, &a), 0);
	check_int(a.owned.n, NDATA);
	/* The fencing is written later. */
	pass(&o.w, SESSION_MS + 1000);
	check_group(&o, "g", "Stable");
	o.w.append_error = 0;
	pass(&o.w, 500);
	check_group(&o, "g", "Empty");
	world_release(&o.w);
}

void
test_consumer_groups__offsets_are_committed_at_the_members_epoch(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	struct committing k = { .group = "g", .member = "a", .epoch = 1, .topic = "apples",
		.offset = 7 };
	check_int(commit_as(&o.w, &k), 0);
	k.epoch = 2;
	check_int(commit_as(&o.w, &k), KERR_STALE_MEMBER_EPOCH);
	k.epoch = 1;
	k.member = "b";
	check_int(commit_as(&o.w, &k), KERR_UNKNOWN_MEMBER_ID);
	k.member = NULL;
	k.epoch = -1;
	check_int(commit_as(&o.w, &k), KERR_UNKNOWN_MEMBER_ID);
	check_int(fetch(&o.w, "g", "apples", 0, false), 7);
	check_int(leave_now(&o, &c, -1), 0);
	k.offset = 8;
	check_int(commit_as(&o.w, &k), 0);
	check_int(fetch(&o.w, "g", "apples", 0, false), 8);
	world_release(&o.w);
}

void
test_consumer_groups__an_empty_classic_group_is_replaced(void)
{
	struct town o;
	town_init(&o, 1);
	check_int(commit(&o.w, "g", "apples", 1, 5), 0);
	struct ask *j = join(&o.w, "g", "range");
	pass(&o.w, 0);
	check_int(leave_as(&o.w, "g", text(joined(j)->member_id), NULL), 0);
	drop(&o.w, j);
	struct client c = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, NDATA);
	world_restart(&o.w, o.w.nlog);
	check_int(step(&o, &c), 0);
	check_int(fetch(&o.w, "g", "apples", 1, false), 5);
	check_int(leave_now(&o, &c, -1), 0);
	/* And the other way round. */
	j = join(&o.w, "g", "range");
	pass(&o.w, 0);
	check_int(code(j), 0);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	drop(&o.w, j);
	world_restart(&o.w, o.w.nlog);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	world_release(&o.w);
}

void
test_consumer_groups__describe_shows_members(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c[2] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .instance = "i", .topic = { "cars" } } };
	steps(&o, c, 2, 2);
	struct ask *a = look_at(&o, "g");
	const struct consumer_group_describe_response_group *d = looked(a);
	check_int(d->error_code, 0);
	check_int(d->group_epoch, 2);
	check_int(d->assignment_epoch, 2);
	check_int(d->members.n, 2);
	check(str_eq(d->assignor_name, STR("uniform")));
	const struct consumer_group_describe_response_member *m = &d->members.v[1];
	check(str_eq(m->member_id, STR("b")));
	check(str_eq(m->instance_id, STR("i")));
	check(str_eq(m->client_host, STR("/127.0.0.1")));
	check_int(m->member_type, 1);
	check_int(m->subscribed_topic_names.n, 1);
	check_int(m->assignment.topic_partitions.n, 1);
	check(str_eq(m->assignment.topic_partitions.v[0].topic_name, STR("cars")));
	check_int(m->target_assignment.topic_partitions.v[0].partitions.n, NDATA);
	drop(&o.w, a);
	a = look_at(&o, "other");
	check_int(looked(a)->error_code, KERR_GROUP_ID_NOT_FOUND);
	drop(&o.w, a);
	a = look_at(&o, "");
	check_int(looked(a)->error_code, KERR_INVALID_GROUP_ID);
	drop(&o.w, a);
	world_release(&o.w);
}

void
test_consumer_groups__the_protocol_may_be_off(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.has_consumer_protocol = false;
	world_configure(&o.w);
	struct client c = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &c), KERR_UNSUPPORTED_VERSION);
	check_int(groups_count(o.w.g), 0);
	world_release(&o.w);
}
