/* A consumer group's records: put, and replayed. */
#include "group/consumer.h"

enum { EPOCH_KEY = 3, PARTITIONS_KEY = 4, MEMBER_KEY = 5, TARGET_EPOCH_KEY = 6,
	TARGET_KEY = 7, CURRENT_KEY = 8, REGEX_KEY = 16 };

/* ---- putting ---- */

static void
names_of(const struct subscription *sub, struct str **v, int32_t *n, struct arena *a)
{
	*n = sub ? sub->n : 0;
	*v = arena_alloc(a, ((size_t)*n + 1) * sizeof **v);
	for (int32_t i = 0; i < *n; i++)
		(*v)[i] = sub->v[i]->s;
}

void
records_member(struct records *records, struct str group_id, struct str id,
	const struct consumer_spec *spec)
{
	struct arena *a = &records->groups->scratch;
	struct consumer_group_member_metadata_key key = { group_id, id };
	struct consumer_group_member_metadata_value value = {
		.instance_id = spec->instance_id, .rack_id = spec->rack_id,
		.client_id = spec->client_id.n < 0 ? STR("") : spec->client_id,
		.client_host = spec->client_host.n < 0 ? STR("") : spec->client_host,
		.subscribed_topic_regex = spec->regex,
		.rebalance_timeout_ms = spec->rebalance_timeout_ms,
		.server_assignor = spec->assignor,
	};
	names_of(spec->names, &value.subscribed_topic_names.v, &value.subscribed_topic_names.n, a);
	struct consumer_group_member_metadata_value_classic_member classic = { 0 };
	if (spec->is_classic) {
		classic.session_timeout_ms = spec->session_timeout_ms;
		classic.supported_protocols.n = spec->nprotocol;
		classic.supported_protocols.v = arena_alloc(a, ((size_t)spec->nprotocol + 1)
			* sizeof *classic.supported_protocols.v);
		for (int32_t i = 0; i < spec->nprotocol; i++) {
			classic.supported_protocols.v[i].name = spec->protocol[i].name;
			classic.supported_protocols.v[i].metadata = spec->protocol[i].metadata;
		}
		value.classic_member_metadata = &classic;
	}
	records_put(records, &consumer_group_member_metadata_key_data, MEMBER_KEY, &key,
		&consumer_group_member_metadata_value_data, 0, &value);
}

static void
current_set(const struct tp_set *set, struct arena *a,
	struct consumer_group_current_member_assignment_value_topic **v, int32_t *n)
{
	struct tp_run *run = tp_runs(set, n, a);
	*v = arena_alloc(a, ((size_t)*n + 1) * sizeof **v);
	for (int32_t i = 0; i < *n; i++) {
		(*v)[i].topic_id = run[i].id;
		(*v)[i].partitions.v = run[i].v;
		(*v)[i].partitions.n = run[i].n;
	}
}

void
records_current(struct records *records, struct str group_id, struct str id,
	const struct consumer_current *current)
{
	struct arena *a = &records->groups->scratch;
	struct consumer_group_current_member_assignment_key key = { group_id, id };
	struct consumer_group_current_member_assignment_value value = {
		.member_epoch = current->epoch, .previous_member_epoch = current->previous_epoch,
		.state = current->state,
	};
	current_set(&current->assigned, a, &value.assigned_partitions.v, &value.assigned_partitions.n);
	current_set(&current->revoking, a, &value.partitions_pending_revocation.v,
		&value.partitions_pending_revocation.n);
	records_put(records, &consumer_group_current_member_assignment_key_data, CURRENT_KEY, &key,
		&consumer_group_current_member_assignment_value_data, 0, &value);
}

void
records_target(struct records *records, struct str group_id, struct str id,
	const struct tp_set *target)
{
	struct arena *a = &records->groups->scratch;
	struct consumer_group_target_assignment_member_key key = { group_id, id };
	struct consumer_group_target_assignment_member_value value = { 0 };
	int32_t n;
	struct tp_run *run = tp_runs(target, &n, a);
	value.topic_partitions.v = arena_alloc(a, ((size_t)n + 1) * sizeof *value.topic_partitions.v);
	value.topic_partitions.n = n;
	for (int32_t i = 0; i < n; i++) {
		value.topic_partitions.v[i].topic_id = run[i].id;
		value.topic_partitions.v[i].partitions.v = run[i].v;
		value.topic_partitions.v[i].partitions.n = run[i].n;
	}
	records_put(records, &consumer_group_target_assignment_member_key_data, TARGET_KEY, &key,
		&consumer_group_target_assignment_member_value_data, 0, &value);
}

