/*
 * The consumer protocol (KIP-848): one request, ConsumerGroupHeartbeat, is used to
 * join, to stay and to leave.  The broker assigns the partitions and sends each member
 * its assignment.  The member gives up the others and reports that in a heartbeat;
 * then the broker assigns them to the members that wait for them.
 *
 * A static member that was killed still has its instance id.  Unlike in the classic
 * protocol, the broker refuses a successor (UNRELEASED_INSTANCE_ID) until the session
 * is over, or until the predecessor has left.  So the successor asks for the id of the
 * predecessor (ConsumerGroupDescribe), and leaves in its name, for a while: then it joins,
 * and keeps the assignment.  If the predecessor still lives, its next heartbeat is
 * refused (FENCED_INSTANCE_ID), as in the classic protocol.
 */
#include "client/member_int.h"

#include "sys/rand.h"

enum { EPOCH_LEAVE = -1, EPOCH_LEAVE_STATIC = -2, EPOCH_JOIN = 0 };

static void
take_goal(struct member *m, const struct consumer_group_heartbeat_response_assignment *as)
{
	size_t n = 0;
	for (int32_t i = 0; i < as->topic_partitions.n; i++)
		n += (size_t)as->topic_partitions.v[i].partitions.n;
	m->goal = mem_realloc(m->goal, (n + 1) * sizeof *m->goal);
	m->ngoal = 0;
	for (int32_t i = 0; i < as->topic_partitions.n; i++)
		for (int32_t k = 0; k < as->topic_partitions.v[i].partitions.n; k++)
			m->goal[m->ngoal++] = (struct member_goal){ as->topic_partitions.v[i].topic_id,
				as->topic_partitions.v[i].partitions.v[k] };
	m->has_goal = true;
}

/* The broker supports the request but does not accept us: use the classic protocol. */
static bool
turns_classic(struct member *m, int16_t code)
{
	if (m->opts.protocol != MEMBER_AUTO || m->was_member || m->noffered == 0
		|| (code != KERR_UNSUPPORTED_VERSION && code != KERR_GROUP_ID_NOT_FOUND
		&& code != KERR_INCONSISTENT_GROUP_PROTOCOL))
		return false;
	m->protocol = MEMBER_CLASSIC;
	m->stage = MEMBER_OUT;
	m->generation = -1;
	mem_free(m->member_id);
	m->member_id = mem_strdup("");
	m->heartbeat_ms = m->opts.heartbeat_ms;
	return true;
}

static void
heartbeat_done(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct consumer_group_heartbeat_response r;
	if (m->stage == MEMBER_JOINING)
		m->stage = MEMBER_OUT;
	if (!member_take_reply(call, reply, &a, &r)) {
		arena_release(&a);
		return;
	}
	if (r.error_code) {
		m->must_report_all = true;
		m->must_take_over = r.error_code == KERR_UNRELEASED_INSTANCE_ID;
		if (!turns_classic(m, r.error_code))
			member_handle_error(m, r.error_code, r.error_message);
		arena_release(&a);
		return;
	}
	if (r.member_id.n > 0 && !str_eq(r.member_id, str_of(m->member_id))) {
		mem_free(m->member_id);
		m->member_id = mem_strndup(r.member_id);
	}
	m->generation = r.member_epoch;
	m->heartbeat_ms = MAX(r.heartbeat_interval_ms, 1);
	m->stage = MEMBER_IN;
	m->was_member = true;
	if (r.assignment)
		take_goal(m, r.assignment);
	member_ok(m);
	arena_release(&a);
}

