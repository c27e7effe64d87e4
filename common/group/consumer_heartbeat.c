/* ConsumerGroupHeartbeat: members join, stay alive, leave, and are fenced. */
#include "group/consumer.h"

/* Members learn of a change with their next heartbeat.  For one heartbeat interval
 * after a change, members are told to use this shorter one, so that members which
 * join at the same time get their partitions soon. */
enum { BUSY_INTERVAL_MS = 500 };

void
consumer_times(const struct groups *groups, const struct group *g, int32_t *session_ms,
	int32_t *heartbeat_ms)
{
	*session_ms = groups->config.consumer_session_ms;
	*heartbeat_ms = groups->config.consumer_heartbeat_ms;
	if (groups->env->group_times)
		groups->env->group_times(groups->env, g->id, session_ms, heartbeat_ms);
}

static int32_t
interval(const struct groups *groups, const struct group *g, struct coord_now now)
{
	int32_t session_ms, ms;
	consumer_times(groups, g, &session_ms, &ms);
	return now.mono_ms < g->consumer->busy_until_ms ? MIN(ms, BUSY_INTERVAL_MS) : ms;
}

static void
answer_error(struct groups *groups, struct coord_call *call, int16_t error, const char *why)
{
	struct consumer_group_heartbeat_response r;
	wire_defaults(&consumer_group_heartbeat_response_desc, &r);
	r.error_code = error;
	r.error_message = str_of(why ? why : kerr_info(error)->text);
	groups->env->respond(groups->env, call, &r);
}

static void
answer(struct groups *groups, struct coord_call *call, struct str id, int32_t epoch,
	int32_t interval_ms, const struct tp_set *assigned)
{
	struct consumer_group_heartbeat_response r;
	struct consumer_group_heartbeat_response_assignment out = { 0 };
	wire_defaults(&consumer_group_heartbeat_response_desc, &r);
	r.member_id = id;
	r.member_epoch = epoch;
	r.heartbeat_interval_ms = interval_ms;
	if (assigned) {
		int32_t n;
		struct tp_run *run = tp_runs(assigned, &n, call->arena);
		out.topic_partitions.n = n;
		out.topic_partitions.v = arena_alloc(call->arena,
			((size_t)n + 1) * sizeof *out.topic_partitions.v);
		for (int32_t i = 0; i < n; i++) {
			out.topic_partitions.v[i].topic_id = run[i].id;
			out.topic_partitions.v[i].partitions.v = run[i].v;
			out.topic_partitions.v[i].partitions.n = run[i].n;
		}
		r.assignment = &out;
	}
	groups->env->respond(groups->env, call, &r);
}

/* ---- checks ---- */

static int16_t
check_request(const struct consumer_group_heartbeat_request *q, int16_t version,
	struct arena *a, const char **why)
{
	int32_t epoch = q->member_epoch;
	*why = NULL;
	if (q->member_id.n <= 0 && (version >= 1 || epoch > 0 || epoch == CONSUMER_LEAVE
			|| epoch == CONSUMER_LEAVE_STATIC))
		*why = "the member id must not be empty";
	else if (q->group_id.n <= 0)
		*why = "the group id must not be empty";
	else if (q->instance_id.n == 0)
		*why = "the instance id must not be empty";
	else if (q->rack_id.n == 0)
		*why = "the rack id must not be empty";
	else if (epoch == 0 && q->rebalance_timeout_ms == -1)
		*why = "a join must give a rebalance timeout";
	else if (epoch == 0 && q->topic_partitions.n != 0)
		*why = "a join must say that it has no partitions";
	else if (epoch == 0 && q->subscribed_topic_names.n < 0 && q->subscribed_topic_regex.n < 0)
		*why = "a join must give topic names or a regular expression";
	else if (epoch == CONSUMER_LEAVE_STATIC && q->instance_id.n < 0)
		*why = "only a static member leaves for a while";
	else if (epoch < CONSUMER_LEAVE_STATIC)
		*why = "the member epoch is less than -2";
	if (*why)
		return KERR_INVALID_REQUEST;
	if (q->server_assignor.n >= 0 && !assignor_find(q->server_assignor)) {
		*why = "supported assignors: uniform, range";
		return KERR_UNSUPPORTED_ASSIGNOR;
	}
	return consumer_regex_check(q->subscribed_topic_regex, a);
}

static struct tp_set
owned_of(const struct consumer_group_heartbeat_request *q, struct arena *a)
{
	struct tp_set set = { NULL, 0 };
	int32_t total = 0;
	for (int32_t i = 0; i < q->topic_partitions.n; i++)
		total += MAX(q->topic_partitions.v[i].partitions.n, 0);
	set.v = arena_alloc(a, ((size_t)total + 1) * sizeof *set.v);
	for (int32_t i = 0; i < q->topic_partitions.n; i++)
		for (int32_t k = 0; k < q->topic_partitions.v[i].partitions.n; k++)
			set.v[set.n++] = (struct tp){ q->topic_partitions.v[i].topic_id,
				q->topic_partitions.v[i].partitions.v[k] };
	tp_sort(&set);
	return set;
}

