/*
 * A thread that writes lines to a descriptor, so that no other thread waits for it.
 *
 * stderr may block for any time: a pipe that is not read, a terminal that was stopped
 * with ^S.  O_NONBLOCK would affect other programs that share it.  So lines are queued
 * in a buffer of fixed size; while it is full, lines are dropped and counted, and the
 * count is written when there is room again.
 *
 * Uses: base.  Any thread; one writer for each process.
 */
#ifndef KQ_TEXT_LOGWRITER_H
#define KQ_TEXT_LOGWRITER_H

#include "base/base.h"
#include "base/err.h"

enum { LOGWRITER_LINE_MAX = 2048, LOGWRITER_SIZE = 256 * 1024 };

/* Make the line that reports n dropped lines.  Returns its length. */
typedef size_t logwriter_dropped_fn(char line[LOGWRITER_LINE_MAX], int64_t n);

/* Start the thread, with the caller's signal mask. */
int logwriter_begin(int fd, logwriter_dropped_fn *dropped, struct err *e);

/* Queue one line, which ends with its only '\n'.  Returns false if the thread does not
 * run.  Never blocks on the descriptor. */
bool logwriter_put(const char *line, size_t n);

/* Wait until everything is written, at most for timeout_ms, and stop the thread.  Later
 * lines are lost. */
void logwriter_end(int timeout_ms);

#endif
