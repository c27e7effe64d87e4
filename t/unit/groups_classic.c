#include "groups_help.h"

/* One member, joined and synced in generation 1; returns its id. */
static const char *
settle(struct world *w, const char *group, const char *protocol)
{
	struct ask *j = join(w, group, protocol);
	check(j->answer == NULL);
	pass(w, 0);
	check_int(code(j), 0);
	const char *id = text(joined(j)->member_id), *what = "all";
	check_int(joined(j)->generation_id, 1);
	struct ask *s = sync_as(w, group, id, NULL, 1, &id, &what, 1);
	check_int(code(s), 0);
	drop(w, j);
	drop(w, s);
	return id;
}

void
test_groups_classic__a_dynamic_member_is_given_an_id_first(void)
{
	struct world w;
	world_init(&w, 1);
	struct joiner j = { "g", "", NULL, { "range" }, .session_ms = 5000 };
	struct ask *a = join_as(&w, &j);
	check_int(code(a), KERR_MEMBER_ID_REQUIRED);
	check(str_has_prefix(joined(a)->member_id, STR("client-")));
	check_int(joined(a)->member_id.n, 7 + 36);
	check_int(groups_count(w.g), 1);
	j.member = text(joined(a)->member_id);
	/* Nobody joins with it: the id and the group go. */
	pass(&w, 5001);
	check_int(groups_count(w.g), 0);
	struct ask *late = join_as(&w, &j);
	check_int(code(late), KERR_UNKNOWN_MEMBER_ID);
	check_int(groups_count(w.g), 0);
	check_int(groups_next_tick(w.g) == INT64_MAX, 1);
	drop(&w, a);
	drop(&w, late);
	world_release(&w);
}

void
test_groups_classic__one_member_makes_a_stable_group(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *j = join(&w, "g", "range");
	check_state(&w, "g", "PreparingRebalance");
	pass(&w, 0);
	const struct join_group_response *r = joined(j);
	check_int(r->error_code, 0);
	check_int(r->generation_id, 1);
	check(str_eq(r->leader, r->member_id));
	check(str_eq(r->protocol_name, STR("range")));
	check(str_eq(r->protocol_type, STR("consumer")));
	check(!r->skip_assignment);
	check_int(r->members.n, 1);
	check(str_eq(r->members.v[0].metadata, STR("range")));
	const char *id = text(r->member_id), *what = "all of it";
	check_state(&w, "g", "CompletingRebalance");
	check_int(heartbeat(&w, "g", id, 1), 0);
	int before = w.nlog;
	struct ask *s = sync_as(&w, "g", id, NULL, 1, &id, &what, 1);
	check_int(code(s), 0);
	check(str_eq(((const struct sync_group_response *)s->answer)->assignment, str_of(what)));
	check_int(w.nlog, before + 1);
	check_int(s->call.partition, coord_partition_of(STR("g"), NPARTITION));
	check_state(&w, "g", "Stable");
	check_int(heartbeat(&w, "g", id, 1), 0);
	check_int(heartbeat(&w, "g", id, 0), KERR_ILLEGAL_GENERATION);
	check_int(heartbeat(&w, "g", "who", 1), KERR_UNKNOWN_MEMBER_ID);
	check_int(heartbeat(&w, "other", id, 1), KERR_UNKNOWN_MEMBER_ID);
	check_int(heartbeat(&w, "", id, 1), KERR_INVALID_GROUP_ID);
	drop(&w, j);
	drop(&w, s);
	world_release(&w);
}

