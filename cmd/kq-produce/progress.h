/*
 * A line on the terminal that says how far we are: from one second on, while we
 * are in the foreground, never longer than the terminal is wide.  It is erased
 * before anything else is said, and at the end.  The owner shows none while a
 * person types the input.
 *
 * Uses: sys/clock, text/say.  Once a process.
 */
#ifndef KQ_PRODUCE_PROGRESS_H
#define KQ_PRODUCE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	int64_t start_ms, next_ms;
};

void progress_init(struct progress *progress);

/* At most four times a second: records acknowledged, bytes read. */
void progress_show(struct progress *progress, int64_t records, int64_t bytes);

/* In how many ms progress_show would show something new; -1: never. */
int progress_timeout(const struct progress *progress);

/* Erase it, for good. */
void progress_end(struct progress *progress);

#endif
