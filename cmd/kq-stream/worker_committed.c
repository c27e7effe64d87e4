/* What the group has committed. */
#include "kq-stream/worker.h"

#include "proto.h"

enum {
	FLAT_VERSION = 7,      /* last version of OffsetFetch with only one group */
};

int
worker_committed(struct worker *worker, const struct layout_source *source,
	worker_committed_fn *fn, void *arg, struct err *e)
{
	struct arena a = { .size_max = 16 << 20 };
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	struct offset_fetch_request_topic t;
	wire_defaults(&offset_fetch_request_desc, &q);
	wire_defaults(&offset_fetch_request_topic_desc, &t);
	q.group_id = str_of(worker->app->id);
	q.require_stable = true;
	q.topics.v = &t;
	q.topics.n = 1;
	t.name = str_of(source->name);
	t.partition_indexes.v = arena_alloc(&a, (size_t)source->npart * sizeof(int32_t));
	t.partition_indexes.n = source->npart;
	for (int32_t i = 0; i < source->npart; i++)
		t.partition_indexes.v[i] = i;
	int rc = cluster_call_upto(&worker->cluster, worker->reader.member.coordinator,
		API_OFFSET_FETCH, FLAT_VERSION, worker->reader.member.opts.request_timeout_ms, &q, &r, &a,
		e);
	for (int32_t i = 0; rc >= 0 && r.topics.n == 1 && i < r.topics.v->partitions.n; i++) {
		const struct offset_fetch_response_partition *part = &r.topics.v->partitions.v[i];
		if (part->partition_index >= 0 && part->partition_index < source->npart)
			fn(arg, part->partition_index, part->error_code ? -1 : part->committed_offset,
				part->error_code ? STR_NULL : part->metadata);
	}
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}