void
test_groups_classic__a_second_member_starts_a_new_generation(void)
{
	struct world w;
	world_init(&w, 1);
	const char *one = settle(&w, "g", "range");
	struct ask *b = join(&w, "g", "range");
	check(b->answer == NULL);
	check_int(heartbeat(&w, "g", one, 1), KERR_REBALANCE_IN_PROGRESS);
	struct ask *early = sync_follower(&w, "g", one, 1);
	check_int(code(early), KERR_REBALANCE_IN_PROGRESS);
	struct ask *a = rejoin(&w, "g", one, "range");
	check_int(joined(a)->generation_id, 2);
	check_int(joined(b)->generation_id, 2);
	check(str_eq(joined(b)->leader, str_of(one)));
	check_int(joined(a)->members.n, 2);
	check_int(joined(b)->members.n, 0);
	const char *two = text(joined(b)->member_id);
	struct ask *follower = sync_follower(&w, "g", two, 2);
	check(follower->answer == NULL);
	check_int(heartbeat(&w, "g", two, 2), 0);
	const char *ids[] = { one, two }, *what[] = { "left", "right" };
	struct ask *leader = sync_as(&w, "g", one, NULL, 2, ids, what, 2);
	check(str_eq(((const struct sync_group_response *)leader->answer)->assignment,
		STR("left")));
	check(str_eq(((const struct sync_group_response *)follower->answer)->assignment,
		STR("right")));
	struct ask *again = sync_follower(&w, "g", two, 2);
	check(str_eq(((const struct sync_group_response *)again->answer)->assignment,
		STR("right")));
	struct ask *old = sync_follower(&w, "g", two, 1);
	check_int(code(old), KERR_ILLEGAL_GENERATION);
	struct ask *v[] = { a, b, early, follower, leader, again, old };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__the_protocol_most_members_prefer_is_chosen(void)
{
	struct world w;
	world_init(&w, 1);
	struct joiner j[] = {
		{ "g", "", "a", { "x", "range", "sticky" } },
		{ "g", "", "b", { "sticky", "range" } },
		{ "g", "", "c", { "sticky", "range", "x" } },
	};
	struct ask *a[3];
	for (int i = 0; i < 3; i++)
		a[i] = join_as(&w, &j[i]);
	pass(&w, 0);
	for (int i = 0; i < 3; i++) {
		check_int(code(a[i]), 0);
		/* Not all offer x; sticky has two votes of three. */
		check(str_eq(joined(a[i])->protocol_name, STR("sticky")));
	}
	check(str_eq(joined(a[0])->members.v[2].metadata, STR("sticky")));
	check(str_eq(joined(a[0])->members.v[2].group_instance_id, STR("c")));
	struct joiner no = { "g", "", "d", { "x", "y" } };
	struct ask *d = join_as(&w, &no);
	check_int(code(d), KERR_INCONSISTENT_GROUP_PROTOCOL);
	struct joiner other = { "g", "", "d", { "range" }, .type = "connect" };
	struct ask *e = join_as(&w, &other);
	check_int(code(e), KERR_INCONSISTENT_GROUP_PROTOCOL);
	for (int i = 0; i < 3; i++)
		drop(&w, a[i]);
	drop(&w, d);
	drop(&w, e);
	world_release(&w);
}

void
test_groups_classic__the_first_rebalance_waits_for_more_members(void)
{
	struct world w;
	world_init(&w, 1);
	w.config.initial_delay_ms = 3000;
	world_configure(&w);
	struct joiner j = { "g", "", "a", { "range" }, .rebalance_ms = 7000 };
	struct ask *a = join_as(&w, &j);
	pass(&w, 2000);
	j.instance = "b";
	struct ask *b = join_as(&w, &j);
	pass(&w, 1500); /* in time: the group waits 3 s more */
	check(!a->answer && !b->answer);
	j.instance = "c";
	struct ask *c = join_as(&w, &j);
	pass(&w, 2600);
	check(!a->answer && !b->answer && !c->answer);
	j.instance = "d";
	struct ask *d = join_as(&w, &j);
	pass(&w, 1000); /* but not longer than the rebalance timeout in all */
	check_int(joined(a)->generation_id, 1);
	check_int(joined(a)->members.n, 4);
	check_int(joined(d)->generation_id, 1);
	struct ask *v[] = { a, b, c, d };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__a_silent_member_is_removed(void)
{
	struct world w;
	world_init(&w, 1);
	const char *one = settle(&w, "g", "range");
	pass(&w, 9000);
	check_int(heartbeat(&w, "g", one, 1), 0);
	pass(&w, 9000);
	check_state(&w, "g", "Stable");
	pass(&w, 1001);
	check_state(&w, "g", "Empty");
	check_int(heartbeat(&w, "g", one, 1), KERR_UNKNOWN_MEMBER_ID);
	/* A group with a record stays until offsets expire. */
	check_int(groups_count(w.g), 1);
	const char *two = settle(&w, "other", "range");
	check_int(commit(&w, "other", "apples", 0, 1), KERR_UNKNOWN_MEMBER_ID);
	struct committing c = { "other", two, NULL, "apples", NULL, 1, 0, 1 };
	pass(&w, 9000);
	check_int(commit_as(&w, &c), 0); /* counts as a heartbeat */
	pass(&w, 9000);
	check_state(&w, "other", "Stable");
	world_release(&w);
}

void
test_groups_classic__a_member_that_does_not_rejoin_is_removed(void)
{
	struct world w;
	world_init(&w, 1);
	const char *one = settle(&w, "g", "range");
	struct ask *b = join(&w, "g", "range");
	for (int i = 0; i < 7; i++) { /* alive, but slow */
		check(b->answer == NULL);
		check_int(heartbeat(&w, "g", one, 1), KERR_REBALANCE_IN_PROGRESS);
		pass(&w, 9000);
	}
	check_int(joined(b)->generation_id, 2);
	check_int(joined(b)->members.n, 1);
	check(str_eq(joined(b)->leader, joined(b)->member_id));
	check_int(heartbeat(&w, "g", one, 1), KERR_UNKNOWN_MEMBER_ID);
	drop(&w, b);
	world_release(&w);
}

void
test_groups_classic__a_member_that_never_syncs_is_removed(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	const char *one = text(joined(a)->member_id), *two = text(joined(b)->member_id);
	check_int(joined(a)->members.n, 2);
	struct ask *s = sync_follower(&w, "g", two, 1);
	/* The leader sends heartbeats, but never syncs. */
	for (int i = 0; i < 6; i++) {
		pass(&w, 9000);
		check_int(heartbeat(&w, "g", one, 1), 0);
	}
	check(s->answer == NULL);
	pass(&w, 7000);
	check_int(code(s), KERR_REBALANCE_IN_PROGRESS);
	check_int(heartbeat(&w, "g", one, 1), KERR_UNKNOWN_MEMBER_ID);
	check_state(&w, "g", "PreparingRebalance");
	struct ask *again = rejoin(&w, "g", two, "range");
	check_int(joined(again)->generation_id, 2);
	check(str_eq(joined(again)->leader, str_of(two)));
	struct ask *v[] = { a, b, s, again };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

/* Two static members, stable in generation 1; their ids. */
static void
settle_static(struct world *w, const char *group, const char *id[2], int16_t version)
{
	struct joiner j = { group, "", "one", { "range", "sticky" }, .version = version };
	struct ask *a = join_as(w, &j);
	j.instance = "two";
	struct ask *b = join_as(w, &j);
	pass(w, 0);
	check_int(joined(a)->generation_id, 1);
	check_int(joined(a)->members.n, 2);
	id[0] = text(joined(a)->member_id);
	id[1] = text(joined(b)->member_id);
	const char *what[] = { "left", "right" };
	struct ask *s = sync_as(w, group, id[0], "one", 1, id, what, 2);
	struct ask *t = sync_as(w, group, id[1], "two", 1, NULL, NULL, 0);
	check_int(code(s), 0);
	check_int(code(t), 0);
	drop(w, a);
	drop(w, b);
	drop(w, s);
	drop(w, t);
}

void
test_groups_classic__a_restarted_static_member_takes_its_place(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	check(str_has_prefix(str_of(id[0]), STR("one-")));
	int before = w.nlog;
	struct joiner j = { "g", "", "two", { "range", "sticky" } };
	struct ask *b = join_as(&w, &j);
	check_int(code(b), 0);
	check_int(joined(b)->generation_id, 1);
	check(!str_eq(joined(b)->member_id, str_of(id[1])));
	check(str_eq(joined(b)->leader, str_of(id[0])));
	check(!joined(b)->skip_assignment);
	check_int(w.nlog, before + 1); /* the new id must survive a restart */
	const char *fresh = text(joined(b)->member_id);
	check_int(heartbeat_as(&w, "g", id[1], "two", 1), KERR_FENCED_INSTANCE_ID);
	check_int(heartbeat_as(&w, "g", id[1], NULL, 1), KERR_UNKNOWN_MEMBER_ID);
	check_int(heartbeat_as(&w, "g", fresh, "two", 1), 0);
	check_int(leave_as(&w, "g", id[1], "two"), KERR_FENCED_INSTANCE_ID);
	struct ask *s = sync_as(&w, "g", fresh, "two", 1, NULL, NULL, 0);
	check(str_eq(((const struct sync_group_response *)s->answer)->assignment, STR("right")));
	/* The leader, too; it gets the members, and skip_assignment. */
	j.instance = "one";
	struct ask *a = join_as(&w, &j);
	check_int(joined(a)->generation_id, 1);
	check(joined(a)->skip_assignment);
	check(str_eq(joined(a)->leader, joined(a)->member_id));
	check_int(joined(a)->members.n, 2);
	check(str_eq(joined(a)->members.v[0].member_id, joined(a)->member_id));
	check_state(&w, "g", "Stable");
	world_restart(&w, w.nlog);
	check_int(heartbeat_as(&w, "g", fresh, "two", 1), 0);
	check_int(heartbeat_as(&w, "g", text(joined(a)->member_id), "one", 1), 0);
	drop(&w, a);
	drop(&w, b);
	drop(&w, s);
	world_release(&w);
}

void
test_groups_classic__a_static_leader_of_before_version_9_is_told_of_its_former_self(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 8);
	struct joiner j = { "g", "", "one", { "range", "sticky" }, .version = 8 };
	struct ask *a = join_as(&w, &j);
	check_int(joined(a)->generation_id, 1);
	check(str_eq(joined(a)->leader, str_of(id[0])));
	check(!str_eq(joined(a)->member_id, str_of(id[0])));
	check_int(joined(a)->members.n, 0);
	drop(&w, a);
	world_release(&w);
}

void
test_groups_classic__a_static_member_with_another_protocol_rebalances(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	struct joiner j = { "g", "", "two", { "sticky" } };
	struct ask *b = join_as(&w, &j);
	check(b->answer == NULL);
	check_state(&w, "g", "PreparingRebalance");
	/* It restarts again before its second join was answered. */
	struct ask *c = join_as(&w, &j);
	check_int(code(b), KERR_FENCED_INSTANCE_ID);
	j = (struct joiner){ "g", id[0], "one", { "range", "sticky" } };
	struct ask *a = join_as(&w, &j);
	check_int(joined(a)->generation_id, 2);
	check_int(joined(c)->generation_id, 2);
	check(str_eq(joined(a)->protocol_name, STR("sticky")));
	/* A restart while the generation completes starts the next one. */
	struct ask *s = sync_as(&w, "g", text(joined(c)->member_id), "two", 2, NULL, NULL, 0);
	j = (struct joiner){ "g", "", "two", { "sticky" } };
	struct ask *d = join_as(&w, &j);
	check_int(code(s), KERR_FENCED_INSTANCE_ID);
	check(d->answer == NULL);
	check_state(&w, "g", "PreparingRebalance");
	struct ask *v[] = { a, b, c, d, s };
	groups_stop(w.g);
	check_int(code(d), KERR_NOT_COORDINATOR);
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__an_absent_static_member_stays_until_its_session_ends(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	struct joiner j = { "g", id[0], "one", { "range", "sticky" }, .session_ms = 1000000,
		.rebalance_ms = 5000 };
	/* "two" misses a rebalance, which lasts as long as two's timeout. */
	struct ask *a = join_as(&w, &j);
	check(a->answer == NULL);
	for (int i = 0; i < 7 && !a->answer; i++) {
		check_int(heartbeat_as(&w, "g", id[1], "two", 1), KERR_REBALANCE_IN_PROGRESS);
		pass(&w, 9000);
	}
	check_int(joined(a)->generation_id, 2);
	check_int(joined(a)->members.n, 2);
	check_int(heartbeat_as(&w, "g", id[1], "two", 2), 0);
	pass(&w, 10001);
	check_int(heartbeat_as(&w, "g", id[1], "two", 2), KERR_UNKNOWN_MEMBER_ID);
	drop(&w, a);
	world_release(&w);
}

void
test_groups_classic__members_leave_by_id_or_by_instance(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	check_int(leave_as(&w, "g", "", NULL), KERR_UNKNOWN_MEMBER_ID);
	check_int(leave_as(&w, "g", "", "three"), KERR_UNKNOWN_MEMBER_ID);
	check_int(leave_as(&w, "g", "", "one"), 0);
	check_state(&w, "g", "PreparingRebalance");
	check_int(leave_as(&w, "g", id[0], NULL), KERR_UNKNOWN_MEMBER_ID);
	/* The last one leaves while its join is parked, which is answered. */
	struct ask *b = rejoin(&w, "g", id[1], "range");
	check_int(joined(b)->generation_id, 2);
	struct ask *s = sync_as(&w, "g", id[1], "two", 2, NULL, NULL, 0);
	check_int(leave_as(&w, "g", id[1], "two"), 0);
	check_state(&w, "g", "Empty");
	check_int(leave_as(&w, "none", id[1], "two"), KERR_UNKNOWN_MEMBER_ID);
	/* Version 2 has one member, and the error at the top. */
	const char *one = settle(&w, "h", "range");
	struct leave_group_request q = { .group_id = STR("h"), .member_id = str_of(one) };
	struct ask *old = ask(&w, 13, 2, &q), *again = ask(&w, 13, 2, &q);
	check_int(code(old), 0);
	check_int(code(again), KERR_UNKNOWN_MEMBER_ID);
	/* A pending member id. */
	struct joiner j = { "i", "", NULL, { "range" } };
	struct ask *a = join_as(&w, &j);
	check_int(leave_as(&w, "i", text(joined(a)->member_id), NULL), 0);
	check_state(&w, "i", "Dead");
	struct ask *v[] = { a, b, s, old, again };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

static int
refusal(struct world *w, struct joiner j)
{
	struct ask *a = join_as(w, &j);
	int error = code(a);
	drop(w, a);
	return error;
}

void
test_groups_classic__what_does_not_fit_is_refused(void)
{
	struct world w;
	world_init(&w, 1);
	struct joiner j = { "g", "", NULL, { "range" }, .session_ms = 999 };
	check_int(refusal(&w, j), KERR_INVALID_SESSION_TIMEOUT);
	j.session_ms = 1800001;
	check_int(refusal(&w, j), KERR_INVALID_SESSION_TIMEOUT);
	j = (struct joiner){ "", "", NULL, { "range" } };
	check_int(refusal(&w, j), KERR_INVALID_GROUP_ID);
	j = (struct joiner){ "g", "me", NULL, { "range" } };
	check_int(refusal(&w, j), KERR_UNKNOWN_MEMBER_ID);
	j = (struct joiner){ "g", "", NULL, { NULL } };
	check_int(refusal(&w, j), KERR_INCONSISTENT_GROUP_PROTOCOL);
	j = (struct joiner){ "g", "", NULL, { "range" }, .type = "" };
	check_int(refusal(&w, j), KERR_INCONSISTENT_GROUP_PROTOCOL);
	/* More metadata than fits into a record. */
	struct join_group_request_protocol p = { STR("range"),
		{ mem_alloc((1 << 20) + 1), (1 << 20) + 1 } };
	struct join_group_request q = { .group_id = STR("g"), .session_timeout_ms = 6000,
		.member_id = STR(""), .group_instance_id = STR_NULL,
		.protocol_type = STR("consumer"), .protocols = { &p, 1 }, .reason = STR_NULL };
	struct ask *a = ask(&w, 11, 3, &q);
	check_int(code(a), KERR_INVALID_REQUEST);
	mem_free((void *)(uintptr_t)p.metadata.p);
	drop(&w, a);
	check_int(groups_count(w.g), 0);
	settle(&w, "g", "range");
	j = (struct joiner){ "g", "me", NULL, { "range" } };
	check_int(refusal(&w, j), KERR_UNKNOWN_MEMBER_ID);
	j = (struct joiner){ "g", "me", "here", { "range" } };
	check_int(refusal(&w, j), KERR_UNKNOWN_MEMBER_ID);
	struct ask *s = sync_follower(&w, "none", "me", 1);
	check_int(code(s), KERR_UNKNOWN_MEMBER_ID);
	drop(&w, s);
	world_release(&w);
}

void
test_groups_classic__a_full_group_takes_no_more(void)
{
	struct world w;
	world_init(&w, 1);
	w.config.member_max = 1;
	world_configure(&w);
	struct ask *a = join(&w, "g", "range");
	struct joiner j = { "g", "", NULL, { "range" } };
	check_int(refusal(&w, j), KERR_GROUP_MAX_SIZE_REACHED);
	pass(&w, 0);
	check_int(refusal(&w, j), KERR_GROUP_MAX_SIZE_REACHED);
	j.member = text(joined(a)->member_id);
	check_int(refusal(&w, j), 0); /* a member may join again */
	drop(&w, a);
	world_release(&w);
}

void
test_groups_classic__the_leader_rebalances_by_joining_again(void)
{
	struct world w;
	world_init(&w, 1);
	const char *one = settle(&w, "g", "range");
	struct ask *a = rejoin(&w, "g", one, "range");
	check_int(joined(a)->generation_id, 2);
	/* While its generation completes it gets the same answer again. */
	struct ask *b = rejoin(&w, "g", one, "range");
	check_int(joined(b)->generation_id, 2);
	check_int(joined(b)->members.n, 1);
	struct joiner j = { "g", one, NULL, { "range" }, .metadata = "new" };
	struct ask *c = join_as(&w, &j);
	check_int(joined(c)->generation_id, 3);
	check(str_eq(joined(c)->members.v[0].metadata, STR("new")));
	drop(&w, a);
	drop(&w, b);
	drop(&w, c);
	world_release(&w);
}

void
test_groups_classic__a_follower_that_joins_again_unchanged_is_answered_at_once(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	struct joiner j = { "g", id[1], "two", { "range", "sticky" } };
	struct ask *a = join_as(&w, &j);
	check_int(joined(a)->generation_id, 1);
	check_state(&w, "g", "Stable");
	j.metadata = "other topics";
	struct ask *b = join_as(&w, &j);
	check(b->answer == NULL);
	check_state(&w, "g", "PreparingRebalance");
	j = (struct joiner){ "g", id[0], "one", { "range", "sticky" } };
	struct ask *c = join_as(&w, &j);
	check_int(joined(b)->generation_id, 2);
	drop(&w, a);
	drop(&w, b);
	drop(&w, c);
	world_release(&w);
}

void
test_groups_classic__who_asks_twice_is_answered_twice(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	const char *two = text(joined(b)->member_id), *one = text(joined(a)->member_id);
	struct ask *s = sync_follower(&w, "g", two, 1), *t = sync_follower(&w, "g", two, 1);
	check_int(code(s), KERR_REBALANCE_IN_PROGRESS);
	check(t->answer == NULL);
	struct joiner j = { "g", two, NULL, { "range" }, .metadata = "new" };
	struct ask *c = join_as(&w, &j), *d = join_as(&w, &j);
	check_int(code(t), KERR_REBALANCE_IN_PROGRESS);
	check_int(code(c), KERR_REBALANCE_IN_PROGRESS);
	check(d->answer == NULL);
	struct ask *e = rejoin(&w, "g", one, "range");
	check_int(joined(d)->generation_id, 2);
	check_int(joined(e)->generation_id, 2);
	struct ask *v[] = { a, b, c, d, e, s, t };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__stopping_answers_who_waits(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	struct ask *s = sync_follower(&w, "g", text(joined(b)->member_id), 1);
	struct ask *c = join(&w, "h", "range");
	groups_stop(w.g);
	check_int(code(s), KERR_NOT_COORDINATOR);
	check_int(code(c), KERR_NOT_COORDINATOR);
	struct joiner late = { "h", "", "x", { "range" } };
	check_int(refusal(&w, late), KERR_NOT_COORDINATOR);
	groups_stop(w.g);
	struct ask *v[] = { a, b, c, s };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__a_refused_write_does_not_make_a_group_stable(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *a = join(&w, "g", "range"), *b = join(&w, "g", "range");
	pass(&w, 0);
	const char *id[] = { text(joined(a)->member_id), text(joined(b)->member_id) };
	const char *what[] = { "left", "right" };
	struct ask *t = sync_follower(&w, "g", id[1], 1);
	w.append_error = KERR_NOT_ENOUGH_REPLICAS;
	struct ask *s = sync_as(&w, "g", id[0], NULL, 1, id, what, 2);
	check_int(code(s), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(code(t), KERR_COORDINATOR_NOT_AVAILABLE);
	check_state(&w, "g", "PreparingRebalance");
	w.append_error = 0;
	struct ask *c = rejoin(&w, "g", id[0], "range"), *d = rejoin(&w, "g", id[1], "range");
	check_int(joined(c)->generation_id, 2);
	check_int(joined(d)->generation_id, 2);
	struct ask *v[] = { a, b, c, d, s, t };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		drop(&w, v[i]);
	world_release(&w);
}

void
test_groups_classic__a_refused_write_does_not_replace_a_static_member(void)
{
	struct world w;
	const char *id[2];
	world_init(&w, 1);
	settle_static(&w, "g", id, 9);
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	struct joiner j = { "g", "", "two", { "range", "sticky" } };
	check_int(refusal(&w, j), KERR_NOT_COORDINATOR);
	w.append_error = 0;
	check_int(heartbeat_as(&w, "g", id[1], "two", 1), 0);
	check_state(&w, "g", "Stable");
	world_release(&w);
}

void
test_groups_classic__there_are_no_more_groups_than_allowed(void)
{
	struct world w;
	world_init(&w, 1);
	w.config.ngroup_max = 1;
	world_configure(&w);
	settle(&w, "g", "range");
	struct joiner j = { "h", "", NULL, { "range" } };
	check_int(refusal(&w, j), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(commit(&w, "h", "apples", 0, 1), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(groups_count(w.g), 1);
	world_release(&w);
}

void
test_groups_classic__nothing_is_added_past_the_memory_that_groups_may_take(void)
{
	enum { SIZE = 20000 };
	struct world w;
	world_init(&w, 1);
	w.config.state_size_max = SIZE;
	w.config.member_max = 1000000;
	world_configure(&w);
	char *metadata = mem_alloc(1001);
	memset(metadata, 'm', 1000);
	/* Members use up the state limit, */
	const char *id = settle(&w, "g", "range");
	struct joiner j = { "h", "", NULL, { "range" }, metadata, 3 };
	struct ask *a[100];
	int n = 0;
	while (n < 99 && (a[n] = join_as(&w, &j))->answer == NULL)
		n++;
	check_int(code(a[n]), KERR_COORDINATOR_NOT_AVAILABLE);
	check(n > 5 && n < SIZE / 1000);
	/* nothing more is stored, of any kind, */
	check_int(refusal(&w, (struct joiner){ "i", "", NULL, { "range" } }),
		KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(commit(&w, "i", "apples", 0, 1), KERR_COORDINATOR_NOT_AVAILABLE);
	struct committing c = { .group = "g", .member = id, .topic = "apples", .epoch = 1,
		.metadata = "m" };
	check_int(commit_as(&w, &c), KERR_OFFSET_METADATA_TOO_LARGE);
	/* existing groups keep working, */
	check_int(heartbeat(&w, "g", id, 1), 0);
	c.metadata = NULL;
	check_int(commit_as(&w, &c), 0);
	/* and after they are gone there is room again. */
	pass(&w, 1800000);
	check_int(commit(&w, "i", "apples", 0, 1), 0);
	for (int i = 0; i <= n; i++)
		drop(&w, a[i]);
	mem_free(metadata);
	world_release(&w);
}

void
test_groups_classic__old_versions_are_answered_in_their_way(void)
{
	struct world w;
	world_init(&w, 1);
	/* Version 0 to 3: no id is asked for; 0: the session is the rebalance's
	 * timeout, too. */
	for (int16_t v = 0; v < 4; v++) {
		char name[] = { 'g', (char)('0' + v), 0 };
		struct join_group_request_protocol p = { STR("range"),
			STR("m") };
		struct join_group_request q = { .group_id = str_of(name),
			.session_timeout_ms = 6000, .rebalance_timeout_ms = 600000,
			.member_id = STR(""), .group_instance_id = STR_NULL,
			.protocol_type = STR("consumer"), .protocols = { &p, 1 },
			.reason = STR_NULL };
		struct ask *a = ask(&w, 11, v, &q);
		pass(&w, 0);
		check_int(joined(a)->generation_id, 1);
		struct heartbeat_request h = { str_of(name), 1, joined(a)->member_id, STR_NULL };
		struct ask *b = ask(&w, 12, MIN(v, 2), &h);
		check_int(code(b), 0);
		struct sync_group_request s = { .group_id = str_of(name), .generation_id = 1,
			.member_id = joined(a)->member_id, .group_instance_id = STR_NULL,
			.protocol_type = STR("consumer"), .protocol_name = STR("range") };
		struct ask *c = ask(&w, 14, v, &s);
		check_int(code(c), 0);
		drop(&w, a);
		drop(&w, b);
		drop(&w, c);
	}
	struct joiner no = { "g0", "", NULL, { "other" }, .version = 2 };
	check_int(refusal(&w, no), KERR_INCONSISTENT_GROUP_PROTOCOL);
	world_release(&w);
}

void
test_groups_classic__fifty_members_join_one_generation(void)
{
	enum { N = 50 };
	struct world w;
	struct ask *a[N], *s[N];
	const char *what = "x";
	char ids[N][80];
	world_init(&w, 1);
	for (int i = 0; i < N; i++)
		a[i] = join(&w, "g", "range");
	pass(&w, 0);
	for (int i = 0; i < N; i++) {
		check_int(joined(a[i])->generation_id, 1);
		snprintf(ids[i], sizeof ids[i], "%.*s", STR_ARG(joined(a[i])->member_id));
	}
	check_int(joined(a[0])->members.n, N);
	for (int i = N - 1; i > 0; i--)
		s[i] = sync_follower(&w, "g", ids[i], 1);
	const char *first = ids[0];
	s[0] = sync_as(&w, "g", first, NULL, 1, &first, &what, 1);
	for (int i = 0; i < N; i++) {
		check_int(code(s[i]), 0);
		check_int(((const struct sync_group_response *)s[i]->answer)->assignment.n, i == 0);
		drop(&w, a[i]);
		drop(&w, s[i]);
	}
	check_state(&w, "g", "Stable");
	world_release(&w);
}
