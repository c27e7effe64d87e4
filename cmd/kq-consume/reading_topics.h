/*
 * The topics that are read: waiting for them to exist, and saying what happens to
 * them meanwhile, as when one is deleted.
 *
 * Uses: client/cluster, text.
 */
#ifndef KQ_CONSUME_READING_TOPICS_H
#define KQ_CONSUME_READING_TOPICS_H

#include "client/cluster.h"

struct reading_topic {
	struct cluster_topic *topic;
	int generation;          /* that was reported */
	bool is_gone;            /* that was reported */
};

struct reading_topics {
	struct cluster *cluster;
	bool waits;              /* for topics that are not there, without an end */
	struct reading_topic *one;
	int n;
};

/* Look a topic up; with waits, until it exists.  NULL on failure. */
struct cluster_topic *reading_topics_add(struct reading_topics *topics, const char *name,
	struct err *e);

/* Say what has changed.  0, or -1: one has been gone for too long (ERR_RETRY). */
int reading_topics_report(struct reading_topics *topics, struct err *e);

/* How long to wait, at most timeout_ms (-1: none), before looking again. */
int reading_topics_timeout(const struct reading_topics *topics, int timeout_ms);

void reading_topics_release(struct reading_topics *topics);

#endif
