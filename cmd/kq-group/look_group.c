#include "kq-group/look_group.h"

#include "base/map.h"
#include "kq-group/list.h"
#include "proto.h"
#include "sys/clock.h"

enum {
	FIND_BATCH_FROM = 4,    /* versions */
	OFFSET_FETCH_GROUPS_FROM = 8,
	OFFSET_FETCH_UPTO = 9,  /* from 10 on topics have ids, not names */
	KEY_GROUP = 0,
	RETRY_MS = 100,
};

/* --- coordinators --- */

static bool
is_passing(int16_t code)
{
	return code == KERR_COORDINATOR_LOAD_IN_PROGRESS || code == KERR_COORDINATOR_NOT_AVAILABLE
		|| code == KERR_NOT_COORDINATOR;
}

int64_t
look_group_deadline(const struct run *r)
{
	return clock_mono_ms() + r->cluster.opts.topic_timeout_ms;
}

/* Wait before another try, if there is time for one. */
static bool
pause_again(struct run *r, int64_t until_ms)
{
	if (clock_mono_ms() >= until_ms || r->cluster.is_woken)
		return false;
	cluster_pause(&r->cluster, RETRY_MS);
	return !r->cluster.is_woken;
}

/* A coordinator that the last metadata did not tell of. */
static int
know_node(struct run *r, int32_t id)
{
	struct err e;
	if (cluster_node(&r->cluster, id) || cluster_refresh(&r->cluster, &e) == 0)
		return 0;
	run_failed(r, &e);
	return -1;
}

/* Take one answer; returns whether it is to be asked for again. */
static bool
take_coordinator(struct run *r, struct look_group *g, int16_t code, struct str message, int32_t node,
	bool may_repeat)
{
	if (code && is_passing(code) && may_repeat)
		return true;
	if (code)
		group_run_refused(r, code, message, g->id);
	else if (know_node(r, node) == 0)
		g->coordinator = node;
	return false;
}

/* Ask for all n at once; those to be asked for again come to the front.
 * Returns how many. */
static int
ask_batch(struct run *r, struct look_group **due, int n, bool may_repeat)
{
	struct find_coordinator_request q;
	struct find_coordinator_response a;
	struct map by_name = MAP_INIT;
	int nleft = 0;
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key_type = KEY_GROUP;
	q.coordinator_keys.n = n;
	q.coordinator_keys.v = arena_alloc(&r->arena, (size_t)n * sizeof *q.coordinator_keys.v);
	for (int i = 0; i < n; i++) {
		q.coordinator_keys.v[i] = due[i]->id;
		map_put(&by_name, due[i]->id, due[i]);
	}
	if (run_call(r, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &a) < 0)
		a.coordinators.n = 0;
	for (int32_t i = 0; i < a.coordinators.n; i++) {
		struct find_coordinator_response_coordinator *c = &a.coordinators.v[i];
		struct look_group *g = map_get(&by_name, c->key);
		if (g && take_coordinator(r, g, c->error_code, c->error_message, c->node_id, may_repeat))
			due[nleft++] = g;
	}
	map_release(&by_name);
	return nleft;
}

/* The same, one by one. */
static int
ask_each(struct run *r, struct look_group **due, int n, bool may_repeat)
{
	struct find_coordinator_request q;
	struct find_coordinator_response a;
	int nleft = 0;
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key_type = KEY_GROUP;
	for (int i = 0; i < n; i++) {
		q.key = due[i]->id;
		if (run_call(r, CLUSTER_ANY, API_FIND_COORDINATOR, &q, &a) == 0
			&& take_coordinator(r, due[i], a.error_code, a.error_message, a.node_id, may_repeat))
			due[nleft++] = due[i];
	}
	return nleft;
}

