/*
 * How fast a group reads: the difference between two looks at its offsets.
 *
 * Uses: rows.  One thread.
 */
#ifndef KQ_GROUP_RATE_H
#define KQ_GROUP_RATE_H

#include "kq-group/rows.h"

/* The last look. */
struct rate {
	struct rows rows;   /* in the arena */
	struct arena arena;
	int64_t at_ns;      /* 0: there was none */
};
#define RATE_INIT { { NULL, 0 }, ARENA_INIT, 0 }

/* Records a second of a row as of now_ns; less than none when its offset went
 * back.  Returns false when it is not known: the partition was not there, or
 * nothing was committed. */
bool rate_of(const struct rate *last, const struct row *row, int64_t now_ns, double *rate);

/* The sum of those that are known; false when none is. */
bool rate_total(const struct rate *last, const struct rows *rows, int64_t now_ns, double *rate);

/* Keep these rows as the last look. */
void rate_keep(struct rate *last, const struct rows *rows, int64_t now_ns);
void rate_release(struct rate *last);

#endif
