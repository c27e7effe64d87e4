#include "kq-stream/query.h"

#include "base/utf8.h"
#include "kq-stream/apps.h"
#include "sys/clock.h"
#include "text/opt.h"
#include "text/put.h"
#include "text/say.h"
#include "text/table.h"
#include "text/units.h"

#include <stdio.h>

struct query_opts query_opts = { .limit = INT64_MAX };

enum { PAGE_ROWS = 100000, WORDS_MAX = 400 };

/* ---- stores ---- */

/* What processes[i] tells of its stores: an array, each store once for each task. */
struct query {
	struct apps apps;
	json_t **stores;
	const char *store;      /* its name, as Kafka Streams has it */
	bool is_global, is_windowed;
	int ntask;              /* in all */
	const char *key;
	int64_t start_ms, end_ms;
	int64_t nrow;
};

static int
ask_stores(struct query *query, struct err *e)
{
	query->stores = mem_alloc(((size_t)query->apps.n + 1) * sizeof(json_t *));
	for (int i = 0; i < query->apps.n; i++) {
		struct apps_process *process = query->apps.v[i];
		json_t *request = json_pack("{s:s}", "verb", "stores");
		json_t *answer = apps_ask(process, request, NULL, NULL, e);
		if (!answer)
			return -1;
		if (json_array_size(json_object_get(answer, "busy")) > 0) {
			json_decref(answer);
			return err_set(e, ERR_RETRY, "process %ld of '%s' is busy and does not answer: it "
				"waits for a broker", (long)process->pid, process->application);
		}
		query->stores[i] = json_incref(json_object_get(answer, "stores"));
		json_decref(answer);
	}
	return 0;
}

static const char *
get_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

#define EACH_STORE(store_, query_) \
	for (int each_i = 0; each_i < (query_)->apps.n; each_i++) \
		for (size_t each_k = 0; each_k < json_array_size((query_)->stores[each_i]); each_k++) \
			for (const json_t *store_ = json_array_get((query_)->stores[each_i], each_k); store_; \
				store_ = NULL)

/* The store of this name, or else the only one whose node or step has it, or whose name begins
 * so.  NULL: none, or several. */
static const json_t *
find_store(const struct query *query, const char *name)
{
	static const char *const names[] = { "store", "node", "id", "step", "store" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool is_begin = i == ARRAY_LEN(names) - 1;
		size_t n = is_begin ? strlen(name) : SIZE_MAX;
		const json_t *found = NULL;
		EACH_STORE(store, query) {
			if (n == 0 || strncmp(get_text(store, names[i]), name, n) != 0)
				continue;
			if (found && strcmp(get_text(found, "store"), get_text(store, "store")) != 0)
				return NULL;
			found = store;
		}
		if (found)
			return found;
	}
	return NULL;
}

/* The names of all stores, each once, in words, which ends with NULL. */
static int
list_names(const struct query *query, const char **words)
{
	int n = 0;
	EACH_STORE(store, query) {
		const char *name = get_text(store, "store");
		int i = 0;
		while (i < n && strcmp(words[i], name) != 0)
			i++;
		if (i == n && n < WORDS_MAX)
			words[n++] = name;
	}
	words[n] = NULL;
	return n;
}