/* The response that raised the epoch may have been lost: the epoch before is good,
 * too, unless the member owns partitions that it has lost since. */
static int16_t
check_epoch(const struct consumer_member *member, int32_t epoch, const struct tp_set *owned)
{
	if (epoch == 0 || epoch == member->current.epoch)
		return 0;
	if (epoch > member->current.epoch || epoch != member->current.previous_epoch || !owned)
		return KERR_FENCED_MEMBER_EPOCH;
	for (int32_t i = 0; i < owned->n; i++)
		if (!tp_set_has(&member->current.assigned, &owned->v[i]))
			return KERR_FENCED_MEMBER_EPOCH;
	return 0;
}

/* ---- join and keep alive ---- */

struct beat {
	struct groups *groups;
	struct coord_call *call;
	const struct consumer_group_heartbeat_request *q;
	struct group *group;
	struct str id;
	struct tp_set owned_set, *owned; /* owned NULL: not reported */
	struct consumer_member *replaced;
	bool is_opened; /* by this request */
};

/* Whether the request may add to the group's state. */
static bool
adds_state(const struct consumer_group_heartbeat_request *q)
{
	return q->member_epoch == 0 || q->subscribed_topic_names.n >= 0
		|| q->subscribed_topic_regex.n >= 0 || q->rack_id.n >= 0;
}

/* Finds the group, as a consumer group; a join may make or convert it. */
static int16_t
find_group(struct beat *beat, struct coord_now now)
{
	struct groups *groups = beat->groups;
	bool is_join = beat->q->member_epoch == 0;
	if (beat->q->member_epoch >= 0 && group_is_full(groups) && adds_state(beat->q))
		return KERR_COORDINATOR_NOT_AVAILABLE;
	beat->group = is_join ? group_make(groups, beat->q->group_id)
		: group_find(groups, beat->q->group_id);
	if (!beat->group)
		return is_join ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_GROUP_ID_NOT_FOUND;
	beat->call->partition = beat->group->partition;
	if (beat->group->kind == &group_consumer)
		return 0;
	if (!is_join)
		return KERR_GROUP_ID_NOT_FOUND;
	if (!group_is_empty(beat->group))
		return convert_to_consumer(groups, beat->group, now);
	consumer_open(groups, beat->group);
	beat->is_opened = true;
	return 0;
}

/* Finds the member's predecessor, if any, and checks ids and epoch. */
static int16_t
find_member(struct beat *beat)
{
	const struct consumer_group_heartbeat_request *q = beat->q;
	bool is_join = q->member_epoch == 0;
	struct consumer_member *member = consumer_find(beat->group, q->member_id);
	if (!member
		&& (int32_t)beat->group->consumer->by_id.n >= beat->groups->config.consumer_member_max)
		return KERR_GROUP_MAX_SIZE_REACHED;
	if (q->instance_id.n >= 0) {
		struct consumer_member *owner = consumer_find_static(beat->group, q->instance_id);
		if (!owner && !is_join)
			return KERR_UNKNOWN_MEMBER_ID;
		if (owner && !str_eq(owner->id, q->member_id)) {
			if (!is_join)
				return KERR_FENCED_INSTANCE_ID;
			if (!owner->spec.is_classic && owner->current.epoch != CONSUMER_LEAVE_STATIC)
				return KERR_UNRELEASED_INSTANCE_ID;
			if (member)
				return KERR_INVALID_REQUEST; /* the id is another member's */
			beat->replaced = owner;
			return 0;
		}
	}
	if (!member)
		return is_join ? 0 : KERR_UNKNOWN_MEMBER_ID;
	return check_epoch(member, q->member_epoch, beat->owned);
}

static struct str
make_id(struct groups *groups, struct arena *a)
{
	uint64_t bits[2] = { groups->env->random(groups->env), groups->env->random(groups->env) };
	struct uuid id;
	memcpy(id.bytes, bits, sizeof id.bytes);
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return str_of(uuid_format(&id, arena_alloc(a, UUID_TEXT_SIZE)));
}

/* Puts the request's fields into the draft.  Missing fields stay as they are, except
 * in a join, which is complete: a member that replaces a static one may have
 * another subscription. */
