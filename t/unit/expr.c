#include "tap.h"

#include "json/expr.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct expr_set *
set_of(bool only_libjq, int timeout_ms, size_t result_max)
{
	return expr_set_new(&(struct expr_opts){ timeout_ms, result_max, only_libjq });
}

/* All results of the program on the input, a line each; or "error: ..." */
static const char *
run_in(struct expr_set *set, const char *program, const char *input, struct buf *b)
{
	struct err e = { .class = ERR_NONE };
	struct expr_in in = { { str_of(input), STR("\"k\""), STR("1"), STR("{\"a\":2}"), STR_NULL } };
	struct str *v;
	buf_reset(b);
	struct expr *expr = expr_add(set, str_of(program), &e);
	int n = expr ? expr_each(expr, &in, &v, &e) : -1;
	for (int i = 0; i < n; i++) {
		buf_put_str(b, v[i].n < 0 ? STR("null") : v[i]);
		buf_putc(b, i + 1 < n ? '\n' : ' ');
	}
	if (n < 0)
		buf_printf(b, "error: %s ", e.msg);
	b->p = b->n ? b->p : buf_grow(b, 1);
	b->p[b->n ? b->n - 1 : 0] = 0;
	return (const char *)b->p;
}

/* The same by libjq, and compiled where it is. */
static void
wants(const char *program, const char *input, const char *want)
{
	for (int only_libjq = 0; only_libjq <= 1; only_libjq++) {
		struct buf b = BUF_INIT;
		struct expr_set *set = set_of(only_libjq, 0, 0);
		const char *got = run_in(set, program, input, &b);
		if (strcmp(got, want) != 0)
			tap_fail(__FILE__, __LINE__, "%s of %s is %s, want %s", program, input, got, want);
		expr_set_free(set);
		buf_release(&b);
	}
}

void
test_expr__results_are_compact_json(void)
{
	wants(".a", "{\"a\": [1, 2.50, \"x\"]}", "[1,2.5,\"x\"]");
	wants(".[]", " [1, null, {\"b\" : true}]\n", "1\nnull\n{\"b\":true}");
	wants("empty", "1", "");
	wants("1e1000, 1e20, 12000000000000000, 0.1e-6, -0", "1",
		"1.7976931348623157e+308\n1e+20\n12000000000000000\n1e-07\n-0");
	wants(".", "9007199254740993", "9007199254740992");
	wants(".", "\"\\ud83d\\ude00\\u00e9\"", "\"\xf0\x9f\x98\x80\xc3\xa9\"");
	wants(".", "{\"b\":1,\"a\":2,\"b\":3}", "{\"b\":3,\"a\":2}");
}

void
test_expr__variables_are_those_of_the_input(void)
{
	wants("[$key, $acc, $left.a, $right, .]", "7", "[\"k\",1,2,null,7]");
	wants("$acc + .", "41", "42");
	wants("all(.a?)", "[[], {}]", "true"); /* sic: a fault of jq 1.6 */
	wants("reduce .[] as $v ((reduce 1 as $v (0; .)); $v)", "[2,3]", "3");
	wants("path(.a), $left", "{\"a\":1}", "[\"a\"]\n{\"a\":2}");
	wants("def f: $key; f # a comment", "1", "\"k\"");
	wants("\"\\($key)-\\(.a)\"", "{\"a\":[1]}", "\"k-[1]\"");

	struct err e;
	struct expr_set *set = set_of(true, 0, 0);
	struct expr *expr = expr_add(set, STR(".key + {key: 1} | [$left, \"\\($acc)\"]"), &e);
	check(expr && expr_uses(expr, EXPR_DOT) && expr_uses(expr, EXPR_LEFT));
	check(expr_uses(expr, EXPR_ACC) && !expr_uses(expr, EXPR_KEY) && !expr_uses(expr, EXPR_RIGHT));
	expr_set_free(set);
}

