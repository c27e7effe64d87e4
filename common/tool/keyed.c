#include "tool/keyed.h"

#include "text/escape.h"

int
keyed_parse(struct keyed *keyed, const char *delimiter, const char *marker, struct buf *bytes,
	struct err *e)
{
	if (delimiter && escape_parse(str_of(delimiter), bytes, e) < 0)
		return err_wrap(e, "option '-K'");
	size_t n = bytes->n;
	if (delimiter && n == 0)
		return err_set(e, ERR_USAGE, "option '-K': empty");
	if (marker && escape_parse(str_of(marker), bytes, e) < 0)
		return err_wrap(e, "option '--null-marker'");
	const uint8_t *p = bytes->n ? bytes->p : (const uint8_t *)"";
	keyed->delimiter = delimiter ? (struct str){ p, (int32_t)n } : STR_NULL;
	keyed->marker = marker ? (struct str){ p + n, (int32_t)(bytes->n - n) } : STR_NULL;
	return 0;
}

static bool
is_marker(const struct keyed *keyed, struct str s)
{
	return keyed->marker.n >= 0 && str_eq(s, keyed->marker);
}

void
keyed_split(const struct keyed *keyed, struct str text, struct str *key, struct str *value)
{
	struct str delimiter = keyed->delimiter;
	const uint8_t *at = delimiter.n > 0 && text.n > 0
		? memmem(text.p, (size_t)text.n, delimiter.p, (size_t)delimiter.n) : NULL;
	*key = STR_NULL;
	*value = text;
	if (at) {
		*key = (struct str){ text.p, (int32_t)(at - text.p) };
		*value = (struct str){ at + delimiter.n, text.n - key->n - delimiter.n };
		if (is_marker(keyed, *key))
			*key = STR_NULL;
	}
	if (is_marker(keyed, *value) || (value->n == 0 && keyed->empty_is_null))
		*value = STR_NULL;
}

void
keyed_put_key(const struct keyed *keyed, struct str key, struct buf *out)
{
	if (keyed->delimiter.n < 0 || (key.n < 0 && keyed->marker.n < 0))
		return;
	buf_put_str(out, key.n < 0 ? keyed->marker : key);
	buf_put_str(out, keyed->delimiter);
}

void
keyed_put_value(const struct keyed *keyed, struct str value, struct buf *out)
{
	buf_put_str(out, value.n < 0 ? keyed->marker : value);
}
