#include "kq-stream/local_tables.h"

#include "client/fetcher.h"
#include "client/offsets.h"
#include "text/say.h"

enum { WAIT_MS = 1000 };

struct local_tables {
	struct program *program;
	struct flow_task *task;
	struct cluster cluster;
	struct fetcher fetcher;
	struct fetch_iter iter;
	int64_t *nskipped;
};

/* Begin with all partitions of a table's topic. */
static int
begin(struct local_tables *tables, const struct plan_source *source, struct err *e)
{
	struct cluster_topic *t = cluster_topic(&tables->cluster, source->topic, false, e);
	if (!t)
		return -1;
	int32_t n = t->npart;
	int64_t *from = mem_alloc(2 * ((size_t)n + 1) * sizeof *from), *stop = from + n;
	int rc = offsets_list(&tables->cluster, t, n, OFFSETS_EARLIEST, NULL, from, e);
	if (rc == 0)
		rc = offsets_list(&tables->cluster, t, n, OFFSETS_STABLE, NULL, stop, e);
	for (int32_t i = 0; rc == 0 && i < n; i++)
		if (from[i] < stop[i])
			fetcher_add(&tables->fetcher, t, i, from[i], stop[i])->owner = (void *)source;
	mem_free(from);
	return rc;
}

static int
take_row(struct local_tables *tables, const struct fetcher_part *part, const struct record *in,
	struct err *e)
{
	const struct plan_source *source = part->owner;
	struct program_raw raw = { in->key, in->value, in->headers, in->nheader, in->timestamp_ms };
	struct flow_rec rec;
	if (program_take(tables->program, source, &raw, &rec, e) == 0)
		return flow_task_take(tables->task, source->topic, &rec, e);
	err_wrap(e, "offset %lld of partition %d of '%.100s'", (long long)in->offset, part->index,
		source->topic);
	if (tables->program->plan->settings.errors == PLAN_FAIL)
		return -1;
	if ((*tables->nskipped)++ == 0)
		say_error("%s; the row is left out (further ones are only counted)", e->msg);
	return 0;
}

static int
take_chunk(struct local_tables *tables, struct fetched *chunk, struct err *e)
{
	struct record rec;
	int rc;
	if (chunk->is_out_of_range || chunk->is_new_topic)
		return err_set(e, ERR_RETRY, "topic '%s' changed while its table was read",
			chunk->part->topic->name);
	fetch_iter_begin(&tables->iter, &tables->fetcher, chunk);
	while ((rc = fetch_iter_next(&tables->iter, &rec, e)) > 0)
		if (take_row(tables, chunk->part, &rec, e) < 0)
			return -1;
	return rc;
}

static int
read_all(struct local_tables *tables, struct err *e)
{
	struct fetcher *f = &tables->fetcher;
	while (!fetcher_is_done(f) && !tables->cluster.is_woken) {
		struct fetched *chunk;
		fetcher_wait(f, -1, 0, WAIT_MS);
		while ((chunk = fetcher_take(f))) {
			int rc = take_chunk(tables, chunk, e);
			fetcher_give_back(f, chunk);
			if (rc < 0)
				return -1;
		}
		if (f->is_failed) {
			*e = f->err;
			return -1;
		}
	}
	return 0;
}

int
local_tables_load(struct program *program, struct flow_task *task,
	const struct cluster_opts *cluster, int64_t *nskipped, struct err *e)
{
	const struct plan *plan = program->plan;
	struct local_tables tables = { .program = program, .task = task, .nskipped = nskipped };
	struct fetcher_opts fo;
	int rc = 0;
	if (plan->nsource == 1) /* stdin */
		return 0;
	if (cluster_open(&tables.cluster, cluster, e) < 0)
		return -1;
	fetcher_opts_init(&fo);
	fo.is_committed = true;
	fetcher_init(&tables.fetcher, &tables.cluster, &fo);
	for (int i = 0; rc == 0 && i < plan->nsource; i++)
		if (!plan->source[i].is_stdin)
			rc = begin(&tables, &plan->source[i], e);
	if (rc == 0)
		rc = read_all(&tables, e);
	cluster_close(&tables.cluster);
	fetcher_release(&tables.fetcher);
	fetch_iter_release(&tables.iter);
	return rc;
}
