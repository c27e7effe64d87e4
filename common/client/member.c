#include "client/member_int.h"

#include "client/cluster_int.h"
#include "sys/clock.h"

enum {
	SESSION_TIMEOUT_MS = 45000,
	REBALANCE_TIMEOUT_MS = 60000,
	HEARTBEAT_MS = 3000,
	REQUEST_TIMEOUT_MS = 30000,
	RETRY_BACKOFF_MS = 100,
	RETRY_TIMEOUT_MS = 300000,
	REFRESH_MS = 60000,
	WAIT_MAX_MS = 5000,  /* the longest that member_timeout returns */
};

void
member_opts_init(struct member_opts *o)
{
	*o = (struct member_opts){
		.session_timeout_ms = SESSION_TIMEOUT_MS,
		.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS,
		.heartbeat_ms = HEARTBEAT_MS,
		.request_timeout_ms = REQUEST_TIMEOUT_MS,
		.retry_backoff_ms = RETRY_BACKOFF_MS,
		.retry_timeout_ms = RETRY_TIMEOUT_MS,
		.refresh_ms = REFRESH_MS,
	};
}

/* Parse the list of assignors: those that we offer, and the one that the broker is to use. */
static int
choose_assignors(struct member *m, struct err *e)
{
	if (!m->opts.assignors) {
		for (int i = 0; i < assign_kinds_n; i++)
			m->offered[m->noffered++] = &assign_kinds[i];
		return 0;
	}
	m->is_cooperative = true;
	for (const char *p = m->opts.assignors; *p;) {
		size_t n = strcspn(p, ",");
		struct str name = { (const uint8_t *)p, (int32_t)n };
		const struct assign_kind *as = assign_find(name);
		bool is_servers = str_eq(name, STR("range")) || str_eq(name, STR("uniform"));
		if (!as && !is_servers)
			return err_set(e, ERR_USAGE, "there is no assignor '%.*s': use range, roundrobin, "
				"sticky, cooperative-sticky or uniform", STR_ARG(name));
		if (as && m->noffered < (int)ARRAY_LEN(m->offered)) {
			m->offered[m->noffered++] = as;
			m->is_cooperative = m->is_cooperative && as->is_cooperative;
		}
		if (is_servers && !m->server_assignor)
			m->server_assignor = mem_strndup(name);
		p += n + (p[n] == ',');
	}
	if (m->noffered == 0 && m->opts.protocol == MEMBER_CLASSIC)
		return err_set(e, ERR_USAGE, "the classic protocol has no assignor '%s'",
			m->opts.assignors);
	if (!m->server_assignor && m->opts.protocol == MEMBER_CONSUMER)
		return err_set(e, ERR_USAGE, "the consumer protocol has no assignor '%s'",
			m->opts.assignors);
	if (m->opts.protocol == MEMBER_AUTO && !m->server_assignor)
		m->protocol = MEMBER_CLASSIC;
	return 0;
}

static void
call_begin(struct member *m, struct member_call *call)
{
	call_init(&call->call);
	call->member = m;
}

int
member_init(struct member *m, struct cluster *cl, const struct member_opts *o,
	struct cluster_topic **topic, int ntopic, struct err *e)
{
	assert(ntopic > 0);
	*m = (struct member){ .cluster = cl, .opts = *o, .protocol = o->protocol,
		.coordinator = -1, .generation = -1, .last_generation = -1 };
	if (choose_assignors(m, e) < 0) {
		mem_free(m->server_assignor);
		return -1;
	}
	call_begin(m, &m->control);
	call_begin(m, &m->fetch);
	call_begin(m, &m->commit);
	m->topic = mem_alloc((size_t)ntopic * sizeof(void *));
	for (int i = 0; i < ntopic; i++) {
		int k = 0;
		while (k < m->ntopic && m->topic[k] != topic[i])
			k++;
		if (k == m->ntopic)
			m->topic[m->ntopic++] = topic[i];
	}
	m->member_id = mem_strdup("");
	m->heartbeat_ms = o->heartbeat_ms;
	return 0;
}

static void
part_free(struct member_part *part)
{
	mem_free(part->committed_text);
	mem_free(part->position_text);
	mem_free(part);
}

