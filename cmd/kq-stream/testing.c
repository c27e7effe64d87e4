#include "kq-stream/testing.h"

#include "kq-stream/when.h"
#include "stream/fn_expr.h"
#include "text/jsonput.h"
#include "text/opt.h"

#include <stdio.h>

enum { RECORDS_MAX = 10000, LINES_MAX = 3000 };

/* A record as it is compared: texts in the test's arena; null: not said. */
struct seen {
	struct str topic, key, value;
	int64_t ts_ms;           /* -1: not said */
};

struct seen_list {
	struct seen *v;
	int n, cap;
};

struct testing {
	struct flow_env env;
	struct program *program;
	const char *file;
	struct flow_task *task;
	struct expr_set *exprs;
	struct expr *sorted;     /* the same value with sorted members */
	struct arena arena;      /* of one test */
	struct seen_list got, expected;
	struct err why;          /* of a failure */
	int64_t now_ms;
};

static const char sort_members[] =
	"def s: if type == \"object\" then to_entries | sort_by(.key) | map(.value |= s) "
	"| from_entries "
	"elif type == \"array\" then map(s) else . end; s";

static int
fail(const struct testing *testing, int line, const char *what, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s:%d: %s", testing->file, line, what);
}

static struct seen *
add_seen(struct seen_list *list)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 16;
		list->v = mem_realloc(list->v, (size_t)list->cap * sizeof *list->v);
	}
	list->v[list->n] = (struct seen){ STR_NULL, STR_NULL, STR_NULL, -1 };
	return &list->v[list->n++];
}

/* ---- JSON in YAML ---- */

/* A plain scalar that JSON would read as a number or a word. */
static bool
is_json_word(const char *text)
{
	static const char *const words[] = { "true", "false", "null" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	const char *p = text + (*text == '-');
	size_t n = strspn(p, "0123456789");
	if (n == 0 || (n > 1 && *p == '0'))
		return false;
	p += n;
	if (*p == '.') {
		n = strspn(p + 1, "0123456789");
		if (n == 0)
			return false;
		p += 1 + n;
	}
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		n = strspn(p, "0123456789");
		if (n == 0)
			return false;
		p += n;
	}
	return !*p;
}

static void
put_json(const struct ytree *node, struct buf *out)
{
	bool is_map = node->kind == YTREE_MAP;
	if (node->kind == YTREE_TEXT) {
		if (node->is_plain && (!*node->text || strcmp(node->text, "~") == 0))
			buf_puts(out, "null");
		else if (node->is_plain && is_json_word(node->text))
			buf_puts(out, node->text);
		else
			json_put_string(str_of(node->text), out);
		return;
	}
	buf_putc(out, is_map ? '{' : '[');
	for (int i = 0; i < node->n; i++) {
		if (i)
			buf_putc(out, ',');
		if (is_map) {
			json_put_string(str_of(node->item[i].key), out);
			buf_putc(out, ':');
		}
		put_json(node->item[i].value, out);
	}
	buf_putc(out, is_map ? '}' : ']');
}

/* The JSON text with sorted members, in the arena. */
static int
canonical(struct testing *testing, struct str json, struct str *out, struct err *e)
{
	struct expr_in in = { .v[EXPR_DOT] = json };
	expr_set_next(testing->exprs);
	if (expr_value(testing->sorted, &in, out, e) < 0)
		return -1;
	*out = arena_str(&testing->arena, out->n < 0 ? STR("null") : *out);
	return 0;
}

static int
canonical_of(struct testing *testing, const struct ytree *node, struct str *out, struct err *e)
{
	struct buf b = BUF_INIT;
	put_json(node, &b);
	int rc = canonical(testing, buf_str(&b), out, e);
	buf_release(&b);
	return rc;
}

/* ---- the task's callbacks ---- */

static int
on_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	struct testing *testing = CONTAINER_OF(env, struct testing, env);
	const struct plan_sink *sink = program_sink(testing->program, out->node);
	if (testing->got.n == RECORDS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d records came out", RECORDS_MAX);
	struct seen *seen = add_seen(&testing->got);
	struct buf key = BUF_INIT;
	flow_key_put_json(&out->rec->key, sink->in_key_format == PLAN_JSON ? FLOW_KEY_JSON
		: sink->in_key_format == PLAN_TEXT ? FLOW_KEY_TEXT : FLOW_KEY_BYTES, &key);
	int rc = canonical(testing, buf_str(&key), &seen->key, e);
	buf_release(&key);
	seen->topic = str_of(sink->topic);
	seen->ts_ms = out->rec->ts_ms;
	return rc < 0 ? -1 : canonical(testing, out->rec->value.n < 0 ? STR("null")
		: out->rec->value, &seen->value, e);
}

