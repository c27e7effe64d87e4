/*
 * From text to tree, by the grammar of jq 1.6 (its parser.y).  Whatever is not covered, or
 * is an error to jq, makes the whole program "not covered".
 */
#include "json/tree.h"
#include "json/lex.h"
#include "json/number.h"

#include "base/utf8.h"

#include <math.h>

enum { NESTING_MAX = 60, TEXT_MAX = 4096 };

struct tree_parser {
	struct lex lex;
	struct arena *arena;
	struct doc *doc;
	struct tree_info *info;
	int depth;
	struct { struct str name; int16_t index; } scope[TREE_LOCAL_MAX];
	int nscope;
};

static struct tree_node *parse_pipe(struct tree_parser *parser);
static struct tree_node *parse_postfix(struct tree_parser *parser);

/* ---- nodes ---- */

static struct tree_node *
node(struct tree_parser *parser, enum tree_op op)
{
	struct tree_node *tree = arena_alloc(parser->arena, sizeof *tree);
	tree->op = (uint8_t)op;
	return tree;
}

/* NULL if an argument is: an error goes up that way. */
static struct tree_node *
node1(struct tree_parser *parser, enum tree_op op, struct tree_node *arg)
{
	if (!arg)
		return NULL;
	struct tree_node *tree = node(parser, op);
	tree->arg[0] = arg;
	return tree;
}

static struct tree_node *
node2(struct tree_parser *parser, enum tree_op op, struct tree_node *x, struct tree_node *y)
{
	if (!x || !y)
		return NULL;
	struct tree_node *tree = node(parser, op);
	tree->arg[0] = x;
	tree->arg[1] = y;
	return tree;
}

static struct tree_node *
node_const(struct tree_parser *parser, struct val value)
{
	struct tree_node *tree = node(parser, TREE_CONST);
	tree->value = value;
	return tree;
}

static struct tree_node *
node_text(struct tree_parser *parser, struct str s)
{
	return node_const(parser, val_of_string(arena_str(parser->arena, s)));
}

static struct tree_node *
node_member(struct tree_parser *parser, struct tree_node *of, struct str key)
{
	struct tree_node *tree = node(parser, TREE_MEMBER);
	tree->arg[0] = of;
	tree->value = val_of_string(arena_str(parser->arena, key));
	return tree;
}

/* ---- strings ---- */

/* The escapes of a literal at p, by JSON's rules, decoded into *out. */
static bool
take_escapes(struct tree_parser *parser, struct buf *out)
{
	const uint8_t *begin = parser->lex.p, *p = begin;
	while (parser->lex.end - p > 1 && *p == '\\' && p[1] != '(') {
		const uint8_t *digits = p += 2;
		while (digits[-1] == 'u' && p < parser->lex.end && p - digits < 4
			&& (lex_is_letter(*p) || lex_is_digit(*p)))
			p++;
	}
	struct buf text = BUF_INIT;
	buf_putc(&text, '"');
	buf_put(&text, begin, (size_t)(p - begin));
	buf_putc(&text, '"');
	bool is_good = doc_scan(NULL, buf_str(&text));
	if (is_good) {
		struct val_pool pool = { ARENA_INIT, 0, false };
		buf_put_str(out, val_string(&pool, val_of_text(buf_str(&text))));
		arena_release(&pool.arena);
	}
	buf_release(&text);
	parser->lex.p = p;
	return is_good;
}

/* \( expression ) */
static struct tree_node *
take_interpolation(struct tree_parser *parser)
{
	parser->lex.p += 2;
	lex_next(&parser->lex);
	struct tree_node *tree = parse_pipe(parser);
	/* The next token is not looked for: the literal goes on behind the bracket. */
	return tree && lex_is(&parser->lex, ')') ? tree : NULL;
}

/* Behind the quote that opens: to the one that closes.  The value of *tree is a constant, or
 * a chain of parts. */
