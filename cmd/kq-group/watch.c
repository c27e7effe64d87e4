/* kq-group watch. */
#include "kq-group/look_group.h"
#include "kq-group/rate.h"
#include "kq-group/verbs.h"

#include "sys/clock.h"
#include "sys/sig.h"
#include "text/table.h"
#include "text/units.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HEIGHT_DEFAULT = 24, HEAD_LINES = 3, FOOT_LINES = 1 };

/* One refresh. */
struct refresh {
	struct look_group *group;
	struct rows rows;
	int64_t wall_ms, mono_ns;
	const struct rate *rate; /* the previous refresh */
};

static const char *
rate_text(struct run *run, bool is_known, double rate)
{
	return is_known ? arena_printf(&run->arena, "%.1f", rate) : "-";
}

static const char *
row_rate(struct run *run, const struct refresh *view, const struct row *row)
{
	double rate = 0;
	bool is_known = rate_of(view->rate, row, view->mono_ns, &rate);
	return rate_text(run, is_known, rate);
}

static const char *
total_rate(struct run *run, const struct refresh *view)
{
	double rate;
	bool is_known = rate_total(view->rate, &view->rows, view->mono_ns, &rate);
	return rate_text(run, is_known, rate);
}

static const char *
lag_text(struct run *run, const struct row *row)
{
	return row_has_lag(row) ? arena_printf(&run->arena, "%lld", (long long)row_lag(row)) : "-";
}

/* ---- JSON, and lines for a pipe ---- */

static json_t *
rate_json(bool is_known, double rate)
{
	return is_known ? json_real((double)(int64_t)(rate * 10 + (rate < 0 ? -0.5 : 0.5)) / 10)
		: json_null();
}

static void
print_json(const struct refresh *view)
{
	char z[UNITS_TEXT_SIZE];
	double rate;
	json_t *all = json_array();
	for (int32_t i = 0; i < view->rows.n; i++) {
		const struct row *row = &view->rows.v[i];
		bool is_known = rate_of(view->rate, row, view->mono_ns, &rate);
		json_t *object = json_object();
		json_set_bytes(object, "topic", row->topic);
		json_object_set_new(object, "partition", json_integer(row->partition));
		json_object_set_new(object, "committed", json_known(row->committed));
		json_object_set_new(object, "end", json_known(row->end));
		json_object_set_new(object, "lag",
			row_has_lag(row) ? json_integer(row_lag(row)) : json_null());
		json_object_set_new(object, "rate", rate_json(is_known, rate));
		json_array_append_new(all, object);
	}
	bool is_known = rate_total(view->rate, &view->rows, view->mono_ns, &rate);
	json_t *object = json_pack("{s:s}", "time", units_format_time(view->wall_ms, z));
	json_set_bytes(object, "group", view->group->id);
	json_set_bytes(object, "state", view->group->state);
	json_object_set_new(object, "member_count", json_integer(view->group->nmember));
	json_object_set_new(object, "lag", json_known(rows_lag(&view->rows)));
	json_object_set_new(object, "rate", rate_json(is_known, rate));
	json_object_set_new(object, "offsets", all);
	json_print(object);
}

static void
print_lines(struct run *run, const struct refresh *view)
{
	char z[UNITS_TEXT_SIZE];
	struct arena *a = &run->arena;
	units_format_time(view->wall_ms, z);
	for (int32_t i = 0; i < view->rows.n; i++) {
		const struct row *row = &view->rows.v[i];
		printf("%s\t%s\t%d\t%s\t%s\t%s\t%s\n", z, put_cell(a, row->topic), row->partition,
			put_known(a, row->committed), put_known(a, row->end), lag_text(run, row),
			row_rate(run, view, row));
	}
	printf("%s\t*\t*\t-\t-\t%s\t%s\n", z, put_known(a, rows_lag(&view->rows)),
		total_rate(run, view));
}

/* ---- a terminal ---- */

static int
screen_height(void)
{
	struct winsize window;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row
		? window.ws_row : HEIGHT_DEFAULT;
}