static void
update_spec(struct change *ch, const struct beat *beat)
{
	const struct consumer_group_heartbeat_request *q = beat->q;
	struct consumer_spec *spec = &ch->spec;
	bool is_join = q->member_epoch == 0;
	if (q->instance_id.n >= 0)
		spec->instance_id = q->instance_id;
	if (is_join || q->rack_id.n >= 0)
		spec->rack_id = q->rack_id;
	if (q->rebalance_timeout_ms != -1)
		spec->rebalance_timeout_ms = q->rebalance_timeout_ms;
	if (is_join || q->server_assignor.n >= 0)
		spec->assignor = q->server_assignor;
	if (is_join || q->subscribed_topic_regex.n >= 0)
		spec->regex = q->subscribed_topic_regex;
	if (is_join || q->subscribed_topic_names.n >= 0) {
		subscription_put(ch->groups, spec->names);
		spec->names = subscription_get(ch->groups, ch->consumer, q->subscribed_topic_names.v,
			q->subscribed_topic_names.n, &ch->groups->scratch);
	}
	spec->client_id = beat->call->client_id;
	spec->client_host = beat->call->client_host;
	spec->is_classic = false;
	spec->session_timeout_ms = 0;
	spec->protocol = NULL;
	spec->nprotocol = 0;
}

static int16_t
change_member(struct beat *beat, struct change *ch, bool *sends_assignment)
{
	const struct consumer_group_heartbeat_request *q = beat->q;
	change_draft(ch, beat->id, beat->replaced);
	update_spec(ch, beat);
	if (ch->current.epoch == CONSUMER_LEAVE_STATIC)
		ch->current.epoch = ch->current.previous_epoch = 0; /* the static member returns */
	int16_t error = change_prepare(ch, beat->owned);
	if (error)
		return error;
	*sends_assignment = q->member_epoch == 0 || (q->rebalance_timeout_ms != -1
		&& q->subscribed_topic_names.n >= 0 && q->topic_partitions.n >= 0)
		|| !ch->old || !tp_set_eq(&ch->current.assigned, &ch->old->current.assigned);
	bool is_new_state = !ch->old || ch->current.epoch != ch->old->current.epoch
		|| ch->current.state != ch->old->current.state
		|| !tp_set_eq(&ch->current.revoking, &ch->old->current.revoking);
	error = change_commit(ch);
	if (error)
		return error;
	if (is_new_state)
		consumer_watch_revocation(beat->groups, ch->old, ch->now);
	timer_clear(beat->groups, &ch->old->join);
	timer_clear(beat->groups, &ch->old->sync);
	consumer_session(beat->groups, ch->old, ch->now);
	return 0;
}

static void
heartbeat(struct beat *beat, struct coord_now now)
{
	struct groups *groups = beat->groups;
	int16_t error = find_group(beat, now);
	if (!error)
		error = find_member(beat);
	if (!error) {
		struct change ch;
		bool sends_assignment;
		beat->id = beat->q->member_id.n > 0 ? beat->q->member_id
			: make_id(groups, &groups->scratch);
		change_init(&ch, groups, beat->group, now);
		error = change_member(beat, &ch, &sends_assignment);
		change_release(&ch);
		if (!error) {
			answer(groups, beat->call, ch.old->id, ch.old->current.epoch,
				interval(groups, beat->group, now),
				sends_assignment ? &ch.old->current.assigned : NULL);
			return;
		}
	}
	if (beat->is_opened)
		consumer_close(groups, beat->group);
	if (beat->group)
		group_free_if_idle(groups, beat->group);
	answer_error(groups, beat->call, error, NULL);
}

/* ---- leave ---- */

/* A static member that leaves for a while keeps its partitions. */
static int16_t
leave_static(struct groups *groups, struct consumer_member *member, struct coord_now now)
{
	struct records records = RECORDS_INIT(groups);
	struct consumer_current current = member->current;
	current.epoch = CONSUMER_LEAVE_STATIC;
	current.revoking = (struct tp_set){ NULL, 0 };
	records_current(&records, member->group->id, member->id, &current);
	int16_t error = records_append(&records, member->group->partition, NULL, now.wall_ms);
	if (error)
		return error;
	consumer_apply(&records);
	timer_clear(groups, &member->rebalance);
	return 0;
}

static int16_t
leave(struct groups *groups, struct coord_call *call,
	const struct consumer_group_heartbeat_request *q, struct coord_now now)
{
	struct group *g = group_find(groups, q->group_id);
	if (!g || g->kind != &group_consumer)
		return KERR_GROUP_ID_NOT_FOUND;
	call->partition = g->partition;
	struct consumer_member *member = q->instance_id.n >= 0
		? consumer_find_static(g, q->instance_id) : consumer_find(g, q->member_id);
	if (!member)
		return KERR_UNKNOWN_MEMBER_ID;
	if (!str_eq(member->id, q->member_id))
		return KERR_FENCED_INSTANCE_ID;
	if (q->member_epoch == CONSUMER_LEAVE_STATIC)
		return leave_static(groups, member, now);
	return consumer_fence(groups, g, member, now);
}

