/*
 * Simulation of a consumer group, from seeds: members of both protocols join, leave,
 * crash and return; requests and answers are lost, repeated and late; topics grow,
 * appends are refused, the clock jumps, the coordinator dies and restarts from the
 * part of its log that was on disk.
 *
 * A member has one request in flight at a time, as clients do, and sends all fields
 * again after a lost answer.  It counts as owner for one session timeout, from when
 * it sent the last request that was answered: a client without answers must stop
 * then.
 *
 * KQ_SEED=n runs one history, KQ_HISTORIES=n that many.
 */
#include "classic_member_help.h"

#include <signal.h>
#include <unistd.h>

/* A member that takes longer than this to revoke is fenced while it may still own
 * partitions, which no protocol can prevent; unit tests cover that. */
enum { CAST = 8, REBALANCE_MS = 7200000, PATIENCE_MS = 120000 };

struct actor {
	bool is_alive, is_old, is_leaving;
	bool is_full;          /* an answer was lost: sends all fields */
	int instance;          /* -1: dynamic */
	char id[64], instance_id[8];
	struct client fresh;   /* the new protocol's */
	struct old_member old; /* the classic one's */
	struct ask *out;       /* the request in flight */
	int64_t sent_at, deaf_until, last_ok;
};

struct stage {
	struct town o;
	struct actor cast[CAST];
	struct ask *limbo[4096]; /* of crashed members, or lost */
	int nlimbo;
	int *ends, nend, end_cap; /* of appends: where the log may be cut */
	int durable;             /* what delivered answers depend on */
	bool is_mixed, is_cooperative, has_static, is_calm, is_trace;
	int nborn;
	uint64_t seed;
};

static struct stage *stage; /* the history that runs; NULL: none */

#define need(x, ...) do { if (!(x)) tap_fail(__FILE__, __LINE__, __VA_ARGS__); } while (0)

/* Runs at exit, also when a check failed. */
static void
tell_seed(void)
{
	char z[64];
	int n = stage ? snprintf(z, sizeof z, "# KQ_SEED=%llu\n",
		(unsigned long long)stage->seed) : 0;
	if (n > 0 && write(2, z, (size_t)n) < 0)
		_exit(1);
}

static void
tell_and_die(int sig)
{
	tell_seed();
	signal(sig, SIG_DFL);
	raise(sig);
}

static int16_t
sim_append(struct coord_env *env, int32_t partition, const struct coord_record *v, int n,
	const struct coord_producer *producer, int64_t wall_ms)
{
	struct stage *s = CONTAINER_OF(CONTAINER_OF(CONTAINER_OF(env, struct world, env),
		struct town, w), struct stage, o);
	int16_t error = env_append(env, partition, v, n, producer, wall_ms);
	if (error)
		return error;
	if (s->nend == s->end_cap) {
		s->end_cap = s->end_cap ? s->end_cap * 2 : 64;
		s->ends = mem_realloc(s->ends, (size_t)s->end_cap * sizeof *s->ends);
	}
	s->ends[s->nend++] = s->o.w.nlog;
	return 0;
}

static uint32_t
roll(struct stage *s, uint32_t n)
{
	return below(&s->o.w, n);
}

static void
forget(struct stage *s, struct ask *a)
{
	if (!a)
		return;
	if (a->answer) {
		drop(&s->o.w, a);
		return;
	}
	need(s->nlimbo < (int)ARRAY_LEN(s->limbo), "too many calls wait");
	s->limbo[s->nlimbo++] = a;
}

/* Frees what has been answered. */
static void
sweep(struct stage *s, bool all)
{
	int n = 0;
	for (int i = 0; i < s->nlimbo; i++) {
		if (all || s->limbo[i]->answer)
			drop(&s->o.w, s->limbo[i]);
		else
			s->limbo[n++] = s->limbo[i];
	}
	s->nlimbo = n;
}

/* ---- members ---- */

static void
subscribe(struct stage *s, const char *topic[NTOPIC + 1])
{
	int n = 0;
	memset(topic, 0, (NTOPIC + 1) * sizeof *topic);
	if (s->is_calm || roll(s, 3))
		topic[n++] = topic_names[0];
	if (!s->is_calm && roll(s, 3) == 0)
		topic[n++] = topic_names[1];
	if (n == 0)
		topic[n++] = topic_names[2];
}

