#include "tap.h"

#include "json/compiled.h"
#include "json_orders.h"

#include <jq.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- libjq, which is always right ---- */

/* Some of libjq's functions leak (ltrimstr, rtrimstr, a slice that is an error). */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}

static void
ignore(void *to, jv msg)
{
	(void)to;
	jv_free(msg);
}

static jq_state *
jq_new(const char *program)
{
	jq_state *jq = jq_init();
	jv vars = jv_object();
	static const char *const names[] = { "key", "acc", "left", "right" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		vars = jv_object_set(vars, jv_string(names[i]), jv_string("v"));
	jq_set_error_cb(jq, ignore, NULL);
	setenv("HOME", "/dev/null", 1);
	if (!jq_compile_args(jq, program, vars)) {
		jq_teardown(&jq);
		return NULL;
	}
	return jq;
}

/* The results, one a line; "error" where there is one. */
static void
jq_results(jq_state *jq, const char *text, struct buf *out)
{
	jv input = jv_parse(text);
	buf_reset(out);
	if (!jv_is_valid(input)) {
		jv_free(input);
		buf_puts(out, "error");
		return;
	}
	jq_start(jq, input, 0);
	jv v;
	while (jv_is_valid(v = jq_next(jq))) {
		v = jv_dump_string(v, 0);
		buf_put(out, jv_string_value(v), (size_t)jv_string_length_bytes(jv_copy(v)));
		buf_putc(out, '\n');
		jv_free(v);
	}
	if (jv_invalid_has_msg(jv_copy(v))) {
		buf_reset(out);
		buf_puts(out, "error");
	}
	jv_free(v);
}

/* ---- both ---- */

static struct compiled_set *set;
static struct buf want = BUF_INIT, is = BUF_INIT;
static int nasked;

static void
compiled_results(struct compiled *program, const char *text, struct buf *out)
{
	struct expr_in in = { { str_of(text), STR("\"v\""), STR("\"v\""), STR("\"v\""),
		STR("\"v\"") } };
	struct str *v;
	int n = compiled_each(program, &in, &v);
	buf_reset(out);
	if (n < 0)
		buf_puts(out, "ask");
	for (int i = 0; i < n; i++) {
		buf_put_str(out, v[i].n < 0 ? STR("null") : v[i]);
		buf_putc(out, '\n');
	}
}

/* The compiled program asks, or has libjq's results. */
static void
compare(const char *program, struct compiled *compiled, jq_state *jq, const char *text)
{
	compiled_set_next(set);
	compiled_results(compiled, text, &is);
	if (str_eq(buf_str(&is), STR("ask"))) {
		nasked++;
		return;
	}
	jq_results(jq, text, &want);
	if (!str_eq(buf_str(&is), buf_str(&want)))
		tap_fail(__FILE__, __LINE__, "%s of %s: %.*s, want %.*s", program, text,
			STR_ARG(buf_str(&is)), STR_ARG(buf_str(&want)));
}

static void
check_equal(const char *const *program, size_t nprogram, const char *const *text, size_t ntext)
{
	for (size_t i = 0; i < nprogram; i++) {
		set = compiled_set_new();
		struct compiled *compiled = compiled_add(set, str_of(program[i]));
		if (!compiled)
			tap_fail(__FILE__, __LINE__, "%s is not covered", program[i]);
		jq_state *jq = jq_new(program[i]);
		if (!jq)
			tap_fail(__FILE__, __LINE__, "%s does not compile in libjq", program[i]);
		for (size_t j = 0; j < ntext; j++)
			compare(program[i], compiled, jq, text[j]);
		jq_teardown(&jq);
		compiled_set_free(set);
	}
	buf_release(&want);
	buf_release(&is);
}

static const char *const texts[] = {
	"null", "true", "false", "0", "-0", "-0.0", "1", "1.0", "12", "-7", "5.9", "1e3", "1E-2",
	"0.1", "123.45", "100.10", "9007199254740993", "123456789012345678", "1e15", "1e16", "1e17",
	"12e15", "0.0001", "0.00001", "0.00012345", "1e-7", "5e-324", "1.7976931348623157e308",
	"1e1000", "-1e1000", "0.30000000000000004", "1.23456789012345678", "4.35", "999999999999999",
	"1000000000000000.5", "0.1234567", "0.000123456789012345", "[]", "{}", "\"\"", "\"a\"",
	"\"abc\"", "\"a,b,c\"", "\"a,b,\"", "\",\"", "\"AbC\\u00e9\"", "\"\\u0000x\"",
	"\"\\u001f\\u007f\"", "\"\\ud83d\\ude00\\/\\\"\\\\\"", "\"\xc3\xa9\xf0\x9f\x98\x80z\"",
	"\"\x7f\"", "\"12\"", "\"-1.50\"", "\" 12\"", "\"nan\"", "\"1e1000\"", "[1,2,3]",
	"[3,1,2,1.0]", "[null,false,0,\"\",[],{}]", "[\"b\",\"a\"]", "[\"a\",1,null,true,\"b\"]",
	"[[1,2],[3]]", "[{\"a\":1},{\"a\":2,\"b\":[1]}]", "[{\"a\":1},3,{\"a\":2}]", "{\"a\":1}",
	"{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":1,\"a\":2}", "{\"a\":{\"b\":{\"c\":5}}}",
	"{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "{\"a\":null,\"b\":false}",
	"{\"\\u0061\":7,\"id\":\"x\",\"amount\":100.5}", "{\"id\":\"o-1\",\"amount\":200,\"x\":[1]}",
	" { \"a\" : [ 1 , 2.50 , \"x\\n\" ] , \"b\":\t{ } }\n",
	"{\"a\":[],\"b\":\"x\",\"c\":{\"d\":1e2}}", "{\"a\":\"text\",\"amount\":\"12\"}",
	"{\"key\":1,\"value\":2}", "{\"\":1}", "[[[[1]]]]", "[true,true]", "[false]",
	"\"2026-11-30T12:00:00Z\"", "\"2024-02-29T23:59:59Z\"", "\"2026-13-01T00:00:00Z\"",
	"\"1970-01-01T00:00:00Z\"", "\"2026-11-30T12:00:00.123Z\"", "\"2026-07-01T00:00:60Z\"",
	"1764504000", "1764504000.75", "99999999999", "[1,[2,{\"a\":\"\\t\"}]]",
	"{\"a\":[{\"b\":1},{\"b\":2}]}",
	/* What is not plain JSON, or none: libjq is asked. */
	"", " ", "nan", "NaN", "[nan]", "01", "+1", ".5", "1.", "-", "1e", "tru", "nul", "[1,]",
	"[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:2}", "[1 2]", "1 2", "[1",
	"{\"a\":1", "]", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\x01\"",
	"\"\x1f\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "{\"\xff\":1}", "\xef\xbb\xbf[]",
	"[1]x", "'a'", "/", "[\"a\" \"b\"]", "{\"a\":1 \"b\":2}", "[1,2]]", "{}{}", "\"a\"\"b\"",
};

void
test_compiled__paths_and_slices_equal_libjqs(void)
{
	static const char *const programs[] = {
		".", ".a", ".a.b", ".a.b.c", ".a.b?", ".a?.b", ".[\"a\"]", ".\"a\"", ".a[\"b\"]", ".[0]",
		".[-1]", ".[1.5]", ".[0:1]", ".[:2]", ".[1:]", ".[-2:]", ".[:-1]", ".[0.5:1.5]", ".[]",
		".[]?", ".a[]", ".[].a", ".[].a?", "[.[].a?]", "[(.[]|.a)?]", ".[0,1]", ".[\"a\",\"b\"]",
		".a,.b", ".a.b, .a", "(.a,.b).c?", ".[.a]?", ".a[0]?", ".a[0].b?", ".[null:1]",
		".[0:null]", "[.[0:1][]?]", "(.a)?", "[([.a.b?, 1])?]", "[(((1)? | .a), 2)?]",
		"[(((.[])? | .a), 2)?]", "(((1)? | .a) // 2)?", ".a // .b", "(.a // .b) // 3",
		"[.[]?] // 1", "[.[]? // 9]", "(.[]?, null) // 2", ".id", "{id, amount}",
		"select(.amount > 100)?", "select(.a?) | {a}", ".a as $x | [$x, .b]", ".[0:1,2]",
		".[1,2:]",
	};
	check_equal(programs, ARRAY_LEN(programs), texts, ARRAY_LEN(texts));
	check(nasked > 0);
}

void
test_compiled__operators_equal_libjqs(void)
{
	static const char *const programs[] = {
		". + 1", ". + null", "null + .", ". + .", ". + \"x\"", ". + [1]", ". + {a: 9, z: 1}",
		". - 1", ". - .", ". - [1]", ". * 2", ". * .", ". / 2", ". / 3", ". / 0", ". / \",\"",
		". / \"\"", ". % 3", ". % -3", ". % 0.5", "7 % .", "-.", "-(.a)", "1 - -.", "-1 * 2 + 3",
		". == 1", ". != 1", ". < 1", ". > 100", ". <= .", ". >= \"a\"", ". == null", ". < \"b\"",
		". == [1,2,3]", ". < [2]", ". == {a: 1}", ". < {b: 1}", ". > {\"a\": 1}",
		". == {b: 2, a: 3}", "(. > 1) and (. < 9)", ". or false", ". and true", "(. | not)",
		"[(true, false) and (true, false)]", "[(true, null) or (., 1)]", "[(1,2) + (10,20)]",
		"[(1,2) == (1,2)]", ". as $x | [$x, 1] | length", "[.,1] < [.,2]", ". == .", "[.] == [.]",
		". + 0.1", ". * 1e300", ". * 1e-300", "0 * .", "1 / 3", "0.1 + 0.2", ". - 0.1",
		"2 * 3 - 4 / 5", "1e1000", "-1", "-0", "[1e15, 1e16, 1e17, 12e15, 1e-5, 123456.789e3]",
		". > \"x\" or . < \"c\"", "if . then 1 else 2 end",
		"if . > 1 then . elif . == 1 then \"one\" else null end",
		"if (true,false) then (1,2) else (3,4) end", "[.[]? | . * 2]?",
		"[(1,2) as $x | (3,4) as $y | [$x,$y]]",
		"reduce .[]? as $x (0; . + ($x | if type == \"number\" then . else 1 end))",
		"reduce .[]? as $x (0; empty)", "[range(3)]", "[range(1;3)]", "[range(0,1;3,4)]",
		"[range(.; 3)]?", "(1,2,3) | select(. > 1)", "[.,.] | .[0] == .[1]", "1, 2 | . + 1",
		"[1,2] - [2] + [3]", "[-(1,2)]", "[(.[]?, .) | type]", "[.[]?] == []",
		"{a: {b: 1, c: {d: 2}}} * {a: {c: {e: 3}}}",
	};
	check_equal(programs, ARRAY_LEN(programs), texts, ARRAY_LEN(texts));
}

void
test_compiled__constructions_equal_libjqs(void)
{
	static const char *const programs[] = {
		"[]", "[.]", "[., .]", "{}", "{a: .}", "{a, b}?", "{\"a b\": 1, c: .}", "{(tostring): 1}",
		"{a: 1, a: 2}", "{a:(1,2),b:(3,4)}", "{(\"x\",\"y\"): (1,2)}", "{\"x\\(1)\": .}",
		"{$key, b: $acc}", "{if: 1, then: 2}", "{a: -1}", "{a: . | type}", "{a: [.[]?]}", "{a,}?",
		"[.[]?, 1]", "\"a\"", "\"\\u00e9\\n\\ud83d\\ude00\"", "\"x\\(.)y\"",
		"\"\\(1,2)-\\(3,4)\"", "\"\\(\"in\\(.)\")\"", "\"(\" + tostring + \")\"", "\"\"", "$key",
		"[$left, $right]", "($key | tostring) + \"=\" + tostring", "[[$key, .], [$key, .]]",
		"{a: {b: .}}", "{\"a\":1} | .a", "[{a: 1}, {a: 2}] | map(.a)", "# comment\n. # more",
		"[.\n,\t.]", "{a: \"\\(.)\"}", "\"\\u007f\"", "\"\x7f\"", "\"\\\\(\" + \"\\\"\"",
		"{a: 1 | . }", "[1,2,3] | .[1:]", "{\"a\":.} | {a}", "[{} , {}]",
	};
	check_equal(programs, ARRAY_LEN(programs), texts, ARRAY_LEN(texts));
}

void
test_compiled__functions_equal_libjqs(void)
{
	static const char *const programs[] = {
		"length", "type", "tostring", "tonumber", "tojson", "not", "keys", "keys_unsorted", "add",
		"min", "max", "floor", "sqrt", "any", "all", "first", "last", "to_entries", "reverse",
		"empty", "ascii_downcase", "ascii_upcase", "startswith(\"a\")", "endswith(\"c\")",
		"contains(\"b\")", "contains([1])", "contains({a: 1})", "contains([\"a\"])",
		"contains(1)", "contains(null)", "ltrimstr(\"a\")", "rtrimstr(\"c\")", "ltrimstr(1)",
		"split(\",\")", "split(\"\")", "join(\",\")", "join(1)", "join(null)",
		"join(\"a\", \"b\")", "has(\"a\")", "has(0)", "has(\"a\",\"b\")", "map(. + 1)", "map(.a)",
		"map(., 1)", "map(select(. > 1))", "select(.)", "select(., 1)", "values", "nulls",
		"booleans", "numbers", "strings", "arrays", "objects", "scalars", "iterables",
		"[.[]? | values]", "any(. == 1)", "any(select(. != 2))", "all(. == 1)",
		"any(type == \"number\")", "all(type == \"number\")", "[.[]? | length?]", "test(\"a\")",
		"test(\"^A.c\"; \"i\")", "test(\"B\"; null)", "test(\"a . c\"; \"x\")",
		"test(\"\\\\d+\")", "test(\"\")", "test(\"^.$\"; \"gn\")", "test(\"(a|b)+,\"; \"pls\")",
		"test(\"\u00e9\")", "[.[]? | test(\"b\")?]", "fromdate", "todate", "[.[]? | tostring]",
		"map(tostring)", "map(type)", "length as $n | $n + 1", "[.[]?] | add", "[.[]?] | length",
		"map({a: .})", "map([., type])", "[.[]? | numbers] | add", "tostring | length",
		"if type == \"number\" then \"k\" + (. % 3 | tostring) else null end",
		"if type == \"string\" then .[0:2] else null end",
		"if numbers then [range(0; .) as $i | select($i < 3) | [$key, $i]] else [] end | length",
		"if type == \"string\" then [(. / \"\")[] | [., 1]] else [] end",
	};
	check_equal(programs, ARRAY_LEN(programs), texts, ARRAY_LEN(texts));
}

/* Long texts, which have shapes. */
void
test_compiled__results_of_orders_equal_libjqs(void)
{
	static const char *const programs[] = {
		".", ".id", ".amount", ".note", ".ts", ".tags", ".n", ".address", ".address.city?",
		"{id, amount}", "{a: {id, t: .ts}, (\"b\"): .amount, n}", "[.[]]", ".amount > 100",
		"select(.amount < 200) | {id}", ".id + .ts", "[.tags[], .n[]]", "keys",
		"{id, id, amount}", "{amount: .amount?}", "{x: .none}", ".amount + 1", "[.amount, .id]",
		"{a: [.amount, .id], b: .id}", ". == {id}", "{\"\\u0069d\": .id}",
		"\"\\(.id) \\(.amount)\"", ".id | length", "[.[] | tostring]", "{id} | .id", "{a: empty}",
	};
	struct buf text = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		set = compiled_set_new();
		struct compiled *compiled = compiled_add(set, str_of(programs[i]));
		jq_state *jq = jq_new(programs[i]);
		check(compiled && jq);
		nasked = 0;
		for (int n = 0; n < 400; n++) {
			put_order(&text);
			if (rnd(8) == 0)
				damage(&text);
			buf_putc(&text, '\0');
			if (strlen((char *)text.p) == text.n - 1)
				compare(programs[i], compiled, jq, (char *)text.p);
		}
		check(nasked < 350);
		jq_teardown(&jq);
		compiled_set_free(set);
	}
	buf_release(&text);
	buf_release(&want);
	buf_release(&is);
}

void
test_compiled__what_is_not_covered_or_wrong_is_left_to_libjq(void)
{
	static const char *const programs[] = {
		"", ".a.", ".[", "..", "1 2", ".a |", "| .a", "a", "$x", "$__loc__", "def f: 1; f",
		"if . then 1 end", ".a = 1", ".a += 1", ".a |= 1", "{a: 1 + 2}", "{a b}", "{1: 2}",
		"{(1): 2}", "1 / 0", "1 == 1 == 1", "test(.)", "test(\"(\")", "test(\"a\"; \"q\")",
		"test([\"a\"])", "@csv", "@base64 \"x\"", "input", "$ENV", "env", "error", "limit(1; .)",
		"label $f | 1", "\"\\x\"", "\"\\ud800\"", "\"abc", "1..2", "1e", ".a?//1",
		"foreach . as $x (1; 2)", ". as [$a] | $a", "length(1)", "select", "map", "recurse",
		"import \"a\" as a; 1", "a::b", "\"\xff\"", ".5", "reduce . as $x (1,2; 3)", "\r.",
		". as $x", "(1", "1)", "[1", "{", "$", "$if", ".\"a\\(1)\"", "true(1)", "{if}", ". foo",
		"%", "&", "! .",
	};
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		set = compiled_set_new();
		if (compiled_add(set, str_of(programs[i])))
			tap_fail(__FILE__, __LINE__, "%s is taken", programs[i]);
		compiled_set_free(set);
	}
}

void
test_compiled__runaway_programs_are_left_to_libjq(void)
{
	static const char *const programs[] = {
		"[range(1e9)]", "[range(0; 1e300)]", "reduce range(60) as $i (.; [., .])",
		"reduce range(60) as $i (\"a\"; . + .)",
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\" | test(\"^(a|aa)+$\")",
		"(reduce range(40) as $i (0; [., .])) as $x | (reduce range(40) as $i (0; [., .])) == $x",
	};
	struct expr_in in = { { STR("1") } };
	struct str out;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		set = compiled_set_new();
		struct compiled *program = compiled_add(set, str_of(programs[i]));
		check(program);
		check_int(compiled_value(program, &in, &out), COMPILED_ASK);
		compiled_set_free(set);
	}
}

