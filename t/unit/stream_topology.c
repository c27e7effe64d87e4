/* Topologies: names and sub-topologies as Kafka Streams 4.4.0's Topology.describe() has them. */
#include "stream/topology.h"
#include "tap.h"

#include <stdio.h>

static struct flow_fn fn;
static struct flow_agg agg, reducer = { .is_reduce = true };

static void
add(struct topology *topo, const struct flow_spec *spec)
{
	struct err e;
	if (topology_add(topo, spec, &e))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

#define ADD(topo, ...) \
	add(topo, &(struct flow_spec){ .fn = &fn, .key_fn = &fn, .join_grace_ms = -1, __VA_ARGS__ })

/* A table's stream, and its sink. */
static void
end(struct topology *topo, const char *from, const char *topic)
{
	char stream[64], sink[64];
	snprintf(stream, sizeof stream, "%s-stream", from);
	snprintf(sink, sizeof sink, "%s-sink", from);
	ADD(topo, .id = stream, .op = FLOW_TO_STREAM, .from = { from });
	ADD(topo, .id = sink, .op = FLOW_TO, .from = { stream }, .topic = topic);
}

/* Each node as "part name (store ...) topic", in the order in which they were made, but sinks
 * and to_stream. */
static void
print(struct topology *topo, struct buf *out)
{
	const struct topology_node *v;
	struct err e;
	if (topology_finish(topo, &e))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	int n = topology_nodes(topo, &v);
	for (int i = 0; i < n; i++) {
		if (v[i].op == FLOW_TO || v[i].op == FLOW_TO_STREAM)
			continue;
		buf_printf(out, "%d %s", v[i].part, v[i].name);
		for (int j = 0; j < 3 && v[i].store[j]; j++)
			buf_printf(out, "%s%s", j ? " " : " (", v[i].store[j]);
		buf_puts(out, v[i].store[0] ? ")" : "");
		buf_printf(out, "%s%s\n", v[i].topic ? " " : "", v[i].topic ? v[i].topic : "");
	}
}

static void
check_topology(struct topology *topo, const char *want)
{
	struct buf out = BUF_INIT;
	print(topo, &out);
	if (!str_eq(buf_str(&out), str_of(want)))
		tap_fail(__FILE__, __LINE__, "the nodes are\n%.*s", (int)out.n, (const char *)out.p);
	buf_release(&out);
	topology_free(topo);
}

void
test_stream_topology__steps_without_a_key_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "in");
	ADD(topo, .id = "f", .op = FLOW_FILTER, .from = { "s" });
	ADD(topo, .id = "g", .op = FLOW_FILTER_NOT, .from = { "f" });
	ADD(topo, .id = "h", .op = FLOW_MAP_VALUES, .from = { "g" });
	ADD(topo, .id = "p", .op = FLOW_PEEK, .from = { "h" });
	ADD(topo, .id = "o", .op = FLOW_TO, .from = { "p" }, .topic = "out");
	ADD(topo, .id = "k", .op = FLOW_SELECT_KEY, .from = { "s" });
	ADD(topo, .id = "l", .op = FLOW_MAP, .from = { "k" });
	ADD(topo, .id = "m", .op = FLOW_FLAT_MAP, .from = { "l" });
	ADD(topo, .id = "n", .op = FLOW_MERGE, .from = { "m", "f" });
	ADD(topo, .id = "o2", .op = FLOW_TO, .from = { "n" }, .topic = "o2");
	ADD(topo, .id = "b", .op = FLOW_BRANCH, .from = { "s" }, .ncase = 2, .default_id = "b0",
		.cases = (struct flow_case[]){ { "b1", &fn, NULL }, { "b2", &fn, NULL } });
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 in\n"
		"0 KSTREAM-FILTER-0000000001\n"
		"0 KSTREAM-FILTER-0000000002\n"
		"0 KSTREAM-MAPVALUES-0000000003\n"
		"0 KSTREAM-PEEK-0000000004\n"
		"0 KSTREAM-KEY-SELECT-0000000006\n"
		"0 KSTREAM-MAP-0000000007\n"
		"0 KSTREAM-FLATMAP-0000000008\n"
		"0 KSTREAM-MERGE-0000000009\n"
		"0 KSTREAM-BRANCH-0000000011\n"
		"0 KSTREAM-BRANCH-00000000111\n"
		"0 KSTREAM-BRANCH-00000000112\n"
		"0 KSTREAM-BRANCH-00000000110\n");
}

