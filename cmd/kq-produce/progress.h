/*
 * A line of progress on the terminal: shown after the first second, while the process is
 * in the foreground, truncated to the width of the terminal.  It is erased before a
 * message is printed, and at the end.  The caller shows none while a user types the input.
 *
 * Uses: sys/clock, text/say.  One instance per process.
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

/* Show the number of acknowledged records and of bytes read, at most four times a
 * second. */
void progress_show(struct progress *progress, int64_t records, int64_t bytes);

/* Time in ms until progress_show may show the line again; -1: never. */
int progress_timeout(const struct progress *progress);

/* Erase the line for good. */
void progress_end(struct progress *progress);

#endif
