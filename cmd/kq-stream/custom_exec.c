/* A batch of one record: its answer is complete before the task goes on. */
#include "kq-stream/custom.h"
#include "tool/coprocess.h"

#include <errno.h>
#include <poll.h>

struct exec_node {
	struct flow_node node;
	struct coprocess coproc;
	bool is_open;
};

/* The command is started for the first record: 'explain', a copy of a task that is elsewhere,
 * and who only lists the stores open the node, too. */
static int
start(struct exec_node *op, struct err *e)
{
	const struct plan_node *planned = op->node.spec->tag;
	int timeout_ms = (int)MIN(planned->interval_ms, INT32_MAX);
	if (op->is_open)
		return 0;
	if (coprocess_open(&op->coproc, planned->command, COFRAME_LINE, timeout_ms, e) < 0)
		return -1;
	op->coproc.timeout_name = "timeout";
	op->is_open = true;
	return 0;
}

static void
exec_close(struct flow_node *node)
{
	struct exec_node *op = (struct exec_node *)node;
	if (op->is_open)
		coprocess_release(&op->coproc);
}

static int
answer(struct coprocess *coproc, struct err *e)
{
	int rc;
	while ((rc = coprocess_work(coproc, e)) == 0)
		if (poll(&(struct pollfd){ coproc->poll_fd, POLLIN, 0 }, 1,
			MAX(coprocess_timeout(coproc), 0)) < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for '%s'", coproc->command);
	return rc < 0 ? -1 : 0;
}

static int
exec_take(struct flow_node *node, int port, const struct flow_rec *rec, struct err *e)
{
	(void)port;
	struct exec_node *op = (struct exec_node *)node;
	struct flow_rec out = *rec;
	struct str key, record;
	if (start(op, e) < 0)
		return -1;
	coprocess_begin(&op->coproc);
	if (coprocess_put(&op->coproc, STR_NULL, rec->value.n < 0 ? STR("null") : rec->value, e) < 0)
		return flow_node_failed(node, rec, e);
	coprocess_end(&op->coproc);
	/* A command that fails is no fault of the record: the task fails. */
	if (answer(&op->coproc, e) < 0)
		return -1;
	while (coprocess_next(&op->coproc, &key, &record)) {
		struct flow_args args = { .key = &rec->key, .value = record, .ts_ms = rec->ts_ms };
		struct flow_fn *fn = node->spec->fn;
		if (fn->value(fn, &args, &out.value, e) < 0) {
			if (flow_node_failed(node, rec, e) < 0)
				return -1;
			continue;
		}
		if (flow_node_send(node, &out, e))
			return -1;
	}
	return 0;
}

static int
exec_end(struct flow_node *node, struct err *e)
{
	struct exec_node *op = (struct exec_node *)node;
	return op->is_open ? coprocess_close(&op->coproc, op->coproc.timeout_ms, e) : 0;
}

const struct flow_node_ops custom_exec_ops = {
	.name = "exec", .size = sizeof(struct exec_node), .close = exec_close, .take = exec_take,
	.end = exec_end,
};
