/*
 * One record as one line of JSON:
 *
 *	{"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
 *	 "timestamp_type":"create","headers":[{"name":"n","value":"v"}],
 *	 "key":"k","value":"v"}
 *
 * A key or value that is not UTF-8 comes as "key_b64" or "value_b64" instead;
 * null is null; headers are left out when there are none.
 *
 * Written by hand, not with jansson: this is a hot path, and nothing is to be
 * built in memory.  Uses: base, record.
 */
#ifndef KQ_CONSUME_JSON_LINE_H
#define KQ_CONSUME_JSON_LINE_H

#include "base/mem.h"
#include "record/batch.h"

struct origin;

void json_line_put(const struct record *rec, const struct origin *from,
	struct buf *out);

#endif
