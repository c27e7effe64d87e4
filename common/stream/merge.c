#include "stream/merge.h"

#include "base/mem.h"

void
merge_init(struct merge *merge, int n, int64_t idle_ms, int64_t stall_ms)
{
	assert(n > 0);
	assert(idle_ms >= -1);
	*merge = (struct merge){ .n = n, .idle_ms = idle_ms, .stall_ms = stall_ms };
	merge->in = mem_alloc((size_t)n * sizeof *merge->in);
	for (int i = 0; i < n; i++)
		merge->in[i] = (struct merge_input){ .is_behind = true };
}

void
merge_release(struct merge *merge)
{
	mem_free(merge->in);
	merge->in = NULL;
	merge->n = 0;
}

void
merge_fill(struct merge *merge, int i, int64_t timestamp_ms)
{
	struct merge_input *in = &merge->in[i];
	assert(!in->has_first);
	in->has_first = true;
	in->first_ms = timestamp_ms;
	in->filled = ++merge->nfilled;
	in->until_ms = in->stalled_ms = 0;
	merge->nfirst++;
}

void
merge_empty(struct merge *merge, int i)
{
	assert(merge->in[i].has_first);
	merge->in[i].has_first = false;
	merge->nfirst--;
}

/* Until when does the empty input hold the task up?  At most now_ms: it does not. */
static int64_t
holds_until(const struct merge *merge, struct merge_input *in, int64_t now_ms)
{
	if (in->has_ended || merge->idle_ms < 0)
		return 0;
	if (!in->is_behind) {
		in->stalled_ms = 0;
		if (!in->until_ms)
			in->until_ms = now_ms + merge->idle_ms;
		return in->until_ms;
	}
	in->until_ms = 0;
	if (merge->stall_ms == 0)
		return INT64_MAX;
	if (!in->stalled_ms)
		in->stalled_ms = now_ms;
	return in->stalled_ms + merge->stall_ms;
}

static bool
may_go_on(const struct merge *merge, int64_t now_ms, int64_t *until_ms)
{
	bool may = true;
	*until_ms = INT64_MAX;
	for (int i = 0; i < merge->n; i++) {
		if (merge->in[i].has_first)
			continue;
		int64_t at = holds_until(merge, &merge->in[i], now_ms);
		if (at <= now_ms)
			continue;
		may = false;
		*until_ms = MIN(*until_ms, at);
	}
	return may;
}

int
merge_next(struct merge *merge, int64_t now_ms, int64_t *until_ms)
{
	*until_ms = INT64_MAX;
	if (merge->nfirst == 0)
		return -1;
	if (merge->nfirst < merge->n && !may_go_on(merge, now_ms, until_ms))
		return -1;
	int best = -1;
	for (int i = 0; i < merge->n; i++) {
		const struct merge_input *in = &merge->in[i];
		if (!in->has_first)
			continue;
		if (best < 0 || in->first_ms < merge->in[best].first_ms
			|| (in->first_ms == merge->in[best].first_ms && in->filled < merge->in[best].filled))
			best = i;
	}
	return best;
}
