#include "json/expr.h"

#include "json/compiled.h"
#include "json/jqprog.h"

enum { TIMEOUT_MS = 1000, RESULT_MAX = 16 << 20, DEPTH_MAX = 10000, PARSED_MAX = 8 };

/* A text that was parsed since expr_set_next. */
struct parsed {
	struct str text;
	jv value;
};

struct expr_set {
	struct expr_opts opts;
	struct compiled_set *compiled; /* NULL: only_libjq */
	struct expr *exprs;           /* newest first */
	struct arena arena;           /* results */
	struct parsed parsed[PARSED_MAX];
	int nparsed;                  /* all since expr_set_next; the last ones are kept */
};

struct expr {
	struct expr_set *set;
	struct expr *next;
	struct jqlex lex;
	struct compiled *compiled; /* NULL: it is not covered */
	char *text;                /* of a compiled one, which libjq may have to run after all */
	struct jqprog *prog;       /* NULL: it has not had to */
};

/* ---- sets ---- */

struct expr_set *
expr_set_new(const struct expr_opts *o)
{
	struct expr_set *set = NEW(struct expr_set);
	if (o)
		set->opts = *o;
	if (!set->opts.timeout_ms)
		set->opts.timeout_ms = TIMEOUT_MS;
	if (!set->opts.result_max)
		set->opts.result_max = RESULT_MAX;
	if (!set->opts.only_libjq)
		set->compiled = compiled_set_new();
	return set;
}

void
expr_set_next(struct expr_set *set)
{
	for (int i = 0; i < MIN(set->nparsed, PARSED_MAX); i++)
		jv_free(set->parsed[i].value);
	set->nparsed = 0;
	if (set->arena.used > 0)
		arena_reset(&set->arena);
	if (set->compiled)
		compiled_set_next(set->compiled);
}

void
expr_set_free(struct expr_set *set)
{
	if (!set)
		return;
	expr_set_next(set);
	for (struct expr *expr = set->exprs, *next; expr; expr = next) {
		next = expr->next;
		jqprog_free(expr->prog);
		mem_free(expr->text);
		mem_free(expr);
	}
	compiled_set_free(set->compiled);
	arena_release(&set->arena);
	mem_free(set);
}

/* libjq's message ends with the whole text: " (while parsing '...')". */
static int
not_json(jv invalid, struct err *e)
{
	jv msg = jv_invalid_get_msg(invalid);
	const char *z = jv_get_kind(msg) == JV_KIND_STRING ? jv_string_value(msg) : "no value";
	const char *end = strstr(z, " (while parsing '");
	int n = end ? (int)(end - z) : (int)strlen(z);
	err_set(e, ERR_CORRUPT, "not one JSON text: %.*s", MIN(n, 200), z);
	jv_free(msg);
	return -1;
}

/* libjq takes nan for a number; with one, some of its functions end the process. */
static bool
has_nan(struct str text)
{
	const uint8_t *end = text.p + text.n;
	if (!memmem(text.p, (size_t)text.n, "nan", 3))
		return false;
	for (const uint8_t *p = text.p; p < end; p++) {
		if (*p == 'n' && p[1] == 'a')
			return true;
		if (*p == '"')
			for (p++; *p != '"'; p++)
				p += *p == '\\';
	}
	return false;
}

/* The text's value, which the set owns until expr_set_next. */
static int
parse(struct expr_set *set, struct str text, jv *out, struct err *e)
{
	if (text.n < 0) {
		*out = jv_null();
		return 0;
	}
	for (int i = 0; i < MIN(set->nparsed, PARSED_MAX); i++) {
		struct parsed *known = &set->parsed[i];
		if (known->text.p == text.p && known->text.n == text.n) {
			*out = known->value;
			return 0;
		}
	}
	jv value = jv_parse_sized((const char *)text.p, text.n);
	if (!jv_is_valid(value))
		return not_json(value, e);
	if (has_nan(text)) {
		jv_free(value);
		return err_set(e, ERR_CORRUPT, "not one JSON text: nan is no value in JSON");
	}
	struct parsed *slot = &set->parsed[set->nparsed % PARSED_MAX];
	if (set->nparsed >= PARSED_MAX)
		jv_free(slot->value);
	set->nparsed++;
	*slot = (struct parsed){ text, value };
	*out = value;
	return 0;
}

