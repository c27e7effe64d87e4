/*
 * Makes jq programs and JSON inputs at random, for tests that compare the two ways in
 * which common/json/expr.h runs a program.
 *
 * The programs keep to jq 1.6's grammar: levels are its precedences.  Their operands have
 * mostly the types that are wanted.  The choices come from given bytes, or, behind them,
 * from a generator of random numbers, so the same bytes and seed give the same pairs.
 */
#ifndef KQ_T_EXPR_MAKE_H
#define KQ_T_EXPR_MAKE_H

#include "base/mem.h"

#include <stdio.h>

struct make {
	struct str bytes; /* of choices; consumed */
	uint64_t seed;
	struct buf *out;
	int left;         /* how many more nodes the expression should have */
	bool may_be_bad;  /* now and then no JSON text */
	int nlocal;       /* variables $v0, $v1, ... in scope */
};

static inline uint32_t
make_random(struct make *make)
{
	if (make->bytes.n > 0) {
		make->bytes.n--;
		return *make->bytes.p++;
	}
	make->seed = make->seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(make->seed >> 33);
}

static inline int
make_pick(struct make *make, int n)
{
	return (int)(make_random(make) % (uint32_t)n);
}

#define MAKE_ONE_OF(make, v) ((v)[make_pick((make), (int)ARRAY_LEN(v))])

static inline void
make_put(struct make *make, const char *text)
{
	buf_puts(make->out, text);
}

/* ---- inputs ---- */

static const char *const make_numbers[] = {
	"0", "1", "2", "3", "-1", "7", "10", "-0", "0.0", "1.0", "1.50", "-2.5", "0.1", "0.2", "100",
	"1e2", "1E+2", "1e-2", "0.1e-6", "12e15", "1e17", "1e18", "1e19", "1e20", "1.2e16",
	"9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
	"9223372036854775807", "9223372036854775808", "18446744073709551616",
	"123456789012345678901234567890", "0.30000000000000004", "3.141592653589793238462643383",
	"1e308", "1.7976931348623157e308", "1e309", "-1e400", "1e1000", "5e-324", "2e-324", "1e-400",
	"2.2250738585072014e-308", "4.35", "0.000001", "0.0000001", "1e-7", "123456.789e3",
	"4294967296", "1700000000", "1700000000000", "1e00002", "0e10", "-0.0", "0.5", "99999999999",
	"1.0000000000000002", "8.5e-5", "1e21", "1e22", "1e23", "0.00001234",
};
static const char *const make_strings[] = {
	"", "a", "b", "ab", "abc", "A", "ABC", "x y", "a,b", "a,b,,c", ",", "12", "-1.5", "1e3", " 1",
	"0x10", "nan", "null", "true", "\\n", "\\t\\r\\b\\f", "\\\"", "\\\\", "\\/", "\\u0041",
	"\\u00e9", "\xc3\xa9", "e\xcc\x81", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\\ud83d\\ude00",
	"\\u0000", "\\u001f", "\\u007f", "\x7f", "\\u2028", "\\uffff", "\xef\xbf\xbf",
	"2015-03-05T23:51:47Z", "foo.bar", "aXbXc", "Stra\xc3\x9f" "e", "\\u0130", "aaa", "key",
	"longer text with several words in it, and a \\\"quoted\\\" one", "<&'>", "/", "-", "[1]", "{}",
};
/* What libjq puts U+FFFD for. */
static const char *const make_replaced[] = {
	"\\ude00", "\\ude00x", "\xff", "a\x80z", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
	"\xf4\x90\x80\x80",
};
static const char *const make_bad[] = {
	"\\ud83d", "\\ud83dx", "\\ud83d\\u0041", "\\u12", "\\x", "\n", "\t", "\x01", "\\ud83d\\",
};
static const char *const make_keys[] = {
	"a", "b", "c", "a", "b", "c", "d e", "k", "\xc3\xa9", "\\u0061", "\\u0062", "", "x", "id",
	"name", "length", "amount", "\\n",
};

static inline void
make_space(struct make *make)
{
	static const char *const space[] = { " ", "\n", "\t", "\r\n", "  " };
	if (make_pick(make, 12) == 0)
		make_put(make, MAKE_ONE_OF(make, space));
}

static inline void
make_json(struct make *make, int depth);