void
records_target_epoch(struct records *records, struct str group_id, int32_t epoch, int64_t wall_ms)
{
	struct consumer_group_target_assignment_metadata_key key = { group_id };
	struct consumer_group_target_assignment_metadata_value value = { epoch, wall_ms };
	records_put(records, &consumer_group_target_assignment_metadata_key_data, TARGET_EPOCH_KEY,
		&key, &consumer_group_target_assignment_metadata_value_data, 0, &value);
}

void
records_epoch(struct records *records, struct str group_id, int32_t epoch, int64_t hash)
{
	struct consumer_group_metadata_key key = { group_id };
	struct consumer_group_metadata_value value = { epoch, hash };
	records_put(records, &consumer_group_metadata_key_data, EPOCH_KEY, &key,
		&consumer_group_metadata_value_data, 0, &value);
}

void
records_regex(struct records *records, struct str group_id, struct str pattern,
	const struct subscription *topics, int64_t version, int64_t wall_ms)
{
	struct consumer_group_regular_expression_key key = { group_id, pattern };
	struct consumer_group_regular_expression_value value = {
		.version = version, .timestamp = wall_ms };
	names_of(topics, &value.topics.v, &value.topics.n, &records->groups->scratch);
	records_put(records, &consumer_group_regular_expression_key_data, REGEX_KEY, &key,
		&consumer_group_regular_expression_value_data, 0, &value);
}

void
records_regex_tombstone(struct records *records, struct str group_id, struct str pattern)
{
	struct consumer_group_regular_expression_key key = { group_id, pattern };
	records_put(records, &consumer_group_regular_expression_key_data, REGEX_KEY, &key, NULL, 0,
		NULL);
}

void
records_member_tombstones(struct records *records, struct str group_id, struct str id)
{
	struct consumer_group_current_member_assignment_key current = { group_id, id };
	struct consumer_group_target_assignment_member_key target = { group_id, id };
	struct consumer_group_member_metadata_key member = { group_id, id };
	records_put(records, &consumer_group_current_member_assignment_key_data, CURRENT_KEY,
		&current, NULL, 0, NULL);
	records_put(records, &consumer_group_target_assignment_member_key_data, TARGET_KEY, &target,
		NULL, 0, NULL);
	records_put(records, &consumer_group_member_metadata_key_data, MEMBER_KEY, &member, NULL, 0,
		NULL);
}

void
records_consumer_tombstones(struct records *records, const struct group *g)
{
	const struct consumer *consumer = g->consumer;
	MAP_EACH(e, &consumer->by_id)
		records_member_tombstones(records, g->id, ((struct consumer_member *)e->value)->id);
	for (int32_t i = 0; i < consumer->nregex; i++)
		records_regex_tombstone(records, g->id, consumer->regex[i].pattern);
	struct consumer_group_target_assignment_metadata_key target = { g->id };
	struct consumer_group_metadata_key epoch = { g->id };
	records_put(records, &consumer_group_target_assignment_metadata_key_data, TARGET_EPOCH_KEY,
		&target, NULL, 0, NULL);
	records_put(records, &consumer_group_metadata_key_data, EPOCH_KEY, &epoch, NULL, 0, NULL);
}

/* ---- replay ---- */

/* The group of a record that is no tombstone, as a consumer group. */
static struct group *
open_group(struct groups *groups, struct str id)
{
	struct group *g = group_replayed(groups, id);
	if (g->kind != &group_consumer)
		consumer_open(groups, g);
	return g;
}

static struct consumer_member *
make_member(struct groups *groups, struct str group_id, struct str id)
{
	struct group *g = open_group(groups, group_id);
	struct consumer_member *member = consumer_find(g, id);
	return member ? member : consumer_add(groups, g, id);
}

/* The member of a tombstone, or NULL. */
static struct consumer_member *
find_member(struct groups *groups, struct str group_id, struct str id)
{
	struct group *g = group_find(groups, group_id);
	return g ? consumer_find(g, id) : NULL;
}

/* A compacted log has a member's records in any order.  The member goes with the
 * last of them. */
static void
remove_if_empty(struct groups *groups, struct consumer_member *member)
{
	if (!member->spec.names && !member->has_target && member->current.assigned.n == 0
			&& member->current.revoking.n == 0)
		consumer_remove(groups, member);
}

