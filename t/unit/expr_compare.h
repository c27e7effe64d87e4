/*
 * Compares the compiled subset of jq with libjq, on programs and inputs that expr_make.h
 * makes: results byte for byte, and whether there was an error.
 *
 * To compile costs libjq much, so it gets many programs as one, whose results are
 *
 *	{"v": result, "t": is it true?}, ..., "error" if it ended with one, "end"
 *
 * for each of them.  What the compiled subset leaves to libjq (COMPILED_ASK) is equal by
 * nature, and only counted.
 */
#ifndef KQ_T_EXPR_COMPARE_H
#define KQ_T_EXPR_COMPARE_H

#include "expr_make.h"
#include "json/compiled.h"

enum { COMPARE_PROGRAMS = 40 };

/* libjq 1.6 loses memory when some of its functions fail (ltrimstr(1)). */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libjq.so\n";
}
const char *__lsan_default_options(void);
const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}

struct compare {
	struct make make;
	struct compiled_set *set;
	struct str program[COMPARE_PROGRAMS];
	struct compiled *compiled[COMPARE_PROGRAMS]; /* NULL: not covered */
	int64_t npair;      /* compared, with those left to libjq */
	int64_t nanswer;    /* answered by the compiled subset */
	int64_t nprogram, ncovered;
	char fault[4000];   /* the first difference; empty: none */
};

static inline int
compare_differ(struct compare *cmp, int i, const struct expr_in *in, const char *how,
	struct str got, struct str want)
{
	snprintf(cmp->fault, sizeof cmp->fault, "%s\nprogram: %.*s\ninput: %.*s\ncompiled: %.*s\n"
		"libjq: %.*s", how, STR_ARG(cmp->program[i]), MIN(in->v[EXPR_DOT].n, 1500),
		(const char *)in->v[EXPR_DOT].p, MIN(got.n, 500), got.n < 0 ? "" : (const char *)got.p,
		MIN(want.n, 500), want.n < 0 ? "" : (const char *)want.p);
	return -1;
}

/* What libjq says of one program on one input. */
struct compare_want {
	struct str *v; /* {"v":...,"t":...} each */
	int n;
	bool is_error; /* behind the results */
	const char *error;
};

static inline bool
compare_is_true(struct str v)
{
	return v.p[v.n - 3] == 'u';
}

static inline struct str
compare_result(struct str v)
{
	struct str text = { v.p + 5, v.n - 5 - (compare_is_true(v) ? 10 : 11) };
	return str_eq(text, STR("null")) ? STR_NULL : text;
}

static inline int
compare_each(struct compare *cmp, int i, const struct expr_in *in, const struct compare_want *want)
{
	struct str *v;
	int n = compiled_each(cmp->compiled[i], in, &v);
	cmp->npair++;
	if (n == COMPILED_ASK)
		return 0;
	cmp->nanswer++;
	if (want->is_error)
		return compare_differ(cmp, i, in, "libjq raises an error", n ? v[0] : STR_NULL,
			str_of(want->error));
	if (n != want->n)
		return compare_differ(cmp, i, in, "other number of results", n ? v[0] : STR_NULL,
			want->n ? want->v[0] : STR_NULL);
	for (int j = 0; j < n; j++)
		if (!str_eq(v[j], compare_result(want->v[j])))
			return compare_differ(cmp, i, in, "other result", v[j], compare_result(want->v[j]));
	return 0;
}

/* The other ways to run agree with what libjq gave. */
static inline int
compare_others(struct compare *cmp, int i, const struct expr_in *in,
	const struct compare_want *want)
{
	struct compiled *program = cmp->compiled[i];
	struct str first = want->n ? compare_result(want->v[0]) : STR_NULL, text;
	double number;
	int rc = compiled_test(program, in);
	bool is_true = want->n && compare_is_true(want->v[0]); /* NaN is, and prints as null */
	if (rc != COMPILED_ASK && (rc != is_true || (want->is_error && !want->n)))
		return compare_differ(cmp, i, in, "test", rc ? STR("true") : STR("false"), first);
	bool is_one = !want->is_error && want->n <= 1;
	rc = compiled_value(program, in, &text);
	if (rc != COMPILED_ASK && (!is_one || rc != want->n || (rc && !str_eq(text, first))))
		return compare_differ(cmp, i, in, "value", text, first);
	rc = compiled_number(program, in, &number);
	if (rc != COMPILED_ASK && (!is_one || rc != (first.n >= 0 || is_true)
		|| (rc == 1 && (number != number) != (first.n < 0))))
		return compare_differ(cmp, i, in, "number", rc ? STR("a number") : STR("none"), first);
	return 0;
}

