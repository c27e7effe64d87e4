#include "text/conf.h"

#include "sys/fs.h"

#include <fcntl.h>
#include <yaml.h>

enum { FILE_MAX = 1 << 20, ITEMS_MAX = 1000, DEPTH_MAX = 16, KEY_MAX = 512 };

struct conf_walk {
	struct conf *conf;
	const char *name;
	struct str text;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	struct err *e;
	char key[KEY_MAX];
};

static int
fail(struct conf_walk *w, const yaml_mark_t *at, const char *what)
{
	return err_set(w->e, ERR_USAGE, "%s:%zu:%zu: %s", w->name, at->line + 1, at->column + 1, what);
}

/* libyaml tells of bad bytes where they are, but not in which line. */
static int
fail_parse(struct conf_walk *w)
{
	const char *what = w->parser.problem ? w->parser.problem : "not YAML";
	yaml_mark_t at = w->parser.problem_mark;
	if (w->parser.error == YAML_READER_ERROR) {
		size_t n = MIN(w->parser.problem_offset, (size_t)w->text.n);
		at.line = at.column = 0;
		for (size_t i = 0; i < n; i++, at.column++)
			if (w->text.p[i] == '\n') {
				at.line++;
				at.column = (size_t)-1; /* 0 at the next byte */
			}
	}
	return fail(w, &at, what);
}

static int
next(struct conf_walk *w)
{
	if (w->has_event)
		yaml_event_delete(&w->event);
	w->has_event = yaml_parser_parse(&w->parser, &w->event);
	if (!w->has_event)
		return fail_parse(w);
	yaml_mark_t *at = &w->event.start_mark;
	bool has_anchor = (w->event.type == YAML_SCALAR_EVENT && w->event.data.scalar.anchor)
		|| (w->event.type == YAML_SEQUENCE_START_EVENT && w->event.data.sequence_start.anchor)
		|| (w->event.type == YAML_MAPPING_START_EVENT && w->event.data.mapping_start.anchor);
	if (w->event.type == YAML_ALIAS_EVENT || has_anchor)
		return fail(w, at, "anchors and aliases are not allowed");
	return 0;
}

static int
add(struct conf_walk *w, const char *value, const yaml_mark_t *at)
{
	struct conf *c = w->conf;
	for (int i = 0; i < c->n; i++)
		if (strcmp(c->v[i].key, w->key) == 0)
			return fail(w, at, "the key occurs twice");
	if (c->n == ITEMS_MAX)
		return fail(w, at, "too many values");
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 16;
		c->v = mem_realloc(c->v, (size_t)c->cap * sizeof *c->v);
	}
	c->v[c->n++] = (struct conf_item){ mem_strdup(w->key), mem_strdup(value),
		(int)at->line + 1, (int)at->column + 1 };
	return 0;
}

static const char *
scalar(struct conf_walk *w)
{
	return (const char *)w->event.data.scalar.value;
}

/* A NUL inside a scalar would cut it silently. */
static int
check_scalar(struct conf_walk *w)
{
	if (strlen(scalar(w)) != w->event.data.scalar.length)
		return fail(w, &w->event.start_mark, "a NUL byte is not allowed");
	return 0;
}

static int
take_sequence(struct conf_walk *w)
{
	struct buf joined = BUF_INIT;
	yaml_mark_t at = w->event.start_mark;
	int r;
	while ((r = next(w)) == 0 && w->event.type == YAML_SCALAR_EVENT) {
		if ((r = check_scalar(w)) < 0)
			break;
		if (joined.n)
			buf_putc(&joined, ',');
		buf_puts(&joined, scalar(w));
	}
	if (r == 0 && w->event.type != YAML_SEQUENCE_END_EVENT)
		r = fail(w, &w->event.start_mark, "a list holds plain values only");
	if (r == 0) {
		buf_putc(&joined, 0);
		r = add(w, (const char *)joined.p, &at);
	}
	buf_release(&joined);
	return r;
}

/* The map whose start is the current event; its keys get w->key in front. */
static int
take_map(struct conf_walk *w, int depth)
{
	size_t n = strlen(w->key);
	if (depth > DEPTH_MAX)
		return fail(w, &w->event.start_mark, "too deep");
	while (next(w) == 0) {
		yaml_mark_t at = w->event.start_mark;
		if (w->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (w->event.type != YAML_SCALAR_EVENT)
			return fail(w, &at, "a key is a plain word");
		if (check_scalar(w) < 0)
			return -1;
		int k = snprintf(w->key + n, sizeof w->key - n, "%s%s", n ? "." : "", scalar(w));
		if (k < 0 || (size_t)k >= sizeof w->key - n)
			return fail(w, &at, "the key is too long");
		if (next(w) < 0)
			return -1;
		int r = w->event.type == YAML_SCALAR_EVENT
			? check_scalar(w) < 0 ? -1 : add(w, scalar(w), &w->event.start_mark)
			: w->event.type == YAML_SEQUENCE_START_EVENT ? take_sequence(w)
			: take_map(w, depth + 1);
		if (r < 0)
			return -1;
		w->key[n] = 0;
	}
	return -1;
}

static int
take_document(struct conf_walk *w)
{
	if (next(w) < 0 || next(w) < 0) /* the stream's start, the document's */
		return -1;
	if (w->event.type == YAML_STREAM_END_EVENT)
		return 0; /* an empty file */
	if (next(w) < 0)
		return -1;
	bool is_empty = w->event.type == YAML_SCALAR_EVENT && w->event.data.scalar.length == 0;
	if (!is_empty && w->event.type != YAML_MAPPING_START_EVENT)
		return fail(w, &w->event.start_mark, "the file must be YAML, with lines of 'key: value'");
	if (!is_empty && take_map(w, 1) < 0)
		return -1;
	if (next(w) < 0 || next(w) < 0)
		return -1;
	if (w->event.type != YAML_STREAM_END_EVENT)
		return fail(w, &w->event.start_mark, "one document is enough");
	return 0;
}

int
conf_parse(struct conf *c, const char *name, struct str text, struct err *e)
{
	static const uint8_t nothing[1];
	struct conf_walk w = { .conf = c, .name = name, .e = e,
		.text = text.n > 0 ? text : (struct str){ nothing, 0 } };
	if (!yaml_parser_initialize(&w.parser))
		return err_set(e, ERR_LIMIT, "%s: out of memory", name);
	yaml_parser_set_input_string(&w.parser, w.text.p, (size_t)w.text.n);
	int r = take_document(&w);
	if (w.has_event)
		yaml_event_delete(&w.event);
	yaml_parser_delete(&w.parser);
	if (r < 0)
		conf_release(c);
	return r;
}

int
conf_read(struct conf *c, const char *path, struct err *e)
{
	struct buf b = BUF_INIT;
	int r = fs_read_file(AT_FDCWD, path, FILE_MAX, &b, e);
	if (r == 0)
		r = conf_parse(c, path, buf_str(&b), e);
	buf_release(&b);
	return r;
}

void
conf_release(struct conf *c)
{
	for (int i = 0; i < c->n; i++) {
		mem_free(c->v[i].key);
		mem_free(c->v[i].value);
	}
	mem_free(c->v);
	*c = (struct conf)CONF_INIT;
}
