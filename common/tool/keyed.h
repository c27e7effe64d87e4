/*
 * A record's key and value as one text: what -K, -Z and --null-marker of the tools
 * mean, for those who write it and those who read it.
 *
 *	key DELIMITER value     a record with a key
 *	value                   a record without one: its key is null
 *	MARKER                  in the place of a key or a value: null
 *
 * Without a marker an empty value is empty, or, with empty_is_null, null; a null
 * value is written as an empty one.
 *
 * Uses: base, escape.  Any thread.
 */
#ifndef KQ_TOOL_KEYED_H
#define KQ_TOOL_KEYED_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

struct keyed {
	struct str delimiter; /* null: texts are values alone */
	struct str marker;    /* null: there is none */
	bool empty_is_null;   /* of values that are read */
};
#define KEYED_INIT { STR_NULL, STR_NULL, false }

/* From the options, with their escapes; NULL: not given.  *k is parts of bytes.
 * Returns 0, or -1 (ERR_USAGE). */
int keyed_parse(struct keyed *keyed, const char *delimiter, const char *marker, struct buf *bytes,
	struct err *e);

/* Take a text apart; key and value are parts of it, or null. */
void keyed_split(const struct keyed *keyed, struct str text, struct str *key, struct str *value);

/* Append the key and its delimiter, or the value. */
void keyed_put_key(const struct keyed *keyed, struct str key, struct buf *out);
void keyed_put_value(const struct keyed *keyed, struct str value, struct buf *out);

#endif
