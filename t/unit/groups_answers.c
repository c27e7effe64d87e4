/* Answers about groups, as Kafka 4.4.0 gives them. */
#include "groups_help.h"

/* A missing topic or partition is reported rather than the group's error. */
void
test_groups_answers__a_transaction_names_topics_by_id_since_version_6(void)
{
	struct world w;
	world_init(&w, 1);
	struct txn_offset_commit_request_partition p = {
		0, 42, -1, STR("m") };
	struct txn_offset_commit_request_topic t[] = {
		{ .topic_id = { { 7, 0 } }, .partitions = { &p, 1 } },
		{ .topic_id = { { 9, 9 } }, .partitions = { &p, 1 } },
	};
	struct txn_offset_commit_request q = { STR("txn"), STR("g"), 5, 0, -1, STR(""), STR_NULL,
		{ t, 2 } };
	struct ask *a = ask(&w, 28, 6, &q);
	const struct txn_offset_commit_response *r = a->answer;
	check_int(r->topics.v[0].topic_id.bytes[0], 7);
	check_int(r->topics.v[0].partitions.v[0].error_code, 0);
	check_int(r->topics.v[1].topic_id.bytes[0], 9);
	check_int(r->topics.v[1].partitions.v[0].error_code, KERR_UNKNOWN_TOPIC_ID);
	drop(&w, a);
	q.generation_id_or_member_epoch = 3;
	q.group_id = STR("none");
	a = ask(&w, 28, 6, &q);
	r = a->answer;
	check_int(r->topics.v[0].partitions.v[0].error_code, KERR_GROUP_ID_NOT_FOUND);
	check_int(r->topics.v[1].partitions.v[0].error_code, KERR_UNKNOWN_TOPIC_ID);
	drop(&w, a);
	world_release(&w);
}

static int
delete_offset(struct world *w, const char *topic, int32_t partition)
{
	struct offset_delete_request_partition p = { partition };
	struct offset_delete_request_topic t = { str_of(topic), { &p, 1 } };
	struct offset_delete_request q = { STR("g"), { &t, 1 } };
	struct ask *a = ask(w, 47, 0, &q);
	const struct offset_delete_response *r = a->answer;
	check_int(r->error_code, 0);
	int error = r->topics.v[0].partitions.v[0].error_code;
	drop(w, a);
	return error;
}

static int
delete_group(struct world *w)
{
	struct str name = STR("g");
	struct delete_groups_request q = { { &name, 1 } };
	struct ask *a = ask(w, 42, 3, &q);
	const struct delete_groups_response *r = a->answer;
	int error = r->results.v[0].error_code;
	check(r->results.v[0].error_message.n < 0);
	drop(w, a);
	return error;
}

void
test_groups_answers__a_group_stays_when_its_last_offset_is_deleted(void)
{
	struct world w;
	world_init(&w, 1);
	world_restart(&w, 0);
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(delete_offset(&w, "apples", NDATA), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(delete_offset(&w, "none", 0), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(delete_offset(&w, "apples", 0), 0);
	check_int(fetch(&w, "g", "apples", 0, false), -1);
	check_int(delete_offset(&w, "apples", 0), 0);
	check_int(groups_count(w.g), 1);
	check_int(delete_group(&w), 0);
	check_int(groups_count(w.g), 0);
	/* A group that is not deleted is removed by the next expiry of offsets. */
	check_int(commit(&w, "g", "apples", 0, 1), 0);
	check_int(delete_offset(&w, "apples", 0), 0);
	check_int(groups_count(w.g), 1);
	pass(&w, w.config.expiry_interval_ms);
	check_int(groups_count(w.g), 0);
	check_int(delete_group(&w), KERR_GROUP_ID_NOT_FOUND);
	world_release(&w);
}

void
test_groups_answers__a_sync_names_its_protocol_since_version_5(void)
{
	struct world w;
	world_init(&w, 1);
	struct sync_group_request q = { .group_id = STR("g"), .generation_id = 1,
		.member_id = STR("me"), .group_instance_id = STR_NULL,
		.protocol_type = STR("consumer"), .protocol_name = STR_NULL };
	for (int16_t v = 3; v <= 5; v++) {
		struct ask *a = ask(&w, 14, v, &q);
		check_int(code(a), v < 5 ? KERR_UNKNOWN_MEMBER_ID : KERR_INCONSISTENT_GROUP_PROTOCOL);
		drop(&w, a);
	}
	world_release(&w);
}
