#include "json/doc.h"
#include "json/number.h"

#include "base/utf8.h"

/* A wanted member. */
struct doc_path {
	struct str key;    /* its characters */
	int child, next;   /* first wanted member of it; next one of the same parent; or -1 */
};

/* Where the pass is. */
struct pass {
	const uint8_t *p, *end;
	const uint8_t *text;
	struct doc *doc;             /* NULL: nothing is wanted */
	const struct quotes *quotes; /* strings are checked, and these are their ends; or NULL */
	int nquote;                  /* those before p */
	int depth;
	struct {
		bool is_object;
		int path;             /* slot of this container; -1: nothing is wanted of it */
		const uint8_t *begin;
	} level[DOC_DEPTH_MAX];
};

/* ---- wanted members ---- */

static int
add_slot(struct doc *doc, struct str key)
{
	int i = doc->nslot++;
	doc->slot = mem_realloc(doc->slot, (size_t)doc->nslot * sizeof *doc->slot);
	doc->path = mem_realloc(doc->path, (size_t)doc->nslot * sizeof *doc->path);
	doc->path[i] = (struct doc_path){ str_of(mem_strndup(key)), -1, -1 };
	doc->path[i].key.n = key.n;
	doc->slot[i] = val_of_kind(VAL_NULL);
	return i;
}

void
doc_init(struct doc *doc)
{
	*doc = (struct doc){ 0 };
	quotes_init(&doc->quotes);
	add_slot(doc, STR(""));
}

static void
drop_shapes(struct doc *doc)
{
	while (doc->nshape > 0)
		mem_free(doc->shape[--doc->nshape]);
}

void
doc_release(struct doc *doc)
{
	for (int i = 0; i < doc->nslot; i++)
		mem_free((void *)(uintptr_t)doc->path[i].key.p);
	drop_shapes(doc);
	quotes_release(&doc->quotes);
	mem_free(doc->slot);
	mem_free(doc->path);
	*doc = (struct doc){ 0 };
}

static int
find_path(const struct doc *doc, int parent, struct str key)
{
	int i = doc->path[parent].child;
	while (i >= 0 && !str_eq(doc->path[i].key, key))
		i = doc->path[i].next;
	return i;
}

int
doc_want(struct doc *doc, int parent, struct str key)
{
	int i = find_path(doc, parent, key);
	if (i >= 0)
		return i;
	if (doc->nslot == DOC_SLOT_MAX)
		return -1;
	drop_shapes(doc); /* they do not know the slot */
	i = add_slot(doc, key);
	doc->path[i].next = doc->path[parent].child;
	doc->path[parent].child = i;
	return i;
}

/* The slot and those of its members hold null again: the key comes a second time. */
static void
clear_slot(struct doc *doc, int slot)
{
	doc->slot[slot] = val_of_kind(VAL_NULL);
	for (int i = doc->path[slot].child; i >= 0; i = doc->path[i].next)
		clear_slot(doc, i);
}

void
doc_clear(struct doc *doc)
{
	for (int i = 0; i < doc->nslot; i++)
		doc->slot[i] = val_of_kind(VAL_NULL);
}

/* ---- check ---- */

static const uint8_t *
skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static int
hex4(const uint8_t *p, const uint8_t *end)
{
	int n = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		uint8_t c = p[i] | 0x20;
		if (p[i] >= '0' && p[i] <= '9')
			n = n << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return n;
}

