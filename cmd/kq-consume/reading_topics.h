/*
 * The topics that are read: wait until they exist, and report when one is deleted or
 * recreated.
 *
 * Uses: client/cluster, text.
 */
#ifndef KQ_CONSUME_READING_TOPICS_H
#define KQ_CONSUME_READING_TOPICS_H

#include "client/cluster.h"

struct reading_topic {
	struct cluster_topic *topic;
	int generation;          /* last one reported */
	bool is_gone;            /* deletion was reported */
};

struct reading_topics {
	struct cluster *cluster;
	bool waits;              /* wait for missing topics, without a limit */
	struct reading_topic *one;
	int n;
};

/* Add a topic; with waits, wait until it exists.  Returns NULL on failure. */
struct cluster_topic *reading_topics_add(struct reading_topics *topics, const char *name,
	struct err *e);

/* Report changes.  Returns 0, or -1: a topic has been missing for too long
 * (ERR_RETRY). */
int reading_topics_report(struct reading_topics *topics, struct err *e);

/* timeout_ms (-1: none), limited to the time until the next check of a missing topic. */
int reading_topics_timeout(const struct reading_topics *topics, int timeout_ms);

void reading_topics_release(struct reading_topics *topics);

#endif
