/*
 * The classic protocol in a consumer group: while a group moves from one protocol
 * to the other, some of its members know only the classic one.  Each of them
 * rebalances alone: a join is answered at once, with the member's epoch as the
 * generation; a sync returns its assignment; a heartbeat tells it to join again
 * when there is a next step.
 */
#include "group/consumer.h"

static const struct str consumer_type = { (const uint8_t *)"consumer", 8 };

/* ---- Kafka's embedded protocol ---- */

enum { EMBEDDED_MAX = 3 };

/* Reads a version and its message; later versions begin like the last one known. */
static bool
read_embedded(struct groups *groups, const struct wire_struct *d, struct str s, void *msg)
{
	if (s.n < 2)
		return false;
	int16_t version = (int16_t)load_be16(s.p);
	return version >= 0 && wire_decode(d, MIN(version, EMBEDDED_MAX), false, s.p + 2,
		(size_t)s.n - 2, &groups->scratch, msg) >= 0;
}

bool
consumer_read_subscription(struct groups *groups, struct str metadata,
	struct consumer_protocol_subscription *sub)
{
	return read_embedded(groups, &consumer_protocol_subscription_desc, metadata, sub);
}

bool
consumer_read_assignment(struct groups *groups, struct str bytes,
	struct consumer_protocol_assignment *assignment)
{
	return read_embedded(groups, &consumer_protocol_assignment_desc, bytes, assignment);
}

struct str
consumer_write_assignment(struct groups *groups, const struct tp_set *set, struct str metadata)
{
	struct consumer_protocol_assignment assignment = { .user_data = STR_NULL };
	struct arena *a = &groups->scratch;
	int32_t n;
	struct tp_run *run = tp_runs(set, &n, a);
	assignment.assigned_partitions.v = arena_alloc(a,
		((size_t)n + 1) * sizeof *assignment.assigned_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct coord_topic topic;
		struct str name;
		if (!groups->env->topic(groups->env, STR_NULL, &run[i].id, &topic, &name))
			continue; /* the topic was deleted */
		struct consumer_protocol_assignment_topic *to =
			&assignment.assigned_partitions.v[assignment.assigned_partitions.n++];
		to->topic = arena_str(a, name);
		to->partitions.v = run[i].v;
		to->partitions.n = run[i].n;
	}
	int16_t version = metadata.n < 2 ? 0 : (int16_t)load_be16(metadata.p);
	struct buf b = BUF_INIT;
	wire_data_encode(&consumer_protocol_assignment_data,
		(int16_t)MAX(0, MIN(version, EMBEDDED_MAX)), &assignment, &b);
	struct str s = arena_str(a, buf_str(&b));
	buf_release(&b);
	return s;
}

struct tp_set
consumer_read_owned(struct groups *groups, const struct consumer_protocol_subscription *sub)
{
	struct tp_set set = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < sub->owned_partitions.n; i++)
		total += MAX(sub->owned_partitions.v[i].partitions.n, 0);
	set.v = arena_alloc(&groups->scratch, ((size_t)total + 1) * sizeof *set.v);
	for (int32_t i = 0; i < sub->owned_partitions.n; i++) {
		struct coord_topic topic;
		if (!groups->env->topic(groups->env, sub->owned_partitions.v[i].topic, NULL, &topic, NULL))
			continue;
		for (int32_t k = 0; k < sub->owned_partitions.v[i].partitions.n; k++) {
			int32_t partition = sub->owned_partitions.v[i].partitions.v[k];
			if (partition >= 0 && partition < topic.npartition)
				set.v[set.n++] = (struct tp){ topic.id, partition };
		}
	}
	tp_sort(&set);
	return set;
}

/* ---- join ---- */

/* Whether one of the member's protocols is offered by every classic member. */
static bool
is_protocol_shared(const struct consumer *consumer, const struct join_group_request *q)
{
	if (!str_eq(q->protocol_type, consumer_type))
		return false;
	for (int32_t i = 0; i < q->protocols.n; i++) {
		int32_t n = 0;
		MAP_EACH(e, &consumer->by_id) {
			const struct consumer_member *member = e->value;
			for (int32_t k = 0; k < member->spec.nprotocol; k++) {
				if (str_eq(member->spec.protocol[k].name, q->protocols.v[i].name)) {
					n++;
					break;
				}
			}
		}
		if (n == consumer->nclassic)
			return true;
	}
	return false;
}

static void
sync_fire(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct consumer_member *member = CONTAINER_OF(timer, struct consumer_member, sync);
	if (consumer_fence(groups, member->group, member, now) != 0)
		timer_set(groups, timer, now.mono_ms + GROUP_RETRY_MS, sync_fire);
}

static void
join_fire(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct consumer_member *member = CONTAINER_OF(timer, struct consumer_member, join);
	if (consumer_fence(groups, member->group, member, now) != 0)
		timer_set(groups, timer, now.mono_ms + GROUP_RETRY_MS, join_fire);
}