static struct tree_node *
string_parts(struct tree_parser *parser, struct buf *text)
{
	struct tree_node *string = node(parser, TREE_STRING), **last = &string->arg[0];
	for (;;) {
		if (parser->lex.p == parser->lex.end)
			return NULL;
		const uint8_t *p = parser->lex.p;
		if (*p == '\\' && parser->lex.end - p > 1 && p[1] == '(') {
			*last = node_text(parser, buf_str(text));
			last = &(*last)->next;
			buf_reset(text);
			*last = take_interpolation(parser);
			if (!*last)
				return NULL;
			last = &(*last)->next;
		} else if (*parser->lex.p == '\\') {
			if (!take_escapes(parser, text))
				return NULL;
		} else if (*parser->lex.p == '"') {
			break;
		} else {
			buf_putc(text, (char)*parser->lex.p++);
		}
	}
	parser->lex.p++;
	*last = node_text(parser, buf_str(text));
	return string;
}

/* The token is the quote that opens. */
static struct tree_node *
parse_string(struct tree_parser *parser)
{
	struct buf text = BUF_INIT;
	buf_reserve(&text, 1);
	struct tree_node *string = string_parts(parser, &text);
	buf_release(&text);
	if (!string)
		return NULL;
	lex_next(&parser->lex);
	return string->arg[0]->next ? string : string->arg[0];
}

static bool
is_text(const struct tree_node *tree)
{
	return tree && tree->op == TREE_CONST && tree->value.kind == VAL_STRING;
}

static struct str
text_of(const struct tree_node *tree)
{
	return (struct str){ tree->value.p, tree->value.n };
}

/* ---- terms ---- */

static struct tree_node *
parse_number(struct tree_parser *parser)
{
	struct str s = parser->lex.token.text;
	struct number number;
	if (number_scan(s.p, s.p + s.n, &number) != s.p + s.n)
		return NULL;
	lex_next(&parser->lex);
	return node_const(parser, val_of_number(number_value(&number, s)));
}

static struct tree_node *
parse_var(struct tree_parser *parser)
{
	static const char *const names[EXPR_NVAR] = { "", "key", "acc", "left", "right" };
	struct str s = parser->lex.token.text;
	if (parser->lex.token.kind != TOKEN_NAME || lex_is_keyword(s))
		return NULL;
	lex_next(&parser->lex);
	for (int i = parser->nscope - 1; i >= 0; i--) {
		if (str_eq(parser->scope[i].name, s)) {
			struct tree_node *tree = node(parser, TREE_LOCAL);
			tree->index = parser->scope[i].index;
			return tree;
		}
	}
	for (int16_t i = EXPR_KEY; i < EXPR_NVAR; i++) {
		if (str_eq(str_of(names[i]), s)) {
			struct tree_node *tree = node(parser, TREE_VAR);
			tree->index = i;
			parser->info->uses[i] = true;
			return tree;
		}
	}
	return NULL;
}

/* Does libjq refuse it when it compiles: a constant that is no string? */
static bool
never_a_key(const struct tree_node *key)
{
	if (key->op >= TREE_ADD && key->op <= TREE_GE)
		return key->arg[0]->op == TREE_CONST && key->arg[1]->op == TREE_CONST;
	return key->op == TREE_ARRAY || key->op == TREE_OBJECT
		|| (key->op == TREE_CONST && key->value.kind != VAL_STRING);
}

