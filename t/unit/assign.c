/* Assigning partitions, and the bytes that members exchange; the golden bytes were
 * written by kafka-clients 4.3.1. */
#include "tap.h"

#include "client/assign.h"

#include <stdio.h>
#include <stdlib.h>

static const struct str topics[] = {
	{ (const uint8_t *)"alpha", 5 }, { (const uint8_t *)"beta", 4 }
};
static const struct assign_owned owned[] = {
	{ { (const uint8_t *)"alpha", 5 }, 0 }, { { (const uint8_t *)"alpha", 5 }, 2 },
};

static void
unhex(struct buf *b, const char *hex)
{
	buf_reset(b);
	for (unsigned v; sscanf(hex, "%2x", &v) == 1; hex += 2)
		buf_putc(b, (char)v);
}

static void
check_hex(const struct buf *b, const char *want)
{
	struct buf hex = BUF_INIT;
	for (size_t i = 0; i < b->n; i++)
		buf_printf(&hex, "%02x", b->p[i]);
	if (!str_eq(buf_str(&hex), str_of(want)))
		tap_fail(__FILE__, __LINE__, "%.*s, want %s", STR_ARG(buf_str(&hex)), want);
	buf_release(&hex);
}

static void
check_subscription(const char *name, int nowned, int32_t generation, const char *want)
{
	struct buf b = BUF_INIT;
	assign_put_subscription(&b, assign_find(str_of(name)), topics, 2, owned, nowned, generation);
	check_hex(&b, want);
	buf_release(&b);
}

void
test_assign__subscriptions_are_what_java_writes(void)
{
	const char *first = "0003000000020005616c706861000462657461ffffffff00000000ffffffffffff";
	check_subscription("range", 0, -1, first);
	check_subscription("sticky", 0, -1, first);
	check_subscription("cooperative-sticky", 0, -1,
		"0003000000020005616c70686100046265746100000004ffffffff00000000ffffffffffff");
	check_subscription("cooperative-sticky", 2, 7,
		"0003000000020005616c7068610004626574610000000400000007000000010005616c706861"
		"00000002000000000000000200000007ffff");
	check_subscription("sticky", 2, 7,
		"0003000000020005616c7068610004626574610000001b000000010005616c706861000000020000"
		"000000000002000000070000000000000007ffff");
	check_subscription("roundrobin", 2, 7,
		"0003000000020005616c706861000462657461ffffffff0000000000000007ffff");
}

/* Read a subscription as the only one of its group; topics have 3 partitions. */
static void
read_one(const char *name, const char *hex, struct arena *arena, struct assign *a)
{
	struct buf b = BUF_INIT;
	struct err e;
	unhex(&b, hex);
	struct assign_bytes in = { STR("m"), STR_NULL, arena_str(arena, buf_str(&b)) };
	static struct assign_topic known[2];
	known[0] = (struct assign_topic){ topics[0], 3 };
	known[1] = (struct assign_topic){ topics[1], 3 };
	*a = (struct assign){ .topic = known, .ntopic = 2, .arena = arena };
	check_int(assign_read_members(a, assign_find(str_of(name)), &in, 1, &e), 0);
	check_int(a->nmember, 1);
	check_int(a->member[0].ntopic, 2);
	buf_release(&b);
}

