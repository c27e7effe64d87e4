/* Records of __consumer_offsets: encoded, appended, replayed. */
#include "group/group.h"

/* The versions that Kafka writes, which every Kafka since 2.1 reads. */
enum { OFFSET_KEY = 1, GROUP_KEY = 2, OFFSET_VALUE = 3, OFFSET_VALUE_EXPIRES = 1,
	GROUP_VALUE = 3 };

static struct str
encode(struct records *records, const struct wire_data *data, int16_t version, const void *msg)
{
	struct buf b = BUF_INIT;
	wire_data_encode(data, version, msg, &b);
	struct str s = arena_str(&records->groups->scratch, buf_str(&b));
	buf_release(&b);
	return s;
}

void
records_put(struct records *records, const struct wire_data *key, int16_t key_version,
	const void *key_msg, const struct wire_data *value, int16_t value_version,
	const void *value_msg)
{
	if (records->size > GROUP_APPEND_MAX)
		return; /* records_append refuses: a small request may need any number of records */
	if (records->n == records->cap) {
		int cap = records->cap ? records->cap * 2 : 4;
		struct coord_record *v = arena_alloc(&records->groups->scratch, (size_t)cap * sizeof *v);
		if (records->n)
			memcpy(v, records->v, (size_t)records->n * sizeof *v);
		records->v = v;
		records->cap = cap;
	}
	struct coord_record *rec = &records->v[records->n++];
	rec->key = encode(records, key, key_version, key_msg);
	rec->value = value ? encode(records, value, value_version, value_msg) : STR_NULL;
	records->size += rec->key.n + MAX(rec->value.n, 0);
}

/* An error of env.append, as clients of groups expect it. */
static int16_t
append_error(int16_t error)
{
	switch (error) {
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_NOT_ENOUGH_REPLICAS:
	case KERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case KERR_REQUEST_TIMED_OUT:
		return KERR_COORDINATOR_NOT_AVAILABLE;
	case KERR_NOT_LEADER_OR_FOLLOWER:
	case KERR_KAFKA_STORAGE_ERROR:
		return KERR_NOT_COORDINATOR;
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
	case KERR_INVALID_FETCH_SIZE:
		return KERR_UNKNOWN_SERVER_ERROR;
	default:
		return error;
	}
}

int16_t
records_append(struct records *records, int32_t partition,
	const struct coord_producer *producer, int64_t wall_ms)
{
	struct coord_env *env = records->groups->env;
	assert(partition >= 0 && partition < records->groups->config.npartition);
	if (records->n == 0)
		return 0;
	if (records->size > GROUP_APPEND_MAX)
		return KERR_UNKNOWN_SERVER_ERROR;
	return append_error(env->append(env, partition, records->v, records->n, producer,
		wall_ms));
}

/* The member's new assignment: from the request, or its present one. */
static struct str
assignment_of(const struct classic_member *member, const struct map *given)
{
	if (!given)
		return member->assignment;
	const struct str *s = map_get(given, member->id);
	return s ? *s : STR("");
}

void
records_classic_changed(struct records *records, const struct group *g,
	const struct classic_member *old, const struct classic_member *fresh,
	const struct sync_group_request *assignments, int64_t wall_ms)
{
	const struct classic *classic = &g->classic;
	struct arena *a = &records->groups->scratch;
	struct map given = MAP_INIT;
	given.seed = records->groups->by_id.seed;
	for (int32_t i = 0; assignments && i < assignments->assignments.n; i++)
		map_put(&given, assignments->assignments.v[i].member_id,
			&assignments->assignments.v[i].assignment);
	struct group_metadata_key key = { g->id };
	struct group_metadata_value value = {
		.protocol_type = classic->protocol_type.n < 0 ? STR("") : classic->protocol_type,
		.generation = classic->generation, .protocol = classic->protocol,
		.leader = classic->leader ? (classic->leader == old ? fresh : classic->leader)->id
		: STR_NULL,
		.current_state_timestamp = wall_ms,
	};
	value.members.v = arena_alloc(a, (size_t)(classic->nmember + 1) * sizeof *value.members.v);
	LIST_EACH(l, &classic->members) {
		const struct classic_member *member = CONTAINER_OF(l, struct classic_member, in_group);
		struct str assignment = assignment_of(member, assignments ? &given : NULL);
		if (member == old)
			member = fresh;
		value.members.v[value.members.n++] = (struct group_metadata_value_member){
			.member_id = member->id, .group_instance_id = member->instance_id,
			.client_id = member->client_id, .client_host = member->client_host,
			.rebalance_timeout = member->rebalance_timeout_ms,
			.session_timeout = member->session_timeout_ms,
			.subscription = classic_metadata(member, classic->protocol),
			.assignment = assignment,
		};
	}
	records_put(records, &group_metadata_key_data, GROUP_KEY, &key,
		&group_metadata_value_data, GROUP_VALUE, &value);
	map_release(&given);
}