static inline void
make_string(struct make *make)
{
	buf_putc(make->out, '"');
	for (int n = make_pick(make, 5) == 0 ? 3 : 1; n > 0; n--)
		make_put(make, MAKE_ONE_OF(make, make_strings));
	if (make_pick(make, 60) == 0)
		make_put(make, MAKE_ONE_OF(make, make_replaced));
	if (make->may_be_bad && make_pick(make, 100) == 0)
		make_put(make, MAKE_ONE_OF(make, make_bad));
	buf_putc(make->out, '"');
}

static inline void
make_array(struct make *make, int depth)
{
	buf_putc(make->out, '[');
	make_space(make);
	for (int i = 0, n = make_pick(make, 4); i < n; i++) {
		if (i)
			buf_putc(make->out, ',');
		make_json(make, depth + 1);
	}
	buf_putc(make->out, ']');
}

/* Mostly of the type that make_path counts on for the key's first letter. */
static inline void
make_member(struct make *make, const char *key, int depth)
{
	int choice = make_pick(make, 10);
	if (choice < 3 || depth > 1)
		make_json(make, depth + 1);
	else if (strchr("ai", key[0]) && key[0])
		make_put(make, MAKE_ONE_OF(make, make_numbers));
	else if (strchr("bn", key[0]) && key[0])
		make_string(make);
	else if (key[0] == 'c')
		make_array(make, depth);
	else if (key[0] == 'x')
		make_put(make, choice & 1 ? "true" : "false");
	else
		make_json(make, depth + 1);
}

static inline void
make_object(struct make *make, int depth)
{
	buf_putc(make->out, '{');
	make_space(make);
	for (int i = 0, n = make_pick(make, depth ? 4 : 7); i < n; i++) {
		const char *key = MAKE_ONE_OF(make, make_keys);
		buf_printf(make->out, "%s\"%s\"", i ? "," : "", key);
		make_space(make);
		buf_putc(make->out, ':');
		make_member(make, key, depth);
	}
	buf_putc(make->out, '}');
}

static inline void
make_json(struct make *make, int depth)
{
	static const char *const word[] = { "null", "true", "false" };
	int choice = make_pick(make, depth == 0 ? 16 : depth < 4 ? 12 : 6);
	make_space(make);
	if (choice == 0)
		make_put(make, MAKE_ONE_OF(make, word));
	else if (choice < 4)
		make_put(make, MAKE_ONE_OF(make, make_numbers));
	else if (choice < 7)
		make_string(make);
	else if (choice < 9)
		make_array(make, depth);
	else
		make_object(make, depth);
	make_space(make);
}

/* A text that is deeply nested. */
static inline void
make_deep(struct make *make)
{
	int n = 1 + make_pick(make, make->may_be_bad ? 4 : 2) * 64 + make_pick(make, 64);
	for (int i = 0; i < n; i++)
		make_put(make, i % 3 ? "[" : "{\"a\":");
	make_json(make, 3);
	for (int i = n - 1; i >= 0; i--)
		make_put(make, i % 3 ? "]" : "}");
}

static inline void
make_damage(struct make *make, size_t from)
{
	static const char other[] = "{}[]:,\"\\0-+.eE1ntfu \n\x00\x80\xff\xc3";
	struct buf *b = make->out;
	size_t n = b->n - from;
	if (n == 0)
		return;
	size_t at = from + (size_t)make_pick(make, (int)n);
	switch (make_pick(make, 4)) {
	case 0: b->n = at; break;
	case 1: memmove(b->p + at, b->p + at + 1, b->n - at - 1); b->n--; break;
	case 2: b->p[at] = (uint8_t)other[make_pick(make, (int)sizeof other - 1)]; break;
	default: buf_putc(b, other[make_pick(make, (int)sizeof other - 1)]); break;
	}
}

/* Append a JSON text, mostly an object, or, if may_be_bad, now and then one that is none. */
static inline void
make_input(struct make *make, bool may_be_bad)
{
	static const char *const odd[] = { "", " ", "nan", "NaN", "01", "+1", ".5", "1.", "1 2", "[1,]",
		"{\"a\":1,}", "{a:1}", "'a'", "\xef\xbb\xbf{\"a\":1}", "-", "--1", "1e", "1e+", "0x1F",
		"[1 2]",
		"truee", "nulL", "{\"a\" 1}", "[", "]", "\"\\ud800\"", "1,2", "[1]]", "{\"a\":1}x", "-nan",
		"Infinity", "\"a\nb\"", "\"\t\"", "[-]", "1_000", "\x1e" "1", "#1", "1 #c", "[nan]",
		"-01" };
	size_t from = make->out->n;
	int choice = make_pick(make, 40);
	make->may_be_bad = may_be_bad;
	if (choice == 0 && may_be_bad)
		make_put(make, MAKE_ONE_OF(make, odd));
	else if (choice == 1)
		make_deep(make);
	else if (choice < 25)
		make_object(make, 0);
	else
		make_json(make, 0);
	if ((choice == 2 || choice == 3) && may_be_bad)
		make_damage(make, from);
}

