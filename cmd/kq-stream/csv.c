#include "kq-stream/csv.h"

#include "base/utf8.h"
#include "stream/fn_expr.h"
#include "text/jsonput.h"

enum { COLUMNS_MAX = 10000, DIGITS_MAX = 15, OPEN_MAX = 16 << 20, NAME_SHOWN_MAX = 100 };

/* ---- in ---- */

static bool
is_number(struct str text)
{
	const uint8_t *p = text.p, *end = p + MAX(text.n, 0);
	int digits = 0;
	p += p < end && *p == '-';
	if (p == end || *p < '0' || *p > '9' || (*p == '0' && p + 1 < end && p[1] != '.'))
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		digits++;
	if (p < end && *p == '.') {
		if (p + 1 == end)
			return false;
		for (p++; p < end && *p >= '0' && *p <= '9'; p++)
			digits++;
	}
	return p == end && digits <= DIGITS_MAX;
}

/* Take a field, and the comma behind it.  1: more fields follow; 0; -1. */
static int
take_field(struct csv_in *csv, struct str *line, bool *is_quoted, struct err *e)
{
	const uint8_t *p = line->p, *end = p + line->n;
	buf_reset(&csv->field);
	*is_quoted = p < end && *p == '"';
	if (*is_quoted) {
		for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
			buf_putc(&csv->field, (char)*p);
			p += *p == '"';
		}
		if (p == end)
			return err_set(e, ERR_CORRUPT, "a quote is not closed");
		p++;
		if (p < end && *p != csv->separator)
			return err_set(e, ERR_CORRUPT, "a separator is missing after a field in quotes");
	} else {
		const uint8_t *to = memchr(p, csv->separator, (size_t)(end - p));
		if (!to)
			to = end;
		buf_put(&csv->field, p, (size_t)(to - p));
		p = to;
	}
	bool has_more = p < end;
	p += has_more;
	*line = (struct str){ p, (int32_t)(end - p) };
	return has_more;
}

/* Is the name that begins there one of the names before it? */
static bool
has_name(const struct csv_in *csv, int32_t from)
{
	struct str name = { csv->names.p + from, (int32_t)csv->names.n - from };
	for (int32_t i = 0, at = 0; i < csv->nname; at = csv->name_end[i++])
		if (str_eq(name, (struct str){ csv->names.p + at, csv->name_end[i] - at }))
			return true;
	return false;
}

static int
take_header(struct csv_in *csv, struct str line, struct err *e)
{
	bool is_quoted;
	int rc;
	do {
		rc = take_field(csv, &line, &is_quoted, e);
		if (rc < 0)
			return -1;
		if (csv->nname == COLUMNS_MAX)
			return err_set(e, ERR_CORRUPT, "more than %d columns", COLUMNS_MAX);
		int32_t from = (int32_t)csv->names.n;
		json_put_string(buf_str(&csv->field), &csv->names);
		buf_putc(&csv->names, ':');
		if (has_name(csv, from))
			return err_set(e, ERR_CORRUPT, "two columns are named '%.*s'",
				(int)MIN(csv->field.n, (size_t)NAME_SHOWN_MAX), (const char *)csv->field.p);
		csv->name_end = mem_realloc(csv->name_end,
			(size_t)(csv->nname + 1) * sizeof *csv->name_end);
		csv->name_end[csv->nname++] = (int32_t)csv->names.n;
	} while (rc > 0);
	csv->has_header = true;
	return 0;
}

static int
take_record(struct csv_in *csv, struct str line, struct err *e)
{
	bool is_quoted;
	int rc, i = 0, from = 0;
	buf_reset(&csv->json);
	buf_putc(&csv->json, '{');
	do {
		rc = take_field(csv, &line, &is_quoted, e);
		if (rc < 0)
			return -1;
		if (i == csv->nname)
			return err_set(e, ERR_CORRUPT, "more fields than the header's %d", csv->nname);
		if (i)
			buf_putc(&csv->json, ',');
		buf_put(&csv->json, csv->names.p + from, (size_t)(csv->name_end[i] - from));
		if (!is_quoted && is_number(buf_str(&csv->field)))
			buf_put_str(&csv->json, buf_str(&csv->field));
		else
			json_put_string(buf_str(&csv->field), &csv->json);
		from = csv->name_end[i++];
	} while (rc > 0);
	if (i < csv->nname)
		return err_set(e, ERR_CORRUPT, "fields are missing: %d of %d", csv->nname - i, csv->nname);
	buf_putc(&csv->json, '}');
	return 1;
}