void
test_stream_topology__aggregations_and_their_repartition_topics_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "in");
	ADD(topo, .id = "g1", .op = FLOW_GROUP_BY_KEY, .from = { "s" });
	ADD(topo, .id = "a1", .op = FLOW_AGGREGATE, .from = { "g1" }, .agg = &agg);
	end(topo, "a1", "o1");
	ADD(topo, .id = "g2", .op = FLOW_GROUP_BY, .from = { "s" });
	ADD(topo, .id = "a2", .op = FLOW_AGGREGATE, .from = { "g2" }, .agg = &agg);
	end(topo, "a2", "o2");
	ADD(topo, .id = "k3", .op = FLOW_SELECT_KEY, .from = { "s" });
	ADD(topo, .id = "g3", .op = FLOW_GROUP_BY_KEY, .from = { "k3" });
	ADD(topo, .id = "a3", .op = FLOW_AGGREGATE, .from = { "g3" }, .agg = &reducer);
	end(topo, "a3", "o3");
	ADD(topo, .id = "g4", .op = FLOW_GROUP_BY, .from = { "s" }, .name = "byv");
	ADD(topo, .id = "a4", .op = FLOW_AGGREGATE, .from = { "g4" }, .agg = &agg);
	end(topo, "a4", "o4");
	ADD(topo, .id = "g5", .op = FLOW_GROUP_BY, .from = { "s" });
	ADD(topo, .id = "a5", .op = FLOW_AGGREGATE, .from = { "g5" }, .agg = &agg, .name = "cnt");
	end(topo, "a5", "o5");
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 in\n"
		"0 KSTREAM-AGGREGATE-0000000002 (KSTREAM-AGGREGATE-STATE-STORE-0000000001)\n"
		"0 KSTREAM-KEY-SELECT-0000000005\n"
		"0 KSTREAM-SINK-0000000008 KSTREAM-AGGREGATE-STATE-STORE-0000000006-repartition\n"
		"1 KSTREAM-SOURCE-0000000010 KSTREAM-AGGREGATE-STATE-STORE-0000000006-repartition\n"
		"1 KSTREAM-AGGREGATE-0000000007 (KSTREAM-AGGREGATE-STATE-STORE-0000000006)\n"
		"0 KSTREAM-KEY-SELECT-0000000013\n"
		"0 KSTREAM-SINK-0000000016 KSTREAM-REDUCE-STATE-STORE-0000000014-repartition\n"
		"2 KSTREAM-SOURCE-0000000018 KSTREAM-REDUCE-STATE-STORE-0000000014-repartition\n"
		"2 KSTREAM-REDUCE-0000000015 (KSTREAM-REDUCE-STATE-STORE-0000000014)\n"
		"0 byv\n"
		"0 byv-repartition-sink byv-repartition\n"
		"3 byv-repartition-source byv-repartition\n"
		"3 KSTREAM-AGGREGATE-0000000023 (KSTREAM-AGGREGATE-STATE-STORE-0000000022)\n"
		"0 KSTREAM-KEY-SELECT-0000000029\n"
		"0 cnt-repartition-sink cnt-repartition\n"
		"4 cnt-repartition-source cnt-repartition\n"
		"4 KSTREAM-AGGREGATE-0000000030 (cnt)\n");
}

void
test_stream_topology__windowed_aggregations_and_suppress_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "in");
	ADD(topo, .id = "g1", .op = FLOW_GROUP_BY, .from = { "s" });
	ADD(topo, .id = "a1", .op = FLOW_AGGREGATE, .from = { "g1" }, .agg = &agg,
		.window = { .type = FLOW_TUMBLING, .size_ms = 10 });
	ADD(topo, .id = "u1", .op = FLOW_SUPPRESS, .from = { "a1" },
		.suppress = { .until_window_closes = true });
	end(topo, "u1", "o1");
	ADD(topo, .id = "g2", .op = FLOW_GROUP_BY_KEY, .from = { "s" });
	ADD(topo, .id = "a2", .op = FLOW_AGGREGATE, .from = { "g2" }, .agg = &reducer,
		.window = { .type = FLOW_SLIDING, .size_ms = 10 });
	end(topo, "a2", "o2");
	ADD(topo, .id = "g3", .op = FLOW_GROUP_BY_KEY, .from = { "s" });
	ADD(topo, .id = "a3", .op = FLOW_AGGREGATE, .from = { "g3" }, .agg = &agg,
		.window = { .type = FLOW_SESSION, .size_ms = 10 });
	end(topo, "a3", "o3");
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 in\n"
		"0 KSTREAM-KEY-SELECT-0000000001\n"
		"0 KSTREAM-SINK-0000000004 KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition\n"
		"1 KSTREAM-SOURCE-0000000006 KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition\n"
		"1 KSTREAM-AGGREGATE-0000000003 (KSTREAM-AGGREGATE-STATE-STORE-0000000002)\n"
		"1 KTABLE-SUPPRESS-0000000007 (KTABLE-SUPPRESS-STATE-STORE-0000000008)\n"
		"0 KSTREAM-REDUCE-0000000012 (KSTREAM-REDUCE-STATE-STORE-0000000011)\n"
		"0 KSTREAM-AGGREGATE-0000000016 (KSTREAM-AGGREGATE-STATE-STORE-0000000015)\n");
}

