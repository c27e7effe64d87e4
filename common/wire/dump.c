/* Messages as JSON, by the tables: for traces and tests. */
#include "wire/wire.h"

#include "base/utf8.h"

static void
dump_string(struct str s, struct buf *b)
{
	if (!utf8_is_valid(s)) {
		buf_puts(b, "\"0x");
		for (int32_t i = 0; i < s.n; i++)
			buf_printf(b, "%02x", s.p[i]);
		buf_putc(b, '"');
		return;
	}
	buf_putc(b, '"');
	for (int32_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			buf_printf(b, "\\u%04x", s.p[i]);
		else if (s.p[i] == '"' || s.p[i] == '\\')
			buf_printf(b, "\\%c", s.p[i]);
		else
			buf_putc(b, (char)s.p[i]);
	}
	buf_putc(b, '"');
}

static void
dump_value(const struct wire_field *field, int16_t version, const void *p, struct buf *b)
{
	char z[UUID_TEXT_SIZE];
	const struct str *s = p;
	switch ((enum wire_kind)field->kind) {
	case WIRE_BOOL: buf_puts(b, *(const bool *)p ? "true" : "false"); break;
	case WIRE_I8: buf_printf(b, "%d", *(const int8_t *)p); break;
	case WIRE_I16: buf_printf(b, "%d", *(const int16_t *)p); break;
	case WIRE_U16: buf_printf(b, "%u", *(const uint16_t *)p); break;
	case WIRE_I32: buf_printf(b, "%d", *(const int32_t *)p); break;
	case WIRE_U32: buf_printf(b, "%u", *(const uint32_t *)p); break;
	case WIRE_I64: buf_printf(b, "%lld", (long long)*(const int64_t *)p); break;
	case WIRE_F64: buf_printf(b, "%.17g", *(const double *)p); break;
	case WIRE_UUID: buf_printf(b, "\"%s\"", uuid_format(p, z)); break;
	case WIRE_STRING:
		if (s->n < 0)
			buf_puts(b, "null");
		else
			dump_string(*s, b);
		break;
	case WIRE_BYTES:
		if (s->n < 0)
			buf_puts(b, "null");
		else
			buf_printf(b, "%d", s->n);
		break;
	case WIRE_STRUCT:
		if (field->pointer)
			p = *(void *const *)p;
		if (p)
			wire_dump(field->elem, version, p, b);
		else
			buf_puts(b, "null");
		break;
	}
}

static void
dump_array(const struct wire_field *field, int16_t version, const struct wire_vec *v, struct buf *b)
{
	static const uint8_t size[] = { sizeof(bool), 1, 2, 4, 8, 2, 4, 8, 16,
		sizeof(struct str), sizeof(struct str) };
	size_t step = field->kind == WIRE_STRUCT ? field->elem->size : size[field->kind];
	if (v->n < 0) {
		buf_puts(b, "null");
		return;
	}
	buf_putc(b, '[');
	for (int32_t i = 0; i < v->n; i++) {
		if (i)
			buf_putc(b, ',');
		dump_value(field, version, (const char *)v->v + (size_t)i * step, b);
	}
	buf_putc(b, ']');
}

void
wire_dump(const struct wire_struct *d, int16_t version, const void *msg, struct buf *b)
{
	bool any = false;
	buf_putc(b, '{');
	for (int i = 0; i < d->nfield; i++) {
		const struct wire_field *field = &d->field[i];
		const void *p = (const char *)msg + field->off;
		if (version < field->from || version > field->upto)
			continue;
		buf_printf(b, "%s\"%s\":", any ? "," : "", field->name);
		any = true;
		if (field->array)
			dump_array(field, version, p, b);
		else
			dump_value(field, version, p, b);
	}
	buf_putc(b, '}');
}
