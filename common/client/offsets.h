/*
 * Asks the leaders for offsets (ListOffsets): where partitions begin and end, and the
 * first offset at a time.
 *
 * Uses: cluster.  One thread.
 */
#ifndef KQ_CLIENT_OFFSETS_H
#define KQ_CLIENT_OFFSETS_H

#include "client/cluster.h"

enum { /* special timestamps */
	OFFSETS_LATEST = -1,   /* the end: offset of the next record */
	OFFSETS_EARLIEST = -2, /* the first record */
	OFFSETS_STABLE = -1000, /* the last stable offset: before all open transactions */
};

/* For each partition i < n with wants[i] (NULL: all), store in offset[i] the offset of
 * the first record at or after the timestamp in ms; -1: there is none.  Retries for
 * topic_timeout_ms.  Returns 0, or -1: ERR_PEER or ERR_RETRY, with the partition in
 * the message. */
int offsets_list(struct cluster *cl, struct cluster_topic *t, int32_t n,
	int64_t timestamp_ms, const bool *wants, int64_t *offset, struct err *e);

#endif
