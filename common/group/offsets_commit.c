/* OffsetCommit, TxnOffsetCommit, OffsetDelete. */
#include "group/group.h"

#include "base/utf8.h"

/* Is there such a partition?  Only what exists is kept, so that nobody fills
 * the memory with offsets of topics made up.  What does not exist is reported
 * before the group's error, as in Kafka. */
static int16_t
check_partition(const struct groups *groups, const struct coord_topic *topic, int16_t topic_error,
	int16_t group_error, int32_t partition, struct str metadata, bool is_kept)
{
	if (topic_error)
		return topic_error;
	if (partition < 0 || partition >= topic->npartition)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (group_error)
		return group_error;
	if (utf8_utf16_length(metadata) > groups->config.offset_metadata_max
		|| (metadata.n > 0 && group_is_full(groups)))
		return KERR_OFFSET_METADATA_TOO_LARGE;
	return !is_kept && group_is_overfull(groups) ? KERR_COORDINATOR_NOT_AVAILABLE : 0;
}

/* Who asks, as both kinds of commit tell it. */
struct committer {
	struct str group_id, member_id, instance_id;
	int32_t epoch; /* generation or member epoch */
	bool is_transactional;
	int16_t api_version;
};

static int16_t
check_classic(const struct group *g, const struct committer *committer)
{
	const struct classic *classic = &g->classic;
	if (committer->epoch < 0 && classic->state == CLASSIC_EMPTY)
		return 0;
	if (committer->epoch >= 0 || committer->member_id.n > 0 || committer->instance_id.n >= 0) {
		int16_t error = classic_check_member(g, committer->member_id, committer->instance_id);
		if (error)
			return error;
		if (committer->epoch != classic->generation)
			return KERR_ILLEGAL_GENERATION;
	} else if (!committer->is_transactional && classic->state != CLASSIC_EMPTY) {
		return KERR_UNKNOWN_MEMBER_ID;
	}
	return !committer->is_transactional && classic->state == CLASSIC_COMPLETING
		? KERR_REBALANCE_IN_PROGRESS : 0;
}

/* Does this version know the errors GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH? */
static bool
has_new_errors(const struct committer *committer)
{
	return committer->api_version >= (committer->is_transactional ? 6 : 9);
}

