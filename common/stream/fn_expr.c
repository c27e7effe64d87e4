#include "stream/fn_expr.h"

#include "base/utf8.h"
#include "stream/keys.h"
#include "text/jsonput.h"

struct fn_expr {
	struct flow_fn fn;
	struct flow_fns *fns;
	struct fn_expr *next;
	struct expr *expr;
	struct flow_place place;
};

struct flow_fns {
	struct expr_set *exprs;
	struct fn_expr *all;
	struct arena memory;      /* as long as the set */
	struct arena arena;       /* keys and pairs, until flow_fns_next */
	struct buf scratch;
	/* The last $key that was made. */
	struct flow_key key;
	enum flow_key_format format;
	struct str key_json;
	bool has_key;
	bool is_endless;          /* keys, and values made of them, may have unlimited windows */
};

/* ---- keys as JSON ---- */

/* Keys in windows in windows are rare, and come from the plan: a few levels. */
static void
put_bytes(struct str bytes, const struct flow_window *inner, enum flow_key_format format,
	struct buf *out)
{
	struct flow_key key;
	if (bytes.n < 0) {
		buf_puts(out, "null");
	} else if (inner && keys_take_topic(bytes, inner, &key)) {
		flow_key_put_json(&key, format, out);
	} else if (format == FLOW_KEY_JSON) {
		buf_put_str(out, bytes);
	} else if (format == FLOW_KEY_BYTES && !utf8_is_valid(bytes)) {
		buf_puts(out, "{\"b64\":\"");
		json_put_base64(bytes, out);
		buf_puts(out, "\"}");
	} else {
		json_put_string(bytes, out);
	}
}

void
flow_key_put_json(const struct flow_key *key, enum flow_key_format format, struct buf *out)
{
	if (!key->is_windowed) {
		put_bytes(key->bytes, key->inner, format, out);
		return;
	}
	buf_puts(out, "{\"key\":");
	put_bytes(key->bytes, key->inner, format, out);
	buf_puts(out, ",\"start\":");
	buf_put_int(out, key->start_ms);
	buf_puts(out, ",\"end\":");
	buf_put_int(out, key->end_ms);
	buf_putc(out, '}');
}

