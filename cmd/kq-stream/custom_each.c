#include "kq-stream/custom.h"

static int
each_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct flow_fn *fn = node->spec->fn;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct flow_pair *pairs;
	int n = fn->pairs(fn, &args, &pairs, e);
	if (n < 0)
		return flow_node_failed(node, rec, e);
	struct flow_rec out = *rec;
	for (int i = 0; i < n; i++) {
		out.value = pairs[i].value;
		if (flow_node_send(node, &out, e))
			return -1;
	}
	return 0;
}

const struct flow_node_ops custom_each_ops = {
	.name = "each", .size = sizeof(struct flow_node), .take = each_take,
};
