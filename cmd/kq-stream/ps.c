#include "kq-stream/ps.h"

#include "kq-stream/apps.h"
#include "sys/sig.h"
#include "text/put.h"
#include "text/say.h"
#include "text/table.h"
#include "text/units.h"

#include <stdio.h>
#include <unistd.h>

struct ps_opts ps_opts = { .wait_ms = 60000 };

/* ---- what processes told ---- */

static int64_t
get(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_integer(v) ? json_integer_value(v) : -1;
}

static const char *
get_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "-";
}

/* Of all tasks, without copies of other processes' tasks; -1: not known of one. */
static int64_t
sum_lag(const json_t *facts)
{
	const json_t *tasks = json_object_get(facts, "tasks");
	int64_t sum = 0;
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		const json_t *task = json_array_get(tasks, i);
		int64_t n = get(task, "lag");
		if (strcmp(get_text(task, "role"), "standby") == 0)
			continue;
		if (n < 0)
			return -1;
		sum += n;
	}
	return sum;
}

static bool
has_task(const json_t *facts, const char *state)
{
	const json_t *tasks = json_object_get(facts, "tasks");
	for (size_t i = 0; i < json_array_size(tasks); i++)
		if (strcmp(get_text(json_array_get(tasks, i), "state"), state) == 0)
			return true;
	return false;
}

static const char *
state_of(const json_t *facts)
{
	if (!facts)
		return "silent";
	if (json_is_true(json_object_get(facts, "is_stopping")))
		return "stopping";
	if (json_array_size(json_object_get(facts, "busy")) > 0)
		return "busy";
	if (has_task(facts, "restoring") || has_task(facts, "waiting"))
		return "restoring";
	if (json_array_size(json_object_get(facts, "tasks")) > 0)
		return "running";
	return get(facts, "members") > 0 ? "idle" : "joining";
}

/* ---- cells ---- */