void
test_stream_topology__tables_and_their_groups_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(topo, .id = "f", .op = FLOW_FILTER, .from = { "t" });
	ADD(topo, .id = "m", .op = FLOW_MAP_VALUES, .from = { "f" });
	end(topo, "m", "o1");
	ADD(topo, .id = "g2", .op = FLOW_GROUP_BY, .from = { "t" });
	ADD(topo, .id = "a2", .op = FLOW_AGGREGATE, .from = { "g2" }, .agg = &agg);
	end(topo, "a2", "o2");
	ADD(topo, .id = "g3", .op = FLOW_GROUP_BY, .from = { "t" });
	ADD(topo, .id = "a3", .op = FLOW_AGGREGATE, .from = { "g3" }, .agg = &reducer);
	end(topo, "a3", "o3");
	ADD(topo, .id = "g4", .op = FLOW_GROUP_BY, .from = { "t" });
	ADD(topo, .id = "a4", .op = FLOW_AGGREGATE, .from = { "g4" }, .agg = &agg);
	ADD(topo, .id = "u4", .op = FLOW_SUPPRESS, .from = { "a4" }, .suppress = { .limit_ms = 10 });
	end(topo, "u4", "o4");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "s");
	ADD(topo, .id = "t5", .op = FLOW_TO_TABLE, .from = { "s" });
	end(topo, "t5", "o5");
	ADD(topo, .id = "s2", .op = FLOW_STREAM, .topic = "s2");
	ADD(topo, .id = "k6", .op = FLOW_SELECT_KEY, .from = { "s2" });
	ADD(topo, .id = "t6", .op = FLOW_TO_TABLE, .from = { "k6" });
	end(topo, "t6", "o6");
	check_topology(topo,
		"0 KTABLE-SOURCE-0000000002 (t-STATE-STORE-0000000000) t\n"
		"0 KTABLE-FILTER-0000000003\n"
		"0 KTABLE-MAPVALUES-0000000004\n"
		"0 KTABLE-SELECT-0000000007\n"
		"0 KSTREAM-SINK-0000000009 KTABLE-AGGREGATE-STATE-STORE-0000000008-repartition\n"
		"1 KSTREAM-SOURCE-0000000010 KTABLE-AGGREGATE-STATE-STORE-0000000008-repartition\n"
		"1 KTABLE-AGGREGATE-0000000011 (KTABLE-AGGREGATE-STATE-STORE-0000000008)\n"
		"0 KTABLE-SELECT-0000000014\n"
		"0 KSTREAM-SINK-0000000016 KTABLE-AGGREGATE-STATE-STORE-0000000015-repartition\n"
		"2 KSTREAM-SOURCE-0000000017 KTABLE-AGGREGATE-STATE-STORE-0000000015-repartition\n"
		"2 KTABLE-REDUCE-0000000018 (KTABLE-AGGREGATE-STATE-STORE-0000000015)\n"
		"0 KTABLE-SELECT-0000000021\n"
		"0 KSTREAM-SINK-0000000023 KTABLE-AGGREGATE-STATE-STORE-0000000022-repartition\n"
		"3 KSTREAM-SOURCE-0000000024 KTABLE-AGGREGATE-STATE-STORE-0000000022-repartition\n"
		"3 KTABLE-AGGREGATE-0000000025 (KTABLE-AGGREGATE-STATE-STORE-0000000022)\n"
		"3 KTABLE-SUPPRESS-0000000026 (KTABLE-SUPPRESS-STATE-STORE-0000000027)\n"
		"4 KSTREAM-SOURCE-0000000030 s\n"
		"4 KSTREAM-TOTABLE-0000000031 (KSTREAM-TOTABLE-STATE-STORE-0000000032)\n"
		"5 KSTREAM-SOURCE-0000000035 s2\n"
		"5 KSTREAM-KEY-SELECT-0000000036\n"
		"5 KSTREAM-SINK-0000000039 KSTREAM-TOTABLE-0000000037-repartition\n"
		"6 KSTREAM-SOURCE-0000000041 KSTREAM-TOTABLE-0000000037-repartition\n"
		"6 KSTREAM-TOTABLE-0000000037 (KSTREAM-TOTABLE-STATE-STORE-0000000038)\n");
}

