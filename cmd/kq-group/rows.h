/*
 * The partitions of a group: committed offset, member, start and end, lag, and the
 * offset to which seek moves.
 *
 * Uses: base, tool/place.  Any thread.
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
	struct str metadata; /* committed with the offset */
	const struct look_member *member; /* its current owner; or NULL */
	int64_t start, end; /* of the partition; -1: unknown */
	int64_t to;         /* offset to be committed; -1: none, or undecided */
};

struct rows {
	struct row *v;
	int32_t n;
};

/* A row with nothing but its topic and partition. */
#define ROW_INIT(topic_, partition_) \
	((struct row){ .topic = (topic_), .partition = (partition_), .committed = -1, \
		.leader_epoch = -1, .metadata = STR_NULL, .start = -1, .end = -1, .to = -1 })

/* Sort by topic and partition, and merge rows of the same partition. */
void rows_merge(struct rows *rows);

/* The row of a partition, or NULL.  The rows must be merged. */
struct row *rows_find(const struct rows *rows, struct str topic, int32_t partition);

/* Is the lag known? */
static inline bool
row_has_lag(const struct row *row)
{
	return row->committed >= 0 && row->end >= 0;
}

/* Number of offsets left to read; negative if the end is before the committed offset, as
 * after the topic was recreated. */
static inline int64_t
row_lag(const struct row *row)
{
	assert(row_has_lag(row));
	return row->end - row->committed;
}

/* The sum of the known lags, where a negative lag counts as 0.  -1: none is known. */
int64_t rows_lag(const struct rows *rows);

/* The kinds of place to which an offset can be moved. */
enum {
	ROW_PLACES = PLACE_BEGINNING | PLACE_END | PLACE_CURRENT | PLACE_OFFSET | PLACE_SHIFT
		| PLACE_TIME,
};

/* Set the row's "to" to the place, not yet limited to start and end, which must
 * be known.  For PLACE_TIME, "to" must hold the first offset at or after the time
 * (-1: none).  Returns 0, or -1 (ERR_PEER): nothing is committed to shift. */
int row_move(struct row *row, const struct place *place, struct err *e);

/* Limit "to" to start and end.  Returns the offset that it replaced, or -1 if "to"
 * was within the limits. */
int64_t row_clamp(struct row *row);

#endif
