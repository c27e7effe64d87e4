/*
 * Regular expressions over topic names, whose cost is bounded: matching takes
 * at most the size of the program times that of the name, whatever either is.
 * (regcomp of the C library took 39 s for 24 bytes.)
 *
 * The syntax is RE2's, as in Kafka, as far as names need it: alternatives,
 * groups (also "(?:"), * + ? {n} {n,} {n,m} and their lazy forms, brackets
 * with ranges and [:classes:], . ^ $ \d \w \s \D \W \S \b \B \A \z, \Q...\E.
 * Back-references, look-around, flags and Unicode classes are refused.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_BASE_PATTERN_H
#define KQ_BASE_PATTERN_H

#include "base/base.h"
#include "base/mem.h"

enum {
	PATTERN_SIZE_MAX = 1000,   /* bytes of an expression */
	PATTERN_PROGRAM_MAX = 1200, /* steps, repetitions written out */
};

struct pattern;

/* In the arena, which has no cap; NULL: not one that we take. */
const struct pattern *pattern_compile(struct str s, struct arena *a);

/* Does the whole name match?  The arena is for the moment. */
bool pattern_matches(const struct pattern *p, struct str name, struct arena *a);

#endif
