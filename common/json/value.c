#include "json/value.h"
#include "json/number.h"

#include <math.h>
#include <stdlib.h>

enum { POOL_MAX = 64 << 20, VISIT_MAX = 4 << 20, MEMBER_MAX = 1024 };

void *
val_alloc(struct val_pool *pool, size_t n)
{
	if (pool->is_full || n > POOL_MAX || pool->arena.used + n > POOL_MAX) {
		pool->is_full = true;
		return NULL;
	}
	return arena_alloc(&pool->arena, n);
}

void
val_pool_reset(struct val_pool *pool)
{
	if (pool->arena.used > 0)
		arena_reset(&pool->arena);
	pool->nvisit = 0;
	pool->is_full = false;
}

bool
val_visit(struct val_pool *pool)
{
	pool->is_full |= ++pool->nvisit > VISIT_MAX;
	return !pool->is_full;
}

/* ---- texts ---- */

static inline const uint8_t *
skip_space(const uint8_t *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

/* Past the string that begins at p. */
static const uint8_t *
skip_string(const uint8_t *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* Past the array or object that begins at p. */
static const uint8_t *
skip_container(const uint8_t *p)
{
	for (int depth = 0;;) {
		switch (*p) {
		case '"':
			p = skip_string(p);
			continue;
		case '[': case '{':
			depth++;
			break;
		case ']': case '}':
			if (--depth == 0)
				return p + 1;
			break;
		}
		p++;
	}
}

const uint8_t val_kinds[256] = {
	['n'] = VAL_NULL, ['f'] = VAL_FALSE, ['t'] = VAL_TRUE, ['"'] = VAL_STRING,
	['['] = VAL_ARRAY, ['{'] = VAL_OBJECT, ['-'] = VAL_NUMBER, ['0'] = VAL_NUMBER,
	['1'] = VAL_NUMBER, ['2'] = VAL_NUMBER, ['3'] = VAL_NUMBER, ['4'] = VAL_NUMBER,
	['5'] = VAL_NUMBER, ['6'] = VAL_NUMBER, ['7'] = VAL_NUMBER, ['8'] = VAL_NUMBER,
	['9'] = VAL_NUMBER };

/* The value that begins at p; *end is where it ends.  In an array or object only: a
 * number ends at what follows it. */
static struct val
text_at(const uint8_t *p, const uint8_t **end)
{
	enum val_kind kind = (enum val_kind)val_kinds[*p];
	const uint8_t *to = p;
	switch (kind) {
	case VAL_STRING: to = skip_string(p); break;
	case VAL_ARRAY: case VAL_OBJECT: to = skip_container(p); break;
	case VAL_FALSE: to = p + 5; break;
	case VAL_NULL: case VAL_TRUE: to = p + 4; break;
	case VAL_NUMBER:
		while ((*to >= '0' && *to <= '9') || *to == '.' || *to == '-' || *to == '+'
			|| *to == 'e' || *to == 'E')
			to++;
		break;
	}
	*end = to;
	return (struct val){ .kind = (uint8_t)kind, .is_text = true, .n = (int32_t)(to - p), .p = p };
}

void
val_iter_init(struct val_iter *iter, struct val v)
{
	assert(v.is_text && v.kind >= VAL_ARRAY);
	iter->p = skip_space(v.p + 1);
	iter->is_done = *iter->p == ']' || *iter->p == '}';
}

bool
val_iter_next(struct val_iter *iter, struct val *key, struct val *value)
{
	if (iter->is_done)
		return false;
	const uint8_t *p = iter->p;
	if (key) {
		*key = text_at(p, &p);
		p = skip_space(skip_space(p) + 1);
	}
	*value = text_at(p, &p);
	p = skip_space(p);
	iter->is_done = *p != ',';
	iter->p = iter->is_done ? p : skip_space(p + 1);
	return true;
}

/* ---- strings and numbers ---- */

double
val_number(struct val v)
{
	assert(v.kind == VAL_NUMBER);
	if (!v.is_text)
		return v.number;
	struct number number;
	number_scan(v.p, v.p + v.n, &number);
	return number_value(&number, (struct str){ v.p, v.n });
}

static unsigned
hex4(const uint8_t *p)
{
	unsigned code = 0;
	for (int i = 0; i < 4; i++)
		code = code << 4 | (p[i] <= '9' ? p[i] - (unsigned)'0' : (p[i] | 0x20u) - 'a' + 10);
	return code;
}

static uint8_t *
put_utf8(uint8_t *out, unsigned code)
{
	if (code < 0x80) {
		*out++ = (uint8_t)code;
	} else if (code < 0x800) {
		*out++ = (uint8_t)(0xc0 | code >> 6);
		*out++ = (uint8_t)(0x80 | (code & 0x3f));
	} else {
		if (code < 0x10000) {
			*out++ = (uint8_t)(0xe0 | code >> 12);
		} else {
			*out++ = (uint8_t)(0xf0 | code >> 18);
			*out++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		*out++ = (uint8_t)(0x80 | (code & 0x3f));
	}
	return out;
}

/* What the escape at p, behind the backslash, stands for; *p goes past it.  Surrogates
 * are pairs: the check refused others. */
static unsigned
unescape(const uint8_t **p)
{
	uint8_t c = *(*p)++;
	switch (c) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'u': break;
	default: return c;
	}
	unsigned code = hex4(*p);
	*p += 4;
	if (code >= 0xd800 && code < 0xdc00) {
		code = 0x10000 + ((code - 0xd800) << 10 | (hex4(*p + 2) - 0xdc00));
		*p += 6;
	}
	return code;
}

static struct str
decode(struct val_pool *pool, const uint8_t *p, const uint8_t *end)
{
	uint8_t *first = val_alloc(pool, (size_t)(end - p) + 1), *out = first;
	if (!first)
		return (struct str){ p, 0 };
	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		p++;
		out = put_utf8(out, unescape(&p));
	}
	return (struct str){ first, (int32_t)(out - first) };
}

struct str
val_string(struct val_pool *pool, struct val v)
{
	assert(v.kind == VAL_STRING);
	if (!v.is_text)
		return (struct str){ v.p, v.n };
	const uint8_t *p = v.p + 1;
	int32_t n = v.n - 2;
	if (!v.is_printed && n > 0 && memchr(p, '\\', (size_t)n))
		return decode(pool, p, p + n);
	return (struct str){ p, n };
}

/* ---- arrays and objects ---- */

struct val
val_item(struct val v, int64_t i)
{
	struct val item;
	struct val_iter iter;
	if (!v.is_text) {
		i += i < 0 ? v.n : 0;
		return i < 0 || i >= v.n ? val_of_kind(VAL_NULL) : v.item[i];
	}
	if (i < 0) {
		val_iter_init(&iter, v);
		while (val_iter_next(&iter, NULL, &item))
			i++;
		if (i < 0)
			return val_of_kind(VAL_NULL);
	}
	val_iter_init(&iter, v);
	for (; val_iter_next(&iter, NULL, &item); i--)
		if (i == 0)
			return item;
	return val_of_kind(VAL_NULL);
}

static bool
has_key(struct val_pool *pool, struct val v, struct str key)
{
	return str_eq(val_string(pool, v), key);
}

struct val
val_member(struct val_pool *pool, struct val v, struct str key, bool *found)
{
	struct val value = val_of_kind(VAL_NULL), at_key, at;
	bool is_found = false;
	if (v.is_text) {
		struct val_iter iter;
		val_iter_init(&iter, v);
		while (val_iter_next(&iter, &at_key, &at)) {
			if (has_key(pool, at_key, key)) {
				value = at; /* of a key that comes twice the last one counts */
				is_found = true;
			}
		}
	} else {
		for (int32_t i = 0; i < v.n && !is_found; i++) {
			if (has_key(pool, v.member[i].key, key)) {
				value = v.member[i].value;
				is_found = true;
			}
		}
	}
	if (found)
		*found = is_found;
	return value;
}

static struct val
made_array(struct val_pool *pool, struct val v)
{
	struct val_iter iter;
	struct val item;
	int32_t n = 0;
	val_iter_init(&iter, v);
	while (val_iter_next(&iter, NULL, &item))
		n++;
	struct val *items = val_alloc(pool, (size_t)n * sizeof *items);
	if (!items)
		return val_of_kind(VAL_ARRAY);
	val_iter_init(&iter, v);
	for (int32_t i = 0; i < n; i++)
		val_iter_next(&iter, NULL, &items[i]);
	return (struct val){ .kind = VAL_ARRAY, .n = n, .item = items };
}

static struct val
made_object(struct val_pool *pool, struct val v)
{
	struct val_iter iter;
	struct val key, value;
	int32_t n = 0;
	val_iter_init(&iter, v);
	while (val_iter_next(&iter, &key, &value))
		n++;
	struct val_member *member = val_alloc(pool, (size_t)n * sizeof *member);
	/* Larger objects are libjq's, which has hash tables. */
	pool->is_full |= n > MEMBER_MAX;
	if (pool->is_full)
		return val_of_kind(VAL_OBJECT);
	n = 0;
	val_iter_init(&iter, v);
	while (val_iter_next(&iter, &key, &value)) {
		struct str s = val_string(pool, key);
		int32_t i = 0;
		while (i < n && !has_key(pool, member[i].key, s))
			i++;
		member[i].value = value;
		if (i == n)
			member[n++].key = val_of_string(s);
	}
	return (struct val){ .kind = VAL_OBJECT, .n = n, .member = member };
}

struct val
val_made(struct val_pool *pool, struct val v)
{
	if (!v.is_text)
		return v;
	return v.kind == VAL_ARRAY ? made_array(pool, v) : made_object(pool, v);
}

int64_t
val_length(struct val_pool *pool, struct val v)
{
	struct val_iter iter;
	struct val item;
	int64_t n = 0;
	if (!v.is_text || v.kind == VAL_OBJECT)
		return val_made(pool, v).n;
	val_iter_init(&iter, v);
	while (val_iter_next(&iter, NULL, &item))
		n++;
	return n;
}

/* ---- compare ---- */

static bool
arrays_are_equal(struct val_pool *pool, struct val x, struct val y)
{
	x = val_made(pool, x);
	y = val_made(pool, y);
	if (x.n != y.n)
		return false;
	for (int32_t i = 0; i < x.n; i++)
		if (!val_is_equal(pool, x.item[i], y.item[i]))
			return false;
	return true;
}

static bool
objects_are_equal(struct val_pool *pool, struct val x, struct val y)
{
	x = val_made(pool, x);
	y = val_made(pool, y);
	if (x.n != y.n)
		return false;
	for (int32_t i = 0; i < x.n; i++) {
		bool found;
		struct val v = val_member(pool, y, val_string(pool, x.member[i].key), &found);
		if (!found || !val_is_equal(pool, x.member[i].value, v))
			return false;
	}
	return true;
}

bool
val_is_equal(struct val_pool *pool, struct val x, struct val y)
{
	if (x.kind != y.kind || !val_visit(pool))
		return false;
	switch ((enum val_kind)x.kind) {
	case VAL_NUMBER: return val_number(x) == val_number(y);
	case VAL_STRING: return str_eq(val_string(pool, x), val_string(pool, y));
	case VAL_ARRAY: return arrays_are_equal(pool, x, y);
	case VAL_OBJECT: return objects_are_equal(pool, x, y);
	default: return true;
	}
}

static int
number_cmp(double x, double y)
{
	if (isnan(x))
		return -1; /* as null, which comes before all numbers */
	return isnan(y) ? 1 : (x > y) - (x < y);
}

static int
array_cmp(struct val_pool *pool, struct val x, struct val y)
{
	x = val_made(pool, x);
	y = val_made(pool, y);
	for (int32_t i = 0; i < x.n && i < y.n; i++) {
		int rc = val_cmp(pool, x.item[i], y.item[i]);
		if (rc)
			return rc;
	}
	return (x.n > y.n) - (x.n < y.n);
}

static int
key_cmp(const void *x, const void *y)
{
	const struct val_member *a = x, *b = y;
	return str_cmp((struct str){ a->key.p, a->key.n }, (struct str){ b->key.p, b->key.n });
}

/* The members in order of their keys, which are characters, no texts. */
static const struct val_member *
sorted_members(struct val_pool *pool, struct val *v)
{
	*v = val_made(pool, *v);
	struct val_member *member = val_alloc(pool, (size_t)v->n * sizeof *member);
	if (!member) {
		v->n = 0;
		return NULL;
	}
	for (int32_t i = 0; i < v->n; i++) {
		member[i].key = val_of_string(val_string(pool, v->member[i].key));
		member[i].value = v->member[i].value;
	}
	qsort(member, (size_t)v->n, sizeof *member, key_cmp);
	return member;
}

static int
object_cmp(struct val_pool *pool, struct val x, struct val y)
{
	const struct val_member *a = sorted_members(pool, &x), *b = sorted_members(pool, &y);
	for (int32_t i = 0; i < x.n && i < y.n; i++) {
		int rc = key_cmp(&a[i], &b[i]);
		if (rc)
			return rc;
	}
	if (x.n != y.n)
		return x.n < y.n ? -1 : 1;
	for (int32_t i = 0; i < x.n; i++) {
		int rc = val_cmp(pool, a[i].value, b[i].value);
		if (rc)
			return rc;
	}
	return 0;
}

int
val_cmp(struct val_pool *pool, struct val x, struct val y)
{
	if (x.kind != y.kind)
		return x.kind < y.kind ? -1 : 1;
	if (!val_visit(pool))
		return 0;
	switch ((enum val_kind)x.kind) {
	case VAL_NUMBER: return number_cmp(val_number(x), val_number(y));
	case VAL_STRING: return str_cmp(val_string(pool, x), val_string(pool, y));
	case VAL_ARRAY: return array_cmp(pool, x, y);
	case VAL_OBJECT: return object_cmp(pool, x, y);
	default: return 0;
	}
}
