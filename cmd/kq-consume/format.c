#include "kq-consume/format.h"

#include "kq-consume/json_line.h"
#include "text/escape.h"

#include <stdio.h>

static void
add_step(struct format *format, enum format_op op, size_t at, size_t n)
{
	format->v = mem_realloc(format->v, (size_t)(format->n + 1) * sizeof *format->v);
	format->v[format->n++] = (struct format_step){ op, at, n };
}

static void
add_literal(struct format *format, struct str s)
{
	if (s.n <= 0)
		return;
	size_t at = format->text.n;
	buf_put_str(&format->text, s);
	if (format->n > 0 && format->v[format->n - 1].op == FORMAT_LITERAL)
		format->v[format->n - 1].n += (size_t)s.n; /* extend the literal before it */
	else
		add_step(format, FORMAT_LITERAL, at, (size_t)s.n);
}

static void
finish(struct format *format)
{
	format->is_value_and_byte = format->n == 2 && format->v[0].op == FORMAT_VALUE
		&& format->v[1].op == FORMAT_LITERAL && format->v[1].n == 1 && format->keyed.marker.n < 0;
}

static const struct {
	char letter;
	enum format_op op;
} letters[] = {
	{ 's', FORMAT_VALUE }, { 'S', FORMAT_VALUE_SIZE },
	{ 'k', FORMAT_KEY }, { 'K', FORMAT_KEY_SIZE },
	{ 't', FORMAT_TOPIC }, { 'p', FORMAT_PARTITION },
	{ 'o', FORMAT_OFFSET }, { 'T', FORMAT_TIMESTAMP },
	{ 'h', FORMAT_HEADERS },
};

static int
add_letter(struct format *format, char c, struct err *e)
{
	if (c == '%') {
		add_literal(format, STR("%"));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i].letter == c) {
			add_step(format, letters[i].op, 0, 0);
			return 0;
		}
	if (!c)
		return err_set(e, ERR_USAGE, "the format ends in a single %%; write %%%%");
	return err_set(e, ERR_USAGE, "the format letter %%%c is not known; there are "
		"%%s %%S %%k %%K %%t %%p %%o %%T %%h", c);
}

/* A format without letters, such as "-f json", prints the same text for every record. */
static int
check_steps(const struct format *format, const char *spec, struct err *e)
{
	for (int i = 0; i < format->n; i++)
		if (format->v[i].op != FORMAT_LITERAL)
			return 0;
	if (!*spec)
		return 0; /* prints nothing */
	return err_set(e, ERR_USAGE, "the format '%.60s' has no letter of a record such as %%s; "
		"-J prints JSON", spec);
}

int
format_compile(struct format *format, const char *spec, const struct keyed *keyed, struct err *e)
{
	*format = (struct format){ .keyed = *keyed };
	struct buf plain = BUF_INIT;
	int rc = 0;
	for (const char *p = spec; rc == 0 && *p;) {
		if (*p == '%') {
			rc = add_letter(format, p[1], e);
			p += 2;
			continue;
		}
		size_t n = strcspn(p, "%");
		buf_reset(&plain);
		rc = escape_parse((struct str){ (const uint8_t *)p, (int32_t)n }, &plain, e);
		add_literal(format, buf_str(&plain));
		p += n;
	}
	buf_release(&plain);
	if (rc == 0)
		rc = check_steps(format, spec, e);
	if (rc < 0)
		format_release(format);
	else
		finish(format);
	return rc;
}

void
format_delimited(struct format *format, const struct keyed *keyed, struct str delimiter)
{
	*format = (struct format){ .keyed = *keyed, .is_delimited = true };
	if (keyed->delimiter.n >= 0)
		add_step(format, FORMAT_KEY_AND_DELIMITER, 0, 0);
	add_step(format, FORMAT_VALUE, 0, 0);
	add_literal(format, delimiter);
	finish(format);
}

bool
format_is_value(const struct format *format)
{
	return format->n == 1 && format->v[0].op == FORMAT_VALUE && format->keyed.marker.n < 0;
}

void
format_json(struct format *format)
{
	*format = (struct format){ .is_json = true };
}

static void
put_headers(const struct record *rec, struct buf *out)
{
	struct str rest = rec->headers, name, value;
	for (bool is_first = true; header_next(&rest, &name, &value); is_first = false) {
		if (!is_first)
			buf_putc(out, ',');
		buf_put_str(out, name);
		buf_putc(out, '=');
		if (value.n < 0)
			buf_puts(out, "NULL"); /* as kcat does */
		else
			buf_put_str(out, value);
	}
}

static void
put_step(const struct format *format, const struct format_step *step,
	const struct record *rec, const struct origin *from, struct buf *out)
{
	switch (step->op) {
	case FORMAT_LITERAL:
		buf_put(out, format->text.p + step->at, step->n);
		break;
	case FORMAT_KEY_AND_DELIMITER:
		keyed_put_key(&format->keyed, rec->key, out);
		break;
	case FORMAT_VALUE:
		keyed_put_value(&format->keyed, rec->value, out);
		break;
	case FORMAT_VALUE_SIZE:
		buf_printf(out, "%d", rec->value.n);
		break;
	case FORMAT_KEY:
		keyed_put_value(&format->keyed, rec->key, out);
		break;
	case FORMAT_KEY_SIZE:
		buf_printf(out, "%d", rec->key.n);
		break;
	case FORMAT_TOPIC:
		buf_put_str(out, from->topic);
		break;
	case FORMAT_PARTITION:
		buf_printf(out, "%d", from->partition);
		break;
	case FORMAT_OFFSET:
		buf_printf(out, "%lld", (long long)rec->offset);
		break;
	case FORMAT_TIMESTAMP:
		buf_printf(out, "%lld", (long long)rec->timestamp_ms);
		break;
	case FORMAT_HEADERS:
		put_headers(rec, out);
		break;
	}
}

void
format_put(const struct format *format, const struct record *rec,
	const struct origin *from, struct buf *out)
{
	if (likely(format->is_value_and_byte)) {
		size_t n = rec->value.n > 0 ? (size_t)rec->value.n : 0;
		if (unlikely(out->cap - out->n < n + 1))
			buf_reserve(out, n + 1);
		if (n > 0)
			memcpy(out->p + out->n, rec->value.p, n);
		out->p[out->n + n] = format->text.p[0];
		out->n += n + 1;
		return;
	}
	if (format->is_json) {
		json_line_put(rec, from, out);
		return;
	}
	for (int i = 0; i < format->n; i++)
		put_step(format, &format->v[i], rec, from, out);
}

void
format_release(struct format *format)
{
	mem_free(format->v);
	buf_release(&format->text);
	*format = (struct format){ .n = 0 };
}
