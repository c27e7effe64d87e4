/*
 * Strings and base64 for JSON that is written without jansson: on fast paths, and in
 * programs that need nothing else.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_TEXT_JSONPUT_H
#define KQ_TEXT_JSONPUT_H

#include "base/base.h"
#include "base/mem.h"

/* Append the bytes, which are UTF-8, as a JSON string with its quotes. */
void json_put_string(struct str s, struct buf *out);

/* Append the bytes in base64 (RFC 4648, with padding), without quotes. */
void json_put_base64(struct str s, struct buf *out);

/* Append the bytes that base64 text encodes.  Returns 0, or -1: it is not base64. */
int json_parse_base64(struct str text, struct buf *out);

#endif
