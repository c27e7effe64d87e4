/*
 * The classic protocol: JoinGroup, SyncGroup, Heartbeat.  The member that the broker
 * names leader assigns the partitions.
 *
 *	OUT -> JOINING -> SYNC_DUE -> SYNCING -> ASSIGNED -> IN -> (rejoin) JOINING
 *
 * Callbacks only store the response; what may wait for metadata is done in
 * member_classic_work.
 */
#include "client/member_int.h"

#include "sys/clock.h"

#include <stdlib.h>

enum {
	JOIN_GRACE_MS = 5000, /* added to the rebalance timeout for the response */
	FRESH_MS = 1000,      /* largest age of metadata used for an assignment */
};

static void
keep_reply(struct member *m, const struct call *call, const uint8_t *p, size_t n)
{
	buf_reset(&m->joined);
	buf_put(&m->joined, p, n);
	m->joined_version = call->version;
}

/* ---- join ---- */

static int
by_topic(const void *x, const void *y)
{
	const struct assign_owned *a = x;
	const struct assign_owned *b = y;
	int order = str_cmp(a->topic, b->topic);
	return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

/* The owned partitions of our subscription: with a cooperative assignor, those that we
 * keep while we rejoin; else the last assignment. */
static int
list_owned(const struct member *m, const struct assign_kind *as, struct arena *a,
	struct assign_owned **out)
{
	int n = 0, cap = as->is_cooperative ? m->npart : m->nlast;
	struct assign_owned *v = arena_alloc(a, ((size_t)cap + 1) * sizeof *v);
	for (int i = 0; i < cap; i++)
		v[n++] = as->is_cooperative
			? (struct assign_owned){ str_of(m->part[i]->topic->name), m->part[i]->index }
			: (struct assign_owned){ str_of(m->last[i].topic->name), m->last[i].index };
	if (n > 0)
		qsort(v, (size_t)n, sizeof *v, by_topic);
	*out = v;
	return n;
}

static void
joined(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct join_group_response r;
	m->stage = MEMBER_OUT;
	m->wants_rejoin = false;
	if (!member_take_reply(call, reply, &a, &r)) {
		arena_release(&a);
		return;
	}
	if (r.error_code == 0 || r.error_code == KERR_MEMBER_ID_REQUIRED) {
		mem_free(m->member_id);
		m->member_id = mem_strndup(r.member_id);
	} else {
		member_handle_error(m, r.error_code, STR_NULL);
	}
	if (r.error_code == 0) {
		struct err why;
		m->chosen = assign_find(r.protocol_name);
		m->generation = r.generation_id;
		m->is_leader = str_eq(r.leader, r.member_id);
		m->skips_sync = r.skip_assignment;
		m->stage = MEMBER_SYNC_DUE;
		member_ok(m);
		keep_reply(m, call, reply->body, reply->n);
		if (!m->chosen) {
			err_set(&why, ERR_PEER, "the group uses an assignor that this member did not offer");
			member_failed(m, &why);
		}
	}
	arena_release(&a);
}

static void
join(struct member *m)
{
	struct arena a = ARENA_INIT;
	struct buf bytes[ARRAY_LEN(m->offered)] = { BUF_INIT };
	struct join_group_request q;
	struct conn *c = member_conn(m);
	if (!c)
		return;
	wire_defaults(&join_group_request_desc, &q);
	q.group_id = str_of(m->opts.group);
	q.session_timeout_ms = m->opts.session_timeout_ms;
	q.rebalance_timeout_ms = m->opts.rebalance_timeout_ms;
	q.member_id = str_of(m->member_id);
	q.group_instance_id = str_of(m->opts.instance);
	q.protocol_type = STR("consumer");
	q.protocols.v = arena_alloc(&a, (size_t)m->noffered * sizeof *q.protocols.v);
	q.protocols.n = m->noffered;
	struct str *topic = arena_alloc(&a, (size_t)m->ntopic * sizeof *topic);
	for (int i = 0; i < m->ntopic; i++)
		topic[i] = str_of(m->topic[i]->name);
	for (int i = 0; i < m->noffered; i++) {
		const struct assign_kind *as = m->offered[i];
		struct assign_owned *owned;
		int n = list_owned(m, as, &a, &owned);
		assign_put_subscription(&bytes[i], as, topic, m->ntopic, owned, n,
			as->is_cooperative ? m->generation : m->last_generation);
		q.protocols.v[i].name = str_of(as->name);
		q.protocols.v[i].metadata = buf_str(&bytes[i]);
	}
	if (member_send(m, &m->control, c, API_JOIN_GROUP, INT16_MAX, &q,
		m->opts.rebalance_timeout_ms + JOIN_GRACE_MS, joined) >= 0)
		m->stage = MEMBER_JOINING;
	for (int i = 0; i < m->noffered; i++)
		buf_release(&bytes[i]);
	arena_release(&a);
}

/* ---- assign and sync ---- */

/* Look up the partition counts of the topics that the group reads. */
static int
look_up_topics(struct member *m, struct assign *assign, struct str *names, int n,
	struct err *e)
{
	if (clock_mono_ms() - m->cluster->refreshed_ms > FRESH_MS
		&& cluster_refresh(m->cluster, e) < 0)
		return -1;
	assign->topic = arena_alloc(assign->arena, ((size_t)n + 1) * sizeof *assign->topic);
	for (int i = 0; i < n; i++) {
		struct str name = arena_str(assign->arena, names[i]);
		struct cluster_topic *t = cluster_topic(m->cluster, (const char *)name.p, false, e);
		if (!t && e->kafka != KERR_UNKNOWN_TOPIC_OR_PARTITION
			&& e->kafka != KERR_INVALID_TOPIC_EXCEPTION)
			return -1;
		if (t) /* a topic that does not exist has no partitions */
			assign->topic[assign->ntopic++] = (struct assign_topic){ name, t->npart };
	}
	return 0;
}

static int64_t
count_parts(const struct member *m)
{
	int64_t n = 0;
	for (int i = 0; i < m->cluster->ntopic; i++)
		n += m->cluster->topic[i]->npart;
	return n;
}

/* As leader: read the subscriptions, assign, and fill the SyncGroup request. */
static int
assign_as_leader(struct member *m, struct arena *arena, struct buf *bytes,
	struct sync_group_request *q, struct err *e)
{
	struct join_group_response r;
	struct assign assign = { .arena = arena };
	struct str *names;
	wire_defaults(&join_group_response_desc, &r);
	const struct wire_api *api = wire_api_find(API_JOIN_GROUP);
	if (wire_decode(api->response, m->joined_version, wire_api_is_flexible(api, m->joined_version),
		m->joined.p, m->joined.n, arena, &r) < 0)
		return err_set(e, ERR_CORRUPT, "an answer to join_group that cannot be read");
	struct assign_bytes *in = arena_alloc(arena, ((size_t)r.members.n + 1) * sizeof *in);
	for (int32_t i = 0; i < r.members.n; i++)
		in[i] = (struct assign_bytes){ r.members.v[i].member_id,
			r.members.v[i].group_instance_id, r.members.v[i].metadata };
	int n = assign_topics(in, r.members.n, arena, &names, e);
	if (n < 0 || look_up_topics(m, &assign, names, n, e) < 0
		|| assign_read_members(&assign, m->chosen, in, r.members.n, e) < 0)
		return -1;
	assign_run(&assign, m->chosen);
	m->nknown_part = count_parts(m);
	if (m->skips_sync)
		return 0;
	q->assignments.v = arena_alloc(arena, ((size_t)assign.nmember + 1) * sizeof *q->assignments.v);
	q->assignments.n = assign.nmember;
	size_t *at = arena_alloc(arena, ((size_t)assign.nmember + 1) * sizeof *at);
	for (int32_t i = 0; i < assign.nmember; i++) {
		assign_put_assignment(bytes, &assign, i);
		at[i + 1] = bytes->n;
	}
	for (int32_t i = 0; i < assign.nmember; i++) {
		q->assignments.v[i].member_id = assign.member[i].id;
		q->assignments.v[i].assignment
			= (struct str){ bytes->p + at[i], (int32_t)(at[i + 1] - at[i]) };
	}
	return 0;
}

static void
synced(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct sync_group_response r;
	m->stage = MEMBER_OUT; /* rejoin after any failure */
	if (member_take_reply(call, reply, &a, &r)) {
		if (r.error_code) {
			member_handle_error(m, r.error_code, STR_NULL);
		} else {
			m->stage = MEMBER_ASSIGNED;
			member_ok(m);
			keep_reply(m, call, reply->body, reply->n);
		}
	}
	arena_release(&a);
}

static void
sync_group(struct member *m)
{
	struct arena a = ARENA_INIT;
	struct buf bytes = BUF_INIT;
	struct sync_group_request q;
	struct err e;
	wire_defaults(&sync_group_request_desc, &q);
	if (m->is_leader && assign_as_leader(m, &a, &bytes, &q, &e) < 0) {
		member_failed(m, &e);
	} else if (m->stage == MEMBER_SYNC_DUE) { /* not lost while metadata was fetched */
		q.group_id = str_of(m->opts.group);
		q.generation_id = m->generation;
		q.member_id = str_of(m->member_id);
		q.group_instance_id = str_of(m->opts.instance);
		q.protocol_type = STR("consumer");
		q.protocol_name = str_of(m->chosen->name);
		struct conn *c = member_conn(m);
		if (c && member_send(m, &m->control, c, API_SYNC_GROUP, INT16_MAX, &q,
			m->opts.rebalance_timeout_ms + JOIN_GRACE_MS, synced) >= 0)
			m->stage = MEMBER_SYNCING;
	}
	buf_release(&bytes);
	arena_release(&a);
}

/* ---- the assignment ---- */

static struct cluster_topic *
own_topic(const struct member *m, struct str name)
{
	for (int i = 0; i < m->ntopic; i++)
		if (str_eq(str_of(m->topic[i]->name), name))
			return m->topic[i];
	return NULL;
}

/* Refresh the metadata once if the assignment has unknown partitions. */
static int
refresh_for(struct member *m, const struct assign_owned *v, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		struct cluster_topic *t = own_topic(m, v[i].topic);
		if (t && v[i].partition >= t->npart)
			return cluster_refresh(m->cluster, e);
	}
	return 0;
}

