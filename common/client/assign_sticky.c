/*
 * The assignment is as balanced as the subscriptions allow, with few moves.
 *
 * Each member keeps its partitions; each free partition goes to the member with the
 * fewest.  Then, while a chain of hand-overs leads from a member with L partitions to
 * one with at most L - 2, each member in the chain hands one on.  When no such chain
 * exists, the assignment is as even as possible (an optimal semi-matching), and no
 * partition was moved without need.
 */
#include "client/assign_int.h"

#include <stdlib.h>

/* The assignment.  The partitions of all topics are numbered consecutively. */
struct sticky {
	struct assign *assign;
	int32_t *first;     /* [topic]: number of its partition 0; [ntopic]: npart */
	int32_t npart;
	int32_t *holder;    /* [partition]: its member; -1: free */
	int32_t *before;    /* [partition]: its previous member; -1: none */
	int32_t *topic;     /* [partition]: its topic */
	int32_t *load;      /* [member]: number of its partitions */
	int32_t *has;       /* [member][topic]: number of its partitions of the topic */
};

static int32_t *
ints(struct assign *assign, size_t n, int32_t value)
{
	int32_t *v = arena_alloc(assign->arena, (n + 1) * sizeof *v);
	assert(v);
	for (size_t i = 0; i < n; i++)
		v[i] = value;
	return v;
}

static int32_t *
has(const struct sticky *sticky, int32_t member, int32_t topic)
{
	return &sticky->has[(size_t)member * (size_t)sticky->assign->ntopic + (size_t)topic];
}

static void
hand(struct sticky *sticky, int32_t part, int32_t to)
{
	int32_t from = sticky->holder[part];
	if (from >= 0) {
		sticky->load[from]--;
		--*has(sticky, from, sticky->topic[part]);
	}
	sticky->holder[part] = to;
	if (to >= 0) {
		sticky->load[to]++;
		++*has(sticky, to, sticky->topic[part]);
	}
}

/* Members keep what they owned.  If two claim a partition, the later generation wins; in
 * the same generation both lose it. */
static void
keep(struct sticky *sticky)
{
	struct assign *assign = sticky->assign;
	int32_t *generation = ints(assign, (size_t)sticky->npart, -2);
	for (int32_t i = 0; i < assign->nmember; i++) {
		struct assign_member *member = &assign->member[i];
		for (int32_t k = 0; k < member->owned.n; k++) {
			int32_t topic = member->owned.v[k].topic;
			int32_t part = sticky->first[topic] + member->owned.v[k].partition;
			if (!assign_has_topic(member, topic) || member->generation < generation[part])
				continue;
			bool is_disputed = member->generation == generation[part]
				&& sticky->before[part] != i;
			sticky->before[part] = is_disputed ? -1 : i;
			generation[part] = member->generation;
		}
	}
	for (int32_t part = 0; part < sticky->npart; part++)
		hand(sticky, part, sticky->before[part]);
}

struct scarce {
	int32_t part, choices;
};

static int
by_choices(const void *x, const void *y)
{
	const struct scarce *a = x;
	const struct scarce *b = y;
	return a->choices != b->choices ? (a->choices < b->choices ? -1 : 1)
		: (a->part > b->part) - (a->part < b->part);
}

/* Assign the free partitions, those with the fewest possible members first. */
static void
deal(struct sticky *sticky)
{
	struct assign *assign = sticky->assign;
	int32_t *choices = ints(assign, (size_t)assign->ntopic, 0);
	for (int32_t i = 0; i < assign->nmember; i++)
		for (int32_t k = 0; k < assign->member[i].ntopic; k++)
			choices[assign->member[i].topic[k]]++;
	struct scarce *free_part = arena_alloc(assign->arena,
		((size_t)sticky->npart + 1) * sizeof *free_part);
	int32_t n = 0;
	for (int32_t part = 0; part < sticky->npart; part++)
		if (sticky->holder[part] < 0 && choices[sticky->topic[part]] > 0)
			free_part[n++] = (struct scarce){ part, choices[sticky->topic[part]] };
	qsort(free_part, (size_t)n, sizeof *free_part, by_choices);
	for (int32_t k = 0; k < n; k++) {
		int32_t best = -1;
		for (int32_t i = 0; i < assign->nmember; i++)
			if (assign_has_topic(&assign->member[i], sticky->topic[free_part[k].part])
				&& (best < 0 || sticky->load[i] < sticky->load[best]))
				best = i;
		hand(sticky, free_part[k].part, best);
	}
}

/* Choose the partition of the topic that a member hands on: preferably one that returns
 * to its previous member, then one that the member did not have before. */
