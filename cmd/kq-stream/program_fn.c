#include "kq-stream/program_int.h"

#include "kq-stream/custom.h"
#include "text/say.h"

#include <stdio.h>

/* ---- sample ---- */

struct sample {
	struct flow_fn fn;
	int64_t one_of, n;
};

static int
sample_test(struct flow_fn *fn, const struct flow_args *args, struct err *e)
{
	(void)args, (void)e;
	struct sample *sample = CONTAINER_OF(fn, struct sample, fn);
	bool is_kept = sample->n == 0;
	sample->n = sample->n + 1 == sample->one_of ? 0 : sample->n + 1;
	return is_kept;
}

static struct flow_fn *
add_sample(struct program_int *in, int64_t one_of)
{
	struct sample *sample = arena_alloc(&in->arena, sizeof *sample);
	*sample = (struct sample){ .fn.test = sample_test, .one_of = one_of };
	return &sample->fn;
}

/* ---- peek ---- */

struct peek {
	struct flow_fn fn;
	struct flow_fn *value;
	struct program *program;
};

static int
peek_test(struct flow_fn *fn, const struct flow_args *args, struct err *e)
{
	struct peek *peek = CONTAINER_OF(fn, struct peek, fn);
	struct str text;
	if (peek->value->value(peek->value, args, &text, e) < 0)
		return -1;
	fprintf(stderr, "%.*s\n", text.n < 0 ? 4 : text.n, text.n < 0 ? "null"
		: (const char *)text.p);
	peek->program->nprinted++;
	return 1;
}

/* ---- all ---- */

static struct flow_fn *
add_fn(struct program_int *in, const struct plan_expr *expr, enum flow_gives gives,
	enum plan_format in_key, enum plan_format out_key, struct err *e)
{
	struct flow_place place = { gives, program_key_format(in_key), program_key_format(out_key) };
	struct flow_fn *fn = flow_fns_add(in->fns, str_of(expr->text), &place, e);
	if (!fn)
		program_blame(in, expr, e);
	return fn;
}

static struct flow_fn *
add_peek(struct program_int *in, const struct plan_node *node, struct err *e)
{
	struct plan_expr what = { node->fn.text ? node->fn.text : ".", node->where };
	struct peek *peek = arena_alloc(&in->arena, sizeof *peek);
	*peek = (struct peek){ .fn.test = peek_test, .program = in->program };
	peek->value = add_fn(in, &what, FLOW_GIVES_VALUE, node->in_key_format, node->key_format, e);
	return peek->value ? &peek->fn : NULL;
}

static int
add_cases(struct program_int *in, const struct plan_node *node, struct flow_spec *spec,
	struct err *e)
{
	struct flow_case *cases = arena_alloc(&in->arena, (size_t)spec->ncase * sizeof *cases);
	for (int i = 0; i < spec->ncase; i++) {
		cases[i] = node->spec.cases[i];
		cases[i].fn = add_fn(in, &node->case_fn[i], FLOW_GIVES_TEST, node->in_key_format,
			node->key_format, e);
		if (!cases[i].fn)
			return -1;
	}
	spec->cases = cases;
	return 0;
}

/* The function in spec->fn; NULL: failed. */
static struct flow_fn *
make_fn(struct program_int *in, const struct plan_node *node, struct err *e)
{
	static const enum flow_gives gives[] = {
		[PLAN_TEST] = FLOW_GIVES_TEST, [PLAN_VALUE] = FLOW_GIVES_VALUE,
		[PLAN_JOIN] = FLOW_GIVES_VALUE, [PLAN_KEY] = FLOW_GIVES_KEY,
		[PLAN_RECODE] = FLOW_GIVES_KEY, [PLAN_EACH] = FLOW_GIVES_EACH,
		[PLAN_ROW_KEY] = FLOW_GIVES_ROW_KEY, [PLAN_DEDUPE] = FLOW_GIVES_VALUE,
		[PLAN_EXEC] = FLOW_GIVES_VALUE,
	};
	struct plan_expr key = { "$key", node->where }, value = { ".", node->where };
	const struct plan_expr *expr = node->use == PLAN_RECODE ? &key
		: node->use == PLAN_EXEC ? &value : &node->fn;
	if (node->use == PLAN_SAMPLE)
		return add_sample(in, node->count);
	if (node->use == PLAN_PRINT)
		return add_peek(in, node, e);
	return add_fn(in, expr, gives[node->use], node->in_key_format, node->key_format, e);
}

int
program_add_functions(struct program_int *in, const struct plan_node *node,
	struct flow_spec *spec, struct err *e)
{
	if (node->key_fn.text) {
		spec->key_fn = add_fn(in, &node->key_fn, FLOW_GIVES_KEY, node->in_key_format,
			node->key_fn_format, e);
		if (!spec->key_fn)
			return -1;
	}
	switch (node->use) {
	case PLAN_NO_FN: return 0;
	case PLAN_AGGREGATORS:
	case PLAN_REDUCE:
	case PLAN_AGGREGATE:
	case PLAN_TOP:
	case PLAN_COGROUP: return program_add_aggregate(in, node, spec, e);
	case PLAN_EACH: spec->custom = &custom_each_ops; break;
	case PLAN_DEDUPE:
		spec->custom = &custom_dedupe_ops;
		spec->is_by_key = !node->fn.text;
		if (!node->fn.text)
			return 0;
		break;
	case PLAN_EVERY:
		spec->custom = &custom_every_ops;
		spec->is_by_key = true;
		return 0;
	case PLAN_EXEC: spec->custom = &custom_exec_ops; break;
	default: break;
	}
	if (spec->op == FLOW_BRANCH)
		return add_cases(in, node, spec, e);
	spec->fn = make_fn(in, node, e);
	return spec->fn ? 0 : -1;
}
