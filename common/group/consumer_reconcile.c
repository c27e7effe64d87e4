/*
 * How a member gets from what it has to what it should have, in steps that
 * never give a partition to two (Kafka's CurrentAssignmentBuilder):
 *
 *   STABLE       nothing is to be done, at the target's epoch
 *   UNREVOKED    it must first let go of partitions; it stays in its epoch
 *                until it no longer reports them
 *   UNRELEASED   at the target's epoch, but others have yet to let go of some
 */
#include "group/consumer.h"

/* Without word from the member it may own anything. */
static bool
owns_any(const struct tp_set *owned, const struct tp_set *revoking)
{
	if (!owned)
		return true;
	for (int32_t i = 0; i < revoking->n; i++)
		if (tp_set_has(owned, &revoking->v[i]))
			return true;
	return false;
}

static struct tp_set
set_for(int32_t n, struct arena *a)
{
	return (struct tp_set){ arena_alloc(a, ((size_t)n + 1) * sizeof(struct tp)), 0 };
}

static void
step(struct consumer_current *current, int32_t epoch, const struct tp_set *target,
	int32_t target_epoch, const struct tp_set *owned, const struct consumer *consumer,
	struct arena *a)
{
	struct tp_set keep = set_for(current->assigned.n + target->n, a);
	struct tp_set revoke = set_for(current->assigned.n, a);
	bool is_waiting = false;
	for (int32_t i = 0; i < current->assigned.n; i++) {
		const struct tp *tp = &current->assigned.v[i];
		struct tp_set *to = tp_set_has(target, tp) ? &keep : &revoke;
		to->v[to->n++] = *tp;
	}
	current->previous_epoch = current->epoch;
	if (revoke.n > 0 && owns_any(owned, &revoke)) {
		current->state = CONSUMER_UNREVOKED;
		current->epoch = epoch;
		current->assigned = keep;
		current->revoking = revoke;
		return;
	}
	for (int32_t i = 0; i < target->n; i++) {
		const struct tp *tp = &target->v[i];
		if (tp_set_has(&current->assigned, tp))
			continue;
		if (consumer_owners(consumer, tp) > 0)
			is_waiting = true;
		else
			keep.v[keep.n++] = *tp;
	}
	tp_sort(&keep);
	current->state = is_waiting ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
	current->epoch = target_epoch;
	current->assigned = keep;
	current->revoking = (struct tp_set){ NULL, 0 };
}

bool
consumer_reconcile(struct consumer_current *s, const struct tp_set *target,
	int32_t target_epoch, const struct tp_set *owned, const struct consumer *c, struct arena *a)
{
	struct consumer_current was = *s;
	switch (s->state) {
	case CONSUMER_STABLE:
		if (s->epoch == target_epoch)
			return false;
		step(s, s->epoch, target, target_epoch, owned, c, a);
		break;
	case CONSUMER_UNREVOKED:
		if (owns_any(owned, &s->revoking))
			return false;
		step(s, s->epoch + 1, target, target_epoch, owned, c, a);
		break;
	default:
		step(s, s->epoch, target, target_epoch, owned, c, a);
	}
	/* Only the note of the last epoch differs when it waits on. */
	if (s->epoch == was.epoch && s->state == was.state && tp_set_eq(&s->assigned, &was.assigned)
			&& tp_set_eq(&s->revoking, &was.revoking)) {
		*s = was;
		return false;
	}
	return true;
}