static int32_t
pick(const struct sticky *sticky, int32_t from, int32_t topic, int32_t to)
{
	int32_t best = -1, best_rank = -1;
	for (int32_t part = sticky->first[topic]; part < sticky->first[topic + 1]; part++) {
		if (sticky->holder[part] != from)
			continue;
		int rank = sticky->before[part] == to ? 2 : sticky->before[part] != from;
		if (rank >= best_rank) {
			best = part;
			best_rank = rank;
		}
	}
	assert(best >= 0);
	return best;
}

/* Find the shortest chain from a member to one with at least two partitions fewer, and
 * hand one partition along it.  Returns false if there is none. */
static bool
relieve(struct sticky *sticky, int32_t start, int32_t *queue, int32_t *from, int32_t *over)
{
	struct assign *assign = sticky->assign;
	int32_t head = 0, tail = 0;
	for (int32_t i = 0; i < assign->nmember; i++)
		from[i] = -1;
	from[start] = start;
	queue[tail++] = start;
	while (head < tail) {
		int32_t member = queue[head++];
		for (int32_t topic = 0; topic < assign->ntopic; topic++) {
			if (*has(sticky, member, topic) == 0)
				continue;
			int32_t best = -1;
			for (int32_t i = 0; i < assign->nmember; i++) {
				if (from[i] >= 0 || !assign_has_topic(&assign->member[i], topic))
					continue;
				from[i] = member;
				over[i] = topic;
				queue[tail++] = i;
				if (sticky->load[i] <= sticky->load[start] - 2
					&& (best < 0 || sticky->load[i] < sticky->load[best]))
					best = i;
			}
			if (best < 0)
				continue;
			for (int32_t to = best; to != start; to = from[to])
				hand(sticky, pick(sticky, from[to], over[to], to), to);
			return true;
		}
	}
	return false;
}

static void
balance(struct sticky *sticky)
{
	size_t n = (size_t)sticky->assign->nmember;
	int32_t *queue = ints(sticky->assign, n, 0);
	int32_t *from = ints(sticky->assign, n, 0), *over = ints(sticky->assign, n, 0);
	bool *is_settled = arena_alloc(sticky->assign->arena, n + 1);
	for (;;) { /* a member without a chain will have none later, either */
		int32_t most = -1;
		for (int32_t i = 0; i < sticky->assign->nmember; i++)
			if (!is_settled[i] && (most < 0 || sticky->load[i] > sticky->load[most]))
				most = i;
		if (most < 0)
			return;
		if (!relieve(sticky, most, queue, from, over))
			is_settled[most] = true;
	}
}

static void
divide(struct sticky *sticky, struct assign *assign)
{
	*sticky = (struct sticky){ .assign = assign };
	sticky->first = ints(assign, (size_t)assign->ntopic + 1, 0);
	for (int32_t i = 0; i < assign->ntopic; i++)
		sticky->first[i + 1] = sticky->first[i] + assign->topic[i].npart;
	sticky->npart = sticky->first[assign->ntopic];
	sticky->holder = ints(assign, (size_t)sticky->npart, -1);
	sticky->before = ints(assign, (size_t)sticky->npart, -1);
	sticky->topic = ints(assign, (size_t)sticky->npart, 0);
	sticky->load = ints(assign, (size_t)assign->nmember, 0);
	sticky->has = ints(assign, (size_t)assign->nmember * (size_t)assign->ntopic, 0);
	for (int32_t i = 0; i < assign->ntopic; i++)
		for (int32_t part = sticky->first[i]; part < sticky->first[i + 1]; part++)
			sticky->topic[part] = i;
	keep(sticky);
	deal(sticky);
	balance(sticky);
}

static void
give_all(const struct sticky *sticky)
{
	for (int32_t part = 0; part < sticky->npart; part++)
		if (sticky->holder[part] >= 0)
			assign_give(sticky->assign, &sticky->assign->member[sticky->holder[part]],
				sticky->topic[part], part - sticky->first[sticky->topic[part]]);
}

void
assign_sticky(struct assign *assign)
{
	struct sticky sticky;
	divide(&sticky, assign);
	give_all(&sticky);
}

/* A partition that moves from one member to another is left unassigned in this
 * generation: its owner sees that, gives it up and rejoins, and then it is free. */
void
assign_cooperative(struct assign *assign)
{
	struct sticky sticky;
	divide(&sticky, assign);
	bool *stays = arena_alloc(assign->arena, (size_t)sticky.npart + 1);
	for (int pass = 0; pass < 2; pass++)
		for (int32_t i = 0; i < assign->nmember; i++)
			for (int32_t k = 0; k < assign->member[i].owned.n; k++) {
				struct assign_part owned = assign->member[i].owned.v[k];
				int32_t part = sticky.first[owned.topic] + owned.partition;
				if (pass == 0)
					stays[part] |= sticky.holder[part] == i;
				else if (!stays[part] && sticky.holder[part] >= 0)
					hand(&sticky, part, -1);
			}
	give_all(&sticky);
}
