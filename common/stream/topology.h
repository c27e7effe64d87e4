/*
 * A topology: the operators of an application, and how records flow between them.
 *
 *	topo = topology_new("app");
 *	topology_add(topo, &(struct flow_spec){ .id = "n1", .op = FLOW_STREAM, .topic = "in" }, &e);
 *	topology_add(topo, &(struct flow_spec){ .id = "n2", .op = FLOW_FILTER, .from = { "n1" }, ...
 *	topology_finish(topo, &e);
 *	task = flow_task_new(topo, ...);        (task.h)
 *
 * The rules are those of Kafka Streams with its record caches off, and where it loses
 * results or gives wrong ones, those that t/stream/README.md lists.
 *
 * topology_finish puts a repartition step in front of each aggregation, join and to_table
 * below a changed key, names the nodes, stores and internal topics as Kafka Streams does,
 * and splits the graph at its repartition topics into sub-topologies.
 *
 * Uses: base, flow.  Built by one thread; finished, any number of tasks may share it (their
 * functions not: a function serves one thread at a time).
 */
#ifndef KQ_STREAM_TOPOLOGY_H
#define KQ_STREAM_TOPOLOGY_H

#include "stream/flow.h"

/* S stream, T table, G grouped stream, H grouped table, L global table. */
enum flow_op {
	FLOW_STREAM,             /* topic -> S */
	FLOW_TABLE,              /* topic -> T; history_ms > 0: versioned */
	FLOW_GLOBAL_TABLE,       /* topic -> L */
	FLOW_FILTER,             /* S -> S, T -> T; fn.test */
	FLOW_FILTER_NOT,
	FLOW_MAP_VALUES,         /* S -> S, T -> T; fn.value */
	FLOW_SELECT_KEY,         /* S -> S; fn.value */
	FLOW_MAP,                /* S -> S; fn.pairs, exactly one */
	FLOW_FLAT_MAP,           /* S -> S; fn.pairs */
	FLOW_PEEK,               /* S -> S; fn.test, its result is ignored */
	FLOW_MERGE,              /* S, S, ... -> S */
	FLOW_BRANCH,             /* S -> one S for each of branch[] and default_id */
	FLOW_GROUP_BY_KEY,       /* S -> G */
	FLOW_GROUP_BY,           /* S -> G by fn.value; T -> H by fn.pairs, exactly one */
	FLOW_AGGREGATE,          /* G, H -> T; agg (count and reduce are kinds of agg) */
	FLOW_COGROUP,            /* G, G, ... -> T; cogroup[], init of agg */
	FLOW_SUPPRESS,           /* T -> T */
	FLOW_STREAM_STREAM_JOIN, /* S, S -> S; fn.value of $left, $right */
	FLOW_STREAM_TABLE_JOIN,  /* S, T -> S */
	FLOW_STREAM_GLOBAL_JOIN, /* S, L -> S; key_fn.value */
	FLOW_TABLE_TABLE_JOIN,   /* T, T -> T */
	FLOW_FOREIGN_KEY_JOIN,   /* T, T -> T; key_fn.value of the left row */
	FLOW_TO_STREAM,          /* T -> S */
	FLOW_TO_TABLE,           /* S -> T */
	FLOW_REPARTITION,        /* S -> S, explicitly */
	FLOW_TO,                 /* S -> topic; a table is taken as its stream */
	FLOW_CUSTOM,             /* S -> S: an operator of the program (node.h) */

	/* Steps that topology_add makes by itself; not for flow_spec. */
	FLOW_REPARTITION_SINK,   /* S, H -> internal topic */
	FLOW_REPARTITION_SOURCE, /* internal topic -> S, H */
	FLOW_BRANCH_OUT,         /* one of a branch's streams */
	FLOW_LATE,               /* the stream late_id of its input */
	FLOW_FK_LEFT,            /* T -> registration topic */
	FLOW_FK_RIGHT,           /* registration topic, T -> response topic */
	FLOW_TABLE_STEP,         /* a filter or map_values with rows of its own */
	FLOW_FK_OUT,             /* response topic, with a look into the left T -> T */
	FLOW_FLAT_KEY,           /* S -> S: windowed keys become bytes, as in a topic */
};

enum flow_kind {
	FLOW_KIND_NONE, FLOW_KIND_STREAM, FLOW_KIND_TABLE, FLOW_KIND_GROUPED_STREAM,
	FLOW_KIND_GROUPED_TABLE, FLOW_KIND_GLOBAL
};

enum flow_window_type {
	FLOW_NO_WINDOW, FLOW_TUMBLING, FLOW_HOPPING, FLOW_SLIDING, FLOW_SESSION, FLOW_UNLIMITED
};

