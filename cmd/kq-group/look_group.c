#include "kq-group/look_group.h"

#include "base/map.h"
#include "kq-group/look_list.h"
#include "proto.h"
#include "sys/clock.h"

enum {
	FIND_BATCH_FROM = 4,    /* versions */
	OFFSET_FETCH_GROUPS_FROM = 8,
	OFFSET_FETCH_UPTO = 9,  /* from 10 on topics have ids, not names */
	KEY_GROUP = 0,
	RETRY_MS = 100,
};

/* ---- coordinators ---- */

static bool
is_transient(int16_t code)
{
	return code == KERR_COORDINATOR_LOAD_IN_PROGRESS || code == KERR_COORDINATOR_NOT_AVAILABLE
		|| code == KERR_NOT_COORDINATOR;
}

int64_t
look_group_deadline(const struct run *run)
{
	return clock_mono_ms() + run->cluster.opts.topic_timeout_ms;
}

/* Wait before another try, if there is time for one. */
static bool
wait_to_retry(struct run *run, int64_t until_ms)
{
	if (clock_mono_ms() >= until_ms || run->cluster.is_woken)
		return false;
	cluster_pause(&run->cluster, RETRY_MS);
	return !run->cluster.is_woken;
}

/* Ensure that the coordinator's node is known.  Returns 0, or -1 after run_failed. */
static int
ensure_node(struct run *run, int32_t id)
{
	struct err e;
	if (cluster_node(&run->cluster, id) || cluster_refresh(&run->cluster, &e) == 0)
		return 0;
	run_failed(run, &e);
	return -1;
}

/* Take the result for a group.  Returns true if the request is to be repeated for it. */
static bool
take_coordinator(struct run *run, struct look_group *group, int16_t code, struct str message,
	int32_t node, bool may_repeat)
{
	if (code && is_transient(code) && may_repeat)
		return true;
	if (code)
		group_run_refused(run, code, message, group->id);
	else if (ensure_node(run, node) == 0)
		group->coordinator = node;
	return false;
}

/* Ask for all n groups in one request; move those for which it is to be repeated to the
 * front.  Returns their number. */
static int
ask_batch(struct run *run, struct look_group **due, int n, bool may_repeat)
{
	struct find_coordinator_request q;
	struct find_coordinator_response answer;
	struct map by_name = MAP_INIT;
	int nleft = 0;
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key_type = KEY_GROUP;
	q.coordinator_keys.n = n;
	q.coordinator_keys.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.coordinator_keys.v);
	for (int i = 0; i < n; i++) {
		q.coordinator_keys.v[i] = due[i]->id;
		map_put(&by_name, due[i]->id, due[i]);
	}
	if (run_call(run, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &answer) < 0)
		answer.coordinators.n = 0;
	for (int32_t i = 0; i < answer.coordinators.n; i++) {
		struct find_coordinator_response_coordinator *coord = &answer.coordinators.v[i];
		struct look_group *group = map_get(&by_name, coord->key);
		if (group && take_coordinator(run, group, coord->error_code, coord->error_message,
				coord->node_id, may_repeat))
			due[nleft++] = group;
	}
	map_release(&by_name);
	return nleft;
}

/* The same, with a request per group. */
static int
ask_each(struct run *run, struct look_group **due, int n, bool may_repeat)
{
	struct find_coordinator_request q;
	struct find_coordinator_response answer;
	int nleft = 0;
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key_type = KEY_GROUP;
	for (int i = 0; i < n; i++) {
		q.key = due[i]->id;
		if (run_call(run, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &answer) == 0
			&& take_coordinator(run, due[i], answer.error_code, answer.error_message,
				answer.node_id, may_repeat))
			due[nleft++] = due[i];
	}
	return nleft;
}

/* Find the coordinators of groups whose coordinator is unknown. */
static void
find_coordinators(struct run *run, struct look_group *v, int n, int64_t until_ms)
{
	struct look_group **due = arena_alloc(&run->arena, (size_t)n * sizeof *due + 1);
	bool has_batches = cluster_version(&run->cluster, API_FIND_COORDINATOR) >= FIND_BATCH_FROM;
	int ndue = 0;
	for (int i = 0; i < n; i++)
		if (v[i].coordinator < 0)
			due[ndue++] = &v[i];
	while (ndue > 0) {
		bool may_repeat = clock_mono_ms() < until_ms;
		ndue = has_batches ? ask_batch(run, due, ndue, may_repeat)
			: ask_each(run, due, ndue, may_repeat);
		if (ndue > 0)
			cluster_pause(&run->cluster, RETRY_MS);
		if (run->cluster.is_woken)
			break;
	}
}