static void
note_last(struct member *m)
{
	m->last = mem_realloc(m->last, ((size_t)m->npart + 1) * sizeof *m->last);
	m->nlast = 0;
	for (int i = 0; i < m->npart; i++)
		if (m->part[i]->is_target)
			m->last[m->nlast++] = (struct member_tp){ m->part[i]->topic, m->part[i]->index };
	m->last_generation = m->generation;
}

static void
take_assignment(struct member *m, int64_t now_ms)
{
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct sync_group_response r;
	struct assign_owned *v;
	struct err e;
	const struct wire_api *api = wire_api_find(API_SYNC_GROUP);
	wire_defaults(api->response, &r);
	int64_t got = wire_decode(api->response, m->joined_version,
		wire_api_is_flexible(api, m->joined_version), m->joined.p, m->joined.n, &a, &r);
	assert(got >= 0); /* synced() has decoded it */
	int n = assign_read_assignment(r.assignment, &a, &v, &e);
	int rc = n < 0 ? -1 : refresh_for(m, v, n, &e);
	if (rc < 0)
		member_failed(m, &e);
	if (rc < 0 || m->stage != MEMBER_ASSIGNED) { /* lost while metadata was fetched */
		arena_release(&a);
		return;
	}
	m->stage = MEMBER_IN;
	m->heartbeat_at_ms = now_ms + m->heartbeat_ms;
	m->refresh_at_ms = now_ms + m->opts.refresh_ms;
	member_target_begin(m);
	for (int i = 0; i < n; i++) {
		struct cluster_topic *t = own_topic(m, v[i].topic);
		if (!t || member_target_add(m, t, v[i].partition))
			continue;
		err_set(&e, ERR_RETRY, "partition %d of '%s' is not known", v[i].partition, t->name);
		member_failed(m, &e);
		m->wants_rejoin = true;
	}
	member_target_end(m);
	note_last(m);
	if (m->nrevoked > 0) /* rejoin to pass them on, once they are given back */
		m->wants_rejoin = true;
	arena_release(&a);
}