static void
replay_member(struct groups *groups, const struct consumer_group_member_metadata_key *key,
	const struct consumer_group_member_metadata_value *value)
{
	if (!value) {
		struct consumer_member *member = find_member(groups, key->group_id, key->member_id);
		if (member)
			consumer_remove(groups, member);
		return;
	}
	struct consumer_member *member = make_member(groups, key->group_id, key->member_id);
	struct consumer_spec spec = {
		.instance_id = value->instance_id, .rack_id = value->rack_id, .client_id = value->client_id,
		.client_host = value->client_host, .assignor = value->server_assignor,
		.regex = value->subscribed_topic_regex,
		.rebalance_timeout_ms = value->rebalance_timeout_ms,
		.names = subscription_get(groups, member->group->consumer, value->subscribed_topic_names.v,
			value->subscribed_topic_names.n, &groups->scratch),
	};
	if (value->classic_member_metadata) {
		int32_t n = MAX(value->classic_member_metadata->supported_protocols.n, 0);
		spec.is_classic = true;
		spec.session_timeout_ms = value->classic_member_metadata->session_timeout_ms;
		spec.nprotocol = n;
		spec.protocol = arena_alloc(&groups->scratch, ((size_t)n + 1) * sizeof *spec.protocol);
		for (int32_t i = 0; i < n; i++)
			spec.protocol[i] = (struct classic_protocol){
				value->classic_member_metadata->supported_protocols.v[i].name,
				value->classic_member_metadata->supported_protocols.v[i].metadata };
	}
	consumer_set_spec(groups, member, &spec);
}

static struct tp_set
read_current(struct arena *a,
	const struct consumer_group_current_member_assignment_value_topic *v, int32_t n)
{
	struct tp_set set = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < n; i++)
		total += MAX(v[i].partitions.n, 0);
	set.v = arena_alloc(a, ((size_t)total + 1) * sizeof *set.v);
	for (int32_t i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].partitions.n; k++)
			set.v[set.n++] = (struct tp){ v[i].topic_id, v[i].partitions.v[k] };
	tp_sort(&set);
	return set;
}

static void
replay_current(struct groups *groups,
	const struct consumer_group_current_member_assignment_key *key,
	const struct consumer_group_current_member_assignment_value *value)
{
	if (!value) {
		struct consumer_member *member = find_member(groups, key->group_id, key->member_id);
		struct consumer_current gone = { CONSUMER_LEAVE, CONSUMER_LEAVE, CONSUMER_STABLE,
			{ NULL, 0 }, { NULL, 0 } };
		if (member) {
			consumer_set_current(groups, member, &gone);
			remove_if_empty(groups, member);
		}
		return;
	}
	struct consumer_member *member = make_member(groups, key->group_id, key->member_id);
	struct consumer_current current = {
		value->member_epoch, value->previous_member_epoch, value->state,
		read_current(&groups->scratch, value->assigned_partitions.v, value->assigned_partitions.n),
		read_current(&groups->scratch, value->partitions_pending_revocation.v,
			value->partitions_pending_revocation.n),
	};
	consumer_set_current(groups, member, &current);
}

static void
replay_target(struct groups *groups,
	const struct consumer_group_target_assignment_member_key *key,
	const struct consumer_group_target_assignment_member_value *value)
{
	if (!value) {
		struct consumer_member *member = find_member(groups, key->group_id, key->member_id);
		if (member) {
			consumer_set_target(groups, member, NULL);
			remove_if_empty(groups, member);
		}
		return;
	}
	struct consumer_member *member = make_member(groups, key->group_id, key->member_id);
	struct tp_set set = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < value->topic_partitions.n; i++)
		total += MAX(value->topic_partitions.v[i].partitions.n, 0);
	set.v = arena_alloc(&groups->scratch, ((size_t)total + 1) * sizeof *set.v);
	for (int32_t i = 0; i < value->topic_partitions.n; i++)
		for (int32_t k = 0; k < value->topic_partitions.v[i].partitions.n; k++)
			set.v[set.n++] = (struct tp){ value->topic_partitions.v[i].topic_id,
				value->topic_partitions.v[i].partitions.v[k] };
	tp_sort(&set);
	consumer_set_target(groups, member, &set);
}

static void
replay_epoch(struct groups *groups, struct str group_id,
	const struct consumer_group_metadata_value *value)
{
	if (value) {
		struct consumer *consumer = open_group(groups, group_id)->consumer;
		consumer->epoch = value->epoch;
		consumer->hash = value->metadata_hash;
		return;
	}
	struct group *g = group_find(groups, group_id);
	if (!g || g->kind != &group_consumer)
		return;
	consumer_close(groups, g);
	group_free_if_idle(groups, g);
}