struct look_group *
look_groups_find(struct run *run, int *n, const struct str *names)
{
	struct look_group *v = arena_alloc(&run->arena, (size_t)*n * sizeof *v + 1);
	struct map seen = MAP_INIT;
	int nfound = 0;
	for (int i = 0; i < *n; i++) {
		if (map_get(&seen, names[i]))
			continue;
		map_put(&seen, names[i], &v[nfound]);
		v[nfound++] = (struct look_group){ .id = names[i], .coordinator = -1, .state = STR_NULL,
			.protocol_type = STR_NULL, .protocol = STR_NULL, .epoch = -1, .assignment_epoch = -1 };
	}
	map_release(&seen);
	*n = nfound;
	int nfailed = run->nfailed;
	find_coordinators(run, v, nfound, look_group_deadline(run));
	for (int i = 0; i < nfound && run->nfailed == nfailed; i++)
		if (v[i].coordinator < 0) {
			struct err e;
			err_set(&e, ERR_CORRUPT, "the broker does not name the coordinator of group '%.*s'",
				STR_ARG(v[i].id));
			run_failed(run, &e);
		}
	return v;
}

struct look_group *
look_groups_named(struct run *run, int *n, char **names)
{
	struct str *v = arena_alloc(&run->arena, (size_t)*n * sizeof *v + 1);
	for (int i = 0; i < *n; i++)
		v[i] = str_of(names[i]);
	return look_groups_find(run, n, v);
}

int
look_groups_open(struct run *run, int argc, char **argv, struct look_group **v, int *n)
{
	int code = group_run_open(run);
	if (code)
		return code;
	struct str *names;
	*n = group_options.takes_all ? look_list_names(run, &names) : argc;
	*v = group_options.takes_all ? look_groups_find(run, n, names)
		: look_groups_named(run, n, argv);
	return 0;
}

bool
look_group_must_retry(struct run *run, struct look_group *group, int16_t code, int64_t until_ms)
{
	if (!code || !is_transient(code) || !wait_to_retry(run, until_ms))
		return false;
	group->coordinator = -1;
	find_coordinators(run, group, 1, until_ms);
	return group->coordinator >= 0;
}

/* ---- members ---- */

static void
take_member(struct run *run, struct look_member *member,
	const struct describe_groups_response_member *in, bool is_consumer)
{
	struct consumer_protocol_assignment assignment;
	*member = (struct look_member){ .id = in->member_id, .instance = in->group_instance_id,
		.rack = STR_NULL, .client = in->client_id, .host = in->client_host, .epoch = -1,
		.ntarget = -1 };
	if (!is_consumer
		|| wire_data_decode(&consumer_protocol_assignment_data, in->member_assignment.p,
			(size_t)MAX(in->member_assignment.n, 0), &run->replies, &assignment) < 0)
		return;
	member->nassigned = MAX(assignment.assigned_partitions.n, 0);
	member->assigned = arena_alloc(&run->arena,
		(size_t)member->nassigned * sizeof *member->assigned + 1);
	for (int32_t i = 0; i < member->nassigned; i++)
		member->assigned[i] = (struct look_parts){ assignment.assigned_partitions.v[i].topic,
			assignment.assigned_partitions.v[i].partitions.v,
			MAX(assignment.assigned_partitions.v[i].partitions.n, 0) };
}