void
member_release(struct member *m)
{
	assert(!m->control.is_busy && !m->fetch.is_busy && !m->commit.is_busy);
	for (int i = 0; i < m->npart; i++)
		part_free(m->part[i]);
	call_release(&m->control.call);
	call_release(&m->fetch.call);
	call_release(&m->commit.call);
	buf_release(&m->joined);
	mem_free(m->part);
	mem_free(m->topic);
	mem_free(m->member_id);
	mem_free(m->server_assignor);
	mem_free(m->predecessor);
	mem_free(m->last);
	mem_free(m->goal);
}

/* ---- failures ---- */

void
member_ok(struct member *m)
{
	m->failing_since_ms = 0;
	cluster_say_accepted(m->cluster, &m->refusal);
}

void
member_failed(struct member *m, const struct err *why)
{
	int64_t now = clock_mono_ms();
	m->retry_at_ms = now + m->opts.retry_backoff_ms;
	if (!m->failing_since_ms)
		m->failing_since_ms = now;
	struct err e = *why;
	err_wrap(&e, "group '%s'", m->opts.group);
	if (why->class == ERR_RETRY && why->kafka)
		cluster_say_refused(m->cluster, &m->refusal, &e);
	if (m->is_failed || (why->class == ERR_RETRY
		&& now - m->failing_since_ms < m->opts.retry_timeout_ms))
		return;
	m->is_failed = true;
	m->err = e;
}

static void
set_state(struct member *m, struct member_part *part, enum member_part_state state)
{
	m->nrevoked += (state == MEMBER_REVOKED) - (part->state == MEMBER_REVOKED);
	m->nlost += (state == MEMBER_LOST) - (part->state == MEMBER_LOST);
	part->state = state;
}

static void
remove_part(struct member *m, int i)
{
	set_state(m, m->part[i], MEMBER_WAITING); /* corrects the counts */
	part_free(m->part[i]);
	m->part[i] = m->part[--m->npart];
}

/* Fetch the partition's committed offset, as if it had just been assigned. */
static void
await_offset(struct member *m, struct member_part *part)
{
	set_state(m, part, MEMBER_WAITING);
	part->generation = part->topic->generation;
	part->committed = part->position = part->sent = -1;
	part->position_epoch = -1;
	member_annotate(part, STR_NULL);
	part->text_stored = part->text_number;
	part->is_asked = part->is_in_use = false;
	part->owner = NULL;
}

/* Is it the owner's until member_give_back? */
static bool
is_owned(const struct member_part *part)
{
	return part->state == MEMBER_HELD || (part->state == MEMBER_GAINED && part->is_in_use);
}

/* The partition's topic was created again.  Classic assignments name topics, so the new
 * topic's partition is ours, too: fetch its committed offset.  In a consumer group the
 * broker sends an assignment of the new topic.  Returns false if there is nothing to
 * keep. */
static bool
regain(struct member *m, struct member_part *part)
{
	if (m->protocol != MEMBER_CLASSIC || m->stage != MEMBER_IN || part->index >= part->topic->npart)
		return false;
	await_offset(m, part);
	return true;
}

/* Take partitions away.  Those that the owner has neither accepted nor in use are removed. */
static void
take_away(struct member *m, enum member_part_state as, bool all)
{
	for (int i = m->npart - 1; i >= 0; i--) {
		struct member_part *part = m->part[i];
		if (!all && part->is_target)
			continue;
		if (is_owned(part) || (part->state == MEMBER_REVOKED && as == MEMBER_LOST))
			set_state(m, part, as);
		else if (part->state == MEMBER_WAITING || part->state == MEMBER_GAINED)
			remove_part(m, i);
	}
}

/* Take away the partitions of topics that were deleted and created again: offsets and
 * records read are those of the old topic. */
static void
lose_old_topics(struct member *m)
{
	for (int i = m->npart - 1; i >= 0; i--) {
		struct member_part *part = m->part[i];
		if (member_is_current(part) || part->state == MEMBER_LOST)
			continue;
		if (is_owned(part) || part->state == MEMBER_REVOKED)
			set_state(m, part, MEMBER_LOST);
		else if (!regain(m, part))
			remove_part(m, i);
	}
}

/* We are no longer in the group: partitions are LOST, or dropped if not yet read. */
static void
lose_all(struct member *m)
{
	take_away(m, MEMBER_LOST, true);
	m->stage = MEMBER_OUT;
	m->generation = m->protocol == MEMBER_CONSUMER ? 0 : -1;
	m->wants_rejoin = m->has_goal = m->must_report = false;
}

