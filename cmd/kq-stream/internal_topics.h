/*
 * The topics that an application makes: created as Kafka Streams creates them, or checked.
 *
 * Uses: client/cluster.  One thread; waits.
 */
#ifndef KQ_STREAM_CMD_INTERNAL_TOPICS_H
#define KQ_STREAM_CMD_INTERNAL_TOPICS_H

#include "client/cluster.h"
#include "stream/task.h"

enum internal_kind {
	INTERNAL_REPARTITION,
	INTERNAL_CHANGELOG,          /* compacted */
	INTERNAL_WINDOW_CHANGELOG,   /* compacted; deleted after the retention */
	INTERNAL_JOIN_CHANGELOG,     /* deleted after the retention */
	INTERNAL_VERSIONED_CHANGELOG, /* compacted after the history */
};

struct internal_topic {
	char *name;
	enum internal_kind kind;
	int32_t npart;
	int64_t keep_ms;             /* retention or history of the store */
};

/* The kind of changelog of a store. */
enum internal_kind internal_changelog_kind(const struct flow_store *store);

/* How long the changelog of a store with a retention keeps records, in ms. */
int64_t internal_changelog_keep_ms(const struct flow_store *store);

/* Create the topics that do not exist.  Returns 0, or -1: ERR_USAGE: one exists with
 * another number of partitions, and cannot be used. */
int internal_topics_make(struct cluster *cl, const char *application,
	const struct internal_topic *v, int n, struct err *e);

#endif
