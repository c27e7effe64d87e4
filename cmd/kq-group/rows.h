/*
 * The partitions of a group: what it has committed, what its members have,
 * where the partitions end, and what is left to read.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_GROUP_ROWS_H
#define KQ_GROUP_ROWS_H

#include "base/err.h"
#include "base/mem.h"
#include "tool/place.h"

struct look_member;

struct row {
	struct str topic;
	int32_t partition;
	int64_t committed;  /* the next offset to read; -1: none */
	int32_t leader_epoch; /* of the record before it; -1: unknown */
	struct str metadata; /* what was committed along with it */
	const struct look_member *member; /* who has it now; or NULL */
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

/* The kinds of place to which an offset can be moved. */
enum {
	ROW_PLACES = PLACE_BEGINNING | PLACE_END | PLACE_CURRENT | PLACE_OFFSET | PLACE_SHIFT | PLACE_TIME,
};

/* Sets the row's "to" to the place, not yet limited to start and end, which must
 * be known.  For PLACE_TIME, "to" must hold the first offset at or after the time
 * (-1: none).  Returns 0, or -1 (ERR_PEER): nothing is committed to shift. */
int row_move(struct row *row, const struct place *place, struct err *e);

/* Limits "to" to start and end.  Returns the offset that it replaced, or -1 if "to"
 * was within the limits. */
int64_t row_clamp(struct row *row);

#endif