static int
refuse_store(const struct query *query, const char *name, struct err *e)
{
	const char *words[WORDS_MAX + 1];
	struct buf b = BUF_INIT;
	int n = list_names(query, words);
	const char *near = opt_suggest(name, words);
	for (int i = 0; i < n && i < 10; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
	if (near)
		err_set(e, ERR_SYS, "there is no store '%.200s'; did you mean '%s'?", name, near);
	else if (n > 0)
		err_set(e, ERR_SYS, "'%.200s' is not the name of one store; there are: %.*s", name,
			(int)b.n, (const char *)b.p);
	else
		err_set(e, ERR_SYS, "application '%s' has no stores, or no tasks yet",
			query->apps.v[0]->application);
	buf_release(&b);
	return -1;
}

/* ---- the list of stores ---- */

static json_t *
sum_store(const struct query *query, const char *name)
{
	json_t *sum = NULL;
	int64_t rows = 0, n = 0;
	EACH_STORE(store, query) {
		if (strcmp(get_text(store, "store"), name) != 0)
			continue;
		int64_t more = json_integer_value(json_object_get(store, "rows"));
		bool is_global = json_is_true(json_object_get(store, "is_global"));
		rows = is_global ? more : rows + more;
		n++;
		if (!sum)
			sum = json_copy((json_t *)(uintptr_t)store);
	}
	json_object_del(sum, "task");
	json_object_set_new(sum, "rows", json_integer(rows));
	json_object_del(sum, "ntask");
	json_object_set_new(sum, "tasks", json_integer(n));
	return sum;
}

static void
print_stores(const struct query *query)
{
	static const char *const head[] = { "store", "step", "kind", "key", "tasks", "rows" };
	const char *words[WORDS_MAX + 1];
	struct arena a = ARENA_INIT;
	struct table table;
	int n = list_names(query, words);
	table_init(&table, head, ARRAY_LEN(head), "llll");
	for (int i = 0; i < n; i++) {
		json_t *sum = sum_store(query, words[i]);
		if (query_opts.is_json) {
			json_print(sum);
			continue;
		}
		table_add(&table, (const char *[]){ put_cell(&a, str_of(words[i])),
			put_cell(&a, str_of(get_text(sum, "step"))),
			put_cell(&a, str_of(get_text(sum, "kind"))),
			put_cell(&a, str_of(get_text(sum, "key"))),
			put_known(&a, json_integer_value(json_object_get(sum, "tasks"))),
			put_known(&a, json_integer_value(json_object_get(sum, "rows"))) });
		json_decref(sum);
	}
	if (!query_opts.is_json && n > 0)
		table_print(&table);
	else if (n == 0)
		say_error("application '%s' has no stores, or no tasks yet", query->apps.v[0]->application);
	table_release(&table);
	arena_release(&a);
}

/* ---- rows ---- */

static int
print_row(void *arg, struct str row, struct err *e)
{
	struct query *query = arg;
	query->nrow++;
	if (fwrite(row.p, 1, (size_t)row.n, stdout) == (size_t)row.n && putchar('\n') != EOF)
		return 0;
	return err_sys(e, "cannot write to stdout");
}

static json_t *
make_request(const struct query *query, const char *task, const char *cursor)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "verb", "query", "store",
		query->store, "task", task, "is_json", query_opts.is_json, "start_ms",
		(json_int_t)query->start_ms, "end_ms", (json_int_t)query->end_ms);
	int64_t limit = MIN(query_opts.limit - query->nrow, (int64_t)PAGE_ROWS);
	json_object_set_new(request, "limit", json_integer(limit));
	if (query->key)
		json_object_set_new(request, "key", json_string(query->key));
	if (query_opts.range[0]) {
		json_object_set_new(request, "from", json_string(query_opts.range[0]));
		json_object_set_new(request, "to", json_string(query_opts.range[1]));
	}
	if (cursor)
		json_object_set_new(request, "cursor", json_string(cursor));
	return request;
}

/* All rows of a task, a page at a time. */
static int
query_task(struct query *query, struct apps_process *process, const char *task, struct err *e)
{
	json_t *answer = NULL;
	const char *cursor = NULL;
	do {
		json_t *request = make_request(query, task, cursor);
		json_decref(answer);
		answer = apps_ask(process, request, print_row, query, e);
		if (!answer)
			return -1;
		cursor = json_string_value(json_object_get(answer, "cursor"));
	} while (cursor && query->nrow < query_opts.limit);
	json_decref(answer);
	return 0;
}

