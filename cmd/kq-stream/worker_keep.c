/*
 * The changelogs of windows and joins while data is old.
 *
 * A broker deletes records whose own time is more than retention.ms ago.  That is set as
 * Kafka Streams sets it, to what the store keeps and a day, which is enough as long as the
 * stream time of all tasks follows the clock.  While old data is processed, or a partition
 * has been silent for days, records of windows that are still open would be deleted.
 *
 * So, before a task whose stream time is more than BEHIND_MS ago writes to such a topic, and
 * while it is so, the topic keeps everything: retention.ms=-1.  Once no task of the
 * application is behind any more, the topic gets its retention back.  The stream times of
 * all tasks, those of other processes, too, are in the group's committed offsets.
 */
#include "kq-stream/internal_topics.h"
#include "kq-stream/offset_note.h"
#include "kq-stream/topic_setting.h"
#include "kq-stream/worker.h"
#include "sys/clock.h"
#include "text/say.h"

enum {
	BEHIND_MS = 12 * 3600 * 1000, /* half of the day that topics keep beyond the store */
	CLOSE_MS = BEHIND_MS / 2,     /* not behind any more */
	LOOK_MS = 60000,
};

static const char setting[] = "retention.ms";

/* ---- how far behind ---- */

static bool
is_time(struct str name)
{
	static const char end[] = ".time";
	int32_t n = (int32_t)sizeof end - 1;
	return name.n > n && memcmp(name.p + name.n - n, end, (size_t)n) == 0;
}

/* How far the operator whose stream time is the least is behind the clock. */
static int64_t
behind(struct task_run *task, int64_t now_ms)
{
	const struct flow_number *v;
	int n = flow_task_numbers(task->flow, &v);
	int64_t least = now_ms;
	for (int i = 0; i < n; i++)
		if (v[i].value != INT64_MIN && is_time(str_of(v[i].name)))
			least = MIN(least, v[i].value);
	return least < 0 ? now_ms : now_ms - least;
}

struct times {
	int64_t now_ms;
	bool is_behind;
};

static void
look_at_number(void *arg, struct str name, int64_t value)
{
	struct times *times = arg;
	if (value != INT64_MIN && is_time(name) && value < times->now_ms - CLOSE_MS)
		times->is_behind = true;
}

static void
look_at_note(void *arg, int32_t partition, int64_t offset, struct str note)
{
	int64_t time_ms;
	struct err ignored;
	(void)partition;
	(void)offset;
	if (note.n > 0)
		offset_note_read(note, &time_ms, look_at_number, arg, &ignored);
}

/* Is a task of the application behind, by the last commits?  1, 0, or -1. */
static int
is_any_behind(struct worker *worker, struct err *e)
{
	const struct layout *layout = &worker->app->layout;
	struct times times = { .now_ms = clock_ms() };
	for (int i = 0; i < layout->nsource && !times.is_behind; i++)
		if (layout->source[i].part >= 0
			&& worker_committed(worker, &layout->source[i], look_at_note, &times, e) < 0)
			return -1;
	return times.is_behind;
}

/* ---- the topic's setting ---- */

/* Let the topic keep everything; or as long as it should, if it kept everything. */
static int
ensure(struct worker *worker, struct worker_keep *keep, bool all, struct err *e)
{
	struct buf now = BUF_INIT;
	struct cluster *cl = &worker->sink.cluster;
	int rc = topic_setting_get(cl, keep->topic, setting, &now, e);
	bool has_all = rc == 0 && str_eq(buf_str(&now), str_of("-1"));
	buf_release(&now);
	if (rc == 0 && !all && has_all) {
		int any = is_any_behind(worker, e);
		all = any > 0;
		rc = any < 0 ? -1 : 0;
	}
	if (rc == 0 && has_all != all)
		rc = topic_setting_set(cl, keep->topic, setting, all ? -1 : keep->keep_ms, e);
	if (rc == 0)
		keep->state = all ? WORKER_KEEPS_ALL : WORKER_KEEPS_SOME;
	return rc;
}

/* ---- all topics ---- */

static struct worker_keep *
find(struct worker *worker, const struct task_log *log)
{
	for (int i = 0; i < worker->nkeep; i++)
		if (strcmp(worker->keep[i].topic, log->topic) == 0)
			return &worker->keep[i];
	worker->keep = mem_realloc(worker->keep, (size_t)(worker->nkeep + 1) * sizeof *worker->keep);
	worker->keep[worker->nkeep] = (struct worker_keep){ .topic = mem_strdup(log->topic),
		.keep_ms = internal_changelog_keep_ms(log->store) };
	return &worker->keep[worker->nkeep++];
}

/* Note how far behind the task is with the topics that it writes. */
static void
look_at_task(struct worker *worker, struct task_run *task, int64_t now_ms)
{
	int64_t behind_ms = -1;
	for (int i = 0; i < task->nlog; i++) {
		const struct task_log *log = &task->log[i];
		if (!log->store || log->store->retention_ms == 0)
			continue;
		struct worker_keep *keep = find(worker, log);
		if (behind_ms < 0)
			behind_ms = MAX(behind(task, now_ms), 0);
		keep->is_behind |= behind_ms > BEHIND_MS;
		keep->is_close &= behind_ms < CLOSE_MS;
	}
}

void
worker_keep(struct worker *worker, bool is_last)
{
	int64_t now = clock_mono_ms(), wall_ms = clock_ms();
	bool is_due = is_last || now >= worker->keep_at_ms;
	bool fails = false; /* then no other topic is asked for: a broker may hang */
	struct err e;
	for (int i = 0; i < worker->nkeep; i++) {
		worker->keep[i].is_behind = false;
		worker->keep[i].is_close = true;
	}
	for (int i = 0; i < worker->ntask; i++)
		if (worker->task[i]->state == TASK_RUNNING)
			look_at_task(worker, worker->task[i], wall_ms);
	for (int i = 0; i < worker->nkeep; i++) {
		struct worker_keep *keep = &worker->keep[i];
		bool must_raise = keep->is_behind && (is_due || keep->state == WORKER_KEEP_UNKNOWN
			|| keep->state == WORKER_KEEPS_SOME);
		bool may_lower = keep->is_close && (keep->state == WORKER_KEEP_UNKNOWN
			|| (is_due && keep->state != WORKER_KEEPS_SOME));
		if (!must_raise && !may_lower)
			continue;
		fails = fails || ensure(worker, keep, must_raise, &e) < 0;
		if (!fails)
			continue;
		if (must_raise && !keep->has_failed)
			say_error("the retention of topic '%s' cannot be set while its records are old: %s; "
				"the broker may delete windows that are open, and a restart without local state "
				"would miss them", keep->topic, e.msg);
		keep->has_failed = true;
		keep->state = WORKER_KEEP_FAILED; /* again when it is due */
	}
	if (is_due)
		worker->keep_at_ms = now + LOOK_MS;
}
