#include "wire/wire.h"

#include "base/varint.h"

const struct wire_api *
wire_api_find(int16_t key)
{
	for (int i = 0; i < wire_api_n; i++)
		if (wire_api[i].key == key)
			return &wire_api[i];
	return NULL;
}

/* The size of a value in memory. */
static uint32_t
value_size(const struct wire_field *field)
{
	static const uint8_t size[] = { sizeof(bool), 1, 2, 4, 8, 2, 4, 8, 16,
		sizeof(struct str), sizeof(struct str) };
	return field->kind == WIRE_STRUCT ? field->elem->size : size[field->kind];
}

static bool
carries(const struct wire_field *field, int16_t version)
{
	return version >= field->from && version <= field->upto;
}

static bool
may_be_null(const struct wire_field *field, int16_t version)
{
	return version >= field->null_from;
}

/* ---- defaults ---- */

static void
set_default(const struct wire_field *field, void *to)
{
	if (field->array) {
		*(struct wire_vec *)to = (struct wire_vec){ NULL, (int32_t)field->def };
		return;
	}
	switch ((enum wire_kind)field->kind) {
	case WIRE_BOOL: *(bool *)to = field->def != 0; break;
	case WIRE_I8: *(int8_t *)to = (int8_t)field->def; break;
	case WIRE_I16: case WIRE_U16: *(int16_t *)to = (int16_t)field->def; break;
	case WIRE_I32: case WIRE_U32: *(int32_t *)to = (int32_t)field->def; break;
	case WIRE_I64: *(int64_t *)to = field->def; break;
	case WIRE_F64: *(double *)to = (double)field->def; break;
	case WIRE_UUID: memset(to, 0, 16); break;
	case WIRE_STRING: case WIRE_BYTES:
		*(struct str *)to = (struct str){ NULL, (int32_t)field->def };
		break;
	case WIRE_STRUCT:
		if (field->pointer)
			*(void **)to = NULL;
		else
			wire_defaults(field->elem, to);
		break;
	}
}

void
wire_defaults(const struct wire_struct *d, void *msg)
{
	for (int i = 0; i < d->nfield; i++)
		set_default(&d->field[i], (char *)msg + d->field[i].off);
}

/* ---- decoding ---- */

/* Remembers a failure, so that one check after all reads is enough.  After a failure
 * nothing is left to read: p is end. */
struct reader {
	const uint8_t *p, *end;
	struct arena *a;
	int16_t version;
	bool flex, bad;
};

static void
fail(struct reader *reader)
{
	reader->bad = true;
	reader->p = reader->end;
}

/* The next n bytes; if there are fewer, zeros, or NULL if n is large. */
static inline const uint8_t *
take(struct reader *reader, size_t n)
{
	static const uint8_t zero[16];
	if (unlikely((size_t)(reader->end - reader->p) < n)) {
		fail(reader);
		return n <= sizeof zero ? zero : NULL;
	}
	reader->p += n;
	return reader->p - n;
}

static inline uint32_t
get_uvarint32(struct reader *reader)
{
	if (likely(reader->p < reader->end && *reader->p < 0x80))
		return *reader->p++;
	uint64_t v = 0;
	const uint8_t *p = uvarint_get(reader->p, reader->end, &v);
	if (!p || p - reader->p > VARINT32_MAX || v > UINT32_MAX) {
		fail(reader);
		return 0;
	}
	reader->p = p;
	return (uint32_t)v;
}

/* Reads a length: compact if flexible, else of two or four bytes; -1: null.  A length
 * above the number of bytes left is a failure. */
static inline int32_t
get_len(struct reader *reader, int width, bool nullable)
{
	int64_t n;
	if (reader->flex)
		n = (int64_t)get_uvarint32(reader) - 1;
	else
		n = width == 2 ? (int16_t)load_be16(take(reader, 2)) : (int32_t)load_be32(take(reader, 4));
	if (n < -1 || (n == -1 && !nullable) || n > reader->end - reader->p)
		fail(reader);
	return reader->bad ? -1 : (int32_t)n;
}

static void get_struct(struct reader *reader, const struct wire_struct *d, void *msg);

/* A string may not be longer than a two-byte length can say, in flexible versions,
 * too, so that all that was decoded can be encoded in any version. */
static void
get_string(struct reader *reader, bool nullable, struct str *s)
{
	s->n = get_len(reader, 2, nullable);
	if (s->n > INT16_MAX)
		fail(reader);
	s->p = s->n >= 0 ? take(reader, (size_t)s->n) : NULL;
}

static void
get_pointer(struct reader *reader, const struct wire_struct *d, bool nullable, void **to)
{
	*to = NULL;
	if ((nullable && (int8_t)*take(reader, 1) < 0) || reader->bad)
		return;
	*to = arena_alloc(reader->a, d->size);
	if (*to)
		get_struct(reader, d, *to);
	else
		fail(reader);
}