void
test_stream_topology__joins_of_streams_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "l", .op = FLOW_STREAM, .topic = "l");
	ADD(topo, .id = "r", .op = FLOW_STREAM, .topic = "r");
	ADD(topo, .id = "j1", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_INNER, .join_window = { 10, 10, 0 });
	ADD(topo, .id = "o1", .op = FLOW_TO, .from = { "j1" }, .topic = "o");
	ADD(topo, .id = "j2", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_LEFT, .join_window = { 10, 10, 0 });
	ADD(topo, .id = "o2", .op = FLOW_TO, .from = { "j2" }, .topic = "o");
	ADD(topo, .id = "j3", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_OUTER, .join_window = { 10, 10, 0 });
	ADD(topo, .id = "o3", .op = FLOW_TO, .from = { "j3" }, .topic = "o");
	ADD(topo, .id = "l4", .op = FLOW_SELECT_KEY, .from = { "l" });
	ADD(topo, .id = "r4", .op = FLOW_SELECT_KEY, .from = { "r" });
	ADD(topo, .id = "j4", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l4", "r4" },
		.kind = FLOW_INNER, .join_window = { 10, 10, 0 });
	ADD(topo, .id = "o4", .op = FLOW_TO, .from = { "j4" }, .topic = "o");
	ADD(topo, .id = "l5", .op = FLOW_SELECT_KEY, .from = { "l" });
	ADD(topo, .id = "r5", .op = FLOW_SELECT_KEY, .from = { "r" });
	ADD(topo, .id = "j5", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l5", "r5" },
		.kind = FLOW_LEFT, .join_window = { 10, 10, 0 });
	ADD(topo, .id = "o5", .op = FLOW_TO, .from = { "j5" }, .topic = "o");
	ADD(topo, .id = "j6", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_INNER, .join_window = { 10, 10, 0 }, .name = "nj");
	ADD(topo, .id = "o6", .op = FLOW_TO, .from = { "j6" }, .topic = "o");
	ADD(topo, .id = "j7", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_LEFT, .join_window = { 10, 10, 0 }, .name = "lj");
	ADD(topo, .id = "o7", .op = FLOW_TO, .from = { "j7" }, .topic = "o");
	ADD(topo, .id = "j8", .op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" },
		.kind = FLOW_OUTER, .join_window = { 10, 10, 0 }, .name = "oj");
	ADD(topo, .id = "o8", .op = FLOW_TO, .from = { "j8" }, .topic = "o");
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 l\n"
		"0 KSTREAM-SOURCE-0000000001 r\n"
		"0 KSTREAM-MERGE-0000000006 (KSTREAM-JOINTHIS-0000000004-store "
			"KSTREAM-JOINOTHER-0000000005-store)\n"
		"0 KSTREAM-MERGE-0000000012 (KSTREAM-JOINTHIS-0000000010-store "
			"KSTREAM-OUTEROTHER-0000000011-store KSTREAM-OUTERSHARED-0000000010-store)\n"
		"0 KSTREAM-MERGE-0000000018 (KSTREAM-OUTERTHIS-0000000016-store "
			"KSTREAM-OUTEROTHER-0000000017-store KSTREAM-OUTERSHARED-0000000016-store)\n"
		"0 KSTREAM-KEY-SELECT-0000000020\n"
		"0 KSTREAM-KEY-SELECT-0000000021\n"
		"0 KSTREAM-SINK-0000000022 KSTREAM-KEY-SELECT-0000000020-repartition\n"
		"1 KSTREAM-SOURCE-0000000024 KSTREAM-KEY-SELECT-0000000020-repartition\n"
		"0 KSTREAM-SINK-0000000025 KSTREAM-KEY-SELECT-0000000021-repartition\n"
		"1 KSTREAM-SOURCE-0000000027 KSTREAM-KEY-SELECT-0000000021-repartition\n"
		"1 KSTREAM-MERGE-0000000032 (KSTREAM-JOINTHIS-0000000030-store "
			"KSTREAM-JOINOTHER-0000000031-store)\n"
		"0 KSTREAM-KEY-SELECT-0000000034\n"
		"0 KSTREAM-KEY-SELECT-0000000035\n"
		"0 KSTREAM-SINK-0000000036 KSTREAM-KEY-SELECT-0000000034-repartition\n"
		"2 KSTREAM-SOURCE-0000000038 KSTREAM-KEY-SELECT-0000000034-repartition\n"
		"0 KSTREAM-SINK-0000000039 KSTREAM-KEY-SELECT-0000000035-repartition\n"
		"2 KSTREAM-SOURCE-0000000041 KSTREAM-KEY-SELECT-0000000035-repartition\n"
		"2 KSTREAM-MERGE-0000000046 (KSTREAM-JOINTHIS-0000000044-store "
			"KSTREAM-OUTEROTHER-0000000045-store KSTREAM-OUTERSHARED-0000000044-store)\n"
		"0 nj-merge (nj-this-join-store nj-other-join-store)\n"
		"0 lj-merge (lj-this-join-store lj-outer-other-join-store lj-left-shared-join-store)\n"
		"0 oj-merge (oj-outer-this-join-store oj-outer-other-join-store "
			"oj-outer-shared-join-store)\n");
}

