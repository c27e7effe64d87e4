/*
 * The compiled subset of jq: expr.c's fast path.
 *
 * A program is compiled to a tree of nodes that runs over the bytes of its input.  Nothing
 * here decides what libjq would decide otherwise: whatever is rare or hard makes the answer
 * COMPILED_ASK, and expr.c asks libjq.  So it is with
 *	programs outside of the subset (compiled_add returns NULL),
 *	inputs that are not plain JSON (RFC 8259, UTF-8, at most 64 levels): libjq takes some of
 *	them and refuses others,
 *	runs that raise an error: libjq finds the message,
 *	runs that take much memory: libjq runs under limits of time and memory.
 *
 * Covered: paths, slices, .[], variables, literals, comparisons, and, or, not, arithmetic,
 * //, if, ?, reduce, `as $x`, test of a constant, plain dates, construction of objects,
 * arrays and strings, and the functions in the table of compile.c.
 *
 * Uses: base, json/expr.h, libjq (for numbers that are hard to convert).  One thread at a
 * time for a set.
 */
#ifndef KQ_JSON_COMPILED_H
#define KQ_JSON_COMPILED_H

#include "json/expr.h"

enum { COMPILED_ASK = -2 }; /* libjq shall answer */

struct compiled_set;
struct compiled;

struct compiled_set *compiled_set_new(void);
void compiled_set_free(struct compiled_set *set); /* and its programs; NULL: no effect */

/* As expr_set_next. */
void compiled_set_next(struct compiled_set *set);

/* 1: the text is one JSON text.  COMPILED_ASK: it may be. */
int compiled_set_check(struct compiled_set *set, struct str text);

/* Compile a program; the text is copied.  NULL: it is not covered, or it is wrong. */
struct compiled *compiled_add(struct compiled_set *set, struct str text);

/* Does the program read this? */
bool compiled_uses(const struct compiled *program, enum expr_var var);

/* As expr_test, expr_value, expr_each and expr_number, with COMPILED_ASK for errors. */
int compiled_test(struct compiled *program, const struct expr_in *in);
int compiled_value(struct compiled *program, const struct expr_in *in, struct str *out);
int compiled_each(struct compiled *program, const struct expr_in *in, struct str **out);
int compiled_number(struct compiled *program, const struct expr_in *in, double *out);

#endif