/* Does the line end within a field in quotes?  is_open: it begins there.  As in take_field, a
 * quote opens a field only as its first byte. */
static bool
ends_open(struct str line, char separator, bool is_open)
{
	const uint8_t *p = line.p, *end = p + line.n;
	for (;;) {
		if (!is_open && p < end && *p == '"') {
			is_open = true;
			p++;
		}
		while (is_open && p < end) { /* two quotes stand for one */
			bool is_quote = *p++ == '"';
			if (is_quote && p < end && *p == '"')
				p++;
			else if (is_quote)
				is_open = false;
		}
		p = is_open ? NULL : memchr(p, separator, (size_t)(end - p));
		if (!p)
			return is_open;
		p++;
	}
}

/* Without the header nothing that follows can be read. */
static int
take_first(struct csv_in *csv, struct str line, bool is_utf8, struct err *e)
{
	int rc = is_utf8 ? take_header(csv, line, e) : err_set(e, ERR_CORRUPT, "not UTF-8");
	csv->is_unusable = rc < 0;
	return rc < 0 ? err_wrap(e, "the header of the CSV") : 0;
}

int
csv_in_line(struct csv_in *csv, struct str line, struct str *json, struct err *e)
{
	bool was_open = csv->is_open;
	assert(!csv->is_unusable);
	if (!was_open && (line.n == 0 || str_eq(line, STR("\r"))))
		return 0;
	csv->is_open = ends_open(line, csv->separator, was_open);
	if (was_open || csv->is_open) {
		buf_put_str(&csv->open, line);
		if (csv->is_open && csv->open.n <= OPEN_MAX) {
			buf_putc(&csv->open, '\n');
			return 0;
		}
		line = buf_str(&csv->open);
	}
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	bool is_utf8 = utf8_is_valid(line);
	int rc = !csv->has_header ? take_first(csv, line, is_utf8, e)
		: is_utf8 ? take_record(csv, line, e) : err_set(e, ERR_CORRUPT, "not UTF-8");
	buf_reset(&csv->open);
	csv->is_open = false;
	*json = buf_str(&csv->json);
	return rc;
}

int
csv_in_end(const struct csv_in *csv, struct err *e)
{
	return csv->is_open ? err_set(e, ERR_CORRUPT, "a quote is not closed") : 0;
}

void
csv_in_release(struct csv_in *csv)
{
	buf_release(&csv->names);
	buf_release(&csv->open);
	buf_release(&csv->field);
	buf_release(&csv->json);
	mem_free(csv->name_end);
}

/* ---- out ---- */

static const uint8_t *
skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Behind the string that begins at p. */
static const uint8_t *
skip_string(const uint8_t *p, const uint8_t *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p + 1;
}

/* Behind the value that begins at p, in a text that is JSON. */
static const uint8_t *
skip_value(const uint8_t *p, const uint8_t *end)
{
	int depth = 0;
	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			if (depth == 0)
				return p;
			depth--;
			p++;
		} else if (*p == ',' && depth == 0) {
			return p;
		} else {
			p++;
		}
		if (depth == 0 && (p[-1] == '"' || p[-1] == '}' || p[-1] == ']'))
			return p;
	}
	return p;
}

struct csv_member {
	struct str name, value;  /* JSON texts */
};