static void
update_spec(struct change *ch, const struct coord_call *call,
	const struct consumer_protocol_subscription *sub)
{
	const struct join_group_request *q = call->body;
	struct consumer_spec *spec = &ch->spec;
	if (q->group_instance_id.n >= 0)
		spec->instance_id = q->group_instance_id;
	if (sub->rack_id.n > 0)
		spec->rack_id = sub->rack_id;
	spec->rebalance_timeout_ms = q->rebalance_timeout_ms >= 0 ? q->rebalance_timeout_ms
		: q->session_timeout_ms;
	spec->client_id = call->client_id;
	spec->client_host = call->client_host;
	spec->regex = STR_NULL;
	subscription_put(ch->groups, spec->names);
	spec->names = subscription_get(ch->groups, ch->consumer, sub->topics.v, sub->topics.n,
		&ch->groups->scratch);
	spec->is_classic = true;
	spec->session_timeout_ms = q->session_timeout_ms;
	spec->nprotocol = q->protocols.n;
	spec->protocol = arena_alloc(&ch->groups->scratch,
		((size_t)q->protocols.n + 1) * sizeof *spec->protocol);
	for (int32_t i = 0; i < q->protocols.n; i++)
		spec->protocol[i] = (struct classic_protocol){ q->protocols.v[i].name,
			q->protocols.v[i].metadata };
}

/* 0, with the static member that is replaced (NULL: none); or an error. */
static int16_t
check_joiner(const struct group *g, const struct join_group_request *q,
	struct consumer_member **replaced)
{
	struct consumer_member *member = consumer_find_static(g, q->group_instance_id);
	*replaced = NULL;
	if (q->group_instance_id.n < 0)
		return 0;
	if (q->member_id.n == 0) {
		*replaced = member;
		return 0;
	}
	if (!member)
		return KERR_UNKNOWN_MEMBER_ID;
	return str_eq(member->id, q->member_id) ? 0 : KERR_FENCED_INSTANCE_ID;
}

static void
answer_joined(struct groups *groups, struct coord_call *call, const struct consumer_member *member)
{
	struct join_group_response r;
	wire_defaults(&join_group_response_desc, &r);
	r.generation_id = member->current.epoch;
	r.protocol_type = consumer_type;
	r.protocol_name = member->spec.protocol[0].name;
	r.leader = STR("");
	r.member_id = member->id;
	groups->env->respond(groups->env, call, &r);
}

static void
joined(struct groups *groups, struct group *g, struct coord_call *call,
	struct consumer_member *member, bool was_replaced, struct coord_now now)
{
	timer_clear(groups, &member->join);
	timer_clear(groups, &member->rebalance);
	consumer_session(groups, member, now);
	timer_set(groups, &member->sync, now.mono_ms + member->spec.rebalance_timeout_ms, sync_fire);
	answer_joined(groups, call, member);
	/* This member may have replaced the last one with the consumer protocol.  If
	 * the append is refused, the group stays a consumer group, which is fine. */
	if (was_replaced && convert_is_due(groups, g, NULL))
		convert_to_classic(groups, g, NULL, now);
}

void
consumer_classic_join(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now)
{
	const struct join_group_request *q = call->body;
	struct consumer_protocol_subscription sub;
	struct consumer_member *replaced;
	struct str id = q->member_id;
	int16_t error = 0;
	call->partition = g->partition;
	if (!consumer_find(g, id) && (int32_t)g->consumer->by_id.n
			>= groups->config.consumer_member_max)
		error = KERR_GROUP_MAX_SIZE_REACHED;
	else if (q->protocols.n <= 0 || !is_protocol_shared(g->consumer, q)
			|| !consumer_read_subscription(groups, q->protocols.v[0].metadata, &sub))
		error = KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (id.n == 0)
		id = group_member_id(groups, q->group_instance_id.n >= 0 ? q->group_instance_id
			: call->client_id, &groups->scratch);
	if (!error && q->member_id.n == 0 && q->group_instance_id.n < 0 && call->api_version >= 4)
		error = KERR_MEMBER_ID_REQUIRED;
	else if (!error)
		error = check_joiner(g, q, &replaced);
	if (error) {
		classic_answer_join(groups, call, error == KERR_MEMBER_ID_REQUIRED ? id : q->member_id,
			error);
		return;
	}
	struct change ch;
	struct tp_set owned = consumer_read_owned(groups, &sub);
	if (!replaced && !consumer_find(g, id) && owned.n > 0) {
		/* The member was fenced, and others may own its partitions now: it
		 * must learn that, as it would in a classic group. */
		classic_answer_join(groups, call, q->member_id, KERR_UNKNOWN_MEMBER_ID);
		return;
	}
	bool was_replaced = replaced && !replaced->spec.is_classic;
	change_init(&ch, groups, g, now);
	change_draft(&ch, id, replaced);
	if (ch.current.epoch < 0)
		ch.current.epoch = ch.current.previous_epoch = 0;
	update_spec(&ch, call, &sub);
	error = change_prepare(&ch, &owned);
	if (!error)
		error = change_commit(&ch);
	change_release(&ch);
	if (error)
		classic_answer_join(groups, call, q->member_id, error);
	else
		joined(groups, g, call, ch.old, was_replaced, now);
}

