/* OffsetCommit, TxnOffsetCommit, OffsetDelete. */
#include "group/group.h"

#include "base/utf8.h"

/* Is there such a partition?  Only what exists is kept, so that nobody fills
 * the memory with offsets of topics made up.  What does not exist is reported
 * before the group's error, as in Kafka. */
static int16_t
check_partition(const struct groups *g, const struct coord_topic *t, int16_t topic_error,
	int16_t group_error, int32_t partition, struct str metadata, bool is_kept)
{
	if (topic_error)
		return topic_error;
	if (partition < 0 || partition >= t->npartition)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (group_error)
		return group_error;
	if (utf8_utf16_length(metadata) > g->config.offset_metadata_max
		|| (metadata.n > 0 && group_is_full(g)))
		return KERR_OFFSET_METADATA_TOO_LARGE;
	return !is_kept && group_is_overfull(g) ? KERR_COORDINATOR_NOT_AVAILABLE : 0;
}

/* Who asks, as both kinds of commit tell it. */
struct committer {
	struct str group_id, member_id, instance_id;
	int32_t epoch; /* generation or member epoch */
	bool is_transactional;
	int16_t api_version;
};

static int16_t
check_classic(const struct group *gr, const struct committer *w)
{
	const struct classic *c = &gr->classic;
	if (w->epoch < 0 && c->state == CLASSIC_EMPTY)
		return 0;
	if (w->epoch >= 0 || w->member_id.n > 0 || w->instance_id.n >= 0) {
		int16_t error = classic_check_member(gr, w->member_id, w->instance_id);
		if (error)
			return error;
		if (w->epoch != c->generation)
			return KERR_ILLEGAL_GENERATION;
	} else if (!w->is_transactional && c->state != CLASSIC_EMPTY) {
		return KERR_UNKNOWN_MEMBER_ID;
	}
	return !w->is_transactional && c->state == CLASSIC_COMPLETING
		? KERR_REBALANCE_IN_PROGRESS : 0;
}

/* Does this version know the errors GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH? */
static bool
has_new_errors(const struct committer *w)
{
	return w->api_version >= (w->is_transactional ? 6 : 9);
}

static int16_t
check_committer(const struct groups *g, const struct group *gr, const struct committer *w)
{
	if (!gr && w->epoch >= 0)
		return has_new_errors(w) ? KERR_GROUP_ID_NOT_FOUND : KERR_ILLEGAL_GENERATION;
	if (!gr)
		return g->by_id.n >= (uint32_t)g->config.ngroup_max || group_is_full(g)
			? KERR_COORDINATOR_NOT_AVAILABLE : 0;
	if (gr->kind == GROUP_CLASSIC)
		return check_classic(gr, w);
	int16_t error = consumer_check_commit(gr, w->member_id, w->instance_id, w->epoch,
		w->is_transactional, w->api_version);
	return error == KERR_STALE_MEMBER_EPOCH && w->is_transactional && !has_new_errors(w)
		? KERR_ILLEGAL_GENERATION : error;
}

/* An offset on its way: where its answer is, and what was asked. */
struct commit {
	struct str topic;
	struct committed value;
	int16_t *error;
};

struct commits {
	struct commit *v;
	int32_t n;
};

/* Write them all, and keep them; each hears of a refusal. */
static void
write_all(struct groups *g, const struct committer *w, const struct commits *c,
	const struct coord_producer *producer, struct coord_now now)
{
	struct records r = RECORDS_INIT(g);
	if (c->n == 0)
		return;
	for (int32_t i = 0; i < c->n; i++)
		records_offset(&r, w->group_id, c->v[i].topic, &c->v[i].value);
	int16_t error = records_append(&r, coord_partition_of(w->group_id, g->config.npartition),
		producer, now.wall_ms);
	if (error) {
		for (int32_t i = 0; i < c->n; i++)
			*c->v[i].error = error;
		return;
	}
	struct group *gr = group_make(g, w->group_id);
	assert(gr);
	for (int32_t i = 0; i < c->n; i++) {
		if (producer)
			offsets_set_pending(g, gr, c->v[i].topic, &c->v[i].value, producer);
		else
			offsets_set(g, gr, c->v[i].topic, &c->v[i].value);
	}
}

