/*
 * As balanced as the subscriptions allow, and as it was where that can be.
 *
 * Everybody keeps what he had; what nobody has goes to the member with the
 * least; then, as long as some chain of hand-overs leads from a member with L
 * partitions to one with at most L - 2, each in the chain hands one on.  When
 * there is no such chain left the division is as even as it can be (the known
 * result on semi-matchings), and nothing was moved without need.
 */
#include "client/assign_int.h"

#include <stdlib.h>

/* Who has what.  Partitions of all topics are numbered through. */
struct sticky {
	struct assign *a;
	int32_t *first;     /* of each topic: the number of its partition 0 */
	int32_t npart;
	int32_t *holder;    /* of each partition: a member, -1 */
	int32_t *before;    /* who had it before: a member, -1 */
	int32_t *topic;     /* of each partition */
	int32_t *load;      /* of each member */
	int32_t *has;       /* [member][topic]: how many */
};

static int32_t *
ints(struct assign *a, size_t n, int32_t value)
{
	int32_t *v = arena_alloc(a->arena, (n + 1) * sizeof *v);
	assert(v);
	for (size_t i = 0; i < n; i++)
		v[i] = value;
	return v;
}

static int32_t *
has(const struct sticky *t, int32_t member, int32_t topic)
{
	return &t->has[(size_t)member * (size_t)t->a->ntopic + (size_t)topic];
}

static void
hand(struct sticky *t, int32_t part, int32_t to)
{
	int32_t from = t->holder[part];
	if (from >= 0) {
		t->load[from]--;
		--*has(t, from, t->topic[part]);
	}
	t->holder[part] = to;
	if (to >= 0) {
		t->load[to]++;
		++*has(t, to, t->topic[part]);
	}
}

/* Of two that claim a partition the later generation is right; two of the
 * same are both wrong. */
static void
keep(struct sticky *t)
{
	struct assign *a = t->a;
	int32_t *generation = ints(a, (size_t)t->npart, -2);
	for (int32_t i = 0; i < a->nmember; i++) {
		struct assign_member *m = &a->member[i];
		for (int32_t k = 0; k < m->owned.n; k++) {
			int32_t topic = m->owned.v[k].topic;
			int32_t part = t->first[topic] + m->owned.v[k].partition;
			if (!assign_has_topic(m, topic) || m->generation < generation[part])
				continue;
			bool is_disputed = m->generation == generation[part]
				&& t->before[part] != i;
			t->before[part] = is_disputed ? -1 : i;
			generation[part] = m->generation;
		}
	}
	for (int32_t p = 0; p < t->npart; p++)
		hand(t, p, t->before[p]);
}

struct scarce {
	int32_t part, choices;
};

static int
by_choices(const void *x, const void *y)
{
	const struct scarce *a = x, *b = y;
	return a->choices != b->choices ? (a->choices < b->choices ? -1 : 1)
		: (a->part > b->part) - (a->part < b->part);
}

/* What nobody has: those first that few may take. */
static void
deal(struct sticky *t)
{
	struct assign *a = t->a;
	int32_t *choices = ints(a, (size_t)a->ntopic, 0);
	for (int32_t i = 0; i < a->nmember; i++)
		for (int32_t k = 0; k < a->member[i].ntopic; k++)
			choices[a->member[i].topic[k]]++;
	struct scarce *free_part = arena_alloc(a->arena, ((size_t)t->npart + 1) * sizeof *free_part);
	int32_t n = 0;
	for (int32_t p = 0; p < t->npart; p++)
		if (t->holder[p] < 0 && choices[t->topic[p]] > 0)
			free_part[n++] = (struct scarce){ p, choices[t->topic[p]] };
	qsort(free_part, (size_t)n, sizeof *free_part, by_choices);
	for (int32_t k = 0; k < n; k++) {
		int32_t best = -1;
		for (int32_t i = 0; i < a->nmember; i++)
			if (assign_has_topic(&a->member[i], t->topic[free_part[k].part])
				&& (best < 0 || t->load[i] < t->load[best]))
				best = i;
		hand(t, free_part[k].part, best);
	}
}

/* The partition of the topic that the member hands on: rather one that it did
 * not have before, rather one that goes back to where it was. */