struct flow_window {
	enum flow_window_type type;
	int64_t size_ms;    /* tumbling, hopping: size; sliding: difference; session: gap */
	int64_t advance_ms; /* hopping */
	int64_t grace_ms;
	int64_t start_ms;   /* unlimited */
	const struct flow_window *inner; /* of the keys that were put into windows again; set by
	                                  * topology_add */
};

enum flow_join_kind { FLOW_INNER, FLOW_LEFT, FLOW_OUTER };

struct flow_join_window {
	int64_t before_ms, after_ms, grace_ms;
};

struct flow_suppress {
	bool until_window_closes;
	int64_t limit_ms;     /* otherwise: time limit */
	int64_t max_records;  /* 0: unbounded */
	int64_t max_bytes;    /* 0: unbounded */
	bool shuts_down;      /* when the buffer is full: fail; otherwise emit early */
};

struct flow_case {
	const char *id;       /* of the branch's stream; of the group (cogroup) */
	struct flow_fn *fn;   /* branch: test */
	struct flow_agg *agg; /* cogroup: its add */
};

enum { FLOW_FROM_MAX = 16 };

/* One node, as the user declares it.  Strings and arrays are copied; functions are
 * borrowed and must outlive the tasks. */
struct flow_spec {
	const char *id;                     /* unique; other nodes name it */
	enum flow_op op;
	const char *from[FLOW_FROM_MAX];    /* ids; of a join: left, right */
	const char *topic;
	const char *name;                   /* of the node and its store; NULL: as Kafka would */
	struct flow_fn *fn, *key_fn;
	struct flow_agg *agg;
	const struct flow_case *cases;      /* branch, cogroup */
	int ncase;
	const char *default_id;             /* branch: the rest goes here; NULL: nowhere */
	struct flow_window window;
	bool emits_on_close;                /* aggregations: FLOW on_window_close */
	enum flow_join_kind kind;
	struct flow_join_window join_window;
	int64_t join_grace_ms;              /* stream_table_join with a versioned table; -1: none */
	int64_t history_ms;                 /* versioned tables; 0: none */
	bool is_materialized;               /* filter, map_values of a table, table_table_join: an
	                                     * ordinary table with rows of its own */
	struct flow_suppress suppress;
	int32_t npart;                      /* FLOW_REPARTITION: partitions; 0: automatic */
	const char *late_id;                /* windows, joins: stream of the records that came too
	                                     * late for all windows, or for the join */
	const void *custom;                 /* FLOW_CUSTOM: its struct flow_node_ops */
	bool is_by_key;                     /* FLOW_CUSTOM: equal keys must meet in one task */
	bool changes_key;                   /* FLOW_CUSTOM: as select_key does */
	void *tag;                          /* the caller's: kept with the node */
};

/*
 * A node as tasks run it.  A spec makes one node or, with a repartition step or a foreign
 * key, several; a grouping of a stream by its key makes none.
 */
struct topology_node {
	enum flow_op op;
	enum flow_kind kind;                /* of what it sends */
	const struct flow_spec *spec;       /* that made it */
	int from[FLOW_FROM_MAX], nfrom;     /* inputs: indices of nodes */
	struct topology_user {
		int node, port;                 /* the user and the number of its input */
	} *user;                            /* in the order of their declaration */
	int nuser;
	int late;                           /* the node of spec->late_id; -1: none */
	int part;                           /* sub-topology; -1: a global table, in each that
	                                     * looks into it */
	const char *name;                   /* as Kafka Streams names it */
	const char *store[3];               /* names of its stores: NULL if it has none; of a
	                                     * stream-stream join: this, other, shared */
	const char *topic;                  /* source, sink; internal ones without application */
	const struct flow_window *window;   /* of its keys; NULL: they are plain */
	bool wants_old;                     /* does a user look at old values? */
	bool wants_get;                     /* ... or at single rows? */
	bool wants_all;                     /* ... or at deletions of rows that were not there? */
	bool takes_null_keys;               /* repartition sink: null keys pass */
	bool keeps_rows;                    /* table-table join: one update may reach it by both
	                                     * sides, so it must know what it sent */
};

struct topology;

struct topology *topology_new(const char *application);
void topology_free(struct topology *topo);

/* Add a node below earlier ones.  Returns 0, or -1 (ERR_USAGE): an unknown or repeated id,
 * a step that does not fit its input's kind, a size that makes no sense. */
int topology_add(struct topology *topo, const struct flow_spec *spec, struct err *e);

/* What the id names; FLOW_KIND_NONE: nothing, or a sink. */
enum flow_kind topology_kind(const struct topology *topo, const char *id);

/* No more nodes.  Returns 0, or -1 (ERR_USAGE) if the whole makes no sense. */
int topology_finish(struct topology *topo, struct err *e);

/* ---- of a finished topology ---- */

const char *topology_application(const struct topology *topo);
int topology_nodes(const struct topology *topo, const struct topology_node **v); /* number */
int topology_parts(const struct topology *topo); /* number of sub-topologies */

#endif
