/*
 * Markers: the control batches that end a transaction in each partition that
 * it wrote to.
 *
 * Uses partitions and topics.  The coordinator gives it a loop, and gets a report
 * of each marker.
 *
 * Threads: the coordinator, under its lock.
 */
#ifndef KQ_BROKER_MARKERS_H
#define KQ_BROKER_MARKERS_H

#include "coord/coord.h"
#include "kq-broker/topics.h"

struct marker_job;
struct marker_part;

/* All but the list is set by the owner. */
struct markers {
	struct loop *loop;
	struct syncer *syncer;
	struct topics *topics;
	bool commits_aborted, tears_commits; /* test.fault */
	/* Run the task soon, from the loop's thread, but not from within this call. */
	void (*defer)(struct markers *markers, struct loop_task *task);
	/* A marker was appended to a partition; it may not be on disk yet. */
	void (*appended)(struct markers *markers, const struct marker_part *part);
	struct list jobs; /* struct marker_job */
};

struct marker_part {
	struct marker_job *job;
	char *topic;
	int32_t index;
	struct partition *partition; /* a reference while its ack waits */
	struct ack_wait ack;
	bool is_done;
	int16_t error;               /* of the last attempt */
};

typedef void marker_done_fn(struct marker_job *job);

/* The markers of one transaction. */
struct marker_job {
	struct list link; /* in jobs */
	struct markers *markers;
	struct coord_producer producer;
	int32_t coordinator_epoch;
	bool is_commit, must_retry;
	struct marker_part *part;
	int npart, nleft;         /* nleft: acks that are waited for */
	struct loop_task task;    /* runs the first round */
	struct loop_timer timer;  /* runs the later ones */
	marker_done_fn *done;     /* the job is freed after it */
	/* The caller's, which sets one of them: */
	void *ctx;
	uint64_t ticket;          /* of txns_markers_written */
};

/* Write the markers.  done is called later, once all are on disk, or have failed.
 * With must_retry, an append that may succeed later is retried until it does;
 * otherwise each part's error is its result.  A topic or partition that does not
 * exist counts as written with must_retry: there is nothing to mark. */
struct marker_job *markers_write(struct markers *markers, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, bool must_retry,
	const struct coord_partition *v, int n, marker_done_fn *done);

/* At the end: drop all jobs; done is not called. */
void markers_release(struct markers *markers);

#endif