void
test_stream_topology__joins_with_tables_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "l", .op = FLOW_STREAM, .topic = "l");
	ADD(topo, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(topo, .id = "g", .op = FLOW_GLOBAL_TABLE, .topic = "g");
	ADD(topo, .id = "j1", .op = FLOW_STREAM_TABLE_JOIN, .from = { "l", "t" });
	ADD(topo, .id = "o1", .op = FLOW_TO, .from = { "j1" }, .topic = "o1");
	ADD(topo, .id = "j2", .op = FLOW_STREAM_TABLE_JOIN, .from = { "l", "t" }, .kind = FLOW_LEFT);
	ADD(topo, .id = "o2", .op = FLOW_TO, .from = { "j2" }, .topic = "o2");
	ADD(topo, .id = "k", .op = FLOW_SELECT_KEY, .from = { "l" });
	ADD(topo, .id = "j3", .op = FLOW_STREAM_TABLE_JOIN, .from = { "k", "t" });
	ADD(topo, .id = "o3", .op = FLOW_TO, .from = { "j3" }, .topic = "o3");
	ADD(topo, .id = "j4", .op = FLOW_STREAM_GLOBAL_JOIN, .from = { "l", "g" });
	ADD(topo, .id = "o4", .op = FLOW_TO, .from = { "j4" }, .topic = "o4");
	ADD(topo, .id = "j5", .op = FLOW_STREAM_GLOBAL_JOIN, .from = { "l", "g" },
		.kind = FLOW_LEFT);
	ADD(topo, .id = "o5", .op = FLOW_TO, .from = { "j5" }, .topic = "o5");
	ADD(topo, .id = "vt", .op = FLOW_TABLE, .topic = "vt", .name = "vs", .history_ms = 100);
	add(topo, &(struct flow_spec){ .id = "j6", .op = FLOW_STREAM_TABLE_JOIN,
		.from = { "l", "vt" }, .fn = &fn, .join_grace_ms = 5, .name = "jg" });
	ADD(topo, .id = "o6", .op = FLOW_TO, .from = { "j6" }, .topic = "o6");
	add(topo, &(struct flow_spec){ .id = "j7", .op = FLOW_STREAM_TABLE_JOIN,
		.from = { "l", "vt" }, .fn = &fn, .join_grace_ms = 5 });
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 l\n"
		"0 KTABLE-SOURCE-0000000003 (t-STATE-STORE-0000000001) t\n"
		"-1 KTABLE-SOURCE-0000000006 (g-STATE-STORE-0000000004) g\n"
		"0 KSTREAM-JOIN-0000000007\n"
		"0 KSTREAM-LEFTJOIN-0000000009\n"
		"0 KSTREAM-KEY-SELECT-0000000011\n"
		"0 KSTREAM-SINK-0000000012 KSTREAM-KEY-SELECT-0000000011-repartition\n"
		"0 KSTREAM-SOURCE-0000000014 KSTREAM-KEY-SELECT-0000000011-repartition\n"
		"0 KSTREAM-JOIN-0000000015\n"
		"0 KSTREAM-LEFTJOIN-0000000017\n"
		"0 KSTREAM-LEFTJOIN-0000000019\n"
		"0 KTABLE-SOURCE-0000000022 (vs vs-ends) vt\n"
		"0 jg (jg-Buffer)\n"
		"0 KSTREAM-JOIN-0000000025 (KSTREAM-JOIN-0000000025-Buffer)\n");
}

void
test_stream_topology__joins_of_tables_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "l", .op = FLOW_TABLE, .topic = "l");
	ADD(topo, .id = "r", .op = FLOW_TABLE, .topic = "r");
	ADD(topo, .id = "j1", .op = FLOW_TABLE_TABLE_JOIN, .from = { "l", "r" },
		.kind = FLOW_INNER);
	end(topo, "j1", "o");
	ADD(topo, .id = "j2", .op = FLOW_TABLE_TABLE_JOIN, .from = { "l", "r" },
		.kind = FLOW_LEFT);
	end(topo, "j2", "o");
	ADD(topo, .id = "j3", .op = FLOW_TABLE_TABLE_JOIN, .from = { "l", "r" },
		.kind = FLOW_OUTER);
	end(topo, "j3", "o");
	check_topology(topo,
		"0 KTABLE-SOURCE-0000000002 (l-STATE-STORE-0000000000) l\n"
		"0 KTABLE-SOURCE-0000000005 (r-STATE-STORE-0000000003) r\n"
		"0 KTABLE-MERGE-0000000006 (KTABLE-MERGE-0000000006-STATE-STORE)\n"
		"0 KTABLE-MERGE-0000000011 (KTABLE-MERGE-0000000011-STATE-STORE)\n"
		"0 KTABLE-MERGE-0000000016 (KTABLE-MERGE-0000000016-STATE-STORE)\n");
}