/* Look up the topic, by the id where the version has ids: *name is set then.
 * Returns the error when there is none. */
static int16_t
find_topic(struct groups *g, struct coord_call *call, bool by_id, const struct uuid *id,
	struct str *name, struct coord_topic *t)
{
	struct str found = STR_NULL;
	if (!by_id)
		return g->env->topic(g->env, *name, NULL, t, NULL) ? 0
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
	*name = STR("");
	if (!g->env->topic(g->env, STR_NULL, id, t, &found))
		return KERR_UNKNOWN_TOPIC_ID;
	*name = arena_str(call->arena, found);
	return 0;
}

/* ---- OffsetCommit ---- */

static void
stage_topic(struct groups *g, const struct group *gr, struct coord_call *call,
	const struct offset_commit_request_topic *q,
	struct offset_commit_response_topic *a, int16_t error,
	int64_t expire_wall_ms, struct commits *c, struct coord_now now)
{
	struct coord_topic t = { 0 };
	bool by_id = call->api_version >= 10;
	a->name = q->name;
	a->topic_id = q->topic_id;
	int16_t topic_error = find_topic(g, call, by_id, &q->topic_id, &a->name, &t);
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct offset_commit_request_partition *p =
			&q->partitions.v[i];
		int16_t *to = &a->partitions.v[i].error_code;
		a->partitions.v[i].partition_index = p->partition_index;
		*to = check_partition(g, &t, topic_error, error,
			p->partition_index, p->committed_metadata,
			gr && offsets_find(gr, a->name, p->partition_index));
		if (*to)
			continue;
		c->v[c->n++] = (struct commit){ a->name, {
			.offset = p->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = expire_wall_ms,
			.metadata = p->committed_metadata.n < 0 ? STR("") : p->committed_metadata,
			.partition = p->partition_index, .leader_epoch = p->committed_leader_epoch,
		}, to };
	}
}

void
offsets_commit(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct offset_commit_request *q = call->body;
	struct committer w = { q->group_id, q->member_id, q->group_instance_id,
		q->generation_id_or_member_epoch, false, call->api_version };
	struct group *gr = group_find(g, q->group_id);
	struct offset_commit_response a = { 0 };
	int16_t error = check_committer(g, gr, &w);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (!error && gr && gr->kind == GROUP_CLASSIC) {
		struct classic_member *m = classic_find(gr, q->member_id);
		if (m)
			classic_alive(g, m, now);
	}
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits c = { arena_alloc(&g->scratch, (size_t)(n + 1) * sizeof *c.v), 0 };
	/* Overflow would make what is to stay for ever expire at once. */
	int64_t expire = q->retention_time_ms < 0 ? -1
		: now.wall_ms + MIN(q->retention_time_ms, INT64_MAX / 2);
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_topic(g, gr, call, &q->topics.v[i], &a.topics.v[i], error, expire, &c, now);
	write_all(g, &w, &c, NULL, now);
	g->env->respond(g->env, call, &a);
}

/* ---- TxnOffsetCommit ---- */

static void
stage_txn_topic(struct groups *g, struct coord_call *call,
	const struct txn_offset_commit_request_topic *q,
	struct txn_offset_commit_response_topic *a, int16_t error,
	struct commits *c, struct coord_now now)
{
	struct coord_topic t = { 0 };
	bool by_id = call->api_version >= 6;
	a->name = q->name;
	a->topic_id = q->topic_id;
	int16_t topic_error = find_topic(g, call, by_id, &q->topic_id, &a->name, &t);
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct txn_offset_commit_request_partition *p =
			&q->partitions.v[i];
		int16_t *to = &a->partitions.v[i].error_code;
		a->partitions.v[i].partition_index = p->partition_index;
		*to = check_partition(g, &t, topic_error, error, p->partition_index,
			p->committed_metadata, false);
		if (*to)
			continue;
		c->v[c->n++] = (struct commit){ a->name, {
			.offset = p->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = -1,
			.metadata = p->committed_metadata.n < 0 ? STR("") : p->committed_metadata,
			.partition = p->partition_index, .leader_epoch = p->committed_leader_epoch,
		}, to };
	}
}

