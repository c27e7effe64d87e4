/*
 * The running applications of this user on this machine, asked over their sockets
 * (control.h has the protocol).
 *
 * Uses: control, control_dir; text/json.  One thread.
 */
#ifndef KQ_STREAM_CMD_APPS_H
#define KQ_STREAM_CMD_APPS_H

#include "sys/stream.h"
#include "text/json.h"

#include <sys/types.h>

/* A process that runs an application. */
struct apps_process {
	struct stream stream;
	pid_t pid;
	char *application;
	json_t *facts;   /* what it answers to "describe"; NULL: it does not answer */
	struct buf in;
};

struct apps {
	struct apps_process **v; /* by application and process id */
	int n;
};

/* Connect to all of them, or to those of one application, and ask what they do.  Sockets of
 * processes that are gone are removed.  Returns 0, or -1. */
int apps_open(struct apps *apps, const char *application, struct err *e);
void apps_close(struct apps *apps);

/* The same of one application; -1 also if no process runs it: the sentence says which run. */
int apps_need(struct apps *apps, const char *application, struct err *e);

/* Ask: request is an object, which is freed.  Each row of the answer is handed to fn, without
 * its blank (NULL: there are none).  Returns the object behind them, to be freed; NULL:
 * failed, or it said why not. */
typedef int apps_row_fn(void *arg, struct str row, struct err *e);
json_t *apps_ask(struct apps_process *process, json_t *request, apps_row_fn *fn, void *arg,
	struct err *e);

/* Wait until the process has ended.  Returns 0; or -1: not within the time, or a signal came
 * (wake_fd). */
int apps_await_end(struct apps_process *process, int timeout_ms, int wake_fd, struct err *e);

#endif
