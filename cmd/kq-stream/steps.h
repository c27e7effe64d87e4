/*
 * Steps: an application as the user wrote it.  Words of a command line and YAML are two
 * notations of the same steps; one table has their verbs and arguments, from which the
 * parsers, --help, completion and the manual page follow.
 *
 *	from orders time .ts then by .customer then agg n=count then to -
 *
 *	streams:
 *	  main:
 *	    - from: orders
 *	      time: .ts
 *	    - by: .customer
 *	    - agg:
 *	        n: count
 *	    - to: '-'
 *
 * Uses: base, text/opt.
 */
#ifndef KQ_STREAM_CMD_STEPS_H
#define KQ_STREAM_CMD_STEPS_H

#include "base/err.h"
#include "base/mem.h"

enum step_kind {
	STEP_FROM, STEP_USE, STEP_TIME, STEP_FILTER, STEP_FILTER_NOT, STEP_MAP, STEP_FLATMAP,
	STEP_BY, STEP_PEEK, STEP_SAMPLE, STEP_DEDUPE, STEP_MERGE, STEP_BRANCH, STEP_EXEC, STEP_EVERY,
	STEP_REPARTITION, STEP_WINDOW, STEP_AGG, STEP_TOP, STEP_REDUCE, STEP_AGGREGATE, STEP_COGROUP,
	STEP_EMIT, STEP_LATE, STEP_JOIN, STEP_TABLE, STEP_STREAM, STEP_TO,
	STEP_NKIND
};

enum step_arg_kind {
	STEP_ARG_EXPR,      /* a jq expression */
	STEP_ARG_CONSTANT,  /* a JSON text */
	STEP_ARG_TOPIC,     /* "-" where the verb allows it */
	STEP_ARG_TOPICS,    /* several, separated by commas */
	STEP_ARG_STREAM,    /* the name of a stream of the file */
	STEP_ARG_STREAMS,   /* several, separated by commas */
	STEP_ARG_DURATION,  /* "1m" */
	STEP_ARG_COUNT,     /* 1, 2, ... */
	STEP_ARG_CHOICE,    /* one of choices */
	STEP_ARG_TEXT,
	STEP_ARG_PAIRS,     /* NAME=TEXT words up to the next 'then'; in YAML a map */
};

enum step_arg_place {
	STEP_ARG_FIRST,     /* follows the verb, without its name */
	STEP_ARG_MAYBE,     /* likewise, but may be absent; a choice: if the word is one of them */
	STEP_ARG_NAMED,     /* after its name, in any order; may be absent unless is_needed */
};

struct step_arg {
	const char *name;    /* NULL ends the list; in YAML the first one's is the verb's */
	enum step_arg_kind kind;
	enum step_arg_place place;
	const char *shown;   /* in --help: "EXPR" */
	const char *phrase;
	const char *choices; /* "inner|left"; or NULL */
	bool is_needed;      /* in --help; who takes it says what is missing */
};

enum { STEP_ARGS_MAX = 14, STEP_PAIRS_MAX = 64, STEP_STEPS_MAX = 500, STEP_CHAINS_MAX = 100,
	STEP_TEXT_MAX = 1 << 20 };

struct step_verb {
	const char *name;
	enum step_kind kind;
	const char *phrase;
	const char *example; /* lines of --help */
	const char *notes;   /* or NULL */
	struct step_arg arg[STEP_ARGS_MAX];
	bool is_yaml_only;
};

/* The verbs, in the order of enum step_kind. */
extern const struct step_verb step_verbs[STEP_NKIND];

struct step_pair {
	const char *name, *text;
};

struct step {
	const struct step_verb *verb;
	const char *where;   /* for messages: "filter", or "revenue.yaml:12: filter" */
	const char *value[STEP_ARGS_MAX]; /* in the order of verb->arg; NULL: not given */
	struct step_pair *pair; /* of the argument that has STEP_ARG_PAIRS */
	int npair;
};

/* A chain of steps; what it ends in is known by its name. */
struct step_chain {
	const char *name, *where;
	struct step *step;
	int nstep, cap;
};

struct steps {
	const char *file;    /* for messages; NULL: a command line */
	struct step_chain *chain;
	int nchain, cap;
	struct arena arena;  /* strings and pairs */
};

void steps_release(struct steps *steps);

/* The verb of this name; NULL after filling *e, with a suggestion. */
const struct step_verb *step_find_verb(const char *name, struct err *e);

/* The argument of this name, or -1. */
int step_find_arg(const struct step_verb *verb, const char *name);

/* The value of the argument, or NULL. */
const char *step_value(const struct step *step, const char *arg);

/* For the parsers: a chain, a step at its end, a value checked for its form, a pair. */
struct step_chain *steps_add_chain(struct steps *steps, const char *name, const char *where);
struct step *steps_add_step(struct step_chain *chain, const struct step_verb *verb,
	const char *where);
int steps_set(struct steps *steps, struct step *step, int arg, const char *text, struct err *e);
int steps_add_pair(struct steps *steps, struct step *step, struct str name, struct str text,
	struct err *e);
/* Nothing more follows: is what the verb needs there? */
int steps_check(const struct step *step, struct err *e);

/* Words, the first being a verb.  Words are copied. */
int steps_parse_words(struct steps *steps, int argc, char **argv, struct err *e);

/* ---- help ---- */

/* Print --help of a verb. */
void step_print_help(const struct step_verb *verb);

/* Print all verbs for the manual page, and as rows for completion: "then", verb, usage, "",
 * phrase, with tabs between. */
void step_print_mdoc(void);
void step_print_words(void);

/* Append "window TYPE [SIZE] [every TIME] ...". */
void step_put_usage(const struct step_verb *verb, struct buf *out);

#endif