/* ---- in the group ---- */

static void
heartbeat_done(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct heartbeat_response r;
	if (member_take_reply(call, reply, &a, &r)) {
		if (r.error_code)
			member_handle_error(m, r.error_code, STR_NULL);
		else
			member_ok(m);
	}
	arena_release(&a);
}

void
member_classic_beat(struct member *m, int64_t now_ms)
{
	struct heartbeat_request q;
	struct conn *c = member_conn(m);
	if (!c)
		return;
	wire_defaults(&heartbeat_request_desc, &q);
	q.group_id = str_of(m->opts.group);
	q.generation_id = m->generation;
	q.member_id = str_of(m->member_id);
	q.group_instance_id = str_of(m->opts.instance);
	m->heartbeat_at_ms = now_ms + m->heartbeat_ms;
	member_send(m, &m->control, c, API_HEARTBEAT, INT16_MAX, &q,
		MIN(m->opts.request_timeout_ms, m->opts.session_timeout_ms / 2), heartbeat_done);
}

static void
check_partitions(struct member *m, int64_t now_ms)
{
	struct err ignored;
	if (!m->is_leader)
		return;
	if (now_ms >= m->refresh_at_ms) {
		m->refresh_at_ms = now_ms + m->opts.refresh_ms;
		cluster_refresh(m->cluster, &ignored);
	}
	if (count_parts(m) != m->nknown_part)
		m->wants_rejoin = true;
}