void
test_assign__every_version_of_a_subscription_is_read(void)
{
	static const struct { const char *hex; int nowned, generation; } cases[] = {
		{ "0000000000020005616c7068610004626574610000000400000007", 0, 7 },
		{ "0001000000020005616c7068610004626574610000000400000007000000010005616c706861"
			"000000020000000000000002", 2, 7 },
		{ "0002000000020005616c7068610004626574610000000400000009000000010005616c706861"
			"00000002000000000000000200000007", 2, 7 },
		{ "0003000000020005616c7068610004626574610000000400000007000000010005616c706861"
			"0000000200000000000000020000000700027231", 2, 7 },
		/* a later version with more fields; partition 9 does not exist */
		{ "0009000000020005616c7068610004626574610000000400000007000000010005616c706861"
			"0000000200000009000000020000000700027231cafe", 1, 7 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena arena = ARENA_INIT;
		struct assign a;
		read_one("cooperative-sticky", cases[i].hex, &arena, &a);
		check_int(a.member[0].owned.n, cases[i].nowned);
		check_int(a.member[0].generation, cases[i].generation);
		read_one("range", cases[i].hex, &arena, &a);
		check_int(a.member[0].owned.n, 0);
		arena_release(&arena);
	}
}

void
test_assign__stickys_user_data_is_read_with_and_without_a_generation(void)
{
	struct arena arena = ARENA_INIT;
	struct assign a;
	read_one("sticky", "0000000000020005616c7068610004626574610000001b000000010005616c706861"
		"00000002000000000000000200000007", &arena, &a);
	check_int(a.member[0].owned.n, 2);
	check_int(a.member[0].owned.v[1].partition, 2);
	check_int(a.member[0].generation, 7);
	read_one("sticky", "0000000000020005616c70686100046265746100000017000000010005616c706861"
		"000000020000000000000002", &arena, &a);
	check_int(a.member[0].owned.n, 2);
	check_int(a.member[0].generation, -1);
	/* truncated: counts as absent */
	read_one("sticky", "0000000000020005616c70686100046265746100000013000000010005616c706861"
		"0000000200000000", &arena, &a);
	check_int(a.member[0].owned.n, 0);
	arena_release(&arena);
}

void
test_assign__assignments_are_javas_and_come_back(void)
{
	static const char *const golden = "0003000000020005616c7068610000000200000000000000020004"
		"626574610000000100000001ffffffff";
	struct arena arena = ARENA_INIT;
	struct assign_topic known[] = { { topics[0], 3 }, { topics[1], 3 } };
	struct assign_part parts[] = { { 0, 0 }, { 0, 2 }, { 1, 1 } };
	struct assign_member m[] = { { .got = { parts, 3 } }, { .got = { NULL, 0 } } };
	struct assign a = { .topic = known, .ntopic = 2, .member = m, .nmember = 2, .arena = &arena };
	struct buf b = BUF_INIT;
	struct assign_owned *v;
	struct err e;
	assign_put_assignment(&b, &a, 0);
	check_hex(&b, golden);
	check_int(assign_read_assignment(buf_str(&b), &arena, &v, &e), 3);
	check(str_eq(v[2].topic, topics[1]));
	check_int(v[2].partition, 1);
	unhex(&b, "0000000000020005616c706861000000020000000000000002000462657461"
		"0000000100000001ffffffff");
	check_int(assign_read_assignment(buf_str(&b), &arena, &v, &e), 3);
	buf_reset(&b);
	assign_put_assignment(&b, &a, 1);
	check_hex(&b, "000300000000ffffffff");
	check_int(assign_read_assignment(buf_str(&b), &arena, &v, &e), 0);
	check_int(assign_read_assignment(STR(""), &arena, &v, &e), 0);
	for (size_t n = 1; n < 40; n++) { /* no prefix of it is valid */
		unhex(&b, golden);
		check_int(assign_read_assignment((struct str){ b.p, (int32_t)n }, &arena, &v, &e), -1);
		check_int(e.class, ERR_CORRUPT);
	}
	buf_release(&b);
	arena_release(&arena);
}

/* ---- assigning ---- */

/* A group in words, "id=topics" for each member, '!' before a static instance, ':' before
 * its owned partitions ("a0b1"); topics are letters.  Returns the assignment. */
static char *
divide(const char *name, const char *sizes, const char *group, struct arena *arena)
{
	const struct assign_kind *as = assign_find(str_of(name));
	struct assign_bytes in[16];
	int n = 0;
	struct err e;
	for (const char *p = group; *p; n++) {
		struct buf b = BUF_INIT;
		struct str topic[8];
		struct assign_owned had[32];
		int ntopic = 0, nhad = 0;
		bool is_static = *p == '!';
		p += is_static;
		const char *id = p;
		int32_t idn = (int32_t)strcspn(p, "=");
		for (p += idn + 1; *p >= 'a' && *p <= 'z'; p++)
			topic[ntopic++] = (struct str){ (const uint8_t *)p, 1 };
		if (*p == ':')
			for (p++; *p >= 'a' && *p <= 'z'; p += 2)
				had[nhad++] = (struct assign_owned){ { (const uint8_t *)p, 1 }, p[1] - '0' };
		int generation = *p == '@' ? p[1] - '0' : 5;
		p += *p == '@' ? 2 : 0;
		p += *p == ' ';
		assign_put_subscription(&b, as, topic, ntopic, had, nhad, generation);
		in[n].id = (struct str){ (const uint8_t *)id, idn };
		in[n].instance = is_static ? in[n].id : STR_NULL;
		in[n].subscription = arena_str(arena, buf_str(&b));
		buf_release(&b);
	}
	struct assign a = { .arena = arena };
	struct str *names;
	int ntopic = assign_topics(in, n, arena, &names, &e);
	check(ntopic >= 0);
	a.topic = arena_alloc(arena, 8 * sizeof *a.topic);
	for (int i = 0; i < ntopic; i++) { /* "a3b2": topics that do not exist are not listed */
		const char *at = strchr(sizes, *names[i].p);
		if (at)
			a.topic[a.ntopic++] = (struct assign_topic){ names[i], at[1] - '0' };
	}
	check_int(assign_read_members(&a, as, in, n, &e), 0);
	assign_run(&a, as);
	struct buf out = BUF_INIT;
	for (int32_t i = 0; i < a.nmember; i++) {
		buf_printf(&out, "%s%.*s:", i ? " " : "", STR_ARG(a.member[i].id));
		for (int32_t k = 0; k < a.member[i].got.n; k++)
			buf_printf(&out, "%c%d", *a.topic[a.member[i].got.v[k].topic].name.p,
				a.member[i].got.v[k].partition);
	}
	char *z = arena_printf(arena, "%.*s", STR_ARG(buf_str(&out)));
	buf_release(&out);
	return z;
}

static void
check_divide(const char *name, const char *sizes, const char *group, const char *want)
{
	struct arena arena = ARENA_INIT;
	const char *got = divide(name, sizes, group, &arena);
	if (strcmp(got, want) != 0)
		tap_fail(__FILE__, __LINE__, "%s of %s: '%s', want '%s'", name, group, got, want);
	arena_release(&arena);
}

void
test_assign__range_gives_neighbours_and_the_rest_to_the_first(void)
{
	check_divide("range", "a3b3", "m1=ab m2=ab", "m1:a0a1b0b1 m2:a2b2");
	check_divide("range", "a7", "m3=a m1=a m2=a", "m3:a5a6 m1:a0a1a2 m2:a3a4");
	check_divide("range", "a1", "m1=a m2=a", "m1:a0 m2:");
	check_divide("range", "a2b2", "m1=a m2=b m3=ab", "m1:a0 m2:b0 m3:a1b1");
	check_divide("range", "a3", "m1=ax !z=a", "m1:a2 z:a0a1"); /* static ones first; no x */
	check_divide("range", "", "m1=x", "m1:");
}

void
test_assign__numbers_gives_the_same_numbers_of_each_topic(void)
{
	check_divide("numbers", "a4b2", "m1=ab m2=ab", "m1:a0a1b0b1 m2:a2a3");
	check_divide("numbers", "a3b2", "m2=ab m1=ab", "m2:a2 m1:a0a1b0b1");
	check_divide("numbers", "a1b3", "m1=ab m2=ab m3=ab m4=ab", "m1:a0b0 m2:b1 m3:b2 m4:");
	check_divide("numbers", "", "m1=x", "m1:");
}

void
test_assign__roundrobin_takes_turns_over_all_topics(void)
{
	check_divide("roundrobin", "a3b3", "m1=ab m2=ab", "m1:a0a2b1 m2:a1b0b2");
	check_divide("roundrobin", "a1b2c3", "m1=a m2=ab m3=abc", "m1:a0 m2:b0 m3:b1c0c1c2");
	check_divide("roundrobin", "a1", "m1=a m2=a m3=a", "m1:a0 m2: m3:");
}

void
test_assign__sticky_is_even_and_moves_only_what_it_must(void)
{
	check_divide("sticky", "a4", "m1=a:@0 m2=a:@0", "m1:a0a2 m2:a1a3");
	check_divide("sticky", "a4", "m1=a:a0a1a2a3 m2=a:", "m1:a0a1 m2:a2a3");
	check_divide("sticky", "a6", "m1=a:a0a3 m2=a:a1a4", "m1:a0a2a3 m2:a1a4a5"); /* m3 left */
	check_divide("sticky", "a4", "m1=a:a0a1@4 m2=a:a1a2@5", "m1:a0a3 m2:a1a2"); /* later wins */
	check_divide("sticky", "a2", "m1=a:a0a1@5 m2=a:a0a1@5", "m1:a0 m2:a1"); /* neither keeps them */
	check_divide("sticky", "a2b1", "m1=ab:a0a1 m2=b:", "m1:a0a1 m2:b0");
	/* a chain: m1 cannot hand on to m3, but m2 can */
	check_divide("sticky", "a3b2", "m1=a:a0a1a2 m2=ab:b0b1 m3=b:", "m1:a0a1 m2:a2b0 m3:b1");
}

void
test_assign__cooperatively_a_partition_is_free_before_it_moves(void)
{
	check_divide("cooperative-sticky", "a4", "m1=a:a0a1a2a3 m2=a:", "m1:a0a1 m2:");
	check_divide("cooperative-sticky", "a4", "m1=a:a0a1 m2=a:", "m1:a0a1 m2:a2a3");
	check_divide("cooperative-sticky", "a3", "m1=a:a0@4 m2=a:a0@5", "m1:a1a2 m2:a0");
}

/* Random groups: each partition has one owner, the assignment is as even as possible,
 * and assigning again changes nothing. */
void
test_assign__sticky_holds_for_random_groups(void)
{
	for (int seed = 1; seed <= 2000; seed++) {
		struct arena arena = ARENA_INIT;
		srand((unsigned)seed);
		char group[400] = "", again[800] = "", sizes[40] = "";
		int ntopic = 1 + rand() % 4, nmember = 1 + rand() % 5, npart[4], load[5] = { 0 };
		bool has[5][4] = { { false } };
		for (int t = 0; t < ntopic; t++) {
			npart[t] = rand() % 9;
			sprintf(sizes + strlen(sizes), "%c%d", 'a' + t, npart[t]);
		}
		for (int i = 0; i < nmember; i++) {
			sprintf(group + strlen(group), "m%d=", i);
			for (int t = 0; t < ntopic; t++)
				if ((has[i][t] = rand() % 4 > 0))
					sprintf(group + strlen(group), "%c", 'a' + t);
			strcat(group, ":");
			for (int k = rand() % 6; k > 0; k--)
				sprintf(group + strlen(group), "%c%d", 'a' + rand() % ntopic, rand() % 9);
			sprintf(group + strlen(group), "@%d ", 3 + rand() % 2);
		}
		const char *got = divide("sticky", sizes, group, &arena);
		int owner[4][9], n = 0, want = 0;
		memset(owner, -1, sizeof owner);
		const char *p = got;
		for (int i = 0; i < nmember; i++) {
			p = strchr(p, ':') + 1;
			sprintf(again + strlen(again), "m%d=", i);
			for (int t = 0; t < ntopic; t++)
				if (has[i][t])
					sprintf(again + strlen(again), "%c", 'a' + t);
			strcat(again, ":");
			for (; *p && *p != ' '; p += 2, n++, load[i]++) {
				int t = *p - 'a', k = p[1] - '0';
				if (owner[t][k] >= 0 || !has[i][t] || k >= npart[t])
					tap_fail(__FILE__, __LINE__, "seed %d: %s of %s, %s", seed, got, group, sizes);
				owner[t][k] = i;
				sprintf(again + strlen(again), "%.2s", p);
			}
			strcat(again, "@5 ");
		}
		for (int t = 0; t < ntopic; t++) {
			bool is_wanted = false;
			for (int i = 0; i < nmember; i++)
				is_wanted |= has[i][t];
			want += is_wanted ? npart[t] : 0;
		}
		/* No chain leads from a member to one with two partitions fewer. */
		bool reach[5][5] = { { false } };
		for (int t = 0; t < ntopic; t++)
			for (int k = 0; k < npart[t]; k++)
				for (int i = 0; owner[t][k] >= 0 && i < nmember; i++)
					reach[owner[t][k]][i] |= has[i][t];
		for (int via = 0; via < nmember; via++)
			for (int i = 0; i < nmember; i++)
				for (int k = 0; k < nmember; k++)
					reach[i][k] |= reach[i][via] && reach[via][k];
		bool is_even = true;
		for (int i = 0; i < nmember; i++)
			for (int k = 0; k < nmember; k++)
				is_even &= !reach[i][k] || load[i] - load[k] < 2;
		if (n != want || !is_even || strcmp(got, divide("sticky", sizes, again, &arena)) != 0)
			tap_fail(__FILE__, __LINE__, "seed %d: %s of %s, %s", seed, got, group, sizes);
		arena_release(&arena);
	}
}

void
test_assign__subscriptions_that_lie_do_no_harm(void)
{
	struct buf b = BUF_INIT;
	for (int seed = 1; seed <= 3000; seed++) {
		struct arena arena = { .size_max = 1 << 20 };
		struct assign_topic known[] = { { topics[0], 3 }, { topics[1], 3 } };
		struct assign a = { .topic = known, .ntopic = 2, .arena = &arena };
		struct str *names;
		struct err e;
		unhex(&b, "0000000000020005616c7068610004626574610000001b000000010005616c70686100000002"
			"000000000000000200000007");
		srand((unsigned)seed);
		for (int i = 0; i < 3; i++)
			b.p[(size_t)rand() % b.n] = (uint8_t)rand();
		struct assign_bytes in = { STR("m"), STR_NULL, { b.p, (int32_t)(rand() % (int)b.n + 1) } };
		const struct assign_kind *as = &assign_kinds[2 + seed % 2];
		if (assign_topics(&in, 1, &arena, &names, &e) >= 0
			&& assign_read_members(&a, as, &in, 1, &e) == 0)
			assign_run(&a, as);
		arena_release(&arena);
	}
	buf_release(&b);
}