int
expr_set_check(struct expr_set *set, struct str text, struct err *e)
{
	jv value;
	if (set->compiled && compiled_set_check(set->compiled, text) == 1)
		return 0;
	return parse(set, text, &value, e);
}

/* ---- programs ---- */

struct expr *
expr_add(struct expr_set *set, struct str text, struct err *e)
{
	struct jqlex lex;
	if (jqlex_scan(&lex, text, e) < 0)
		return NULL;
	struct compiled *compiled = set->compiled ? compiled_add(set->compiled, text) : NULL;
	struct jqprog *prog = NULL;
	if (!compiled && !(prog = jqprog_new(text, &lex, set->opts.timeout_ms, e)))
		return NULL;
	struct expr *expr = NEW(struct expr);
	expr->set = set;
	expr->lex = lex;
	expr->compiled = compiled;
	expr->text = compiled ? mem_strndup(text) : NULL;
	expr->prog = prog;
	expr->next = set->exprs;
	set->exprs = expr;
	return expr;
}

bool
expr_uses(const struct expr *expr, enum expr_var var)
{
	return expr->lex.uses[var];
}

/* ---- runs by libjq ---- */

static int
begin(struct expr *expr, const struct expr_in *in, struct err *e)
{
	jv v[EXPR_NVAR] = { 0 };
	jv copy[EXPR_NVAR];
	if (!expr->prog)
		expr->prog = jqprog_new(str_of(expr->text), &expr->lex, expr->set->opts.timeout_ms, e);
	if (!expr->prog)
		return -1;
	for (int i = 0; i < EXPR_NVAR; i++) {
		copy[i] = jv_null();
		if (!expr->lex.uses[i])
			continue;
		/* A copy each: a later text may take the earlier one's place in the set. */
		if (parse(expr->set, in->v[i], &v[i], e) < 0) {
			while (i-- > 0)
				jv_free(copy[i]);
			return -1;
		}
		copy[i] = jv_copy(v[i]);
	}
	jqprog_begin(expr->prog, copy);
	for (int i = 0; i < EXPR_NVAR; i++)
		jv_free(copy[i]);
	return 0;
}

/* Take the size of the value's text, at least, from *left.  A value may share its parts and
 * have a text that is endlessly larger than its memory.  False: more is needed. */
static bool
fits(jv value, size_t *left, int depth)
{
	size_t n = 1;
	jv_kind kind = jv_get_kind(value);
	bool ok = depth < DEPTH_MAX;
	if (kind == JV_KIND_STRING)
		n += (size_t)jv_string_length_bytes(jv_copy(value));
	ok = ok && n <= *left;
	*left -= ok ? n : 0;
	if (kind == JV_KIND_ARRAY && ok)
		for (int i = 0, end = jv_array_length(jv_copy(value)); i < end && ok; i++)
			ok = fits(jv_array_get(jv_copy(value), i), left, depth + 1);
	if (kind == JV_KIND_OBJECT && ok)
		for (int it = jv_object_iter(value); jv_object_iter_valid(value, it) && ok;
			it = jv_object_iter_next(value, it)) {
			ok = fits(jv_object_iter_key(value, it), left, depth)
				&& fits(jv_object_iter_value(value, it), left, depth + 1);
		}
	jv_free(value);
	return ok;
}

/* The value's text, in the set's arena; *left are the bytes that results may still have. */
static int
to_text(struct expr_set *set, jv value, size_t *left, struct str *out, struct err *e)
{
	size_t room = *left;
	if (!fits(jv_copy(value), &room, 0)) {
		jv_free(value);
		return err_set(e, ERR_LIMIT, "the expression's result is larger than %zu bytes",
			set->opts.result_max);
	}
	jv text = jv_dump_string(value, 0);
	struct str s = { (const uint8_t *)jv_string_value(text),
		jv_string_length_bytes(jv_copy(text)) };
	int rc = 0;
	if ((size_t)s.n > *left)
		rc = err_set(e, ERR_LIMIT, "the expression's result is larger than %zu bytes",
			set->opts.result_max);
	*out = STR_NULL;
	if (rc == 0 && !str_eq(s, STR("null")))
		*out = arena_str(&set->arena, s);
	*left -= rc == 0 ? (size_t)s.n : 0;
	jv_free(text);
	return rc;
}

