/*
 * The format of a record on stdout: kcat's format letters, compiled once; or key, value
 * and delimiters; or JSON.
 *
 *	%s value      %S its bytes (-1: null)    %k key       %K its bytes
 *	%t topic      %p partition               %o offset    %T timestamp, ms
 *	%h headers, name=value,...               %% a percent sign
 *	and the escapes of text/escape.
 *
 * Uses: base, record, tool/keyed.
 */
#ifndef KQ_CONSUME_FORMAT_H
#define KQ_CONSUME_FORMAT_H

#include "base/err.h"
#include "base/mem.h"
#include "record/batch.h"
#include "tool/keyed.h"

enum format_op {
	FORMAT_LITERAL, FORMAT_KEY_AND_DELIMITER, FORMAT_VALUE, FORMAT_VALUE_SIZE, FORMAT_KEY,
	FORMAT_KEY_SIZE, FORMAT_TOPIC, FORMAT_PARTITION, FORMAT_OFFSET,
	FORMAT_TIMESTAMP, FORMAT_HEADERS,
};

struct format_step {
	enum format_op op;
	size_t at, n; /* of a literal, in text */
};

struct format {
	struct format_step *v;
	int n;
	struct buf text;
	struct keyed keyed; /* the null marker, and the delimiter of keys */
	bool is_json, is_delimited;
	bool is_value_and_byte; /* fast path: the value, then one byte */
};

/* The facts about a record that are not in it. */
struct origin {
	struct str topic;
	int32_t partition;
	bool is_append_time;
};

/* Compile kcat's letters; null is printed as keyed's marker.  The caller keeps what keyed
 * points to.  Returns 0, or -1 (ERR_USAGE). */
int format_compile(struct format *format, const char *spec, const struct keyed *keyed,
	struct err *e);

/* Print key and value as keyed does, then the delimiter. */
void format_delimited(struct format *format, const struct keyed *keyed, struct str delimiter);

/* Does the format print the value alone, so that a frame can represent null? */
bool format_is_value(const struct format *format);

void format_json(struct format *format);

/* Append the formatted record. */
void format_put(const struct format *format, const struct record *rec,
	const struct origin *from, struct buf *out);

void format_release(struct format *format);

#endif
