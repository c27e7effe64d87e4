/*
 * -J: parse a record from a line of JSON, as kq-consume -J prints it.
 *
 *	{"key":"k","value":"v","headers":[{"name":"n","value":"x"}],"timestamp":1795514400000}
 *
 * key, value and the headers' names and values are strings or null; or base64, if the
 * member's name ends in _b64.  An absent key or value is null; the default timestamp is
 * the current time.  topic, partition, offset and timestamp_type describe where a record
 * was, and are ignored.  Any other member is an error.
 *
 * Uses: text/json, record.  One thread.
 */
#ifndef KQ_PRODUCE_JSON_RECORD_H
#define KQ_PRODUCE_JSON_RECORD_H

#include "base/err.h"
#include "base/mem.h"

struct json_record {
	struct str key, value;
	int64_t timestamp_ms; /* -1: none */
	struct buf headers;   /* encoded */
	int32_t nheader;
	struct arena arena;   /* holds the strings */
};
#define JSON_RECORD_INIT { .headers = BUF_INIT, .arena = ARENA_INIT }

/* Parse one line; the previous record is released.  Returns 0, or -1 (ERR_CORRUPT). */
int json_record_parse(struct json_record *rec, struct str line, struct err *e);
void json_record_release(struct json_record *rec);

#endif
