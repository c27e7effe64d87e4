/*
 * What can be told from the tokens of a jq program: which variables it reads, which
 * functions it calls that need a guard, and whether it calls one that is not available.
 *
 * Uses: json/expr.h.  Pure.
 */
#ifndef KQ_JSON_JQLEX_H
#define KQ_JSON_JQLEX_H

#include "json/expr.h"

/* Functions of libjq 1.6 that end the process, or never end, for some arguments: jqprog.c
 * puts guarded definitions in front of a program that calls one. */
enum jqlex_guard {
	JQLEX_IMPLODE = 1 << 0,
	JQLEX_MATCH   = 1 << 1,
	JQLEX_INDEX   = 1 << 2,
	JQLEX_TIMES   = 1 << 3, /* '*' */
	JQLEX_DATES   = 1 << 4,
	JQLEX_MOD     = 1 << 5, /* '%' */
};

struct jqlex {
	bool uses[EXPR_NVAR]; /* EXPR_DOT: always true */
	unsigned guards;      /* enum jqlex_guard */
};

/*
 * Look at the program.  Returns 0, or -1 (ERR_USAGE, with the column) if it is empty, is
 * not UTF-8, has brackets that do not fit or more than 200 levels of them, or names what
 * an expression has no business with: other input, the environment, modules, output,
 * the end of the process, and jq's own functions, which begin with '_'.
 */
int jqlex_scan(struct jqlex *lex, struct str text, struct err *e);

/* Fill *e (ERR_USAGE) with the place and the reason: "column 3: ..."; "line 2, column 3:
 * ..." below the first line.  at is a byte of the text.  Returns -1. */
int jqlex_error(struct str text, int32_t at, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
