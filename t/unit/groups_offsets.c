#include "groups_help.h"

#include <malloc.h>

void
test_groups_offsets__what_is_committed_is_fetched(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(fetch(&w, "g", "apples", 1, false), -1);
	check_int(groups_count(w.g), 0);
	check_int(commit(&w, "g", "apples", 1, 42), 0);
	check_int(commit(&w, "g", "apples", 0, 7), 0);
	check_int(commit(&w, "g", "books", 5, 0), 0);
	check_int(fetch(&w, "g", "apples", 1, true), 42);
	check_int(fetch(&w, "g", "apples", 0, false), 7);
	check_int(fetch(&w, "g", "books", 5, false), 0);
	check_int(fetch(&w, "g", "books", 4, false), -1);
	check_int(fetch(&w, "h", "apples", 1, false), -1);
	check_int(commit(&w, "g", "apples", 1, 40), 0); /* a smaller offset is fine */
	check_int(fetch(&w, "g", "apples", 1, false), 40);
	check_int(commit(&w, "", "apples", 1, 3), 0); /* the empty id, too */
	check_int(fetch(&w, "", "apples", 1, false), 3);
	check_int(w.nlog, 5);
	world_release(&w);
}

void
test_groups_offsets__every_version_of_a_commit_is_understood(void)
{
	struct world w;
	world_init(&w, 1);
	for (int16_t v = 2; v <= 10; v++) {
		struct committing c = { .group = "g", .topic = "cars", .metadata = "why",
			.epoch = -1, .partition = v % NDATA, .offset = 100 + v, .version = v };
		check_int(commit_as(&w, &c), 0);
		check_int(fetch(&w, "g", "cars", v % NDATA, false), 100 + v);
	}
	world_release(&w);
}

void
test_groups_offsets__every_version_of_a_fetch_is_answered(void)
{
	struct world w;
	world_init(&w, 1);
	struct committing c = { .group = "g", .topic = "books", .metadata = "note", .epoch = -1,
		.partition = 2, .offset = 9 };
	check_int(commit_as(&w, &c), 0);
	int32_t v[] = { 2, 3 };
	for (int16_t version = 1; version < 8; version++) {
		struct offset_fetch_request_topic t = { STR("books"), { v, 2 } };
		struct offset_fetch_request q = { .group_id = STR("g"), .topics = { &t, 1 } };
		struct ask *a = ask(&w, 9, version, &q);
		const struct offset_fetch_response *r = a->answer;
		check_int(r->error_code, 0);
		check_int(r->topics.v[0].partitions.n, 2);
		check_int(r->topics.v[0].partitions.v[0].committed_offset, 9);
		check_int(r->topics.v[0].partitions.v[0].committed_leader_epoch,
			version >= 5 ? 5 : -1);
		check(str_eq(r->topics.v[0].partitions.v[0].metadata, STR("note")));
		check_int(r->topics.v[0].partitions.v[1].committed_offset, -1);
		check(str_eq(r->topics.v[0].partitions.v[1].metadata, STR("")));
		check_int(a->call.partition, coord_partition_of(STR("g"), NPARTITION));
		drop(&w, a);
	}
	for (int16_t version = 8; version <= 10; version++) {
		struct offset_fetch_request_group_topic t = {
			STR("books"), { { 7, 1 } }, { v, 2 } };
		struct offset_fetch_request_group rg[] = {
			{ STR("g"), STR_NULL, -1, { &t, 1 } },
			{ STR("none"), STR_NULL, -1, { &t, 1 } },
		};
		struct offset_fetch_request q = { .groups = { rg, 2 } };
		struct ask *a = ask(&w, 9, version, &q);
		const struct offset_fetch_response *r = a->answer;
		check_int(r->groups.n, 2);
		check_int(r->groups.v[0].topics.v[0].partitions.v[0].committed_offset, 9);
		check_int(r->groups.v[0].topics.v[0].partitions.v[0].committed_leader_epoch, 5);
		check_int(r->groups.v[1].error_code, 0);
		check_int(r->groups.v[1].topics.v[0].partitions.v[0].committed_offset, -1);
		check_int(r->groups.v[0].topics.v[0].topic_id.bytes[1], version == 10);
		drop(&w, a);
	}
	world_release(&w);
}

