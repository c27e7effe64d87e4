/*
 * A plan: what a one-liner or a YAML file asks for, resolved and checked, as data.
 *
 *	words or YAML -> steps (steps.h) -> plan -> topology and functions (program.h)
 *
 * Every node of a plan is one node of the topology; its functions are still texts.  A plan
 * does not change once it is made, so threads may share it; each makes a program of its
 * own from it.
 *
 * Uses: common/stream/topology.
 */
#ifndef KQ_STREAM_CMD_PLAN_H
#define KQ_STREAM_CMD_PLAN_H

#include "stream/topology.h"

/* What bytes in a topic, on stdin or on stdout mean. */
enum plan_format {
	PLAN_JSON,  /* one JSON text */
	PLAN_TEXT,  /* a string; written: strings as they are, other values as JSON */
	PLAN_BYTES, /* as text; bytes that are not UTF-8 are base64 in JSON: {"b64": "..."} */
	PLAN_CSV,   /* values of stdin and stdout only: a line with fields, after a header */
	PLAN_NFORMAT
};

/* S stream, T table, G grouped stream, H grouped table, L global table. */
enum plan_kind { PLAN_STREAM, PLAN_TABLE, PLAN_GROUPED, PLAN_GROUPED_TABLE, PLAN_GLOBAL };

enum plan_guarantee { PLAN_EXACTLY_ONCE, PLAN_AT_LEAST_ONCE };

/* What becomes of a record that cannot be read, or on which an expression fails. */
enum plan_errors { PLAN_FAIL, PLAN_SKIP, PLAN_DEAD_LETTER };

/* A jq expression, or a constant in JSON. */
struct plan_expr {
	const char *text;  /* NULL: none */
	const char *where; /* for messages: "filter", or "revenue.yaml:12: filter" */
};

/* What a node's function does with fn: which functions of flow_fn it has. */
enum plan_use {
	PLAN_NO_FN,
	PLAN_TEST,       /* fn is a test */
	PLAN_VALUE,      /* fn is a new value */
	PLAN_KEY,        /* fn is a new key, put into key_format */
	PLAN_RECODE,     /* no fn: the key, from in_key_format, put into key_format */
	PLAN_EACH,       /* each result of fn is a new value of the same key */
	PLAN_ROW_KEY,    /* fn is a new key for a row of a table, which stays as it is */
	PLAN_SAMPLE,     /* no fn: a test that lets one of `count` records through */
	PLAN_PRINT,      /* fn, or '.', is printed to stderr: peek */
	PLAN_DEDUPE,     /* fn, or the key: once within interval_ms */
	PLAN_EXEC,       /* values go through command */
	PLAN_EVERY,      /* the latest value of each key every interval_ms */
	PLAN_JOIN,       /* fn is made of $left and $right */
	PLAN_AGGREGATORS, /* agg: the aggregators of columns */
	PLAN_REDUCE,     /* agg: fn is the new $acc */
	PLAN_AGGREGATE,  /* agg: init, fn, sub, merge */
	PLAN_TOP,        /* agg: the `count` values with the highest fn */
	PLAN_COGROUP,    /* init, merge; case_fn makes the new $acc of each input */
};

/* One column of a result: total='sum(.amount)'. */
struct plan_column {
	const char *name;
	struct plan_expr spec;
};

struct plan_node {
	struct flow_spec spec;       /* without functions; spec.tag is this node */
	enum plan_kind kind;
	enum plan_use use;
	struct plan_expr fn, key_fn; /* key_fn gives a key in key_fn_format */
	struct plan_expr init, sub, merge;
	struct plan_expr *case_fn;   /* one for each of spec.cases */
	struct plan_column *column;
	int ncolumn;
	int64_t count, interval_ms;
	bool by_wall_clock;          /* interval_ms is of the wall clock */
	const char *command;
	enum plan_format in_key_format; /* of the records that it takes ($key) */
	enum plan_format key_format;    /* of the records that it sends */
	enum plan_format key_fn_format; /* of the table in which key_fn's result is looked up */
	bool is_windowed;            /* the keys that it sends have a window */
	bool is_session;             /* ... of a session */
	bool is_keyless;             /* its records are lines of stdin, still without keys */
	const char *where;           /* for messages, as that of a plan_expr */
	int index;                   /* in plan's nodes */
	int source, sink;            /* its index in plan's, or -1 */
};

/* A topic that is read, or stdin. */
struct plan_source {
	const char *topic;           /* "-": stdin */
	bool is_stdin;
	enum plan_format key_format, value_format;
	char separator;              /* of fields of CSV */
	struct plan_expr time;       /* of '.' and $key; none: the record's own */
	int node;
};

/* A topic that is written, or stdout. */
struct plan_sink {
	const char *topic;           /* "-": stdout */
	bool is_stdout;
	bool is_table;               /* what comes are updates of a table */
	bool is_session;             /* windowed keys have those of sessions */
	enum plan_format key_format, value_format;
	enum plan_format in_key_format; /* of the keys that come */
	char separator;              /* of fields of CSV */
	int node;
};

enum { PLAN_APPLICATION_MAX = 150, PLAN_INSTANCE_MAX = 200 };

/* The time limit of 'emit end': longer than any input, in ms. */
#define PLAN_FOREVER_MS INT64_C(1000000000000000)

struct plan_settings {
	const char *application;     /* id: the group, and the prefix of internal topics; NULL, in
	                              * what plan_new gets: to be made (resolve.c) */
	enum plan_guarantee guarantee;
	enum plan_errors errors;
	const char *dead_letter;     /* topic; with PLAN_DEAD_LETTER */
	bool window_key_is_kafka;    /* windowed keys in topics are Kafka's bytes, not JSON */
	bool until_end;              /* end at the end that the topics have now */
	int nthread, nstandby;
	int64_t commit_ms;
	int64_t memory_max;          /* bytes of state in memory */
	int64_t idle_ms;             /* max.task.idle.ms; -1: do not wait */
	const char *state_dir;       /* NULL: the default */
	const char *protocol;        /* of the group: auto, classic, consumer */
	const char *instance;        /* group.instance.id, but for the thread's number; NULL: none */
	int64_t session_ms;          /* classic: session timeout; 0: the default */
};

struct plan {
	const char *name;            /* of the file, or "command line" */
	struct plan_settings settings;
	bool has_default_id;         /* settings.application was not given */
	struct plan_node **node;     /* in the order of their declaration */
	int nnode;
	struct plan_source *source;
	int nsource;
	struct plan_sink *sink;
	int nsink;
	struct arena arena;          /* all of the plan's memory */
};

void plan_free(struct plan *plan); /* NULL: no effect */

/* Does it read or write a topic? */
bool plan_needs_broker(const struct plan *plan);

/* Does it write to stdout? */
bool plan_prints(const struct plan *plan);

/* Does it read stdin, and topics only as global tables? */
bool plan_is_local(const struct plan *plan);

/* "json", "text", ... */
extern const char *const plan_format_names[PLAN_NFORMAT];

#endif