void
test_stream_topology__foreign_key_joins_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "l", .op = FLOW_TABLE, .topic = "l");
	ADD(topo, .id = "r", .op = FLOW_TABLE, .topic = "r");
	ADD(topo, .id = "j1", .op = FLOW_FOREIGN_KEY_JOIN, .from = { "l", "r" });
	end(topo, "j1", "o1");
	ADD(topo, .id = "j2", .op = FLOW_FOREIGN_KEY_JOIN, .from = { "l", "r" }, .kind = FLOW_LEFT,
		.name = "fkj");
	end(topo, "j2", "o2");
	ADD(topo, .id = "j3", .op = FLOW_FOREIGN_KEY_JOIN, .from = { "l", "r" });
	check_topology(topo,
		"0 KTABLE-SOURCE-0000000002 (l-STATE-STORE-0000000000) l\n"
		"1 KTABLE-SOURCE-0000000005 (r-STATE-STORE-0000000003) r\n"
		"0 KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000007 "
			"KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic\n"
		"1 KTABLE-SOURCE-0000000009 KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic\n"
		"1 KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-0000000011 "
			"(KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-0000000010) "
			"KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic\n"
		"0 KTABLE-SOURCE-0000000016 KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic\n"
		"0 KTABLE-FK-JOIN-OUTPUT-0000000018 (KTABLE-FK-JOIN-OUTPUT-STATE-STORE-0000000019)\n"
		"0 fkj-subscription-registration-processor fkj-subscription-registration-topic\n"
		"1 fkj-subscription-registration-source fkj-subscription-registration-topic\n"
		"1 fkj-subscription-receive (fkj-subscription-store) fkj-subscription-response-topic\n"
		"0 fkj-subscription-response-source fkj-subscription-response-topic\n"
		"0 fkj-result (KTABLE-FK-JOIN-OUTPUT-STATE-STORE-0000000035)\n"
		"0 KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000039 "
			"KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000038-topic\n"
		"1 KTABLE-SOURCE-0000000041 KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000038-topic\n"
		"1 KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-0000000043 "
			"(KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-0000000042) "
			"KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000046-topic\n"
		"0 KTABLE-SOURCE-0000000048 KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000046-topic\n"
		"0 KTABLE-FK-JOIN-OUTPUT-0000000050 (KTABLE-FK-JOIN-OUTPUT-STATE-STORE-0000000051)\n");
}

void
test_stream_topology__cogroups_are_named(void)
{
	struct topology *topo = topology_new("app");
	struct flow_case two[] = { { NULL, NULL, &agg }, { NULL, NULL, &agg } };
	ADD(topo, .id = "x", .op = FLOW_STREAM, .topic = "x");
	ADD(topo, .id = "y", .op = FLOW_STREAM, .topic = "y");
	ADD(topo, .id = "g1", .op = FLOW_GROUP_BY_KEY, .from = { "x" });
	ADD(topo, .id = "g2", .op = FLOW_GROUP_BY_KEY, .from = { "y" });
	ADD(topo, .id = "c1", .op = FLOW_COGROUP, .from = { "g1", "g2" }, .agg = &agg, .ncase = 2,
		.cases = two);
	end(topo, "c1", "o");
	ADD(topo, .id = "c2", .op = FLOW_COGROUP, .from = { "g1", "g2" }, .agg = &agg, .ncase = 2,
		.cases = two,
		.window = { .type = FLOW_TUMBLING, .size_ms = 10 });
	end(topo, "c2", "o");
	ADD(topo, .id = "z", .op = FLOW_STREAM, .topic = "z");
	ADD(topo, .id = "g3", .op = FLOW_GROUP_BY, .from = { "z" }, .name = "g3");
	ADD(topo, .id = "c3", .op = FLOW_COGROUP, .from = { "g3", "g2" }, .agg = &agg, .ncase = 2,
		.cases = two, .name = "cg");
	end(topo, "c3", "o");
	ADD(topo, .id = "w", .op = FLOW_STREAM, .topic = "w");
	ADD(topo, .id = "g4", .op = FLOW_GROUP_BY, .from = { "w" });
	ADD(topo, .id = "c4", .op = FLOW_COGROUP, .from = { "g4", "g2" }, .agg = &agg, .ncase = 2,
		.cases = two);
	end(topo, "c4", "o");
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 x\n"
		"0 KSTREAM-SOURCE-0000000001 y\n"
		"0 COGROUPKSTREAM-MERGE-0000000005 (COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000002)\n"
		"0 COGROUPKSTREAM-MERGE-0000000011 (COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000008)\n"
		"1 KSTREAM-SOURCE-0000000014 z\n"
		"1 g3\n"
		"1 g3-repartition-sink g3-repartition\n"
		"0 g3-repartition-source g3-repartition\n"
		"0 COGROUPKSTREAM-MERGE-0000000021 (cg)\n"
		"2 KSTREAM-SOURCE-0000000024 w\n"
		"2 KSTREAM-KEY-SELECT-0000000025\n"
		"2 COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000026-repartition-sink "
			"COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000026-repartition\n"
		"0 COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000026-repartition-source "
			"COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000026-repartition\n"
		"0 COGROUPKSTREAM-MERGE-0000000032 (COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000026)\n");
}