static void
begin(struct stage *s, struct actor *a, int instance)
{
	*a = (struct actor){ .is_alive = true, .instance = instance };
	a->is_old = s->is_mixed && roll(s, 2);
	a->last_ok = INT64_MIN / 2;
	snprintf(a->id, sizeof a->id, "member-%d", ++s->nborn);
	snprintf(a->instance_id, sizeof a->instance_id, "i%d", instance & 7);
	a->fresh.id = a->id;
	a->fresh.instance = instance >= 0 ? a->instance_id : NULL;
	a->old.instance = a->fresh.instance;
	a->old.is_cooperative = s->is_cooperative;
	a->old.rebalance_ms = REBALANCE_MS;
	subscribe(s, a->fresh.topic);
	memcpy(a->old.topic, a->fresh.topic, sizeof a->old.topic);
	if (!a->is_old && !s->is_calm && roll(s, 6) == 0) {
		a->fresh.regex = roll(s, 2) ? "app.*|cars" : "[bc].+s";
		a->fresh.topic[0] = NULL;
	}
}

static void
end(struct stage *s, struct actor *a)
{
	forget(s, a->out);
	a->out = NULL;
	a->is_alive = false;
}

static const struct set *
owned_by(const struct actor *a)
{
	return a->is_old ? &a->old.owned : &a->fresh.owned;
}

static struct ask *
send_new(struct stage *s, struct actor *a)
{
	struct client *c = &a->fresh;
	struct beating b = { .group = "g", .member = c->id, .instance = c->instance,
		.epoch = a->is_leaving ? (a->instance >= 0 && a->deaf_until & 1 ? -2 : -1)
			: c->epoch };
	if (!a->is_leaving && (c->epoch == 0 || a->is_full || roll(&*s, 3) == 0)) {
		if (c->epoch == 0)
			c->owned.n = 0;
		b.is_full = true;
		b.rebalance_ms = REBALANCE_MS;
		b.regex = c->regex;
		memcpy(b.topic, c->topic, sizeof b.topic);
	}
	/* It no longer reports revoked partitions; mostly it reports what it owns. */
	if (!a->is_leaving && (b.is_full || roll(s, 4)))
		b.owned = &c->owned;
	return beat_as(&s->o, &b);
}

static struct ask *
send_old(struct stage *s, struct actor *a)
{
	if (!a->is_leaving)
		return old_send(&s->o, &a->old);
	struct leave_group_request_member m = { str_of(a->old.id),
		str_of(a->old.instance), STR_NULL };
	struct leave_group_request q = { .group_id = STR("g"), .members = { &m, 1 } };
	return ask(&s->o.w, 13, 5, &q);
}

static struct ask *
send_one(struct stage *s, struct actor *a)
{
	return a->is_old ? send_old(s, a) : send_new(s, a);
}

static void
hear_new(struct stage *s, struct actor *a)
{
	const struct consumer_group_heartbeat_response *r = beaten(a->out);
	struct client *c = &a->fresh;
	switch (r->error_code) {
	case 0:
		need(c->epoch == 0 || r->member_epoch >= c->epoch, "%s: epoch %d after %d", a->id,
			r->member_epoch, c->epoch);
		c->epoch = r->member_epoch;
		set_answer(r, &c->owned);
		a->last_ok = a->sent_at;
		a->is_full = false;
		break;
	case KERR_UNKNOWN_MEMBER_ID:
	case KERR_FENCED_MEMBER_EPOCH:
	case KERR_GROUP_ID_NOT_FOUND:
		c->epoch = 0;
		c->owned.n = 0;
		break;
	case KERR_FENCED_INSTANCE_ID:
		end(s, a);
		break;
	case KERR_UNRELEASED_INSTANCE_ID:
	case KERR_NOT_COORDINATOR:
		break;
	default:
		need(false, "%s: error %d", a->id, r->error_code);
	}
}

