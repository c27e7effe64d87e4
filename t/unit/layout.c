/* Partition counts of internal topics, tasks and levels of sub-topologies. */
#include "tap.h"

#include "kq-stream/layout.c"

static struct flow_fn fn;
static struct flow_agg agg;
static struct topology *topo;
static struct layout layout;
static struct err e;

static void
add(struct flow_spec spec)
{
	if (topology_add(topo, &spec, &e) < 0)
		tap_fail(__FILE__, __LINE__, "%s: %s", spec.id, e.msg);
}

#define ADD(...) add((struct flow_spec){ __VA_ARGS__ })

static void
begin(void)
{
	fn = (struct flow_fn){ 0 };
	topo = topology_new("app");
}

/* Finish it; counts names the sources and their partitions: "a4 b2". */
static int
solve(const char *counts)
{
	check_int(topology_finish(topo, &e), 0);
	layout_init(&layout, topo, "app");
	topology_free(topo);
	for (const char *p = counts; *p; p += strcspn(p, " "), p += *p == ' ') {
		char name[2] = { *p, 0 };
		struct layout_source *source = layout_find(&layout, name);
		check(source != NULL);
		source->npart = p[1] - '0';
	}
	return layout_solve(&layout, &e);
}

static struct layout_source *
internal(int nth)
{
	for (int i = 0; i < layout.nsource; i++)
		if (layout.source[i].is_internal && nth-- == 0)
			return &layout.source[i];
	tap_fail(__FILE__, __LINE__, "there is no such internal topic");
}

void
test_layout__a_repartition_topic_has_as_many_as_the_sources_of_its_writer(void)
{
	begin();
	ADD(.id = "a", .op = FLOW_STREAM, .topic = "a");
	ADD(.id = "b", .op = FLOW_STREAM, .topic = "b");
	ADD(.id = "m", .op = FLOW_MERGE, .from = { "a", "b" });
	ADD(.id = "k", .op = FLOW_SELECT_KEY, .from = { "m" }, .fn = &fn);
	ADD(.id = "g", .op = FLOW_GROUP_BY_KEY, .from = { "k" });
	ADD(.id = "n", .op = FLOW_AGGREGATE, .from = { "g" }, .agg = &agg);
	check_int(solve("a4 b2"), 0);
	check_int(internal(0)->npart, 4);
	check(strncmp(internal(0)->name, "app-", 4) == 0);
	check_int(layout.nsub, 2);
	int reader = internal(0)->part, writer = internal(0)->writer;
	check_int(layout.ntask[writer], 4);
	check_int(layout.ntask[reader], 4);
	check(!layout_is_even(&layout, writer));
	check(layout_is_even(&layout, reader));
	check_int(layout.level[writer], 0);
	check_int(layout.level[reader], 1);
	check_int(layout.nlevel, 2);
	layout_release(&layout);
}

static void
add_join(int32_t npart)
{
	begin();
	ADD(.id = "a", .op = FLOW_STREAM, .topic = "a");
	ADD(.id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(.id = "k", .op = FLOW_SELECT_KEY, .from = { "a" }, .fn = &fn);
	if (npart)
		ADD(.id = "r", .op = FLOW_REPARTITION, .from = { "k" }, .npart = npart);
	ADD(.id = "j", .op = FLOW_STREAM_TABLE_JOIN, .from = { npart ? "r" : "k", "t" }, .fn = &fn,
		.join_grace_ms = -1);
}

void
test_layout__a_repartition_topic_follows_the_other_side_of_a_join(void)
{
	add_join(0);
	check_int(solve("a4 t3"), 0);
	check_int(internal(0)->npart, 3);
	layout_release(&layout);
}

void
test_layout__unequal_sides_of_a_join_are_refused(void)
{
	add_join(5);
	check_int(solve("a4 t3"), -1);
	check_int(e.class, ERR_USAGE);
	check(strstr(e.msg, "has 5") && strstr(e.msg, "'t'"));
	layout_release(&layout);
	begin();
	ADD(.id = "a", .op = FLOW_STREAM, .topic = "a");
	ADD(.id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(.id = "j", .op = FLOW_STREAM_TABLE_JOIN, .from = { "a", "t" }, .fn = &fn,
		.join_grace_ms = -1);
	check_int(solve("a4 t3"), -1);
	layout_release(&layout);
}

void
test_layout__a_foreign_key_join_needs_no_equal_counts(void)
{
	begin();
	ADD(.id = "a", .op = FLOW_TABLE, .topic = "a");
	ADD(.id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(.id = "j", .op = FLOW_FOREIGN_KEY_JOIN, .from = { "a", "t" }, .key_fn = &fn, .fn = &fn);
	check_int(solve("a3 t5"), 0);
	for (int i = 0; i < layout.nsource; i++) {
		const struct layout_source *source = &layout.source[i];
		if (source->is_internal)
			check_int(source->npart, strstr(source->name, "REGISTRATION") ? 5 : 3);
	}
	check_int(layout.nlevel, 1); /* they write to each other */
	layout_release(&layout);
}
