/*
 * -J: a line of JSON, as kq-consume -J writes it, is a record.
 *
 *	{"key":"k","value":"v","headers":[{"name":"n","value":"x"}],"timestamp":1795514400000}
 *
 * key, value and the headers' names and values are strings, or null, or in base64
 * under the name with _b64 behind it.  What is absent is null; without a
 * timestamp it is the present time.  topic, partition, offset and timestamp_type
 * say where a record was, and are not looked at.  Any other member is an error.
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
	struct arena arena;   /* of the above */
};
#define JSON_RECORD_INIT { .headers = BUF_INIT, .arena = ARENA_INIT }

/* Read one line, in place of the one before.  0, or -1 (ERR_CORRUPT). */
int json_record_parse(struct json_record *rec, struct str line, struct err *e);
void json_record_release(struct json_record *rec);

#endif