/* Take the next member of an object; at begins after the '{'. */
static bool
take_member(const uint8_t **at, const uint8_t *end, struct csv_member *member)
{
	const uint8_t *p = skip_space(*at, end);
	if (p < end && *p == ',')
		p = skip_space(p + 1, end);
	if (p >= end || *p != '"')
		return false;
	const uint8_t *name_end = skip_string(p, end);
	member->name = (struct str){ p, (int32_t)(name_end - p) };
	p = skip_space(name_end, end);
	p = skip_space(p + 1, end); /* ':' */
	const uint8_t *to = skip_value(p, end);
	int32_t n = (int32_t)(to - p);
	while (n > 0 && skip_space(p + n - 1, p + n) == p + n)
		n--;
	member->value = (struct str){ p, n };
	*at = to;
	return true;
}

/* Append the field of a JSON text. */
static int
put_field(const struct csv_out *csv, struct str json, struct buf *out, struct err *e)
{
	struct buf plain = BUF_INIT;
	if (json.n < 0 || str_eq(json, STR("null")))
		return 0;
	int rc = flow_key_parse_json(json, FLOW_KEY_TEXT, &plain, e);
	struct str text = buf_str(&plain);
	bool needs_quotes = false;
	for (int32_t i = 0; i < text.n && !needs_quotes; i++)
		needs_quotes = text.p[i] == csv->separator
			|| (strchr("\"\r\n", text.p[i]) && text.p[i]);
	if (needs_quotes)
		buf_putc(out, '"');
	for (int32_t i = 0; i < text.n; i++) {
		buf_putc(out, (char)text.p[i]);
		if (text.p[i] == '"')
			buf_putc(out, '"');
	}
	if (needs_quotes)
		buf_putc(out, '"');
	buf_release(&plain);
	return rc;
}

static int
put_header(struct csv_out *csv, struct str json, struct buf *out, struct err *e)
{
	const uint8_t *at = json.p + 1, *end = json.p + json.n;
	struct csv_member member;
	while (take_member(&at, end, &member)) {
		if (csv->nname++)
			buf_putc(out, csv->separator);
		buf_put_str(&csv->names, member.name);
		buf_putc(&csv->names, 0);
		if (put_field(csv, member.name, out, e) < 0)
			return -1;
	}
	buf_putc(out, '\n');
	return 0;
}

static struct str
find_value(struct str json, struct str name)
{
	const uint8_t *at = json.p + 1, *end = json.p + json.n;
	struct csv_member member;
	while (take_member(&at, end, &member))
		if (str_eq(member.name, name))
			return member.value;
	return STR_NULL;
}

/* A member that the header lacks would be lost. */
static int
check_names(const struct csv_out *csv, struct str json, struct err *e)
{
	const uint8_t *at = json.p + 1, *end = json.p + json.n;
	struct csv_member member;
	while (take_member(&at, end, &member)) {
		bool is_known = false;
		const char *name = (const char *)csv->names.p;
		for (int i = 0; i < csv->nname && !is_known; i++, name += strlen(name) + 1)
			is_known = str_eq(str_of(name), member.name);
		if (!is_known)
			return err_set(e, ERR_CORRUPT, "the header of the CSV has no column for member %.*s",
				MIN(member.name.n, 60), (const char *)member.name.p);
	}
	return 0;
}

int
csv_out_put(struct csv_out *csv, struct str json, struct buf *out, struct err *e)
{
	const uint8_t *p = skip_space(json.p, json.p + MAX(json.n, 0));
	json.n -= (int32_t)(p - json.p);
	json.p = p;
	if (json.n < 2 || *p != '{')
		return err_set(e, ERR_CORRUPT, "a line of CSV needs an object; use map '{name: ...}'");
	if (!csv->nname && put_header(csv, json, out, e) < 0)
		return -1;
	if (check_names(csv, json, e) < 0)
		return -1;
	const char *name = (const char *)csv->names.p;
	size_t before = out->n;
	for (int i = 0; i < csv->nname; i++, name += strlen(name) + 1) {
		if (i)
			buf_putc(out, csv->separator);
		if (put_field(csv, find_value(json, str_of(name)), out, e) < 0)
			return -1;
	}
	if (out->n == before) /* readers would skip an empty line */
		buf_puts(out, "\"\"");
	buf_putc(out, '\n');
	return 0;
}

void
csv_out_release(struct csv_out *csv)
{
	buf_release(&csv->names);
}
