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
	const struct rate *rate; /* the look before */
};

static const char *
rate_text(struct run *r, bool is_known, double rate)
{
	return is_known ? arena_printf(&r->arena, "%.1f", rate) : "-";
}

static const char *
row_rate(struct run *r, const struct refresh *l, const struct row *row)
{
	double rate = 0;
	bool is_known = rate_of(l->rate, row, l->mono_ns, &rate);
	return rate_text(r, is_known, rate);
}

static const char *
total_rate(struct run *r, const struct refresh *l)
{
	double rate;
	bool is_known = rate_total(l->rate, &l->rows, l->mono_ns, &rate);
	return rate_text(r, is_known, rate);
}

static const char *
lag_text(struct run *r, const struct row *row)
{
	return row_has_lag(row) ? arena_printf(&r->arena, "%lld", (long long)row_lag(row)) : "-";
}

/* --- JSON, and lines for a pipe --- */

static json_t *
rate_json(bool is_known, double rate)
{
	return is_known ? json_real((double)(int64_t)(rate * 10 + (rate < 0 ? -0.5 : 0.5)) / 10)
		: json_null();
}

static void
print_json(const struct refresh *l)
{
	char z[UNITS_TEXT_SIZE];
	double rate;
	json_t *all = json_array();
	for (int32_t i = 0; i < l->rows.n; i++) {
		const struct row *row = &l->rows.v[i];
		bool is_known = rate_of(l->rate, row, l->mono_ns, &rate);
		json_t *o = json_object();
		json_set_bytes(o, "topic", row->topic);
		json_object_set_new(o, "partition", json_integer(row->partition));
		json_object_set_new(o, "committed", json_known(row->committed));
		json_object_set_new(o, "end", json_known(row->end));
		json_object_set_new(o, "lag", row_has_lag(row) ? json_integer(row_lag(row)) : json_null());
		json_object_set_new(o, "rate", rate_json(is_known, rate));
		json_array_append_new(all, o);
	}
	bool is_known = rate_total(l->rate, &l->rows, l->mono_ns, &rate);
	json_t *o = json_pack("{s:s}", "time", units_format_time(l->wall_ms, z));
	json_set_bytes(o, "group", l->group->id);
	json_set_bytes(o, "state", l->group->state);
	json_object_set_new(o, "member_count", json_integer(l->group->nmember));
	json_object_set_new(o, "lag", json_known(rows_lag(&l->rows)));
	json_object_set_new(o, "rate", rate_json(is_known, rate));
	json_object_set_new(o, "offsets", all);
	json_print(o);
}

static void
print_lines(struct run *r, const struct refresh *l)
{
	char z[UNITS_TEXT_SIZE];
	struct arena *a = &r->arena;
	units_format_time(l->wall_ms, z);
	for (int32_t i = 0; i < l->rows.n; i++) {
		const struct row *row = &l->rows.v[i];
		printf("%s\t%s\t%d\t%s\t%s\t%s\t%s\n", z, put_cell(a, row->topic), row->partition,
			put_known(a, row->committed), put_known(a, row->end), lag_text(r, row),
			row_rate(r, l, row));
	}
	printf("%s\t*\t*\t-\t-\t%s\t%s\n", z, put_known(a, rows_lag(&l->rows)), total_rate(r, l));
}

/* --- a terminal --- */

static int
screen_height(void)
{
	struct winsize w;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row ? w.ws_row : HEIGHT_DEFAULT;
}

static void
fill_table(struct run *r, const struct refresh *l, struct table *t, int32_t n)
{
	struct arena *a = &r->arena;
	for (int32_t i = 0; i < n; i++) {
		const struct row *row = &l->rows.v[i];
		table_add(t, (const char *[]){ put_cell(a, row->topic), put_known(a, row->partition),
			put_known(a, row->committed), put_known(a, row->end), lag_text(r, row),
			row_rate(r, l, row), put_cell(a, row->member ? row->member->id : STR_NULL) });
	}
}

