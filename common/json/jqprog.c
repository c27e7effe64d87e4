#include "json/jqprog.h"

#include "json/jqwatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct jqprog {
	jq_state *jq;
	char *text;
	bool uses[EXPR_NVAR];
	struct jqwatch watch;
	bool is_running;
};

/* ---- compiling ---- */

/*
 * Where libjq 1.6 ends the process, or never ends:
 * implode of what is no list of characters;
 * all matches (g), if one is of no characters and the text is not ASCII: such ones are left
 * out there; gsub, and sub with g, if one is of no characters: they do as jq 1.7 does;
 * what is beyond 64 bits % -1; the places of "" in a text; a string times a large number;
 * times beyond the calendar.
 */
static const struct {
	enum jqlex_guard guard;
	const char *text;
} guard[] = {
	{ JQLEX_IMPLODE,
		"def kq_implode: implode; def implode: if type == \"array\" and all(.[];"
		" type == \"number\" and . >= 0 and . <= 1114111 and (. < 55296 or . >= 57344))"
		" then kq_implode else error(\"implode needs an array of characters\") end; " },
	{ JQLEX_MATCH,
		"def kq_one($v): match($v); def kq_sub($re; f; $flags): sub($re; f; $flags); "
		"def kq_match($re; $flags): match($re; if ($flags | type) == \"string\""
		" and type == \"string\" and utf8bytelength != length and ($flags | contains(\"g\"))"
		" then $flags + \"n\" else $flags end); "
		"def match(re; flags): flags as $flags | re as $re | kq_match($re; $flags); "
		"def match($v): if ($v | type) == \"array\" and ($v | length) > 1 then"
		" kq_match($v[0]; $v[1]) else kq_one($v) end; "
		"def kq_names: [.captures[] | select(.name != null) | {key: .name, value: .string}]"
		" | from_entries; "
		"def capture(re; flags): match(re; flags) | kq_names; "
		"def capture($v): match($v) | kq_names; "
		"def scan($re): kq_match($re; \"g\")"
		" | if (.captures | length) > 0 then [.captures[].string] else .string end; "
		"def split($re; $flags): . as $in | [foreach (kq_match($re; $flags + \"g\"), null) as $m"
		" ({at: 0}; if $m == null then .out = $in[.at:] else .out = $in[.at:$m.offset]"
		" | .at = $m.offset + $m.length end; .out)]; "
		"def splits($re; $flags): split($re; $flags) | .[]; "
		"def splits($re): splits($re; null); "
		"def kq_gsub($re; f; $flags): . as $in | [kq_match($re; $flags + \"g\")] as $m"
		" | def kq_edit($i; $to; $tail): if $i < 0 then $in[0:$to] + $tail else"
		" ($m[$i] | kq_names | f) as $s | kq_edit($i - 1; $m[$i].offset;"
		" $s + $in[$m[$i].offset + $m[$i].length:$to] + $tail) end;"
		" kq_edit(($m | length) - 1; length; \"\"); "
		"def gsub($re; f): kq_gsub($re; f; \"\"); "
		"def gsub($re; f; $flags): kq_gsub($re; f; $flags); "
		"def sub($re; f; $flags): if ($flags | type) == \"string\" and ($flags | contains(\"g\"))"
		" then kq_gsub($re; f; $flags) else kq_sub($re; f; $flags) end; " },
	{ JQLEX_INDEX,
		"def kq_indices($i): if type == \"string\" and $i == \"\" then [] else indices($i) end; "
		"def indices($i): kq_indices($i); def index($i): kq_indices($i) | .[0]; "
		"def rindex($i): kq_indices($i) | .[-1:][0]; " },
	{ JQLEX_MOD,
		"def kq_mod($x; $y): $x % $y; "
		"def _mod(x; y): y as $y | x as $x | if ($x | type) == \"number\""
		" and ($y | type) == \"number\" and $y > -2 and $y <= -1 then 0"
		" else kq_mod($x; $y) end; " },
	{ JQLEX_DATES,
		"def kq_strftime($f): strftime($f); def kq_strflocaltime($f): strflocaltime($f); "
		"def kq_time: if type == \"number\" and ((. > -6e16 and . < 6e16) | not) then"
		" error(\"error converting number of seconds since epoch to datetime\") else . end; "
		"def strftime(f): f as $f | kq_time | kq_strftime($f); "
		"def strflocaltime(f): f as $f | kq_time | kq_strflocaltime($f); "
		"def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def todateiso8601: todate; "
		"def date: todate; " },
	{ JQLEX_TIMES,
		"def kq_times($x; $y): $x * $y; def kq_size($x; $y): if ($x | type) == \"string\""
		" and ($y | type) == \"number\" then kq_times($x | utf8bytelength; $y) else 0 end; "
		"def _multiply(x; y): y as $y | x as $x | if kq_size($x; $y) > 16777216"
		" or kq_size($y; $x) > 16777216"
		" then error(\"a string times a number is larger than 16 MiB\")"
		" else kq_times($x; $y) end; " },
};