static void
fill_table(struct run *run, const struct refresh *view, struct table *table, int32_t n)
{
	struct arena *a = &run->arena;
	for (int32_t i = 0; i < n; i++) {
		const struct row *row = &view->rows.v[i];
		table_add(table, (const char *[]){ put_cell(a, row->topic), put_known(a, row->partition),
			put_known(a, row->committed), put_known(a, row->end), lag_text(run, row),
			row_rate(run, view, row), put_cell(a, row->member ? row->member->id : STR_NULL) });
	}
}

/* Overwrite the screen from the top left: clear each line to its end, then everything
 * below.  Wrapping is disabled meanwhile. */
static void
draw(struct run *run, const struct refresh *view)
{
	static const char *const head[] = { "topic", "partition", "committed", "end", "lag", "rate",
		"member" };
	struct buf b = BUF_INIT;
	struct table table;
	char z[UNITS_TEXT_SIZE];
	int32_t room = MAX(screen_height() - HEAD_LINES - FOOT_LINES - 1, 1);
	int32_t n = view->rows.n > room ? room - 1 : view->rows.n;
	table_init(&table, head, (int)ARRAY_LEN(head), "lrrrrrl");
	fill_table(run, view, &table, n);
	put_escaped(view->group->id, &b);
	buf_printf(&b, "  %s  members %d  lag %s  %s records/s  %s\n\n",
		put_cell(&run->arena, view->group->state), view->group->nmember,
		put_known(&run->arena, rows_lag(&view->rows)),
		total_rate(run, view), units_format_time(view->wall_ms, z));
	table_put(&table, &b);
	if (n < view->rows.n)
		buf_printf(&b, "and %d more\n", view->rows.n - n);
	table_release(&table);
	fputs("\033[?7l\033[H", stdout);
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\n')
			fputs("\033[K", stdout);
		putchar(b.p[i]);
	}
	fputs("\033[J\033[?7h", stdout);
	buf_release(&b);
}

/* ---- the loop ---- */

static int
refresh(struct run *run, char **argv, struct refresh *view)
{
	struct err ignored; /* the next call fails, too */
	int n = 1;
	arena_reset(&run->arena);
	arena_reset(&run->replies);
	cluster_refresh(&run->cluster, &ignored); /* topics may have new partitions */
	view->group = look_groups_named(run, &n, argv);
	if (look_group_describe(run, view->group, false) < 0
		|| look_group_rows(run, view->group, &view->rows) < 0)
		return -1;
	view->wall_ms = clock_ms();
	view->mono_ns = clock_mono_ns();
	look_ends(run, &view->rows, false);
	return 0;
}

static void
show(struct run *run, const struct refresh *view, bool is_terminal)
{
	if (group_options.is_json)
		print_json(view);
	else if (is_terminal)
		draw(run, view);
	else
		print_lines(run, view);
}

/* The first refresh must succeed; later ones are repeated after a failure.  Ends on a
 * signal, or when stdout is closed. */
static void
watch(struct run *run, char **argv)
{
	struct rate rate = RATE_INIT;
	struct refresh view = { .rate = &rate };
	bool is_terminal = isatty(STDOUT_FILENO) && !group_options.is_json;
	int64_t next_ms = clock_mono_ms();
	if (is_terminal)
		fputs("\033[2J", stdout);
	while (!sig_is_stopped) {
		if (refresh(run, argv, &view) == 0) {
			show(run, &view, is_terminal);
			rate_keep(&rate, &view.rows, view.mono_ns);
			run->ndone++;
			run->repeats = true;
			cluster_say_accepted(&run->cluster, &run->refusal);
		} else if (run->ndone == 0) {
			break;
		}
		if (say_flush_stdout())
			break;
		int64_t now_ms = clock_mono_ms();
		next_ms = MAX(next_ms + group_options.every_ms, now_ms);
		cluster_pause(&run->cluster, (int)(next_ms - now_ms));
	}
	rate_release(&rate);
}

int
verb_group_watch(int argc, char **argv)
{
	(void)argc;
	struct run run;
	struct err e;
	group_options.run.wake_fd = sig_catch(true, &e);
	int code = group_options.run.wake_fd < 0 ? say_err(&e, false) : group_run_open(&run);
	if (code)
		return sig_end(code);
	watch(&run, argv);
	code = run_close(&run);
	return sig_end(code);
}
