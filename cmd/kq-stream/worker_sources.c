/*
 * What becomes of the topics that are read, while the application runs: deleted, created
 * again, or with more partitions.
 */
#include "kq-stream/worker.h"

#include "sys/clock.h"

enum { GONE_MAX_MS = 5000 }; /* then the deletion is taken as final */

static bool
has_state(const struct running *app)
{
	return app->fact[0].number.value != 0;
}

static int
check_there(const struct worker *worker, const struct cluster_topic *t, struct err *e)
{
	const struct running *app = worker->app;
	if (t->generation > 0 && has_state(app))
		return err_set(e, ERR_USAGE, "topic '%s' was deleted and created again: the state of "
			"application '%s' is that of the old one; 'kq-stream reset %s' begins again",
			t->name, app->id, app->id);
	if (t->generation > 0)
		return err_set(e, ERR_RETRY, "topic '%s' was deleted and created again; start the "
			"application again, which reads the new one from its beginning", t->name);
	if (t->gone_since_ms && clock_mono_ms() - t->gone_since_ms >= GONE_MAX_MS)
		return err_set(e, ERR_RETRY, "topic '%s' was deleted, and application '%s' cannot read it "
			"any more", t->name, app->id);
	return 0;
}

/* Lay the topics out as the cluster has them now: the counts of internal topics and of tasks
 * with state must be what they are. */
static int
compare_layouts(struct worker *worker, struct layout *now, struct err *e)
{
	const struct layout *was = &worker->app->layout;
	const struct topology *topo = worker->program->topo;
	const char *id = worker->app->id;
	for (int i = 0; i < was->nsource; i++) {
		const struct layout_source *source = &was->source[i];
		const struct cluster_topic *t = source->is_internal || source->part < 0 ? NULL
			: cluster_known_topic(&worker->cluster, source->name);
		now->source[i].npart = source->is_internal ? 0 : t ? t->npart : source->npart;
		now->source[i].existing = source->is_internal ? source->npart : 0;
	}
	if (layout_solve(now, e) < 0)
		return -1;
	for (int i = 0; i < was->nsource; i++)
		if (was->source[i].is_internal && was->source[i].npart != now->source[i].npart)
			return err_set(e, ERR_USAGE, "topic '%s' has %d partitions, and the topology needs %d: "
				"its inputs have got more; 'kq-stream reset %s' begins again",
				was->source[i].name, was->source[i].npart, now->source[i].npart, id);
	for (int part = 0; part < was->nsub; part++) {
		if (was->ntask[part] != now->ntask[part] && task_run_has_stores(topo, part))
			return err_set(e, ERR_USAGE, "keys with state are in other partitions now, and %d "
				"tasks are needed where there are %d; 'kq-stream reset %s' begins again",
				now->ntask[part], was->ntask[part], id);
		if (layout_is_even(was, part) != layout_is_even(now, part))
			return err_set(e, ERR_RETRY, "topics that are merged have unequal numbers of "
				"partitions now; start the application again");
	}
	return 0;
}

static int
check_grown(struct worker *worker, const struct cluster_topic *t, int32_t npart, struct err *e)
{
	struct layout now;
	layout_init(&now, worker->program->topo, worker->app->id);
	int rc = compare_layouts(worker, &now, e);
	layout_release(&now);
	return rc < 0 ? err_wrap(e, "topic '%.100s' has %d partitions now, and had %d", t->name,
		t->npart, npart) : 0;
}

/* Global tables are read by the restorer, from the partitions that there were. */
static int
check_global(const struct worker *worker, const struct layout_source *source, struct err *e)
{
	const struct cluster_topic *t = worker->restorer.is_open
		? cluster_known_topic(&worker->restorer.cluster, source->name) : NULL;
	if (!t)
		return 0;
	if (t->npart > source->npart)
		return err_set(e, ERR_RETRY, "topic '%s' has %d partitions now, and had %d; start the "
			"application again, which reads the whole table", t->name, t->npart, source->npart);
	return check_there(worker, t, e);
}

int
worker_check_sources(struct worker *worker, struct err *e)
{
	const struct layout *layout = &worker->app->layout;
	const struct member *m = &worker->reader.member;
	int32_t sum = 0;
	for (int i = 0; i < m->ntopic; i++) {
		sum += m->topic[i]->npart;
		if (check_there(worker, m->topic[i], e) < 0)
			return -1;
	}
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].part < 0 && check_global(worker, &layout->source[i], e) < 0)
			return -1;
	if (sum == worker->npart_checked || worker->app->plan->settings.until_end)
		return 0;
	for (int i = 0; i < m->ntopic; i++) {
		const struct layout_source *source = layout_find(layout, m->topic[i]->name);
		if (m->topic[i]->npart > source->npart
			&& check_grown(worker, m->topic[i], source->npart, e) < 0)
			return -1;
	}
	worker->npart_checked = sum;
	return 0;
}
