/*
 * A line on a terminal's stderr that says how far we are; nothing elsewhere.
 *
 * Uses: sys/clock.
 */
#ifndef KQ_PRODUCE_PROGRESS_H
#define KQ_PRODUCE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on, is_shown;
	int64_t start_ms, next_ms;
};

void progress_init(struct progress *p);

/* At most four times a second. */
void progress_show(struct progress *p, int64_t records, int64_t bytes);

/* The last figures, and on to the next line, if anything was shown. */
void progress_end(struct progress *p, int64_t records, int64_t bytes);

#endif
