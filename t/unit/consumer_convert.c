#include "classic_member_help.h"

static const struct old_member plain = { .topic = { "apples" } };

/* A classic group of one member, stable in generation 1. */
static void
begin(struct town *o, struct old_member *m)
{
	town_init(o, 1);
	*m = plain;
	old_settle(o, m);
	check_int(m->generation, 1);
	check_int(m->owned.n, NDATA);
}

void
test_consumer_convert__the_first_new_member_converts_the_group(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(c.epoch, 2);
	check_int(c.owned.n, 0);
	struct ask *a = look_at(&o, "g");
	check_int(looked(a)->group_epoch, 2);
	check_int(looked(a)->members.n, 2);
	int old = str_eq(looked(a)->members.v[0].member_id, STR("new"));
	check_int(looked(a)->members.v[old].member_type, 0);
	check_int(looked(a)->members.v[old].member_epoch, 1);
	check_int(looked(a)->members.v[old].assignment.topic_partitions.v[0].partitions.n,
		NDATA);
	drop(&o.w, a);
	/* The classic one gives up half. */
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &m);
	check_int(m.generation, 2);
	check_int(m.owned.n, 3);
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, 3);
	check_group(&o, "g", "Stable");
	check_int(old_step(&o, &m), 0);
	world_release(&o.w);
}

void
test_consumer_convert__policies_forbid_either_way(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.can_upgrade = o.w.config.can_downgrade = false;
	world_configure(&o.w);
	struct old_member m = plain;
	old_settle(&o, &m);
	int nlog = o.w.nlog;
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), KERR_GROUP_ID_NOT_FOUND);
	check_int(o.w.nlog, nlog);
	check_int(old_step(&o, &m), 0);
	/* After its last member with the consumer protocol left, it stays a consumer group. */
	c.group = "h";
	check_int(step(&o, &c), 0);
	struct old_member n = plain;
	n.group = "h";
	old_settle(&o, &n);
	check_int(leave_now(&o, &c, -1), 0);
	check(group_epoch(&o, "h") > 0);
	check_int(old_step(&o, &n), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &n);
	check_int(n.owned.n, NDATA);
	world_release(&o.w);
}

void
test_consumer_convert__other_kinds_of_groups_are_not_converted(void)
{
	struct town o;
	town_init(&o, 1);
	struct joiner j = { "g", "", NULL, { "v1" }, .type = "connect", .version = 3 };
	struct ask *a = join_as(&o.w, &j);
	struct joiner k = { "h", "", NULL, { "range" }, .metadata = "x", .version = 3 };
	struct ask *b = join_as(&o.w, &k); /* its metadata is malformed */
	pass(&o.w, 0);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), KERR_GROUP_ID_NOT_FOUND);
	c.group = "h";
	check_int(step(&o, &c), KERR_GROUP_ID_NOT_FOUND);
	drop(&o.w, a);
	drop(&o.w, b);
	world_release(&o.w);
}

void
test_consumer_convert__who_waits_hears_of_a_rebalance(void)
{
	struct town o;
	struct old_member m, n = plain;
	begin(&o, &m);
	check_int(old_step(&o, &n), KERR_MEMBER_ID_REQUIRED);
	struct ask *parked = old_send(&o, &n);
	check(parked->answer == NULL);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(code(parked), KERR_REBALANCE_IN_PROGRESS);
	drop(&o.w, parked);
	for (int i = 0; i < 8; i++) {
		old_step(&o, &m);
		old_step(&o, &n);
		step(&o, &c);
	}
	check_int(m.owned.n + n.owned.n + c.owned.n, NDATA);
	check_group(&o, "g", "Stable");
	world_release(&o.w);
}

void
test_consumer_convert__a_classic_member_is_told_to_rejoin(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(heartbeat(&o.w, "g", m.id, 1), KERR_REBALANCE_IN_PROGRESS);
	check_int(heartbeat(&o.w, "g", m.id, 2), KERR_ILLEGAL_GENERATION);
	check_int(heartbeat(&o.w, "g", "other", 1), KERR_UNKNOWN_MEMBER_ID);
	check_int(heartbeat(&o.w, "g", "new", 2), KERR_UNKNOWN_MEMBER_ID);
	m.next = OLD_SYNC;
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &m);
	/* A topic grows: the classic member learns it with its next heartbeat. */
	steps(&o, &c, 1, 1);
	o.npartition[0]++;
	groups_topics_changed(o.w.g, o.w.now);
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &m);
	steps(&o, &c, 1, 2);
	check_int(m.owned.n + c.owned.n, NDATA + 1);
	world_release(&o.w);
}