static struct tree_node *
parse_pair(struct tree_parser *parser)
{
	struct tree_node *key, *value = NULL;
	struct str s = parser->lex.token.text;
	bool is_var = false, is_plain = false;
	if (parser->lex.token.kind == TOKEN_QUOTE) {
		key = parse_string(parser);
		is_plain = is_text(key);
	} else if (lex_take(&parser->lex, '(')) {
		key = parse_pipe(parser);
		if (!lex_take(&parser->lex, ')') || !lex_is(&parser->lex, ':'))
			return NULL;
	} else if (lex_take(&parser->lex, '$')) {
		s = parser->lex.token.text;
		value = parse_var(parser);
		key = node_text(parser, s);
		is_var = true;
	} else if (parser->lex.token.kind == TOKEN_NAME) {
		key = node_text(parser, s);
		is_plain = !lex_is_keyword(s);
		lex_next(&parser->lex);
	} else {
		return NULL;
	}
	if (!is_var && lex_take(&parser->lex, ':')) {
		/* ExpD: terms, with '-' before, joined by '|'. */
		value = parse_postfix(parser);
		while (value && lex_take(&parser->lex, '|'))
			value = node2(parser, TREE_PIPE, value, parse_postfix(parser));
	} else if (is_plain) {
		value = node_member(parser, node(parser, TREE_DOT), text_of(key));
	}
	if (key && never_a_key(key))
		return NULL;
	return node2(parser, TREE_PAIR, key, value);
}

static struct tree_node *
parse_object(struct tree_parser *parser)
{
	struct tree_node *tree = node(parser, TREE_OBJECT), **last = &tree->arg[0];
	while (!lex_take(&parser->lex, '}')) {
		*last = parse_pair(parser);
		if (!*last)
			return NULL;
		last = &(*last)->next;
		if (!lex_take(&parser->lex, ',') && !lex_is(&parser->lex, '}'))
			return NULL;
	}
	return tree;
}

static struct tree_node *
parse_array(struct tree_parser *parser)
{
	struct tree_node *tree = node(parser, TREE_ARRAY);
	if (lex_take(&parser->lex, ']'))
		return tree;
	tree->arg[0] = parse_pipe(parser);
	return tree->arg[0] && lex_take(&parser->lex, ']') ? tree : NULL;
}

static const struct { const char *name; uint8_t narg, call; } calls[] = {
	{ "nulls", 0, CALL_NULLS }, { "booleans", 0, CALL_BOOLEANS }, { "numbers", 0, CALL_NUMBERS },
	{ "strings", 0, CALL_STRINGS }, { "arrays", 0, CALL_ARRAYS }, { "objects", 0, CALL_OBJECTS },
	{ "scalars", 0, CALL_SCALARS }, { "iterables", 0, CALL_ITERABLES },
	{ "values", 0, CALL_VALUES }, { "empty", 0, CALL_EMPTY }, { "not", 0, CALL_NOT },
	{ "length", 0, CALL_LENGTH }, { "type", 0, CALL_TYPE }, { "tostring", 0, CALL_TOSTRING },
	{ "tonumber", 0, CALL_TONUMBER }, { "tojson", 0, CALL_TOJSON },
	{ "ascii_downcase", 0, CALL_DOWNCASE }, { "ascii_upcase", 0, CALL_UPCASE },
	{ "keys", 0, CALL_KEYS }, { "keys_unsorted", 0, CALL_KEYS_UNSORTED }, { "add", 0, CALL_ADD },
	{ "min", 0, CALL_MIN }, { "max", 0, CALL_MAX }, { "floor", 0, CALL_FLOOR },
	{ "sqrt", 0, CALL_SQRT }, { "any", 0, CALL_ANY }, { "all", 0, CALL_ALL },
	{ "first", 0, CALL_FIRST }, { "last", 0, CALL_LAST }, { "to_entries", 0, CALL_TO_ENTRIES },
	{ "reverse", 0, CALL_REVERSE }, { "fromdate", 0, CALL_FROMDATE },
	{ "fromdateiso8601", 0, CALL_FROMDATE }, { "todate", 0, CALL_TODATE },
	{ "todateiso8601", 0, CALL_TODATE }, { "test", 1, CALL_TEST }, { "test", 2, CALL_TEST },
	{ "select", 1, CALL_SELECT }, { "map", 1, CALL_MAP },
	{ "startswith", 1, CALL_STARTSWITH }, { "endswith", 1, CALL_ENDSWITH },
	{ "contains", 1, CALL_CONTAINS }, { "ltrimstr", 1, CALL_LTRIMSTR },
	{ "rtrimstr", 1, CALL_RTRIMSTR }, { "split", 1, CALL_SPLIT }, { "join", 1, CALL_JOIN },
	{ "has", 1, CALL_HAS }, { "range", 1, CALL_RANGE }, { "any", 1, CALL_ANY_OF },
	{ "all", 1, CALL_ALL_OF }, { "range", 2, CALL_RANGE_TO } };

