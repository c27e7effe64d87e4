/*
 * The nodes of each step, and their names, in the order in which Kafka Streams' DSL makes
 * them: the numbers within names count through the whole topology.
 */
#include "stream/topology_int.h"

/* ---- parts of steps ---- */

/* The next name with this prefix: "KSTREAM-FILTER-0000000003". */
static const char *
next_name(struct topology *topo, const char *prefix)
{
	return arena_printf(&topo->arena, "%s%010lld", prefix, (long long)topo->number++);
}

/* The step's own name, or the next one with this prefix.  A number is used up either way. */
static const char *
own_name(struct topology *topo, const struct flow_spec *spec, const char *prefix)
{
	const char *name = next_name(topo, prefix);
	return spec->name ? spec->name : name;
}

/* The same of a store; a number is used up only if it is part of the name. */
static const char *
store_name(struct topology *topo, const struct flow_spec *spec, const char *prefix)
{
	return spec->name ? spec->name
		: next_name(topo, arena_printf(&topo->arena, "%sSTATE-STORE-", prefix));
}

static const char *
with_suffix(struct topology *topo, const char *name, const char *suffix)
{
	return arena_printf(&topo->arena, "%s%s", name, suffix);
}

/* A node below one input, and its id. */
static struct topology_id *
add_below(struct topology *topo, const struct flow_spec *spec, const struct topology_id *from,
	const char *name)
{
	int node = topology_node_add(topo, spec->op, from->kind, spec, name);
	topology_edge_add(topo, from->node, node);
	topo->node[node].window = from->window;
	struct topology_id *id = topology_id_add(topo, spec->id, from->kind, node);
	id->is_rekeyed = from->is_rekeyed;
	id->window = from->window;
	return id;
}

/* An input that is looked into, and sends nothing. */
static void
look_into(struct topology *topo, int from, int to)
{
	struct topology_node *down = &topo->node[to];
	down->from[down->nfrom++] = from;
}

static void
set_window(struct topology *topo, struct topology_id *id, const struct flow_window *window)
{
	id->window = window;
	topo->node[id->node].window = window;
}

static void
add_late(struct topology *topo, const struct flow_spec *spec, int node,
	const struct flow_window *window)
{
	if (!spec->late_id)
		return;
	const char *name = with_suffix(topo, topo->node[node].name, "-late");
	int late = topology_node_add(topo, FLOW_LATE, FLOW_KIND_STREAM, spec, name);
	look_into(topo, node, late);
	topo->node[node].late = late;
	topo->node[late].window = window;
	topology_id_add(topo, spec->late_id, FLOW_KIND_STREAM, late)->window = window;
}

/* Does Kafka number the nodes around a repartition topic with this base of its name? */
static bool
is_numbered(const char *base)
{
	size_t n = strlen(base);
	if (strncmp(base, "KSTREAM", 7) || n < 18 || base[n - 11] != '-')
		return false;
	return strspn(base + n - 10, "0123456789") == 10;
}

struct repartition_names {
	const char *base, *sink, *source;
};

/* The names, which use up numbers also where the step turns out to be shared. */
static struct repartition_names
repartition_names(struct topology *topo, const char *base, bool is_table)
{
	struct repartition_names names = { .base = base };
	names.sink = next_name(topo, "KSTREAM-SINK-");
	if (!is_table)
		next_name(topo, "KSTREAM-FILTER-"); /* Kafka's filter of null keys */
	names.source = next_name(topo, "KSTREAM-SOURCE-");
	if (!is_table && !is_numbered(base)) {
		names.sink = with_suffix(topo, base, "-repartition-sink");
		names.source = with_suffix(topo, base, "-repartition-source");
	}
	return names;
}

/* The sink of a node to this internal topic, if there is one: steps that want the same records
 * by key share it. */
static int
find_sink(const struct topology *topo, int from, const char *topic)
{
	for (int i = 0; i < topo->nnode; i++)
		if (topo->node[i].op == FLOW_REPARTITION_SINK && topo->node[i].from[0] == from
			&& !strcmp(topo->node[i].topic, topic))
			return i;
	return -1;
}