void
test_groups_offsets__a_fetch_of_all_tells_every_topic(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(commit(&w, "g", "books", 1, 11), 0);
	check_int(commit(&w, "g", "apples", 2, 22), 0);
	check_int(commit(&w, "g", "apples", 1, 21), 0);
	struct offset_fetch_request old = { .group_id = STR("g"), .topics = { NULL, -1 } };
	struct ask *a = ask(&w, 9, 2, &old);
	const struct offset_fetch_response *r = a->answer;
	check_int(r->topics.n, 2);
	check(str_eq(r->topics.v[0].name, STR("apples")));
	check_int(r->topics.v[0].partitions.n, 2);
	check_int(r->topics.v[0].partitions.v[1].committed_offset, 22);
	check_int(r->topics.v[1].partitions.v[0].committed_offset, 11);
	struct offset_fetch_request_group rg = { STR("g"), STR_NULL, -1,
		{ NULL, -1 } };
	struct offset_fetch_request q = { .groups = { &rg, 1 } };
	w.is_gone[1] = true; /* books: it has no topic id */
	struct ask *b = ask(&w, 9, 10, &q), *c = ask(&w, 9, 9, &q);
	r = b->answer;
	check_int(r->groups.v[0].topics.n, 1);
	check_int(r->groups.v[0].topics.v[0].topic_id.bytes[0], 7);
	check_int(r->groups.v[0].topics.v[0].partitions.n, 2);
	r = c->answer;
	check_int(r->groups.v[0].topics.n, 2);
	rg.group_id = STR("none");
	struct ask *d = ask(&w, 9, 9, &q);
	r = d->answer;
	check_int(r->groups.v[0].topics.n, 0);
	check_int(r->groups.v[0].error_code, 0);
	drop(&w, a);
	drop(&w, b);
	drop(&w, c);
	drop(&w, d);
	world_release(&w);
}

void
test_groups_offsets__an_unknown_topic_id_is_told_as_such(void)
{
	struct world w;
	world_init(&w, 1);
	w.is_gone[0] = true;
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .version = 10 };
	check_int(commit_as(&w, &c), KERR_UNKNOWN_TOPIC_ID);
	c.version = 9;
	check_int(commit_as(&w, &c), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	int32_t p = 0;
	struct offset_fetch_request_group_topic t = { STR(""), { { 9 } }, { &p, 1 } };
	struct offset_fetch_request_group rg = { STR("g"), STR_NULL, -1,
		{ &t, 1 } };
	struct offset_fetch_request q = { .groups = { &rg, 1 } };
	struct ask *a = ask(&w, 9, 10, &q);
	const struct offset_fetch_response *r = a->answer;
	check_int(r->groups.v[0].topics.v[0].partitions.v[0].error_code, KERR_UNKNOWN_TOPIC_ID);
	check_int(r->groups.v[0].topics.v[0].topic_id.bytes[0], 9);
	drop(&w, a);
	world_release(&w);
}

