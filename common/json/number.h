/*
 * Numbers as jq 1.6 reads and prints them: a double, printed with the fewest digits that
 * read back as the same double.
 *
 * Uses: base, libjq (for what cannot be done exactly in a few instructions).  Pure.
 */
#ifndef KQ_JSON_NUMBER_H
#define KQ_JSON_NUMBER_H

#include "base/base.h"

/* A number of JSON's grammar, taken apart: (-1)^is_negative * digits * 10^exponent. */
struct number {
	uint64_t digits;
	int exponent;
	bool is_negative;
	bool is_exact;   /* digits and exponent say it all; else there are too many digits */
	bool is_printed; /* jq prints the number with the same bytes */
};

/* Take apart the number at p, which ends before end.  Returns where it ends, or NULL if
 * no number of JSON's grammar begins at p. */
const uint8_t *number_scan(const uint8_t *p, const uint8_t *end, struct number *out);

/* The value of a number that takes up the whole text. */
double number_value(const struct number *number, struct str text);

/* A sign, 17 digits, and 15 zeros before jq takes to exponents. */
enum { NUMBER_SIZE_MAX = 40 };

/* Print as jq does: NaN as null, infinities as the largest double.  Returns the number of
 * bytes, at most NUMBER_SIZE_MAX. */
int number_put(uint8_t *out, double value);

#endif
