/*
 * Expressions over orders of about 295 bytes, in memory: nanoseconds of CPU time a record.
 *
 *   json [COUNT [NAME]]    COUNT orders (200000), each line one of:
 *
 *     memchr        find the end of each line: the floor
 *     check         is each one JSON text?
 *     filter        .amount > 100
 *     filter-map    .amount > 100, and of what passes {id, amount}
 *     window        .customer, .amount as a number, .ts
 *     filter-libjq  .amount > 100 by libjq
 */
#include "json/expr.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed = 88172645463325252;
static struct buf orders = BUF_INIT;
static struct str *order;
static int norder = 200000;
static struct expr_set *set;
static uint64_t sum; /* what was found: so that no compiler leaves it out */

static unsigned
rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static const char *
word(void)
{
	static const char *const words[] = { "amber", "birch", "cedar", "delta", "ember", "fjord",
		"grove", "harbour", "island", "juniper", "kestrel", "lantern", "meadow", "northern" };
	return words[rnd(ARRAY_LEN(words))];
}

static void
put_order(int i)
{
	size_t begin = orders.n;
	buf_printf(&orders, "{\"id\":\"o-%07d\",\"ts\":\"2026-11-30T12:%02d:%02d.%03dZ\","
		"\"customer\":\"c-%06u\",\"product\":\"p-%u\",\"amount\":%u.%02u,\"quantity\":%u,"
		"\"currency\":\"%s\",", i, i / 60000 % 60, i / 1000 % 60, i % 1000, rnd(1000000), rnd(100),
		rnd(200), rnd(100), 1 + rnd(9), rnd(3) ? "EUR" : "USD");
	buf_printf(&orders, "\"address\":{\"street\":\"%u %s street\",\"city\":\"%s\"},"
		"\"tags\":[\"%s\",\"%s\"],\"note\":\"", 1 + rnd(200), word(), word(), word(), word());
	if (rnd(10) == 0)
		buf_puts(&orders, rnd(2) ? "\\\"fragile\\\" " : "caf\xc3\xa9 ");
	while (orders.n - begin < 285)
		buf_printf(&orders, "%s ", word());
	buf_puts(&orders, "\"}\n");
}

static void
make_orders(void)
{
	order = mem_alloc((size_t)norder * sizeof *order);
	for (int i = 0; i < norder; i++)
		put_order(i);
	const uint8_t *p = orders.p;
	for (int i = 0; i < norder; i++) {
		const uint8_t *end = memchr(p, '\n', (size_t)(orders.p + orders.n - p));
		order[i] = (struct str){ p, (int32_t)(end - p) };
		p = end + 1;
	}
}

static void
fail(const struct err *e)
{
	fprintf(stderr, "json: %s\n", e->msg);
	exit(1);
}

static struct expr *
add(const char *text)
{
	struct err e;
	struct expr *expr = expr_add(set, str_of(text), &e);
	if (!expr)
		fail(&e);
	return expr;
}

/* ---- what is measured ---- */

static void
run_memchr(void)
{
	for (const uint8_t *p = orders.p, *end = p + orders.n; p < end; sum++)
		p = (const uint8_t *)memchr(p, '\n', (size_t)(end - p)) + 1;
}

static void
run_check(void)
{
	struct err e;
	for (int i = 0; i < norder; i++) {
		expr_set_next(set);
		if (expr_set_check(set, order[i], &e) < 0)
			fail(&e);
	}
}

static bool
passes(struct expr *filter, struct str text)
{
	struct expr_in in = { { text } };
	struct err e;
	expr_set_next(set);
	int rc = expr_test(filter, &in, &e);
	if (rc < 0)
		fail(&e);
	sum += (uint64_t)rc;
	return rc > 0;
}

static void
run_filter(void)
{
	struct expr *filter = add(".amount > 100");
	for (int i = 0; i < norder; i++)
		passes(filter, order[i]);
}

static void
run_filter_map(void)
{
	struct expr *filter = add(".amount > 100"), *map = add("{id, amount}");
	struct err e;
	for (int i = 0; i < norder; i++) {
		struct expr_in in = { { order[i] } };
		struct str out;
		if (!passes(filter, order[i]))
			continue;
		if (expr_value(map, &in, &out, &e) < 0)
			fail(&e);
		sum += (uint64_t)out.n;
	}
}

static void
run_window(void)
{
	struct expr *key = add(".customer"), *amount = add(".amount"), *ts = add(".ts");
	struct err e;
	for (int i = 0; i < norder; i++) {
		struct expr_in in = { { order[i] } };
		struct str out, at;
		double number = 0;
		expr_set_next(set);
		if (expr_value(key, &in, &out, &e) < 0 || expr_number(amount, &in, &number, &e) < 0
			|| expr_value(ts, &in, &at, &e) < 0)
			fail(&e);
		sum += (uint64_t)out.n + (uint64_t)at.n + (uint64_t)number;
	}
}

static const struct {
	const char *name;
	void (*run)(void);
	bool only_libjq;
} kinds[] = {
	{ "memchr", run_memchr, false }, { "check", run_check, false },
	{ "filter", run_filter, false }, { "filter-map", run_filter_map, false },
	{ "window", run_window, false }, { "filter-libjq", run_filter, true } };

static double
cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The best of several rounds; the first one also compiles. */
static void
measure(int i)
{
	int nround = kinds[i].only_libjq ? 1 : 9;
	double best = 0;
	for (int round = 0; round < nround; round++) {
		struct expr_opts o = { .only_libjq = kinds[i].only_libjq };
		set = expr_set_new(&o);
		double begin = cpu_ns();
		kinds[i].run();
		double ns = (cpu_ns() - begin) / norder;
		best = round == 0 || ns < best ? ns : best;
		expr_set_free(set);
	}
	printf("%-13s %8.1f ns\n", kinds[i].name, best);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		norder = atoi(argv[1]);
	if (norder < 1)
		norder = 1;
	make_orders();
	printf("%d orders of %.0f bytes\n", norder, (double)orders.n / norder - 1);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (argc < 3 || strcmp(argv[2], kinds[i].name) == 0)
			measure((int)i);
	return sum == 0;
}
