#include "tool/keyed.h"

#include "text/escape.h"

int
keyed_parse(struct keyed *k, const char *delimiter, const char *marker, struct buf *bytes,
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
	k->delimiter = delimiter ? (struct str){ p, (int32_t)n } : STR_NULL;
	k->marker = marker ? (struct str){ p + n, (int32_t)(bytes->n - n) } : STR_NULL;
	return 0;
}

static bool
is_marker(const struct keyed *k, struct str s)
{
	return k->marker.n >= 0 && str_eq(s, k->marker);
}

void
keyed_split(const struct keyed *k, struct str text, struct str *key, struct str *value)
{
	struct str d = k->delimiter;
	const uint8_t *at = d.n > 0 && text.n > 0
		? memmem(text.p, (size_t)text.n, d.p, (size_t)d.n) : NULL;
	*key = STR_NULL;
	*value = text;
	if (at) {
		*key = (struct str){ text.p, (int32_t)(at - text.p) };
		*value = (struct str){ at + d.n, text.n - key->n - d.n };
		if (is_marker(k, *key))
			*key = STR_NULL;
	}
	if (is_marker(k, *value) || (value->n == 0 && k->empty_is_null))
		*value = STR_NULL;
}

void
keyed_put_key(const struct keyed *k, struct str key, struct buf *out)
{
	if (k->delimiter.n < 0 || (key.n < 0 && k->marker.n < 0))
		return;
	buf_put_str(out, key.n < 0 ? k->marker : key);
	buf_put_str(out, k->delimiter);
}

void
keyed_put_value(const struct keyed *k, struct str value, struct buf *out)
{
	buf_put_str(out, value.n < 0 ? k->marker : value);
}
