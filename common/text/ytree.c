#include "text/ytree.h"

#include "sys/fs.h"

#include <fcntl.h>
#include <yaml.h>

enum { FILE_MAX = 1 << 20, NODES_MAX = 100000, DEPTH_MAX = 16 };

struct ytree_walk {
	const char *name;
	struct str text;
	struct arena *a;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	int nnode;
	struct err *e;
};

static int
fail(struct ytree_walk *walk, const yaml_mark_t *at, const char *what)
{
	return err_set(walk->e, ERR_USAGE, "%s:%zu:%zu: %s", walk->name, at->line + 1, at->column + 1,
		what);
}

/* libyaml reports the offset of a bad byte, but not its line. */
static int
fail_parse(struct ytree_walk *walk)
{
	const char *what = walk->parser.problem ? walk->parser.problem : "not YAML";
	yaml_mark_t at = walk->parser.problem_mark;
	if (walk->parser.error == YAML_READER_ERROR) {
		size_t n = MIN(walk->parser.problem_offset, (size_t)walk->text.n);
		at.line = at.column = 0;
		for (size_t i = 0; i < n; i++, at.column++)
			if (walk->text.p[i] == '\n') {
				at.line++;
				at.column = (size_t)-1; /* becomes 0 at the next byte */
			}
	}
	return fail(walk, &at, what);
}

static int
next(struct ytree_walk *walk)
{
	if (walk->has_event)
		yaml_event_delete(&walk->event);
	walk->has_event = yaml_parser_parse(&walk->parser, &walk->event);
	if (!walk->has_event)
		return fail_parse(walk);
	const yaml_event_t *event = &walk->event;
	bool has_anchor = (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor)
		|| (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor)
		|| (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
	if (event->type == YAML_ALIAS_EVENT || has_anchor)
		return fail(walk, &event->start_mark, "anchors and aliases are not allowed");
	return 0;
}

static struct ytree *
new_node(struct ytree_walk *walk, enum ytree_kind kind)
{
	if (++walk->nnode > NODES_MAX) {
		fail(walk, &walk->event.start_mark, "too many values");
		return NULL;
	}
	struct ytree *node = arena_alloc(walk->a, sizeof *node);
	node->kind = kind;
	node->line = (int)walk->event.start_mark.line + 1;
	node->column = (int)walk->event.start_mark.column + 1;
	return node;
}

static struct ytree *
take_text(struct ytree_walk *walk)
{
	struct ytree *node = new_node(walk, YTREE_TEXT);
	struct str text = { walk->event.data.scalar.value, (int32_t)walk->event.data.scalar.length };
	if (!node)
		return NULL;
	if (memchr(text.p, 0, (size_t)text.n)) {
		fail(walk, &walk->event.start_mark, "a NUL byte is not allowed");
		return NULL;
	}
	node->text = (const char *)arena_str(walk->a, text).p;
	node->is_plain = walk->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->is_block = walk->event.data.scalar.style == YAML_LITERAL_SCALAR_STYLE
		|| walk->event.data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	return node;
}

/* The items grow on the heap and are then copied to the arena. */
struct items {
	struct ytree_item *v;
	int n, cap;
};

static struct ytree_item *
add_item(struct items *items)
{
	if (items->n == items->cap) {
		items->cap = items->cap ? items->cap * 2 : 8;
		items->v = mem_realloc(items->v, (size_t)items->cap * sizeof *items->v);
	}
	items->v[items->n] = (struct ytree_item){ 0 };
	return &items->v[items->n++];
}

static int
take_key(struct ytree_walk *walk, struct items *items, struct ytree_item *item)
{
	if (walk->event.type != YAML_SCALAR_EVENT)
		return fail(walk, &walk->event.start_mark, "a key is a plain word");
	struct ytree *key = take_text(walk);
	if (!key)
		return -1;
	for (int i = 0; i < items->n - 1; i++)
		if (strcmp(items->v[i].key, key->text) == 0)
			return fail(walk, &walk->event.start_mark, "the key occurs twice");
	item->key = key->text;
	item->line = key->line;
	item->column = key->column;
	return next(walk);
}

static struct ytree *take_value(struct ytree_walk *walk, int depth);

static int
take_items(struct ytree_walk *walk, struct ytree *node, struct items *items, int depth)
{
	yaml_event_type_t end = node->kind == YTREE_MAP ? YAML_MAPPING_END_EVENT
		: YAML_SEQUENCE_END_EVENT;
	for (;;) {
		if (next(walk) < 0)
			return -1;
		if (walk->event.type == end)
			return 0;
		struct ytree_item *item = add_item(items);
		if (node->kind == YTREE_MAP && take_key(walk, items, item) < 0)
			return -1;
		item->value = take_value(walk, depth + 1);
		if (!item->value)
			return -1;
	}
}

/* The node that the current event begins. */
static struct ytree *
take_value(struct ytree_walk *walk, int depth)
{
	if (walk->event.type == YAML_SCALAR_EVENT)
		return take_text(walk);
	if (depth > DEPTH_MAX) {
		fail(walk, &walk->event.start_mark, "too deep");
		return NULL;
	}
	struct items items = { NULL, 0, 0 };
	struct ytree *node = new_node(walk, walk->event.type == YAML_MAPPING_START_EVENT
		? YTREE_MAP : YTREE_LIST);
	int rc = node ? take_items(walk, node, &items, depth) : -1;
	if (rc == 0) {
		node->item = arena_alloc(walk->a, (size_t)(items.n + 1) * sizeof *items.v);
		if (items.n)
			memcpy(node->item, items.v, (size_t)items.n * sizeof *items.v);
		node->n = items.n;
	}
	mem_free(items.v);
	return rc == 0 ? node : NULL;
}

static struct ytree *
take_document(struct ytree_walk *walk)
{
	if (next(walk) < 0 || next(walk) < 0) /* start of the stream, start of the document */
		return NULL;
	if (walk->event.type == YAML_STREAM_END_EVENT)
		return new_node(walk, YTREE_MAP);
	if (next(walk) < 0)
		return NULL;
	struct ytree *node = take_value(walk, 1);
	if (node && node->kind == YTREE_TEXT && node->is_plain && !*node->text)
		node->kind = YTREE_MAP; /* "---" alone */
	if (!node || next(walk) < 0 || next(walk) < 0)
		return NULL;
	if (walk->event.type == YAML_STREAM_END_EVENT)
		return node;
	fail(walk, &walk->event.start_mark, "one document is enough");
	return NULL;
}

struct ytree *
ytree_parse(const char *name, struct str text, struct arena *a, struct err *e)
{
	static const uint8_t nothing[1];
	struct ytree_walk walk = { .name = name, .a = a, .e = e,
		.text = text.n > 0 ? text : (struct str){ nothing, 0 } };
	if (!yaml_parser_initialize(&walk.parser)) {
		err_set(e, ERR_LIMIT, "%s: out of memory", name);
		return NULL;
	}
	yaml_parser_set_input_string(&walk.parser, walk.text.p, (size_t)walk.text.n);
	struct ytree *node = take_document(&walk);
	if (walk.has_event)
		yaml_event_delete(&walk.event);
	yaml_parser_delete(&walk.parser);
	return node;
}

struct ytree *
ytree_read(const char *path, struct arena *a, struct err *e)
{
	struct buf b = BUF_INIT;
	struct ytree *node = NULL;
	if (fs_read_file(AT_FDCWD, path, FILE_MAX, &b, e) == 0)
		node = ytree_parse(path, buf_str(&b), a, e);
	buf_release(&b);
	return node;
}

const struct ytree *
ytree_get(const struct ytree *map, const char *key)
{
	assert(map->kind == YTREE_MAP);
	for (int i = 0; i < map->n; i++)
		if (strcmp(map->item[i].key, key) == 0)
			return map->item[i].value;
	return NULL;
}

/* ---- printing ---- */

static bool
is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		|| (c && strchr("._/-+()$*<>=", c));
}

