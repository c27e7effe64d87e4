/*
 * Finds the last records of partitions.  It counts the records that a reader gets, not
 * offsets: transaction markers, records of aborted transactions and compaction leave
 * gaps between them.
 *
 * Uses: fetcher.  One thread.
 */
#ifndef KQ_CLIENT_LAST_H
#define KQ_CLIENT_LAST_H

#include "client/fetcher.h"

struct last {
	struct cluster_topic *topic;
	int32_t npart;        /* size of the arrays */
	const bool *wants;    /* partitions to look at; NULL: all */
	bool is_committed;    /* as in fetcher_opts */
	int64_t count;        /* records wanted of each partition */
	const int64_t *first, *end; /* first and end offset of each partition */
};

/* Store in begin[] the offset of the count-th record from the end of each partition; or
 * its first offset, if it has fewer.  Reads the records, going back in growing steps,
 * and waits for them.  Returns 0, or -1. */
int last_find(struct cluster *cl, const struct last *last, int64_t *begin, struct err *e);

#endif
