/* Tasks of operators without windows: what goes to topics and changelogs, and ends. */
#include "stream/buffered.h"
#include "stream/fn_expr.h"
#include "stream/agg.h"
#include "stream/task.h"
#include "tap.h"

#include <stdio.h>

struct bench {
	struct flow_env env;
	struct flow_fns *fns;
	struct topology *topo;
	struct store_set *set;
	struct flow_task *task;
	struct buf out; /* "topic key value@time", a line each */
	int ndropped, nfailed;
};

static void
must(int rc, const struct err *e)
{
	if (rc)
		tap_fail(__FILE__, __LINE__, "%s", e->msg);
}

/* Text as it is, other bytes as \xx. */
static void
put_visible(struct buf *b, struct str s)
{
	for (int32_t i = 0; i < s.n; i++)
		if (s.p[i] >= ' ' && s.p[i] < 127)
			buf_putc(b, (char)s.p[i]);
		else
			buf_printf(b, "\\%02x", s.p[i]);
	if (s.n < 0)
		buf_puts(b, "null");
}

static int
on_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	(void)e;
	struct bench *bench = CONTAINER_OF(env, struct bench, env);
	buf_printf(&bench->out, "%s%s ", out->is_internal ? "+" : "", out->topic);
	put_visible(&bench->out, out->rec->key.bytes);
	buf_putc(&bench->out, ' ');
	put_visible(&bench->out, out->rec->value);
	buf_printf(&bench->out, "@%lld\n", (long long)out->rec->ts_ms);
	return 0;
}

static int
on_failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	(void)node;
	(void)rec;
	(void)why;
	CONTAINER_OF(env, struct bench, env)->nfailed++;
	return 0;
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)node;
	(void)rec;
	(void)why;
	CONTAINER_OF(env, struct bench, env)->ndropped++;
}

static void
on_next(struct flow_env *env)
{
	flow_fns_next(CONTAINER_OF(env, struct bench, env)->fns);
}

static void
bench_init(struct bench *bench)
{
	*bench = (struct bench){ .env = { on_emit, on_failed, on_dropped, on_next, 0 } };
	bench->fns = flow_fns_new(NULL);
	bench->topo = topology_new("app");
}

static void
bench_open(struct bench *bench, int part, bool is_local)
{
	struct err e;
	struct store_set_opts o = { 0 };
	bench->set = store_set_new(&o, &e);
	bench->task = flow_task_new(bench->topo, part, is_local, &bench->env, bench->set, NULL, &e);
	must(!bench->task, &e);
}

static void
bench_release(struct bench *bench)
{
	flow_task_free(bench->task);
	store_set_free(bench->set);
	topology_free(bench->topo);
	flow_fns_free(bench->fns);
	buf_release(&bench->out);
}

static struct flow_fn *
fn_of(struct bench *bench, enum flow_gives gives, const char *text)
{
	struct err e;
	struct flow_place place = { gives, FLOW_KEY_TEXT, FLOW_KEY_TEXT };
	struct flow_fn *fn = flow_fns_add(bench->fns, str_of(text), &place, &e);
	must(!fn, &e);
	return fn;
}

static void
add(struct bench *bench, const struct flow_spec *spec)
{
	struct err e;
	must(topology_add(bench->topo, spec, &e), &e);
}
#define ADD(bench, ...) add(bench, &(struct flow_spec){ .join_grace_ms = -1, __VA_ARGS__ })

static void
finish(struct bench *bench)
{
	struct err e;
	must(topology_finish(bench->topo, &e), &e);
}

static int
take(struct bench *bench, const char *topic, const char *key, const char *value, int64_t ts_ms,
	struct err *e)
{
	struct flow_rec rec = { .key = { .bytes = str_of(key) }, .value = str_of(value),
		.old = STR_NULL, .ts_ms = ts_ms };
	return flow_task_take(bench->task, topic, &rec, e);
}

static void
give(struct bench *bench, const char *topic, const char *key, const char *value, int64_t ts_ms)
{
	struct err e;
	must(take(bench, topic, key, value, ts_ms, &e), &e);
}

