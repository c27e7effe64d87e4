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

/* Bytes that a value takes in memory, by kind. */
static uint32_t
value_size(const struct wire_field *f)
{
	static const uint8_t size[] = { sizeof(bool), 1, 2, 4, 8, 2, 4, 8, 16,
		sizeof(struct str), sizeof(struct str) };
	return f->kind == WIRE_STRUCT ? f->elem->size : size[f->kind];
}

static bool
carries(const struct wire_field *f, int16_t version)
{
	return version >= f->from && version <= f->upto;
}

static bool
may_be_null(const struct wire_field *f, int16_t version)
{
	return version >= f->null_from;
}

/* --- defaults --- */

static void
set_default(const struct wire_field *f, void *to)
{
	if (f->array) {
		*(struct wire_vec *)to = (struct wire_vec){ NULL, (int32_t)f->def };
		return;
	}
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: *(bool *)to = f->def != 0; break;
	case WIRE_I8: *(int8_t *)to = (int8_t)f->def; break;
	case WIRE_I16: case WIRE_U16: *(int16_t *)to = (int16_t)f->def; break;
	case WIRE_I32: case WIRE_U32: *(int32_t *)to = (int32_t)f->def; break;
	case WIRE_I64: *(int64_t *)to = f->def; break;
	case WIRE_F64: *(double *)to = (double)f->def; break;
	case WIRE_UUID: memset(to, 0, 16); break;
	case WIRE_STRING: case WIRE_BYTES:
		*(struct str *)to = (struct str){ NULL, (int32_t)f->def };
		break;
	case WIRE_STRUCT:
		if (f->pointer)
			*(void **)to = NULL;
		else
			wire_defaults(f->elem, to);
		break;
	}
}

void
wire_defaults(const struct wire_struct *d, void *msg)
{
	for (int i = 0; i < d->nfield; i++)
		set_default(&d->field[i], (char *)msg + d->field[i].off);
}

/* --- decoding: a reader remembers its first failure; read on, check once.
 * From then on nothing is left to read: p is end. --- */

struct reader {
	const uint8_t *p, *end;
	struct arena *a;
	int16_t version;
	bool flex, bad;
};

static void
fail(struct reader *r)
{
	r->bad = true;
	r->p = r->end;
}

/* n bytes; zeros when there are not as many (NULL in place of many). */
static inline const uint8_t *
take(struct reader *r, size_t n)
{
	static const uint8_t zero[16];
	if (unlikely((size_t)(r->end - r->p) < n)) {
		fail(r);
		return n <= sizeof zero ? zero : NULL;
	}
	r->p += n;
	return r->p - n;
}

static inline uint32_t
get_uvarint32(struct reader *r)
{
	if (likely(r->p < r->end && *r->p < 0x80))
		return *r->p++;
	uint64_t v = 0;
	const uint8_t *p = uvarint_get(r->p, r->end, &v);
	if (!p || p - r->p > VARINT32_MAX || v > UINT32_MAX) {
		fail(r);
		return 0;
	}
	r->p = p;
	return (uint32_t)v;
}

/* A length: compact when flexible, else of two or four bytes.  -1 is null.
 * Nothing is shorter than a byte, so none may pass what is left. */
static inline int32_t
get_len(struct reader *r, int width, bool nullable)
{
	int64_t n;
	if (r->flex)
		n = (int64_t)get_uvarint32(r) - 1;
	else
		n = width == 2 ? (int16_t)load_be16(take(r, 2)) : (int32_t)load_be32(take(r, 4));
	if (n < -1 || (n == -1 && !nullable) || n > r->end - r->p)
		fail(r);
	return r->bad ? -1 : (int32_t)n;
}

static void get_struct(struct reader *r, const struct wire_struct *d, void *msg);

/* A string is no longer than its old two-byte length can say, in flexible
 * versions too: so whatever came in can go out in any version. */
static void
get_string(struct reader *r, bool nullable, struct str *s)
{
	s->n = get_len(r, 2, nullable);
	if (s->n > INT16_MAX)
		fail(r);
	s->p = s->n >= 0 ? take(r, (size_t)s->n) : NULL;
}

