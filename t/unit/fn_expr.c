#include "tap.h"

#include "stream/fn_expr.h"

#include <stdio.h>

static struct flow_fns *fns;
static struct err e;

static struct flow_fn *
add(enum flow_gives gives, enum flow_key_format in_key, enum flow_key_format out_key,
	const char *text)
{
	struct flow_place place = { gives, in_key, out_key };
	struct flow_fn *fn = flow_fns_add(fns, str_of(text), &place, &e);
	if (!fn)
		tap_fail(__FILE__, __LINE__, "%s: %s", text, e.msg);
	return fn;
}

static void
wants_str(struct str got, const char *want)
{
	if (!str_eq(got, str_of(want)))
		tap_fail(__FILE__, __LINE__, "%.*s, want %s", STR_ARG(got), want ? want : "null");
}

/* A text key and its value through an expression that gives a key of the format. */
static void
wants_key(const char *text, enum flow_key_format out_key, const char *value, const char *want)
{
	struct flow_key key = { .bytes = STR("k\"1") };
	struct flow_args args = { .key = &key, .value = str_of(value) };
	struct str out;
	fns = flow_fns_new(NULL);
	struct flow_fn *fn = add(FLOW_GIVES_KEY, FLOW_KEY_TEXT, out_key, text);
	check_int(fn->value(fn, &args, &out, &e), 0);
	wants_str(out, want);
	flow_fns_free(fns);
}

void
test_fn_expr__new_keys_are_bytes_of_the_places_format(void)
{
	wants_key(".", FLOW_KEY_TEXT, "\"a\\n\\u0001\\\"b\"", "a\n\001\"b");
	wants_key(".", FLOW_KEY_TEXT, "\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80");
	wants_key(".", FLOW_KEY_TEXT, "\"\"", "");
	wants_key(".", FLOW_KEY_TEXT, "[1, \"x\"]", "[1,\"x\"]");
	wants_key(".", FLOW_KEY_TEXT, "12.50", "12.5");
	wants_key(".", FLOW_KEY_TEXT, "null", NULL);
	wants_key("empty", FLOW_KEY_TEXT, "1", NULL);
	wants_key(".", FLOW_KEY_JSON, "\"a\"", "\"a\"");
	wants_key("$key", FLOW_KEY_JSON, "1", "\"k\\\"1\"");
	wants_key("$key", FLOW_KEY_TEXT, "1", "k\"1");
}

void
test_fn_expr__bytes_that_are_no_text_are_base64(void)
{
	struct flow_key key = { .bytes = STR("\xff\x00\x80") };
	struct flow_args args = { .key = &key, .value = STR("1") };
	struct str out;
	fns = flow_fns_new(NULL);
	struct flow_fn *same = add(FLOW_GIVES_KEY, FLOW_KEY_BYTES, FLOW_KEY_BYTES, "$key");
	struct flow_fn *json = add(FLOW_GIVES_VALUE, FLOW_KEY_BYTES, FLOW_KEY_BYTES, "$key");
	struct flow_fn *bad = add(FLOW_GIVES_KEY, FLOW_KEY_BYTES, FLOW_KEY_BYTES, "{b64: \"?\"}");
	check_int(same->value(same, &args, &out, &e), 0);
	check(str_eq(out, key.bytes));
	check_int(json->value(json, &args, &out, &e), 0);
	wants_str(out, "{\"b64\":\"/wCA\"}");
	check_int(bad->value(bad, &args, &out, &e), -1);
	key.bytes = STR("text");
	flow_fns_next(fns);
	check_int(json->value(json, &args, &out, &e), 0);
	wants_str(out, "\"text\"");
	flow_fns_free(fns);
}

