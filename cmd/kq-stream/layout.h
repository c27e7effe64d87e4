/*
 * The topics of a topology and their partitions: how many tasks each sub-topology has, and
 * how many partitions the internal topics get.
 *
 *	layout_init(&layout, topo, application);
 *	for each source: source->npart, or existing if it is internal, = ... what the cluster has
 *	layout_solve(&layout, &e);
 *
 * A task is one partition number of all topics that a sub-topology reads.  Inputs of a join,
 * or of an operator with several grouped inputs, must have equal counts, since equal keys
 * must meet: a repartition topic among them gets the count of the others.  Any other
 * repartition topic keeps the count that it has, however its inputs have grown; a new one
 * gets the highest count of what the sub-topology that writes it reads.
 *
 * Source: CopartitionedTopicsEnforcer and RepartitionTopics of Kafka Streams.
 *
 * Uses: common/stream/topology.  Pure; one thread at a time.
 */
#ifndef KQ_STREAM_CMD_LAYOUT_H
#define KQ_STREAM_CMD_LAYOUT_H

#include "stream/topology.h"

/* A topic that a sub-topology reads. */
struct layout_source {
	char *topic;         /* as the topology names it */
	char *name;          /* in the cluster: with the application if it is internal */
	int part;            /* sub-topology; -1: a global table, read by all */
	bool is_internal;
	int writer;          /* of an internal one: the sub-topology that writes it */
	int32_t asked;       /* partitions that the user asked for; 0: none */
	int32_t existing;    /* of an internal one: that the cluster has already; 0: none */
	int32_t npart;       /* 0: not known yet */
	int64_t id;          /* made of the topic's id, unless it is internal; 0: not known */
	int group;           /* sources of equal numbers need equal counts */
	int64_t *stop;       /* with --until-end, of each partition: the first offset not to be
	                      * taken; or NULL */
};

struct layout {
	struct layout_source *source;
	int nsource;
	int32_t *ntask;      /* of each sub-topology */
	int *level;          /* of each sub-topology: above those that it reads from; equal in a
	                      * circle */
	int nlevel;
	int nsub;
};

/* List the sources.  topo is finished, and may be freed after layout. */
void layout_init(struct layout *layout, const struct topology *topo, const char *application);
void layout_release(struct layout *layout);

/* Fill the counts of internal topics, ntask and the levels.  Returns 0, or -1 (ERR_USAGE):
 * inputs of a join have different counts. */
int layout_solve(struct layout *layout, struct err *e);

/* The source of the sub-topology that is read from the topic of the cluster; or NULL. */
struct layout_source *layout_find(const struct layout *layout, const char *name);

/* Does the sub-topology write an internal topic? */
bool layout_writes(const struct layout *layout, int part);

/* Have all inputs of the sub-topology as many partitions as it has tasks? */
bool layout_is_even(const struct layout *layout, int part);

#endif