void
test_groups_offsets__only_partitions_that_exist_are_kept(void)
{
	struct world w;
	char longer[102];
	world_init(&w, 1);
	memset(longer, 'x', 101);
	longer[101] = 0;
	check_int(commit(&w, "g", "nosuch", 0, 1), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(commit(&w, "g", "apples", NDATA, 1), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(commit(&w, "g", "apples", -1, 1), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	struct committing c = { .group = "g", .topic = "apples", .metadata = longer, .epoch = -1 };
	check_int(commit_as(&w, &c), KERR_OFFSET_METADATA_TOO_LARGE);
	check_int(groups_count(w.g), 0);
	check_int(w.nlog, 0);
	c.metadata = longer + 1;
	check_int(commit_as(&w, &c), 0);
	/* The limit counts UTF-16 units: U+20AC has one, U+1F600 two. */
	char wide[400] = "";
	for (int i = 0; i < 49; i++)
		strcat(wide, "\xe2\x82\xac\xf0\x9f\x98\x80"); /* 147 units: too many */
	c.metadata = wide;
	check_int(commit_as(&w, &c), KERR_OFFSET_METADATA_TOO_LARGE);
	wide[0] = 0;
	for (int i = 0; i < 33; i++)
		strcat(wide, "\xe2\x82\xac\xf0\x9f\x98\x80"); /* 99 */
	check_int(commit_as(&w, &c), 0);
	strcat(wide, "xx");
	check_int(commit_as(&w, &c), KERR_OFFSET_METADATA_TOO_LARGE);
	/* A bad partition does not affect a good one. */
	struct offset_commit_request_partition p[] = {
		{ 0, 5, -1, STR_NULL }, { 77, 6, -1, STR_NULL } };
	struct offset_commit_request_topic t = { .name = STR("books"),
		.partitions = { p, 2 } };
	struct offset_commit_request q = { STR("g"), -1, STR(""), STR_NULL, -1, { &t, 1 } };
	struct ask *a = ask(&w, 8, 9, &q);
	const struct offset_commit_response *r = a->answer;
	check_int(r->topics.v[0].partitions.v[0].error_code, 0);
	check_int(r->topics.v[0].partitions.v[1].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(fetch(&w, "g", "books", 0, false), 5);
	drop(&w, a);
	world_release(&w);
}

void
test_groups_offsets__a_refused_append_keeps_nothing(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	w.append_error = KERR_NOT_ENOUGH_REPLICAS;
	check_int(commit(&w, "g", "apples", 0, 2), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(commit(&w, "new", "apples", 0, 2), KERR_COORDINATOR_NOT_AVAILABLE);
	w.append_error = KERR_MESSAGE_TOO_LARGE;
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .producer = 5 };
	check_int(commit_as(&w, &c), KERR_UNKNOWN_SERVER_ERROR);
	check_int(fetch(&w, "g", "apples", 0, true), 1);
	check_int(groups_count(w.g), 1);
	world_release(&w);
}

/* One dynamic member in generation 1, which has not synced. */
static const char *
joined_once(struct world *w, const char *group, const char *metadata)
{
	struct joiner j = { group, "", "me", { "range" }, .metadata = metadata,
		.session_ms = 1800000, .rebalance_ms = 1800000 };
	struct ask *a = join_as(w, &j);
	pass(w, 0);
	check_int(code(a), 0);
	const char *id = text(joined(a)->member_id);
	drop(w, a);
	return id;
}

static void
synced(struct world *w, const char *group, const char *id, int32_t generation)
{
	const char *what = "all";
	struct ask *s = sync_as(w, group, id, "me", generation, &id, &what, 1);
	check_int(code(s), 0);
	drop(w, s);
}

void
test_groups_offsets__members_commit_in_their_generation_only(void)
{
	struct world w;
	world_init(&w, 1);
	const char *id = joined_once(&w, "g", NULL);
	struct committing c = { "g", id, "me", "apples", NULL, 1, 0, 5 };
	check_int(commit_as(&w, &c), KERR_REBALANCE_IN_PROGRESS);
	synced(&w, "g", id, 1);
	check_int(commit_as(&w, &c), 0);
	c.instance = NULL;
	check_int(commit_as(&w, &c), 0);
	c.epoch = 2;
	check_int(commit_as(&w, &c), KERR_ILLEGAL_GENERATION);
	c.epoch = -1;
	check_int(commit_as(&w, &c), KERR_ILLEGAL_GENERATION);
	c.epoch = 1;
	c.instance = "you";
	check_int(commit_as(&w, &c), KERR_UNKNOWN_MEMBER_ID);
	c = (struct committing){ "g", "old self", "me", "apples", NULL, 1, 0, 5 };
	check_int(commit_as(&w, &c), KERR_FENCED_INSTANCE_ID);
	/* While others join, members may still commit. */
	struct ask *b = join(&w, "g", "range");
	c = (struct committing){ "g", id, "me", "apples", NULL, 1, 0, 6 };
	check_int(commit_as(&w, &c), 0);
	check_int(fetch(&w, "g", "apples", 0, false), 6);
	groups_stop(w.g);
	drop(&w, b);
	world_release(&w);
}

void
test_groups_offsets__others_do_not_commit_for_a_group_in_use(void)
{
	struct world w;
	world_init(&w, 1);
	struct committing c = { "g", "me", NULL, "apples", NULL, 3, 0, 5 };
	check_int(commit_as(&w, &c), KERR_GROUP_ID_NOT_FOUND);
	c.version = 8;
	check_int(commit_as(&w, &c), KERR_ILLEGAL_GENERATION);
	c.producer = 5;
	check_int(commit_as(&w, &c), KERR_ILLEGAL_GENERATION);
	const char *id = joined_once(&w, "g", NULL);
	synced(&w, "g", id, 1);
	check_int(commit(&w, "g", "apples", 0, 1), KERR_UNKNOWN_MEMBER_ID);
	check_int(leave_as(&w, "g", "", "me"), 0);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	world_release(&w);
}

void
test_groups_offsets__a_transactions_offsets_count_when_it_commits(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .offset = 50,
		.producer = 5, .metadata = "in a transaction" };
	check_int(commit_as(&w, &c), 0);
	c.partition = 1;
	check_int(commit_as(&w, &c), 0);
	c.offset = 51;
	check_int(commit_as(&w, &c), 0);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "g", "apples", 0, true), -1000 - KERR_UNSTABLE_OFFSET_COMMIT);
	check_int(fetch(&w, "g", "apples", 1, true), -1000 - KERR_UNSTABLE_OFFSET_COMMIT);
	check_int(fetch(&w, "g", "apples", 2, true), -1);
	world_restart(&w, w.nlog);
	check_int(fetch(&w, "g", "apples", 1, true), -1000 - KERR_UNSTABLE_OFFSET_COMMIT);
	end_txn(&w, "g", 6, true); /* another producer's end */
	check_int(fetch(&w, "g", "apples", 1, false), -1);
	end_txn(&w, "g", 5, true);
	check_int(fetch(&w, "g", "apples", 0, true), 50);
	check_int(fetch(&w, "g", "apples", 1, true), 51);
	end_txn(&w, "g", 5, true);
	c.offset = 99;
	check_int(commit_as(&w, &c), 0);
	end_txn(&w, "g", 5, false);
	check_int(fetch(&w, "g", "apples", 1, true), 51);
	world_restart(&w, w.nlog);
	check_int(fetch(&w, "g", "apples", 0, true), 50);
	check_int(fetch(&w, "g", "apples", 1, true), 51);
	world_release(&w);
}

void
test_groups_offsets__an_aborted_transaction_leaves_no_group(void)
{
	struct world w;
	world_init(&w, 1);
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .producer = 5 };
	check_int(commit_as(&w, &c), 0);
	c.partition = 1;
	check_int(commit_as(&w, &c), 0);
	check_int(groups_count(w.g), 1);
	end_txn(&w, "g", 5, false);
	check_int(groups_count(w.g), 0);
	world_restart(&w, w.nlog);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_offsets__a_later_commit_outlives_the_transaction(void)
{
	struct world w;
	world_init(&w, 1);
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .offset = 50,
		.producer = 5 };
	check_int(commit_as(&w, &c), 0);
	check_int(commit(&w, "g", "apples", 0, 60), 0);
	int before = w.nlog;
	end_txn(&w, "g", 5, true);
	check_int(fetch(&w, "g", "apples", 0, true), 60);
	world_restart(&w, w.nlog);
	check_int(fetch(&w, "g", "apples", 0, true), 60);
	/* A deletion removes a pending offset, too. */
	world_restart(&w, before);
	int32_t zero = 0;
	struct offset_delete_request_partition p = { zero };
	struct offset_delete_request_topic t = { STR("apples"), { &p, 1 } };
	struct offset_delete_request q = { STR("g"), { &t, 1 } };
	struct ask *a = ask(&w, 47, 0, &q);
	check_int(((const struct offset_delete_response *)a->answer)->error_code, 0);
	end_txn(&w, "g", 5, true);
	check_int(fetch(&w, "g", "apples", 0, true), -1);
	world_restart(&w, w.nlog);
	check_int(fetch(&w, "g", "apples", 0, true), -1);
	drop(&w, a);
	world_release(&w);
}