static void
hear_old(struct stage *s, struct actor *a)
{
	int was = a->old.next, error = old_hear(&s->o, &a->old, a->out);
	(void)was;
	if (error == 0 || error == KERR_REBALANCE_IN_PROGRESS)
		a->last_ok = a->sent_at;
	need(error == 0 || error == KERR_REBALANCE_IN_PROGRESS
		|| error == KERR_MEMBER_ID_REQUIRED || error == KERR_UNKNOWN_MEMBER_ID
		|| error == KERR_ILLEGAL_GENERATION || error == KERR_FENCED_INSTANCE_ID
		|| error == KERR_NOT_COORDINATOR, "%s: error %d", a->id, error);
	if (error == KERR_FENCED_INSTANCE_ID)
		end(s, a);
}

static void
hear(struct stage *s, struct actor *a)
{
	s->durable = MAX(s->durable, a->out->log_at);
	if (a->is_leaving)
		a->is_alive = false;
	else if (a->is_old)
		hear_old(s, a);
	else
		hear_new(s, a);
	forget(s, a->out);
	a->out = NULL;
}

/* One action of a member; messages may be lost unless faults have ended. */
static void
act(struct stage *s, struct actor *a)
{
	int64_t now = s->o.w.now.mono_ms;
	if (a->out && a->out->answer) {
		if (s->is_calm || roll(s, 8)) {
			hear(s, a);
			return;
		}
	} else if (a->out && (s->is_calm ? now < a->sent_at + PATIENCE_MS : roll(s, 10) > 0)) {
		return; /* it waits */
	}
	if (a->out) {
		/* Lost, or given up. */
		forget(s, a->out);
		a->out = NULL;
		a->is_full = true;
		if (a->is_old && a->old.next == OLD_SYNC)
			a->old.next = OLD_JOIN;
		return;
	}
	if (!s->is_calm && roll(s, 10) == 0) {
		a->is_full = true; /* sent, and lost on the way */
		return;
	}
	a->sent_at = now;
	if (!s->is_calm && roll(s, 10) == 0)
		forget(s, send_one(s, a)); /* it arrives twice */
	a->out = send_one(s, a);
}

/* ---- invariants ---- */

static bool
counts(const struct stage *s, const struct actor *a)
{
	return a->is_alive && !a->is_leaving && a->last_ok + SESSION_MS > s->o.w.now.mono_ms;
}

static void
show(struct stage *s, const char *what)
{
	if (!s->is_trace)
		return;
	printf("# %lld %s (log %d)\n", (long long)s->o.w.now.mono_ms, what, s->o.w.nlog);
	for (int i = 0; i < CAST; i++) {
		const struct actor *a = &s->cast[i];
		const struct set *o = owned_by(a);
		if (!a->is_alive)
			continue;
		printf("#   %d %s%s%s epoch %d next %d%s:", i, a->is_old ? a->old.id : a->id,
			a->is_old ? " old" : "", a->instance >= 0 ? " static" : "",
			a->is_old ? a->old.generation : a->fresh.epoch, a->old.next,
			a->out ? a->out->answer ? " answered" : " waits" : "");
		for (int32_t k = 0; k < o->n; k++)
			printf(" %d", o->v[k]);
		printf("\n");
	}
	fflush(stdout);
}

static void
check_owners(struct stage *s)
{
	int owner[NTOPIC * 1000];
	memset(owner, -1, sizeof owner);
	for (int i = 0; i < CAST; i++) {
		const struct set *o = owned_by(&s->cast[i]);
		if (!counts(s, &s->cast[i]))
			continue;
		for (int32_t k = 0; k < o->n; k++) {
			if (owner[o->v[k]] >= 0)
				show(s, "two owners");
			need(owner[o->v[k]] < 0, "%d is owned by %d and %d", o->v[k],
				owner[o->v[k]], i);
			owner[o->v[k]] = i;
		}
	}
}

/* ---- what happens ---- */

static void
die(struct stage *s)
{
	int cut = s->o.w.nlog;
	/* Anywhere after what answers depend on, but not within an append. */
	for (int tries = 0; tries < 4 && s->nend > 0; tries++) {
		int at = s->ends[s->nend - 1 - (int)roll(s, (uint32_t)MIN(s->nend, 6))];
		if (at >= s->durable) {
			cut = at;
			break;
		}
	}
	while (s->nend > 0 && s->ends[s->nend - 1] > cut)
		s->nend--;
	for (int i = 0; i < CAST; i++) {
		struct actor *a = &s->cast[i];
		if (!a->out)
			continue;
		s->limbo[s->nlimbo++] = a->out; /* connections break */
		a->out = NULL;
		a->is_full = true;
		if (a->is_old && a->old.next == OLD_SYNC)
			a->old.next = OLD_JOIN;
	}
	world_restart(&s->o.w, cut);
	sweep(s, true);
}

