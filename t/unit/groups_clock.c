/* Offsets when the wall clock is set: their age follows the wall clock, offsets in use
 * have no age, and timeouts follow the monotonic clock. */
#include "consumer_help.h"

enum { DAY = 86400000, CHECK = 600001 };

/* Sets the wall clock. */
static void
jump(struct world *w, int64_t ms)
{
	w->now.wall_ms += ms;
}

/* A subscription of version 1 to apples. */
static struct str
apples(void)
{
	static const uint8_t p[] = { 0, 1, 0, 0, 0, 1, 0, 6, 'a', 'p', 'p', 'l', 'e', 's',
		0, 0, 0, 0, 0, 0, 0, 0 };
	return (struct str){ p, sizeof p };
}

/* A classic member that reads apples joins; it is static ("me"), so that it may be
 * late. */
static struct ask *
join_reader(struct world *w, const char *group, const char *instance)
{
	struct join_group_request_protocol p = { STR("range"), apples() };
	struct join_group_request q = { .group_id = str_of(group), .session_timeout_ms = 1800000,
		.rebalance_timeout_ms = 1800000, .member_id = STR(""),
		.group_instance_id = str_of(instance), .protocol_type = STR("consumer"),
		.protocols = { &p, 1 }, .reason = STR_NULL };
	return ask(w, 11, 9, &q);
}

static const char *
settle_reader(struct world *w, const char *group)
{
	struct ask *a = join_reader(w, group, "me");
	pass(w, 0);
	check_int(code(a), 0);
	const char *id = text(joined(a)->member_id), *what = "all";
	struct ask *s = sync_as(w, group, id, "me", 1, &id, &what, 1);
	check_int(code(s), 0);
	drop(w, a);
	drop(w, s);
	return id;
}

void
test_groups_clock__a_clock_set_forward_spares_what_members_read(void)
{
	struct town o;
	struct world *w = &o.w;
	town_init(&o, 1);
	world_restart(w, 0); /* loaded: the expiry timer starts */
	check_int(commit(w, "classic", "apples", 0, 1), 0);
	check_int(commit(w, "classic", "books", 0, 2), 0);
	check_int(commit(w, "nobody", "apples", 0, 3), 0);
	check_int(commit(w, "new", "apples", 0, 4), 0);
	settle_reader(w, "classic");
	struct client c = { .id = "c", .group = "new", .topic = { "apples" } };
	check_int(step(&o, &c), 0);
	jump(w, 30 * (int64_t)DAY);
	for (int i = 0; i < 2 * CHECK; i += 40000) {
		check_int(step(&o, &c), 0);
		pass(w, 40000);
	}
	check_int(fetch(w, "classic", "apples", 0, false), 1);
	check_int(fetch(w, "new", "apples", 0, false), 4);
	/* Offsets of topics that no member reads expire, as in Kafka. */
	check_int(fetch(w, "classic", "books", 0, false), -1);
	check_int(fetch(w, "nobody", "apples", 0, false), -1);
	jump(w, -30 * (int64_t)DAY);
	for (int i = 0; i < CHECK; i += 40000) {
		check_int(step(&o, &c), 0);
		pass(w, 40000);
	}
	check_int(fetch(w, "classic", "apples", 0, false), 1);
	check_int(fetch(w, "new", "apples", 0, false), 4);
	world_release(w);
}

void
test_groups_clock__a_rebalance_is_no_gap_for_a_clock_set_forward(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(commit(&w, "g", "books", 0, 2), 0);
	settle_reader(&w, "g");
	/* A second member joins, and the first does not know yet; */
	struct ask *other = join_reader(&w, "g", "other");
	check_state(&w, "g", "PreparingRebalance");
	jump(&w, 30 * (int64_t)DAY);
	pass(&w, CHECK);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "g", "books", 0, false), 2);
	/* then both wait for the leader's sync. */
	struct ask *me = join_reader(&w, "g", "me");
	check_state(&w, "g", "CompletingRebalance");
	pass(&w, CHECK);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "g", "books", 0, false), 2);
	drop(&w, other);
	drop(&w, me);
	world_release(&w);
}

void
test_groups_clock__offsets_outlive_a_jump_that_is_taken_back(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	check_int(commit(&w, "before", "apples", 0, 1), 0);
	/* Younger than the retention; the members leave one group, another starts. */
	check_int(commit(&w, "left", "apples", 0, 2), 0);
	settle_reader(&w, "left");
	jump(&w, DAY - 3 * CHECK);
	pass(&w, CHECK);
	check_int(commit(&w, "within", "apples", 0, 3), 0);
	check_int(leave_as(&w, "left", "", "me"), 0);
	pass(&w, CHECK);
	check_int(fetch(&w, "before", "apples", 0, false), 1);
	jump(&w, -(DAY - 3 * CHECK));
	/* None is younger than the present clock says, */
	pass(&w, DAY - 4 * CHECK);
	check_int(fetch(&w, "before", "apples", 0, false), 1);
	check_int(fetch(&w, "within", "apples", 0, false), 3);
	check_int(fetch(&w, "left", "apples", 0, false), 2);
	pass(&w, 4 * CHECK);
	check_int(fetch(&w, "before", "apples", 0, false), -1);
	check_int(fetch(&w, "within", "apples", 0, false), 3);
	check_int(fetch(&w, "left", "apples", 0, false), 2);
	/* and offsets from the future expire in the end. */
	pass(&w, DAY);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_clock__a_clock_set_back_keeps_offsets_for_longer(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	struct committing c = { .group = "own", .topic = "apples", .epoch = -1, .version = 3,
		.retention_ms = 10 * CHECK };
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(commit_as(&w, &c), 0);
	jump(&w, -DAY);
	world_restart(&w, w.nlog); /* also after a restart */
	pass(&w, DAY - CHECK);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "own", "apples", 0, false), 0);
	pass(&w, 13 * CHECK);
	check_int(fetch(&w, "own", "apples", 0, false), -1);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	pass(&w, DAY);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_clock__looking_and_time_outs_go_by_the_steady_clock(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	check_int(commit(&w, "nobody", "apples", 0, 1), 0);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	const char *id = settle_reader(&w, "g");
	int64_t next = groups_next_tick(w.g);
	/* No timer depends on the wall clock; */
	jump(&w, 30 * (int64_t)DAY);
	check_int(groups_next_tick(w.g), next);
	groups_tick(w.g, w.now);
	check_int(fetch(&w, "nobody", "apples", 0, false), 1);
	check_int(heartbeat_as(&w, "g", id, "me", 1), 0);
	check_state(&w, "g", "Stable");
	/* and nothing waits for it to return. */
	jump(&w, -60 * (int64_t)DAY);
	pass(&w, 1800001);
	check_state(&w, "g", "Empty");
	check(groups_next_tick(w.g) <= w.now.mono_ms + 600000);
	world_release(&w);
}
