/*
 * For tests of joins: a task that is fed by hand; what comes out, and its changes, as text.
 * Keys and values are texts without quotes.
 */
#ifndef KQ_T_JOIN_HELP_H
#define KQ_T_JOIN_HELP_H

#include "tap.h"
#include "record/builder.h"
#include "stream/task.h"

#define HELPS __attribute__((unused)) static

enum { CHANGES_MAX = 8192 };

struct play {
	struct flow_env env;
	struct topology *topo;
	struct flow_task *task;
	struct store_set *set;
	struct arena arena;
	struct buf out;     /* what came out since the last play_out */
	int nlate, npartly, ndropped;
	struct {
		const char *store;
		struct flow_change change;
	} change[CHANGES_MAX];
	int nchange;
	int part;           /* -1: the whole topology */
	bool is_plain;      /* no changelogs */
	struct str headers; /* of the next record */
	int32_t nheader;
};

static struct play play;

/* ---- functions ---- */

static struct arena fn_arena;

static int
join_texts(struct flow_fn *fn, const struct flow_args *args, struct str *out, struct err *e)
{
	(void)fn;
	(void)e;
	const char *z = arena_printf(&fn_arena, "%.*s,%.*s", STR_ARG(args->left), STR_ARG(args->right));
	*out = str_of(z);
	return 0;
}

static int
first_byte(struct flow_fn *fn, const struct flow_args *args, struct str *out, struct err *e)
{
	(void)fn;
	(void)e;
	*out = args->value.n > 0 ? (struct str){ args->value.p, 1 } : STR_NULL;
	return 0;
}

HELPS struct flow_fn join_fn = { .value = join_texts };
HELPS struct flow_fn first_fn = { .value = first_byte };

/* ---- text ---- */

HELPS void
put_text(struct buf *b, struct str s)
{
	if (s.n < 0)
		buf_puts(b, "null");
	for (int32_t i = 0; i < s.n; i++)
		if (s.p[i] > ' ' && s.p[i] < 0x7f)
			buf_putc(b, (char)s.p[i]);
		else
			buf_printf(b, "\\%02x", s.p[i]);
}

HELPS void
is_text(const char *file, int line, struct str got, const char *want)
{
	if (!str_eq(got, str_of(want)))
		tap_fail(file, line, "got:\n%.*s\nwant:\n%s", STR_ARG(got), want);
}

/* ---- the task ---- */

static int
on_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	(void)env;
	(void)e;
	buf_printf(&play.out, "%s ", out->topic);
	put_text(&play.out, out->rec->key.bytes);
	if (out->rec->key.is_windowed)
		buf_printf(&play.out, "[%lld,%lld]", (long long)out->rec->key.start_ms,
			(long long)out->rec->key.end_ms);
	buf_putc(&play.out, ' ');
	put_text(&play.out, out->rec->value);
	buf_printf(&play.out, " @%lld", (long long)out->rec->ts_ms);
	if (out->is_internal)
		buf_printf(&play.out, " %d", out->partition);
	if (out->rec->nheader)
		buf_printf(&play.out, " %d headers", out->rec->nheader);
	buf_putc(&play.out, '\n');
	return 0;
}

static int
on_failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	(void)env;
	(void)node;
	(void)rec;
	(void)why;
	return 0;
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)env;
	(void)node;
	(void)rec;
	play.ndropped++;
	play.nlate += why == FLOW_DROP_LATE;
	play.npartly += why == FLOW_DROP_PARTLY;
}

static void
on_next(struct flow_env *env)
{
	(void)env;
	arena_reset(&fn_arena);
}