static bool
is_instance_used(const struct stage *s, int instance)
{
	for (int i = 0; i < CAST; i++)
		if (s->cast[i].is_alive && s->cast[i].instance == instance)
			return true;
	return false;
}

static void
come_or_go(struct stage *s, struct actor *a)
{
	if (a->is_alive) {
		if (roll(s, 2)) {
			end(s, a); /* a crash */
		} else if (!a->out && (a->is_old ? a->old.id[0] && a->old.next == OLD_BEAT
				: a->fresh.epoch > 0)) {
			a->is_leaving = true;
			a->deaf_until = (int64_t)roll(s, 2);
		}
		return;
	}
	int instance = s->has_static && roll(s, 2) ? (int)roll(s, 4) : -1;
	if (instance < 0 || !is_instance_used(s, instance))
		begin(s, a, instance);
}

static void
happen(struct stage *s)
{
	struct world *w = &s->o.w;
	uint32_t r = roll(s, 100);
	struct actor *a = &s->cast[roll(s, CAST)];
	if (r < 70) {
		if (a->is_alive)
			act(s, a);
		else if (roll(s, 4) == 0)
			come_or_go(s, a);
		show(s, "act");
	} else if (r < 86) {
		pass(w, (int64_t)roll(s, 3000));
	} else if (r < 90) {
		come_or_go(s, a);
		show(s, "come or go");
	} else if (r < 92) {
		int t = (int)roll(s, NTOPIC);
		if (s->o.npartition[t] < 12) {
			s->o.npartition[t]++;
			groups_topics_changed(w->g, w->now);
		}
	} else if (r < 94) {
		w->append_error = w->append_error ? 0 : KERR_NOT_LEADER_OR_FOLLOWER;
	} else if (r < 96) {
		w->now.wall_ms += (int64_t)roll(s, 7200000) - 3600000;
		if (roll(s, 4) == 0)
			pass(w, (int64_t)roll(s, 2 * SESSION_MS));
	} else {
		die(s);
		show(s, "restart");
	}
	check_owners(s);
}

/* ---- quiet ---- */

static bool
wants(const struct actor *a, int topic)
{
	const char *const *v = a->is_old ? a->old.topic : a->fresh.topic;
	if (!a->is_old && a->fresh.regex)
		return a->fresh.regex[0] == 'a' ? topic != 1 : topic != 0;
	for (int i = 0; i < NTOPIC && v[i]; i++)
		if (strcmp(v[i], topic_names[topic]) == 0)
			return true;
	return false;
}

/* Whether each subscribed partition has one owner, and all members have their
 * targets.  must: else the history fails. */
static bool
is_complete(struct stage *s, bool must)
{
	int nalive = 0;
	for (int i = 0; i < CAST; i++)
		nalive += s->cast[i].is_alive;
	for (int t = 0; t < NTOPIC; t++) {
		bool is_wanted = false;
		for (int i = 0; i < CAST; i++)
			is_wanted |= s->cast[i].is_alive && wants(&s->cast[i], t);
		for (int32_t p = 0; p < s->o.npartition[t]; p++) {
			int n = 0;
			for (int i = 0; i < CAST; i++)
				n += s->cast[i].is_alive
					&& set_has(owned_by(&s->cast[i]), t * 1000 + p);
			need(!must || n == is_wanted, "%d has %d owners at rest", t * 1000 + p, n);
			if (n != is_wanted)
				return false;
		}
	}
	if (nalive == 0)
		return true;
	struct ask *a = look_at(&s->o, "g");
	const struct consumer_group_describe_response_group *d = looked(a);
	bool is_good = d->error_code ? strcmp(state(&s->o.w, "g"), "Stable") == 0
		: str_eq(d->group_state, STR("Stable")) && d->members.n == nalive;
	for (int32_t i = 0; !d->error_code && i < d->members.n; i++)
		is_good &= d->members.v[i].member_epoch == d->group_epoch;
	need(!must || is_good, "%d alive, but the group's state is %s with %d members", nalive,
		d->error_code ? state(&s->o.w, "g") : text(d->group_state), d->members.n);
	drop(&s->o.w, a);
	return is_good;
}

