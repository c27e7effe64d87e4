/*
 * SIGINT and SIGTERM as a wake-up: a flag to look at, and a descriptor that
 * becomes readable, for whoever polls.
 *
 * Uses: base.  Once a process.
 */
#ifndef KQ_SYS_SIG_H
#define KQ_SYS_SIG_H

#include "base/base.h"
#include "base/err.h"

#include <signal.h>

/* The number of the first of them, for good; 0: none came. */
extern volatile sig_atomic_t sig_is_stopped;

/* Catch them from now on; with once only the first, so that a second one ends
 * the process at once.  Returns the descriptor, which is the caller's to poll,
 * or -1. */
int sig_catch(bool once, struct err *e);

/* The end of main: a process that was stopped by one of them dies of it now
 * that it has cleaned up, so that a shell sees it (130, 143) and ends its own
 * loop, too.  Else returns the exit code. */
int sig_end(int code);

/* Read the descriptor empty: what waits from now on is not woken any more. */
void sig_drain(int fd);

#endif