/* Send the records of a node through an internal topic; returns the node that reads it. */
static int
repartition(struct topology *topo, const struct flow_spec *spec, int from,
	const struct repartition_names *names, bool takes_null_keys)
{
	enum flow_kind kind = topo->node[from].kind;
	const char *topic = with_suffix(topo, names->base, "-repartition");
	int sink = find_sink(topo, from, topic);
	if (sink >= 0) {
		topo->node[sink].takes_null_keys |= takes_null_keys;
		return sink + 1;
	}
	sink = topology_node_add(topo, FLOW_REPARTITION_SINK, kind, spec, names->sink);
	topology_edge_add(topo, from, sink);
	int source = topology_node_add(topo, FLOW_REPARTITION_SOURCE, kind, spec, names->source);
	assert(source == sink + 1);
	topo->node[sink].topic = topo->node[source].topic = topic;
	topo->node[sink].window = topo->node[source].window = topo->node[from].window;
	topo->node[sink].takes_null_keys = takes_null_keys;
	return source;
}

/* The node to read a stream or group from, where equal keys must be in one partition.  The
 * aggregations of a named grouping share it. */
static int
by_key(struct topology *topo, const struct flow_spec *spec, struct topology_id *from,
	const char *base, bool takes_null_keys)
{
	if (!from->is_rekeyed)
		return from->node;
	struct repartition_names names = repartition_names(topo, from->group ? from->group : base,
		from->kind == FLOW_KIND_GROUPED_TABLE);
	return repartition(topo, spec, from->node, &names, takes_null_keys);
}

/* The node to put into windows: its keys are bytes. */
static int
flat_key(struct topology *topo, const struct flow_spec *spec, int from)
{
	if (!spec->window.inner)
		return from;
	int node = topology_node_add(topo, FLOW_FLAT_KEY, FLOW_KIND_STREAM, spec,
		with_suffix(topo, topo->node[from].name, "-flat-key"));
	topology_edge_add(topo, from, node);
	topo->node[node].window = spec->window.inner;
	return node;
}

/* ---- sources ---- */

static void
set_table_store(struct topology *topo, int node, const char *store)
{
	topo->node[node].store[0] = store;
	if (store && topo->node[node].spec->history_ms)
		topo->node[node].store[1] = with_suffix(topo, store, "-ends");
}

/* A topic that is read as a stream already, whose node serves again; -1: none is. */
static int
find_stream(const struct topology *topo, const char *topic)
{
	for (int i = 0; i < topo->nnode; i++)
		if (topo->node[i].op == FLOW_STREAM && !strcmp(topo->node[i].topic, topic))
			return i;
	return -1;
}

static void
build_stream(struct topology *topo, const struct flow_spec *spec)
{
	const char *name = own_name(topo, spec, "KSTREAM-SOURCE-");
	int node = find_stream(topo, spec->topic);
	if (node < 0) {
		node = topology_node_add(topo, FLOW_STREAM, FLOW_KIND_STREAM, spec, name);
		topo->node[node].topic = spec->topic;
	}
	topology_id_add(topo, spec->id, FLOW_KIND_STREAM, node);
}

static void
build_table(struct topology *topo, const struct flow_spec *spec)
{
	const char *store = store_name(topo, spec, arena_printf(&topo->arena, "%s-", spec->topic));
	next_name(topo, "KSTREAM-SOURCE-");
	const char *name = next_name(topo, "KTABLE-SOURCE-");
	enum flow_kind kind = spec->op == FLOW_TABLE ? FLOW_KIND_TABLE : FLOW_KIND_GLOBAL;
	int node = topology_node_add(topo, spec->op, kind, spec, name);
	topo->node[node].topic = spec->topic;
	set_table_store(topo, node, store);
	topology_id_add(topo, spec->id, kind, node);
}

/* ---- steps without a key ---- */

