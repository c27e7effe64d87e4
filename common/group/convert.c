/*
 * A group changes its protocol while it has members (KIP-848).
 *
 * Upgrade: the first member with the consumer protocol joins a classic group of
 * consumers.  All members keep what the last leader assigned, with the generation
 * as epoch.  Downgrade: the last such member leaves, and all that remain use the
 * classic protocol.
 *
 * Source: Kafka's convertToConsumerGroup, convertToClassicGroup.
 */
#include "group/consumer.h"

static const struct str consumer_type = { (const uint8_t *)"consumer", 8 };

/* ---- upgrade ---- */

/* The partitions that the member may own: what the leader assigned, and what it
 * reported when it joined (during a rebalance, only that is known). */
static struct tp_set
assigned_of(struct groups *groups, const struct classic_member *member,
	const struct consumer_protocol_subscription *sub)
{
	struct consumer_protocol_assignment v;
	struct tp_set said = consumer_read_owned(groups, sub), set = { NULL, 0 };
	int32_t total = said.n;
	if (member->assignment.n <= 0 || !consumer_read_assignment(groups, member->assignment, &v))
		return said;
	for (int32_t i = 0; i < v.assigned_partitions.n; i++)
		total += MAX(v.assigned_partitions.v[i].partitions.n, 0);
	set.v = arena_alloc(&groups->scratch, ((size_t)total + 1) * sizeof *set.v);
	for (int32_t i = 0; i < said.n; i++)
		set.v[set.n++] = said.v[i];
	for (int32_t i = 0; i < v.assigned_partitions.n; i++) {
		struct coord_topic topic;
		if (!groups->env->topic(groups->env, v.assigned_partitions.v[i].topic, NULL, &topic, NULL))
			continue;
		for (int32_t k = 0; k < v.assigned_partitions.v[i].partitions.n; k++) {
			int32_t partition = v.assigned_partitions.v[i].partitions.v[k];
			if (partition >= 0 && partition < topic.npartition)
				set.v[set.n++] = (struct tp){ topic.id, partition };
		}
	}
	tp_sort(&set);
	return set;
}

/* Puts a member's records.  The group is no consumer group yet and cannot keep the
 * subscription, so a temporary one is made. */
static bool
put_member(struct records *records, struct group *g, const struct classic_member *member,
	int32_t epoch)
{
	struct groups *groups = records->groups;
	struct consumer_protocol_subscription sub;
	struct str metadata = g->classic.protocol.n > 0
		? classic_metadata(member, g->classic.protocol)
		: member->nprotocol > 0 ? member->protocol[0].metadata : STR("");
	if (!consumer_read_subscription(groups, metadata, &sub))
		return false;
	struct consumer none = { .epoch = 0 };
	list_init(&none.subscriptions);
	struct consumer_spec spec = {
		.instance_id = member->instance_id,
		.rack_id = sub.rack_id.n > 0 ? sub.rack_id : STR_NULL,
		.client_id = member->client_id, .client_host = member->client_host,
		.assignor = STR_NULL, .regex = STR_NULL,
		.names = subscription_get(groups, &none, sub.topics.v, sub.topics.n, &groups->scratch),
		.rebalance_timeout_ms = member->rebalance_timeout_ms, .is_classic = true,
		.session_timeout_ms = member->session_timeout_ms, .protocol = member->protocol,
		.nprotocol = member->nprotocol,
	};
	struct consumer_current now = { epoch, epoch, CONSUMER_STABLE,
		assigned_of(groups, member, &sub), { NULL, 0 } };
	records_member(records, g->id, member->id, &spec);
	records_target(records, g->id, member->id, &now.assigned);
	records_current(records, g->id, member->id, &now);
	subscription_put(groups, spec.names);
	return true;
}