static void
check_out(struct bench *bench, int line, const char *want)
{
	if (!str_eq(buf_str(&bench->out), str_of(want)))
		tap_fail(__FILE__, line, "got\n%.*swant\n%s", (int)bench->out.n,
			(const char *)bench->out.p, want);
	buf_reset(&bench->out);
}
#define CHECK_OUT(bench, want) check_out(bench, __LINE__, want)

/* ---- repartition topics ---- */

static void
group_table(struct bench *bench)
{
	bench_init(bench);
	ADD(bench, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(bench, .id = "g", .op = FLOW_GROUP_BY, .from = { "t" },
		.fn = fn_of(bench, FLOW_GIVES_PAIR, "[.[0:1], .]"));
	ADD(bench, .id = "n", .op = FLOW_AGGREGATE, .from = { "g" }, .name = "n",
		.agg = agg_of_count(bench->fns));
	ADD(bench, .id = "o", .op = FLOW_TO, .from = { "n" }, .topic = "o");
	finish(bench);
}

void
test_stream_task__changes_of_a_grouped_table_have_kafkas_bytes(void)
{
	struct bench bench;
	group_table(&bench);
	check_int(topology_parts(bench.topo), 2);
	bench_open(&bench, 0, false);
	give(&bench, "t", "k", "\"1x\"", 7);
	CHECK_OUT(&bench, "+n-repartition 1 \"1x\"\\01@7\n");
	give(&bench, "t", "k", "\"1y\"", 8);
	CHECK_OUT(&bench, "+n-repartition 1 \\08\"1y\"\"1x\"\\02@8\n");
	give(&bench, "t", "k", "\"2z\"", 9);
	CHECK_OUT(&bench, "+n-repartition 1 \"1y\"\\00@9\n+n-repartition 2 \"2z\"\\01@9\n");
	give(&bench, "t", "k", NULL, 10);
	CHECK_OUT(&bench, "+n-repartition 2 \"2z\"\\00@10\n");
	give(&bench, "t", "k", NULL, 11);
	CHECK_OUT(&bench, "");
	bench_release(&bench);
}

/* The order that TopologyTestDriver 4.4.0 gave for the same topology. */
void
test_stream_task__internal_topics_are_read_in_kafkas_order(void)
{
	static const char *const name[] = { "A", "B", "C", "D" };
	struct bench bench;
	bench_init(&bench);
	ADD(&bench, .id = "s", .op = FLOW_STREAM, .topic = "s");
	ADD(&bench, .id = "f", .op = FLOW_FLAT_MAP, .from = { "s" },
		.fn = fn_of(&bench, FLOW_GIVES_PAIRS, "[[$key, 0], [$key, 1]]"));
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		char map[8], sink[8], text[16];
		snprintf(map, sizeof map, "%s-m", name[i]);
		snprintf(sink, sizeof sink, "%s-o", name[i]);
		snprintf(text, sizeof text, "\"%s\\(.)\"", name[i]);
		ADD(&bench, .id = name[i], .op = FLOW_REPARTITION, .from = { "f" });
		ADD(&bench, .id = map, .op = FLOW_MAP_VALUES, .from = { name[i] },
			.fn = fn_of(&bench, FLOW_GIVES_VALUE, text));
		ADD(&bench, .id = sink, .op = FLOW_TO, .from = { map }, .topic = "o");
	}
	finish(&bench);
	bench_open(&bench, 0, true);
	give(&bench, "s", "k", "1", 1);
	CHECK_OUT(&bench, "o k \"A0\"@1\no k \"D0\"@1\no k \"A1\"@1\no k \"D1\"@1\n"
		"o k \"C0\"@1\no k \"B0\"@1\no k \"C1\"@1\no k \"B1\"@1\n");
	bench_release(&bench);
}

void
test_stream_task__a_change_that_is_none_is_refused(void)
{
	static const char *const bad[] = { "", "x\x03", "\x20x\x02", "\x01x\x02" };
	struct bench bench;
	struct err e;
	group_table(&bench);
	bench_open(&bench, 1, false);
	give(&bench, "n-repartition", "1", "\"1x\"\x01", 7);
	CHECK_OUT(&bench, "o 1 1@7\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_int(take(&bench, "n-repartition", "1", bad[i], 8, &e), -1);
		check_int(e.class, ERR_CORRUPT);
	}
	check_int(take(&bench, "n-repartition", "1", NULL, 8, &e), -1);
	CHECK_OUT(&bench, "");
	bench_release(&bench);
}