static int
on_failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	(void)rec;
	struct testing *testing = CONTAINER_OF(env, struct testing, env);
	const struct topology_node *nodes;
	topology_nodes(testing->program->topo, &nodes);
	const struct plan_node *planned = nodes[node].spec->tag;
	return testing->program->plan->settings.errors == PLAN_FAIL
		? err_wrap(why, "%s", planned->where) : 0;
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)env, (void)node, (void)rec, (void)why;
}

static void
on_next(struct flow_env *env)
{
	program_next(CONTAINER_OF(env, struct testing, env)->program);
}

/* ---- the file ---- */

static const struct plan_source *
find_source(const struct plan *plan, const char *topic)
{
	for (int i = 0; i < plan->nsource; i++)
		if (strcmp(plan->source[i].topic, topic) == 0)
			return &plan->source[i];
	return NULL;
}

static int
take_time(struct testing *testing, const struct ytree *node, int64_t *ms, struct err *e)
{
	struct str json;
	if (node->kind != YTREE_TEXT)
		return fail(testing, node->line, "a time is a number or a text", e);
	if (canonical_of(testing, node, &json, e) < 0 || when_parse(json, ms, e) < 0)
		return err_wrap(e, "%s:%d", testing->file, node->line);
	return 0;
}

/* The keys of a record. */
static int
check_keys(const struct testing *testing, const struct ytree *record, struct err *e)
{
	static const char *const known[] = { "topic", "key", "value", "time" };
	if (record->kind != YTREE_MAP)
		return fail(testing, record->line, "a record is a map: topic, key, value, time", e);
	for (int i = 0; i < record->n; i++) {
		bool is_known = false;
		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			is_known = is_known || strcmp(known[k], record->item[i].key) == 0;
		if (!is_known)
			return err_set(e, ERR_USAGE, "%s:%d: key '%.60s' is not known: topic, key, value, time",
				testing->file, record->item[i].line, record->item[i].key);
	}
	const struct ytree *topic = ytree_get(record, "topic");
	if (topic && topic->kind != YTREE_TEXT)
		return fail(testing, topic->line, "the name of a topic is a text", e);
	return 0;
}

static int
take_expected(struct testing *testing, const struct ytree *record, struct err *e)
{
	if (check_keys(testing, record, e) < 0)
		return -1;
	struct seen *seen = add_seen(&testing->expected);
	const struct ytree *topic = ytree_get(record, "topic"), *key = ytree_get(record, "key");
	const struct ytree *value = ytree_get(record, "value"), *time = ytree_get(record, "time");
	if (topic)
		seen->topic = str_of(topic->text);
	if (key && canonical_of(testing, key, &seen->key, e) < 0)
		return -1;
	if (value && canonical_of(testing, value, &seen->value, e) < 0)
		return -1;
	return time ? take_time(testing, time, &seen->ts_ms, e) : 0;
}

/* Bytes of a key or value in the format of the source. */
static int
make_bytes(const struct testing *testing, const struct ytree *node, enum plan_format format,
	struct str *bytes, struct buf *b, struct err *e)
{
	struct buf json = BUF_INIT;
	*bytes = STR_NULL;
	if (!node)
		return 0;
	put_json(node, &json);
	int rc = 0;
	if (!str_eq(buf_str(&json), STR("null"))) {
		rc = flow_key_parse_json(buf_str(&json), format == PLAN_JSON || format == PLAN_CSV
			? FLOW_KEY_JSON : format == PLAN_TEXT ? FLOW_KEY_TEXT : FLOW_KEY_BYTES, b, e);
		*bytes = buf_str(b);
	}
	buf_release(&json);
	return rc < 0 ? err_wrap(e, "%s:%d", testing->file, node->line) : 0;
}

static int
refuse_topic(const struct testing *testing, const struct ytree *topic, struct err *e)
{
	const struct plan *plan = testing->program->plan;
	const char **words = mem_alloc(((size_t)plan->nsource + 1) * sizeof *words);
	for (int i = 0; i < plan->nsource; i++)
		words[i] = plan->source[i].topic;
	words[plan->nsource] = NULL;
	const char *near = opt_suggest(topic->text, words);
	mem_free(words);
	if (near)
		return err_set(e, ERR_USAGE, "%s:%d: the application does not read topic '%.249s'; did you "
			"mean '%s'?", testing->file, topic->line, topic->text, near);
	return err_set(e, ERR_USAGE, "%s:%d: the application does not read topic '%.249s'",
		testing->file, topic->line, topic->text);
}

