/* The group's committed offsets: fetching and committing them. */
#include "client/member_int.h"

#include "sys/clock.h"

enum {
	BY_NAME = 9,      /* last version that names topics; later ones use ids, which tell a
	                   * topic that was created again from the old one */
	FLAT_VERSION = 7, /* last version of OffsetFetch with only one group */
};

/* The highest version that is possible with what we know of our topics. */
static int
newest(const struct member *m)
{
	for (int i = 0; i < m->ntopic; i++)
		if (uuid_is_zero(&m->topic[i]->id))
			return BY_NAME;
	return INT16_MAX;
}

/* The name of a topic of a response. */
static struct str
name_of(const struct member *m, int version, struct str name, const struct uuid *id)
{
	for (int i = 0; version > BY_NAME && i < m->ntopic; i++)
		if (uuid_eq(&m->topic[i]->id, id))
			return str_of(m->topic[i]->name);
	return name;
}

/* ---- fetching ---- */

static void
take_offset(struct member *m, struct str topic, int32_t index, int64_t offset,
	struct str text, int16_t error)
{
	struct member_part *part = member_find(m, topic, index);
	if (!part || !part->is_asked || part->state != MEMBER_WAITING)
		return;
	part->is_asked = false;
	if (error) {
		struct err why;
		cluster_peer_err(&why, error, STR_NULL);
		if (error == KERR_UNKNOWN_TOPIC_ID) /* the metadata will show the reason */
			why.class = ERR_RETRY;
		m->offsets_at_ms = clock_mono_ms() + m->opts.retry_backoff_ms;
		if (why.class != ERR_RETRY)
			member_handle_error(m, error, STR_NULL);
		return;
	}
	part->committed = offset;
	mem_free(part->committed_text);
	part->committed_text = text.n > 0 ? mem_strndup(text) : NULL;
	part->state = MEMBER_GAINED;
}

static void
take_flat(struct member *m, const struct offset_fetch_response *r)
{
	for (int32_t i = 0; i < r->topics.n; i++)
		for (int32_t k = 0; k < r->topics.v[i].partitions.n; k++)
			take_offset(m, r->topics.v[i].name, r->topics.v[i].partitions.v[k].partition_index,
				r->topics.v[i].partitions.v[k].committed_offset,
				r->topics.v[i].partitions.v[k].metadata,
				r->topics.v[i].partitions.v[k].error_code);
}

static void
take_group(struct member *m, int version,
	const struct offset_fetch_response_group *group)
{
	for (int32_t i = 0; i < group->topics.n; i++)
		for (int32_t k = 0; k < group->topics.v[i].partitions.n; k++)
			take_offset(m, name_of(m, version, group->topics.v[i].name,
					&group->topics.v[i].topic_id),
				group->topics.v[i].partitions.v[k].partition_index,
				group->topics.v[i].partitions.v[k].committed_offset,
				group->topics.v[i].partitions.v[k].metadata,
				group->topics.v[i].partitions.v[k].error_code);
}

static void
offsets_fetched(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct offset_fetch_response r;
	m->offsets_at_ms = clock_mono_ms() + m->opts.retry_backoff_ms;
	if (member_take_reply(call, reply, &a, &r)) {
		bool is_flat = call->version <= FLAT_VERSION;
		int16_t code = is_flat ? r.error_code
			: r.groups.n > 0 ? r.groups.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR;
		if (code)
			member_handle_error(m, code, STR_NULL);
		else if (is_flat)
			take_flat(m, &r);
		else
			take_group(m, call->version, &r.groups.v[0]);
	}
	arena_release(&a);
}

static void
fetch_offsets(struct member *m)
{
	struct arena a = ARENA_INIT;
	struct offset_fetch_request q;
	struct offset_fetch_request_group group;
	struct conn *c = member_conn(m);
	if (!c)
		return;
	size_t n = (size_t)m->ntopic;
	wire_defaults(&offset_fetch_request_desc, &q);
	wire_defaults(&offset_fetch_request_group_desc, &group);
	q.topics.v = arena_alloc(&a, n * sizeof *q.topics.v);
	group.topics.v = arena_alloc(&a, n * sizeof *group.topics.v);
	q.topics.n = group.topics.n = 0;
	for (int i = 0; i < m->ntopic; i++) {
		int32_t count = 0, *v = arena_alloc(&a, ((size_t)m->npart + 1) * sizeof *v);
		for (int k = 0; k < m->npart; k++) {
			struct member_part *part = m->part[k];
			if (part->topic != m->topic[i] || part->state != MEMBER_WAITING)
				continue;
			part->is_asked = true;
			v[count++] = part->index;
		}
		if (count == 0)
			continue;
		int32_t at = q.topics.n++;
		q.topics.v[at].name = str_of(m->topic[i]->name);
		q.topics.v[at].partition_indexes.v = v;
		q.topics.v[at].partition_indexes.n = count;
		at = group.topics.n++;
		group.topics.v[at].name = str_of(m->topic[i]->name);
		group.topics.v[at].topic_id = m->topic[i]->id;
		group.topics.v[at].partition_indexes.v = v;
		group.topics.v[at].partition_indexes.n = count;
	}
	q.group_id = group.group_id = str_of(m->opts.group);
	if (m->protocol == MEMBER_CONSUMER) {
		group.member_id = str_of(m->member_id);
		group.member_epoch = m->generation;
	}
	q.groups.v = &group;
	q.groups.n = 1;
	q.require_stable = true;
	member_send(m, &m->fetch, c, API_OFFSET_FETCH, newest(m), &q,
		m->opts.request_timeout_ms, offsets_fetched);
	arena_release(&a);
}

/* ---- committing ---- */