static void
get_pointer(struct reader *r, const struct wire_struct *d, bool nullable, void **to)
{
	*to = NULL;
	if ((nullable && (int8_t)*take(r, 1) < 0) || r->bad)
		return;
	*to = arena_alloc(r->a, d->size);
	if (*to)
		get_struct(r, d, *to);
	else
		fail(r);
}

static void
get_value(struct reader *r, const struct wire_field *f, bool nullable, void *to)
{
	struct str *s = to;
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: *(bool *)to = *take(r, 1) != 0; break;
	case WIRE_I8: *(uint8_t *)to = *take(r, 1); break;
	case WIRE_I16: case WIRE_U16: *(uint16_t *)to = load_be16(take(r, 2)); break;
	case WIRE_I32: case WIRE_U32: *(uint32_t *)to = load_be32(take(r, 4)); break;
	case WIRE_I64: case WIRE_F64: *(uint64_t *)to = load_be64(take(r, 8)); break;
	case WIRE_UUID: memcpy(to, take(r, 16), 16); break;
	case WIRE_STRING: get_string(r, nullable, s); break;
	case WIRE_BYTES:
		s->n = get_len(r, 4, nullable);
		s->p = s->n >= 0 ? take(r, (size_t)s->n) : NULL;
		break;
	case WIRE_STRUCT:
		if (f->pointer)
			get_pointer(r, f->elem, nullable, to);
		else
			get_struct(r, f->elem, to);
		break;
	}
}

/* The fewest bytes that one value of the field, or one element of it, takes. */
static size_t
wire_size_min(const struct wire_field *f, int16_t version, bool flex)
{
	static const uint8_t size[] = { 1, 1, 2, 4, 8, 2, 4, 8, 16 };
	if (f->kind == WIRE_STRING || f->kind == WIRE_BYTES)
		return flex ? 1 : f->kind == WIRE_STRING ? 2 : 4;
	if (f->kind != WIRE_STRUCT)
		return size[f->kind];
	if (f->pointer && may_be_null(f, version))
		return 1;
	size_t n = flex; /* its tag section */
	for (int i = 0; i < f->elem->nfield; i++) {
		const struct wire_field *g = &f->elem->field[i];
		if (g->tag < 0 && carries(g, version))
			n += g->array ? flex ? 1 : 4 : wire_size_min(g, version, flex);
	}
	return n;
}

/* A count promises bytes; a large one that breaks its promise is refused
 * before memory is taken for it. */
static bool
count_fits(const struct reader *r, const struct wire_field *f, int32_t n)
{
	return n <= 64
		|| (size_t)n * wire_size_min(f, r->version, r->flex) <= (size_t)(r->end - r->p);
}