void
test_stream_topology__repartition_topics_are_named(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "in");
	ADD(topo, .id = "r1", .op = FLOW_REPARTITION, .from = { "s" });
	ADD(topo, .id = "o1", .op = FLOW_TO, .from = { "r1" }, .topic = "o1");
	ADD(topo, .id = "r2", .op = FLOW_REPARTITION, .from = { "s" }, .name = "mine");
	ADD(topo, .id = "o2", .op = FLOW_TO, .from = { "r2" }, .topic = "o2");
	ADD(topo, .id = "k", .op = FLOW_SELECT_KEY, .from = { "s" });
	ADD(topo, .id = "r3", .op = FLOW_REPARTITION, .from = { "k" });
	ADD(topo, .id = "g3", .op = FLOW_GROUP_BY_KEY, .from = { "r3" });
	ADD(topo, .id = "a3", .op = FLOW_AGGREGATE, .from = { "g3" }, .agg = &agg);
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 in\n"
		"0 KSTREAM-SINK-0000000002 KSTREAM-REPARTITION-0000000001-repartition\n"
		"1 KSTREAM-SOURCE-0000000004 KSTREAM-REPARTITION-0000000001-repartition\n"
		"0 mine-repartition-sink mine-repartition\n"
		"2 mine-repartition-source mine-repartition\n"
		"0 KSTREAM-KEY-SELECT-0000000010\n"
		"0 KSTREAM-SINK-0000000012 KSTREAM-REPARTITION-0000000011-repartition\n"
		"3 KSTREAM-SOURCE-0000000014 KSTREAM-REPARTITION-0000000011-repartition\n"
		"3 KSTREAM-AGGREGATE-0000000016 (KSTREAM-AGGREGATE-STATE-STORE-0000000015)\n");
}

void
test_stream_topology__a_named_group_has_one_repartition_topic(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "s", .op = FLOW_STREAM, .topic = "in");
	ADD(topo, .id = "g", .op = FLOW_GROUP_BY, .from = { "s" }, .name = "byv");
	ADD(topo, .id = "a1", .op = FLOW_AGGREGATE, .from = { "g" }, .agg = &agg);
	end(topo, "a1", "o1");
	ADD(topo, .id = "a2", .op = FLOW_AGGREGATE, .from = { "g" }, .agg = &agg,
		.window = { .type = FLOW_TUMBLING, .size_ms = 10 });
	end(topo, "a2", "o2");
	ADD(topo, .id = "h", .op = FLOW_GROUP_BY, .from = { "s" });
	ADD(topo, .id = "a3", .op = FLOW_AGGREGATE, .from = { "h" }, .agg = &agg);
	end(topo, "a3", "o3");
	ADD(topo, .id = "a4", .op = FLOW_AGGREGATE, .from = { "h" }, .agg = &reducer);
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 in\n"
		"0 byv\n"
		"0 byv-repartition-sink byv-repartition\n"
		"1 byv-repartition-source byv-repartition\n"
		"1 KSTREAM-AGGREGATE-0000000003 (KSTREAM-AGGREGATE-STATE-STORE-0000000002)\n"
		"1 KSTREAM-AGGREGATE-0000000010 (KSTREAM-AGGREGATE-STATE-STORE-0000000009)\n"
		"0 KSTREAM-KEY-SELECT-0000000016\n"
		"0 KSTREAM-SINK-0000000019 KSTREAM-AGGREGATE-STATE-STORE-0000000017-repartition\n"
		"2 KSTREAM-SOURCE-0000000021 KSTREAM-AGGREGATE-STATE-STORE-0000000017-repartition\n"
		"2 KSTREAM-AGGREGATE-0000000018 (KSTREAM-AGGREGATE-STATE-STORE-0000000017)\n"
		"0 KSTREAM-SINK-0000000026 KSTREAM-REDUCE-STATE-STORE-0000000024-repartition\n"
		"3 KSTREAM-SOURCE-0000000028 KSTREAM-REDUCE-STATE-STORE-0000000024-repartition\n"
		"3 KSTREAM-REDUCE-0000000025 (KSTREAM-REDUCE-STATE-STORE-0000000024)\n");
}