/* ---- programs ---- */

/* What is wanted; what comes may differ. */
enum make_type { MAKE_ANY, MAKE_NUMBER, MAKE_STRING, MAKE_BOOL, MAKE_ARRAY, MAKE_OBJECT };

/* jq's precedences. */
enum make_level { MAKE_PIPE, MAKE_COMMA, MAKE_ALT, MAKE_OR, MAKE_AND, MAKE_COMPARE, MAKE_SUM,
	MAKE_PRODUCT, MAKE_TERM };

static inline void
make_expr(struct make *make, enum make_type type, enum make_level level);

static inline void
make_literal_string(struct make *make)
{
	static const char *const text[] = { "", "a", "b", "ab", "c", ",", "A", "x y", "\\n", "\\u00e9",
		"\xc3\xa9", "\xf0\x9f\x98\x80", "\\\\", "\\\"", "12", "d e", "\\u0000", "aa", "k", ".",
		"/" };
	buf_putc(make->out, '"');
	make_put(make, MAKE_ONE_OF(make, text));
	if (make_pick(make, 8) == 0 && make->left > 0) {
		make_put(make, "\\(");
		make_expr(make, MAKE_ANY, MAKE_PIPE);
		make_put(make, ")");
	}
	buf_putc(make->out, '"');
}

static inline void
make_path(struct make *make, enum make_type type)
{
	static const char *const typed[][4] = {
		[MAKE_ANY] = { ".", ".a", ".b", ".k" }, [MAKE_NUMBER] = { ".a", ".id", ".amount", ".a" },
		[MAKE_STRING] = { ".b", ".name", "$key", ".b" }, [MAKE_BOOL] = { ".x", ".x", ".a", "." },
		[MAKE_ARRAY] = { ".c", ".c", "$right", "." }, [MAKE_OBJECT] = { ".", ".", ".k", "$left" },
	};
	static const char *const first[] = { ".", ".a", ".b", ".c", ".a", ".b", ".\"d e\"", ".[\"a\"]",
		".id", ".[]?", ".[0]", ".[-1]?", ".a?", ".\"\\u0061\"", "..", ".[1:]", ".k", ".length" };
	static const char *const more[] = { ".a", ".b", ".c?", "[0]", "[-1]", "[]?", "[]", "[1:]",
		"[:2]",
		"[\"a\"]", "[0:1]?", "[-2:]", "[1.5]", ".\"c\"", "[\"b\"]?", "[1:-1]", ".a[0]", "[.a]?" };
	static const char *const variable[] = { "$key", "$acc", "$left", "$right" };
	int choice = make_pick(make, 10);
	if (choice > 3) {
		make_put(make, MAKE_ONE_OF(make, typed[type]));
		return;
	}
	if (make->nlocal && choice < 2)
		buf_printf(make->out, "$v%d", make_pick(make, make->nlocal));
	else if (choice == 2)
		make_put(make, MAKE_ONE_OF(make, variable));
	else
		make_put(make, make_pick(make, 30) ? first[make_pick(make, 14)] : MAKE_ONE_OF(make, first));
	while (make_pick(make, 4) == 0)
		make_put(make, MAKE_ONE_OF(make, more));
}

/* ( expr ), or a call with one argument. */
static inline void
make_wrapped(struct make *make, const char *before, enum make_type type)
{
	make_put(make, before);
	make_put(make, "(");
	make_expr(make, type, MAKE_PIPE);
	make_put(make, ")");
}

static inline void
make_literal_object(struct make *make)
{
	static const char *const key[] = { "a", "b", "c", "\"d e\"", "if", "x", "\"\\u0061\"", "and",
		"id" };
	static const char *const brief[] = { "a", "$key", "\"b\"", "id", "$left", "\"d e\"", "$acc" };
	make_put(make, "{");
	for (int i = 0, n = make_pick(make, 4); i < n; i++) {
		int choice = make_pick(make, 6);
		if (i)
			make_put(make, ", ");
		if (choice == 0) {
			make_put(make, MAKE_ONE_OF(make, brief));
			continue;
		}
		if (choice == 1)
			make_wrapped(make, "", MAKE_STRING);
		else
			make_put(make, MAKE_ONE_OF(make, key));
		make_put(make, ": ");
		if (choice == 2 && make_pick(make, 3) == 0)
			make_put(make, "-1");
		else
			make_expr(make, MAKE_ANY, MAKE_TERM);
	}
	make_put(make, "}");
}

