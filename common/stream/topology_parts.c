/* Sub-topologies, and what the users of a table look at. */
#include "stream/topology_int.h"

/* ---- sub-topologies ---- */

static int
root_of(int *parent, int i)
{
	while (parent[i] != i)
		i = parent[i] = parent[parent[i]];
	return i;
}

/* Kafka numbers them by their first source. */
void
topology_split(struct topology *topo)
{
	int *parent = mem_alloc(sizeof *parent * (size_t)topo->nnode);
	int *part = mem_alloc(sizeof *part * (size_t)topo->nnode);
	for (int i = 0; i < topo->nnode; i++) {
		parent[i] = i;
		part[i] = -1;
	}
	for (int i = 0; i < topo->nnode; i++)
		for (int j = 0; j < topo->node[i].nfrom; j++)
			if (topo->node[topo->node[i].from[j]].kind != FLOW_KIND_GLOBAL)
				parent[root_of(parent, i)] = root_of(parent, topo->node[i].from[j]);
	for (int i = 0; i < topo->nnode; i++) {
		int root = root_of(parent, i);
		if (topo->node[i].kind == FLOW_KIND_GLOBAL)
			continue;
		if (part[root] < 0)
			part[root] = topo->npart++;
		topo->node[i].part = part[root];
	}
	mem_free(parent);
	mem_free(part);
}

/* ---- wants ---- */

static bool
looks_at_old(const struct topology_node *user)
{
	switch (user->op) {
	case FLOW_TO_STREAM:
	case FLOW_TO:
		return false;
	case FLOW_SUPPRESS:
		return !user->spec->suppress.until_window_closes;
	default:
		return true;
	}
}

/* Does the node's get ask its inputs? */
static bool
passes_get(const struct topology_node *node)
{
	return node->op == FLOW_FILTER || node->op == FLOW_FILTER_NOT || node->op == FLOW_MAP_VALUES
		|| node->op == FLOW_SUPPRESS;
}

static bool
looks_at_rows(const struct topology_node *node)
{
	return node->op == FLOW_STREAM_TABLE_JOIN || node->op == FLOW_STREAM_GLOBAL_JOIN
		|| node->op == FLOW_TABLE_TABLE_JOIN || node->op == FLOW_FK_LEFT
		|| node->op == FLOW_FK_RIGHT || node->op == FLOW_FK_OUT
		|| (passes_get(node) && node->wants_get);
}

/* ---- null keys ---- */

/* A left or outer join gives a record without a key a result, without a partner. */
static bool
joins_null_keys(const struct topology_node *node)
{
	return node->spec->kind != FLOW_INNER && (node->op == FLOW_STREAM_STREAM_JOIN
		|| node->op == FLOW_STREAM_TABLE_JOIN || node->op == FLOW_STREAM_GLOBAL_JOIN);
}

static bool
keeps_stream_key(enum flow_op op)
{
	return op == FLOW_FILTER || op == FLOW_FILTER_NOT || op == FLOW_MAP_VALUES
		|| op == FLOW_PEEK || op == FLOW_MERGE || op == FLOW_BRANCH || op == FLOW_BRANCH_OUT;
}

/* Kafka leaves null keys out at an explicit repartition, too, unless such a join follows. */
static void
find_null_keys(struct topology *topo)
{
	bool *wants = mem_alloc(sizeof *wants * (size_t)topo->nnode);
	for (int i = topo->nnode - 1; i >= 0; i--) {
		struct topology_node *node = &topo->node[i];
		for (int j = 0; j < node->nuser; j++) {
			const struct topology_node *user = &topo->node[node->user[j].node];
			wants[i] |= joins_null_keys(user)
				|| (keeps_stream_key(user->op) && wants[node->user[j].node]);
		}
		if (node->op == FLOW_REPARTITION_SINK && node->spec->op == FLOW_REPARTITION)
			node->takes_null_keys = wants[i + 1]; /* its source is next to it */
	}
	mem_free(wants);
}

/* ---- all ---- */

void
topology_find_wants(struct topology *topo)
{
	find_null_keys(topo);
	for (int i = topo->nnode - 1; i >= 0; i--) { /* users come after their inputs */
		struct topology_node *node = &topo->node[i];
		for (int j = 0; j < node->nuser; j++)
			if (looks_at_old(&topo->node[node->user[j].node]))
				node->wants_old = true;
		for (int j = 0; looks_at_rows(node) && j < node->nfrom; j++)
			topo->node[node->from[j]].wants_get = true;
		if (node->wants_all || (node->op == FLOW_TABLE_STEP
				&& topology_history(topo, node->from[0])))
			for (int j = 0; j < node->nfrom; j++)
				topo->node[node->from[j]].wants_all = true;
	}
}

/* ---- joins of what follows from one table ---- */

enum { LEFT_ROW = 1, RIGHT_ROW = 2, LEFT_UPDATE = 4, RIGHT_UPDATE = 8 };

/* Mark the nodes above i, and i: those whose rows its get looks at, and those whose updates
 * come through to it within one record. */
static void
mark_above(const struct topology *topo, int i, uint8_t *mark, uint8_t row, uint8_t update)
{
	mark[i] |= row | update;
	for (; i >= 0; i--) {
		const struct topology_node *node = &topo->node[i];
		bool looks_above = passes_get(node)
			|| (node->op == FLOW_TABLE_TABLE_JOIN && !node->spec->is_materialized);
		for (int j = 0; j < node->nfrom; j++)
			mark[node->from[j]] |= (mark[i] & update) | (looks_above ? mark[i] & row : 0);
	}
}

/*
 * A table may change what one side's get gives and, by a longer way, the other side: at the
 * first of the two updates both sides are new already, and the old result cannot be worked
 * out from the rows that are there.
 */
void
topology_find_diamonds(struct topology *topo)
{
	uint8_t *mark = mem_alloc((size_t)topo->nnode);
	for (int i = 0; i < topo->nnode; i++) {
		struct topology_node *node = &topo->node[i];
		if (node->op != FLOW_TABLE_TABLE_JOIN || node->from[0] == node->from[1])
			continue;
		memset(mark, 0, (size_t)topo->nnode);
		mark_above(topo, node->from[0], mark, LEFT_ROW, LEFT_UPDATE);
		mark_above(topo, node->from[1], mark, RIGHT_ROW, RIGHT_UPDATE);
		for (int j = 0; j < i; j++)
			if ((mark[j] & LEFT_ROW && mark[j] & RIGHT_UPDATE)
				|| (mark[j] & RIGHT_ROW && mark[j] & LEFT_UPDATE))
				node->keeps_rows = true;
	}
	mem_free(mark);
}
