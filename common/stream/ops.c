#include "stream/ops.h"

/* What runs a node.  The first row that fits counts; 0 fits all. */
enum { STREAM = 1 << FLOW_KIND_STREAM, TABLE = 1 << FLOW_KIND_TABLE,
	GROUPED_TABLE = 1 << FLOW_KIND_GROUPED_TABLE };
#define WINDOW(type) (1 << (type))
#define FIXED_WINDOW (WINDOW(FLOW_TUMBLING) | WINDOW(FLOW_HOPPING) | WINDOW(FLOW_UNLIMITED))

static const struct {
	enum flow_op op;
	int kinds;                       /* of what it takes */
	int windows;                     /* of its own */
	const struct flow_node_ops *ops;
} rows[] = {
	{ FLOW_TABLE, 0, 0, &flow_table_ops },
	{ FLOW_GLOBAL_TABLE, 0, 0, &flow_table_ops },
	{ FLOW_TO_TABLE, 0, 0, &flow_table_ops },
	{ FLOW_FILTER, STREAM, 0, &flow_filter_ops },
	{ FLOW_FILTER_NOT, STREAM, 0, &flow_filter_ops },
	{ FLOW_FILTER, TABLE, 0, &flow_table_filter_ops },
	{ FLOW_FILTER_NOT, TABLE, 0, &flow_table_filter_ops },
	{ FLOW_MAP_VALUES, STREAM, 0, &flow_map_values_ops },
	{ FLOW_MAP_VALUES, TABLE, 0, &flow_table_map_values_ops },
	{ FLOW_SELECT_KEY, 0, 0, &flow_select_key_ops },
	{ FLOW_MAP, 0, 0, &flow_flat_map_ops },
	{ FLOW_FLAT_MAP, 0, 0, &flow_flat_map_ops },
	{ FLOW_PEEK, 0, 0, &flow_peek_ops },
	{ FLOW_BRANCH, 0, 0, &flow_branch_ops },
	{ FLOW_TO, 0, 0, &flow_to_ops },
	{ FLOW_GROUP_BY, STREAM, 0, &flow_select_key_ops },
	{ FLOW_GROUP_BY, TABLE, 0, &flow_group_table_ops },
	{ FLOW_REPARTITION_SINK, 0, 0, &flow_repartition_sink_ops },
	{ FLOW_REPARTITION_SOURCE, 0, 0, &flow_repartition_source_ops },
	{ FLOW_FLAT_KEY, 0, 0, &flow_flat_key_ops },
	{ FLOW_AGGREGATE, GROUPED_TABLE, 0, &flow_aggregate_table_ops },
	{ FLOW_AGGREGATE, 0, WINDOW(FLOW_NO_WINDOW), &flow_aggregate_ops },
	{ FLOW_COGROUP, 0, WINDOW(FLOW_NO_WINDOW), &flow_aggregate_ops },
	{ FLOW_SUPPRESS, 0, 0, &flow_suppress_ops },
	{ FLOW_AGGREGATE, 0, FIXED_WINDOW, &flow_window_fixed_ops },
	{ FLOW_COGROUP, 0, FIXED_WINDOW, &flow_window_fixed_ops },
	{ FLOW_AGGREGATE, 0, WINDOW(FLOW_SLIDING), &flow_window_sliding_ops },
	{ FLOW_COGROUP, 0, WINDOW(FLOW_SLIDING), &flow_window_sliding_ops },
	{ FLOW_AGGREGATE, 0, WINDOW(FLOW_SESSION), &flow_window_session_ops },
	{ FLOW_COGROUP, 0, WINDOW(FLOW_SESSION), &flow_window_session_ops },
	{ FLOW_STREAM_STREAM_JOIN, 0, 0, &flow_join_stream_ops },
	{ FLOW_STREAM_TABLE_JOIN, 0, 0, &flow_join_table_ops },
	{ FLOW_STREAM_GLOBAL_JOIN, 0, 0, &flow_join_global_ops },
	{ FLOW_TABLE_TABLE_JOIN, 0, 0, &flow_join_tables_ops },
	{ FLOW_TABLE_STEP, 0, 0, &flow_table_step_ops },
	{ FLOW_FK_LEFT, 0, 0, &flow_fk_left_ops },
	{ FLOW_FK_RIGHT, 0, 0, &flow_fk_right_ops },
	{ FLOW_FK_OUT, 0, 0, &flow_fk_out_ops },
};

bool
flow_is_passage(enum flow_op op)
{
	return op == FLOW_STREAM || op == FLOW_MERGE || op == FLOW_TO_STREAM
		|| op == FLOW_BRANCH_OUT || op == FLOW_LATE;
}

const struct flow_node_ops *
flow_ops(const struct topology_node *plan, enum flow_kind in)
{
	if (plan->op == FLOW_CUSTOM)
		return plan->spec->custom;
	if ((plan->op == FLOW_TABLE || plan->op == FLOW_TO_TABLE) && plan->spec->history_ms)
		return &flow_versioned_ops;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].op == plan->op && (!rows[i].kinds || rows[i].kinds & 1 << in)
				&& (!rows[i].windows || rows[i].windows & WINDOW(plan->spec->window.type)))
			return rows[i].ops;
	assert(!"a step without an operator");
}