static void
build_plain(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	static const char *const prefix[][2] = {
		[FLOW_FILTER] = { "KSTREAM-FILTER-", "KTABLE-FILTER-" },
		[FLOW_FILTER_NOT] = { "KSTREAM-FILTER-", "KTABLE-FILTER-" },
		[FLOW_MAP_VALUES] = { "KSTREAM-MAPVALUES-", "KTABLE-MAPVALUES-" },
		[FLOW_SELECT_KEY] = { "KSTREAM-KEY-SELECT-" },
		[FLOW_MAP] = { "KSTREAM-MAP-" },
		[FLOW_FLAT_MAP] = { "KSTREAM-FLATMAP-" },
		[FLOW_PEEK] = { "KSTREAM-PEEK-" },
		[FLOW_TO_STREAM] = { NULL, "KTABLE-TOSTREAM-" },
		[FLOW_TO] = { "KSTREAM-SINK-", "KSTREAM-SINK-" },
	};
	const char *name = own_name(topo, spec, prefix[spec->op][from->kind == FLOW_KIND_TABLE]);
	struct topology_id *id = add_below(topo, spec, from, name);
	switch (spec->op) {
	case FLOW_FILTER:
	case FLOW_FILTER_NOT:
	case FLOW_MAP_VALUES:
		if (spec->is_materialized && from->kind == FLOW_KIND_TABLE) {
			topo->node[id->node].op = FLOW_TABLE_STEP;
			topo->node[id->node].store[0] = with_suffix(topo, name, "-STATE-STORE");
		}
		break;
	case FLOW_SELECT_KEY:
	case FLOW_MAP:
	case FLOW_FLAT_MAP:
		id->is_rekeyed = true;
		set_window(topo, id, NULL);
		break;
	case FLOW_TO_STREAM:
		id->kind = topo->node[id->node].kind = FLOW_KIND_STREAM;
		break;
	case FLOW_TO:
		id->kind = topo->node[id->node].kind = FLOW_KIND_NONE;
		topo->node[id->node].topic = spec->topic;
		break;
	default:
		break;
	}
}

static void
build_merge(struct topology *topo, const struct flow_spec *spec, struct topology_id *const *from)
{
	struct topology_id *id = add_below(topo, spec, from[0],
		own_name(topo, spec, "KSTREAM-MERGE-"));
	for (int i = 1; i < topology_nfrom(spec); i++) {
		topology_edge_add(topo, from[i]->node, id->node);
		id->is_rekeyed |= from[i]->is_rekeyed;
		if (!id->window)
			set_window(topo, id, from[i]->window);
	}
}

static void
branch_out(struct topology *topo, const struct flow_spec *spec, const struct topology_id *from,
	int branch, const char *id_name, int number)
{
	next_name(topo, ""); /* Kafka numbers it, and names it after the branch */
	const char *name = arena_printf(&topo->arena, "%s%d", topo->node[branch].name, number);
	int node = topology_node_add(topo, FLOW_BRANCH_OUT, FLOW_KIND_STREAM, spec, name);
	topology_edge_add(topo, branch, node);
	topo->node[node].window = from->window;
	struct topology_id *id = topology_id_add(topo, id_name, FLOW_KIND_STREAM, node);
	id->is_rekeyed = from->is_rekeyed;
	id->window = from->window;
}

static void
build_branch(struct topology *topo, const struct flow_spec *spec, const struct topology_id *from)
{
	int branch = topology_node_add(topo, FLOW_BRANCH, FLOW_KIND_STREAM, spec,
		own_name(topo, spec, "KSTREAM-BRANCH-"));
	topology_edge_add(topo, from->node, branch);
	for (int i = 0; i < spec->ncase; i++)
		branch_out(topo, spec, from, branch, spec->cases[i].id, i + 1);
	if (spec->default_id)
		branch_out(topo, spec, from, branch, spec->default_id, 0);
}

static void
build_custom(struct topology *topo, const struct flow_spec *spec, struct topology_id *const *from)
{
	const char *name = own_name(topo, spec, "KSTREAM-PROCESSVALUES-");
	int in[FLOW_FROM_MAX];
	bool is_rekeyed = spec->changes_key;
	for (int i = 0; i < topology_nfrom(spec); i++) {
		in[i] = spec->is_by_key ? by_key(topo, spec, from[i], name, false) : from[i]->node;
		is_rekeyed |= from[i]->is_rekeyed && !spec->is_by_key;
	}
	int node = topology_node_add(topo, spec->op, FLOW_KIND_STREAM, spec, name);
	for (int i = 0; i < topology_nfrom(spec); i++)
		topology_edge_add(topo, in[i], node);
	topo->node[node].store[0] = with_suffix(topo, name, "-store");
	struct topology_id *id = topology_id_add(topo, spec->id, FLOW_KIND_STREAM, node);
	id->is_rekeyed = is_rekeyed;
	if (!spec->changes_key)
		set_window(topo, id, from[0]->window);
	add_late(topo, spec, node, from[0]->window);
}

/* ---- groups and aggregations ---- */