int16_t
convert_to_consumer(struct groups *groups, struct group *g, struct coord_now now)
{
	const struct classic *classic = &g->classic;
	struct records records = RECORDS_INIT(groups);
	int32_t epoch = MAX(classic->generation, 0);
	if (!groups->config.can_upgrade || !str_eq(classic->protocol_type, consumer_type)
			|| classic->nmember > groups->config.consumer_member_max)
		return KERR_GROUP_ID_NOT_FOUND;
	if (g->has_record)
		records_classic_tombstone(&records, g->id);
	LIST_EACH(l, &classic->members)
		if (!put_member(&records, g, CONTAINER_OF(l, struct classic_member, in_group), epoch))
			return KERR_GROUP_ID_NOT_FOUND;
	/* Hash 0: the join that follows computes the topics' hash. */
	records_epoch(&records, g->id, epoch, 0);
	records_target_epoch(&records, g->id, epoch, now.wall_ms);
	int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (error)
		return error;
	g->has_record = false;
	consumer_open(groups, g); /* answers parked calls: a rebalance is in progress */
	consumer_apply(&records);
	MAP_EACH(e, &g->consumer->by_id)
		consumer_session(groups, e->value, now);
	return 0;
}

/* ---- downgrade ---- */

bool
convert_is_due(const struct groups *groups, const struct group *g,
	const struct consumer_member *leaver)
{
	const struct consumer *consumer = g->consumer;
	int32_t left = (int32_t)consumer->by_id.n - (leaver != NULL);
	return groups->config.can_downgrade && (!leaver || !leaver->spec.is_classic) && left > 0
		&& consumer->nclassic == left && left <= groups->config.member_max;
}

/* The members of the future classic group, copied. */
struct draft {
	struct classic_spec *spec;
	struct str *assignment;
	struct str *metadata; /* for the chosen protocol */
	int32_t n;
	struct str protocol;
	bool is_settled; /* all members have their targets */
};

static const struct classic_protocol *
protocol_of(const struct consumer_member *member, struct str name)
{
	for (int32_t i = 0; i < member->spec.nprotocol; i++)
		if (str_eq(member->spec.protocol[i].name, name))
			return &member->spec.protocol[i];
	return NULL;
}

static bool
is_common(struct consumer_member *const *v, int32_t n, struct str name)
{
	for (int32_t i = 0; i < n; i++)
		if (!protocol_of(v[i], name))
			return false;
	return true;
}

/* Every member votes for the first of its protocols that all have. */
static struct str
select_protocol(struct consumer_member *const *v, int32_t n)
{
	struct str best = STR_NULL;
	int32_t best_votes = 0;
	const struct consumer_spec *spec = &v[0]->spec;
	for (int32_t k = 0; k < spec->nprotocol; k++) {
		int32_t votes = 0;
		if (!is_common(v, n, spec->protocol[k].name))
			continue;
		for (int32_t i = 0; i < n; i++) {
			int32_t j = 0;
			while (!is_common(v, n, v[i]->spec.protocol[j].name))
				j++;
			votes += str_eq(v[i]->spec.protocol[j].name, spec->protocol[k].name);
		}
		if (votes > best_votes) {
			best = spec->protocol[k].name;
			best_votes = votes;
		}
	}
	return best;
}

static void
plan_member(struct groups *groups, struct draft *plan, const struct consumer_member *member)
{
	struct arena *a = &groups->scratch;
	const struct consumer_spec *spec = &member->spec;
	struct join_group_request_protocol *protocol =
		arena_alloc(a, ((size_t)spec->nprotocol + 1) * sizeof *protocol);
	for (int32_t i = 0; i < spec->nprotocol; i++) {
		protocol[i].name = arena_str(a, spec->protocol[i].name);
		protocol[i].metadata = arena_str(a, spec->protocol[i].metadata);
	}
	plan->spec[plan->n] = (struct classic_spec){
		.id = arena_str(a, member->id), .instance_id = arena_str(a, spec->instance_id),
		.client_id = arena_str(a, spec->client_id),
		.client_host = arena_str(a, spec->client_host),
		.session_timeout_ms = spec->session_timeout_ms,
		.rebalance_timeout_ms = spec->rebalance_timeout_ms,
		.protocol = protocol, .nprotocol = spec->nprotocol,
	};
	plan->metadata[plan->n] = arena_str(a, protocol_of(member, plan->protocol)->metadata);
	/* What the member may own now, not its target: the rebalance takes care of
	 * that, and an upgrade before it must not see these partitions as free. */
	struct tp_set has = { arena_alloc(a, ((size_t)member->current.assigned.n
		+ (size_t)member->current.revoking.n + 1) * sizeof(struct tp)), 0 };
	for (int32_t i = 0; i < member->current.assigned.n; i++)
		has.v[has.n++] = member->current.assigned.v[i];
	for (int32_t i = 0; i < member->current.revoking.n; i++)
		has.v[has.n++] = member->current.revoking.v[i];
	tp_sort(&has);
	plan->assignment[plan->n] = consumer_write_assignment(groups, &has, plan->metadata[plan->n]);
	plan->is_settled &= member->current.state == CONSUMER_STABLE
		&& member->current.epoch == member->group->consumer->epoch;
	plan->n++;
}

