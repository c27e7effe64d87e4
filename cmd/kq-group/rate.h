/*
 * The rate at which a group reads: the difference between two refreshes.
 *
 * Uses: rows.  One thread.
 */
#ifndef KQ_GROUP_RATE_H
#define KQ_GROUP_RATE_H

#include "kq-group/rows.h"

/* The previous refresh. */
struct rate {
	struct rows rows;   /* in the arena */
	struct arena arena;
	int64_t at_ns;      /* monotonic time; 0: none yet */
};
#define RATE_INIT { { NULL, 0 }, ARENA_INIT, 0 }

/* Records per second of a row since the last refresh; negative if its offset went back.
 * Returns false if it is unknown: the partition was new, or nothing was committed. */
bool rate_of(const struct rate *last, const struct row *row, int64_t now_ns, double *rate);

/* The sum of the known rates.  Returns false if none is known. */
bool rate_total(const struct rate *last, const struct rows *rows, int64_t now_ns, double *rate);

/* Keep these rows as the previous refresh. */
void rate_keep(struct rate *last, const struct rows *rows, int64_t now_ns);
void rate_release(struct rate *last);

#endif
