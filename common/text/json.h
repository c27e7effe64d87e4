/*
 * JSON that people read or write, by jansson, whose header is included here
 * and nowhere else.
 *
 * Uses: base, jansson.  Any thread; a value belongs to one at a time.
 */
#ifndef KQ_TEXT_JSON_H
#define KQ_TEXT_JSON_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "text/jsonput.h"

#include <jansson.h>

/* Read one object, without members of the same name; NUL bytes are fine.  The
 * caller owns it; NULL, and ERR_CORRUPT, when the text is something else. */
json_t *json_parse_object(struct str text, struct err *e);

/* Append the value's text, compact, members in the order they were set. */
void json_put(const json_t *v, struct buf *out);

/*
 * Bytes in an object, so that none are lost: the member NAME is a string where
 * they are UTF-8, else NAME_b64 is one in base64; NAME is null for null.
 */
void json_set_bytes(json_t *o, const char *name, struct str s);

/* The other way: the member NAME, or NAME_b64, copied to the arena; null when it
 * is null or neither is there.  0, or -1 (ERR_CORRUPT): both are there, or it is
 * no string, or no base64. */
int json_get_bytes(const json_t *o, const char *name, struct arena *a, struct str *s,
	struct err *e);

/* Is key NAME or NAME_b64? */
bool json_is_bytes_key(const char *key, const char *name);

/* A number; null when it is negative: not known. */
json_t *json_known(int64_t n);

/* Print the value as one line to stdout and let go of it. */
void json_print(json_t *v);

#endif
