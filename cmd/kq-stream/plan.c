#include "kq-stream/plan.h"

const char *const plan_format_names[PLAN_NFORMAT] = {
	[PLAN_JSON] = "json", [PLAN_TEXT] = "text", [PLAN_BYTES] = "bytes", [PLAN_CSV] = "csv",
};

void
plan_free(struct plan *plan)
{
	if (!plan)
		return;
	mem_free(plan->node);
	mem_free(plan->source);
	mem_free(plan->sink);
	arena_release(&plan->arena);
	mem_free(plan);
}

bool
plan_prints(const struct plan *plan)
{
	for (int i = 0; i < plan->nsink; i++)
		if (plan->sink[i].is_stdout)
			return true;
	return false;
}

bool
plan_is_local(const struct plan *plan)
{
	bool has_stdin = false;
	for (int i = 0; i < plan->nsource; i++) {
		const struct plan_source *source = &plan->source[i];
		if (!source->is_stdin && plan->node[source->node]->kind != PLAN_GLOBAL)
			return false;
		has_stdin |= source->is_stdin;
	}
	return has_stdin;
}

bool
plan_needs_broker(const struct plan *plan)
{
	if (!plan_is_local(plan) || plan->nsource > 1)
		return true;
	for (int i = 0; i < plan->nsink; i++)
		if (!plan->sink[i].is_stdout)
			return true;
	return false;
}