static int
hex4(const uint8_t *p)
{
	int value = 0;
	for (int i = 0; i < 4; i++) {
		int c = p[i];
		value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

static void
put_utf8(uint32_t code, struct buf *out)
{
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	uint8_t *p = buf_grow(out, (size_t)n);
	for (int i = n - 1; i > 0; i--, code >>= 6)
		p[i] = (uint8_t)(0x80 | (code & 0x3f));
	p[0] = (uint8_t)(lead[n] | code);
}

/* Append the characters of a checked JSON string, given with its quotes. */
static void
put_unescaped(struct str json, struct buf *out)
{
	const uint8_t *p = json.p + 1, *end = json.p + json.n - 1;
	while (p < end) {
		const uint8_t *plain = memchr(p, '\\', (size_t)(end - p));
		buf_put(out, p, (size_t)((plain ? plain : end) - p));
		if (!plain)
			return;
		int c = plain[1];
		p = plain + 2;
		if (c == 'u') {
			uint32_t code = (uint32_t)hex4(p);
			p += 4;
			if (code >= 0xd800 && code < 0xdc00 && end - p >= 6) {
				code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(p + 2) - 0xdc00);
				p += 6;
			}
			put_utf8(code, out);
		} else {
			static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
			const char *at = memchr(from, c, sizeof from - 1);
			buf_putc(out, (char)(at ? to[at - from] : c));
		}
	}
}

int
flow_key_parse_json(struct str json, enum flow_key_format format, struct buf *out,
	struct err *e)
{
	static const char b64[] = "{\"b64\":\"";
	assert(json.n > 0);
	if (format == FLOW_KEY_JSON) {
		buf_put_str(out, json);
	} else if (json.p[0] == '"') {
		put_unescaped(json, out);
	} else if (format == FLOW_KEY_BYTES && str_has_prefix(json, STR(b64))
		&& !memchr(json.p + sizeof b64 - 1, ',', (size_t)json.n - sizeof b64 + 1)) {
		struct str text = { json.p + sizeof b64 - 1, json.n - (int32_t)sizeof b64 - 1 };
		if (json_parse_base64(text, out) < 0)
			return err_set(e, ERR_CORRUPT, "the key's b64 is not base64");
	} else {
		buf_put_str(out, json);
	}
	return 0;
}

/* ---- items ---- */

bool
flow_items_init(struct flow_items *items, struct str array)
{
	if (array.n < 2 || array.p[0] != '[')
		return false;
	*items = (struct flow_items){ array.p + 1, array.p + array.n - 1 };
	return true;
}

bool
flow_items_next(struct flow_items *items, struct str *item)
{
	const uint8_t *from = items->p, *p = from;
	int depth = 0;
	if (p >= items->end)
		return false;
	for (; p < items->end && (depth || *p != ','); p++) {
		if (*p == '[' || *p == '{')
			depth++;
		else if (*p == ']' || *p == '}')
			depth--;
		else if (*p == '"')
			for (p++; *p != '"'; p++)
				p += *p == '\\';
	}
	items->p = p + 1;
	*item = (struct str){ from, (int32_t)(p - from) };
	if (str_eq(*item, STR("null")))
		*item = STR_NULL;
	return true;
}

/* ---- functions ---- */

static bool
is_same_key(const struct flow_key *x, const struct flow_key *y)
{
	return x->bytes.p == y->bytes.p && x->bytes.n == y->bytes.n
		&& x->is_windowed == y->is_windowed && x->start_ms == y->start_ms
		&& x->end_ms == y->end_ms && x->inner == y->inner;
}

/* The same address for the same key, so that it is parsed once. */
static struct str
key_json(struct flow_fns *fns, const struct flow_key *key, enum flow_key_format format)
{
	if (format == FLOW_KEY_JSON && !key->is_windowed && !key->inner)
		return key->bytes;
	if (fns->has_key && fns->format == format && is_same_key(&fns->key, key))
		return fns->key_json;
	buf_reset(&fns->scratch);
	flow_key_put_json(key, format, &fns->scratch);
	fns->key_json = arena_str(&fns->arena, buf_str(&fns->scratch));
	fns->key = *key;
	fns->format = format;
	fns->has_key = true;
	return fns->key_json;
}

static struct str
null_if_unset(struct str s)
{
	return s.p ? s : STR_NULL;
}

void
flow_fns_input(struct flow_fns *fns, const struct expr *expr, enum flow_key_format format,
	const struct flow_args *args, struct expr_in *in)
{
	in->v[EXPR_DOT] = null_if_unset(args->value);
	in->v[EXPR_KEY] = STR_NULL;
	in->v[EXPR_ACC] = null_if_unset(args->acc);
	in->v[EXPR_LEFT] = null_if_unset(args->left);
	in->v[EXPR_RIGHT] = null_if_unset(args->right);
	if (expr_uses(expr, EXPR_KEY))
		in->v[EXPR_KEY] = key_json(fns, args->key, format);
}

void
flow_fns_be_endless(struct flow_fns *fns)
{
	fns->is_endless = true;
}

static const char endless[] = "9223372036854775807", rounded[] = "9223372036854776000";

static bool
has_end(const struct expr *expr, const struct expr_in *in)
{
	for (int i = 0; i < EXPR_NVAR; i++)
		if (expr_uses(expr, (enum expr_var)i) && in->v[i].n > 0
				&& memmem(in->v[i].p, (size_t)in->v[i].n, endless, sizeof endless - 1))
			return true;
	return false;
}

/*
 * jq knows doubles only: the end of a window without end, 9223372036854775807, comes back as
 * 9223372036854776000.  Put it back, in a copy.
 */
static void
restore_end(struct flow_fns *fns, const struct expr *expr, const struct expr_in *in,
	struct str *result)
{
	size_t n = sizeof endless - 1;
	if (result->n < (int32_t)n || !memmem(result->p, (size_t)result->n, rounded, n)
		|| !has_end(expr, in))
		return;
	*result = arena_str(&fns->arena, *result);
	uint8_t *p = (uint8_t *)(uintptr_t)result->p, *to = p + result->n;
	while ((p = memmem(p, (size_t)(to - p), rounded, n))) {
		memcpy(p, endless, n);
		p += n;
	}
}

int
flow_fns_value(struct flow_fns *fns, struct expr *expr, const struct expr_in *in,
	struct str *out, struct err *e)
{
	int rc = expr_value(expr, in, out, e);
	if (rc > 0 && (fns->is_endless || expr_uses(expr, EXPR_KEY)))
		restore_end(fns, expr, in, out);
	return rc;
}

static int
to_key(struct fn_expr *fn, struct str json, struct str *out, struct err *e)
{
	struct flow_fns *fns = fn->fns;
	*out = json;
	if (json.n < 0 || fn->place.out_key == FLOW_KEY_JSON)
		return 0;
	buf_reset(&fns->scratch);
	if (flow_key_parse_json(json, fn->place.out_key, &fns->scratch, e) < 0)
		return -1;
	*out = arena_str(&fns->arena, buf_str(&fns->scratch));
	if (!out->p)
		out->p = (const uint8_t *)"";
	return 0;
}

static int
test(struct flow_fn *flow, const struct flow_args *args, struct err *e)
{
	struct fn_expr *fn = CONTAINER_OF(flow, struct fn_expr, fn);
	struct expr_in in;
	flow_fns_input(fn->fns, fn->expr, fn->place.in_key, args, &in);
	return expr_test(fn->expr, &in, e);
}

static int
value(struct flow_fn *flow, const struct flow_args *args, struct str *out, struct err *e)
{
	struct fn_expr *fn = CONTAINER_OF(flow, struct fn_expr, fn);
	struct expr_in in;
	flow_fns_input(fn->fns, fn->expr, fn->place.in_key, args, &in);
	if (flow_fns_value(fn->fns, fn->expr, &in, out, e) < 0)
		return -1;
	return fn->place.gives == FLOW_GIVES_KEY ? to_key(fn, *out, out, e) : 0;
}

static struct flow_pair *
pairs_alloc(struct flow_fns *fns, int n)
{
	return arena_alloc(&fns->arena, (size_t)MAX(n, 1) * sizeof(struct flow_pair));
}

static int
to_pair(struct fn_expr *fn, struct str json, struct flow_pair *out, struct err *e)
{
	struct flow_items items;
	struct str key, more;
	if (!flow_items_init(&items, json) || !flow_items_next(&items, &key)
		|| !flow_items_next(&items, &out->value) || flow_items_next(&items, &more))
		return err_set(e, ERR_USAGE, "the result is not [key, value]: %.*s",
			json.n < 0 ? 4 : MIN(json.n, 100), json.n < 0 ? "null" : (const char *)json.p);
	return to_key(fn, key, &out->key, e);
}

/* The pairs of [[key, value], ...]. */
static int
to_pairs(struct fn_expr *fn, struct str json, struct flow_pair **out, struct err *e)
{
	struct flow_items items, count;
	struct str item;
	int n = 0;
	if (!flow_items_init(&items, json))
		return err_set(e, ERR_USAGE, "the result is not [[key, value], ...]: %.*s",
			json.n < 0 ? 4 : MIN(json.n, 100), json.n < 0 ? "null" : (const char *)json.p);
	for (count = items; flow_items_next(&count, &item);)
		n++;
	*out = pairs_alloc(fn->fns, n);
	for (int i = 0; i < n; i++) {
		flow_items_next(&items, &item);
		if (to_pair(fn, item, &(*out)[i], e) < 0)
			return -1;
	}
	return n;
}

static int
pairs_each(struct fn_expr *fn, const struct flow_args *args, const struct expr_in *in,
	struct flow_pair **out, struct err *e)
{
	struct str *v;
	int n = expr_each(fn->expr, in, &v, e);
	if (n < 0)
		return -1;
	*out = pairs_alloc(fn->fns, n);
	for (int i = 0; i < n; i++)
		(*out)[i] = (struct flow_pair){ args->key->bytes, v[i] };
	return n;
}

static int
pairs(struct flow_fn *flow, const struct flow_args *args, struct flow_pair **out,
	struct err *e)
{
	struct fn_expr *fn = CONTAINER_OF(flow, struct fn_expr, fn);
	struct expr_in in;
	struct str json;
	flow_fns_input(fn->fns, fn->expr, fn->place.in_key, args, &in);
	if (fn->place.gives == FLOW_GIVES_EACH)
		return pairs_each(fn, args, &in, out, e);
	if (flow_fns_value(fn->fns, fn->expr, &in, &json, e) < 0)
		return -1;
	if (fn->place.gives == FLOW_GIVES_PAIRS)
		return to_pairs(fn, json, out, e);
	*out = pairs_alloc(fn->fns, 1);
	if (fn->place.gives == FLOW_GIVES_PAIR)
		return to_pair(fn, json, *out, e) < 0 ? -1 : 1;
	(*out)->value = args->value;
	return to_key(fn, json, &(*out)->key, e) < 0 ? -1 : 1;
}

struct flow_fn *
flow_fns_add(struct flow_fns *fns, struct str text, const struct flow_place *place,
	struct err *e)
{
	struct expr *expr = expr_add(fns->exprs, text, e);
	if (!expr)
		return NULL;
	struct fn_expr *fn = NEW(struct fn_expr);
	fn->fns = fns;
	fn->expr = expr;
	fn->place = *place;
	if (place->gives == FLOW_GIVES_TEST)
		fn->fn.test = test;
	else if (place->gives == FLOW_GIVES_VALUE || place->gives == FLOW_GIVES_KEY)
		fn->fn.value = value;
	else
		fn->fn.pairs = pairs;
	fn->next = fns->all;
	fns->all = fn;
	return &fn->fn;
}

/* ---- sets ---- */

struct flow_fns *
flow_fns_new(const struct expr_opts *o)
{
	struct flow_fns *fns = NEW(struct flow_fns);
	fns->exprs = expr_set_new(o);
	return fns;
}

void
flow_fns_free(struct flow_fns *fns)
{
	if (!fns)
		return;
	for (struct fn_expr *fn = fns->all, *next; fn; fn = next) {
		next = fn->next;
		mem_free(fn);
	}
	expr_set_free(fns->exprs);
	arena_release(&fns->memory);
	arena_release(&fns->arena);
	buf_release(&fns->scratch);
	mem_free(fns);
}

void
flow_fns_next(struct flow_fns *fns)
{
	expr_set_next(fns->exprs);
	arena_reset(&fns->arena);
	fns->has_key = false;
}

struct expr_set *
flow_fns_set(struct flow_fns *fns)
{
	return fns->exprs;
}

struct arena *
flow_fns_memory(struct flow_fns *fns)
{
	return &fns->memory;
}
