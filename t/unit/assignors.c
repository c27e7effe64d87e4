/* Properties of the assignors over random groups. */
#include "group/assignor.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

enum { MEMBER_MAX = 40, TOPIC_MAX = 12 };

static uint64_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

struct trial {
	struct assignor_member m[MEMBER_MAX];
	char id[MEMBER_MAX][16];
	int32_t topics[MEMBER_MAX][TOPIC_MAX];
	int32_t npartition[TOPIC_MAX];
	int32_t nmember, ntopic;
	struct arena arena;
};

static void
trial_init(struct trial *t, uint64_t s, bool is_alike)
{
	memset(t, 0, sizeof *t);
	seed = s * 2654435761u + 17;
	rnd(2);
	t->nmember = 1 + (int32_t)rnd(MEMBER_MAX - 1);
	t->ntopic = 1 + (int32_t)rnd(TOPIC_MAX);
	for (int32_t i = 0; i < t->ntopic; i++)
		t->npartition[i] = (int32_t)rnd(rnd(8) ? 30 : 1 + rnd(3));
	for (int32_t i = 0; i < t->nmember; i++) {
		struct assignor_member *m = &t->m[i];
		snprintf(t->id[i], sizeof t->id[i], "m%03d", (int)i);
		m->id = str_of(t->id[i]);
		m->instance_id = STR_NULL;
		m->topics = t->topics[i];
		for (int32_t k = 0; k < t->ntopic; k++)
			if (is_alike ? k % 4 != 3 : rnd(3) == 0)
				t->topics[i][m->ntopic++] = k;
	}
}

/* The assignment becomes the previous target. */
static void
settle(struct trial *t)
{
	for (int32_t i = 0; i < t->nmember; i++) {
		t->m[i].prev = t->m[i].v;
		t->m[i].nprev = t->m[i].n;
	}
}

static void
run(struct trial *t, assignor_fn *assign)
{
	assign(t->m, t->nmember, t->npartition, t->ntopic, &t->arena);
}

static bool
subscribes(const struct assignor_member *m, int32_t topic)
{
	for (int32_t k = 0; k < m->ntopic; k++)
		if (m->topics[k] == topic)
			return true;
	return false;
}

static void
check_valid(const struct trial *t)
{
	int owners[TOPIC_MAX][32] = { { 0 } };
	for (int32_t i = 0; i < t->nmember; i++) {
		for (int32_t k = 0; k < t->m[i].n; k++) {
			struct assignor_partition p = t->m[i].v[k];
			check(subscribes(&t->m[i], p.topic));
			check(p.index >= 0 && p.index < t->npartition[p.topic]);
			owners[p.topic][p.index]++;
			if (k > 0) {
				struct assignor_partition q = t->m[i].v[k - 1];
				check(q.topic < p.topic
					|| (q.topic == p.topic && q.index < p.index));
			}
		}
	}
	for (int32_t k = 0; k < t->ntopic; k++) {
		bool is_wanted = false;
		for (int32_t i = 0; i < t->nmember; i++)
			is_wanted |= subscribes(&t->m[i], k);
		for (int32_t p = 0; p < t->npartition[k]; p++)
			check_int(owners[k][p], is_wanted);
	}
}

/* How many partitions a member has that it did not have before. */
static int32_t
gained(const struct assignor_member *m)
{
	int32_t n = 0;
	for (int32_t k = 0; k < m->n; k++) {
		bool had = false;
		for (int32_t j = 0; j < m->nprev; j++)
			had |= m->prev[j].topic == m->v[k].topic
				&& m->prev[j].index == m->v[k].index;
		n += !had;
	}
	return n;
}

static int32_t
moves(const struct trial *t)
{
	int32_t n = 0;
	for (int32_t i = 0; i < t->nmember; i++)
		n += gained(&t->m[i]);
	return n;
}

static void
drop_member(struct trial *t, int32_t i)
{
	for (; i + 1 < t->nmember; i++)
		t->m[i] = t->m[i + 1];
	t->nmember--;
}

void
test_assignors__every_partition_has_one_subscribed_owner(void)
{
	static struct trial t;
	for (int s = 0; s < 2000; s++) {
		trial_init(&t, (uint64_t)s, s % 2);
		for (int round = 0; round < 3; round++) {
			run(&t, s % 4 < 2 ? assignor_range : assignor_uniform);
			check_valid(&t);
			settle(&t);
			/* Subscriptions and sizes change under the old target. */
			t.npartition[rnd((uint32_t)t.ntopic)] = (int32_t)rnd(30);
			struct assignor_member *m = &t.m[rnd((uint32_t)t.nmember)];
			if (m->ntopic > 0)
				m->ntopic--;
		}
		arena_release(&t.arena);
	}
}

