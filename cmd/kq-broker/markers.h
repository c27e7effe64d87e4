/*
 * Writing the end of a transaction into the partitions that it touched.
 *
 * The coordinator thread.
 */
#ifndef KQ_BROKER_MARKERS_H
#define KQ_BROKER_MARKERS_H

#include "kq-broker/coordinator.h"

struct marker_part {
	struct marker_job *job;
	char *topic;
	int32_t index;
	struct partition *partition; /* a reference while its ack waits */
	struct ack_wait ack;
	bool is_done;
	int16_t error;
};

struct marker_job;
typedef void marker_done_fn(struct marker_job *job);

struct marker_job {
	struct list link; /* in the coordinator's */
	struct coordinator *coordinator;
	struct coord_producer producer;
	int32_t coordinator_epoch;
	bool is_commit, must_retry;
	struct marker_part *part;
	int npart, nleft;
	struct loop_task task;    /* the first round, */
	struct loop_timer timer;  /* and those after it */
	marker_done_fn *done; /* frees what hangs on ctx, not the job */
	void *ctx;
	uint64_t ticket;
};

/* Write the markers; done is called from the loop, later, when all are on
 * disk.  With must_retry what may succeed later is tried until it does, else
 * each part's error tells.  Topics and partitions that are not there: no error
 * with must_retry, as there is nothing to be marked. */
struct marker_job *markers_write(struct coordinator *coord, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, bool must_retry,
	const struct coord_partition *v, int n, marker_done_fn *done);

/* At the end: forget what is under way. */
void markers_release(struct coordinator *coord);

#endif