void
test_stream_topology__joins_share_a_streams_repartition_topic(void)
{
	struct topology *topo = topology_new("app");
	ADD(topo, .id = "l", .op = FLOW_STREAM, .topic = "l");
	ADD(topo, .id = "k", .op = FLOW_SELECT_KEY, .from = { "l" });
	ADD(topo, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(topo, .id = "j1", .op = FLOW_STREAM_TABLE_JOIN, .from = { "k", "t" });
	ADD(topo, .id = "o1", .op = FLOW_TO, .from = { "j1" }, .topic = "o1");
	ADD(topo, .id = "j2", .op = FLOW_STREAM_TABLE_JOIN, .from = { "k", "t" }, .kind = FLOW_LEFT);
	ADD(topo, .id = "o2", .op = FLOW_TO, .from = { "j2" }, .topic = "o2");
	ADD(topo, .id = "j3", .op = FLOW_STREAM_STREAM_JOIN, .from = { "k", "k" },
		.join_window = { 10, 10, 0 });
	ADD(topo, .id = "o3", .op = FLOW_TO, .from = { "j3" }, .topic = "o3");
	ADD(topo, .id = "j4", .op = FLOW_STREAM_TABLE_JOIN, .from = { "k", "t" }, .name = "nm");
	ADD(topo, .id = "o4", .op = FLOW_TO, .from = { "j4" }, .topic = "o4");
	ADD(topo, .id = "g5", .op = FLOW_GROUP_BY_KEY, .from = { "k" });
	ADD(topo, .id = "a5", .op = FLOW_AGGREGATE, .from = { "g5" }, .agg = &agg);
	check_topology(topo,
		"0 KSTREAM-SOURCE-0000000000 l\n"
		"0 KSTREAM-KEY-SELECT-0000000001\n"
		"1 KTABLE-SOURCE-0000000004 (t-STATE-STORE-0000000002) t\n"
		"0 KSTREAM-SINK-0000000005 KSTREAM-KEY-SELECT-0000000001-repartition\n"
		"1 KSTREAM-SOURCE-0000000007 KSTREAM-KEY-SELECT-0000000001-repartition\n"
		"1 KSTREAM-JOIN-0000000008\n"
		"1 KSTREAM-LEFTJOIN-0000000013\n"
		"1 KSTREAM-MERGE-0000000025 (KSTREAM-JOINTHIS-0000000023-store "
			"KSTREAM-JOINOTHER-0000000024-store)\n"
		"0 nm-repartition-sink nm-repartition\n"
		"1 nm-repartition-source nm-repartition\n"
		"1 nm\n"
		"0 KSTREAM-SINK-0000000034 KSTREAM-AGGREGATE-STATE-STORE-0000000032-repartition\n"
		"2 KSTREAM-SOURCE-0000000036 KSTREAM-AGGREGATE-STATE-STORE-0000000032-repartition\n"
		"2 KSTREAM-AGGREGATE-0000000033 (KSTREAM-AGGREGATE-STATE-STORE-0000000032)\n");
}

/* ---- what is refused ---- */

/* Does the last spec fail, with this in the message? */
static void
check_refused(const struct flow_spec *v, int n, const char *message)
{
	struct topology *topo = topology_new("app");
	struct err e;
	for (int i = 0; i < n - 1; i++)
		add(topo, &v[i]);
	int rc = topology_add(topo, &v[n - 1], &e);
	if (!rc)
		rc = topology_finish(topo, &e);
	check_int(rc, -1);
	check_int(e.class, ERR_USAGE);
	if (!strstr(e.msg, message))
		tap_fail(__FILE__, __LINE__, "the message is: %s", e.msg);
	topology_free(topo);
}
#define REFUSED(message, ...) do { \
		const struct flow_spec v_[] = { __VA_ARGS__ }; \
		check_refused(v_, (int)ARRAY_LEN(v_), message); \
	} while (0)
#define STREAM(z) { .id = z, .op = FLOW_STREAM, .topic = z }
#define TABLE(z) { .id = z, .op = FLOW_TABLE, .topic = z }
#define GROUP(z, from_z) { .id = z, .op = FLOW_GROUP_BY_KEY, .from = { from_z } }
#define COUNT(z, from_z, ...) \
	{ .id = z, .op = FLOW_AGGREGATE, .from = { from_z }, .agg = &agg, __VA_ARGS__ }

void
test_stream_topology__what_makes_no_sense_is_refused(void)
{
	REFUSED("no step 'x'", { .id = "f", .op = FLOW_FILTER, .from = { "x" } });
	REFUSED("two steps 's'", STREAM("s"), STREAM("s"));
	REFUSED("which is a table", TABLE("t"), { .id = "k", .op = FLOW_SELECT_KEY, .from = { "t" } });
	REFUSED("does not take 2 inputs", STREAM("s"),
		{ .id = "f", .op = FLOW_FILTER, .from = { "s", "s" } });
	REFUSED("name 'a b'", STREAM("s"), GROUP("g", "s"), COUNT("c", "g", .name = "a b"));
	REFUSED("has the name 'x'", STREAM("s"), GROUP("g", "s"), COUNT("c", "g", .name = "x"),
		COUNT("d", "g", .name = "x"));
}

void
test_stream_topology__impossible_windows_are_refused(void)
{
	REFUSED("no length", STREAM("s"), GROUP("g", "s"),
		COUNT("c", "g", .window = { .type = FLOW_TUMBLING }));
	REFUSED("advance", STREAM("s"), GROUP("g", "s"),
		COUNT("c", "g", .window = { .type = FLOW_HOPPING, .size_ms = 5, .advance_ms = 6 }));
	REFUSED("never close", STREAM("s"), GROUP("g", "s"),
		COUNT("c", "g", .window = { .type = FLOW_UNLIMITED }, .emits_on_close = true));
	REFUSED("only windows", STREAM("s"), GROUP("g", "s"), COUNT("c", "g"),
		{ .id = "u", .op = FLOW_SUPPRESS, .from = { "c" },
			.suppress = { .until_window_closes = true } });
	REFUSED("ends before it starts", STREAM("l"), STREAM("r"), { .id = "j",
		.op = FLOW_STREAM_STREAM_JOIN, .from = { "l", "r" }, .join_window = { 2, -3, 0 } });
	REFUSED("different windows", STREAM("s"), GROUP("g", "s"),
		COUNT("c", "g", .window = { .type = FLOW_TUMBLING, .size_ms = 5 }),
		{ .id = "m", .op = FLOW_TO_STREAM, .from = { "c" } },
		{ .id = "n", .op = FLOW_MERGE, .from = { "s", "m" } });
}