/* Runs without faults until all members have their targets, and at least for a
 * session timeout. */
static void
rest(struct stage *s)
{
	enum { ROUND_MS = 3000, LEAST = SESSION_MS / ROUND_MS + 2, MOST = 120 };
	s->is_calm = true;
	s->o.w.append_error = 0;
	for (int k = 0; k < MOST && (k < LEAST || !is_complete(s, false)); k++) {
		for (int i = 0; i < CAST; i++)
			for (int n = 0; n < 4 && s->cast[i].is_alive; n++)
				act(s, &s->cast[i]);
		pass(&s->o.w, ROUND_MS);
		check_owners(s);
		show(s, "rest");
	}
	sweep(s, false);
	is_complete(s, true);
}

/* With equal subscriptions and the consumer protocol: one member leaves, and no other
 * loses a partition. */
static void
check_leave(struct stage *s)
{
	struct set before[CAST];
	struct actor *leaver = NULL;
	for (int i = 0; i < CAST; i++) {
		struct actor *a = &s->cast[i];
		before[i] = *owned_by(a);
		if (!a->is_alive)
			continue;
		if (a->is_old || a->fresh.regex || wants(a, 1) || wants(a, 2) || a->out)
			return;
		leaver = a;
	}
	if (!leaver)
		return;
	leaver->is_leaving = true;
	leaver->deaf_until = 0;
	rest(s);
	for (int i = 0; i < CAST; i++)
		for (int32_t k = 0; s->cast[i].is_alive && k < before[i].n; k++)
			need(set_has(owned_by(&s->cast[i]), before[i].v[k]),
				"a leave took %d from another", before[i].v[k]);
}

static void
play(uint64_t seed, bool is_mixed, bool is_trace)
{
	struct stage *s = NEW(struct stage);
	stage = s;
	s->seed = seed;
	s->is_trace = is_trace;
	town_init(&s->o, seed);
	s->o.w.env.append = sim_append;
	s->is_mixed = is_mixed;
	s->is_cooperative = roll(s, 2);
	s->has_static = roll(s, 2);
	bool is_alike = roll(s, 3) == 0;
	int nevent = 40 + (int)roll(s, 200);
	for (int i = 0; i < CAST; i++)
		s->cast[i].instance = -1;
	for (int k = 0; k < nevent; k++) {
		s->is_calm = false;
		happen(s);
		for (int i = 0; is_alike && i < CAST; i++) {
			/* The same for all, before they join. */
			struct actor *a = &s->cast[i];
			if (a->is_alive && a->fresh.epoch == 0 && !a->out) {
				memset(a->fresh.topic, 0, sizeof a->fresh.topic);
				a->fresh.topic[0] = topic_names[0];
				a->fresh.regex = NULL;
				memcpy(a->old.topic, a->fresh.topic, sizeof a->old.topic);
			}
		}
	}
	rest(s);
	if (is_alike)
		check_leave(s);
	for (int i = 0; i < CAST; i++)
		if (s->cast[i].out)
			s->limbo[s->nlimbo++] = s->cast[i].out;
	sweep(s, true);
	world_release(&s->o.w);
	mem_free(s->ends);
	mem_free(s);
	stage = NULL;
}

/* The default takes some seconds. */
static void
play_many(bool is_mixed)
{
	const char *seed = getenv("KQ_SEED"), *n = getenv("KQ_HISTORIES");
	atexit(tell_seed);
	signal(SIGABRT, tell_and_die);
	signal(SIGALRM, tell_and_die);
	signal(SIGSEGV, tell_and_die);
	if (seed) {
		play(strtoull(seed, NULL, 0), is_mixed, getenv("KQ_TRACE") != NULL);
		return;
	}
	int histories = n ? atoi(n) : 3500;
	for (int i = 1; i <= histories; i++)
		play((uint64_t)i * 7919 + is_mixed, is_mixed, false);
	printf("# %d histories\n", histories);
}

void
test_sim_consumer__members_of_the_new_protocol_share_partitions(void)
{
	play_many(false);
}

void
test_sim_consumer__members_of_both_protocols_share_partitions(void)
{
	play_many(true);
}
