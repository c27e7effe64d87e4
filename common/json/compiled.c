#include "json/compiled.h"
#include "json/eval.h"

enum { OUT_MAX = 8 };

struct compiled_set {
	struct doc doc;
	struct eval eval;
	struct arena trees;
	struct compiled *programs; /* newest first */
	struct str text;           /* what the doc was filled from, since compiled_set_next */
	bool is_known, is_good;    /* is there such a text, and is it plain JSON? */
	struct buf out[OUT_MAX];   /* the texts of the first results of a record */
	int nout;
};

struct compiled {
	struct compiled_set *set;
	struct compiled *next;
	struct tree_node *tree;
	struct tree_info info;
};

/* ---- sets ---- */

struct compiled_set *
compiled_set_new(void)
{
	struct compiled_set *set = NEW(struct compiled_set);
	doc_init(&set->doc);
	set->eval.doc = &set->doc;
	return set;
}

void
compiled_set_free(struct compiled_set *set)
{
	if (!set)
		return;
	for (struct compiled *program = set->programs, *next; program; program = next) {
		next = program->next;
		tree_info_release(&program->info);
		mem_free(program);
	}
	for (int i = 0; i < OUT_MAX; i++)
		buf_release(&set->out[i]);
	buf_release(&set->eval.scratch);
	arena_release(&set->eval.pool.arena);
	arena_release(&set->trees);
	doc_release(&set->doc);
	mem_free(set);
}

void
compiled_set_next(struct compiled_set *set)
{
	val_pool_reset(&set->eval.pool);
	set->is_known = false;
	set->nout = 0;
}

struct compiled *
compiled_add(struct compiled_set *set, struct str text)
{
	struct compiled *program = NEW(struct compiled);
	program->tree = tree_compile(text, &set->trees, &set->doc, &program->info);
	if (!program->tree) {
		tree_info_release(&program->info);
		mem_free(program);
		return NULL;
	}
	set->is_known = false; /* it may want other members */
	program->set = set;
	program->next = set->programs;
	set->programs = program;
	return program;
}

bool
compiled_uses(const struct compiled *program, enum expr_var var)
{
	return program->info.uses[var];
}

/* ---- inputs ---- */

int
compiled_set_check(struct compiled_set *set, struct str text)
{
	if (text.n < 0)
		return 1;
	if (!set->is_known || set->text.p != text.p || set->text.n != text.n) {
		set->is_known = true;
		set->text = text;
		set->is_good = doc_scan(&set->doc, text);
	}
	return set->is_good ? 1 : COMPILED_ASK;
}

/* The input's value; false: libjq is to be asked. */
static bool
load_dot(struct compiled_set *set, struct str text, struct val *dot)
{
	if (compiled_set_check(set, text) < 0)
		return false;
	if (text.n < 0) {
		doc_clear(&set->doc);
		set->is_known = false;
	}
	*dot = set->doc.slot[0];
	return true;
}

static bool
load_var(struct str text, struct val *out)
{
	*out = val_of_kind(VAL_NULL);
	if (text.n < 0)
		return true;
	if (!doc_scan(NULL, text))
		return false;
	*out = val_of_text(doc_trim(text));
	return true;
}

static bool
begin(struct compiled *program, const struct expr_in *in, struct val *dot)
{
	struct compiled_set *set = program->set;
	set->eval.pool.is_full = false;
	set->eval.pool.nvisit = 0;
	if (!load_dot(set, in->v[EXPR_DOT], dot))
		return false;
	for (int i = EXPR_KEY; i < EXPR_NVAR; i++)
		if (program->info.uses[i] && !load_var(in->v[i], &set->eval.var[i]))
			return false;
	return true;
}

/* ---- results ---- */

/* The first result; *n is how many there are, 0 to 2 meaning more than one. */
static int
run(struct compiled *program, struct val dot, struct val *out, int *n)
{
	struct eval *eval = &program->set->eval;
	if (!program->tree->is_many) {
		int rc = eval_one(eval, program->tree, dot, out);
		*n = rc > 0;
		return eval->pool.is_full ? -1 : rc;
	}
	struct val_list list = { 0 };
	int rc = eval_all(eval, program->tree, dot, &list);
	*n = MIN(list.n, 2);
	if (list.n > 0)
		*out = list.v[0];
	return eval->pool.is_full ? -1 : rc;
}

