/*
 * Running a plan on topics: checks the topics that it reads, makes the internal ones,
 * starts its threads, and waits for their end.
 *
 * Uses: worker, layout, internal_topics.
 */
#ifndef KQ_STREAM_CMD_TOPICS_H
#define KQ_STREAM_CMD_TOPICS_H

#include "client/cluster.h"
#include "kq-stream/plan.h"

struct topics_opts {
	struct cluster_opts cluster;  /* wake_fd: becomes readable when a signal came */
};

struct topics_counts {
	int64_t in, out, late, dropped, failed;
	int64_t late_partly; /* for some of their windows */
	int64_t late_kept;   /* sent on by late */
	int64_t restored;    /* records of changelogs */
	bool is_reader_gone; /* of stdout: the run ended by that */
};

/* Run until a signal, or with --until-end until the end of the input.  What the topics got
 * is in *counts.  Returns 0, or -1. */
int topics_run(const struct plan *plan, const struct topics_opts *o, struct topics_counts *counts,
	struct err *e);

#endif