void
test_consumer_convert__a_cooperative_member_revokes_first(void)
{
	struct town o;
	town_init(&o, 1);
	struct old_member m = plain;
	m.is_cooperative = true;
	old_settle(&o, &m);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	check_int(old_step(&o, &m), 0); /* joins with all it owns */
	check_int(m.generation, 1);
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, 0);
	check_int(old_step(&o, &m), 0); /* the answer: keep three */
	check_int(m.owned.n, 3);
	check_int(m.next, OLD_JOIN);
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, 0);
	check_int(old_step(&o, &m), 0);
	check_int(m.generation, 2);
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, 3);
	old_settle(&o, &m);
	check_int(m.owned.n, 3);
	world_release(&o.w);
}

void
test_consumer_convert__a_classic_member_joins_a_consumer_group(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	struct old_member m = plain;
	check_int(old_step(&o, &m), KERR_MEMBER_ID_REQUIRED);
	check_int(old_step(&o, &m), 0);
	check_int(m.generation, 2);
	check_int(old_step(&o, &m), 0);
	check_int(m.owned.n, 0);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, 3);
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &m);
	check_int(m.owned.n, 3);
	check_int(old_step(&o, &m), 0);
	/* Its commits are checked against its generation. */
	struct committing k = { .group = "g", .member = m.id, .epoch = 2, .topic = "apples" };
	check_int(commit_as(&o.w, &k), 0);
	k.epoch = 1;
	check_int(commit_as(&o.w, &k), KERR_ILLEGAL_GENERATION);
	/* It leaves. */
	check_int(leave_as(&o.w, "g", "new", NULL), KERR_UNKNOWN_MEMBER_ID);
	check_int(leave_as(&o.w, "g", m.id, NULL), 0);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, NDATA);
	world_release(&o.w);
}

void
test_consumer_convert__classic_requests_are_checked(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.consumer_member_max = 2;
	world_configure(&o.w);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	struct joiner j = { "g", "x", NULL, { "range" }, .type = "connect" };
	struct ask *a = join_as(&o.w, &j);
	check_int(code(a), KERR_INCONSISTENT_GROUP_PROTOCOL);
	drop(&o.w, a);
	j.type = NULL; /* malformed metadata */
	a = join_as(&o.w, &j);
	check_int(code(a), KERR_INCONSISTENT_GROUP_PROTOCOL);
	drop(&o.w, a);
	struct old_member m = plain, n = plain, s = plain;
	old_settle(&o, &m);
	n.protocol = "roundrobin";
	strcpy(n.id, "n");
	check_int(old_step(&o, &n), KERR_GROUP_MAX_SIZE_REACHED);
	check_int(leave_now(&o, &c, -1), 0); /* converts back */
	check_int(step(&o, &c), 0);          /* and up again */
	strcpy(s.id, "s");
	s.instance = "i";
	check_int(old_step(&o, &s), KERR_GROUP_MAX_SIZE_REACHED);
	world_release(&o.w);
}

void
test_consumer_convert__the_last_new_member_converts_it_back(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	struct client c[2] = { { .id = "a", .topic = { "apples" } },
		{ .id = "b", .topic = { "apples" } } };
	steps(&o, c, 2, 1);
	old_step(&o, &m);
	old_settle(&o, &m);
	steps(&o, c, 2, 3);
	check_int(leave_now(&o, &c[0], -1), 0);
	check(group_epoch(&o, "g") > 0);
	check_int(leave_now(&o, &c[1], -1), 0);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	check_state(&o.w, "g", "PreparingRebalance");
	old_step(&o, &m);
	old_settle(&o, &m);
	check_int(m.owned.n, NDATA);
	check(m.generation > 3);
	check_state(&o.w, "g", "Stable");
	world_release(&o.w);
}

