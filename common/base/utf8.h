/*
 * UTF-8 as of RFC 3629: no surrogates, no overlong forms, at most U+10FFFF.
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_UTF8_H
#define KQ_BASE_UTF8_H

#include "base/base.h"

/* Whether all of s is UTF-8; null is not. */
bool utf8_is_valid(struct str s);

/* The length in UTF-16 units, as Java counts: 2 for a character above U+FFFF.
 * A byte that belongs to no character counts 1; null has length 0. */
int32_t utf8_utf16_length(struct str s);

#endif