void
offsets_txn_commit(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct txn_offset_commit_request *q = call->body;
	struct committer w = { q->group_id, q->member_id, q->group_instance_id,
		q->generation_id_or_member_epoch, true, call->api_version };
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct txn_offset_commit_response a = { 0 };
	int16_t error = q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: check_committer(g, group_find(g, q->group_id), &w);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits c = { arena_alloc(&g->scratch, (size_t)(n + 1) * sizeof *c.v), 0 };
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_txn_topic(g, call, &q->topics.v[i], &a.topics.v[i], error, &c, now);
	write_all(g, &w, &c, &producer, now);
	g->env->respond(g->env, call, &a);
}

/* ---- OffsetDelete ---- */

static int16_t
check_delete(const struct group *gr, struct str group_id)
{
	if (group_id.n == 0)
		return KERR_INVALID_GROUP_ID;
	if (!gr)
		return KERR_GROUP_ID_NOT_FOUND;
	/* We see what consumers subscribe to; of others we can't know. */
	if (gr->kind == GROUP_CLASSIC && gr->classic.state != CLASSIC_EMPTY
			&& !str_eq(gr->classic.protocol_type, STR("consumer")))
		return KERR_NON_EMPTY_GROUP;
	return 0;
}

static void
stage_delete(struct groups *g, struct group *gr, struct coord_call *call,
	const struct offset_delete_request_topic *q,
	struct offset_delete_response_topic *a, struct records *r)
{
	bool is_read = group_is_subscribed(gr, q->name);
	struct coord_topic t = { 0 };
	g->env->topic(g->env, q->name, NULL, &t, NULL);
	a->name = q->name;
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		int32_t p = q->partitions.v[i].partition_index;
		a->partitions.v[i].partition_index = p;
		if (p < 0 || p >= t.npartition)
			a->partitions.v[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else if (is_read)
			a->partitions.v[i].error_code = KERR_GROUP_SUBSCRIBED_TO_TOPIC;
		else if (offsets_find(gr, q->name, p) || offsets_is_pending(gr, q->name, p))
			records_offset_tombstone(r, gr->id, q->name, p);
	}
}

void
offsets_delete(struct groups *g, struct coord_call *call, struct coord_now now)
{
	const struct offset_delete_request *q = call->body;
	struct group *gr = group_find(g, q->group_id);
	struct offset_delete_response a = { .error_code = check_delete(gr, q->group_id) };
	struct records r = RECORDS_INIT(g);
	call->partition = coord_partition_of(q->group_id, g->config.npartition);
	if (a.error_code) {
		g->env->respond(g->env, call, &a);
		return;
	}
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_delete(g, gr, call, &q->topics.v[i], &a.topics.v[i], &r);
	a.error_code = records_append(&r, gr->partition, NULL, now.wall_ms);
	if (a.error_code)
		a.topics.n = 0;
	for (int32_t i = 0; i < a.topics.n; i++)
		for (int32_t k = 0; k < a.topics.v[i].partitions.n; k++)
			if (!a.topics.v[i].partitions.v[k].error_code)
				offsets_remove(g, gr, a.topics.v[i].name,
					a.topics.v[i].partitions.v[k].partition_index);
	/* Without offsets the group stays until the next expiry, as in Kafka: it can
	 * be described, and deleted. */
	g->env->respond(g->env, call, &a);
}