HELPS void
play_open(void)
{
	struct err e = { 0 };
	play.set = store_set_new(&(struct store_set_opts){ .is_plain = play.is_plain }, &e);
	play.task = flow_task_new(play.topo, MAX(play.part, 0), play.part < 0, &play.env, play.set,
		NULL, &e);
	if (!play.task)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

HELPS void
play_close(void)
{
	flow_task_free(play.task);
	store_set_free(play.set);
}

/* part: of the topology; -1: all of it in one task. */
HELPS void
play_start(const struct flow_spec *specs, size_t nspec, int part)
{
	struct err e = { 0 };
	play = (struct play){ .env = { on_emit, on_failed, on_dropped, on_next, 0, 3 },
		.part = part, .headers = STR_NULL, .topo = topology_new("app") };
	for (size_t i = 0; i < nspec; i++)
		if (topology_add(play.topo, &specs[i], &e))
			tap_fail(__FILE__, __LINE__, "%s", e.msg);
	if (topology_finish(play.topo, &e))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	play_open();
}

HELPS void
play_stop(void)
{
	play_close();
	topology_free(play.topo);
	arena_release(&play.arena);
	arena_release(&fn_arena);
	buf_release(&play.out);
}

HELPS void
take_bytes(const char *topic, struct str key, struct str value, int64_t ts_ms)
{
	struct err e = { 0 };
	struct flow_rec rec = { .key.bytes = key, .value = value, .old = STR_NULL, .ts_ms = ts_ms,
		.headers = play.headers, .nheader = play.nheader };
	if (flow_task_take(play.task, topic, &rec, &e))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

/* NULL: null. */
HELPS void
take(const char *topic, const char *key, const char *value, int64_t ts_ms)
{
	take_bytes(topic, str_of(key), str_of(value), ts_ms);
}

HELPS void
play_end(void)
{
	struct err e = { 0 };
	check_int(flow_task_end(play.task, &e), 0);
}

/* What came out since the last time is this. */
#define check_out(want) do { is_text(__FILE__, __LINE__, buf_str(&play.out), want); \
	buf_reset(&play.out); } while (0)

/* ---- changelogs ---- */

static int
keep_change(void *arg, const struct flow_store *store, const struct flow_change *change,
	struct err *e)
{
	(void)arg;
	(void)e;
	assert(play.nchange < CHANGES_MAX);
	struct flow_change *kept = &play.change[play.nchange].change;
	play.change[play.nchange++].store = arena_printf(&play.arena, "%s", store->name);
	*kept = *change;
	kept->key = arena_str(&play.arena, change->key);
	kept->value = arena_str(&play.arena, change->value);
	kept->headers = arena_str(&play.arena, change->headers);
	return 0;
}

HELPS void
play_log(void)
{
	struct err e = { 0 };
	check_int(flow_task_log(play.task, keep_change, NULL, &e), 0);
}

/* The changes since number i as text: store key value @time. */
HELPS void
put_changes(struct buf *b, int i)
{
	buf_reset(b);
	for (; i < play.nchange; i++) {
		const struct flow_change *change = &play.change[i].change;
		buf_printf(b, "%s ", play.change[i].store);
		put_text(b, change->key);
		buf_putc(b, ' ');
		put_text(b, change->value);
		buf_printf(b, " @%lld", (long long)change->ts_ms);
		if (change->nheader)
			buf_printf(b, " %d headers", change->nheader);
		buf_putc(b, '\n');
	}
}

/* Log what changed; it is this. */
#define check_changes(want) do { struct buf b_ = BUF_INIT; int i_ = play.nchange; play_log(); \
	put_changes(&b_, i_); is_text(__FILE__, __LINE__, buf_str(&b_), want); \
	buf_release(&b_); } while (0)

HELPS const struct flow_store *
find_store(const char *name)
{
	const struct flow_store *stores;
	int n = flow_task_stores(play.task, &stores);
	for (int i = 0; i < n; i++)
		if (!strcmp(stores[i].name, name))
			return &stores[i];
	tap_fail(__FILE__, __LINE__, "no store %s", name);
}

/* Log what changed, and go on in a fresh task from all changes and, if they are kept, the
 * numbers. */
HELPS void
play_restart(bool keeps_numbers)
{
	struct err e = { 0 };
	const struct flow_number *from;
	play_log();
	int n = flow_task_numbers(play.task, &from);
	struct flow_number *number = arena_alloc(&play.arena, sizeof *number * (size_t)(n + 1));
	for (int i = 0; i < n; i++)
		number[i] = (struct flow_number){ arena_printf(&play.arena, "%s", from[i].name),
			from[i].value };
	play_close();
	play_open();
	for (int i = 0; i < n && keeps_numbers; i++)
		flow_task_set_number(play.task, str_of(number[i].name), number[i].value);
	for (int i = 0; i < play.nchange; i++)
		if (flow_task_restore(play.task, find_store(play.change[i].store),
				&play.change[i].change, &e))
			tap_fail(__FILE__, __LINE__, "%s", e.msg);
	const struct flow_store *stores;
	n = flow_task_stores(play.task, &stores);
	for (int i = 0; i < n; i++)
		store_clean(stores[i].store);
}

/* As a copy learns the stream time of the task that it follows. */
HELPS void
play_set_time(int64_t ms)
{
	const struct flow_number *v;
	for (int i = flow_task_numbers(play.task, &v); i-- > 0;)
		if (strstr(v[i].name, ".time"))
			flow_task_set_number(play.task, str_of(v[i].name), ms);
}

/* Restoring this record is refused (ERR_CORRUPT). */
HELPS void
check_refused(const char *store, struct str key, struct str value)
{
	struct err e = { 0 };
	struct flow_change change = { .key = key, .value = value, .headers = STR_NULL };
	check_int(flow_task_restore(play.task, find_store(store), &change, &e), -1);
	check_int(e.class, ERR_CORRUPT);
}

#endif