/* The value's text, until compiled_set_next; null for null.  False: it is too long. */
static bool
put(struct compiled_set *set, struct val v, struct str *out)
{
	struct val_pool *pool = &set->eval.pool;
	*out = STR_NULL;
	if (v.kind == VAL_NULL)
		return true;
	if (v.is_printed) {
		*out = (struct str){ v.p, v.n };
		return true;
	}
	struct buf *text = set->nout < OUT_MAX ? &set->out[set->nout++] : &set->eval.scratch;
	buf_reset(text);
	val_put(pool, v, text);
	if (pool->is_full || text->n > INT32_MAX)
		return false;
	*out = buf_str(text);
	if (text == &set->eval.scratch) {
		uint8_t *p = val_alloc(pool, text->n);
		if (!p)
			return false;
		memcpy(p, text->p, text->n);
		out->p = p;
	}
	/* NaN is printed as null. */
	if (v.kind == VAL_NUMBER && str_eq(*out, STR("null")))
		*out = STR_NULL;
	return true;
}

/* ---- runs ---- */

int
compiled_test(struct compiled *program, const struct expr_in *in)
{
	struct val dot, v;
	int n = 0;
	if (!begin(program, in, &dot))
		return COMPILED_ASK;
	/* The first result counts, also if there is an error behind it. */
	int rc = run(program, dot, &v, &n);
	if (n == 0)
		return rc < 0 ? COMPILED_ASK : 0;
	return program->set->eval.pool.is_full ? COMPILED_ASK : val_is_true(v);
}

/* An object of known keys is printed as it is computed. */
static int
value_of_object(struct compiled *program, const struct expr_in *in, struct str *out)
{
	struct compiled_set *set = program->set;
	struct buf *text = &set->out[set->nout++];
	struct val dot;
	buf_reset(text);
	int rc = begin(program, in, &dot) ? eval_put(&set->eval, program->tree, dot, text) : -1;
	if (rc < 0 || text->n > INT32_MAX)
		return COMPILED_ASK;
	if (rc > 0)
		*out = buf_str(text);
	return rc;
}

int
compiled_value(struct compiled *program, const struct expr_in *in, struct str *out)
{
	struct val dot, v;
	int n = 0;
	*out = STR_NULL;
	if (program->tree->is_fixed && program->set->nout < OUT_MAX)
		return value_of_object(program, in, out);
	if (!begin(program, in, &dot) || run(program, dot, &v, &n) < 0 || n > 1)
		return COMPILED_ASK;
	if (n == 0)
		return 0;
	return put(program->set, v, out) ? 1 : COMPILED_ASK;
}

int
compiled_each(struct compiled *program, const struct expr_in *in, struct str **out)
{
	struct eval *eval = &program->set->eval;
	struct val_list list = { 0 };
	struct val dot;
	*out = NULL;
	if (!begin(program, in, &dot) || eval_all(eval, program->tree, dot, &list) < 0
		|| eval->pool.is_full)
		return COMPILED_ASK;
	if (list.n == 0)
		return 0;
	struct str *texts = val_alloc(&eval->pool, (size_t)list.n * sizeof *texts);
	for (int i = 0; i < list.n; i++)
		if (!texts || !put(program->set, list.v[i], &texts[i]))
			return COMPILED_ASK;
	*out = texts;
	return list.n;
}

int
compiled_number(struct compiled *program, const struct expr_in *in, double *out)
{
	struct val dot, v;
	int n = 0;
	*out = 0;
	if (!begin(program, in, &dot) || run(program, dot, &v, &n) < 0 || n > 1)
		return COMPILED_ASK;
	if (n == 0 || v.kind == VAL_NULL)
		return 0;
	if (v.kind != VAL_NUMBER)
		return COMPILED_ASK;
	*out = val_number(v);
	return 1;
}
