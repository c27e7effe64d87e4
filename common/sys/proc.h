/*
 * A command that runs beside us, with a pipe into its stdin and one out of its
 * stdout; stderr it shares with us.
 *
 * It gets a process group of its own, so that a ^C meant for us does not end it
 * in the midst of its work, and so that all of a pipeline can be killed.
 *
 * Uses: base.  One thread.
 */
#ifndef KQ_SYS_PROC_H
#define KQ_SYS_PROC_H

#include "base/base.h"
#include "base/err.h"

#include <sys/types.h>

struct proc {
	pid_t pid;   /* 0: none, or it has ended and was reaped */
	int in_fd;   /* to its stdin; non-blocking; -1: closed */
	int out_fd;  /* from its stdout; likewise */
	int status;  /* as of waitpid, once it has ended */
};
#define PROC_INIT { .in_fd = -1, .out_fd = -1 }

/* Run it with sh -c.  Returns 0, or -1: there is nothing to be closed then. */
int proc_open(struct proc *proc, const char *command, struct err *e);

/* It reads the end of its input. */
void proc_close_in(struct proc *proc);

/* Has it ended?  Waits for at most timeout_ms. */
bool proc_wait(struct proc *p, int timeout_ms);

/* Close the pipes, and kill what still runs of it. */
void proc_kill(struct proc *proc);

enum { PROC_TEXT_SIZE = 40 };

/* "exit code 3", "signal 9"; NUL-terminated in z, returned. */
char *proc_status_text(int status, char z[PROC_TEXT_SIZE]);

#endif
