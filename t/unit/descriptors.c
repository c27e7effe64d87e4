#include "tap.h"

#include "kq-broker/descriptors.c"

void
test_descriptors__the_parts_fit_in_the_limit(void)
{
	for (int nreactor = 1; nreactor <= 64; nreactor *= 2)
		for (int nlisten = 1; nlisten <= 16; nlisten *= 2) {
			struct descriptors d;
			int64_t least = descriptors_divide(&d, 0, nreactor, nlisten);
			for (int64_t limit = least; limit <= 1 << 20; limit += MAX(limit / 10, 1)) {
				check_int(descriptors_divide(&d, limit, nreactor, nlisten), least);
				check(d.sync_max >= SYNC_JOB_FILES_MAX && d.cache_max >= 8);
				check(d.conn_max >= 8 && d.slice_max >= 1 && d.slice_max <= d.cache_max);
				int64_t used = d.sync_max * (nreactor + 1) + d.cache_max + d.conn_max;
				/* What is always open: loops, rings, listeners. */
				check(used + 4 * nreactor + nlisten * nreactor < limit);
			}
		}
}

void
test_descriptors__a_limit_that_is_too_low_is_told(void)
{
	struct descriptors d;
	int64_t least = descriptors_divide(&d, 10, 1, 2);
	check(least > 40 && least <= 64);
	check_int(descriptors_divide(&d, least - 1, 1, 2), least);
	check(descriptors_divide(&d, 10, 32, 2) < 1024);
}
