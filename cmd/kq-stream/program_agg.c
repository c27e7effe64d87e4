#include "kq-stream/program_int.h"

int
program_add_aggregate(struct program_int *in, const struct plan_node *node,
	struct flow_spec *spec, struct err *e)
{
	(void)in, (void)spec;
	return err_set(e, ERR_USAGE, "%s: this verb is not built yet", node->where);
}
