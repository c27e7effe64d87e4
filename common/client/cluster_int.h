/* What the files of the cluster share among themselves. */
#ifndef KQ_CLIENT_CLUSTER_INT_H
#define KQ_CLIENT_CLUSTER_INT_H

#include "client/cluster.h"

/* A connection to node, CLUSTER_ANY or CLUSTER_CONTROLLER. */
struct conn *cluster_conn_for(struct cluster *cl, int32_t node, struct err *e);

#endif