static int
query_all(struct query *query, struct err *e)
{
	int n = 0;
	for (int i = 0; i < query->apps.n; i++) {
		for (size_t k = 0; k < json_array_size(query->stores[i]); k++) {
			const json_t *store = json_array_get(query->stores[i], k);
			if (strcmp(get_text(store, "store"), query->store) != 0)
				continue;
			if (query->nrow >= query_opts.limit)
				return 0;
			if (query_task(query, query->apps.v[i], get_text(store, "task"), e) < 0)
				return -1;
			n++;
			if (query->is_global)
				return 0; /* each task has all of it */
		}
	}
	if (n < query->ntask)
		say_error("%d of the store's %d tasks are not in processes on this machine: their rows are "
			"not shown", query->ntask - n, query->ntask);
	return 0;
}

/* ---- the verb ---- */

/* Requests are JSON. */
static int
check_key(const char *key, struct err *e)
{
	return !key || utf8_is_valid(str_of(key)) ? 0
		: err_set(e, ERR_USAGE, "key '%.60s' is not UTF-8", key);
}

static int
parse_window(struct query *query, struct err *e)
{
	int64_t now_ms = clock_ms();
	query->start_ms = INT64_MIN;
	query->end_ms = INT64_MAX;
	if (!query_opts.window[0])
		return 0;
	if (units_parse_time(query_opts.window[0], now_ms, &query->start_ms, e) < 0
		|| units_parse_time(query_opts.window[1], now_ms, &query->end_ms, e) < 0)
		return err_wrap(e, "--window");
	if (query->end_ms < query->start_ms)
		return err_set(e, ERR_USAGE, "--window: the second time is before the first one");
	return 0;
}

static int
choose_store(struct query *query, const char *name, struct err *e)
{
	const json_t *store = find_store(query, name);
	if (!store)
		return refuse_store(query, name, e);
	query->store = get_text(store, "store");
	query->is_global = json_is_true(json_object_get(store, "is_global"));
	query->ntask = (int)json_integer_value(json_object_get(store, "ntask"));
	query->is_windowed = json_is_true(json_object_get(store, "is_windowed"));
	if (query_opts.window[0] && !query->is_windowed)
		return err_set(e, ERR_USAGE, "store '%s' is a %s: it has no windows", query->store,
			get_text(store, "kind"));
	return 0;
}

/* Returns the exit code. */
static int
run(struct query *query, int argc, char **argv)
{
	struct err e;
	if (ask_stores(query, &e) < 0)
		return say_err(&e, false);
	if (argc == 1) {
		print_stores(query);
		return EXIT_DONE;
	}
	query->key = argc > 2 ? argv[2] : NULL;
	if (choose_store(query, argv[1], &e) < 0 || query_all(query, &e) < 0)
		return say_err(&e, false);
	if (query->nrow > 0 || (!query->key && !query_opts.range[0] && !query_opts.window[0]))
		return EXIT_DONE;
	if (query->key)
		say_error("store '%s' has no row of key '%s'%s", query->store, query->key,
			query_opts.window[0] ? " in these windows" : "");
	else
		say_error("store '%s' has no such rows", query->store);
	return EXIT_FAILED;
}

int
run_query(int argc, char **argv)
{
	struct query query = { .nrow = 0 };
	struct err e;
	int rc = parse_window(&query, &e);
	if (rc == 0 && (check_key(argc > 2 ? argv[2] : NULL, &e) < 0
		|| check_key(query_opts.range[0], &e) < 0 || check_key(query_opts.range[1], &e) < 0))
		rc = -1;
	if (rc == 0 && argc > 2 && query_opts.range[0])
		rc = err_set(&e, ERR_USAGE, "a key and --range exclude each other");
	if (rc == 0 && argc == 1 && (query_opts.range[0] || query_opts.window[0]))
		rc = err_set(&e, ERR_USAGE, "--range and --window need a store");
	if (rc < 0 || apps_need(&query.apps, argv[0], &e) < 0)
		return say_err(&e, false);
	int code = run(&query, argc, argv), flushed = say_flush_stdout();
	for (int i = 0; i < query.apps.n && query.stores; i++)
		json_decref(query.stores[i]);
	mem_free(query.stores);
	apps_close(&query.apps);
	return code ? code : flushed;
}