/* Returns 1; 0: no such group; or -1 after run_failed. */
static int
describe_classic(struct run *run, struct look_group *group)
{
	struct describe_groups_request q;
	struct describe_groups_response answer;
	int64_t until_ms = look_group_deadline(run);
	wire_defaults(&describe_groups_request_desc, &q);
	q.groups.v = &group->id;
	q.groups.n = 1;
	do {
		if (run_call(run, group->coordinator, API_DESCRIBE_GROUPS, &q, &answer) < 0)
			return -1;
	} while (answer.groups.n == 1
		&& look_group_must_retry(run, group, answer.groups.v[0].error_code, until_ms));
	if (answer.groups.n != 1)
		return 0;
	struct describe_groups_response_group *in = answer.groups.v;
	if (in->error_code == KERR_GROUP_ID_NOT_FOUND || str_eq(in->group_state, STR("Dead")))
		return 0;
	if (in->error_code) {
		group_run_refused(run, in->error_code, in->error_message, group->id);
		return -1;
	}
	group->type = "classic";
	group->state = in->group_state;
	group->protocol_type = in->protocol_type;
	group->protocol = in->protocol_data.n > 0 ? in->protocol_data : STR_NULL;
	group->nmember = MAX(in->members.n, 0);
	group->member = arena_alloc(&run->arena, (size_t)group->nmember * sizeof *group->member + 1);
	for (int32_t i = 0; i < group->nmember; i++)
		take_member(run, &group->member[i], &in->members.v[i],
			str_eq(group->protocol_type, STR("consumer")));
	return 1;
}

static struct look_parts *
take_parts(struct run *run, const struct consumer_group_describe_response_assignment *in,
	int32_t *n)
{
	*n = MAX(in->topic_partitions.n, 0);
	struct look_parts *v = arena_alloc(&run->arena, (size_t)*n * sizeof *v + 1);
	for (int32_t i = 0; i < *n; i++)
		v[i] = (struct look_parts){ in->topic_partitions.v[i].topic_name,
			in->topic_partitions.v[i].partitions.v,
			MAX(in->topic_partitions.v[i].partitions.n, 0) };
	return v;
}

static void
take_consumer(struct run *run, struct look_group *group,
	const struct consumer_group_describe_response_group *in)
{
	group->type = "consumer";
	group->state = in->group_state;
	group->protocol_type = STR("consumer");
	group->protocol = in->assignor_name;
	group->epoch = in->group_epoch;
	group->assignment_epoch = in->assignment_epoch;
	group->nmember = MAX(in->members.n, 0);
	group->member = arena_alloc(&run->arena, (size_t)group->nmember * sizeof *group->member + 1);
	for (int32_t i = 0; i < group->nmember; i++) {
		struct consumer_group_describe_response_member *from = &in->members.v[i];
		group->member[i] = (struct look_member){ .id = from->member_id,
			.instance = from->instance_id, .rack = from->rack_id, .client = from->client_id,
			.host = from->client_host, .epoch = from->member_epoch };
		group->member[i].assigned = take_parts(run, &from->assignment,
			&group->member[i].nassigned);
		group->member[i].target = take_parts(run, &from->target_assignment,
			&group->member[i].ntarget);
	}
}

/* As describe_classic.  A broker without support for such groups has none. */
static int
describe_consumer(struct run *run, struct look_group *group)
{
	struct consumer_group_describe_request q;
	struct consumer_group_describe_response answer;
	int64_t until_ms = look_group_deadline(run);
	if (cluster_version(&run->cluster, API_CONSUMER_GROUP_DESCRIBE) < 0)
		return 0;
	wire_defaults(&consumer_group_describe_request_desc, &q);
	q.group_ids.v = &group->id;
	q.group_ids.n = 1;
	do {
		if (run_call(run, group->coordinator, API_CONSUMER_GROUP_DESCRIBE, &q, &answer) < 0)
			return -1;
	} while (answer.groups.n == 1
		&& look_group_must_retry(run, group, answer.groups.v[0].error_code, until_ms));
	if (answer.groups.n != 1 || answer.groups.v[0].error_code == KERR_GROUP_ID_NOT_FOUND
		|| answer.groups.v[0].error_code == KERR_UNSUPPORTED_VERSION)
		return 0;
	if (answer.groups.v[0].error_code) {
		group_run_refused(run, answer.groups.v[0].error_code, answer.groups.v[0].error_message,
			group->id);
		return -1;
	}
	take_consumer(run, group, &answer.groups.v[0]);
	return 1;
}

static int
describe_either(struct run *run, struct look_group *group)
{
	int rc = describe_consumer(run, group);
	return rc ? rc : describe_classic(run, group);
}

