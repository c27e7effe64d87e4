/*
 * JSON that people read or write, by jansson, whose header is included here
 * and nowhere else.
 *
 * Uses: base, jansson.  Any thread; a value belongs to one at a time.
 */
#ifndef KQ_TEXT_JSON_H
#define KQ_TEXT_JSON_H

#include "base/base.h"
#include "base/mem.h"
#include "text/jsonput.h"

#include <jansson.h>

/* Append the value's text, compact, members in the order they were set. */
void json_put(const json_t *v, struct buf *out);

/* A string; what is no UTF-8 is escaped.  null for null. */
json_t *json_text(struct str s);

/* A number; null when it is negative: not known. */
json_t *json_known(int64_t n);

/* Print the value as one line to stdout and let go of it. */
void json_print(json_t *v);

#endif