/* test of constants: compiled once. */
static struct tree_node *
fix_regex(struct tree_parser *parser, struct tree_node *tree)
{
	struct tree_info *info = parser->info;
	const struct tree_node *flags = tree->arg[1];
	bool has_flags = is_text(flags);
	if (!is_text(tree->arg[0]) || info->nregex == TREE_REGEX_MAX || (flags && !has_flags
		&& (flags->op != TREE_CONST || flags->value.kind != VAL_NULL)))
		return NULL;
	tree->regex = regex_new(text_of(tree->arg[0]), has_flags ? text_of(flags) : STR_NULL);
	if (!tree->regex)
		return NULL;
	info->regex[info->nregex++] = tree->regex;
	tree->arg[0] = tree->arg[1] = NULL;
	return tree;
}

static struct tree_node *
parse_call(struct tree_parser *parser, struct str name)
{
	struct tree_node *tree = node(parser, TREE_CALL);
	int narg = 0;
	if (lex_take(&parser->lex, '(')) {
		do {
			if (narg == 2)
				return NULL;
			tree->arg[narg] = parse_pipe(parser);
			if (!tree->arg[narg++])
				return NULL;
		} while (lex_take(&parser->lex, ';'));
		if (!lex_take(&parser->lex, ')'))
			return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (calls[i].narg == narg && str_eq(str_of(calls[i].name), name)) {
			tree->call = calls[i].call;
			return tree->call == CALL_TEST ? fix_regex(parser, tree) : tree;
		}
	}
	return NULL;
}

static struct tree_node *
parse_name(struct tree_parser *parser)
{
	struct str s = parser->lex.token.text;
	if (lex_is_keyword(s))
		return NULL;
	lex_next(&parser->lex);
	if (str_eq(s, STR("true")) && !lex_is(&parser->lex, '('))
		return node_const(parser, val_of_kind(VAL_TRUE));
	if (str_eq(s, STR("false")) && !lex_is(&parser->lex, '('))
		return node_const(parser, val_of_kind(VAL_FALSE));
	if (str_eq(s, STR("null")) && !lex_is(&parser->lex, '('))
		return node_const(parser, val_of_kind(VAL_NULL));
	return parse_call(parser, s);
}

/* A term without what may stand behind it. */
static struct tree_node *
parse_primary(struct tree_parser *parser)
{
	struct tree_node *tree;
	struct str s = parser->lex.token.text;
	switch (parser->lex.token.kind) {
	case TOKEN_NUMBER: return parse_number(parser);
	case TOKEN_QUOTE: return parse_string(parser);
	case TOKEN_NAME: return parse_name(parser);
	case TOKEN_FIELD:
		lex_next(&parser->lex);
		return node_member(parser, node(parser, TREE_DOT), s);
	default: break;
	}
	if (lex_take(&parser->lex, '.')) {
		tree = node(parser, TREE_DOT);
		if (parser->lex.token.kind != TOKEN_QUOTE)
			return parser->lex.token.kind == TOKEN_NAME
				&& !lex_is_keyword(parser->lex.token.text) ? NULL : tree;
		struct tree_node *key = parse_string(parser);
		return is_text(key) ? node_member(parser, tree, text_of(key)) : NULL;
	}
	if (lex_take(&parser->lex, '$'))
		return parse_var(parser);
	if (lex_take(&parser->lex, '(')) {
		tree = parse_pipe(parser);
		return tree && lex_take(&parser->lex, ')') ? tree : NULL;
	}
	if (lex_take(&parser->lex, '['))
		return parse_array(parser);
	return lex_take(&parser->lex, '{') ? parse_object(parser) : NULL;
}

