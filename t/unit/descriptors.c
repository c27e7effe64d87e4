#include "tap.h"

#include "kq-broker/descriptors.c"

void
test_descriptors__the_parts_fit_in_the_limit(void)
{
	for (int nreactor = 1; nreactor <= 64; nreactor *= 2)
		for (int nlisten = 1; nlisten <= 16; nlisten *= 2) {
			struct descriptors parts;
			int64_t least = descriptors_divide(&parts, 0, nreactor, nlisten);
			for (int64_t limit = least; limit <= 1 << 20; limit += MAX(limit / 10, 1)) {
				check_int(descriptors_divide(&parts, limit, nreactor, nlisten), least);
				check(parts.sync_max >= SYNC_JOB_FILES_MAX && parts.cache_max >= 8);
				check(parts.conn_max >= 8 && parts.slice_max >= 1);
				check(parts.slice_max <= parts.cache_max);
				int64_t used = parts.sync_max * (nreactor + 1) + parts.cache_max + parts.conn_max;
				/* Always open: loops, rings, listeners. */
				check(used + 4 * nreactor + nlisten * nreactor < limit);
			}
		}
}

void
test_descriptors__a_limit_that_is_too_low_is_told(void)
{
	struct descriptors parts;
	int64_t least = descriptors_divide(&parts, 10, 1, 2);
	check(least > 40 && least <= 64);
	check_int(descriptors_divide(&parts, least - 1, 1, 2), least);
	check(descriptors_divide(&parts, 10, 32, 2) < 1024);
}