void
test_groups_offsets__a_transaction_is_fenced_by_generation(void)
{
	struct world w;
	world_init(&w, 1);
	const char *id = joined_once(&w, "g", NULL);
	struct committing c = { "g", id, "me", "apples", NULL, 1, 0, 5, .producer = 5 };
	check_int(commit_as(&w, &c), 0); /* no generation: the rebalance does not matter */
	synced(&w, "g", id, 1);
	check_int(commit_as(&w, &c), 0);
	c.epoch = 0;
	check_int(commit_as(&w, &c), KERR_ILLEGAL_GENERATION);
	c.member = "who";
	check_int(commit_as(&w, &c), KERR_FENCED_INSTANCE_ID);
	c.instance = NULL;
	check_int(commit_as(&w, &c), KERR_UNKNOWN_MEMBER_ID);
	c.member = NULL;
	c.epoch = -1;
	check_int(commit_as(&w, &c), 0); /* producers of before KIP-447 */
	c.group = "";
	check_int(commit_as(&w, &c), KERR_INVALID_GROUP_ID);
	world_release(&w);
}

/* A subscription of version 1 to one topic, as metadata: it is no C string. */
static struct str
subscription(const char *topic)
{
	static uint8_t p[64];
	size_t n = strlen(topic);
	memset(p, 0, sizeof p);
	p[1] = 1;
	p[5] = 1;
	p[7] = (uint8_t)n;
	memcpy(p + 8, topic, n);
	return (struct str){ p, (int32_t)n + 16 };
}