void
test_stream_task__a_row_whose_function_fails_is_none(void)
{
	struct bench bench;
	bench_init(&bench);
	ADD(&bench, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(&bench, .id = "m", .op = FLOW_MAP_VALUES, .from = { "t" },
		.fn = fn_of(&bench, FLOW_GIVES_VALUE, ". + 1"));
	ADD(&bench, .id = "o", .op = FLOW_TO, .from = { "m" }, .topic = "o");
	finish(&bench);
	bench_open(&bench, 0, true);
	give(&bench, "t", "k", "1", 1);
	give(&bench, "t", "k", "\"x\"", 2);
	give(&bench, "t", "k", "\"y\"", 3);
	give(&bench, "t", "k", "5", 4);
	CHECK_OUT(&bench, "o k 2@1\no k null@2\no k 6@4\n");
	check_int(bench.nfailed, 2);
	bench_release(&bench);
}

/* ---- suppress ---- */

static void
suppress(struct bench *bench, int64_t max_bytes, bool shuts_down)
{
	bench_init(bench);
	ADD(bench, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(bench, .id = "u", .op = FLOW_SUPPRESS, .from = { "t" }, .name = "u",
		.suppress = { .limit_ms = 100, .max_bytes = max_bytes, .shuts_down = shuts_down });
	ADD(bench, .id = "o", .op = FLOW_TO, .from = { "u" }, .topic = "o");
	finish(bench);
	bench_open(bench, 0, true);
}

void
test_stream_task__what_waits_comes_out_at_the_end(void)
{
	struct bench bench;
	struct err e;
	suppress(&bench, 0, false);
	give(&bench, "t", "b", "1", 20);
	give(&bench, "t", "a", "2", 10);
	give(&bench, "t", "b", "3", 30);
	give(&bench, "t", "c", "4", 25);
	give(&bench, "t", "c", NULL, 40);
	CHECK_OUT(&bench, "");
	must(flow_task_end(bench.task, &e), &e);
	CHECK_OUT(&bench, "o a 2@10\no b 3@30\n");
	must(flow_task_end(bench.task, &e), &e);
	CHECK_OUT(&bench, "");
	bench_release(&bench);
}

void
test_stream_task__the_end_frees_memory_while_many_rows_come_out(void)
{
	struct bench bench;
	struct err e;
	char key[16];
	suppress(&bench, 0, false);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "%04d", i);
		give(&bench, "t", key, "1", 10);
	}
	must(flow_task_end(bench.task, &e), &e);
	int nline = 0;
	for (size_t i = 0; i < bench.out.n; i++)
		nline += bench.out.p[i] == '\n';
	check_int(nline, 5000);
	check(str_has_prefix(buf_str(&bench.out), STR("o 0000 1@10\no 0001 1@10\n")));
	bench_release(&bench);
}

void
test_stream_task__a_full_buffer_lets_out_the_oldest_or_stops(void)
{
	struct bench bench;
	struct err e;
	suppress(&bench, 150, false);
	give(&bench, "t", "a", "\"0123456789012345678901234567890123456789\"", 1);
	give(&bench, "t", "b", "\"0123456789012345678901234567890123456789\"", 2);
	CHECK_OUT(&bench, "o a \"0123456789012345678901234567890123456789\"@1\n");
	bench_release(&bench);
	suppress(&bench, 150, true);
	give(&bench, "t", "a", "\"0123456789012345678901234567890123456789\"", 1);
	check_int(take(&bench, "t", "b", "\"0123456789012345678901234567890123456789\"", 2, &e), -1);
	check_int(e.class, ERR_LIMIT);
	bench_release(&bench);
}

