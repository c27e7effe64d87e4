/*
 * Backslash escapes in delimiters and formats, as a shell user types them:
 * \n \t \r \0 \\ and \xHH.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_TEXT_ESCAPE_H
#define KQ_TEXT_ESCAPE_H

#include "base/err.h"
#include "base/mem.h"

/* Append the bytes that s encodes.  Returns 0, or -1 (ERR_USAGE: an unknown
 * escape). */
int escape_parse(struct str s, struct buf *out, struct err *e);

#endif