/* "me" reads the topic, in a stable group. */
static void
subscribe(struct world *w, const char *group, const char *topic)
{
	struct join_group_request_protocol p = { STR("range"),
		subscription(topic) };
	struct join_group_request q = { .group_id = str_of(group), .session_timeout_ms = 1800000,
		.rebalance_timeout_ms = 60000, .member_id = STR(""),
		.group_instance_id = STR("me"), .protocol_type = STR("consumer"),
		.protocols = { &p, 1 }, .reason = STR_NULL };
	struct ask *a = ask(w, 11, 9, &q);
	pass(w, 0);
	check_int(code(a), 0);
	synced(w, group, text(joined(a)->member_id), joined(a)->generation_id);
	drop(w, a);
}

/* The partition's code, or the group's + 1000. */
static int
delete_offset(struct world *w, const char *group, const char *topic, int32_t partition)
{
	struct offset_delete_request_partition p = { partition };
	struct offset_delete_request_topic t = { str_of(topic), { &p, 1 } };
	struct offset_delete_request q = { str_of(group), { &t, 1 } };
	struct ask *a = ask(w, 47, 0, &q);
	const struct offset_delete_response *r = a->answer;
	int error = r->error_code ? 1000 + r->error_code
		: r->topics.v[0].partitions.v[0].error_code;
	drop(w, a);
	return error;
}

