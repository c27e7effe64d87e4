/*
 * A thread that writes lines to a descriptor, so that nobody else waits for it.
 *
 * stderr may block for any time: a pipe that is not read, a terminal that was
 * stopped with ^S.  It may be shared with other programs, which would be hurt by
 * O_NONBLOCK.  So lines wait in a buffer of fixed size; when that is full they
 * are dropped and counted, and the count is written when there is room again.
 *
 * Uses: base.  Any thread; one writer for each process.
 */
#ifndef KQ_TEXT_LOGWRITER_H
#define KQ_TEXT_LOGWRITER_H

#include "base/base.h"
#include "base/err.h"

enum { LOGWRITER_LINE_MAX = 2048, LOGWRITER_SIZE = 256 * 1024 };

/* Make the line that says how many were dropped.  Returns its length. */
typedef size_t logwriter_dropped_fn(char line[LOGWRITER_LINE_MAX], int64_t n);

/* Start the thread, with the signals blocked that the caller has blocked. */
int logwriter_begin(int fd, logwriter_dropped_fn *dropped, struct err *e);

/* Take one line, which ends with its only '\n'.  False: the thread does not run.
 * Never blocks on the descriptor. */
bool logwriter_put(const char *line, size_t n);

/* Wait until everything is written, but at most for the time.  Lines that come
 * later are lost. */
void logwriter_end(int timeout_ms);

#endif
