#include "tap.h"

#include "stream/agg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct flow_fns *fns;
static struct err e;
static const struct flow_key key = { .bytes = STR("k") };
static const struct agg_place place = { .in_key = FLOW_KEY_TEXT };

/* An aggregate's state, on its own. */
struct held {
	struct buf state;
	bool has;
};

static struct str
held_str(const struct held *held)
{
	return held->has ? buf_str(&held->state) : STR_NULL;
}

static void
hold(struct held *held, struct str state)
{
	struct buf b = BUF_INIT;
	buf_put_str(&b, state);
	buf_grow(&b, 8); /* never NULL */
	b.n -= 8;
	buf_release(&held->state);
	held->state = b;
	held->has = state.n >= 0;
}

static int
change(struct flow_agg *agg, struct held *held, const char *value, bool is_add)
{
	struct buf out = BUF_INIT, inited = BUF_INIT;
	struct flow_args args = { .key = &key, .value = str_of(value) };
	flow_fns_next(fns);
	if (!held->has && agg->is_reduce) {
		hold(held, args.value);
		return 0;
	}
	struct str state = held_str(held);
	if (!held->has) {
		if (agg->state_size)
			state = (struct str){ buf_grow(&inited, (size_t)agg->state_size), agg->state_size };
		check_int(agg->init(agg, &args, &state, &inited, &e), 0);
		hold(held, state);
		state = held_str(held);
	}
	args.acc = state;
	int rc = (is_add ? agg->add : agg->sub)(agg, &args, &state, &out, &e);
	if (rc == 0 && !agg->state_size)
		hold(held, state);
	buf_release(&out);
	buf_release(&inited);
	return rc;
}

static void
add(struct flow_agg *agg, struct held *held, const char *value)
{
	if (change(agg, held, value, true))
		tap_fail(__FILE__, __LINE__, "%s: %s", value, e.msg);
}

static void
merge(struct flow_agg *agg, struct held *to, const struct held *left, const struct held *right)
{
	struct buf out = BUF_INIT;
	struct str state = STR_NULL;
	struct flow_args args = { .key = &key, .left = held_str(left), .right = held_str(right) };
	buf_puts(&out, "x"); /* unaligned */
	flow_fns_next(fns);
	if (agg->merge(agg, &args, &state, &out, &e))
		tap_fail(__FILE__, __LINE__, "merge: %s", e.msg);
	hold(to, state);
	buf_release(&out);
}

/* The row's value. */
static const char *
row(struct flow_agg *agg, const struct held *held, struct buf *b)
{
	struct str value = held_str(held);
	buf_reset(b);
	if (agg->result)
		check_int(agg->result(agg, value, &value, b, &e), 0);
	else
		buf_put_str(b, value.n < 0 ? STR("null") : value);
	buf_putc(b, 0);
	return (const char *)b->p;
}

static void
wants_row(struct flow_agg *agg, const struct held *held, const char *want)
{
	struct buf b = BUF_INIT;
	const char *got = row(agg, held, &b);
	if (strcmp(got, want) != 0)
		tap_fail(__FILE__, __LINE__, "%s, want %s", got, want);
	buf_release(&b);
}

/* Through the changelog: the same row, and the same bytes once more. */
static void
wants_packed(struct flow_agg *agg, struct held *held, const char *want)
{
	struct buf packed = BUF_INIT, state = BUF_INIT, again = BUF_INIT, b = BUF_INIT;
	check_int(agg->pack(agg, held_str(held), &packed, &e), 0);
	if (want && !str_eq(buf_str(&packed), str_of(want)))
		tap_fail(__FILE__, __LINE__, "packed: %.*s, want %s", STR_ARG(buf_str(&packed)), want);
	if (agg->unpack(agg, buf_str(&packed), &state, &e))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	char *before = mem_strdup(row(agg, held, &b));
	hold(held, buf_str(&state));
	wants_row(agg, held, before);
	check_int(agg->pack(agg, held_str(held), &again, &e), 0);
	check(str_eq(buf_str(&again), buf_str(&packed)));
	mem_free(before);
	buf_release(&packed);
	buf_release(&state);
	buf_release(&again);
	buf_release(&b);
}

