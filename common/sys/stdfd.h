/*
 * Descriptors 0, 1 and 2.
 *
 * A program may be started with some of them closed.  The next file or socket
 * that it opens would get the number, and what is meant for stdout or stderr
 * would be written there.
 *
 * Uses: base.  The main thread, before any other is started.
 */
#ifndef KQ_SYS_STDFD_H
#define KQ_SYS_STDFD_H

#include "base/base.h"
#include "base/err.h"

/* Open /dev/null on those that are closed, before anything else is opened.
 * Reading this stdin and writing this stdout fail with EBADF; what is written
 * to this stderr is lost.  Returns 0, or -1 when there is no /dev/null. */
int stdfd_init(struct err *e);

/* Was it open (STDIN_FILENO or STDOUT_FILENO) when the program started?
 * Returns 0, or -1 and the sentence for a program that needs it. */
int stdfd_need(int fd, struct err *e);

#endif
