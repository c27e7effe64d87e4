/*
 * Places in a partition as people write them: one grammar for every option
 * that takes one.
 *
 *	beginning, earliest   the first record there is
 *	end, latest           behind the last record
 *	current               the group's committed offset
 *	N                     that offset
 *	-N                    N records before the end; or, where a group's offset
 *	+N, -N                is moved, N on or back from what is committed
 *	@TIME                 the first record at or after the time; s@TIME is the same.
 *	                      A date, and a time ago such as -1h, need no '@'.
 *
 * An option takes some of them, and says which.
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
	PLACE_LAST = 16,   /* n before the end, at least 0 */
	PLACE_SHIFT = 32,  /* n from what is committed; in place of PLACE_LAST */
	PLACE_TIME = 64,   /* n ms since 1970, at least 0 */
};

struct place {
	enum place_kind kind;
	int64_t n;
};

/* Read text, which is to be one of the kinds (their sum).  now_ms is for times
 * ago.  Returns 0, or -1 (ERR_USAGE: the kinds are listed). */
int place_parse(struct place *place, const char *text, int kinds, int64_t now_ms, struct err *e);

/* TIME itself, behind an '@'.  0, or -1 (ERR_USAGE). */
int place_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e);

/* The notes on WHERE and TIME in the help of every program that takes them. */
#define PLACE_TIME_NOTES \
	"TIME: 2026-11-24, 2026-11-24T10:00:00Z (without a zone: local time), -1h (an hour ago), or a\n" \
	"number since 1970: seconds if it has at most ten digits, milliseconds otherwise.\n"

#endif