/* Columns c0, c1, ... by the specs, which end with NULL. */
static struct flow_agg *
columns(const struct agg_place *at, const char *const *spec)
{
	static const char *const name[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7" };
	struct agg_column v[8];
	int n = 0;
	for (; spec[n]; n++)
		v[n] = (struct agg_column){ str_of(name[n]), str_of(spec[n]) };
	return agg_of_columns(fns, v, n, at, &e);
}

static struct flow_agg *
one(const char *spec)
{
	struct flow_agg *agg = columns(&place, (const char *const[]){ spec, NULL });
	if (!agg)
		tap_fail(__FILE__, __LINE__, "%s: %s", spec, e.msg);
	return agg;
}

static void
wants_one(const char *spec, const char *const *value, const char *want, const char *packed)
{
	struct held held = { BUF_INIT };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = one(spec);
	for (; *value; value++)
		add(agg, &held, *value);
	wants_row(agg, &held, want);
	wants_packed(agg, &held, packed ? packed : want);
	buf_release(&held.state);
	flow_fns_free(fns);
}

#define VALUES(...) ((const char *const[]){ __VA_ARGS__, NULL })

void
test_agg__each_aggregator(void)
{
	static const char *const v[] = { "{\"x\":3,\"s\":\"b\"}", "{\"x\":-1.5,\"s\":\"a\"}", "{}",
		"{\"x\":null,\"s\":\"b\"}", "{\"x\":10}", NULL };
	wants_one("count", v, "{\"c0\":5}", NULL);
	wants_one("count(.x)", v, "{\"c0\":3}", NULL);
	wants_one(" sum ( .x ) ", v, "{\"c0\":11.5}", NULL);
	wants_one("min(.x)", v, "{\"c0\":-1.5}", NULL);
	wants_one("max(.x)", v, "{\"c0\":10}", NULL);
	wants_one("avg(.x)", v, "{\"c0\":3.8333333333333335}", "{\"c0\":{\"sum\":11.5,\"n\":3}}");
	wants_one("first(.s)", v, "{\"c0\":\"b\"}", NULL);
	wants_one("last(.s)", v, "{\"c0\":\"b\"}", NULL);
	wants_one("last([.s, $key])", v, "{\"c0\":[null,\"k\"]}", NULL);
	wants_one("collect(.s)", v, "{\"c0\":[\"b\",\"a\",null,\"b\",null]}", NULL);
	wants_one("distinct(.s)", v, "{\"c0\":2}", "{\"c0\":{\"values\":[[\"b\",2],[\"a\",1]]}}");
	wants_one("quantile(.x; 0.5)", v, "{\"c0\":2.982}",
		"{\"c0\":{\"buckets\":[[-1048598,1],[1048634,1],[1048698,1]]}}");
	wants_one("quantile(.x; 0)", v, "{\"c0\":-1.5}", NULL); /* exactly */
	wants_one("quantile(.x; 1)", v, "{\"c0\":10}", NULL);
}

void
test_agg__of_nothing(void)
{
	static const char *const v[] = { "{}", NULL };
	wants_one("count(.x)", v, "{\"c0\":0}", NULL);
	wants_one("sum(.x)", v, "{\"c0\":0}", NULL);
	wants_one("min(.x)", v, "{\"c0\":null}", NULL);
	wants_one("avg(.x)", v, "{\"c0\":null}", "{\"c0\":{\"sum\":0,\"n\":0}}");
	wants_one("first(.x)", v, "{\"c0\":null}", NULL);
	wants_one("collect(.x | select(. != null))", v, "{\"c0\":[null]}", NULL);
	wants_one("distinct(.x)", v, "{\"c0\":0}", "{\"c0\":{\"values\":[]}}");
	wants_one("quantile(.x; 0.9)", v, "{\"c0\":null}", "{\"c0\":{\"buckets\":[]}}");
	wants_one("quantile(.x; 1)", v, "{\"c0\":null}", NULL);
}

void
test_agg__distinct_compares_texts(void)
{
	static const char *const v[] = { "1", "1.0", "\"1\"", "0", "-0", "1e0", "[1, 2]", "[1,2.0]",
		"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL };
	wants_one("distinct(.)", v, "{\"c0\":6}", "{\"c0\":{\"values\":[[1,3],[\"1\",1],[0,2],"
		"[[1,2],2],[{\"a\":1,\"b\":2},1],[{\"b\":2,\"a\":1},1]]}}");
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = one("distinct_approx(.)");
	struct held held = { BUF_INIT };
	for (int i = 0; v[i]; i++)
		add(agg, &held, v[i]);
	wants_row(agg, &held, "{\"c0\":6}");
	wants_packed(agg, &held, NULL);
	buf_release(&held.state);
	flow_fns_free(fns);
}

void
test_agg__several_columns_share_a_state(void)
{
	static const char *const fixed[] = { "count", "sum(.x)", "max(.x)", NULL };
	static const char *const mixed[] = { "collect(.x)", "count", "last(.s)", "avg(.x)", NULL };
	struct held held = { BUF_INIT };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = columns(&place, fixed);
	check_int(agg->state_size, 32);
	for (int i = 0; i < 3; i++)
		add(agg, &held, "{\"x\":2}");
	wants_row(agg, &held, "{\"c0\":3,\"c1\":6,\"c2\":2}");
	wants_packed(agg, &held, "{\"c0\":3,\"c1\":6,\"c2\":2}");
	hold(&held, STR_NULL);
	agg = columns(&place, mixed);
	check_int(agg->state_size, 0);
	add(agg, &held, "{\"x\":2,\"s\":\"],}\\\"\"}");
	add(agg, &held, "{\"x\":3}");
	wants_row(agg, &held, "{\"c0\":[2,3],\"c1\":2,\"c2\":\"],}\\\"\",\"c3\":2.5}");
	wants_packed(agg, &held, NULL);
	add(agg, &held, "{\"x\":7,\"s\":{\"a\":[]}}");
	wants_row(agg, &held, "{\"c0\":[2,3,7],\"c1\":3,\"c2\":{\"a\":[]},\"c3\":4}");
	buf_release(&held.state);
	flow_fns_free(fns);
}

void
test_agg__a_record_that_fails_changes_nothing(void)
{
	static const char *const fixed[] = { "count", "sum(.x)", NULL };
	static const char *const mixed[] = { "count", "collect(.x)", "sum(.y)", NULL };
	struct held held = { BUF_INIT };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = columns(&place, fixed);
	add(agg, &held, "{\"x\":1}");
	check_int(change(agg, &held, "{\"x\":\"1\"}", true), -1);
	check(strcmp(e.msg, "c1: the result is no number but string") == 0);
	check_int(change(agg, &held, "{\"x\":1e1000}", true), -1);
	add(agg, &held, "{\"x\":1.7e308}");
	check_int(change(agg, &held, "{\"x\":1.7e308}", true), -1);
	check(strcmp(e.msg, "c1: the sum is beyond the largest number") == 0);
	wants_row(agg, &held, "{\"c0\":2,\"c1\":1.7e+308}");
	hold(&held, STR_NULL);
	agg = columns(&place, mixed);
	add(agg, &held, "{\"x\":1,\"y\":2}");
	check_int(change(agg, &held, "{\"x\":1,\"y\":{}}", true), -1);
	wants_row(agg, &held, "{\"c0\":1,\"c1\":[1],\"c2\":2}");
	buf_release(&held.state);
	flow_fns_free(fns);
}

/* The numbers are read first, and added later: the same, or the record is left to add. */
void
test_agg__adding_in_two_steps_is_the_same(void)
{
	static const char *const v[] = { "{\"x\":3}", "{}", "{\"x\":0.1}", "{\"x\":null}",
		"{\"x\":-7e290}", "{\"x\":1e16}" };
	double numbers[6], beyond[6];
	struct held held = { BUF_INIT }, later = { BUF_INIT };
	struct flow_args args = { .key = &key };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = columns(&place, (const char *const[]){ "count", "count(.x)", "sum(.x)",
		"min(.x)", "max(.x)", "avg(.x)", NULL });
	check_int(agg->nread, 6);
	uint8_t zero[72] = { 0 }; /* 8 + 8 + 8 + 16 + 16 + 16 */
	check_int(agg->state_size, sizeof zero);
	hold(&later, (struct str){ zero, agg->state_size });
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		flow_fns_next(fns);
		args.value = str_of(v[i]);
		check_int(agg->read(agg, &args, numbers, &e), 1);
		args.value = STR("{\"x\":1e300}");
		check_int(agg->read(agg, &args, beyond, &e), 0);
		args.value = STR("{\"x\":[]}");
		check_int(agg->read(agg, &args, beyond, &e), -1);
		agg->add_read(agg, numbers, buf_str(&later.state));
		add(agg, &held, v[i]);
		check(str_eq(buf_str(&held.state), buf_str(&later.state)));
	}
	check(!one("last(.x)")->read);
	check(!columns(&place, (const char *const[]){ "count", "distinct_approx(.x)", NULL })->read);
	buf_release(&held.state);
	buf_release(&later.state);
	flow_fns_free(fns);
}

void
test_agg__lists_have_a_limit(void)
{
	static const char *const spec[] = { "collect(.; 3)", "distinct(.; 3)" };
	for (int i = 0; i < 2; i++) {
		struct held held = { BUF_INIT };
		fns = flow_fns_new(NULL);
		struct flow_agg *agg = one(spec[i]);
		add(agg, &held, "1");
		add(agg, &held, "2");
		add(agg, &held, "3");
		check_int(change(agg, &held, "4", true), -1);
		check_int(e.class, ERR_LIMIT);
		check(strstr(e.msg, "has more than 3 values: raise its limit"));
		buf_release(&held.state);
		flow_fns_free(fns);
	}
}

/* What was added and taken back is as if it had never been there. */
void
test_agg__what_can_be_taken_back(void)
{
	static const char *const spec[] = { "count", "count(.x)", "sum(.x)", "avg(.x)", "collect(.x)",
		"distinct(.x)", "quantile(.x; 0.9)", NULL };
	const struct agg_place table = { .in_key = FLOW_KEY_TEXT, .is_table = true };
	struct held held = { BUF_INIT }, want = { BUF_INIT };
	struct buf b = BUF_INIT;
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = columns(&table, spec);
	check(agg);
	add(agg, &want, "{\"x\":1}");
	add(agg, &want, "{\"x\":2}");
	add(agg, &held, "{\"x\":7}");
	add(agg, &held, "{\"x\":1}");
	add(agg, &held, "{}");
	add(agg, &held, "{\"x\":2}");
	check_int(change(agg, &held, "{\"x\":7}", false), 0);
	check_int(change(agg, &held, "{}", false), 0);
	wants_row(agg, &want, row(agg, &held, &b));
	wants_packed(agg, &held, "{\"c0\":2,\"c1\":2,\"c2\":3,\"c3\":{\"sum\":3,\"n\":2},\"c4\":[1,2],"
		"\"c5\":{\"values\":[[1,1],[2,1]]},\"c6\":{\"buckets\":[[1048576,1],[1048613,1]]}}");
	static const char *const no[] = { "min(.x)", "max(.x)", "first(.x)", "last(.x)",
		"distinct_approx(.x)" };
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		check(!columns(&table, VALUES("count", no[i])));
		check(strstr(e.msg, "c1: ") == e.msg && strstr(e.msg, "cannot be told when a row"));
	}
	buf_release(&b);
	buf_release(&held.state);
	buf_release(&want.state);
	flow_fns_free(fns);
}

