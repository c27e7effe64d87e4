/*
 * SIGINT and SIGTERM as events: a flag, and a descriptor to poll, which becomes
 * readable.
 *
 * Uses: base.  sig_catch may be called once in a process.
 */
#ifndef KQ_SYS_SIG_H
#define KQ_SYS_SIG_H

#include "base/base.h"
#include "base/err.h"

#include <signal.h>

/* The number of the first signal that came; 0: none. */
extern volatile sig_atomic_t sig_is_stopped;

/* Catch both from now on; with once only the first, so that a second one ends
 * the process at once.  Returns the descriptor to poll, or -1. */
int sig_catch(bool once, struct err *e);

/* For the end of main.  If a signal came, the process dies of it now, after its
 * cleaning up, so that a shell sees 130 or 143 and ends its own loop, too.
 * Otherwise returns the exit code. */
int sig_end(int code);

/* Empty the descriptor, so that it is not readable any more. */
void sig_drain(int fd);

#endif