/* Find the coordinators of those that have none. */
static void
find(struct run *r, struct look_group *v, int n, int64_t until_ms)
{
	struct look_group **due = arena_alloc(&r->arena, (size_t)n * sizeof *due + 1);
	bool has_batches = run_version(r, API_FIND_COORDINATOR) >= FIND_BATCH_FROM;
	int ndue = 0;
	for (int i = 0; i < n; i++)
		if (v[i].coordinator < 0)
			due[ndue++] = &v[i];
	while (ndue > 0) {
		bool may_repeat = clock_mono_ms() < until_ms;
		ndue = has_batches ? ask_batch(r, due, ndue, may_repeat)
			: ask_each(r, due, ndue, may_repeat);
		if (ndue > 0)
			cluster_pause(&r->cluster, RETRY_MS);
		if (r->cluster.is_woken)
			break;
	}
}

struct look_group *
look_groups_find(struct run *r, int *n, const struct str *names)
{
	struct look_group *v = arena_alloc(&r->arena, (size_t)*n * sizeof *v + 1);
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
	int nfailed = r->nfailed;
	find(r, v, nfound, look_group_deadline(r));
	for (int i = 0; i < nfound && r->nfailed == nfailed; i++)
		if (v[i].coordinator < 0) {
			struct err e;
			err_set(&e, ERR_CORRUPT, "the broker does not name the coordinator of group '%.*s'",
				STR_ARG(v[i].id));
			run_failed(r, &e);
		}
	return v;
}

struct look_group *
look_groups_named(struct run *r, int *n, char **names)
{
	struct str *v = arena_alloc(&r->arena, (size_t)*n * sizeof *v + 1);
	for (int i = 0; i < *n; i++)
		v[i] = str_of(names[i]);
	return look_groups_find(r, n, v);
}

bool
look_group_again(struct run *r, struct look_group *g, int16_t code, int64_t until_ms)
{
	if (!code || !is_passing(code) || !pause_again(r, until_ms))
		return false;
	g->coordinator = -1;
	find(r, g, 1, until_ms);
	return g->coordinator >= 0;
}

/* --- members --- */

static void
take_member(struct run *r, struct look_member *m, const struct describe_groups_response_member *in,
	bool is_consumer)
{
	struct consumer_protocol_assignment a;
	*m = (struct look_member){ in->member_id, in->group_instance_id, STR_NULL, in->client_id,
		in->client_host, -1, NULL, NULL, 0, -1 };
	if (!is_consumer || wire_data_decode(&consumer_protocol_assignment_data, in->member_assignment.p,
			(size_t)MAX(in->member_assignment.n, 0), &r->replies, &a) < 0)
		return;
	m->nassigned = MAX(a.assigned_partitions.n, 0);
	m->assigned = arena_alloc(&r->arena, (size_t)m->nassigned * sizeof *m->assigned + 1);
	for (int32_t i = 0; i < m->nassigned; i++)
		m->assigned[i] = (struct look_parts){ a.assigned_partitions.v[i].topic,
			a.assigned_partitions.v[i].partitions.v, MAX(a.assigned_partitions.v[i].partitions.n, 0) };
}

/* Returns 1 when it is there, 0 when not, -1: counted. */
static int
describe_classic(struct run *r, struct look_group *g)
{
	struct describe_groups_request q;
	struct describe_groups_response a;
	int64_t until_ms = look_group_deadline(r);
	wire_defaults(&describe_groups_request_desc, &q);
	q.groups.v = &g->id;
	q.groups.n = 1;
	do {
		if (run_call(r, g->coordinator, API_DESCRIBE_GROUPS, &q, &a) < 0)
			return -1;
	} while (a.groups.n == 1 && look_group_again(r, g, a.groups.v[0].error_code, until_ms));
	if (a.groups.n != 1)
		return 0;
	struct describe_groups_response_group *in = a.groups.v;
	if (in->error_code == KERR_GROUP_ID_NOT_FOUND || str_eq(in->group_state, STR("Dead")))
		return 0;
	if (in->error_code) {
		group_run_refused(r, in->error_code, in->error_message, g->id);
		return -1;
	}
	g->type = "classic";
	g->state = in->group_state;
	g->protocol_type = in->protocol_type;
	g->protocol = in->protocol_data.n > 0 ? in->protocol_data : STR_NULL;
	g->nmember = MAX(in->members.n, 0);
	g->member = arena_alloc(&r->arena, (size_t)g->nmember * sizeof *g->member + 1);
	for (int32_t i = 0; i < g->nmember; i++)
		take_member(r, &g->member[i], &in->members.v[i], str_eq(g->protocol_type, STR("consumer")));
	return 1;
}