static void
build_group(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	struct topology_id *id;
	if (spec->op == FLOW_GROUP_BY_KEY) {
		id = topology_id_add(topo, spec->id, FLOW_KIND_GROUPED_STREAM, from->node);
		id->is_rekeyed = from->is_rekeyed;
		id->window = from->window;
	} else {
		bool is_table = from->kind == FLOW_KIND_TABLE;
		id = add_below(topo, spec, from, own_name(topo, spec,
			is_table ? "KTABLE-SELECT-" : "KSTREAM-KEY-SELECT-"));
		set_window(topo, id, NULL);
		id->is_rekeyed = true;
		id->kind = is_table ? FLOW_KIND_GROUPED_TABLE : FLOW_KIND_GROUPED_STREAM;
		topo->node[id->node].kind = is_table ? FLOW_KIND_GROUPED_TABLE : FLOW_KIND_STREAM;
	}
	id->group = spec->name;
}

static void
build_aggregate(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	bool is_table = from->kind == FLOW_KIND_GROUPED_TABLE, is_reduce = spec->agg->is_reduce;
	const char *prefix = is_table ? (is_reduce ? "KTABLE-REDUCE-" : "KTABLE-AGGREGATE-")
		: is_reduce ? "KSTREAM-REDUCE-" : "KSTREAM-AGGREGATE-";
	const char *store = store_name(topo, spec, is_table ? "KTABLE-AGGREGATE-" : prefix);
	const char *name = is_table ? NULL : next_name(topo, prefix);
	int in = by_key(topo, spec, from, store, false);
	if (is_table)
		name = next_name(topo, prefix);
	in = flat_key(topo, spec, in);
	int node = topology_node_add(topo, spec->op, FLOW_KIND_TABLE, spec, name);
	topology_edge_add(topo, in, node);
	topo->node[node].store[0] = store;
	struct topology_id *id = topology_id_add(topo, spec->id, FLOW_KIND_TABLE, node);
	set_window(topo, id, spec->window.type ? &spec->window : from->window);
	add_late(topo, spec, node, from->window);
}

static void
build_cogroup(struct topology *topo, const struct flow_spec *spec, struct topology_id *const *from)
{
	int in[FLOW_FROM_MAX], nfrom = topology_nfrom(spec);
	const char *store = store_name(topo, spec, "COGROUPKSTREAM-AGGREGATE-");
	const char *base = store;
	for (int i = 0; i < nfrom; i++) {
		in[i] = flat_key(topo, spec, by_key(topo, spec, from[i], base, false));
		/* Kafka refuses a second one without a name, since it would be the same topic. */
		if (from[i]->is_rekeyed && !from[i]->group)
			base = arena_printf(&topo->arena, "%s-%d", store, i + 1);
	}
	for (int i = 0; i < nfrom; i++)
		next_name(topo, "COGROUPKSTREAM-AGGREGATE-");
	int node = topology_node_add(topo, spec->op, FLOW_KIND_TABLE, spec,
		next_name(topo, "COGROUPKSTREAM-MERGE-"));
	for (int i = 0; i < nfrom; i++)
		topology_edge_add(topo, in[i], node);
	topo->node[node].store[0] = store;
	struct topology_id *id = topology_id_add(topo, spec->id, FLOW_KIND_TABLE, node);
	set_window(topo, id, spec->window.type ? &spec->window : from[0]->window);
	add_late(topo, spec, node, from[0]->window);
}

static void
build_suppress(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	const char *name = spec->name ? spec->name : next_name(topo, "KTABLE-SUPPRESS-");
	const char *store = spec->name ? with_suffix(topo, spec->name, "-store")
		: next_name(topo, "KTABLE-SUPPRESS-STATE-STORE-");
	struct topology_id *id = add_below(topo, spec, from, name);
	topo->node[id->node].store[0] = store;
}

static void
build_to_table(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	const char *name = next_name(topo, "KSTREAM-TOTABLE-");
	const char *store = store_name(topo, spec, "KSTREAM-TOTABLE-");
	int in = by_key(topo, spec, from, name, false);
	int node = topology_node_add(topo, spec->op, FLOW_KIND_TABLE, spec, name);
	topology_edge_add(topo, in, node);
	set_table_store(topo, node, store);
	set_window(topo, topology_id_add(topo, spec->id, FLOW_KIND_TABLE, node), from->window);
}

static void
build_repartition(struct topology *topo, const struct flow_spec *spec, struct topology_id *from)
{
	struct repartition_names names = repartition_names(topo,
		spec->name ? spec->name : next_name(topo, "KSTREAM-REPARTITION-"), false);
	int node = repartition(topo, spec, from->node, &names, false);
	set_window(topo, topology_id_add(topo, spec->id, FLOW_KIND_STREAM, node), from->window);
}