/* Let the task take a record.  0; or -1 with *e if the test makes no sense, or with *why if
 * the application failed. */
static int
feed(struct testing *testing, const struct ytree *record, struct err *e)
{
	if (check_keys(testing, record, e) < 0)
		return -1;
	const struct ytree *topic = ytree_get(record, "topic"), *time = ytree_get(record, "time");
	const struct plan *plan = testing->program->plan;
	const struct plan_source *source = topic ? find_source(plan, topic->text)
		: plan->nsource == 1 ? &plan->source[0] : NULL;
	if (!source)
		return topic ? refuse_topic(testing, topic, e)
			: fail(testing, record->line, "the topic is missing", e);
	if (time && take_time(testing, time, &testing->now_ms, e) < 0)
		return -1;
	struct program_raw raw = { .ts_ms = testing->now_ms };
	struct flow_rec rec;
	struct buf key = BUF_INIT, value = BUF_INIT;
	int rc = make_bytes(testing, ytree_get(record, "key"), source->key_format, &raw.key, &key, e);
	if (rc == 0)
		rc = make_bytes(testing, ytree_get(record, "value"), source->value_format, &raw.value,
			&value, e);
	if (rc == 0 && (program_take(testing->program, source, &raw, &rec, &testing->why) < 0
		|| flow_task_take(testing->task, source->topic, &rec, &testing->why) < 0))
		rc = 1;
	buf_release(&key);
	buf_release(&value);
	return rc;
}

/* ---- comparing ---- */

static bool
is_match(const struct seen *expected, const struct seen *got)
{
	return (expected->topic.n < 0 || str_eq(expected->topic, got->topic))
		&& (expected->key.n < 0 || str_eq(expected->key, got->key))
		&& (expected->value.n < 0 || str_eq(expected->value, got->value))
		&& (expected->ts_ms < 0 || expected->ts_ms == got->ts_ms);
}

static void
print_seen(char sign, const struct seen *seen)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "#  %c ", sign);
	const char *comma = "{";
	if (seen->topic.n >= 0) {
		buf_printf(&b, "%s\"topic\":", comma);
		json_put_string(seen->topic, &b);
		comma = ",";
	}
	if (seen->key.n >= 0) {
		buf_printf(&b, "%s\"key\":%.*s", comma, STR_ARG(seen->key));
		comma = ",";
	}
	if (seen->value.n >= 0) {
		buf_printf(&b, "%s\"value\":%.*s", comma, STR_ARG(seen->value));
		comma = ",";
	}
	if (seen->ts_ms >= 0)
		buf_printf(&b, "%s\"time\":%lld", comma, (long long)seen->ts_ms);
	printf("%.*s}\n", (int)b.n, (const char *)b.p);
	buf_release(&b);
}

/* Lengths of the longest common subsequences of the rests of both lists. */
static int *
common_lengths(const struct seen_list *expected, const struct seen_list *got)
{
	int wide = got->n + 1;
	int *length = mem_alloc((size_t)(expected->n + 1) * (size_t)wide * sizeof *length);
	for (int i = expected->n - 1; i >= 0; i--)
		for (int j = got->n - 1; j >= 0; j--)
			length[i * wide + j] = is_match(&expected->v[i], &got->v[j])
				? length[(i + 1) * wide + j + 1] + 1
				: MAX(length[(i + 1) * wide + j], length[i * wide + j + 1]);
	return length;
}

/* Print both lists as a diff: what is in both, what was expected, what came. */
static void
print_difference(const struct seen_list *expected, const struct seen_list *got)
{
	if (expected->n > LINES_MAX || got->n > LINES_MAX) {
		printf("#  %d records expected, %d came\n", expected->n, got->n);
		return;
	}
	int *length = common_lengths(expected, got), wide = got->n + 1;
	printf("#  - expected, + got\n");
	for (int i = 0, j = 0; i < expected->n || j < got->n;) {
		bool both = i < expected->n && j < got->n;
		if (both && is_match(&expected->v[i], &got->v[j])) {
			print_seen(' ', &got->v[j]);
			i++, j++;
		} else if (j == got->n
			|| (i < expected->n && length[(i + 1) * wide + j] >= length[i * wide + j + 1])) {
			print_seen('-', &expected->v[i++]);
		} else {
			print_seen('+', &got->v[j++]);
		}
	}
	mem_free(length);
}

