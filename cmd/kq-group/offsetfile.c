#include "kq-group/offsetfile.h"

#include "text/json.h"
#include "text/units.h"
#include "wire/topic.h"

#include <stdlib.h>

enum {
	TEXT_MAX = 32767, /* the protocol's limit of a string */
	FIELDS_MAX = 5,
};

/* ---- JSON ---- */

/* Set *s to a string, unless it is null or absent. */
static int
take_text(const json_t *object, const char *name, struct str *s, struct arena *a, struct err *e)
{
	struct str got;
	if (json_get_bytes(object, name, a, &got, e) < 0)
		return -1;
	if (got.n >= 0)
		*s = got;
	return 0;
}

static int
take_number(const json_t *v, const char *key, int64_t max, int64_t *n, struct err *e)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return err_set(e, ERR_CORRUPT, "'%s' is not a number from 0 to %lld", key, (long long)max);
	*n = json_integer_value(v);
	return 0;
}

static int
take_member(struct offset_line *line, const char *key, const json_t *v, struct err *e)
{
	int64_t n;
	int rc;
	if (json_is_bytes_key(key, "group") || json_is_bytes_key(key, "topic")
		|| json_is_bytes_key(key, "metadata"))
		return 0; /* taken by the caller */
	if (strcmp(key, "offset") == 0)
		return take_number(v, key, INT64_MAX, &line->offset, e);
	if (strcmp(key, "leader_epoch") == 0) {
		if (json_is_null(v))
			return 0;
		if ((rc = take_number(v, key, INT32_MAX, &n, e)) == 0)
			line->leader_epoch = (int32_t)n;
		return rc;
	}
	if (strcmp(key, "partition") != 0)
		return err_set(e, ERR_CORRUPT, "'%s' is not known", key);
	if ((rc = take_number(v, key, INT32_MAX, &n, e)) == 0)
		line->partition = (int32_t)n;
	return rc;
}

static int
parse_json(struct offset_line *line, struct str text, struct arena *a, struct err *e)
{
	json_t *object = json_parse_object(text, e);
	const char *key;
	json_t *v;
	int rc = 0;
	if (!object)
		return -1;
	json_object_foreach(object, key, v)
		if (rc == 0)
			rc = take_member(line, key, v, e);
	if (rc == 0 && (take_text(object, "group", &line->group, a, e) < 0
			|| take_text(object, "topic", &line->topic, a, e) < 0
			|| take_text(object, "metadata", &line->metadata, a, e) < 0))
		rc = -1;
	json_decref(object);
	return rc;
}

/* ---- commas ---- */

/* Take the field at *p, and advance *p past its end.  Returns 0, or -1: a quote is left
 * open, or occurs inside. */
static int
take_field(const uint8_t **p, const uint8_t *end, struct str *field, struct arena *a)
{
	struct buf b = BUF_INIT;
	bool is_quoted = *p < end && **p == '"', is_open = is_quoted;
	for (*p += is_quoted; *p < end && (is_open || **p != ','); ++*p) {
		if (**p != '"' || !is_quoted) {
			if (is_quoted && !is_open)
				break; /* after the closing quote */
			buf_putc(&b, (char)**p);
		} else if (is_open && *p + 1 < end && (*p)[1] == '"') {
			buf_putc(&b, '"');
			++*p;
		} else {
			is_open = false;
		}
	}
	*field = arena_str(a, (struct str){ b.n ? b.p : (const uint8_t *)"", (int32_t)b.n });
	buf_release(&b);
	if (is_open || (*p < end && **p != ','))
		return -1;
	return 0;
}

static int
parse_number(struct str s, const char *what, int64_t max, int64_t *n, struct err *e)
{
	const char *z = (const char *)s.p; /* NUL-terminated by arena_str */
	struct err ignored;
	if (s.n == 0 || strspn(z, "0123456789") != (size_t)s.n
		|| units_parse_int(z, 0, max, n, &ignored) < 0)
		return err_set(e, ERR_CORRUPT, "'%.40s' is not %s", z, what);
	return 0;
}

static int
parse_commas(struct offset_line *line, struct str text, struct arena *a, struct err *e)
{
	struct str field[FIELDS_MAX];
	const uint8_t *p = text.p, *end = p + text.n;
	int64_t partition;
	int n = 0;
	for (bool is_more = true; is_more && n < FIELDS_MAX; p++) {
		if (take_field(&p, end, &field[n++], a) < 0)
			return err_set(e, ERR_CORRUPT, "a quote is not closed, or not at the end of its field");
		is_more = p < end;
	}
	if (n < 3 || n > 4)
		return err_set(e, ERR_CORRUPT,
			"neither a JSON object nor [group,]topic,partition,offset");
	if (n == 4)
		line->group = field[0];
	line->topic = field[n - 3];
	if (parse_number(field[n - 2], "a partition", INT32_MAX, &partition, e) < 0
		|| parse_number(field[n - 1], "an offset", INT64_MAX, &line->offset, e) < 0)
		return -1;
	line->partition = (int32_t)partition;
	return 0;
}

