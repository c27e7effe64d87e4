/*
 * A record's key and value as one text, parsed and printed: -K, -Z and --null-marker of
 * kq-produce and kq-consume.
 *
 *	key DELIMITER value     a record with a key
 *	value                   a record without one: its key is null
 *	MARKER                  as a key or a value: null
 *
 * Without a marker, a null value is printed as an empty one.  An empty value is read as
 * empty, or with empty_is_null as null.
 *
 * Uses: base, escape.  Any thread.
 */
#ifndef KQ_TOOL_KEYED_H
#define KQ_TOOL_KEYED_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

struct keyed {
	struct str delimiter; /* null: a text is a value alone */
	struct str marker;    /* null: none */
	bool empty_is_null;   /* read an empty value as null */
};
#define KEYED_INIT { .delimiter = STR_NULL, .marker = STR_NULL }

/* Set *keyed from the options, which may contain escapes; NULL: not given.  *keyed points
 * into bytes.  Returns 0, or -1 (ERR_USAGE). */
int keyed_parse(struct keyed *keyed, const char *delimiter, const char *marker, struct buf *bytes,
	struct err *e);

/* Split a text; key and value are slices of it, or null. */
void keyed_split(const struct keyed *keyed, struct str text, struct str *key, struct str *value);

/* Append the key and its delimiter, or the value. */
void keyed_put_key(const struct keyed *keyed, struct str key, struct buf *out);
void keyed_put_value(const struct keyed *keyed, struct str value, struct buf *out);

#endif
