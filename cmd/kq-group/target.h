/*
 * What a person names and where it is to go: TOPIC[:P[,P...]], and the words
 * of --to.
 *
 * Uses: rows, text/units.  Any thread.
 */
#ifndef KQ_GROUP_TARGET_H
#define KQ_GROUP_TARGET_H

#include "base/err.h"
#include "kq-group/rows.h"

struct target {
	struct str topic;
	int32_t *part;
	int32_t npart; /* 0: all there are */
};

/* Returns 0, or -1 (ERR_USAGE).  The topic is a part of text; the partitions
 * are in the arena. */
int target_parse(struct target *t, const char *text, struct arena *a, struct err *e);

enum where_kind { WHERE_EARLIEST, WHERE_LATEST, WHERE_CURRENT, WHERE_OFFSET, WHERE_SHIFT, WHERE_TIME };

struct where {
	enum where_kind kind;
	int64_t n; /* the offset, how far, or ms since 1970 */
};

/* earliest, latest, current, 42, +42, -42, @TIME.  Returns 0, or -1
 * (ERR_USAGE). */
int where_parse(struct where *w, const char *text, int64_t now_ms, struct err *e);

/* Set where the row is to go.  Its start and end are known; of a time, the
 * row's "to" is the first offset at or after it, -1: there is none.  Not kept
 * between start and end yet.  Returns 0, or -1. */
int where_go(const struct where *w, struct row *row, struct err *e);

/* Keep it between start and end.  Returns what it was, or -1: it is left as it
 * was. */
int64_t where_clamp(struct row *row);

#endif