/* List the owned partitions, by topic. */
static void
fill_owned(const struct member *m, struct consumer_group_heartbeat_request *q,
	struct arena *a)
{
	q->topic_partitions.v = arena_alloc(a, (size_t)m->ntopic * sizeof *q->topic_partitions.v);
	q->topic_partitions.n = 0;
	for (int i = 0; i < m->ntopic; i++) {
		int32_t n = 0, *v = arena_alloc(a, ((size_t)m->npart + 1) * sizeof *v);
		for (int k = 0; k < m->npart; k++)
			if (m->part[k]->topic == m->topic[i])
				v[n++] = m->part[k]->index;
		if (n == 0)
			continue;
		int32_t at = q->topic_partitions.n++;
		q->topic_partitions.v[at].topic_id = m->topic[i]->id;
		q->topic_partitions.v[at].partitions.v = v;
		q->topic_partitions.v[at].partitions.n = n;
	}
}

/* The first heartbeat, and one after a failure, has all fields. */
static void
fill_all(const struct member *m, struct consumer_group_heartbeat_request *q,
	struct arena *a)
{
	q->rebalance_timeout_ms = m->opts.rebalance_timeout_ms;
	q->server_assignor = str_of(m->server_assignor);
	q->subscribed_topic_names.v = arena_alloc(a, (size_t)m->ntopic * sizeof(struct str));
	q->subscribed_topic_names.n = m->ntopic;
	for (int i = 0; i < m->ntopic; i++)
		q->subscribed_topic_names.v[i] = str_of(m->topic[i]->name);
	fill_owned(m, q, a);
}

static void
fill_name(const struct member *m, struct consumer_group_heartbeat_request *q)
{
	wire_defaults(&consumer_group_heartbeat_request_desc, q);
	q->group_id = str_of(m->opts.group);
	q->member_id = str_of(m->member_id);
	q->instance_id = str_of(m->opts.instance);
}

void
member_consumer_beat(struct member *m, int64_t now_ms)
{
	struct consumer_group_heartbeat_request q;
	struct arena a = ARENA_INIT;
	struct err ignored;
	struct conn *c = member_conn(m);
	if (!c)
		return;
	bool joins = m->stage == MEMBER_OUT;
	/* From version 1 on the member chooses its id. */
	if (joins && !*m->member_id && conn_version(c, wire_api_find(API_CONSUMER_GROUP_HEARTBEAT),
		INT16_MAX, &ignored) >= 1) {
		struct uuid id;
		rand_bytes(&id, sizeof id);
		mem_free(m->member_id);
		m->member_id = mem_alloc(UUID_TEXT_SIZE);
		uuid_format(&id, m->member_id);
	}
	fill_name(m, &q);
	q.member_epoch = joins ? EPOCH_JOIN : m->generation;
	if (joins || m->must_report_all)
		fill_all(m, &q, &a);
	else if (m->must_report)
		fill_owned(m, &q, &a);
	if (member_send(m, &m->control, c, API_CONSUMER_GROUP_HEARTBEAT, INT16_MAX, &q,
		m->opts.request_timeout_ms, heartbeat_done) >= 0) {
		m->heartbeat_at_ms = now_ms + m->heartbeat_ms;
		m->must_report = m->must_report_all = false;
		if (joins)
			m->stage = MEMBER_JOINING;
	}
	arena_release(&a);
}

/* ---- taking over an instance id ---- */

/* In any case the next step is to join again. */
static void
released(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct consumer_group_heartbeat_response r;
	member_take_reply(call, reply, &a, &r);
	arena_release(&a);
	mem_free(m->predecessor);
	m->predecessor = NULL;
}

static void
release_predecessor(struct member *m)
{
	struct consumer_group_heartbeat_request q;
	struct conn *c = member_conn(m);
	if (!c)
		return;
	fill_name(m, &q);
	q.member_id = str_of(m->predecessor);
	q.member_epoch = EPOCH_LEAVE_STATIC;
	member_send(m, &m->control, c, API_CONSUMER_GROUP_HEARTBEAT, INT16_MAX, &q,
		m->opts.request_timeout_ms, released);
}

/* The id of the member that has our instance id; null: none has it any more. */
static struct str
find_predecessor(const struct member *m, const struct consumer_group_describe_response_group *group)
{
	for (int32_t i = 0; i < group->members.n; i++)
		if (str_eq(group->members.v[i].instance_id, str_of(m->opts.instance)))
			return group->members.v[i].member_id;
	return STR_NULL;
}