/* Behind '[': an index, a slice, or nothing. */
static struct tree_node *
parse_index(struct tree_parser *parser, struct tree_node *of)
{
	struct tree_node *tree = node(parser, TREE_EACH);
	tree->arg[0] = of;
	if (lex_take(&parser->lex, ']'))
		return tree;
	tree->op = TREE_INDEX;
	tree->arg[1] = node_const(parser, val_of_kind(VAL_NULL));
	if (!lex_is(&parser->lex, ':')) {
		tree->arg[1] = parse_pipe(parser);
		if (!tree->arg[1])
			return NULL;
	}
	if (lex_take(&parser->lex, ':')) {
		bool is_open = lex_is(&parser->lex, ']');
		tree->op = TREE_SLICE;
		tree->arg[2] = is_open ? node_const(parser, val_of_kind(VAL_NULL)) : parse_pipe(parser);
		if (!tree->arg[2] || (is_open && tree->arg[1]->op == TREE_CONST
			&& tree->arg[1]->value.kind == VAL_NULL))
			return NULL;
	}
	if (!lex_take(&parser->lex, ']'))
		return NULL;
	if (tree->op == TREE_INDEX && is_text(tree->arg[1]))
		return node_member(parser, of, text_of(tree->arg[1]));
	return tree;
}

/* A term with its indexes, and the '?' behind each. */
static struct tree_node *
parse_term(struct tree_parser *parser)
{
	/* May '?' belong to the last index?  Behind a bracket it does not. */
	bool is_path = parser->lex.token.kind == TOKEN_FIELD || lex_is(&parser->lex, '.');
	struct tree_node *tree = parse_primary(parser);
	is_path = is_path && tree && tree->op == TREE_MEMBER;
	while (tree) {
		if (is_path && lex_take(&parser->lex, '?')) {
			tree->is_optional = true;
			is_path = false;
		} else if (parser->lex.token.kind == TOKEN_FIELD) {
			tree = node_member(parser, tree, parser->lex.token.text);
			lex_next(&parser->lex);
			is_path = true;
		} else if (lex_take(&parser->lex, '[')) {
			tree = parse_index(parser, tree);
			is_path = true;
		} else if (lex_take(&parser->lex, '.')) {
			struct tree_node *key = NULL;
			if (parser->lex.token.kind == TOKEN_QUOTE)
				key = parse_string(parser);
			if (!is_text(key))
				return NULL;
			tree = node_member(parser, tree, text_of(key));
			is_path = true;
		} else {
			break;
		}
	}
	return tree;
}

/* A value in an object: a term, or one with '-' before it. */
static struct tree_node *
parse_postfix(struct tree_parser *parser)
{
	if (!lex_take(&parser->lex, '-'))
		return parse_term(parser);
	return node1(parser, TREE_NEGATE, parse_postfix(parser));
}

/* ---- operators ---- */

/* if Exp then Exp [elif Exp then Exp]... else Exp end; "if" or "elif" is behind. */
static struct tree_node *
parse_if(struct tree_parser *parser)
{
	struct tree_node *tree = node1(parser, TREE_IF, parse_pipe(parser));
	if (!tree || !lex_take_name(&parser->lex, "then"))
		return NULL;
	tree->arg[1] = parse_pipe(parser);
	if (!tree->arg[1])
		return NULL;
	if (lex_take_name(&parser->lex, "elif")) {
		if (++parser->depth > NESTING_MAX)
			return NULL;
		tree->arg[2] = parse_if(parser);
		parser->depth--;
		return tree->arg[2] ? tree : NULL;
	}
	if (!lex_take_name(&parser->lex, "else"))
		return NULL;
	tree->arg[2] = parse_pipe(parser);
	return tree->arg[2] && lex_take_name(&parser->lex, "end") ? tree : NULL;
}

