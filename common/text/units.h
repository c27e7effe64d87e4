/*
 * Quantities as people write them: sizes, durations, points in time.
 *
 * Uses: base, sys (the clock, for relative times).  Any thread.
 */
#ifndef KQ_TEXT_UNITS_H
#define KQ_TEXT_UNITS_H

#include "base/base.h"
#include "base/err.h"

/* A whole number between the limits, decimal, with an optional sign.
 * Returns 0, or -1 (ERR_USAGE, the text quoted). */
int units_parse_int(const char *text, int64_t min, int64_t max, int64_t *v,
	struct err *e);

/* Bytes: "100", "64k", "64KiB", "1.5M", "2G" (powers of 1024).  Bytes and milliseconds
 * take no fraction. */
int units_parse_size(const char *text, int64_t *bytes, struct err *e);

/* Milliseconds: "250" (ms), "250ms", "5s", "2m", "1h", "7d". */
int units_parse_duration(const char *text, int64_t *ms, struct err *e);

/* A point in time, in ms since 1970: a number of seconds since then if it has at most
 * ten digits, else of milliseconds; "2026-11-24",
 * "2026-11-24T10:00[:00[.123]][Z|+01:00]" (local time without a zone), or
 * "-1h" before now_ms (a duration).  A leading '@' is skipped. */
int units_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e);

enum { UNITS_TEXT_SIZE = 40 };

/* "1.20 GB" (powers of 1000); and "12.3 M", "7 ", to be followed by a word.  Both
 * return z. */
char *units_format_size(int64_t bytes, char z[UNITS_TEXT_SIZE]);
char *units_format_count(double n, char z[UNITS_TEXT_SIZE]);

/* The ending of a noun after the number n: "" or "s". */
const char *units_plural(int64_t n);

/* "250 ms", "1.5 s", "30 s", "5 min", "2 h". */
char *units_format_duration(int64_t ms, char z[UNITS_TEXT_SIZE]);

/* "2026-11-24T10:00:00.123Z". */
char *units_format_time(int64_t ms, char z[UNITS_TEXT_SIZE]);

#endif
