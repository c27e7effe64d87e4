/*
 * The seeded part of the differential fuzz test: KQ_PAIRS pairs of a program and an input,
 * 20,000 unless it is set; KQ_SEED chooses others.
 */
#include "tap.h"

#include "expr_compare.h"

#include <stdlib.h>
#include <unistd.h>

void
test_expr_pairs__compiled_and_libjq_agree(void)
{
	const char *pairs = getenv("KQ_PAIRS"), *seed = getenv("KQ_SEED");
	int64_t want = pairs ? atoll(pairs) : 20000, before = 0;
	if (pairs)
		alarm(0); /* tap.c's: these may take minutes */
	struct compare cmp = { .make.seed = seed ? (uint64_t)atoll(seed) : 1 };
	while (cmp.npair < want) {
		if (compare_batch(&cmp, COMPARE_PROGRAMS, 40))
			tap_fail(__FILE__, __LINE__, "after %lld pairs: %s", (long long)cmp.npair, cmp.fault);
		if (cmp.npair / 100000 > before / 100000)
			printf("# %lld pairs\n", (long long)cmp.npair);
		before = cmp.npair;
	}
	printf("# %lld pairs, %lld answered compiled; %lld of %lld programs covered\n",
		(long long)cmp.npair, (long long)cmp.nanswer, (long long)cmp.ncovered,
		(long long)cmp.nprogram);
	check(cmp.nanswer > want / 4);
	check(cmp.ncovered > cmp.nprogram / 4);
}