static int32_t
pick(const struct sticky *t, int32_t from, int32_t topic, int32_t to)
{
	int32_t best = -1, best_rank = -1;
	for (int32_t p = t->first[topic]; p < t->first[topic + 1]; p++) {
		if (t->holder[p] != from)
			continue;
		int rank = t->before[p] == to ? 2 : t->before[p] != from;
		if (rank >= best_rank) {
			best = p;
			best_rank = rank;
		}
	}
	assert(best >= 0);
	return best;
}

/* Look for a chain from a member to one with at most two less, over as few
 * others as can be; hand one partition along it.  False: there is none. */
static bool
relieve(struct sticky *t, int32_t start, int32_t *queue, int32_t *from, int32_t *over)
{
	struct assign *a = t->a;
	int32_t head = 0, tail = 0;
	for (int32_t i = 0; i < a->nmember; i++)
		from[i] = -1;
	from[start] = start;
	queue[tail++] = start;
	while (head < tail) {
		int32_t m = queue[head++];
		for (int32_t topic = 0; topic < a->ntopic; topic++) {
			if (*has(t, m, topic) == 0)
				continue;
			int32_t best = -1;
			for (int32_t i = 0; i < a->nmember; i++) {
				if (from[i] >= 0 || !assign_has_topic(&a->member[i], topic))
					continue;
				from[i] = m;
				over[i] = topic;
				queue[tail++] = i;
				if (t->load[i] <= t->load[start] - 2 && (best < 0 || t->load[i] < t->load[best]))
					best = i;
			}
			if (best < 0)
				continue;
			for (int32_t to = best; to != start; to = from[to])
				hand(t, pick(t, from[to], over[to], to), to);
			return true;
		}
	}
	return false;
}

static void
balance(struct sticky *t)
{
	size_t n = (size_t)t->a->nmember;
	int32_t *queue = ints(t->a, n, 0), *from = ints(t->a, n, 0), *over = ints(t->a, n, 0);
	bool *is_settled = arena_alloc(t->a->arena, n + 1);
	for (;;) { /* a member that finds no chain will find none later, either */
		int32_t most = -1;
		for (int32_t i = 0; i < t->a->nmember; i++)
			if (!is_settled[i] && (most < 0 || t->load[i] > t->load[most]))
				most = i;
		if (most < 0)
			return;
		if (!relieve(t, most, queue, from, over))
			is_settled[most] = true;
	}
}

static void
divide(struct sticky *t, struct assign *a)
{
	*t = (struct sticky){ .a = a };
	t->first = ints(a, (size_t)a->ntopic + 1, 0);
	for (int32_t i = 0; i < a->ntopic; i++)
		t->first[i + 1] = t->first[i] + a->topic[i].npart;
	t->npart = t->first[a->ntopic];
	t->holder = ints(a, (size_t)t->npart, -1);
	t->before = ints(a, (size_t)t->npart, -1);
	t->topic = ints(a, (size_t)t->npart, 0);
	t->load = ints(a, (size_t)a->nmember, 0);
	t->has = ints(a, (size_t)a->nmember * (size_t)a->ntopic, 0);
	for (int32_t i = 0; i < a->ntopic; i++)
		for (int32_t p = t->first[i]; p < t->first[i + 1]; p++)
			t->topic[p] = i;
	keep(t);
	deal(t);
	balance(t);
}

static void
give_all(const struct sticky *t)
{
	for (int32_t p = 0; p < t->npart; p++)
		if (t->holder[p] >= 0)
			assign_give(t->a, &t->a->member[t->holder[p]], t->topic[p],
				p - t->first[t->topic[p]]);
}

void
assign_sticky(struct assign *a)
{
	struct sticky t;
	divide(&t, a);
	give_all(&t);
}

/* A partition that is new to a member, and that another still has, goes to nobody
 * in this generation: the other gives it up on seeing so, rejoins, and then it
 * is free. */
void
assign_cooperative(struct assign *a)
{
	struct sticky t;
	divide(&t, a);
	bool *stays = arena_alloc(a->arena, (size_t)t.npart + 1);
	for (int pass = 0; pass < 2; pass++)
		for (int32_t i = 0; i < a->nmember; i++)
			for (int32_t k = 0; k < a->member[i].owned.n; k++) {
				struct assign_part o = a->member[i].owned.v[k];
				int32_t part = t.first[o.topic] + o.partition;
				if (pass == 0)
					stays[part] |= t.holder[part] == i;
				else if (!stays[part] && t.holder[part] >= 0)
					hand(&t, part, -1);
			}
	give_all(&t);
}