/* A function of '.' that gives the type. */
static inline void
make_call(struct make *make, enum make_type type)
{
	static const char *const plain[][14] = {
		[MAKE_ANY] = { "add", "first", "last", "min", "max", "tojson", "fromjson", "values",
			"nulls",
			"scalars", "empty", "error", "iterables", "tostring" },
		[MAKE_NUMBER] = { "length", "tonumber", "floor", "sqrt", "length", "numbers",
			"utf8bytelength",
			"add", "round", "ceil", "fabs", "fromdate", "tonumber", "length" },
		[MAKE_STRING] = { "tostring", "tojson", "type", "ascii_downcase", "ascii_upcase", "strings",
			"tostring", "@base64", "@uri", "@csv", "todate", "@html", "join(\",\")", "@sh" },
		[MAKE_BOOL] = { "not", "any", "all", "booleans", "not", "isnan", "infinite", "nan", "any",
			"all", "not", "isnormal", "isinfinite", "not" },
		[MAKE_ARRAY] = { "keys", "keys_unsorted", "to_entries", "reverse", "arrays", "explode",
			"sort",
			"unique", "flatten", "paths", "to_entries", "keys", "reverse", "transpose" },
		[MAKE_OBJECT] = { "objects", "from_entries", "objects", "add", "to_entries", "objects",
			"objects", "objects", "objects", "objects", "objects", "objects", "objects",
			"objects" },
	};
	static const char *const by_string[] = { "startswith", "endswith", "contains", "ltrimstr",
		"rtrimstr", "split", "join", "has", "test", "index", "inside", "splits", "rindex",
		"indices" };
	static const char *const by_any[] = { "map", "select", "any", "all", "map", "select", "sort_by",
		"group_by", "map_values", "first", "with_entries", "del", "min_by", "unique_by" };
	switch (make_pick(make, 4)) {
	case 0:
		make_wrapped(make, MAKE_ONE_OF(make, by_any), MAKE_BOOL);
		return;
	case 1:
		make_wrapped(make, make_pick(make, 2) ? by_string[make_pick(make, 8)]
			: MAKE_ONE_OF(make, by_string), MAKE_STRING);
		return;
	case 2:
		if (type == MAKE_ARRAY && make_pick(make, 3) == 0) {
			make_put(make, make_pick(make, 2) ? "[range(3)]" : "[range(1; 2.5)]");
			return;
		}
		/* fall through */
	default:
		if (make_pick(make, 4) == 0)
			type = (enum make_type)make_pick(make, 6);
		make_put(make, MAKE_ONE_OF(make, plain[type]));
	}
}

static inline void
make_term(struct make *make, enum make_type type)
{
	static const char *const word[] = { "null", "true", "false", "[]", "{}", "empty", "not" };
	int choice = make_pick(make, 14);
	if (choice < 5 || make->left <= 0) {
		make_path(make, type);
	} else if (choice == 5) {
		make_put(make, MAKE_ONE_OF(make, word));
	} else if (choice == 6) {
		make_call(make, type);
	} else if (choice == 7) {
		make_wrapped(make, "", type);
		if (make_pick(make, 4) == 0)
			make_put(make, make_pick(make, 2) ? "?" : ".a?");
	} else if (type == MAKE_STRING || choice == 8) {
		make_literal_string(make);
	} else if (type == MAKE_NUMBER || choice == 9) {
		const char *number = MAKE_ONE_OF(make, make_numbers);
		make_put(make, number + (number[0] == '-'));
	} else if (type == MAKE_OBJECT || choice == 10) {
		make_literal_object(make);
	} else if (type == MAKE_ARRAY || choice == 11) {
		make_put(make, "[");
		make_expr(make, MAKE_ANY, MAKE_PIPE);
		make_put(make, "]");
	} else {
		make_call(make, type);
	}
}

static inline void
make_binary(struct make *make, enum make_type type, enum make_level level, const char *op)
{
	bool is_left = level == MAKE_SUM || level == MAKE_PRODUCT || level == MAKE_AND
		|| level == MAKE_OR || level == MAKE_COMMA;
	bool is_right = level == MAKE_PIPE || level == MAKE_ALT;
	make_expr(make, type, (enum make_level)(level + !is_left));
	make_put(make, op);
	make_expr(make, type, (enum make_level)(level + !is_right));
}