void
test_consumer_convert__a_static_member_changes_its_protocol(void)
{
	struct town o;
	town_init(&o, 1);
	struct old_member m = plain;
	m.instance = "i";
	old_settle(&o, &m);
	/* Its partitions wait for it, also during the change of protocol. */
	struct client c = { .id = "new", .instance = "i", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	check_int(c.owned.n, NDATA);
	check_int(old_step(&o, &m), KERR_FENCED_INSTANCE_ID);
	world_release(&o.w);
}

void
test_consumer_convert__the_last_static_new_member_comes_back_classic(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "new", .instance = "i", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	struct old_member n = plain, m = plain;
	old_settle(&o, &n);
	steps(&o, &c, 1, 2);
	old_step(&o, &n);
	old_settle(&o, &n);
	check_int(c.owned.n, 3);
	struct set had = c.owned;
	check_int(leave_now(&o, &c, -2), 0);
	m.instance = "i";
	check_int(old_step(&o, &m), 0);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	check_int(old_step(&o, &m), 0);
	check_int(m.owned.n, 3);
	check(memcmp(m.owned.v, had.v, 3 * sizeof had.v[0]) == 0);
	check_int(old_step(&o, &n), 0); /* no member had to rebalance */
	check_int(old_step(&o, &m), 0);
	world_release(&o.w);
}

void
test_consumer_convert__a_restart_finds_what_was_converted(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	world_restart(&o.w, o.w.nlog);
	check_int(step(&o, &c), 0);
	check_int(old_step(&o, &m), KERR_REBALANCE_IN_PROGRESS);
	old_settle(&o, &m);
	world_restart(&o.w, o.w.nlog);
	check_int(old_step(&o, &m), 0);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, 3);
	check_int(leave_now(&o, &c, -1), 0);
	world_restart(&o.w, o.w.nlog);
	check_int(group_epoch(&o, "g"), -KERR_GROUP_ID_NOT_FOUND);
	/* It returns to the generation that the conversion wrote. */
	check_state(&o.w, "g", "Stable");
	old_settle(&o, &m);
	old_step(&o, &m);
	old_settle(&o, &m);
	world_release(&o.w);
}

void
test_consumer_convert__a_refused_write_converts_nothing(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	struct client c = { .id = "new", .topic = { "apples" } };
	o.w.append_error = KERR_NOT_LEADER_OR_FOLLOWER;
	check_int(step(&o, &c), KERR_NOT_COORDINATOR);
	check_state(&o.w, "g", "Stable");
	o.w.append_error = 0;
	check_int(old_step(&o, &m), 0);
	check_int(step(&o, &c), 0);
	o.w.append_error = KERR_NOT_LEADER_OR_FOLLOWER;
	check_int(leave_now(&o, &c, -1), KERR_NOT_COORDINATOR);
	o.w.append_error = 0;
	check_int(group_epoch(&o, "g"), 2);
	world_release(&o.w);
}

void
test_consumer_convert__classic_members_time_out(void)
{
	struct town o;
	struct old_member m;
	begin(&o, &m);
	struct client c = { .id = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	/* It sends heartbeats, but does not join within its rebalance timeout. */
	for (int i = 0; i < 3; i++) {
		pass(&o.w, 19999);
		check_int(step(&o, &c), 0);
		check_int(heartbeat(&o.w, "g", m.id, 1), KERR_REBALANCE_IN_PROGRESS);
	}
	pass(&o.w, 20003);
	check_int(heartbeat(&o.w, "g", m.id, 1), KERR_UNKNOWN_MEMBER_ID);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, NDATA);
	/* It joins, but does not sync. */
	m = plain;
	check_int(old_step(&o, &m), KERR_MEMBER_ID_REQUIRED);
	check_int(old_step(&o, &m), 0);
	for (int i = 0; i < 3; i++) {
		pass(&o.w, 19999);
		check_int(step(&o, &c), 0);
		check(heartbeat(&o.w, "g", m.id, m.generation) != KERR_UNKNOWN_MEMBER_ID);
	}
	pass(&o.w, 3);
	check_int(heartbeat(&o.w, "g", m.id, m.generation), KERR_UNKNOWN_MEMBER_ID);
	world_release(&o.w);
}

void
test_consumer_convert__who_was_thrown_out_must_not_keep_partitions(void)
{
	struct town o;
	town_init(&o, 1);
	struct client c = { .id = "new", .topic = { "apples" } };
	struct old_member m = plain;
	m.is_cooperative = true;
	check_int(step(&o, &c), 0);
	for (int i = 0; i < 8; i++) {
		old_step(&o, &m);
		step(&o, &c);
	}
	check_int(m.owned.n, 3);
	pass(&o.w, SESSION_MS - 1);
	check_int(step(&o, &c), 0);
	pass(&o.w, 1);
	steps(&o, &c, 1, 2);
	check_int(c.owned.n, NDATA);
	/* It has not noticed, and joins with what it owned. */
	m.next = OLD_JOIN;
	check_int(old_step(&o, &m), KERR_UNKNOWN_MEMBER_ID);
	check_int(m.owned.n, 0);
	check_int(old_step(&o, &m), KERR_MEMBER_ID_REQUIRED);
	check_int(old_step(&o, &m), 0);
	world_release(&o.w);
}