static void
random_value(char *text, size_t size)
{
	static const char *const other[] = { "null", "\"a\"", "\"b,]\\\"\"", "[1,{}]", "{\"k\":[]}" };
	if (rand() % 4 == 0)
		snprintf(text, size, "{\"s\":%s}", other[rand() % 5]);
	else
		snprintf(text, size, "{\"x\":%d,\"s\":%d}", rand() % 2000 - 1000, rand() % 50);
}

void
test_agg__two_sessions_merged_are_as_one(void)
{
	static const char *const spec[] = { "count", "sum(.x)", "min(.x)", "first(.s)", "collect(.s)",
		"distinct(.s)", "distinct_approx(.s)", "quantile(.x; 0.25)", NULL };
	static const char *const fixed[] = { "count(.x)", "max(.x)", "avg(.x)", NULL };
	srand(1);
	for (int i = 0; i < 200; i++) {
		struct held all = { BUF_INIT }, left = { BUF_INIT }, right = { BUF_INIT };
		struct buf b = BUF_INIT;
		fns = flow_fns_new(NULL);
		struct flow_agg *agg = columns(&place, i % 2 ? spec : fixed);
		check(agg);
		for (int n = rand() % 40 + 2, j = 0, cut = rand() % (n - 1) + 1; j < n; j++) {
			char text[100];
			random_value(text, sizeof text);
			add(agg, &all, text);
			add(agg, j < cut ? &left : &right, text);
		}
		merge(agg, &left, &left, &right);
		wants_row(agg, &left, row(agg, &all, &b));
		wants_packed(agg, &left, NULL);
		buf_release(&b);
		buf_release(&all.state);
		buf_release(&left.state);
		buf_release(&right.state);
		flow_fns_free(fns);
	}
}

