/* Records of __consumer_offsets: written, and read back. */
#include "group/group.h"

/* The versions Kafka writes, that every Kafka since 2.1 reads. */
enum { OFFSET_KEY = 1, GROUP_KEY = 2, OFFSET_VALUE = 3, OFFSET_VALUE_EXPIRES = 1,
	GROUP_VALUE = 3 };

static struct str
encode(struct records *r, const struct wire_data *d, int16_t version, const void *msg)
{
	struct buf b = BUF_INIT;
	wire_data_encode(d, version, msg, &b);
	struct str s = arena_str(&r->g->scratch, buf_str(&b));
	buf_release(&b);
	return s;
}

void
records_put(struct records *r, const struct wire_data *key, int16_t key_version,
	const void *key_msg, const struct wire_data *value, int16_t value_version,
	const void *value_msg)
{
	if (r->size > GROUP_APPEND_MAX)
		return; /* all is refused: a small request may ask for endless records */
	if (r->n == r->cap) {
		int cap = r->cap ? r->cap * 2 : 4;
		struct coord_record *v = arena_alloc(&r->g->scratch, (size_t)cap * sizeof *v);
		if (r->n)
			memcpy(v, r->v, (size_t)r->n * sizeof *v);
		r->v = v;
		r->cap = cap;
	}
	struct coord_record *x = &r->v[r->n++];
	x->key = encode(r, key, key_version, key_msg);
	x->value = value ? encode(r, value, value_version, value_msg) : STR_NULL;
	r->size += x->key.n + MAX(x->value.n, 0);
}

int16_t
group_append_error(int16_t error)
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
records_append(struct records *r, int32_t partition,
	const struct coord_producer *producer, int64_t wall_ms)
{
	struct coord_env *env = r->g->env;
	if (r->n == 0)
		return 0;
	if (r->size > GROUP_APPEND_MAX)
		return KERR_UNKNOWN_SERVER_ERROR;
	return group_append_error(env->append(env, partition, r->v, r->n, producer, wall_ms));
}

/* What the members' assignments will be: the request's, or their own. */
static struct str
assignment_of(const struct classic_member *m, const struct map *given)
{
	if (!given)
		return m->assignment;
	const struct str *s = map_get(given, m->id);
	return s ? *s : STR("");
}

void
records_classic_changed(struct records *r, const struct group *gr,
	const struct classic_member *old, const struct classic_member *fresh,
	const struct sync_group_request *assignments, int64_t wall_ms)
{
	const struct classic *c = &gr->classic;
	struct arena *a = &r->g->scratch;
	struct map given = MAP_INIT;
	given.seed = r->g->by_id.seed;
	for (int32_t i = 0; assignments && i < assignments->assignments.n; i++)
		map_put(&given, assignments->assignments.v[i].member_id,
			&assignments->assignments.v[i].assignment);
	struct group_metadata_key key = { gr->id };
	struct group_metadata_value v = {
		.protocol_type = c->protocol_type.n < 0 ? STR("") : c->protocol_type,
		.generation = c->generation, .protocol = c->protocol,
		.leader = c->leader ? (c->leader == old ? fresh : c->leader)->id : STR_NULL,
		.current_state_timestamp = wall_ms,
	};
	v.members.v = arena_alloc(a, (size_t)(c->nmember + 1) * sizeof *v.members.v);
	LIST_EACH(l, &c->members) {
		const struct classic_member *m = CONTAINER_OF(l, struct classic_member, in_group);
		struct str assignment = assignment_of(m, assignments ? &given : NULL);
		if (m == old)
			m = fresh;
		v.members.v[v.members.n++] = (struct group_metadata_value_member){
			.member_id = m->id, .group_instance_id = m->instance_id,
			.client_id = m->client_id, .client_host = m->client_host,
			.rebalance_timeout = m->rebalance_timeout_ms,
			.session_timeout = m->session_timeout_ms,
			.subscription = classic_metadata(m, c->protocol),
			.assignment = assignment,
		};
	}
	records_put(r, &group_metadata_key_data, GROUP_KEY, &key,
		&group_metadata_value_data, GROUP_VALUE, &v);
	map_release(&given);
}

