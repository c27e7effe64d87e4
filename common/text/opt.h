/*
 * Command lines.  One table a command tells its options; from it come the
 * parser, --help, the words for completion and the manual's OPTIONS section.
 *
 *   static bool is_json;
 *   static int64_t npartition = 1;
 *   static const struct opt opts[] = {
 *   	{ 'p', "partitions", OPT_INT, &npartition, "N", .phrase = "partitions to make", .min = 1, .max = 100000 },
 *   	{ 0, "json", OPT_FLAG, &is_json, NULL, .phrase = "one JSON object a line" },
 *   	OPT_END
 *   };
 *
 * Options and operands may be mixed; "--" ends the options.  A value follows
 * its option, or stands behind '=' (long) or at once (-p4).  Every program
 * has -h, --help (and its forms =words and =mdoc) and --version besides; one
 * with verbs also has the verb help: "help VERB" is "VERB --help".
 *
 * An option with a value may stand once only, unless it is repeatable: of two
 * values that contradict each other neither is taken silently.
 *
 * Uses: base (map), units, say.  One thread.
 */
#ifndef KQ_TEXT_OPT_H
#define KQ_TEXT_OPT_H

#include "base/base.h"
#include "base/err.h"

enum opt_kind {
	OPT_KIND_END,
	OPT_FLAG,     /* bool *: set */
	OPT_STRING,   /* const char **; with choices, one of those */
	OPT_INT,      /* int64_t *, from min to max (both 0: any) */
	OPT_SIZE,     /* int64_t *, bytes; the same limits */
	OPT_DURATION, /* int64_t *, ms; the same limits; a unit must be given */
	OPT_CALL,     /* call it, each time the option comes */
};

enum {
	/* The protocol's limit of a string, and ours of every word on a command
	 * line that may become one. */
	OPT_TEXT_MAX = 32767,
};

/* Take one value.  Returns 0, or -1 with ERR_USAGE. */
typedef int opt_fn(void *to, const char *value, struct err *e);

struct opt {
	char letter;         /* 0: none */
	const char *name;    /* long name; NULL: none */
	enum opt_kind kind;
	void *to;
	const char *arg;     /* what its value is called; NULL for a flag */
	const char *phrase;
	const char *choices; /* "none|gzip|lz4"; or NULL */
	int64_t min, max;    /* OPT_STRING, OPT_CALL: at most max bytes; 0: OPT_TEXT_MAX */
	opt_fn *call;
	bool is_repeatable;  /* may stand more than once: it adds to a list */
};
#define OPT_END { .kind = OPT_KIND_END }

struct opt_verb {
	const char *name;     /* NULL ends the table */
	const char *operands; /* "NAME..." */
	const char *phrase;
	const struct opt *opts; /* or NULL */
	int (*run)(int argc, char **argv); /* the operands; returns the exit code */
	const char *alias;    /* a second, shorter name; or NULL */
	bool is_silent;       /* prints nothing: stdout may be closed */
};

/* An option of another tool, and what to do instead. */
struct opt_foreign {
	const char *option;   /* "-t", "--topic"; NULL at the end */
	const char *answer;   /* "name the topic: kq-consume TOPIC" */
};
#define OPT_FOREIGN_END { NULL, NULL }

struct opt_command {
	const char *operands;   /* "TOPIC [FILE...]", or "VERB ..." */
	const char *phrase;     /* what the program does */
	const char *examples;   /* lines of help, first, under "Examples:" */
	const char *notes;      /* lines of help, last; or NULL */
	const struct opt *opts; /* those of every verb, when there are verbs */
	const struct opt_verb *verbs; /* or NULL */
	const char *version;    /* what is built in, for --version; or NULL */
	const struct opt_foreign *foreign; /* or NULL */
};

struct opt_result {
	int argc;             /* operands, without the verb */
	char **argv;          /* moved to the front of the argv given */
	const struct opt_verb *verb; /* NULL when the command has none */
};

/* Parse argv (argv[0] is the program).  0: go on; 1: help or the version was
 * asked for and printed, end with EXIT_DONE; -1: *e says what is wrong. */
int opt_parse(const struct opt_command *c, int argc, char **argv,
	struct opt_result *r, struct err *e);

/*
 * The main of a program with verbs: parse, and run the verb, unless check, which
 * may know more than the tables do, says -1.  Returns the exit code.
 */
int opt_main(const struct opt_command *c, int argc, char **argv,
	int (*check)(struct opt_result *r, struct err *e));

/* Has the verb as many operands as its words in the table say?  "X" is one,
 * "X..." one or more, and "[X]" and "[X...]" may be none.  If one lacks, it is
 * asked for as 'which WHAT?'.  0; or -1 with ERR_USAGE. */
int opt_check_operands(const struct opt_result *r, const char *what, struct err *e);

/* Make a set of the operands from the one at index from on: of equal ones the
 * first remains. */
void opt_drop_repeats(struct opt_result *r, int from);

/* The word of the list (up to a NULL) that text was probably meant to be, or
 * NULL. */
const char *opt_suggest(const char *text, const char *const *words);

#endif
