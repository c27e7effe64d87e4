/* What the group has committed. */
#include "kq-stream/worker.h"

#include "proto.h"

enum {
	FLAT_VERSION = 7,      /* last version of OffsetFetch with only one group */
};

/* Errors first: what is told is all of the answer. */
static int
read_answer(const struct offset_fetch_response *r, const struct layout_source *source,
	worker_committed_fn *fn, void *arg, struct err *e)
{
	int16_t code = r->error_code;
	if (!code && r->topics.n != 1)
		code = KERR_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; !code && i < r->topics.v->partitions.n; i++)
		code = r->topics.v->partitions.v[i].error_code;
	if (code)
		return cluster_peer_err(e, code, STR_NULL);
	for (int32_t i = 0; i < r->topics.v->partitions.n; i++) {
		const struct offset_fetch_response_partition *part = &r->topics.v->partitions.v[i];
		if (part->partition_index >= 0 && part->partition_index < source->npart)
			fn(arg, part->partition_index, part->committed_offset, part->metadata);
	}
	return 0;
}

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
	if (rc >= 0)
		rc = read_answer(&r, source, fn, arg, e);
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}