static void
get_value(struct reader *reader, const struct wire_field *field, bool nullable, void *to)
{
	struct str *s = to;
	switch ((enum wire_kind)field->kind) {
	case WIRE_BOOL: *(bool *)to = *take(reader, 1) != 0; break;
	case WIRE_I8: *(uint8_t *)to = *take(reader, 1); break;
	case WIRE_I16: case WIRE_U16: *(uint16_t *)to = load_be16(take(reader, 2)); break;
	case WIRE_I32: case WIRE_U32: *(uint32_t *)to = load_be32(take(reader, 4)); break;
	case WIRE_I64: case WIRE_F64: *(uint64_t *)to = load_be64(take(reader, 8)); break;
	case WIRE_UUID: memcpy(to, take(reader, 16), 16); break;
	case WIRE_STRING: get_string(reader, nullable, s); break;
	case WIRE_BYTES:
		s->n = get_len(reader, 4, nullable);
		s->p = s->n >= 0 ? take(reader, (size_t)s->n) : NULL;
		break;
	case WIRE_STRUCT:
		if (field->pointer)
			get_pointer(reader, field->elem, nullable, to);
		else
			get_struct(reader, field->elem, to);
		break;
	}
}

/* The least size of a value of the field, or of its elements, in the message. */
static size_t
wire_size_min(const struct wire_field *field, int16_t version, bool flex)
{
	static const uint8_t size[] = { 1, 1, 2, 4, 8, 2, 4, 8, 16 };
	if (field->kind == WIRE_STRING || field->kind == WIRE_BYTES)
		return flex ? 1 : field->kind == WIRE_STRING ? 2 : 4;
	if (field->kind != WIRE_STRUCT)
		return size[field->kind];
	if (field->pointer && may_be_null(field, version))
		return 1;
	size_t n = flex; /* its tag section */
	for (int i = 0; i < field->elem->nfield; i++) {
		const struct wire_field *inner = &field->elem->field[i];
		if (inner->tag < 0 && carries(inner, version))
			n += inner->array ? flex ? 1 : 4 : wire_size_min(inner, version, flex);
	}
	return n;
}

/* Whether the input can hold n elements; checked before memory is allocated for
 * them. */
static bool
count_fits(const struct reader *reader, const struct wire_field *field, int32_t n)
{
	return n <= 64
		|| (size_t)n * wire_size_min(field, reader->version,
			reader->flex) <= (size_t)(reader->end - reader->p);
}

static void
get_field(struct reader *reader, const struct wire_field *field, void *msg)
{
	void *to = (char *)msg + field->off;
	bool nullable = may_be_null(field, reader->version);
	if (!field->array) {
		get_value(reader, field, nullable, to);
		return;
	}
	struct wire_vec *v = to;
	*v = (struct wire_vec){ NULL, get_len(reader, 4, nullable) };
	if (v->n <= 0 || reader->bad)
		return;
	uint32_t size = value_size(field);
	if (count_fits(reader, field, v->n))
		v->v = arena_alloc(reader->a, (size_t)v->n * size);
	if (!v->v) {
		fail(reader);
		return;
	}
	for (int32_t i = 0; i < v->n && !reader->bad; i++)
		get_value(reader, field, false, (char *)v->v + (size_t)i * size);
}

static const struct wire_field *
find_tag(const struct wire_struct *d, int16_t version, uint32_t tag)
{
	for (int i = 0; i < d->nfield; i++)
		if (d->field[i].tag >= 0 && (uint32_t)d->field[i].tag == tag
			&& carries(&d->field[i], version))
			return &d->field[i];
	return NULL;
}

/* Reads the tagged fields after a flexible struct.  Tags must ascend; unknown ones
 * are skipped. */
static void
get_tags(struct reader *reader, const struct wire_struct *d, void *msg)
{
	int64_t last = -1;
	for (uint32_t n = get_uvarint32(reader); n > 0 && !reader->bad; n--) {
		uint32_t tag = get_uvarint32(reader), len = get_uvarint32(reader);
		const uint8_t *p = take(reader, len);
		if (reader->bad || (int64_t)tag <= last) {
			fail(reader);
			return;
		}
		last = tag;
		const struct wire_field *field = find_tag(d, reader->version, tag);
		if (!field)
			continue;
		struct reader sub = *reader;
		sub.p = p;
		sub.end = p + len;
		get_field(&sub, field, msg);
		if (sub.bad || sub.p != sub.end)
			fail(reader);
	}
}

