/*
 * Descriptors 0, 1 and 2.
 *
 * A program may be started with some of them closed.  The next file or socket
 * that it opens would get that number, and output for stdout or stderr would be
 * written into it.
 *
 * Uses: base.  The main thread, before it starts others.
 */
#ifndef KQ_SYS_STDFD_H
#define KQ_SYS_STDFD_H

#include "base/base.h"
#include "base/err.h"

/* Open /dev/null on those that are closed; call it before anything else is
 * opened.  Then reading stdin or writing stdout fails with EBADF, and output to
 * stderr is lost.  Returns 0, or -1: /dev/null cannot be opened. */
int stdfd_init(struct err *e);

/* Check that STDIN_FILENO or STDOUT_FILENO was open when the program started.
 * Returns 0, or -1 with a sentence for a program that needs it. */
int stdfd_need(int fd, struct err *e);

#endif
