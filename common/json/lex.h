/*
 * The tokens of a program of the compiled subset.  A string is no token: the parser reads
 * it from the quote on.
 *
 * Uses: base.  Pure.
 */
#ifndef KQ_JSON_LEX_H
#define KQ_JSON_LEX_H

#include "base/base.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BAD,       /* wrong, or not covered */
	TOKEN_CHAR, TOKEN_NAME, TOKEN_FIELD, TOKEN_NUMBER,
	TOKEN_QUOTE,     /* the quote that opens a string */
	TOKEN_EQ, TOKEN_NE, TOKEN_LE, TOKEN_GE, TOKEN_ALT,
};

struct token {
	enum token_kind kind;
	char c;          /* of TOKEN_CHAR */
	struct str text; /* of a name, a field (without the dot), a number */
};

struct lex {
	const uint8_t *p, *end; /* what is behind the token */
	struct token token;     /* the one to look at */
};

void lex_next(struct lex *lex);

/* Is the token this character?  lex_take: if so, go on to the next one. */
bool lex_is(const struct lex *lex, char c);
bool lex_take(struct lex *lex, char c);
bool lex_take_name(struct lex *lex, const char *name);

bool lex_is_keyword(struct str s);

static inline bool
lex_is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool
lex_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

#endif
