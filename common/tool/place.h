/*
 * Positions in a partition: one grammar for all options that take one.
 *
 *	beginning, earliest   the first record
 *	end, latest           after the last record
 *	current               the group's committed offset
 *	N                     offset N
 *	-N                    the last N records
 *	+N, -N                N after or before the committed offset, for options
 *	                      that move a group's offset
 *	@TIME                 the first record at or after the time; s@TIME is the same.
 *	                      A date, and a time ago such as -1h, need no '@'.
 *
 * Each option accepts some of these kinds.
 *
 * Uses: base, units.  Any thread.
 */
#ifndef KQ_TOOL_PLACE_H
#define KQ_TOOL_PLACE_H

#include "base/base.h"
#include "base/err.h"

enum place_kind {
	PLACE_NONE = 0,
	PLACE_BEGINNING = 1,
	PLACE_END = 2,
	PLACE_CURRENT = 4,
	PLACE_OFFSET = 8,  /* n */
	PLACE_LAST = 16,   /* the last n records, n >= 0 */
	PLACE_SHIFT = 32,  /* n from the committed offset; excludes PLACE_LAST */
	PLACE_TIME = 64,   /* n ms since 1970, n >= 0 */
};

struct place {
	enum place_kind kind;
	int64_t n;
};

/* Parse text, which must be one of the kinds (a sum).  now_ms resolves times ago.
 * Returns 0, or -1 (ERR_USAGE: the message lists the kinds). */
int place_parse(struct place *place, const char *text, int kinds, int64_t now_ms, struct err *e);

/* Parse TIME without the '@'.  Returns 0, or -1 (ERR_USAGE). */
int place_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e);

/* The notes on TIME in the --help of every program that takes it. */
#define PLACE_TIME_NOTES \
	"TIME: 2026-11-24, 2026-11-24T10:00:00Z (without a zone: local time), -1h (an hour ago),\n" \
	"or a number since 1970: seconds if it has at most ten digits, milliseconds otherwise.\n"

#endif
