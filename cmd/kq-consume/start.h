/*
 * Where to start and stop reading: the positions of -o, in the grammar of tool/place, and
 * e@TIME: stop before the first record at or after the time.
 *
 * Uses: base, tool/place, client/offsets.
 */
#ifndef KQ_CONSUME_START_H
#define KQ_CONSUME_START_H

#include "client/offsets.h"
#include "tool/place.h"

struct start {
	struct place begin;   /* PLACE_NONE: not given */
	bool has_stop_time;
	int64_t stop_time_ms;
	bool is_committed;    /* "end" is the last stable offset */
};

/* Parse one -o: where to start, or with e@ where to stop.  now_ms resolves relative
 * times.  Returns 0, or -1 (ERR_USAGE). */
int start_parse(struct start *start, const char *text, int64_t now_ms, struct err *e);

/* Resolve to offsets of the partitions i < npart with wants[i] (NULL: all): begin[i], and
 * stop[i], the first offset not to be read (INT64_MAX: none).  stops_at_end: stop at the
 * current end.  Asks the brokers, and waits.  Returns 0, or -1: ERR_USAGE if a partition
 * does not have the offset. */
int start_resolve(const struct start *start, struct cluster *cluster,
	struct cluster_topic *t, int32_t npart, const bool *wants, bool stops_at_end,
	int64_t *begin, int64_t *stop, struct err *e);

#endif
