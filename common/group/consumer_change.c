/* One change of a consumer group: drafted, worked out, appended, applied. */
#include "group/consumer.h"

void
change_init(struct change *ch, struct groups *g, struct group *gr, struct coord_now now)
{
	struct consumer *c = gr->consumer;
	*ch = (struct change){ .g = g, .gr = gr, .c = c, .now = now, .r = RECORDS_INIT(g),
		.id = STR_NULL, .epoch = c->epoch, .target_epoch = c->target_epoch,
		.hash = c->hash };
}

void
change_release(struct change *ch)
{
	for (int32_t i = 0; i < ch->nfresh; i++)
		subscription_put(ch->g, ch->fresh[i].topics);
	ch->nfresh = 0;
	if (ch->spec.names)
		subscription_put(ch->g, ch->spec.names);
	ch->spec.names = NULL;
}

void
change_draft(struct change *ch, struct str id, struct consumer_member *replaced)
{
	struct consumer_member *from = replaced;
	ch->id = id;
	ch->replaced = replaced;
	ch->old = replaced ? NULL : consumer_find(ch->gr, id);
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
		: subscription_get(ch->g, ch->c, NULL, 0, &ch->g->scratch);
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

/* An empty expression is none. */
static bool
regex_eq(struct str a, struct str b)
{
	return str_eq(a, b) || (a.n <= 0 && b.n <= 0);
}

/* Does what the member subscribes to differ from before? */
static bool
is_subscription_new(const struct change *ch, const struct consumer_member *from)
{
	if (!from)
		return ch->spec.names->n > 0 || ch->spec.regex.n > 0 || ch->c->epoch == 0;
	return from->spec.names != ch->spec.names || !regex_eq(from->spec.regex, ch->spec.regex);
}

int16_t
change_work_out(struct change *ch, const struct tp_set *owned)
{
	struct str gid = ch->gr->id;
	const struct consumer_member *from = ch->old ? ch->old : ch->replaced;
	if (ch->replaced) {
		/* The place of the one before, with all that belongs to it. */
		records_member_tombstones(&ch->r, gid, ch->replaced->id);
		records_member(&ch->r, gid, ch->id, &ch->spec);
		records_target(&ch->r, gid, ch->id, &ch->target);
		records_current(&ch->r, gid, ch->id, &ch->current);
	} else if (!ch->old || !ch->old->spec.names || !spec_eq(&ch->spec, &ch->old->spec)) {
		records_member(&ch->r, gid, ch->id, &ch->spec);
	}
	int16_t error = change_resolve(ch);
	if (error)
		return error;
	if (from && !regex_eq(from->spec.regex, ch->spec.regex))
		change_forget_regexes(ch);

	bool is_bumped = is_subscription_new(ch, from) || ch->epoch == 0;
	struct view *v = NULL;
	if (is_bumped || ch->c->is_stale || ch->epoch > ch->target_epoch) {
		v = change_view(ch);
		is_bumped |= ch->hash != ch->c->hash;
	}
	if (is_bumped) {
		ch->epoch++;
		records_epoch(&ch->r, gid, ch->epoch, ch->hash);
	}
	if (ch->epoch > ch->target_epoch)
		change_assign(ch, v);
	bool is_first = !from;
	if (consumer_reconcile(&ch->current, &ch->target, ch->target_epoch, owned, ch->c,
			&ch->g->scratch) || is_first)
		records_current(&ch->r, gid, ch->id, &ch->current);
	return 0;
}

int16_t
change_commit(struct change *ch)
{
	struct records all = RECORDS_INIT(ch->g);
	if (ch->gr->has_record) {
		/* What the group was before as an empty classic one. */
		records_classic_tombstone(&all, ch->gr->id);
		struct coord_record *v = arena_alloc(&ch->g->scratch,
			(size_t)(ch->r.n + 1) * sizeof *v);
		v[0] = all.v[0];
		if (ch->r.n > 0)
			memcpy(v + 1, ch->r.v, (size_t)ch->r.n * sizeof *v);
		ch->r.v = v;
		ch->r.n++;
		ch->r.cap = ch->r.n;
		ch->r.size += all.size;
	}
	int16_t error = records_append(&ch->r, ch->gr->partition, NULL, ch->now.wall_ms);
	if (error)
		return error;
	ch->gr->has_record = false;
	ch->c->is_stale = false;
	if (ch->r.n > 0) {
		int32_t session_ms, heartbeat_ms;
		consumer_times(ch->g, ch->gr, &session_ms, &heartbeat_ms);
		ch->c->busy_until_ms = ch->now.mono_ms + heartbeat_ms;
	}
	consumer_apply(&ch->r);
	if (ch->id.n >= 0)
		ch->old = consumer_find(ch->gr, ch->id);
	ch->replaced = NULL;
	return 0;
}