void
test_assignors__the_same_input_gives_the_same_output(void)
{
	static struct trial a, b;
	for (int s = 0; s < 300; s++) {
		trial_init(&a, (uint64_t)s, s % 2);
		trial_init(&b, (uint64_t)s, s % 2);
		run(&a, assignors[s / 2 % ASSIGNOR_N].assign);
		run(&b, assignors[s / 2 % ASSIGNOR_N].assign);
		for (int32_t i = 0; i < a.nmember; i++) {
			check_int(a.m[i].n, b.m[i].n);
			check(memcmp(a.m[i].v, b.m[i].v,
				(size_t)a.m[i].n * sizeof *a.m[i].v) == 0);
		}
		arena_release(&a.arena);
		arena_release(&b.arena);
	}
}

void
test_assignors__uniform_is_even_where_subscriptions_are_the_same(void)
{
	static struct trial t;
	for (int s = 0; s < 500; s++) {
		trial_init(&t, (uint64_t)s, true);
		run(&t, assignor_uniform);
		int32_t least = INT32_MAX, most = 0;
		for (int32_t i = 0; i < t.nmember; i++) {
			least = MIN(least, t.m[i].n);
			most = MAX(most, t.m[i].n);
		}
		check(most - least <= 1);
		arena_release(&t.arena);
	}
}

/* The minimum of moves: each member keeps what fits into an even share, and those
 * with more than the least share get the extra ones. */
static int32_t
fewest_moves(const struct trial *t)
{
	int32_t total = 0, kept = 0;
	for (int32_t k = 0; k < t->m[0].ntopic; k++)
		total += t->npartition[t->m[0].topics[k]];
	int32_t least = total / t->nmember, odd = total % t->nmember;
	for (int32_t i = 0; i < t->nmember; i++) {
		int32_t valid = 0;
		for (int32_t j = 0; j < t->m[i].nprev; j++)
			valid += subscribes(&t->m[i], t->m[i].prev[j].topic)
				&& t->m[i].prev[j].index < t->npartition[t->m[i].prev[j].topic];
		if (valid > least && odd > 0) {
			kept += least + 1;
			odd--;
		} else {
			kept += MIN(valid, least);
		}
	}
	return total - kept;
}

void
test_assignors__uniform_moves_only_what_balance_demands(void)
{
	static struct trial t;
	for (int s = 0; s < 1000; s++) {
		trial_init(&t, (uint64_t)s, true);
		run(&t, assignor_uniform);
		settle(&t);
		switch (s % 3) {
		case 0: /* a join */
			t.m[t.nmember] = (struct assignor_member){ .id = STR("new"),
				.instance_id = STR_NULL, .topics = t.m[0].topics,
				.ntopic = t.m[0].ntopic };
			t.nmember++;
			break;
		case 1: /* a topic grows */
			t.npartition[0] += 1 + (int32_t)rnd(2);
			break;
		default: /* two leave */
			for (int k = 0; k < 2 && t.nmember > 1; k++)
				drop_member(&t, (int32_t)rnd((uint32_t)t.nmember));
		}
		run(&t, assignor_uniform);
		check_int(moves(&t), fewest_moves(&t));
		arena_release(&t.arena);
	}
}

void
test_assignors__a_leave_moves_only_the_leavers_partitions(void)
{
	static struct trial t;
	for (int s = 0; s < 1000; s++) {
		trial_init(&t, (uint64_t)s, true);
		if (t.nmember < 2)
			continue;
		run(&t, assignor_uniform);
		settle(&t);
		int32_t leaver = (int32_t)rnd((uint32_t)t.nmember), had = t.m[leaver].n;
		drop_member(&t, leaver);
		run(&t, assignor_uniform);
		check_int(moves(&t), had);
		for (int32_t i = 0; i < t.nmember; i++)
			check_int(t.m[i].n - gained(&t.m[i]), t.m[i].nprev);
		arena_release(&t.arena);
	}
}

/* Whether a path over shared topics leads from a member to one with two fewer. */
static bool
can_shift(const struct trial *t, int32_t from)
{
	bool seen[MEMBER_MAX] = { false };
	int32_t queue[MEMBER_MAX], n = 0;
	queue[n++] = from;
	seen[from] = true;
	for (int32_t q = 0; q < n; q++) {
		const struct assignor_member *a = &t->m[queue[q]];
		for (int32_t k = 0; k < a->n; k++) {
			for (int32_t j = 0; j < t->nmember; j++) {
				if (seen[j] || !subscribes(&t->m[j], a->v[k].topic))
					continue;
				if (t->m[j].n + 2 <= t->m[from].n)
					return true;
				seen[j] = true;
				queue[n++] = j;
			}
		}
	}
	return false;
}