int
look_group_describe(struct run *run, struct look_group *group, bool may_miss)
{
	if (group->coordinator < 0)
		return -1;
	int rc = describe_either(run, group);
	struct str type = rc || may_miss ? STR_NULL
		: look_list_type(run, group->coordinator, group->id);
	if (str_eq(type, STR("consumer")) || str_eq(type, STR("classic"))) {
		type = STR_NULL; /* it was created after the first request */
		rc = describe_either(run, group);
	}
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	group->state = STR("Dead");
	if (may_miss)
		return 0;
	if (type.n > 0) {
		struct err e;
		err_set(&e, ERR_PEER, "group '%.*s' is of type %.*s, which has no committed offsets",
			STR_ARG(group->id), STR_ARG(type));
		run_failed(run, &e);
		return -1;
	}
	group_run_refused(run, KERR_GROUP_ID_NOT_FOUND, STR_NULL, group->id);
	return -1;
}

bool
look_group_is_active(const struct look_group *group)
{
	return !str_eq(group->state, STR("Empty")) && !str_eq(group->state, STR("Dead"));
}

/* ---- offsets ---- */

struct taken_offsets {
	struct run *run;
	const struct look_group *group;
	struct rows *rows;
};

static void
add(struct taken_offsets *taken, struct str topic, int32_t partition, int64_t offset, int32_t epoch,
	struct str metadata, int16_t error)
{
	if (error) {
		group_run_part_refused(taken->run, error, taken->group->id, topic, partition);
		return;
	}
	struct row row = ROW_INIT(topic, partition);
	row.committed = offset;
	row.leader_epoch = epoch;
	row.metadata = metadata;
	if (offset >= 0)
		taken->rows->v[taken->rows->n++] = row;
}

/* Takes the topics of either form of the response, whose partitions differ in the name of
 * their struct only. */
#define TAKE_TOPICS(taken_, topics_, part_) do { \
	size_t n_ = 0; \
	for (int32_t i = 0; i < (topics_)->n; i++) \
		n_ += (size_t)MAX((topics_)->v[i].partitions.n, 0); \
	(taken_)->rows->v = arena_alloc(&(taken_)->run->arena, n_ * sizeof *(taken_)->rows->v + 1); \
	for (int32_t i = 0; i < (topics_)->n; i++) \
		for (int32_t k = 0; k < (topics_)->v[i].partitions.n; k++) { \
			const part_ *from_ = &(topics_)->v[i].partitions.v[k]; \
			add((taken_), (topics_)->v[i].name, from_->partition_index, \
				from_->committed_offset, from_->committed_leader_epoch, from_->metadata, \
				from_->error_code); \
		} \
} while (0)

int
look_group_committed(struct run *run, const struct look_group *group, struct rows *rows)
{
	struct offset_fetch_request q;
	struct offset_fetch_response answer;
	struct offset_fetch_request_group one;
	struct look_group asked = *group;
	struct taken_offsets taken = { run, group, rows };
	int64_t until_ms = look_group_deadline(run);
	int16_t code;
	bool has_groups = cluster_version(&run->cluster, API_OFFSET_FETCH) >= OFFSET_FETCH_GROUPS_FROM;
	*rows = (struct rows){ NULL, 0 };
	if (group->coordinator < 0)
		return -1;
	wire_defaults(&offset_fetch_request_desc, &q);
	q.group_id = group->id;
	q.topics.n = -1; /* null: all */
	one = (struct offset_fetch_request_group){ .group_id = group->id, .member_id = STR_NULL,
		.member_epoch = -1, .topics = { NULL, -1 } };
	q.groups.v = &one;
	q.groups.n = 1;
	do {
		if (run_call_upto(run, asked.coordinator, API_OFFSET_FETCH, OFFSET_FETCH_UPTO,
				&q, &answer) < 0)
			return -1;
		code = !has_groups ? answer.error_code
			: answer.groups.n == 1 ? answer.groups.v[0].error_code
			: KERR_UNKNOWN_SERVER_ERROR;
	} while (look_group_must_retry(run, &asked, code, until_ms));
	if (code) {
		group_run_refused(run, code, STR_NULL, group->id);
		return -1;
	}
	if (has_groups)
		TAKE_TOPICS(&taken, &answer.groups.v[0].topics,
			struct offset_fetch_response_group_partition);
	else
		TAKE_TOPICS(&taken, &answer.topics, struct offset_fetch_response_partition);
	rows_merge(rows);
	return 0;
}