static void
get_field(struct reader *r, const struct wire_field *f, void *msg)
{
	void *to = (char *)msg + f->off;
	bool nullable = may_be_null(f, r->version);
	if (!f->array) {
		get_value(r, f, nullable, to);
		return;
	}
	struct wire_vec *v = to;
	*v = (struct wire_vec){ NULL, get_len(r, 4, nullable) };
	if (v->n <= 0 || r->bad)
		return;
	uint32_t size = value_size(f);
	if (count_fits(r, f, v->n))
		v->v = arena_alloc(r->a, (size_t)v->n * size);
	if (!v->v) {
		fail(r);
		return;
	}
	for (int32_t i = 0; i < v->n && !r->bad; i++)
		get_value(r, f, false, (char *)v->v + (size_t)i * size);
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

/* The tagged fields behind a flexible struct; tags rise, and the unknown are
 * skipped. */
static void
get_tags(struct reader *r, const struct wire_struct *d, void *msg)
{
	int64_t last = -1;
	for (uint32_t n = get_uvarint32(r); n > 0 && !r->bad; n--) {
		uint32_t tag = get_uvarint32(r), len = get_uvarint32(r);
		const uint8_t *p = take(r, len);
		if (r->bad || (int64_t)tag <= last) {
			fail(r);
			return;
		}
		last = tag;
		const struct wire_field *f = find_tag(d, r->version, tag);
		if (!f)
			continue;
		struct reader sub = *r;
		sub.p = p;
		sub.end = p + len;
		get_field(&sub, f, msg);
		if (sub.bad || sub.p != sub.end)
			fail(r);
	}
}

static void
get_struct(struct reader *r, const struct wire_struct *d, void *msg)
{
	const struct wire_field *f = d->field, *end = f + d->nfield;
	for (; f < end && !r->bad; f++) {
		if (f->tag < 0 && carries(f, r->version))
			get_field(r, f, msg);
		else
			set_default(f, (char *)msg + f->off);
	}
	if (!r->flex || r->bad)
		return;
	if (likely(r->p < r->end && *r->p == 0))
		r->p++; /* no tags, as nearly always */
	else
		get_tags(r, d, msg);
}

int64_t
wire_decode(const struct wire_struct *d, int16_t version, bool flex,
	const uint8_t *p, size_t n, struct arena *a, void *msg)
{
	assert(p || n == 0);
	if (!p)
		p = (const uint8_t *)""; /* arithmetic on NULL is not defined */
	struct reader r = { p, p + n, a, version, flex, false };
	get_struct(&r, d, msg);
	return r.bad ? -1 : r.p - p;
}

/* --- encoding --- */

struct writer {
	struct buf *b;
	struct wire_gaps *gaps; /* NULL: none are allowed */
	int16_t version;
	bool flex;
	size_t end_max; /* more bytes than that in b: no more elements are put */
};

/* buf_grow, without a call while there is room. */
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
put_len(struct writer *w, int width, int32_t n)
{
	if (w->flex)
		put_uvarint(w->b, (uint32_t)(n + 1));
	else if (width == 2)
		store_be16(grow(w->b, 2), (uint16_t)n);
	else
		store_be32(grow(w->b, 4), (uint32_t)n);
}

static void
put_gap(struct writer *w, int32_t n)
{
	struct wire_gaps *g = w->gaps;
	assert(g);
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 8;
		g->v = mem_realloc(g->v, (size_t)g->cap * sizeof *g->v);
	}
	g->v[g->n++] = (struct wire_gap){ w->b->n, n };
}

static void put_struct(struct writer *w, const struct wire_struct *d, const void *msg);

static void
put_str(struct writer *w, const struct wire_field *f, bool nullable, const struct str *s)
{
	assert(s->n >= 0 || nullable);
	assert(f->kind == WIRE_BYTES || s->n <= INT16_MAX);
	put_len(w, f->kind == WIRE_STRING ? 2 : 4, s->n);
	if (s->n > 0 && !s->p)
		put_gap(w, s->n);
	else if (s->n > 0)
		memcpy(grow(w->b, (size_t)s->n), s->p, (size_t)s->n);
}

static void
put_value(struct writer *w, const struct wire_field *f, bool nullable, const void *from)
{
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: *grow(w->b, 1) = *(const bool *)from; break;
	case WIRE_I8: *grow(w->b, 1) = *(const uint8_t *)from; break;
	case WIRE_I16: case WIRE_U16:
		store_be16(grow(w->b, 2), *(const uint16_t *)from);
		break;
	case WIRE_I32: case WIRE_U32:
		store_be32(grow(w->b, 4), *(const uint32_t *)from);
		break;
	case WIRE_I64: case WIRE_F64:
		store_be64(grow(w->b, 8), *(const uint64_t *)from);
		break;
	case WIRE_UUID: memcpy(grow(w->b, 16), from, 16); break;
	case WIRE_STRING: case WIRE_BYTES: put_str(w, f, nullable, from); break;
	case WIRE_STRUCT:
		if (f->pointer) {
			from = *(void *const *)from;
			assert(from || nullable);
			if (nullable)
				*grow(w->b, 1) = from ? 1 : 0xff;
		}
		if (from)
			put_struct(w, f->elem, from);
		break;
	}
}

static void
put_field(struct writer *w, const struct wire_field *f, const void *msg)
{
	const void *from = (const char *)msg + f->off;
	bool nullable = may_be_null(f, w->version);
	if (!f->array) {
		put_value(w, f, nullable, from);
		return;
	}
	const struct wire_vec *v = from;
	assert(v->n >= 0 || nullable);
	put_len(w, 4, v->n);
	uint32_t size = value_size(f);
	for (int32_t i = 0; i < v->n && w->b->n <= w->end_max; i++)
		put_value(w, f, false, (const char *)v->v + (size_t)i * size);
}

static bool is_default_struct(const struct wire_struct *d, const void *msg);

