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
fail(struct conf_walk *walk, const yaml_mark_t *at, const char *what)
{
	return err_set(walk->e, ERR_USAGE, "%s:%zu:%zu: %s", walk->name, at->line + 1, at->column + 1,
		what);
}

/* libyaml reports the offset of a bad byte, but not its line. */
static int
fail_parse(struct conf_walk *walk)
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
next(struct conf_walk *walk)
{
	if (walk->has_event)
		yaml_event_delete(&walk->event);
	walk->has_event = yaml_parser_parse(&walk->parser, &walk->event);
	if (!walk->has_event)
		return fail_parse(walk);
	yaml_mark_t *at = &walk->event.start_mark;
	bool has_anchor = (walk->event.type == YAML_SCALAR_EVENT && walk->event.data.scalar.anchor)
		|| (walk->event.type == YAML_SEQUENCE_START_EVENT && walk->event.data.sequence_start.anchor)
		|| (walk->event.type == YAML_MAPPING_START_EVENT && walk->event.data.mapping_start.anchor);
	if (walk->event.type == YAML_ALIAS_EVENT || has_anchor)
		return fail(walk, at, "anchors and aliases are not allowed");
	return 0;
}

static int
add(struct conf_walk *walk, const char *value, const yaml_mark_t *at)
{
	struct conf *conf = walk->conf;
	for (int i = 0; i < conf->n; i++)
		if (strcmp(conf->v[i].key, walk->key) == 0)
			return fail(walk, at, "the key occurs twice");
	if (conf->n == ITEMS_MAX)
		return fail(walk, at, "too many values");
	if (conf->n == conf->cap) {
		conf->cap = conf->cap ? conf->cap * 2 : 16;
		conf->v = mem_realloc(conf->v, (size_t)conf->cap * sizeof *conf->v);
	}
	conf->v[conf->n++] = (struct conf_item){ mem_strdup(walk->key), mem_strdup(value),
		(int)at->line + 1, (int)at->column + 1 };
	return 0;
}

static const char *
scalar(struct conf_walk *walk)
{
	return (const char *)walk->event.data.scalar.value;
}

/* A NUL inside a scalar would truncate it silently. */
static int
check_scalar(struct conf_walk *walk)
{
	if (strlen(scalar(walk)) != walk->event.data.scalar.length)
		return fail(walk, &walk->event.start_mark, "a NUL byte is not allowed");
	return 0;
}

static int
take_sequence(struct conf_walk *walk)
{
	struct buf joined = BUF_INIT;
	yaml_mark_t at = walk->event.start_mark;
	int rc;
	while ((rc = next(walk)) == 0 && walk->event.type == YAML_SCALAR_EVENT) {
		if ((rc = check_scalar(walk)) < 0)
			break;
		if (joined.n)
			buf_putc(&joined, ',');
		buf_puts(&joined, scalar(walk));
	}
	if (rc == 0 && walk->event.type != YAML_SEQUENCE_END_EVENT)
		rc = fail(walk, &walk->event.start_mark, "a list holds plain values only");
	if (rc == 0) {
		buf_putc(&joined, 0);
		rc = add(walk, (const char *)joined.p, &at);
	}
	buf_release(&joined);
	return rc;
}

/* Take the map whose start is the current event; its keys are prefixed with walk->key. */
static int
take_map(struct conf_walk *walk, int depth)
{
	size_t n = strlen(walk->key);
	if (depth > DEPTH_MAX)
		return fail(walk, &walk->event.start_mark, "too deep");
	while (next(walk) == 0) {
		yaml_mark_t at = walk->event.start_mark;
		if (walk->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (walk->event.type != YAML_SCALAR_EVENT)
			return fail(walk, &at, "a key is a plain word");
		if (check_scalar(walk) < 0)
			return -1;
		int k = snprintf(walk->key + n, sizeof walk->key - n, "%s%s", n ? "." : "", scalar(walk));
		if (k < 0 || (size_t)k >= sizeof walk->key - n)
			return fail(walk, &at, "the key is too long");
		if (next(walk) < 0)
			return -1;
		int rc = walk->event.type == YAML_SCALAR_EVENT
			? check_scalar(walk) < 0 ? -1 : add(walk, scalar(walk), &walk->event.start_mark)
			: walk->event.type == YAML_SEQUENCE_START_EVENT ? take_sequence(walk)
			: take_map(walk, depth + 1);
		if (rc < 0)
			return -1;
		walk->key[n] = 0;
	}
	return -1;
}

static int
take_document(struct conf_walk *walk)
{
	if (next(walk) < 0 || next(walk) < 0) /* start of the stream, start of the document */
		return -1;
	if (walk->event.type == YAML_STREAM_END_EVENT)
		return 0; /* an empty file */
	if (next(walk) < 0)
		return -1;
	bool is_empty = walk->event.type == YAML_SCALAR_EVENT && walk->event.data.scalar.length == 0;
	if (!is_empty && walk->event.type != YAML_MAPPING_START_EVENT)
		return fail(walk, &walk->event.start_mark,
			"the file must be YAML, with lines of 'key: value'");
	if (!is_empty && take_map(walk, 1) < 0)
		return -1;
	if (next(walk) < 0 || next(walk) < 0)
		return -1;
	if (walk->event.type != YAML_STREAM_END_EVENT)
		return fail(walk, &walk->event.start_mark, "one document is enough");
	return 0;
}

int
conf_parse(struct conf *conf, const char *name, struct str text, struct err *e)
{
	static const uint8_t nothing[1];
	struct conf_walk walk = { .conf = conf, .name = name, .e = e,
		.text = text.n > 0 ? text : (struct str){ nothing, 0 } };
	if (!yaml_parser_initialize(&walk.parser))
		return err_set(e, ERR_LIMIT, "%s: out of memory", name);
	yaml_parser_set_input_string(&walk.parser, walk.text.p, (size_t)walk.text.n);
	int rc = take_document(&walk);
	if (walk.has_event)
		yaml_event_delete(&walk.event);
	yaml_parser_delete(&walk.parser);
	if (rc < 0)
		conf_release(conf);
	return rc;
}

int
conf_read(struct conf *conf, const char *path, struct err *e)
{
	struct buf b = BUF_INIT;
	int rc = fs_read_file(AT_FDCWD, path, FILE_MAX, &b, e);
	if (rc == 0)
		rc = conf_parse(conf, path, buf_str(&b), e);
	buf_release(&b);
	return rc;
}

void
conf_release(struct conf *conf)
{
	for (int i = 0; i < conf->n; i++) {
		mem_free(conf->v[i].key);
		mem_free(conf->v[i].value);
	}
	mem_free(conf->v);
	*conf = (struct conf)CONF_INIT;
}