static bool
must_commit(const struct member_part *part)
{
	return (part->state == MEMBER_HELD || part->state == MEMBER_REVOKED) && member_is_current(part)
		&& part->position >= 0
		&& (part->position != part->committed || part->text_number != part->text_stored);
}

/* Take the result of one partition.  Returns an error code to be handled, or 0. */
static int16_t
take_committed(struct member *m, struct str topic, int32_t index, int16_t error)
{
	struct member_part *part = member_find(m, topic, index);
	if (!part || part->sent < 0)
		return 0;
	int64_t sent = part->sent;
	part->sent = -1;
	switch (error) {
	case 0:
	case KERR_UNKNOWN_TOPIC_OR_PARTITION: /* deleted: there is nothing to commit */
	case KERR_UNKNOWN_TOPIC_ID:
		part->committed = sent;
		part->text_stored = part->text_sent;
		return 0;
	}
	return error;
}

/* The commit was refused.  If a rebalance happened since it was sent, ignore that. */
static void
commit_refused(struct member *m, int16_t code)
{
	m->commit_at_ms = clock_mono_ms() + m->opts.retry_backoff_ms;
	bool is_old = m->stage != MEMBER_IN || m->generation != m->commit_generation;
	switch (code) {
	case KERR_ILLEGAL_GENERATION:
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_FENCED_MEMBER_EPOCH:
		if (!is_old)
			member_handle_error(m, code, STR_NULL);
		return;
	case KERR_STALE_MEMBER_EPOCH: /* the next heartbeat returns the new one */
		member_heartbeat_now(m);
		return;
	}
	member_handle_error(m, code, STR_NULL);
}

static void
offsets_committed(struct call *call, const struct reply *reply)
{
	struct member *m = CONTAINER_OF(call, struct member_call, call)->member;
	struct arena a = { .size_max = MEMBER_ARENA_MAX };
	struct offset_commit_response r;
	m->commit_at_ms = 0;
	if (member_take_reply(call, reply, &a, &r)) {
		int16_t code = 0;
		for (int32_t i = 0; i < r.topics.n; i++)
			for (int32_t k = 0; k < r.topics.v[i].partitions.n; k++) {
				int16_t got = take_committed(m, name_of(m, call->version,
						r.topics.v[i].name, &r.topics.v[i].topic_id),
					r.topics.v[i].partitions.v[k].partition_index,
					r.topics.v[i].partitions.v[k].error_code);
				code = code ? code : got;
			}
		if (code)
			commit_refused(m, code);
		m->wants_commit |= code != 0;
	} else {
		m->commit_at_ms = clock_mono_ms() + m->opts.retry_backoff_ms;
		m->wants_commit = true;
	}
	arena_release(&a);
}

static void
fill_topic(struct member *m, struct cluster_topic *t, struct offset_commit_request *q,
	struct arena *a)
{
	struct offset_commit_request_partition *v
		= arena_alloc(a, ((size_t)m->npart + 1) * sizeof *v);
	int32_t n = 0;
	for (int k = 0; k < m->npart; k++) {
		struct member_part *part = m->part[k];
		if (part->topic != t || !must_commit(part))
			continue;
		wire_defaults(&offset_commit_request_partition_desc, &v[n]);
		v[n].partition_index = part->index;
		v[n].committed_offset = part->sent = part->position;
		part->text_sent = part->text_number;
		v[n].committed_leader_epoch = part->position_epoch;
		v[n++].committed_metadata = str_of(part->position_text ? part->position_text : "");
	}
	if (n == 0)
		return;
	int32_t at = q->topics.n++;
	q->topics.v[at].name = str_of(t->name);
	q->topics.v[at].topic_id = t->id;
	q->topics.v[at].partitions.v = v;
	q->topics.v[at].partitions.n = n;
}

static void
commit_offsets(struct member *m)
{
	struct arena a = ARENA_INIT;
	struct offset_commit_request q;
	struct err e;
	wire_defaults(&offset_commit_request_desc, &q);
	q.group_id = str_of(m->opts.group);
	q.generation_id_or_member_epoch = m->commit_generation = m->generation;
	q.member_id = str_of(m->member_id);
	q.group_instance_id = str_of(m->opts.instance);
	q.topics.v = arena_alloc(&a, (size_t)m->ntopic * sizeof *q.topics.v);
	q.topics.n = 0;
	for (int i = 0; i < m->ntopic; i++)
		fill_topic(m, m->topic[i], &q, &a);
	m->wants_commit = q.topics.n > 0;
	/* A JoinGroup under way would block the second connection. */
	struct conn *c = !m->wants_commit ? NULL
		: m->stage == MEMBER_JOINING ? cluster_conn(m->cluster, m->coordinator, &e)
		: member_conn(m);
	if (c && member_send(m, &m->commit, c, API_OFFSET_COMMIT, newest(m), &q,
		m->opts.request_timeout_ms, offsets_committed) >= 0)
		m->wants_commit = false; /* unless the response or the owner sets it again */
	m->commit_at_ms = clock_mono_ms() + m->opts.retry_backoff_ms;
	arena_release(&a);
}

void
member_offsets_work(struct member *m, int64_t now_ms)
{
	bool is_waiting = false;
	for (int i = 0; i < m->npart; i++)
		is_waiting |= m->part[i]->state == MEMBER_WAITING;
	if (is_waiting && !m->fetch.is_busy && !m->is_leaving && now_ms >= m->offsets_at_ms)
		fetch_offsets(m);
	if (m->wants_commit && !m->commit.is_busy && m->stage != MEMBER_OUT
		&& m->coordinator >= 0 && now_ms >= m->commit_at_ms)
		commit_offsets(m);
}
