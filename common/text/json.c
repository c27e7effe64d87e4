#include "text/json.h"

#include <stdio.h>

static int
take(const char *p, size_t n, void *ctx)
{
	buf_put(ctx, p, n);
	return 0;
}

json_t *
json_parse_object(struct str text, struct err *e)
{
	json_error_t why;
	json_t *object = json_loadb((const char *)text.p, (size_t)MAX(text.n, 0),
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (json_is_object(object))
		return object;
	if (object)
		err_set(e, ERR_CORRUPT, "not a JSON object");
	else
		err_set(e, ERR_CORRUPT, "not JSON: %s", why.text);
	json_decref(object);
	return NULL;
}

void
json_put(const json_t *v, struct buf *out)
{
	int rc = json_dump_callback(v, take, out, JSON_COMPACT | JSON_ENCODE_ANY);
	assert(rc == 0);
}

void
json_print(json_t *v)
{
	struct buf b = BUF_INIT;
	json_put(v, &b);
	buf_putc(&b, '\n');
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
	json_decref(v);
}

enum { KEY_SIZE = 64 }; /* bytes of a member's name with _b64 */

void
json_set_bytes(json_t *object, const char *name, struct str s)
{
	char key[KEY_SIZE];
	if (s.n < 0) {
		json_object_set_new(object, name, json_null());
		return;
	}
	json_t *v = json_stringn(s.n ? (const char *)s.p : "", (size_t)s.n);
	if (v) {
		json_object_set_new(object, name, v);
		return;
	}
	struct buf b = BUF_INIT;
	json_put_base64(s, &b);
	snprintf(key, sizeof key, "%s_b64", name);
	json_object_set_new(object, key, json_stringn((const char *)b.p, b.n));
	buf_release(&b);
}

bool
json_is_bytes_key(const char *key, const char *name)
{
	size_t n = strlen(name);
	return strncmp(key, name, n) == 0 && (!key[n] || strcmp(key + n, "_b64") == 0);
}

static struct str
str_in(const json_t *v)
{
	return (struct str){ (const uint8_t *)json_string_value(v), (int32_t)json_string_length(v) };
}

int
json_get_bytes(const json_t *object, const char *name, struct arena *a, struct str *s,
	struct err *e)
{
	char key[KEY_SIZE];
	snprintf(key, sizeof key, "%s_b64", name);
	const json_t *text = json_object_get(object, name), *b64 = json_object_get(object, key);
	*s = STR_NULL;
	if (text && b64)
		return err_set(e, ERR_CORRUPT, "only one of '%s' and '%s'", name, key);
	if (!b64 && (!text || json_is_null(text)))
		return 0;
	if (!json_is_string(b64 ? b64 : text))
		return err_set(e, ERR_CORRUPT, "'%s' is not a string", b64 ? key : name);
	if (!b64) {
		*s = arena_str(a, str_in(text));
		return 0;
	}
	struct buf b = BUF_INIT;
	int rc = json_parse_base64(str_in(b64), &b);
	if (rc == 0)
		*s = arena_str(a, (struct str){ b.n ? b.p : (const uint8_t *)"", (int32_t)b.n });
	buf_release(&b);
	return rc == 0 ? 0 : err_set(e, ERR_CORRUPT, "'%s' is not base64", key);
}

json_t *
json_known(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}