static bool
is_same(const struct seen_list *expected, const struct seen_list *got)
{
	bool is = expected->n == got->n;
	for (int i = 0; is && i < got->n; i++)
		is = is_match(&expected->v[i], &got->v[i]);
	return is;
}

/* ---- tests ---- */

static const struct ytree *
list_of(const struct testing *testing, const struct ytree *test, const char *key, struct err *e)
{
	const struct ytree *list = ytree_get(test, key);
	if (!list || list->kind != YTREE_LIST) {
		err_set(e, ERR_USAGE, "%s:%d: '%s' is missing: a list of records", testing->file,
			test->line, key);
		return NULL;
	}
	return list;
}

/* Feed all input.  1: the application failed, with testing->why. */
static int
feed_all(struct testing *testing, const struct ytree *test, struct err *e)
{
	const struct ytree *input = list_of(testing, test, "input", e);
	const struct ytree *open = ytree_get(test, "open");
	if (!input)
		return -1;
	for (int i = 0; i < input->n; i++) {
		int rc = feed(testing, input->item[i].value, e);
		if (rc > 0)
			err_wrap(&testing->why, "input record %d", i + 1);
		if (rc != 0)
			return rc;
	}
	bool is_open = open && open->kind == YTREE_TEXT && strcmp(open->text, "true") == 0;
	return !is_open && flow_task_end(testing->task, &testing->why) < 0;
}

static int
check_test(const struct testing *testing, const struct ytree_item *item, struct err *e)
{
	static const char *const known[] = { "input", "output", "open" };
	if (item->value->kind != YTREE_MAP)
		return fail(testing, item->line, "a test is a map: input, output", e);
	for (int i = 0; i < item->value->n; i++) {
		bool is_known = false;
		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			is_known = is_known || strcmp(known[k], item->value->item[i].key) == 0;
		if (!is_known)
			return err_set(e, ERR_USAGE, "%s:%d: key '%.60s' is not known: input, output, open",
				testing->file, item->value->item[i].line, item->value->item[i].key);
	}
	return 0;
}

/* 1: it failed; 0; -1: it makes no sense. */
static int
run_test(struct testing *testing, int number, const struct ytree_item *item, struct err *e)
{
	struct store_set_opts none = { .memory_max = 0 };
	testing->got.n = testing->expected.n = 0;
	testing->now_ms = 0;
	if (check_test(testing, item, e) < 0)
		return -1;
	const struct ytree *output = list_of(testing, item->value, "output", e);
	for (int i = 0; output && i < output->n; i++)
		if (take_expected(testing, output->item[i].value, e) < 0)
			return -1;
	struct store_set *set = output ? store_set_new(&none, e) : NULL;
	if (!set)
		return -1;
	testing->task = flow_task_new(testing->program->topo, 0, true, &testing->env, set, NULL, e);
	int rc = testing->task ? feed_all(testing, item->value, e) : -1;
	flow_task_free(testing->task);
	store_set_free(set);
	if (rc < 0)
		return -1;
	bool is_ok = rc == 0 && is_same(&testing->expected, &testing->got);
	printf("%sok %d - %s\n", is_ok ? "" : "not ", number, item->key);
	if (rc > 0)
		printf("#  %s\n", testing->why.msg);
	if (!is_ok)
		print_difference(&testing->expected, &testing->got);
	arena_reset(&testing->arena);
	return !is_ok;
}

int
testing_run(struct program *program, const char *file, const struct ytree *tests,
	struct err *e)
{
	struct testing testing = { .program = program, .file = file,
		.env = { on_emit, on_failed, on_dropped, on_next, 0 } };
	if (!tests || tests->kind != YTREE_MAP || tests->n == 0)
		return err_set(e, ERR_USAGE, "%s: there are no tests: 'tests' is a map of names to tests",
			file);
	testing.exprs = expr_set_new(NULL);
	testing.sorted = expr_add(testing.exprs, STR(sort_members), e);
	assert(testing.sorted);
	int nfailed = 0, rc = 0;
	printf("1..%d\n", tests->n);
	for (int i = 0; i < tests->n && rc >= 0; i++) {
		rc = run_test(&testing, i + 1, &tests->item[i], e);
		nfailed += rc > 0;
		if (rc < 0)
			printf("Bail out! %s\n", e->msg);
	}
	expr_set_free(testing.exprs);
	arena_release(&testing.arena);
	mem_free(testing.got.v);
	mem_free(testing.expected.v);
	return rc < 0 ? -1 : nfailed;
}
