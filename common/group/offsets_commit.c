/* OffsetCommit, TxnOffsetCommit, OffsetDelete. */
#include "group/group.h"

#include "base/utf8.h"

/* Whether an offset of the partition may be stored.  Only existing partitions get
 * offsets, so that clients cannot fill the memory with made-up topics.  A missing
 * partition is reported rather than the group's error, as in Kafka. */
static int16_t
check_partition(const struct groups *groups, const struct coord_topic *topic,
	int16_t topic_error, int16_t group_error, int32_t partition, struct str metadata,
	bool is_kept)
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

/* Whether the version has the errors GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH. */
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
	int16_t error = g->kind->check_commit(g, committer);
	return error == KERR_STALE_MEMBER_EPOCH && committer->is_transactional
		&& !has_new_errors(committer)
		? KERR_ILLEGAL_GENERATION : error;
}

/* An offset to be stored, and where its result goes in the response. */
struct commit {
	struct str topic;
	struct committed value;
	int16_t *error;
};

struct commits {
	struct commit *v;
	int32_t n;
};

/* Appends all offsets in one batch and stores them; if that is refused, each gets
 * the error. */
static void
write_all(struct groups *groups, const struct committer *committer,
	const struct commits *commits, const struct coord_producer *producer, struct coord_now now)
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

/* Looks the topic up, by its id (and sets *name) or by *name.  0, or the error if
 * it does not exist. */
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
	const struct offset_commit_request_topic *q, struct offset_commit_response_topic *out,
	int16_t error, int64_t expire_wall_ms, struct commits *commits, struct coord_now now)
{
	struct coord_topic topic = { 0 };
	bool by_id = call->api_version >= 10;
	out->name = q->name;
	out->topic_id = q->topic_id;
	int16_t topic_error = find_topic(groups, call, by_id, &q->topic_id, &out->name, &topic);
	out->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *out->partitions.v);
	out->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct offset_commit_request_partition *part = &q->partitions.v[i];
		int16_t *to = &out->partitions.v[i].error_code;
		out->partitions.v[i].partition_index = part->partition_index;
		*to = check_partition(groups, &topic, topic_error, error,
			part->partition_index, part->committed_metadata,
			g && offsets_find(g, out->name, part->partition_index));
		if (*to)
			continue;
		commits->v[commits->n++] = (struct commit){ out->name, {
			.offset = part->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = expire_wall_ms,
			.metadata = part->committed_metadata.n < 0 ? STR("") : part->committed_metadata,
			.partition = part->partition_index, .leader_epoch = part->committed_leader_epoch,
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
	struct offset_commit_response r = { 0 };
	int16_t error = check_committer(groups, g, &committer);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	struct classic_member *member = !error && g ? classic_find(g, q->member_id) : NULL;
	if (member)
		classic_alive(groups, member, now);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits commits = { arena_alloc(&groups->scratch, (size_t)(n + 1) * sizeof *commits.v),
		0 };
	/* The sum must not overflow: the offset would expire at once. */
	int64_t expire = q->retention_time_ms < 0 ? -1
		: now.wall_ms + MIN(q->retention_time_ms, INT64_MAX / 2);
	r.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *r.topics.v);
	r.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_topic(groups, g, call, &q->topics.v[i], &r.topics.v[i], error, expire, &commits, now);
	write_all(groups, &committer, &commits, NULL, now);
	groups->env->respond(groups->env, call, &r);
}

/* ---- TxnOffsetCommit ---- */

