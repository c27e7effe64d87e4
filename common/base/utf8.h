/*
 * Is it UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF), and
 * how long is it in other units?
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_UTF8_H
#define KQ_BASE_UTF8_H

#include "base/base.h"

bool utf8_is_valid(struct str s); /* null is not */

/* The length as Java counts it, in units of UTF-16: 2 for a character beyond
 * U+FFFF.  A byte that belongs to no character counts as 1; null as 0. */
int32_t utf8_utf16_length(struct str s);

#endif
