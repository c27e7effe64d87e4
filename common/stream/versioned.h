/*
 * Tables that keep history: which they are.
 *
 * Uses: node.
 */
#ifndef KQ_STREAM_VERSIONED_H
#define KQ_STREAM_VERSIONED_H

#include "stream/node.h"

/* Can the table be looked up as of a time (get_at)?  A table without a store of its own can
 * if the one above it can. */
bool flow_keeps_history(const struct flow_node *table);

#endif