static void
get_struct(struct reader *reader, const struct wire_struct *d, void *msg)
{
	const struct wire_field *field = d->field, *end = field + d->nfield;
	for (; field < end && !reader->bad; field++) {
		if (field->tag < 0 && carries(field, reader->version))
			get_field(reader, field, msg);
		else
			set_default(field, (char *)msg + field->off);
	}
	if (!reader->flex || reader->bad)
		return;
	if (likely(reader->p < reader->end && *reader->p == 0))
		reader->p++; /* no tags: nearly always */
	else
		get_tags(reader, d, msg);
}

int64_t
wire_decode(const struct wire_struct *d, int16_t version, bool flex,
	const uint8_t *p, size_t n, struct arena *a, void *msg)
{
	assert(p || n == 0);
	if (!p)
		p = (const uint8_t *)""; /* arithmetic on NULL is not defined */
	struct reader reader = { p, p + n, a, version, flex, false };
	get_struct(&reader, d, msg);
	return reader.bad ? -1 : reader.p - p;
}

/* ---- encoding ---- */

struct writer {
	struct buf *b;
	struct wire_gaps *gaps; /* NULL: none are allowed */
	int16_t version;
	bool flex;
	size_t end_max; /* no more elements are written once b is larger */
};

/* As buf_grow, but without a call while there is room. */
static inline uint8_t *
grow(struct buf *b, size_t n)
{
	if (unlikely(b->cap - b->n < n))
		return buf_grow(b, n);
	b->n += n;
	return b->p + b->n - n;
}

static inline void
put_uvarint(struct buf *b, uint32_t v)
{
	if (likely(v < 0x80))
		*grow(b, 1) = (uint8_t)v;
	else
		uvarint_put(grow(b, (size_t)uvarint_size(v)), v);
}

static void
put_len(struct writer *writer, int width, int32_t n)
{
	if (writer->flex)
		put_uvarint(writer->b, (uint32_t)(n + 1));
	else if (width == 2)
		store_be16(grow(writer->b, 2), (uint16_t)n);
	else
		store_be32(grow(writer->b, 4), (uint32_t)n);
}

static void
put_gap(struct writer *writer, int32_t n)
{
	struct wire_gaps *gaps = writer->gaps;
	assert(gaps);
	if (gaps->n == gaps->cap) {
		gaps->cap = gaps->cap ? gaps->cap * 2 : 8;
		gaps->v = mem_realloc(gaps->v, (size_t)gaps->cap * sizeof *gaps->v);
	}
	gaps->v[gaps->n++] = (struct wire_gap){ writer->b->n, n };
}

static void put_struct(struct writer *writer, const struct wire_struct *d, const void *msg);

static void
put_str(struct writer *writer, const struct wire_field *field, bool nullable, const struct str *s)
{
	assert(s->n >= 0 || nullable);
	assert(field->kind == WIRE_BYTES || s->n <= INT16_MAX);
	put_len(writer, field->kind == WIRE_STRING ? 2 : 4, s->n);
	if (s->n > 0 && !s->p)
		put_gap(writer, s->n);
	else if (s->n > 0)
		memcpy(grow(writer->b, (size_t)s->n), s->p, (size_t)s->n);
}

static void
put_value(struct writer *writer, const struct wire_field *field, bool nullable, const void *from)
{
	switch ((enum wire_kind)field->kind) {
	case WIRE_BOOL: *grow(writer->b, 1) = *(const bool *)from; break;
	case WIRE_I8: *grow(writer->b, 1) = *(const uint8_t *)from; break;
	case WIRE_I16: case WIRE_U16:
		store_be16(grow(writer->b, 2), *(const uint16_t *)from);
		break;
	case WIRE_I32: case WIRE_U32:
		store_be32(grow(writer->b, 4), *(const uint32_t *)from);
		break;
	case WIRE_I64: case WIRE_F64:
		store_be64(grow(writer->b, 8), *(const uint64_t *)from);
		break;
	case WIRE_UUID: memcpy(grow(writer->b, 16), from, 16); break;
	case WIRE_STRING: case WIRE_BYTES: put_str(writer, field, nullable, from); break;
	case WIRE_STRUCT:
		if (field->pointer) {
			from = *(void *const *)from;
			assert(from || nullable);
			if (nullable)
				*grow(writer->b, 1) = from ? 1 : 0xff;
		}
		if (from)
			put_struct(writer, field->elem, from);
		break;
	}
}

static void
put_field(struct writer *writer, const struct wire_field *field, const void *msg)
{
	const void *from = (const char *)msg + field->off;
	bool nullable = may_be_null(field, writer->version);
	if (!field->array) {
		put_value(writer, field, nullable, from);
		return;
	}
	const struct wire_vec *v = from;
	assert(v->n >= 0 || nullable);
	put_len(writer, 4, v->n);
	uint32_t size = value_size(field);
	for (int32_t i = 0; i < v->n && writer->b->n <= writer->end_max; i++)
		put_value(writer, field, false, (const char *)v->v + (size_t)i * size);
}