/* "3 d 4 h", "4 h 5 min", "5 min 6 s", "6 s". */
static char *
put_uptime(struct arena *a, int64_t ms)
{
	static const struct { int64_t size; const char *name; } unit[] = {
		{ 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" },
	};
	int64_t left = ms / 1000;
	size_t i = 0;
	if (ms < 0)
		return arena_printf(a, "-");
	while (i + 1 < ARRAY_LEN(unit) && left < unit[i].size)
		i++;
	if (i + 1 == ARRAY_LEN(unit))
		return arena_printf(a, "%lld s", (long long)left);
	return arena_printf(a, "%lld %s %lld %s", (long long)(left / unit[i].size), unit[i].name,
		(long long)(left % unit[i].size / unit[i + 1].size), unit[i + 1].name);
}

static char *
put_size(struct arena *a, int64_t bytes)
{
	char text[UNITS_TEXT_SIZE];
	return bytes < 0 ? arena_printf(a, "-") : arena_printf(a, "%s",
		units_format_size(bytes, text));
}

static char *
put_stream_time(struct arena *a, const json_t *task)
{
	const json_t *v = json_object_get(task, "stream_time_ms");
	char text[UNITS_TEXT_SIZE];
	return json_is_integer(v) ? arena_printf(a, "%s",
		units_format_time(json_integer_value(v), text)) : arena_printf(a, "-");
}

/* ---- ps ---- */

static void
print_process_json(const struct apps_process *process)
{
	static const char *const kept[] = { "cluster", "threads", "start_ms", "uptime_ms", "in", "out",
		"late", "dropped", "failed", "rate" };
	json_t *object = json_pack("{s:s, s:I, s:s}", "application", process->application, "pid",
		(json_int_t)process->pid, "state", state_of(process->facts));
	const json_t *tasks = json_object_get(process->facts, "tasks");
	if (process->facts) {
		json_object_set_new(object, "tasks", json_integer((json_int_t)json_array_size(tasks)));
		json_object_set_new(object, "lag", json_known(sum_lag(process->facts)));
	}
	for (size_t i = 0; process->facts && i < ARRAY_LEN(kept); i++)
		json_object_set(object, kept[i], json_object_get(process->facts, kept[i]));
	json_print(object);
}

static void
print_processes(const struct apps *apps)
{
	static const char *const head[] = { "application", "pid", "threads", "tasks", "state", "uptime",
		"in", "out", "records/s", "lag" };
	struct arena a = ARENA_INIT;
	struct table table;
	table_init(&table, head, ARRAY_LEN(head), "lrrrl");
	for (int i = 0; i < apps->n; i++) {
		const struct apps_process *process = apps->v[i];
		const json_t *facts = process->facts;
		const json_t *tasks = json_object_get(facts, "tasks");
		double rate = json_number_value(json_object_get(facts, "rate"));
		table_add(&table, (const char *[]){ put_cell(&a, str_of(process->application)),
			put_known(&a, process->pid), put_known(&a, get(facts, "threads")),
			put_known(&a, facts ? (int64_t)json_array_size(tasks) : -1), state_of(facts),
			put_uptime(&a, get(facts, "uptime_ms")), put_known(&a, get(facts, "in")),
			put_known(&a, get(facts, "out")),
			facts ? arena_printf(&a, "%.0f", rate) : "-",
			put_known(&a, facts ? sum_lag(facts) : -1) });
	}
	table_print(&table);
	table_release(&table);
	arena_release(&a);
}

int
run_ps(int argc, char **argv)
{
	struct apps apps;
	struct err e;
	(void)argc, (void)argv;
	if (apps_open(&apps, NULL, &e) < 0)
		return say_err(&e, false);
	if (ps_opts.is_json)
		for (int i = 0; i < apps.n; i++)
			print_process_json(apps.v[i]);
	else if (apps.n > 0)
		print_processes(&apps);
	else
		say_error("no application runs here");
	apps_close(&apps);
	return say_flush_stdout();
}

/* ---- describe ---- */

struct task_row {
	const json_t *task;
	pid_t pid;
};

/* "0_2" before "0_10". */
static int
by_task(const void *x, const void *y)
{
	const struct task_row *a = x, *b = y;
	int rc = strverscmp(get_text(a->task, "task"), get_text(b->task, "task"));
	return rc ? rc : (a->pid > b->pid) - (a->pid < b->pid);
}

/* The tasks of all processes, in order.  Returns their number. */
static size_t
list_tasks(const struct apps *apps, struct arena *a, struct task_row **rows)
{
	size_t n = 0;
	for (int i = 0; i < apps->n; i++)
		n += json_array_size(json_object_get(apps->v[i]->facts, "tasks"));
	*rows = arena_alloc(a, (n + 1) * sizeof **rows);
	n = 0;
	for (int i = 0; i < apps->n; i++) {
		const json_t *tasks = json_object_get(apps->v[i]->facts, "tasks");
		for (size_t k = 0; k < json_array_size(tasks); k++)
			(*rows)[n++] = (struct task_row){ json_array_get(tasks, k), apps->v[i]->pid };
	}
	if (n > 1)
		qsort(*rows, n, sizeof **rows, by_task);
	return n;
}

static void
add_tasks(struct table *table, struct arena *a, const struct apps *apps)
{
	struct task_row *rows;
	size_t n = list_tasks(apps, a, &rows);
	for (size_t i = 0; i < n; i++) {
		const json_t *task = rows[i].task;
		table_add(table, (const char *[]){ put_cell(a, str_of(get_text(task, "task"))),
			put_known(a, rows[i].pid), put_known(a, get(task, "thread")),
			put_cell(a, str_of(get_text(task, "role"))),
			put_cell(a, str_of(get_text(task, "state"))), put_stream_time(a, task),
			put_known(a, get(task, "partition")), put_known(a, get(task, "lag")),
			put_known(a, get(task, "in")), put_known(a, get(task, "out")),
			put_known(a, get(task, "late")), put_known(a, get(task, "dropped")),
			put_known(a, get(task, "failed")), put_known(a, get(task, "rows")),
			put_size(a, get(task, "state_bytes")) });
	}
}

static void
print_process(const struct apps_process *process, struct arena *a)
{
	const json_t *busy = json_object_get(process->facts, "busy");
	printf("process %ld  %s", (long)process->pid, state_of(process->facts));
	if (process->facts)
		printf(", up %s, %lld thread%s, %lld records in, %lld out, %.0f/s",
			put_uptime(a, get(process->facts, "uptime_ms")),
			(long long)get(process->facts, "threads"),
			units_plural(get(process->facts, "threads")),
			(long long)get(process->facts, "in"), (long long)get(process->facts, "out"),
			json_number_value(json_object_get(process->facts, "rate")));
	for (size_t i = 0; i < json_array_size(busy); i++)
		printf("%s%lld", i ? ", " : "; no answer from thread ",
			(long long)json_integer_value(json_array_get(busy, i)));
	putchar('\n');
}

static void
print_application(const struct apps *apps)
{
	static const char *const head[] = { "task", "pid", "thread", "role", "state", "stream time",
		"partition", "lag", "in", "out", "late", "dropped", "failed", "rows", "memory" };
	struct arena a = ARENA_INIT;
	struct table table;
	put_line("application", str_of(apps->v[0]->application));
	put_line("cluster", str_of(get_text(apps->v[0]->facts, "cluster")));
	for (int i = 0; i < apps->n; i++)
		print_process(apps->v[i], &a);
	table_init(&table, head, ARRAY_LEN(head), "lrrlll");
	add_tasks(&table, &a, apps);
	if (table.nrow > 1) {
		putchar('\n');
		table_print(&table);
	}
	table_release(&table);
	arena_release(&a);
}

int
run_describe(int argc, char **argv)
{
	struct apps apps;
	struct err e;
	(void)argc;
	if (apps_need(&apps, argv[0], &e) < 0)
		return say_err(&e, false);
	for (int i = 0; i < apps.n && ps_opts.is_json; i++) {
		json_t *facts = apps.v[i]->facts ? json_incref(apps.v[i]->facts)
			: json_pack("{s:s, s:I}", "application", argv[0], "pid", (json_int_t)apps.v[i]->pid);
		json_object_set_new(facts, "state", json_string(state_of(apps.v[i]->facts)));
		json_print(facts);
	}
	if (!ps_opts.is_json)
		print_application(&apps);
	apps_close(&apps);
	return say_flush_stdout();
}

/* ---- stop ---- */

static int
stop_one(struct apps_process *process, int wake_fd, struct err *e)
{
	json_t *answer = apps_ask(process, json_pack("{s:s}", "verb", "stop"), NULL, NULL, e);
	json_decref(answer);
	return answer ? apps_await_end(process, (int)ps_opts.wait_ms, wake_fd, e) : -1;
}

static int
refuse_choice(const struct apps *apps, const char *pid, struct err *e)
{
	struct buf b = BUF_INIT;
	for (int i = 0; i < apps->n; i++)
		buf_printf(&b, "%s%ld", i ? ", " : "", (long)apps->v[i]->pid);
	if (pid)
		err_set(e, ERR_SYS, "process %.20s does not run application '%s'; those that do: %.*s", pid,
			apps->v[0]->application, (int)b.n, (const char *)b.p);
	else
		err_set(e, ERR_USAGE, "%d processes run application '%s': name one (%.*s), or --all",
			apps->n, apps->v[0]->application, (int)b.n, (const char *)b.p);
	buf_release(&b);
	return -1;
}

static int
stop_chosen(struct apps *apps, const char *pid, struct err *e)
{
	int64_t number = 0;
	if (pid && units_parse_int(pid, 1, INT32_MAX, &number, e) < 0)
		return err_set(e, ERR_USAGE, "'%.20s' is no process ID", pid);
	int n = 0, wake_fd = sig_catch(true, e);
	if (wake_fd < 0)
		return -1;
	if (!pid && !ps_opts.all && apps->n > 1)
		return refuse_choice(apps, NULL, e);
	for (int i = 0; i < apps->n; i++) {
		if (pid && apps->v[i]->pid != number)
			continue;
		n++;
		if (stop_one(apps->v[i], wake_fd, e) < 0)
			return -1;
	}
	return n > 0 ? 0 : refuse_choice(apps, pid, e);
}

int
run_stop(int argc, char **argv)
{
	struct apps apps;
	struct err e;
	if (argc > 1 && ps_opts.all) {
		err_set(&e, ERR_USAGE, "a process and --all exclude each other");
		return say_err(&e, false);
	}
	if (apps_need(&apps, argv[0], &e) < 0)
		return say_err(&e, false);
	int code = stop_chosen(&apps, argc > 1 ? argv[1] : NULL, &e) < 0 ? say_err(&e, false)
		: EXIT_DONE;
	apps_close(&apps);
	return sig_end(code);
}