/* if, reduce, as: complete expressions; in parentheses where a term is wanted. */
static inline void
make_form(struct make *make, enum make_type type)
{
	int nlocal = make->nlocal;
	make_put(make, "(");
	switch (make_pick(make, 4)) {
	case 0:
		make_put(make, "reduce ");
		make_path(make, MAKE_ANY);
		buf_printf(make->out, " as $v%d (", nlocal);
		make_expr(make, type, MAKE_PIPE);
		make->nlocal++;
		make_put(make, "; ");
		make_expr(make, type, MAKE_PIPE);
		make_put(make, ")");
		break;
	case 1:
		make_path(make, MAKE_ANY);
		buf_printf(make->out, " as $v%d | ", nlocal);
		make->nlocal++;
		make_expr(make, type, MAKE_PIPE);
		break;
	default:
		make_put(make, "if ");
		make_expr(make, MAKE_BOOL, MAKE_PIPE);
		make_put(make, " then ");
		make_expr(make, type, MAKE_PIPE);
		if (make_pick(make, 5) == 0) {
			make_put(make, " elif ");
			make_expr(make, MAKE_BOOL, MAKE_PIPE);
			make_put(make, " then ");
			make_expr(make, type, MAKE_PIPE);
		}
		make_put(make, " else ");
		make_expr(make, type, MAKE_PIPE);
		make_put(make, " end");
	}
	make->nlocal = nlocal;
	make_put(make, ")");
}

static inline void
make_expr(struct make *make, enum make_type type, enum make_level level)
{
	static const struct {
		enum make_level level;
		const char *op;
		enum make_type of;
	} binary[] = {
		{ MAKE_PIPE, " | ", MAKE_ANY }, { MAKE_PIPE, " | ", MAKE_ANY },
		{ MAKE_COMMA, ", ", MAKE_ANY },
		{ MAKE_ALT, " // ", MAKE_ANY }, { MAKE_OR, " or ", MAKE_BOOL },
		{ MAKE_AND, " and ", MAKE_BOOL },
		{ MAKE_COMPARE, " == ", MAKE_ANY }, { MAKE_COMPARE, " != ", MAKE_ANY },
		{ MAKE_COMPARE, " < ", MAKE_NUMBER }, { MAKE_COMPARE, " <= ", MAKE_ANY },
		{ MAKE_COMPARE, " > ", MAKE_NUMBER }, { MAKE_COMPARE, " >= ", MAKE_STRING },
		{ MAKE_SUM, " + ", MAKE_NUMBER }, { MAKE_SUM, " - ", MAKE_NUMBER },
		{ MAKE_SUM, " + ", MAKE_STRING }, { MAKE_SUM, " + ", MAKE_ARRAY },
		{ MAKE_SUM, " + ", MAKE_OBJECT }, { MAKE_SUM, " - ", MAKE_ARRAY },
		{ MAKE_PRODUCT, " * ", MAKE_NUMBER }, { MAKE_PRODUCT, " / ", MAKE_NUMBER },
		{ MAKE_PRODUCT, " % ", MAKE_NUMBER }, { MAKE_PRODUCT, " / ", MAKE_STRING },
		{ MAKE_PRODUCT, " * ", MAKE_OBJECT },
	};
	int choice = make_pick(make, 9);
	if (make->left-- <= 0 || choice < 4) {
		make_term(make, type);
		return;
	}
	if (choice == 4) {
		make_form(make, type);
		return;
	}
	int i = make_pick(make, (int)ARRAY_LEN(binary));
	enum make_type of = binary[i].of == MAKE_ANY ? type : binary[i].of;
	bool is_wrapped = binary[i].level < level || make_pick(make, 4) == 0;
	if (is_wrapped)
		make_put(make, "(");
	if (binary[i].level == MAKE_SUM && make_pick(make, 12) == 0)
		make_put(make, "-");
	make_binary(make, of, binary[i].level, binary[i].op);
	if (is_wrapped)
		make_put(make, ")");
}

/* Append a program; now and then one that does not compile. */
static inline void
make_program(struct make *make)
{
	size_t from = make->out->n;
	make->left = 1 + make_pick(make, 12);
	make->nlocal = 0;
	make_expr(make, (enum make_type)make_pick(make, 6), MAKE_PIPE);
	if (make_pick(make, 300) == 0) {
		make_damage(make, from);
		for (size_t i = from; i < make->out->n; i++)
			if (make->out->p[i] == 0 || make->out->p[i] >= 0x80)
				make->out->p[i] = '"';
	}
}

#endif
