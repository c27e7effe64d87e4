/* Internals of cluster.h, shared by cluster.c, call.c, metadata.c and outage.c. */
#ifndef KQ_CLIENT_CLUSTER_INT_H
#define KQ_CLIENT_CLUSTER_INT_H

#include "client/cluster.h"

/* A connection to a node id, CLUSTER_ANY or CLUSTER_CONTROLLER.  Fetches metadata first
 * if it must. */
struct conn *cluster_conn_for(struct cluster *cl, int32_t node, struct err *e);

/* Note that an attempt to connect to the node has failed; has succeeded. */
void cluster_node_failed(struct cluster *cl, struct cluster_node *node, const struct err *why);
void cluster_node_reached(struct cluster *cl, struct cluster_node *node);

/* Report that a node is late with a response, and that it answers again. */
void cluster_say_late(struct cluster *cl, struct cluster_node *node, int64_t now_ms);

/* No broker can be reached in cluster_open: pause and return true, or return false if
 * wait_ms have passed since since_ms. */
bool cluster_wait_for_first(struct cluster *cl, int64_t since_ms, const struct err *why);

#endif