static bool is_default_struct(const struct wire_struct *d, const void *msg);

static bool
is_default(const struct wire_field *field, const void *msg)
{
	const void *p = (const char *)msg + field->off;
	static const uint8_t zero[16];
	if (field->array)
		return ((const struct wire_vec *)p)->n == field->def;
	switch ((enum wire_kind)field->kind) {
	case WIRE_BOOL: return *(const bool *)p == (field->def != 0);
	case WIRE_I8: return *(const int8_t *)p == field->def;
	case WIRE_I16: return *(const int16_t *)p == field->def;
	case WIRE_U16: return *(const uint16_t *)p == field->def;
	case WIRE_I32: return *(const int32_t *)p == field->def;
	case WIRE_U32: return *(const uint32_t *)p == field->def;
	case WIRE_I64: return *(const int64_t *)p == field->def;
	case WIRE_F64: return *(const double *)p == (double)field->def;
	case WIRE_UUID: return memcmp(p, zero, 16) == 0;
	case WIRE_STRING: case WIRE_BYTES: return ((const struct str *)p)->n == field->def;
	case WIRE_STRUCT: break;
	}
	if (field->pointer)
		return !*(void *const *)p;
	return is_default_struct(field->elem, p);
}

static bool
is_default_struct(const struct wire_struct *d, const void *msg)
{
	for (int i = 0; i < d->nfield; i++)
		if (!is_default(&d->field[i], msg))
			return false;
	return true;
}

/* Writes a tagged field: the value first, which is then moved to make room for its
 * length.  It must have no gap, which would have to move, too. */
static void
put_tag(struct writer *writer, const struct wire_field *field, const void *msg)
{
	struct buf *b = writer->b;
	struct writer sub = { b, NULL, writer->version, true, writer->end_max };
	put_uvarint(b, (uint32_t)field->tag);
	size_t at = b->n;
	put_field(&sub, field, msg);
	size_t n = b->n - at, shift = (size_t)uvarint_size(n);
	buf_grow(b, shift);
	memmove(b->p + at + shift, b->p + at, n);
	uvarint_put(b->p + at, n);
}

/* Writes the n tagged fields that differ from their defaults, by ascending tag. */
static void
put_tags(struct writer *writer, const struct wire_struct *d, uint32_t n, const void *msg)
{
	put_uvarint(writer->b, n);
	for (uint32_t tag = 0; n > 0; tag++) {
		const struct wire_field *field = find_tag(d, writer->version, tag);
		if (field && !is_default(field, msg)) {
			put_tag(writer, field, msg);
			n--;
		}
	}
}

static void
put_struct(struct writer *writer, const struct wire_struct *d, const void *msg)
{
	const struct wire_field *field = d->field, *end = field + d->nfield;
	uint32_t ntag = 0;
	for (; field < end; field++) {
		if (!carries(field, writer->version))
			continue;
		if (field->tag < 0)
			put_field(writer, field, msg);
		else
			ntag += !is_default(field, msg);
	}
	if (writer->flex)
		put_tags(writer, d, ntag, msg);
}

bool
wire_encode_gaps(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, size_t size_max, struct buf *b, struct wire_gaps *gaps)
{
	struct writer writer = { b, gaps, version, flex, b->n + MIN(size_max, SIZE_MAX - b->n) };
	put_struct(&writer, d, msg);
	return b->n <= writer.end_max;
}

void
wire_encode(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, struct buf *b)
{
	struct writer writer = { b, NULL, version, flex, SIZE_MAX };
	put_struct(&writer, d, msg);
}

void
wire_gaps_release(struct wire_gaps *gaps)
{
	mem_free(gaps->v);
	*gaps = (struct wire_gaps)WIRE_GAPS_INIT;
}

int
wire_data_decode(const struct wire_data *data, const void *p, size_t n,
	struct arena *a, void *msg)
{
	if (n < 2)
		return -1;
	int16_t version = (int16_t)load_be16(p);
	if (version < data->min || version > data->max)
		return -1;
	int64_t used = wire_decode(data->desc, version, version >= data->flex,
		(const uint8_t *)p + 2, n - 2, a, msg);
	return used == (int64_t)n - 2 ? version : -1;
}

void
wire_data_encode(const struct wire_data *data, int16_t version, const void *msg,
	struct buf *b)
{
	assert(version >= data->min && version <= data->max);
	buf_put_be16(b, (uint16_t)version);
	wire_encode(data->desc, version, version >= data->flex, msg, b);
}