/* libjq takes its input alone, or, with variables, [., v1, v2, ...]. */
static void
put_front(struct buf *b, const struct jqlex *lex)
{
	static const char *const name[EXPR_NVAR] = { NULL, "key", "acc", "left", "right" };
	int nvar = 0;
	for (size_t i = 0; i < ARRAY_LEN(guard); i++)
		if (lex->guards & guard[i].guard)
			buf_puts(b, guard[i].text);
	for (int i = 1; i < EXPR_NVAR; i++)
		if (lex->uses[i])
			buf_printf(b, ".[%d] as $%s | ", ++nvar, name[i]);
	if (nvar)
		buf_puts(b, ".[0] | ");
}

/* libjq's first message. */
static void
keep_message(void *arg, jv msg)
{
	struct buf *b = arg;
	if (b->n == 0 && jv_get_kind(msg) == JV_KIND_STRING)
		buf_put(b, jv_string_value(msg), (size_t)jv_string_length_bytes(jv_copy(msg)));
	jv_free(msg);
}

/* The line of the text that has the number, from 1. */
static struct str
line_of(struct str text, int number)
{
	int32_t from = 0, to;
	for (; number > 1; number--) {
		while (from < text.n && text.p[from] != '\n')
			from++;
		from = MIN(from + 1, text.n);
	}
	for (to = from; to < text.n && text.p[to] != '\n';)
		to++;
	return (struct str){ text.p + from, to - from };
}

/*
 * libjq's message: "jq: error: WHY at <top-level>, line N:", the line, and as many blanks
 * as the fault is behind the line's begin.  Other versions do without the blanks: then it
 * is told for the line's first column.
 */
static int
refuse(struct str user, struct str full, struct str msg, struct err *e)
{
	static const char at[] = " at <top-level>, line ";
	static const char shell[] = " (Unix shell quoting issues?)";
	char *z = mem_strndup(msg), *why = z, *place = strstr(z, at), *cut;
	struct str line = { user.p, 0 };
	int32_t column = 0;
	if (strncmp(why, "jq: error: ", 11) == 0)
		why += 11;
	if (place) {
		char *end;
		line = line_of(full, (int)strtol(place + sizeof at - 1, &end, 10));
		*place = 0;
		size_t after = strlen(end);
		if (after >= 2 + (size_t)line.n && memcmp(end + 2, line.p, (size_t)line.n) == 0)
			column = (int32_t)(after - 2) - line.n;
	}
	if ((cut = strstr(why, shell)))
		memmove(cut, cut + sizeof shell - 1, strlen(cut + sizeof shell - 1) + 1);
	int32_t front = full.n - user.n, where = (int32_t)(line.p - full.p) + column - front;
	bool is_early = strstr(why, "unexpected $end") != NULL;
	int rc = jqlex_error(user, is_early ? user.n : MAX(where, 0), e, "%s",
		is_early ? "the expression ends too early" : why);
	mem_free(z);
	return rc;
}

