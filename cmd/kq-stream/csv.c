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

/* A column, and what the record at work has for it. */
struct csv_column {
	struct str name;
	struct val value;
};

/* The index of a column, which is looked for from `at` on; -1: there is none. */
static int
find_column(const struct csv_out *csv, struct str name, int at)
{
	for (int k = 0; k < csv->ncolumn; k++) {
		int i = (at + k) % csv->ncolumn;
		if (str_eq(csv->column[i].name, name))
			return i;
	}
	return -1;
}

/* The columns are the members of the first object. */
static int
take_columns(struct csv_out *csv, struct val object, struct err *e)
{
	struct val_iter iter;
	struct val key, value;
	csv->ncolumn = 0;
	val_iter_init(&iter, object);
	while (val_iter_next(&iter, &key, &value)) {
		struct str name = val_string(&csv->pool, key);
		if (find_column(csv, name, 0) >= 0)
			continue;
		if (csv->ncolumn == COLUMNS_MAX)
			return err_set(e, ERR_CORRUPT, "a line of CSV has at most %d columns", COLUMNS_MAX);
		csv->column = mem_realloc(csv->column,
			(size_t)(csv->ncolumn + 1) * sizeof *csv->column);
		csv->column[csv->ncolumn++].name = arena_str(&csv->names, name);
	}
	return csv->ncolumn > 0 ? 0
		: err_set(e, ERR_CORRUPT, "the first object has no members, which name the columns of CSV");
}

/* A member that the header lacks would be lost.  Of one that comes twice the last counts. */
static int
take_values(struct csv_out *csv, struct val object, struct err *e)
{
	struct val_iter iter;
	struct val key, value;
	int at = 0;
	for (int i = 0; i < csv->ncolumn; i++)
		csv->column[i].value = val_of_kind(VAL_NULL);
	val_iter_init(&iter, object);
	while (val_iter_next(&iter, &key, &value)) {
		int i = find_column(csv, val_string(&csv->pool, key), at);
		if (i < 0)
			return err_set(e, ERR_CORRUPT, "the header of the CSV has no column for member %.*s",
				MIN(key.n, NAME_SHOWN_MAX), (const char *)key.p);
		csv->column[i].value = value;
		at = i + 1;
	}
	return csv->pool.is_full ? err_set(e, ERR_CORRUPT, "the names of its members are too long") : 0;
}

static void
put_field(const struct csv_out *csv, struct str text, struct buf *out)
{
	bool needs_quotes = false;
	for (int32_t i = 0; i < text.n && !needs_quotes; i++)
		needs_quotes = text.p[i] == csv->separator || text.p[i] == '"' || text.p[i] == '\r'
			|| text.p[i] == '\n';
	if (!needs_quotes) {
		buf_put_str(out, text);
		return;
	}
	buf_putc(out, '"');
	for (int32_t i = 0; i < text.n; i++) {
		buf_putc(out, (char)text.p[i]);
		if (text.p[i] == '"')
			buf_putc(out, '"');
	}
	buf_putc(out, '"');
}

static int
put_value(struct csv_out *csv, struct val value, struct buf *out, struct err *e)
{
	if (value.kind == VAL_NULL)
		return 0;
	buf_reset(&csv->text);
	if (flow_key_parse_json((struct str){ value.p, value.n }, FLOW_KEY_TEXT, &csv->text, e) < 0)
		return -1;
	put_field(csv, buf_str(&csv->text), out);
	return 0;
}

static int
put_record(struct csv_out *csv, struct val object, struct buf *out, struct err *e)
{
	if (!csv->has_header && take_columns(csv, object, e) < 0)
		return -1;
	if (take_values(csv, object, e) < 0)
		return -1;
	for (int i = 0; i < csv->ncolumn && !csv->has_header; i++) {
		if (i)
			buf_putc(out, csv->separator);
		put_field(csv, csv->column[i].name, out);
	}
	if (!csv->has_header)
		buf_putc(out, '\n');
	csv->has_header = true;
	size_t before = out->n;
	for (int i = 0; i < csv->ncolumn; i++) {
		if (i)
			buf_putc(out, csv->separator);
		if (put_value(csv, csv->column[i].value, out, e) < 0)
			return -1;
	}
	if (out->n == before) /* readers would skip an empty line */
		buf_puts(out, "\"\"");
	buf_putc(out, '\n');
	return 0;
}

int
csv_out_put(struct csv_out *csv, struct str json, struct buf *out, struct err *e)
{
	while (json.n > 0 && (*json.p == ' ' || *json.p == '\t' || *json.p == '\r')) {
		json.p++;
		json.n--;
	}
	if (json.n < 2 || *json.p != '{')
		return err_set(e, ERR_CORRUPT, "a line of CSV needs an object; use map '{name: ...}'");
	int rc = put_record(csv, val_of_text(json), out, e);
	val_pool_reset(&csv->pool);
	return rc;
}

void
csv_out_release(struct csv_out *csv)
{
	mem_free(csv->column);
	arena_release(&csv->names);
	arena_release(&csv->pool.arena);
	buf_release(&csv->text);
}
