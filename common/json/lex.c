/* By the rules of jq 1.6 (its lexer.l). */
#include "json/lex.h"

static struct str
take_word(struct lex *lex)
{
	const uint8_t *p = lex->p;
	while (p < lex->end && (lex_is_letter(*p) || lex_is_digit(*p)))
		p++;
	struct str s = { lex->p, (int32_t)(p - lex->p) };
	lex->p = p;
	return s;
}

/* [0-9.]+([eE][+-]?[0-9]+)? */
static struct str
take_number(struct lex *lex)
{
	const uint8_t *p = lex->p;
	while (p < lex->end && (lex_is_digit(*p) || *p == '.'))
		p++;
	if (p < lex->end && (*p | 0x20) == 'e') {
		p++;
		if (p < lex->end && (*p == '+' || *p == '-'))
			p++;
		while (p < lex->end && lex_is_digit(*p))
			p++;
	}
	struct str s = { lex->p, (int32_t)(p - lex->p) };
	lex->p = p;
	return s;
}

static void
skip_blank(struct lex *lex)
{
	while (lex->p < lex->end) {
		uint8_t c = *lex->p;
		if (c == '#')
			while (lex->p < lex->end && *lex->p != '\n' && *lex->p != '\r')
				lex->p++;
		else if (c == ' ' || c == '\t' || c == '\n')
			lex->p++;
		else
			return;
	}
}

/* Operators of two characters; some are not covered. */
static enum token_kind
pair_kind(uint8_t c, uint8_t next)
{
	static const struct { char text[3]; uint8_t kind; } pairs[] = {
		{ "==", TOKEN_EQ }, { "!=", TOKEN_NE }, { "<=", TOKEN_LE }, { ">=", TOKEN_GE },
		{ "//", TOKEN_ALT }, { "|=", TOKEN_BAD }, { "+=", TOKEN_BAD }, { "-=", TOKEN_BAD },
		{ "*=", TOKEN_BAD }, { "/=", TOKEN_BAD }, { "%=", TOKEN_BAD }, { "..", TOKEN_BAD } };
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (pairs[i].text[0] == (char)c && pairs[i].text[1] == (char)next)
			return (enum token_kind)pairs[i].kind;
	return TOKEN_CHAR;
}

static void
take_operator(struct lex *lex, struct token *token)
{
	const uint8_t *p = lex->p;
	size_t left = (size_t)(lex->end - p);
	token->kind = pair_kind(p[0], left > 1 ? p[1] : 0);
	token->c = token->kind == TOKEN_CHAR ? (char)p[0] : 0;
	lex->p += token->kind == TOKEN_CHAR ? 1 : 2;
	if (token->kind == TOKEN_CHAR && (!p[0] || !strchr(".?;,:|+-*/%$<>[](){}", p[0])))
		token->kind = TOKEN_BAD;
	if (left > 2 && (memcmp(p, "?//", 3) == 0 || memcmp(p, "//=", 3) == 0))
		token->kind = TOKEN_BAD;
}

void
lex_next(struct lex *lex)
{
	struct token *token = &lex->token;
	skip_blank(lex);
	*token = (struct token){ .kind = TOKEN_END };
	if (lex->p == lex->end)
		return;
	uint8_t c = *lex->p, next = lex->end - lex->p > 1 ? lex->p[1] : 0;
	if (lex_is_letter(c)) {
		token->kind = TOKEN_NAME;
		token->text = take_word(lex);
	} else if (c == '.' && lex_is_letter(next)) {
		lex->p++;
		token->kind = TOKEN_FIELD;
		token->text = take_word(lex);
	} else if (lex_is_digit(c) || (c == '.' && lex_is_digit(next))) {
		token->kind = TOKEN_NUMBER;
		token->text = take_number(lex);
	} else if (c == '"') {
		lex->p++;
		token->kind = TOKEN_QUOTE;
	} else {
		take_operator(lex, token);
	}
}

bool
lex_is(const struct lex *lex, char c)
{
	return lex->token.kind == TOKEN_CHAR && lex->token.c == c;
}

bool
lex_take(struct lex *lex, char c)
{
	if (!lex_is(lex, c))
		return false;
	lex_next(lex);
	return true;
}

bool
lex_take_name(struct lex *lex, const char *name)
{
	if (lex->token.kind != TOKEN_NAME || !str_eq(lex->token.text, str_of(name)))
		return false;
	lex_next(lex);
	return true;
}

bool
lex_is_keyword(struct str s)
{
	static const char *const words[] = {
		"as", "import", "include", "module", "def", "if", "then", "else", "elif", "and", "or",
		"end", "reduce", "foreach", "try", "catch", "label", "break", "__loc__" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}