/* $name: a new variable, in scope from now on.  Returns its index, or -1. */
static int
parse_pattern(struct tree_parser *parser)
{
	if (!lex_take(&parser->lex, '$') || parser->lex.token.kind != TOKEN_NAME
		|| lex_is_keyword(parser->lex.token.text) || parser->info->nlocal == TREE_LOCAL_MAX)
		return -1;
	int i = parser->info->nlocal++;
	parser->scope[parser->nscope].name = parser->lex.token.text;
	parser->scope[parser->nscope++].index = (int16_t)i;
	lex_next(&parser->lex);
	return i;
}

/* Behind "Term as". */
static struct tree_node *
parse_as(struct tree_parser *parser, struct tree_node *term)
{
	int i = parse_pattern(parser);
	if (i < 0 || !lex_take(&parser->lex, '|'))
		return NULL;
	struct tree_node *tree = node2(parser, TREE_AS, term, parse_pipe(parser));
	parser->nscope--;
	if (tree)
		tree->index = (int16_t)i;
	return tree;
}

static struct tree_node *
parse_reduce(struct tree_parser *parser)
{
	struct tree_node *term = parse_term(parser);
	int i = term && lex_take_name(&parser->lex, "as") ? parse_pattern(parser) : -1;
	if (i < 0 || !lex_take(&parser->lex, '('))
		return NULL;
	/* The variable is in scope of the second expression only. */
	parser->nscope--;
	struct str name = parser->scope[parser->nscope].name;
	struct tree_node *init = parse_pipe(parser);
	parser->scope[parser->nscope].name = name; /* others had its place meanwhile */
	parser->scope[parser->nscope++].index = (int16_t)i;
	if (!init || !lex_take(&parser->lex, ';'))
		return NULL;
	struct tree_node *tree = node2(parser, TREE_REDUCE, term, init);
	tree->index = (int16_t)i;
	tree->arg[2] = parse_pipe(parser);
	parser->nscope--;
	return tree->arg[2] && lex_take(&parser->lex, ')') ? tree : NULL;
}

static const struct operator {
	enum token_kind kind;
	char c;
	const char *name;
	uint8_t op, level;
} operators[] = {
	{ TOKEN_CHAR, '|', NULL, TREE_PIPE, 1 }, { TOKEN_CHAR, ',', NULL, TREE_COMMA, 2 },
	{ TOKEN_ALT, 0, NULL, TREE_ALT, 3 }, { TOKEN_NAME, 0, "or", TREE_OR, 4 },
	{ TOKEN_NAME, 0, "and", TREE_AND, 5 }, { TOKEN_EQ, 0, NULL, TREE_EQ, 6 },
	{ TOKEN_NE, 0, NULL, TREE_NE, 6 }, { TOKEN_LE, 0, NULL, TREE_LE, 6 },
	{ TOKEN_GE, 0, NULL, TREE_GE, 6 }, { TOKEN_CHAR, '<', NULL, TREE_LT, 6 },
	{ TOKEN_CHAR, '>', NULL, TREE_GT, 6 }, { TOKEN_CHAR, '+', NULL, TREE_ADD, 7 },
	{ TOKEN_CHAR, '-', NULL, TREE_SUB, 7 }, { TOKEN_CHAR, '*', NULL, TREE_MUL, 8 },
	{ TOKEN_CHAR, '/', NULL, TREE_DIV, 8 }, { TOKEN_CHAR, '%', NULL, TREE_MOD, 8 } };
enum { LEVEL_PIPE = 1, LEVEL_ALT = 3, LEVEL_COMPARE = 6, LEVEL_TIMES = 8 };

static const struct operator *
operator_at(const struct tree_parser *parser)
{
	const struct token *token = &parser->lex.token;
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		const struct operator *op = &operators[i];
		if (op->kind == token->kind && (op->name ? str_eq(token->text, str_of(op->name))
			: op->c == token->c))
			return op;
	}
	return NULL;
}

static struct tree_node *parse_level(struct tree_parser *parser, int level);

