/*
 * Regular expressions over names, with bounded cost: the time of a match is at most
 * proportional to the size of the program times that of the name.  (The C library's
 * regcomp took 39 s for an expression of 24 bytes.)
 *
 * The syntax is RE2's, as in Kafka, as far as names need it: alternatives,
 * groups (also "(?:"), * + ? {n} {n,} {n,m} and their lazy forms, brackets
 * with ranges and [:classes:], . ^ $ \d \w \s \D \W \S \b \B \A \z, \Q...\E.
 * Back-references, look-around, flags and Unicode classes are refused.
 *
 * Uses: base.  A pattern is used by one thread at a time.
 */
#ifndef KQ_BASE_PATTERN_H
#define KQ_BASE_PATTERN_H

#include "base/base.h"
#include "base/mem.h"

enum {
	PATTERN_SIZE_MAX = 1000,   /* bytes of an expression */
	PATTERN_PROGRAM_MAX = 1200, /* steps, with repetitions written out */
};

struct pattern;

/* Compiles an expression.  The pattern and its working memory, about 50 KiB,
 * are in the arena, which has no cap.  NULL: the syntax is wrong or not
 * supported, or the expression is too long. */
struct pattern *pattern_compile(struct str s, struct arena *a);

/* Whether the whole name matches; a part of it is not enough. */
bool pattern_matches(struct pattern *pattern, struct str name);

/* The work of all matches so far, in steps of the program; a step takes some
 * nanoseconds.  For a caller that tries many names and has to stop somewhere. */
int64_t pattern_work(const struct pattern *pattern);

#endif
