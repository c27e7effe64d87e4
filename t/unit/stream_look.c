/* Queries: rows of all kinds of tables, by key, range, window, and page by page. */
#include "stream/agg.h"
#include "stream/look.h"
#include "tap.h"

#include <stdio.h>

struct bench {
	struct flow_env env;
	struct flow_fns *fns;
	struct topology *topo;
	struct store_set *set;
	struct flow_task *task;
	struct buf out; /* "key[start,end]=value ", in order */
	int nmax;       /* rows of a page */
	int n;          /* rows of this page */
};

static void
must(int rc, const struct err *e)
{
	if (rc)
		tap_fail(__FILE__, __LINE__, "%s", e->msg);
}

static int
on_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	(void)env, (void)out, (void)e;
	return 0;
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)env, (void)node, (void)rec, (void)why;
}

static void
on_next(struct flow_env *env)
{
	flow_fns_next(CONTAINER_OF(env, struct bench, env)->fns);
}

static void
add(struct bench *bench, const struct flow_spec *spec)
{
	struct err e;
	must(topology_add(bench->topo, spec, &e), &e);
}

/* "in" -> a count by key, in windows of this type. */
static void
open_counts(struct bench *bench, struct flow_window window)
{
	struct err e;
	struct store_set_opts o = { 0 };
	*bench = (struct bench){ .env = { .emit = on_emit, .dropped = on_dropped, .next = on_next },
		.nmax = 1000 };
	bench->fns = flow_fns_new(NULL);
	bench->topo = topology_new("app");
	add(bench, &(struct flow_spec){ .id = "in", .op = FLOW_STREAM, .topic = "in" });
	add(bench, &(struct flow_spec){ .id = "g", .op = FLOW_GROUP_BY_KEY, .from = { "in" } });
	add(bench, &(struct flow_spec){ .id = "n", .op = FLOW_AGGREGATE, .from = { "g" },
		.agg = agg_of_count(bench->fns), .window = window });
	add(bench, &(struct flow_spec){ .id = "out", .op = FLOW_TO, .from = { "n" }, .topic = "out" });
	must(topology_finish(bench->topo, &e), &e);
	bench->set = store_set_new(&o, &e);
	bench->task = flow_task_new(bench->topo, 0, true, &bench->env, bench->set, NULL, &e);
	must(!bench->task, &e);
}

static void
release(struct bench *bench)
{
	flow_task_free(bench->task);
	store_set_free(bench->set);
	topology_free(bench->topo);
	flow_fns_free(bench->fns);
	buf_release(&bench->out);
}

static void
take(struct bench *bench, struct str key, int64_t ts_ms)
{
	struct err e;
	struct flow_rec rec = { .key.bytes = key, .value = STR("1"), .old = STR_NULL, .ts_ms = ts_ms };
	must(flow_task_take(bench->task, "in", &rec, &e), &e);
}

static int
on_row(void *arg, const struct flow_key *key, struct str value, int64_t ts_ms)
{
	struct bench *bench = arg;
	(void)ts_ms;
	buf_printf(&bench->out, "%.*s", STR_ARG(key->bytes));
	if (key->is_windowed)
		buf_printf(&bench->out, "[%lld,%lld]", (long long)key->start_ms,
			key->end_ms == INT64_MAX ? -1LL : (long long)key->end_ms);
	buf_printf(&bench->out, "=%.*s ", STR_ARG(value));
	return ++bench->n >= bench->nmax;
}

static int
find(const struct bench *bench)
{
	const struct flow_store *v;
	int n = flow_task_stores(bench->task, &v);
	for (int i = 0; i < n; i++)
		if (flow_look_node(bench->task, i))
			return i;
	tap_fail(__FILE__, __LINE__, "there is no store");
}

/* All rows, in pages of nentry entries and bench->nmax rows; returns the number of pages. */
static int
look(struct bench *bench, const struct flow_look *what, int nentry, const char *want)
{
	struct buf cursor = BUF_INIT;
	int npage = 0;
	bool has_more;
	buf_reset(&bench->out);
	do {
		bench->n = 0;
		has_more = flow_look(bench->task, find(bench), what, &cursor, nentry, on_row, bench);
		npage++;
	} while (has_more && npage < 1000);
	buf_putc(&bench->out, 0);
	if (strcmp((const char *)bench->out.p, want) != 0)
		tap_fail(__FILE__, __LINE__, "got '%s', want '%s'", (const char *)bench->out.p, want);
	buf_release(&cursor);
	return npage;
}