void
test_agg__quantiles_are_within_one_percent(void)
{
	static const double want[] = { 0.01, 0.5, 0.9, 0.99, 1 };
	char spec[40], text[40];
	struct buf b = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct held held = { BUF_INIT };
		fns = flow_fns_new(NULL);
		snprintf(spec, sizeof spec, "quantile(.; %g)", want[i]);
		struct flow_agg *agg = one(spec);
		for (int n = 1; n <= 1000; n++) {
			snprintf(text, sizeof text, "%d.5", n * n);
			add(agg, &held, text);
		}
		double rank = ceil(want[i] * 1000), right = rank * rank + .5;
		double got = atof(row(agg, &held, &b) + 6);
		check(fabs(got - right) <= right * 0.01);
		buf_release(&held.state);
		flow_fns_free(fns);
	}
	buf_release(&b);
}

void
test_agg__hyperloglog_is_within_five_standard_errors(void)
{
	char text[40];
	struct buf b = BUF_INIT;
	struct held held = { BUF_INIT };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = one("distinct_approx(.)");
	check_int(agg->state_size, 4096);
	for (int n = 1; n <= 100000; n++) {
		snprintf(text, sizeof text, "%d", n);
		add(agg, &held, text);
		if (n != 10 && n != 1000 && n != 20000 && n != 100000)
			continue;
		double got = atof(row(agg, &held, &b) + 6);
		check(fabs(got - n) <= n * 5 * 0.01625);
	}
	buf_release(&b);
	buf_release(&held.state);
	flow_fns_free(fns);
}