/* ---- joins ---- */

static void
build_stream_join(struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from)
{
	bool is_left = spec->kind != FLOW_INNER, is_outer = spec->kind == FLOW_OUTER;
	int left = by_key(topo, spec, from[0],
		spec->name ? with_suffix(topo, spec->name, "-left") : topo->node[from[0]->node].name,
		is_left);
	int right = by_key(topo, spec, from[1],
		spec->name ? with_suffix(topo, spec->name, "-right") : topo->node[from[1]->node].name,
		is_outer);
	next_name(topo, "KSTREAM-WINDOWED-");
	next_name(topo, "KSTREAM-WINDOWED-");
	const char *this = next_name(topo, is_outer ? "KSTREAM-OUTERTHIS-" : "KSTREAM-JOINTHIS-");
	const char *number = this + strlen(this) - 10;
	const char *other = next_name(topo, is_left ? "KSTREAM-OUTEROTHER-" : "KSTREAM-JOINOTHER-");
	const char *name = next_name(topo, "KSTREAM-MERGE-");
	if (spec->name)
		name = with_suffix(topo, spec->name, "-merge");
	int node = topology_node_add(topo, spec->op, FLOW_KIND_STREAM, spec, name);
	topology_edge_add(topo, left, node);
	topology_edge_add(topo, right, node);
	if (spec->name) {
		this = with_suffix(topo, spec->name, is_outer ? "-outer-this-join" : "-this-join");
		other = with_suffix(topo, spec->name, is_left ? "-outer-other-join" : "-other-join");
	}
	const char **store = topo->node[node].store;
	store[0] = with_suffix(topo, this, "-store");
	store[1] = with_suffix(topo, other, "-store");
	if (is_left && spec->name)
		store[2] = with_suffix(topo, spec->name,
			is_outer ? "-outer-shared-join-store" : "-left-shared-join-store");
	else if (is_left)
		store[2] = arena_printf(&topo->arena, "KSTREAM-OUTERSHARED-%s-store", number);
	set_window(topo, topology_id_add(topo, spec->id, FLOW_KIND_STREAM, node), from[0]->window);
	add_late(topo, spec, node, from[0]->window);
}

static void
build_look_join(struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from)
{
	bool is_global = spec->op == FLOW_STREAM_GLOBAL_JOIN;
	bool is_left = spec->kind != FLOW_INNER;
	int left = is_global ? from[0]->node
		: by_key(topo, spec, from[0],
			spec->name ? spec->name : topo->node[from[0]->node].name, is_left);
	const char *name = own_name(topo, spec,
		is_left || is_global ? "KSTREAM-LEFTJOIN-" : "KSTREAM-JOIN-");
	int node = topology_node_add(topo, spec->op, FLOW_KIND_STREAM, spec, name);
	topology_edge_add(topo, left, node);
	look_into(topo, from[1]->node, node);
	if (spec->join_grace_ms >= 0 && !is_global)
		topo->node[node].store[0] = with_suffix(topo, name, "-Buffer");
	struct topology_id *id = topology_id_add(topo, spec->id, FLOW_KIND_STREAM, node);
	id->is_rekeyed = is_global && from[0]->is_rekeyed;
	set_window(topo, id, from[0]->window);
	add_late(topo, spec, node, from[0]->window);
}

static void
build_table_join(struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from)
{
	const char *name = own_name(topo, spec, "KTABLE-MERGE-");
	next_name(topo, "KTABLE-JOINTHIS-");
	next_name(topo, "KTABLE-JOINOTHER-");
	int node = topology_node_add(topo, spec->op, FLOW_KIND_TABLE, spec, name);
	topology_edge_add(topo, from[0]->node, node);
	topology_edge_add(topo, from[1]->node, node);
	topo->node[node].store[0] = with_suffix(topo, name, "-STATE-STORE");
	set_window(topo, topology_id_add(topo, spec->id, FLOW_KIND_TABLE, node), from[0]->window);
}

/* One of the step's names: NAME-suffix, or the next one with this prefix. */
static const char *
part_name(struct topology *topo, const struct flow_spec *spec, const char *suffix,
	const char *prefix)
{
	const char *name = next_name(topo, prefix);
	return spec->name ? with_suffix(topo, spec->name, suffix) : name;
}