/* Plain where no character of it means anything in YAML. */
static bool
is_plain(struct str text)
{
	if (text.n < 1 || strchr("-=<>*+", text.p[0]))
		return false;
	for (int32_t i = 0; i < text.n; i++)
		if (!is_word(text.p[i]) && !(text.p[i] == ' ' && i > 0 && i < text.n - 1))
			return false;
	return true;
}

static bool
has_control(struct str text)
{
	for (int32_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] == 0x7f || text.p[i] >= 0x80)
			return true;
	return false;
}

/* Append, in double quotes, the character at p if YAML reads it otherwise than as itself:
 * line ends beyond ASCII, control characters.  Returns its bytes, or 0. */
static int
put_special(const uint8_t *p, const uint8_t *end, struct buf *out)
{
	static const struct { const char *utf8, *escape; } special[] = {
		{ "\xe2\x80\xa8", "\\u2028" }, { "\xe2\x80\xa9", "\\u2029" },
		{ "\xef\xbb\xbf", "\\ufeff" }, { "\xef\xbf\xbe", "\\ufffe" },
		{ "\xef\xbf\xbf", "\\uffff" },
	};
	if (*p == '"' || *p == '\\') {
		buf_printf(out, "\\%c", *p);
		return 1;
	}
	if (*p < ' ' || *p == 0x7f) {
		buf_printf(out, "\\x%02x", *p);
		return 1;
	}
	if (*p == 0xc2 && p + 1 < end && p[1] < 0xa0) {
		buf_printf(out, "\\x%02x", p[1]);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (end - p >= 3 && memcmp(p, special[i].utf8, 3) == 0) {
			buf_puts(out, special[i].escape);
			return 3;
		}
	return 0;
}

void
ytree_put_text(struct str text, struct buf *out)
{
	if (is_plain(text)) {
		buf_put_str(out, text);
		return;
	}
	/* Single quotes: only the quote itself is special.  Double quotes: all else. */
	char quote = has_control(text) ? '"' : '\'';
	buf_putc(out, quote);
	for (const uint8_t *p = text.p, *end = p + MAX(text.n, 0); p < end;) {
		int n = quote == '"' ? put_special(p, end, out) : 0;
		p += n;
		if (n > 0)
			continue;
		if (quote == '\'' && *p == '\'')
			buf_putc(out, '\'');
		buf_putc(out, (char)*p++);
	}
	buf_putc(out, quote);
}
