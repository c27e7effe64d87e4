/* A change of a consumer group: drafted, prepared as records, appended, applied. */
#include "group/consumer.h"

void
change_init(struct change *ch, struct groups *groups, struct group *g, struct coord_now now)
{
	struct consumer *consumer = g->consumer;
	*ch = (struct change){ .groups = groups, .group = g, .consumer = consumer,
		.now = now, .records = RECORDS_INIT(groups),
		.id = STR_NULL, .epoch = consumer->epoch, .target_epoch = consumer->target_epoch,
		.hash = consumer->hash };
}

void
change_release(struct change *ch)
{
	for (int32_t i = 0; i < ch->nresolved; i++)
		subscription_put(ch->groups, ch->resolved[i].topics);
	ch->nresolved = 0;
	if (ch->spec.names)
		subscription_put(ch->groups, ch->spec.names);
	ch->spec.names = NULL;
}

void
change_draft(struct change *ch, struct str id, struct consumer_member *replaced)
{
	struct consumer_member *from = replaced;
	ch->id = id;
	ch->replaced = replaced;
	ch->old = replaced ? NULL : consumer_find(ch->group, id);
	if (ch->old)
		from = ch->old;
	if (from) {
		ch->spec = from->spec;
		ch->current = from->current;
		ch->target = from->target;
	} else {
		ch->spec = (struct consumer_spec){ STR_NULL, STR_NULL, STR_NULL, STR_NULL,
			STR_NULL, STR_NULL, .rebalance_timeout_ms = -1 };
		ch->current.previous_epoch = -1;
	}
	if (replaced)
		ch->current.epoch = ch->current.previous_epoch = 0;
	ch->spec.names = ch->spec.names ? subscription_ref(ch->spec.names)
		: subscription_get(ch->groups, ch->consumer, NULL, 0, &ch->groups->scratch);
}

static bool
protocols_eq(const struct consumer_spec *a, const struct consumer_spec *b)
{
	if (a->nprotocol != b->nprotocol)
		return false;
	for (int32_t i = 0; i < a->nprotocol; i++)
		if (!str_eq(a->protocol[i].name, b->protocol[i].name)
				|| !str_eq(a->protocol[i].metadata, b->protocol[i].metadata))
			return false;
	return true;
}

static bool
spec_eq(const struct consumer_spec *a, const struct consumer_spec *b)
{
	return str_eq(a->instance_id, b->instance_id) && str_eq(a->rack_id, b->rack_id)
		&& str_eq(a->client_id, b->client_id) && str_eq(a->client_host, b->client_host)
		&& str_eq(a->assignor, b->assignor) && str_eq(a->regex, b->regex)
		&& a->names == b->names && a->rebalance_timeout_ms == b->rebalance_timeout_ms
		&& a->is_classic == b->is_classic
		&& (!a->is_classic || (a->session_timeout_ms == b->session_timeout_ms
			&& protocols_eq(a, b)));
}

/* An empty expression counts as none. */
static bool
regex_eq(struct str a, struct str b)
{
	return str_eq(a, b) || (a.n <= 0 && b.n <= 0);
}

/* Whether the member's subscription differs from before. */
static bool
is_subscription_new(const struct change *ch, const struct consumer_member *from)
{
	if (!from)
		return ch->spec.names->n > 0 || ch->spec.regex.n > 0 || ch->consumer->epoch == 0;
	return from->spec.names != ch->spec.names || !regex_eq(from->spec.regex, ch->spec.regex);
}

int16_t
change_prepare(struct change *ch, const struct tp_set *owned)
{
	struct str gid = ch->group->id;
	const struct consumer_member *from = ch->old ? ch->old : ch->replaced;
	if (ch->replaced) {
		/* The member takes the replaced one's place, target and assignment. */
		records_member_tombstones(&ch->records, gid, ch->replaced->id);
		records_member(&ch->records, gid, ch->id, &ch->spec);
		records_target(&ch->records, gid, ch->id, &ch->target);
		records_current(&ch->records, gid, ch->id, &ch->current);
	} else if (!ch->old || !ch->old->spec.names || !spec_eq(&ch->spec, &ch->old->spec)) {
		records_member(&ch->records, gid, ch->id, &ch->spec);
	}
	int16_t error = change_resolve(ch);
	if (error)
		return error;
	if (from && !regex_eq(from->spec.regex, ch->spec.regex))
		change_drop_regexes(ch);

	bool is_bumped = is_subscription_new(ch, from) || ch->epoch == 0;
	struct view *view = NULL;
	if (is_bumped || ch->consumer->is_stale || ch->epoch > ch->target_epoch) {
		view = change_view(ch);
		is_bumped |= ch->hash != ch->consumer->hash;
	}
	if (is_bumped) {
		ch->epoch++;
		records_epoch(&ch->records, gid, ch->epoch, ch->hash);
	}
	if (ch->epoch > ch->target_epoch)
		change_assign(ch, view);
	bool is_first = !from;
	if (consumer_reconcile(&ch->current, &ch->target, ch->target_epoch, owned, ch->consumer,
			&ch->groups->scratch) || is_first)
		records_current(&ch->records, gid, ch->id, &ch->current);
	return 0;
}

int16_t
change_commit(struct change *ch)
{
	struct records all = RECORDS_INIT(ch->groups);
	if (ch->group->has_record) {
		/* The group was an empty classic group before. */
		records_classic_tombstone(&all, ch->group->id);
		struct coord_record *v = arena_alloc(&ch->groups->scratch,
			(size_t)(ch->records.n + 1) * sizeof *v);
		v[0] = all.v[0];
		if (ch->records.n > 0)
			memcpy(v + 1, ch->records.v, (size_t)ch->records.n * sizeof *v);
		ch->records.v = v;
		ch->records.n++;
		ch->records.cap = ch->records.n;
		ch->records.size += all.size;
	}
	int16_t error = records_append(&ch->records, ch->group->partition, NULL, ch->now.wall_ms);
	if (error)
		return error;
	ch->group->has_record = false;
	ch->consumer->is_stale = false;
	if (ch->records.n > 0) {
		int32_t session_ms, heartbeat_ms;
		consumer_times(ch->groups, ch->group, &session_ms, &heartbeat_ms);
		ch->consumer->busy_until_ms = ch->now.mono_ms + heartbeat_ms;
	}
	consumer_apply(&ch->records);
	if (ch->id.n >= 0) {
		ch->old = consumer_find(ch->group, ch->id);
		assert(ch->old);
	}
	ch->replaced = NULL;
	return 0;
}
