/*
 * The global tables that stdin's records are joined with: read from their topics, from the
 * beginning to where they end at the start.
 *
 * Uses: program; client/{fetcher,offsets}.  One thread; waits.
 */
#ifndef KQ_STREAM_CMD_LOCAL_TABLES_H
#define KQ_STREAM_CMD_LOCAL_TABLES_H

#include "client/cluster.h"
#include "kq-stream/program.h"

/* Fill the tables of the task.  A row that cannot be read fails it, or is left out and
 * counted in *nskipped, by the settings.  A signal ends it early (cluster->wake_fd).
 * Returns 0, or -1. */
int local_tables_load(struct program *program, struct flow_task *task,
	const struct cluster_opts *cluster, int64_t *nskipped, struct err *e);

#endif
