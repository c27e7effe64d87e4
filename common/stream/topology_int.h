/*
 * The topology while it is built: for topology*.c only.
 *
 * Uses: topology, map.
 */
#ifndef KQ_STREAM_TOPOLOGY_INT_H
#define KQ_STREAM_TOPOLOGY_INT_H

#include "base/map.h"
#include "stream/topology.h"

enum { TOPOLOGY_NODES_MAX = 2048 }; /* bounds the depth of recursion over the graph */

/* What an id names. */
struct topology_id {
	const char *id;
	enum flow_kind kind;
	int node;                 /* that sends its records; of a grouping: its input */
	bool is_rekeyed;          /* the key was changed since the last topic */
	const struct flow_window *window; /* of its keys; NULL: plain */
	const char *group;        /* of a grouping: its name, or NULL */
};

struct topology {
	char *application;
	struct arena arena;       /* specs, names, ids */
	struct topology_node *node;
	int nnode, node_max;
	struct map id;            /* of struct topology_id */
	int64_t number;           /* next one of Kafka's names */
	int npart;
	bool is_finished;
};

/* ---- topology.c ---- */

/* A node of the spec, below from; returns its index. */
int topology_node_add(struct topology *topo, enum flow_op op, enum flow_kind kind,
	const struct flow_spec *spec, const char *name);
void topology_edge_add(struct topology *topo, int from, int to);
struct topology_id *topology_id_add(struct topology *topo, const char *id, enum flow_kind kind,
	int node);
struct topology_id *topology_id_get(const struct topology *topo, const char *id);

/* ---- topology_check.c ---- */

/* Does the spec make sense by itself and below its inputs? */
int topology_check(const struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from, struct err *e);
/* Has each store and each internal topic a name of its own? */
int topology_check_names(const struct topology *topo, struct err *e);
int topology_nfrom(const struct flow_spec *spec);
const char *flow_op_name(enum flow_op op);

/* How far a join can look back in a table, ms; 0: it keeps no history. */
int64_t topology_history(const struct topology *topo, int table);

/* ---- topology_build.c ---- */

/* Add the nodes of a checked spec, whose strings are the topology's. */
void topology_build(struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from);

/* ---- topology_parts.c ---- */

void topology_split(struct topology *topo);
void topology_find_wants(struct topology *topo);
void topology_find_diamonds(struct topology *topo);

#endif
