/*
 * Moves a member from its current assignment to its target, in steps that never
 * give a partition to two members (Kafka's CurrentAssignmentBuilder):
 *
 *   STABLE       has the target, at the target's epoch
 *   UNREVOKED    must first give up partitions; stays at its epoch until it no
 *                longer reports them
 *   UNRELEASED   at the target's epoch, but waits for partitions that other
 *                members have not given up yet
 */
#include "group/consumer.h"

/* If the member does not report what it owns, it may own anything. */
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
consumer_reconcile(struct consumer_current *current, const struct tp_set *target,
	int32_t target_epoch, const struct tp_set *owned, const struct consumer *consumer,
	struct arena *a)
{
	struct consumer_current was = *current;
	switch (current->state) {
	case CONSUMER_STABLE:
		if (current->epoch == target_epoch)
			return false;
		step(current, current->epoch, target, target_epoch, owned, consumer, a);
		break;
	case CONSUMER_UNREVOKED:
		if (owns_any(owned, &current->revoking))
			return false;
		step(current, current->epoch + 1, target, target_epoch, owned, consumer, a);
		break;
	default:
		step(current, current->epoch, target, target_epoch, owned, consumer, a);
	}
	/* While it waits, only previous_epoch would change: keep it. */
	if (current->epoch == was.epoch && current->state == was.state
			&& tp_set_eq(&current->assigned, &was.assigned)
			&& tp_set_eq(&current->revoking, &was.revoking)) {
		*current = was;
		return false;
	}
	return true;
}
