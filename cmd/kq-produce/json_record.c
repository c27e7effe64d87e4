#include "kq-produce/json_record.h"

#include "record/builder.h"
#include "text/json.h"

static int
take_header(struct json_record *rec, const json_t *v, struct err *e)
{
	struct str name, value;
	if (!json_is_object(v))
		return err_set(e, ERR_CORRUPT, "a header is not an object");
	if (json_get_bytes(v, "name", &rec->arena, &name, e) < 0
		|| json_get_bytes(v, "value", &rec->arena, &value, e) < 0)
		return err_wrap(e, "a header");
	if (name.n < 0)
		return err_set(e, ERR_CORRUPT, "a header has no name");
	builder_put_header(&rec->headers, name, value);
	rec->nheader++;
	return 0;
}

static int
take_headers(struct json_record *rec, const json_t *v, struct err *e)
{
	size_t i;
	const json_t *header;
	if (!json_is_array(v))
		return err_set(e, ERR_CORRUPT, "'headers' is not an array");
	json_array_foreach(v, i, header)
		if (take_header(rec, header, e) < 0)
			return -1;
	return 0;
}

static int
take_member(struct json_record *rec, const char *key, const json_t *v, struct err *e)
{
	static const char *const known[] = { "topic", "partition", "offset", "timestamp_type" };
	if (json_is_bytes_key(key, "key") || json_is_bytes_key(key, "value"))
		return 0; /* taken by json_record_parse */
	if (strcmp(key, "headers") == 0)
		return take_headers(rec, v, e);
	if (strcmp(key, "timestamp") == 0) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(e, ERR_CORRUPT, "'timestamp' is not milliseconds since 1970");
		rec->timestamp_ms = json_integer_value(v);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (json_is_bytes_key(key, known[i]))
			return 0;
	return err_set(e, ERR_CORRUPT, "'%.40s' is not a member of a record that kq-consume -J writes; "
		"leave out -J to store lines of JSON as they are", key);
}

int
json_record_parse(struct json_record *rec, struct str line, struct err *e)
{
	const char *key;
	json_t *v, *object = json_parse_object(line, e);
	int rc = 0;
	arena_reset(&rec->arena);
	buf_reset(&rec->headers);
	rec->nheader = 0;
	rec->timestamp_ms = -1;
	if (!object)
		return -1;
	json_object_foreach(object, key, v)
		if (rc == 0)
			rc = take_member(rec, key, v, e);
	if (rc == 0 && (json_get_bytes(object, "key", &rec->arena, &rec->key, e) < 0
			|| json_get_bytes(object, "value", &rec->arena, &rec->value, e) < 0))
		rc = -1;
	json_decref(object);
	return rc;
}

void
json_record_release(struct json_record *rec)
{
	buf_release(&rec->headers);
	arena_release(&rec->arena);
}
