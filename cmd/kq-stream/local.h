/*
 * A program that reads stdin: one task, nothing to commit.  Results go to stdout, and to
 * topics (local_topics.h); rows of global tables come from topics (local_tables.h).  Without
 * topics it needs no broker.
 *
 * Lines of stdin are records; their time is that of 'time', or of the clock.  At the end
 * of stdin what is still open comes out.  SIGINT and SIGTERM end it in the same way.
 *
 * Uses: program, local_topics, tool/{input,output,progress}.
 */
#ifndef KQ_STREAM_CMD_LOCAL_H
#define KQ_STREAM_CMD_LOCAL_H

#include "client/cluster.h"
#include "kq-stream/program.h"

/* Returns 0, also when the reader of stdout closed the pipe; or -1.  cluster has the
 * brokers, used if there are topics, and the wake_fd, readable on a signal (sys/sig.h). */
int local_run(struct program *program, const struct cluster_opts *cluster, struct err *e);

#endif