void
records_classic_group(struct records *r, const struct group *gr, int64_t wall_ms)
{
	records_classic_changed(r, gr, NULL, NULL, NULL, wall_ms);
}

void
records_classic_tombstone(struct records *r, struct str group_id)
{
	struct group_metadata_key key = { group_id };
	records_put(r, &group_metadata_key_data, GROUP_KEY, &key, NULL, 0, NULL);
}

void
records_offset(struct records *r, struct str group_id, struct str topic,
	const struct committed *c)
{
	struct offset_commit_key key = { group_id, topic, c->partition };
	struct offset_commit_value v = {
		.offset = c->offset, .leader_epoch = c->leader_epoch, .metadata = c->metadata,
		.commit_timestamp = c->commit_wall_ms, .expire_timestamp = c->expire_wall_ms,
	};
	records_put(r, &offset_commit_key_data, OFFSET_KEY, &key, &offset_commit_value_data,
		c->expire_wall_ms < 0 ? OFFSET_VALUE : OFFSET_VALUE_EXPIRES, &v);
}

void
records_offset_tombstone(struct records *r, struct str group_id, struct str topic,
	int32_t partition)
{
	struct offset_commit_key key = { group_id, topic, partition };
	records_put(r, &offset_commit_key_data, OFFSET_KEY, &key, NULL, 0, NULL);
}

/* ---- replay ---- */

static void
replay_offset(struct groups *g, const struct coord_record *r,
	const struct coord_producer *producer)
{
	struct offset_commit_key k;
	struct offset_commit_value v;
	if (wire_data_decode(&offset_commit_key_data, r->key.p, (size_t)r->key.n,
			&g->scratch, &k) < 0)
		return;
	if (r->value.n < 0) {
		struct group *gr = group_find(g, k.group);
		if (!gr)
			return;
		offsets_remove(g, gr, k.topic, k.partition);
		group_free_if_idle(g, gr);
		return;
	}
	if (wire_data_decode(&offset_commit_value_data, r->value.p, (size_t)r->value.n,
			&g->scratch, &v) < 0)
		return;
	struct committed c = {
		.offset = v.offset, .commit_wall_ms = v.commit_timestamp,
		.expire_wall_ms = v.expire_timestamp, .metadata = v.metadata,
		.partition = k.partition, .leader_epoch = v.leader_epoch,
	};
	struct group *gr = group_replayed(g, k.group);
	if (producer)
		offsets_set_pending(g, gr, k.topic, &c, producer);
	else
		offsets_set(g, gr, k.topic, &c);
}

static void
replay_group(struct groups *g, const struct coord_record *r)
{
	struct group_metadata_key k;
	struct group_metadata_value v;
	if (wire_data_decode(&group_metadata_key_data, r->key.p, (size_t)r->key.n,
			&g->scratch, &k) < 0)
		return;
	if (r->value.n < 0)
		classic_replay(g, k.group, NULL);
	else if (wire_data_decode(&group_metadata_value_data, r->value.p, (size_t)r->value.n,
			&g->scratch, &v) >= 0)
		classic_replay(g, k.group, &v);
}

void
groups_replay(struct groups *g, int32_t partition, const struct coord_record *r,
	const struct coord_producer *producer, int64_t timestamp_ms)
{
	(void)partition;
	(void)timestamp_ms;
	if (r->key.n < 2)
		return;
	int16_t type = (int16_t)load_be16(r->key.p);
	switch (type) {
	case 0:
	case 1:
		replay_offset(g, r, producer);
		break;
	case 2:
		replay_group(g, r);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 16:
		consumer_replay(g, type, r->key, r->value);
		break;
	default: /* of a Kafka newer than we know: nothing that we'd answer for */
		break;
	}
	arena_reset(&g->scratch);
}
