/*
 * Any bytes as the input of jq programs, run compiled and by libjq: their results must be
 * the same.  The first byte chooses which of the programs, made once for all: libjq takes
 * long to compile.  (t/unit/expr_pairs.c has many programs on fewer inputs.)
 */
#include "../unit/expr_compare.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NBATCH = 8 };

static struct batch {
	struct compare cmp;
	struct buf texts;
	struct expr_set *set;
	struct expr *expr;
} batches[NBATCH];

/* Programs that all compile. */
static void
batch_make(struct batch *batch, uint64_t seed)
{
	struct err e;
	for (; !batch->expr; seed += NBATCH) {
		batch->cmp.make.seed = seed;
		compare_make(&batch->cmp, COMPARE_PROGRAMS, &batch->texts);
		batch->set = compare_set_new();
		batch->expr = compare_join(&batch->cmp, 0, COMPARE_PROGRAMS, batch->set, &e);
		if (!batch->expr) {
			compiled_set_free(batch->cmp.set);
			expr_set_free(batch->set);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expr_in in = { { STR_NULL, STR("\"k\""), STR("{\"a\":1}"), STR("[1,\"a\"]"),
		STR_NULL } };
	struct str *v = NULL;
	struct err e;
	if (size < 1 || size > 4096)
		return 0;
	struct batch *batch = &batches[data[0] % NBATCH];
	if (!batch->expr)
		batch_make(batch, data[0] % NBATCH);
	in.v[EXPR_DOT] = (struct str){ data + 1, (int32_t)size - 1 };
	expr_set_next(batch->set);
	int n = expr_each(batch->expr, &in, &v, &e);
	if (n < 0 && e.class == ERR_LIMIT)
		return 0;
	if (compare_input(&batch->cmp, 0, COMPARE_PROGRAMS, &in, v, n, &e)) {
		fprintf(stderr, "%s\n", batch->cmp.fault);
		abort();
	}
	return 0;
}
