/* The specs of columns, and the reader of what pack wrote. */
#include "stream/agg_part.h"

#include "json/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- specs ---- */

static const struct agg_kind *const kinds[] = {
	&agg_count, &agg_sum, &agg_min, &agg_max, &agg_avg, &agg_first, &agg_last, &agg_collect,
	&agg_distinct, &agg_distinct_approx, &agg_quantile,
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static int
unknown(struct str name, int column, struct err *e)
{
	char list[200] = "";
	for (size_t i = 0, n = 0; i < ARRAY_LEN(kinds); i++)
		n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", kinds[i]->name);
	return err_set(e, ERR_USAGE, "column %d: '%.*s' is no aggregator; there are %s", column,
		MIN(name.n, 50), (const char *)name.p, list);
}

/* Take the number behind the last ';' of the arguments, if they end so. */
static bool
take_param(struct str spec, int32_t from, int32_t *to, double *out)
{
	char text[40], *end;
	int32_t at = *to;
	while (at > from && spec.p[at - 1] != ';')
		at--;
	if (at == from || *to - at >= (int32_t)sizeof text)
		return false;
	memcpy(text, spec.p + at, (size_t)(*to - at));
	text[*to - at] = 0;
	*out = strtod(text, &end);
	while (is_blank((uint8_t)*end))
		end++;
	if (*end || end == text)
		return false;
	*to = at - 1;
	return true;
}

static int
parse_param(struct str spec, int32_t from, int32_t *to, struct agg_part *part, struct err *e)
{
	const struct agg_kind *kind = part->kind;
	int32_t end = *to;
	part->param = kind->param_default;
	if (kind->param == AGG_NO_PARAM)
		return 0;
	bool is_there = take_param(spec, from, to, &part->param);
	if (kind->param == AGG_FRACTION && !(is_there && part->param >= 0 && part->param <= 1))
		return err_set(e, ERR_USAGE, "column %d: quantile wants the part below it, 0 to 1: "
			"quantile(.ms; 0.99)", (is_there ? *to + 1 : end) + 1);
	if (kind->param == AGG_MAY_LIMIT && !(part->param >= 1 && part->param <= 1e6
		&& part->param == floor(part->param)))
		return err_set(e, ERR_USAGE, "column %d: %s wants a limit of 1 to 1000000", *to + 2,
			kind->name);
	return 0;
}

/* Compile spec[from..to), with blanks for what is before it, so that columns fit. */
static int
parse_expr(struct flow_fns *fns, struct str spec, int32_t from, int32_t to,
	struct agg_part *part, struct err *e)
{
	struct buf b = BUF_INIT;
	buf_put(&b, spec.p, (size_t)to);
	for (int32_t i = 0; i < from; i++)
		if (b.p[i] != '\n')
			b.p[i] = ' ';
	part->expr = expr_add(flow_fns_set(fns), buf_str(&b), e);
	buf_release(&b);
	if (part->expr && (expr_uses(part->expr, EXPR_ACC) || expr_uses(part->expr, EXPR_LEFT)
		|| expr_uses(part->expr, EXPR_RIGHT)))
		return err_set(e, ERR_USAGE, "column %d: an aggregator sees '.' and $key only", from + 1);
	return part->expr ? 0 : -1;
}

int
agg_parse(struct flow_fns *fns, struct str spec, struct agg_part *part, struct err *e)
{
	int32_t from = 0, to = MAX(spec.n, 0), end;
	while (to > 0 && is_blank(spec.p[to - 1]))
		to--;
	while (from < to && is_blank(spec.p[from]))
		from++;
	for (end = from; end < to && spec.p[end] != '(' && !is_blank(spec.p[end]);)
		end++;
	struct str name = { spec.p + from, end - from };
	*part = (struct agg_part){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(name, str_of(kinds[i]->name)))
			part->kind = kinds[i];
	if (!part->kind)
		return unknown(name, from + 1, e);
	while (end < to && is_blank(spec.p[end]))
		end++;
	if (end == to && part->kind == &agg_count) {
		part->kind = &agg_count_all;
		return 0;
	}
	if (end == to || spec.p[end] != '(')
		return err_set(e, ERR_USAGE, "column %d: %s wants an expression: %s(.amount)",
			end + 1, part->kind->name, part->kind->name);
	const uint8_t *close = memrchr(spec.p + end, ')', (size_t)(to - end));
	if (close && close != spec.p + to - 1)
		return err_set(e, ERR_USAGE, "column %d: a column is one aggregator; compute with columns "
			"in a later step: then stream then map '.a / .b'", (int)(close - spec.p) + 2);
	if (spec.p[to - 1] != ')')
		return err_set(e, ERR_USAGE, "column %d: '(' is not closed", end + 1);
	to--;
	if (parse_param(spec, end + 1, &to, part, e) < 0)
		return -1;
	return parse_expr(fns, spec, end + 1, to, part, e);
}

/* ---- numbers and texts ---- */

void
agg_put_number(struct buf *out, double number)
{
	buf_reserve(out, NUMBER_SIZE_MAX);
	out->n += (size_t)number_put(out->p + out->n, number);
}

void
agg_put_text(struct buf *out, struct str json)
{
	buf_put_str(out, json.n < 0 ? STR("null") : json);
}

/* ---- reading ---- */

bool
agg_read_if(struct agg_reader *from, const char *literal)
{
	size_t n = strlen(literal);
	if (from->is_bad || (size_t)(from->end - from->p) < n || memcmp(from->p, literal, n) != 0)
		return false;
	from->p += n;
	return true;
}

void
agg_read(struct agg_reader *from, const char *literal)
{
	if (!agg_read_if(from, literal))
		from->is_bad = true;
}

static int
take_digits(struct agg_reader *from, char *text, int size)
{
	int n = 0;
	while (!from->is_bad && from->p < from->end && n < size - 1
		&& memchr("+-.0123456789Ee", *from->p, 15))
		text[n++] = (char)*from->p++;
	text[n] = 0;
	return n;
}

double
agg_read_number(struct agg_reader *from)
{
	char text[40], *end;
	int n = take_digits(from, text, sizeof text);
	double number = strtod(text, &end);
	if (n == 0 || *end || !isfinite(number)) {
		from->is_bad = true;
		return 0;
	}
	return number;
}

int64_t
agg_read_int(struct agg_reader *from)
{
	char text[40], *end;
	int n = take_digits(from, text, sizeof text);
	errno = 0;
	int64_t number = strtoll(text, &end, 10);
	if (n == 0 || *end || errno) {
		from->is_bad = true;
		return 0;
	}
	return number;
}

/* The quote that ends the string whose text begins at p; or end. */
static const uint8_t *
find_quote(const uint8_t *p, const uint8_t *end)
{
	for (const uint8_t *from = p, *at; from < end; from = at + 1) {
		at = memchr(from, '"', (size_t)(end - from));
		if (!at)
			break;
		const uint8_t *back = at;
		while (back > p && back[-1] == '\\')
			back--;
		if ((at - back) % 2 == 0)
			return at;
	}
	return end;
}

struct str
agg_read_json(struct agg_reader *from)
{
	const uint8_t *p = from->p;
	int depth = 0;
	for (; !from->is_bad && p < from->end; p++) {
		if (depth == 0 && (*p == ',' || *p == ']' || *p == '}'))
			break;
		if (*p == '[' || *p == '{')
			depth++;
		else if (*p == ']' || *p == '}')
			depth--;
		else if (*p == '"')
			p = find_quote(p + 1, from->end);
	}
	struct str json = { from->p, (int32_t)(p - from->p) };
	if (from->is_bad || p >= from->end || depth || json.n == 0) {
		from->is_bad = true;
		return STR("");
	}
	from->p = p;
	return json;
}