static void
replay_target_epoch(struct groups *groups, struct str group_id,
	const struct consumer_group_target_assignment_metadata_value *value)
{
	struct group *g = value ? open_group(groups, group_id) : group_find(groups, group_id);
	if (g && g->consumer)
		g->consumer->target_epoch = value ? value->assignment_epoch : -1;
}

static void
replay_regex(struct groups *groups, const struct consumer_group_regular_expression_key *key,
	const struct consumer_group_regular_expression_value *value)
{
	struct group *g = value ? open_group(groups, key->group_id) : group_find(groups, key->group_id);
	if (!g || !g->consumer)
		return;
	struct consumer *consumer = g->consumer;
	consumer_set_regex(groups, consumer, key->regular_expression,
		value ? subscription_get(groups, consumer, value->topics.v,
		value->topics.n, &groups->scratch) : NULL, value ? value->version : 0);
}

union any_key {
	struct consumer_group_metadata_key epoch;
	struct consumer_group_member_metadata_key member;
	struct consumer_group_target_assignment_metadata_key target_epoch;
	struct consumer_group_target_assignment_member_key target;
	struct consumer_group_current_member_assignment_key current;
	struct consumer_group_regular_expression_key regex;
};
union any_value {
	struct consumer_group_metadata_value epoch;
	struct consumer_group_member_metadata_value member;
	struct consumer_group_target_assignment_metadata_value target_epoch;
	struct consumer_group_target_assignment_member_value target;
	struct consumer_group_current_member_assignment_value current;
	struct consumer_group_regular_expression_value regex;
};

static const struct {
	int16_t key_version;
	const struct wire_data *key, *value;
} formats[] = {
	{ EPOCH_KEY, &consumer_group_metadata_key_data, &consumer_group_metadata_value_data },
	{ MEMBER_KEY, &consumer_group_member_metadata_key_data,
		&consumer_group_member_metadata_value_data },
	{ TARGET_EPOCH_KEY, &consumer_group_target_assignment_metadata_key_data,
		&consumer_group_target_assignment_metadata_value_data },
	{ TARGET_KEY, &consumer_group_target_assignment_member_key_data,
		&consumer_group_target_assignment_member_value_data },
	{ CURRENT_KEY, &consumer_group_current_member_assignment_key_data,
		&consumer_group_current_member_assignment_value_data },
	{ REGEX_KEY, &consumer_group_regular_expression_key_data,
		&consumer_group_regular_expression_value_data },
};

void
consumer_replay(struct groups *groups, int16_t key_version, struct str key, struct str value)
{
	size_t i = 0;
	while (i < ARRAY_LEN(formats) && formats[i].key_version != key_version)
		i++;
	union any_key k;
	union any_value v;
	/* Partition counts from an older Kafka (PARTITIONS_KEY) are not needed. */
	if (i == ARRAY_LEN(formats) || wire_data_decode(formats[i].key, key.p, (size_t)key.n,
			&groups->scratch, &k) < 0)
		return;
	bool is_gone = value.n < 0;
	if (!is_gone && wire_data_decode(formats[i].value, value.p, (size_t)value.n,
			&groups->scratch, &v) < 0)
		return;
	switch (key_version) {
	case EPOCH_KEY:
		replay_epoch(groups, k.epoch.group_id, is_gone ? NULL : &v.epoch);
		break;
	case MEMBER_KEY:
		replay_member(groups, &k.member, is_gone ? NULL : &v.member);
		break;
	case TARGET_EPOCH_KEY:
		replay_target_epoch(groups, k.target_epoch.group_id, is_gone ? NULL : &v.target_epoch);
		break;
	case TARGET_KEY:
		replay_target(groups, &k.target, is_gone ? NULL : &v.target);
		break;
	case CURRENT_KEY:
		replay_current(groups, &k.current, is_gone ? NULL : &v.current);
		break;
	default:
		replay_regex(groups, &k.regex, is_gone ? NULL : &v.regex);
	}
}

void
consumer_apply(const struct records *records)
{
	for (int i = 0; i < records->n; i++) {
		int16_t type = (int16_t)load_be16(records->v[i].key.p);
		if (type > 2)
			consumer_replay(records->groups, type, records->v[i].key, records->v[i].value);
	}
}