static bool
make_plan(struct groups *groups, const struct group *g, const struct consumer_member *leaver,
	struct draft *plan)
{
	struct arena *a = &groups->scratch;
	size_t size = (size_t)g->consumer->by_id.n + 1;
	struct consumer_member **v = arena_alloc(a, size * sizeof(struct consumer_member *));
	int32_t n = 0;
	MAP_EACH(e, &g->consumer->by_id)
		if (e->value != leaver)
			v[n++] = e->value;
	*plan = (struct draft){ .is_settled = true, .spec = arena_alloc(a, size * sizeof *plan->spec),
		.assignment = arena_alloc(a, size * sizeof *plan->assignment),
		.metadata = arena_alloc(a, size * sizeof *plan->metadata),
		.protocol = arena_str(a, select_protocol(v, n)) };
	for (int32_t i = 0; i < n && plan->protocol.n >= 0; i++)
		plan_member(groups, plan, v[i]);
	return plan->protocol.n >= 0;
}

static void
put_plan(struct records *records, const struct group *g, const struct draft *plan, int64_t wall_ms)
{
	struct group_metadata_key key = { g->id };
	struct group_metadata_value value = {
		.protocol_type = consumer_type, .generation = g->consumer->epoch,
		.protocol = plan->protocol, .leader = plan->spec[0].id,
		.current_state_timestamp = wall_ms,
	};
	value.members.n = plan->n;
	value.members.v = arena_alloc(&records->groups->scratch,
		((size_t)plan->n + 1) * sizeof *value.members.v);
	for (int32_t i = 0; i < plan->n; i++)
		value.members.v[i] = (struct group_metadata_value_member){
			.member_id = plan->spec[i].id, .group_instance_id = plan->spec[i].instance_id,
			.client_id = plan->spec[i].client_id, .client_host = plan->spec[i].client_host,
			.rebalance_timeout = plan->spec[i].rebalance_timeout_ms,
			.session_timeout = plan->spec[i].session_timeout_ms,
			.subscription = plan->metadata[i], .assignment = plan->assignment[i],
		};
	records_put(records, &group_metadata_key_data, 2, &key, &group_metadata_value_data, 3, &value);
}

int16_t
convert_to_classic(struct groups *groups, struct group *g, struct consumer_member *member,
	struct coord_now now)
{
	struct records records = RECORDS_INIT(groups);
	struct draft plan;
	int32_t generation = g->consumer->epoch;
	if (!make_plan(groups, g, member, &plan))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	g->kind->put_tombstones(&records, g);
	put_plan(&records, g, &plan, now.wall_ms);
	int16_t error = records_append(&records, g->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_close(groups, g);
	struct classic *classic = &g->classic;
	g->has_record = true;
	group_str_set(groups, &classic->protocol_type, consumer_type);
	group_str_set(groups, &classic->protocol, plan.protocol);
	classic->generation = generation;
	classic->state = CLASSIC_STABLE;
	classic->state_since_wall_ms = now.wall_ms;
	for (int32_t i = 0; i < plan.n; i++) {
		struct classic_member *one = classic_add(groups, g, &plan.spec[i]);
		classic_set_assignment(groups, one, plan.assignment[i]);
		classic_alive(groups, one, now);
		if (i == 0)
			classic->leader = one;
	}
	if (member || !plan.is_settled)
		classic_rebalance(groups, g, now);
	return 0;
}