static void
work_in(struct member *m, int64_t now_ms)
{
	check_partitions(m, now_ms);
	if (m->stage != MEMBER_IN)
		return; /* lost while metadata was fetched */
	if (m->wants_rejoin && !m->is_cooperative)
		member_revoke_all(m);
	if (m->wants_rejoin && m->nrevoked == 0)
		join(m);
	else if (now_ms >= m->heartbeat_at_ms)
		member_classic_beat(m, now_ms);
}

void
member_classic_work(struct member *m, int64_t now_ms)
{
	switch (m->stage) {
	case MEMBER_OUT:
		if (!m->is_cooperative)
			member_revoke_all(m);
		if (m->nrevoked == 0)
			join(m);
		break;
	case MEMBER_SYNC_DUE:
		sync_group(m);
		break;
	case MEMBER_ASSIGNED:
		take_assignment(m, now_ms);
		break;
	case MEMBER_IN:
		work_in(m, now_ms);
		break;
	case MEMBER_JOINING:
	case MEMBER_SYNCING:
		break;
	}
}

int
member_classic_leave(struct member *m, struct conn *conn, int timeout_ms,
	call_done_fn *done)
{
	struct leave_group_request q;
	struct leave_group_request_member one;
	if (m->opts.instance)
		return -1; /* a static member is expected back */
	wire_defaults(&leave_group_request_desc, &q);
	wire_defaults(&leave_group_request_member_desc, &one);
	one.member_id = q.member_id = str_of(m->member_id);
	one.reason = STR("the consumer ends");
	q.group_id = str_of(m->opts.group);
	q.members.v = &one;
	q.members.n = 1;
	return member_send(m, &m->fetch, conn, API_LEAVE_GROUP, INT16_MAX, &q, timeout_ms, done);
}
