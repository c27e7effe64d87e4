/*
 * A program that libjq runs.
 *
 * Uses: jqlex, jqwatch, libjq.  One thread at a time.
 */
#ifndef KQ_JSON_JQPROG_H
#define KQ_JSON_JQPROG_H

#include "json/jqlex.h"

#include <jq.h>

struct jqprog;

/* Compile a program that jqlex_scan has accepted.  NULL (ERR_USAGE, with the column) if
 * libjq refuses it.  It takes libjq 1.6 about 20 ms. */
struct jqprog *jqprog_new(struct str text, const struct jqlex *lex, int timeout_ms,
	struct err *e);
void jqprog_free(struct jqprog *prog);

/* Run it; jqprog_next gives its results.  v has a value for each variable that it reads,
 * and keeps them. */
void jqprog_begin(struct jqprog *prog, const jv v[EXPR_NVAR]);

/* 1: *out is the next result, the caller's; 0: there is none; -1: the program raised an
 * error (ERR_USAGE), or was ended for its time or memory (ERR_LIMIT). */
int jqprog_next(struct jqprog *prog, jv *out, struct err *e);

/* After the last jqprog_next, whatever it gave. */
void jqprog_end(struct jqprog *prog);

#endif