static int
print_change(void *arg, const struct flow_store *store, const struct flow_change *change,
	struct err *e)
{
	struct bench *bench = arg;
	struct buffered waiting;
	struct buf headers = BUF_INIT;
	if (strcmp(store->name, "u-store"))
		return 0;
	buf_printf(&bench->out, "%s ", store->name);
	put_visible(&bench->out, change->key);
	buf_printf(&bench->out, " %d ", (int)change->nheader);
	put_visible(&bench->out, change->headers);
	if (change->value.n < 0) {
		buf_puts(&bench->out, " null\n");
		return 0;
	}
	must(buffered_get(change->value, &waiting, &headers, e), e);
	buf_printf(&bench->out, " place %lld time %lld ", (long long)waiting.place,
		(long long)waiting.ts_ms);
	put_visible(&bench->out, waiting.prior);
	buf_putc(&bench->out, ' ');
	put_visible(&bench->out, waiting.old);
	buf_putc(&bench->out, ' ');
	put_visible(&bench->out, waiting.value);
	buf_putc(&bench->out, '\n');
	buf_release(&headers);
	return 0;
}

void
test_stream_task__the_changelog_of_suppress_has_kafkas_fields(void)
{
	struct bench bench;
	struct err e;
	suppress(&bench, 0, false);
	give(&bench, "t", "a", "1", 10);
	give(&bench, "t", "a", "2", 12);
	give(&bench, "t", "b", "3", 13);
	must(flow_task_log(bench.task, print_change, &bench, &e), &e);
	CHECK_OUT(&bench, "u-store a 1 \\02v\\02\\03 place 10 time 12 null 1 2\n"
		"u-store b 1 \\02v\\02\\03 place 13 time 13 null null 3\n");
	give(&bench, "t", "c", "4", 112);
	CHECK_OUT(&bench, "o a 2@12\n");
	must(flow_task_log(bench.task, print_change, &bench, &e), &e);
	CHECK_OUT(&bench, "u-store c 1 \\02v\\02\\03 place 112 time 112 null null 4\n"
		"u-store a 0  null\n");
	bench_release(&bench);
}

void
test_stream_task__a_changelog_of_another_version_is_refused(void)
{
	struct bench bench;
	struct err e;
	const struct flow_store *stores;
	suppress(&bench, 0, false);
	int n = flow_task_stores(bench.task, &stores);
	struct flow_change change = { .key = STR("a"), .value = STR("x"), .headers = STR(""),
		.ts_ms = 1 };
	for (int i = 0; i < n; i++)
		if (!strcmp(stores[i].name, "u-store")) {
			check_int(flow_task_restore(bench.task, &stores[i], &change, &e), -1);
			check_int(e.class, ERR_CORRUPT);
			change.headers = STR("\x02v\x02\x03");
			change.nheader = 1;
			check_int(flow_task_restore(bench.task, &stores[i], &change, &e), -1);
			check_int(e.class, ERR_CORRUPT);
		}
	bench_release(&bench);
}

/* ---- null keys ---- */

static void
repartition_and_join(struct bench *bench, enum flow_join_kind kind)
{
	bench_init(bench);
	ADD(bench, .id = "s", .op = FLOW_STREAM, .topic = "s");
	ADD(bench, .id = "t", .op = FLOW_TABLE, .topic = "t");
	ADD(bench, .id = "r", .op = FLOW_REPARTITION, .from = { "s" });
	ADD(bench, .id = "p", .op = FLOW_PEEK, .from = { "r" },
		.fn = fn_of(bench, FLOW_GIVES_TEST, "."));
	ADD(bench, .id = "j", .op = FLOW_STREAM_TABLE_JOIN, .from = { "p", "t" }, .kind = kind,
		.fn = fn_of(bench, FLOW_GIVES_VALUE, "[$left, $right]"));
	ADD(bench, .id = "o", .op = FLOW_TO, .from = { "j" }, .topic = "o");
	finish(bench);
	bench_open(bench, 0, true);
}

void
test_stream_task__a_left_join_gets_null_keys_through_a_repartition(void)
{
	struct bench bench;
	repartition_and_join(&bench, FLOW_LEFT);
	give(&bench, "s", NULL, "1", 1);
	give(&bench, "s", "k", "2", 2);
	CHECK_OUT(&bench, "o null [1,null]@1\no k [2,null]@2\n");
	bench_release(&bench);
	repartition_and_join(&bench, FLOW_INNER);
	give(&bench, "s", NULL, "1", 1);
	CHECK_OUT(&bench, "");
	check_int(bench.ndropped, 1);
	bench_release(&bench);
}
