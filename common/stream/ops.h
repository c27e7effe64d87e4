/*
 * The operators, by name; each is a file op_*.c.
 *
 * Uses: node.
 */
#ifndef KQ_STREAM_OPS_H
#define KQ_STREAM_OPS_H

#include "stream/node.h"

/* Do records pass it unchanged?  Tasks leave such nodes out. */
bool flow_is_passage(enum flow_op op);

/* The operator of another node, whose input is of this kind. */
const struct flow_node_ops *flow_ops(const struct topology_node *plan, enum flow_kind in);

/* op_stream.c */
extern const struct flow_node_ops flow_filter_ops, flow_map_values_ops, flow_select_key_ops,
	flow_flat_map_ops, flow_peek_ops, flow_branch_ops, flow_to_ops;
/* op_table.c */
extern const struct flow_node_ops flow_table_ops, flow_table_filter_ops,
	flow_table_map_values_ops, flow_table_step_ops;
/* op_repartition.c */
extern const struct flow_node_ops flow_group_table_ops, flow_repartition_sink_ops,
	flow_repartition_source_ops, flow_flat_key_ops;
/* op_aggregate.c */
extern const struct flow_node_ops flow_aggregate_ops, flow_aggregate_table_ops;
/* win_*.c */
extern const struct flow_node_ops flow_window_fixed_ops, flow_window_sliding_ops,
	flow_window_session_ops;
/* op_suppress.c */
extern const struct flow_node_ops flow_suppress_ops;
/* versioned.c */
extern const struct flow_node_ops flow_versioned_ops;
/* join_stream.c, join_table.c, join_tables.c, join_fk.c */
extern const struct flow_node_ops flow_join_stream_ops, flow_join_table_ops,
	flow_join_global_ops, flow_join_tables_ops, flow_fk_left_ops, flow_fk_right_ops,
	flow_fk_out_ops;

#endif