static struct look_parts *
take_places(struct run *r, const struct consumer_group_describe_response_assignment *in, int32_t *n)
{
	*n = MAX(in->topic_partitions.n, 0);
	struct look_parts *v = arena_alloc(&r->arena, (size_t)*n * sizeof *v + 1);
	for (int32_t i = 0; i < *n; i++)
		v[i] = (struct look_parts){ in->topic_partitions.v[i].topic_name,
			in->topic_partitions.v[i].partitions.v, MAX(in->topic_partitions.v[i].partitions.n, 0) };
	return v;
}

static void
take_consumer(struct run *r, struct look_group *g,
	const struct consumer_group_describe_response_group *in)
{
	g->type = "consumer";
	g->state = in->group_state;
	g->protocol_type = STR("consumer");
	g->protocol = in->assignor_name;
	g->epoch = in->group_epoch;
	g->assignment_epoch = in->assignment_epoch;
	g->nmember = MAX(in->members.n, 0);
	g->member = arena_alloc(&r->arena, (size_t)g->nmember * sizeof *g->member + 1);
	for (int32_t i = 0; i < g->nmember; i++) {
		struct consumer_group_describe_response_member *m = &in->members.v[i];
		g->member[i] = (struct look_member){ m->member_id, m->instance_id, m->rack_id, m->client_id,
			m->client_host, m->member_epoch, NULL, NULL, 0, 0 };
		g->member[i].assigned = take_places(r, &m->assignment, &g->member[i].nassigned);
		g->member[i].target = take_places(r, &m->target_assignment, &g->member[i].ntarget);
	}
}

/* As describe_classic.  A broker that does not know such groups, or does not
 * serve them, has none. */
static int
describe_consumer(struct run *r, struct look_group *g)
{
	struct consumer_group_describe_request q;
	struct consumer_group_describe_response a;
	int64_t until_ms = look_group_deadline(r);
	if (run_version(r, API_CONSUMER_GROUP_DESCRIBE) < 0)
		return 0;
	wire_defaults(&consumer_group_describe_request_desc, &q);
	q.group_ids.v = &g->id;
	q.group_ids.n = 1;
	do {
		if (run_call(r, g->coordinator, API_CONSUMER_GROUP_DESCRIBE, &q, &a) < 0)
			return -1;
	} while (a.groups.n == 1 && look_group_again(r, g, a.groups.v[0].error_code, until_ms));
	if (a.groups.n != 1 || a.groups.v[0].error_code == KERR_GROUP_ID_NOT_FOUND
		|| a.groups.v[0].error_code == KERR_UNSUPPORTED_VERSION)
		return 0;
	if (a.groups.v[0].error_code) {
		group_run_refused(r, a.groups.v[0].error_code, a.groups.v[0].error_message, g->id);
		return -1;
	}
	take_consumer(r, g, &a.groups.v[0]);
	return 1;
}

static int
describe_either(struct run *r, struct look_group *g)
{
	int got = describe_consumer(r, g);
	return got ? got : describe_classic(r, g);
}

