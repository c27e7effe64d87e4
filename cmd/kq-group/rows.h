/*
 * The partitions of a group: what it has committed, what its members have,
 * where the partitions end, and what is left to read.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_GROUP_ROWS_H
#define KQ_GROUP_ROWS_H

#include "base/mem.h"

struct member;

struct row {
	struct str topic;
	int32_t partition;
	int64_t committed;  /* the next offset to read; -1: none */
	int32_t leader_epoch; /* of the record before it; -1: unknown */
	struct str metadata; /* what was committed along with it */
	const struct member *member; /* who has it now; or NULL */
	int64_t start, end; /* of the partition; -1: unknown */
	int64_t to;         /* what is to be committed; -1: nothing, or not decided */
};

struct rows {
	struct row *v;
	int32_t n;
};

/* A row of which nothing but its place is known. */
#define ROW_INIT(topic_, partition_) \
	((struct row){ (topic_), (partition_), -1, -1, STR_NULL, NULL, -1, -1, -1 })

/* Sort by topic and partition, and make one row of those of one place. */
void rows_merge(struct rows *rows);

/* The row of a place, or NULL.  Merged rows alone. */
struct row *rows_find(const struct rows *rows, struct str topic, int32_t partition);

/* Is it known how many records are left? */
static inline bool
row_has_lag(const struct row *row)
{
	return row->committed >= 0 && row->end >= 0;
}

/* How many; less than none when the end went back behind what was committed,
 * as when a topic was made anew. */
static inline int64_t
row_lag(const struct row *row)
{
	assert(row_has_lag(row));
	return row->end - row->committed;
}

/* The sum of the lags that are known; negative ones count as none.  -1: none
 * is known. */
int64_t rows_lag(const struct rows *rows);

#endif
