/*
 * A program from stdin to stdout: no broker, one task, nothing to commit.
 *
 * Lines of stdin are records; their time is that of 'time', or of the clock.  At the end
 * of stdin what is still open comes out.  SIGINT and SIGTERM end it in the same way.
 *
 * Uses: program, tool/{input,output,progress}.
 */
#ifndef KQ_STREAM_CMD_LOCAL_H
#define KQ_STREAM_CMD_LOCAL_H

#include "kq-stream/program.h"

/* Returns 0, also when the reader of stdout closed the pipe; or -1.  wake_fd becomes
 * readable on a signal (sys/sig.h). */
int local_run(struct program *program, int wake_fd, struct err *e);

#endif