static void
described(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct consumer_group_describe_response r;
	if (member_take_reply(call, reply, &a, &r)) {
		int16_t code = r.groups.n == 1 ? r.groups.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR;
		struct str id = code ? STR_NULL : find_predecessor(m, &r.groups.v[0]);
		m->must_take_over = false;
		if (code && code != KERR_GROUP_ID_NOT_FOUND)
			member_handle_error(m, code, r.groups.n == 1 ? r.groups.v[0].error_message : STR_NULL);
		else if (id.n >= 0 && m->was_member && !str_eq(id, str_of(m->member_id)))
			member_handle_error(m, KERR_FENCED_INSTANCE_ID, STR_NULL); /* it took our place */
		else if (id.n >= 0)
			m->predecessor = mem_strndup(id);
	}
	arena_release(&a);
}

static void
describe(struct member *m)
{
	struct consumer_group_describe_request q;
	struct str group = str_of(m->opts.group);
	struct conn *c = member_conn(m);
	if (!c)
		return;
	wire_defaults(&consumer_group_describe_request_desc, &q);
	q.group_ids.v = &group;
	q.group_ids.n = 1;
	member_send(m, &m->control, c, API_CONSUMER_GROUP_DESCRIBE, INT16_MAX, &q,
		m->opts.request_timeout_ms, described);
}

/* ---- the assignment ---- */

static struct cluster_topic *
own_topic(const struct member *m, const struct uuid *id)
{
	for (int i = 0; i < m->ntopic; i++)
		if (uuid_eq(&m->topic[i]->id, id))
			return m->topic[i];
	return NULL;
}

static bool
knows_goal(const struct member *m)
{
	for (int i = 0; i < m->ngoal; i++) {
		const struct cluster_topic *t = own_topic(m, &m->goal[i].id);
		if (!t || m->goal[i].index < 0 || m->goal[i].index >= t->npart)
			return false;
	}
	return true;
}

/* Apply the assignment: give up partitions, and begin others. */
static void
apply_goal(struct member *m)
{
	struct err e;
	if (!knows_goal(m) && (cluster_refresh(m->cluster, &e) < 0 || !knows_goal(m))) {
		err_set(&e, ERR_RETRY, "an assigned partition is not known yet");
		member_failed(m, &e);
		return;
	}
	if (!m->has_goal)
		return; /* lost while metadata was fetched */
	int before = m->npart;
	member_target_begin(m);
	bool has_all = true;
	for (int i = 0; i < m->ngoal; i++) /* one that is still to be given back is added later */
		has_all &= member_target_add(m, own_topic(m, &m->goal[i].id), m->goal[i].index);
	member_target_end(m);
	m->has_goal = !has_all;
	if (m->nrevoked == 0 && m->npart != before)
		m->must_report = true;
}

void
member_consumer_work(struct member *m, int64_t now_ms)
{
	if (m->stage == MEMBER_OUT) {
		if (m->predecessor)
			release_predecessor(m);
		else if (m->must_take_over)
			describe(m);
		else
			member_consumer_beat(m, now_ms);
		return;
	}
	if (m->has_goal && m->nrevoked == 0)
		apply_goal(m);
	bool is_due = (m->must_report && m->nrevoked == 0) || now_ms >= m->heartbeat_at_ms;
	if (m->stage == MEMBER_IN && !m->is_failed && is_due)
		member_consumer_beat(m, now_ms);
}

int
member_consumer_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done)
{
	struct consumer_group_heartbeat_request q;
	fill_name(m, &q);
	q.member_epoch = m->opts.instance ? EPOCH_LEAVE_STATIC : EPOCH_LEAVE;
	return member_send(m, &m->fetch, conn, API_CONSUMER_GROUP_HEARTBEAT, INT16_MAX, &q,
		timeout_ms, done);
}
