/*
 * Where to begin and end reading: the words of -o, which are those of
 * tool/place, and e@TIME: stop before the first record at or after the time.
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
	bool is_committed;    /* the end is that of what is committed */
};

/* Read one -o into *s; a second one may add the other end.  now_ms is for
 * relative times.  Returns 0, or -1 (ERR_USAGE). */
int start_parse(struct start *start, const char *text, int64_t now_ms, struct err *e);

/* Turn it into offsets of a topic's partitions: where to begin, and the first
 * not wanted (INT64_MAX: no end).  stops_at_end is -e: the end as of now.
 * Partitions not in wants are left alone.  Returns 0, or -1; an offset that is
 * not there is ERR_USAGE. */
int start_resolve(const struct start *start, struct cluster *cluster,
	struct cluster_topic *t, int32_t npart, const bool *wants, bool stops_at_end,
	int64_t *begin, int64_t *stop, struct err *e);

#endif