static bool
is_default(const struct wire_field *f, const void *msg)
{
	const void *p = (const char *)msg + f->off;
	static const uint8_t zero[16];
	if (f->array)
		return ((const struct wire_vec *)p)->n == f->def;
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: return *(const bool *)p == (f->def != 0);
	case WIRE_I8: return *(const int8_t *)p == f->def;
	case WIRE_I16: return *(const int16_t *)p == f->def;
	case WIRE_U16: return *(const uint16_t *)p == f->def;
	case WIRE_I32: return *(const int32_t *)p == f->def;
	case WIRE_U32: return *(const uint32_t *)p == f->def;
	case WIRE_I64: return *(const int64_t *)p == f->def;
	case WIRE_F64: return *(const double *)p == (double)f->def;
	case WIRE_UUID: return memcmp(p, zero, 16) == 0;
	case WIRE_STRING: case WIRE_BYTES: return ((const struct str *)p)->n == f->def;
	case WIRE_STRUCT: break;
	}
	if (f->pointer)
		return !*(void *const *)p;
	return is_default_struct(f->elem, p);
}

static bool
is_default_struct(const struct wire_struct *d, const void *msg)
{
	for (int i = 0; i < d->nfield; i++)
		if (!is_default(&d->field[i], msg))
			return false;
	return true;
}

/* Write one tagged field: its bytes first, which then make room for their
 * length.  No gap may be in there, as it would have to move too. */
static void
put_tag(struct writer *w, const struct wire_field *f, const void *msg)
{
	struct buf *b = w->b;
	struct writer sub = { b, NULL, w->version, true, w->end_max };
	put_uvarint(b, (uint32_t)f->tag);
	size_t at = b->n;
	put_field(&sub, f, msg);
	size_t n = b->n - at, shift = (size_t)uvarint_size(n);
	buf_grow(b, shift);
	memmove(b->p + at + shift, b->p + at, n);
	uvarint_put(b->p + at, n);
}

/* The n tagged fields that are not at their defaults, by rising tag. */
static void
put_tags(struct writer *w, const struct wire_struct *d, uint32_t n, const void *msg)
{
	put_uvarint(w->b, n);
	for (uint32_t tag = 0; n > 0; tag++) {
		const struct wire_field *f = find_tag(d, w->version, tag);
		if (f && !is_default(f, msg)) {
			put_tag(w, f, msg);
			n--;
		}
	}
}

static void
put_struct(struct writer *w, const struct wire_struct *d, const void *msg)
{
	const struct wire_field *f = d->field, *end = f + d->nfield;
	uint32_t ntag = 0;
	for (; f < end; f++) {
		if (!carries(f, w->version))
			continue;
		if (f->tag < 0)
			put_field(w, f, msg);
		else
			ntag += !is_default(f, msg);
	}
	if (w->flex)
		put_tags(w, d, ntag, msg);
}

bool
wire_encode_gaps(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, size_t size_max, struct buf *b, struct wire_gaps *gaps)
{
	struct writer w = { b, gaps, version, flex, b->n + MIN(size_max, SIZE_MAX - b->n) };
	put_struct(&w, d, msg);
	return b->n <= w.end_max;
}

void
wire_encode(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, struct buf *b)
{
	struct writer w = { b, NULL, version, flex, SIZE_MAX };
	put_struct(&w, d, msg);
}

void
wire_gaps_release(struct wire_gaps *g)
{
	mem_free(g->v);
	*g = (struct wire_gaps)WIRE_GAPS_INIT;
}

int
wire_data_decode(const struct wire_data *d, const void *p, size_t n,
	struct arena *a, void *msg)
{
	if (n < 2)
		return -1;
	int16_t version = (int16_t)load_be16(p);
	if (version < d->min || version > d->max)
		return -1;
	int64_t used = wire_decode(d->desc, version, version >= d->flex,
		(const uint8_t *)p + 2, n - 2, a, msg);
	return used == (int64_t)n - 2 ? version : -1;
}

void
wire_data_encode(const struct wire_data *d, int16_t version, const void *msg,
	struct buf *b)
{
	assert(version >= d->min && version <= d->max);
	store_be16(buf_grow(b, 2), (uint16_t)version);
	wire_encode(d->desc, version, version >= d->flex, msg, b);
}