void
member_handle_error(struct member *m, int16_t code, struct str msg)
{
	struct err why;
	cluster_peer_err(&why, code, msg);
	switch (code) {
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_ILLEGAL_GENERATION:
	case KERR_FENCED_MEMBER_EPOCH:
		lose_all(m);
		if (code == KERR_UNKNOWN_MEMBER_ID && m->protocol == MEMBER_CLASSIC) {
			mem_free(m->member_id);
			m->member_id = mem_strdup("");
		}
		return;
	case KERR_REBALANCE_IN_PROGRESS:
		m->wants_rejoin = true;
		return;
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		m->coordinator = -1;
		break;
	case KERR_UNRELEASED_INSTANCE_ID: /* until it is taken over */
	case KERR_STALE_MEMBER_EPOCH:
		why.class = ERR_RETRY;
		break;
	case KERR_INCONSISTENT_GROUP_PROTOCOL:
		err_set(&why, ERR_PEER, "its members have no assignor in common with this one (%s)",
			kerr_info(code)->name);
		break;
	case KERR_FENCED_INSTANCE_ID:
		err_set(&why, ERR_PEER, "another process has taken the place of instance '%s'; each "
			"process needs an instance ID of its own", m->opts.instance ? m->opts.instance : "");
		break;
	}
	why.kafka = code;
	member_failed(m, &why);
}

/* ---- requests ---- */

struct conn *
member_conn(struct member *m)
{
	struct err e;
	struct conn *c = cluster_conn_second(m->cluster, m->coordinator, &e);
	if (c)
		return c;
	m->coordinator = -1;
	e.class = ERR_RETRY;
	member_failed(m, &e);
	return NULL;
}

int
member_send(struct member *m, struct member_call *call, struct conn *conn,
	int16_t key, int upto, const void *req, int timeout_ms, call_done_fn *done)
{
	const struct wire_api *api = wire_api_find(key);
	struct err e;
	assert(!call->is_busy);
	int version = conn_version(conn, api, upto, &e);
	if (version < 0) {
		member_failed(m, &e);
		return -1;
	}
	call->is_busy = true;
	conn_send(conn, &call->call, api, version, req, timeout_ms, done);
	conn_flush(conn);
	return version;
}

bool
member_take_reply(struct call *call, const struct reply *reply, struct arena *a,
	void *msg)
{
	struct member_call *mine = CONTAINER_OF(call, struct member_call, call);
	struct member *m = mine->member;
	struct err why;
	mine->is_busy = false;
	if (reply->body) {
		wire_defaults(call->api->response, msg);
		if (call_decode(call, reply->body, reply->n, a, msg, &why) == 0)
			return true;
	} else {
		why = *reply->err;
		m->coordinator = -1; /* it may have moved */
	}
	why.class = ERR_RETRY;
	m->must_report_all = true;
	member_failed(m, &why);
	return false;
}

static void
found(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct find_coordinator_response r;
	if (member_take_reply(call, reply, &a, &r)) {
		int16_t code = r.error_code;
		int32_t node = r.node_id;
		struct str msg = r.error_message;
		if (call->version >= 4) {
			bool has = r.coordinators.n > 0;
			code = has ? r.coordinators.v[0].error_code : KERR_COORDINATOR_NOT_AVAILABLE;
			node = has ? r.coordinators.v[0].node_id : -1;
			msg = has ? r.coordinators.v[0].error_message : STR_NULL;
		}
		if (code) {
			member_handle_error(m, code, msg);
		} else {
			m->coordinator = node;
			m->retry_at_ms = 0;
		}
	}
	arena_release(&a);
}

static void
find_coordinator(struct member *m)
{
	struct find_coordinator_request q;
	struct str key = str_of(m->opts.group);
	struct err e;
	struct conn *c = cluster_conn_for(m->cluster, CLUSTER_ANY, &e);
	if (!c) {
		e.class = ERR_RETRY;
		member_failed(m, &e);
		return;
	}
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key = key;
	q.coordinator_keys.v = &key;
	q.coordinator_keys.n = 1;
	member_send(m, &m->control, c, API_FIND_COORDINATOR, INT16_MAX, &q,
		m->opts.request_timeout_ms, found);
}