/* Past the escape whose backslash is at p, or NULL. */
static const uint8_t *
check_escape(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return NULL;
	if (p[1] != 'u')
		return strchr("\"\\/bfnrt", p[1]) && p[1] ? p + 2 : NULL;
	int code = hex4(p + 2, end);
	if (code < 0xd800 || code > 0xdfff)
		return code < 0 ? NULL : p + 6;
	if (code >= 0xdc00 || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return NULL;
	code = hex4(p + 8, end);
	return code >= 0xdc00 && code <= 0xdfff ? p + 12 : NULL;
}

/* Past the string that begins at p, or NULL. */
static const uint8_t *
check_string(const uint8_t *p, const uint8_t *end)
{
	for (p++; p < end;) {
		if (*p == '"')
			return p + 1;
		if (*p < 0x20)
			return NULL;
		p = *p == '\\' ? check_escape(p, end) : p + 1;
		if (!p)
			return NULL;
	}
	return NULL;
}

static const uint8_t *
check_word(const uint8_t *p, const uint8_t *end, struct str word)
{
	return end - p >= word.n && memcmp(p, word.p, (size_t)word.n) == 0 ? p + word.n : NULL;
}

/* Past the string that begins at p, or NULL. */
static const uint8_t *
take_string(struct pass *pass, const uint8_t *p)
{
	const struct quotes *quotes = pass->quotes;
	if (!quotes)
		return check_string(p, pass->end);
	if (pass->nquote + 1 >= quotes->n)
		return NULL;
	assert(pass->text + quotes->at[pass->nquote] == p);
	pass->nquote += 2;
	return pass->text + quotes->at[pass->nquote - 1] + 1;
}

static const uint8_t *
take_scalar(struct pass *pass, const uint8_t *p)
{
	const uint8_t *end = pass->end;
	struct number number;
	switch (*p) {
	case '"': return take_string(pass, p);
	case 't': return check_word(p, end, STR("true"));
	case 'f': return check_word(p, end, STR("false"));
	case 'n': return check_word(p, end, STR("null"));
	default: return number_scan(p, end, &number);
	}
}

/* ---- the pass ---- */

static void
found(struct pass *pass, int path, const uint8_t *begin, const uint8_t *end)
{
	if (path >= 0)
		pass->doc->slot[path] = val_of_text((struct str){ begin, (int32_t)(end - begin) });
}

/* The key at p, its colon, and the white space around.  *path is the member's slot. */
static bool
take_key(struct pass *pass, int *path)
{
	const uint8_t *begin = pass->p;
	int of = pass->level[pass->depth - 1].path;
	*path = -1;
	if (begin >= pass->end || *begin != '"')
		return false;
	const uint8_t *p = take_string(pass, begin);
	if (!p)
		return false;
	if (of >= 0 && pass->doc->path[of].child >= 0) {
		struct val_pool pool = { ARENA_INIT, 0, false };
		struct str key = val_string(&pool, val_of_text((struct str){ begin,
			(int32_t)(p - begin) }));
		*path = find_path(pass->doc, of, key);
		if (*path >= 0)
			clear_slot(pass->doc, *path);
		arena_release(&pool.arena);
	}
	p = skip_space(p, pass->end);
	if (p >= pass->end || *p != ':')
		return false;
	pass->p = skip_space(p + 1, pass->end);
	return true;
}

/* The value at p, of which a container is only opened: then *is_open. */
static bool
take_value(struct pass *pass, int path, bool *is_open)
{
	const uint8_t *p = pass->p;
	*is_open = false;
	if (p >= pass->end)
		return false;
	if (*p == '{' || *p == '[') {
		if (pass->depth == DOC_DEPTH_MAX)
			return false;
		pass->level[pass->depth].is_object = *p == '{';
		pass->level[pass->depth].path = path;
		pass->level[pass->depth++].begin = p;
		pass->p = skip_space(p + 1, pass->end);
		*is_open = true;
		return true;
	}
	pass->p = take_scalar(pass, p);
	if (!pass->p)
		return false;
	found(pass, path, p, pass->p);
	if (pass->quotes && pass->doc->nhole++ < DOC_HOLE_MAX)
		pass->doc->hole[pass->doc->nhole - 1] = (struct shape_hole){
			(uint32_t)(p - pass->text), (uint32_t)(pass->p - pass->text), *p == '"' };
	return true;
}

/* Behind a value, or behind a bracket that opens (is_open): commas and closing brackets up
 * to the next value.  False: an error, or the end, with depth 0. */
static bool
take_between(struct pass *pass, bool is_open, bool *is_done)
{
	*is_done = false;
	for (;;) {
		pass->p = skip_space(pass->p, pass->end);
		if (pass->depth == 0) {
			*is_done = pass->p == pass->end;
			return *is_done;
		}
		if (pass->p >= pass->end)
			return false;
		bool is_object = pass->level[pass->depth - 1].is_object;
		if (*pass->p == (is_object ? '}' : ']')) {
			pass->depth--;
			found(pass, pass->level[pass->depth].path, pass->level[pass->depth].begin, ++pass->p);
			is_open = false;
			continue;
		}
		if (is_open)
			return true;
		if (*pass->p != ',')
			return false;
		pass->p = skip_space(pass->p + 1, pass->end);
		return true;
	}
}

/* Walk through the text. */
static bool
walk(struct doc *doc, struct str text, const struct quotes *quotes)
{
	struct pass pass;
	bool is_open, is_done = false;
	pass.p = skip_space(text.p, text.p + text.n);
	pass.end = text.p + text.n;
	pass.text = text.p;
	pass.doc = doc;
	pass.quotes = quotes;
	pass.nquote = pass.depth = 0;
	if (doc) {
		doc_clear(doc);
		doc->nhole = 0;
	}
	while (!is_done) {
		int path = doc ? 0 : -1;
		if (pass.depth > 0 && !pass.level[pass.depth - 1].is_object)
			path = -1;
		else if (pass.depth > 0 && !take_key(&pass, &path))
			return false;
		if (!take_value(&pass, path, &is_open) || !take_between(&pass, is_open, &is_done))
			return false;
	}
	return quotes || utf8_is_valid(text);
}

/* ---- shapes ---- */

/* Is the text of a recent shape?  Then the slots are filled. */
static bool
fits(struct doc *doc, struct str text)
{
	for (int i = 0; i < doc->nshape; i++) {
		struct shape *shape = doc->shape[i];
		if (!shape_match(shape, text, &doc->quotes, doc->slot))
			continue;
		if (i > 0) {
			doc->shape[i] = doc->shape[i - 1];
			doc->shape[i - 1] = shape;
		}
		doc->nfit++;
		return true;
	}
	return false;
}

/* Keep the text's shape, in place of the one that fitted least.  Where most texts have a
 * shape of their own, only one of 16 is kept. */
static void
keep_shape(struct doc *doc, struct str text)
{
	enum { FEW = 64, MANY = 1 << 16 };
	if (++doc->nmiss > FEW && doc->nmiss > doc->nfit && doc->nmiss % 16 != 0)
		return;
	if (doc->nmiss + doc->nfit > MANY) {
		doc->nmiss /= 2;
		doc->nfit /= 2;
	}
	if (doc->nhole > DOC_HOLE_MAX)
		return;
	struct shape *shape = shape_new(text, &doc->quotes, doc->hole, doc->nhole, doc->slot,
		doc->nslot);
	if (!shape)
		return;
	if (doc->nshape == DOC_SHAPE_MAX)
		mem_free(doc->shape[--doc->nshape]);
	doc->shape[doc->nshape++] = shape;
}

/* Are the escapes good, wherever they are?  Outside of a string none is, but that is not
 * looked at here. */
static bool
check_escapes(struct str text)
{
	const uint8_t *p = text.p, *end = p + text.n;
	while (p && (p = memchr(p, '\\', (size_t)(end - p))))
		if (!(p = check_escape(p, end)))
			return false;
	return true;
}

bool
doc_scan(struct doc *doc, struct str text)
{
	if (!doc || text.n < QUOTES_TEXT_MIN)
		return walk(doc, text, NULL);
	struct quotes *quotes = &doc->quotes;
	quotes_find(quotes, text);
	if (quotes->has & QUOTES_CONTROL)
		return walk(doc, text, NULL);
	if (((quotes->has & QUOTES_ESCAPE) && !check_escapes(text))
		|| ((quotes->has & QUOTES_OTHER) && !utf8_is_valid(text)))
		return false;
	if (fits(doc, text))
		return true;
	if (!walk(doc, text, quotes))
		return false;
	keep_shape(doc, text);
	return true;
}

struct str
doc_trim(struct str text)
{
	const uint8_t *p = text.p, *end = p + text.n;
	p = skip_space(p, end);
	while (end > p && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct str){ p, (int32_t)(end - p) };
}