/* Its only result.  1, 0 or -1. */
static int
run_one(struct expr *expr, const struct expr_in *in, jv *out, struct err *e)
{
	jv more;
	if (begin(expr, in, e) < 0)
		return -1;
	int rc = jqprog_next(expr->prog, out, e);
	if (rc == 1) {
		int again = jqprog_next(expr->prog, &more, e);
		if (again == 1) {
			jv_free(more);
			err_set(e, ERR_USAGE, "the expression has more than one result");
		}
		if (again != 0) {
			jv_free(*out);
			rc = -1;
		}
	}
	jqprog_end(expr->prog);
	return rc;
}

static int
run_each(struct expr *expr, const struct expr_in *in, struct str **out, struct err *e)
{
	size_t left = expr->set->opts.result_max;
	struct str *v = NULL;
	int n = 0, rc, cap = 0;
	jv value;
	if (begin(expr, in, e) < 0)
		return -1;
	while ((rc = jqprog_next(expr->prog, &value, e)) == 1) {
		if (n == cap) {
			struct str *wider = arena_alloc(&expr->set->arena,
				(size_t)MAX(2 * cap, 8) * sizeof *v);
			if (n)
				memcpy(wider, v, (size_t)n * sizeof *v);
			v = wider;
			cap = MAX(2 * cap, 8);
		}
		if ((rc = to_text(expr->set, value, &left, &v[n++], e)) < 0)
			break;
	}
	jqprog_end(expr->prog);
	*out = v;
	return rc < 0 ? -1 : n;
}

/* ---- runs: compiled; by libjq when that asks for it ---- */

/* Of a result too large libjq's run makes the error. */
static bool
fits_text(struct str text, size_t *left)
{
	size_t n = (size_t)MAX(text.n, 0);
	bool ok = n <= *left;
	*left -= ok ? n : 0;
	return ok;
}

int
expr_test(struct expr *expr, const struct expr_in *in, struct err *e)
{
	jv value;
	int rc = expr->compiled ? compiled_test(expr->compiled, in) : COMPILED_ASK;
	if (rc != COMPILED_ASK)
		return rc;
	if (begin(expr, in, e) < 0)
		return -1;
	rc = jqprog_next(expr->prog, &value, e);
	if (rc == 1) {
		jv_kind kind = jv_get_kind(value);
		rc = kind != JV_KIND_FALSE && kind != JV_KIND_NULL;
		jv_free(value);
	}
	jqprog_end(expr->prog);
	return rc;
}

int
expr_value(struct expr *expr, const struct expr_in *in, struct str *out, struct err *e)
{
	size_t left = expr->set->opts.result_max;
	jv value;
	*out = STR_NULL;
	int rc = expr->compiled ? compiled_value(expr->compiled, in, out) : COMPILED_ASK;
	if (rc != COMPILED_ASK && (rc == 0 || fits_text(*out, &left)))
		return rc;
	*out = STR_NULL;
	rc = run_one(expr, in, &value, e);
	if (rc == 1 && to_text(expr->set, value, &left, out, e) < 0)
		return -1;
	return rc;
}

int
expr_each(struct expr *expr, const struct expr_in *in, struct str **out, struct err *e)
{
	size_t left = expr->set->opts.result_max;
	int n = expr->compiled ? compiled_each(expr->compiled, in, out) : COMPILED_ASK;
	for (int i = 0; i < n; i++)
		if (!fits_text((*out)[i], &left))
			n = COMPILED_ASK;
	return n == COMPILED_ASK ? run_each(expr, in, out, e) : n;
}

int
expr_number(struct expr *expr, const struct expr_in *in, double *out, struct err *e)
{
	jv value;
	int rc = expr->compiled ? compiled_number(expr->compiled, in, out) : COMPILED_ASK;
	if (rc != COMPILED_ASK)
		return rc;
	*out = 0;
	rc = run_one(expr, in, &value, e);
	if (rc < 1)
		return rc;
	jv_kind kind = jv_get_kind(value);
	if (kind == JV_KIND_NUMBER)
		*out = jv_number_value(value);
	jv_free(value);
	if (kind == JV_KIND_NULL)
		return 0;
	if (kind != JV_KIND_NUMBER)
		return err_set(e, ERR_USAGE, "the result is no number but %s", jv_kind_name(kind));
	return 1;
}
