/*
 * A record as a line of JSON:
 *
 *	{"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
 *	 "timestamp_type":"create","headers":[{"name":"n","value":"v"}],
 *	 "key":"k","value":"v"}
 *
 * A key or value that is not UTF-8 is printed as "key_b64" or "value_b64", in base64.
 * Null is null; headers are omitted if there are none.
 *
 * Does not use jansson: this is a hot path, and builds nothing in memory.
 *
 * Uses: base, record, text/jsonput.
 */
#ifndef KQ_CONSUME_JSON_LINE_H
#define KQ_CONSUME_JSON_LINE_H

#include "base/mem.h"
#include "record/batch.h"

struct origin;

/* Append the line. */
void json_line_put(const struct record *rec, const struct origin *from,
	struct buf *out);

#endif
