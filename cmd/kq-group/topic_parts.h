/*
 * A topic and some of its partitions as an operand: TOPIC[:P[,P...]].
 *
 * Uses: base, text/units.  Any thread.
 */
#ifndef KQ_GROUP_TOPIC_PARTS_H
#define KQ_GROUP_TOPIC_PARTS_H

#include "base/err.h"
#include "base/mem.h"

struct topic_parts {
	struct str topic;
	int32_t *part;
	int32_t npart; /* 0: all */
};

/* Parse text.  Returns 0, or -1 (ERR_USAGE).  The topic is a slice of text; the
 * partitions are in the arena. */
int topic_parts_parse(struct topic_parts *parts, const char *text, struct arena *a, struct err *e);

#endif