void
test_expr__a_program_that_does_not_compile_is_told_with_its_column(void)
{
	static const struct {
		const char *program, *want;
	} v[] = {
		{ "", "column 1: the expression is empty; '.' gives the value as it is" },
		{ " # x", "column 1: the expression is empty; '.' gives the value as it is" },
		{ ".a ^ b", "column 4: syntax error, unexpected INVALID_CHARACTER, expecting $end" },
		{ ".a | foo(1)", "column 6: foo/1 is not defined" },
		{ ".a | $x", "column 6: $x is not defined" },
		{ "$key | $x", "column 8: $x is not defined" },
		{ "\"\xc3\xa9\" | foo", "column 7: foo/0 is not defined" },
		{ ".a\n| foo", "line 2, column 3: foo/0 is not defined" },
		{ "gsub(\"\";\"\") | foo", "column 15: foo/0 is not defined" },
		{ ".a +", "column 5: the expression ends too early" },
		{ "1/0", "column 1: Division by zero?" },
		{ ".a)", "column 3: ')' closes nothing" },
		{ "[.a)", "column 4: ')' where ']' is expected" },
		{ "{a: (1}", "column 7: '}' where ')' is expected" },
		{ "1 + {a", "column 5: '{' is not closed" },
		{ "\"abc", "column 1: the string has no end" },
		{ "\"abc\\(1\"", "column 8: the string has no end" },
		{ ". | env", "column 5: 'env' is not available: the environment is not part of the data" },
		{ "\"\\($ENV)\"",
			"column 4: $ENV is not available: the environment is not part of the data" },
		{ "[inputs]", "column 2: 'inputs' is not available: an expression sees one record" },
		{ "{a: input}", "column 5: 'input' is not available: an expression sees one record" },
		{ "halt", "column 1: 'halt' is not available: an expression cannot end the program" },
		{ "debug", "column 1: 'debug' is not available: "
			"expressions have no output but their result" },
		{ "import \"a\" as a; 1", "column 1: 'import' is not available: modules are not read" },
		{ "1|_strindices(2)",
			"column 3: '_strindices' is not available: names that begin with _ are jq's own" },
		{ "$__prog_args", "column 1: $__prog_args is not available" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct err e = { .class = ERR_NONE };
		for (int only_libjq = 0; only_libjq <= 1; only_libjq++) {
			struct expr_set *set = set_of(only_libjq, 0, 0);
			check(!expr_add(set, str_of(v[i].program), &e));
			check_int(e.class, ERR_USAGE);
			if (strcmp(e.msg, v[i].want) != 0)
				tap_fail(__FILE__, __LINE__, "'%s': %s, want %s", v[i].program, e.msg, v[i].want);
			expr_set_free(set);
		}
	}
}

void
test_expr__a_member_may_have_the_name_of_what_is_refused(void)
{
	wants("{input, env: .debug}", "{\"input\":1,\"debug\":2}", "{\"input\":1,\"env\":2}");
	wants("{_a: ._b}", "{\"_b\":2}", "{\"_a\":2}");
	wants("\"input halt\" # env", "1", "\"input halt\"");
}

void
test_expr__the_file_of_definitions_in_the_home_folder_is_not_read(void)
{
	char dir[] = "/tmp/kq-expr-XXXXXX", path[64];
	check(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/.jq", dir);
	FILE *f = fopen(path, "w");
	fputs("def length: \"mine\";", f);
	fclose(f);
	setenv("HOME", dir, 1);
	wants("length", "[1,2]", "2");
	check(strcmp(getenv("HOME"), dir) == 0);
	remove(path);
	remove(dir);
}

void
test_expr__an_error_is_libjqs_and_the_next_run_is_not_touched(void)
{
	struct err e;
	struct str out;
	struct expr_set *set = set_of(true, 0, 0);
	struct expr *expr = expr_add(set, STR(".a | if . == 1 then error(\"no\") else . end"), &e);
	for (int i = 0; i < 3; i++) {
		struct expr_in in = { { STR("{\"a\":1}") } };
		check_int(expr_value(expr, &in, &out, &e), -1);
		check_int(e.class, ERR_USAGE);
		check(strcmp(e.msg, "no") == 0);
		in.v[EXPR_DOT] = STR("{\"a\":2}");
		check_int(expr_value(expr, &in, &out, &e), 1);
		check(str_eq(out, STR("2")));
		in.v[EXPR_DOT] = STR("{\"a\":");
		check_int(expr_value(expr, &in, &out, &e), -1);
		check_int(e.class, ERR_CORRUPT);
		expr_set_next(set);
	}
	expr_set_free(set);
	wants(".a", "[1]", "error: Cannot index array with string \"a\"");
	wants("error({a:1})", "1", "error: {\"a\":1}");
	wants(".[0]", "[1, nan]", "error: not one JSON text: nan is no value in JSON");
	wants(".[0]", "[\"\\\"nan\"]", "\"\\\"nan\"");
}

void
test_expr__value_test_and_number_judge_the_results(void)
{
	for (int only_libjq = 0; only_libjq <= 1; only_libjq++) {
		struct err e;
		struct str out;
		double number;
		struct expr_set *set = set_of(only_libjq, 0, 0);
		struct expr *expr = expr_add(set, STR(".[]"), &e);
		struct expr_in none = { { STR("[]") } }, null = { { STR("[null]") } };
		struct expr_in one = { { STR("[2.5]") } }, two = { { STR("[false,1]") } };
		struct expr_in text = { { STR("[\"1\"]") } };
		check_int(expr_value(expr, &none, &out, &e), 0);
		check_int(out.n, -1);
		check_int(expr_value(expr, &null, &out, &e), 1);
		check_int(out.n, -1);
		check_int(expr_value(expr, &one, &out, &e), 1);
		check(str_eq(out, STR("2.5")));
		check_int(expr_value(expr, &two, &out, &e), -1);
		check_int(expr_test(expr, &none, &e), 0);
		check_int(expr_test(expr, &null, &e), 0);
		check_int(expr_test(expr, &one, &e), 1);
		check_int(expr_test(expr, &two, &e), 0);
		check_int(expr_number(expr, &none, &number, &e), 0);
		check_int(expr_number(expr, &null, &number, &e), 0);
		check_int(expr_number(expr, &one, &number, &e), 1);
		check(number == 2.5);
		check_int(expr_number(expr, &text, &number, &e), -1);
		expr_set_free(set);
	}
}

void
test_expr__an_endless_program_is_ended(void)
{
	static const char *const v[] = {
		"[range(1e12)] | length", "def f: f; f", "def f: 1 + f; f", "last(range(1e12))",
		"[recurse(.+1)] | length", "until(false; .)", "[limit(1e9; repeat(1))] | length",
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct buf b = BUF_INIT;
		struct expr_set *set = set_of(false, 100, 0);
		const char *got = run_in(set, v[i], "1", &b);
		if (strcmp(got, "error: the expression runs longer than 100 ms") != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", v[i], got);
		got = run_in(set, "1+1", "1", &b);
		check(strcmp(got, "2") == 0);
		expr_set_free(set);
		buf_release(&b);
	}
}

void
test_expr__a_result_has_a_limit(void)
{
	static const char *const v[] = {
		"[range(1000)]", "range(1000)", "reduce range(60) as $i (1; [., .])", "\"x\" * 1001",
		"reduce range(20000) as $i (1; [.])",
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct buf b = BUF_INIT;
		struct expr_set *set = set_of(false, 0, 1000);
		const char *got = run_in(set, v[i], "1", &b);
		if (strcmp(got, "error: the expression's result is larger than 1000 bytes") != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", v[i], got);
		expr_set_free(set);
		buf_release(&b);
	}
}

void
test_expr__calls_that_would_end_the_process_are_guarded(void)
{
	wants("implode", "[104,105]", "\"hi\"");
	wants("implode", "[\"a\"]", "error: implode needs an array of characters");
	wants("implode", "[55296]", "error: implode needs an array of characters");
	wants("implode", "[1114112]", "error: implode needs an array of characters");
	wants("implode", "{}", "error: implode needs an array of characters");
	wants("index(\"\"), rindex(\"\"), indices(\"\")", "\"abc\"", "null\nnull\n[]");
	wants("index(\"b\"), rindex(\"b\"), indices(\"b\")", "\"abcb\"", "1\n3\n[1,3]");
	wants("indices(1), indices([1,2]), index(1)", "[0,1,2,1]", "[1,3]\n[1]\n1");
	wants("gsub(\"\";\"-\")", "\"ab\"", "\"-a-b\"");
	wants("gsub(\"^\";\"-\")", "\"ab\"", "\"-ab\"");
	wants("gsub(\"(?<x>[a-z])\";\"<\\(.x)>\")", "\"a1b\"", "\"<a>1<b>\"");
	wants("gsub(\"A\";\"x\";\"i\")", "\"aAb\"", "\"xxb\"");
	wants("gsub(\"a\"; \"x\", \"y\")", "\"abab\"",
		"\"xbxb\"\n\"ybxb\"\n\"xbyb\"\n\"ybyb\"");
	wants("sub(\"^\"; \"-\"; \"g\"), sub(\"b\"; \"-\"; \"g\"), sub(\"B\"; \"-\"; \"i\")", "\"abb\"",
		"\"-abb\"\n\"a--\"\n\"a-b\"");
	wants("[splits(\"\")], split(\"b\"; null), [scan(\"x*\")]", "\"abc\"",
		"[\"\",\"a\",\"b\",\"c\"]\n[\"a\",\"c\"]\n[\"\",\"\",\"\"]");
	wants("[splits(\"\")], [match(\"x*\"; \"g\").string], [match([\"(?=x)\", \"g\"])],"
		" [scan(\"x*\")],"
		" gsub(\"\"; \"-\"), [capture(\"(?<n>x)?\"; \"g\").n]", "\"\u00e9xx\"",
		"[\"\xc3\xa9xx\"]\n[\"xx\"]\n[]\n[\"xx\"]\n\"\xc3\xa9xx\"\n[\"x\",\"x\"]");
	wants("\"ab\" * (3, 0, 1e9)", "1",
		"error: a string times a number is larger than 16 MiB");
	wants("\"ab\" * (3, 0), 1e10 * 2 * 3, ({a: 1} * {b: 2}), (.a *= 2)", "{\"a\":4}",
		"\"ababab\"\nnull\n60000000000\n{\"a\":1,\"b\":2}\n{\"a\":8}");
	wants("[(1, 2) * (10, 20)]", "1", "[10,20,20,40]");
	wants("[.[] % (-1, 2)], .[0] %= -1", "[1e300, -1e300, 1e19, 5]",
		"[0,0,0,0,0,0,0,1]\n[0,-1e+300,1e+19,5]");
	wants("todate, strftime(\"%Y\", \"%m\")", "1425599621",
		"\"2015-03-05T23:53:41Z\"\n\"2015\"\n\"03\"");
	wants("todate", "1e19", "error: error converting number of seconds since epoch to datetime");
	wants("todate", "\"x\"", "error: strftime/1 requires parsed datetime inputs");
}

static void *
run_some(void *arg)
{
	struct buf b = BUF_INIT;
	struct expr_set *set = set_of(true, 50, 0);
	for (int i = 0; i < 3; i++) {
		const char *got = run_in(set, "def f: f; f", "1", &b);
		check(strcmp(got, "error: the expression runs longer than 50 ms") == 0);
		got = run_in(set, "test(\"a+\"), .[1:]", "\"xaa\"", &b);
		check(strcmp(got, "true\n\"aa\"") == 0);
		expr_set_next(set);
	}
	expr_set_free(set);
	buf_release(&b);
	return arg;
}

void
test_expr__threads_have_sets_of_their_own(void)
{
	pthread_t thread[4];
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		check(pthread_create(&thread[i], NULL, run_some, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
}

/* In a process of its own: what it prints to stderr, and its exit status. */
static int
ends_with(const char *program, int timeout_ms, struct buf *b)
{
	int fd[2], status;
	check(pipe(fd) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct buf out = BUF_INIT;
		dup2(fd[1], 2);
		run_in(set_of(false, timeout_ms, 0), program, "1", &out);
		_exit(0);
	}
	close(fd[1]);
	buf_reserve(b, 1000);
	ssize_t n = read(fd[0], b->p, 999);
	b->p[n > 0 ? n : 0] = 0;
	close(fd[0]);
	check(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void
test_expr__what_cannot_be_stopped_ends_the_process_with_a_word(void)
{
	struct buf b = BUF_INIT;
	check_int(ends_with("def d: reduce range(60) as $i (1; [., .]); d == d", 50, &b), 1);
	check(strcmp((char *)b.p, "expr: the expression 'def d: reduce range(60) as $i (1; [., .]);"
		" d == d' never ends and cannot be stopped\n") == 0);
	buf_release(&b);
}

void
test_expr__a_value_nested_too_deeply_ends_the_process_with_a_word(void)
{
	struct buf b = BUF_INIT;
	check_int(ends_with("reduce range(500000) as $i (0; [.]) | 1", 60000, &b), 1);
	check(strcmp((char *)b.p, "expr: the expression 'reduce range(500000) as $i (0; [.]) | 1'"
		" makes a value that is nested too deeply, and cannot be stopped\n") == 0);
	buf_release(&b);
}
