/*
 * Asking the leaders where a topic's partitions begin and end, and which
 * offset belongs to a time.
 *
 * Uses: cluster.  One thread.
 */
#ifndef KQ_CLIENT_OFFSETS_H
#define KQ_CLIENT_OFFSETS_H

#include "client/cluster.h"

enum { /* timestamps with a meaning of their own */
	OFFSETS_LATEST = -1,   /* the end: the next record's offset */
	OFFSETS_EARLIEST = -2, /* the first record there is */
	OFFSETS_MAX_TIMESTAMP = -3,
	OFFSETS_STABLE = -1000, /* the end of what no open transaction holds back */
};

/* For every partition i < n with wants[i] (NULL: all), the offset of the first
 * record at or after the timestamp in ms into offset[i]: -1 where there is
 * none.  Repeats what can be repeated for topic_timeout_ms.  Returns 0, or -1:
 * ERR_PEER or ERR_RETRY with the partition in the message. */
int offsets_list(struct cluster *cl, struct cluster_topic *t, int32_t n,
	int64_t timestamp_ms, const bool *wants, int64_t *offset, struct err *e);

#endif
