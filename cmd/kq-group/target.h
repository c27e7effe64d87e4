/*
 * What a person names and where it is to go: TOPIC[:P[,P...]], and the words
 * of --to.
 *
 * Uses: rows, tool/place.  Any thread.
 */
#ifndef KQ_GROUP_TARGET_H
#define KQ_GROUP_TARGET_H

#include "base/err.h"
#include "kq-group/rows.h"
#include "tool/place.h"

struct target {
	struct str topic;
	int32_t *part;
	int32_t npart; /* 0: all there are */
};

/* Returns 0, or -1 (ERR_USAGE).  The topic is a part of text; the partitions
 * are in the arena. */
int target_parse(struct target *t, const char *text, struct arena *a, struct err *e);

/* The words of --to: those of tool/place that can be meant.  Returns 0, or -1
 * (ERR_USAGE). */
int where_parse(struct place *w, const char *text, int64_t now_ms, struct err *e);

/* Set where the row is to go.  Its start and end are known; of a time, the
 * row's "to" is the first offset at or after it, -1: there is none.  Not kept
 * between start and end yet.  Returns 0, or -1. */
int where_go(const struct place *w, struct row *row, struct err *e);

/* Keep it between start and end.  Returns what it was, or -1: it is left as it
 * was. */
int64_t where_clamp(struct row *row);

#endif
