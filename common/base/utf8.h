/*
 * Is it UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)?
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_UTF8_H
#define KQ_BASE_UTF8_H

#include "base/base.h"

bool utf8_is_valid(struct str s); /* null is not */

#endif