static struct flow_look
keys(struct str from, struct str to)
{
	return (struct flow_look){ from, to, INT64_MIN, INT64_MAX };
}

static struct flow_look
times(int64_t start_ms, int64_t end_ms)
{
	return (struct flow_look){ STR_NULL, STR_NULL, start_ms, end_ms };
}

void
test_look__a_table_by_key_range_and_page(void)
{
	struct bench bench;
	struct flow_look all = FLOW_LOOK_ALL, one = keys(STR("b"), STR("b")),
		range = keys(STR("b"), STR("c")), open = keys(STR("c"), STR_NULL),
		none = keys(STR("c"), STR("b"));
	open_counts(&bench, (struct flow_window){ .type = FLOW_NO_WINDOW });
	look(&bench, &all, 100, "");
	take(&bench, STR("a"), 1);
	take(&bench, STR("c"), 2);
	take(&bench, STR("b"), 3);
	take(&bench, STR("b"), 4);
	take(&bench, STR("bb"), 4);
	take(&bench, STR("d"), 4);
	check_int(look(&bench, &all, 100, "a=1 b=2 bb=1 c=1 d=1 "), 1);
	check_int(look(&bench, &all, 2, "a=1 b=2 bb=1 c=1 d=1 "), 3);
	check_int(look(&bench, &all, 1, "a=1 b=2 bb=1 c=1 d=1 "), 6);
	bench.nmax = 2;
	check_int(look(&bench, &all, 100, "a=1 b=2 bb=1 c=1 d=1 "), 3);
	bench.nmax = 1000;
	check_int(look(&bench, &one, 100, "b=2 "), 1);
	look(&bench, &range, 100, "b=2 bb=1 c=1 ");
	look(&bench, &open, 100, "c=1 d=1 ");
	look(&bench, &none, 100, "");
	/* between pages, the table goes on */
	take(&bench, STR("e"), 5);
	look(&bench, &open, 1, "c=1 d=1 e=1 ");
	release(&bench);
}

void
test_look__tumbling_windows_by_time_and_key(void)
{
	struct bench bench;
	struct flow_look all = FLOW_LOOK_ALL, one = keys(STR("b"), STR("b")), second = times(10, 20),
		across = times(9, 11), point = times(15, 15), late = times(1000, INT64_MAX);
	open_counts(&bench, (struct flow_window){ FLOW_TUMBLING, .size_ms = 10, .grace_ms = 100 });
	take(&bench, STR("b"), 0);
	take(&bench, STR("a"), 9);
	take(&bench, STR("b"), 10);
	take(&bench, STR("b"), 25);
	look(&bench, &all, 1, "a[0,10]=1 b[0,10]=1 b[10,20]=1 b[20,30]=1 ");
	look(&bench, &one, 100, "b[0,10]=1 b[10,20]=1 b[20,30]=1 ");
	look(&bench, &second, 100, "b[10,20]=1 ");
	look(&bench, &across, 2, "a[0,10]=1 b[0,10]=1 b[10,20]=1 ");
	look(&bench, &point, 100, "");
	look(&bench, &late, 100, "");
	release(&bench);
}