static int16_t
check_committer(const struct groups *groups, const struct group *g,
	const struct committer *committer)
{
	if (!g && committer->epoch >= 0)
		return has_new_errors(committer) ? KERR_GROUP_ID_NOT_FOUND : KERR_ILLEGAL_GENERATION;
	if (!g)
		return groups->by_id.n >= (uint32_t)groups->config.ngroup_max || group_is_full(groups)
			? KERR_COORDINATOR_NOT_AVAILABLE : 0;
	if (g->kind == GROUP_CLASSIC)
		return check_classic(g, committer);
	int16_t error = consumer_check_commit(g, committer->member_id, committer->instance_id,
		committer->epoch,
		committer->is_transactional, committer->api_version);
	return error == KERR_STALE_MEMBER_EPOCH && committer->is_transactional
		&& !has_new_errors(committer)
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
write_all(struct groups *groups, const struct committer *committer, const struct commits *commits,
	const struct coord_producer *producer, struct coord_now now)
{
	struct records records = RECORDS_INIT(groups);
	if (commits->n == 0)
		return;
	for (int32_t i = 0; i < commits->n; i++)
		records_offset(&records, committer->group_id, commits->v[i].topic, &commits->v[i].value);
	int16_t error = records_append(&records,
		coord_partition_of(committer->group_id, groups->config.npartition),
		producer, now.wall_ms);
	if (error) {
		for (int32_t i = 0; i < commits->n; i++)
			*commits->v[i].error = error;
		return;
	}
	struct group *g = group_make(groups, committer->group_id);
	assert(g);
	for (int32_t i = 0; i < commits->n; i++) {
		if (producer)
			offsets_set_pending(groups, g, commits->v[i].topic, &commits->v[i].value, producer);
		else
			offsets_set(groups, g, commits->v[i].topic, &commits->v[i].value);
	}
}

/* Look up the topic, by the id where the version has ids: *name is set then.
 * Returns the error when there is none. */
static int16_t
find_topic(struct groups *groups, struct coord_call *call, bool by_id, const struct uuid *id,
	struct str *name, struct coord_topic *topic)
{
	struct str found = STR_NULL;
	if (!by_id)
		return groups->env->topic(groups->env, *name, NULL, topic, NULL) ? 0
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
	*name = STR("");
	if (!groups->env->topic(groups->env, STR_NULL, id, topic, &found))
		return KERR_UNKNOWN_TOPIC_ID;
	*name = arena_str(call->arena, found);
	return 0;
}

/* ---- OffsetCommit ---- */

static void
stage_topic(struct groups *groups, const struct group *g, struct coord_call *call,
	const struct offset_commit_request_topic *q,
	struct offset_commit_response_topic *a, int16_t error,
	int64_t expire_wall_ms, struct commits *commits, struct coord_now now)
{
	struct coord_topic topic = { 0 };
	bool by_id = call->api_version >= 10;
	a->name = q->name;
	a->topic_id = q->topic_id;
	int16_t topic_error = find_topic(groups, call, by_id, &q->topic_id, &a->name, &topic);
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct offset_commit_request_partition *p =
			&q->partitions.v[i];
		int16_t *to = &a->partitions.v[i].error_code;
		a->partitions.v[i].partition_index = p->partition_index;
		*to = check_partition(groups, &topic, topic_error, error,
			p->partition_index, p->committed_metadata,
			g && offsets_find(g, a->name, p->partition_index));
		if (*to)
			continue;
		commits->v[commits->n++] = (struct commit){ a->name, {
			.offset = p->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = expire_wall_ms,
			.metadata = p->committed_metadata.n < 0 ? STR("") : p->committed_metadata,
			.partition = p->partition_index, .leader_epoch = p->committed_leader_epoch,
		}, to };
	}
}

void
offsets_commit(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct offset_commit_request *q = call->body;
	struct committer committer = { q->group_id, q->member_id, q->group_instance_id,
		q->generation_id_or_member_epoch, false, call->api_version };
	struct group *g = group_find(groups, q->group_id);
	struct offset_commit_response a = { 0 };
	int16_t error = check_committer(groups, g, &committer);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (!error && g && g->kind == GROUP_CLASSIC) {
		struct classic_member *member = classic_find(g, q->member_id);
		if (member)
			classic_alive(groups, member, now);
	}
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits commits = { arena_alloc(&groups->scratch, (size_t)(n + 1) * sizeof *commits.v),
		0 };
	/* Overflow would make what is to stay for ever expire at once. */
	int64_t expire = q->retention_time_ms < 0 ? -1
		: now.wall_ms + MIN(q->retention_time_ms, INT64_MAX / 2);
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_topic(groups, g, call, &q->topics.v[i], &a.topics.v[i], error, expire, &commits, now);
	write_all(groups, &committer, &commits, NULL, now);
	groups->env->respond(groups->env, call, &a);
}

/* ---- TxnOffsetCommit ---- */

static void
stage_txn_topic(struct groups *groups, struct coord_call *call,
	const struct txn_offset_commit_request_topic *q,
	struct txn_offset_commit_response_topic *a, int16_t error,
	struct commits *commits, struct coord_now now)
{
	struct coord_topic topic = { 0 };
	bool by_id = call->api_version >= 6;
	a->name = q->name;
	a->topic_id = q->topic_id;
	int16_t topic_error = find_topic(groups, call, by_id, &q->topic_id, &a->name, &topic);
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct txn_offset_commit_request_partition *p =
			&q->partitions.v[i];
		int16_t *to = &a->partitions.v[i].error_code;
		a->partitions.v[i].partition_index = p->partition_index;
		*to = check_partition(groups, &topic, topic_error, error, p->partition_index,
			p->committed_metadata, false);
		if (*to)
			continue;
		commits->v[commits->n++] = (struct commit){ a->name, {
			.offset = p->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = -1,
			.metadata = p->committed_metadata.n < 0 ? STR("") : p->committed_metadata,
			.partition = p->partition_index, .leader_epoch = p->committed_leader_epoch,
		}, to };
	}
}