/* Choose the protocol by the API versions of the coordinator. */
static bool
choose_protocol(struct member *m)
{
	if (m->protocol != MEMBER_AUTO)
		return true;
	struct conn *c = member_conn(m);
	struct err e;
	if (!c)
		return false;
	bool knows = conn_version(c, wire_api_find(API_CONSUMER_GROUP_HEARTBEAT), INT16_MAX, &e) >= 0;
	m->protocol = knows ? MEMBER_CONSUMER : MEMBER_CLASSIC;
	return true;
}

/* The coordinator may be missing from the metadata: refresh once. */
static bool
knows_coordinator(struct member *m)
{
	struct err e;
	if (m->coordinator < 0)
		return false;
	if (cluster_node(m->cluster, m->coordinator))
		return true;
	if (cluster_refresh(m->cluster, &e) == 0 && cluster_node(m->cluster, m->coordinator))
		return true;
	err_set(&e, ERR_RETRY, "the coordinator, node %d, is not known", m->coordinator);
	m->coordinator = -1;
	member_failed(m, &e);
	return false;
}

static void
work(struct member *m)
{
	int64_t now = clock_mono_ms();
	lose_old_topics(m);
	if (m->coordinator < 0) {
		if (!m->control.is_busy && now >= m->retry_at_ms)
			find_coordinator(m);
		return;
	}
	if (!knows_coordinator(m))
		return;
	if (!m->control.is_busy && !m->is_leaving && now >= m->retry_at_ms
		&& m->nlost == 0 && choose_protocol(m)) {
		if (m->protocol == MEMBER_CLASSIC)
			member_classic_work(m, now);
		else
			member_consumer_work(m, now);
	}
	if (!m->is_failed && m->coordinator >= 0)
		member_offsets_work(m, now);
}

void
member_work(struct member *m)
{
	if (m->is_failed)
		return;
	m->is_at_work = true;
	work(m);
	m->is_at_work = false;
}

void
member_beat(struct member *m)
{
	int64_t now = clock_mono_ms();
	if (m->is_at_work || m->is_failed || m->stage != MEMBER_IN || m->coordinator < 0
		|| m->control.is_busy || m->is_leaving || m->nlost > 0
		|| now < MAX(m->heartbeat_at_ms, m->retry_at_ms)
		|| !cluster_node(m->cluster, m->coordinator))
		return;
	if (m->protocol == MEMBER_CLASSIC)
		member_classic_beat(m, now);
	else
		member_consumer_beat(m, now);
}

int
member_timeout(const struct member *m)
{
	int64_t now = clock_mono_ms(), at = now + WAIT_MAX_MS;
	if (!m->control.is_busy) {
		bool rests = m->stage == MEMBER_IN && m->coordinator >= 0 && !m->must_report
			&& !m->has_goal && !(m->wants_rejoin && m->nrevoked == 0);
		at = MIN(at, MAX(m->retry_at_ms, rests ? m->heartbeat_at_ms : 0));
	}
	if (m->coordinator < 0) /* offsets need it, too */
		return (int)MAX(at - now, 0);
	if (m->wants_commit && !m->commit.is_busy && m->stage != MEMBER_OUT)
		at = MIN(at, m->commit_at_ms);
	for (int i = 0; i < m->npart && !m->fetch.is_busy && !m->is_leaving; i++)
		if (m->part[i]->state == MEMBER_WAITING)
			at = MIN(at, m->offsets_at_ms);
	return (int)MAX(at - now, 0);
}

void
member_heartbeat_now(struct member *m)
{
	m->heartbeat_at_ms = 0;
}

/* ---- partitions ---- */

struct member_part *
member_find(struct member *m, struct str topic, int32_t index)
{
	for (int i = 0; i < m->npart; i++)
		if (m->part[i]->index == index && str_eq(str_of(m->part[i]->topic->name), topic))
			return m->part[i];
	return NULL;
}

void
member_target_begin(struct member *m)
{
	for (int i = 0; i < m->npart; i++)
		m->part[i]->is_target = false;
}

bool
member_target_add(struct member *m, struct cluster_topic *t, int32_t index)
{
	if (index < 0 || index >= t->npart)
		return false;
	struct member_part *part = member_find(m, str_of(t->name), index);
	if (part) {
		part->is_target = part->state != MEMBER_REVOKED && part->state != MEMBER_LOST
			&& member_is_current(part);
		return part->is_target;
	}
	if (m->npart == m->part_cap) {
		m->part_cap = MAX(2 * m->part_cap, 16);
		m->part = mem_realloc(m->part, (size_t)m->part_cap * sizeof(void *));
	}
	part = m->part[m->npart++] = NEW(struct member_part);
	part->topic = t;
	part->index = index;
	part->generation = t->generation;
	part->committed = part->position = part->sent = -1;
	part->position_epoch = -1;
	part->is_target = true;
	return true;
}