/* Compare programs from..to on the input; all are libjq's results, or n is -1: an error. */
static inline int
compare_input(struct compare *cmp, int from, int to, const struct expr_in *in, struct str *all,
	int n, const struct err *e)
{
	struct compare_want want = { all, 0, n < 0, n < 0 ? e->msg : "some" };
	int at = 0;
	compiled_set_next(cmp->set);
	for (int i = from; i < to; i++) {
		if (n >= 0) {
			want.v = all + at;
			want.n = 0;
			while (all[at].p[0] == '{')
				at++, want.n++;
			want.is_error = str_eq(all[at], STR("\"error\""));
			at += 1 + want.is_error;
		}
		if (cmp->compiled[i] && (compare_each(cmp, i, in, &want)
			|| compare_others(cmp, i, in, &want)))
			return -1;
	}
	assert(n < 0 || at == n);
	return 0;
}

static inline void
compare_make_input(struct compare *cmp, struct buf *b, struct expr_in *in)
{
	size_t end[EXPR_NVAR];
	buf_reset(b);
	cmp->make.out = b;
	for (int i = 0; i < EXPR_NVAR; i++) {
		make_input(&cmp->make, i == EXPR_DOT);
		end[i] = b->n;
	}
	/* One that an earlier one gave is the very same text now and then. */
	for (int i = 0; i < EXPR_NVAR; i++) {
		size_t from = i ? end[i - 1] : 0;
		in->v[i] = (struct str){ b->p + from, (int32_t)(end[i] - from) };
	}
	if (make_pick(&cmp->make, 20) == 0)
		in->v[1 + make_pick(&cmp->make, EXPR_NVAR - 1)] = STR_NULL;
}

/* Programs from..to as one, for libjq.  NULL: one of them does not compile. */
static inline struct expr *
compare_join(const struct compare *cmp, int from, int to, struct expr_set *set, struct err *e)
{
	struct buf text = BUF_INIT;
	for (int i = from; i < to; i++)
		buf_printf(&text, "%s(try ((%.*s) | {v: ., t: (if . then true else false end)})"
			" catch \"error\"), \"end\"", i > from ? ", " : "", STR_ARG(cmp->program[i]));
	struct expr *expr = expr_add(set, buf_str(&text), e);
	buf_release(&text);
	return expr;
}

static inline struct expr_set *
compare_set_new(void)
{
	return expr_set_new(&(struct expr_opts){ 60000, 64 << 20, true });
}

static inline int
compare_run(struct compare *cmp, int from, int to, int ninput)
{
	struct expr_set *set = compare_set_new();
	struct buf inputs = BUF_INIT;
	struct expr_in in;
	struct str *v = NULL;
	struct err e;
	int rc = 0;
	struct expr *expr = compare_join(cmp, from, to, set, &e);
	if (!expr && to - from > 1) {
		expr_set_free(set);
		int middle = (from + to) / 2;
		return compare_run(cmp, from, middle, ninput) ? -1 : compare_run(cmp, middle, to, ninput);
	}
	if (!expr && cmp->compiled[from])
		rc = compare_differ(cmp, from, &(struct expr_in){ .v = { STR("") } },
			"libjq does not compile",
			STR(""), str_of(e.msg));
	for (int i = 0; expr && rc == 0 && i < ninput; i++) {
		expr_set_next(set);
		compare_make_input(cmp, &inputs, &in);
		int n = expr_each(expr, &in, &v, &e);
		if (n >= 0 || e.class != ERR_LIMIT)
			rc = compare_input(cmp, from, to, &in, v, n, &e);
	}
	buf_release(&inputs);
	expr_set_free(set);
	return rc;
}

/* Make programs. */
static inline void
compare_make(struct compare *cmp, int nprogram, struct buf *texts)
{
	size_t end[COMPARE_PROGRAMS];
	buf_reset(texts);
	cmp->make.out = texts;
	cmp->set = compiled_set_new();
	for (int i = 0; i < nprogram; i++) {
		make_program(&cmp->make);
		end[i] = texts->n;
	}
	for (int i = 0; i < nprogram; i++) {
		size_t from = i ? end[i - 1] : 0;
		cmp->program[i] = (struct str){ texts->p + from, (int32_t)(end[i] - from) };
		cmp->compiled[i] = compiled_add(cmp->set, cmp->program[i]);
		cmp->nprogram++;
		cmp->ncovered += cmp->compiled[i] != NULL;
	}
}

/* Make programs, and compare them on so many inputs.  0, or -1: cmp->fault says how they
 * differ. */
static inline int
compare_batch(struct compare *cmp, int nprogram, int ninput)
{
	struct buf texts = BUF_INIT;
	compare_make(cmp, nprogram, &texts);
	int rc = compare_run(cmp, 0, nprogram, ninput);
	compiled_set_free(cmp->set);
	buf_release(&texts);
	return rc;
}

#endif