void
test_groups_offsets__deleting_spares_what_is_subscribed_to(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(delete_offset(&w, "g", "apples", 0), 1000 + KERR_GROUP_ID_NOT_FOUND);
	check_int(delete_offset(&w, "", "apples", 0), 1000 + KERR_INVALID_GROUP_ID);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(commit(&w, "g", "books", 0, 1), 0);
	subscribe(&w, "g", "apples");
	check_int(delete_offset(&w, "g", "apples", 0), KERR_GROUP_SUBSCRIBED_TO_TOPIC);
	check_int(delete_offset(&w, "g", "books", 0), 0);
	check_int(delete_offset(&w, "g", "books", 3), 0);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "g", "books", 0, false), -1);
	world_restart(&w, w.nlog);
	check_int(fetch(&w, "g", "books", 0, false), -1);
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	check_int(leave_as(&w, "g", "", "me"), 0);
	check_int(delete_offset(&w, "g", "apples", 0), 1000 + KERR_NOT_COORDINATOR);
	w.append_error = 0;
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	/* A group of another protocol type: what its members read is not known. */
	check_int(commit(&w, "h", "apples", 0, 1), 0);
	struct joiner j = { "h", "", "x", { "range" }, .type = "connect" };
	struct ask *a = join_as(&w, &j);
	check_int(delete_offset(&w, "h", "apples", 0), 1000 + KERR_NON_EMPTY_GROUP);
	groups_stop(w.g);
	drop(&w, a);
	world_release(&w);
}

enum { DAY = 86400000, CHECK = 600001 };

void
test_groups_offsets__offsets_of_a_group_left_alone_expire(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0); /* loaded: the expiry timer starts */
	check_int(commit(&w, "simple", "apples", 0, 1), 0);
	check_int(commit(&w, "left", "apples", 0, 1), 0);
	pass(&w, DAY - 1000000);
	check_int(commit(&w, "simple", "apples", 1, 1), 0);
	subscribe(&w, "left", "apples");
	check_int(leave_as(&w, "left", "", "me"), 0);
	pass(&w, 1000000 + CHECK);
	/* In a group without members, an offset's age starts with its commit... */
	check_int(fetch(&w, "simple", "apples", 0, false), -1);
	check_int(fetch(&w, "simple", "apples", 1, false), 1);
	/* ...after members have left, with their leaving. */
	check_int(fetch(&w, "left", "apples", 0, false), 1);
	pass(&w, DAY);
	check_int(groups_count(w.g), 0);
	world_restart(&w, w.nlog);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_offsets__offsets_of_a_topic_nobody_reads_expire(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(commit(&w, "g", "books", 0, 1), 0);
	subscribe(&w, "g", "apples");
	struct str id = STR_NULL;
	struct describe_groups_request q = { .groups = { &id, 1 } };
	id = STR("g");
	struct ask *a = ask(&w, 15, 5, &q);
	const struct describe_groups_response *r = a->answer;
	const char *me = text(r->groups.v[0].members.v[0].member_id);
	for (int i = 0; i < 86400 / 1500 + 1; i++) {
		check_int(heartbeat(&w, "g", me, 1), 0);
		pass(&w, 1500000);
	}
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	check_int(fetch(&w, "g", "books", 0, false), -1);
	check_state(&w, "g", "Stable");
	drop(&w, a);
	world_release(&w);
}

void
test_groups_offsets__a_commits_own_retention_counts(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	struct committing c = { .group = "g", .topic = "apples", .epoch = -1, .version = 3,
		.retention_ms = 5000000 };
	check_int(commit_as(&w, &c), 0);
	world_restart(&w, w.nlog);
	pass(&w, 4000000);
	check_int(fetch(&w, "g", "apples", 0, false), 0);
	pass(&w, 1000000 + CHECK);
	check_int(groups_count(w.g), 0);
	c.retention_ms = INT64_MAX;
	check_int(commit_as(&w, &c), 0);
	pass(&w, 10 * (int64_t)DAY);
	check_int(fetch(&w, "g", "apples", 0, false), 0);
	world_release(&w);
}

