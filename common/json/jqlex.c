#include "json/jqlex.h"

#include "base/utf8.h"

#include <stdio.h>

enum { TEXT_MAX = 65536, DEPTH_MAX = 200 };

/* What the scanner is in, innermost last: '(', '[', '{', '"' a string, or '\\' an
 * interpolation in one. */
struct scanner {
	struct jqlex *lex;
	struct str text;
	int32_t at;          /* the next byte */
	char open[DEPTH_MAX];
	int32_t open_at[DEPTH_MAX];
	int depth;
	char last;           /* last token: itself; 'a' a name, '0' a number, '"' a string; 0 */
	int ntoken;
};

int
jqlex_error(struct str text, int32_t at, struct err *e, const char *fmt, ...)
{
	int line = 1, column = 1;
	char why[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	for (int32_t i = 0; i < at && i < text.n; i++) {
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		} else if ((text.p[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	if (line > 1)
		return err_set(e, ERR_USAGE, "line %d, column %d: %s", line, column, why);
	return err_set(e, ERR_USAGE, "column %d: %s", column, why);
}

static int
push(struct scanner *scan, char c, struct err *e)
{
	if (scan->depth == DEPTH_MAX)
		return jqlex_error(scan->text, scan->at, e, "more than %d levels of brackets", DEPTH_MAX);
	scan->open_at[scan->depth] = scan->at;
	scan->open[scan->depth++] = c;
	return 0;
}

static char
innermost(const struct scanner *scan)
{
	return (char)(scan->depth ? scan->open[scan->depth - 1] : 0);
}

static bool
is_name_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int
peek(const struct scanner *scan, int32_t ahead)
{
	return scan->at + ahead < scan->text.n ? scan->text.p[scan->at + ahead] : -1;
}

/* ---- names ---- */

static const struct {
	const char *name, *why;
} refused[] = {
	{ "input", "an expression sees one record" },
	{ "inputs", "an expression sees one record" },
	{ "input_filename", "records have no file name" },
	{ "input_line_number", "records have no line number" },
	{ "env", "the environment is not part of the data" },
	{ "debug", "expressions have no output but their result" },
	{ "stderr", "expressions have no output but their result" },
	{ "halt", "an expression cannot end the program" },
	{ "halt_error", "an expression cannot end the program" },
	{ "import", "modules are not read" },
	{ "include", "modules are not read" },
	{ "module", "modules are not read" },
	{ "modulemeta", "modules are not read" },
	{ "get_search_list", "modules are not read" },
};

static const struct {
	const char *name;
	enum jqlex_guard guard;
} guarded[] = {
	{ "implode", JQLEX_IMPLODE },
	{ "match", JQLEX_MATCH },
	{ "capture", JQLEX_MATCH },
	{ "scan", JQLEX_MATCH },
	{ "split", JQLEX_MATCH },
	{ "splits", JQLEX_MATCH },
	{ "sub", JQLEX_MATCH },
	{ "gsub", JQLEX_MATCH },
	{ "index", JQLEX_INDEX },
	{ "rindex", JQLEX_INDEX },
	{ "indices", JQLEX_INDEX },
	{ "strftime", JQLEX_DATES },
	{ "strflocaltime", JQLEX_DATES },
	{ "todate", JQLEX_DATES },
	{ "todateiso8601", JQLEX_DATES },
	{ "date", JQLEX_DATES },
};

static int
variable(struct scanner *scan, struct str name, int32_t at, struct err *e)
{
	static const char *const var[EXPR_NVAR] = { NULL, "key", "acc", "left", "right" };
	for (int i = 1; i < EXPR_NVAR; i++)
		if (str_eq(name, str_of(var[i])))
			scan->lex->uses[i] = true;
	if (str_eq(name, STR("ENV")))
		return jqlex_error(scan->text, at, e,
			"$ENV is not available: the environment is not part of the data");
	if (str_has_prefix(name, STR("__")) && !str_eq(name, STR("__loc__")))
		return jqlex_error(scan->text, at, e, "$%.*s is not available", STR_ARG(name));
	return 0;
}

static int
call(struct scanner *scan, struct str name, int32_t at, struct err *e)
{
	if (str_has_prefix(name, STR("_")))
		return jqlex_error(scan->text, at, e,
			"'%.*s' is not available: names that begin with _ are jq's own", STR_ARG(name));
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (str_eq(name, str_of(refused[i].name)))
			return jqlex_error(scan->text, at, e, "'%s' is not available: %s",
				refused[i].name, refused[i].why);
	for (size_t i = 0; i < ARRAY_LEN(guarded); i++)
		if (str_eq(name, str_of(guarded[i].name)))
			scan->lex->guards |= guarded[i].guard;
	return 0;
}

static struct str
take_name(struct scanner *scan)
{
	int32_t from = scan->at;
	while (is_name_start(peek(scan, 0)) || is_digit(peek(scan, 0)))
		scan->at++;
	return (struct str){ scan->text.p + from, scan->at - from };
}

static int
name_token(struct scanner *scan, struct err *e)
{
	int32_t at = scan->at;
	struct str name = take_name(scan);
	bool is_key = innermost(scan) == '{' && (scan->last == '{' || scan->last == ',');
	char last = scan->last;
	scan->last = 'a';
	if (last == '$')
		return variable(scan, name, at - 1, e);
	return is_key ? 0 : call(scan, name, at, e);
}

/* ---- tokens ---- */

/* Within a string: to its end, or to an interpolation. */
static int
string(struct scanner *scan, struct err *e)
{
	while (scan->at < scan->text.n) {
		int c = peek(scan, 0);
		if (c == '"') {
			scan->depth--;
			scan->at++;
			scan->last = '"';
			return 0;
		}
		if (c == '\\' && peek(scan, 1) == '(') {
			if (push(scan, '\\', e) < 0)
				return -1;
			scan->at += 2;
			scan->last = '(';
			return 0;
		}
		scan->at += c == '\\' ? 2 : 1;
	}
	return jqlex_error(scan->text, scan->open_at[scan->depth - 1], e, "the string has no end");
}

static int
closing(struct scanner *scan, char c, struct err *e)
{
	char open = innermost(scan);
	char want = (char)(open == '[' ? ']' : open == '{' ? '}' : ')');
	if (!open)
		return jqlex_error(scan->text, scan->at, e, "'%c' closes nothing", c);
	if (c != want)
		return jqlex_error(scan->text, scan->at, e, "'%c' where '%c' is expected", c, want);
	scan->depth--;
	scan->at++;
	scan->last = c;
	return 0;
}

static void
number(struct scanner *scan)
{
	while (is_digit(peek(scan, 0)) || peek(scan, 0) == '.')
		scan->at++;
	int sign = peek(scan, 1) == '+' || peek(scan, 1) == '-';
	if ((peek(scan, 0) | 0x20) == 'e' && is_digit(peek(scan, 1 + sign)))
		for (scan->at += 1 + sign; is_digit(peek(scan, 0));)
			scan->at++;
	scan->last = '0';
}

static int
token(struct scanner *scan, struct err *e)
{
	int c = peek(scan, 0);
	if (c == ' ' || c == '\t' || c == '\n') {
		scan->at++;
		return 0;
	}
	if (c == '#') {
		while (scan->at < scan->text.n && peek(scan, 0) != '\n')
			scan->at++;
		return 0;
	}
	scan->ntoken++;
	if (is_name_start(c))
		return name_token(scan, e);
	if (is_digit(c) || (c == '.' && is_digit(peek(scan, 1)))) {
		number(scan);
		return 0;
	}
	if (c == ')' || c == ']' || c == '}')
		return closing(scan, (char)c, e);
	if (c == '(' || c == '[' || c == '{' || c == '"') {
		if (push(scan, (char)c, e) < 0)
			return -1;
		scan->last = (char)c;
		scan->at++;
		return 0;
	}
	bool has_name = (c == '.' || c == '@') && is_name_start(peek(scan, 1));
	if (c == '*')
		scan->lex->guards |= JQLEX_TIMES;
	if (c == '%')
		scan->lex->guards |= JQLEX_MOD;
	scan->at++;
	scan->last = (char)c;
	if (has_name) {
		take_name(scan);
		scan->last = 'a';
	}
	return 0;
}

int
jqlex_scan(struct jqlex *lex, struct str text, struct err *e)
{
	struct scanner scan = { .lex = lex, .text = text };
	*lex = (struct jqlex){ .uses = { [EXPR_DOT] = true } };
	if (text.n > TEXT_MAX)
		return err_set(e, ERR_USAGE, "the expression is longer than %d bytes", TEXT_MAX);
	if (text.n > 0 && (!utf8_is_valid(text) || memchr(text.p, 0, (size_t)text.n)))
		return err_set(e, ERR_USAGE, "the expression is not UTF-8 text");
	while (scan.at < text.n)
		if ((innermost(&scan) == '"' ? string(&scan, e) : token(&scan, e)) < 0)
			return -1;
	if (!scan.ntoken)
		return jqlex_error(text, 0, e, "the expression is empty; '.' gives the value as it is");
	if (scan.depth && scan.open[scan.depth - 1] == '"')
		return jqlex_error(text, scan.open_at[scan.depth - 1], e, "the string has no end");
	if (scan.depth)
		return jqlex_error(text, scan.open_at[scan.depth - 1], e, "'%s' is not closed",
			scan.open[scan.depth - 1] == '\\' ? "\\("
			: (char[]){ scan.open[scan.depth - 1], 0 });
	return 0;
}
