/*
 * What the state of an application depends on: the names of its stores and internal topics,
 * the kind and size of windows, the format of keys and the expressions that make them, and
 * what aggregations keep.  Other expressions, graces and steps without state may change
 * between two starts; with any of these changed, what is in the changelogs, or was committed,
 * would be taken for something else.
 *
 * Uses: plan; common/stream.  Pure; any thread.
 */
#ifndef KQ_STREAM_CMD_FINGERPRINT_H
#define KQ_STREAM_CMD_FINGERPRINT_H

#include "stream/topology.h"

/* A hash of it, kept with committed offsets and local state; 0: there is no state.  The
 * specs' tags are plan nodes. */
int64_t fingerprint_of(const struct topology *topo);

#endif