void
test_assignors__no_shift_evens_a_mixed_group_further(void)
{
	static struct trial t;
	for (int s = 0; s < 500; s++) {
		trial_init(&t, (uint64_t)s, false);
		for (int round = 0; round < 2; round++) {
			run(&t, assignor_uniform);
			for (int32_t i = 0; i < t.nmember; i++)
				check(!can_shift(&t, i));
			settle(&t);
			if (t.nmember > 1)
				drop_member(&t, (int32_t)rnd((uint32_t)t.nmember));
		}
		arena_release(&t.arena);
	}
}

void
test_assignors__nothing_moves_when_nothing_changed(void)
{
	static struct trial t;
	for (int s = 0; s < 500; s++) {
		trial_init(&t, (uint64_t)s, s % 2);
		run(&t, assignor_uniform);
		settle(&t);
		run(&t, assignor_uniform);
		check_int(moves(&t), 0);
		arena_release(&t.arena);
	}
}

void
test_assignors__range_pairs_up_topics_of_the_same_size(void)
{
	struct arena a = ARENA_INIT;
	int32_t topics[] = { 0, 1 }, npartition[] = { 7, 7 };
	struct assignor_member m[3] = {
		{ .id = STR("a"), .instance_id = STR_NULL, .topics = topics, .ntopic = 2 },
		{ .id = STR("b"), .instance_id = STR_NULL, .topics = topics, .ntopic = 2 },
		{ .id = STR("c"), .instance_id = STR_NULL, .topics = topics, .ntopic = 2 },
	};
	assignor_range(m, 3, npartition, 2, &a);
	int32_t want[] = { 3, 2, 2 };
	for (int i = 0; i < 3; i++) {
		check_int(m[i].n, 2 * want[i]);
		for (int k = 0; k < want[i]; k++)
			check_int(m[i].v[k].index, m[i].v[k + want[i]].index);
	}
	check_int(m[0].v[0].index, 0);
	check_int(m[1].v[0].index, 3);
	check_int(m[2].v[0].index, 5);
	arena_release(&a);
}

void
test_assignors__range_keeps_static_members_where_they_were(void)
{
	struct arena a = ARENA_INIT;
	int32_t topics[] = { 0 }, npartition[] = { 4 };
	struct assignor_member m[2] = {
		{ .id = STR("m2"), .instance_id = STR("i1"), .topics = topics, .ntopic = 1 },
		{ .id = STR("m3"), .instance_id = STR("i0"), .topics = topics, .ntopic = 1 },
	};
	assignor_range(m, 2, npartition, 1, &a);
	check_int(m[1].v[0].index, 0);
	check_int(m[0].v[0].index, 2);
	arena_release(&a);
}

void
test_assignors__a_thousand_members_take_milliseconds(void)
{
	enum { N = 1000, T = 100 };
	static struct assignor_member m[N];
	static char id[N][16];
	static int32_t topics[N][T], npartition[T];
	struct arena a = ARENA_INIT;
	seed = 4;
	for (int k = 0; k < T; k++)
		npartition[k] = 100;
	for (int is_alike = 0; is_alike < 2; is_alike++) {
		for (int i = 0; i < N; i++) {
			snprintf(id[i], sizeof id[i], "%04d", i);
			m[i] = (struct assignor_member){ .id = str_of(id[i]),
				.instance_id = STR_NULL, .topics = topics[i] };
			for (int k = 0; k < T; k++)
				if (is_alike || rnd(2))
					topics[i][m[i].ntopic++] = k;
		}
		struct timespec from, to;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		assignor_uniform(m, N, npartition, T, &a);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		double ms = 1e3 * (double)(to.tv_sec - from.tv_sec)
			+ (double)(to.tv_nsec - from.tv_nsec) / 1e6;
		printf("# %s: %.1f ms\n", is_alike ? "alike" : "mixed", ms);
		check(ms < 1000); /* sanitizers are slow */
		for (int i = 0; i < N; i++)
			check_int(m[i].n, 10);
	}
	arena_release(&a);
}

void
test_assignors__names_are_found(void)
{
	check(assignor_find(STR("range"))->assign == assignor_range);
	check(assignor_find(STR("uniform"))->assign == assignor_uniform);
	check(assignor_find(STR("unifor")) == NULL);
	check(assignor_find(STR_NULL) == NULL);
}
