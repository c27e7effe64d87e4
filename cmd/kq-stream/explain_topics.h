/*
 * What explain says of the topics that are read: their numbers of partitions, and whether
 * those of a join are equal, by which equal keys meet.
 *
 * Uses: program, layout; client/cluster.  One thread; waits.
 */
#ifndef KQ_STREAM_CMD_EXPLAIN_TOPICS_H
#define KQ_STREAM_CMD_EXPLAIN_TOPICS_H

#include "client/cluster.h"
#include "kq-stream/program.h"

/* Append it, with a warning if the application would be refused.  cluster NULL: say what is
 * not checked.  Returns 0; or -1: no broker can be reached. */
int explain_topics(const struct program *program, const struct cluster_opts *cluster,
	struct buf *out, struct err *e);

#endif