void
test_fn_expr__a_windowed_key_is_an_object(void)
{
	struct flow_key key = { STR("a"), 10, INT64_MAX, true };
	struct flow_args args = { .key = &key, .value = STR("1") };
	struct str out;
	fns = flow_fns_new(NULL);
	struct flow_fn *fn = add(FLOW_GIVES_VALUE, FLOW_KEY_TEXT, FLOW_KEY_TEXT, "$key.key, $key.start"
		" | select(. != 10)");
	check_int(fn->value(fn, &args, &out, &e), 0);
	wants_str(out, "\"a\"");
	struct buf b = BUF_INIT;
	flow_key_put_json(&key, FLOW_KEY_TEXT, &b);
	wants_str(buf_str(&b), "{\"key\":\"a\",\"start\":10,\"end\":9223372036854775807}");
	buf_release(&b);
	flow_fns_free(fns);
}

void
test_fn_expr__pairs_are_taken_apart(void)
{
	struct flow_key key = { .bytes = STR("k") };
	struct flow_args args = { .key = &key, .value = STR("[1,{\"a\":[2,\"],\\\\\"]},null]") };
	struct flow_pair *v;
	fns = flow_fns_new(NULL);
	struct flow_fn *pair = add(FLOW_GIVES_PAIR, FLOW_KEY_TEXT, FLOW_KEY_TEXT, "[\"x,\\\"\", .]");
	struct flow_fn *list = add(FLOW_GIVES_PAIRS, FLOW_KEY_TEXT, FLOW_KEY_JSON,
		"[.[] | [$key, .]]");
	struct flow_fn *each = add(FLOW_GIVES_EACH, FLOW_KEY_TEXT, FLOW_KEY_TEXT, ".[]");
	struct flow_fn *row = add(FLOW_GIVES_ROW_KEY, FLOW_KEY_TEXT, FLOW_KEY_TEXT, ".[0]");
	check_int(pair->pairs(pair, &args, &v, &e), 1);
	wants_str(v[0].key, "x,\"");
	wants_str(v[0].value, "[1,{\"a\":[2,\"],\\\\\"]},null]");
	check_int(list->pairs(list, &args, &v, &e), 3);
	wants_str(v[1].key, "\"k\"");
	wants_str(v[1].value, "{\"a\":[2,\"],\\\\\"]}");
	wants_str(v[2].value, NULL);
	check_int(each->pairs(each, &args, &v, &e), 3);
	wants_str(v[2].key, "k");
	wants_str(v[2].value, NULL);
	check_int(row->pairs(row, &args, &v, &e), 1);
	wants_str(v[0].key, "1");
	check(v[0].value.p == args.value.p);
	struct flow_fn *bad = add(FLOW_GIVES_PAIR, FLOW_KEY_TEXT, FLOW_KEY_TEXT, "[1,2,3], [1], 1");
	check_int(bad->pairs(bad, &args, &v, &e), -1);
	static const char *const wrong[] = { "[1,2,3]", "[1]", "[]", "1", "null", "{}", "empty" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		bad = add(FLOW_GIVES_PAIR, FLOW_KEY_TEXT, FLOW_KEY_TEXT, wrong[i]);
		check_int(bad->pairs(bad, &args, &v, &e), -1);
		check(strstr(e.msg, "the result is not [key, value]: "));
	}
	flow_fns_free(fns);
}

void
test_fn_expr__a_test_sees_all_variables(void)
{
	struct flow_key key = { .bytes = STR("k") };
	struct flow_args args = { .key = &key, .value = STR("1"), .acc = STR("2"), .left = STR("3"),
		.right = STR_NULL };
	fns = flow_fns_new(NULL);
	struct flow_fn *fn = add(FLOW_GIVES_TEST, FLOW_KEY_TEXT, FLOW_KEY_TEXT,
		"[$key, ., $acc, $left, $right] == [\"k\", 1, 2, 3, null]");
	check_int(fn->test(fn, &args, &e), 1);
	key.bytes = STR("l");
	flow_fns_next(fns);
	check_int(fn->test(fn, &args, &e), 0);
	flow_fns_free(fns);
}