/*
 * libjq reads $HOME/.jq at each compile, which could change what functions mean: HOME is
 * no folder meanwhile.  The entry's pointer is exchanged, not the environment changed by
 * setenv, so that other threads may call getenv.
 */
static int
compile(jq_state *jq, const char *text)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char nowhere[] = "HOME=/dev/null";
	char **entry = environ, *home = NULL;
	pthread_mutex_lock(&lock);
	while (entry && *entry && strncmp(*entry, "HOME=", 5) != 0)
		entry++;
	if (entry && *entry) {
		home = *entry;
		__atomic_store_n(entry, nowhere, __ATOMIC_RELEASE);
	}
	int ok = jq_compile(jq, text);
	if (home)
		__atomic_store_n(entry, home, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return ok;
}

struct jqprog *
jqprog_new(struct str text, const struct jqlex *lex, int timeout_ms, struct err *e)
{
	struct buf full = BUF_INIT, msg = BUF_INIT;
	jq_state *jq = jq_init();
	struct jqprog *prog = NULL;
	assert(jq);
	put_front(&full, lex);
	buf_put_str(&full, text);
	buf_putc(&full, 0);
	full.n--;
	jq_set_error_cb(jq, keep_message, &msg);
	if (compile(jq, (const char *)full.p)) {
		prog = NEW(struct jqprog);
		prog->jq = jq;
		prog->text = mem_strndup(text);
		memcpy(prog->uses, lex->uses, sizeof prog->uses);
		prog->watch.jq = jq;
		prog->watch.text = prog->text;
		prog->watch.timeout_ms = timeout_ms;
		jq_set_error_cb(jq, NULL, NULL);
		jq_set_nomem_handler(jq, jqwatch_no_memory, NULL);
	} else {
		refuse(text, buf_str(&full), buf_str(&msg), e);
		jq_teardown(&jq);
	}
	buf_release(&full);
	buf_release(&msg);
	return prog;
}

void
jqprog_free(struct jqprog *prog)
{
	if (!prog)
		return;
	assert(!prog->is_running);
	jqwatch_stack(&prog->watch);
	jq_teardown(&prog->jq);
	mem_free(prog->text);
	mem_free(prog);
}

/* ---- running ---- */

void
jqprog_begin(struct jqprog *prog, const jv v[EXPR_NVAR])
{
	jv input = jv_copy(v[EXPR_DOT]);
	bool has_var = false;
	assert(!prog->is_running);
	for (int i = 1; i < EXPR_NVAR; i++) {
		if (!prog->uses[i])
			continue;
		if (!has_var)
			input = JV_ARRAY(input);
		has_var = true;
		input = jv_array_append(input, jv_copy(v[i]));
	}
	jqwatch_stack(&prog->watch);
	jq_start(prog->jq, input, 0);
	prog->is_running = true;
	jqwatch_begin(&prog->watch);
}

static int
raised(jv msg, struct err *e)
{
	jv text = jv_get_kind(msg) == JV_KIND_STRING ? msg : jv_dump_string(msg, 0);
	err_set(e, ERR_USAGE, "%s", jv_string_value(text));
	jv_free(text);
	return -1;
}

int
jqprog_next(struct jqprog *prog, jv *out, struct err *e)
{
	assert(prog->is_running);
	jv result = jq_next(prog->jq);
	if (jv_is_valid(result)) {
		*out = result;
		return 1;
	}
	if (jq_halted(prog->jq)) {
		jv_free(result);
		if (jqwatch_why(&prog->watch) == JQWATCH_MEMORY)
			return err_set(e, ERR_LIMIT, "the expression takes more than %d MiB",
				JQWATCH_MEMORY_MAX >> 20);
		return err_set(e, ERR_LIMIT, "the expression runs longer than %d ms",
			prog->watch.timeout_ms);
	}
	if (!jv_invalid_has_msg(jv_copy(result))) {
		jv_free(result);
		return 0;
	}
	return raised(jv_invalid_get_msg(result), e);
}

void
jqprog_end(struct jqprog *prog)
{
	assert(prog->is_running);
	jqwatch_end(&prog->watch);
	prog->is_running = false;
}
