/* Bounds on what clients can make the group coordinator store and write. */
#include "consumer_help.h"

static char *
long_text(int n)
{
	char *z = mem_alloc((size_t)n + 1);
	memset(z, 'x', (size_t)n);
	z[n] = 0;
	return z;
}

/* Commits the same partition n times; the last one's error code. */
static int
commit_often(struct world *w, const char *group, int n)
{
	struct offset_commit_request_partition *p =
		mem_alloc((size_t)n * sizeof *p);
	for (int i = 0; i < n; i++)
		p[i] = (struct offset_commit_request_partition){ 0, i, 5,
			STR_NULL };
	struct offset_commit_request_topic t = {
		.name = STR("apples"), .partitions = { p, n } };
	struct offset_commit_request q = { str_of(group), -1, STR(""), STR_NULL, -1, { &t, 1 } };
	struct ask *a = ask(w, 8, 9, &q);
	const struct offset_commit_response *r = a->answer;
	int error = r->topics.v[0].partitions.v[n - 1].error_code;
	drop(w, a);
	mem_free(p);
	return error;
}

void
test_groups_bounds__endless_records_are_not_made_of_a_small_commit(void)
{
	struct world w;
	world_init(&w, 1);
	char *group = long_text(32000);
	check_int(commit_often(&w, group, 100), 0);
	check_int(fetch(&w, group, "apples", 0, false), 99);
	/* Each record repeats the group's name: three gigabytes. */
	int nlog = w.nlog;
	check_int(commit_often(&w, group, 100000), KERR_UNKNOWN_SERVER_ERROR);
	check_int(w.nlog, nlog);
	check_int(fetch(&w, group, "apples", 0, false), 99);
	check_int(commit_often(&w, group, 1), 0);
	mem_free(group);
	world_release(&w);
}

void
test_groups_bounds__a_groups_metadata_is_bounded(void)
{
	enum { N = 30, SIZE = 1000000 };
	struct world w;
	world_init(&w, 1);
	char *metadata = long_text(SIZE);
	struct joiner j = { "g", "", NULL, { "range" }, metadata, 3, .rebalance_ms = 100000 };
	struct ask *a[N];
	int n = 0;
	while (n < N - 1 && (a[n] = join_as(&w, &j))->answer == NULL)
		n++;
	check_int(code(a[n]), KERR_GROUP_MAX_SIZE_REACHED);
	check_int(n, (16 << 20) / SIZE);
	/* Members stay, and may join again with the same metadata; */
	pass(&w, 0);
	check_int(code(a[0]), 0);
	j.member = text(joined(a[0])->member_id);
	struct ask *again = join_as(&w, &j);
	check(again->answer == NULL || code(again) == 0);
	/* members with little metadata fit in. */
	struct ask *small = join_as(&w, &(struct joiner){ "g", "", NULL, { "range" }, "m", 3 });
	check(small->answer == NULL);
	groups_stop(w.g);
	for (int i = 0; i <= n; i++)
		drop(&w, a[i]);
	drop(&w, again);
	drop(&w, small);
	mem_free(metadata);
	world_release(&w);
}

void
test_groups_bounds__assignments_too_large_for_a_record_are_refused(void)
{
	struct world w;
	world_init(&w, 1);
	struct ask *j = join(&w, "g", "range");
	pass(&w, 0);
	const char *id = text(joined(j)->member_id);
	char *large = long_text(65 << 20);
	const char *what = large;
	struct ask *s = sync_as(&w, "g", id, NULL, 1, &id, &what, 1);
	check_int(code(s), KERR_UNKNOWN_SERVER_ERROR);
	check_int(w.nlog, 0);
	/* The group starts another generation. */
	struct ask *again = rejoin(&w, "g", id, "range");
	pass(&w, 0);
	check_int(code(again), 0);
	check_int(joined(again)->generation_id, 2);
	what = "all";
	struct ask *fine = sync_as(&w, "g", id, NULL, 2, &id, &what, 1);
	check_int(code(fine), 0);
	check_state(&w, "g", "Stable");
	drop(&w, j);
	drop(&w, s);
	drop(&w, again);
	drop(&w, fine);
	mem_free(large);
	world_release(&w);
}

static int
beat_code(struct town *o, const char *group, const char *member, int32_t epoch)
{
	struct beating b = { .group = group, .member = member, .epoch = epoch };
	if (epoch == 0)
		b.topic[0] = "apples";
	struct ask *a = beat_as(o, &b);
	int error = beaten(a)->error_code;
	drop(&o->w, a);
	return error;
}

