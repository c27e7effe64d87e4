/*
 * JSON that people read or write, using jansson, whose header only this file
 * includes.
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

/* Parse one object, whose members have different names; NUL bytes are allowed.  The
 * caller owns the result.  NULL (ERR_CORRUPT) if the text is anything else. */
json_t *json_parse_object(struct str text, struct err *e);

/* Append the value's text, compact, members in the order they were set. */
void json_put(const json_t *v, struct buf *out);

/*
 * Put bytes into an object without loss: as the string NAME if they are UTF-8, else as
 * NAME_b64 in base64.  NAME is null for null.
 */
void json_set_bytes(json_t *object, const char *name, struct str s);

/* The reverse: copy the member NAME or NAME_b64 to the arena; null if it is null or
 * both are absent.  Returns 0, or -1 (ERR_CORRUPT): both are present, or it is not a
 * string, or not base64. */
int json_get_bytes(const json_t *object, const char *name, struct arena *a, struct str *s,
	struct err *e);

/* Does key equal NAME or NAME_b64? */
bool json_is_bytes_key(const char *key, const char *name);

/* A number; null if it is negative, which means unknown. */
json_t *json_known(int64_t n);

/* Print the value as one line to stdout, and free it. */
void json_print(json_t *v);

#endif