/* Over what was there: from the top left on, each line cleared to its end,
 * then all below.  Lines are not to wrap meanwhile. */
static void
draw(struct run *r, const struct refresh *l)
{
	static const char *const head[] = { "topic", "partition", "committed", "end", "lag", "rate",
		"member" };
	struct buf b = BUF_INIT;
	struct table t;
	char z[UNITS_TEXT_SIZE];
	int32_t room = MAX(screen_height() - HEAD_LINES - FOOT_LINES - 1, 1);
	int32_t n = l->rows.n > room ? room - 1 : l->rows.n;
	table_init(&t, head, (int)ARRAY_LEN(head), "lrrrrrl");
	fill_table(r, l, &t, n);
	put_escaped(l->group->id, &b);
	buf_printf(&b, "  %s  members %d  lag %s  %s records/s  %s\n\n",
		put_cell(&r->arena, l->group->state), l->group->nmember, put_known(&r->arena, rows_lag(&l->rows)),
		total_rate(r, l), units_format_time(l->wall_ms, z));
	table_put(&t, &b);
	if (n < l->rows.n)
		buf_printf(&b, "and %d more\n", l->rows.n - n);
	table_release(&t);
	fputs("\033[?7l\033[H", stdout);
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\n')
			fputs("\033[K", stdout);
		putchar(b.p[i]);
	}
	fputs("\033[J\033[?7h", stdout);
	buf_release(&b);
}

/* --- the loop --- */

static int
refresh(struct run *r, char **argv, struct refresh *l)
{
	struct err ignored; /* the next call will tell */
	int n = 1;
	arena_reset(&r->arena);
	arena_reset(&r->replies);
	cluster_refresh(&r->cluster, &ignored); /* topics may have grown */
	l->group = look_groups_named(r, &n, argv);
	if (look_group_describe(r, l->group, false) < 0 || look_group_rows(r, l->group, &l->rows) < 0)
		return -1;
	l->wall_ms = clock_ms();
	l->mono_ns = clock_mono_ns();
	look_ends(r, &l->rows, false);
	return 0;
}

static void
show(struct run *r, const struct refresh *l, bool is_terminal)
{
	if (group_options.is_json)
		print_json(l);
	else if (is_terminal)
		draw(r, l);
	else
		print_lines(r, l);
}

/* The first look must come off; later ones may fail, and are tried again.
 * Ends when it is stopped, or nobody reads. */
static void
watch(struct run *r, char **argv)
{
	struct rate rate = RATE_INIT;
	struct refresh l = { .rate = &rate };
	bool is_terminal = isatty(STDOUT_FILENO) && !group_options.is_json;
	int64_t next_ms = clock_mono_ms();
	if (is_terminal)
		fputs("\033[2J", stdout);
	while (!sig_is_stopped) {
		if (refresh(r, argv, &l) == 0) {
			show(r, &l, is_terminal);
			rate_keep(&rate, &l.rows, l.mono_ns);
			r->ndone++;
			r->repeats = true;
			cluster_say_taken(&r->cluster, &r->refusal);
		} else if (r->ndone == 0) {
			break;
		}
		if (say_flush_stdout())
			break;
		int64_t now_ms = clock_mono_ms();
		next_ms = MAX(next_ms + group_options.every_ms, now_ms);
		cluster_pause(&r->cluster, (int)(next_ms - now_ms));
	}
	rate_release(&rate);
}

int
verb_group_watch(int argc, char **argv)
{
	(void)argc;
	struct run r;
	struct err e;
	group_options.run.wake_fd = sig_catch(true, &e);
	int code = group_options.run.wake_fd < 0 ? say_err(&e, false) : group_run_open(&r);
	if (code)
		return sig_end(code);
	watch(&r, argv);
	code = run_close(&r);
	return sig_end(code);
}