/* ---- all lines ---- */

static int
check_line(const struct offset_line *line, struct err *e)
{
	if (line->group.n < 0)
		return err_set(e, ERR_CORRUPT, "no group");
	if (line->topic.n <= 0)
		return err_set(e, ERR_CORRUPT, "no topic");
	if (line->partition < 0)
		return err_set(e, ERR_CORRUPT, "no partition");
	if (line->offset < 0)
		return err_set(e, ERR_CORRUPT, "no offset");
	if (line->topic.n > TOPIC_NAME_MAX)
		return err_set(e, ERR_CORRUPT, "the topic's name is longer than %d characters",
			TOPIC_NAME_MAX);
	if (line->group.n > TEXT_MAX || line->metadata.n > TEXT_MAX)
		return err_set(e, ERR_CORRUPT, "a value is longer than %d bytes", TEXT_MAX);
	return 0;
}

static int
parse_line(struct offset_lines *lines, struct str text, int number, const char *group,
	struct arena *a, struct err *e)
{
	struct offset_line line = { number, str_of(group), STR_NULL, -1, -1, -1, STR_NULL };
	while (text.n > 0 && strchr(" \t\r", text.p[text.n - 1]))
		text.n--;
	for (; text.n > 0 && strchr(" \t", text.p[0]); text.p++)
		text.n--;
	if (text.n == 0 || text.p[0] == '#')
		return 0;
	if ((text.p[0] == '{' ? parse_json : parse_commas)(&line, text, a, e) < 0
		|| check_line(&line, e) < 0)
		return err_wrap(e, "line %d", number);
	if (lines->n == lines->cap) {
		lines->cap = MAX(2 * lines->cap, 64);
		lines->v = mem_realloc(lines->v, (size_t)lines->cap * sizeof *lines->v);
	}
	lines->v[lines->n++] = line;
	return 0;
}

static int
cmp_place(const struct offset_line *left, const struct offset_line *right)
{
	int order = str_cmp(left->group, right->group);
	if (!order)
		order = str_cmp(left->topic, right->topic);
	return order ? order
		: (left->partition > right->partition) - (left->partition < right->partition);
}

static int
by_place(const void *a, const void *b)
{
	const struct offset_line *left = a, *y = b;
	int order = cmp_place(left, y);
	return order ? order : (left->number > y->number) - (left->number < y->number);
}

int
offset_lines_parse(struct offset_lines *lines, struct str text, const char *group,
	struct arena *a, struct err *e)
{
	int number = 1;
	*lines = (struct offset_lines)OFFSET_LINES_INIT;
	const uint8_t *end = text.p + MAX(text.n, 0), *eol;
	for (const uint8_t *p = text.p; p < end; p = eol + 1, number++) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		if (parse_line(lines, (struct str){ p, (int32_t)(eol - p) }, number, group, a, e) < 0)
			return -1;
	}
	if (lines->n > 0)
		qsort(lines->v, (size_t)lines->n, sizeof *lines->v, by_place);
	for (int32_t i = 1; i < lines->n; i++)
		if (cmp_place(&lines->v[i - 1], &lines->v[i]) == 0)
			return err_set(e, ERR_CORRUPT,
				"line %d: partition %d of topic '%.*s' was in line %d before",
				lines->v[i].number, lines->v[i].partition, STR_ARG(lines->v[i].topic),
				lines->v[i - 1].number);
	return 0;
}

void
offset_lines_release(struct offset_lines *lines)
{
	mem_free(lines->v);
	*lines = (struct offset_lines)OFFSET_LINES_INIT;
}

void
offset_line_put(const struct offset_line *line, struct buf *out)
{
	json_t *object = json_object();
	json_set_bytes(object, "group", line->group);
	json_set_bytes(object, "topic", line->topic);
	json_object_set_new(object, "partition", json_integer(line->partition));
	json_object_set_new(object, "offset", json_integer(line->offset));
	if (line->leader_epoch >= 0)
		json_object_set_new(object, "leader_epoch", json_integer(line->leader_epoch));
	if (line->metadata.n > 0)
		json_set_bytes(object, "metadata", line->metadata);
	json_put(object, out);
	buf_putc(out, '\n');
	json_decref(object);
}