/* ---- sync, heartbeat, leave ---- */

static int16_t
find_classic(const struct group *g, struct str id, struct str instance_id,
	struct consumer_member **member)
{
	*member = instance_id.n >= 0 ? consumer_find_static(g, instance_id) : consumer_find(g, id);
	if (!*member)
		return KERR_UNKNOWN_MEMBER_ID;
	if (instance_id.n >= 0 && !str_eq((*member)->id, id))
		return KERR_FENCED_INSTANCE_ID;
	return (*member)->spec.is_classic ? 0 : KERR_UNKNOWN_MEMBER_ID;
}

/* The member must join again within its rebalance timeout, which begins when a
 * response first says so. */
static void
expect_join(struct groups *groups, struct consumer_member *member, struct coord_now now)
{
	if (!timer_is_set(&member->join))
		timer_set(groups, &member->join, now.mono_ms + MAX(member->spec.rebalance_timeout_ms, 0),
			join_fire);
}

void
consumer_classic_sync(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now)
{
	const struct sync_group_request *q = call->body;
	struct consumer_member *member;
	call->partition = g->partition;
	int16_t error = find_classic(g, q->member_id, q->group_instance_id, &member);
	if (!error && member->current.epoch != q->generation_id)
		error = KERR_ILLEGAL_GENERATION;
	if (!error && ((q->protocol_type.n >= 0 && !str_eq(q->protocol_type, consumer_type))
			|| (q->protocol_name.n >= 0
				&& !str_eq(q->protocol_name, member->spec.protocol[0].name))))
		error = KERR_INCONSISTENT_GROUP_PROTOCOL;
	if (!error && g->consumer->epoch > member->current.epoch
			&& member->current.state != CONSUMER_UNREVOKED) {
		expect_join(groups, member, now);
		error = KERR_REBALANCE_IN_PROGRESS;
	}
	if (error) {
		classic_answer_sync(groups, call, error);
		return;
	}
	struct sync_group_response r;
	wire_defaults(&sync_group_response_desc, &r);
	r.protocol_type = q->protocol_type;
	r.protocol_name = q->protocol_name;
	r.assignment = consumer_write_assignment(groups, &member->current.assigned,
		member->spec.protocol[0].metadata);
	timer_clear(groups, &member->sync);
	consumer_session(groups, member, now);
	groups->env->respond(groups->env, call, &r);
}

/* Whether the member waits for others, so that joining again would not help. */
static bool
is_waiting(const struct consumer *consumer, const struct consumer_member *member)
{
	for (int32_t i = 0; i < member->target.n; i++)
		if (!tp_set_has(&member->current.assigned, &member->target.v[i])
				&& consumer_owners(consumer, &member->target.v[i]) > 0)
			return true;
	return false;
}

void
consumer_classic_heartbeat(struct groups *groups, struct group *g, struct coord_call *call,
	struct coord_now now)
{
	const struct heartbeat_request *q = call->body;
	const struct consumer *consumer = g->consumer;
	struct consumer_member *member;
	call->partition = g->partition;
	int16_t error = find_classic(g, q->member_id, q->group_instance_id, &member);
	if (!error && member->current.epoch != q->generation_id)
		error = KERR_ILLEGAL_GENERATION;
	if (!error) {
		consumer_refresh(groups, g, now);
		consumer_session(groups, member, now);
		if (member->current.epoch < consumer->epoch
				|| member->current.state == CONSUMER_UNREVOKED
				|| (member->current.state == CONSUMER_UNRELEASED
					&& !is_waiting(consumer, member))) {
			expect_join(groups, member, now);
			error = KERR_REBALANCE_IN_PROGRESS;
		}
	}
	classic_answer_heartbeat(groups, call, error);
}

int16_t
consumer_classic_leave(struct groups *groups, struct group *g, struct str member_id,
	struct str instance_id, struct coord_now now)
{
	struct consumer_member *member;
	int16_t error = 0;
	if (instance_id.n >= 0 && member_id.n == 0) {
		/* An administrator gives only the instance id. */
		member = consumer_find_static(g, instance_id);
		if (!member || !member->spec.is_classic)
			error = KERR_UNKNOWN_MEMBER_ID;
	} else {
		error = find_classic(g, member_id, instance_id, &member);
	}
	return error ? error : consumer_fence(groups, g, member, now);
}