void
offsets_txn_commit(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct txn_offset_commit_request *q = call->body;
	struct committer committer = { q->group_id, q->member_id, q->group_instance_id,
		q->generation_id_or_member_epoch, true, call->api_version };
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct txn_offset_commit_response a = { 0 };
	int16_t error = q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: check_committer(groups, group_find(groups, q->group_id), &committer);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits commits = { arena_alloc(&groups->scratch, (size_t)(n + 1) * sizeof *commits.v),
		0 };
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_txn_topic(groups, call, &q->topics.v[i], &a.topics.v[i], error, &commits, now);
	write_all(groups, &committer, &commits, &producer, now);
	groups->env->respond(groups->env, call, &a);
}

/* ---- OffsetDelete ---- */

static int16_t
check_delete(const struct group *g, struct str group_id)
{
	if (group_id.n == 0)
		return KERR_INVALID_GROUP_ID;
	if (!g)
		return KERR_GROUP_ID_NOT_FOUND;
	/* We see what consumers subscribe to; of others we can't know. */
	if (g->kind == GROUP_CLASSIC && g->classic.state != CLASSIC_EMPTY
			&& !str_eq(g->classic.protocol_type, STR("consumer")))
		return KERR_NON_EMPTY_GROUP;
	return 0;
}

static void
stage_delete(struct groups *groups, struct group *g, struct coord_call *call,
	const struct offset_delete_request_topic *q,
	struct offset_delete_response_topic *a, struct records *records)
{
	bool is_read = group_is_subscribed(g, q->name);
	struct coord_topic topic = { 0 };
	groups->env->topic(groups->env, q->name, NULL, &topic, NULL);
	a->name = q->name;
	a->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *a->partitions.v);
	a->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		int32_t p = q->partitions.v[i].partition_index;
		a->partitions.v[i].partition_index = p;
		if (p < 0 || p >= topic.npartition)
			a->partitions.v[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else if (is_read)
			a->partitions.v[i].error_code = KERR_GROUP_SUBSCRIBED_TO_TOPIC;
		else if (offsets_find(g, q->name, p) || offsets_is_pending(g, q->name, p))
			records_offset_tombstone(records, g->id, q->name, p);
	}
}

void
offsets_delete(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct offset_delete_request *q = call->body;
	struct group *g = group_find(groups, q->group_id);
	struct offset_delete_response a = { .error_code = check_delete(g, q->group_id) };
	struct records records = RECORDS_INIT(groups);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (a.error_code) {
		groups->env->respond(groups->env, call, &a);
		return;
	}
	a.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *a.topics.v);
	a.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_delete(groups, g, call, &q->topics.v[i], &a.topics.v[i], &records);
	a.error_code = records_append(&records, g->partition, NULL, now.wall_ms);
	if (a.error_code)
		a.topics.n = 0;
	for (int32_t i = 0; i < a.topics.n; i++)
		for (int32_t k = 0; k < a.topics.v[i].partitions.n; k++)
			if (!a.topics.v[i].partitions.v[k].error_code)
				offsets_remove(groups, g, a.topics.v[i].name,
					a.topics.v[i].partitions.v[k].partition_index);
	/* Without offsets the group stays until the next expiry, as in Kafka: it can
	 * be described, and deleted. */
	groups->env->respond(groups->env, call, &a);
}
