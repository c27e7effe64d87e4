/*
 * Two quick pieces of JSON, for the paths where jansson would be too slow and
 * for programs that need no more of it.
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

/* Append the bytes that such a text stands for.  0; -1: it is none. */
int json_parse_base64(struct str text, struct buf *out);

#endif