int
look_group_describe(struct run *r, struct look_group *g, bool may_miss)
{
	if (g->coordinator < 0)
		return -1;
	int got = describe_either(r, g);
	struct str type = got || may_miss ? STR_NULL : list_type(r, g);
	if (str_eq(type, STR("consumer")) || str_eq(type, STR("classic"))) {
		type = STR_NULL; /* it was created after the first look */
		got = describe_either(r, g);
	}
	if (got != 0)
		return got < 0 ? -1 : 0;
	g->state = STR("Dead");
	if (may_miss)
		return 0;
	if (type.n > 0) {
		struct err e;
		err_set(&e, ERR_PEER, "group '%.*s' is of type %.*s, which has no committed offsets",
			STR_ARG(g->id), STR_ARG(type));
		run_failed(r, &e);
		return -1;
	}
	group_run_refused(r, KERR_GROUP_ID_NOT_FOUND, STR_NULL, g->id);
	return -1;
}

bool
look_group_is_active(const struct look_group *g)
{
	return !str_eq(g->state, STR("Empty")) && !str_eq(g->state, STR("Dead"));
}

/* --- offsets --- */

struct taken_offsets {
	struct run *r;
	const struct look_group *g;
	struct rows *rows;
};

static void
add(struct taken_offsets *c, struct str topic, int32_t partition, int64_t offset, int32_t epoch,
	struct str metadata, int16_t error)
{
	if (error) {
		group_run_part_refused(c->r, error, c->g->id, topic, partition);
		return;
	}
	struct row row = ROW_INIT(topic, partition);
	row.committed = offset;
	row.leader_epoch = epoch;
	row.metadata = metadata;
	if (offset >= 0)
		c->rows->v[c->rows->n++] = row;
}

/* The two forms of the answer differ in name only. */
#define TAKE_TOPICS(c, topics) do { \
	size_t n_ = 0; \
	for (int32_t i = 0; i < (topics)->n; i++) \
		n_ += (size_t)MAX((topics)->v[i].partitions.n, 0); \
	(c)->rows->v = arena_alloc(&(c)->r->arena, n_ * sizeof *(c)->rows->v + 1); \
	for (int32_t i = 0; i < (topics)->n; i++) \
		for (int32_t k = 0; k < (topics)->v[i].partitions.n; k++) { \
			__typeof__(*(topics)->v[i].partitions.v) *p_ = &(topics)->v[i].partitions.v[k]; \
			add((c), (topics)->v[i].name, p_->partition_index, p_->committed_offset, \
				p_->committed_leader_epoch, p_->metadata, p_->error_code); \
		} \
} while (0)

int
look_group_committed(struct run *r, const struct look_group *g, struct rows *rows)
{
	struct offset_fetch_request q;
	struct offset_fetch_response a;
	struct offset_fetch_request_group one;
	struct look_group asked = *g;
	struct taken_offsets c = { r, g, rows };
	int64_t until_ms = look_group_deadline(r);
	int16_t code;
	bool has_groups = run_version(r, API_OFFSET_FETCH) >= OFFSET_FETCH_GROUPS_FROM;
	*rows = (struct rows){ NULL, 0 };
	if (g->coordinator < 0)
		return -1;
	wire_defaults(&offset_fetch_request_desc, &q);
	q.group_id = g->id;
	q.topics.n = -1; /* null: all */
	one = (struct offset_fetch_request_group){ .group_id = g->id, .member_id = STR_NULL,
		.member_epoch = -1, .topics = { NULL, -1 } };
	q.groups.v = &one;
	q.groups.n = 1;
	do {
		if (run_call_upto(r, asked.coordinator, API_OFFSET_FETCH, OFFSET_FETCH_UPTO, &q, &a) < 0)
			return -1;
		code = !has_groups ? a.error_code : a.groups.n == 1 ? a.groups.v[0].error_code
			: KERR_UNKNOWN_SERVER_ERROR;
	} while (look_group_again(r, &asked, code, until_ms));
	if (code) {
		group_run_refused(r, code, STR_NULL, g->id);
		return -1;
	}
	if (has_groups)
		TAKE_TOPICS(&c, &a.groups.v[0].topics);
	else
		TAKE_TOPICS(&c, &a.topics);
	rows_merge(rows);
	return 0;
}