void
test_groups_offsets__a_deleted_topic_takes_its_offsets_along(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(commit(&w, "g", "books", 0, 1), 0);
	check_int(commit(&w, "h", "apples", 3, 1), 0);
	struct committing c = { .group = "i", .topic = "apples", .epoch = -1, .producer = 5 };
	check_int(commit_as(&w, &c), 0);
	groups_topic_deleted(w.g, STR("apples"), w.now);
	check_int(groups_count(w.g), 1);
	check_int(fetch(&w, "g", "apples", 0, true), -1);
	check_int(fetch(&w, "g", "books", 0, false), 1);
	end_txn(&w, "i", 5, true);
	world_restart(&w, w.nlog);
	check_int(groups_count(w.g), 1);
	check_int(fetch(&w, "g", "apples", 0, true), -1);
	/* If the append is refused, they are gone until a restart. */
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	c = (struct committing){ .group = "g", .topic = "books", .epoch = -1 };
	groups_topic_deleted(w.g, STR("books"), w.now);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

static int
count_listed(struct world *w, int16_t version, const char *filter_state, const char *filter_type)
{
	struct str s = str_of(filter_state), t = str_of(filter_type);
	struct list_groups_request q = { { &s, filter_state != NULL }, { &t, filter_type != NULL } };
	struct ask *a = ask(w, 16, version, &q);
	const struct list_groups_response *r = a->answer;
	int n = r->groups.n;
	for (int i = 0; i < n && version == 5; i++)
		check(str_eq(r->groups.v[i].group_type, STR("classic")));
	drop(w, a);
	return n;
}

void
test_groups_offsets__groups_are_listed_by_state_and_type(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(count_listed(&w, 0, NULL, NULL), 0);
	check_int(commit(&w, "a", "apples", 0, 1), 0);
	check_int(commit(&w, "b", "apples", 0, 1), 0);
	subscribe(&w, "c", "apples");
	check_int(count_listed(&w, 0, NULL, NULL), 3);
	check_int(count_listed(&w, 4, "Empty", NULL), 2);
	check_int(count_listed(&w, 4, " stable ", NULL), 1);
	check_int(count_listed(&w, 4, "Dead", NULL), 0);
	check_int(count_listed(&w, 5, NULL, "Classic"), 3);
	check_int(count_listed(&w, 5, "empty", "classic"), 2);
	check_int(count_listed(&w, 5, NULL, "consumer"), 0);
	check_int(count_listed(&w, 5, NULL, "mystery"), 0);
	world_release(&w);
}

void
test_groups_offsets__groups_are_described_by_version(void)
{
	struct world w;
	world_init(&w, 1);
	subscribe(&w, "g", "apples");
	struct str ids[] = { STR("g"), STR("none") };
	struct describe_groups_request q = { .groups = { ids, 2 } };
	for (int16_t v = 0; v <= 6; v++) {
		q.include_authorized_operations = v >= 3;
		struct ask *a = ask(&w, 15, v, &q);
		const struct describe_groups_response *r = a->answer;
		check_int(r->groups.n, 2);
		check(str_eq(r->groups.v[0].group_state, STR("Stable")));
		check(str_eq(r->groups.v[0].protocol_type, STR("consumer")));
		check(str_eq(r->groups.v[0].protocol_data, STR("range")));
		check_int(r->groups.v[0].members.n, 1);
		check(str_eq(r->groups.v[0].members.v[0].member_assignment, STR("all")));
		check(str_eq(r->groups.v[0].members.v[0].client_id, STR("client")));
		check(str_eq(r->groups.v[0].members.v[0].client_host, STR("/127.0.0.1")));
		check_int(r->groups.v[0].members.v[0].member_metadata.n, 6 + 16);
		check(str_eq(r->groups.v[0].members.v[0].group_instance_id,
			v >= 4 ? STR("me") : STR_NULL));
		check_int(r->groups.v[0].authorized_operations, v >= 3 ? 0xd48 : INT32_MIN);
		check(str_eq(r->groups.v[1].group_state, STR("Dead")));
		check_int(r->groups.v[1].error_code, v >= 6 ? KERR_GROUP_ID_NOT_FOUND : 0);
		drop(&w, a);
	}
	world_release(&w);
}

void
test_groups_offsets__asking_for_all_again_and_again_has_an_end(void)
{
	enum { N = 600 };
	struct world w;
	world_init(&w, 1);
	for (int32_t i = 0; i < 2000; i++) {
		uint8_t k[] = { 0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 0 };
		uint8_t v[2 + 8 + 4 + 2 + 8] = { 0, 3 };
		store_be32(k + 8, (uint32_t)i);
		struct coord_record r = { { k, sizeof k }, { v, sizeof v } };
		groups_replay(w.g, 0, &r, NULL, 0);
	}
	struct offset_fetch_request_group rg[N];
	for (int i = 0; i < N; i++)
		rg[i] = (struct offset_fetch_request_group){
			STR("g"), STR_NULL, -1, { NULL, -1 } };
	struct offset_fetch_request q = { .groups = { rg, N } };
	struct ask *a = ask(&w, 9, 8, &q);
	const struct offset_fetch_response *r = a->answer;
	check_int(r->groups.n, N);
	check_int(r->groups.v[499].topics.v[0].partitions.n, 2000);
	check_int(r->groups.v[500].topics.n, 0);
	check_int(r->groups.v[500].error_code, KERR_INVALID_REQUEST);
	drop(&w, a);
	world_release(&w);
}

static int
delete_group(struct world *w, const char *group)
{
	struct str id = str_of(group);
	struct delete_groups_request q = { { &id, 1 } };
	struct ask *a = ask(w, 42, 2, &q);
	const struct delete_groups_response *r = a->answer;
	check(str_eq(r->results.v[0].group_id, id));
	int error = r->results.v[0].error_code;
	drop(w, a);
	return error;
}

void
test_groups_offsets__a_group_is_deleted_when_nobody_is_in_it(void)
{
	struct world w;
	world_init(&w, 1);
	check_int(delete_group(&w, "g"), KERR_GROUP_ID_NOT_FOUND);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	subscribe(&w, "g", "apples");
	check_int(delete_group(&w, "g"), KERR_NON_EMPTY_GROUP);
	check_int(leave_as(&w, "g", "", "me"), 0);
	struct committing c = { .group = "g", .topic = "books", .epoch = -1, .producer = 5 };
	check_int(commit_as(&w, &c), 0);
	w.append_error = KERR_NOT_LEADER_OR_FOLLOWER;
	check_int(delete_group(&w, "g"), KERR_NOT_COORDINATOR);
	check_int(fetch(&w, "g", "apples", 0, false), 1);
	w.append_error = 0;
	check_int(delete_group(&w, "g"), 0);
	end_txn(&w, "g", 5, true);
	world_restart(&w, w.nlog);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_offsets__many_offsets_are_deleted_in_portions(void)
{
	struct world w;
	world_init(&w, 1);
	/* More than one append's worth, from a log with partitions that are
	 * many. */
	for (int32_t i = 0; i < 2500; i++) {
		uint8_t k[] = { 0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 0 };
		uint8_t v[30] = { 0, 3 };
		store_be32(k + 8, (uint32_t)i * 7919 % 2500);
		struct coord_record r = { { k, sizeof k }, { v, sizeof v } };
		/* Offset, epoch, no metadata, timestamp. */
		r.value.n = 2 + 8 + 4 + 2 + 8;
		groups_replay(w.g, 0, &r, NULL, 0);
	}
	check_int(fetch(&w, "g", "t", 2499, false), 0);
	check_int(delete_group(&w, "g"), 0);
	check_int(w.nlog, 2500);
	check_int(groups_count(w.g), 0);
	world_release(&w);
}

void
test_groups_offsets__an_idle_group_takes_less_than_two_kilobytes(void)
{
	enum { N = 5000 };
	struct world w;
	world_init(&w, 1);
	w.config.ngroup_max = N;
	world_configure(&w);
	for (int i = 0; i < N; i++) {
		char name[32];
		snprintf(name, sizeof name, "the-group-number-%d", i);
		check_int(commit(&w, name, "apples", i % NDATA, i), 0);
	}
	groups_free(w.g);
	size_t before = mallinfo2().uordblks;
	w.g = groups_new(&w.config, &w.env);
	world_replay(&w);
	size_t used = mallinfo2().uordblks - before;
	check_int(groups_count(w.g), N);
	if (used > 2048 * (size_t)N)
		tap_fail(__FILE__, __LINE__, "%zu bytes a group", used / N);
	check_int(fetch(&w, "the-group-number-17", "apples", 17 % NDATA, false), 17);
	world_release(&w);
}
