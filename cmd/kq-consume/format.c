#include "kq-consume/format.h"

#include "kq-consume/json_line.h"
#include "text/escape.h"

#include <stdio.h>

static void
add_step(struct format *f, enum format_op op, size_t at, size_t n)
{
	f->v = mem_realloc(f->v, (size_t)(f->n + 1) * sizeof *f->v);
	f->v[f->n++] = (struct format_step){ op, at, n };
}

static void
add_literal(struct format *f, struct str s)
{
	if (s.n <= 0)
		return;
	size_t at = f->text.n;
	buf_put_str(&f->text, s);
	if (f->n > 0 && f->v[f->n - 1].op == FORMAT_LITERAL)
		f->v[f->n - 1].n += (size_t)s.n; /* they lie side by side */
	else
		add_step(f, FORMAT_LITERAL, at, (size_t)s.n);
}

static void
finish(struct format *f)
{
	f->is_value_and_byte = f->n == 2 && f->v[0].op == FORMAT_VALUE
		&& f->v[1].op == FORMAT_LITERAL && f->v[1].n == 1 && f->keyed.marker.n < 0;
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
add_letter(struct format *f, char c, struct err *e)
{
	if (c == '%') {
		add_literal(f, STR("%"));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i].letter == c) {
			add_step(f, letters[i].op, 0, 0);
			return 0;
		}
	if (!c)
		return err_set(e, ERR_USAGE, "the format ends in a single %%; write %%%%");
	return err_set(e, ERR_USAGE, "the format letter %%%c is not known; there are "
		"%%s %%S %%k %%K %%t %%p %%o %%T %%h", c);
}

/* "-f json" would print the same text for every record. */
static int
check_steps(const struct format *f, const char *spec, struct err *e)
{
	for (int i = 0; i < f->n; i++)
		if (f->v[i].op != FORMAT_LITERAL)
			return 0;
	if (!*spec)
		return 0; /* to print nothing */
	return err_set(e, ERR_USAGE, "the format '%.60s' has no letter of a record such as %%s; "
		"-J prints JSON", spec);
}

int
format_compile(struct format *f, const char *spec, const struct keyed *k, struct err *e)
{
	*f = (struct format){ .keyed = *k };
	struct buf plain = BUF_INIT;
	int got = 0;
	for (const char *p = spec; got == 0 && *p;) {
		if (*p == '%') {
			got = add_letter(f, p[1], e);
			p += 2;
			continue;
		}
		size_t n = strcspn(p, "%");
		buf_reset(&plain);
		got = escape_parse((struct str){ (const uint8_t *)p, (int32_t)n }, &plain, e);
		add_literal(f, buf_str(&plain));
		p += n;
	}
	buf_release(&plain);
	if (got == 0)
		got = check_steps(f, spec, e);
	if (got < 0)
		format_release(f);
	else
		finish(f);
	return got;
}

void
format_delimited(struct format *f, const struct keyed *k, struct str delimiter)
{
	*f = (struct format){ .keyed = *k, .is_delimited = true };
	if (k->delimiter.n >= 0)
		add_step(f, FORMAT_KEY_AND_DELIMITER, 0, 0);
	add_step(f, FORMAT_VALUE, 0, 0);
	add_literal(f, delimiter);
	finish(f);
}

bool
format_is_value(const struct format *f)
{
	return f->n == 1 && f->v[0].op == FORMAT_VALUE && f->keyed.marker.n < 0;
}

void
format_json(struct format *f)
{
	*f = (struct format){ .is_json = true };
}

static void
put_headers(const struct record *r, struct buf *out)
{
	struct str rest = r->headers, name, value;
	for (bool is_first = true; header_next(&rest, &name, &value); is_first = false) {
		if (!is_first)
			buf_putc(out, ',');
		buf_put_str(out, name);
		buf_putc(out, '=');
		if (value.n < 0)
			buf_puts(out, "NULL"); /* as kcat has it */
		else
			buf_put_str(out, value);
	}
}

static void
put_step(const struct format *f, const struct format_step *s,
	const struct record *r, const struct origin *from, struct buf *out)
{
	switch (s->op) {
	case FORMAT_LITERAL:
		buf_put(out, f->text.p + s->at, s->n);
		break;
	case FORMAT_KEY_AND_DELIMITER:
		keyed_put_key(&f->keyed, r->key, out);
		break;
	case FORMAT_VALUE:
		keyed_put_value(&f->keyed, r->value, out);
		break;
	case FORMAT_VALUE_SIZE:
		buf_printf(out, "%d", r->value.n);
		break;
	case FORMAT_KEY:
		keyed_put_value(&f->keyed, r->key, out);
		break;
	case FORMAT_KEY_SIZE:
		buf_printf(out, "%d", r->key.n);
		break;
	case FORMAT_TOPIC:
		buf_put_str(out, from->topic);
		break;
	case FORMAT_PARTITION:
		buf_printf(out, "%d", from->partition);
		break;
	case FORMAT_OFFSET:
		buf_printf(out, "%lld", (long long)r->offset);
		break;
	case FORMAT_TIMESTAMP:
		buf_printf(out, "%lld", (long long)r->timestamp_ms);
		break;
	case FORMAT_HEADERS:
		put_headers(r, out);
		break;
	}
}

void
format_put(const struct format *f, const struct record *r,
	const struct origin *from, struct buf *out)
{
	if (likely(f->is_value_and_byte)) {
		size_t n = r->value.n > 0 ? (size_t)r->value.n : 0;
		if (unlikely(out->cap - out->n < n + 1))
			buf_reserve(out, n + 1);
		if (n > 0)
			memcpy(out->p + out->n, r->value.p, n);
		out->p[out->n + n] = f->text.p[0];
		out->n += n + 1;
		return;
	}
	if (f->is_json) {
		json_line_put(r, from, out);
		return;
	}
	for (int i = 0; i < f->n; i++)
		put_step(f, &f->v[i], r, from, out);
}

void
format_release(struct format *f)
{
	mem_free(f->v);
	buf_release(&f->text);
	*f = (struct format){ .n = 0 };
}
