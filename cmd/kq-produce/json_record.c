#include "kq-produce/json_record.h"

#include "record/builder.h"
#include "text/json.h"

static int
take_header(struct json_record *r, const json_t *v, struct err *e)
{
	struct str name, value;
	if (!json_is_object(v))
		return err_set(e, ERR_CORRUPT, "a header is not an object");
	if (json_get_bytes(v, "name", &r->arena, &name, e) < 0
		|| json_get_bytes(v, "value", &r->arena, &value, e) < 0)
		return err_wrap(e, "a header");
	if (name.n < 0)
		return err_set(e, ERR_CORRUPT, "a header has no name");
	builder_put_header(&r->headers, name, value);
	r->nheader++;
	return 0;
}

static int
take_headers(struct json_record *r, const json_t *v, struct err *e)
{
	size_t i;
	const json_t *header;
	if (!json_is_array(v))
		return err_set(e, ERR_CORRUPT, "'headers' is not an array");
	json_array_foreach(v, i, header)
		if (take_header(r, header, e) < 0)
			return -1;
	return 0;
}

static int
take_member(struct json_record *r, const char *key, const json_t *v, struct err *e)
{
	static const char *const known[] = { "topic", "partition", "offset", "timestamp_type" };
	if (json_is_bytes_key(key, "key") || json_is_bytes_key(key, "value"))
		return 0; /* taken with the object */
	if (strcmp(key, "headers") == 0)
		return take_headers(r, v, e);
	if (strcmp(key, "timestamp") == 0) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(e, ERR_CORRUPT, "'timestamp' is not milliseconds since 1970");
		r->timestamp_ms = json_integer_value(v);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (json_is_bytes_key(key, known[i]))
			return 0;
	return err_set(e, ERR_CORRUPT, "'%.40s' is not a member of a record that kq-consume -J writes; "
		"leave out -J to store lines of JSON as they are", key);
}

int
json_record_parse(struct json_record *r, struct str line, struct err *e)
{
	const char *key;
	json_t *v, *o = json_parse_object(line, e);
	int got = 0;
	arena_reset(&r->arena);
	buf_reset(&r->headers);
	r->nheader = 0;
	r->timestamp_ms = -1;
	if (!o)
		return -1;
	json_object_foreach(o, key, v)
		if (got == 0)
			got = take_member(r, key, v, e);
	if (got == 0 && (json_get_bytes(o, "key", &r->arena, &r->key, e) < 0
			|| json_get_bytes(o, "value", &r->arena, &r->value, e) < 0))
		got = -1;
	json_decref(o);
	return got;
}

void
json_record_release(struct json_record *r)
{
	buf_release(&r->headers);
	arena_release(&r->arena);
}
