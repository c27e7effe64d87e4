/*
 * Programs in jq's language, run on JSON texts.
 *
 * A program that the compiled subset covers runs over the bytes of its input, and
 * no document is built; any other one is run by libjq.  Which of the two runs never
 * shows in a result: the differential fuzz test compares them.
 *
 *	set = expr_set_new(&opts);
 *	expr = expr_add(set, STR(".amount > 100"), &e);
 *	for each record {
 *		expr_set_next(set);
 *		rc = expr_test(expr, &in, &e);
 *	}
 *
 * The programs of a set share what was learned of an input: the same text (same address
 * and length, since expr_set_next) is scanned once.  Add all programs before the first
 * run, so that one scan finds the members that any of them wants.
 *
 * A null slice is JSON null, in inputs and in results.  An input may have white space
 * around and inside; a result is compact, as jq -c prints it.  An input that is not one
 * JSON text is an error (ERR_CORRUPT) of each program that runs on it.
 *
 * Uses: base, libjq.  A set and its programs belong to one thread at a time.
 */
#ifndef KQ_JSON_EXPR_H
#define KQ_JSON_EXPR_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

/* What a program sees: '.', and the variables. */
enum expr_var { EXPR_DOT, EXPR_KEY, EXPR_ACC, EXPR_LEFT, EXPR_RIGHT, EXPR_NVAR };

struct expr_in {
	struct str v[EXPR_NVAR]; /* JSON texts; of those not used by the program any value */
};

struct expr_opts {
	int timeout_ms;     /* longest run of one program on one input; 0: 1000 */
	size_t result_max;  /* largest result, bytes; 0: 16 MiB */
	bool only_libjq;    /* never use the compiled subset: for tests */
};

struct expr_set;
struct expr;

struct expr_set *expr_set_new(const struct expr_opts *o); /* o may be NULL */
void expr_set_free(struct expr_set *set);                 /* and its programs */

/* A new record: results are no longer valid, and addresses may hold other texts. */
void expr_set_next(struct expr_set *set);

/* Is the text one JSON text?  0, or -1 (ERR_CORRUPT, with the column).  What was learned
 * serves the programs that run on the same text. */
int expr_set_check(struct expr_set *set, struct str text, struct err *e);

/*
 * Compile a program.  The text is copied; the set owns the program.  NULL (ERR_USAGE) if it
 * does not compile, or names what is not there: other input (input, ...), the environment,
 * modules, output (debug, ...), halt, names that begin with _.  The message begins with
 * "column N: ", counted in characters from 1 ("line N, column N: " below the first line).
 */
struct expr *expr_add(struct expr_set *set, struct str text, struct err *e);

/* Does the program read this? */
bool expr_uses(const struct expr *expr, enum expr_var var);

/*
 * All runs return -1 when the program raises an error (ERR_USAGE), when its input is not
 * one JSON text (ERR_CORRUPT), and when it runs longer than timeout_ms, takes more than 512
 * MiB or has a larger result than result_max (ERR_LIMIT).  A program that cannot be stopped
 * even so ends the process: see jqwatch.h.
 */

/* Is its first result neither false nor null?  1 or 0; without a result 0. */
int expr_test(struct expr *expr, const struct expr_in *in, struct err *e);

/* Its only result, valid until expr_set_next.  1; 0: it has none (*out is null); -1 also
 * if it has more than one. */
int expr_value(struct expr *expr, const struct expr_in *in, struct str *out, struct err *e);

/* All its results, valid until expr_set_next.  Their number, or -1. */
int expr_each(struct expr *expr, const struct expr_in *in, struct str **out, struct err *e);

/* Its only result as a number.  1; 0: it has none, or null; -1 if it is no number. */
int expr_number(struct expr *expr, const struct expr_in *in, double *out, struct err *e);

#endif