void
test_groups_bounds__assignments_of_consumer_groups_count(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.state_size_max = 1 << 20;
	o.npartition[0] = 40000;
	world_configure(&o.w);
	/* A join has a hundred bytes, its assignment almost two megabytes. */
	check_int(beat_code(&o, "g", "a", 0), 0);
	check_int(beat_code(&o, "h", "b", 0), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(beat_code(&o, "g", "b", 0), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(groups_count(o.w.g), 1);
	/* After a restart the state is the same, and members continue. */
	world_restart(&o.w, o.w.nlog);
	check_int(beat_code(&o, "h", "b", 0), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(beat_code(&o, "g", "a", 1), 0);
	check_int(beat_code(&o, "g", "a", -1), 0);
	check_int(beat_code(&o, "h", "b", 0), 0);
	world_release(&o.w);
}

void
test_groups_bounds__new_offsets_end_behind_everything_else(void)
{
	struct town o;
	town_init(&o, 1);
	o.w.config.state_size_max = 200000;
	o.npartition[0] = 5000;
	world_configure(&o.w);
	check_int(commit(&o.w, "g", "apples", 0, 1), 0);
	check_int(commit(&o.w, "h", "apples", 0, 1), 0);
	int n = 0, error = 0;
	while (n < 4999 && (error = commit(&o.w, "g", "apples", n, 1)) == 0)
		n++;
	check_int(error, KERR_COORDINATOR_NOT_AVAILABLE);
	check(n > 1000);
	/* No others can join by then; members keep working with what they have. */
	check_int(commit(&o.w, "i", "apples", 0, 1), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(commit(&o.w, "g", "apples", n - 1, 2), 0);
	check_int(commit(&o.w, "h", "apples", 0, 2), 0);
	check_int(commit(&o.w, "h", "apples", 1, 2), KERR_COORDINATOR_NOT_AVAILABLE);
	struct committing c = { .group = "h", .topic = "apples", .epoch = -1, .producer = 5 };
	check_int(commit_as(&o.w, &c), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(fetch(&o.w, "h", "apples", 0, false), 2);
	world_restart(&o.w, o.w.nlog);
	check_int(fetch(&o.w, "g", "apples", n - 1, false), 2);
	world_release(&o.w);
}

static void
put_record(struct world *w, const struct wire_data *key, int16_t version, const void *key_msg,
	const struct wire_data *value, const void *value_msg)
{
	struct buf k = BUF_INIT, v = BUF_INIT;
	wire_data_encode(key, version, key_msg, &k);
	if (value_msg)
		wire_data_encode(value, 0, value_msg, &v);
	struct coord_record r = { buf_str(&k), value_msg ? buf_str(&v) : STR_NULL };
	groups_replay(w->g, coord_partition_of(STR("g"), NPARTITION), &r, NULL, 0);
	buf_release(&k);
	buf_release(&v);
}

/* A classic leader may assign one partition to all members, of which there may be
 * more than 65535. */
void
test_groups_bounds__one_partition_may_be_everybodys(void)
{
	enum { N = 65537 };
	struct town o;
	town_init(&o, 1);
	int32_t zero = 0;
	struct consumer_group_current_member_assignment_value_topic tp = {
		.topic_id = { { 7, 0 } }, .partitions = { &zero, 1 } };
	for (int is_end = 0; is_end < 2; is_end++)
		for (int i = 0; i < N; i++) {
			char id[16];
			snprintf(id, sizeof id, "m%d", i);
			struct consumer_group_member_metadata_key mk = { STR("g"), str_of(id) };
			struct consumer_group_member_metadata_value mv = { .instance_id = STR_NULL,
				.rack_id = STR_NULL, .client_id = STR("c"), .client_host = STR("/h"),
				.subscribed_topic_regex = STR_NULL, .server_assignor = STR_NULL };
			struct consumer_group_current_member_assignment_key ck = { STR("g"),
				str_of(id) };
			struct consumer_group_current_member_assignment_value cv = {
				.member_epoch = 1, .previous_member_epoch = 1,
				.assigned_partitions = { &tp, 1 } };
			if (is_end) {
				put_record(&o.w, &consumer_group_current_member_assignment_key_data, 8,
					&ck, NULL, NULL);
				put_record(&o.w, &consumer_group_member_metadata_key_data, 5, &mk,
					NULL, NULL);
				continue;
			}
			put_record(&o.w, &consumer_group_member_metadata_key_data, 5, &mk,
				&consumer_group_member_metadata_value_data, &mv);
			put_record(&o.w, &consumer_group_current_member_assignment_key_data, 8, &ck,
				&consumer_group_current_member_assignment_value_data, &cv);
		}
	struct client a = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	steps(&o, &a, 1, 2);
	check_int(a.owned.n, NDATA);
	world_release(&o.w);
}

void
test_groups_bounds__a_damaged_record_cannot_take_the_memory(void)
{
	static const int32_t indexes[] = { -1, INT32_MIN, INT32_MAX, 1 << 30 };
	struct town o;
	town_init(&o, 1);
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
		int32_t index = indexes[i];
		struct consumer_group_current_member_assignment_value_topic tp = {
			.topic_id = { { 7, 0 } }, .partitions = { &index, 1 } };
		struct consumer_group_current_member_assignment_key key = { STR("g"), STR("m") };
		struct consumer_group_current_member_assignment_value value = {
			.member_epoch = 1, .previous_member_epoch = 1,
			.assigned_partitions = { &tp, 1 } };
		put_record(&o.w, &consumer_group_current_member_assignment_key_data, 8, &key,
			&consumer_group_current_member_assignment_value_data, &value);
	}
	groups_loaded(o.w.g, coord_partition_of(STR("g"), NPARTITION), o.w.now);
	struct client a = { .id = "a", .topic = { "apples" } };
	check_int(step(&o, &a), 0);
	world_release(&o.w);
}
