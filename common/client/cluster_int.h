/* What the files of the cluster share among themselves. */
#ifndef KQ_CLIENT_CLUSTER_INT_H
#define KQ_CLIENT_CLUSTER_INT_H

#include "client/cluster.h"

/* A connection to node, CLUSTER_ANY or CLUSTER_CONTROLLER. */
struct conn *cluster_conn_for(struct cluster *cl, int32_t node, struct err *e);

/* An attempt to reach the node has failed; has succeeded. */
void cluster_node_failed(struct cluster *cl, struct cluster_node *node, const struct err *why);
void cluster_node_reached(struct cluster *cl, struct cluster_node *node);

/* Say when a node leaves a request without an answer, and when that is over. */
void cluster_say_late(struct cluster *cl, struct cluster_node *node, int64_t now_ms);

/* No broker can be reached at the start: pause, then true; or false when the time
 * to wait, which began at since_ms, is over. */
bool cluster_wait_for_first(struct cluster *cl, int64_t since_ms, const struct err *why);

#endif
