/*
 * A child process that runs a shell command, with a pipe to its stdin and one
 * from its stdout; it shares our stderr.
 *
 * It has a process group of its own, so that a ^C meant for us does not end it
 * during its work, and so that all processes of a pipeline can be killed.
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
	int out_fd;  /* from its stdout; non-blocking; -1: closed */
	int status;  /* from waitpid, once it has ended */
};
#define PROC_INIT { .in_fd = -1, .out_fd = -1 }

/* Run the command with sh -c.  Returns 0, or -1: nothing is open then. */
int proc_open(struct proc *proc, const char *command, struct err *e);

/* Close its stdin, so that it reads the end of the input. */
void proc_close_in(struct proc *proc);

/* Wait for its end for at most timeout_ms.  Returns whether it has ended. */
bool proc_wait(struct proc *proc, int timeout_ms);

/* Close the pipes, and kill its process group. */
void proc_kill(struct proc *proc);

enum { PROC_TEXT_SIZE = 40 };

/* Write "exit code 3" or "signal 9", NUL-terminated, to z; returns z. */
char *proc_status_text(int status, char z[PROC_TEXT_SIZE]);

#endif