void
test_agg__wrong_specs_are_told_with_their_column(void)
{
	static const struct {
		const char *spec, *want;
	} v[] = {
		{ "", "c0: column 1: '' is no aggregator; there are count, sum, min" },
		{ "summ(.x)", "c0: column 1: 'summ' is no aggregator; there are count, sum, min" },
		{ "sum", "c0: column 4: sum wants an expression: sum(.amount)" },
		{ "sum .x", "c0: column 5: sum wants an expression: sum(.amount)" },
		{ "sum(.x", "c0: column 4: '(' is not closed" },
		{ "sum()", "c0: column 1: the expression is empty" },
		{ "sum(.x + foo)", "c0: column 10: foo/0 is not defined" },
		{ "sum(.x))", "c0: column 7: ')' closes nothing" },
		{ "sum($acc)", "c0: column 5: an aggregator sees '.' and $key only" },
		{ "quantile(.x)", "c0: column 12: quantile wants the part below it" },
		{ "quantile(.x; 99)", "c0: column 13: quantile wants the part below it" },
		{ "collect(.x; 0)", "c0: column 12: collect wants a limit of 1 to 1000000" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		fns = flow_fns_new(NULL);
		check(!columns(&place, VALUES(v[i].spec)));
		check_int(e.class, ERR_USAGE);
		if (strncmp(e.msg, v[i].want, strlen(v[i].want)) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s, want %s", v[i].spec, e.msg, v[i].want);
		flow_fns_free(fns);
	}
	fns = flow_fns_new(NULL);
	struct agg_column twice[] = { { STR("a\""), STR("count") }, { STR("a\""), STR("sum(.)") } };
	check(!agg_of_columns(fns, twice, 2, &place, &e));
	check(strcmp(e.msg, "there are two columns 'a\"'") == 0);
	flow_fns_free(fns);
}

void
test_agg__a_changelog_entry_of_others_is_refused(void)
{
	static const char *const spec[] = { "count", "avg(.x)", "first(.x)", "collect(.x)",
		"distinct(.x)", "quantile(.x; 0.5)", NULL };
	static const char right[] = "{\"c0\":2,\"c1\":{\"sum\":3,\"n\":2},\"c2\":\"a\\\"]\","
		"\"c3\":[1,[2]],"
		"\"c4\":{\"values\":[[1,1],[2,1]]},\"c5\":{\"buckets\":[[5,1],[7,1]]}}";
	struct buf out = BUF_INIT;
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = columns(&place, spec);
	check_int(agg->unpack(agg, str_of(right), &out, &e), 0);
	for (int32_t n = 0; n < (int32_t)sizeof right - 1; n++) {
		struct buf cut = BUF_INIT; /* on the heap, so that ASan sees a read behind its end */
		buf_put(&cut, right, (size_t)n);
		check_int(agg->unpack(agg, buf_str(&cut), &out, &e), -1);
		check_int(e.class, ERR_CORRUPT);
		buf_release(&cut);
	}
	static const char *const wrong[] = { "null", "{}", "{\"c0\":2}", "3", "{\"c0\":1.5,",
		"{\"c0\":2,\"c1\":3}", "{\"c0\":99999999999999999999,\"c1\":3}" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		check_int(agg->unpack(agg, str_of(wrong[i]), &out, &e), -1);
	buf_release(&out);
	flow_fns_free(fns);
}

void
test_agg__count_alone_is_a_plain_number(void)
{
	struct held held = { BUF_INIT }, other = { BUF_INIT };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = agg_of_count(fns);
	for (int i = 0; i < 12; i++)
		add(agg, &held, "{}");
	check_int(change(agg, &held, "1", false), 0);
	add(agg, &other, "{}");
	wants_row(agg, &held, "11");
	wants_packed(agg, &held, "11");
	merge(agg, &held, &held, &other);
	wants_row(agg, &held, "12");
	buf_release(&held.state);
	buf_release(&other.state);
	flow_fns_free(fns);
}

void
test_agg__reduce_and_aggregate_are_expressions(void)
{
	struct held held = { BUF_INIT }, right = { BUF_INIT };
	struct agg_exprs exprs = { .is_reduce = true, .init = STR_NULL, .add = STR("$acc + ."),
		.sub = STR("$acc - ."), .merge = STR_NULL };
	fns = flow_fns_new(NULL);
	struct flow_agg *agg = agg_of_exprs(fns, &exprs, &place, &e);
	add(agg, &held, "5");
	add(agg, &held, "2");
	wants_row(agg, &held, "7");
	check_int(change(agg, &held, "1", false), 0);
	wants_row(agg, &held, "6");
	add(agg, &right, "4");
	merge(agg, &held, &held, &right);
	wants_row(agg, &held, "10");
	check_int(change(agg, &held, "\"x\"", true), -1);
	wants_row(agg, &held, "10");

	exprs = (struct agg_exprs){ .init = STR("{n: []}"), .sub = STR_NULL,
		.add = STR("if ($acc.n | length) > 2 then null else {n: ($acc.n + [., $key])} end"),
		.merge = STR("{n: ($left.n + $right.n)}") };
	agg = agg_of_exprs(fns, &exprs, &place, &e);
	hold(&held, STR_NULL);
	hold(&right, STR_NULL);
	add(agg, &held, "5");
	add(agg, &right, "6");
	wants_row(agg, &held, "{\"n\":[5,\"k\"]}");
	merge(agg, &held, &held, &right);
	wants_row(agg, &held, "{\"n\":[5,\"k\",6,\"k\"]}");
	add(agg, &held, "7");
	check(!held.has);
	add(agg, &held, "8");
	wants_row(agg, &held, "{\"n\":[8,\"k\"]}");

	const struct agg_place table = { .is_table = true }, session = { .is_session = true };
	check(!agg_of_exprs(fns, &exprs, &table, &e));
	check(strstr(e.msg, "an expression 'sub'"));
	exprs.merge = STR_NULL;
	check(!agg_of_exprs(fns, &exprs, &session, &e));
	check(strstr(e.msg, "an expression 'merge'"));
	exprs.sub = STR("$acc +");
	check(!agg_of_exprs(fns, &exprs, &table, &e));
	check(strcmp(e.msg, "sub: column 7: the expression ends too early") == 0);
	exprs.init = STR("$key");
	check(!agg_of_exprs(fns, &exprs, &place, &e));
	buf_release(&held.state);
	buf_release(&right.state);
	flow_fns_free(fns);
}