void
test_look__hopping_sliding_unlimited_and_session_windows(void)
{
	static const struct {
		struct flow_window window;
		const char *all, *key, *time; /* all; of key k; with a time in [12, 13) */
	} v[] = {
		{ { FLOW_HOPPING, .size_ms = 10, .advance_ms = 5, .grace_ms = 100 },
			"k[0,10]=1 k[5,15]=2 o[5,15]=1 k[10,20]=1 o[10,20]=1 ",
			"k[0,10]=1 k[5,15]=2 k[10,20]=1 ", "k[5,15]=2 o[5,15]=1 k[10,20]=1 o[10,20]=1 " },
		{ { FLOW_SLIDING, .size_ms = 4, .grace_ms = 100 },
			"k[1,5]=1 k[6,10]=1 o[9,13]=1 ", "k[1,5]=1 k[6,10]=1 ", "o[9,13]=1 " },
		{ { FLOW_UNLIMITED, .grace_ms = 100 }, "k[0,-1]=2 o[0,-1]=1 ", "k[0,-1]=2 ",
			"k[0,-1]=2 o[0,-1]=1 " },
		{ { FLOW_SESSION, .size_ms = 2, .grace_ms = 100 }, "k[5,5]=1 k[10,10]=1 o[12,13]=2 ",
			"k[5,5]=1 k[10,10]=1 ", "o[12,13]=2 " },
	};
	struct flow_look all = FLOW_LOOK_ALL, one = keys(STR("k"), STR("k")), time = times(12, 13);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct bench bench;
		open_counts(&bench, v[i].window);
		take(&bench, STR("k"), 5);
		take(&bench, STR("k"), 10);
		take(&bench, STR("o"), 13);
		if (v[i].window.type == FLOW_SESSION)
			take(&bench, STR("o"), 12);
		look(&bench, &all, 1, v[i].all);
		look(&bench, &one, 100, v[i].key);
		look(&bench, &time, 100, v[i].time);
		release(&bench);
	}
}

void
test_look__keys_with_nul_bytes_and_empty_ones(void)
{
	struct bench bench;
	struct flow_look nul = keys(STR("a\0b"), STR("a\0b")), empty = keys(STR(""), STR("")),
		short_one = keys(STR("a"), STR("a"));
	static const struct flow_window windows[] = { { .type = FLOW_NO_WINDOW },
		{ FLOW_SESSION, .size_ms = 2, .grace_ms = 100 } };
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		open_counts(&bench, windows[i]);
		take(&bench, STR("a"), 1);
		take(&bench, STR("a\0b"), 1);
		take(&bench, STR("a\0b"), 1);
		take(&bench, STR(""), 1);
		bench.nmax = 1000;
		look(&bench, &empty, 100, i ? "[1,1]=1 " : "=1 ");
		look(&bench, &short_one, 100, i ? "a[1,1]=1 " : "a=1 ");
		buf_reset(&bench.out);
		struct buf cursor = BUF_INIT;
		bench.n = 0;
		flow_look(bench.task, find(&bench), &nul, &cursor, 100, on_row, &bench);
		check_int(bench.n, 1);
		buf_release(&cursor);
		release(&bench);
	}
}

void
test_look__a_versioned_table_shows_its_newest_rows(void)
{
	struct bench bench = { .env = { .emit = on_emit, .dropped = on_dropped, .next = on_next },
		.nmax = 1000 };
	struct flow_look all = FLOW_LOOK_ALL;
	struct store_set_opts o = { 0 };
	struct err e;
	bench.fns = flow_fns_new(NULL);
	bench.topo = topology_new("app");
	add(&bench, &(struct flow_spec){ .id = "t", .op = FLOW_TABLE, .topic = "in", .name = "rows",
		.history_ms = 1000 });
	add(&bench, &(struct flow_spec){ .id = "out", .op = FLOW_TO, .from = { "t" }, .topic = "out" });
	must(topology_finish(bench.topo, &e), &e);
	bench.set = store_set_new(&o, &e);
	bench.task = flow_task_new(bench.topo, 0, true, &bench.env, bench.set, NULL, &e);
	must(!bench.task, &e);
	static const struct { const char *key, *value; int64_t ts_ms; } v[] = { { "a", "1", 10 },
		{ "b", "2", 11 }, { "a", "3", 20 }, { "a", "4", 15 }, { "c", "5", 30 }, { "c", NULL, 40 } };
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct flow_rec rec = { .key.bytes = str_of(v[i].key), .value = str_of(v[i].value),
			.old = STR_NULL, .ts_ms = v[i].ts_ms };
		must(flow_task_take(bench.task, "in", &rec, &e), &e);
	}
	look(&bench, &all, 100, "a=3 b=2 ");
	look(&bench, &all, 1, "a=3 b=2 ");
	release(&bench);
}