static struct tree_node *
parse_operand(struct tree_parser *parser)
{
	struct tree_node *tree;
	if (lex_take(&parser->lex, '-')) {
		tree = node1(parser, TREE_NEGATE, parse_level(parser, LEVEL_TIMES));
	} else if (lex_take_name(&parser->lex, "if")) {
		tree = parse_if(parser);
	} else if (lex_take_name(&parser->lex, "reduce")) {
		tree = parse_reduce(parser);
	} else {
		tree = parse_term(parser);
		if (tree && lex_take_name(&parser->lex, "as"))
			return parse_as(parser, tree);
	}
	while (tree && lex_take(&parser->lex, '?'))
		tree = node1(parser, TREE_TRY, tree);
	return tree;
}

/* jq computes with constants when it compiles, where 0 / 0 is no error, and a result that
 * is infinite is one. */
static struct tree_node *
fold(struct tree_parser *parser, struct tree_node *tree)
{
	const struct tree_node *x = tree->arg[0], *y = tree->arg[1];
	if (x->op != TREE_CONST || x->value.kind != VAL_NUMBER || y->op != TREE_CONST
		|| y->value.kind != VAL_NUMBER)
		return tree;
	double left = x->value.number, right = y->value.number, result;
	switch (tree->op) {
	case TREE_ADD: result = left + right; break;
	case TREE_SUB: result = left - right; break;
	case TREE_MUL: result = left * right; break;
	case TREE_DIV: result = left / right; break;
	default: return tree;
	}
	return isinf(result) ? NULL : node_const(parser, val_of_number(result));
}

/* Operators of the level and of those above, which bind closer. */
static struct tree_node *
parse_level(struct tree_parser *parser, int level)
{
	if (++parser->depth > NESTING_MAX)
		return NULL;
	struct tree_node *tree = parse_operand(parser);
	const struct operator *op;
	while (tree && (op = operator_at(parser)) && op->level >= level) {
		bool is_right = op->level == LEVEL_PIPE || op->level == LEVEL_ALT;
		lex_next(&parser->lex);
		tree = node2(parser, (enum tree_op)op->op, tree,
			parse_level(parser, op->level + !is_right));
		if (tree)
			tree = fold(parser, tree);
		const struct operator *next = operator_at(parser);
		if (op->level == LEVEL_COMPARE && next && next->level == LEVEL_COMPARE)
			return NULL; /* a < b < c is an error */
	}
	parser->depth--;
	return tree;
}

static struct tree_node *
parse_pipe(struct tree_parser *parser)
{
	return parse_level(parser, LEVEL_PIPE);
}

/* ---- the tree as a whole ---- */

static bool resolve(struct tree_parser *parser, struct tree_node *tree, bool at_root);

/* Do the results of the node equal its input? */
static bool
gives_dot(const struct tree_node *tree)
{
	return tree->op == TREE_DOT || (tree->op == TREE_CALL
		&& (tree->call == CALL_SELECT || tree->call <= CALL_VALUES));
}

static bool
resolve_args(struct tree_parser *parser, struct tree_node *tree, bool at_root)
{
	for (int i = 0; i < 3; i++) {
		bool is_behind = (tree->op == TREE_PIPE && i == 1 && !gives_dot(tree->arg[0]))
			|| (tree->op == TREE_REDUCE && i == 2)
			|| (tree->op == TREE_CALL && tree->call != CALL_SELECT
				&& (tree->call == CALL_MAP || tree->call == CALL_ANY_OF
				|| tree->call == CALL_ALL_OF));
		if (!tree->arg[i])
			continue;
		for (struct tree_node *part = tree->arg[i]; part; part = part->next) {
			if (!resolve(parser, part, at_root && !is_behind))
				return false;
			tree->is_many |= part->is_many;
			tree->has_try |= part->has_try;
		}
	}
	return true;
}

