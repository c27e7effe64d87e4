#include "group/assignor.h"

#include <stdlib.h>

struct ranked {
	const struct assignor_member *member;
	int32_t at;
};

/* Static members first, by instance id, which survives a restart: so a rolling
 * restart moves nothing. */
static int
by_rank(const void *va, const void *vb)
{
	const struct assignor_member *a = ((const struct ranked *)va)->member;
	const struct assignor_member *b = ((const struct ranked *)vb)->member;
	bool a_is_static = a->instance_id.n >= 0, b_is_static = b->instance_id.n >= 0;
	if (a_is_static && b_is_static)
		return str_cmp(a->instance_id, b->instance_id);
	if (a_is_static != b_is_static)
		return a_is_static ? -1 : 1;
	return str_cmp(a->id, b->id);
}

void
assignor_range(struct assignor_member *member, int32_t nmember, const int32_t *npartition,
	int32_t ntopic, struct arena *a)
{
	struct assignor_row row;
	assignor_row_init(&row, npartition, ntopic, a);
	struct ranked *rank = arena_alloc(a, ((size_t)nmember + 1) * sizeof *rank);
	int32_t *nsubscriber = arena_alloc(a, ((size_t)ntopic + 1) * sizeof *nsubscriber);
	int32_t *seen = arena_alloc(a, ((size_t)ntopic + 1) * sizeof *seen);
	int32_t *next = arena_alloc(a, ((size_t)ntopic + 1) * sizeof *next);
	for (int32_t i = 0; i < nmember; i++) {
		rank[i] = (struct ranked){ &member[i], i };
		for (int32_t k = 0; k < member[i].ntopic; k++)
			nsubscriber[member[i].topics[k]]++;
	}
	qsort(rank, (size_t)nmember, sizeof *rank, by_rank);

	for (int32_t i = 0; i < nmember; i++) {
		const struct assignor_member *one = rank[i].member;
		for (int32_t k = 0; k < one->ntopic; k++) {
			int32_t topic = one->topics[k];
			int32_t n = npartition[topic] / nsubscriber[topic]
				+ (seen[topic] < npartition[topic] % nsubscriber[topic]);
			while (n-- > 0)
				row.owner[row.base[topic] + next[topic]++] = rank[i].at;
			seen[topic]++;
		}
	}
	assignor_row_emit(&row, member, nmember, a);
}