void
member_target_end(struct member *m)
{
	take_away(m, MEMBER_REVOKED, false);
}

void
member_revoke_all(struct member *m)
{
	take_away(m, MEMBER_REVOKED, true);
}

struct member_part *
member_next(struct member *m)
{
	for (int i = 0; i < m->npart; i++)
		if (m->part[i]->state == MEMBER_REVOKED || m->part[i]->state == MEMBER_LOST)
			return m->part[i];
	for (int i = 0; i < m->npart; i++)
		if (m->part[i]->state == MEMBER_GAINED)
			return m->part[i];
	return NULL;
}

void
member_accept(struct member *m, struct member_part *part, int64_t offset)
{
	assert(part->state == MEMBER_GAINED);
	set_state(m, part, MEMBER_HELD);
	part->position = offset;
}

void
member_ask_again(struct member *m, struct member_part *part)
{
	assert(part->state == MEMBER_HELD);
	await_offset(m, part);
}

void
member_annotate(struct member_part *part, struct str text)
{
	if (str_eq(str_of(part->position_text), text.n > 0 ? text : STR_NULL))
		return;
	mem_free(part->position_text);
	part->position_text = text.n > 0 ? mem_strndup(text) : NULL;
	part->text_number++;
}

void
member_give_back(struct member *m, struct member_part *part)
{
	assert(part->state == MEMBER_REVOKED || part->state == MEMBER_LOST);
	int i = 0;
	while (m->part[i] != part)
		i++;
	if (member_is_current(part) || part->state == MEMBER_REVOKED || !regain(m, part))
		remove_part(m, i);
	if (m->nrevoked == 0)
		m->must_report = m->protocol == MEMBER_CONSUMER;
}

bool
member_is_stable(const struct member *m)
{
	if (m->stage != MEMBER_IN || m->wants_rejoin || m->has_goal || m->must_report)
		return false;
	for (int i = 0; i < m->npart; i++)
		if (m->part[i]->state != MEMBER_HELD)
			return false;
	return true;
}

/* ---- waiting ---- */

void
member_commit(struct member *m)
{
	m->wants_commit = true;
}

static void
serve(struct member *m, int64_t until_ms)
{
	int64_t left_ms = MIN(until_ms - clock_mono_ms(), member_timeout(m));
	cluster_wait(m->cluster, -1, 0, (int)MAX(left_ms, 0));
}

bool
member_flush(struct member *m, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	for (;;) {
		member_work(m);
		if (m->is_failed || m->nlost > 0 || m->stage == MEMBER_OUT)
			return !m->wants_commit;
		if (!m->wants_commit && !m->commit.is_busy)
			return true;
		if (clock_mono_ms() >= until)
			return false;
		serve(m, until);
	}
}

static void
left(struct call *call, const struct reply *reply)
{
	(void)reply; /* leave in any case */
	CONTAINER_OF(call, struct member_call, call)->is_busy = false;
}

void
member_leave(struct member *m, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	struct err e;
	m->is_leaving = true;
	if (m->is_failed || m->coordinator < 0 || m->protocol == MEMBER_AUTO || !*m->member_id
		|| (m->stage == MEMBER_OUT && m->protocol == MEMBER_CONSUMER))
		return;
	while (m->fetch.is_busy && clock_mono_ms() < until)
		serve(m, until);
	/* A JoinGroup under way would block the second connection. */
	struct conn *c = m->stage == MEMBER_JOINING && m->control.is_busy
		? cluster_conn(m->cluster, m->coordinator, &e)
		: cluster_conn_second(m->cluster, m->coordinator, &e);
	if (!c || m->fetch.is_busy)
		return;
	int wait_ms = (int)MAX(until - clock_mono_ms(), 1);
	int rc = m->protocol == MEMBER_CLASSIC ? member_classic_leave(m, c, wait_ms, left)
		: member_consumer_leave(m, c, wait_ms, left);
	while (rc >= 0 && m->fetch.is_busy && clock_mono_ms() < until)
		serve(m, until);
}