/* The member is one of the program's input: the scan finds it. */
static bool
want(struct tree_parser *parser, struct tree_node *tree)
{
	const struct tree_node *of = tree->arg[0];
	int i = doc_want(parser->doc, of->op == TREE_SLOT ? of->index : 0,
		(struct str){ tree->value.p, tree->value.n });
	tree->op = TREE_SLOT;
	tree->index = (int16_t)i;
	return i >= 0;
}

/* Is there a pair with this key before the pair? */
static bool
is_twice(const struct tree_node *object, const struct tree_node *pair)
{
	for (const struct tree_node *at = object->arg[0]; at != pair; at = at->next)
		if (str_eq(text_of(at->arg[0]), text_of(pair->arg[0])))
			return true;
	return false;
}

/* An object of one result, whose keys are constants: what is printed before each value is
 * known. */
static void
fix_object(struct tree_parser *parser, struct tree_node *object)
{
	struct buf text = BUF_INIT;
	object->is_fixed = !object->is_many && object->arg[0];
	for (struct tree_node *pair = object->arg[0]; pair && object->is_fixed; pair = pair->next) {
		object->is_fixed = is_text(pair->arg[0]) && !is_twice(object, pair);
		if (!object->is_fixed)
			break;
		buf_reset(&text);
		buf_putc(&text, pair == object->arg[0] ? '{' : ',');
		val_put_string(text_of(pair->arg[0]), &text);
		buf_putc(&text, ':');
		pair->value = val_of_string(arena_str(parser->arena, buf_str(&text)));
	}
	buf_release(&text);
}

/* Set is_many; find what is wanted of the input, which the node sees if at_root. */
static bool
resolve(struct tree_parser *parser, struct tree_node *tree, bool at_root)
{
	tree->has_try = tree->op == TREE_TRY || tree->is_optional;
	if (!resolve_args(parser, tree, at_root))
		return false;
	switch (tree->op) {
	case TREE_EACH: case TREE_COMMA:
		tree->is_many = true;
		return true;
	case TREE_ARRAY:
		tree->is_many = false;
		return true;
	case TREE_OBJECT:
		fix_object(parser, tree);
		return true;
	case TREE_NEGATE:
		if (tree->arg[0]->op == TREE_CONST && tree->arg[0]->value.kind == VAL_NUMBER) {
			tree->value = val_of_number(-tree->arg[0]->value.number);
			tree->op = TREE_CONST;
		}
		return true;
	case TREE_REDUCE:
		if (tree->arg[1]->is_many || tree->arg[2]->is_many)
			return false;
		tree->is_many = false;
		return true;
	case TREE_CALL:
		/* jq 1.6 leaves the loop by an error, which a '?' in it catches. */
		if ((tree->call == CALL_ANY_OF || tree->call == CALL_ALL_OF)
			&& (tree->is_many || tree->has_try))
			return false;
		if (tree->call == CALL_MAP)
			tree->is_many = false;
		if (tree->call == CALL_RANGE || tree->call == CALL_RANGE_TO)
			tree->is_many = true;
		return true;
	case TREE_MEMBER:
		if (at_root && (tree->arg[0]->op == TREE_DOT || tree->arg[0]->op == TREE_SLOT))
			return want(parser, tree);
		return true;
	default:
		return true;
	}
}

struct tree_node *
tree_compile(struct str text, struct arena *a, struct doc *doc, struct tree_info *info)
{
	struct tree_parser parser = { .lex = { .p = text.p, .end = text.p + text.n }, .arena = a,
		.doc = doc, .info = info };
	*info = (struct tree_info){ .uses = { [EXPR_DOT] = true } };
	if (text.n > TEXT_MAX || !utf8_is_valid(text))
		return NULL;
	lex_next(&parser.lex);
	struct tree_node *tree = parse_pipe(&parser);
	if (!tree || parser.lex.token.kind != TOKEN_END)
		return NULL;
	return resolve(&parser, tree, true) ? tree : NULL;
}

void
tree_info_release(struct tree_info *info)
{
	while (info->nregex > 0)
		regex_free(info->regex[--info->nregex]);
}
