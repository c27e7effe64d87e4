/*
 * A line of progress on the terminal: shown after the first second, while the process is
 * in the foreground, truncated to the width of the terminal.  It is erased before a
 * message is printed, and at the end.  The caller shows none while a user types the input.
 *
 * Uses: sys/clock, text/say.  One instance per process.
 */
#ifndef KQ_TOOL_PROGRESS_H
#define KQ_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	int64_t start_ms, next_ms;
};

void progress_init(struct progress *progress);

/* Is the line to be printed now?  At most four times a second. */
bool progress_is_due(struct progress *progress);

/* Print the line, when it is due. */
void progress_print(struct progress *progress, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Time since the start. */
double progress_seconds(const struct progress *progress);

/* Time in ms until progress_is_due may be true again; -1: never. */
int progress_timeout(const struct progress *progress);

/* Erase the line for good. */
void progress_end(struct progress *progress);

#endif
