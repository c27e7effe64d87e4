/*
 * Finding the last records of partitions: counted are records that a reader is given,
 * not the offsets, of which transaction markers, records of aborted transactions and
 * compaction take some.
 *
 * Uses: fetcher.  One thread.
 */
#ifndef KQ_CLIENT_LAST_H
#define KQ_CLIENT_LAST_H

#include "client/fetcher.h"

struct last {
	struct cluster_topic *topic;
	int32_t npart;        /* the arrays have as many places */
	const bool *wants;    /* NULL: all */
	bool is_committed;    /* as in fetcher_opts */
	int64_t count;        /* of records, in each partition */
	const int64_t *first, *end; /* of each partition: what there is */
};

/* Where the last count records begin, into begin[]: the first offset where there are
 * fewer.  Reads them, and further back in growing steps where that is not enough;
 * waits meanwhile.  Returns 0, or -1. */
int last_find(struct cluster *cl, const struct last *last, int64_t *begin, struct err *e);

#endif