void
records_classic_group(struct records *records, const struct group *g, int64_t wall_ms)
{
	records_classic_changed(records, g, NULL, NULL, NULL, wall_ms);
}

void
records_classic_tombstone(struct records *records, struct str group_id)
{
	struct group_metadata_key key = { group_id };
	records_put(records, &group_metadata_key_data, GROUP_KEY, &key, NULL, 0, NULL);
}

void
records_offset(struct records *records, struct str group_id, struct str topic,
	const struct committed *committed)
{
	struct offset_commit_key key = { group_id, topic, committed->partition };
	struct offset_commit_value value = {
		.offset = committed->offset, .leader_epoch = committed->leader_epoch,
			.metadata = committed->metadata,
		.commit_timestamp = committed->commit_wall_ms,
			.expire_timestamp = committed->expire_wall_ms,
	};
	records_put(records, &offset_commit_key_data, OFFSET_KEY, &key, &offset_commit_value_data,
		committed->expire_wall_ms < 0 ? OFFSET_VALUE : OFFSET_VALUE_EXPIRES, &value);
}

void
records_offset_tombstone(struct records *records, struct str group_id, struct str topic,
	int32_t partition)
{
	struct offset_commit_key key = { group_id, topic, partition };
	records_put(records, &offset_commit_key_data, OFFSET_KEY, &key, NULL, 0, NULL);
}

/* ---- replay ---- */

static void
replay_offset(struct groups *groups, const struct coord_record *rec,
	const struct coord_producer *producer)
{
	struct offset_commit_key key;
	struct offset_commit_value value;
	if (wire_data_decode(&offset_commit_key_data, rec->key.p, (size_t)rec->key.n,
			&groups->scratch, &key) < 0)
		return;
	if (rec->value.n < 0) {
		struct group *g = group_find(groups, key.group);
		if (!g)
			return;
		offsets_remove(groups, g, key.topic, key.partition);
		group_free_if_idle(groups, g);
		return;
	}
	if (wire_data_decode(&offset_commit_value_data, rec->value.p, (size_t)rec->value.n,
			&groups->scratch, &value) < 0)
		return;
	struct committed committed = {
		.offset = value.offset, .commit_wall_ms = value.commit_timestamp,
		.expire_wall_ms = value.expire_timestamp, .metadata = value.metadata,
		.partition = key.partition, .leader_epoch = value.leader_epoch,
	};
	struct group *g = group_replayed(groups, key.group);
	if (producer)
		offsets_set_pending(groups, g, key.topic, &committed, producer);
	else
		offsets_set(groups, g, key.topic, &committed);
}

static void
replay_group(struct groups *groups, const struct coord_record *rec)
{
	struct group_metadata_key key;
	struct group_metadata_value value;
	if (wire_data_decode(&group_metadata_key_data, rec->key.p, (size_t)rec->key.n,
			&groups->scratch, &key) < 0)
		return;
	if (rec->value.n < 0)
		classic_replay(groups, key.group, NULL);
	else if (wire_data_decode(&group_metadata_value_data, rec->value.p, (size_t)rec->value.n,
			&groups->scratch, &value) >= 0)
		classic_replay(groups, key.group, &value);
}

void
groups_replay(struct groups *groups, int32_t partition, const struct coord_record *rec,
	const struct coord_producer *producer, int64_t timestamp_ms)
{
	(void)partition;
	(void)timestamp_ms;
	if (rec->key.n < 2)
		return;
	int16_t type = (int16_t)load_be16(rec->key.p);
	switch (type) {
	case 0:
	case 1:
		replay_offset(groups, rec, producer);
		break;
	case 2:
		replay_group(groups, rec);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 16:
		consumer_replay(groups, type, rec->key, rec->value);
		break;
	default: /* of a newer Kafka */
		break;
	}
	arena_reset(&groups->scratch);
}