void
consumer_heartbeat(struct groups *groups, struct coord_call *call, struct coord_now now)
{
	const struct consumer_group_heartbeat_request *q = call->body;
	const char *why = NULL;
	if (!groups->config.has_consumer_protocol) {
		answer_error(groups, call, KERR_UNSUPPORTED_VERSION, NULL);
		return;
	}
	int16_t error = check_request(q, call->api_version, &groups->scratch, &why);
	if (error) {
		answer_error(groups, call, error, why);
		return;
	}
	if (q->member_epoch < 0) {
		error = leave(groups, call, q, now);
		if (error)
			answer_error(groups, call, error, NULL);
		else
			answer(groups, call, q->member_id, q->member_epoch, 0, NULL);
		return;
	}
	struct beat beat = { .groups = groups, .call = call, .q = q };
	beat.owned_set = owned_of(q, &groups->scratch);
	beat.owned = q->topic_partitions.n >= 0 ? &beat.owned_set : NULL;
	heartbeat(&beat, now);
}

/* ---- topic changes, fencing, timers ---- */

void
consumer_refresh(struct groups *groups, struct group *g, struct coord_now now)
{
	struct change ch;
	if (!g->consumer->is_stale)
		return;
	change_init(&ch, groups, g, now);
	change_resolve(&ch);
	change_view(&ch);
	if (ch.hash != g->consumer->hash)
		records_epoch(&ch.records, g->id, ch.epoch + 1, ch.hash);
	change_commit(&ch);
	change_release(&ch);
}

int16_t
consumer_fence(struct groups *groups, struct group *g, struct consumer_member *member,
	struct coord_now now)
{
	/* If the classic group does not fit into one record, it stays a consumer group. */
	int16_t error = convert_is_due(groups, g, member) ? convert_to_classic(groups, g, member, now)
		: KERR_UNKNOWN_SERVER_ERROR;
	if (error != KERR_UNKNOWN_SERVER_ERROR)
		return error;
	struct change ch;
	change_init(&ch, groups, g, now);
	member->is_leaving = true;
	records_member_tombstones(&ch.records, g->id, member->id);
	change_resolve(&ch);
	change_drop_regexes(&ch);
	change_view(&ch);
	ch.epoch++;
	records_epoch(&ch.records, g->id, ch.epoch, ch.hash);
	/* Without members there is nothing to assign: the target is empty at the new
	 * epoch, as in Kafka 4.4.0. */
	if (g->consumer->by_id.n == 1)
		records_target_epoch(&ch.records, g->id, ch.epoch, now.wall_ms);
	error = change_commit(&ch);
	if (error)
		member->is_leaving = false;
	change_release(&ch);
	return error;
}

static void
fence_or_retry(struct groups *groups, struct consumer_member *member, struct timer *timer,
	void (*fire)(struct groups *groups, struct timer *timer, struct coord_now now),
	struct coord_now now)
{
	if (consumer_fence(groups, member->group, member, now) != 0)
		timer_set(groups, timer, now.mono_ms + GROUP_RETRY_MS, fire);
}

static void
session_fire(struct groups *groups, struct timer *timer, struct coord_now now)
{
	fence_or_retry(groups, CONTAINER_OF(timer, struct consumer_member, session), timer,
		session_fire, now);
}

void
consumer_session(struct groups *groups, struct consumer_member *member, struct coord_now now)
{
	int32_t ms, heartbeat_ms;
	consumer_times(groups, member->group, &ms, &heartbeat_ms);
	if (member->spec.is_classic)
		ms = member->spec.session_timeout_ms;
	timer_set(groups, &member->session, now.mono_ms + ms, session_fire);
}

static void
rebalance_fire(struct groups *groups, struct timer *timer, struct coord_now now)
{
	struct consumer_member *member = CONTAINER_OF(timer, struct consumer_member, rebalance);
	if (member->current.state == CONSUMER_UNREVOKED
		&& member->current.epoch == member->rebalance_epoch)
		fence_or_retry(groups, member, timer, rebalance_fire, now);
}

void
consumer_watch_revocation(struct groups *groups, struct consumer_member *member,
	struct coord_now now)
{
	timer_clear(groups, &member->rebalance);
	if (member->current.state != CONSUMER_UNREVOKED || member->spec.is_classic)
		return;
	member->rebalance_epoch = member->current.epoch;
	timer_set(groups, &member->rebalance, now.mono_ms + MAX(member->spec.rebalance_timeout_ms, 0),
		rebalance_fire);
}