static const char *
part_topic(struct topology *topo, const struct flow_spec *spec, const char *suffix,
	const char *prefix)
{
	const char *name = next_name(topo, prefix);
	return with_suffix(topo, spec->name ? spec->name : name, spec->name ? suffix : "-topic");
}

/* left T -> FK_LEFT -> registration topic -> FK_RIGHT (and right T) -> response topic ->
 * FK_OUT, which looks into the left T. */
static void
build_foreign_key_join(struct topology *topo, const struct flow_spec *spec,
	struct topology_id *const *from)
{
	const char *registration = part_topic(topo, spec, "-subscription-registration-topic",
		"KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-");
	int left = topology_node_add(topo, FLOW_FK_LEFT, FLOW_KIND_NONE, spec,
		part_name(topo, spec, "-subscription-registration-processor",
			"KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-"));
	topo->node[left].window = from[0]->window;
	topology_edge_add(topo, from[0]->node, left);
	next_name(topo, "KTABLE-SINK-");
	int in = topology_node_add(topo, FLOW_REPARTITION_SOURCE, FLOW_KIND_STREAM, spec,
		part_name(topo, spec, "-subscription-registration-source", "KTABLE-SOURCE-"));
	const char *store = part_name(topo, spec, "-subscription-store",
		"KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-");
	int right = topology_node_add(topo, FLOW_FK_RIGHT, FLOW_KIND_NONE, spec,
		part_name(topo, spec, "-subscription-receive",
			"KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-"));
	topology_edge_add(topo, in, right);
	topology_edge_add(topo, from[1]->node, right);
	next_name(topo, "KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-");
	next_name(topo, "KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-");
	const char *response = part_topic(topo, spec, "-subscription-response-topic",
		"KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-");
	next_name(topo, "KTABLE-SINK-");
	int back = topology_node_add(topo, FLOW_REPARTITION_SOURCE, FLOW_KIND_STREAM, spec,
		part_name(topo, spec, "-subscription-response-source", "KTABLE-SOURCE-"));
	next_name(topo, "KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-");
	int out = topology_node_add(topo, FLOW_FK_OUT, FLOW_KIND_TABLE, spec,
		part_name(topo, spec, "-result", "KTABLE-FK-JOIN-OUTPUT-"));
	topology_edge_add(topo, back, out);
	look_into(topo, from[0]->node, out);
	topo->node[left].topic = topo->node[in].topic = registration;
	topo->node[right].topic = topo->node[back].topic = response;
	topo->node[right].store[0] = store;
	topo->node[out].store[0] = next_name(topo, "KTABLE-FK-JOIN-OUTPUT-STATE-STORE-");
	set_window(topo, topology_id_add(topo, spec->id, FLOW_KIND_TABLE, out), from[0]->window);
}

/* ---- all ---- */

void
topology_build(struct topology *topo, const struct flow_spec *spec, struct topology_id *const *from)
{
	switch (spec->op) {
	case FLOW_STREAM: build_stream(topo, spec); break;
	case FLOW_TABLE:
	case FLOW_GLOBAL_TABLE: build_table(topo, spec); break;
	case FLOW_MERGE: build_merge(topo, spec, from); break;
	case FLOW_BRANCH: build_branch(topo, spec, from[0]); break;
	case FLOW_CUSTOM: build_custom(topo, spec, from); break;
	case FLOW_GROUP_BY_KEY:
	case FLOW_GROUP_BY: build_group(topo, spec, from[0]); break;
	case FLOW_AGGREGATE: build_aggregate(topo, spec, from[0]); break;
	case FLOW_COGROUP: build_cogroup(topo, spec, from); break;
	case FLOW_SUPPRESS: build_suppress(topo, spec, from[0]); break;
	case FLOW_TO_TABLE: build_to_table(topo, spec, from[0]); break;
	case FLOW_REPARTITION: build_repartition(topo, spec, from[0]); break;
	case FLOW_STREAM_STREAM_JOIN: build_stream_join(topo, spec, from); break;
	case FLOW_STREAM_TABLE_JOIN:
	case FLOW_STREAM_GLOBAL_JOIN: build_look_join(topo, spec, from); break;
	case FLOW_TABLE_TABLE_JOIN: build_table_join(topo, spec, from); break;
	case FLOW_FOREIGN_KEY_JOIN: build_foreign_key_join(topo, spec, from); break;
	default: build_plain(topo, spec, from[0]); break;
	}
}
