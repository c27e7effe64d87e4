#include "kq-stream/program_int.h"

#include <stdio.h>

int
program_blame(struct program_int *in, const struct plan_expr *expr, struct err *e)
{
	int line = 1, column = 0;
	if (sscanf(e->msg, "line %d, column %d: ", &line, &column) != 2) {
		line = 1;
		sscanf(e->msg, "column %d: ", &column);
	}
	if (in->fault && column > 0)
		*in->fault = (struct program_fault){ *expr, line, column };
	return err_wrap(e, "%s", expr->where);
}

struct expr *
program_add_expr(struct program_int *in, const struct plan_expr *expr, struct err *e)
{
	struct expr *made = expr_add(flow_fns_set(in->fns), str_of(expr->text), e);
	if (!made)
		program_blame(in, expr, e);
	return made;
}