static void
stage_txn_topic(struct groups *groups, struct coord_call *call,
	const struct txn_offset_commit_request_topic *q,
	struct txn_offset_commit_response_topic *out, int16_t error, struct commits *commits,
	struct coord_now now)
{
	struct coord_topic topic = { 0 };
	bool by_id = call->api_version >= 6;
	out->name = q->name;
	out->topic_id = q->topic_id;
	int16_t topic_error = find_topic(groups, call, by_id, &q->topic_id, &out->name, &topic);
	out->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *out->partitions.v);
	out->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		const struct txn_offset_commit_request_partition *part = &q->partitions.v[i];
		int16_t *to = &out->partitions.v[i].error_code;
		out->partitions.v[i].partition_index = part->partition_index;
		*to = check_partition(groups, &topic, topic_error, error, part->partition_index,
			part->committed_metadata, false);
		if (*to)
			continue;
		commits->v[commits->n++] = (struct commit){ out->name, {
			.offset = part->committed_offset, .commit_wall_ms = now.wall_ms,
			.expire_wall_ms = -1,
			.metadata = part->committed_metadata.n < 0 ? STR("") : part->committed_metadata,
			.partition = part->partition_index, .leader_epoch = part->committed_leader_epoch,
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
	struct txn_offset_commit_response r = { 0 };
	int16_t error = q->group_id.n == 0 ? KERR_INVALID_GROUP_ID
		: check_committer(groups, group_find(groups, q->group_id), &committer);
	int32_t n = 0;
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	for (int32_t i = 0; i < q->topics.n; i++)
		n += q->topics.v[i].partitions.n;
	struct commits commits = { arena_alloc(&groups->scratch, (size_t)(n + 1) * sizeof *commits.v),
		0 };
	r.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *r.topics.v);
	r.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_txn_topic(groups, call, &q->topics.v[i], &r.topics.v[i], error, &commits, now);
	write_all(groups, &committer, &commits, &producer, now);
	groups->env->respond(groups->env, call, &r);
}

/* ---- OffsetDelete ---- */

static int16_t
check_delete(const struct group *g, struct str group_id)
{
	if (group_id.n == 0)
		return KERR_INVALID_GROUP_ID;
	if (!g)
		return KERR_GROUP_ID_NOT_FOUND;
	/* Only the subscriptions of consumers are known, not what other members read. */
	if (!group_is_empty(g) && !str_eq(g->kind->protocol_type(g), STR("consumer")))
		return KERR_NON_EMPTY_GROUP;
	return 0;
}

static void
stage_delete(struct groups *groups, struct group *g, struct coord_call *call,
	const struct offset_delete_request_topic *q, struct offset_delete_response_topic *out,
	struct records *records)
{
	bool is_read = group_is_subscribed(g, q->name);
	struct coord_topic topic = { 0 };
	groups->env->topic(groups->env, q->name, NULL, &topic, NULL);
	out->name = q->name;
	out->partitions.v = arena_alloc(call->arena,
		(size_t)(q->partitions.n + 1) * sizeof *out->partitions.v);
	out->partitions.n = q->partitions.n;
	for (int32_t i = 0; i < q->partitions.n; i++) {
		int32_t partition = q->partitions.v[i].partition_index;
		out->partitions.v[i].partition_index = partition;
		if (partition < 0 || partition >= topic.npartition)
			out->partitions.v[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else if (is_read)
			out->partitions.v[i].error_code = KERR_GROUP_SUBSCRIBED_TO_TOPIC;
		else if (offsets_find(g, q->name, partition) || offsets_is_pending(g, q->name, partition))
			records_offset_tombstone(records, g->id, q->name, partition);
	}
}

void
offsets_delete(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct offset_delete_request *q = call->body;
	struct group *g = group_find(groups, q->group_id);
	struct offset_delete_response r = { .error_code = check_delete(g, q->group_id) };
	struct records records = RECORDS_INIT(groups);
	call->partition = coord_partition_of(q->group_id, groups->config.npartition);
	if (r.error_code) {
		groups->env->respond(groups->env, call, &r);
		return;
	}
	r.topics.v = arena_alloc(call->arena, (size_t)(q->topics.n + 1) * sizeof *r.topics.v);
	r.topics.n = q->topics.n;
	for (int32_t i = 0; i < q->topics.n; i++)
		stage_delete(groups, g, call, &q->topics.v[i], &r.topics.v[i], &records);
	r.error_code = records_append(&records, g->partition, NULL, now.wall_ms);
	if (r.error_code)
		r.topics.n = 0;
	for (int32_t i = 0; i < r.topics.n; i++)
		for (int32_t k = 0; k < r.topics.v[i].partitions.n; k++)
			if (!r.topics.v[i].partitions.v[k].error_code)
				offsets_remove(groups, g, r.topics.v[i].name,
					r.topics.v[i].partitions.v[k].partition_index);
	/* A group without offsets stays until the next expiry, as in Kafka: it can still
	 * be described and deleted. */
	groups->env->respond(groups->env, call, &r);
}