static void
put_nested(struct buf *out, const char *open, const char *close, int depth)
{
	buf_reset(out);
	for (int i = 0; i < depth; i++)
		buf_puts(out, open);
	buf_puts(out, "1");
	for (int i = 0; i < depth; i++)
		buf_puts(out, close);
}

void
test_compiled__what_is_nested_deeper_than_64_levels_is_left_to_libjq(void)
{
	struct buf text = BUF_INIT;
	set = compiled_set_new();
	put_nested(&text, "[", "]", 64);
	check_int(compiled_set_check(set, buf_str(&text)), 1);
	compiled_set_next(set);
	put_nested(&text, "[", "]", 65);
	check_int(compiled_set_check(set, buf_str(&text)), COMPILED_ASK);
	compiled_set_next(set);
	put_nested(&text, "{\"a\":", "}", 64);
	check_int(compiled_set_check(set, buf_str(&text)), 1);
	compiled_set_next(set);
	put_nested(&text, "{\"a\":", "}", 65);
	check_int(compiled_set_check(set, buf_str(&text)), COMPILED_ASK);
	buf_release(&text);
	compiled_set_free(set);
}

void
test_compiled__test_value_and_number_take_the_results_that_they_need(void)
{
	set = compiled_set_new();
	struct compiled *both = compiled_add(set, STR(".a, .b"));
	struct compiled *none = compiled_add(set, STR("empty"));
	struct compiled *one = compiled_add(set, STR(".a"));
	struct compiled *late = compiled_add(set, STR("1, .b.c.d"));
	struct expr_in in = { { STR("{\"a\":2.50,\"b\":true}") } };
	struct str out;
	double number;
	check_int(compiled_test(both, &in), 1);
	check_int(compiled_test(none, &in), 0);
	check_int(compiled_test(late, &in), 1); /* the error is behind the first result */
	check_int(compiled_value(both, &in, &out), COMPILED_ASK);
	check_int(compiled_value(none, &in, &out), 0);
	check_int(out.n, -1);
	check_int(compiled_value(one, &in, &out), 1);
	check(str_eq(out, STR("2.5")));
	check_int(compiled_number(one, &in, &number), 1);
	check(number == 2.5);
	check_int(compiled_number(none, &in, &number), 0);
	check(compiled_uses(one, EXPR_DOT) && !compiled_uses(one, EXPR_KEY));
	compiled_set_next(set);
	in.v[EXPR_DOT] = STR_NULL;
	check_int(compiled_value(one, &in, &out), 1);
	check_int(out.n, -1);
	check_int(compiled_number(one, &in, &number), 0);
	compiled_set_free(set);
}
