/*
 * A record's time, from the JSON text that its expression gave.
 *
 *	1700000000             below 10^11: seconds since 1970
 *	1700000000.5           also with a fraction
 *	1700000000000          otherwise milliseconds
 *	"2023-11-14T22:13:20.5+01:00"   ISO 8601: a date, then (after T or a space) a time of
 *	                       day, to which seconds, a fraction and a zone may be added; without
 *	                       a zone it is UTC
 *	"1700000000"           a number in a string
 *
 * Fractions of a millisecond are cut off.  The result does not depend on the machine's zone.
 *
 * Uses: base.
 */
#ifndef KQ_STREAM_CMD_WHEN_H
#define KQ_STREAM_CMD_WHEN_H

#include "base/base.h"
#include "base/err.h"

/* Returns 0, or -1 (ERR_CORRUPT): it is no time, or one before 1970 or after 9999. */
int when_parse(struct str json, int64_t *ms, struct err *e);

#endif
